/* Timing the machine's bounds, single operations, decoding and prefill. */
#include "engine/measure/bench_draft.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/clock.h"
#include "engine/cache/seq.h"
#include "engine/engine.h"
#include "engine/pass/model_internal.h"

#define READ_BYTES   ((size_t)256 << 20)
#define REPEATS	     7	/* of what is short; the median counts */
#define STEPS	     24 /* of decode; the median counts */
#define WARM_UP	     4
#define PREFILL	     512
#define PREFILL_MOST (256 << 10)

static const int64_t lengths[] = {1 << 10, 32 << 10, 256 << 10, 1 << 20};

#define N_LENGTHS (sizeof(lengths) / sizeof(lengths[0]))

struct bench {
	struct model *m;
	struct seq *s;
	struct buf *out;
	dbuf memory;       /* READ_BYTES that are read to see how fast that goes */
	double step;       /* seconds of a decode step */
	uint64_t seed;
	float *logits, *draft; /* one row each, draft behind logits */
};

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), by_size);
	return v[n / 2];
}

static void draw_ids(struct bench *b, token_id *ids, int n)
{
	for (int i = 0; i < n; i++) {
		b->seed = b->seed * 6364136223846793005u + 1442695040888963407u;
		ids[i] = (token_id)((b->seed >> 33) % (uint64_t)b->m->cfg.vocab);
	}
}

/* ------------------------------------------------------------- what bounds it */

/*
 * The memory of a shared machine is not equally fast at all times, so a pass of reads stands
 * beside everything that is held against it.
 */
static int read_once(struct bench *b, double *rate, struct err *err)
{
	double start = clock_s();
	int rc = b->m->be->read(b->m->be, b->memory, READ_BYTES, err);

	*rate = (double)READ_BYTES / (clock_s() - start);
	return rc;
}

static int multiply_once(struct bench *b, double *rate, struct err *err)
{
	double start = clock_s(), n_op;
	int rc = b->m->be->multiply(b->m->be, &n_op, err);

	*rate = n_op / (clock_s() - start);
	return rc;
}

static int measure_bounds(struct bench *b, struct err *err)
{
	struct backend *be = b->m->be;
	double reads[REPEATS], multiplies[REPEATS];
	uint64_t seed = 3;
	unsigned char *host = malloc(READ_BYTES);
	int rc;

	if (!host)
		return err_nomem(err, "bench", READ_BYTES);
	dummy_fill(DTYPE_F32, host, READ_BYTES, &seed);
	rc = be->alloc(be, READ_BYTES, MEMORY_PLAIN, &b->memory, err);
	if (!rc)
		rc = be->put(be, b->memory, host, READ_BYTES, err);
	free(host);
	for (int i = 0; !rc && i < REPEATS; i++) {
		rc = read_once(b, &reads[i], err);
		if (!rc)
			rc = multiply_once(b, &multiplies[i], err);
	}
	if (!rc)
		buf_addf(b->out,
			 "%s: memory reads %.1f GB/s, multiply-adds %.0f GFLOP/s\n\n",
			 b->m->caps.name, median(reads, REPEATS) / 1e9,
			 median(multiplies, REPEATS) / 1e9);
	return rc;
}

/* ----------------------------------------------------------------- kernels */

static double weight_bytes(const struct weight *w)
{
	double n = (double)w->out * (double)w->in;

	switch (w->type) {
	case WEIGHT_F32:
		return 4 * n;
	case WEIGHT_BF16:
		return 2 * n;
	case WEIGHT_F8:
		return n + n / (128 * 128);
	case WEIGHT_FP4:
		return n / 2 + n / 32;
	}
	return 0;
}

/* One row through each of n matrices of one kind, so many that no cache holds them. */
static int time_linear(struct bench *b, const char *name, const struct weight *const *w, int n,
		       struct err *err)
{
	struct work *k = &b->m->work;
	double t[REPEATS], reads[REPEATS], bytes = 0, rate, read;
	uint16_t first;
	int rc = 0;

