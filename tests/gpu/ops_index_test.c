/* The choice of rows: the CPU's, at every length, with ties, with scores that are no numbers.
 */
#include "tests/gpu/harness.h"

#include <math.h>
#include <stdlib.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SLOTS    2

/* What the heads' weights are, or what else is out of the ordinary. */
enum inputs {
	NORMAL,
	POSITIVE,
	NEGATIVE,
	ZERO,
	NOT_A_NUMBER,
	TINY,
	UNEVEN_ROWS,
	UNEVEN_QUERIES,
	UNEVEN,
	FAR_APART,
};

static const struct {
	const char *name;
	int rows, queries; /* powers of two that the scales lie apart */
} inputs[] = {
	[NORMAL] = {"", 3, 3},
	[POSITIVE] = {", weights > 0", 3, 3},
	[NEGATIVE] = {", weights < 0", 3, 3},
	[ZERO] = {", no weights", 3, 3},
	[NOT_A_NUMBER] = {", one weight NaN", 3, 3},
	[TINY] = {", one weight tiny", 3, 3},
	[UNEVEN_ROWS] = {", rows uneven", 6, 4},
	[UNEVEN_QUERIES] = {", queries uneven", 5, 5},
	[UNEVEN] = {", uneven", 14, 14},
	[FAR_APART] = {", scales far apart", 40, 40},
};

static const struct select_case {
	int n_head, top_k, n_tok;
	int64_t pos;
	int physical; /* pages: fewer than there are logical ones make ties */
	enum inputs inputs;
} cases[] = {
	/* all rows, one more than may be chosen, the least choices */
	{64, 512, 1, 0, 1, NORMAL},
	{64, 512, 1, 2, 1, NORMAL},
	{64, 512, 16, 2040, 32, NORMAL},
	{64, 512, 129, 1990, 32, NORMAL},
	{64, 1, 5, 0, 8, NORMAL},
	{4, 1, 127, 0, 8, POSITIVE},
	{8, 16, 511, 0, 8, NORMAL},
	{4, 32, 300, 100, 8, NORMAL},
	{1, 3, 16, 1000, 16, NORMAL},
	{3, 7, 17, 1000, 16, NORMAL},
	/* Flash and Pro at lengths that are chosen from in shared memory */
	{64, 512, 1, 8191, 64, NORMAL},
	{64, 512, 8, 32760, 256, NORMAL},
	{64, 1024, 16, 32750, 256, NORMAL},
	{64, 1024, 3, 16000, 128, POSITIVE},
	{64, 512, 129, 16000, 128, NORMAL},
	/* and beyond */
	{64, 512, 2, 32770, 300, NORMAL},
	{64, 512, 1, 65536 * 4, 2100, NORMAL},
	{64, 1024, 2, 65536 * 4, 2100, NORMAL},
	{64, 2048, 1, 65536 * 4, 2100, NORMAL},
	{64, 512, 17, 65536 * 4, 2100, POSITIVE},
	{64, 512, 1, 1048575, 8192, NORMAL},
	{8, 16, 3, 1048570, 8192, NORMAL},
	{64, 512, 1, 400000, 3200, NORMAL},
	{128, 1024, 1, 1048575, 8192, NORMAL},
	/* scales that codes can't take along: of a few rows, of queries, of both; weights */
	{64, 512, 2, 8191, 64, UNEVEN_ROWS},
	{64, 512, 2, 8191, 64, UNEVEN_QUERIES},
	{64, 512, 2, 40000, 400, UNEVEN},
	{17, 64, 2, 8191, 64, FAR_APART},
	{64, 512, 2, 8191, 64, TINY},
	/* ties: everywhere; below the bound; so many above it that no list holds them */
	{64, 512, 1, 8191, 1, NORMAL},
	{64, 512, 3, 65536 * 4, 1, NORMAL},
	{64, 512, 2, 65536 * 4, 32, NORMAL},
	{64, 512, 2, 65536 * 4, 33, POSITIVE},
	{64, 512, 2, 8191, 64, ZERO},
	{64, 512, 2, 65536 * 4, 64, ZERO},
	{64, 512, 2, 65536 * 4, 64, NEGATIVE},
	{64, 512, 2, 8191, 64, NOT_A_NUMBER},
	{64, 512, 2, 65536 * 4, 64, NOT_A_NUMBER},
};

struct operands {
	const struct select_case *c;
	int64_t max_pages, stride;
	struct pair step, q, w, pages, rows, sel, n_sel, scores;
};

