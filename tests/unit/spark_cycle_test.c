/*
 * Cycles of drafting with the block drafter: what they choose is what single steps choose, bit for
 * bit in the logits that it is chosen from, at every depth and however the block is cut; and what
 * is drafted behind them is what is drafted behind single steps.
 *
 * Few tokens are chosen from: then drafts of random weights, too, are now and then what is chosen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/cache/seq.h"
#include "engine/pass/model_internal.h"
#include "tests/support/checkpoint.h"
#include "tests/support/recorder.h"
#include "tests/support/shared_files.h"

#define LENGTH 30 /* chosen after each prompt */
#define CHOICE 4
#define PROMPT 300

static struct tmpdir dir;

static int make_model(void **state)
{
	(void)state;
	tmpdir_init(&dir);
	checkpoint_put(&dir,
		       (struct block_drafter){.stages = 3, .block = 5, .targets = "0, 1, 2"});
	return 0;
}

static int remove_model(void **state)
{
	(void)state;
	tmpdir_release(&dir);
	return 0;
}

static struct model *open_model(const char *from, int chunk, int n_slots)
{
	const struct model_options opt = {
		.dir = from,
		.n_threads = 1,
		.ctx_tokens = 1024,
		.prefill_chunk = chunk,
		.n_slots = n_slots,
	};
	struct err err = {0};
	struct model *m;

	if (model_open(&m, &opt, &err))
		fail_msg("%s", err.text);
	return m;
}

/* ---------------------------------------------------------------------- a text */

struct text {
	struct seq *s;
	size_t vocab;
	int n;
	token_id ids[LENGTH + 1 + DRAFT_MAX];
	float *logits; /* of each */
	int n_cycles, drafted, accepted;
};

static void text_new(struct text *k, struct model *m)
{
	struct err err = {0};

	*k = (struct text){.vocab = (size_t)model_config(m)->vocab};
	assert_int_equal(seq_new(&k->s, m, &err), 0);
	k->logits = calloc((LENGTH + 1 + DRAFT_MAX) * k->vocab, sizeof(float));
	assert_non_null(k->logits);
}

static void text_free(struct text *k)
{
	seq_free(k->s);
	free(k->logits);
}

static void run(struct text *k, struct forward f)
{
	struct err err = {0};

	if (seq_run(k->s, f, &err))
		fail_msg("%s", err.text);
}

static float *row(const struct text *k, int i)
{
	return k->logits + (size_t)i * k->vocab;
}

static void prompt(struct text *k, int chunk, int n, const struct sample_how *how)
{
	token_id ids[PROMPT];
	struct err err = {0};
	struct choice c;

	for (int i = 0; i < n; i++)
		ids[i] = (i * i + 5 * i + n) % 200;
	assert_int_equal(seq_truncate(k->s, 0, &err), 0);
	k->n = k->n_cycles = k->drafted = k->accepted = 0;
	for (int at = 0; at < n; at += chunk) {
		bool last = at + chunk >= n;

		run(k, (struct forward){.ids = ids + at,
					.n = last ? n - at : chunk,
					.want = last ? WANT_LAST : WANT_NONE,
					.logits = last ? row(k, 0) : NULL,
					.choices = last ? &c : NULL,
					.how = how});
	}
	k->ids[k->n++] = c.id;
}

static void in_steps(struct text *k, const struct sample_how *how)
{
	while (k->n < LENGTH) {
		struct choice c;

		run(k, (struct forward){.ids = &k->ids[k->n - 1],
					.n = 1,
					.want = WANT_LAST,
					.logits = row(k, k->n),
					.choices = &c,
					.how = how});
		k->ids[k->n++] = c.id;
	}
}

static struct forward cycle_of(struct text *k, struct forward_cycle *cycle, struct choice *c,
			       const struct sample_how *how)
{
	return (struct forward){.ids = &k->ids[k->n - 1],
				.n = 1,
				.want = WANT_ALL,
				.logits = row(k, k->n),
				.choices = c,
				.how = how,
				.cycle = cycle};
}

static void one_cycle(struct text *k, struct forward_cycle cycle, const struct sample_how *how)
{
	struct choice c[1 + DRAFT_MAX];

	run(k, cycle_of(k, &cycle, c, how));
	for (int i = 0; i <= cycle.n_accepted; i++)
		k->ids[k->n++] = c[i].id;
	k->n_cycles++;
	k->drafted += cycle.depth;
	k->accepted += cycle.n_accepted;
}

static void same_text(const struct text *a, const struct text *b, const char *what)
{
	for (int i = 0; i < LENGTH; i++) {
		if (a->ids[i] != b->ids[i])
			fail_msg("%s: id %d is %d, expected %d", what, i, (int)b->ids[i],
				 (int)a->ids[i]);
		if (memcmp(row(a, i), row(b, i), a->vocab * sizeof(float)) != 0)
			fail_msg("%s: the logits of id %d differ", what, i);
	}
}

