/*
 * y = W x for one to many rows of x, from the packed weights; vec_fp4.c has FP4.
 *
 * Formula: y[i][o] = tree(acc), acc[l] = fma(code·scale, x[k], acc[l]) for the
 * k ≡ l (mod 16) in ascending order.  code·scale is exact (scales are powers of
 * two), so decoding first and multiplying later gives the same bits, and each
 * (i, o) is computed alike however many rows there are.  For FP8 it is equally exact
 * to scale x in place of the code, once for all rows of W that share a block.  All its sums
 * are F8_SUM_SCALE too large until they are stored, so that neither factor leaves a float's
 * range.
 *
 * Few rows: four rows of W at a time (fewer, where there are fewer registers) are decoded in
 * registers and used for up to MOST_DIRECT of x: the floor is the bytes of W, or, where caches
 * hold them, the multiply-adds and what decoding takes, which serves all of these rows.  More
 * rows: runs of RUN_ROWS × RUN columns of W are decoded once, and blocks of TILE_W × TILE_X
 * outputs pass over them: the floor is the multiply-adds.
 */
#include <stdbool.h>

#include "kernels/cpu/vec_leaf.h"

/* Rows of x that go the direct way, where more passes cost less than tiles. */
#define FEW_ROWS 12

/* Bytes of W ahead of those at hand that are asked for, at the least. */
#define AHEAD 8192

/*
 * What sums of FP8 products are too large by: a code times a scale of up to 2^94 stays finite,
 * and x times a scale, down to 2^-150, exact.
 */
#define F8_SUM_SCALE 0x1p24f

/* As many sums as there are registers for: 32 of 16 lanes, or 16 of half as many. */
#if defined(VEC_AVX512)
#define MOST_DIRECT   6
#define ROWS_OF_W(nx) 4
#define TILE_W        4
#define TILE_X        6
#define EXACT_W       4
#define EXACT_X       3
#else
#define MOST_DIRECT   4
#define ROWS_OF_W(nx) ((nx) == 1 ? 4 : (nx) == 2 ? 2 : 1)
#define TILE_W        2
#define TILE_X        3
#define EXACT_W       2
#define EXACT_X       1
#endif

/* Columns, and rows of W, decoded at once: 24 KB, which the first-level cache holds. */
#define RUN      MATMUL_RUN
#define RUN_ROWS MATMUL_RUN_ROWS
/* Rows of W that pass over MATMUL_TILE_X rows of x, all of it in the second-level cache. */
#define TILE_ROWS MATMUL_TILE_ROWS

/* Rows of W that are widened for sums in double. */
#define EXACT_ROWS MATMUL_EXACT_ROWS
#define EXACT_RUN  MATMUL_EXACT_RUN

/* One row of W as the decoders want it. */
struct wrow {
	const uint8_t *w;
	const uint8_t *scale;
};

VEC_INLINE struct wrow wrow_of(enum weight_type type, const struct weight *w, int o)
{
	size_t out = (size_t)o, in = (size_t)w->in;
	struct wrow r = {0};

	switch (type) {
	case WEIGHT_F32:
		r.w = w->w + out * in * 4;
		break;
	case WEIGHT_BF16:
		r.w = w->w + out * in * 2;
		break;
	case WEIGHT_F8:
		r.w = w->w + out * in;
		r.scale = w->scale + out / 128 * ((in + 127) / 128);
		break;
	case WEIGHT_FP4: /* vec_fp4.c */
		break;
	}
	return r;
}

/* What FP8 codes as f16_f8() has them, or x in their place, are multiplied by in the 128
 * columns around column k; unused elsewhere. */
VEC_INLINE f16 block_scale(enum weight_type type, struct wrow r, int k)
{
	/* `type` is the weight's own, so wrow_of() set r.scale. */
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	return type == WEIGHT_F8
		       ? f16_mul(f16_e8m0(r.scale[k / 128]), f16_set1(F8_SCALE * F8_SUM_SCALE))
		       : f16_zero();
}

