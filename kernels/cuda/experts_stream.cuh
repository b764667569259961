/*
 * A strip of 16 rows of each expert of a list, streamed through registers and multiplied.
 *
 * A strip has eight warps.  Each takes a part of a row's steps (packed.h), the same of every
 * expert, or, where rows are so short that parts would be of less than a batch, parts of the
 * experts that are its turn.  A batch is up to four steps; while a warp multiplies one, it
 * loads the next into the registers that become free, across experts, so that no warp waits for
 * another while it streams and about 64 KB are on their way to a multiprocessor.  A lane's
 * units of rows lane / 4 and 8 more are the first operand of mma.m16n8k16, up to 8 rows of x
 * the second.
 *
 * A sum depends on its row of W, its row of x and the number of parts alone, and that on the
 * matrix's type and columns: rows of x are columns of the instruction, which do not see each
 * other.  That is why 1 row and 16 have the same bits.
 */
#ifndef KERNELS_CUDA_EXPERTS_STREAM_CUH
#define KERNELS_CUDA_EXPERTS_STREAM_CUH

#include "kernels/cuda/codes.cuh"
#include "kernels/cuda/copy.cuh"
#include "kernels/cuda/experts_list.cuh"
#include "kernels/cuda/packed.h"

#define STRIPS         2
#define STRIP_WARPS    8
#define STREAM_WARPS   (STRIPS * STRIP_WARPS)
#define STREAM_THREADS (STREAM_WARPS * WARP)
#define BATCH          4     /* steps */
#define X_PAD          64    /* bytes between rows of x: no two rows of a phase share a bank */
#define X_STEP         128   /* columns: x has zeros up to a multiple */
#define MOST_COLUMNS   32768 /* a warp holds the scales of its part of an F8 row, a lane each */

/* Where a strip of an expert begins: a tile's codes and, FP4 and F8, its scales. */
struct strip {
	const unsigned char *w, *s;
};

/* A warp's part of a row of one type. */
struct row_part {
	int first; /* step */
	int full;  /* steps whose rows have all their units */
	int tail;  /* units of a row in the step behind these; 0: there is none */
	int batch; /* steps at a time */
	int part, parts;
	int turn, turns; /* which of the experts are this warp's: each turns-th */
};

static __host__ __device__ __forceinline__ int x_pitch(int in)
{
	return (in + X_STEP - 1) / X_STEP * X_STEP * 2 + X_PAD;
}

static __device__ __forceinline__ struct row_part row_part_of(int type, int in, int warp)
{
	int units = in / packed_columns(type), steps = packed_steps(type, in), end;
	struct row_part p;

	p.parts = steps >= 8 * BATCH ? 8 : steps >= 4 * BATCH ? 4 : steps >= 2 * BATCH ? 2 : 1;
	p.part = warp % p.parts;
	p.turn = warp / p.parts;
	p.turns = STRIP_WARPS / p.parts;
	p.first = steps * p.part / p.parts;
	end = steps * (p.part + 1) / p.parts;
	p.tail = end == steps ? units % PACKED_UNITS : 0;
	p.full = end - p.first - (p.tail > 0);
	p.batch = (p.full + BATCH - 1) / BATCH;
	p.batch = p.batch ? (p.full + p.batch - 1) / p.batch : 1;
	return p;
}

static __device__ __forceinline__ struct strip
strip_at(int type, const unsigned char *w, const unsigned char *s, int tile, int in)
{
	size_t units = (size_t)(in / packed_columns(type));
	struct strip at = {w + (size_t)tile * PACKED_ROWS * units * 16, NULL};

	if (type == WEIGHT_FP4)
		at.s = s + (size_t)tile * PACKED_ROWS * units;
	if (type == WEIGHT_F8)
		at.s = s + (size_t)(tile * PACKED_ROWS / 128) * (size_t)((in + 127) / 128);
	return at;
}

/* ---------------------------------------------------------------- batches */

/* Units of the lane's two rows, and of FP4 both rows' scales. */
struct batch {
	uint4 a[BATCH], b[BATCH];
	uint32_t s[BATCH];
};

