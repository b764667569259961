/* The forward pass against golden data, and "one row, one result" by bits. */
#include "tests/support/golden.h"
#include "tests/support/sanitized.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Of neighbouring lengths and depths, one of so many. */
#define EACH (SANITIZED ? 3 : 1)

/* The bounds of the golden data's bounds.json. */
static void logits_are_the_golden_ones(void **state)
{
	struct golden g = golden_open(GOLDEN);
	struct golden_rows r = golden_rows_of((struct setup){GOLDEN, NULL, 2, 0, 1}, g.ids, g.n, 300);

	(void)state;
	/* golden rows are i = 260 … 419 of both */
	golden_compare(&g, "a32.logits", r.logits, 260, 1e-4, 1e-3);
	golden_compare(&g, "a32.mtp_logits", r.draft, 260, 6e-4, 2e-3);
	golden_rows_free(&r);
	safetensors_close(g.st);
}

static void long_logits_are_the_golden_ones(void **state)
{
	struct golden g = golden_open(GOLDEN);
	struct golden_rows r = golden_rows_of((struct setup){GOLDEN, NULL, 2, 0, 1}, g.long_ids, g.n_long, 1920);

	(void)state;
	golden_compare(&g, "a32.long_logits", r.logits, g.n_long - 18, 2.5e-4, 5e-3);
	golden_compare(&g, "a32.long_mtp_logits", r.draft, g.n_long - 18, 2.5e-3, 2e-2);
	golden_rows_free(&r);
	safetensors_close(g.st);
}

/* ------------------------------------------------------------ streams by layer */

struct tapped {
	const struct tensor *t;
	int pos0;
	int n_seen;
	double worst;
};

static void tap_streams(void *ctx, int layer, int n, const float *streams)
{
	struct tapped *k = ctx;
	size_t row = (size_t)(k->t->shape[2] * k->t->shape[3]);

	for (int i = 0; i < n; i++) {
		int p = k->pos0 + i - 276;
		const float *ref;
		double d = 0, r = 0;

		if (p < 0 || p >= 24)
			continue;
		ref = (const float *)k->t->data + ((size_t)layer * 24 + (size_t)p) * row;
		for (size_t c = 0; c < row; c++) {
			double e = (double)ref[c];

			d += ((double)streams[(size_t)i * row + c] - e) *
			     ((double)streams[(size_t)i * row + c] - e);
			r += e * e;
		}
		k->worst = fmax(k->worst, sqrt(d / r));
		k->n_seen++;
	}
}

static void streams_after_each_layer_are_the_golden_ones(void **state)
{
	struct golden g = golden_open(GOLDEN);
	struct tapped k = {.t = safetensors_find(g.st, "a32.layers_last")};
	struct model *m = golden_model((struct setup){GOLDEN, NULL, 2, 100, 1});
	struct err err = {0};
	struct seq *s;

	(void)state;
	assert_int_equal(seq_new(&s, m, &err), 0);
	model_set_tap(m, tap_streams, &k);
	for (k.pos0 = 0; k.pos0 < 300; k.pos0 += 100)
		assert_int_equal(seq_forward(s, g.ids + k.pos0, 100, WANT_NONE, NULL, NULL, &err),
				 0);
	assert_int_equal(k.n_seen, 24 * model_config(m)->n_layers);
	if (!(k.worst < 2e-4))
		fail_msg("relative error of a position's streams: %g", k.worst);
	seq_free(s);
	model_close(m);
	safetensors_close(g.st);
}

/* ----------------------------------------------------------- one row, one result */