/* What a sum is multiplied by at its end. */
VEC_INLINE float sum_scale(enum weight_type type)
{
	return type == WEIGHT_F8 ? 1.0f / F8_SUM_SCALE : 1.0f;
}

/* A run of 128 columns of FP8, widened; nothing elsewhere. */
struct wide {
	_Alignas(64) f8_wide code[128];
};

VEC_INLINE void widen(enum weight_type type, struct wrow r, int k0, int k1, struct wide *to)
{
	for (int k = k0; k < k1 && type == WEIGHT_F8; k += 2 * LANES)
		f8_widen(r.w + k, to->code + (k - k0));
}

/* 16 columns from column k on, a multiple of 16; of FP8 without the block's scale, and from
 * `at` in what was widened. */
VEC_INLINE f16 decode(enum weight_type type, struct wrow r, int k, const f8_wide *at)
{
	switch (type) {
	case WEIGHT_F32:
		return f16_load((const float *)(const void *)r.w + k);
	case WEIGHT_BF16:
		return f16_bf16((const uint16_t *)(const void *)r.w + k);
	case WEIGHT_F8:
		return f16_f8(at);
	case WEIGHT_FP4: /* vec_fp4.c */
		break;
	}
	return f16_zero();
}

VEC_INLINE size_t element_bytes(enum weight_type type)
{
	return type == WEIGHT_F32 ? 4 : type == WEIGHT_BF16 ? 2 : 1;
}

/*
 * How many bytes ahead the rows after the next groups of nr lie, AHEAD at the least, but 0
 * where that is beyond row o1: the hardware sees nr short streams; what follows them it does
 * not.
 */
VEC_INLINE size_t bytes_ahead(enum weight_type type, const struct weight *w, int nr, int o,
			      int o1)
{
	size_t group = (size_t)nr * (size_t)w->in * element_bytes(type);
	size_t groups = (AHEAD + group - 1) / group;

	return (size_t)(o1 - o) > groups * (size_t)nr ? groups * group : 0;
}

/* Asks for 128 columns from column k on, so many bytes ahead. */
VEC_INLINE void prefetch_columns(enum weight_type type, struct wrow r, int k, size_t ahead)
{
	const uint8_t *p = r.w + (size_t)k * element_bytes(type) + ahead;

	for (size_t line = 0; line < 128 * element_bytes(type); line += 64)
		__builtin_prefetch(p + line, 0, 3);
}

/*
 * nr rows of W by nx rows of x, which for FP8 have the scale of that block of 128 rows of W;
 * both numbers are constants where this is inlined
 */
VEC_INLINE void direct(enum weight_type type, int nr, int nx, const struct weight *w, int o,
		       int o1, const float *const *x, float *const *y)
{
	const size_t ahead = bytes_ahead(type, w, nr, o, o1);
	struct wrow row[4];
	struct wide wide[4];
	f16 acc[MOST_DIRECT][4];

#pragma GCC unroll 4
	for (int r = 0; r < nr; r++) {
		row[r] = wrow_of(type, w, o + r);
#pragma GCC unroll 6
		for (int i = 0; i < nx; i++)
			acc[i][r] = f16_zero();
	}
	for (int k0 = 0; k0 < w->in; k0 += 128) {
		int k1 = w->in - k0 < 128 ? w->in : k0 + 128;

#pragma GCC unroll 4
		for (int r = 0; r < nr; r++)
			prefetch_columns(type, row[r], k0, ahead);
#pragma GCC unroll 4
		for (int r = 0; r < nr; r++)
			widen(type, row[r], k0, k1, &wide[r]);
#pragma GCC unroll 2
		for (int k = k0; k < k1; k += LANES) {
			f16 v[4];

#pragma GCC unroll 4
			for (int r = 0; r < nr; r++)
				v[r] = f16_hold(
					decode(type, row[r], k, wide[r].code + (k - k0)));
#pragma GCC unroll 6
			for (int i = 0; i < nx; i++) {
				f16 in = f16_hold(f16_load(x[i] + k));

#pragma GCC unroll 4
				for (int r = 0; r < nr; r++)
					acc[i][r] = f16_fma(v[r], in, acc[i][r]);
			}
		}
	}
#pragma GCC unroll 6
	for (int i = 0; i < nx; i++) {
		if (nr == 4) {
			f16_store_sums(acc[i], sum_scale(type), y[i] + o);
			continue;
		}
#pragma GCC unroll 4
		for (int r = 0; r < nr; r++)
			y[i][o + r] = f16_sum(acc[i][r]) * sum_scale(type);
	}
}

