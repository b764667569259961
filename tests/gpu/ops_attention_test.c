/* Attention over the window, chosen rows and all rows, at lengths from the first token on. */
#include "tests/gpu/harness.h"

#include <math.h>
#include <stdlib.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SLOTS    2

static const struct attention_case {
	int n_head, ratio, top_k, window, n_tok;
	int64_t pos;
	double deviation; /* of queries: how uneven the weights are */
} cases[] = {
	/* window only, filling up and turning over */
	{64, 0, 0, 128, 1, 0, 1.0},
	{64, 0, 0, 128, 16, 0, 1.0},
	{64, 0, 0, 128, 5, 30, 1.0},
	{4, 0, 0, 128, 127, 0, 1.0},
	{64, 0, 0, 128, 129, 100, 1.0},
	{64, 0, 0, 128, 511, 100000, 1.0},
	{1, 0, 0, 128, 3, 500, 1.0},
	{1, 0, 0, 128, 129, 500, 4.0},
	{17, 0, 0, 128, 2, 500, 1.0},
	{17, 0, 0, 128, 17, 500, 1.0},
	{4, 0, 0, 7, 8, 3, 1.0},
	/* chosen rows: none yet, few, Flash's, Pro's */
	{64, 4, 512, 128, 1, 0, 1.0},
	{64, 4, 512, 128, 8, 2, 1.0},
	{64, 4, 512, 128, 1, 8191, 1.0},
	{64, 4, 512, 128, 16, 8191, 1.0},
	{64, 4, 512, 128, 3, 100000, 8.0},
	{64, 4, 512, 128, 127, 4000, 1.0},
	{128, 4, 1024, 128, 2, 8000, 1.0},
	{128, 4, 1024, 128, 129, 8000, 1.0},
	{4, 4, 16, 128, 129, 0, 1.0},
	{2, 4, 1, 128, 5, 300, 1.0},
	/* all rows */
	{64, 128, 0, 128, 1, 126, 1.0},
	{64, 128, 0, 128, 3, 126, 1.0},
	{64, 128, 0, 128, 16, 127, 1.0},
	{64, 128, 0, 128, 1, 65536, 1.0},
	{128, 128, 0, 128, 2, 262143, 1.0},
	{64, 128, 0, 128, 1, 1048575, 1.0},
	{64, 128, 0, 128, 17, 65536, 1.0},
	{4, 128, 0, 128, 511, 1000, 1.0},
};

struct operands {
	const struct attention_case *c;
	int ring_rows;
	int64_t max_pages;
	struct pair step, q, rope, sink, ring, pages, rows, sel, n_sel, out;
};

static int attention(struct backend *be, int side, int t0, int n, void *ctx, struct err *err)
{
	const struct operands *k = ctx;
	const struct attention_case *c = k->c;
	size_t t = (size_t)t0, heads = t * (size_t)c->n_head;
	struct attention_args a = {
		.n_tok = n,
		.n_head = c->n_head,
		.ring_rows = k->ring_rows,
		.window = c->window,
		.ratio = c->ratio,
		.top_k = c->top_k,
		.max_pages = k->max_pages,
		.scale = (float)(1.0 / sqrt(HEAD_DIM)),
		.step = k->step.p[side],
		.q = bench_at(&k->q, side, heads * HEAD_DIM),
		.rope = bench_at(&k->rope, side, t * ROPE_DIM),
		.sink = k->sink.p[side],
		.ring = k->ring.p[side],
		.pages = k->pages.p[side],
		.rows = k->rows.p[side],
		.out = bench_at(&k->out, side, heads * HEAD_DIM),
	};

	if (c->ratio == 4) {
		a.sel = bench_at(&k->sel, side, t * (size_t)c->top_k);
		a.n_sel = bench_at(&k->n_sel, side, t);
	}
	return be->ops->attention(be, &a, err);
}

/* For each token some of the rows that are complete, ascending, as many as may be. */
static void choose_rows(struct bench *b, struct operands *k)
{
	const struct attention_case *c = k->c;
	size_t n = (size_t)c->n_tok, top_k = (size_t)c->top_k;
	int32_t *sel = malloc(n * top_k * sizeof(*sel)), *n_sel = malloc(n * sizeof(*n_sel));

	assert_non_null(sel);
	assert_non_null(n_sel);
	for (size_t t = 0; t < n; t++) {
		int64_t left = (c->pos + (int64_t)t + 1) / 4, row = 0;
		int32_t *s = sel + t * top_k, m = 0;

		n_sel[t] = (int32_t)(left < c->top_k ? left : c->top_k);
		for (; m < n_sel[t]; row++, left--) {
			if (bench_below(b, (int)left) < n_sel[t] - m)
				s[m++] = (int32_t)row;
		}
		for (; m < c->top_k; m++)
			s[m] = -1;
	}
	k->sel = bench_ints(b, sel, n * top_k);
	k->n_sel = bench_ints(b, n_sel, n);
	free(sel);
	free(n_sel);
}

static struct operands make(struct bench *b, const struct attention_case *c)
{
	struct operands k = {.c = c};
	size_t heads = (size_t)c->n_tok * (size_t)c->n_head;

	k.ring_rows = c->window + c->n_tok + 5;
	k.max_pages = (c->pos + c->n_tok) / 128 + 1;
	k.step = bench_step(b, c->pos, (int)(c->pos % SLOTS));
	k.q = bench_normal(b, PAIR_ACT, heads * HEAD_DIM, c->deviation);
	k.rope = bench_rope(b, c->pos, c->n_tok);
	k.sink = bench_normal(b, PAIR_F32, (size_t)c->n_head, 1.0);
	k.ring = bench_rows(b, SLOTS * (size_t)k.ring_rows, true);
	k.pages = bench_pages(b, SLOTS, k.max_pages);
	k.rows = bench_rows(
		b,
		c->ratio ? SLOTS * (size_t)k.max_pages * (size_t)(PAGE_TOKENS / c->ratio) : 1,
		true);
	if (c->ratio == 4)
		choose_rows(b, &k);
	k.out = bench_out(b, PAIR_ACT, heads * HEAD_DIM);
	return k;
}

static void every_head_attends_as_on_the_cpu(void **state)
{
	struct bench *b = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct attention_case *c = &cases[i];
		struct operands k;

		bench_case(
			b, "attention, ratio %d (%d), %d heads, window %d, %d rows from %lld",
			c->ratio, c->top_k, c->n_head, c->window, c->n_tok, (long long)c->pos);
		k = make(b, c);
		bench_run(b, c->n_tok, attention, &k);
		bench_compare(b, "out", &k.out, c->n_tok * c->n_head, HEAD_DIM, 0.003, 0.006);
	}
}

static void a_window_wider_than_its_ring_is_refused(void **state)
{
	static const struct attention_case refused = {4, 0, 0, 128, 1, 0, 1.0};
	struct bench *b = *state;
	struct operands k;

	bench_case(b, "attention, a window wider than its ring");
	k = make(b, &refused);
	k.ring_rows = 100;
	bench_refuses(b, attention, &k);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(every_head_attends_as_on_the_cpu),
		BENCH_TEST(a_window_wider_than_its_ring_is_refused),
	};

	return BENCH_MAIN(argc, argv, tests);
}