static void bits_do_not_depend_on_prefill_chunks_or_threads(void **state)
{
	static const int prefills[] = {1, 37, 128, 300, 419};
	static const int chunks[] = {1, 3, 64, 100};
	static const int threads[] = {1, 2, 7};
	struct golden g = golden_open(GOLDEN);
	struct golden_rows want = golden_rows_of((struct setup){GOLDEN, NULL, 1, 128, 1}, g.ids, g.n, 300);
	size_t k = 0;

	(void)state;
	for (size_t p = 0; p < sizeof(prefills) / sizeof(prefills[0]); p++) {
		for (size_t c = 0; c < sizeof(chunks) / sizeof(chunks[0]); c++, k++) {
			struct setup s = {GOLDEN, NULL, threads[k % 3], chunks[c], 1};
			struct golden_rows got;

			/* each of the three is among those on the diagonal */
			if (SANITIZED && c != p % 4)
				continue;
			got = golden_rows_of(s, g.ids, g.n, prefills[p]);
			golden_same_bits(&want, &got, "case", (int)k);
			golden_rows_free(&got);
		}
	}
	golden_rows_free(&want);
	safetensors_close(g.st);
}

static void bits_do_not_depend_on_the_instruction_set(void **state)
{
	static const char *const isas[] = {"v2", "v3", "v4"};
	struct golden g = golden_open(GOLDEN);
	const int n = 200; /* past the window's wrap and the first long block; v2 is slow */
	struct golden_rows want = golden_rows_of((struct setup){GOLDEN, NULL, 2, 64, 1}, g.ids, n, 150);
	int n_run = 0;

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct model_options opt = {.dir = GOLDEN, .isa = isas[i], .n_threads = 1};
		struct err err = {0};
		struct model *m;
		struct golden_rows got;

		if (model_open(&m, &opt, &err)) {
			print_message("%s\n", err.text);
			continue;
		}
		model_close(m);
		got = golden_rows_of((struct setup){GOLDEN, isas[i], 2, 64, 1}, g.ids, n, 150);
		golden_same_bits(&want, &got, isas[i], 0);
		golden_rows_free(&got);
		n_run++;
	}
	golden_rows_free(&want);
	safetensors_close(g.st);
	if (!n_run)
		skip();
}

/* ------------------------------------------------------- roll-back and batched rows */

#define PROBE 24 /* tokens compared after each roll-back */

/* Wrong tokens of `len` to `len + k`, rolled back, must leave no trace in what follows. */
static void roll_back_at(struct model *m, const struct golden *g, int len, int k, int batch,
			 const struct golden_rows *want)
{
	size_t row = want->vocab;
	float *logits = malloc(PROBE * row * sizeof(float));
	float *draft = malloc(PROBE * row * sizeof(float));
	struct err err = {0};
	token_id wrong[SEQ_MAX_ROLLBACK];
	struct seq *s;
	int at = 0;

	assert_true(logits && draft);
	assert_int_equal(seq_new(&s, m, &err), 0);
	while (at < len) {
		int chunk = model_prefill_chunk(m), n = len - at < chunk ? len - at : chunk;

		assert_int_equal(seq_forward(s, g->ids + at, n, WANT_NONE, NULL, NULL, &err), 0);
		at += n;
	}
	for (int i = 0; i < k; i++)
		wrong[i] = (token_id)((g->ids[len + i] + 7 * (i + 1)) % (int)row);
	assert_int_equal(seq_forward(s, wrong, k, WANT_NONE, NULL, NULL, &err), 0);
	assert_int_equal(seq_truncate(s, len, &err), 0);
	for (int i = 0; i < PROBE; i += batch) {
		int n = PROBE - i < batch ? PROBE - i : batch;

		golden_forward(s, g->ids + len + i, n, logits + (size_t)i * row, draft + (size_t)i * row);
	}
	if (memcmp(logits, want->logits + (size_t)len * row, PROBE * row * sizeof(float)) != 0)
		fail_msg("length %d, roll-back %d, rows %d: logits differ", len, k, batch);
	/* the draft head is a position behind: its first row here is len - 1 */
	if (memcmp(draft, want->draft + (size_t)(len - 1) * row, PROBE * row * sizeof(float)) != 0)
		fail_msg("length %d, roll-back %d, rows %d: draft logits differ", len, k, batch);
	seq_free(s);
	free(logits);
	free(draft);
}

