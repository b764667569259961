/* Matrix products of every packed type, against their formulas written plainly, by bits. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/ops.h"

#define LANES 16

static uint32_t seed = 12345;

static uint32_t draw(void)
{
	seed = seed * 1664525u + 1013904223u;
	return seed >> 8;
}

static float of_bits(uint32_t u)
{
	float f;

	memcpy(&f, &u, sizeof(f));
	return f;
}

static float scale_value(uint8_t b)
{
	return ldexpf(1.0f, (int)b - 127);
}

static float f8_value(uint8_t b)
{
	int e = b >> 3 & 15, m = b & 7;
	float v = e ? ldexpf((float)(8 + m), e - 10) : ldexpf((float)m, -9);

	return b & 0x80 ? -v : v;
}

static float fp4_value(int code)
{
	static const float value[8] = {0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f};

	return code & 8 ? -value[code & 7] : value[code & 7];
}

/* Element (o, k) without the scale of FP4, and that scale. */
static float element(const struct weight *w, int o, int k, float *scale)
{
	size_t at = (size_t)o * (size_t)w->in + (size_t)k;
	uint16_t half;
	float f;

	*scale = 1.0f;
	switch (w->type) {
	case WEIGHT_F32:
		memcpy(&f, w->w + 4 * at, sizeof(f));
		return f;
	case WEIGHT_BF16:
		memcpy(&half, w->w + 2 * at, sizeof(half));
		return of_bits((uint32_t)half << 16);
	case WEIGHT_F8:
		return f8_value(w->w[at]) *
		       scale_value(w->scale[o / 128 * ((w->in + 127) / 128) + k / 128]);
	case WEIGHT_FP4:
		*scale = scale_value(w->scale[at / 32]);
		return fp4_value(w->w[at / 2] >> (k % 2 * 4) & 15);
	}
	return 0;
}

static float tree(float *acc)
{
	for (int half = LANES / 2; half; half /= 2) {
		for (int l = 0; l < half; l++)
			acc[l] = acc[l] + acc[l + half];
	}
	return acc[0];
}

/* A lane takes every sixteenth column. */
static float plain(const struct weight *w, int o, const float *x)
{
	float acc[LANES] = {0}, scale;

	for (int k = 0; k < w->in; k++)
		acc[k % LANES] = fmaf(element(w, o, k, &scale), x[k], acc[k % LANES]);
	return tree(acc);
}

/* A lane takes eight neighbours in every 128, added up before their scale counts. */
static float plain_fp4(const struct weight *w, int o, const float *x)
{
	float acc[LANES] = {0};

	for (int k0 = 0; k0 < w->in; k0 += 8) {
		float sum = 0, scale = 1;

		for (int k = k0; k < k0 + 8; k++)
			sum = fmaf(element(w, o, k, &scale), x[k], sum);
		acc[k0 / 8 % LANES] = fmaf(sum, scale, acc[k0 / 8 % LANES]);
	}
	return tree(acc);
}

static float plain_exact(const struct weight *w, int o, const float *x)
{
	double acc[LANES] = {0};
	float scale;

	for (int k = 0; k < w->in; k++)
		acc[k % LANES] += (double)element(w, o, k, &scale) * (double)x[k];
	for (int half = LANES / 2; half; half /= 2) {
		for (int l = 0; l < half; l++)
			acc[l] += acc[l + half];
	}
	return (float)acc[0];
}

/* Random numbers in just as much memory as the weight has, so that a sanitizer sees overruns. */
static struct weight random_weight(enum weight_type type, int out, int in)
{
	size_t n = (size_t)out * (size_t)in, n_scale = 0;
	struct weight w = {.type = type, .out = out, .in = in};

	switch (type) {
	case WEIGHT_F32:
		n *= 4;
		break;
	case WEIGHT_BF16:
		n *= 2;
		break;
	case WEIGHT_F8:
		n_scale = (size_t)((out + 127) / 128) * (size_t)((in + 127) / 128);
		break;
	case WEIGHT_FP4:
		n_scale = n / 32;
		n /= 2;
		break;
	}
	w.w = malloc(n);
	w.scale = malloc(n_scale + 1);
	assert_true(w.w && w.scale);
	for (size_t i = 0; i < n; i++)
		w.w[i] = (unsigned char)draw();
	for (size_t i = 0; i < n; i++) { /* finite ones only */
		if (type == WEIGHT_F8 && (w.w[i] & 0x7F) == 0x7F)
			w.w[i] ^= 1;
		if (type == WEIGHT_F32 && i % 4 == 3)
			w.w[i] = (unsigned char)(0x3E | (w.w[i] & 0x81));
		if (type == WEIGHT_BF16 && i % 2 == 1)
			w.w[i] = (unsigned char)(0x3E | (w.w[i] & 0x81));
	}
	for (size_t i = 0; i < n_scale; i++)
		w.scale[i] = (unsigned char)(i % 7 == 3 ? 0 : 117 + draw() % 16);
	return w;
}

