/*
 * The sums and the words of a memory plan.
 */
#include "engine/checkpoint/plan.h"

#include <inttypes.h>
#include <stdio.h>

/* Sums that do not fit say "more than there can be", which never fits either. */
static uint64_t add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t times(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static uint64_t pages(int64_t tokens)
{
	return tokens <= 0 ? 0 : ((uint64_t)tokens - 1) / PAGE_TOKENS + 1;
}

uint64_t plan_weights(const struct memory_plan *p)
{
	uint64_t sum = 0;

	for (int i = 0; i < N_WEIGHT_KINDS; i++)
		sum = add(sum, p->weights[i]);
	return sum;
}

uint64_t plan_hosted(const struct memory_plan *p)
{
	return times(p->expert, (uint64_t)p->n_hosted);
}

/* What hosting takes off the GPU. */
static uint64_t plan_off(const struct memory_plan *p)
{
	return times(p->expert - p->staged, (uint64_t)p->n_hosted);
}

uint64_t plan_cache(const struct memory_plan *p)
{
	return add(p->cache_fixed, times(p->cache_page, pages(p->ctx_tokens)));
}

uint64_t plan_total(const struct memory_plan *p)
{
	return add(plan_weights(p), add(plan_cache(p), p->scratch)) - plan_off(p);
}

void plan_host_experts(struct memory_plan *p)
{
	uint64_t all, n = 0, most, each = p->expert - p->staged;

	p->n_hosted = 0;
	if (p->n_experts < 2 || !each)
		return;
	all = plan_total(p);
	most = p->host_available / p->expert;
	if (p->n_told)
		n = p->n_told < p->n_experts ? (uint64_t)(p->n_experts - p->n_told) : 0;
	else if (all > p->available)
		n = (add(all, p->reserve) - p->available - 1) / each + 1;
	if (!p->n_told && n > most)
		n = most;
	p->n_hosted = n < (uint64_t)p->n_experts ? (int)n : p->n_experts - 1;
}

int64_t plan_ctx_that_fits(const struct memory_plan *p)
{
	uint64_t without = add(plan_weights(p), add(p->cache_fixed, p->scratch)) - plan_off(p);
	uint64_t n;

	if (plan_total(p) <= p->available)
		return p->ctx_tokens;
	without = add(without, p->reserve);
	if (without >= p->available || !p->cache_page)
		return 0;
	/* Less than pages(ctx_tokens), or the total would have fitted. */
	n = (p->available - without) / p->cache_page;
	return (int64_t)(n * PAGE_TOKENS);
}

static int check_host(const struct memory_plan *p, struct err *err)
{
	char need[32], have[32];
	struct buf ways = {0};

	if (plan_hosted(p) <= p->host_available)
		return 0;
	bytes_text(need, plan_hosted(p));
	bytes_text(have, p->host_available);
	plan_add_ways(p, &ways);
	err_set(err, ERR_MODEL,
		"memory: %d of the %d experts of each layer are to lie on the host and need %s "
		"there, expected at most %s%s",
		p->n_hosted, p->n_experts, need, have, buf_z(&ways));
	buf_release(&ways);
	return err->code;
}

int plan_check(const struct memory_plan *p, struct err *err)
{
	char need[32], have[32], weights[32], cache[32], each[32] = "", hosted[64] = "";
	struct buf ways = {0};

	if (plan_total(p) <= p->available)
		return check_host(p, err);
	if (p->n_ranks > 1)
		snprintf(each, sizeof(each), " on each of %d ranks", p->n_ranks);
	if (p->n_hosted)
		snprintf(hosted, sizeof(hosted), " without %d of the %d experts of each layer",
			 p->n_hosted, p->n_experts);
	bytes_text(need, plan_total(p));
	bytes_text(have, p->available);
	bytes_text(weights, plan_weights(p) - plan_off(p));
	bytes_text(cache, plan_cache(p));
	plan_add_ways(p, &ways);
	err_set(err, ERR_MODEL,
		"memory: the model needs %s%s (weights%s %s, cache %s for %" PRId64
		" tokens), expected at most %s%s",
		need, each, hosted, weights, cache, p->ctx_tokens, have, buf_z(&ways));
	buf_release(&ways);
	return err->code;
}

static void add_line(struct buf *out, const char *name, uint64_t bytes)
{
	char text[32];

	if (bytes)
		buf_addf(out, "%-22s %10s\n", name, bytes_text(text, bytes));
}

void plan_add_table(const struct memory_plan *p, struct buf *out)
{
	char name[64];

	for (int i = 0; i < N_WEIGHT_KINDS; i++)
		add_line(out, weight_kind_name((enum weight_kind)i), p->weights[i]);
	snprintf(name, sizeof(name), "cache, %" PRId64 " tokens", p->ctx_tokens);
	add_line(out, name, plan_cache(p));
	add_line(out, "scratch", p->scratch);
	add_line(out, p->n_ranks > 1 ? "needed by each rank" : "needed", plan_total(p));
	add_line(out, p->n_ranks > 1 ? "available to each" : "available", p->available);
	if (p->n_hosted) {
		snprintf(name, sizeof(name), "%d of %d experts, host", p->n_hosted,
			 p->n_experts);
		add_line(out, name, plan_hosted(p));
		add_line(out, "available there", p->host_available);
	}
	plan_add_hosting(p, out);
}

const char *bytes_text(char text[32], uint64_t bytes)
{
	static const char *const units[] = {"B", "KB", "MB", "GB", "TB", "PB", "EB"};
	double x = (double)bytes;
	size_t unit = 0;

	if (bytes < 1000) {
		snprintf(text, 32, "%" PRIu64 " B", bytes);
		return text;
	}
	/* 999.95 would be written as 1000.0. */
	while (x >= 999.95 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		x /= 1000;
		unit++;
	}
	snprintf(text, 32, x < 10 ? "%.2f %s" : "%.1f %s", x, units[unit]);
	return text;
}
