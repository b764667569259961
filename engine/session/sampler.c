#include "engine/session/sampler.h"

#include <math.h>
#include <stdlib.h>

#include "engine/session/rng.h"

/* x: (logit − best logit) / T, so at most 0. */
struct candidate {
	double x;
	token_id id;
};

struct sampling sampling_default(void)
{
	return (struct sampling){.temperature = 1.0, .top_p = 1.0};
}

int sampler_init(struct sampler *s, const struct sampling *how, int64_t vocab, struct err *err)
{
	const struct {
		const char *name;
		double value, hi;
	} ranges[] = {
		{"temperature", how->temperature, 1000.0},
		{"top_p", how->top_p, 1.0},
		{"min_p", how->min_p, 1.0},
	};

	*s = (struct sampler){.how = *how, .vocab = vocab};
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if (!(ranges[i].value >= 0 && ranges[i].value <= ranges[i].hi))
			return err_set(err, ERR_USAGE, "%s: found %g, expected 0 to %g",
				       ranges[i].name, ranges[i].value, ranges[i].hi);
	}
	if (how->top_k < 0)
		return err_set(err, ERR_USAGE, "top_k: found %d, expected 0 or more",
			       how->top_k);
	if (how->max_tokens < 0)
		return err_set(err, ERR_USAGE, "max_tokens: found %lld, expected 0 or more",
			       (long long)how->max_tokens);
	if (how->temperature > 0 &&
	    (how->top_p < 1 || (how->top_k > 0 && how->top_k < vocab))) {
		s->heap = malloc((size_t)vocab * sizeof(*s->heap));
		if (!s->heap)
			return err_nomem(err, "sampler", (size_t)vocab * sizeof(*s->heap));
	}
	return 0;
}

void sampler_release(struct sampler *s)
{
	free(s->heap);
	*s = (struct sampler){0};
}

/* The lowest id of the highest logit; every logit is looked at. */
static int find_best(const float *logits, int64_t n, int64_t position, token_id *best,
		     struct err *err)
{
	int64_t at = 0;

	for (int64_t i = 0; i < n; i++) {
		if (!isfinite(logits[i]))
			return err_set(
				err, ERR_MODEL,
				"position %lld: the logit of token %lld is %f, expected a "
				"finite number",
				(long long)position, (long long)i, (double)logits[i]);
		if (logits[i] > logits[at])
			at = i;
	}
	*best = (token_id)at;
	return 0;
}

/* A running argmax of x + G; of equal sums the lower id stays. */
struct race {
	uint64_t seed, position;
	double best;
	token_id id;
};

/*
 * below[k] is a uniform number whose Gumbel variate is less than k, by more than any rounding
 * in here.  A token that is k or more behind and drew no more than below[k] cannot win, which
 * spares nearly all tokens their two logarithms and changes no choice.
 */
#define N_BELOW 37
static double below_of(int k)
{
	return exp(-exp(-(double)k)) * (1 - 1e-12);
}

static void race_start(struct race *r, const struct sampler *s, int64_t position,
		       token_id first)
{
	r->seed = s->how.seed;
	r->position = (uint64_t)position;
	r->id = first;
	r->best = rng_gumbel(rng_uniform(r->seed, r->position, (uint32_t)first));
}

static void race_enter(struct race *r, const double *below, double x, token_id id)
{
	double behind = r->best - x;
	double u, sum;

	if (behind >= N_BELOW)
		return;
	u = rng_uniform(r->seed, r->position, (uint32_t)id);
	if (behind >= 0 && u <= below[(int)behind])
		return;
	sum = x + rng_gumbel(u);
	if (sum > r->best || (sum == r->best && id < r->id)) {
		r->best = sum;
		r->id = id;
	}
}

/* Whether a comes before b in the order of "best". */
static bool better(struct candidate a, struct candidate b)
{
	return a.x > b.x || (a.x == b.x && a.id < b.id);
}

static void sift_down(struct candidate *h, size_t n, size_t i)
{
	struct candidate c = h[i];

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= n)
			break;
		if (child + 1 < n && better(h[child + 1], h[child]))
			child++;
		if (!better(h[child], c))
			break;
		h[i] = h[child];
		i = child;
	}
	h[i] = c;
}

/* Takes the best of n candidates out: it comes to stand at h[n − 1]. */
static struct candidate pop_best(struct candidate *h, size_t n)
{
	struct candidate best = h[0];

	h[0] = h[n - 1];
	h[n - 1] = best;
	if (n > 1)
		sift_down(h, n - 1, 0);
	return best;
}

/* How much probability, in units of the best token's, top_p asks for. */
static double top_p_mass(const struct sampler *s, size_t n, size_t n_kept)
{
	double all = 0;

	if (s->how.top_p >= 1)
		return INFINITY;
	if (n_kept == n) {
		for (size_t i = 0; i < n; i++)
			all += exp(s->heap[i].x);
	} else {
		/* The kept ones have been popped: they stand at the end, the best last. */
		for (size_t i = n; i-- > n - n_kept;)
			all += exp(s->heap[i].x);
	}
	return s->how.top_p * all;
}

/* The race among the tokens that top_k, top_p and min_p keep. */
static void race_kept(struct sampler *s, struct race *r, const double *below, double min_x)
{
	struct candidate *h = s->heap;
	size_t n = (size_t)s->vocab;
	size_t n_kept = s->how.top_k > 0 && (size_t)s->how.top_k < n ? (size_t)s->how.top_k : n;
	size_t popped = 0;
	double mass, sum = 0;

	for (size_t i = n / 2; i-- > 0;)
		sift_down(h, n, i);
	if (n_kept < n) {
		for (; popped < n_kept; popped++)
			pop_best(h, n - popped);
	}
	mass = top_p_mass(s, n, n_kept);
	for (size_t i = 0; i < n_kept; i++) {
		struct candidate c = i < popped ? h[n - 1 - i] : pop_best(h, n - i);

		if (c.x < min_x)
			break;
		race_enter(r, below, c.x, c.id);
		sum += exp(c.x);
		if (sum >= mass)
			break;
	}
}

int sampler_choose(struct sampler *s, const float *logits, int64_t position, token_id *chosen,
		   struct err *err)
{
	double below[N_BELOW];
	double min_x = s->how.min_p > 0 ? log(s->how.min_p) : -INFINITY;
	struct race race;
	token_id best = 0;
	int rc = find_best(logits, s->vocab, position, &best, err);

	if (rc)
		return rc;
	*chosen = best;
	if (s->how.temperature <= 0)
		return 0;
	for (int k = 0; k < N_BELOW; k++)
		below[k] = below_of(k);
	race_start(&race, s, position, best);
	for (int64_t i = 0; i < s->vocab; i++) {
		double x = ((double)logits[i] - (double)logits[best]) / s->how.temperature;

		if (s->heap)
			s->heap[i] = (struct candidate){.x = x, .id = (token_id)i};
		else if (x >= min_x)
			race_enter(&race, below, x, (token_id)i);
	}
	if (s->heap)
		race_kept(s, &race, below, min_x);
	*chosen = race.id;
	return 0;
}