	for (int i = 0; i < n; i++)
		bytes += weight_bytes(w[i]);
	for (int rep = 0; !rc && rep < REPEATS; rep++) {
		double start;

		rc = read_once(b, &reads[rep], err);
		start = clock_s();
		for (int i = 0; !rc && i < n; i++)
			rc = run_linear(b->m, w[i], 1, k->q, k->o, 1, err);
		if (!rc) /* waits for what was issued */
			rc = b->m->be->get(b->m->be, &first, k->o, sizeof(first), err);
		t[rep] = clock_s() - start;
	}
	if (rc)
		return rc;
	rate = bytes / median(t, REPEATS);
	read = median(reads, REPEATS);
	buf_addf(b->out, "  %-18s %7.1f GB/s  %3.0f %% of the %.1f that memory reads  (%.0f MB)\n", name,
		 rate / 1e9, 100 * rate / read, read / 1e9, bytes / 1e6);
	return 0;
}

static int time_kernels(struct bench *b, struct err *err)
{
	const struct weights *w = b->m->weights;
	const struct model_config *cfg = &b->m->cfg;
	int n_f8 = 0, n_fp4 = 0, most = 2 * cfg->n_layers + cfg->n_experts;
	const struct weight **list = malloc((size_t)most * sizeof(*list));
	int rc;

	if (!list)
		return err_nomem(err, "bench", (size_t)most * sizeof(*list));
	/* q's columns hold any input here, o's any output */
	buf_addz(b->out, "kernels alone, one row:\n");
	for (int i = 0; i < cfg->n_layers; i++) {
		list[n_f8++] = &w->layers[i].wq_b;
		list[n_f8++] = &w->layers[i].wo_b;
	}
	rc = time_linear(b, "FP8 matrix-vector", list, n_f8, err);
	if (!rc && cfg->expert_dtype == EXPERT_FP4) {
		for (int e = 0; e < cfg->n_experts; e++)
			list[n_fp4++] = &w->layers[0].experts[e].w1;
		rc = time_linear(b, "FP4 matrix-vector", list, n_fp4, err);
	}
	free(list);
	buf_addc(b->out, '\n');
	return rc;
}

/* ------------------------------------------------------------------ decode */

/* What the draft head reads where its logits are not wanted: up to its window row. */
static double draft_bytes(const struct model *m)
{
	const struct draft_weights *w = &m->weights->draft[0];

	return weight_bytes(&w->e_proj) + weight_bytes(&w->h_proj) + weight_bytes(&w->layer.wkv) +
	       24.0 * HC_MULT * m->cfg.dim * sizeof(float);
}

/* The same of the block drafter's stages. */
static double stage_bytes(const struct model *m)
{
	double n = weight_bytes(&m->weights->draft[0].main_proj);

	for (int i = 0; i < m->n_stages; i++)
		n += weight_bytes(&m->weights->draft[i].layer.wkv);
	return n;
}

/* Bytes of weights that a step reads, by phase. */
static int step_bytes(const struct model *m, double bytes[N_PHASES], struct err *err)
{
	const struct model_config *cfg = &m->cfg;
	uint64_t w[N_WEIGHT_KINDS];
	double used = (double)cfg->n_experts_used / cfg->n_experts;
	int rc = weights_measure(cfg, &m->shard, w, err);

	if (rc)
		return rc;
	memset(bytes, 0, N_PHASES * sizeof(*bytes));
	bytes[PHASE_ATTENTION] = (double)w[WEIGHT_KIND_ATTENTION];
	bytes[PHASE_COMPRESSOR] = (double)w[WEIGHT_KIND_COMPRESSOR];
	bytes[PHASE_MHC] = (double)w[WEIGHT_KIND_MHC];
	bytes[PHASE_ROUTER] = (double)w[WEIGHT_KIND_ROUTER];
	bytes[PHASE_EXPERTS] = (double)w[WEIGHT_KIND_SHARED] + used * (double)w[WEIGHT_KIND_EXPERTS];
	bytes[PHASE_HEAD] = (double)w[WEIGHT_KIND_HEAD];
	if (m->has_draft)
		bytes[PHASE_DRAFT] = draft_bytes(m);
	if (m->n_stages)
		bytes[PHASE_DRAFT] = stage_bytes(m);
	return 0;
}

/* Seconds of each of n steps; `draft` is NULL or takes the draft head's logits. */
static int decode_steps(struct bench *b, double *t, int n, float *draft, struct err *err)
{
	int rc = 0;

	for (int i = 0; !rc && i < n; i++) {
		token_id id;
		double start;

		draw_ids(b, &id, 1);
		start = clock_s();
		rc = seq_forward(b->s, &id, 1, WANT_LAST, b->logits, draft, err);
		t[i] = clock_s() - start;
	}
	return rc;
}