#define MOST_ROWS 100

/* For several numbers of rows, up to `most`. */
static void check(struct backend *be, const char *what, enum weight_type type, int out, int in,
		  int most, int exact)
{
	static const int counts[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, MOST_ROWS};
	struct weight w = random_weight(type, out, in);
	size_t n_x = (size_t)most * (size_t)in, n_y = (size_t)most * (size_t)out;
	float *x = malloc(n_x * sizeof(*x)), *y = malloc(n_y * sizeof(*y));
	float *want = malloc(n_y * sizeof(*want));
	struct err err = {0};

	assert_true(x && y && want);
	for (size_t i = 0; i < n_x; i++)
		x[i] = ((float)draw() - 0x1p23f) * 0x1p-22f;
	for (int t = 0; t < most; t++) {
		for (int o = 0; o < out; o++)
			want[t * out + o] = (exact		  ? plain_exact
					     : type == WEIGHT_FP4 ? plain_fp4
								  : plain)(&w, o, x + t * in);
	}
	for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]) && counts[c] <= most; c++) {
		struct linear_args args = {
			.n_tok = counts[c],
			.n_group = 1,
			.out_f32 = 1,
			.exact = exact,
			.w = w,
			.x = (dbuf)x,
			.y = (dbuf)y,
		};

		memset(y, 0xFF, n_y * sizeof(*y));
		assert_int_equal(be->ops->linear(be, &args, &err), 0);
		for (int i = 0; i < counts[c] * out; i++) {
			if (memcmp(&y[i], &want[i], sizeof(*y)) != 0)
				fail_msg("%s, type %d, %d x %d, %d rows: row %d, output %d: %a, expected %a",
					 what, (int)type, out, in, counts[c], i / out, i % out,
					 (double)y[i], (double)want[i]);
		}
	}
	free(w.w);
	free(w.scale);
	free(x);
	free(y);
	free(want);
}

static void on_every_instruction_set(int exact, const enum weight_type *types, int n_type)
{
	/* odd rows, and columns that fill no block of any kind */
	static const int shapes[][2] = {{1, 32}, {19, 96}, {70, 160}, {66, 544}, {131, 1184}};
	/* and so many that few rows of x, or none, have room for theirs with the scales of FP8 */
	static const int wide[][2] = {{5, 20000}, {1, 104480}};
	static const char *const isas[] = {"v2", "v3", "v4", "generic"};
	int n_run = 0;

	for (size_t i = 0; i < sizeof(isas) / sizeof(isas[0]); i++) {
		const struct backend_options how = {.n_threads = 2, .isa = isas[i]};
		struct backend *be;
		struct err err = {0};

		if (backend_open_cpu(&be, &how, &err))
			continue; /* another processor's */
		n_run++;
		for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++) {
			for (int t = 0; t < n_type; t++)
				check(be, isas[i], types[t], shapes[s][0], shapes[s][1],
				      MOST_ROWS, exact);
		}
		for (size_t s = 0; s < sizeof(wide) / sizeof(wide[0]) && !exact; s++)
			check(be, isas[i], WEIGHT_F8, wide[s][0], wide[s][1], 13, exact);
		be->close(be);
	}
	assert_true(n_run > 0);
}

static void products_have_the_bits_of_their_formula_for_any_number_of_rows(void **state)
{
	static const enum weight_type types[] = {WEIGHT_F32, WEIGHT_BF16, WEIGHT_F8, WEIGHT_FP4};

	(void)state;
	on_every_instruction_set(0, types, 4);
}

static void exact_products_are_summed_in_double(void **state)
{
	static const enum weight_type types[] = {WEIGHT_F32, WEIGHT_BF16, WEIGHT_F8};

	(void)state;
	on_every_instruction_set(1, types, 3);
}

static void what_no_kernel_can_do_is_refused(void **state)
{
	struct linear_args args = {.n_tok = 1, .n_group = 1, .exact = 1};
	const struct backend_options how = {.n_threads = 1};
	struct err err = {0};
	struct backend *be;

	(void)state;
	assert_int_equal(backend_open_cpu(&be, &how, &err), 0);
	args.w = (struct weight){.type = WEIGHT_FP4, .out = 4, .in = 32};
	assert_int_equal(be->ops->linear(be, &args, &err), ERR_MODEL);
	args.exact = 0;
	args.w.in = 40;
	assert_int_equal(be->ops->linear(be, &args, &err), ERR_MODEL);
	be->close(be);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(products_have_the_bits_of_their_formula_for_any_number_of_rows),
		cmocka_unit_test(exact_products_are_summed_in_double),
		cmocka_unit_test(what_no_kernel_can_do_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
