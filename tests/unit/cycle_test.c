/*
 * Cycles of drafting on the small model: what they choose, and the logits that it was chosen
 * from, are what single steps give, bit for bit, at every depth and from every offset of a block;
 * and the caches are left as single steps leave them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/cache/tree.h"
#include "engine/pass/model_internal.h"
#include "engine/text/tokenizer.h"
#include "tests/support/recorder.h"
#include "tests/support/sanitized.h"

/* What takes minutes of this file's tests runs under DSV4CHAT_SLOW. */
#define NANO "share/nano"

/* A run of single steps, or of cycles. */
struct steps {
	struct model *m;
	struct seq *s;
	size_t vocab;
	int n; /* ids chosen, each from the row of logits of the same number */
	token_id *ids;
	float *logits;
	int n_cycles, drafted, accepted;
};

static struct tokens text;

static int read_text(void **state)
{
	static const char said[] =
		"How do I list the files of a folder, the newest first? What is 17 + 25? "
		"Give me the capital of France, and that of Spain. Show the disks' free space. ";
	struct tokenizer *tok;
	struct err err = {0};
	size_t n_replaced = 0;

	(void)state;
	if (tokenizer_open(&tok, NANO, &err))
		fail_msg("%s", err.text);
	for (int i = 0; i < 12; i++)
		assert_int_equal(tokenizer_encode(tok, str_of(said), &text, &n_replaced, &err), 0);
	assert_true(text.n > 520);
	tokenizer_close(tok);
	return 0;
}

static int drop_text(void **state)
{
	(void)state;
	tokens_release(&text);
	return 0;
}

static struct model *open_model(int chunk, int n_slots)
{
	const struct model_options opt = {
		.dir = NANO,
		.n_threads = 1,
		.ctx_tokens = 1024,
		.prefill_chunk = chunk,
		.n_slots = n_slots,
		.keeps = true,
		.kept_bytes = 1,
	};
	struct err err = {0};
	struct model *m;

	if (model_open(&m, &opt, &err))
		fail_msg("%s", err.text);
	return m;
}

static void steps_open(struct steps *k, struct model *m, int most)
{
	struct err err = {0};

	*k = (struct steps){.m = m, .vocab = (size_t)model_config(m)->vocab};
	assert_int_equal(seq_new(&k->s, m, &err), 0);
	k->ids = calloc((size_t)most + 16, sizeof(*k->ids));
	k->logits = calloc(((size_t)most + 16) * k->vocab, sizeof(float));
	assert_true(k->ids && k->logits);
}

static void steps_close(struct steps *k)
{
	seq_free(k->s);
	free(k->ids);
	free(k->logits);
}

static void run(struct steps *k, struct forward f)
{
	struct err err = {0};

	if (seq_run(k->s, f, &err))
		fail_msg("%s", err.text);
}

/* The first n ids of the text from `at` on, and what follows them. */
static void prefill(struct steps *k, int at, int n, const struct sample_how *how)
{
	int chunk = model_prefill_chunk(k->m);
	struct choice c;
	struct err err = {0};

	assert_int_equal(seq_truncate(k->s, 0, &err), 0);
	k->n = k->n_cycles = k->drafted = k->accepted = 0;
	for (int i = 0; i < n; i += chunk) {
		bool last = i + chunk >= n;

		run(k, (struct forward){
			       .ids = text.ids + at + i,
			       .n = last ? n - i : chunk,
			       .want = last ? WANT_LAST : WANT_NONE,
			       .logits = last ? k->logits : NULL,
			       .choices = last ? &c : NULL,
			       .how = how,
		       });
	}
	k->ids[k->n++] = c.id;
}

static void one_by_one(struct steps *k, int n, const struct sample_how *how)
{
	while (k->n < n) {
		struct choice c;

		run(k, (struct forward){
			       .ids = &k->ids[k->n - 1],
			       .n = 1,
			       .want = WANT_LAST,
			       .logits = k->logits + (size_t)k->n * k->vocab,
			       .choices = &c,
			       .how = how,
		       });
		k->ids[k->n++] = c.id;
	}
}

/* One cycle, of which the last n ids are kept. */
static void one_cycle(struct steps *k, int depth, const struct sample_how *how)
{
	struct forward_cycle cycle = {.depth = depth};
	struct choice c[1 + DRAFT_MAX];
	int64_t len = seq_len(k->s);

	run(k, (struct forward){
		       .ids = &k->ids[k->n - 1],
		       .n = 1,
		       .want = WANT_ALL,
		       .logits = k->logits + (size_t)k->n * k->vocab,
		       .choices = c,
		       .how = how,
		       .cycle = &cycle,
	       });
	assert_in_range(cycle.n_accepted, 0, depth);
	assert_int_equal(seq_len(k->s), len + 1 + cycle.n_accepted);
	assert_int_equal(cycle.ids[0], k->ids[k->n - 1]);
	for (int i = 0; i <= cycle.n_accepted; i++) {
		assert_true(i == cycle.n_accepted || cycle.ids[1 + i] == c[i].id);
		k->ids[k->n++] = c[i].id;
	}
	assert_true(cycle.n_accepted == depth ||
		    cycle.ids[1 + cycle.n_accepted] != c[cycle.n_accepted].id);
	k->n_cycles++;
	k->drafted += depth;
	k->accepted += cycle.n_accepted;
}

