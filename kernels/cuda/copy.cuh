/* Shared memory by its address: copies into it that run on their own, and loads from it. */
#ifndef KERNELS_CUDA_COPY_CUH
#define KERNELS_CUDA_COPY_CUH

#include "kernels/cuda/device.cuh"

static __device__ __forceinline__ uint32_t shared_address(const void *p)
{
	return (uint32_t)__cvta_generic_to_shared(p);
}

/* 16 bytes to shared memory; zeros where `on` is 0. */
static __device__ __forceinline__ void copy_async(uint32_t to, const void *from, int on)
{
	asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from),
		     "r"(on ? 16 : 0)
		     : "memory");
}

static __device__ __forceinline__ void copy_commit(void)
{
	asm volatile("cp.async.commit_group;" ::: "memory");
}

/* Waits until at most N of the newest groups are on their way. */
template <int N> static __device__ __forceinline__ void copy_wait_but(void)
{
	asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

static __device__ __forceinline__ uint4 load_shared(uint32_t address)
{
	uint4 v;

	asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
		     : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
		     : "r"(address));
	return v;
}

static __device__ __forceinline__ uint32_t load_shared_u16(uint32_t address)
{
	uint16_t v;

	asm volatile("ld.shared.u16 %0, [%1];" : "=h"(v) : "r"(address));
	return v;
}

static __device__ __forceinline__ uint32_t load_shared_u8(uint32_t address)
{
	uint32_t v;

	asm volatile("ld.shared.u8 %0, [%1];" : "=r"(v) : "r"(address));
	return v;
}

#endif
