/*
 * How the rows that a query sees are shared out: in tiles of ATTEND_ROWS, and while decoding in
 * runs of tiles, each by itself.  The run's length hangs on the number of rows alone, so a
 * row's bits do too.  Plain C for GPU and host.
 */
#ifndef KERNELS_CUDA_SPLIT_H
#define KERNELS_CUDA_SPLIT_H

#include <stdint.h>

#ifdef __CUDACC__
#define SPLIT_INLINE static __host__ __device__ __forceinline__
#else
#define SPLIT_INLINE static inline __attribute__((unused))
#endif

#define ATTEND_ROWS   32
#define ATTEND_SPLITS 32 /* at most, however many rows there are */

SPLIT_INLINE int64_t attend_tiles(int64_t rows)
{
	return (rows + ATTEND_ROWS - 1) / ATTEND_ROWS;
}

/* Tiles of one run. */
SPLIT_INLINE int64_t attend_run(int64_t rows)
{
	int64_t run = (attend_tiles(rows) + ATTEND_SPLITS - 1) / ATTEND_SPLITS;

	return run > 0 ? run : 1;
}

/* How many runs there are; never more for fewer rows than attend_most_splits() of more says. */
SPLIT_INLINE int attend_splits(int64_t rows)
{
	int64_t run = attend_run(rows);

	return (int)((attend_tiles(rows) + run - 1) / run);
}

/* attend_splits() of any number up to `rows` is no more than this. */
SPLIT_INLINE int attend_most_splits(int64_t rows)
{
	int64_t tiles = attend_tiles(rows);

	return tiles < ATTEND_SPLITS ? (int)tiles : ATTEND_SPLITS;
}

#endif
