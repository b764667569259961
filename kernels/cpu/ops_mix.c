/* What happens around the sublayers: embedding, rotary angles, norms, hyper-connections. */
#include "kernels/cpu/cpu.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static float *floats(dbuf p)
{
	return (float *)(void *)p;
}

int cpu_embed(struct backend *be, const struct embed_args *a, struct err *err)
{
	const int32_t *ids = (const int32_t *)(const void *)a->ids;
	const uint16_t *table = (const uint16_t *)(const void *)a->table;
	float *out = floats(a->out);
	size_t d = (size_t)a->d;

	(void)be;
	(void)err;
	for (int t = 0; t < a->n_tok; t++) {
		int64_t at = (int64_t)ids[t] - a->first;
		bool there = at >= 0 && at < a->n_row;
		const uint16_t *row = table + (there ? (size_t)at * d : 0);

		for (int j = 0; j < a->n_copy; j++, out += d) {
			if (!there)
				memset(out, 0, d * sizeof(*out));
			for (size_t i = 0; there && i < d; i++) {
				uint32_t u = (uint32_t)row[i] << 16;

				memcpy(out + i, &u, sizeof(u));
			}
		}
	}
	return 0;
}

void cpu_rope_row(int64_t pos, const double *freq, float *cs)
{
	for (int i = 0; i < ROPE_DIM / 2; i++) {
		double angle = (double)pos * freq[i];

		cs[2 * i] = (float)cos(angle);
		cs[2 * i + 1] = (float)sin(angle);
	}
}

void cpu_rotate(float *x, int dim, const float *cs, float sign)
{
	float *tail = x + dim - ROPE_DIM;

	for (int i = 0; i < ROPE_DIM / 2; i++) {
		float re = tail[2 * i], im = tail[2 * i + 1];
		float c = cs[2 * i], s = sign * cs[2 * i + 1];

		tail[2 * i] = re * c - im * s;
		tail[2 * i + 1] = re * s + im * c;
	}
}

int cpu_rope(struct backend *be, const struct rope_args *a, struct err *err)
{
	(void)be;
	(void)err;
	for (int t = 0; t < a->n_tok; t++)
		cpu_rope_row(cpu_step(a->step)->pos0 + t, (const double *)(const void *)a->freq,
			     floats(a->out) + (size_t)t * ROPE_DIM);
	return 0;
}

/* ------------------------------------------------------------ rows in parallel */

struct rms_job {
	struct cpu *c;
	const struct rms_norm_args *a;
};

static void rms_rows(void *ctx, int worker, int64_t t0, int64_t t1)
{
	const struct rms_job *j = ctx;
	const struct rms_norm_args *a = j->a;

	(void)worker;
	for (int64_t t = t0; t < t1; t++)
		j->c->leaf->rms_norm(floats(a->x) + t * a->d,
				     (const uint16_t *)(const void *)a->norm, a->d, a->eps,
				     floats(a->out) + t * a->d);
}

int cpu_rms_norm(struct backend *be, const struct rms_norm_args *a, struct err *err)
{
	struct rms_job j = {cpu_of(be), a};

	(void)err;
	pool_for(j.c->pool, a->n_tok, 1, 4.0 * a->n_tok * a->d, rms_rows, &j);
	return 0;
}

/* ------------------------------------------------------------ hyper-connections */

struct mhc_job {
	struct cpu *c;
	const struct mhc_pre_args *pre;
	const struct mhc_head_args *head;
	int sum_only; /* the head's, without its norm */
	float *m; /* [n_tok, 24] */
};

static void mhc_pre_rows(void *ctx, int worker, int64_t t0, int64_t t1)
{
	const struct mhc_job *j = ctx;
	const struct mhc_pre_args *a = j->pre;
	const struct leaf *leaf = j->c->leaf;

	(void)worker;
	for (int64_t t = t0; t < t1; t++) {
		const float *x = floats(a->x) + t * 4 * a->d;
		float *u = floats(a->out) + t * a->d, *m = j->m + 24 * t;
		float r = leaf->inv_rms(x, 4 * a->d, a->rms_eps);

		for (int i = 0; i < 24; i++)
			m[i] = m[i] * r;
		leaf->mhc_mix(m, floats(a->base), floats(a->scale), a->n_iter, a->eps, x, a->d,
			      u, floats(a->post) + 4 * t, floats(a->comb) + 16 * t);
		leaf->rms_norm(u, (const uint16_t *)(const void *)a->norm, a->d, a->rms_eps, u);
	}
}

static void mhc_head_rows(void *ctx, int worker, int64_t t0, int64_t t1)
{
	const struct mhc_job *j = ctx;
	const struct mhc_head_args *a = j->head;
	const struct leaf *leaf = j->c->leaf;

	(void)worker;
	for (int64_t t = t0; t < t1; t++) {
		const float *x = floats(a->x) + t * 4 * a->d;
		float *u = floats(a->out) + t * a->d, *m = j->m + 4 * t;
		float r = leaf->inv_rms(x, 4 * a->d, a->rms_eps);

		for (int i = 0; i < 4; i++)
			m[i] = m[i] * r;
		leaf->mhc_head_mix(m, floats(a->base), floats(a->scale), a->eps, x, a->d, u);
		if (!j->sum_only)
			leaf->rms_norm(u, (const uint16_t *)(const void *)a->norm, a->d,
				       a->rms_eps, u);
	}
}

