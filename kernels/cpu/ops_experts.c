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
	int n_job;
	int blocks;         /* blocks of inner rows of one job */
	int32_t *tok;       /* which token a list row is */
	float *w;           /* its weight */
	const float **xs;   /* its x */
	float **g, **v, **t; /* its inner values [inner]; t may be g */
	float **part;       /* its contribution [d] */
};

/* Inner rows computed at once. */
#define INNER_GRAIN 64

static void gate_and_up(void *ctx, int worker, int64_t i0, int64_t i1)
{
	const struct experts *x = ctx;
	const struct leaf *leaf = x->c->leaf;

	for (int64_t i = i0; i < i1; i++) {
		const struct job *j = &x->jobs[i / x->blocks];
		int o0 = (int)(i % x->blocks) * INNER_GRAIN;
		int o1 = o0 + INNER_GRAIN < x->a->inner ? o0 + INNER_GRAIN : x->a->inner;
		float *scratch = x->c->own[worker].p;

		leaf->matmul(&j->e->w1, o0, o1, j->n, x->xs + j->first, x->g + j->first, scratch);
		leaf->matmul(&j->e->w3, o0, o1, j->n, x->xs + j->first, x->v + j->first, scratch);
		for (int r = j->first; r < j->first + j->n; r++)
			leaf->swiglu(x->g[r] + o0, x->v[r] + o0, o1 - o0, x->a->limit, x->w[r],
				     x->t[r] + o0);
	}
}

/* Output rows o of every job, added up per token in the jobs' order. */
static void down(void *ctx, int worker, int64_t i0, int64_t i1)
{
	const struct experts *x = ctx;
	const struct experts_args *a = x->a;
	int o0 = (int)i0 * MATMUL_TILE_ROWS, o1 = (int)i1 * MATMUL_TILE_ROWS;

	o1 = o1 < a->d ? o1 : a->d;
	for (int t = 0; t < a->n_tok; t++)
		memset(floats(a->y) + (size_t)t * (size_t)a->d + o0, 0,
		       (size_t)(o1 - o0) * sizeof(float));
	for (const struct job *j = x->jobs; j < x->jobs + x->n_job; j++) {
		x->c->leaf->matmul(&j->e->w2, o0, o1, j->n, (const float *const *)(x->t + j->first),
				   x->part + j->first, x->c->own[worker].p);
		for (int r = j->first; r < j->first + j->n; r++)
			x->c->leaf->add(x->part[r] + o0, o1 - o0,
					floats(a->y) + (size_t)x->tok[r] * (size_t)a->d + o0);
	}
}

static void add_row(struct experts *x, int *n, int t, float weight, float *inner, float *part)
{
	const struct experts_args *a = x->a;
	size_t at = (size_t)*n;

	x->tok[at] = t;
	x->w[at] = weight;
	x->xs[at] = floats(a->x) + (size_t)t * (size_t)a->d;
	x->g[at] = inner + 2 * at * (size_t)a->inner;
	x->v[at] = x->g[at] + a->inner;
	x->t[at] = x->g[at];
	x->part[at] = part + at * (size_t)a->d;
	++*n;
}

int cpu_experts(struct backend *be, const struct experts_args *a, struct err *err)
{
	struct experts x = {.c = cpu_of(be), .a = a};
	size_t rows = (size_t)a->n_tok * ((size_t)a->n_used + 1);
	size_t floats_of_row = 2 * (size_t)a->inner + (size_t)a->d;
	size_t jobs = (size_t)a->n_expert + 1;
	const int32_t *chosen = (const int32_t *)(const void *)a->expert;
	float *inner, *part;
	unsigned char *p;
	double work;
	int n = 0;

	if (a->inner % 32 || a->d % 32)
		return err_set(err, ERR_MODEL, "experts: %d x %d: sizes in 32s expected", a->inner,
			       a->d);
	if (cpu_matmul_scratch(x.c, (int)rows, err) ||
	    cpu_shared(x.c,
		       rows * (floats_of_row * sizeof(float) + 5 * sizeof(void *) + 8) +
			       jobs * sizeof(struct job),
		       err))
		return err->code;
	p = x.c->shared.p;
	inner = (float *)(void *)p;
	part = inner + 2 * rows * (size_t)a->inner;
	x.xs = (const float **)(void *)(part + rows * (size_t)a->d);
	x.g = (float **)(void *)(x.xs + rows);
	x.v = x.g + rows;
	x.t = x.v + rows;
	x.part = x.t + rows;
	x.jobs = (struct job *)(void *)(x.part + rows);
	x.tok = (int32_t *)(void *)(x.jobs + jobs);
	x.w = (float *)(void *)(x.tok + rows);

	/* Slots are in ascending order of expert, so going through the experts in that order adds
	 * each token's slots up in theirs. */
	for (int e = 0; e < a->n_expert; e++) {
		int first = n;

		for (int i = 0; i < a->n_tok * a->n_used; i++) {
			if (chosen[i] == e)
				add_row(&x, &n, i / a->n_used, floats(a->weight)[i], inner, part);
		}
		if (n > first)
			x.jobs[x.n_job++] = (struct job){&a->experts[e], n - first, first};
	}
	x.jobs[x.n_job++] = (struct job){a->shared, a->n_tok, n};
	for (int t = 0; t < a->n_tok; t++)
		add_row(&x, &n, t, 1.0f, inner, part);

	x.blocks = (a->inner + INNER_GRAIN - 1) / INNER_GRAIN;
	work = (double)n * (double)a->inner * (double)a->d;
	pool_for(x.c->pool, (int64_t)x.n_job * x.blocks, 1, 2.0 * work, gate_and_up, &x);
	pool_for(x.c->pool, (a->d + MATMUL_TILE_ROWS - 1) / MATMUL_TILE_ROWS,
		 a->n_tok > 8 ? 4 : 1, work, down, &x);
	return 0;
}
