/* The experts of few and of many rows, in every way there is of computing them. */
#include "tests/gpu/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct shape {
	enum weight_type type;
	int d, inner, n_expert, n_used;
};

struct experts_case {
	struct shape s;
	float limit;
	struct experts_pair routed, shared;
	struct pair x, expert, weight, y;
};

static int experts(struct backend *be, int side, int t0, int n, void *ctx, struct err *err)
{
	const struct experts_case *k = ctx;
	struct experts_args a = {
		.n_tok = n,
		.d = k->s.d,
		.inner = k->s.inner,
		.n_expert = k->s.n_expert,
		.n_used = k->s.n_used,
		.limit = k->limit,
		.experts = k->routed.e[side],
		.shared = k->shared.e[side],
		.table = k->routed.table[side],
		.x = bench_at(&k->x, side, (size_t)t0 * (size_t)k->s.d),
		.expert = bench_at(&k->expert, side, (size_t)t0 * (size_t)k->s.n_used),
		.weight = bench_at(&k->weight, side, (size_t)t0 * (size_t)k->s.n_used),
		.y = bench_at(&k->y, side, (size_t)t0 * (size_t)k->s.d),
	};

	return be->ops->experts(be, &a, err);
}

enum chosen {
	APART,    /* each row other experts, ascending              */
	TOGETHER, /* all rows the same ones                         */
	REPEATED, /* two experts a row or one alone, in many slots  */
};

static const char *const choice_names[] = {"", " together", " repeated"};

static void choose(struct bench *b, const struct shape *s, enum chosen how, int n_tok,
		   int32_t *out)
{
	for (int t = 0; t < n_tok; t++) {
		int32_t *row = out + (size_t)t * (size_t)s->n_used;
		int left = s->n_used;

		if (how == TOGETHER && t > 0) {
			memcpy(row, out, (size_t)s->n_used * sizeof(*row));
			continue;
		}
		if (how == REPEATED) {
			for (int i = 0; i < s->n_used; i++)
				row[i] = t % 2 ? s->n_expert - 1 : 2 * i / s->n_used;
			continue;
		}
		for (int32_t e = 0; left > 0; e++) {
			if (bench_below(b, s->n_expert - e) < left)
				row[s->n_used - left--] = e;
		}
	}
}

/* A case's weights and limit stand; this makes a call of n_tok rows. */
static void make_rows(struct bench *b, struct experts_case *k, int n_tok, enum chosen how)
{
	size_t n = (size_t)n_tok * (size_t)k->s.n_used;
	int32_t *chosen = malloc(n * sizeof(*chosen));
	float *weight = malloc(n * sizeof(*weight));

	assert_non_null(chosen);
	assert_non_null(weight);
	choose(b, &k->s, how, n_tok, chosen);
	for (size_t i = 0; i < n; i++)
		weight[i] = (float)bench_uniform(b, 0.05, 0.6);
	k->x = bench_normal(b, PAIR_ACT, (size_t)n_tok * (size_t)k->s.d, 1.5);
	k->expert = bench_ints(b, chosen, n);
	k->weight = bench_given(b, PAIR_F32, weight, n);
	k->y = bench_out(b, PAIR_F32, (size_t)n_tok * (size_t)k->s.d);
	free(chosen);
	free(weight);
}

static void make_weights(struct bench *b, struct experts_case *k, enum weight_type shared)
{
	k->routed = bench_experts(b, k->s.type, k->s.n_expert, k->s.d, k->s.inner);
	k->shared = bench_experts(b, shared, 1, k->s.d, k->s.inner);
}

static void compare(struct bench *b, const struct shape *s, enum weight_type shared, int n_tok,
		    enum chosen how)
{
	struct experts_case k = {.s = *s, .limit = 2.0f}; /* low enough to clamp some */

	bench_case(b, "experts, type %d, %d x %d, %d of %d%s, %d rows", (int)s->type, s->inner,
		   s->d, s->n_used, s->n_expert, choice_names[how], n_tok);
	make_weights(b, &k, shared);
	make_rows(b, &k, n_tok, how);
	bench_run(b, n_tok, experts, &k);
	/* what goes down is rounded to bf16 */
	bench_compare(b, "y", &k.y, n_tok, (size_t)s->d, 0.0025, 0.005);
}