/* Rows o0 … end - 1 of W; those up to o1 come next. */
VEC_INLINE void direct_rows(enum weight_type type, int nx, const struct weight *w, int o0,
			    int end, int o1, const float *const *x, float *const *y)
{
	const int nr = ROWS_OF_W(nx);
	int o = o0;

	for (; o + nr <= end; o += nr)
		direct(type, nr, nx, w, o, o1, x, y);
	for (; o < end; o++)
		direct(type, 1, nx, w, o, o1, x, y);
}

VEC_INLINE void direct_type(enum weight_type type, const struct weight *w, int o0, int end,
			    int o1, int n, const float *const *x, float *const *y)
{
	if (n == 1)
		direct_rows(type, 1, w, o0, end, o1, x, y);
	else if (n == 2)
		direct_rows(type, 2, w, o0, end, o1, x, y);
	else if (n == 3)
		direct_rows(type, 3, w, o0, end, o1, x, y);
	else if (n == 4)
		direct_rows(type, 4, w, o0, end, o1, x, y);
#if MOST_DIRECT == 6
	else if (n == 5)
		direct_rows(type, 5, w, o0, end, o1, x, y);
	else
		direct_rows(type, 6, w, o0, end, o1, x, y);
#endif
}

/* x times the scales of the block of 128 rows that row o of W is of; out: [n][in] */
static void scale_rows(const struct weight *w, int o, int n, const float *const *x, float *out)
{
	const struct wrow row = wrow_of(WEIGHT_F8, w, o);

	for (int k0 = 0; k0 < w->in; k0 += 128) {
		int k1 = w->in - k0 < 128 ? w->in : k0 + 128;
		f16 s = block_scale(WEIGHT_F8, row, k0);

		for (int i = 0; i < n; i++) {
			float *to = out + (size_t)i * (size_t)w->in;

			for (int k = k0; k < k1; k += LANES)
				f16_store(to + k, f16_mul(f16_load(x[i] + k), s));
		}
	}
}

static void direct_f8(const struct weight *w, int o0, int o1, int n, const float *const *x,
		      float *const *y, float *scratch)
{
	const float *scaled[MOST_DIRECT];

	for (int i = 0; i < n; i++)
		scaled[i] = scratch + (size_t)i * (size_t)w->in;
	for (int o = o0, end; o < o1; o = end) {
		end = o / 128 * 128 + 128 < o1 ? o / 128 * 128 + 128 : o1;
		scale_rows(w, o, n, x, scratch);
		direct_type(WEIGHT_F8, w, o, end, o1, n, scaled, y);
	}
}

/* n ≤ MOST_DIRECT rows */
static void direct_few(const struct weight *w, int o0, int o1, int n, const float *const *x,
		       float *const *y, float *scratch)
{
	switch (w->type) {
	case WEIGHT_F32:
		direct_type(WEIGHT_F32, w, o0, o1, o1, n, x, y);
		break;
	case WEIGHT_BF16:
		direct_type(WEIGHT_BF16, w, o0, o1, o1, n, x, y);
		break;
	case WEIGHT_F8:
		direct_f8(w, o0, o1, n, x, y, scratch);
		break;
	case WEIGHT_FP4: /* vec_fp4.c */
		break;
	}
}

/* Columns from k0 on, a multiple of 128. */
VEC_INLINE void decode_row(enum weight_type type, const struct weight *w, int o, int k0, int k1,
			   float *out)
{
	struct wrow row = wrow_of(type, w, o);

	for (int k = k0; k < k1;) {
		int end = k1 - k < 128 ? k1 : k + 128;
		f16 s = block_scale(type, row, k);
		struct wide wide;
		const f8_wide *at = wide.code;

		widen(type, row, k, end, &wide);
		for (; k < end; k += LANES, at += LANES) {
			f16 v = decode(type, row, k, at);

			f16_store(out + (k - k0), type == WEIGHT_F8 ? f16_mul(v, s) : v);
		}
	}
}