static void in_cycles(struct steps *k, int n, int depth, const struct sample_how *how)
{
	while (k->n < n)
		one_cycle(k, depth, how);
}

static void same_steps(const struct steps *a, const struct steps *b, int n, const char *what)
{
	for (int i = 0; i < n; i++) {
		size_t row = (size_t)i * a->vocab;

		if (a->ids[i] != b->ids[i])
			fail_msg("%s: id %d is %d, expected %d", what, i, (int)b->ids[i],
				 (int)a->ids[i]);
		if (memcmp(a->logits + row, b->logits + row, a->vocab * sizeof(float)) != 0)
			fail_msg("%s: the logits of id %d differ", what, i);
	}
}

/* On with the same ids from what both hold: the draft head says the same, too. */
static void same_caches(struct steps *single, struct steps *cycled, const char *what)
{
	int64_t len = seq_len(single->s);
	size_t bytes = 3 * single->vocab * sizeof(float);
	float *draft[2] = {malloc(bytes), malloc(bytes)};
	struct err err = {0};

	assert_true(draft[0] && draft[1]);
	assert_int_equal(seq_truncate(cycled->s, len, &err), 0);
	for (int i = 0; i < 2; i++)
		run(i ? cycled : single, (struct forward){
						 .ids = text.ids + 100,
						 .n = 3,
						 .want = WANT_ALL,
						 .draft = draft[i],
					 });
	assert_int_equal(seq_truncate(single->s, len, &err), 0);
	if (memcmp(draft[0], draft[1], bytes) != 0)
		fail_msg("%s: the draft head's logits differ behind it", what);
	free(draft[0]);
	free(draft[1]);
}

#define LENGTH 40

/* Prompts that cycles are tried behind. */
#define FEW (SANITIZED ? 4 : 12)

static const struct sample_how hows[] = {
	{.temperature = 0},
	{.temperature = 0.7, .top_p = 1},
	{.temperature = 1, .top_p = 0.9},
	{.temperature = 1.5, .top_p = 1, .min_p = 0.02},
	{.temperature = 1, .top_p = 1, .top_k = 5},
};

static struct sample_how how_of(const struct steps *k, int i)
{
	struct sample_how how = hows[(size_t)i % (sizeof(hows) / sizeof(hows[0]))];

	how.seed = (uint64_t)i;
	how.n_choice = (int)k->vocab;
	return how;
}

static bool slow(void)
{
	return getenv("DSV4CHAT_SLOW") != NULL;
}

/* A prompt, with what one step after another chooses behind it. */
struct prompt {
	int at, n; /* of the text */
	struct sample_how how;
	struct steps single;
	struct tree kept; /* its end */
};

static void read_prompt(struct prompt *p, int i)
{
	struct err err = {0};

	p->at = 3 * i;
	p->n = 120 + i + 128 * (i % 3);
	p->how = how_of(&p->single, i);
	assert_int_equal(tree_init(&p->kept, p->single.m, &err), 0);
	prefill(&p->single, p->at, p->n, &p->how);
	if (tree_keep(&p->kept, p->single.s, text.ids + p->at, p->n, &err))
		fail_msg("%s", err.text);
	one_by_one(&p->single, LENGTH, &p->how);
}

/* To its end, as whoever goes on from there. */
static void go_to_end(struct steps *k, struct prompt *p)
{
	struct mark *end = tree_find(&p->kept, text.ids + p->at, p->n);
	struct err err = {0};

	assert_true(end && end->len == p->n);
	assert_int_equal(tree_restore(&p->kept, end, k->s, &err), 0);
	k->n = 1;
	k->ids[0] = p->single.ids[0];
	memcpy(k->logits, p->single.logits, k->vocab * sizeof(float));
	k->drafted = k->accepted = k->n_cycles = 0;
}