/* m = fn · x for every row, into shared scratch */
static int mhc_products(struct cpu *c, int n_tok, int n_out, int d, dbuf fn, dbuf x, float **m,
			struct err *err)
{
	struct weight w = {.type = WEIGHT_F32, .out = n_out, .in = 4 * d, .w = fn};
	size_t n = (size_t)n_tok;
	const float **xs;
	float **ys;

	if (cpu_matmul_scratch(c, err) ||
	    cpu_shared(c, n * (2 * sizeof(void *) + (size_t)n_out * sizeof(float)), err))
		return err->code;
	xs = c->shared.p;
	ys = (float **)(void *)(xs + n);
	*m = (float *)(void *)(ys + n);
	for (size_t t = 0; t < n; t++) {
		xs[t] = floats(x) + t * 4 * (size_t)d;
		ys[t] = *m + t * (size_t)n_out;
	}
	cpu_matmul(c, &w, 0, n_out, n_tok, xs, ys);
	return 0;
}

int cpu_mhc_pre(struct backend *be, const struct mhc_pre_args *a, struct err *err)
{
	struct mhc_job j = {.c = cpu_of(be), .pre = a};

	if (mhc_products(j.c, a->n_tok, 24, a->d, a->fn, a->x, &j.m, err))
		return err->code;
	pool_for(j.c->pool, a->n_tok, 1, (10.0 * a->d + 5000.0) * a->n_tok, mhc_pre_rows, &j);
	return 0;
}

static int mhc_head(struct backend *be, const struct mhc_head_args *a, int sum_only,
		    struct err *err)
{
	struct mhc_job j = {.c = cpu_of(be), .head = a, .sum_only = sum_only};

	if (mhc_products(j.c, a->n_tok, 4, a->d, a->fn, a->x, &j.m, err))
		return err->code;
	pool_for(j.c->pool, a->n_tok, 1, 10.0 * a->n_tok * a->d, mhc_head_rows, &j);
	return 0;
}

int cpu_mhc_head(struct backend *be, const struct mhc_head_args *a, struct err *err)
{
	return mhc_head(be, a, 0, err);
}

int cpu_mhc_head_sum(struct backend *be, const struct mhc_head_args *a, struct err *err)
{
	return mhc_head(be, a, 1, err);
}

struct post_job {
	struct cpu *c;
	const struct mhc_post_args *a;
};

static void mhc_post_rows(void *ctx, int worker, int64_t t0, int64_t t1)
{
	const struct post_job *j = ctx;
	const struct mhc_post_args *a = j->a;

	(void)worker;
	for (int64_t t = t0; t < t1; t++)
		j->c->leaf->mhc_post(floats(a->y) + t * a->d, floats(a->post) + 4 * t,
				     floats(a->comb) + 16 * t, a->d, 0, a->d,
				     floats(a->x) + t * 4 * a->d);
}

int cpu_mhc_post(struct backend *be, const struct mhc_post_args *a, struct err *err)
{
	struct post_job j = {cpu_of(be), a};

	(void)err;
	pool_for(j.c->pool, a->n_tok, 1, 20.0 * a->n_tok * a->d, mhc_post_rows, &j);
	return 0;
}

static float *stream_ring(const struct stream_ring_args *a)
{
	size_t bytes = STREAM_RING * 4 * (size_t)a->d * sizeof(float);

	return floats(cpu_slot(a->ring, a->step, bytes));
}

int cpu_stream_recall(struct backend *be, const struct stream_ring_args *a, struct err *err)
{
	int64_t pos0 = cpu_step(a->step)->pos0;
	size_t row = 4 * (size_t)a->d;
	float *ring = stream_ring(a);

	(void)be;
	(void)err;
	if (pos0 > 0)
		memcpy(floats(a->x), ring + (size_t)((pos0 - 1) % STREAM_RING) * row,
		       row * sizeof(float));
	return 0;
}

int cpu_stream_keep(struct backend *be, const struct stream_ring_args *a, struct err *err)
{
	int64_t pos0 = cpu_step(a->step)->pos0;
	size_t row = 4 * (size_t)a->d;
	float *ring = stream_ring(a);

	(void)be;
	(void)err;
	for (int t = a->n_tok > STREAM_RING ? a->n_tok - STREAM_RING : 0; t < a->n_tok; t++)
		memcpy(ring + (size_t)((pos0 + t) % STREAM_RING) * row,
		       floats(a->x) + (size_t)(1 + t) * row, row * sizeof(float));
	return 0;
}

int cpu_draft_join(struct backend *be, const struct draft_join_args *a, struct err *err)
{
	struct cpu *c = cpu_of(be);
	size_t d = (size_t)a->d;

	(void)err;
	for (size_t i = 0; i < 4 * (size_t)a->n_tok; i++) {
		float *out = floats(a->out) + i * d;

		if (a->out != a->h)
			memcpy(out, floats(a->h) + i * d, d * sizeof(float));
		c->leaf->add(floats(a->e) + i / 4 * d, a->d, out);
	}
	return 0;
}