/* The batch that a warp loads next. */
struct cursor {
	const unsigned char *w, *s; /* the lane's own */
	int n;                      /* steps; 0: all has been loaded */
	int left;                   /* full steps behind them */
	int tail;     /* as in struct row_part, while that step is still to come */
	int tail_now; /* the batch is that step */
	int size;     /* steps of a full batch */
	int type, item;
};

static __device__ __forceinline__ void cursor_step(struct cursor *c)
{
	c->w += c->n * PACKED_STEP_BYTES;
	c->s += c->n * PACKED_STEP_SCALE;
	c->n = min(c->left, c->size);
	c->left -= c->n;
	c->tail_now = 0;
	if (c->n == 0 && c->tail) {
		c->n = 1;
		c->tail_now = c->tail;
		c->tail = 0;
	}
}

static __device__ __forceinline__ void
cursor_begin(struct cursor *c, int type, const struct strip &strip, const struct row_part &part)
{
	int lane = (int)threadIdx.x % WARP;

	c->w = strip.w + (unsigned)(part.first * PACKED_STEP_BYTES + lane * 16);
	c->s = strip.s + (unsigned)(part.first * PACKED_STEP_SCALE + lane * 2);
	c->type = type;
	c->n = 0;
	c->left = part.full;
	c->tail = part.tail;
	c->size = part.batch;
	cursor_step(c);
}

/* The step whose rows have fewer units: zeros for those that are missing. */
static __device__ __forceinline__ void load_tail(uint4 *a, uint4 *b, uint32_t *s,
						 const unsigned char *w,
						 const unsigned char *scales, int tail)
{
	int lane = (int)threadIdx.x % WARP, row = lane / 4, u = lane % 4;

	*a = *b = make_uint4(0, 0, 0, 0);
	*s = 0;
	if (u >= tail)
		return;
	w += (row * tail + u) * 16 - lane * 16;
	*a = load_once(w);
	*b = load_once(w + 8 * tail * 16);
	if (scales)
		*s = *(const uint16_t *)(const void *)(scales + (row * tail + u) * 2 -
						       lane * 2);
}

/* Step k of the cursor's batch into its registers. */
static __device__ __forceinline__ void batch_load(struct batch *r, int k,
						  const struct cursor &c)
{
	if (k == 0 && c.tail_now) {
		load_tail(&r->a[0], &r->b[0], &r->s[0], c.w, c.type == WEIGHT_FP4 ? c.s : NULL,
			  c.tail_now);
		return;
	}
	if (k >= c.n)
		return;
	r->a[k] = load_once(c.w + k * PACKED_STEP_BYTES);
	r->b[k] = load_once(c.w + k * PACKED_STEP_BYTES + PACKED_STEP_BYTES / 2);
	if (c.type == WEIGHT_FP4)
		r->s[k] = __ldg((const uint16_t *)(const void *)(c.s + k * PACKED_STEP_SCALE));
}

/* ------------------------------------------------------------- products */

/* One unit of two rows by eight columns of x: x[0], x[1] of the first instruction, and so on.
 */
static __device__ __forceinline__ void fp4_word(float (&even)[4], float (&odd)[4], uint32_t a,
						uint32_t b, uint32_t sa, uint32_t sb, uint4 x)
{
	mma_bf16(even, bf16_pair_mul(packed_e2m1(a, 0), sa),
		 bf16_pair_mul(packed_e2m1(b, 0), sb), bf16_pair_mul(packed_e2m1(a, 1), sa),
		 bf16_pair_mul(packed_e2m1(b, 1), sb), x.x, x.y);
	mma_bf16(odd, bf16_pair_mul(packed_e2m1(a, 2), sa),
		 bf16_pair_mul(packed_e2m1(b, 2), sb), bf16_pair_mul(packed_e2m1(a, 3), sa),
		 bf16_pair_mul(packed_e2m1(b, 3), sb), x.z, x.w);
}

