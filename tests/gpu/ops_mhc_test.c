/* Hyper-connections: what is mixed before a sublayer, after it, between two, and at the head.
 */
#include "tests/gpu/harness.h"

#include <math.h>
#include <stdlib.h>

static const int rows[] = {1, 2, 3, 5, 8, 16, 17, 127, 129, 511};
/* Tiny models', one that fills no piece of columns, Flash's, Pro's. */
static const int widths[] = {80, 128, 256, 4096, 7168};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct mix_case {
	int d, n_iter;
	float eps;
	struct pair x, fn, base, scale, norm, out; /* before a sublayer */
	struct pair post, comb;                    /* made then */
	struct pair y, old_post, old_comb;         /* what is applied after one */
	int rows; /* what makes them along: attention's rows, */
	struct pair raw, step, rope, q, kv_norm, ring;
	struct pair logits, expert, weight; /* or the router */
	struct weight_pair gate;
	int in; /* of the product that makes y; 0: y is given */
	struct pair before;
	struct weight_pair last;
};

static struct mhc_pre_args pre_args(const struct mix_case *k, int side, int t0, int n)
{
	size_t t = (size_t)t0;

	return (struct mhc_pre_args){
		.n_tok = n,
		.d = k->d,
		.n_iter = k->n_iter,
		.eps = k->eps,
		.rms_eps = 1e-6f,
		.x = bench_at(&k->x, side, t * HC_MULT * (size_t)k->d),
		.fn = k->fn.p[side],
		.base = k->base.p[side],
		.scale = k->scale.p[side],
		.norm = k->norm.p[side],
		.out = bench_at(&k->out, side, t * (size_t)k->d),
		.post = bench_at(&k->post, side, t * 4),
		.comb = bench_at(&k->comb, side, t * 16),
	};
}

static struct mhc_post_args post_args(const struct mix_case *k, int side, int t0, int n)
{
	size_t t = (size_t)t0;

	return (struct mhc_post_args){
		.n_tok = n,
		.d = k->d,
		.y = bench_at(&k->y, side, t * (size_t)k->d),
		.post = bench_at(&k->old_post, side, t * 4),
		.comb = bench_at(&k->old_comb, side, t * 16),
		.x = bench_at(&k->x, side, t * HC_MULT * (size_t)k->d),
	};
}

static int pre(struct backend *be, int side, int t0, int n, void *ctx, struct err *err)
{
	struct mhc_pre_args a = pre_args(ctx, side, t0, n);

	return be->ops->mhc_pre(be, &a, err);
}

static int post(struct backend *be, int side, int t0, int n, void *ctx, struct err *err)
{
	struct mhc_post_args a = post_args(ctx, side, t0, n);

	return be->ops->mhc_post(be, &a, err);
}

static int join(struct backend *be, int side, int t0, int n, void *ctx, struct err *err)
{
	const struct mix_case *k = ctx;
	struct mhc_join_args a = {
		.post = post_args(k, side, t0, n),
		.pre = pre_args(k, side, t0, n),
	};

	if (k->in)
		a.product = (struct linear_args){
			.n_tok = n,
			.n_group = 1,
			.out_f32 = 1,
			.w = k->last.w[side],
			.x = bench_at(&k->before, side, (size_t)t0 * (size_t)k->in),
			.y = a.post.y,
		};
	if (be->ops->mhc_join)
		return be->ops->mhc_join(be, &a, err);
	if (k->in && be->ops->linear(be, &a.product, err))
		return err->code;
	return be->ops->mhc_post(be, &a.post, err) ? err->code
						   : be->ops->mhc_pre(be, &a.pre, err);
}

/* With its mixtures left to the router or to attention's rows, whose own work is of no account.
 */
