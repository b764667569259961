/*
 * The block drafter: against golden data where that is present, and by bits on a random
 * checkpoint.  A block depends on the ids before it and on nothing else: not on how they came in,
 * what was drafted or rolled back before, or what other sequences do.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/cache/tree.h"
#include "engine/checkpoint/safetensors.h"
#include "tests/support/checkpoint.h"
#include "tests/support/shared_files.h"

#define N_IDS 315
#define STEP  7 /* of the lengths that are drafted behind */
#define BLOCK 5
#define VOCAB 203

static struct tmpdir dir;
static token_id ids[N_IDS];

static int make_model(void **state)
{
	(void)state;
	tmpdir_init(&dir);
	checkpoint_put(&dir,
		       (struct block_drafter){.stages = 2, .block = 5, .targets = "0, 2"});
	for (int i = 0; i < N_IDS; i++)
		ids[i] = (i * i * 7 + i * 31 + i / 9) % VOCAB;
	return 0;
}

static int remove_model(void **state)
{
	(void)state;
	tmpdir_release(&dir);
	return 0;
}

static struct model *open_with(struct model_options opt)
{
	struct err err = {0};
	struct model *m;

	opt.dir = opt.dir ? opt.dir : dir.path;
	opt.ctx_tokens = 2048;
	if (model_open(&m, &opt, &err))
		fail_msg("%s", err.text);
	return m;
}

static struct model *open_chunked(int n_threads, int chunk)
{
	return open_with((struct model_options){.n_threads = n_threads, .prefill_chunk = chunk});
}

static struct seq *new_seq(struct model *m)
{
	struct err err = {0};
	struct seq *s;

	if (seq_new(&s, m, &err))
		fail_msg("%s", err.text);
	return s;
}

static void feed(struct seq *s, const token_id *v, int n, float *logits)
{
	struct err err = {0};

	if (seq_forward(s, v, n, logits ? WANT_LAST : WANT_NONE, logits, NULL, &err))
		fail_msg("%s", err.text);
}

/* ids[from … to), as many at once as the model takes */
static void feed_to(struct model *m, struct seq *s, int to)
{
	int at = (int)seq_len(s), chunk = model_prefill_chunk(m);

	for (; at < to; at += chunk)
		feed(s, ids + at, to - at < chunk ? to - at : chunk, NULL);
}

/* ------------------------------------------------------------------- a block */

struct drafted {
	struct drafts d;
	float logits[BLOCK * VOCAB];
};

static const struct sample_how greedy = {.top_p = 1, .n_choice = VOCAB};
static const struct sample_how warm = {
	.temperature = 1, .top_p = 0.95, .seed = 3, .n_choice = VOCAB};

static void draft(struct seq *s, token_id next, const struct sample_how *how, struct drafted *out)
{
	struct err err = {0};

	memset(out, 0, sizeof(*out));
	out->d = (struct drafts){.next = next, .how = how, .n = BLOCK, .logits = out->logits};
	if (seq_draft(s, &out->d, &err))
		fail_msg("%s", err.text);
}

static void same(const struct drafted *a, const struct drafted *b, const char *what, int k)
{
	if (memcmp(a->logits, b->logits, sizeof(a->logits)) != 0)
		fail_msg("%s %d: logits of drafts differ", what, k);
	if (memcmp(a->d.sure, b->d.sure, sizeof(a->d.sure)) != 0)
		fail_msg("%s %d: confidence differs", what, k);
	if (memcmp(a->d.ids, b->d.ids, sizeof(a->d.ids)) != 0)
		fail_msg("%s %d: drafts differ", what, k);
}

/* Of every length in STEPs, what single steps without a draft before give. */
static struct drafted *blocks;

static int make_blocks(void **state)
{
	struct model *m = open_chunked(2, 1);
	struct seq *s = new_seq(m);

	(void)state;
	blocks = calloc(N_IDS, sizeof(*blocks));
	assert_non_null(blocks);
	for (int len = 0; len < N_IDS; len++) {
		if (len && len % STEP == 0)
			draft(s, ids[len], &greedy, &blocks[len]);
		feed(s, ids + len, 1, NULL);
	}
	seq_free(s);
	model_close(m);
	return 0;
}