static void decode_columns(const struct weight *w, int o, int k0, int k1, float *out)
{
	switch (w->type) {
	case WEIGHT_F32:
		decode_row(WEIGHT_F32, w, o, k0, k1, out);
		break;
	case WEIGHT_BF16:
		decode_row(WEIGHT_BF16, w, o, k0, k1, out);
		break;
	case WEIGHT_F8:
		decode_row(WEIGHT_F8, w, o, k0, k1, out);
		break;
	case WEIGHT_FP4:
		break;
	}
}

/*
 * TILE_W rows of the decoded run by nx rows of x, n_col columns from k0 on;
 * acc: [nx][TILE_ROWS][16], not yet filled where k0 is 0
 */
VEC_INLINE void tile_block(int nx, const float *run, const float *const *x, int k0, int n_col,
			   float *acc)
{
	f16 s[TILE_W][TILE_X];

#pragma GCC unroll 4
	for (int r = 0; r < TILE_W; r++) {
#pragma GCC unroll 6
		for (int i = 0; i < nx; i++)
			s[r][i] = k0 ? f16_load(acc + (i * TILE_ROWS + r) * LANES) : f16_zero();
	}
	for (int k = 0; k < n_col; k += LANES) {
		f16 v[TILE_W];

#pragma GCC unroll 4
		for (int r = 0; r < TILE_W; r++)
			v[r] = f16_hold(f16_load(run + r * RUN + k));
#pragma GCC unroll 6
		for (int i = 0; i < nx; i++) {
			f16 in = f16_hold(f16_load(x[i] + k0 + k));

#pragma GCC unroll 4
			for (int r = 0; r < TILE_W; r++)
				s[r][i] = f16_fma(v[r], in, s[r][i]);
		}
	}
#pragma GCC unroll 4
	for (int r = 0; r < TILE_W; r++) {
#pragma GCC unroll 6
		for (int i = 0; i < nx; i++)
			f16_store(acc + (i * TILE_ROWS + r) * LANES, s[r][i]);
	}
}

/*
 * n_row ≤ RUN_ROWS decoded rows by up to TILE_X rows of x.  The last x is repeated where there
 * are fewer, into accumulators of its own; rows of W beyond n_row hold an earlier run, and
 * nobody reads their sums.
 */
static void tile_rows(int n_row, int nx, const float *run, const float *const *x, int k0,
		      int n_col, float *acc)
{
	const float *xs[TILE_X];

	for (int i = 0; i < TILE_X; i++)
		xs[i] = x[i < nx ? i : nx - 1];
	for (int r = 0; r < n_row; r += TILE_W) {
		const float *w = run + (size_t)r * RUN;
		float *to = acc + (size_t)r * LANES;

		if (nx <= TILE_X / 3)
			tile_block(TILE_X / 3, w, xs, k0, n_col, to);
		else
			tile_block(TILE_X, w, xs, k0, n_col, to);
	}
}

static void sums_of_rows(const float *acc, int n_row, float scale, float *y)
{
	int r = 0;

	for (; r + 4 <= n_row; r += 4, acc += 4 * LANES) {
		f16 a[4];

		for (int i = 0; i < 4; i++)
			a[i] = f16_load(acc + i * LANES);
		f16_store_sums(a, scale, y + r);
	}
	for (; r < n_row; r++, acc += LANES)
		y[r] = f16_sum(f16_load(acc)) * scale;
}

