/*
 * The two inner products of sparse attention, its softmax, and the indexer's
 * scores.
 *
 * The indexer's codes are small multiples of ½, so a block's 32 products sum
 * exactly in float32 in any order; only the four blocks and the heads are added
 * in a set order.
 */
#include "kernels/cpu/vec_leaf.h"

/*
 * As many queries at once as there are registers for four sums of each: a row is read once for
 * all of them, from a second-level cache where there are many rows.
 */
#if defined(VEC_AVX512)
#define QUERIES 4
#else
#define QUERIES 1
#endif

/* Columns (in vectors) that are summed at once for so many queries. */
#define MIXED(nq) ((nq) == 4 ? 4 : 8)

/* nr rows by nq queries, both constants where this is inlined */
VEC_INLINE void dot_rows(int nq, int nr, const float *q, const float *row, float scale, float *s,
			 size_t stride)
{
	f16 acc[QUERIES][4];

#pragma GCC unroll 4
	for (int h = 0; h < nq; h++) {
#pragma GCC unroll 4
		for (int r = 0; r < nr; r++)
			acc[h][r] = f16_zero();
	}
	for (int c = 0; c < HEAD_DIM; c += LANES) {
		f16 v[4];

#pragma GCC unroll 4
		for (int r = 0; r < nr; r++)
			v[r] = f16_hold(f16_load(row + r * HEAD_DIM + c));
#pragma GCC unroll 4
		for (int h = 0; h < nq; h++) {
			f16 in = f16_hold(f16_load(q + h * HEAD_DIM + c));

#pragma GCC unroll 4
			for (int r = 0; r < nr; r++)
				acc[h][r] = f16_fma(in, v[r], acc[h][r]);
		}
	}
#pragma GCC unroll 4
	for (int h = 0; h < nq; h++) {
		if (nr == 4)
			f16_store_sums(acc[h], scale, s + (size_t)h * stride);
		else
			s[(size_t)h * stride] = f16_sum(acc[h][0]) * scale;
	}
}

VEC_INLINE void dot_queries(int nq, const float *q, const float *k, int n, float scale, float *s,
			    size_t stride)
{
	int i = 0;

	for (; i + 4 <= n; i += 4)
		dot_rows(nq, 4, q, k + (size_t)i * HEAD_DIM, scale, s + i, stride);
	for (; i < n; i++)
		dot_rows(nq, 1, q, k + (size_t)i * HEAD_DIM, scale, s + i, stride);
}

void LEAF(dots)(const float *q, int n_q, const float *k, int n, float scale, float *s,
		size_t stride)
{
	int h = 0;

#if QUERIES == 4
	for (; h + 4 <= n_q; h += 4)
		dot_queries(4, q + (size_t)h * HEAD_DIM, k, n, scale, s + (size_t)h * stride,
			    stride);
	for (; h + 2 <= n_q; h += 2)
		dot_queries(2, q + (size_t)h * HEAD_DIM, k, n, scale, s + (size_t)h * stride,
			    stride);
#endif
	for (; h < n_q; h++)
		dot_queries(1, q + (size_t)h * HEAD_DIM, k, n, scale, s + (size_t)h * stride,
			    stride);
}

/* s has room up to the next multiple of 16 */
void LEAF(softmax)(float *s, int n, float sink)
{
	int padded = (n + LANES - 1) / LANES * LANES;
	float max = sink, sum;
	f16 acc = f16_zero();

	for (int i = 0; i < n; i++)
		max = s[i] > max ? s[i] : max;
	for (int i = n; i < padded; i++)
		s[i] = -INFINITY;
	for (int i = 0; i < padded; i += LANES) {
		f16 e = f16_exp(f16_sub(f16_load(s + i), f16_set1(max)));

		f16_store(s + i, e);
		if (i + LANES > n) {
			for (int j = n; j < padded; j++)
				s[j] = 0.0f;
			e = f16_load(s + i);
		}
		acc = f16_add(acc, e);
	}
	sum = f16_sum(acc) + exp_one(sink - max);
	for (int i = 0; i < padded; i += LANES)
		f16_store(s + i, f16_div(f16_load(s + i), f16_set1(sum)));
}

