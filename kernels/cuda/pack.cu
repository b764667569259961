/*
 * Experts' weights from the checkpoint's order to that of packed.h, once, when they have been
 * placed; of those that the host computes, each time that the GPU needs them for many rows; and
 * back, where one of the GPU's becomes the host's.
 *
 * A block takes 16 rows of one matrix: loads them as they lie into shared memory and stores
 * them in the other order, perhaps where they were, neighbouring threads 16 neighbouring bytes
 * each, as memory of the host, where some experts lie, wants it.
 *
 * Floor: twice the bytes over the memory's bandwidth; of what comes from the host, its bytes
 * over the bus's.
 */
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/packed.h"

#define PACK_THREADS 256

struct pack_matrix {
	const unsigned char *w, *s;
	unsigned char *to_w, *to_s;
	int out, in;
};

/* Of w1, w2, w3 the one that is blockIdx.z. */
static __device__ __forceinline__ struct pack_matrix
pack_matrix_of(const struct pack_experts &p)
{
	const struct cuda_expert e = p.table[blockIdx.y], t = p.to[blockIdx.y];
	const unsigned char *w = blockIdx.z == 0 ? t.w1 : blockIdx.z == 1 ? t.w2 : t.w3;
	const unsigned char *s = blockIdx.z == 0 ? t.s1 : blockIdx.z == 1 ? t.s2 : t.s3;
	struct pack_matrix m = {blockIdx.z == 0   ? e.w1
				: blockIdx.z == 1 ? e.w2
						  : e.w3,
				blockIdx.z == 0   ? e.s1
				: blockIdx.z == 1 ? e.s2
						  : e.s3,
				const_cast<unsigned char *>(w),
				const_cast<unsigned char *>(s),
				blockIdx.z == 1 ? p.d : p.inner,
				blockIdx.z == 1 ? p.inner : p.d};

	return m;
}

