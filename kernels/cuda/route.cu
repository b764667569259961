/*
 * Which experts, and how much of each.
 *
 *   s = √softplus(logit);  the n_used greatest s + bias (of equal ones the lower number), or
 * the table's;  weight = s / (sum of the chosen s) · scale, in ascending order of the number
 *
 * A warp chooses for a token, with the keys in its registers: every round takes the greatest
 * that is left.
 *
 * route:      a block has a token, a thread an expert's score (or several), the first warp
 *             chooses.  Floor: a launch.
 * gate_route: a block has two rows of the gate, all of their columns, its warps' parts added in
 *             their order; the last block to end chooses.  One more makes the mixtures that
 *             the joint before has left.  Floor of few rows: the gate over the
 *             memory's bandwidth (2 MB of Flash, 0.5 µs, on its way before kernel_begin()), a
 *             launch, and one exchange between blocks.
 */
#include "kernels/cuda/mhc_mix.cuh"
#include "kernels/cuda/tiles.h"

#define THREADS      256
#define WARPS        (THREADS / WARP)
#define MAX_EXPERT   1024
#define MAX_USED     32
#define GATE_EXPERTS 2 /* of a block: a warp's lanes have those of all decode rows */

static __device__ __forceinline__ float sqrt_softplus(float x)
{
	double v = (double)x;

	return (float)sqrt(v > 40.0 ? v : log1p(exp(v)));
}

/* The same within a few units in the last place, sooner. */
static __device__ __forceinline__ float quick_score(float x)
{
	if (x < -80.0f) /* where exp() leaves float's normal numbers */
		return sqrt_softplus(x);
	return sqrtf(x > 40.0f ? x : log1pf(expf(x)));
}

/* The key of a score; NaN counts as minus infinity.  0 is left for what has been taken. */
static __device__ __forceinline__ uint32_t choice_key(float s)
{
	return round_key(s != s ? -INFINITY : s);
}

/* The experts' keys of a warp: lane l has those of experts l, 32 + l and so on. */
template <int KEYS> struct keys {
	uint32_t of[KEYS];
};

/* The greatest and the least of N values, a power of two, in a tree. */
template <int N> static __device__ __forceinline__ uint32_t greatest(const uint32_t *v)
{
	if constexpr (N == 1)
		return v[0];
	else
		return max(greatest<N / 2>(v), greatest<N / 2>(v + N / 2));
}

template <int N> static __device__ __forceinline__ int least(const int *v)
{
	if constexpr (N == 1)
		return v[0];
	else
		return min(least<N / 2>(v), least<N / 2>(v + N / 2));
}

/* The expert of the greatest key, of equal ones the lowest; its key becomes 0. */
template <int KEYS> static __device__ __forceinline__ int take_best(keys<KEYS> &k, int lane)
{
	uint32_t best = __reduce_max_sync(ALL_LANES, greatest<KEYS>(k.of));
	int at[KEYS], first;

#pragma unroll
	for (int i = 0; i < KEYS; i++)
		at[i] = k.of[i] == best ? i * WARP + lane : MAX_EXPERT;
	first = __reduce_min_sync(ALL_LANES, least<KEYS>(at));
#pragma unroll
	for (int i = 0; i < KEYS; i++)
		k.of[i] = i * WARP + lane == first ? 0 : k.of[i];
	return first;
}

/* The n_used greatest; lane i gets the i-th of them. */
template <int KEYS>
static __device__ __forceinline__ int best_experts(keys<KEYS> &k, int n_used, int lane)
{
	int mine = 0;

	for (int i = 0; i < n_used; i++) {
		int e = take_best(k, lane);

		mine = lane == i ? e : mine;
	}
	return mine;
}

/* What the table has for the token; lane i gets the i-th. */
static __device__ __forceinline__ int listed_expert(const struct route_args &a, int64_t t,
						    int lane)
{
	int64_t id = ((const int32_t *)a.ids)[t];

	return lane < a.n_used ? (int)((const int64_t *)a.table)[id * a.n_used + lane] : 0;
}

