/* Products with weights: sharing the rows of W out among the workers. */
#include "kernels/cpu/cpu.h"

#include <string.h>

/* Rows of W a worker takes at least. */
#define GRAIN 16

struct job {
	struct cpu *c;
	int exact;
	const struct weight *w;
	int o0, o1, n;
	const float *const *xs;
	float *const *ys;
};

static void run(void *ctx, int worker, int64_t i0, int64_t i1)
{
	const struct job *j = ctx;
	int a = j->o0 + (int)i0 * GRAIN, b = j->o0 + (int)i1 * GRAIN;

	(j->exact ? j->c->leaf->matmul_exact : j->c->leaf->matmul)(
		j->w, a, b < j->o1 ? b : j->o1, j->n, j->xs, j->ys, j->c->own[worker].p);
}

int cpu_matmul_scratch(struct cpu *c, struct err *err)
{
	return cpu_own(c, sizeof(float) * MATMUL_SCRATCH, err);
}

static void share_out(struct cpu *c, const struct weight *w, int exact, int o0, int o1, int n,
		      const float *const *xs, float *const *ys)
{
	struct job j = {c, exact, w, o0, o1, n, xs, ys};
	int64_t tiles = (o1 - o0 + GRAIN - 1) / GRAIN;
	int64_t grain = tiles / (8 * pool_size(c->pool));

	pool_for(c->pool, tiles, grain > 1 ? grain : 1,
		 (double)(o1 - o0) * (double)w->in * (double)n, run, &j);
}

void cpu_matmul(struct cpu *c, const struct weight *w, int o0, int o1, int n,
		const float *const *xs, float *const *ys)
{
	share_out(c, w, 0, o0, o1, n, xs, ys);
}

int cpu_linear(struct backend *be, const struct linear_args *a, struct err *err)
{
	struct cpu *c = cpu_of(be);
	int fp4 = a->w.type == WEIGHT_FP4, rows = a->w.out / a->n_group;
	size_t n = (size_t)a->n_tok, ordered = fp4 ? FP4_ORDERED(a->w.in) : 0;
	const float **xs;
	float **ys, *copy;

	if (a->w.in % 32 || a->w.out % a->n_group)
		return err_set(err, ERR_MODEL,
			       "linear: %d x %d in %d groups: columns in 32s expected",
			       a->w.out, a->w.in, a->n_group);
	if (a->exact && fp4)
		return err_set(err, ERR_MODEL,
			       "linear: FP4 weights where exact sums are wanted");
	if (cpu_matmul_scratch(c, err) ||
	    (a->exact && cpu_own(c, sizeof(float) * MATMUL_EXACT_SCRATCH(a->w.in), err)) ||
	    cpu_shared(c, n * (ordered * sizeof(float) + 2 * sizeof(void *)), err))
		return err->code;
	copy = c->shared.p;
	xs = (const float **)(void *)(copy + n * ordered);
	ys = (float **)(void *)(xs + n);
	for (int g = 0; g < a->n_group; g++) {
		for (size_t t = 0; t < n; t++) {
			xs[t] = (const float *)(const void *)a->x +
				(t * (size_t)a->n_group + (size_t)g) * (size_t)a->w.in;
			if (fp4) {
				c->leaf->fp4_order(xs[t], a->w.in, copy + t * ordered);
				xs[t] = copy + t * ordered;
			}
			ys[t] = (float *)(void *)a->y + t * (size_t)a->w.out;
		}
		share_out(c, &a->w, a->exact, g * rows, (g + 1) * rows, a->n_tok, xs, ys);
	}
	return 0;
}
