/*
 * How the experts of few rows are cut for experts_ring.cuh: pieces of strips, their ring of
 * slots, and where things lie in a block's shared memory.
 */
#ifndef KERNELS_CUDA_RING_PLAN_CUH
#define KERNELS_CUDA_RING_PLAN_CUH

#include "kernels/cuda/experts_rows.cuh"

#define RING_STEPS     16 /* of a slot, at most (packed.h): four for each of a group's warps */
#define RING_GROUPS    4
#define RING_WARPS     (RING_GROUPS * 4) /* that multiply; behind them one a group that asks */
#define RING_CONSUMERS (RING_WARPS * WARP)
#define RING_THREADS   (RING_CONSUMERS + RING_GROUPS * WARP)
#define RING_CODES     (RING_STEPS * PACKED_STEP_BYTES)
#define RING_SLOT      (RING_CODES + RING_STEPS * PACKED_STEP_SCALE)
#define RING_MOST      12   /* slots: no more are needed */
#define RING_ROWS      4    /* pairs of an item of FP4: two sets of two */
#define RING_ZEROS     1024 /* bytes: what a warp reads of a row of x for a slot */

enum { UP, DOWN };

/* How a row of one type is cut: n pieces of `each` steps, the last perhaps of fewer. */
struct ring_cut {
	int steps, n, each;
};

/* The way up or down.  A task is a tile of strips with some of the items. */
struct ring_side {
	int in, tiles, tasks;   /* tasks: tiles times the blocks that share a tile's items */
	struct ring_cut cut[2]; /* of the routed, of the shared */
	int n_scale;            /* bytes of a row of the shared expert's scales */
	int pairs;              /* of a phase, at most */
	int parts;              /* that a strip's sum has room for */
	unsigned scales, x, total, sums; /* in shared memory */
};

struct ring_plan {
	struct ring_side side[2];
	int grid, slots;
	unsigned barriers, work, list, table, zeros, ring, bytes;
	uint32_t *counter;
};

/* What is to be done with a slot; who asks for its weights leaves it for those who multiply. */
struct __align__(16) ring_work
{
	/* bytes of shared memory at which the slot's columns begin: FP4 of each pair's row of
	 * x, the last's again where there are fewer; F8 of the first one's, and how far rows
	 * are */
	uint32_t x[RING_ROWS];
	uint32_t sums;   /* floats from the side's sums on: the strip's of the first pair */
	uint32_t scales; /* F8: the byte of shared memory that has the row's first */
	int n;           /* pairs */
	int steps;       /* of the slot; F8: the first one's number · 32 besides, and 2^30 */
};

#define RING_IS_F8 (1 << 30)

/* Floats that a pair's sums take. */
static __host__ __device__ __forceinline__ int ring_pair_sums(const struct ring_side &s)
{
	return STRIPS * s.parts * PACKED_ROWS;
}

/* ------------------------------------------------------------------ the host's part */

static inline struct ring_cut ring_cut_of(int type, int in)
{
	struct ring_cut c = {packed_steps(type, in), 0, 0};

	c.n = (c.steps + RING_STEPS - 1) / RING_STEPS;
	c.each = (c.steps + c.n - 1) / c.n;
	return c;
}

static inline struct ring_side ring_side_of(int in, int tiles, unsigned shares)
{
	struct ring_side s = {in, tiles, tiles * (int)shares};

	s.cut[0] = ring_cut_of(WEIGHT_FP4, in);
	s.cut[1] = ring_cut_of(WEIGHT_F8, in);
	s.n_scale = in / 128;
	s.parts = 4 * (s.cut[0].n > s.cut[1].n ? s.cut[0].n : s.cut[1].n);
	return s;
}

static inline unsigned ring_take(size_t *at, size_t bytes)
{
	size_t here = (*at + 127) / 128 * 128;

	*at = here + bytes;
	return (unsigned)here;
}

/* Pairs of a phase for which there are `left` bytes, x_bytes and its sums each: at most `all`.
 */
static inline int ring_pairs(const struct ring_side *s, size_t left, size_t x_bytes, int all)
{
	size_t n = left / ((size_t)ring_pair_sums(*s) * sizeof(float) + x_bytes);

	return n < (size_t)all ? (int)n : all;
}

/* Places what up and down want of shared memory behind `at`, over each other; 0: it does not
 * fit. */
static inline int ring_place_sides(struct ring_plan *p, const struct experts_job *j, int n,
				   size_t at, size_t all)
{
	int pairs = n * (j->n_used + 1), most = pairs < ITEM_ROWS ? pairs : ITEM_ROWS;
	size_t up_at = at, down_at = at, t = (size_t)x_pitch(j->inner);
	struct ring_side *up = &p->side[UP], *down = &p->side[DOWN];

	up->x = ring_take(&up_at, (size_t)n * (size_t)x_pitch(j->d));
	up->sums = ring_take(&up_at, 0);
	down->total = ring_take(&down_at, (size_t)pairs * STRIPS * PACKED_ROWS * 4);
	down->x = ring_take(&down_at, 0);
	if (up_at > all || down_at > all)
		return 0;
	up->pairs = ring_pairs(up, all - up_at, 0, pairs);
	down->pairs = ring_pairs(down, all - down_at, t, pairs);
	down->sums = down->x + (unsigned)((size_t)down->pairs * t);
	return up->pairs >= most && down->pairs >= most;
}

static inline size_t ring_scale_bytes(const struct ring_side *s, int grid)
{
	return (size_t)((s->tasks + grid - 1) / grid * STRIPS * s->n_scale);
}

/* The plan for n rows; 0: shared memory does not hold it. */
static inline int ring_plan_of(const struct cuda *c, const struct experts_job *j, int n,
			       struct ring_plan *p)
{
	struct ring_side *up = &p->side[UP], *down = &p->side[DOWN];
	int tiles = j->inner / PACKED_ROWS;
	size_t at = 0, fixed;

	*up = ring_side_of(j->d, tiles, up_shares(c, tiles, j->n_used));
	*down = ring_side_of(j->inner, j->d / (STRIPS * PACKED_ROWS), 1);
	p->grid = up->tasks > down->tasks ? up->tasks : down->tasks;
	p->grid = p->grid < c->n_sm ? p->grid : c->n_sm;
	p->counter = c->counters;
	p->bytes = (unsigned)c->block_shared;
	p->zeros = ring_take(&at, RING_ZEROS);
	p->list = ring_take(&at, expert_list_bytes(n * (j->n_used + 1)));
	p->table = ring_take(&at, (size_t)(j->n_expert + 1) * sizeof(struct cuda_expert));
	up->scales = ring_take(&at, ring_scale_bytes(up, p->grid));
	down->scales = ring_take(&at, ring_scale_bytes(down, p->grid));
	fixed = at;
	for (p->slots = RING_MOST; p->slots > 0; p->slots -= RING_GROUPS) {
		at = fixed;
		p->barriers = ring_take(&at, (size_t)p->slots * 16);
		p->work = ring_take(&at, (size_t)p->slots * sizeof(struct ring_work));
		p->ring = ring_take(&at, (size_t)p->slots * RING_SLOT);
		if (ring_place_sides(p, j, n, at, (size_t)c->block_shared))
			return 1;
	}
	return 0;
}

#endif