static void same_drafts(struct text *a, struct text *b, const struct sample_how *how,
			const char *what)
{
	struct drafts d[2];
	struct err err = {0};
	int64_t len = seq_len(a->s) < seq_len(b->s) ? seq_len(a->s) : seq_len(b->s);

	assert_int_equal(seq_truncate(a->s, len, &err), 0);
	assert_int_equal(seq_truncate(b->s, len, &err), 0);
	memset(d, 0, sizeof(d));
	for (int i = 0; i < 2; i++) {
		d[i].next = 17;
		d[i].how = how;
		d[i].n = 5;
		assert_int_equal(seq_draft(i ? b->s : a->s, &d[i], &err), 0);
	}
	if (memcmp(d[0].ids, d[1].ids, sizeof(d[0].ids)) != 0 ||
	    memcmp(d[0].sure, d[1].sure, sizeof(d[0].sure)) != 0)
		fail_msg("%s: other drafts behind it", what);
}

static struct sample_how how_of(int i)
{
	static const struct sample_how hows[] = {
		{.temperature = 0},
		{.temperature = 0.7, .top_p = 1},
		{.temperature = 1.5, .top_p = 0.9},
		{.temperature = 1, .top_p = 1, .min_p = 0.1},
		{.temperature = 1, .top_p = 1, .top_k = 3},
	};
	struct sample_how how = hows[(size_t)i % (sizeof(hows) / sizeof(hows[0]))];

	how.seed = (uint64_t)i;
	how.n_choice = CHOICE;
	return how;
}

/* ----------------------------------------------------------------------- tests */

/* Blocks of 4 and of 128 end within the cycles, between them, and before. */
static void cycles_of(const char *from)
{
	struct model *m = open_model(from, 64, 2);
	int drafted = 0, accepted = 0;
	struct text single, cycled;

	text_new(&single, m);
	text_new(&cycled, m);
	for (int i = 0; i < 8; i++) {
		int n = i < 3 ? 1 + i : 119 + i + 128 * (i % 2);
		struct sample_how how = how_of(i);

		prompt(&single, 64, n, &how);
		in_steps(&single, &how);
		for (int depth = 1 + i % 2; depth <= 5; depth += 2) {
			char what[80];

			snprintf(what, sizeof(what), "%d ids, %d drafts, how %d", n, depth, i);
			prompt(&cycled, 64, n, &how);
			while (cycled.n < LENGTH)
				one_cycle(&cycled, (struct forward_cycle){.depth = depth}, &how);
			same_text(&single, &cycled, what);
			same_drafts(&single, &cycled, &how, what);
			drafted += cycled.drafted;
			accepted += cycled.accepted;
		}
	}
	/* Both happen, or it says nothing. */
	assert_in_range(accepted, drafted / 20, drafted - 50);
	text_free(&single);
	text_free(&cycled);
	model_close(m);
}

static void cycles_choose_what_single_steps_choose(void **state)
{
	(void)state;
	cycles_of(dir.path);
}

static void cycles_of_the_golden_model_choose_what_single_steps_choose(void **state)
{
	struct buf path = {0}, file = {0};

	(void)state;
	shared_read("golden/spark-micro.1/config.json", &file);
	shared_path(&path, "golden/spark-micro.1");
	cycles_of(buf_z(&path));
	buf_release(&path);
	buf_release(&file);
}

/* Where logits hardly count, the noise decides, and it is each position's own in both. */
static void drafts_are_chosen_with_their_positions_noise(void **state)
{
	const struct sample_how how = {.temperature = 1e5, .top_p = 1, .seed = 4, .n_choice = 200};
	struct model *m = open_model(dir.path, 64, 2);
	struct text single, cycled;

	(void)state;
	text_new(&single, m);
	text_new(&cycled, m);
	prompt(&single, 64, 125, &how);
	in_steps(&single, &how);
	prompt(&cycled, 64, 125, &how);
	while (cycled.n < LENGTH)
		one_cycle(&cycled, (struct forward_cycle){.depth = 5}, &how);
	assert_int_equal(cycled.accepted, cycled.drafted);
	same_text(&single, &cycled, "noise");
	same_drafts(&single, &cycled, &how, "noise");
	text_free(&single);
	text_free(&cycled);
	model_close(m);
}

/* What the head says of its drafts, and how much of the block is left. */
struct cutting {
	float sure[DRAFT_MAX];
	int n, keep;
};

static int cut(void *ctx, const float *sure, int depth)
{
	struct cutting *k = ctx;

	memcpy(k->sure, sure, (size_t)depth * sizeof(*sure));
	k->n++;
	return k->keep < depth ? k->keep : depth;
}

