/*
 * How the rows that a query sees are shared out while decoding: in parts, each by itself.  A
 * part's length hangs on the number of rows alone, so a row's bits do too.  Plain C for GPU and
 * host.
 */
#ifndef KERNELS_CUDA_SPLIT_H
#define KERNELS_CUDA_SPLIT_H

#include <stdint.h>

#ifdef __CUDACC__
#define SPLIT_INLINE static __host__ __device__ __forceinline__
#else
#define SPLIT_INLINE static inline __attribute__((unused))
#endif

#define ATTEND_TILE  48 /* rows that a block works on at once */
#define ATTEND_PARTS 32 /* at most, however many rows there are */

/* Rows of one part: a tile, which takes a block as long as less would, else a multiple of 8. */
SPLIT_INLINE int attend_run(int rows)
{
	int run = ((rows + ATTEND_PARTS - 1) / ATTEND_PARTS + 7) / 8 * 8;

	return run > ATTEND_TILE ? run : ATTEND_TILE;
}

SPLIT_INLINE int attend_parts(int rows)
{
	int run = attend_run(rows);

	return (rows + run - 1) / run;
}

/* attend_parts() of any number up to `rows` is no more than this. */
SPLIT_INLINE int attend_most_parts(int64_t rows)
{
	int64_t tiles = (rows + ATTEND_TILE - 1) / ATTEND_TILE;

	return tiles < ATTEND_PARTS ? (int)tiles : ATTEND_PARTS;
}

#endif
