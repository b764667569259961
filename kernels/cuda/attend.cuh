/*
 * What the kernels of attention share: the rows that a token sees and where they lie, a row's
 * codes as bf16, the result's last 64 columns turned back.
 */
#ifndef KERNELS_CUDA_ATTEND_CUH
#define KERNELS_CUDA_ATTEND_CUH

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/round.h"
#include "kernels/cuda/split.h"
#include "kernels/cuda/tensor.cuh"

#define PITCH 1040 /* bytes of a shared row of 512 bf16: 65 × 16, so no bank is met twice */

/*
 * The rows one token sees: compressed ones first, then the window, both ascending.  Positions
 * are below 2^31: cuda_attention() refuses what could be more.
 */
struct seen {
	const int32_t *sel; /* NULL: all compressed rows */
	const int32_t *pages;
	const unsigned char *rows, *ring;
	int n_comp, n;
	int page_shift;         /* rows of a page are 1 << page_shift */
	int ring_at, ring_rows; /* where the window begins */
};

static __device__ __forceinline__ struct seen seen_by(const struct attention_args &a, int t)
{
	const struct step *step = step_of(a.step);
	int chosen = a.ratio == 4 ? ((const int32_t *)a.n_sel)[t] : 0;
	int end = (int)step->pos0 + t + 1, first = end > a.window ? end - a.window : 0;
	struct seen s;

	s.sel = a.ratio == 4 ? (const int32_t *)a.sel + (int64_t)t * a.top_k : NULL;
	s.n_comp = a.ratio == 4 ? chosen : a.ratio ? end / PAGE_TOKENS : 0;
	s.page_shift = a.ratio == 4 ? 5 : 0;
	s.n = s.n_comp + end - first;
	s.pages = (const int32_t *)a.pages + step->slot * a.max_pages;
	s.rows = a.rows;
	s.ring = a.ring + (int64_t)step->slot * a.ring_rows * KV_ROW_BYTES;
	s.ring_at = (int)((uint32_t)first % (uint32_t)a.ring_rows);
	s.ring_rows = a.ring_rows;
	return s;
}

/* i < s.n */
static __device__ __forceinline__ const unsigned char *seen_row(const struct seen &s, int i)
{
	if (i < s.n_comp) {
		int b = s.sel ? s.sel[i] : i, within = b & ((1 << s.page_shift) - 1);
		int64_t page = s.pages[b >> s.page_shift];

		return s.rows + ((page << s.page_shift) + within) * KV_ROW_BYTES;
	}
	i += s.ring_at - s.n_comp;
	return s.ring + (int64_t)(i < s.ring_rows ? i : i - s.ring_rows) * KV_ROW_BYTES;
}

/* Eight e4m3 codes with scale 2^(e - 127), as bf16. */
static __device__ __forceinline__ uint4 unpack_codes(uint2 v, uint32_t e)
{
	uint32_t s = round_f8_scale(e);

	s |= s << 16;
	return make_uint4(bf16_pair_mul(round_f8_pair(__byte_perm(v.x, 0, 0x1404)), s),
			  bf16_pair_mul(round_f8_pair(__byte_perm(v.x, 0, 0x3424)), s),
			  bf16_pair_mul(round_f8_pair(__byte_perm(v.y, 0, 0x1404)), s),
			  bf16_pair_mul(round_f8_pair(__byte_perm(v.y, 0, 0x3424)), s));
}

/* Two columns of the result, turned back where they are rotary ones. */
static __device__ __forceinline__ uint32_t out_pair(const float *rope, int col, float x,
						    float y)
{
	if (col >= HEAD_DIM - ROPE_DIM) {
		const float *cs = rope + col - (HEAD_DIM - ROPE_DIM);

		rotate(&x, &y, cs[0], cs[1], -1.0f);
	}
	return bf16_pair(x, y);
}

#endif