static __device__ __forceinline__ void f8_word(float (&acc)[4], uint32_t a, uint32_t b,
					       uint32_t s, uint32_t x0, uint32_t x1)
{
	mma_bf16(acc, bf16_pair_mul(packed_e4m3(a, 0), s), bf16_pair_mul(packed_e4m3(b, 0), s),
		 bf16_pair_mul(packed_e4m3(a, 1), s), bf16_pair_mul(packed_e4m3(b, 1), s), x0,
		 x1);
}

/* Byte that a lane's first eight columns of a row of x have within a step. */
template <int TYPE> static __device__ __forceinline__ uint32_t x_lane(void)
{
	uint32_t t = threadIdx.x % 4, each = packed_columns(TYPE) / 8;

	return (t * each + (uint32_t)packed_eight(TYPE, (int)t, 0)) * 16;
}

/* Step k of a batch: a, b the lane's units, `scale` of FP4 both exponents, of F8 the factor;
 * x the lane's byte of the row in the batch's first (x_lane). */
template <int TYPE>
static __device__ __forceinline__ void step_product(float (&acc)[2][4], uint4 a, uint4 b,
						    uint32_t scale, uint32_t x, int k)
{
	/* behind the bits that say which eight columns, so that one address serves all steps */
	uint32_t at = (uint32_t)(k * PACKED_UNITS * packed_columns(TYPE) * 2);

	if (TYPE == WEIGHT_FP4) {
		uint32_t sa = (scale & 255) * 0x00800080u, sb = (scale >> 8) * 0x00800080u;

		fp4_word(acc[0], acc[1], a.x, b.x, sa, sb, load_shared(x + at));
		fp4_word(acc[0], acc[1], a.y, b.y, sa, sb, load_shared((x ^ 16) + at));
		fp4_word(acc[0], acc[1], a.z, b.z, sa, sb, load_shared((x ^ 32) + at));
		fp4_word(acc[0], acc[1], a.w, b.w, sa, sb, load_shared((x ^ 48) + at));
	} else if (TYPE == WEIGHT_F8) {
		uint4 low = load_shared(x + at), high = load_shared((x ^ 16) + at);

		f8_word(acc[0], a.x, b.x, scale, low.x, low.y);
		f8_word(acc[1], a.y, b.y, scale, low.z, low.w);
		f8_word(acc[0], a.z, b.z, scale, high.x, high.y);
		f8_word(acc[1], a.w, b.w, scale, high.z, high.w);
	} else {
		uint4 v = load_shared(x + at);

		mma_bf16(acc[0], a.x, b.x, a.y, b.y, v.x, v.y);
		mma_bf16(acc[1], a.z, b.z, a.w, b.w, v.z, v.w);
	}
}

/* ----------------------------------------------------------- a warp's work */

#define PAIR_SUMS (STRIPS * STRIP_WARPS * PACKED_ROWS) /* floats */

/* Where things lie in a block's shared memory. */
struct rows_room {
	int pairs; /* of a phase, at most */
	unsigned strips, table, parts, list, total, x, sums, bytes;
};

/* What a warp works with. */
struct worker {
	int strip, lane_warp; /* the warp's number in its strip */
	int type, shared_type;
	int n_shared; /* items of the shared expert; they are the first */
	struct expert_list list;
	const struct strip *strips;   /* [n_item, STRIPS] */
	const struct row_part *parts; /* [2, STRIP_WARPS]: of the routed, of the shared */
	unsigned char *shared;
	struct rows_room room;
};

static __device__ __forceinline__ const struct row_part &part_of(const struct worker &w,
								 int is_shared)
{
	return w.parts[is_shared * STRIP_WARPS + w.lane_warp];
}

/* The first of this warp's items among item from and those behind it. */
static __device__ __forceinline__ int first_item(const struct worker &w, int from)
{
	int turn = part_of(w, 1).turn;

	if (from + turn < w.n_shared)
		return from + turn;
	return max(from, w.n_shared) + part_of(w, 0).turn;
}

static __device__ __forceinline__ int next_item(const struct worker &w, int item)
{
	if (item >= w.n_shared)
		return item + part_of(w, 0).turns;
	item += part_of(w, 1).turns;
	return item < w.n_shared ? item : w.n_shared + part_of(w, 0).turn;
}