/* Blocks of 4 and of 128 end within the cycles, between them, and before. */
static void cycles_choose_what_single_steps_choose(void **state)
{
	int far = slow() ? 128 : FEW, step = slow() ? 1 : 3;
	struct model *m = open_model(64, 2);
	struct prompt p = {0};
	struct steps cycled;
	int drafted = 0, accepted = 0;

	(void)state;
	steps_open(&p.single, m, LENGTH);
	steps_open(&cycled, m, LENGTH);
	for (int i = 0; i < far; i++) {
		read_prompt(&p, i);
		for (int depth = 1 + i % step; depth <= DRAFT_MAX; depth += step) {
			char what[80];

			snprintf(what, sizeof(what), "%d ids, %d drafts at a time, how %d", p.n,
				 depth, i);
			/* Each prompt at another depth without a way back to its end. */
			if ((depth + i) % DRAFT_MAX == 0)
				prefill(&cycled, p.at, p.n, &p.how);
			else
				go_to_end(&cycled, &p);
			in_cycles(&cycled, LENGTH, depth, &p.how);
			same_steps(&p.single, &cycled, LENGTH, what);
			same_caches(&p.single, &cycled, what);
			drafted += cycled.drafted;
			accepted += cycled.accepted;
		}
		tree_release(&p.kept);
	}
	/* Both happen, or it says nothing. */
	assert_in_range(accepted, drafted / 20, drafted - 20);
	steps_close(&p.single);
	steps_close(&cycled);
	model_close(m);
}

/* A backend that records has one run for each depth, at every position and in every slot. */
static void a_cycle_is_one_run_that_replays(void **state)
{
	struct model *direct = open_model(100, 1), *recorded = open_model(100, 2);
	struct backend *inner = recorded->be;
	struct recorder *r = recorder_new(inner, 1, 0);
	struct recorder_counts before, n;
	struct steps single, cycled[2];
	const struct sample_how *how;
	struct sample_how of[2];

	(void)state;
	recorded->be = recorder_backend(r);
	steps_open(&single, direct, LENGTH);
	for (int i = 0; i < 2; i++) {
		steps_open(&cycled[i], recorded, LENGTH);
		of[i] = how_of(&single, i + 1);
		prefill(&cycled[i], 5 * i, 110 + 140 * i, &of[i]);
	}
	before = recorder_counts(r);
	for (int turn = 0; cycled[0].n < LENGTH || cycled[1].n < LENGTH; turn++) {
		struct steps *k = &cycled[turn / 2 % 2];

		if (k->n < LENGTH)
			one_cycle(k, 1 + turn % 4, &of[turn / 2 % 2]);
	}
	n = recorder_counts(r);
	assert_int_equal(n.recorded - before.recorded, 4);
	assert_int_equal(n.replayed - before.replayed, cycled[0].n_cycles + cycled[1].n_cycles - 4);
	assert_int_equal(n.moved, 0);
	assert_int_equal(n.touched, 0);
	for (int i = 0; i < 2; i++) {
		how = &of[i];
		prefill(&single, 5 * i, 110 + 140 * i, how);
		one_by_one(&single, LENGTH, how);
		same_steps(&single, &cycled[i], LENGTH, i ? "slot 1" : "slot 0");
		steps_close(&cycled[i]);
	}
	steps_close(&single);
	recorded->be = inner;
	recorder_free(r);
	model_close(direct);
	model_close(recorded);
}

/* Whichever operation fails: the sequence is empty, as after a step that fails. */
static void a_cycle_that_fails_leaves_an_empty_sequence(void **state)
{
	struct model *m = open_model(100, 1);
	struct backend *inner = m->be;
	struct recorder *r = recorder_new(inner, 0, 0);
	struct steps single, cycled;
	struct sample_how how;
	int fails = 0, at = 1;

	(void)state;
	m->be = recorder_backend(r);
	steps_open(&cycled, m, LENGTH);
	how = how_of(&cycled, 0);
	for (;; at += slow() ? 1 : 11) {
		struct forward_cycle cycle = {.depth = 3};
		struct choice c[4];
		struct err err = {0};
		struct forward f = {
			.ids = cycled.ids,
			.n = 1,
			.want = WANT_ALL,
			.choices = c,
			.how = &how,
			.cycle = &cycle,
		};

		prefill(&cycled, 0, 30, &how);
		recorder_fail_at(r, at);
		if (!seq_run(cycled.s, f, &err))
			break;
		assert_non_null(strstr(err.text, "fails"));
		assert_int_equal(seq_len(cycled.s), 0);
		fails++;
	}
	assert_true(fails > 10);
	recorder_fail_at(r, 0);
	/* And the next one is as if none had failed. */
	prefill(&cycled, 0, 30, &how);
	in_cycles(&cycled, 20, 3, &how);
	m->be = inner;
	seq_free(cycled.s);
	steps_open(&single, m, LENGTH);
	cycled.s = NULL;
	prefill(&single, 0, 30, &how);
	one_by_one(&single, 20, &how);
	same_steps(&single, &cycled, 20, "after failures");
	steps_close(&single);
	steps_close(&cycled);
	recorder_free(r);
	model_close(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cycles_choose_what_single_steps_choose),
		cmocka_unit_test(a_cycle_is_one_run_that_replays),
		cmocka_unit_test(a_cycle_that_fails_leaves_an_empty_sequence),
	};

	return cmocka_run_group_tests(tests, read_text, drop_text);
}
