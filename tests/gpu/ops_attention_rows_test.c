/*
 * What stands between the products and attention, in one: the CPU's rows and rings, and to the
 * bit what the operations give one by one.
 */
#include "tests/gpu/harness.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SLOTS    2
#define RING     144

static const int rows[] = {1, 2, 3, 4, 5, 8, 9, 10, 16, 17};
static const int64_t positions[] = {0, 1, 3, 120, 127, 128, 1001, 1048000};
static const struct {
	int ratio, n_head, index_heads;
} layers[] = {{0, 64, 0}, {4, 64, 64}, {128, 64, 0}, {4, 5, 3}};

/* The products of the queries: what they read, and the two weights. */
struct products {
	int in;
	struct pair x, norm, normed;
	struct weight_pair w[2];
};

/* A compressor's operands. */
struct pooled {
	int ratio, dim;
	struct pair a, z, ape, norm, ring, rows;
};

struct rows_case {
	int n_tok, n_head, index_heads, n_pooled;
	int64_t max_pages;
	struct pair step, rope, q, kv, norm, ring, freq, pages, iq, out;
	struct pooled pooled[2];
	struct products products; /* in 0: there are none, q and iq are given */
};

static struct linear_normed_args queries_args(const struct rows_case *k, int side, int t0, int n)
{
	const struct products *p = &k->products;
	size_t t = (size_t)t0, at = t * (size_t)p->in;
	const struct pair *y[2] = {&k->q, &k->iq};
	const size_t width[2] = {(size_t)k->n_head * HEAD_DIM,
				 (size_t)k->index_heads * INDEX_DIM};
	struct linear_normed_args a = {
		.norm = {.n_tok = n,
			 .d = p->in,
			 .eps = 1e-6f,
			 .x = bench_at(&p->x, side, at),
			 .norm = p->norm.p[side],
			 .out = bench_at(&p->normed, side, at)},
		.batch = {.n = k->index_heads ? 2 : 1},
	};

	for (int i = 0; i < a.batch.n; i++)
		a.batch.part[i] = (struct linear_args){.n_tok = n,
						       .n_group = 1,
						       .w = p->w[i].w[side],
						       .x = a.norm.out,
						       .y = bench_at(y[i], side, t * width[i])};
	return a;
}

static struct compress_args compress_args(const struct rows_case *k, const struct pooled *p,
					  int side, int t0, int n)
{
	size_t at = (size_t)t0 * (size_t)(p->ratio == 4 ? 2 : 1) * (size_t)p->dim;

	return (struct compress_args){
		.n_tok = n,
		.ratio = p->ratio,
		.dim = p->dim,
		.max_pages = k->max_pages,
		.eps = 1e-6f,
		.step = k->step.p[side],
		.a = bench_at(&p->a, side, at),
		.z = bench_at(&p->z, side, at),
		.ape = p->ape.p[side],
		.norm = p->norm.p[side],
		.freq = k->freq.p[side],
		.ring = p->ring.p[side],
		.pages = k->pages.p[side],
		.rows = p->rows.p[side],
	};
}

static struct attention_rows_args args_of(const struct rows_case *k, int side, int t0, int n)
{
	size_t t = (size_t)t0, heads = t * (size_t)k->n_head, ih = t * (size_t)k->index_heads;
	dbuf rope = bench_at(&k->rope, side, t * ROPE_DIM);
	struct attention_rows_args a = {
		.query = {n, k->n_head, 1e-6f, rope, bench_at(&k->q, side, heads * HEAD_DIM)},
		.window =
			{
				.n_tok = n,
				.ring_rows = RING,
				.eps = 1e-6f,
				.step = k->step.p[side],
				.kv = bench_at(&k->kv, side, t * HEAD_DIM),
				.norm = k->norm.p[side],
				.rope = rope,
				.ring = k->ring.p[side],
			},
		.n_compress = k->n_pooled,
	};

	for (int i = 0; i < k->n_pooled; i++)
		a.compress[i] = compress_args(k, &k->pooled[i], side, t0, n);
	if (k->index_heads)
		a.index = (struct index_query_args){
			n, k->index_heads, rope, bench_at(&k->iq, side, ih * INDEX_DIM),
			bench_at(&k->out, side, ih * INDEX_ROW_BYTES)};
	if (k->products.in)
		a.queries = queries_args(k, side, t0, n);
	return a;
}

