/*
 * Whole models on a GPU against themselves: the bits of a row depend on nothing but the row and
 * what stands before it.
 */
#include "tests/gpu/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/cache/seq.h"
#include "engine/pass/model_internal.h"

#define CTX 4096

static const char *const names[] = {"flash-tiny", "pro-micro", "nano"};

#define EACH_MODEL(m, direct, ctx)                                                             \
	for (size_t i_ = 0; i_ < sizeof(names) / sizeof(names[0]); i_++)                       \
		for (struct model *m = open_model(names[i_], direct, ctx); m;                  \
		     model_close(m), m = NULL)

/* direct: every run is issued anew.  NULL where there is no such model. */
static struct model *open_model(const char *name, bool direct, int64_t ctx)
{
	struct model_options opt = {.prefill_chunk = 64, .ctx_tokens = ctx};
	struct err err = {0};
	struct model *m;
	char dir[500];

	if (!bench_model(name, dir, sizeof(dir))) {
		print_message("no model %s\n", name);
		return NULL;
	}
	opt.dir = dir;
	bench_ok(bench_open(&opt.be, GPU, &err), &err);
	if (direct)
		opt.be->run = NULL;
	bench_ok(model_open(&m, &opt, &err), &err);
	return m;
}

static struct seq *new_seq(struct model *m)
{
	struct err err = {0};
	struct seq *s;

	bench_ok(seq_new(&s, m, &err), &err);
	return s;
}

/* n more tokens, `rows` a call; their logits, and the draft head's, whose row p is for position
 * p. */
static void feed(struct model *m, struct seq *s, int n, int rows, float *logits, float *draft)
{
	size_t vocab = (size_t)m->cfg.vocab;
	token_id ids[64];
	struct err err = {0};

	for (int i = 0; i < n; i += rows) {
		int now = rows < n - i ? rows : n - i;
		size_t behind = seq_len(s) ? (size_t)seq_len(s) - 1 : 0;

		for (int t = 0; t < now; t++)
			ids[t] = bench_token(m->cfg.vocab, (int)seq_len(s) + t);
		bench_ok(seq_forward(s, ids, now, logits ? WANT_ALL : WANT_NONE,
				     logits ? logits + (size_t)i * vocab : NULL,
				     draft ? draft + behind * vocab : NULL, &err),
			 &err);
	}
}

static float *room(const struct model *m, int n)
{
	float *p = calloc((size_t)n * (size_t)m->cfg.vocab, sizeof(*p));

	assert_non_null(p);
	return p;
}

static void same(const struct model *m, const float *a, const float *b, int n, const char *what)
{
	size_t row = (size_t)m->cfg.vocab;

	for (int t = 0; t < n; t++) {
		if (memcmp(a + (size_t)t * row, b + (size_t)t * row, row * sizeof(*a)) != 0)
			fail_msg("%s: row %d of %d has other bits", what, t, n);
	}
}

/* ---------------------------------------------------------------------- rows */

#define N 192 /* past the window, and whole blocks of every ratio */

static void up_to_16_rows_at_once_are_what_they_are_alone(void **state)
{
	static const int rows[] = {2, 3, 5, 7, 8, 15, 16};

	(void)state;
	EACH_MODEL(m, false, CTX)
	{
		float *alone = room(m, N), *draft_alone = room(m, N);
		float *together = room(m, N), *draft_together = room(m, N);
		struct seq *s = new_seq(m);
		char what[100];

		feed(m, s, N, 1, alone, draft_alone);
		seq_free(s);
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			memset(together, 0xff,
			       (size_t)N * (size_t)m->cfg.vocab * sizeof(float));
			s = new_seq(m);
			feed(m, s, N, rows[i], together, draft_together);
			seq_free(s);
			snprintf(what, sizeof(what), "%s, %d rows a call", names[i_], rows[i]);
			same(m, alone, together, N, what);
			if (m->has_draft)
				same(m, draft_alone, draft_together, N - 1, what);
		}
		free(alone);
		free(together);
		free(draft_alone);
		free(draft_together);
	}
}

/* ------------------------------------------------------------------ recordings */

/* The window, blocks of 128, top-k rows of 4, and far out; then the start again. */
static const int64_t places[] = {0,   1,    3,    6,    100,   124,   126,   254,
				 300, 1020, 1500, 4090, 16380, 65530, 65540, 0};
#define N_PLACES (sizeof(places) / sizeof(places[0]))

/* Logits of four single steps at each place that the context has. */
static int steps(struct model *m, float *logits)
{
	struct err err = {0};
	struct seq *s = new_seq(m);
	size_t vocab = (size_t)m->cfg.vocab;
	int n = 0;

	for (size_t i = 0; i < N_PLACES; i++) {
		int64_t at = places[i];

		if (at + 4 > m->ctx)
			continue;
		if (at < seq_len(s)) {
			seq_free(s);
			s = new_seq(m);
		}
		if (at - seq_len(s) > 2000)
			bench_ok(seq_pretend(s, at, &err), &err);
		else
			feed(m, s, (int)(at - seq_len(s)), 64, NULL, NULL);
		feed(m, s, 4, 1, logits + (size_t)n * vocab, NULL);
		n += 4;
	}
	seq_free(s);
	return n;
}

static void a_recording_of_the_first_token_is_right_at_every_length(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		float *logits[2] = {NULL, NULL};

		for (int direct = 0; direct < 2; direct++) {
			struct model *m = open_model(names[i], direct, 0);
			int n;

			if (!m)
				break;
			logits[direct] = room(m, 4 * (int)N_PLACES);
			n = steps(m, logits[direct]);
			if (direct)
				same(m, logits[0], logits[1], n, names[i]);
			model_close(m);
		}
		free(logits[0]);
		free(logits[1]);
	}
}

static void twenty_repetitions_give_the_same_bits(void **state)
{
	(void)state;
	EACH_MODEL(m, false, CTX)
	{
		float *first = room(m, 40), *again = room(m, 40);

		for (int i = 0; i < 20; i++) {
			struct seq *s = new_seq(m);

			feed(m, s, 160, 64, NULL, NULL);
			feed(m, s, 40, 1, i ? again : first, NULL);
			seq_free(s);
			if (i)
				same(m, first, again, 40, names[i_]);
		}
		free(first);
		free(again);
	}
}

/* The driver tells of the whole device, so nobody else may use it meanwhile. */
static void twenty_thousand_steps_leave_no_memory_behind(void **state)
{
	(void)state;
	for (struct model *m = open_model("nano", false, CTX); m; model_close(m), m = NULL) {
		uint64_t before = 0, after;

		for (int i = 0; i <= 20000; i += 1000) {
			struct seq *s = new_seq(m);

			feed(m, s, 1000, 1, NULL, NULL);
			seq_free(s);
			if (i == 0)
				before = m->be->memory_free(m->be);
		}
		after = m->be->memory_free(m->be);
		if (after + ((uint64_t)4 << 20) < before)
			fail_msg("%llu bytes less; does nothing else use the GPU?",
				 (unsigned long long)(before - after));
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(up_to_16_rows_at_once_are_what_they_are_alone),
		cmocka_unit_test(a_recording_of_the_first_token_is_right_at_every_length),
		cmocka_unit_test(twenty_repetitions_give_the_same_bits),
		cmocka_unit_test(twenty_thousand_steps_leave_no_memory_behind),
	};

	return BENCH_MAIN(argc, argv, tests);
}
