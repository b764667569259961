/*
 * y = W x for one to many rows of x, from the packed weights; vec_fp4.c has FP4, and
 * vec_exact.c sums in double.
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
#include "kernels/cpu/vec_decode.h"
#include "kernels/cpu/vec_leaf.h"

/* Rows of x that go the direct way, where more passes cost less than tiles. */
#define FEW_ROWS 12

/* Bytes of W ahead of those at hand that are asked for, at the least. */
#define AHEAD 8192

/* As many sums as there are registers for: 32 of 16 lanes, or 16 of half as many. */
#if defined(VEC_AVX512)
#define MOST_DIRECT   6
#define ROWS_OF_W(nx) 4
#define TILE_W        4
#define TILE_X        6
#else
#define MOST_DIRECT   4
#define ROWS_OF_W(nx) ((nx) == 1 ? 4 : (nx) == 2 ? 2 : 1)
#define TILE_W        2
#define TILE_X        3
#endif

/* Columns, and rows of W, decoded at once: 24 KB, which the first-level cache holds. */
#define RUN      MATMUL_RUN
#define RUN_ROWS MATMUL_RUN_ROWS
/* Rows of W that pass over MATMUL_TILE_X rows of x, all of it in the second-level cache. */
#define TILE_ROWS MATMUL_TILE_ROWS

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
		store_sums(acc + (size_t)i * TILE_ROWS * LANES, n_row, sum_scale(w->type),
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