static int pre_and_rest(struct backend *be, int side, int t0, int n, void *ctx, struct err *err)
{
	const struct mix_case *k = ctx;
	struct mhc_pre_args a = pre_args(k, side, t0, n);
	struct mhc_mix_args rest = {n, a.n_iter, a.eps, k->raw.p[side], a.post, a.comb};
	struct gate_route_args g = {
		.gate = {n, 1, 1, 0, 0, k->gate.w[side], a.out, k->logits.p[side]},
		.route = {n, 16, 2, 1.0f, k->logits.p[side], NULL, NULL, NULL,
			  k->expert.p[side], k->weight.p[side]},
		.mix = rest,
	};
	struct attention_rows_args r = {
		.query = {n, 1, 1e-6f, k->rope.p[side], k->q.p[side]},
		.window = {n, 512, 1e-6f, k->step.p[side], k->q.p[side], k->kv_norm.p[side],
			   k->rope.p[side], k->ring.p[side]},
		.mix = rest,
	};

	if (!be->ops->gate_route)
		return be->ops->mhc_pre(be, &a, err);
	a.raw = rest.raw;
	if (be->ops->mhc_pre(be, &a, err))
		return err->code;
	return k->rows ? be->ops->attention_rows(be, &r, err)
		       : be->ops->gate_route(be, &g, err);
}

static int head(struct backend *be, int side, int t0, int n, void *ctx, struct err *err)
{
	struct mhc_pre_args a = pre_args(ctx, side, t0, n);
	struct mhc_head_args h = {
		.n_tok = n,
		.d = a.d,
		.eps = a.eps,
		.rms_eps = a.rms_eps,
		.x = a.x,
		.fn = a.fn,
		.base = a.base,
		.scale = a.scale,
		.norm = a.norm,
		.out = a.out,
	};

	return be->ops->mhc_head(be, &h, err);
}

static struct mix_case make(struct bench *b, int n_tok, int d, int n_out, double deviation)
{
	size_t n = (size_t)n_tok;
	struct mix_case k = {.d = d, .n_iter = 20, .eps = 1e-6f};

	k.x = bench_normal(b, PAIR_F32, n * HC_MULT * (size_t)d, deviation);
	k.fn = bench_normal(b, PAIR_F32, (size_t)n_out * HC_MULT * (size_t)d,
			    1.0 / sqrt(HC_MULT * (double)d));
	k.base = bench_normal(b, PAIR_F32, (size_t)n_out, 1.0);
	k.scale = bench_normal(b, PAIR_F32, 3, 1.0);
	k.norm = bench_normal(b, PAIR_BF16, (size_t)d, 1.0);
	k.out = bench_out(b, PAIR_ACT, n * (size_t)d);
	k.post = bench_out(b, PAIR_F32, n * 4);
	k.comb = bench_out(b, PAIR_F32, n * 16);
	k.y = bench_normal(b, PAIR_F32, n * (size_t)d, deviation);
	k.old_post = bench_normal(b, PAIR_F32, n * 4, 1.0);
	k.old_comb = bench_normal(b, PAIR_F32, n * 16, 0.5);
	return k;
}

static void compare_input(struct bench *b, const struct mix_case *k, int n_tok)
{
	bench_compare(b, "out", &k->out, n_tok, (size_t)k->d, 0.003, 0.004);
	bench_compare(b, "post", &k->post, n_tok, 4, 2e-6, 2e-5);
	bench_compare(b, "comb", &k->comb, n_tok, 16, 2e-6, 2e-5);
}

static void a_sublayers_input_and_mixture_are_the_cpus(void **state)
{
	static const double deviations[] = {1e-3, 1.0, 200.0};
	struct bench *b = *state;

	for (size_t i = 0; i < COUNT(rows) * COUNT(widths); i++) {
		int n_tok = rows[i % COUNT(rows)], d = widths[i / COUNT(rows)];
		struct mix_case k;

		bench_case(b, "mhc_pre, %d rows of %d", n_tok, d);
		k = make(b, n_tok, d, 24, deviations[i % 3]);
		bench_run(b, n_tok, pre, &k);
		compare_input(b, &k, n_tok);
	}
}