static __device__ __forceinline__ void cursor_item(struct cursor *c, const struct worker &w,
						   int end)
{
	int is_shared = c->item < w.n_shared;

	if (c->item < end)
		cursor_begin(c, is_shared ? w.shared_type : w.type,
			     w.strips[c->item * STRIPS + w.strip], part_of(w, is_shared));
}

/* The next batch, of this item or of the next of those before `end`. */
static __device__ __forceinline__ void cursor_next(struct cursor *c, const struct worker &w,
						   int end)
{
	if (c->n == 0)
		return;
	cursor_step(c);
	if (c->n == 0) {
		c->item = next_item(w, c->item);
		cursor_item(c, w, end);
	}
}

/* The scales of a part of an F8 matrix, one of 128 columns a lane. */
static __device__ __forceinline__ uint32_t part_scales(int type, const struct strip &at,
						       const struct row_part &part)
{
	int lane = (int)threadIdx.x % WARP, steps = part.full + (part.tail > 0);

	return type == WEIGHT_F8
		       ? at.s[min(part.first / 2 + lane, (part.first + steps - 1) / 2)]
		       : 0;
}

/*
 * n steps of a batch, from step `at` of the row on, whose registers are filled with the
 * cursor's.  `scales`: part_scales(), its first of step 2 `first`.  x: the lane's byte of step
 * `at`.
 */
template <int TYPE>
static __device__ __forceinline__ void batch_product(float (&acc)[2][4], struct batch *r, int n,
						     const struct cursor &c, uint32_t scales,
						     int at, int first, uint32_t x)
{
#pragma unroll
	for (int k = 0; k < BATCH; k++) {
		uint32_t scale = r->s[k];

		if (TYPE == WEIGHT_F8)
			scale = code_scale<TYPE>(
				__shfl_sync(ALL_LANES, scales, (at + k) / 2 - first));
		if (k < n)
			step_product<TYPE>(acc, r->a[k], r->b[k], scale, x, k);
		batch_load(r, k, c);
	}
}

template <int TYPE>
static __device__ __forceinline__ void
item_product(float (&acc)[2][4], struct batch *r, struct cursor *c, const struct worker &w,
	     const struct row_part &part, uint32_t scales, uint32_t x, int end)
{
	const uint32_t step_x = PACKED_UNITS * packed_columns(TYPE) * 2;
	int at = part.first, full = part.first + part.full, last = full + (part.tail > 0);

	x += x_lane<TYPE>() + (uint32_t)part.first * step_x;
#pragma unroll 1
	while (at < last) {
		int n = at < full ? min(full - at, part.batch) : 1;

		cursor_next(c, w, end);
		batch_product<TYPE>(acc, r, n, *c, scales, at, part.first / 2, x);
		x += (uint32_t)n * step_x;
		at += n;
	}
}

/* An item's sums of this warp, to the place of each of its pairs. */
static __device__ __forceinline__ void item_store(const float (&acc)[2][4],
						  const struct expert_item &item,
						  const struct worker &w, int part,
						  int phase_first)
{
	int lane = (int)threadIdx.x % WARP, row = lane / 4;
	float *to = (float *)(void *)(w.shared + w.room.sums);

	to += (size_t)(item.first - phase_first) * PAIR_SUMS;
	to += (w.strip * STRIP_WARPS + part) * PACKED_ROWS + row;
#pragma unroll
	for (int i = 0; i < 2; i++) {
		int pair = lane % 4 * 2 + i;

		if (pair < item.n) {
			to[pair * PAIR_SUMS] = acc[0][i] + acc[1][i];
			to[pair * PAIR_SUMS + 8] = acc[0][i + 2] + acc[1][i + 2];
		}
	}
}

/* This warp's items of a phase, from *item on; `scales`: of the first of all items, if that is
 * this warp's; `x_of`: the row of x of a place of the order. */