static void show_phases(struct bench *b, const double bytes[N_PHASES], double read)
{
	const struct phase_clock *clock = &b->m->clock;
	double sum = 0;

	for (int p = 0; p < N_PHASES; p++)
		sum += clock->sum[p];
	buf_addf(b->out, "  %-12s %9s %7s %9s %12s\n", "phase", "ms", "share", "MB",
		 "of the limit");
	for (int p = 0; p < N_PHASES; p++) {
		double each = clock->sum[p] / STEPS;

		buf_addf(b->out, "  %-12s %9.3f %5.1f %% %9.2f", phase_name((enum phase)p), 1e3 * each,
			 100 * clock->sum[p] / sum, bytes[p] / 1e6);
		if (bytes[p] > 0)
			buf_addf(b->out, " %10.0f %%", 100 * bytes[p] / each / read);
		buf_addc(b->out, '\n');
	}
}

static int decode_by_phase(struct bench *b, struct err *err)
{
	struct phase_clock *clock = &b->m->clock;
	double bytes[N_PHASES], t[STEPS], reads[STEPS], all = 0, read;
	int rc = step_bytes(b->m, bytes, err);

	if (!rc)
		rc = seq_pretend(b->s, b->m->ctx < 1024 ? b->m->ctx / 2 : 1000 - 2 * STEPS, err);
	if (!rc)
		rc = decode_steps(b, t, WARM_UP, NULL, err);
	*clock = (struct phase_clock){0};
	for (int i = 0; !rc && i < STEPS; i++) {
		rc = read_once(b, &reads[i], err);
		phases_start(b->m);
		if (!rc)
			rc = decode_steps(b, &t[i], 1, NULL, err);
		if (!rc)
			rc = phases_stop(b->m, err);
	}
	if (rc)
		return rc;
	for (int p = 0; p < N_PHASES; p++)
		all += bytes[p];
	read = median(reads, STEPS);
	b->step = median(t, STEPS);
	buf_addf(b->out,
		 "decode, context 1000: %.2f ms/step, %.1f tokens/s, %.0f MB/step, "
		 "%.0f %% of the limit (%.1f GB/s)\n",
		 1e3 * b->step, 1 / b->step, all / 1e6, 100 * all / b->step / read, read / 1e9);
	show_phases(b, bytes, read);
	if (b->m->has_draft && b->m->ctx >= 1024) {
		rc = decode_steps(b, t, STEPS / 2, b->draft, err);
		if (!rc)
			buf_addf(b->out, "  with the draft head's logits: %.2f ms/step\n",
				 1e3 * median(t, STEPS / 2));
	}
	buf_addc(b->out, '\n');
	return rc;
}

static int decode_by_context(struct bench *b, struct err *err)
{
	double t[STEPS], first = 0;
	int rc = 0;

	buf_addz(b->out, "decode by context:\n");
	for (size_t i = 0; !rc && i < N_LENGTHS && lengths[i] <= b->m->ctx; i++) {
		rc = seq_pretend(b->s, lengths[i] - 2 * STEPS, err);
		if (!rc)
			rc = decode_steps(b, t, WARM_UP, NULL, err);
		if (!rc)
			rc = decode_steps(b, t, STEPS, NULL, err);
		if (rc)
			break;
		t[0] = median(t, STEPS);
		first = first > 0 ? first : t[0];
		buf_addf(b->out, "  %8lld tokens %9.2f ms/step  %5.2f times the first\n",
			 (long long)lengths[i], 1e3 * t[0], t[0] / first);
	}
	buf_addc(b->out, '\n');
	return rc;
}

/* ----------------------------------------------------------------- prefill */

static double macs(const struct weight *w)
{
	return (double)w->out * (double)w->in;
}

/* Operations of one prefilled token in products with weights; without heads. */
static double token_ops(const struct model *m)
{
	const struct model_config *cfg = &m->cfg;
	double n = 0;

	for (int i = 0; i < cfg->n_layers; i++) {
		const struct layer_weights *w = &m->weights->layers[i];
		const struct indexer_weights *x = &w->indexer;

		n += macs(&w->wq_a) + macs(&w->wq_b) + macs(&w->wkv) + macs(&w->wo_a) + macs(&w->wo_b);
		if (w->ratio)
			n += macs(&w->compressor.wkv) + macs(&w->compressor.wgate);
		if (w->ratio == 4)
			n += macs(&x->wq_b) + macs(&x->weights_proj) + macs(&x->compressor.wkv) +
			     macs(&x->compressor.wgate);
		n += macs(&w->gate) + 3 * macs(&w->shared.w1) +
		     3 * macs(&w->experts[0].w1) * cfg->n_experts_used;
		n += 2 * 24.0 * HC_MULT * cfg->dim; /* mHC, before each sublayer */
	}
	return 2 * n;
}