/* n_row ≤ TILE_ROWS rows of W by n ≤ MATMUL_TILE_X rows of x */
static void tile(const struct weight *w, int o, int n_row, int n, const float *const *x,
		 float *const *y, float *scratch)
{
	float *run = scratch, *acc = scratch + RUN_ROWS * RUN;

	for (int k0 = 0; k0 < w->in; k0 += RUN) {
		int k1 = w->in - k0 < RUN ? w->in : k0 + RUN;

		for (int r0 = 0; r0 < n_row; r0 += RUN_ROWS) {
			int m = n_row - r0 < RUN_ROWS ? n_row - r0 : RUN_ROWS;

			for (int r = 0; r < m; r++)
				decode_columns(w, o + r0 + r, k0, k1, run + (size_t)r * RUN);
			for (int i = 0; i < n; i += TILE_X)
				tile_rows(m, n - i < TILE_X ? n - i : TILE_X, run, x + i, k0,
					  k1 - k0,
					  acc + ((size_t)i * TILE_ROWS + (size_t)r0) * LANES);
		}
	}
	for (int i = 0; i < n; i++) {
		sums_of_rows(acc + (size_t)i * TILE_ROWS * LANES, n_row, sum_scale(w->type),
			     y[i] + o);
	}
}

static void tiled(const struct weight *w, int o0, int o1, int n, const float *const *x,
		  float *const *y, float *scratch)
{
	for (int o = o0; o < o1; o += TILE_ROWS) {
		for (int i = 0; i < n; i += MATMUL_TILE_X)
			tile(w, o, o1 - o < TILE_ROWS ? o1 - o : TILE_ROWS,
			     n - i < MATMUL_TILE_X ? n - i : MATMUL_TILE_X, x + i, y + i,
			     scratch);
	}
}

/* Rows of x that go the direct way at once: as many as there is room for with their scales. */
static int most_direct(const struct weight *w)
{
	size_t fit = w->type == WEIGHT_F8 ? MATMUL_SCRATCH / (size_t)w->in : MOST_DIRECT;

	return fit < MOST_DIRECT ? (int)fit : MOST_DIRECT;
}

void LEAF(matmul)(const struct weight *w, int o0, int o1, int n, const float *const *x,
		  float *const *y, float *scratch)
{
	int most, parts;

	if (w->type == WEIGHT_FP4) {
		LEAF(fp4_matmul)(w, o0, o1, n, x, y, scratch);
		return;
	}
	most = most_direct(w);
	if (n > FEW_ROWS || !most) {
		tiled(w, o0, o1, n, x, y, scratch);
		return;
	}
	parts = (n + most - 1) / most;
	for (int p = 0; p < parts; p++) {
		int i = n * p / parts, end = n * (p + 1) / parts;

		direct_few(w, o0, o1, end - i, x + i, y + i, scratch);
	}
}

static void widen_floats(const float *from, int n, double *to)
{
	for (int k = 0; k < n; k += LANES)
		d16_store(to + k, d16_of(from + k));
}

/* A run of rows of W: as floats, and, where several rows of x want them, as doubles. */
struct exact_run {
	double wide[EXACT_ROWS * EXACT_RUN];
	float narrow[EXACT_ROWS * EXACT_RUN];
};

/*
 * EXACT_W rows of a run of W, from row r0 on, by nx rows of x, which are `in` apart, over n_col
 * columns; acc: [nx][EXACT_ROWS][16], not yet filled where the run is the first; nx and `wide`,
 * that it is in doubles, are constants where this is inlined
 */
VEC_INLINE void exact_block(int nx, int wide, const struct exact_run *w, int r0,
			    const double *x, size_t in, int n_col, int first, double *acc)
{
	d16 s[EXACT_W][EXACT_X];

#pragma GCC unroll 4
	for (int r = 0; r < EXACT_W; r++) {
#pragma GCC unroll 3
		for (int i = 0; i < nx; i++)
			s[r][i] = first ? d16_zero()
					: d16_load(acc + (i * EXACT_ROWS + r0 + r) * LANES);
	}
	for (int k = 0; k < n_col; k += LANES) {
#pragma GCC unroll 4
		for (int r = 0; r < EXACT_W; r++) {
			int at = (r0 + r) * EXACT_RUN + k;
			d16 a = wide ? d16_load(w->wide + at) : d16_of(w->narrow + at);

#pragma GCC unroll 3
			for (int i = 0; i < nx; i++)
				s[r][i] = d16_fma(a, d16_load(x + (size_t)i * in + k), s[r][i]);
		}
	}
#pragma GCC unroll 4
	for (int r = 0; r < EXACT_W; r++) {
#pragma GCC unroll 3
		for (int i = 0; i < nx; i++)
			d16_store(acc + (i * EXACT_ROWS + r0 + r) * LANES, s[r][i]);
	}
}

