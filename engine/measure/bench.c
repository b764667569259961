/* Timing the machine's bounds and single operations; then the rest, part by part. */
#include "engine/measure/bench_internal.h"

#include <limits.h>
#include <stdlib.h>

#include "engine/base/clock.h"
#include "engine/checkpoint/plan.h"
#include "engine/engine.h"
#include "engine/measure/bench_draft.h"

#define READ_BYTES ((size_t)256 << 20)
#define READ_MANY  16   /* times that, where it is read in no time */
#define READ_SHORT 1e-3 /* seconds: starting and waiting would count */
#define MEMORY_LEFT                                                                            \
	((uint64_t)6 << 30) /* of a device, beside the model: what reads and marks take */
#define REPEATS 7           /* of what is short; the median counts */

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), by_size);
	return v[n / 2];
}

token_id bench_draw_id(const struct model *m, uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (token_id)((*seed >> 33) % (uint64_t)m->cfg.vocab);
}

void bench_draw_ids(struct bench *b, token_id *ids, int n)
{
	for (int i = 0; i < n; i++)
		ids[i] = bench_draw_id(b->m, &b->seed);
}

/* ------------------------------------------------------------- what bounds it */

static int read_rank(struct model *m, void *ctx, struct err *err)
{
	struct bench *b = ctx;

	return m->be->read(m->be, b->memory[m->shard.rank], b->read_bytes, err);
}

int bench_read(struct bench *b, double *rate, struct err *err)
{
	double start = clock_s();
	int rc = team_run(b->m, read_rank, b, err);

	*rate = (double)b->read_bytes * model_n_ranks(b->m) / (clock_s() - start);
	return rc;
}

static int multiply_rank(struct model *m, void *ctx, struct err *err)
{
	struct bench *b = ctx;

	return m->be->multiply(m->be, &b->n_op[m->shard.rank], err);
}

int bench_multiply(struct bench *b, double *rate, struct err *err)
{
	double start = clock_s(), n_op = 0;
	int rc = team_run(b->m, multiply_rank, b, err);

	for (int i = 0; i < model_n_ranks(b->m); i++)
		n_op += b->n_op[i];
	*rate = n_op / (clock_s() - start);
	return rc;
}

/* What a rank's memory is filled with, again and again. */
struct filling {
	struct bench *b;
	const unsigned char *host; /* READ_BYTES of it */
	size_t n;
};

static int free_rank(struct model *m, void *ctx, struct err *err)
{
	struct bench *b = ctx;

	(void)err;
	m->be->free(m->be, b->memory[m->shard.rank]);
	b->memory[m->shard.rank] = NULL;
	return 0;
}

static int fill_rank(struct model *m, void *ctx, struct err *err)
{
	const struct filling *f = ctx;
	dbuf *memory = &f->b->memory[m->shard.rank];
	int rc;

	free_rank(m, f->b, err);
	rc = m->be->alloc(m->be, f->n, MEMORY_PLAIN, memory, err);
	for (size_t at = 0; !rc && at < f->n; at += READ_BYTES)
		rc = m->be->put(m->be, *memory + at, f->host, READ_BYTES, err);
	return rc;
}

static int fill_memory(struct bench *b, const unsigned char *host, size_t n, struct err *err)
{
	struct filling f = {b, host, n};
	int rc = team_run(b->m, fill_rank, &f, err);

	b->read_bytes = rc ? 0 : n;
	return rc;
}

/* As much as takes a while to read, where there is room for it. */
static int take_memory(struct bench *b, struct err *err)
{
	struct backend *be = b->m->be;
	unsigned char *host = malloc(READ_BYTES);
	uint64_t seed = 3;
	double rate;
	int rc;

	if (!host)
		return err_nomem(err, "bench", READ_BYTES);
	dummy_fill(DTYPE_F32, host, READ_BYTES, &seed);
	rc = fill_memory(b, host, READ_BYTES, err);
	for (int i = 0; !rc && i < 2; i++) /* the first may have to load something */
		rc = bench_read(b, &rate, err);
	if (!rc && (double)READ_BYTES * model_n_ranks(b->m) / rate < READ_SHORT &&
	    be->memory_free(be) > 2 * READ_MANY * READ_BYTES)
		rc = fill_memory(b, host, READ_MANY * READ_BYTES, err);
	free(host);
	return rc;
}

static int measure_bounds(struct bench *b, struct err *err)
{
	double reads[REPEATS], multiplies[REPEATS];
	int rc = take_memory(b, err);

	for (int i = 0; !rc && i < REPEATS; i++) {
		rc = bench_read(b, &reads[i], err);
		if (!rc)
			rc = bench_multiply(b, &multiplies[i], err);
	}
	if (!rc)
		buf_addf(b->out, "%s: memory reads %.1f GB/s, multiply-adds %.0f GFLOP/s\n\n",
			 model_backend_name(b->m), bench_median(reads, REPEATS) / 1e9,
			 bench_median(multiplies, REPEATS) / 1e9);
	return rc;
}

