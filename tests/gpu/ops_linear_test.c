/* Products with weights of every type: few rows, many rows, groups, sizes that fill no tile. */
#include "tests/gpu/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct linear_case {
	int n_group, out_f32, exact, out, in;
	struct weight_pair w;
	struct pair x, y;
};

static int linear(struct backend *be, int side, int t0, int n, void *ctx, struct err *err)
{
	const struct linear_case *k = ctx;
	struct linear_args a = {
		.n_tok = n,
		.n_group = k->n_group,
		.out_f32 = k->out_f32,
		.exact = k->exact,
		.w = k->w.w[side],
		.x = bench_at(&k->x, side, (size_t)t0 * (size_t)(k->n_group * k->in)),
		.y = bench_at(&k->y, side, (size_t)t0 * (size_t)k->out),
	};

	return be->ops->linear(be, &a, err);
}

static const char *const type_names[] = {"F32", "BF16", "F8", "FP4"};

/*
 * What the rows' median may be off.
 *
 * In act: half a unit of bf16's last place, which is up to 2^-8 of a value and 2^-8 / √3 or
 * less of a row of many, whose errors are spread evenly.
 *
 * In float32: sums of products that are exact.  Up to 16 rows several warps share a sum out and
 * none makes a long one.  With more rows one chain of tensor instructions does, each of which
 * takes 16 columns in and cuts the sum off at float32's last place (it does not round): half of
 * that place, 2^-24 of the sum at most, is lost on average, always towards 0.
 */
static double median_allowed(enum weight_type type, int out, int in, int n_tok, int out_f32)
{
	double cut_off = in / 16 * 0x1p-24;

	if (!out_f32)
		return out < 16 ? 0x1p-8 + 1e-4 : 0.0025;
	if (n_tok <= BENCH_ROWS || type == WEIGHT_F32)
		return 1e-5;
	return cut_off > 1e-5 ? cut_off : 1e-5;
}

static void compare(struct bench *b, enum weight_type type, int out, int in, int n_group,
		    int n_tok, int out_f32)
{
	struct linear_case k = {.n_group = n_group,
				.out_f32 = out_f32,
				.exact = out_f32 && type != WEIGHT_FP4 && n_tok < 4,
				.out = out,
				.in = in};

	bench_case(b, "linear, %s %d x %d in %d groups, %d rows, %s", type_names[type], out, in,
		   n_group, n_tok, out_f32 ? "f32" : "act");
	k.w = bench_weight(b, type, out, in, n_group);
	k.x = bench_normal(b, PAIR_ACT, (size_t)n_tok * (size_t)(n_group * in), 1.0);
	k.y = bench_out(b, out_f32 ? PAIR_F32 : PAIR_ACT, (size_t)n_tok * (size_t)out);
	bench_run(b, n_tok, linear, &k);
	/* a row of few values may be all what is left of far larger products */
	bench_compare(b, "y", &k.y, n_tok, (size_t)out,
		      median_allowed(type, out, in, n_tok, out_f32),
		      out < 16  ? 0.01
		      : out_f32 ? 1e-4
				: 0.004);
}

struct shape {
	enum weight_type type;
	int out, in, n_group, out_f32;
};

/* ------------------------------------------------------------- the models' shapes */