static void a_roll_back_leaves_no_trace(void **state)
{
	struct golden g = golden_open(GOLDEN);
	struct golden_rows want = golden_rows_of((struct setup){GOLDEN, NULL, 2, 100, 1}, g.ids, g.n, 300);
	struct model *m = golden_model((struct setup){GOLDEN, NULL, 2, 100, 1});

	(void)state;
	/* around the borders of blocks of 4 and 128, and the window's wrap; every depth, and
	 * going on in batches of 1 to 8 rows */
	for (int len = 120; len <= 137; len += EACH)
		roll_back_at(m, &g, len, 1 + len % 8, 1 + (len * 5) % 8, &want);
	for (int k = EACH; k <= 8; k += EACH) {
		roll_back_at(m, &g, 128, k, 9 - k, &want);
		roll_back_at(m, &g, 127, k, k, &want);
		roll_back_at(m, &g, 253, k, k, &want);
		roll_back_at(m, &g, 1 + k, k, 3, &want);
	}
	for (int len = 246; len <= 260; len += 2 * EACH)
		roll_back_at(m, &g, len, 8, 1 + len % 7, &want);
	golden_rows_free(&want);
	model_close(m);
	safetensors_close(g.st);
}

/* Of a long call whose draft logits nobody wants, only the last rows enter the draft's window. */
static void draft_rows_that_nobody_reads_leave_what_later_ones_see(void **state)
{
	struct golden g = golden_open(GOLDEN);
	struct golden_rows want = golden_rows_of((struct setup){GOLDEN, NULL, 2, 100, 1}, g.ids, g.n, 300);
	struct model *m = golden_model((struct setup){GOLDEN, NULL, 2, 300, 1});

	(void)state;
	for (int len = 136; len <= 139; len += EACH)
		roll_back_at(m, &g, len, 8, 1, &want);
	for (int k = EACH; k <= 8; k += EACH) {
		roll_back_at(m, &g, 300, k, k, &want);
		roll_back_at(m, &g, 300 + 20 * k / 3, 8, 9 - k, &want);
	}
	golden_rows_free(&want);
	model_close(m);
	safetensors_close(g.st);
}

/* ------------------------------------------------------------------------ slots */

static struct model *open_with_slots(int n_slots)
{
	const struct model_options opt = {.dir = GOLDEN,
					  .n_threads = 2,
					  .prefill_chunk = 100,
					  .ctx_tokens = 1000,
					  .n_slots = n_slots};
	struct err err = {0};
	struct model *m;

	if (model_open(&m, &opt, &err))
		fail_msg("%s", err.text);
	return m;
}

/* Three at once, a few rows of each in turn, of the same ids at other times. */
static void sequences_in_other_slots_leave_no_trace(void **state)
{
	enum { SLOTS = 3, TURN = 60, N = 300 };
	struct golden g = golden_open(GOLDEN);
	struct golden_rows want = golden_rows_of((struct setup){GOLDEN, NULL, 2, 100, 1}, g.ids, N, N);
	struct model *m = open_with_slots(SLOTS);
	float *logits = malloc(TURN * want.vocab * sizeof(float));
	float *draft = malloc(TURN * want.vocab * sizeof(float));
	struct err err = {0};
	struct seq *s[SLOTS];

	(void)state;
	assert_true(logits && draft);
	for (int i = 0; i < SLOTS; i++)
		assert_int_equal(seq_new(&s[i], m, &err), 0);
	for (int round = 0; round < N / TURN + SLOTS - 1; round++) {
		for (int i = 0; i < SLOTS; i++) {
			int at = (round - i) * TURN, first = at ? at - 1 : 0;

			if (at < 0 || at >= N)
				continue;
			golden_forward(s[i], g.ids + at, TURN, logits, draft);
			if (memcmp(logits, want.logits + (size_t)at * want.vocab,
				   TURN * want.vocab * sizeof(float)) != 0)
				fail_msg("slot %d, position %d: logits differ", i, at);
			if (memcmp(draft, want.draft + (size_t)first * want.vocab,
				   (size_t)(at + TURN - 1 - first) * want.vocab * sizeof(float)) != 0)
				fail_msg("slot %d, position %d: draft logits differ", i, at);
		}
	}
	for (int i = 0; i < SLOTS; i++)
		seq_free(s[i]);
	free(logits);
	free(draft);
	golden_rows_free(&want);
	model_close(m);
	safetensors_close(g.st);
}

