/*
 * y = W x for FP4 weights, one to many rows of x.
 *
 * Formula: columns go in blocks of 128; in a block, lane l holds the columns 8 l … 8 l + 7,
 * which are one dword of the packed row and share a scale.
 *	s[l] = code(8 l) x(8 l), then fma(code(8 l + j), x(8 l + j), s[l]) for j = 1 … 7
 *	acc[l] = fma(s[l], scale[l / 4], acc[l]), block after block; y = tree(acc)
 * Columns beyond the last count as code 0.  Each (i, o) is computed alike however many rows
 * there are.
 *
 * x comes in that order (fp4_order): vector j of a block is x(8 l + j) over the lanes.  A
 * vector of values is then one shift and one look-up by the low bits of the dwords.
 *
 * Few rows of x: some rows of W side by side, all sums in registers; the floor is the bytes of
 * W, or, where caches hold them, the multiply-adds and two instructions for each 16 codes, which
 * serve all of these rows.  More: runs of RUN columns, so that TILE_X rows of x stay in the
 * first-level cache while rows of W pass, and the lanes' sums wait in memory between blocks; the
 * floor is the multiply-adds, beside which looking codes up again for every few rows of x costs
 * nothing.
 */
#include "kernels/cpu/vec_leaf.h"

/* Rows and columns of W that a group of rows of x passes over before the next does. */
#define TILE_ROWS MATMUL_TILE_ROWS
#define RUN       512

/* As many sums as there are registers for: 32 of 16 lanes, or 16 of half as many. */
#if defined(VEC_AVX512)
#define ROWS	      4 /* of W, at most, for few rows of x */
#define ROWS_OF_W(nx) ((nx) <= 2 ? ROWS : 2)
#define MOST_DIRECT   4
#define TILE_W	      2
#define TILE_X	      8
#else
#define ROWS	      2
#define ROWS_OF_W(nx) ((nx) == 1 ? ROWS : 1)
#define MOST_DIRECT   2
#define TILE_W	      1
#define TILE_X	      4
#endif

/* Rows of x that go the direct way. */
#define FEW_ROWS (2 * MOST_DIRECT)

/* Bytes ahead of the codes at hand that are asked for, at the least. */
#define AHEAD 8192

void LEAF(fp4_order)(const float *x, int n, float *out)
{
	for (int k = 0; k < n; k += FP4_BLOCK) {
		float part[FP4_BLOCK] = {0};
		const float *from = x + k;

		if (n - k < FP4_BLOCK) {
			memcpy(part, from, (size_t)(n - k) * sizeof(*part));
			from = part;
		}
		for (int l = 0; l < LANES; l++) {
			for (int j = 0; j < 8; j++)
				out[k + LANES * j + l] = from[8 * l + j];
		}
	}
}

/* Rows of W from column k on: what two strides reach from the first one's. */
struct rows {
	const uint8_t *codes, *scales;
	size_t row, scale_row; /* bytes */
};

static struct rows rows_from(const struct weight *w, int o, int k)
{
	size_t row = (size_t)w->in / 2, scale_row = (size_t)w->in / 32;

	return (struct rows){w->w + (size_t)o * row + (size_t)k / 2,
			     w->scale + (size_t)o * scale_row + (size_t)k / 32, row, scale_row};
}

/* The last columns of n rows, fewer than a block, padded to one. */
struct last_block {
	uint8_t codes[TILE_ROWS][FP4_BLOCK / 2], scales[TILE_ROWS][FP4_BLOCK / 32];
};

static struct rows pad_last(const struct weight *w, int o, int n, int k, struct last_block *pad)
{
	struct rows at = rows_from(w, o, k);
	size_t left = (size_t)(w->in - k);

	memset(pad, 0, sizeof(*pad));
	for (size_t r = 0; r < (size_t)n; r++) {
		memcpy(pad->codes[r], at.codes + r * at.row, left / 2);
		memcpy(pad->scales[r], at.scales + r * at.scale_row, left / 32);
	}
	return (struct rows){pad->codes[0], pad->scales[0], sizeof(pad->codes[0]),
			     sizeof(pad->scales[0])};
}

/*
 * sum[r][i] = the products of one block of row r with row i of x at column k, and scale[r]
 * what they are multiplied by; nr, nx: constants where this is inlined.
 */