static const struct shape flash[] = {
	{WEIGHT_F8, 1024, 4096, 1, 0},   /* wq_a             */
	{WEIGHT_F8, 32768, 1024, 1, 0},  /* wq_b             */
	{WEIGHT_F8, 512, 4096, 1, 0},    /* wkv              */
	{WEIGHT_F8, 8192, 4096, 8, 0},   /* wo_a             */
	{WEIGHT_F8, 4096, 8192, 1, 1},   /* wo_b             */
	{WEIGHT_BF16, 1024, 4096, 1, 1}, /* compressor       */
	{WEIGHT_BF16, 64, 4096, 1, 1},   /* weights_proj     */
	{WEIGHT_BF16, 256, 4096, 1, 1},  /* gate             */
	{WEIGHT_FP4, 2048, 4096, 1, 0},  /* an expert's      */
	{WEIGHT_FP4, 4096, 2048, 1, 1},
};
static const struct shape pro[] = {
	{WEIGHT_F8, 1536, 7168, 1, 0},   {WEIGHT_F8, 65536, 1536, 1, 0},
	{WEIGHT_F8, 16384, 4096, 16, 0}, {WEIGHT_F8, 7168, 16384, 1, 1},
	{WEIGHT_BF16, 384, 7168, 1, 1},  {WEIGHT_FP4, 3072, 7168, 1, 0},
	{WEIGHT_FP4, 7168, 3072, 1, 1},
};

static void flash_shapes_agree_with_the_reference(void **state)
{
	static const int rows[] = {1, 2, 3, 5, 8, 16, 127, 129, 511};

	for (size_t i = 0; i < COUNT(flash); i++) {
		for (size_t r = 0; r < COUNT(rows); r++)
			compare(*state, flash[i].type, flash[i].out, flash[i].in,
				flash[i].n_group, rows[r], flash[i].out_f32);
	}
}

static void pro_shapes_agree_with_the_reference(void **state)
{
	static const int rows[] = {1, 4, 16, 17, 200};

	for (size_t i = 0; i < COUNT(pro); i++) {
		for (size_t r = 0; r < COUNT(rows); r++)
			compare(*state, pro[i].type, pro[i].out, pro[i].in, pro[i].n_group,
				rows[r], pro[i].out_f32);
	}
}

static void hundreds_of_rows_agree_with_the_reference(void **state)
{
	static const int rows[] = {512, 701};

	for (size_t r = 0; r < COUNT(rows); r++) {
		compare(*state, WEIGHT_F8, 1024, 4096, 1, rows[r], 0);
		compare(*state, WEIGHT_F8, 2048, 1024, 8, rows[r], 0);
		compare(*state, WEIGHT_F8, 1056, 288, 3, rows[r], 1);
		compare(*state, WEIGHT_BF16, 1024, 4096, 1, rows[r], 1);
		compare(*state, WEIGHT_FP4, 512, 1024, 1, rows[r], 1);
	}
}

static void the_head_agrees_with_the_reference(void **state)
{
	compare(*state, WEIGHT_BF16, 129280, 4096, 1, 1, 1);
	compare(*state, WEIGHT_BF16, 129280, 4096, 1, 4, 1);
	compare(*state, WEIGHT_BF16, 129280, 7168, 1, 16, 1);
}

/* ------------------------------------------------------------------ awkward shapes */

static void sizes_that_fill_no_tile_agree_with_the_reference(void **state)
{
	static const enum weight_type types[] = {WEIGHT_F32, WEIGHT_BF16, WEIGHT_F8,
						 WEIGHT_FP4};
	static const struct {
		int out, in, n_group;
	} sizes[] = {
		{1, 32, 1},     {3, 64, 1},    {17, 96, 1},    {128, 128, 1},
		{130, 160, 1},  {96, 288, 3},  {100, 416, 4},  {256, 1024, 2},
		{333, 2080, 1}, {258, 544, 2}, {40, 16384, 1}, {16, 21504, 1},
	};
	static const int rows[] = {1, 2, 7, 9, 15, 16, 17, 63, 65, 129, 300};

	for (size_t i = 0; i < COUNT(sizes); i++) {
		for (size_t t = 0; t < COUNT(types); t++) {
			for (size_t r = 0; r < COUNT(rows); r++)
				compare(*state, types[t], sizes[i].out, sizes[i].in,
					sizes[i].n_group, rows[r], (int)(r + t) % 2);
		}
	}
}