/* EXACT_ROWS rows of a run of W by n rows of x */
static void exact_rows_by(int n, const struct exact_run *w, const double *x, size_t in,
			  int n_col, int first, double *acc)
{
	for (int i = 0, nx; i < n; i += nx) {
		const double *xi = x + (size_t)i * in;
		double *to = acc + i * EXACT_ROWS * LANES;

		/* four as two and two */
		nx = n - i < EXACT_X        ? n - i
		     : n - i == EXACT_X + 1 ? (EXACT_X + 1) / 2
					    : EXACT_X;
		for (int r = 0; r < EXACT_ROWS; r += EXACT_W) {
			if (n == 1)
				exact_block(1, 0, w, r, xi, in, n_col, first, to);
			else if (nx == 1)
				exact_block(1, 1, w, r, xi, in, n_col, first, to);
#if EXACT_X == 3
			else if (nx == 2)
				exact_block(2, 1, w, r, xi, in, n_col, first, to);
			else
				exact_block(3, 1, w, r, xi, in, n_col, first, to);
#endif
		}
	}
}

/* What MATMUL_EXACT_SCRATCH has beside rows of x. */
struct exact_scratch {
	struct exact_run run;
	double acc[MATMUL_EXACT_X * EXACT_ROWS * LANES];
};

_Static_assert(sizeof(struct exact_scratch) == MATMUL_EXACT_SCRATCH(0) * sizeof(float),
	       "there is room for it");

/* n_row ≤ EXACT_ROWS rows of W by n ≤ MATMUL_EXACT_X rows of x, widened */
static void exact_rows(const struct weight *w, int o, int n_row, int n, const double *xs,
		       float *const *y, struct exact_scratch *to)
{
	for (int k0 = 0; k0 < w->in; k0 += EXACT_RUN) {
		int k1 = w->in - k0 < EXACT_RUN ? w->in : k0 + EXACT_RUN;

		for (int r = 0; r < n_row; r++) {
			float *narrow = to->run.narrow + (size_t)r * EXACT_RUN;

			decode_columns(w, o + r, k0, k1, narrow);
			if (n > 1)
				widen_floats(narrow, k1 - k0,
					     to->run.wide + (size_t)r * EXACT_RUN);
		}
		exact_rows_by(n, &to->run, xs + k0, (size_t)w->in, k1 - k0, k0 == 0, to->acc);
	}
	for (int i = 0; i < n; i++) {
		for (int r = 0; r < n_row; r++) {
			d16 sums = d16_load(to->acc + (i * EXACT_ROWS + r) * LANES);

			y[i][o + r] = (float)(d16_sum(sums) * (double)sum_scale(w->type));
		}
	}
}

/*
 * The same product summed in double, for rows whose rounding to FP8 would otherwise follow the
 * noise of a float sum: sixteen lanes again; a product of two floats is exact in double.
 */
void LEAF(matmul_exact)(const struct weight *w, int o0, int o1, int n, const float *const *x,
			float *const *y, float *scratch)
{
	double *xs = (double *)(void *)scratch;
	struct exact_scratch *rest = (void *)(xs + MATMUL_EXACT_X * (size_t)w->in);

	for (int i = 0; i < n; i += MATMUL_EXACT_X) {
		int m = n - i < MATMUL_EXACT_X ? n - i : MATMUL_EXACT_X;

		for (int j = 0; j < m; j++)
			widen_floats(x[i + j], w->in, xs + (size_t)j * (size_t)w->in);
		for (int o = o0; o < o1; o += EXACT_ROWS)
			exact_rows(w, o, o1 - o < EXACT_ROWS ? o1 - o : EXACT_ROWS, m, xs,
				   y + i, rest);
	}
}
