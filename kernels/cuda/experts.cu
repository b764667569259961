/*
 * experts: y = sum over the chosen experts, in their order, plus the shared one with weight 1.
 *
 * moe.h chooses between the products of 1 … 16 rows and those of many (experts_many.cuh).  Those
 * of few are one launch (experts_ring.cuh) on 9.0, of FP4 with a shared expert of F8 and sizes in
 * 128s, where this GPU has one rank; else two (experts_rows.cuh).  Where the host computes some
 * experts, hosted.cuh stands around these.
 */
#include "kernels/cuda/moe.h"
#include "kernels/cuda/experts_rows.cuh"
#include "kernels/cuda/experts_many.cuh"
#if CUDA_HOPPER
#include "kernels/cuda/experts_ring.cuh"
#endif
#include "kernels/cuda/hosted.cuh"

/* Slots a token may have, so that a call of 16 rows has few enough pairs to look through. */
#define MOST_USED 64

static_assert(HOSTED_ROWS >= CUDA_DECODE_ROWS && HOSTED_USED >= MOST_USED &&
		      HOSTED_COLUMNS >= MOST_COLUMNS,
	      "what the GPU computes at once, the host can be asked");

/* -------------------------------------------------------------------- scratch */

struct room {
	size_t t, part, count, order, tiles, n_tiles;
	size_t chosen, weight; /* of few rows, as they are without the host's experts */
	size_t bytes;
};

static struct room room_of(int n_tok, int d, int inner, int n_expert, int n_used)
{
	size_t pairs = (size_t)n_tok * (size_t)(n_used + 1);
	size_t n_choice = (size_t)n_tok * (size_t)n_used, at = 0;
	struct room r;

	r.t = cuda_part(&at, pairs * (size_t)inner * 2);
	r.part = cuda_part(&at, pairs * (size_t)d * 4);
	r.count = cuda_part(&at, (size_t)n_expert * 4);
	r.order = cuda_part(&at, n_choice * 4);
	/* as many as the smallest tiles make */
	r.tiles =
		cuda_part(&at, sizeof(struct expert_tile) *
				       most_tiles((int)n_choice, n_expert, gemm_size<2>::rows));
	r.n_tiles = cuda_part(&at, 4);
	n_choice = (size_t)CUDA_DECODE_ROWS * (size_t)n_used;
	r.chosen = cuda_part(&at, n_choice * 4);
	r.weight = cuda_part(&at, n_choice * 4);
	r.bytes = at;
	return r;
}

size_t cuda_experts_scratch(const struct cuda *c, const struct pass_shape *s)
{
	(void)c;
	return room_of(s->rows, s->d, s->inner, s->n_expert, s->n_used).bytes;
}

/* ---------------------------------------------------------------------- checks */

static int type_of(const struct expert_weights *e, const char *which, int hosted, int *type,
		   struct err *err)
{
	if (e->w1.type == WEIGHT_F32 || e->w1.type != e->w2.type || e->w1.type != e->w3.type)
		return cuda_refuse(
			err, "experts",
			"%s weights of types %d, %d, %d: one of BF16, F8, FP4 expected", which,
			(int)e->w1.type, (int)e->w2.type, (int)e->w3.type);
	if (!hosted && (e->w1.layout != PACKED_LAYOUT || e->w2.layout != PACKED_LAYOUT ||
			e->w3.layout != PACKED_LAYOUT))
		return cuda_refuse(err, "experts", "%s weights in layout %d, expected %d",
				   which, e->w1.layout, PACKED_LAYOUT);
	*type = (int)e->w1.type;
	return 0;
}

static int check(const struct experts_args *a, struct err *err)
{
	if (a->n_tok < 1 || a->n_tok > CUDA_MAX_ROWS)
		return cuda_refuse(err, "experts", "%d rows, expected 1 to %d", a->n_tok,
				   CUDA_MAX_ROWS);
	if (a->d < 32 || a->inner < 32 || a->d % 32 || a->inner % 32 || a->d > MOST_COLUMNS ||
	    a->inner > MOST_COLUMNS)
		return cuda_refuse(err, "experts", "%d x %d: sizes in 32s up to %d expected",
				   a->inner, a->d, MOST_COLUMNS);
	if (a->n_used < 1 || a->n_used > MOST_USED || a->n_expert < 1)
		return cuda_refuse(err, "experts", "%d of %d used, expected 1 to %d", a->n_used,
				   a->n_expert, MOST_USED);
	if (!a->table)
		return cuda_refuse(err, "experts",
				   "no table of the experts: they were not placed");
	if (((uintptr_t)a->x | (uintptr_t)a->y) % 16)
		return cuda_refuse(err, "experts", "operands that are not aligned to 16 bytes");
	return 0;
}

/* -------------------------------------------------------------------- launches */

typedef int launch_rows(struct cuda *c, const struct experts_job *j, float *y, struct err *err);

/* Who computes up to `most` rows at a time, and how many: 0, shared memory holds none.  It
 * depends on types, sizes and who else uses the GPU, so that a row has one result. */