static void a_block_is_cut_by_how_sure_it_is(void **state)
{
	struct model *m = open_model(dir.path, 64, 2);
	struct sample_how how = how_of(1);
	struct text single, cycled;
	struct cutting k = {0};

	(void)state;
	text_new(&single, m);
	text_new(&cycled, m);
	prompt(&single, 64, 130, &how);
	in_steps(&single, &how);
	prompt(&cycled, 64, 130, &how);
	while (cycled.n < LENGTH) {
		struct drafts d = {.next = cycled.ids[cycled.n - 1], .how = &how, .n = 5};
		struct err err = {0};

		assert_int_equal(seq_draft(cycled.s, &d, &err), 0);
		k.keep = cycled.n_cycles % 6;
		one_cycle(&cycled,
			  (struct forward_cycle){.depth = 5, .cut = cut, .cut_ctx = &k}, &how);
		assert_int_equal(k.n, cycled.n_cycles);
		assert_memory_equal(k.sure, d.sure, 5 * sizeof(float));
	}
	same_text(&single, &cycled, "cut");
	same_drafts(&single, &cycled, &how, "cut");
	assert_in_range(cycled.drafted, cycled.n_cycles, 4 * cycled.n_cycles);
	text_free(&single);
	text_free(&cycled);
	model_close(m);
}

/* A backend that records has one run for each depth, and two where the block is cut. */
static void a_cycle_replays_in_every_slot(void **state)
{
	struct model *direct = open_model(dir.path, 64, 1), *recorded = open_model(dir.path, 64, 2);
	struct backend *inner = recorded->be;
	struct recorder *r = recorder_new(inner, 1, 0);
	struct recorder_counts before, n;
	struct text single, cycled[2];
	struct sample_how how[2] = {how_of(1), how_of(2)};
	struct cutting k = {.keep = 3};

	(void)state;
	recorded->be = recorder_backend(r);
	text_new(&single, direct);
	for (int i = 0; i < 2; i++) {
		text_new(&cycled[i], recorded);
		prompt(&cycled[i], 64, 110 + 140 * i, &how[i]);
	}
	before = recorder_counts(r);
	for (int turn = 0; cycled[0].n < LENGTH || cycled[1].n < LENGTH; turn++) {
		int i = turn / 2 % 2;
		struct forward_cycle cycle = {.depth = turn % 2 ? 5 : 2};

		if (turn % 3 == 0)
			cycle = (struct forward_cycle){.depth = 5, .cut = cut, .cut_ctx = &k};
		if (cycled[i].n < LENGTH)
			one_cycle(&cycled[i], cycle, &how[i]);
	}
	n = recorder_counts(r);
	/* two depths whole; drafts alone, and rows alone */
	assert_int_equal(n.recorded - before.recorded, 4);
	assert_true(n.replayed - before.replayed > 8);
	assert_int_equal(n.moved, 0);
	assert_int_equal(n.touched, 0);
	for (int i = 0; i < 2; i++) {
		prompt(&single, 64, 110 + 140 * i, &how[i]);
		in_steps(&single, &how[i]);
		same_text(&single, &cycled[i], i ? "slot 1" : "slot 0");
		text_free(&cycled[i]);
	}
	text_free(&single);
	recorded->be = inner;
	recorder_free(r);
	model_close(direct);
	model_close(recorded);
}

/* Whichever operation fails: the sequence is empty, and the next one as if none had failed. */
static void a_cycle_that_fails_leaves_an_empty_sequence(void **state)
{
	struct model *m = open_model(dir.path, 64, 2);
	struct backend *inner = m->be;
	struct recorder *r = recorder_new(inner, 0, 0);
	struct sample_how how = how_of(1);
	struct text single, cycled;
	int fails = 0;

	(void)state;
	text_new(&single, m);
	prompt(&single, 64, 30, &how);
	in_steps(&single, &how);
	m->be = recorder_backend(r);
	text_new(&cycled, m);
	for (int at = 1;; at += 7) {
		struct forward_cycle cycle = {.depth = 4};
		struct choice c[1 + DRAFT_MAX];
		struct err err = {0};

		prompt(&cycled, 64, 30, &how);
		recorder_fail_at(r, at);
		if (!seq_run(cycled.s, cycle_of(&cycled, &cycle, c, &how), &err))
			break;
		assert_non_null(strstr(err.text, "fails"));
		assert_int_equal(seq_len(cycled.s), 0);
		fails++;
	}
	assert_true(fails > 20);
	recorder_fail_at(r, 0);
	prompt(&cycled, 64, 30, &how);
	while (cycled.n < LENGTH)
		one_cycle(&cycled, (struct forward_cycle){.depth = 4}, &how);
	same_text(&single, &cycled, "after failures");
	m->be = inner;
	text_free(&single);
	text_free(&cycled);
	recorder_free(r);
	model_close(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cycles_choose_what_single_steps_choose),
		cmocka_unit_test(cycles_of_the_golden_model_choose_what_single_steps_choose),
		cmocka_unit_test(drafts_are_chosen_with_their_positions_noise),
		cmocka_unit_test(a_block_is_cut_by_how_sure_it_is),
		cmocka_unit_test(a_cycle_replays_in_every_slot),
		cmocka_unit_test(a_cycle_that_fails_leaves_an_empty_sequence),
	};

	return cmocka_run_group_tests(tests, make_model, remove_model);
}
