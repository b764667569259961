/* Timing what ranks do together: in a decode step, and alone. */
#include "engine/measure/bench_internal.h"

#include "engine/base/clock.h"

#define CALLS   100 /* one after another, of which the time of one is the mean */
#define REPEATS 5   /* and the median of so many of these counts */

static int sum_often(struct model *m, void *ctx, struct err *err)
{
	const size_t *n = ctx;
	int rc = 0;

	for (int i = 0; !rc && i < CALLS; i++)
		rc = ranks_sum(m, PHASE_HEAD, m->work.y, *n, err);
	return rc ? rc : bench_wait(m, err);
}

static int gather_often(struct model *m, void *ctx, struct err *err)
{
	int rc = 0;

	(void)ctx;
	for (int i = 0; !rc && i < CALLS; i++)
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
	*us = rc ? 0 : 1e6 * bench_median(t + 1, REPEATS) / CALLS;
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
		 "step\n\n",
		 n, (double)b->m->weights->bytes / 1e6, b->bytes / n / 1e6, b->sums,
		 1e3 * b->summing, 100 * b->summing / b->step, sum, cfg->dim, gather,
		 cfg->vocab, 1e-3 * (b->sums * sum + gather));
	return 0;
}
