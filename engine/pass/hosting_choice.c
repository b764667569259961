/* Measuring this machine, shortly, and choosing by it. */
#include "engine/pass/hosting_choice.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/base/memory.h"
#include "engine/checkpoint/plan.h"
#include "engine/pass/model_internal.h"

#define TIMES     3                   /* the best counts; a first one only prepares */
#define BUS_BYTES ((size_t)64 << 20)  /* take a millisecond or two */
#define OWN_BYTES ((size_t)512 << 20) /* take more than being launched */
#define CPU_BYTES ((size_t)256 << 20) /* more than caches hold */
#define ROOM      4                   /* times what is read has to be free */

/* Of a device's memory: what is not counted, like the memory of graphs, takes less than this.
 */
#define NOT_COUNTED ((uint64_t)1 << 30)

/* ----------------------------------------------------------------- the device */

static int time_read(struct backend *be, enum memory_kind kind, size_t bytes, double *rate,
		     struct err *err)
{
	dbuf p = NULL;
	int rc = be->alloc(be, bytes, kind, &p, err);

	*rate = 0;
	for (int i = 0; i <= TIMES && !rc; i++) {
		double start = clock_s(), now;

		rc = be->read(be, p, bytes, err);
		now = (double)bytes / (clock_s() - start);
		if (i && now > *rate)
			*rate = now;
	}
	be->free(be, p);
	return rc;
}

/* ------------------------------------------------------------------- the host */

/* Made-up experts of this model's shape, and a row. */
struct sample {
	struct expert_weights *e;
	int n;
	unsigned char *codes, *scales; /* of all, of each matrix */
	size_t bytes;                  /* of one expert */
	float *x, *y, *weight;
	int32_t *expert;
	struct experts_args args;
};

static void sample_release(struct sample *s)
{
	free(s->e);
	free(s->codes);
	free(s->scales);
	free(s->x);
	free(s->y);
	free(s->weight);
	free(s->expert);
}

/* Bytes of one expert's codes and scales. */
static void sample_sizes(const struct expert_weights *e, size_t *codes, size_t *scales)
{
	size_t values, scale;

	weight_sizes(&e->w1, &values, &scale);
	*codes = 2 * values;
	*scales = 2 * scale;
	weight_sizes(&e->w2, &values, &scale);
	*codes += values;
	*scales += scale;
}

/* One matrix behind another. */
static void take_matrix(struct weight *w, unsigned char **codes, unsigned char **scales)
{
	size_t values, scale;

	weight_sizes(w, &values, &scale);
	w->w = *codes;
	w->scale = *scales;
	*codes += values;
	*scales += scale;
}

static void fill_experts(struct sample *s, const struct expert_weights *shape)
{
	unsigned char *codes = s->codes, *scales = s->scales;

	for (int i = 0; i < s->n; i++) {
		s->e[i] = *shape;
		take_matrix(&s->e[i].w1, &codes, &scales);
		take_matrix(&s->e[i].w2, &codes, &scales);
		take_matrix(&s->e[i].w3, &codes, &scales);
	}
}

static int sample_init(struct sample *s, const struct model *m, struct err *err)
{
	const struct model_config *cfg = &m->cfg;
	int d = cfg->dim, inner = model_part(m, SHARD_INNER);
	enum weight_type type = cfg->expert_dtype == EXPERT_FP8 ? WEIGHT_F8 : WEIGHT_FP4;
	const struct expert_weights shape = {
		.w1 = {.type = type, .out = inner, .in = d},
		.w2 = {.type = type, .out = d, .in = inner},
		.w3 = {.type = type, .out = inner, .in = d},
	};
	size_t codes, scales, n;

	sample_sizes(&shape, &codes, &scales);
	s->bytes = codes + scales;
	n = CPU_BYTES / s->bytes / (size_t)cfg->n_experts_used * (size_t)cfg->n_experts_used;
	s->n = n < (size_t)cfg->n_experts_used ? cfg->n_experts_used
	       : n > (size_t)cfg->n_experts    ? cfg->n_experts
					       : (int)n;
	s->e = calloc((size_t)s->n, sizeof(*s->e));
	s->codes = malloc((size_t)s->n * codes);
	s->scales = malloc((size_t)s->n * scales);
	s->x = calloc((size_t)d, sizeof(*s->x));
	s->y = calloc((size_t)d, sizeof(*s->y));
	s->weight = calloc((size_t)cfg->n_experts_used, sizeof(*s->weight));
	s->expert = calloc((size_t)cfg->n_experts_used, sizeof(*s->expert));
	if (!s->e || !s->codes || !s->scales || !s->x || !s->y || !s->weight || !s->expert)
		return err_nomem(err, "measuring experts", (size_t)s->n * s->bytes);
	memset(s->codes, 0x31, (size_t)s->n * codes); /* 0.5 and 1.5, or 0.5 of e4m3 */
	memset(s->scales, 120, (size_t)s->n * scales);
	fill_experts(s, &shape);
	s->args = (struct experts_args){
		.n_tok = 1,
		.d = d,
		.inner = inner,
		.n_expert = s->n,
		.n_used = cfg->n_experts_used,
		.limit = cfg->swiglu_limit,
		.experts = s->e,
		.x = (dbuf)(void *)s->x,
		.expert = (dbuf)(void *)s->expert,
		.weight = (dbuf)(void *)s->weight,
		.y = (dbuf)(void *)s->y,
	};
	return 0;
}