/* A warp stores what it has chosen for token t: lane i the i-th expert, and its score. */
static __device__ __forceinline__ void store_choice(const struct route_args &a, int64_t t,
						    int mine, float s, int lane)
{
	int rank = 0;
	float sum = 0.0f;

	for (int i = 0; i < a.n_used; i++) {
		int other = __shfl_sync(ALL_LANES, mine, i);

		rank += other < mine || (other == mine && i < lane);
	}
	for (int i = 0; i < a.n_used; i++) {
		uint32_t at = __ballot_sync(ALL_LANES, lane < a.n_used && rank == i);

		sum += __shfl_sync(ALL_LANES, s, __ffs((int)at) - 1);
	}
	if (lane < a.n_used) {
		((int32_t *)a.expert)[t * a.n_used + rank] = mine;
		((float *)a.weight)[t * a.n_used + rank] = s / sum * a.scale;
		if (a.uses)
			atomicAdd((int32_t *)a.uses + mine, 1);
	}
}

/* ------------------------------------------------------------------- from logits */

/* KEYS · 32 experts at most. */
template <int KEYS> static __global__ void __launch_bounds__(THREADS) route(struct route_args a)
{
	kernel_begin();
	__shared__ float score[KEYS * WARP];
	__shared__ uint32_t key[KEYS * WARP];
	int64_t t = blockIdx.x;
	const float *logit = (const float *)a.logits + t * a.n_expert;
	int lane = (int)threadIdx.x, mine;
	keys<KEYS> k;

	for (int e = lane; e < KEYS * WARP; e += THREADS) {
		float v = e < a.n_expert ? sqrt_softplus(logit[e]) : 0.0f;

		score[e] = v;
		key[e] = e < a.n_expert
				 ? choice_key(a.bias ? v + ((const float *)a.bias)[e] : v)
				 : 0;
	}
	__syncthreads();
	if (lane >= WARP)
		return;
#pragma unroll
	for (int i = 0; i < KEYS; i++)
		k.of[i] = key[i * WARP + lane];
	mine = a.table ? listed_expert(a, t, lane) : best_experts(k, a.n_used, lane);
	store_choice(a, t, mine, score[mine], lane);
}

static int check(const char *op, const struct route_args *a, struct err *err)
{
	if (a->n_tok < 1 || a->n_tok > CUDA_MAX_ROWS || a->n_expert < 1 ||
	    a->n_expert > MAX_EXPERT || a->n_used < 1 || a->n_used > MAX_USED ||
	    a->n_used > a->n_expert)
		return cuda_refuse(err, op, "%d rows, %d of %d experts (at most %d of %d)",
				   a->n_tok, a->n_used, a->n_expert, MAX_USED, MAX_EXPERT);
	return 0;
}

int cuda_route(struct backend *be, const struct route_args *a, struct err *err)
{
	struct cuda *c = cuda_of(be);

	if (check("route", a, err))
		return err->code;
	if (a->n_expert <= 8 * WARP)
		launch_kernel(c, route<8>, (unsigned)a->n_tok, THREADS, 0, *a);
	else if (a->n_expert <= 16 * WARP)
		launch_kernel(c, route<16>, (unsigned)a->n_tok, THREADS, 0, *a);
	else
		launch_kernel(c, route<MAX_EXPERT / WARP>, (unsigned)a->n_tok, THREADS, 0, *a);
	return cuda_check_launch(c, "route", err);
}

/* ----------------------------------------------------------------- gate and choice */

struct gate {
	int d, tiles;               /* tiles: how w lies */
	const unsigned char *w, *x; /* bf16 [n_expert, d], [n_tok, d] */
	struct route_args route;
	float *score;      /* [n_tok, n_expert] */
	uint32_t *key;     /* the same */
	uint32_t *counter; /* 0 */
	unsigned blocks;   /* that have rows of the gate */
	struct mhc_mix_args mix;
};

/* Products of 8 neighbouring columns, added to `acc` one after another. */
static __device__ __forceinline__ float dot8(uint4 w, uint4 x, float acc)
{
	const uint32_t a[4] = {w.x, w.y, w.z, w.w}, b[4] = {x.x, x.y, x.z, x.w};

#pragma unroll
	for (int i = 0; i < 4; i++) {
		acc = fmaf(f32_of_bf16_low(a[i]), f32_of_bf16_low(b[i]), acc);
		acc = fmaf(f32_of_bf16_high(a[i]), f32_of_bf16_high(b[i]), acc);
	}
	return acc;
}

