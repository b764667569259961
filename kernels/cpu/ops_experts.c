/* Routing and the experts. */
#include "kernels/cpu/cpu.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static float *floats(dbuf p)
{
	return (float *)(void *)p;
}

static float sqrt_softplus(float x)
{
	double v = (double)x;

	return (float)sqrt(v > 40.0 ? v : log1p(exp(v)));
}

static void insert_ascending(int32_t *chosen, int n, int32_t e)
{
	while (n > 0 && chosen[n - 1] > e) {
		chosen[n] = chosen[n - 1];
		n--;
	}
	chosen[n] = e;
}

int cpu_route(struct backend *be, const struct route_args *a, struct err *err)
{
	float *s;

	if (cpu_shared(cpu_of(be), sizeof(float) * 2 * (size_t)a->n_expert, err))
		return err->code;
	s = cpu_of(be)->shared.p;
	for (int t = 0; t < a->n_tok; t++) {
		const float *logit = floats(a->logits) + (size_t)t * (size_t)a->n_expert;
		int32_t *chosen = (int32_t *)(void *)a->expert + (size_t)t * (size_t)a->n_used;
		float *weight = floats(a->weight) + (size_t)t * (size_t)a->n_used;
		float *biased = s + a->n_expert, sum = 0.0f;

		for (int e = 0; e < a->n_expert; e++) {
			s[e] = sqrt_softplus(logit[e]);
			biased[e] = a->bias ? s[e] + floats(a->bias)[e] : s[e];
			if (biased[e] != biased[e])
				biased[e] = -INFINITY;
		}
		for (int i = 0; i < a->n_used; i++) {
			int32_t best = -1;

			if (a->table) {
				int32_t id = ((const int32_t *)(const void *)a->ids)[t];
				const int64_t *row = (const int64_t *)(const void *)a->table +
						     (size_t)id * (size_t)a->n_used;

				best = (int32_t)row[i];
			} else {
				for (int32_t e = 0; e < a->n_expert; e++) {
					int taken = 0;

					for (int k = 0; k < i; k++)
						taken |= chosen[k] == e;
					if (!taken && (best < 0 || biased[e] > biased[best]))
						best = e;
				}
			}
			insert_ascending(chosen, i, best);
		}
		for (int i = 0; i < a->n_used; i++)
			sum = sum + s[chosen[i]];
		for (int i = 0; i < a->n_used; i++)
			weight[i] = s[chosen[i]] / sum * a->scale;
		for (int i = 0; a->uses && i < a->n_used; i++)
			((int32_t *)(void *)a->uses)[chosen[i]]++;
	}
	return 0;
}

/* ------------------------------------------------------------------- experts */

/* One expert's work in this call: which rows, and where their inner values stand. */
struct job {
	const struct expert_weights *e;
	int n, first; /* rows first … first + n - 1 of the lists below */
};

struct experts {
	struct cpu *c;
	const struct experts_args *a;
	struct job *jobs;
	int n_job, n_row;
	int grain;        /* inner rows computed at once */
	int blocks;       /* so many times in one job */
	int32_t *tok;     /* which token a list row is */
	float *w;         /* its weight */
	const float **xs; /* its x, in FP4 order where its expert is FP4 */
	float **g, **v;   /* its inner values [FP4_ORDERED(inner)] */
	float **t;        /* what goes down: g, or v in FP4 order */
	float **part;     /* its contribution [d] */
};

/* Inner rows computed at once: whole blocks of what goes down; or, where that would leave
 * threads idle, fewer, and what goes down is ordered afterwards. */
#define INNER_GRAIN       FP4_BLOCK
#define INNER_GRAIN_LEAST 32

/* Output rows computed at once, one token and many. */
#define DOWN_GRAIN      16
#define DOWN_GRAIN_MOST 64