static void few_rounds_of_balancing_are_the_cpus(void **state)
{
	static const int rounds[] = {1, 2, 19};
	struct bench *b = *state;

	for (size_t i = 0; i < COUNT(rounds); i++) {
		struct mix_case k;

		bench_case(b, "mhc_pre, %d rounds", rounds[i]);
		k = make(b, 3, 256, 24, 1.0);
		k.n_iter = rounds[i];
		k.eps = 1e-3f;
		bench_run(b, 3, pre, &k);
		compare_input(b, &k, 3);
	}
}

static void mixtures_that_are_left_to_others_are_the_cpus(void **state)
{
	static const int few[] = {1, 2, 8, 9, 10, 16, 17, 129};
	struct bench *b = *state;

	for (size_t i = 0; i < 2 * COUNT(few); i++) {
		int n_tok = few[i / 2];
		size_t n = (size_t)n_tok;
		struct mix_case k;

		bench_case(b, "mhc_pre and %s, %d rows", i % 2 ? "rows" : "gate", n_tok);
		k = make(b, n_tok, 256, 24, 1.0);
		k.rows = i % 2;
		k.raw = bench_scratch(b, PAIR_F32, n * MHC_RAW);
		k.gate = bench_weight(b, WEIGHT_BF16, 16, 256, 1);
		k.logits = bench_scratch(b, PAIR_F32, n * 16);
		k.expert = bench_scratch(b, PAIR_I32, n * 2);
		k.weight = bench_scratch(b, PAIR_F32, n * 2);
		k.step = bench_step(b, 0, 0);
		k.rope = bench_rope(b, 0, n_tok);
		k.q = bench_scratch(b, PAIR_ACT, n * HEAD_DIM);
		k.kv_norm = bench_normal(b, PAIR_BF16, HEAD_DIM, 1.0);
		k.ring = bench_scratch(b, PAIR_BYTES, 512 * KV_ROW_BYTES);
		bench_run(b, n_tok, pre_and_rest, &k);
		compare_input(b, &k, n_tok);
	}
}

static void what_a_sublayer_adds_is_the_cpus_exactly(void **state)
{
	struct bench *b = *state;

	for (size_t i = 0; i < COUNT(rows) * COUNT(widths); i++) {
		int n_tok = rows[i % COUNT(rows)], d = widths[i / COUNT(rows)];
		struct mix_case k;

		bench_case(b, "mhc_post, %d rows of %d", n_tok, d);
		k = make(b, n_tok, d, 24, 1.0);
		bench_run(b, n_tok, post, &k);
		bench_compare(b, "x", &k.x, n_tok, HC_MULT * (size_t)d, 0, 0);
	}
}

static void the_join_of_both_is_one_after_the_other(void **state)
{
	struct bench *b = *state;

	for (size_t i = 0; i < COUNT(rows) * COUNT(widths); i++) {
		int n_tok = rows[i % COUNT(rows)], d = widths[i / COUNT(rows)];
		struct mix_case k;

		bench_case(b, "mhc_join, %d rows of %d", n_tok, d);
		k = make(b, n_tok, d, 24, 1.0);
		bench_run(b, n_tok, join, &k);
		bench_compare(b, "x", &k.x, n_tok, HC_MULT * (size_t)d, 0, 0);
		compare_input(b, &k, n_tok);
	}
}

