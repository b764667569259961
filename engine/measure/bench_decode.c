/* Timing decode: a step by phase, by rows at once, by context; and what no layer was left out
 * of. */
#include "engine/measure/bench_internal.h"

#include <stdio.h>
#include <string.h>

#include "engine/base/clock.h"

#define STEPS BENCH_STEPS
#define SECONDS                                                                                \
	0.5 /* where so many steps take longer, there are fewer of them, but at least … */
#define LEAST   3
#define WARM_UP 4

static const int64_t lengths[] = {1 << 10, 4 << 10, 32 << 10, 256 << 10, 1 << 20};
static const int row_counts[] = {1, 2, 3, 4, 6, BENCH_ROWS};

#define N_LENGTHS    (sizeof(lengths) / sizeof(lengths[0]))
#define N_ROW_COUNTS (sizeof(row_counts) / sizeof(row_counts[0]))

/* -------------------------------------------------------------------- bytes */

/* What the draft head reads where its logits are not wanted: up to its window row. */
static double draft_bytes(const struct model *m)
{
	const struct draft_weights *w = &m->weights->draft[0];

	return bench_weight_bytes(&w->e_proj) + bench_weight_bytes(&w->h_proj) +
	       bench_weight_bytes(&w->layer.wkv) + 24.0 * HC_MULT * m->cfg.dim * sizeof(float);
}

/* The same of the block drafter's stages. */
static double stage_bytes(const struct model *m)
{
	double n = bench_weight_bytes(&m->weights->draft[0].main_proj);

	for (int i = 0; i < m->n_stages; i++)
		n += bench_weight_bytes(&m->weights->draft[i].layer.wkv);
	return n;
}

/* Bytes of weights that a step of that shape reads, by phase; without the draft head's. */
static int shape_bytes(const struct model_config *cfg, const struct shard *shard,
		       double bytes[N_PHASES], struct err *err)
{
	uint64_t w[N_WEIGHT_KINDS];
	double used = (double)cfg->n_experts_used / cfg->n_experts;
	int rc = weights_measure(cfg, shard, w, err);

	if (rc)
		return rc;
	memset(bytes, 0, N_PHASES * sizeof(*bytes));
	bytes[PHASE_ATTENTION] = (double)w[WEIGHT_KIND_ATTENTION];
	bytes[PHASE_COMPRESSOR] = (double)w[WEIGHT_KIND_COMPRESSOR];
	bytes[PHASE_MHC] = (double)w[WEIGHT_KIND_MHC];
	bytes[PHASE_ROUTER] = (double)w[WEIGHT_KIND_ROUTER];
	bytes[PHASE_EXPERTS] =
		(double)w[WEIGHT_KIND_SHARED] + used * (double)w[WEIGHT_KIND_EXPERTS];
	bytes[PHASE_HEAD] = (double)w[WEIGHT_KIND_HEAD];
	return 0;
}

static double sum_of(const double bytes[N_PHASES])
{
	double sum = 0;

	for (int p = 0; p < N_PHASES; p++)
		sum += bytes[p];
	return sum;
}

static int step_bytes(struct bench *b, double bytes[N_PHASES], struct err *err)
{
	const struct model *m = b->m;
	int rc = shape_bytes(&m->cfg, &m->shard, bytes, err);
	double layers;

	if (rc)
		return rc;
	layers = sum_of(bytes) - bytes[PHASE_HEAD];
	if (m->has_draft)
		bytes[PHASE_DRAFT] = draft_bytes(m);
	if (m->n_stages)
		bytes[PHASE_DRAFT] = stage_bytes(m);
	for (int p = 0; p < N_PHASES; p++)
		bytes[p] *= model_n_ranks(m);
	layers *= model_n_ranks(m);
	b->bytes = sum_of(bytes);
	b->whole_bytes = bench_whole(b, b->bytes, b->bytes - layers);
	return 0;
}

double bench_whole(const struct bench *b, double t, double other)
{
	if (!b->whole_layers)
		return t;
	return other + (t - other) * b->whole_layers / b->m->cfg.n_layers;
}

/* -------------------------------------------------------------------- steps */

/* Seconds of each of n steps of so many rows, each with its choice. */
static int decode_steps(struct bench *b, double *t, int n, int rows, struct err *err)
{
	const struct sample_how how = {.top_p = 1, .n_choice = b->m->cfg.vocab};
	struct choice choices[BENCH_ROWS];
	token_id ids[BENCH_ROWS];
	const struct forward call = {
		.ids = ids, .n = rows, .want = WANT_ALL, .choices = choices, .how = &how};
	int rc = 0;

	for (int i = 0; !rc && i < n; i++) {
		double start;

		bench_draw_ids(b, ids, rows);
		start = clock_s();
		rc = seq_run(b->s, call, err);
		t[i] = clock_s() - start;
	}
	return rc;
}

