/*
 * linear for many rows by cuBLASLt: weights in bf16 as they lie, F8 turned to bf16 in scratch
 * first (3 bytes of traffic for a weight, which some hundred rows pay back).
 */
#ifndef KERNELS_CUDA_LINEAR_LT_CUH
#define KERNELS_CUDA_LINEAR_LT_CUH

#include "kernels/cuda/blaslt.h"
#include "kernels/cuda/codes.cuh"

/* So many rows pay for turning the weights: below, linear.cu's own product is faster. */
#define LT_ROWS 512

/* 16 codes of one row a thread. */
static __global__ void linear_widen(const unsigned char *w, const unsigned char *s, uint4 *out,
				    int rows, int in)
{
	kernel_begin();
	size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
	size_t row = at / (size_t)(in / 16);
	int column = (int)(at % (size_t)(in / 16)) * 16;
	uint32_t words[4], wide[8], scale;
	uint4 codes;

	if (row >= (size_t)rows)
		return;
	codes = load_once(w + at * 16);
	scale = s[row / 128 * (size_t)((in + 127) / 128) + (size_t)(column / 128)];
	words[0] = codes.x;
	words[1] = codes.y;
	words[2] = codes.z;
	words[3] = codes.w;
#pragma unroll
	for (int i = 0; i < 4; i++) {
		uint32_t even = fragment_e4m3(words[i], 0), odd = fragment_e4m3(words[i], 1);

		even = bf16_pair_mul(even, code_scale<WEIGHT_F8>(scale));
		odd = bf16_pair_mul(odd, code_scale<WEIGHT_F8>(scale));
		even = bf16_pair_mul(even, 0x47804780u); /* 2^16: no sum to take it off later */
		odd = bf16_pair_mul(odd, 0x47804780u);
		wide[2 * i] = fragment_pick(even, odd, 0x5410);
		wide[2 * i + 1] = fragment_pick(even, odd, 0x7632);
	}
	out[2 * at] = make_uint4(wide[0], wide[1], wide[2], wide[3]);
	out[2 * at + 1] = make_uint4(wide[4], wide[5], wide[6], wide[7]);
}

/* Whether linear_lt() is the way for this call. */
static inline int linear_lt_serves(struct cuda *c, const struct linear_args *a)
{
	if (a->n_tok < LT_ROWS || (a->w.type != WEIGHT_BF16 && a->w.type != WEIGHT_F8))
		return 0;
	/* it wants rows that begin at 16 bytes */
	return a->w.out / a->n_group % 8 == 0 && (uintptr_t)a->y % 16 == 0 &&
	       cuda_blaslt_here(c);
}

static int linear_lt(struct cuda *c, const struct linear_args *a, struct err *err)
{
	size_t n = (size_t)a->w.out * (size_t)a->w.in;
	int rows = a->w.out / a->n_group, rc;
	struct blaslt_product p = {a->n_tok, rows, a->w.in};
	void *wide = a->w.w;

	if (a->w.type == WEIGHT_F8) {
		rc = cuda_scratch(c, n * 2, "linear", &wide, err);
		if (rc)
			return rc;
		launch_kernel(c, linear_widen, (unsigned)((n / 16 + 255) / 256), 256, 0, a->w.w,
			      a->w.scale, (uint4 *)wide, a->w.out, a->w.in);
		rc = cuda_check_launch(c, "linear", err);
		if (rc)
			return rc;
	}
	p.lda = (int64_t)a->n_group * a->w.in;
	p.ldb = a->w.in;
	p.ldc = a->w.out;
	p.n_batch = a->n_group;
	p.batch_a = a->w.in;
	p.batch_b = (int64_t)rows * a->w.in;
	p.batch_c = rows;
	p.a = a->x;
	p.b = wide;
	p.c = a->y;
	p.c_f32 = a->out_f32;
	c->behind_other = 1; /* a library's kernels are what they are */
	return cuda_blaslt_product(c, &p, err);
}

/* Bytes that the largest F8 weight of a pass takes in bf16. */
static inline size_t linear_lt_scratch(const struct pass_shape *s)
{
	size_t d = (size_t)s->d, heads = (size_t)s->n_head * HEAD_DIM, q = (size_t)s->q_rank;
	size_t groups = (size_t)s->n_group * (size_t)s->group_rank;
	const size_t sizes[] = {
		heads * q, /* wq_b, indexer's below        */
		(size_t)s->index_heads * INDEX_DIM * q,
		heads * (size_t)s->group_rank, /* wo_a                         */
		d * groups,                    /* wo_b                         */
		d * q,                         /* wq_a                         */
		d * HEAD_DIM,                  /* wkv                          */
		d * (size_t)s->inner,          /* the shared expert's, if alone */
		3 * d * d,                     /* what joins the draft head    */
	};
	size_t most = 0;

	if (s->rows < LT_ROWS)
		return 0;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		most = sizes[i] > most ? sizes[i] : most;
	return most * 2;
}

#endif
