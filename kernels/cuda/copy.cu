/*
 * Many copies at once: part[y].dst[i] = part[y].src[i] for all y.
 *
 * Parts lie along y of the grid, the bytes of each along x, in words of 16 bytes or, where the
 * addresses of a part do not allow that, of 8, 4 or 1.  The list travels in the kernel's
 * arguments, so there is nothing to put first and what it names may change at once.
 *
 * Floor: twice the bytes over the memory's bandwidth.  What it is for, the 62 pieces of a page
 * of Flash (450 KB), is bounded by the launch instead.
 */
#include "kernels/cuda/device.cuh"

#define COPY_THREADS 256
/* What a thread copies at least, where the part is that large; a block as many times that. */
#define COPY_BYTES  32
#define COPY_BLOCKS 1024 /* for one part */
#define COPY_PARTS  128  /* of one launch: arguments take 4 KB at most */

struct copy_parts {
	struct copy_part v[COPY_PARTS];
};

static_assert(sizeof(struct copy_parts) <= 4096, "arguments of a kernel");

template <class word>
static __device__ __forceinline__ void copy_words(const struct copy_part &p, size_t at,
						  size_t all)
{
	size_t n = p.bytes / sizeof(word);

	for (size_t i = at; i < n; i += all)
		((word *)p.dst)[i] = ((const word *)p.src)[i];
	for (size_t i = n * sizeof(word) + at; i < p.bytes; i += all)
		p.dst[i] = p.src[i];
}

static __global__ void __launch_bounds__(COPY_THREADS)
	copy_kernel(const __grid_constant__ struct copy_parts parts)
{
	kernel_begin();
	const struct copy_part &p = parts.v[blockIdx.y];
	size_t at = (size_t)blockIdx.x * COPY_THREADS + threadIdx.x;
	size_t all = (size_t)gridDim.x * COPY_THREADS;
	uintptr_t low = (uintptr_t)p.dst | (uintptr_t)p.src;

	if (low % sizeof(uint4) == 0)
		copy_words<uint4>(p, at, all);
	else if (low % sizeof(uint2) == 0)
		copy_words<uint2>(p, at, all);
	else if (low % sizeof(uint32_t) == 0)
		copy_words<uint32_t>(p, at, all);
	else
		copy_words<unsigned char>(p, at, all);
}

/* n ≤ COPY_PARTS. */
static int copy_once(struct cuda *c, const struct copy_part *part, int n, struct err *err)
{
	struct copy_parts parts;
	size_t most = 1, blocks;

	for (int i = 0; i < n; i++) {
		parts.v[i] = part[i];
		most = part[i].bytes > most ? part[i].bytes : most;
	}
	for (int i = n; i < COPY_PARTS; i++)
		parts.v[i] = (struct copy_part){};
	blocks = (most - 1) / (COPY_THREADS * COPY_BYTES) + 1;
	blocks = blocks < COPY_BLOCKS ? blocks : COPY_BLOCKS;
	launch_kernel(c, copy_kernel, dim3((unsigned)blocks, (unsigned)n), COPY_THREADS, 0,
		      parts);
	return cuda_check_launch(c, "copy_many", err);
}

extern "C" int cuda_copy_many(struct backend *be, const struct copy_part *part, int n,
			      struct err *err)
{
	int rc = 0;

	for (int i = 0; i < n && !rc; i += COPY_PARTS)
		rc = copy_once(cuda_of(be), part + i, n - i < COPY_PARTS ? n - i : COPY_PARTS,
			       err);
	return rc;
}