/* ----------------------------------------------------------------- kernels */

double bench_weight_bytes(const struct weight *w)
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

/* One row through what `issue` issues on each rank, so much that no cache holds it. */
static int time_alone(struct bench *b, const char *name, double bytes, team_job issue,
		      struct err *err)
{
	double t[REPEATS], reads[REPEATS], rate, read;
	int rc = 0;

	for (int rep = 0; !rc && rep < REPEATS; rep++) {
		double start;

		rc = bench_read(b, &reads[rep], err);
		start = clock_s();
		if (!rc)
			rc = team_run(b->m, issue, NULL, err);
		t[rep] = clock_s() - start;
	}
	if (rc)
		return rc;
	rate = bytes / bench_median(t, REPEATS);
	read = bench_median(reads, REPEATS);
	buf_addf(b->out,
		 "  %-18s %7.1f GB/s  %3.0f %% of the %.1f that memory reads  (%.0f MB)\n",
		 name, rate / 1e9, 100 * rate / read, read / 1e9, bytes / 1e6);
	return 0;
}

int bench_wait(struct model *m, struct err *err)
{
	uint16_t first;

	return m->be->get(m->be, &first, m->work.u, sizeof(first), err);
}

/* q's columns hold any input here, o's any output. */
static int issue_linear(struct model *m, void *ctx, struct err *err)
{
	struct work *k = &m->work;
	int rc = 0;

	(void)ctx;
	for (int i = 0; !rc && i < m->cfg.n_layers; i++) {
		const struct layer_weights *w = &m->weights->layers[i];

		rc = run_linear(m, &w->wq_b, 1, k->q, k->o, 1, err);
		if (!rc)
			rc = run_linear(m, &w->wo_b, 1, k->q, k->o, 1, err);
	}
	return rc ? rc : bench_wait(m, err);
}

static int issue_experts(struct model *m, void *ctx, struct err *err)
{
	int rc = 0;

	(void)ctx;
	for (int i = 0; !rc && i < m->cfg.n_layers; i++)
		rc = run_experts(m, &m->weights->layers[i], 1, err);
	return rc ? rc : bench_wait(m, err);
}

/* Some experts, spread over all, with equal weights. */
static int choose_experts(struct model *m, void *ctx, struct err *err)
{
	const struct model_config *cfg = &m->cfg;
	struct backend *be = m->be;
	int rc = 0;

	(void)ctx;
	for (int i = 0; !rc && i < cfg->n_experts_used; i++) {
		int32_t expert = i * (cfg->n_experts / cfg->n_experts_used);
		float weight = 1.0f / (float)cfg->n_experts_used;

		rc = be->put(be, m->work.expert + (size_t)i * sizeof(expert), &expert,
			     sizeof(expert), err);
		if (!rc)
			rc = be->put(be, m->work.expert_weight + (size_t)i * sizeof(weight),
				     &weight, sizeof(weight), err);
	}
	return rc;
}

static double expert_bytes(const struct expert_weights *e)
{
	return bench_weight_bytes(&e->w1) + bench_weight_bytes(&e->w2) +
	       bench_weight_bytes(&e->w3);
}

static int time_kernels(struct bench *b, struct err *err)
{
	const struct model_config *cfg = &b->m->cfg;
	double linear = 0, experts = 0;
	int n = model_n_ranks(b->m), rc = team_run(b->m, choose_experts, NULL, err);

	for (int i = 0; i < cfg->n_layers; i++) {
		const struct layer_weights *w = &b->m->weights->layers[i];

		linear += bench_weight_bytes(&w->wq_b) + bench_weight_bytes(&w->wo_b);
		experts += cfg->n_experts_used * expert_bytes(&w->experts[0]) +
			   expert_bytes(&w->shared);
	}
	buf_addz(b->out, "kernels alone, one row:\n");
	if (!rc)
		rc = time_alone(b, "wq_b and wo_b", n * linear, issue_linear, err);
	if (!rc)
		rc = time_alone(b, "experts", n * experts, issue_experts, err);
	buf_addc(b->out, '\n');
	return rc;
}