static launch_rows *rows_launcher(const struct cuda *c, const struct experts_job *j, int most,
				  int *fit)
{
#if CUDA_HOPPER
	*fit = ring_rows_that_fit(c, j, most);
	if (*fit > 0)
		return launch_expert_ring;
#endif
	*fit = rows_that_fit(c, j, most);
	return launch_expert_rows;
}

/* `most` rows at a time, or as many as there is shared memory for. */
static int by_rows(struct cuda *c, const struct experts_job *all, int most, float *y,
		   struct err *err)
{
	int fit;
	launch_rows *launch =
		rows_launcher(c, all, all->n_tok < most ? all->n_tok : most, &fit);

	if (fit == 0)
		return cuda_refuse(err, "experts",
				   "%d x %d, %d used: a block's %d bytes hold no row",
				   all->inner, all->d, all->n_used, c->block_shared);
	for (int t = 0; t < all->n_tok; t += fit) {
		struct experts_job j = *all;
		size_t choice = (size_t)t * (size_t)j.n_used;
		int rc;

		j.n_tok = j.n_tok - t < fit ? j.n_tok - t : fit;
		j.x += (size_t)t * (size_t)j.d * 2;
		j.chosen += choice;
		j.weight += choice;
		j.t += (size_t)t * (size_t)(j.n_used + 1) * (size_t)j.inner;
		rc = launch(c, &j, y + (size_t)t * (size_t)j.d, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* Rows an expert has on average from which tiles of 128 serve it better than those of 64. */
#define WIDE_ROWS 96

static int by_expert(struct cuda *c, const struct experts_job *j, const struct room *r,
		     unsigned char *scratch, float *y, struct err *err)
{
	struct experts_sorted s = {(int *)(void *)(scratch + r->count),
				   (int *)(void *)(scratch + r->order),
				   (struct expert_tile *)(void *)(scratch + r->tiles),
				   (int *)(void *)(scratch + r->n_tiles)};

	unsigned threads = 128, blocks = (unsigned)(j->d / 4 + 127) / threads;
	int rc = j->n_tok * j->n_used >= WIDE_ROWS * j->n_expert
			 ? launch_expert_many<4>(c, j, &s, err)
			 : launch_expert_many<2>(c, j, &s, err);

	if (rc)
		return rc;
	launch_kernel(c, experts_sum, dim3(blocks, (unsigned)j->n_tok), threads, 0, *j, y);
	return cuda_check_launch(c, "experts", err);
}

/* All that is chosen, the weights of all being where *j says. */
static int by_policy(struct cuda *c, const struct experts_job *j, const struct room *r,
		     unsigned char *scratch, float *y, struct err *err)
{
	enum cuda_moe way = cuda_moe_choose(c->moe, j->n_tok);

	if (way == CUDA_MOE_GROUPED)
		return by_expert(c, j, r, scratch, y, err);
	return by_rows(c, j, way == CUDA_MOE_REFERENCE ? 1 : CUDA_DECODE_ROWS, y, err);
}

/* The same where the host computes some of them. */
static int with_hosted(struct cuda *c, const struct experts_args *a, struct experts_job *j,
		       const struct room *r, unsigned char *scratch, struct err *err)
{
	struct hosted_view v = {};
	int asks = a->n_tok <= CUDA_DECODE_ROWS, rc;

	if (asks)
		rc = launch_hosted_ask(c, a, j, &v, (int32_t *)(void *)(scratch + r->chosen),
				       (float *)(void *)(scratch + r->weight), err);
	else
		rc = launch_hosted_bring(c, a, j, err);
	if (!rc)
		rc = by_policy(c, j, r, scratch, (float *)(void *)a->y, err);
	return rc || !asks ? rc : launch_hosted_add(c, a, &v, err);
}

int cuda_experts(struct backend *be, const struct experts_args *a, struct err *err)
{
	struct cuda *c = cuda_of(be);
	struct experts_job j = {a->n_tok, a->d, a->inner, a->n_expert, a->n_used};
	struct room r = room_of(a->n_tok, a->d, a->inner, a->n_expert, a->n_used);
	int hosted = hosted_here(c, a);
	void *scratch;
	int rc = check(a, err);

	if (rc || (rc = type_of(a->experts, "routed", hosted, &j.type, err)) ||
	    (rc = type_of(a->shared, "shared", 0, &j.shared_type, err)) ||
	    (rc = cuda_scratch(c, r.bytes, "experts", &scratch, err)))
		return rc;
	j.limit = a->limit;
	j.shared = cuda_expert_of(a->shared);
	j.experts = (const struct cuda_expert *)(const void *)a->table;
	j.x = a->x;
	j.chosen = (const int32_t *)(const void *)a->expert;
	j.weight = (const float *)(const void *)a->weight;
	j.t = (uint16_t *)(void *)((unsigned char *)scratch + r.t);
	j.part = (float *)(void *)((unsigned char *)scratch + r.part);
	if (hosted)
		return with_hosted(c, a, &j, &r, (unsigned char *)scratch, err);
	return by_policy(c, &j, &r, (unsigned char *)scratch, (float *)(void *)a->y, err);
}