static void scales_far_apart_agree_with_the_reference(void **state)
{
	static const int exponents[] = {0, 60, 110, 127, 140, 144};
	struct bench *b = *state;

	for (size_t e = 0; e < COUNT(exponents); e++) {
		for (int fp4 = 0; fp4 < 2; fp4++) {
			enum weight_type type = fp4 ? WEIGHT_FP4 : WEIGHT_F8;
			struct linear_case k = {
				.n_group = 1, .out_f32 = 1, .out = 64, .in = 512};
			size_t n_scale = fp4 ? 64 * 16 : 4;
			unsigned char scales[64 * 16];
			struct pair own;

			bench_case(b, "linear, %s with scales of 2^%d", type_names[type],
				   exponents[e] - 127);
			k.w = bench_weight(b, type, k.out, k.in, 1);
			for (size_t i = 0; i < n_scale; i++)
				scales[i] = (unsigned char)exponents[e];
			own = bench_bytes(b, scales, n_scale);
			for (int side = 0; side < 2; side++)
				k.w.w[side].scale = own.p[side];
			k.x = bench_normal(b, PAIR_ACT, (size_t)4 * (size_t)k.in, 1.0);
			k.y = bench_out(b, PAIR_F32, (size_t)4 * (size_t)k.out);
			bench_run(b, 4, linear, &k);
			/* below 2^-100 sums lose digits on both sides */
			if (exponents[e] > 40)
				bench_compare(b, "y", &k.y, 4, (size_t)k.out, 1e-5, 1e-4);
		}
	}
}

/* ---------------------------------------------------------------------- batches */

struct batch_case {
	int n, in;
	const struct shape *shape;
	struct weight_pair w[LINEAR_BATCH];
	struct pair x, alone[LINEAR_BATCH], together[LINEAR_BATCH];
};

/* Each by itself, and all together where the backend can. */
static int batch(struct backend *be, int side, int t0, int n, void *ctx, struct err *err)
{
	const struct batch_case *k = ctx;
	struct linear_batch_args a = {.n = k->n};
	int rc = 0;

	for (int i = 0; i < k->n && !rc; i++) {
		size_t at = (size_t)t0 * (size_t)k->shape[i].out;

		a.part[i] = (struct linear_args){
			.n_tok = n,
			.n_group = 1,
			.out_f32 = k->shape[i].out_f32,
			.w = k->w[i].w[side],
			.x = bench_at(&k->x, side, (size_t)t0 * (size_t)k->in),
			.y = bench_at(&k->alone[i], side, at),
		};
		rc = be->ops->linear(be, &a.part[i], err);
		a.part[i].y = bench_at(&k->together[i], side, at);
		if (!rc && !be->ops->linear_batch)
			rc = be->ops->linear(be, &a.part[i], err);
	}
	return rc || !be->ops->linear_batch ? rc : be->ops->linear_batch(be, &a, err);
}

static void compare_batch(struct bench *b, const char *what, const struct shape *shape, int n,
			  int n_tok)
{
	struct batch_case k = {.n = n, .in = shape[0].in, .shape = shape};

	bench_case(b, "linear_batch, %s, %d rows", what, n_tok);
	k.x = bench_normal(b, PAIR_ACT, (size_t)n_tok * (size_t)k.in, 1.0);
	for (int i = 0; i < n; i++) {
		enum pair_kind kind = shape[i].out_f32 ? PAIR_F32 : PAIR_ACT;
		size_t values = (size_t)n_tok * (size_t)shape[i].out;

		k.w[i] = bench_weight(b, shape[i].type, shape[i].out, shape[i].in, 1);
		k.alone[i] = bench_out(b, kind, values);
		k.together[i] = bench_out(b, kind, values);
	}
	bench_run(b, n_tok, batch, &k);
	for (int i = 0; i < n; i++) {
		size_t bytes = k.alone[i].n * (shape[i].out_f32 ? 4 : 2);

		bench_compare(b, "y", &k.together[i], n_tok, (size_t)shape[i].out,
			      median_allowed(shape[i].type, shape[i].out, shape[i].in, n_tok,
					     shape[i].out_f32),
			      shape[i].out_f32 ? 1e-4 : 0.004);
		if (memcmp(bench_fetch(b, &k.alone[i], GPU),
			   bench_fetch(b, &k.together[i], GPU), bytes) != 0)
			bench_fail(b, "product %d of %d differs from linear's", i, n);
	}
}

