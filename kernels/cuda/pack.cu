/*
 * Experts' weights from the checkpoint's order to that of packed.h, in place, once, when they
 * have been placed.
 *
 * A block takes 16 rows of one matrix: loads them row by row into shared memory and stores them
 * packed where they were, neighbouring threads 16 neighbouring bytes each, as memory of the
 * host, where some experts lie, wants it.
 *
 * Floor: twice the bytes over the memory's bandwidth.
 */
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/packed.h"

#define PACK_THREADS 256

struct pack_matrix {
	unsigned char *w, *s;
	int out, in;
};

/* Of w1, w2, w3 the one that is blockIdx.z. */
static __device__ __forceinline__ struct pack_matrix
pack_matrix_of(const struct pack_experts &p)
{
	const struct cuda_expert e = p.table[blockIdx.y];
	const unsigned char *w = blockIdx.z == 0 ? e.w1 : blockIdx.z == 1 ? e.w2 : e.w3;
	const unsigned char *s = blockIdx.z == 0 ? e.s1 : blockIdx.z == 1 ? e.s2 : e.s3;
	struct pack_matrix m = {const_cast<unsigned char *>(w), const_cast<unsigned char *>(s),
				blockIdx.z == 1 ? p.d : p.inner,
				blockIdx.z == 1 ? p.inner : p.d};

	return m;
}

/* The 16 scales from place 16 i on. */
static __device__ __forceinline__ uint4 pack_scales(const unsigned char *scales, int i,
						    int units)
{
	uint32_t v[4] = {0, 0, 0, 0};

	for (int k = 0; k < 16; k++) {
		struct packed_place at = packed_scale_of(16 * i + k, units);

		v[k / 4] |= (uint32_t)packed_scale(scales[at.row * units + at.unit])
			    << (k % 4 * 8);
	}
	return make_uint4(v[0], v[1], v[2], v[3]);
}

static __global__ void __launch_bounds__(PACK_THREADS) pack_tile(struct pack_experts p)
{
	kernel_begin();
	extern __shared__ __align__(128) unsigned char shared[];
	struct pack_matrix m = pack_matrix_of(p);
	int units = m.in / packed_columns(p.type), all = PACKED_ROWS * units;
	size_t first = (size_t)blockIdx.x * (size_t)all;
	uint4 *w = (uint4 *)(void *)m.w + first, *codes = (uint4 *)(void *)shared;
	uint4 *s = (uint4 *)(void *)(m.s + first), *scales = codes + all;

	if ((int)blockIdx.x * PACKED_ROWS >= m.out)
		return;
	for (int i = (int)threadIdx.x; i < all; i += PACK_THREADS)
		codes[i] = w[i];
	for (int i = (int)threadIdx.x; i < units && p.type == WEIGHT_FP4; i += PACK_THREADS)
		scales[i] = s[i];
	__syncthreads();
	for (int i = (int)threadIdx.x; i < all; i += PACK_THREADS) {
		struct packed_place at = packed_unit_of(i, units);
		uint4 v = codes[at.row * units + at.unit];
		uint32_t from[4] = {v.x, v.y, v.z, v.w}, to[4];

		packed_words(p.type, at.unit, from, to);
		w[i] = make_uint4(to[0], to[1], to[2], to[3]);
	}
	for (int i = (int)threadIdx.x; i < units && p.type == WEIGHT_FP4; i += PACK_THREADS)
		s[i] = pack_scales((const unsigned char *)scales, i, units);
}

extern "C" int cuda_pack(struct cuda *c, const struct pack_experts *p, struct err *err)
{
	int most = p->d > p->inner ? p->d : p->inner;
	size_t bytes = (size_t)(most / packed_columns(p->type)) * PACKED_ROWS * 17;
	cudaError_t rc;

	if (bytes > (size_t)c->block_shared)
		return cuda_refuse(err, "experts",
				   "%d columns: 16 rows take %zu bytes, a block has %d", most,
				   bytes, c->block_shared);
	/* The same each time: another rank's thread may launch it on this GPU meanwhile. */
	rc = cudaFuncSetAttribute(pack_tile, cudaFuncAttributeMaxDynamicSharedMemorySize,
				  c->block_shared);
	if (rc != cudaSuccess)
		return cuda_fail(rc, "packing experts", err);
	launch_kernel(c, pack_tile, dim3((unsigned)(most / PACKED_ROWS), (unsigned)p->n, 3),
		      PACK_THREADS, bytes, *p);
	return cuda_check_launch(c, "packing experts", err);
}
