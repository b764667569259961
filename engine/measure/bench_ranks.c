/* Timing what ranks do together: in a decode step, and alone. */
#include "engine/measure/bench_internal.h"

#include "engine/base/clock.h"

#define CALLS   100 /* one after another, of which the time of one is the mean; of many rows */
#define FEW     10
#define MANY    32 /* rows from which on they are many */
#define REPEATS 5   /* and the median of so many of these counts */

/* A run's key that is no step's: those of n values each. */
#define KEY(n) (UINT64_MAX - (uint64_t)(n))

struct sums {
	struct model *m;
	size_t n;
	int calls;
};

static int calls_of(const struct model *m, size_t n)
{
	return n < (size_t)MANY * (size_t)m->cfg.dim ? CALLS : FEW;
}

static int sums_body(void *ctx, struct err *err)
{
	const struct sums *s = ctx;
	int rc = 0;

	for (int i = 0; !rc && i < s->calls; i++)
		rc = ranks_sum(s->m, PHASE_HEAD, s->m->work.y, s->n, err);
	return rc;
}

/* As in a step: recorded where steps are. */
static int sum_often(struct model *m, void *ctx, struct err *err)
{
	size_t n = *(const size_t *)ctx;
	struct sums s = {m, n, calls_of(m, n)};
	int rc = m->be->run ? m->be->run(m->be, KEY(s.n), sums_body, &s, err)
			    : sums_body(&s, err);

	return rc ? rc : bench_wait(m, err);
}

static int gather_often(struct model *m, void *ctx, struct err *err)
{
	int n = calls_of(m, *(const size_t *)ctx), rc = 0;

	for (int i = 0; !rc && i < n; i++)
		rc = ranks_gather(m, 1, m->work.part, m->work.logits, err);
	return rc ? rc : bench_wait(m, err);
}

/* Microseconds of one. */
static int time_one(struct bench *b, team_job often, size_t n, double *us, struct err *err)
{
	double t[1 + REPEATS];
	int rc = 0;

	for (int i = 0; !rc && i < 1 + REPEATS; i++) {
		double start = clock_s();

		rc = team_run(b->m, often, &n, err);
		t[i] = clock_s() - start;
	}
	*us = rc ? 0 : 1e6 * bench_median(t + 1, REPEATS) / calls_of(b->m, n);
	return rc;
}

/* Sums of so many rows, the largest being those of a prompt. */
static int show_sums(struct bench *b, struct err *err)
{
	static const int rows[] = {1, 4, 16, 64, 512};
	const size_t n = sizeof(rows) / sizeof(rows[0]);
	int rc = 0;

	for (size_t i = 0; !rc && i <= n; i++) {
		int n_row = i < n ? rows[i] : b->m->chunk;
		double us;

		if (i < n && n_row >= b->m->chunk)
			continue;
		rc = time_one(b, sum_often, (size_t)n_row * (size_t)b->m->cfg.dim, &us, err);
		if (!rc)
			buf_addf(b->out, "  an all-reduce of %4d rows %9.1f us\n", n_row, us);
	}
	return rc;
}

int bench_ranks(struct bench *b, struct err *err)
{
	const struct model_config *cfg = &b->m->cfg;
	int n = model_n_ranks(b->m), rc;
	double sum, gather;

	rc = time_one(b, sum_often, (size_t)cfg->dim, &sum, err);
	if (!rc)
		rc = time_one(b, gather_often, 0, &gather, err);
	if (rc)
		return rc;
	buf_addf(b->out,
		 "%d ranks: each holds %.1f MB of weights and reads %.1f MB a step\n"
		 "  %.0f all-reduces a step and a gather of the logits: %.3f ms with the "
		 "waiting, %.1f "
		 "%% of it\n"
		 "  alone: %.1f us an all-reduce of %d values, %.1f us the gather of %d: %.3f "
		 "ms a "
		 "step\n",
		 n, (double)b->m->weights->bytes / 1e6, b->bytes / n / 1e6, b->sums,
		 1e3 * b->summing, 100 * b->summing / b->step, sum, cfg->dim, gather,
		 cfg->vocab, 1e-3 * (b->sums * sum + gather));
	rc = show_sums(b, err);
	if (n > b->m->caps.n_devices)
		buf_addz(b->out, "  (they share what computes: that is for trying them, and "
				 "gains nothing)\n");
	buf_addc(b->out, '\n');
	return rc;
}
