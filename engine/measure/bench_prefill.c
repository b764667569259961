/* Timing how fast prompts are read. */
#include "engine/measure/bench_internal.h"

#include <stdlib.h>

#include "engine/base/clock.h"

#define FIRST   512
#define REPEATS 3
#define SECONDS 10 /* a prompt that would take longer is left out */

/* Prompts that are read from the beginning, and contexts at whose end FIRST tokens are. */
static const int prompts[] = {1 << 10, 8 << 10, 32 << 10};
static const int64_t ends[] = {32 << 10, 256 << 10};

#define N_PROMPTS (sizeof(prompts) / sizeof(prompts[0]))
#define N_ENDS    (sizeof(ends) / sizeof(ends[0]))

static double macs(const struct weight *w)
{
	return (double)w->out * (double)w->in;
}

/* A rank's operations of one prefilled token in products with weights; without heads. */
static double token_ops(const struct model *m)
{
	const struct model_config *cfg = &m->cfg;
	double n = 0;

	for (int i = 0; i < cfg->n_layers; i++) {
		const struct layer_weights *w = &m->weights->layers[i];
		const struct indexer_weights *x = &w->indexer;

		n += macs(&w->wq_a) + macs(&w->wq_b) + macs(&w->wkv) + macs(&w->wo_a) +
		     macs(&w->wo_b);
		if (w->ratio)
			n += macs(&w->compressor.wkv) + macs(&w->compressor.wgate);
		if (w->ratio == 4)
			n += macs(&x->wq_b) + macs(&x->weights_proj) +
			     macs(&x->compressor.wkv) + macs(&x->compressor.wgate);
		n += macs(&w->gate) + 3 * macs(&w->shared.w1) +
		     3 * macs(&w->experts[0].w1) * cfg->n_experts_used;
		n += 2 * 24.0 * HC_MULT * cfg->dim; /* mHC, before each sublayer */
	}
	return 2 * n;
}

/* n tokens behind `len` others; the last one's choice is waited for. */
static int read_prompt(struct bench *b, int64_t len, int n, double *t, struct err *err)
{
	const struct sample_how how = {.top_p = 1, .n_choice = b->m->cfg.vocab};
	int chunk = b->m->chunk;
	token_id *ids = malloc((size_t)chunk * sizeof(*ids));
	struct choice next = {0};
	double start;
	int rc = ids ? 0 : err_nomem(err, "token ids", (size_t)chunk * sizeof(*ids));

	if (!rc)
		rc = len ? seq_pretend(b->s, len, err) : seq_truncate(b->s, 0, err);
	if (!rc)
		bench_draw_ids(b, ids, n < chunk ? n : chunk);
	start = clock_s();
	for (int at = 0; !rc && at < n; at += chunk) {
		bool last = n - at <= chunk;
		const struct forward call = {
			.ids = ids,
			.n = last ? n - at : chunk,
			.want = last ? WANT_LAST : WANT_NONE,
			.choices = last ? &next : NULL,
			.how = &how,
		};

		rc = seq_run(b->s, call, err);
	}
	*t = clock_s() - start;
	free(ids);
	return rc;
}

static int time_first(struct bench *b, int n, double *t, struct err *err)
{
	double each[REPEATS], multiplies[REPEATS], rate;
	double ops = model_n_ranks(b->m) * token_ops(b->m);
	int rc = 0;

	for (int rep = 0; !rc && rep < REPEATS; rep++) {
		rc = bench_multiply(b, &multiplies[rep], err);
		if (!rc)
			rc = read_prompt(b, 0, n, &each[rep], err);
	}
	if (rc)
		return rc;
	*t = bench_median(each, REPEATS);
	rate = bench_median(multiplies, REPEATS);
	buf_addf(b->out,
		 "prefill of %d tokens, %d at a time: %.0f ms, %.1f tokens/s, %.1f times "
		 "decode\n"
		 "  %.2f GFLOP/token in products, %.0f %% of the limit (%.0f GFLOP/s)\n",
		 n, b->m->chunk, 1e3 * *t, n / *t, n / *t * b->step, ops / 1e9,
		 100 * ops * n / *t / rate, rate / 1e9);
	return 0;
}

/* To the first token's choice; the shortest of some, since the first of a length prepares. */
static int time_prompt(struct bench *b, int n, struct err *err)
{
	double best = 0, t;
	int rc = 0;

	for (int rep = 0; !rc && rep < REPEATS; rep++) {
		rc = read_prompt(b, 0, n, &t, err);
		best = rep && best < t ? best : t;
	}
	if (rc)
		return rc;
	buf_addf(b->out, "  a prompt of %6d tokens  %9.1f ms %9.1f tokens/s", n, 1e3 * best,
		 n / best);
	if (b->whole_layers) {
		double all = bench_whole(b, best, 0);

		buf_addf(b->out, "; all layers, derived: %.0f ms, %.0f tokens/s", 1e3 * all,
			 n / all);
	}
	buf_addc(b->out, '\n');
	return 0;
}

int bench_prefill(struct bench *b, struct err *err)
{
	int n = b->m->ctx < FIRST ? (int)b->m->ctx : FIRST;
	double first, t;
	int rc = time_first(b, n, &first, err);

	for (size_t i = 0; !rc && i < N_PROMPTS && prompts[i] < b->m->ctx; i++) {
		if (first / n * prompts[i] * REPEATS > SECONDS)
			break;
		rc = time_prompt(b, prompts[i], err);
	}
	/* beyond this the scores of 512 rows take minutes */
	for (size_t i = 0; !rc && i < N_ENDS && ends[i] <= b->m->ctx; i++) {
		rc = read_prompt(b, ends[i] - n, n, &t, err);
		if (!rc)
			buf_addf(b->out, "  up to %8lld tokens %9.1f tokens/s\n",
				 (long long)ends[i], n / t);
	}
	return rc;
}