static int run_queries(struct backend *be, const struct linear_normed_args *a, struct err *err)
{
	int rc;

	if (be->ops->linear_normed)
		return be->ops->linear_normed(be, a, err);
	rc = be->ops->rms_norm(be, &a->norm, err);
	for (int i = 0; i < a->batch.n && !rc; i++)
		rc = be->ops->linear(be, &a->batch.part[i], err);
	return rc;
}

/* All rows in one; a part of them by the operations one by one, which must give the same. */
static int make_rows(struct backend *be, int side, int t0, int n, void *ctx, struct err *err)
{
	const struct rows_case *k = ctx;
	struct attention_rows_args a = args_of(k, side, t0, n);
	int rc = 0;

	if (be->ops->attention_rows && n == k->n_tok)
		return be->ops->attention_rows(be, &a, err);
	if (a.queries.batch.n)
		rc = run_queries(be, &a.queries, err);
	if (!rc)
		rc = be->ops->query(be, &a.query, err);
	if (!rc)
		rc = be->ops->window_row(be, &a.window, err);
	for (int i = 0; !rc && i < a.n_compress; i++)
		rc = be->ops->compress(be, &a.compress[i], err);
	return rc || !a.index.n_head ? rc : be->ops->index_query(be, &a.index, err);
}

static struct pooled make_pooled(struct bench *b, int n_tok, int ratio, int dim)
{
	size_t c = (size_t)(ratio == 4 ? 2 : 1) * (size_t)dim, n = (size_t)n_tok * c;
	struct pooled p = {.ratio = ratio, .dim = dim};

	p.a = bench_normal(b, PAIR_F32, n, 1.0);
	p.z = bench_normal(b, PAIR_F32, n, 3.0);
	p.ape = bench_normal(b, PAIR_F32, (size_t)ratio * c, 1.0);
	p.norm = bench_normal(b, PAIR_BF16, (size_t)dim, 1.0);
	p.ring = bench_normal(b, PAIR_F32,
			      SLOTS * COMPRESS_RING * (ratio == 4 ? 2 * c : 3 * (size_t)dim),
			      1.0);
	p.rows =
		bench_rows(b, BENCH_FEW_PAGES * (size_t)(PAGE_TOKENS / ratio), dim == HEAD_DIM);
	return p;
}

static struct rows_case make(struct bench *b, int layer, int64_t pos, int n_tok)
{
	int ratio = layers[layer].ratio;
	struct rows_case k = {
		.n_tok = n_tok,
		.n_head = layers[layer].n_head,
		.index_heads = layers[layer].index_heads,
		.max_pages = (pos + n_tok) / 128 + 1,
	};
	size_t n = (size_t)n_tok, ih = n * (size_t)k.index_heads;

	k.step = bench_step(b, pos, (int)(pos % SLOTS));
	k.rope = bench_rope(b, pos, n_tok);
	k.q = bench_normal(b, PAIR_ACT, n * (size_t)k.n_head * HEAD_DIM, 1.0);
	k.kv = bench_normal(b, PAIR_ACT, n * HEAD_DIM, 1.0);
	k.norm = bench_normal(b, PAIR_BF16, HEAD_DIM, 1.0);
	k.ring = bench_rows(b, SLOTS * RING, true);
	k.freq = bench_freq(b);
	k.pages = bench_few_pages(b, SLOTS, k.max_pages);
	if (ratio)
		k.pooled[k.n_pooled++] = make_pooled(b, n_tok, ratio, HEAD_DIM);
	if (ih) {
		k.pooled[k.n_pooled++] = make_pooled(b, n_tok, 4, INDEX_DIM);
		k.iq = bench_normal(b, PAIR_ACT, ih * INDEX_DIM, 1.0);
		k.out = bench_out(b, PAIR_BYTES, ih * INDEX_ROW_BYTES);
	}
	return k;
}

static void compare(struct bench *b, const struct rows_case *k)
{
	bench_compare(b, "q", &k->q, k->n_tok * k->n_head, HEAD_DIM, 0.003, 0.004);
	bench_same_bytes(b, "window", &k->ring, 0);
	for (int i = 0; i < k->n_pooled; i++) {
		const struct pooled *p = &k->pooled[i];

		bench_compare(b, "ring", &p->ring, SLOTS * COMPRESS_RING,
			      p->ring.n / (SLOTS * COMPRESS_RING), 0, 0);
		/* Cosines of other libraries differ in the last bit of a double. */
		bench_same_bytes(b, "rows", &p->rows, 1e-4);
	}
	if (k->index_heads)
		bench_same_bytes(b, "index queries", &k->out, 0);
}