/* A row after another, each with other experts: as many at once as a step has. */
static int sample_pass(struct sample *s, struct backend *cpu, double *rate, struct err *err)
{
	int used = s->args.n_used, n = 0, rc = 0;
	double start = clock_s();

	for (; n + used <= s->n && !rc; n += used) {
		for (int i = 0; i < used; i++)
			s->expert[i] = n + i;
		rc = cpu->ops->experts(cpu, &s->args, err);
	}
	*rate = (double)s->bytes * n / (clock_s() - start);
	return rc;
}

static int time_experts(const struct model *m, double *rate, struct err *err)
{
	struct sample s = {0};
	int rc = sample_init(&s, m, err);

	*rate = 0;
	for (int i = 0; i <= TIMES && !rc; i++) {
		double now;

		rc = sample_pass(&s, m->helper, &now, err);
		if (i && now > *rate)
			*rate = now;
	}
	sample_release(&s);
	return rc;
}

static int open_helper(struct model *m, const struct model_options *opt, struct err *err)
{
	const struct backend_options o = {
		.n_threads = opt->n_threads,
		.isa = opt->isa,
		.n_sharing = m->shard.n_ranks,
		.n_left = 1, /* to the thread that waits for the device */
	};

	return backend_open_cpu(&m->helper, &o, err);
}

/* ------------------------------------------------------------------ the choice */

static int measure_own(struct model *m, struct hosting_rates *r, struct err *err)
{
	struct backend *be = m->be;
	size_t own = OWN_BYTES;

	while (own > BUS_BYTES && be->memory_free(be) / ROOM < own)
		own /= 2;
	if (be->memory_free(be) < own) /* nothing will fit, and the plan says so */
		return 0;
	return time_read(be, MEMORY_PLAIN, own, &r->own, err);
}

static int measure(struct model *m, struct hosting_rates *r, struct err *err)
{
	struct backend *be = m->be;
	int rc = measure_own(m, r, err);

	if (!rc)
		rc = time_read(be, MEMORY_HOSTED, BUS_BYTES, &r->bus, err);
	return rc || !m->helper ? rc : time_experts(m, &r->cpu, err);
}

static int want_of(const struct model_options *opt, enum hosted_by *want, struct err *err)
{
	static const char *const names[] = {
		[HOSTING_AUTO] = "auto",
		[HOSTING_NONE] = "gpu",
		[HOSTING_READ] = "host",
		[HOSTING_COMPUTED] = "cpu",
	};
	size_t n = sizeof(names) / sizeof(names[0]), i = 0;

	*want = HOSTING_AUTO;
	if (!opt->hosting)
		return 0;
	while (i < n && strcmp(opt->hosting, names[i]) != 0)
		i++;
	if (i == n)
		return err_set(err, ERR_USAGE,
			       "experts: \"%s\", expected auto, gpu, host or cpu",
			       opt->hosting);
	*want = (enum hosted_by)i;
	return 0;
}

/* Who computes those that are hosted; where the host does, the GPU needs some room for it. */
static int choose(struct model *m, const struct model_options *opt, enum hosted_by want,
		  struct memory_plan *p, struct err *err)
{
	int rc = 0;

	if (m->be->compute_hosted && want != HOSTING_READ)
		rc = open_helper(m, opt, err);
	else if (want == HOSTING_COMPUTED)
		rc = err_set(err, ERR_MODEL, "experts: cpu, but %s has none computed there",
			     m->caps.name);
	if (!rc)
		rc = measure(m, &p->rates, err);
	if (rc)
		return rc;
	plan_choose_hosting(p, want, p->expert / (uint64_t)m->cfg.n_layers);
	if (m->helper && p->hosting != HOSTING_COMPUTED) { /* it was measured, and is slower */
		m->helper->close(m->helper);
		m->helper = NULL;
	}
	m->n_hosted = p->n_hosted;
	m->hosting.by = p->hosting;
	m->hosting.rates = p->rates;
	log_add(LOG_INFO,
		"experts on the host: %d of %d of each layer, %s; GPU reads %.1f GB/s, bus "
		"%.1f, "
		"host computes %.1f",
		p->n_hosted, p->n_experts, plan_hosting_text(p->hosting), p->rates.own / 1e9,
		p->rates.bus / 1e9, p->rates.cpu / 1e9);
	return 0;
}

int hosting_choose(struct model *m, const struct model_options *opt, struct memory_plan *p,
		   struct err *err)
{
	enum hosted_by want;
	int rc = want_of(opt, &want, err);

	if (rc || !m->caps.hosts_experts)
		return rc;
	if (want == HOSTING_NONE && opt->gpu_experts && opt->gpu_experts < m->cfg.n_experts)
		return err_set(err, ERR_USAGE,
			       "gpu-experts: %d of %d, but experts: gpu, which is all of them",
			       opt->gpu_experts, m->cfg.n_experts);
	p->n_experts = m->cfg.n_experts;
	p->n_used = m->cfg.n_experts_used;
	p->n_told = opt->gpu_experts;
	p->expert = p->weights[WEIGHT_KIND_EXPERTS] / (uint64_t)m->cfg.n_experts;
	p->host_available = memory_available() / (uint64_t)m->shard.n_ranks;
	p->reserve = NOT_COUNTED;
	if (want == HOSTING_NONE)
		p->hosting = HOSTING_NONE;
	else
		plan_host_experts(p);
	return p->n_hosted ? choose(m, opt, want, p, err) : measure_own(m, &p->rates, err);
}

int hosting_lend(struct model *m, struct err *err)
{
	struct backend *cpu = m->helper;

	if (m->hosting.by != HOSTING_COMPUTED)
		return 0;
	m->helper = NULL;
	return m->be->compute_hosted(m->be, cpu, err);
}