/* The same with the draft head's logits, one row. */
static int draft_steps(struct bench *b, double *t, int n, struct err *err)
{
	int rc = 0;

	for (int i = 0; !rc && i < n; i++) {
		token_id id;
		double start;

		bench_draw_ids(b, &id, 1);
		start = clock_s();
		rc = seq_forward(b->s, &id, 1, WANT_LAST, b->logits, b->draft, err);
		t[i] = clock_s() - start;
	}
	return rc;
}

/* How many steps of so many rows are timed. */
static int n_steps(const struct bench *b, int rows)
{
	double n = SECONDS / (b->step * rows);

	return n > STEPS ? STEPS : n < LEAST ? LEAST : (int)n;
}

/* Steps that all begin at `len`, the first of them not counted. */
static int steps_at(struct bench *b, int64_t len, double *median, struct err *err)
{
	double t[1 + STEPS];
	int rc = seq_pretend(b->s, len, err), n = n_steps(b, 1);

	for (int i = 0; !rc && i < 1 + n; i++) {
		rc = decode_steps(b, &t[i], 1, 1, err);
		if (!rc)
			rc = seq_truncate(b->s, len, err);
	}
	*median = rc ? 0 : bench_median(t + 1, n);
	return rc;
}

/* The phases' seconds over all of n steps but the first, which may prepare, in the model's
 * clock. */
static int time_phases(struct bench *b, int n, int rows, struct err *err)
{
	double t;
	int rc = 0;

	for (int i = 0; !rc && i < n; i++) {
		if (i <= 1)
			b->m->clock = (struct phase_clock){0};
		phases_start(b->m);
		rc = decode_steps(b, &t, 1, rows, err);
		if (!rc)
			rc = phases_stop(b->m, err);
		if (b->m->clock.n_sums) /* a replay issues none */
			b->sums = (double)b->m->clock.n_sums / (i ? i : 1);
	}
	return rc;
}

/* Steps, and a pass of reads beside each. */
static int steps_beside_reads(struct bench *b, double *t, double *reads, struct err *err)
{
	int rc = decode_steps(b, t, WARM_UP, 1, err);

	for (int i = 0; !rc && i < STEPS; i++) {
		rc = bench_read(b, &reads[i], err);
		if (!rc)
			rc = decode_steps(b, &t[i], 1, 1, err);
	}
	return rc;
}

/* ----------------------------------------------------------------- by phase */

static void show_phases(struct bench *b, const double bytes[N_PHASES])
{
	const double *sum = b->m->clock.sum;
	double all = sum_of(sum);

	buf_addf(b->out, "  %-12s %9s %7s %9s %12s\n", "phase", "ms", "share", "MB",
		 "of the limit");
	for (int p = 0; p < N_PHASES; p++) {
		double each = sum[p] / STEPS;

		if (p == PHASE_RANKS && model_n_ranks(b->m) == 1)
			continue;
		buf_addf(b->out, "  %-12s %9.3f %5.1f %% %9.2f", phase_name((enum phase)p),
			 1e3 * each, 100 * sum[p] / all, bytes[p] / 1e6);
		if (bytes[p] > 0 && each > 0)
			buf_addf(b->out, " %10.0f %%", 100 * bytes[p] / each / b->read);
		buf_addc(b->out, '\n');
	}
}

static void show_step(struct bench *b, const char *what, double t, double bytes)
{
	buf_addf(b->out,
		 "%s: %.2f ms/step, %.1f tokens/s, %.0f MB/step, %.0f %% of the limit "
		 "(%.1f GB/s)\n",
		 what, 1e3 * t, 1 / t, bytes / 1e6, 100 * bytes / t / b->read, b->read / 1e9);
}

static int time_step(struct bench *b, const double bytes[N_PHASES], struct err *err)
{
	double t[STEPS], reads[STEPS];
	const double *sum = b->m->clock.sum;
	int rc = steps_beside_reads(b, t, reads, err);

	if (!rc)
		rc = time_phases(b, 1 + STEPS, 1, err);
	if (rc)
		return rc;
	b->read = bench_median(reads, STEPS);
	b->step = bench_median(t, STEPS);
	b->summing = sum[PHASE_RANKS] / STEPS;
	b->layers = b->step *
		    (1 - (sum[PHASE_START] + sum[PHASE_HEAD] + sum[PHASE_DRAFT]) / sum_of(sum));
	show_step(b, "decode, context 1000", b->step, b->bytes);
	if (b->whole_layers) {
		char what[64];

		snprintf(what, sizeof(what), "  all %d layers, derived", b->whole_layers);
		show_step(b, what, bench_whole(b, b->step, b->step - b->layers),
			  b->whole_bytes);
	}
	show_phases(b, bytes);
	return 0;
}