static void a_block_does_not_hang_on_chunks_or_threads_or_earlier_blocks(void **state)
{
	static const struct {
		int chunk, threads;
		bool drafts;
	} cases[] = {{1, 1, true}, {3, 2, true}, {100, 3, true}, {300, 2, false}};
	struct drafted got;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct model *m = open_chunked(cases[i].threads, cases[i].chunk);
		struct seq *s = new_seq(m);

		for (int len = STEP; len < N_IDS; len += STEP) {
			feed_to(m, s, len);
			if (cases[i].drafts)
				draft(s, ids[N_IDS - 1 - len], &warm, &got);
			if (len % 63 == 0) { /* come here in whole chunks */
				struct err err = {0};

				assert_int_equal(seq_truncate(s, 0, &err), 0);
				feed_to(m, s, len);
			}
			draft(s, ids[len], &greedy, &got);
			same(&got, &blocks[len], "length", len);
		}
		seq_free(s);
		model_close(m);
	}
}

static void drafts_hang_on_what_came_before(void **state)
{
	int n_other = 0;

	(void)state;
	for (int len = 2 * STEP; len < N_IDS; len += STEP) {
		const struct drafted *b = &blocks[len];

		n_other += memcmp(b->d.ids, blocks[len - STEP].d.ids, sizeof(b->d.ids)) != 0;
		for (int i = 0; i < BLOCK; i++) {
			assert_true(b->d.ids[i] >= 0 && b->d.ids[i] < VOCAB);
			assert_true(isfinite(b->d.sure[i]));
		}
	}
	assert_true(n_other > N_IDS / STEP - 10);
}

static void the_main_model_does_not_know_of_drafts(void **state)
{
	struct model *with = open_chunked(2, 50), *without;
	struct seq *a = new_seq(with), *b;
	float logits[2][VOCAB];
	struct drafted got;

	(void)state;
	without = open_with((struct model_options){.no_draft = true, .prefill_chunk = 50});
	assert_int_equal(model_draft_most(without), 0);
	b = new_seq(without);
	for (int at = 0; at + 10 <= N_IDS; at += 10) {
		if (at)
			draft(a, 5, &warm, &got);
		feed(a, ids + at, 10, logits[0]);
		feed(b, ids + at, 10, logits[1]);
		assert_memory_equal(logits[0], logits[1], sizeof(logits[0]));
	}
	seq_free(a);
	seq_free(b);
	model_close(with);
	model_close(without);
}

static void a_roll_back_leaves_no_trace_in_blocks(void **state)
{
	struct model *m = open_chunked(2, 100);
	token_id wrong[SEQ_MAX_ROLLBACK];
	struct err err = {0};
	struct drafted got;

	(void)state;
	for (int i = 0; i < SEQ_MAX_ROLLBACK; i++)
		wrong[i] = 190 - 3 * i;
	for (int len = STEP; len < N_IDS; len += 2 * STEP) {
		struct seq *s = new_seq(m);
		int k = 1 + len % SEQ_MAX_ROLLBACK;

		feed_to(m, s, len);
		feed(s, wrong, k, NULL);
		draft(s, 7, &greedy, &got);
		assert_int_equal(seq_truncate(s, len, &err), 0);
		draft(s, ids[len], &greedy, &got);
		same(&got, &blocks[len], "rolled back to", len);
		seq_free(s);
	}
	model_close(m);
}

static void sequences_in_other_slots_leave_no_trace_in_blocks(void **state)
{
	enum { SLOTS = 3, TURN = 63 };
	struct model *m = open_with((struct model_options){.n_slots = SLOTS, .prefill_chunk = TURN});
	struct seq *s[SLOTS];
	struct drafted got;

	(void)state;
	for (int i = 0; i < SLOTS; i++)
		s[i] = new_seq(m);
	for (int round = 0; round < N_IDS / TURN + SLOTS - 1; round++) {
		for (int i = 0; i < SLOTS; i++) {
			int at = (round - i) * TURN;

			if (at < 0 || at >= N_IDS)
				continue;
			if (at) {
				draft(s[i], ids[at], &greedy, &got);
				same(&got, &blocks[at], "length", at);
			}
			feed(s[i], ids + at, TURN, NULL);
		}
	}
	for (int i = 0; i < SLOTS; i++)
		seq_free(s[i]);
	model_close(m);
}

