/* What the block drafter asks for beyond layers: means of streams, and what tokens say of the next. */
#include "kernels/cpu/cpu.h"

#include <string.h>

static float *floats(dbuf p)
{
	return (float *)(void *)p;
}

struct mean_job {
	struct cpu *c;
	const struct stream_mean_args *a;
};

static void mean_rows(void *ctx, int worker, int64_t t0, int64_t t1)
{
	const struct mean_job *j = ctx;
	const struct stream_mean_args *a = j->a;
	const struct leaf *leaf = j->c->leaf;

	(void)worker;
	for (int64_t t = t0; t < t1; t++) {
		const float *x = floats(a->x) + t * HC_MULT * a->d;
		float *out = floats(a->out) + (t * a->n_part + a->at) * a->d;

		memcpy(out, x, (size_t)a->d * sizeof(*out));
		for (int i = 1; i < HC_MULT; i++)
			leaf->add(x + (size_t)i * (size_t)a->d, a->d, out);
		leaf->scale(out, a->d, 1.0f / HC_MULT);
	}
}

int cpu_stream_mean(struct backend *be, const struct stream_mean_args *a, struct err *err)
{
	struct mean_job j = {cpu_of(be), a};

	(void)err;
	pool_for(j.c->pool, a->n_tok, 1, 5.0 * a->n_tok * a->d, mean_rows, &j);
	return 0;
}

/* Row `id` of a table in bf16. */
static void widen_row(dbuf table, int32_t id, int n, float *out)
{
	const uint16_t *row = (const uint16_t *)(const void *)table + (size_t)id * (size_t)n;

	for (int i = 0; i < n; i++) {
		uint32_t u = (uint32_t)row[i] << 16;

		memcpy(out + i, &u, sizeof(u));
	}
}

int cpu_markov(struct backend *be, const struct markov_args *a, struct err *err)
{
	struct cpu *c = cpu_of(be);
	size_t d = (size_t)a->d, rank = (size_t)a->rank;
	float *joined, *added, *to;
	const float *xs;

	if (a->rank % 32 || a->d % 32)
		return err_set(err, ERR_MODEL, "markov: rank %d of width %d: columns in 32s expected",
			       a->rank, a->d);
	if (cpu_matmul_scratch(c, err) ||
	    cpu_shared(c, (d + rank + (size_t)a->vocab) * sizeof(float), err))
		return err->code;
	joined = c->shared.p;
	added = joined + d + rank;
	memcpy(joined, floats(a->x), d * sizeof(float));
	widen_row(a->w1, *(const int32_t *)(const void *)a->before, a->rank, joined + d);
	xs = joined + d;
	cpu_matmul(c, &a->w2, 0, a->vocab, 1, &xs, &added);
	to = floats(a->logits);
	for (int i = 0; i < a->vocab; i++) /* no multiple of what leaves work in */
		to[i] += added[i];
	xs = joined;
	to = floats(a->confidence);
	cpu_matmul(c, &a->proj, 0, 1, 1, &xs, &to);
	return 0;
}