/* Is the block's expert one of those that are wanted?  All threads. */
static __device__ __forceinline__ bool pack_wanted(const struct pack_experts &p)
{
	int here = !p.named;

	if (p.only && p.only[blockIdx.y] < 0)
		return false;
	for (int i = (int)threadIdx.x; p.named && i < p.n_named; i += PACK_THREADS)
		here |= p.named[i] == (int)blockIdx.y;
	return __syncthreads_or(here);
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

/* What stands in place i of a tile, from its rows. */
static __device__ __forceinline__ uint4 pack_unit(const uint4 *codes, int type, int i,
						  int units)
{
	struct packed_place at = packed_unit_of(i, units);
	uint4 v = codes[at.row * units + at.unit];
	uint32_t from[4] = {v.x, v.y, v.z, v.w}, to[4];

	packed_words(type, at.unit, from, to);
	return make_uint4(to[0], to[1], to[2], to[3]);
}

/* The other way's tables, in shared memory. */
struct unpack_tables {
	uint8_t bit[PACKED_UNITS][128];
	uint8_t scale[256];
};

static __device__ __forceinline__ void unpack_tables_make(struct unpack_tables *t, int type)
{
	for (int i = (int)threadIdx.x; i < PACKED_UNITS * 128; i += PACK_THREADS)
		t->bit[i / 128][i % 128] = (uint8_t)packed_bit(type, i / 128, i % 128);
	for (int i = (int)threadIdx.x; i < 256; i += PACK_THREADS)
		t->scale[i] = packed_scale_back((uint8_t)i);
}

/* Unit i of the tile's rows, from where it was packed. */
static __device__ __forceinline__ uint4 unpack_unit(const uint4 *codes,
						    const struct unpack_tables *t, int i,
						    int units)
{
	int row = i / units, unit = i % units;
	const uint32_t *from =
		(const uint32_t *)(const void *)(codes + packed_unit(row, unit, units) / 16);
	uint32_t to[4] = {0, 0, 0, 0};

	for (int b = 0; b < 128; b++) {
		int at = t->bit[unit % PACKED_UNITS][b];

		to[b / 32] |= (from[at / 32] >> at % 32 & 1) << b % 32;
	}
	return make_uint4(to[0], to[1], to[2], to[3]);
}

static __device__ __forceinline__ uint4 unpack_scales(const unsigned char *scales,
						      const struct unpack_tables *t, int i,
						      int units)
{
	uint32_t v[4] = {0, 0, 0, 0};

	for (int k = 0; k < 16; k++) {
		int n = 16 * i + k;

		v[k / 4] |=
			(uint32_t)t->scale[scales[packed_scale_at(n / units, n % units, units)]]
			<< (k % 4 * 8);
	}
	return make_uint4(v[0], v[1], v[2], v[3]);
}

template <bool BACK>
static __global__ void __launch_bounds__(PACK_THREADS) pack_tile(struct pack_experts p)
{
	kernel_begin();
	extern __shared__ __align__(128) unsigned char shared[];
	__shared__ struct unpack_tables tables;
	struct pack_matrix m = pack_matrix_of(p);
	int units = m.in / packed_columns(p.type), all = PACKED_ROWS * units;
	int n_scales = p.type == WEIGHT_FP4 ? units : 0;
	size_t first = (size_t)blockIdx.x * (size_t)all;
	const uint4 *w = (const uint4 *)(const void *)m.w + first;
	const uint4 *s = (const uint4 *)(const void *)(m.s + first);
	uint4 *to_w = (uint4 *)(void *)m.to_w + first,
	      *to_s = (uint4 *)(void *)(m.to_s + first);
	uint4 *codes = (uint4 *)(void *)shared, *scales = codes + all;

	if ((int)blockIdx.x * PACKED_ROWS >= m.out || !pack_wanted(p))
		return;
	if (BACK)
		unpack_tables_make(&tables, p.type);
	for (int i = (int)threadIdx.x; i < all; i += PACK_THREADS)
		codes[i] = w[i];
	for (int i = (int)threadIdx.x; i < n_scales; i += PACK_THREADS)
		scales[i] = s[i];
	__syncthreads();
	for (int i = (int)threadIdx.x; i < all; i += PACK_THREADS)
		to_w[i] = BACK ? unpack_unit(codes, &tables, i, units)
			       : pack_unit(codes, p.type, i, units);
	for (int i = (int)threadIdx.x; i < n_scales; i += PACK_THREADS)
		to_s[i] = BACK ? unpack_scales((const unsigned char *)scales, &tables, i, units)
			       : pack_scales((const unsigned char *)scales, i, units);
}

/* F8: its scales, which stand as they stood, where they are to be. */
static __global__ void __launch_bounds__(PACK_THREADS) pack_bring_scales(struct pack_experts p)
{
	kernel_begin();
	struct pack_matrix m = pack_matrix_of(p);
	int n = (m.out + 127) / 128 * ((m.in + 127) / 128);

	if (!pack_wanted(p))
		return;
	for (int i = (int)threadIdx.x; i < n; i += PACK_THREADS)
		m.to_s[i] = m.s[i];
}

template <bool BACK>
static int launch_pack(struct cuda *c, const struct pack_experts *p, size_t bytes,
		       struct err *err)
{
	unsigned most = (unsigned)(p->d > p->inner ? p->d : p->inner);
	/* The same each time: another rank's thread may launch it on this GPU meanwhile. */
	cudaError_t rc = cudaFuncSetAttribute(
		pack_tile<BACK>, cudaFuncAttributeMaxDynamicSharedMemorySize,
		c->block_shared - (int)sizeof(struct unpack_tables));

	if (rc != cudaSuccess)
		return cuda_fail(rc, "packing experts", err);
	launch_kernel(c, pack_tile<BACK>, dim3(most / PACKED_ROWS, (unsigned)p->n, 3),
		      PACK_THREADS, bytes, *p);
	if (p->type == WEIGHT_F8 && p->to != p->table)
		launch_kernel(c, pack_bring_scales, dim3(1, (unsigned)p->n, 3), PACK_THREADS, 0,
			      *p);
	return cuda_check_launch(c, "packing experts", err);
}

extern "C" int cuda_pack(struct cuda *c, const struct pack_experts *p, struct err *err)
{
	int most = p->d > p->inner ? p->d : p->inner;
	size_t bytes = (size_t)(most / packed_columns(p->type)) * PACKED_ROWS * 17;

	if (bytes + sizeof(struct unpack_tables) > (size_t)c->block_shared)
		return cuda_refuse(err, "experts",
				   "%d columns: 16 rows take %zu bytes, a block has %d", most,
				   bytes, c->block_shared);
	return p->back ? launch_pack<true>(c, p, bytes, err)
		       : launch_pack<false>(c, p, bytes, err);
}
