#include "engine/bench.h"

#include <stdlib.h>
#include <string.h>

#include "engine/model_internal.h"

#define READ_BYTES   ((size_t)1 << 30)
#define STEPS        24   /* of decode; the median counts */
#define WARM_UP      4
#define PREFILL      512

struct bench {
	struct model *m;
	struct seq *s;
	struct buf *out;
	double read_rate;  /* bytes/s */
	uint64_t seed;
	float *logits;
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

/* ------------------------------------------------------------------ memory */

static int measure_read(struct bench *b, struct err *err)
{
	struct backend *be = b->m->be;
	double t[5];
	uint64_t seed = 3;
	unsigned char *host;
	dbuf p = NULL;
	int rc = be->alloc(be, READ_BYTES, 0, &p, err);

	if (rc)
		return rc;
	host = malloc(READ_BYTES);
	if (!host) {
		rc = err_nomem(err, "bench", READ_BYTES);
		goto done;
	}
	dummy_fill(DTYPE_F32, host, READ_BYTES, &seed);
	rc = be->put(be, p, host, READ_BYTES, err);
	for (int i = 0; !rc && i < 5; i++) {
		double start = phase_now();

		rc = be->read(be, p, READ_BYTES, err);
		t[i] = phase_now() - start;
	}
	if (!rc) {
		b->read_rate = (double)READ_BYTES / median(t, 5);
		buf_addf(b->out, "memory: reads %.1f GB/s with %s\n\n", b->read_rate / 1e9,
			 b->m->caps.name);
	}
done:
	free(host);
	be->free(be, p);
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
	double t[7], bytes = 0;
	int rc = 0;

	for (int i = 0; i < n; i++)
		bytes += weight_bytes(w[i]);
	for (int rep = 0; !rc && rep < 7; rep++) {
		double start = phase_now();

		for (int i = 0; !rc && i < n; i++)
			rc = run_linear(b->m, w[i], 1, k->q, k->o, 1, err);
		t[rep] = phase_now() - start;
	}
	if (!rc) {
		double rate = bytes / median(t, 7);

		buf_addf(b->out, "  %-24s %7.1f GB/s  %3.0f %% of what memory reads  (%.0f MB)\n", name,
			 rate / 1e9, 100 * rate / b->read_rate, bytes / 1e6);
	}
	return rc;
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

/* Bytes of weights that a step reads, by phase. */
static int step_bytes(const struct model *m, double bytes[N_PHASES], struct err *err)
{
	const struct model_config *cfg = &m->cfg;
	uint64_t w[N_WEIGHT_KINDS];
	double used = (double)cfg->n_experts_used / cfg->n_experts;
	int rc = weights_measure(cfg, w, err);

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
	return 0;
}

static int decode_steps(struct bench *b, double *t, int n, struct err *err)
{
	int rc = 0;

	for (int i = 0; !rc && i < n; i++) {
		token_id id;
		double start;

		draw_ids(b, &id, 1);
		start = phase_now();
		rc = model_forward(b->s, &id, 1, WANT_LAST, b->logits, NULL, err);
		t[i] = phase_now() - start;
	}
	return rc;
}

static int decode_by_phase(struct bench *b, struct err *err)
{
	struct phase_clock *clock = &b->m->clock;
	double bytes[N_PHASES], t[STEPS], all = 0, total, sum = 0;
	int rc = step_bytes(b->m, bytes, err);

	if (!rc)
		rc = seq_pretend(b->s, b->m->ctx < 1024 ? b->m->ctx / 2 : 1000, err);
	if (!rc)
		rc = decode_steps(b, t, WARM_UP, err);
	*clock = (struct phase_clock){.on = true};
	if (!rc)
		rc = decode_steps(b, t, STEPS, err);
	clock->on = false;
	if (rc)
		return rc;
	for (int p = 0; p < N_PHASES; p++) {
		all += bytes[p];
		sum += clock->sum[p];
	}
	total = median(t, STEPS);
	buf_addf(b->out,
		 "decode, context 1000: %.2f ms/step, %.1f tokens/s, %.0f MB/step, %.0f %% of the limit\n"
		 "  %-12s %9s %7s %9s %12s\n",
		 1e3 * total, 1 / total, all / 1e6, 100 * all / total / b->read_rate, "phase", "ms",
		 "share", "MB", "of the limit");
	for (int p = 0; p < N_PHASES; p++) {
		double each = clock->sum[p] / STEPS;

		buf_addf(b->out, "  %-12s %9.3f %5.1f %% %9.2f", phase_name((enum phase)p), 1e3 * each,
			 100 * clock->sum[p] / sum, bytes[p] / 1e6);
		if (bytes[p] > 0)
			buf_addf(b->out, " %10.0f %%", 100 * bytes[p] / each / b->read_rate);
		buf_addc(b->out, '\n');
	}
	buf_addc(b->out, '\n');
	return 0;
}

static int decode_by_context(struct bench *b, int64_t max_ctx, struct err *err)
{
	static const int64_t lengths[] = {1 << 10, 32 << 10, 256 << 10, 1 << 20};
	double t[STEPS], first = 0;
	int rc = 0;

	buf_addz(b->out, "decode by context:\n");
	for (int i = 0; !rc && i < 4; i++) {
		int64_t len = lengths[i] - 2 * STEPS;

		if (lengths[i] > max_ctx)
			break;
		rc = seq_pretend(b->s, len, err);
		if (!rc)
			rc = decode_steps(b, t, WARM_UP, err);
		if (!rc)
			rc = decode_steps(b, t, STEPS, err);
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

static int time_prefill(struct bench *b, struct err *err)
{
	token_id ids[PREFILL];
	double t[3];
	int rc = 0, n = b->m->ctx < PREFILL ? (int)b->m->ctx : PREFILL;

	for (int rep = 0; !rc && rep < 3; rep++) {
		double start = phase_now();

		draw_ids(b, ids, n);
		rc = seq_truncate(b->s, 0, err);
		for (int at = 0; !rc && at < n; at += b->m->chunk)
			rc = model_forward(b->s, ids + at,
					   n - at < b->m->chunk ? n - at : b->m->chunk, WANT_LAST,
					   b->logits, NULL, err);
		t[rep] = phase_now() - start;
	}
	if (!rc) {
		double s = median(t, 3);

		buf_addf(b->out, "prefill of %d tokens, %d at a time: %.0f ms, %.1f tokens/s\n", n,
			 b->m->chunk, 1e3 * s, n / s);
	}
	return rc;
}

int bench_run(const struct bench_request *req, struct buf *out, struct err *err)
{
	struct model_options opt = {
		.dir = req->model_dir,
		.dummy = req->dummy,
		.dummy_layers = req->layers,
		.n_threads = req->n_threads,
		.ctx_tokens = req->max_ctx,
	};
	struct bench b = {.out = out, .seed = 11};
	int rc = model_open(&b.m, &opt, err);

	if (rc)
		return rc;
	buf_addf(out, "%s, %d layers%s, weights %.1f MB, context %lld\n",
		 req->dummy ? req->dummy : req->model_dir, b.m->cfg.n_layers,
		 req->dummy ? ", random" : "", (double)model_memory(b.m).weight_bytes / 1e6,
		 (long long)b.m->ctx);
	b.logits = malloc((size_t)b.m->cfg.vocab * sizeof(float));
	rc = b.logits ? seq_new(&b.s, b.m, err)
		      : err_nomem(err, "logits", (size_t)b.m->cfg.vocab * sizeof(float));
	if (!rc)
		rc = measure_read(&b, err);
	if (!rc)
		rc = time_kernels(&b, err);
	if (!rc)
		rc = decode_by_phase(&b, err);
	if (!rc)
		rc = decode_by_context(&b, b.m->ctx, err);
	if (!rc)
		rc = time_prefill(&b, err);
	if (!rc && buf_failed(out))
		rc = err_nomem(err, "report", out->len);
	seq_free(b.s);
	free(b.logits);
	model_close(b.m);
	return rc;
}
