/*
 * Runs of memory on their way into shared memory by themselves, and barriers there that count
 * their bytes: 9.0 and newer.
 *
 * A barrier completes a phase when all who are to arrive have, and all bytes that were
 * announced; phases have parity 0, 1, 0, …
 */
#ifndef KERNELS_CUDA_BULK_CUH
#define KERNELS_CUDA_BULK_CUH

#include "kernels/cuda/copy.cuh"

/* Beyond so many looks something is wrong that waiting does not put right. */
#define MOST_LOOKS (1u << 28)

static __device__ __forceinline__ void barrier_init(uint32_t barrier, unsigned arrivals)
{
	asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals)
		     : "memory");
}

/* Behind barrier_init(), before the block's barrier that lets others use them. */
static __device__ __forceinline__ void barrier_init_end(void)
{
	asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

static __device__ __forceinline__ void barrier_arrive(uint32_t barrier)
{
	asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}

/* Arrives, and announces bytes of this phase. */
static __device__ __forceinline__ void barrier_expect(uint32_t barrier, uint32_t bytes)
{
	asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier),
		     "r"(bytes)
		     : "memory");
}

/* Until the phase of this parity is complete; it is the running one or the one before. */
static __device__ __forceinline__ void barrier_wait(uint32_t barrier, uint32_t parity)
{
	uint32_t done = 0;

	for (unsigned looks = 0; !done; looks++) {
		asm volatile("{\n.reg .pred p;\n"
			     "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
			     "selp.u32 %0, 1, 0, p;\n}"
			     : "=r"(done)
			     : "r"(barrier), "r"(parity)
			     : "memory");
		if (looks == MOST_LOOKS)
			__trap();
	}
}

/* `from`, `to` and `bytes` in 16s; told to the barrier, which was to expect them. */
static __device__ __forceinline__ void bulk_copy(uint32_t to, const void *from, uint32_t bytes,
						 uint32_t barrier)
{
	asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes "
		     "[%0], [%1], %2, [%3];" ::"r"(to),
		     "l"(from), "r"(bytes), "r"(barrier)
		     : "memory");
}

#endif