static void a_sequence_too_many_is_refused_until_another_goes(void **state)
{
	struct model *m = open_with_slots(2);
	struct err err = {0};
	struct seq *s[3];

	(void)state;
	assert_int_equal(seq_new(&s[0], m, &err), 0);
	assert_int_equal(seq_new(&s[1], m, &err), 0);
	assert_int_equal(seq_new(&s[2], m, &err), ERR_LIMIT);
	assert_string_equal(err.text, "sequences: all 2 that the model was opened for exist");
	assert_null(s[2]);
	seq_free(s[0]);
	assert_int_equal(seq_new(&s[2], m, &err), 0);
	seq_free(s[1]);
	seq_free(s[2]);
	model_close(m);
}

static void a_deeper_roll_back_is_refused(void **state)
{
	struct golden g = golden_open(GOLDEN);
	struct model *m = golden_model((struct setup){GOLDEN, NULL, 1, 100, 1});
	struct err err = {0};
	struct seq *s;

	(void)state;
	assert_int_equal(seq_new(&s, m, &err), 0);
	assert_int_equal(seq_forward(s, g.ids, 40, WANT_NONE, NULL, NULL, &err), 0);
	assert_int_equal(seq_truncate(s, 39 - SEQ_MAX_ROLLBACK, &err), ERR_LIMIT);
	assert_int_equal(seq_len(s), 40);
	assert_int_equal(seq_truncate(s, 40 - SEQ_MAX_ROLLBACK, &err), 0);
	assert_int_equal(seq_truncate(s, 39 - SEQ_MAX_ROLLBACK, &err), ERR_LIMIT);
	assert_int_equal(seq_truncate(s, 0, &err), 0);
	seq_free(s);
	model_close(m);
	safetensors_close(g.st);
}

static void a_bad_id_or_a_full_context_changes_nothing(void **state)
{
	struct model_options opt = {.dir = GOLDEN, .n_threads = 1, .ctx_tokens = 10};
	token_id ids[8] = {1, 2, 3, 4, 5, 6, 7, 8}, bad[2] = {1, 320};
	struct err err = {0};
	struct model *m;
	struct seq *s;

	(void)state;
	assert_int_equal(model_open(&m, &opt, &err), 0);
	assert_int_equal(seq_new(&s, m, &err), 0);
	assert_int_equal(seq_forward(s, ids, 8, WANT_NONE, NULL, NULL, &err), 0);
	assert_int_equal(seq_forward(s, bad, 2, WANT_NONE, NULL, NULL, &err), ERR_USAGE);
	bad[1] = -1;
	assert_int_equal(seq_forward(s, bad, 2, WANT_NONE, NULL, NULL, &err), ERR_USAGE);
	assert_int_equal(seq_forward(s, ids, 3, WANT_NONE, NULL, NULL, &err), ERR_LIMIT);
	assert_int_equal(seq_len(s), 8);
	assert_int_equal(seq_forward(s, ids, 2, WANT_NONE, NULL, NULL, &err), 0);
	assert_int_equal(seq_len(s), 10);
	seq_free(s);
	model_close(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logits_are_the_golden_ones),
		cmocka_unit_test(long_logits_are_the_golden_ones),
		cmocka_unit_test(streams_after_each_layer_are_the_golden_ones),
		cmocka_unit_test(bits_do_not_depend_on_prefill_chunks_or_threads),
		cmocka_unit_test(bits_do_not_depend_on_the_instruction_set),
		cmocka_unit_test(a_roll_back_leaves_no_trace),
		cmocka_unit_test(draft_rows_that_nobody_reads_leave_what_later_ones_see),
		cmocka_unit_test(sequences_in_other_slots_leave_no_trace),
		cmocka_unit_test(a_sequence_too_many_is_refused_until_another_goes),
		cmocka_unit_test(a_deeper_roll_back_is_refused),
		cmocka_unit_test(a_bad_id_or_a_full_context_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