/* How many layers of a published shape fit here, where nobody says how many; all if they do. */
static int fitting_layers(const struct model_options *opt, int all, int *n, struct err *err)
{
	struct model_options some = *opt;
	struct memory_plan plan;
	uint64_t whole, few, each;
	int rc;

	*n = 0;
	some.dummy_layers = 0;
	if (!some.gpu_experts)
		some.gpu_experts = INT_MAX; /* layers are left out before experts are */
	rc = model_plan(&some, &plan, err);
	if (rc || plan_total(&plan) + MEMORY_LEFT <= plan.available)
		return rc;
	whole = plan_total(&plan);
	some.dummy_layers = 1;
	some.ctx_tokens = plan.ctx_tokens;
	rc = model_plan(&some, &plan, err);
	if (rc)
		return rc;
	few = plan_total(&plan);
	each = (whole - few) / (uint64_t)(all - 1);
	if (few + each + MEMORY_LEFT > plan.available)
		return 0; /* not one: opening says so */
	*n = (int)((plan.available - few - MEMORY_LEFT) / each);
	return 0;
}

/* What was read of files; a backend that reads them where they are mapped has them brought in. */
static void show_load(struct bench *b)
{
	const struct model_load l = model_load(b->m);

	if (!l.bytes || l.seconds <= 0)
		return;
	buf_addf(b->out, "loaded in %.2f s: %.2f GB/s", l.seconds,
		 (double)l.bytes / l.seconds / 1e9);
	if (l.readers > 0)
		buf_addf(b->out, "; %.1f threads read at a time, %.2f GB/s each", l.readers,
			 (double)l.bytes / l.seconds / l.readers / 1e9);
	buf_addc(b->out, '\n');
}

static void show_hosting(struct bench *b)
{
	const struct hosting *h = &b->m->hosting;

	if (!model_n_hosted(b->m))
		return;
	buf_addf(b->out,
		 "%d of %d experts of each layer lie in the host's memory, %s: the bus brings "
		 "%.1f "
		 "GB/s",
		 model_n_hosted(b->m), b->m->cfg.n_experts, plan_hosting_text(h->by),
		 h->rates.bus / 1e9);
	if (h->rates.cpu > 0)
		buf_addf(b->out, ", the host computes %.1f", h->rates.cpu / 1e9);
	buf_addc(b->out, '\n');
}

static int open_model(struct bench *b, const struct bench_request *req, struct err *err)
{
	struct model_options opt = model_options_of(req->config);
	struct model_config whole;
	int rc = 0;

	opt.dummy = req->dummy;
	opt.dummy_layers = req->layers;
	if (req->dummy)
		rc = dummy_config(req->dummy, 0, &whole, err);
	if (!rc && req->dummy && !req->layers)
		rc = fitting_layers(&opt, whole.n_layers, &opt.dummy_layers, err);
	if (!rc)
		rc = model_open(&b->m, &opt, err);
	if (rc)
		return rc;
	if (req->dummy && b->m->cfg.n_layers < whole.n_layers)
		b->whole_layers = whole.n_layers;
	buf_addf(b->out, "%s, %d layers%s, weights %.1f MB, context %lld\n",
		 req->dummy ? req->dummy : req->config->model_dir, b->m->cfg.n_layers,
		 req->dummy ? ", random" : "", (double)model_memory(b->m).weight_bytes / 1e6,
		 (long long)b->m->ctx);
	show_load(b);
	show_hosting(b);
	if (b->whole_layers && !req->layers)
		buf_addf(b->out, "(of %d layers, as many as fit)\n", b->whole_layers);
	return 0;
}

int bench_load_run(const struct bench_request *req, struct buf *out, struct err *err)
{
	int rc = 0;

	for (int i = 0; i < 2 && !rc; i++) {
		struct bench b = {.out = out};

		rc = open_model(&b, req, err);
		model_close(b.m);
	}
	return rc;
}

int bench_run(const struct bench_request *req, struct buf *out, struct err *err)
{
	struct bench b = {.out = out, .seed = 11};
	struct err ignored;
	int rc;

	if (req->draft)
		return bench_draft(req, out, err);
	rc = open_model(&b, req, err);
	if (rc)
		return rc;
	b.logits = malloc(2 * (size_t)b.m->cfg.vocab * sizeof(float));
	rc = b.logits ? seq_new(&b.s, b.m, err)
		      : err_nomem(err, "logits", 2 * (size_t)b.m->cfg.vocab * sizeof(float));
	b.draft = b.logits ? b.logits + b.m->cfg.vocab : NULL;
	if (!rc)
		rc = measure_bounds(&b, err);
	if (!rc)
		rc = time_kernels(&b, err);
	if (!rc)
		rc = bench_decode(&b, err);
	if (!rc && model_n_ranks(b.m) > 1)
		rc = bench_ranks(&b, err);
	if (!rc)
		rc = bench_prefill(&b, err);
	if (!rc && buf_failed(out))
		rc = err_nomem(err, "report", out->len);
	team_run(b.m, free_rank, &b, &ignored);
	seq_free(b.s);
	free(b.logits);
	model_close(b.m);
	return rc;
}