VEC_INLINE void multiply(int nr, int nx, struct rows at, const float *const *x, int k,
			 f16 (*sum)[TILE_X], f16 *scale)
{
	fp4_block codes[ROWS];

#pragma GCC unroll 4
	for (int r = 0; r < nr; r++) {
		codes[r] = fp4_load(at.codes + (size_t)r * at.row);
		scale[r] = fp4_scales(at.scales + (size_t)r * at.scale_row);
	}
#pragma GCC unroll 8
	for (int j = 0; j < 8; j++) {
		f16 v[ROWS];

#pragma GCC unroll 4
		for (int r = 0; r < nr; r++)
			v[r] = fp4_column(codes[r], j);
#pragma GCC unroll 8
		for (int i = 0; i < nx; i++) {
			f16 in = f16_hold(f16_load(x[i] + k + LANES * j));

#pragma GCC unroll 4
			for (int r = 0; r < nr; r++)
				sum[r][i] =
					j ? f16_fma(v[r], in, sum[r][i]) : f16_mul(v[r], in);
		}
	}
}

VEC_INLINE struct rows next_block(struct rows at)
{
	at.codes += FP4_BLOCK / 2;
	at.scales += FP4_BLOCK / 32;
	return at;
}

/* ------------------------------------------------------------ few rows of x */

VEC_INLINE void add_block(int nr, int nx, struct rows at, const float *const *x, int k,
			  f16 (*acc)[ROWS])
{
	f16 sum[ROWS][TILE_X], scale[ROWS];

	multiply(nr, nx, at, x, k, sum, scale);
#pragma GCC unroll 4
	for (int r = 0; r < nr; r++) {
#pragma GCC unroll 4
		for (int i = 0; i < nx; i++)
			acc[i][r] = f16_fma(sum[r][i], scale[r], acc[i][r]);
	}
}

/* Rows o … o + nr - 1 by nx rows of x; those up to o1 come next. */
VEC_INLINE void direct(int nr, int nx, const struct weight *w, int o, int o1,
		       const float *const *x, float *const *y)
{
	struct rows at = rows_from(w, o, 0);
	const size_t group = (size_t)nr * at.row, groups = (AHEAD + group - 1) / group;
	const size_t ahead = (size_t)(o1 - o) > groups * (size_t)nr ? groups * group : 0;
	f16 acc[MOST_DIRECT][ROWS];
	int k = 0;

#pragma GCC unroll 4
	for (int r = 0; r < nr; r++) {
#pragma GCC unroll 4
		for (int i = 0; i < nx; i++)
			acc[i][r] = f16_zero();
	}
	for (; k + FP4_BLOCK <= w->in; k += FP4_BLOCK, at = next_block(at)) {
		/* The hardware sees nr short streams; their common next rows it does not. */
#pragma GCC unroll 4
		for (int r = 0; r < nr; r++)
			__builtin_prefetch(at.codes + ahead + (size_t)r * at.row, 0, 3);
		add_block(nr, nx, at, x, k, acc);
	}
	if (k < w->in) {
		struct last_block pad;

		add_block(nr, nx, pad_last(w, o, nr, k, &pad), x, k, acc);
	}
#pragma GCC unroll 4
	for (int i = 0; i < nx; i++) {
		if (nr == 4) {
			f16_store_sums(acc[i], 1.0f, y[i] + o);
			continue;
		}
#pragma GCC unroll 4
		for (int r = 0; r < nr; r++)
			y[i][o + r] = f16_sum(acc[i][r]);
	}
}

VEC_INLINE void direct_rows(int nx, const struct weight *w, int o0, int o1,
			    const float *const *x, float *const *y)
{
	const int nr = ROWS_OF_W(nx);
	int o = o0;

	for (; o + nr <= o1; o += nr)
		direct(nr, nx, w, o, o1, x, y);
	for (; o < o1; o++)
		direct(1, nx, w, o, o1, x, y);
}

/* n ≤ MOST_DIRECT rows */
static void direct_few(const struct weight *w, int o0, int o1, int n, const float *const *x,
		       float *const *y)
{
	if (n == 1)
		direct_rows(1, w, o0, o1, x, y);
	else if (n == 2)
		direct_rows(2, w, o0, o1, x, y);
#if MOST_DIRECT == 4
	else if (n == 3)
		direct_rows(3, w, o0, o1, x, y);
	else
		direct_rows(4, w, o0, o1, x, y);
#endif
}