/* The block's experts' weights in a thread's columns: 8 each in groups of THREADS · 8. */
template <int GROUPS>
static __device__ __forceinline__ void gate_load(const struct gate &g, int first,
						 uint4 (&w)[GATE_EXPERTS][GROUPS])
{
#pragma unroll
	for (int e = 0; e < GATE_EXPERTS; e++) {
#pragma unroll
		for (int k = 0; k < GROUPS; k++) {
			int i = (int)threadIdx.x + k * THREADS;
			size_t units = (size_t)g.d / 8;
			size_t at = g.tiles ? tiles_unit(units, first + e, i)
					    : (size_t)(first + e) * units + (size_t)i;

			w[e][k] = i < g.d / 8 && first + e < g.route.n_expert
					  ? load_once((const uint4 *)(const void *)g.w + at)
					  : uint4{};
		}
	}
}

/* The warps' parts of the block's logits, of all tokens. */
template <int GROUPS>
static __device__ __forceinline__ void
gate_products(const struct gate &g, const uint4 (&w)[GATE_EXPERTS][GROUPS],
	      float (&part)[CUDA_DECODE_ROWS][GATE_EXPERTS][WARPS])
{
	int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;

#pragma unroll 2
	for (int t = 0; t < g.route.n_tok; t++) {
		const uint4 *x = (const uint4 *)(const void *)(g.x + (int64_t)t * g.d * 2);
		float acc[GATE_EXPERTS] = {};

#pragma unroll
		for (int k = 0; k < GROUPS; k++) {
			int i = (int)threadIdx.x + k * THREADS;
			uint4 v = i < g.d / 8 ? x[i] : uint4{};

			for (int e = 0; e < GATE_EXPERTS; e++)
				acc[e] = dot8(w[e][k], v, acc[e]);
		}
		for (int e = 0; e < GATE_EXPERTS; e++)
			acc[e] = warp_sum(acc[e]);
		if (lane == 0) {
			for (int e = 0; e < GATE_EXPERTS; e++)
				part[t][e][warp] = acc[e];
		}
	}
}

/* Thread i has token i / GATE_EXPERTS and one of the block's experts: its score, for all to
 * see. */
static __device__ __forceinline__ void gate_publish(const struct gate &g, int expert,
						    float bias, const float (&part)[WARPS],
						    int64_t t)
{
	float v = part[0], s;
	int64_t at = t * g.route.n_expert + expert;

	for (int w = 1; w < WARPS; w++)
		v += part[w];
	s = quick_score(v);
	g.score[at] = s;
	g.key[at] = choice_key(g.route.bias ? s + bias : s);
	__threadfence();
}

/* By a warp, when all blocks have published.  score: shared, of this warp. */
template <int KEYS>
static __device__ __forceinline__ void gate_choose(const struct gate &g, int64_t t,
						   float *score, int lane)
{
	keys<KEYS> k;
	int n = g.route.n_expert, mine;

#pragma unroll
	for (int i = 0; i < KEYS; i++) {
		int e = i * WARP + lane;

		k.of[i] = e < n ? __ldcg(&g.key[t * n + e]) : 0;
		score[e] = e < n ? __ldcg(&g.score[t * n + e]) : 0.0f;
	}
	__syncwarp();
	mine = g.route.table ? listed_expert(g.route, t, lane)
			     : best_experts(k, g.route.n_used, lane);
	store_choice(g.route, t, mine, score[mine], lane);
	__syncwarp();
}