template <class X>
static __device__ __forceinline__ void
phase_products(struct batch *r, struct cursor *c, int *item, int phase_end, int end,
	       const struct worker &w, uint32_t scales, int phase_first, const X &x_of)
{
	int lane = (int)threadIdx.x % WARP;

#pragma unroll 1
	for (; *item < phase_end; *item = next_item(w, *item)) {
		const struct expert_item it = w.list.items[*item];
		int is_shared = *item < w.n_shared;
		int type = is_shared ? w.shared_type : w.type;
		const struct row_part &part = part_of(w, is_shared);
		/* rows behind the last are computed like it and not stored */
		uint32_t x = x_of(it.first + min(lane / 4, it.n - 1));
		float acc[2][4] = {};

		if (*item > 0)
			scales = part_scales(type, w.strips[*item * STRIPS + w.strip], part);
		if (type == WEIGHT_FP4)
			item_product<WEIGHT_FP4>(acc, r, c, w, part, scales, x, end);
		else if (type == WEIGHT_F8)
			item_product<WEIGHT_F8>(acc, r, c, w, part, scales, x, end);
		else
			item_product<WEIGHT_BF16>(acc, r, c, w, part, scales, x, end);
		item_store(acc, it, w, part.part, phase_first);
	}
}

/* The end of the phase that begins with item `from`. */
static __device__ __forceinline__ int phase_end(const struct worker &w, int from, int end)
{
	int pairs = w.list.items[from].n, to = from + 1;

	while (to < end && pairs + w.list.items[to].n <= w.room.pairs)
		pairs += w.list.items[to++].n;
	return to;
}

static __device__ __forceinline__ int pairs_before(const struct worker &w, int item)
{
	const struct expert_item last = w.list.items[item - 1];

	return last.first + last.n;
}

/* The sum of a row of W with a pair's x: the parts in their order.  `place` of a phase. */
static __device__ __forceinline__ float pair_sum(const struct worker &w, int place, int strip,
						 int row, int shared_expert)
{
	const float *from = (const float *)(const void *)(w.shared + w.room.sums) +
			    (size_t)place * PAIR_SUMS + strip * STRIP_WARPS * PACKED_ROWS + row;
	int type = shared_expert ? w.shared_type : w.type;
	int parts = part_of(w, shared_expert).parts;
	float v = from[0];

	for (int p = 1; p < parts; p++)
		v += from[p * PACKED_ROWS];
	return v *
	       (type == WEIGHT_BF16 ? code_factor<WEIGHT_BF16>() : code_factor<WEIGHT_F8>());
}

/* A row of x on its way into shared memory by `n` threads of which this is number i, zeros
 * behind it; stage_end() and a barrier, and it is there. */
static __device__ __forceinline__ void stage_row(unsigned char *to, const unsigned char *from,
						 int in, int i, int n)
{
	uint32_t at = shared_address(to);

	for (int u = i; u < (x_pitch(in) - X_PAD) / 16; u += n)
		copy_async(at + (uint32_t)u * 16, from + (u * 8 < in ? u : 0) * 16, u * 8 < in);
}

static __device__ __forceinline__ void stage_end(void)
{
	copy_commit();
	copy_wait_but<0>();
}

/*
 * The first batch, where it is of the shared expert (`mine`), which needs nothing that another
 * kernel made.  Returns whether it was loaded.
 */
static __device__ __forceinline__ int first_batch(struct batch *r, struct cursor *c,
						  const struct worker &w,
						  const struct strip &own,
						  const struct row_part &part, int mine)
{
	c->n = 0;
	if (!mine || part.turn != 0)
		return 0;
	c->item = 0;
	cursor_begin(c, w.shared_type, own, part);
#pragma unroll
	for (int k = 0; k < BATCH; k++)
		batch_load(r, k, *c);
	return 1;
}

/* Else it is that of this warp's first item. */
static __device__ __forceinline__ void other_batch(struct batch *r, struct cursor *c,
						   const struct worker &w, int item, int end)
{
	c->item = item;
	cursor_item(c, w, end);
#pragma unroll
	for (int k = 0; k < BATCH; k++)
		batch_load(r, k, *c);
}

#endif