VEC_INLINE void mix_queries(int nq, const float *w, size_t stride, const float *v, int n,
			    float *o)
{
	const int nc = MIXED(nq);

	for (int c = 0; c < HEAD_DIM; c += nc * LANES) {
		f16 acc[QUERIES][8];

#pragma GCC unroll 4
		for (int h = 0; h < nq; h++) {
#pragma GCC unroll 8
			for (int j = 0; j < nc; j++)
				acc[h][j] = f16_load(o + h * HEAD_DIM + c + j * LANES);
		}
		for (int i = 0; i < n; i++) {
			const float *row = v + (size_t)i * HEAD_DIM + c;
			f16 in[8];

#pragma GCC unroll 8
			for (int j = 0; j < nc; j++)
				in[j] = nq > 1 ? f16_hold(f16_load(row + j * LANES))
					       : f16_load(row + j * LANES);
#pragma GCC unroll 4
			for (int h = 0; h < nq; h++) {
				f16 a = f16_set1(w[(size_t)h * stride + (size_t)i]);

#pragma GCC unroll 8
				for (int j = 0; j < nc; j++)
					acc[h][j] = f16_fma(a, in[j], acc[h][j]);
			}
		}
#pragma GCC unroll 4
		for (int h = 0; h < nq; h++) {
#pragma GCC unroll 8
			for (int j = 0; j < nc; j++)
				f16_store(o + h * HEAD_DIM + c + j * LANES, acc[h][j]);
		}
	}
}

void LEAF(mix)(const float *w, int n_q, size_t stride, const float *v, int n, float *o)
{
	int h = 0;

#if QUERIES == 4
	for (; h + 4 <= n_q; h += 4)
		mix_queries(4, w + (size_t)h * stride, stride, v, n, o + (size_t)h * HEAD_DIM);
	for (; h + 2 <= n_q; h += 2)
		mix_queries(2, w + (size_t)h * stride, stride, v, n, o + (size_t)h * HEAD_DIM);
#endif
	for (; h < n_q; h++)
		mix_queries(1, w + (size_t)h * stride, stride, v, n, o + (size_t)h * HEAD_DIM);
}

void LEAF(index_turn)(const uint8_t *const *rows, int n, float (*codes)[16], float (*scale)[16])
{
	for (int i = 0; i < LANES; i++) {
		float one[INDEX_DIM] = {0}, s[4] = {0};

		if (i < n)
			LEAF(index_unpack)(rows[i], one, s);
		for (int k = 0; k < INDEX_DIM; k++)
			codes[k][i] = one[k];
		for (int b = 0; b < 4; b++)
			scale[b][i] = s[b];
	}
}

/* As many heads at once as there are registers for four sums of each. */
#if defined(VEC_AVX512)
#define HEADS 4
#else
#define HEADS 1
#endif

/* Adds the scores of heads h … h + n - 1, n a constant where this is inlined, to their totals.
 */
VEC_INLINE void add_heads(int h0, int n, const float *q, const float *q_scale, const float *w,
			  const float (*codes)[16], const float (*scale)[16], f16 total[4])
{
	f16 acc[HEADS][4];

#pragma GCC unroll 4
	for (int h = 0; h < n; h++) {
#pragma GCC unroll 4
		for (int b = 0; b < 4; b++)
			acc[h][b] = f16_zero();
	}
	for (int k = 0; k < 32; k++) {
#pragma GCC unroll 4
		for (int b = 0; b < 4; b++) {
			f16 c = f16_hold(f16_load(codes[32 * b + k]));

#pragma GCC unroll 4
			for (int h = 0; h < n; h++)
				acc[h][b] = f16_fma(f16_set1(q[h * INDEX_DIM + 32 * b + k]), c,
						    acc[h][b]);
		}
	}
#pragma GCC unroll 4
	for (int h = 0; h < n; h++) {
		f16 dot = f16_zero(), *sum = &total[(h0 + h) / 2 % 4];

#pragma GCC unroll 4
		for (int b = 0; b < 4; b++)
			dot = f16_fma(acc[h][b],
				      f16_mul(f16_set1(q_scale[4 * h + b]), f16_load(scale[b])),
				      dot);
		*sum = f16_fma(f16_set1(w[h]), f16_max(dot, f16_zero()), *sum);
	}
}

/*
 * Lanes are rows, so each head runs down 128 columns without a sum over lanes.  Heads are added
 * to four totals, two neighbours at a time, as the lanes of a GPU's matrix instructions have
 * them.
 */
void LEAF(index_scores)(const float *q, const float *q_scale, const float *w, int n_head,
			const float (*codes)[16], const float (*scale)[16], float *out)
{
	f16 total[4] = {f16_zero(), f16_zero(), f16_zero(), f16_zero()};
	int h = 0;

	for (; h + HEADS <= n_head; h += HEADS)
		add_heads(h, HEADS, q + (size_t)h * INDEX_DIM, q_scale + 4 * h, w + h, codes,
			  scale, total);
	for (; h < n_head; h++)
		add_heads(h, 1, q + (size_t)h * INDEX_DIM, q_scale + 4 * h, w + h, codes, scale,
			  total);
	f16_store(out, f16_add(f16_add(total[0], total[1]), f16_add(total[2], total[3])));
}