/* ----------------------------------------------------------- many rows of x */

/* Columns k0 … k1 of nr rows of W by nx rows of x; acc: [nx][TILE_ROWS][16], filled by k0 = 0 */
VEC_INLINE void run_block(int nr, int nx, struct rows at, int k0, int k1, const float *const *x,
			  float *acc)
{
	for (int k = k0; k < k1; k += FP4_BLOCK, at = next_block(at)) {
		f16 sum[ROWS][TILE_X], scale[ROWS];

		multiply(nr, nx, at, x, k, sum, scale);
#pragma GCC unroll 4
		for (int r = 0; r < nr; r++) {
#pragma GCC unroll 8
			for (int i = 0; i < nx; i++) {
				float *a = acc + ((size_t)i * TILE_ROWS + (size_t)r) * LANES;

				f16_store(a, f16_fma(sum[r][i], scale[r],
						     k ? f16_load(a) : f16_zero()));
			}
		}
	}
}

VEC_INLINE void run_rows(int nx, struct rows at, int n_row, int k0, int k1,
			 const float *const *x, float *acc)
{
	int r = 0;

	for (; r + TILE_W <= n_row; r += TILE_W) {
		run_block(TILE_W, nx, at, k0, k1, x, acc + (size_t)r * LANES);
		at.codes += TILE_W * at.row;
		at.scales += TILE_W * at.scale_row;
	}
	if (r < n_row)
		run_block(1, nx, at, k0, k1, x, acc + (size_t)r * LANES);
}

/*
 * n rows of x, at most TILE_X, as the next of 1, 2, 4 and 8: the last one is repeated, into
 * accumulators of its own.
 */
static void run_few(int n, struct rows at, int n_row, int k0, int k1, const float *const *x,
		    float *acc)
{
	const float *xs[TILE_X];

	for (int i = 0; i < TILE_X; i++)
		xs[i] = x[i < n ? i : n - 1];
	if (n == 1)
		run_rows(1, at, n_row, k0, k1, xs, acc);
	else if (n == 2)
		run_rows(2, at, n_row, k0, k1, xs, acc);
	else if (n <= 4)
		run_rows(4, at, n_row, k0, k1, xs, acc);
	else
		run_rows(TILE_X, at, n_row, k0, k1, xs, acc);
}

/* n_row ≤ TILE_ROWS rows of W by n ≤ MATMUL_TILE_X rows of x */
static void tile(const struct weight *w, int o, int n_row, int n, const float *const *x,
		 float *const *y, float *acc)
{
	for (int k0 = 0, k1; k0 < w->in; k0 = k1) {
		struct last_block pad;
		struct rows at;

		k1 = w->in - k0 < RUN ? w->in / FP4_BLOCK * FP4_BLOCK : k0 + RUN;
		if (k1 > k0) {
			at = rows_from(w, o, k0);
		} else {
			k1 = k0 + FP4_BLOCK;
			at = pad_last(w, o, n_row, k0, &pad);
		}
		for (int i = 0; i < n; i += TILE_X)
			run_few(n - i < TILE_X ? n - i : TILE_X, at, n_row, k0, k1, x + i,
				acc + (size_t)i * TILE_ROWS * LANES);
	}
	for (int i = 0; i < n; i++)
		store_sums(acc + (size_t)i * TILE_ROWS * LANES, n_row, 1.0f, y[i] + o);
}

void LEAF(fp4_matmul)(const struct weight *w, int o0, int o1, int n, const float *const *x,
		      float *const *y, float *scratch)
{
	if (n <= FEW_ROWS) {
		for (int i = 0; i < n; i += MOST_DIRECT)
			direct_few(w, o0, o1, n - i < MOST_DIRECT ? n - i : MOST_DIRECT, x + i,
				   y + i);
		return;
	}
	for (int o = o0; o < o1; o += TILE_ROWS) {
		for (int i = 0; i < n; i += MATMUL_TILE_X)
			tile(w, o, o1 - o < TILE_ROWS ? o1 - o : TILE_ROWS,
			     n - i < MATMUL_TILE_X ? n - i : MATMUL_TILE_X, x + i, y + i,
			     scratch);
	}
}
