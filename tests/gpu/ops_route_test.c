/* The choice of experts, by scores and by table. */
#include "tests/gpu/harness.h"

#include <math.h>
#include <stdlib.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define VOCAB    333

static const int rows[] = {1, 2, 3, 5, 8, 16, 127, 129, 511};
static const struct route_case {
	int n_expert, n_used;
	int hashed, ties, nans;
} cases[] = {
	{256, 6, 0, 0, 0}, {384, 6, 0, 0, 0}, {160, 6, 0, 0, 0}, {16, 6, 0, 0, 0},
	{10, 6, 0, 0, 0},  {3, 1, 0, 0, 0},   {1, 1, 0, 0, 0},   {6, 6, 0, 0, 0},
	{256, 6, 0, 1, 0}, {256, 6, 0, 0, 1}, {33, 32, 0, 1, 1}, {256, 6, 1, 0, 0},
	{16, 6, 1, 0, 0},
};

struct operands {
	const struct route_case *c;
	struct pair logits, bias, table, ids, expert, weight;
};

static int route(struct backend *be, int side, int t0, int n, void *ctx, struct err *err)
{
	const struct operands *k = ctx;
	size_t t = (size_t)t0, used = t * (size_t)k->c->n_used;
	struct route_args a = {
		.n_tok = n,
		.n_expert = k->c->n_expert,
		.n_used = k->c->n_used,
		.scale = 2.5f,
		.logits = bench_at(&k->logits, side, t * (size_t)k->c->n_expert),
		.bias = k->c->hashed ? NULL : k->bias.p[side],
		.table = k->c->hashed ? k->table.p[side] : NULL,
		.ids = bench_at(&k->ids, side, t),
		.expert = bench_at(&k->expert, side, used),
		.weight = bench_at(&k->weight, side, used),
	};

	return be->ops->route(be, &a, err);
}

static struct pair make_logits(struct bench *b, const struct route_case *c, int n_tok)
{
	size_t n = (size_t)n_tok * (size_t)c->n_expert;
	float *v = malloc(n * sizeof(*v));
	struct pair p;

	assert_non_null(v);
	for (size_t i = 0; i < n; i++) {
		double g = 3.0 * bench_gauss(b);

		v[i] = (float)(c->ties ? floor(g) : g);
		if (c->nans && bench_below(b, 8) == 0)
			v[i] = NAN;
	}
	p = bench_given(b, PAIR_F32, v, n);
	free(v);
	return p;
}

/* Different experts for each token id, and the ids. */
static void make_table(struct bench *b, struct operands *k, int n_tok)
{
	size_t used = (size_t)k->c->n_used;
	int64_t table[VOCAB * 32];
	int32_t ids[511];

	for (size_t i = 0; i < VOCAB; i++) {
		int first = bench_below(b, k->c->n_expert);

		for (size_t j = 0; j < used; j++)
			table[i * used + j] = (first + 7 * (int)j) % k->c->n_expert;
	}
	for (int t = 0; t < n_tok; t++)
		ids[t] = bench_below(b, VOCAB);
	k->table = bench_bytes(b, table, VOCAB * used * sizeof(*table));
	k->ids = bench_ints(b, ids, (size_t)n_tok);
}

static void experts_and_their_weights_are_the_cpus(void **state)
{
	struct bench *b = *state;

	for (size_t i = 0; i < COUNT(cases) * COUNT(rows); i++) {
		const struct route_case *c = &cases[i / COUNT(rows)];
		int n_tok = rows[i % COUNT(rows)];
		struct operands k = {.c = c};
		size_t used = (size_t)n_tok * (size_t)c->n_used;
		float *zeros = calloc((size_t)c->n_expert, sizeof(*zeros));

		assert_non_null(zeros);
		bench_case(b, "route, %d of %d, %d rows%s%s%s", c->n_used, c->n_expert, n_tok,
			   c->hashed ? ", by table" : "", c->ties ? ", ties" : "",
			   c->nans ? ", NaN" : "");
		k.logits = make_logits(b, c, n_tok);
		k.bias = c->ties ? bench_given(b, PAIR_F32, zeros, (size_t)c->n_expert)
				 : bench_normal(b, PAIR_F32, (size_t)c->n_expert, 0.5);
		make_table(b, &k, n_tok);
		k.expert = bench_out(b, PAIR_I32, used);
		k.weight = bench_out(b, PAIR_F32, used);
		bench_run(b, n_tok, route, &k);
		bench_same_bytes(b, "expert", &k.expert, 0);
		bench_compare(b, "weight", &k.weight, n_tok, (size_t)c->n_used, 1e-7, 1e-6);
		free(zeros);
	}
}

static void more_experts_than_a_kernel_has_are_refused(void **state)
{
	static const struct route_case refused = {2048, 6, 0, 0, 0};
	struct bench *b = *state;
	struct operands k = {.c = &refused};

	bench_case(b, "route, 6 of 2048");
	k.logits = make_logits(b, &refused, 1);
	k.bias = bench_normal(b, PAIR_F32, 2048, 1.0);
	make_table(b, &k, 1);
	k.expert = bench_out(b, PAIR_I32, 6);
	k.weight = bench_out(b, PAIR_F32, 6);
	bench_refuses(b, route, &k);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(experts_and_their_weights_are_the_cpus),
		BENCH_TEST(more_experts_than_a_kernel_has_are_refused),
	};

	return BENCH_MAIN(argc, argv, tests);
}
