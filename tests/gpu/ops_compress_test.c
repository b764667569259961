/* The compressors: what they leave in their rings and the rows that they make, at every offset.
 */
#include "tests/gpu/harness.h"

#include <math.h>
#include <stdlib.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SLOTS    2

static const int rows[] = {1, 2, 3, 5, 8, 9, 10, 15, 16, 17, 127, 129, 511};
static const int64_t positions[] = {0, 1, 2, 3, 6, 121, 127, 128, 1000, 65533, 1048000};
static const struct {
	int ratio, dim;
} kinds[] = {{4, HEAD_DIM}, {4, INDEX_DIM}, {128, HEAD_DIM}};

struct compress_case {
	int ratio, dim;
	int64_t max_pages;
	struct pair step, a, z, ape, norm, freq, ring, pages, rows;
};

static int compress(struct backend *be, int side, int t0, int n, void *ctx, struct err *err)
{
	const struct compress_case *k = ctx;
	size_t at = (size_t)t0 * (size_t)(k->ratio == 4 ? 2 : 1) * (size_t)k->dim;
	struct compress_args a = {
		.n_tok = n,
		.ratio = k->ratio,
		.dim = k->dim,
		.max_pages = k->max_pages,
		.eps = 1e-6f,
		.step = k->step.p[side],
		.a = bench_at(&k->a, side, at),
		.z = bench_at(&k->z, side, at),
		.ape = k->ape.p[side],
		.norm = k->norm.p[side],
		.freq = k->freq.p[side],
		.ring = k->ring.p[side],
		.pages = k->pages.p[side],
		.rows = k->rows.p[side],
	};

	return be->ops->compress(be, &a, err);
}

/* Maxima, sums (of terms up to 1, one of them 1) and weighted sums. */
static struct pair make_states(struct bench *b, int dim)
{
	size_t n = SLOTS * COMPRESS_RING * 3 * (size_t)dim;
	float *v = malloc(n * sizeof(*v));
	struct pair p;

	assert_non_null(v);
	for (size_t i = 0; i < n; i++) {
		double g = bench_gauss(b);

		v[i] = (float)(i / (size_t)dim % 3 == 1 ? 1.0 + fabs(g) : g);
	}
	p = bench_given(b, PAIR_F32, v, n);
	free(v);
	return p;
}

static void run_case(struct bench *b, int ratio, int dim, int64_t pos, int n_tok)
{
	struct compress_case k = {
		.ratio = ratio, .dim = dim, .max_pages = (pos + n_tok) / 128 + 1};
	size_t c = (size_t)(ratio == 4 ? 2 : 1) * (size_t)dim, n = (size_t)n_tok * c;

	bench_case(b, "compress, ratio %d, dim %d, %d rows from %lld", ratio, dim, n_tok,
		   (long long)pos);
	k.step = bench_step(b, pos, (int)(pos % SLOTS));
	k.a = bench_normal(b, PAIR_F32, n, 1.0);
	k.z = bench_normal(b, PAIR_F32, n, 3.0);
	k.ape = bench_normal(b, PAIR_F32, (size_t)ratio * c, 1.0);
	k.norm = bench_normal(b, PAIR_BF16, (size_t)dim, 1.0);
	k.freq = bench_freq(b);
	k.ring = ratio == 4 ? bench_normal(b, PAIR_F32, SLOTS * COMPRESS_RING * 2 * c, 1.0)
			    : make_states(b, dim);
	k.pages = bench_few_pages(b, SLOTS, k.max_pages);
	k.rows =
		bench_rows(b, BENCH_FEW_PAGES * (size_t)(PAGE_TOKENS / ratio), dim == HEAD_DIM);
	bench_run(b, n_tok, compress, &k);
	bench_compare(b, "ring", &k.ring, SLOTS * COMPRESS_RING,
		      k.ring.n / (SLOTS * COMPRESS_RING), 0, 0);
	/* Cosines of other libraries differ in the last bit of a double. */
	bench_same_bytes(b, "rows", &k.rows, 1e-4);
}

static void rings_and_rows_are_the_cpus(void **state)
{
	struct bench *b = *state;

	for (size_t k = 0; k < COUNT(kinds); k++) {
		for (size_t i = 0; i < COUNT(positions); i++) {
			for (size_t j = 0; j < COUNT(rows); j++)
				run_case(b, kinds[k].ratio, kinds[k].dim, positions[i],
					 rows[j]);
		}
	}
}

static void a_ratio_that_no_model_has_is_refused(void **state)
{
	struct bench *b = *state;
	struct compress_case k = {.ratio = 8, .dim = HEAD_DIM, .max_pages = 1};

	bench_case(b, "compress, ratio 8");
	k.step = bench_step(b, 0, 0);
	k.a = k.z = k.ape = bench_normal(b, PAIR_F32, 2 * HEAD_DIM, 1.0);
	k.norm = bench_normal(b, PAIR_BF16, HEAD_DIM, 1.0);
	k.freq = bench_freq(b);
	k.ring = make_states(b, HEAD_DIM);
	k.pages = bench_few_pages(b, SLOTS, 1);
	k.rows = bench_rows(b, BENCH_FEW_PAGES * 32, true);
	bench_refuses(b, compress, &k);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(rings_and_rows_are_the_cpus),
		BENCH_TEST(a_ratio_that_no_model_has_is_refused),
	};

	return BENCH_MAIN(argc, argv, tests);
}
