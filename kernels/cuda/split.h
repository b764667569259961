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

/* Rows of one part, a multiple of 8: a tile at most while 16 parts are enough. */
SPLIT_INLINE int attend_run(int rows)
{
	int parts = rows <= ATTEND_PARTS / 2 * ATTEND_TILE ? ATTEND_PARTS / 2 : ATTEND_PARTS;
	int run = ((rows + parts - 1) / parts + 7) / 8 * 8;

	return run > 8 ? run : 8;
}

SPLIT_INLINE int attend_parts(int rows)
{
	int run = attend_run(rows);

	return (rows + run - 1) / run;
}

/* attend_parts() of any number up to `rows` is no more than this. */
SPLIT_INLINE int attend_most_parts(int64_t rows)
{
	return rows > ATTEND_PARTS / 2 * ATTEND_TILE ? ATTEND_PARTS
	       : rows > ATTEND_PARTS / 2 * 8         ? ATTEND_PARTS / 2
						     : (int)((rows + 7) / 8);
}

#endif
