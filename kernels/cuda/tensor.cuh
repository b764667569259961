/*
 * Warp-wide matrix instructions and copies to shared memory: what every chip from 8.0 has.
 *
 * With g = lane / 4 and t = lane mod 4, m16n8k16 takes A [16, 16] as rows g and g + 8, columns
 * 2 t, 2 t + 1 (a0, a1) and 2 t + 8, 2 t + 9 (a2, a3); B [16, 8] as column g, the same k; and
 * gives C [16, 8] as rows g (c0, c1) and g + 8 (c2, c3), columns 2 t and 2 t + 1.
 */
#ifndef KERNELS_CUDA_TENSOR_CUH
#define KERNELS_CUDA_TENSOR_CUH

#include "kernels/cuda/device.cuh"

static __device__ __forceinline__ void tensor_f16(float c[4], const uint32_t a[4], uint32_t b0,
						  uint32_t b1)
{
	asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
	    "{%8,%9}, {%0,%1,%2,%3};"
	    : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
	    : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

static __device__ __forceinline__ void tensor_bf16(float c[4], const uint32_t a[4], uint32_t b0,
						   uint32_t b1)
{
	asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
	    "{%8,%9}, {%0,%1,%2,%3};"
	    : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
	    : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/*
 * Four 8 × 8 matrices of 16-bit numbers: lane l gives the address (16-byte aligned) of row l
 * mod 8 of matrix l / 8, and gets of each matrix elements 2 t, 2 t + 1 of row g; transposed: of
 * column g.
 */
static __device__ __forceinline__ void load_matrices(uint32_t r[4], const void *shared)
{
	uint32_t at = (uint32_t)__cvta_generic_to_shared(shared);

	asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
		     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
		     : "r"(at)
		     : "memory");
}

static __device__ __forceinline__ void load_matrices_turned(uint32_t r[4], const void *shared)
{
	uint32_t at = (uint32_t)__cvta_generic_to_shared(shared);

	asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
		     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
		     : "r"(at)
		     : "memory");
}

/* 8 bytes from global to shared memory, both 8-byte aligned; done after copies_wait(). */
static __device__ __forceinline__ void copy8(void *shared, const void *global)
{
	uint32_t at = (uint32_t)__cvta_generic_to_shared(shared);

	asm volatile("cp.async.ca.shared.global [%0], [%1], 8;" ::"r"(at), "l"(global)
		     : "memory");
}

/* Waits for this thread's own copies; others' are seen after a barrier. */
static __device__ __forceinline__ void copies_wait(void)
{
	asm volatile("cp.async.wait_all;" ::: "memory");
}

#endif