static int index_select(struct backend *be, int side, int t0, int n, void *ctx, struct err *err)
{
	const struct operands *k = ctx;
	size_t t = (size_t)t0, heads = t * (size_t)k->c->n_head;
	struct index_select_args a = {
		.n_tok = n,
		.n_head = k->c->n_head,
		.top_k = k->c->top_k,
		.max_pages = k->max_pages,
		.scale = (float)(1.0 / sqrt(128.0 * k->c->n_head)),
		.step = k->step.p[side],
		.q = bench_at(&k->q, side, heads * INDEX_ROW_BYTES),
		.w = bench_at(&k->w, side, heads),
		.pages = k->pages.p[side],
		.rows = k->rows.p[side],
		.sel = bench_at(&k->sel, side, t * (size_t)k->c->top_k),
		.n_sel = bench_at(&k->n_sel, side, t),
		.scores = k->scores.p[side],
		.scores_stride = k->stride,
	};

	return be->ops->index_select(be, &a, err);
}

static struct pair make_weights(struct bench *b, const struct select_case *c)
{
	size_t n = (size_t)c->n_tok * (size_t)c->n_head;
	float *w = malloc(n * sizeof(*w));
	struct pair p;

	assert_non_null(w);
	for (size_t i = 0; i < n; i++) {
		double g = bench_gauss(b);

		switch (c->inputs) {
		case NORMAL:
		case UNEVEN_ROWS:
		case UNEVEN_QUERIES:
		case UNEVEN:
		case FAR_APART:
			w[i] = (float)g;
			break;
		case POSITIVE:
			w[i] = (float)fabs(g);
			break;
		case NEGATIVE:
			w[i] = (float)-fabs(g);
			break;
		case ZERO:
			w[i] = i % 2 ? 0.0f : -0.0f;
			break;
		case TINY:
			w[i] = (float)(i % (size_t)c->n_head ? g : g * 1e-25);
			break;
		case NOT_A_NUMBER:
			w[i] = i % (size_t)c->n_head ? (float)g : NAN;
			break;
		}
	}
	p = bench_given(b, PAIR_F32, w, n);
	free(w);
	return p;
}

/* Cyclic, so that rows far apart are the same ones. */
static struct pair make_pages(struct bench *b, int64_t max_pages, int physical)
{
	size_t n = SLOTS * (size_t)max_pages;
	int32_t *page = malloc(n * sizeof(*page));
	struct pair p;

	assert_non_null(page);
	for (size_t i = 0; i < n; i++)
		page[i] = (int32_t)(i % (size_t)max_pages % (size_t)physical);
	p = bench_ints(b, page, n);
	free(page);
	return p;
}

/* Random index rows, the scales of each somewhere in 2^-2 … 2^(spread - 2). */
static struct pair make_rows(struct bench *b, size_t n, int spread)
{
	unsigned char *all = malloc(n * INDEX_ROW_BYTES);
	struct pair p;

	assert_non_null(all);
	for (size_t i = 0; i < n * INDEX_ROW_BYTES; i++)
		all[i] = (unsigned char)(i % INDEX_ROW_BYTES < INDEX_DIM / 2
						 ? bench_bits(b)
						 : 125u + (unsigned)bench_below(b, spread + 1));
	p = bench_bytes(b, all, n * INDEX_ROW_BYTES);
	free(all);
	return p;
}

static struct operands make(struct bench *b, const struct select_case *c)
{
	struct operands k = {.c = c, .max_pages = (c->pos + c->n_tok) / 128 + 1};
	size_t n = (size_t)c->n_tok;

	k.stride = ((c->pos + c->n_tok) / 4 + 15) / 16 * 16 + 16;
	k.step = bench_step(b, c->pos, (int)(c->pos % SLOTS));
	k.q = make_rows(b, n * (size_t)c->n_head, inputs[c->inputs].queries);
	k.w = make_weights(b, c);
	k.pages = make_pages(b, k.max_pages, c->physical);
	k.rows = make_rows(b, (size_t)c->physical * 32, inputs[c->inputs].rows);
	k.sel = bench_out(b, PAIR_I32, n * (size_t)c->top_k);
	k.n_sel = bench_out(b, PAIR_I32, n);
	k.scores = bench_scratch(b, PAIR_F32, INDEX_SCORE_ROWS * (size_t)k.stride);
	return k;
}

static void the_best_rows_are_the_cpus(void **state)
{
	struct bench *b = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct select_case *c = &cases[i];
		struct operands k;

		bench_case(b,
			   "index_select, the best %d, %d heads, %d rows from %lld, %d pages%s",
			   c->top_k, c->n_head, c->n_tok, (long long)c->pos, c->physical,
			   inputs[c->inputs].name);
		k = make(b, c);
		bench_run(b, c->n_tok, index_select, &k);
		bench_same_bytes(b, "n_sel", &k.n_sel, 0);
		bench_same_bytes(b, "sel", &k.sel, 0);
	}
}

static void more_choices_than_a_kernel_has_are_refused(void **state)
{
	static const struct select_case refused = {64, 4096, 1, 0, 1, NORMAL};
	struct bench *b = *state;
	struct operands k;

	bench_case(b, "index_select, the best 4096");
	k = make(b, &refused);
	bench_refuses(b, index_select, &k);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(the_best_rows_are_the_cpus),
		BENCH_TEST(more_choices_than_a_kernel_has_are_refused),
	};

	return BENCH_MAIN(argc, argv, tests);
}