/* In its own slot, from far away, and in another. */
static void a_restored_sequence_drafts_as_the_saved_one(void **state)
{
	static const int lengths[] = {7, 126, 133, 238};
	struct model *m = open_with(
		(struct model_options){.prefill_chunk = 100, .n_slots = 2, .keeps = true});
	struct seq *s[2] = {new_seq(m), new_seq(m)};
	struct err err = {0};
	struct drafted got;
	struct tree t;

	(void)state;
	assert_int_equal(tree_init(&t, m, &err), 0);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		int len = lengths[i];

		assert_int_equal(seq_truncate(s[0], 0, &err), 0);
		feed_to(m, s[0], len);
		assert_int_equal(tree_keep(&t, s[0], ids, len, &err), 0);
		feed_to(m, s[0], N_IDS);
		draft(s[0], 9, &greedy, &got);
		for (int k = 0; k < 2; k++) {
			struct mark *mark = tree_find(&t, ids, len);

			assert_int_equal(tree_restore(&t, mark, s[k], &err), 0);
			assert_int_equal(seq_len(s[k]), len);
			draft(s[k], ids[len], &greedy, &got);
			same(&got, &blocks[len], "restored at", len);
			feed_to(m, s[k], len + 35);
			draft(s[k], ids[len + 35], &greedy, &got);
			same(&got, &blocks[len + 35], "gone on to", len + 35);
		}
	}
	for (int k = 0; k < 2; k++)
		seq_free(s[k]);
	tree_release(&t);
	model_close(m);
}

static void bits_of_blocks_do_not_depend_on_the_instruction_set(void **state)
{
	static const char *const isas[] = {"v2", "v3", "v4"};
	const int len = 147;
	struct drafted got;

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct model_options opt = {.dir = dir.path, .isa = isas[i], .ctx_tokens = 512};
		struct err err = {0};
		struct model *m;
		struct seq *s;

		if (model_open(&m, &opt, &err)) {
			print_message("%s\n", err.text);
			continue;
		}
		s = new_seq(m);
		feed_to(m, s, len);
		draft(s, ids[len], &greedy, &got);
		same(&got, &blocks[len], isas[i], len);
		seq_free(s);
		model_close(m);
	}
}

static void a_token_outside_the_vocabulary_is_refused(void **state)
{
	struct model *m = open_chunked(1, 16);
	struct seq *s = new_seq(m);
	struct err err = {0};
	struct drafts d = {.next = VOCAB, .how = &greedy, .n = 1};

	(void)state;
	feed_to(m, s, 3);
	assert_int_equal(seq_draft(s, &d, &err), ERR_USAGE);
	assert_string_equal(err.text, "token id 203 to draft after: expected 0 to 202");
	d.next = -1;
	assert_int_equal(seq_draft(s, &d, &err), ERR_USAGE);
	assert_int_equal(seq_len(s), 3);
	seq_free(s);
	model_close(m);
}

static int start(void **state)
{
	make_model(state);
	return make_blocks(state);
}

static int end(void **state)
{
	free(blocks);
	return remove_model(state);
}

/* ---------------------------------------------------------------- golden data */

#define GOLDEN "golden/spark-micro.1"

