/*
 * Choosing a token: an argmax with noise over the tokens that are kept.
 *
 * What decides (noise, probability, the order of tokens) is kernels/noise.h and the rule that
 * of equal logits the lower id is the better one; what stands here is how not to look at
 * everything.
 */
#include "kernels/cpu/cpu.h"

#include <math.h>
#include <string.h>

#include "kernels/noise.h"

struct candidate {
	float logit;
	int32_t id;
};

/* Whether a comes before b in the order of "best". */
static int better(struct candidate a, struct candidate b)
{
	return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

/*
 * below[k] is a uniform number whose Gumbel variate is less than k, by more than any rounding
 * in here.  A token that is k or more behind and drew no more than below[k] cannot win, which
 * spares nearly all tokens their two logarithms and changes no choice.
 */
#define N_BELOW 37

struct job {
	struct cpu *c;
	const struct sample_args *a;
	const struct sample_how *how;
	double min_x; /* how far behind the best a token may lie */
	double below[N_BELOW];
};

/* ------------------------------------------------------------------ the race */

/* A running argmax of x + G; of equal sums the lower id stays. */
struct race {
	const struct job *j;
	uint64_t position;
	float first; /* the best logit */
	double best;
	struct candidate at;
	double cut; /* a logit below it is too far behind for any noise */
	int32_t pair;
	struct noise_block bits; /* of the tokens 2 pair and 2 pair + 1 */
};

/* A whole unit more than N_BELOW, so that no rounding matters. */
static void race_cut(struct race *r)
{
	r->cut = (double)r->first + (r->best - (N_BELOW + 1)) * r->j->how->temperature;
}

static double race_uniform(struct race *r, int32_t id)
{
	if (id / 2 != r->pair) {
		r->pair = id / 2;
		r->bits = noise_pair(r->j->how->seed, r->position, (uint32_t)id);
	}
	return noise_uniform_of(r->bits, (uint32_t)id);
}

static void race_start(struct race *r, const struct job *j, int64_t position,
		       struct candidate first)
{
	*r = (struct race){
		.j = j,
		.position = (uint64_t)position,
		.first = first.logit,
		.at = first,
		.pair = -1,
	};
	r->best = noise_gumbel(race_uniform(r, first.id));
	race_cut(r);
}

static double behind(const struct race *r, float logit)
{
	return noise_behind(logit, r->first, r->j->how->temperature);
}

static void race_enter(struct race *r, double x, struct candidate c)
{
	double behind_winner = r->best - x;
	double u, sum;

	if (behind_winner >= N_BELOW)
		return;
	u = race_uniform(r, c.id);
	if (behind_winner >= 0 && u <= r->j->below[(int)behind_winner])
		return;
	sum = x + noise_gumbel(u);
	if (sum > r->best || (sum == r->best && c.id < r->at.id)) {
		r->best = sum;
		r->at = c;
		race_cut(r);
	}
}

/* --------------------------------------------------- the best of them, in order */

static void sift_down(struct candidate *h, int n, int i)
{
	struct candidate c = h[i];

	for (;;) {
		int child = 2 * i + 1;

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

/* Takes the best of n candidates out: it comes to stand at h[n - 1]. */
static struct candidate pop_best(struct candidate *h, int n)
{
	struct candidate best = h[0];

	h[0] = h[n - 1];
	h[n - 1] = best;
	if (n > 1)
		sift_down(h, n - 1, 0);
	return best;
}

/*
 * The race among the k best, of which top_p and min_p keep the first few; h: room for n_choice.
 */
static void race_best_k(struct race *r, const float *logits, struct candidate *h)
{
	const struct sample_how *how = r->j->how;
	int n = how->n_choice, k = how->top_k;
	uint64_t all = 0, share, sum = 0;

	for (int i = 0; i < n; i++)
		h[i] = (struct candidate){logits[i], i};
	for (int i = n / 2; i-- > 0;)
		sift_down(h, n, i);
	for (int i = 0; i < k; i++)
		all += noise_mass(behind(r, pop_best(h, n - i).logit));
	share = how->top_p < 1 ? noise_share(how->top_p, all) : UINT64_MAX;
	/* popped ones stand at the end, the best last */
	for (int i = 0; i < k && (i == 0 || sum < share); i++) {
		struct candidate c = h[n - 1 - i];
		double x = behind(r, c.logit);

		if (x < r->j->min_x)
			break;
		race_enter(r, x, c);
		sum += noise_mass(x);
	}
}

/*
 * The race among the tokens that make up top_p, and that min_p keeps.  Those without any mass
 * come after the share is reached, so the heap does without them.
 */
static void race_share(struct race *r, const float *logits, struct candidate *h)
{
	const struct sample_how *how = r->j->how;
	uint64_t all = 0, share, sum = 0;
	int n = 0;

	for (int i = 0; i < how->n_choice; i++) {
		double x = behind(r, logits[i]);
		uint64_t mass = noise_mass(x);

		all += mass;
		if (mass && x >= r->j->min_x)
			h[n++] = (struct candidate){logits[i], i};
	}
	for (int i = n / 2; i-- > 0;)
		sift_down(h, n, i);
	share = noise_share(how->top_p, all);
	for (int i = 0; i < n && (i == 0 || sum < share); i++) {
		struct candidate c = pop_best(h, n - i);
		double x = behind(r, c.logit);

		race_enter(r, x, c);
		sum += noise_mass(x);
	}
}

static void race_all(struct race *r, const float *logits)
{
	for (int i = 0; i < r->j->how->n_choice; i++) {
		double x;

		if ((double)logits[i] < r->cut)
			continue;
		x = behind(r, logits[i]);
		if (x >= r->j->min_x)
			race_enter(r, x, (struct candidate){logits[i], i});
	}
}

/* ----------------------------------------------------------------------- rows */

#define LANES 16

/* Whether the number is infinite or none at all. */
static uint32_t not_finite(float x)
{
	uint32_t u;

	memcpy(&u, &x, sizeof(u));
	return (u & 0x7F800000u) == 0x7F800000u;
}

/* The highest of n logits; *bad: one of them is not finite. */
static float highest(const float *logits, int n, uint32_t *bad)
{
	float best[LANES];
	uint32_t odd[LANES] = {0};
	int i = 0;

	for (int k = 0; k < LANES; k++)
		best[k] = logits[0];
	for (; i + LANES <= n; i += LANES) {
		for (int k = 0; k < LANES; k++) {
			best[k] = logits[i + k] > best[k] ? logits[i + k] : best[k];
			odd[k] |= not_finite(logits[i + k]);
		}
	}
	for (; i < n; i++) {
		best[0] = logits[i] > best[0] ? logits[i] : best[0];
		odd[0] |= not_finite(logits[i]);
	}
	*bad = odd[0];
	for (int k = 1; k < LANES; k++) {
		best[0] = best[k] > best[0] ? best[k] : best[0];
		*bad |= odd[k];
	}
	return best[0];
}

/* The lowest id of the highest logit; every logit is looked at.  0: one is not finite. */
static int find_best(const float *logits, int n, struct choice *out)
{
	uint32_t bad;
	float best = highest(logits, n, &bad);
	int at = 0;

	while (bad ? !not_finite(logits[at]) : logits[at] != best)
		at++;
	out->id = bad ? -1 : at;
	out->bad = bad ? at : -1;
	out->logit = logits[at];
	return !bad;
}

static void find_top(const float *logits, int n, int n_top, struct choice *out)
{
	for (int i = 0; i < n; i++) {
		int at = out->n_top;

		if (at == n_top && !(logits[i] > out->top[at - 1].logit))
			continue;
		if (at < n_top)
			out->n_top++;
		else
			at--;
		for (; at > 0 && logits[i] > out->top[at - 1].logit; at--)
			out->top[at] = out->top[at - 1];
		out->top[at].id = i;
		out->top[at].logit = logits[i];
	}
}

static int keeps_best_k(const struct sample_how *how)
{
	return how->temperature > 0 && how->top_k > 0 && how->top_k < how->n_choice;
}

static int keeps_share(const struct sample_how *how)
{
	return how->temperature > 0 && how->top_p < 1;
}

static void choose_rows(void *ctx, int worker, int64_t i0, int64_t i1)
{
	const struct job *j = ctx;
	const struct sample_args *a = j->a;
	int64_t position = cpu_step(a->step)->pos0 + a->first + 1;

	for (int64_t i = i0; i < i1; i++) {
		const float *logits = (const float *)(const void *)a->logits + i * a->vocab;
		struct choice *out = (struct choice *)(void *)a->out + i;
		struct race race;

		memset(out, 0, sizeof(*out));
		if (!find_best(logits, j->how->n_choice, out))
			continue;
		if (a->n_top)
			find_top(logits, j->how->n_choice, a->n_top, out);
		if (!(j->how->temperature > 0))
			continue;
		race_start(&race, j, position + i, (struct candidate){out->logit, out->id});
		if (keeps_best_k(j->how))
			race_best_k(&race, logits, j->c->own[worker].p);
		else if (keeps_share(j->how))
			race_share(&race, logits, j->c->own[worker].p);
		else
			race_all(&race, logits);
		out->id = race.at.id;
		out->logit = race.at.logit;
	}
}

int cpu_sample(struct backend *be, const struct sample_args *a, struct err *err)
{
	const struct sample_how *how = (const struct sample_how *)(const void *)a->how;
	struct job j = {.c = cpu_of(be), .a = a, .how = how, .min_x = -INFINITY};

	if (how->n_choice < 1 || how->n_choice > a->vocab || a->n_top < 0 ||
	    a->n_top > SAMPLE_TOP)
		return err_set(err, ERR_MODEL, "sample: %d of %d tokens, %d alternatives",
			       how->n_choice, a->vocab, a->n_top);
	if ((keeps_best_k(how) || keeps_share(how)) &&
	    cpu_own(j.c, (size_t)how->n_choice * sizeof(struct candidate), err))
		return err->code;
	if (how->min_p > 0)
		j.min_x = noise_min_p(how->min_p);
	for (int k = 0; k < N_BELOW; k++)
		j.below[k] = exp(-exp(-(double)k)) * (1 - 1e-12);
	pool_for(j.c->pool, a->n_tok, 1, a->n_tok > 1 ? 30.0 * how->n_choice * a->n_tok : 0,
		 choose_rows, &j);
	return 0;
}