static void gate_and_up(void *ctx, int worker, int64_t i0, int64_t i1)
{
	const struct experts *x = ctx;
	const struct leaf *leaf = x->c->leaf;

	for (int64_t i = i0; i < i1; i++) {
		const struct job *j = &x->jobs[i / x->blocks];
		int o0 = (int)(i % x->blocks) * x->grain;
		int o1 = o0 + x->grain < x->a->inner ? o0 + x->grain : x->a->inner;
		float *scratch = x->c->own[worker].p;

		leaf->matmul(&j->e->w1, o0, o1, j->n, x->xs + j->first, x->g + j->first,
			     scratch);
		leaf->matmul(&j->e->w3, o0, o1, j->n, x->xs + j->first, x->v + j->first,
			     scratch);
		for (int r = j->first; r < j->first + j->n; r++) {
			leaf->swiglu(x->g[r] + o0, x->v[r] + o0, o1 - o0, x->a->limit, x->w[r],
				     x->g[r] + o0);
			if (x->t[r] == x->v[r] && x->grain == INNER_GRAIN)
				leaf->fp4_order(x->g[r] + o0, o1 - o0, x->v[r] + o0);
		}
	}
}

/* What goes down of rows whose inner values have been computed in smaller pieces. */
static void order_rows(void *ctx, int worker, int64_t i0, int64_t i1)
{
	const struct experts *x = ctx;

	(void)worker;
	for (int64_t r = i0; r < i1; r++) {
		if (x->t[r] == x->v[r])
			x->c->leaf->fp4_order(x->g[r], x->a->inner, x->v[r]);
	}
}

static void inner_values(struct experts *x)
{
	const struct experts_args *a = x->a;
	int n = pool_size(x->c->pool);
	double work = 2.0 * x->n_row * (double)a->inner * (double)a->d;

	x->grain = INNER_GRAIN;
	x->blocks = (a->inner + x->grain - 1) / x->grain;
	if (x->n_job * x->blocks < 4 * n && n > 1) {
		x->grain = INNER_GRAIN_LEAST;
		x->blocks = (a->inner + x->grain - 1) / x->grain;
	}
	pool_for(x->c->pool, (int64_t)x->n_job * x->blocks, 1, work, gate_and_up, x);
	if (x->grain != INNER_GRAIN)
		pool_for(x->c->pool, x->n_row, 1, (double)x->n_row * a->inner, order_rows, x);
}

/* Output rows of every job, added up per token in the jobs' order; zeros where it has none. */
static void down(void *ctx, int worker, int64_t i0, int64_t i1)
{
	const struct experts *x = ctx;
	const struct experts_args *a = x->a;
	int o0 = (int)i0 * DOWN_GRAIN, o1 = (int)i1 * DOWN_GRAIN;

	o1 = o1 < a->d ? o1 : a->d;
	for (int t = 0; t < a->n_tok; t++)
		memset(floats(a->y) + (size_t)t * (size_t)a->d + o0, 0,
		       (size_t)(o1 - o0) * sizeof(float));
	for (const struct job *j = x->jobs; j < x->jobs + x->n_job; j++) {
		x->c->leaf->matmul(&j->e->w2, o0, o1, j->n,
				   (const float *const *)(x->t + j->first), x->part + j->first,
				   x->c->own[worker].p);
		for (int r = j->first; r < j->first + j->n; r++)
			x->c->leaf->add(x->part[r] + o0, o1 - o0,
					floats(a->y) + (size_t)x->tok[r] * (size_t)a->d + o0);
	}
}

/* Where rows of the lists, and of what they point at, are taken from. */
struct room {
	float *ordered; /* x in FP4 order [n_tok, FP4_ORDERED(d)] */
	float *inner;   /* [rows, 2, FP4_ORDERED(inner)] */
	float *part;    /* [rows, d] */
};

static void add_row(struct experts *x, const struct expert_weights *e, const struct room *room,
		    int *n, int t, float weight)
{
	const struct experts_args *a = x->a;
	size_t at = (size_t)*n;

	x->tok[at] = t;
	x->w[at] = weight;
	x->xs[at] = e->w1.type == WEIGHT_FP4 ? room->ordered + (size_t)t * FP4_ORDERED(a->d)
					     : floats(a->x) + (size_t)t * (size_t)a->d;
	x->g[at] = room->inner + 2 * at * FP4_ORDERED(a->inner);
	x->v[at] = x->g[at] + FP4_ORDERED(a->inner);
	x->t[at] = e->w2.type == WEIGHT_FP4 ? x->v[at] : x->g[at];
	x->part[at] = room->part + at * (size_t)a->d;
	++*n;
}

