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
	struct pair logits, bias, table, ids, expert, weight, uses;
};

static struct route_args route_args(const struct operands *k, int side, int t0, int n)
{
	size_t t = (size_t)t0, used = t * (size_t)k->c->n_used;

	return (struct route_args){
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
		.uses = k->uses.p[side],
	};
}

/* Choices so far: not none. */
static struct pair make_uses(struct bench *b, int n_expert)
{
	int32_t uses[384] = {0};

	for (int e = 0; e < n_expert; e++)
		uses[e] = bench_below(b, 1000);
	return bench_ints(b, uses, (size_t)n_expert);
}

static int route(struct backend *be, int side, int t0, int n, void *ctx, struct err *err)
{
	struct route_args a = route_args(ctx, side, t0, n);

	return be->ops->route(be, &a, err);
}

/* The gate of a row of x, and the choice by its logits. */
struct gate_case {
	struct operands k;
	struct weight_pair w;
	struct pair x;
	int d;
};

static int gate_route(struct backend *be, int side, int t0, int n, void *ctx, struct err *err)
{
	const struct gate_case *g = ctx;
	const struct operands *k = &g->k;
	size_t t = (size_t)t0;
	struct gate_route_args a = {
		.gate =
			{
				.n_tok = n,
				.n_group = 1,
				.out_f32 = 1,
				.w = g->w.w[side],
				.x = bench_at(&g->x, side, t * (size_t)g->d),
				.y = bench_at(&k->logits, side, t * (size_t)k->c->n_expert),
			},
		.route = route_args(k, side, t0, n),
	};

	if (be->ops->gate_route)
		return be->ops->gate_route(be, &a, err);
	return be->ops->linear(be, &a.gate, err) ? err->code
						 : be->ops->route(be, &a.route, err);
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
		k.uses = make_uses(b, c->n_expert);
		k.expert = bench_out(b, PAIR_I32, used);
		k.weight = bench_out(b, PAIR_F32, used);
		bench_run(b, n_tok, route, &k);
		bench_same_bytes(b, "expert", &k.expert, 0);
		bench_same_bytes(b, "uses", &k.uses, 0);
		bench_compare(b, "weight", &k.weight, n_tok, (size_t)c->n_used, 1e-7, 1e-6);
		free(zeros);
	}
}

static const struct {
	enum weight_type type;
	int d;
} gates[] = {
	{WEIGHT_BF16, 32},   {WEIGHT_BF16, 256},   {WEIGHT_BF16, 4096},
	{WEIGHT_BF16, 7168}, {WEIGHT_BF16, 12288}, {WEIGHT_F32, 256},
};

static void the_gate_and_the_choice_in_one_are_the_cpus(void **state)
{
	static const size_t chosen[] = {0, 1, 4, 6, 11, 12}; /* of the cases */
	struct bench *b = *state;

	for (size_t i = 0; i < COUNT(gates) * COUNT(chosen) * COUNT(rows); i++) {
		const struct route_case *c = &cases[chosen[i / COUNT(rows) % COUNT(chosen)]];
		size_t kind = i / COUNT(rows) / COUNT(chosen);
		int n_tok = rows[i % COUNT(rows)];
		size_t used = (size_t)n_tok * (size_t)c->n_used;
		struct gate_case g = {.k.c = c, .d = gates[kind].d};

		bench_case(b, "gate_route, %d of %d, %d rows of %d%s", c->n_used, c->n_expert,
			   n_tok, g.d, c->hashed ? ", by table" : "");
		g.x = bench_normal(b, PAIR_ACT, (size_t)n_tok * (size_t)g.d, 1.0);
		g.w = bench_weight(b, gates[kind].type, c->n_expert, g.d, 1);
		g.k.logits = bench_scratch(b, PAIR_F32, (size_t)n_tok * (size_t)c->n_expert);
		g.k.bias = bench_normal(b, PAIR_F32, (size_t)c->n_expert, 0.5);
		make_table(b, &g.k, n_tok);
		g.k.uses = make_uses(b, c->n_expert);
		g.k.expert = bench_out(b, PAIR_I32, used);
		g.k.weight = bench_out(b, PAIR_F32, used);
		bench_run(b, n_tok, gate_route, &g);
		bench_same_bytes(b, "expert", &g.k.expert, 0);
		bench_same_bytes(b, "uses", &g.k.uses, 0);
		bench_compare(b, "weight", &g.k.weight, n_tok, (size_t)c->n_used, 1e-5, 3e-5);
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

static void a_gate_of_more_experts_than_a_kernel_has_is_refused(void **state)
{
	static const struct route_case refused = {2048, 6, 0, 0, 0};
	struct bench *b = *state;
	struct gate_case g = {.k.c = &refused, .d = 64};

	bench_case(b, "gate_route, 6 of 2048");
	g.x = bench_normal(b, PAIR_ACT, 64, 1.0);
	g.w = bench_weight(b, WEIGHT_BF16, 2048, 64, 1);
	g.k.logits = bench_scratch(b, PAIR_F32, 2048);
	g.k.bias = bench_normal(b, PAIR_F32, 2048, 1.0);
	make_table(b, &g.k, 1);
	g.k.expert = bench_out(b, PAIR_I32, 6);
	g.k.weight = bench_out(b, PAIR_F32, 6);
	bench_refuses(b, gate_route, &g);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(experts_and_their_weights_are_the_cpus),
		BENCH_TEST(the_gate_and_the_choice_in_one_are_the_cpus),
		BENCH_TEST(more_experts_than_a_kernel_has_are_refused),
		BENCH_TEST(a_gate_of_more_experts_than_a_kernel_has_is_refused),
	};

	return BENCH_MAIN(argc, argv, tests);
}