static void all_in_one_is_what_they_are_one_by_one(void **state)
{
	struct bench *b = *state;

	for (size_t i = 0; i < COUNT(layers) * COUNT(positions) * COUNT(rows); i++) {
		int layer = (int)(i / (COUNT(positions) * COUNT(rows)));
		int64_t pos = positions[i / COUNT(rows) % COUNT(positions)];
		int n_tok = rows[i % COUNT(rows)];
		struct rows_case k;

		bench_case(b, "attention_rows, ratio %d, %d + %d heads, %d rows from %lld",
			   layers[layer].ratio, layers[layer].n_head, layers[layer].index_heads,
			   n_tok, (long long)pos);
		k = make(b, layer, pos, n_tok);
		bench_run(b, n_tok, make_rows, &k);
		compare(b, &k);
	}
}

static void add_products(struct bench *b, struct rows_case *k, int in)
{
	struct products *p = &k->products;
	size_t n = (size_t)k->n_tok * (size_t)in;

	p->in = in;
	p->x = bench_normal(b, PAIR_ACT, n, 3.0);
	p->norm = bench_normal(b, PAIR_BF16, (size_t)in, 1.0);
	p->normed = bench_scratch(b, PAIR_ACT, n);
	p->w[0] = bench_weight(b, WEIGHT_F8, k->n_head * HEAD_DIM, in, 1);
	if (k->index_heads)
		p->w[1] = bench_weight(b, WEIGHT_F8, k->index_heads * INDEX_DIM, in, 1);
}

/* Columns that fill tiles and such that do not. */
static void with_the_products_they_are_what_they_are_one_by_one(void **state)
{
	static const int some_rows[] = {1, 3, 8, 9, 10, 17}, columns[] = {1024, 96};
	static const int64_t some_positions[] = {3, 1001};
	struct bench *b = *state;
	const size_t n_columns = COUNT(columns), n_rows = COUNT(some_rows);

	for (size_t i = 0; i < COUNT(layers) * n_columns * n_rows; i++) {
		int layer = (int)(i / (n_columns * n_rows)), n_tok = some_rows[i % n_rows];
		int in = columns[i / n_rows % n_columns];
		int64_t pos = some_positions[i % COUNT(some_positions)];
		struct rows_case k;

		bench_case(b, "attention_rows, ratio %d, products of %d, %d rows from %lld",
			   layers[layer].ratio, in, n_tok, (long long)pos);
		k = make(b, layer, pos, n_tok);
		add_products(b, &k, in);
		bench_run(b, n_tok, make_rows, &k);
		/* of q, the product and what is made of it; codes are those of other sums */
		bench_compare(b, "q", &k.q, n_tok * k.n_head, HEAD_DIM, 0.006, 0.012);
		bench_same_bytes(b, "window", &k.ring, 0);
		if (k.index_heads)
			bench_same_bytes(b, "index queries", &k.out, 0.25);
	}
}

static int without_a_ring(struct backend *be, int side, int t0, int n, void *ctx,
			  struct err *err)
{
	struct attention_rows_args a = args_of(ctx, side, t0, n);

	a.window.ring_rows = 0;
	return be->ops->attention_rows ? be->ops->attention_rows(be, &a, err)
				       : be->ops->window_row(be, &a.window, err);
}

static int with_another_ratio(struct backend *be, int side, int t0, int n, void *ctx,
			      struct err *err)
{
	struct attention_rows_args a = args_of(ctx, side, t0, n);

	a.compress[1].ratio = 8;
	return be->ops->attention_rows ? be->ops->attention_rows(be, &a, err)
				       : be->ops->compress(be, &a.compress[1], err);
}

static void what_a_part_cannot_do_is_refused(void **state)
{
	struct bench *b = *state;
	struct rows_case k;

	bench_case(b, "attention_rows, no ring, and ratio 8");
	k = make(b, 1, 5, 1);
	bench_refuses(b, without_a_ring, &k);
	bench_refuses(b, with_another_ratio, &k);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(all_in_one_is_what_they_are_one_by_one),
		BENCH_TEST(with_the_products_they_are_what_they_are_one_by_one),
		BENCH_TEST(what_a_part_cannot_do_is_refused),
	};

	return BENCH_MAIN(argc, argv, tests);
}