/*
 * Slots are in ascending order of expert, so going through the experts in that order adds each
 * token's slots up in theirs.
 */
static void list_jobs(struct experts *x, const struct room *room)
{
	const struct experts_args *a = x->a;
	const int32_t *chosen = (const int32_t *)(const void *)a->expert;
	int n = 0;

	for (int e = 0; e < a->n_expert; e++) {
		int first = n;

		for (int i = 0; i < a->n_tok * a->n_used; i++) {
			if (chosen[i] == e)
				add_row(x, &a->experts[e], room, &n, i / a->n_used,
					floats(a->weight)[i]);
		}
		if (n > first)
			x->jobs[x->n_job++] = (struct job){&a->experts[e], n - first, first};
	}
	if (a->shared)
		x->jobs[x->n_job++] = (struct job){a->shared, a->n_tok, n};
	for (int t = 0; a->shared && t < a->n_tok; t++)
		add_row(x, a->shared, room, &n, t, 1.0f);
	x->n_row = n;
}

static size_t rows_of(const struct experts_args *a)
{
	return (size_t)a->n_tok * ((size_t)a->n_used + 1);
}

static size_t room_bytes(const struct experts_args *a)
{
	size_t rows = rows_of(a);
	size_t n_float = (size_t)a->n_tok * FP4_ORDERED(a->d) +
			 rows * (2 * FP4_ORDERED(a->inner) + (size_t)a->d);

	return n_float * sizeof(float) + rows * (5 * sizeof(void *) + 8) +
	       ((size_t)a->n_expert + 1) * sizeof(struct job);
}

/* Cuts a piece of room_bytes() into the lists and what they point at. */
static struct room cut_room(struct experts *x, void *p)
{
	const struct experts_args *a = x->a;
	size_t rows = rows_of(a);
	struct room room = {.ordered = p};

	room.inner = room.ordered + (size_t)a->n_tok * FP4_ORDERED(a->d);
	room.part = room.inner + 2 * rows * FP4_ORDERED(a->inner);
	x->xs = (const float **)(void *)(room.part + rows * (size_t)a->d);
	x->g = (float **)(void *)(x->xs + rows);
	x->v = x->g + rows;
	x->t = x->v + rows;
	x->part = x->t + rows;
	x->jobs = (struct job *)(void *)(x->part + rows);
	x->tok = (int32_t *)(void *)(x->jobs + a->n_expert + 1);
	x->w = (float *)(void *)(x->tok + rows);
	return room;
}

int cpu_experts(struct backend *be, const struct experts_args *a, struct err *err)
{
	struct experts x = {.c = cpu_of(be), .a = a};
	int64_t pieces = (a->d + DOWN_GRAIN - 1) / DOWN_GRAIN, grain;
	struct room room;

	if (a->inner % 32 || a->d % 32)
		return err_set(err, ERR_MODEL, "experts: %d x %d: sizes in 32s expected",
			       a->inner, a->d);
	if (cpu_matmul_scratch(x.c, err) || cpu_shared(x.c, room_bytes(a), err))
		return err->code;
	room = cut_room(&x, x.c->shared.p);
	for (int t = 0; t < a->n_tok; t++)
		x.c->leaf->fp4_order(floats(a->x) + (size_t)t * (size_t)a->d, a->d,
				     room.ordered + (size_t)t * FP4_ORDERED(a->d));
	list_jobs(&x, &room);

	inner_values(&x);
	/* long pieces keep memory streaming, as long as every thread has a few */
	grain = pieces / (8 * pool_size(x.c->pool));
	if (grain > DOWN_GRAIN_MOST / DOWN_GRAIN)
		grain = DOWN_GRAIN_MOST / DOWN_GRAIN;
	if (grain < 1)
		grain = 1;
	pool_for(x.c->pool, pieces, grain, (double)x.n_row * a->inner * (double)a->d, down, &x);
	return 0;
}