/* Random tokens choose experts evenly, more or less. */
static int show_hosted(struct bench *b, struct err *err)
{
	struct hosting_count n;
	int rc = hosting_take(b->m, &n, err);

	if (!rc && n.chosen)
		buf_addf(b->out, "  %.1f %% of the experts chosen so far lay on the GPU\n",
			 100 - 100.0 * (double)n.hosted / (double)n.chosen);
	return rc;
}

static int decode_by_phase(struct bench *b, struct err *err)
{
	double bytes[N_PHASES], t[STEPS];
	int rc = step_bytes(b, bytes, err);

	if (!rc)
		rc = seq_pretend(b->s, b->m->ctx < 1024 ? b->m->ctx / 2 : 1000 - 3 * STEPS,
				 err);
	if (!rc)
		rc = time_step(b, bytes, err);
	if (!rc)
		rc = show_hosted(b, err);
	if (!rc && b->m->has_draft && b->m->ctx >= 1024) {
		rc = draft_steps(b, t, STEPS / 2, err);
		if (!rc)
			buf_addf(b->out, "  with the draft head's logits: %.2f ms/step\n",
				 1e3 * bench_median(t, STEPS / 2));
	}
	buf_addc(b->out, '\n');
	return rc;
}

/* ------------------------------------------------------------------ by rows */

static void show_rows(struct bench *b, int rows, int n, double t, double first[N_PHASES])
{
	static const enum phase told[] = {PHASE_MHC,   PHASE_ATTENTION, PHASE_COMPRESSOR,
					  PHASE_CACHE, PHASE_ROUTER,    PHASE_EXPERTS,
					  PHASE_HEAD};
	const double *sum = b->m->clock.sum;

	buf_addf(b->out, "  %4d %9.2f %6.2f", rows, 1e3 * t, t / b->step);
	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
		double each = sum[told[i]] / n;

		if (rows == 1)
			first[told[i]] = each;
		buf_addf(b->out, " %10.2f", first[told[i]] > 0 ? each / first[told[i]] : 0.0);
	}
	buf_addc(b->out, '\n');
}

/* What verifying drafts costs. */
static int decode_by_rows(struct bench *b, struct err *err)
{
	double t[STEPS], first[N_PHASES];
	int rc = 0;

	buf_addf(b->out,
		 "rows at once, context 1000, against one (each phase alone, too):\n"
		 "  %4s %9s %6s %10s %10s %10s %10s %10s %10s %10s\n",
		 "rows", "ms/step", "", "mHC", "attention", "compressor", "cache", "router",
		 "experts", "head");
	for (size_t i = 0; !rc && i < N_ROW_COUNTS; i++) {
		int rows = row_counts[i], n = n_steps(b, rows);

		rc = seq_pretend(b->s, 1000 - (2 * n + 2) * rows, err);
		if (!rc)
			rc = decode_steps(b, t, 1, rows, err);
		if (!rc)
			rc = decode_steps(b, t, n, rows, err);
		if (!rc)
			rc = time_phases(b, 1 + n, rows, err);
		if (!rc)
			show_rows(b, rows, n, bench_median(t, n), first);
	}
	buf_addc(b->out, '\n');
	return rc;
}

/* --------------------------------------------------------------- by context */

static int decode_by_context(struct bench *b, struct err *err)
{
	double t, block, first = 0;
	int rc = 0;

	buf_addz(b->out, "decode by context; the step that completes a block of 128:\n");
	for (size_t i = 0; !rc && i < N_LENGTHS && lengths[i] <= b->m->ctx; i++) {
		rc = steps_at(b, lengths[i] - 70, &t, err);
		if (!rc)
			rc = steps_at(b, lengths[i] - 1, &block, err);
		if (rc)
			break;
		t = bench_whole(b, t, b->step - b->layers);
		block = bench_whole(b, block, b->step - b->layers);
		first = first > 0 ? first : t;
		buf_addf(b->out,
			 "  %8lld tokens %9.2f ms/step  %5.2f times the first %9.2f ms, %+.1f "
			 "%%\n",
			 (long long)lengths[i], 1e3 * t, t / first, 1e3 * block,
			 100 * (block / t - 1));
	}
	if (b->whole_layers)
		buf_addf(b->out, "  (of all %d layers, derived)\n", b->whole_layers);
	buf_addc(b->out, '\n');
	return rc;
}

int bench_decode(struct bench *b, struct err *err)
{
	int rc = decode_by_phase(b, err);

	if (!rc && b->m->ctx >= 1024)
		rc = decode_by_rows(b, err);
	return rc ? rc : decode_by_context(b, err);
}