static double relative(const float *a, const float *b, size_t n)
{
	double d = 0, r = 0;

	for (size_t i = 0; i < n; i++) {
		d += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
		r += (double)b[i] * (double)b[i];
	}
	return sqrt(d / r);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void at_most(double *v, size_t n, double median, double most, const char *what)
{
	qsort(v, n, sizeof(*v), by_size);
	if (!(v[n / 2] <= median) || !(v[n * 95 / 100] <= most))
		fail_msg("%s: median %g (at most %g), 95 %% %g (at most %g)", what, v[n / 2], median,
			 v[n * 95 / 100], most);
}

/* Prefill of 300, then single steps, each with the block after it: the bounds of its bounds.json. */
static void golden_blocks(int n_ranks)
{
	enum { ROWS = 80, V = 320 };
	struct buf path = {0}, file = {0};
	struct safetensors *st;
	const struct tensor *logits, *drafts, *wanted, *confidence;
	const struct sample_how how = {.top_p = 1, .n_choice = V};
	double main_error[ROWS], error[ROWS * BLOCK], doubt[ROWS * BLOCK];
	float row[V], block[BLOCK * V];
	const token_id *v;
	struct err err = {0};
	struct model *m;
	struct seq *s;
	int n_same = 0;

	shared_read(GOLDEN "/config.json", &file);
	buf_release(&file);
	shared_path(&path, GOLDEN "/golden.safetensors");
	assert_int_equal(safetensors_open_file(&st, buf_z(&path), &err), 0);
	v = safetensors_find(st, "ids")->data;
	logits = safetensors_find(st, "a32.logits");
	drafts = safetensors_find(st, "a32.draft_logits");
	wanted = safetensors_find(st, "a32.draft_ids");
	confidence = safetensors_find(st, "a32.confidence");
	buf_release(&path);
	shared_path(&path, GOLDEN);
	m = open_with((struct model_options){.dir = buf_z(&path), .prefill_chunk = 77,
					     .n_ranks = n_ranks});
	assert_true(model_drafts_blocks(m));
	assert_int_equal(model_draft_most(m), BLOCK);
	s = new_seq(m);
	for (int at = 0; at < 300; at += 75)
		feed(s, v + at, 75, NULL);
	for (int i = 0; i < ROWS; i++) {
		struct drafts d = {.next = v[301 + i], .how = &how, .n = BLOCK, .logits = block};

		feed(s, v + 300 + i, 1, row);
		main_error[i] = relative(row, (const float *)logits->data + i * V, V);
		assert_int_equal(seq_draft(s, &d, &err), 0);
		for (int k = 0; k < BLOCK; k++) {
			int at = i * BLOCK + k;

			error[at] = relative(block + k * V, (const float *)drafts->data + at * V, V);
			doubt[at] = fabs((double)d.sure[k] - (double)((const float *)confidence->data)[at]);
			n_same += d.ids[k] ==
				  ((const int32_t *)wanted->data)[i * (1 + BLOCK) + 1 + k];
		}
	}
	at_most(main_error, ROWS, 0.001, 0.015, "logits");
	at_most(error, ROWS * BLOCK, 0.004, 0.006, "draft logits");
	at_most(doubt, ROWS * BLOCK, 0.005, INFINITY, "confidence");
	if (n_same < ROWS * BLOCK * 98 / 100)
		fail_msg("%d of %d drafts are the golden ones", n_same, ROWS * BLOCK);
	seq_free(s);
	model_close(m);
	safetensors_close(st);
	buf_release(&path);
}

static void blocks_are_the_golden_ones(void **state)
{
	(void)state;
	for (int n_ranks = 1; n_ranks <= 2; n_ranks++)
		golden_blocks(n_ranks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_the_golden_ones),
		cmocka_unit_test(a_block_does_not_hang_on_chunks_or_threads_or_earlier_blocks),
		cmocka_unit_test(drafts_hang_on_what_came_before),
		cmocka_unit_test(the_main_model_does_not_know_of_drafts),
		cmocka_unit_test(a_roll_back_leaves_no_trace_in_blocks),
		cmocka_unit_test(sequences_in_other_slots_leave_no_trace_in_blocks),
		cmocka_unit_test(a_restored_sequence_drafts_as_the_saved_one),
		cmocka_unit_test(bits_of_blocks_do_not_depend_on_the_instruction_set),
		cmocka_unit_test(a_token_outside_the_vocabulary_is_refused),
	};

	return cmocka_run_group_tests(tests, start, end);
}
