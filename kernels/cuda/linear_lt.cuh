/*
 * linear for many rows by cuBLASLt, which wants rows of bf16: F8, and what lies in tiles, is
 * turned to that in scratch first (some bytes of traffic for a weight, which some hundred rows
 * pay back).
 */
#ifndef KERNELS_CUDA_LINEAR_LT_CUH
#define KERNELS_CUDA_LINEAR_LT_CUH

#include <limits.h>

#include "kernels/cuda/blaslt.h"
#include "kernels/cuda/gemm.cuh"

/* So many rows pay for turning the weights: below, linear.cu's own product is faster. */
#define LT_ROWS 512

/* A thread's unit of 16 bytes of W: where it lies, and row and place in the row that it is.
 * blockIdx.y counts runs of 16 rows; in 32 bits, for dividing in 64 takes longer than the load.
 */
struct lt_unit {
	size_t at;
	int row, u;
};

template <int LAYOUT> static __device__ __forceinline__ struct lt_unit lt_unit_of(int row_units)
{
	int i = (int)(blockIdx.x * blockDim.x + threadIdx.x), piece = i / (PIECE_BYTES / 16);
	int row0 = (int)blockIdx.y * TILE_ROWS;
	size_t at = (size_t)row0 * (size_t)row_units + (size_t)i;

	if (i >= row_units * TILE_ROWS)
		return {0, INT_MAX, 0};
	if (LAYOUT == LAYOUT_TILES)
		return {at, row0 + i / 4 % TILE_ROWS, piece * 4 + i % 4};
	return {at, row0 + i / row_units, i % row_units};
}

/* 16 codes of one row a thread. */
template <int LAYOUT>
static __global__ void linear_widen(const unsigned char *w, const unsigned char *s, uint4 *out,
				    int rows, int in)
{
	kernel_begin();
	struct lt_unit unit = lt_unit_of<LAYOUT>(in / 16);
	uint4 codes, *to;
	uint32_t scale;
	uint2 four[4];

	if (unit.row >= rows)
		return;
	to = out + 2 * ((size_t)unit.row * (size_t)(in / 16) + (size_t)unit.u);
	codes = load_once(w + unit.at * 16);
	scale = code_scale<WEIGHT_F8>(s[(size_t)(unit.row / 128) * (size_t)((in + 127) / 128) +
					(size_t)(unit.u / 8)]);
	four[0] = gemm_f8<LAYOUT>(codes.x, scale);
	four[1] = gemm_f8<LAYOUT>(codes.y, scale);
	four[2] = gemm_f8<LAYOUT>(codes.z, scale);
	four[3] = gemm_f8<LAYOUT>(codes.w, scale);
#pragma unroll
	for (int i = 0; i < 4; i++) { /* 2^16: no sum to take it off later */
		four[i].x = bf16_pair_mul(four[i].x, 0x47804780u);
		four[i].y = bf16_pair_mul(four[i].y, 0x47804780u);
	}
	to[0] = make_uint4(four[0].x, four[0].y, four[1].x, four[1].y);
	to[1] = make_uint4(four[2].x, four[2].y, four[3].x, four[3].y);
}

/* bf16 in tiles as rows, 16 bytes a thread. */
static __global__ void linear_untile(const unsigned char *w, uint4 *out, int rows, int in)
{
	kernel_begin();
	struct lt_unit unit = lt_unit_of<LAYOUT_TILES>(in / 8);

	if (unit.row < rows)
		out[(size_t)unit.row * (size_t)(in / 8) + (size_t)unit.u] =
			load_once(w + unit.at * 16);
}

/* The most rows of bf16 in tiles that are turned for it: a head would take scratch of its own
 * size, for a call that hardly comes. */
#define LT_TILE_ROWS 16384

/* Whether linear_lt() is the way for this call. */
static inline int linear_lt_serves(struct cuda *c, const struct linear_args *a)
{
	if (a->n_tok < LT_ROWS || (a->w.type != WEIGHT_BF16 && a->w.type != WEIGHT_F8))
		return 0;
	if (a->w.type == WEIGHT_BF16 && a->w.layout && a->w.out > LT_TILE_ROWS)
		return 0;
	if (a->w.out > 65535 * TILE_ROWS) /* blocks.y */
		return 0;
	/* it wants rows that begin at 16 bytes */
	return a->w.out / a->n_group % 8 == 0 && (uintptr_t)a->y % 16 == 0 &&
	       cuda_blaslt_here(c);
}

/* The weight as rows of bf16: where it lies, or turned into scratch. */
static int lt_rows(struct cuda *c, const struct linear_args *a, void **rows, struct err *err)
{
	size_t n = (size_t)a->w.out * (size_t)a->w.in;
	int units = a->w.in / (a->w.type == WEIGHT_F8 ? 16 : 8) * TILE_ROWS, rc;
	dim3 blocks((unsigned)(units + 255) / 256,
		    (unsigned)(a->w.out + TILE_ROWS - 1) / TILE_ROWS);

	*rows = a->w.w;
	if (a->w.type == WEIGHT_BF16 && !a->w.layout)
		return 0;
	rc = cuda_scratch(c, n * 2, "linear", rows, err);
	if (rc)
		return rc;
	if (a->w.type == WEIGHT_BF16)
		launch_kernel(c, linear_untile, blocks, 256, 0, a->w.w, (uint4 *)*rows,
			      a->w.out, a->w.in);
	else if (a->w.layout)
		launch_kernel(c, linear_widen<LAYOUT_TILES>, blocks, 256, 0, a->w.w, a->w.scale,
			      (uint4 *)*rows, a->w.out, a->w.in);
	else
		launch_kernel(c, linear_widen<0>, blocks, 256, 0, a->w.w, a->w.scale,
			      (uint4 *)*rows, a->w.out, a->w.in);
	return cuda_check_launch(c, "linear", err);
}

static int linear_lt(struct cuda *c, const struct linear_args *a, struct err *err)
{
	int rows = a->w.out / a->n_group;
	struct blaslt_product p = {a->n_tok, rows, a->w.in};
	void *wide;
	int rc = lt_rows(c, a, &wide, err);

	if (rc)
		return rc;
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

/* Bytes that the largest weight of a pass that is turned takes in bf16. */
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
		d * 2 * HEAD_DIM,              /* a compressor's               */
		d * (size_t)s->n_expert,       /* gate                         */
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
