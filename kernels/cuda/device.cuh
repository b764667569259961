/*
 * What kernels share: how they are launched, bf16 as float32 and back, loads of weights that
 * are read once, reductions whose order is fixed, the step.
 */
#ifndef KERNELS_CUDA_DEVICE_CUH
#define KERNELS_CUDA_DEVICE_CUH

#include <cuda_bf16.h>

#include "kernels/cuda/cuda.h"
#include "kernels/cuda/launch.h"

#define WARP      32
#define ALL_LANES 0xffffffffu

/* ----------------------------------------------------------------- launching */

/*
 * On 9.0 a kernel may begin while the one before it still runs, so that launching costs no
 * time.  So each kernel, in all threads and before it reads what another kernel wrote or
 * writes anything, calls kernel_begin(): it lets the next one begin (which happens once all of
 * its blocks have come here, so that none takes the place of one that others wait for), and
 * returns when all kernels before have ended and what they wrote is seen.  Only weights may be
 * read before it.  A kernel that left it out would end before its predecessors and let its
 * successors run ahead of them.
 */
static __device__ __forceinline__ void kernel_begin(void)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
	asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
	asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

/* What goes wrong is told by the cuda_check_launch() that follows. */
template <class... params, class... args>
static inline void launch_kernel(struct cuda *c, void (*kernel)(params...), dim3 grid,
				 dim3 block, size_t shared, args... a)
{
	cudaLaunchAttribute early = {};
	cudaLaunchConfig_t how = {};

	early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
	early.val.programmaticStreamSerializationAllowed = 1;
	how.gridDim = grid;
	how.blockDim = block;
	how.dynamicSmemBytes = shared;
	how.stream = c->stream;
	how.attrs = &early;
	how.numAttrs = c->begins_early && !c->behind_other;
	c->behind_other = 0;
	(void)cudaLaunchKernelEx(&how, kernel, static_cast<params>(a)...);
}

/* The GPU's own clock, for what waits for somebody who is not on it. */
static __device__ __forceinline__ uint64_t now_ns(void)
{
	uint64_t t;

	asm volatile("mov.u64 %0, %globaltimer;" : "=l"(t));
	return t;
}

/* ------------------------------------------------------------------ numbers */

static __device__ __forceinline__ float f32_of_bf16(uint16_t h)
{
	return __uint_as_float((uint32_t)h << 16);
}

/* The two of a pair as it lies in memory. */
static __device__ __forceinline__ float f32_of_bf16_low(uint32_t pair)
{
	return __uint_as_float(pair << 16);
}

static __device__ __forceinline__ float f32_of_bf16_high(uint32_t pair)
{
	return __uint_as_float(pair & 0xffff0000u);
}

/* Nearest, ties to even; NaN stays NaN. */
static __device__ __forceinline__ uint16_t bf16_of_f32(float f)
{
	return __bfloat16_as_ushort(__float2bfloat16_rn(f));
}

static __device__ __forceinline__ uint32_t bf16_pair(float low, float high)
{
	return (uint32_t)bf16_of_f32(low) | (uint32_t)bf16_of_f32(high) << 16;
}

/* a · b in both halves, rounded once; subnormal inputs count.  (A product of bf16 alone is
 * younger than 8.0.) */
static __device__ __forceinline__ uint32_t bf16_pair_mul(uint32_t a, uint32_t b)
{
	uint32_t d;

	asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(0x80008000u));
	return d;
}

/* -------------------------------------------------------------------- loads */

/* 16 bytes that nobody reads again soon: weights.  Aligned to 16. */
static __device__ __forceinline__ uint4 load_once(const void *p)
{
	uint4 v;

	asm("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
	    : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
	    : "l"(p));
	return v;
}

/* --------------------------------------------------------------- reductions */

/* All lanes get the sum: a tree, the same one each time. */
static __device__ __forceinline__ float warp_sum(float v)
{
	for (int o = WARP / 2; o; o /= 2)
		v += __shfl_xor_sync(ALL_LANES, v, o);
	return v;
}

/* Sum of integers over the lanes up to this one; who has its number at hand gives it. */
template <class T>
static __device__ __forceinline__ T warp_sum_upto(T v, int lane = (int)threadIdx.x % WARP)
{
#pragma unroll
	for (int o = 1; o < WARP; o *= 2) {
		T u = __shfl_up_sync(ALL_LANES, v, o);

		v += lane >= o ? u : 0;
	}
	return v;
}

static __device__ __forceinline__ float warp_max(float v)
{
	for (int o = WARP / 2; o; o /= 2)
		v = fmaxf(v, __shfl_xor_sync(ALL_LANES, v, o));
	return v;
}

/* Sum over a block of up to 1024 threads, a multiple of 32, to all; `part`: shared, [33].
 * Every thread calls it; it begins and ends with a barrier. */
static __device__ __forceinline__ float block_sum(float v, float *part)
{
	int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;

	v = warp_sum(v);
	__syncthreads();
	if (lane == 0)
		part[warp] = v;
	__syncthreads();
	if (warp == 0) {
		v = warp_sum(lane < (int)blockDim.x / WARP ? part[lane] : 0.0f);
		if (lane == 0)
			part[32] = v;
	}
	__syncthreads();
	return part[32];
}

/* --------------------------------------------------------------------- step */

static __device__ __forceinline__ const struct step *step_of(const unsigned char *p)
{
	return (const struct step *)p;
}

/* Rotates the pair (re, im) by (cos, sin); sign -1 turns back. */
static __device__ __forceinline__ void rotate(float *re, float *im, float cs, float sn,
					      float sign)
{
	float s = sign * sn, r = *re, i = *im;

	*re = r * cs - i * s;
	*im = r * s + i * cs;
}

#endif