static void a_batch_has_the_bits_of_its_products(void **state)
{
	static const struct shape inputs[] = {
		{WEIGHT_F8, 1024, 4096, 1, 0},   {WEIGHT_F8, 512, 4096, 1, 0},
		{WEIGHT_BF16, 1024, 4096, 1, 1}, {WEIGHT_BF16, 1024, 4096, 1, 1},
		{WEIGHT_BF16, 256, 4096, 1, 1},  {WEIGHT_BF16, 256, 4096, 1, 1},
		{WEIGHT_BF16, 64, 4096, 1, 1},
	};
	static const struct shape queries[] = {{WEIGHT_F8, 32768, 1024, 1, 0},
					       {WEIGHT_F8, 8192, 1024, 1, 0}};
	static const struct shape odd[] = {
		{WEIGHT_BF16, 17, 288, 1, 1},  {WEIGHT_F8, 130, 288, 1, 0},
		{WEIGHT_BF16, 100, 288, 1, 0}, {WEIGHT_F8, 40, 288, 1, 1},
		{WEIGHT_BF16, 64, 288, 1, 1},  {WEIGHT_F8, 333, 288, 1, 0},
		{WEIGHT_BF16, 16, 288, 1, 0},  {WEIGHT_F8, 4096, 288, 1, 1},
	};
	static const struct shape mixed[] = {{WEIGHT_FP4, 128, 320, 1, 0},
					     {WEIGHT_F32, 64, 320, 1, 1}};
	static const struct shape deep[] = {{WEIGHT_BF16, 40, 16384, 1, 1},
					    {WEIGHT_F8, 64, 16384, 1, 0}};
	static const int rows[] = {1, 2, 8, 9, 16, 40};

	for (size_t r = 0; r < COUNT(rows); r++) {
		compare_batch(*state, "a sublayer's inputs", inputs, COUNT(inputs), rows[r]);
		compare_batch(*state, "queries", queries, COUNT(queries), rows[r]);
		compare_batch(*state, "odd sizes", odd, COUNT(odd), rows[r]);
		compare_batch(*state, "other types", mixed, COUNT(mixed), rows[r]);
		compare_batch(*state, "many columns", deep, COUNT(deep), rows[r]);
		compare_batch(*state, "one product", inputs, 1, rows[r]);
	}
}

/* ------------------------------------------------------------------ behind a norm */

struct normed_case {
	int n, in;
	const struct shape *shape;
	struct weight_pair w[LINEAR_BATCH];
	struct pair x, norm, normed, y[LINEAR_BATCH];
};

/* In one where the backend can. */
static int normed(struct backend *be, int side, int t0, int n, void *ctx, struct err *err)
{
	const struct normed_case *k = ctx;
	size_t at = (size_t)t0 * (size_t)k->in;
	struct linear_normed_args a = {
		.norm = {.n_tok = n,
			 .d = k->in,
			 .eps = 1e-6f,
			 .x = bench_at(&k->x, side, at),
			 .norm = k->norm.p[side],
			 .out = bench_at(&k->normed, side, at)},
		.batch = {.n = k->n},
	};
	int rc = 0;

	for (int i = 0; i < k->n; i++)
		a.batch.part[i] = (struct linear_args){
			.n_tok = n,
			.n_group = 1,
			.out_f32 = k->shape[i].out_f32,
			.w = k->w[i].w[side],
			.x = a.norm.out,
			.y = bench_at(&k->y[i], side, (size_t)t0 * (size_t)k->shape[i].out),
		};
	if (be->ops->linear_normed)
		return be->ops->linear_normed(be, &a, err);
	rc = be->ops->rms_norm(be, &a.norm, err);
	for (int i = 0; i < k->n && !rc; i++)
		rc = be->ops->linear(be, &a.batch.part[i], err);
	return rc;
}