/* KEYS · 32 experts and GROUPS · THREADS · 8 columns at most. */
template <int GROUPS, int KEYS>
static __global__ void __launch_bounds__(THREADS) gate(const __grid_constant__ struct gate g)
{
	__shared__ float part[CUDA_DECODE_ROWS][GATE_EXPERTS][WARPS];
	__shared__ float score[WARPS][KEYS * WARP];
	__shared__ bool last;
	int i = (int)threadIdx.x, lane = i % WARP, warp = i / WARP;
	int first = (int)blockIdx.x * GATE_EXPERTS, e = i % GATE_EXPERTS;
	uint4 w[GATE_EXPERTS][GROUPS];
	float bias = 0.0f;

	if (blockIdx.x == g.blocks) {
		kernel_begin();
		for (int t = warp; t < g.mix.n_tok; t += WARPS)
			mix_token(g.mix, t, score[warp], lane);
		return;
	}
	gate_load<GROUPS>(g, first, w);
	if (g.route.bias && first + e < g.route.n_expert)
		bias = ((const float *)g.route.bias)[first + e];
	kernel_begin();
	gate_products<GROUPS>(g, w, part);
	__syncthreads();
	if (warp == 0) {
		int t = i / GATE_EXPERTS;

		if (t < g.route.n_tok && first + e < g.route.n_expert)
			gate_publish(g, first + e, bias, part[t][e], t);
		__syncwarp();
		if (i == 0) {
			last = atomicAdd(g.counter, 1u) == g.blocks - 1;
			__threadfence();
		}
	}
	__syncthreads();
	if (!last)
		return;
	for (int t = warp; t < g.route.n_tok; t += WARPS)
		gate_choose<KEYS>(g, t, score[warp], lane);
	if (i == 0)
		*g.counter = 0;
}

template <int GROUPS> static void launch_gate(struct cuda *c, const struct gate &g)
{
	unsigned blocks = g.blocks + (g.mix.raw != NULL);

	if (g.route.n_expert <= 8 * WARP)
		launch_kernel(c, gate<GROUPS, 8>, blocks, THREADS, 0, g);
	else
		launch_kernel(c, gate<GROUPS, MAX_EXPERT / WARP>, blocks, THREADS, 0, g);
}

/* Whether the fused kernel has this shape; what it has not, the two operations may. */
static int gate_serves(const struct gate_route_args *a)
{
	const struct linear_args *g = &a->gate;

	return g->n_tok <= CUDA_DECODE_ROWS && g->n_tok == a->route.n_tok &&
	       (!a->mix.raw || a->mix.n_tok == g->n_tok) && g->n_group == 1 &&
	       g->w.type == WEIGHT_BF16 && g->w.out == a->route.n_expert && g->w.in % 8 == 0 &&
	       g->w.in <= 4 * 8 * THREADS && ((uintptr_t)g->w.w | (uintptr_t)g->x) % 16 == 0;
}

static size_t gate_part(int n_expert)
{
	return sizeof(float) * CUDA_DECODE_ROWS * (size_t)n_expert;
}

size_t cuda_route_scratch(const struct cuda *c, const struct pass_shape *s)
{
	(void)c;
	return 2 * gate_part(s->n_expert);
}

static int one_by_one(struct backend *be, const struct gate_route_args *a, struct err *err)
{
	int rc = cuda_linear(be, &a->gate, err);

	if (!rc)
		rc = cuda_route(be, &a->route, err);
	return rc || !a->mix.raw ? rc : cuda_mhc_mix(be, &a->mix, err);
}

int cuda_gate_route(struct backend *be, const struct gate_route_args *a, struct err *err)
{
	struct cuda *c = cuda_of(be);
	struct gate g = {a->gate.w.in, a->gate.w.layout == LAYOUT_TILES, a->gate.w.w, a->gate.x,
			 a->route};
	void *scratch;

	if (!gate_serves(a))
		return one_by_one(be, a, err);
	if (check("gate_route", &a->route, err) ||
	    cuda_scratch(c, 2 * gate_part(a->route.n_expert), "gate_route", &scratch, err))
		return err->code;
	g.score = (float *)scratch;
	g.key = (uint32_t *)scratch + gate_part(a->route.n_expert) / sizeof(float);
	g.counter = c->counters;
	g.blocks = (unsigned)(a->route.n_expert + GATE_EXPERTS - 1) / GATE_EXPERTS;
	g.mix = a->mix;
	if (g.d <= 8 * THREADS)
		launch_gate<1>(c, g);
	else if (g.d <= 2 * 8 * THREADS)
		launch_gate<2>(c, g);
	else
		launch_gate<4>(c, g);
	return cuda_check_launch(c, "gate_route", err);
}
