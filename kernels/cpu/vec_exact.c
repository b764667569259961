/*
 * y = W x summed in double, for rows whose rounding to FP8 would otherwise follow the noise of
 * a float sum.
 *
 * Formula: as vec_matmul.c has it, its sixteen lanes in double; a product of two floats is
 * exact there.
 *
 * Rows of x are widened once, some at a time, and passed over by runs of EXACT_ROWS rows of W,
 * decoded once for all of these; the sums wait in memory from one run to the next.
 */
#include "kernels/cpu/vec_decode.h"
#include "kernels/cpu/vec_leaf.h"

#define EXACT_ROWS MATMUL_EXACT_ROWS
#define EXACT_RUN  MATMUL_EXACT_RUN

/* As many sums as there are registers for. */
#if defined(VEC_AVX512)
#define EXACT_W 4
#define EXACT_X 3
#else
#define EXACT_W 2
#define EXACT_X 1
#endif

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
