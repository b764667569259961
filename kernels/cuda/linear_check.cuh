/*
 * What products the kernels of linear refuse, and which of a batch one launch of tiles serves.
 */
#ifndef KERNELS_CUDA_LINEAR_CHECK_CUH
#define KERNELS_CUDA_LINEAR_CHECK_CUH

#include "kernels/cuda/cuda.h"
#include "kernels/cuda/tiles.h"

static inline int linear_check(const struct linear_args *a, struct err *err)
{
	if (a->n_tok < 1 || a->n_tok > CUDA_MAX_ROWS)
		return cuda_refuse(err, "linear", "%d rows, expected 1 to %d", a->n_tok,
				   CUDA_MAX_ROWS);
	if (a->w.in < 32 || a->w.in % 32 || a->n_group < 1 || a->w.out < 1 ||
	    a->w.out % a->n_group)
		return cuda_refuse(
			err, "linear",
			"%d x %d in %d groups: columns in 32s and equal groups expected",
			a->w.out, a->w.in, a->n_group);
	if (a->w.layout && (a->w.layout != LAYOUT_TILES ||
			    !tiles_fit((int)a->w.type, a->w.out, a->w.in, a->n_group)))
		return cuda_refuse(err, "linear",
				   "%d x %d in %d groups: a weight in layout %d, expected 0",
				   a->w.out, a->w.in, a->n_group, a->w.layout);
	if (((uintptr_t)a->w.w | (uintptr_t)a->w.scale | (uintptr_t)a->x) % 16 ||
	    (uintptr_t)a->y % (a->out_f32 ? 4 : 2))
		return cuda_refuse(err, "linear", "operands that are not aligned to 16 bytes");
	return 0;
}

/* Whether one launch serves them all. */
static inline int linear_one_launch(const struct linear_batch_args *a)
{
	for (int i = 0; i < a->n; i++) {
		const struct linear_args *p = &a->part[i];

		if (p->n_tok > CUDA_DECODE_ROWS || p->n_group != 1 ||
		    p->w.layout != LAYOUT_TILES)
			return 0;
	}
	return 1;
}

static inline int linear_check_batch(const struct linear_batch_args *a, struct err *err)
{
	int rc = 0;

	if (a->n < 1 || a->n > LINEAR_BATCH)
		return cuda_refuse(err, "linear_batch", "%d products, expected 1 to %d", a->n,
				   LINEAR_BATCH);
	for (int i = 0; i < a->n && !rc; i++) {
		if (a->part[i].n_tok != a->part[0].n_tok || a->part[i].x != a->part[0].x)
			return cuda_refuse(err, "linear_batch",
					   "product %d is not of the first one's rows", i);
		rc = linear_check(&a->part[i], err);
	}
	return rc;
}

static inline int linear_check_normed(const struct linear_normed_args *a, struct err *err)
{
	const struct linear_args *first = &a->batch.part[0];
	int rc = linear_check_batch(&a->batch, err);

	if (!rc && (a->norm.x_f32 || first->x != a->norm.out || first->w.in != a->norm.d ||
		    first->n_tok != a->norm.n_tok))
		return cuda_refuse(err, "linear_normed",
				   "%d rows of %d normed, products of %d rows of %d",
				   a->norm.n_tok, a->norm.d, first->n_tok, first->w.in);
	return rc;
}

/* Whether the launch that serves its batch norms the rows along. */
static inline int linear_normed_one_launch(const struct linear_normed_args *a)
{
	return linear_one_launch(&a->batch) &&
	       ((uintptr_t)a->norm.x | (uintptr_t)a->norm.norm) % 16 == 0;
}

#endif