static void flash_and_pro_shapes_agree_with_the_reference(void **state)
{
	static const struct shape shapes[] = {{WEIGHT_FP4, 4096, 2048, 16, 6},
					      {WEIGHT_FP4, 7168, 3072, 10, 6},
					      {WEIGHT_F8, 4096, 2048, 8, 6}};
	static const int rows[] = {1, 2, 3, 5, 8, 16, 129, 511};

	for (size_t i = 0; i < COUNT(shapes); i++) {
		for (size_t r = 0; r < COUNT(rows); r++)
			compare(*state, &shapes[i], WEIGHT_F8, rows[r], APART);
	}
}

static void awkward_shapes_agree_with_the_reference(void **state)
{
	static const struct shape shapes[] = {
		{WEIGHT_FP4, 128, 128, 10, 6}, {WEIGHT_FP4, 256, 128, 6, 3},
		{WEIGHT_FP4, 96, 160, 3, 1},   {WEIGHT_FP4, 544, 32, 40, 8},
		{WEIGHT_F8, 288, 96, 3, 3},    {WEIGHT_F8, 32, 1056, 5, 2},
		{WEIGHT_BF16, 160, 224, 4, 2}, {WEIGHT_FP4, 1024, 512, 384, 6},
	};
	static const int rows[] = {1, 2, 3, 5, 8, 9, 16, 17, 64, 127, 129, 511};

	for (size_t i = 0; i < COUNT(shapes); i++) {
		for (size_t r = 0; r < COUNT(rows); r++) {
			enum weight_type shared = i % 3 == 2 ? WEIGHT_BF16 : WEIGHT_F8;

			compare(*state, &shapes[i], shared, rows[r], APART);
			compare(*state, &shapes[i], shared, rows[r], TOGETHER);
		}
	}
}

static void a_table_may_name_an_expert_twice_for_a_token(void **state)
{
	static const struct shape shapes[] = {{WEIGHT_FP4, 256, 128, 4, 6},
					      {WEIGHT_F8, 160, 96, 3, 2},
					      {WEIGHT_BF16, 96, 64, 5, 64},
					      {WEIGHT_FP4, 4096, 512, 4, 6}};
	static const int rows[] = {1, 2, 3, 8, 9, 16, 17, 129};

	for (size_t i = 0; i < COUNT(shapes); i++) {
		for (size_t r = 0; r < COUNT(rows); r++)
			compare(*state, &shapes[i], WEIGHT_F8, rows[r], REPEATED);
	}
}

/* The same call by backends that were asked for a way of their own. */
static void fused_and_reference_give_the_same_bits(void **state)
{
	static const int rows[] = {1, 2, 3, 7, 8, 9, 14, 15, 16};
	struct bench *b = *state;
	struct experts_case k = {.s = {WEIGHT_FP4, 1024, 512, 8, 6}, .limit = 3.0f};

	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t bytes = (size_t)rows[i] * (size_t)k.s.d * sizeof(float);
		const char *ways[] = {"fused", "reference"};
		float *y[2];

		bench_case(b, "experts, fused and reference, %d rows", rows[i]);
		make_weights(b, &k, WEIGHT_F8);
		make_rows(b, &k, rows[i], (enum chosen)(i % 3));
		bench_run(b, rows[i], experts, &k); /* its inputs stand in device memory then */
		if (!k.routed.table[GPU]) {
			printf("skipped: the backend tested has one way only\n");
			return;
		}
		for (int w = 0; w < 2; w++) {
			struct backend_options how = {.name = "cuda", .experts = ways[w]};
			struct backend *be;
			struct err err = {0};

			y[w] = malloc(bytes);
			assert_non_null(y[w]);
			if (backend_open(&be, &how, &err))
				fail_msg("%s", err.text);
			if (experts(be, GPU, 0, rows[i], &k, &err) ||
			    be->get(be, y[w], k.y.p[GPU], bytes, &err))
				fail_msg("%s", err.text);
			be->close(be);
		}
		if (memcmp(y[0], y[1], bytes) != 0)
			bench_fail(b, "fused and reference differ");
		free(y[0]);
		free(y[1]);
	}
}