static void a_join_makes_the_product_before_it(void **state)
{
	static const struct {
		enum weight_type type;
		int d, in;
	} shapes[] = {{WEIGHT_F8, 4096, 8192}, {WEIGHT_F8, 7168, 2048}, {WEIGHT_BF16, 256, 1024},
		      {WEIGHT_F8, 256, 16384}, {WEIGHT_F8, 256, 1536},  {WEIGHT_BF16, 80, 256},
		      {WEIGHT_F8, 128, 96}};
	static const int few[] = {1, 2, 4, 8, 9, 16, 17};
	struct bench *b = *state;

	for (size_t i = 0; i < COUNT(few) * COUNT(shapes); i++) {
		int n_tok = few[i % COUNT(few)], d = shapes[i / COUNT(few)].d;
		int in = shapes[i / COUNT(few)].in;
		struct mix_case k;

		bench_case(b, "mhc_join, product of %d x %d, %d rows", d, in, n_tok);
		k = make(b, n_tok, d, 24, 1.0);
		k.in = in;
		k.before = bench_normal(b, PAIR_ACT, (size_t)n_tok * (size_t)in, 1.0);
		k.last = bench_weight(b, shapes[i / COUNT(few)].type, d, in, 1);
		k.y = bench_scratch(b, PAIR_F32, (size_t)n_tok * (size_t)d);
		bench_run(b, n_tok, join, &k);
		bench_compare(b, "x", &k.x, n_tok, HC_MULT * (size_t)d, 1e-5, 1e-3);
		bench_compare(b, "out", &k.out, n_tok, (size_t)d, 0.003, 0.004);
		bench_compare(b, "post", &k.post, n_tok, 4, 1e-4, 1e-3);
		bench_compare(b, "comb", &k.comb, n_tok, 16, 1e-4, 1e-3);
	}
}

static int join_of_another_product(struct backend *be, int side, int t0, int n, void *ctx,
				   struct err *err)
{
	const struct mix_case *k = ctx;
	struct mhc_join_args a = {
		.product = {.n_tok = n, .n_group = 1, .out_f32 = 1, .w = k->last.w[side]},
		.post = post_args(k, side, t0, n),
		.pre = pre_args(k, side, t0, n),
	};

	a.product.x = k->before.p[side];
	a.product.y = k->out.p[side];
	return be->ops->mhc_join ? be->ops->mhc_join(be, &a, err)
				 : err_set(err, ERR_MODEL, "there is no mhc_join");
}

static void a_product_that_is_not_posts_is_refused(void **state)
{
	struct bench *b = *state;
	struct mix_case k;

	bench_case(b, "mhc_join, a product elsewhere");
	k = make(b, 1, 256, 24, 1.0);
	k.before = bench_normal(b, PAIR_ACT, 1024, 1.0);
	k.last = bench_weight(b, WEIGHT_BF16, 256, 1024, 1);
	bench_refuses(b, join_of_another_product, &k);
}

static void the_heads_mixture_is_the_cpus(void **state)
{
	struct bench *b = *state;

	for (size_t i = 0; i < COUNT(rows) * COUNT(widths); i++) {
		int n_tok = rows[i % COUNT(rows)], d = widths[i / COUNT(rows)];
		struct mix_case k;

		bench_case(b, "mhc_head, %d rows of %d", n_tok, d);
		k = make(b, n_tok, d, 4, 1.0);
		bench_run(b, n_tok, head, &k);
		bench_compare(b, "out", &k.out, n_tok, (size_t)d, 0.003, 0.004);
	}
}

static void a_width_that_no_kernel_has_is_refused(void **state)
{
	struct bench *b = *state;
	struct mix_case k;

	bench_case(b, "mhc_pre, rows of 66");
	k = make(b, 1, 66, 24, 1.0);
	bench_refuses(b, pre, &k);
	bench_refuses(b, post, &k);
	bench_refuses(b, head, &k);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(a_sublayers_input_and_mixture_are_the_cpus),
		BENCH_TEST(few_rounds_of_balancing_are_the_cpus),
		BENCH_TEST(mixtures_that_are_left_to_others_are_the_cpus),
		BENCH_TEST(what_a_sublayer_adds_is_the_cpus_exactly),
		BENCH_TEST(the_join_of_both_is_one_after_the_other),
		BENCH_TEST(a_join_makes_the_product_before_it),
		BENCH_TEST(a_product_that_is_not_posts_is_refused),
		BENCH_TEST(the_heads_mixture_is_the_cpus),
		BENCH_TEST(a_width_that_no_kernel_has_is_refused),
	};

	return BENCH_MAIN(argc, argv, tests);
}
