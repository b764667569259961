/*
 * What the kernels of sample.cu share: a row's job, and the order of its tokens.
 */
#ifndef KERNELS_CUDA_SAMPLE_ROW_CUH
#define KERNELS_CUDA_SAMPLE_ROW_CUH

#include "kernels/cuda/device.cuh"
#include "kernels/noise.h"

#define SAMPLE_BLOCKS  64
#define SAMPLE_THREADS 256
#define DIGITS         2048 /* of 11 bits */

typedef unsigned long long order_t;

struct sample_job {
	int n_tok, vocab, first, n_top;
	const struct step *step;
	const struct sample_how *how;
	const float *logits;
	struct choice *out;
	struct sample_row *rows;     /* [n_tok], scratch */
	struct first_digits *digits; /* [SAMPLE_SPREAD], scratch: of the first rows */
	uint32_t *counters;          /* [n_tok], 0 */
};

/* Rows whose masses many blocks add up; of more, a row's one block does. */
#define SAMPLE_SPREAD CUDA_DECODE_ROWS

/* Of the tokens with each first digit, how many they are and their mass. */
struct first_digits {
	unsigned long long mass[DIGITS];
	uint32_t count[DIGITS];
};

/* What the kernels tell each other of a row. */
struct sample_row {
	order_t best[SAMPLE_BLOCKS];
	int bad[SAMPLE_BLOCKS];
	double sum[SAMPLE_BLOCKS]; /* of each block's winner */
	int id[SAMPLE_BLOCKS];
	order_t limit; /* the last that top_k and top_p keep */
	int best_id;
	int races; /* 0: the choice has been written */
};

static __device__ __forceinline__ const float *row_logits(const struct sample_job &j, int row)
{
	return j.logits + (size_t)row * (size_t)j.vocab;
}

/* Tokens that may be chosen: at least one. */
static __device__ __forceinline__ int n_choice(const struct sample_job &j)
{
	return max(1, min(j.how->n_choice, j.vocab));
}

/* -0 is as good as +0. */
static __device__ __forceinline__ order_t order_of(float logit, int id)
{
	uint32_t u = __float_as_uint(logit + 0.0f);
	uint32_t rising = u & 0x80000000u ? ~u : u | 0x80000000u;

	return (order_t)~rising << 32 | (uint32_t)id;
}

static __device__ __forceinline__ int id_of(order_t o)
{
	return (int)(uint32_t)o;
}

static __device__ __forceinline__ int is_finite(float v)
{
	return (__float_as_uint(v) & 0x7f800000u) != 0x7f800000u;
}

/* The best of all blocks, and the lowest bad one, to all threads: each warp looks for itself.
 */
static __device__ __forceinline__ void combine_best(const struct sample_row *row, order_t *best,
						    int *bad)
{
	*best = ~(order_t)0;
	*bad = INT32_MAX;
	for (int b = (int)threadIdx.x % WARP; b < SAMPLE_BLOCKS; b += WARP) {
		*best = min(*best, row->best[b]);
		*bad = min(*bad, row->bad[b]);
	}
	for (int o = WARP / 2; o; o /= 2) {
		*best = min(*best, __shfl_xor_sync(ALL_LANES, *best, o));
		*bad = min(*bad, __shfl_xor_sync(ALL_LANES, *bad, o));
	}
}

/* Whether top_p alone decides what is kept of a row whose best is known, and many blocks add.
 */
static __device__ __forceinline__ bool spreads(const struct sample_job &j, int at,
					       const struct sample_how &how)
{
	return at < SAMPLE_SPREAD && how.temperature > 0.0 && how.top_p < 1.0 &&
	       !(how.top_k > 0 && how.top_k < n_choice(j));
}

#endif