static int prefill_once(struct bench *b, int64_t len, int n, double *t, struct err *err)
{
	token_id ids[PREFILL];
	double start;
	int rc;

	draw_ids(b, ids, n);
	rc = len ? seq_pretend(b->s, len, err) : seq_truncate(b->s, 0, err);
	start = clock_s();
	for (int at = 0; !rc && at < n; at += b->m->chunk) {
		int rows = n - at < b->m->chunk ? n - at : b->m->chunk;

		rc = seq_forward(b->s, ids + at, rows, at + rows == n ? WANT_LAST : WANT_NONE,
				   b->logits, NULL, err);
	}
	*t = clock_s() - start;
	return rc;
}

static int time_prefill(struct bench *b, struct err *err)
{
	int rc = 0, n = b->m->ctx < PREFILL ? (int)b->m->ctx : PREFILL;
	double t[3], multiplies[3], ops = token_ops(b->m);

	for (int rep = 0; !rc && rep < 3; rep++) {
		rc = multiply_once(b, &multiplies[rep], err);
		if (!rc)
			rc = prefill_once(b, 0, n, &t[rep], err);
	}
	if (rc)
		return rc;
	t[0] = median(t, 3);
	buf_addf(b->out,
		 "prefill of %d tokens, %d at a time: %.0f ms, %.1f tokens/s, %.1f times decode\n"
		 "  %.2f GFLOP/token in products, %.0f %% of the limit (%.0f GFLOP/s)\n",
		 n, b->m->chunk, 1e3 * t[0], n / t[0], n / t[0] * b->step, ops / 1e9,
		 100 * ops * n / t[0] / median(multiplies, 3), median(multiplies, 3) / 1e9);
	/* beyond this the scores of 512 rows take minutes */
	for (size_t i = 1; !rc && i < N_LENGTHS && lengths[i] <= PREFILL_MOST; i++) {
		if (lengths[i] > b->m->ctx)
			break;
		rc = prefill_once(b, lengths[i] - n, n, &t[0], err);
		if (!rc)
			buf_addf(b->out, "  up to %8lld tokens %9.1f tokens/s\n",
				 (long long)lengths[i], n / t[0]);
	}
	return rc;
}

int bench_run(const struct bench_request *req, struct buf *out, struct err *err)
{
	struct model_options opt = model_options_of(req->config);
	struct bench b = {.out = out, .seed = 11};
	int rc;

	if (req->draft)
		return bench_draft(req, out, err);
	opt.dummy = req->dummy;
	opt.dummy_layers = req->layers;
	rc = model_open(&b.m, &opt, err);
	if (rc)
		return rc;
	buf_addf(out, "%s, %d layers%s, weights %.1f MB, context %lld\n",
		 req->dummy ? req->dummy : req->config->model_dir, b.m->cfg.n_layers,
		 req->dummy ? ", random" : "", (double)model_memory(b.m).weight_bytes / 1e6,
		 (long long)b.m->ctx);
	b.logits = malloc(2 * (size_t)b.m->cfg.vocab * sizeof(float));
	rc = b.logits ? seq_new(&b.s, b.m, err)
		      : err_nomem(err, "logits", 2 * (size_t)b.m->cfg.vocab * sizeof(float));
	b.draft = b.logits ? b.logits + b.m->cfg.vocab : NULL;
	if (!rc)
		rc = measure_bounds(&b, err);
	if (!rc)
		rc = time_kernels(&b, err);
	if (!rc)
		rc = decode_by_phase(&b, err);
	if (!rc)
		rc = decode_by_context(&b, err);
	if (!rc)
		rc = time_prefill(&b, err);
	if (!rc && buf_failed(out))
		rc = err_nomem(err, "report", out->len);
	b.m->be->free(b.m->be, b.memory);
	seq_free(b.s);
	free(b.logits);
	model_close(b.m);
	return rc;
}