static void compare_normed(struct bench *b, const struct shape *shape, int n, int n_tok)
{
	struct normed_case k = {.n = n, .in = shape[0].in, .shape = shape};

	bench_case(b, "linear_normed, %d x %d and %d more, %d rows", shape[0].out, shape[0].in,
		   n - 1, n_tok);
	k.x = bench_normal(b, PAIR_ACT, (size_t)n_tok * (size_t)k.in, 3.0);
	k.norm = bench_normal(b, PAIR_BF16, (size_t)k.in, 1.0);
	k.normed = bench_scratch(b, PAIR_ACT, (size_t)n_tok * (size_t)k.in);
	for (int i = 0; i < n; i++) {
		k.w[i] = bench_weight(b, shape[i].type, shape[i].out, shape[i].in, 1);
		k.y[i] = bench_out(b, shape[i].out_f32 ? PAIR_F32 : PAIR_ACT,
				   (size_t)n_tok * (size_t)shape[i].out);
	}
	bench_run(b, n_tok, normed, &k);
	/* on one side what the norm gives is rounded to bf16 on its way */
	for (int i = 0; i < n; i++)
		bench_compare(b, "y", &k.y[i], n_tok, (size_t)shape[i].out, 0.004,
			      shape[i].out < 100 ? 0.01 : 0.006);
}

static void products_of_normed_rows_agree_with_the_reference(void **state)
{
	static const struct shape flash_queries[] = {{WEIGHT_F8, 32768, 1024, 1, 0},
						     {WEIGHT_F8, 8192, 1024, 1, 0}};
	static const struct shape pro_queries[] = {{WEIGHT_F8, 65536, 1536, 1, 0}};
	static const struct shape other[] = {{WEIGHT_BF16, 64, 4096, 1, 1},
					     {WEIGHT_F8, 16, 4096, 1, 0}};
	static const struct shape odd[] = {{WEIGHT_F8, 40, 96, 1, 0},
					   {WEIGHT_BF16, 17, 96, 1, 1}};
	static const int rows[] = {1, 2, 8, 9, 16, 40};

	for (size_t r = 0; r < COUNT(rows); r++) {
		compare_normed(*state, flash_queries, COUNT(flash_queries), rows[r]);
		compare_normed(*state, pro_queries, COUNT(pro_queries), rows[r]);
		compare_normed(*state, other, COUNT(other), rows[r]);
		compare_normed(*state, odd, COUNT(odd), rows[r]);
	}
}

static void what_no_kernel_can_do_is_refused(void **state)
{
	struct bench *b = *state;
	struct linear_case k = {.n_group = 1, .out = 64, .in = 64};

	bench_case(b, "linear, refused");
	k.w = bench_weight(b, WEIGHT_BF16, 64, 64, 1);
	k.x = bench_normal(b, PAIR_ACT, 256, 1.0);
	k.y = bench_out(b, PAIR_ACT, 64);
	k.n_group = 3;
	bench_refuses(b, linear, &k);
	k.n_group = 1;
	k.w.w[CPU].in = k.w.w[GPU].in = 40;
	bench_refuses(b, linear, &k);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		BENCH_TEST(sizes_that_fill_no_tile_agree_with_the_reference),
		BENCH_TEST(scales_far_apart_agree_with_the_reference),
		BENCH_TEST(a_batch_has_the_bits_of_its_products),
		BENCH_TEST(products_of_normed_rows_agree_with_the_reference),
		BENCH_TEST(what_no_kernel_can_do_is_refused),
		BENCH_TEST(flash_shapes_agree_with_the_reference),
		BENCH_TEST(pro_shapes_agree_with_the_reference),
		BENCH_TEST(hundreds_of_rows_agree_with_the_reference),
		BENCH_TEST(the_head_agrees_with_the_reference),
	};

	return BENCH_MAIN(argc, argv, tests);
}