/* The last third of a pair's experts lies in the host's memory. */
static void experts_that_change_places_give_the_same(void **state)
{
	static const int rows[] = {1, 4, 16, 129};
	struct bench *b = *state;
	struct backend *gpu = bench_backend(b, GPU);
	struct err err = {0};

	for (size_t i = 0; gpu->swap_experts && i < COUNT(rows); i++) {
		struct experts_case k = {.s = {WEIGHT_FP4, 1024, 512, 6, 3}, .limit = 3.0f};
		size_t d = (size_t)k.s.d;

		bench_case(b, "experts, two change places, %d rows", rows[i]);
		make_weights(b, &k, WEIGHT_F8);
		make_rows(b, &k, rows[i], APART);
		bench_run(b, rows[i], experts, &k);
		bench_compare(b, "y before", &k.y, rows[i], d, 0.0025, 0.005);
		for (int e = 0; e < 2; e++)
			if (gpu->swap_experts(gpu, k.routed.e[GPU], 6, e, 5 - e,
					      k.routed.table[GPU], &err))
				fail_msg("%s", err.text);
		bench_run(b, rows[i], experts, &k);
		bench_compare(b, "y then", &k.y, rows[i], d, 0.0025, 0.005);
	}
}

/* As above, but that third is computed by the host. */
static void experts_that_the_host_computes_agree_with_the_reference(void **state)
{
	static const struct shape shapes[] = {
		{WEIGHT_FP4, 4096, 2048, 9, 6}, {WEIGHT_F8, 1024, 512, 6, 3},
		{WEIGHT_BF16, 160, 224, 6, 2},  {WEIGHT_FP4, 544, 96, 3, 1},
		{WEIGHT_FP4, 96, 160, 30, 8},
	};
	static const int rows[] = {1, 2, 5, 16, 17, 129};
	const struct backend_options o = bench_options(CPU);
	struct bench *b = *state;
	struct backend *gpu = bench_backend(b, GPU), *cpu;
	struct err err = {0};

	if (!gpu->compute_hosted) {
		printf("skipped: the backend tested hosts no experts\n");
		return;
	}
	if (backend_open(&cpu, &o, &err) || gpu->compute_hosted(gpu, cpu, &err))
		fail_msg("%s", err.text);
	for (size_t i = 0; i < COUNT(shapes); i++) {
		for (size_t r = 0; r < COUNT(rows); r++) {
			struct experts_case k = {.s = shapes[i], .limit = 2.0f};
			int n = k.s.n_expert, rows_here = rows[r];
			enum chosen how = r % 2 ? TOGETHER : APART;
			size_t d = (size_t)k.s.d;

			bench_case(b, "the host's experts, type %d, %d x %d, %d of %d, %d rows",
				   (int)k.s.type, k.s.inner, k.s.d, k.s.n_used, n, rows_here);
			make_weights(b, &k, WEIGHT_F8);
			make_rows(b, &k, rows_here, how);
			bench_run(b, rows_here, experts, &k);
			bench_compare(b, "y", &k.y, rows_here, d, 0.0025, 0.005);
			if (gpu->swap_experts(gpu, k.routed.e[GPU], n, 0, n - 1,
					      k.routed.table[GPU], &err))
				fail_msg("%s", err.text);
			bench_run(b, rows_here, experts, &k);
			bench_compare(b, "y then", &k.y, rows_here, d, 0.0025, 0.005);
		}
	}
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		BENCH_TEST(awkward_shapes_agree_with_the_reference),
		BENCH_TEST(a_table_may_name_an_expert_twice_for_a_token),
		BENCH_TEST(fused_and_reference_give_the_same_bits),
		BENCH_TEST(experts_that_change_places_give_the_same),
		BENCH_TEST(experts_that_the_host_computes_agree_with_the_reference),
		BENCH_TEST(flash_and_pro_shapes_agree_with_the_reference),
	};

	return BENCH_MAIN(argc, argv, tests);
}
