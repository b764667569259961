/* Measuring what drafts cost and bring, and choosing by it. */
#include "engine/session/drafting.h"

#include <math.h>

#include "engine/engine.h"

#define DECAY        0.98 /* of what was accepted: half is forgotten after some 35 drafts */
/*
 * How much one more step counts in a cost.  What else runs here only ever makes steps longer, now
 * this one and now that one: a cost is nearly the shortest that was seen, and rises slowly.
 */
#define NEWS_SHORTER 0.7
#define NEWS_LONGER  0.1
#define SPIKE        1.1  /* so many times the cost are something else's doing */
#define FIRST_CHANCE 0.8  /* of a draft before anything is known … */
#define DOUBT        4.0  /* … which counts as so many drafts; further on … */
#define FARTHER      0.95 /* … a little less than of the place before does */
#define FIRST_SHARE  0.3  /* a row more, as part of a step, before anything is known */
#define LOOK_EVERY   16   /* one step of so many looks at a neighbour … */
#define OLD_BESIDE   64   /* … that was not measured in so many … */
#define OLD          256  /* … or at what no draft costs, in so many */
#define BLOCK_NEWS   0.04 /* of what blocks give and cost, the last one */
#define LOOK_LOSS    50   /* a look at blocks that do not pay: in so many steps, one's loss */
#define MEASURES     5    /* from so many on a cost is known: the least of them */

void drafting_init(struct drafting *d, int most)
{
	*d = (struct drafting){.most = most};
}

double drafting_chance(const struct drafting *d, int place)
{
	double p = FIRST_CHANCE / FARTHER;

	for (int i = 0; i <= place; i++)
		p = (d->accepted[i] + DOUBT * FARTHER * p) / (d->tried[i] + DOUBT);
	return p;
}

static int is_measured(const struct drafting_cost *c)
{
	return c->n >= MEASURES;
}

static int is_known(const struct drafting *d, int depth)
{
	return is_measured(&d->cost[depth]);
}

/* The nearest depth from this one on, in that direction, whose cost is known; -1: none. */
static int known_from(const struct drafting *d, int depth, int by)
{
	while (depth >= 0 && depth <= d->most && !is_known(d, depth))
		depth += by;
	return depth > d->most ? -1 : depth;
}

/* Between what is known, and on beyond it, on a straight line; costs never fall with depth. */
static double seconds_of(const struct drafting *d, int depth)
{
	int below = known_from(d, depth, -1), above = known_from(d, depth, 1);
	int before = below > 0 ? known_from(d, below - 1, -1) : -1;
	double slope, s;

	if (below < 0 && above < 0)
		return 1 + FIRST_SHARE * depth;
	if (below < 0)
		return d->cost[above].seconds * (1 + FIRST_SHARE * depth) /
		       (1 + FIRST_SHARE * above);
	s = d->cost[below].seconds;
	if (below == depth)
		return s;
	if (above >= 0)
		slope = (d->cost[above].seconds - s) / (above - below);
	else if (before >= 0)
		slope = (s - d->cost[before].seconds) / (below - before);
	else
		slope = FIRST_SHARE * s / (1 + FIRST_SHARE * below);
	return s + (slope > 0 ? slope : 0) * (depth - below);
}

double drafting_seconds(const struct drafting *d, int depth)
{
	return is_known(d, depth) ? d->cost[depth].seconds : 0;
}

/* The depth up to `most` that gives most tokens a second, by each draft's chance. */
static int best_of(const struct drafting *d, const double *chances, int most)
{
	double tokens = 1, all = 1, best = 1 / seconds_of(d, 0);
	int depth = 0;

	for (int k = 1; k <= most; k++) {
		double rate;

		all *= chances[k - 1];
		tokens += all;
		rate = tokens / seconds_of(d, k);
		if (rate > best) {
			best = rate;
			depth = k;
		}
	}
	return depth;
}

static int best_depth(const struct drafting *d, int most)
{
	double chances[DRAFT_MAX];

	for (int i = 0; i < most; i++)
		chances[i] = drafting_chance(d, i);
	return best_of(d, chances, most);
}

static int is_old(const struct drafting *d, int depth, int n_steps)
{
	return !is_known(d, depth) || d->n_steps - d->cost[depth].last > n_steps;
}

/* The best, or where its cost or a neighbour's is not known by now, that one. */
static int depth_by_measure(const struct drafting *d, int most)
{
	int best = best_depth(d, most);

	if (!is_known(d, 0))
		return 0;
	if (!is_known(d, best) || d->n_steps % LOOK_EVERY)
		return best;
	if (best < most && is_old(d, best + 1, OLD_BESIDE))
		return best + 1;
	if (best > 0 && is_old(d, best - 1, OLD_BESIDE))
		return best - 1;
	if (is_old(d, 0, OLD))
		return 0;
	/* What is accepted at a place that nobody asks is forgotten as well. */
	return best || !most ? best : d->n_steps % (LOOK_EVERY * LOOK_EVERY) == 0;
}

/* Of a head that is sure: the whole block, or none of it. */
static int block_by_measure(const struct drafting *d, int most)
{
	bool pays = d->tokens * d->without.seconds > d->with.seconds;
	const struct drafting_cost *other = pays ? &d->without : &d->with;
	double old = OLD;

	if (!is_measured(&d->without))
		return 0;
	if (!is_measured(&d->with))
		return most;
	/* The less a look at blocks would lose, the sooner there is one. */
	if (!pays)
		old = LOOK_LOSS * (d->with.seconds / d->without.seconds - d->tokens);
	if ((double)(d->n_steps - other->last) > fmax(old, LOOK_EVERY))
		pays = !pays;
	return pays ? most : 0;
}

int drafting_depth(const struct drafting *d, int asked, int64_t room)
{
	int most = d->most;

	if (asked >= DRAFT_OFF && asked - DRAFT_OFF < most)
		most = asked - DRAFT_OFF;
	if (most > room - 1)
		most = (int)(room - 1);
	if (most < 1)
		return 0;
	if (asked != DRAFT_AUTO)
		return most;
	return d->is_sure ? block_by_measure(d, most) : depth_by_measure(d, most);
}

static void note_place(struct drafting *d, int i, int accepted)
{
	d->tried[i] = DECAY * d->tried[i] + 1;
	d->accepted[i] = DECAY * d->accepted[i] + accepted;
}

static void note_places(struct drafting *d, int depth, int n_accepted)
{
	for (int i = 0; i < n_accepted; i++)
		note_place(d, i, 1);
	if (n_accepted < depth)
		note_place(d, n_accepted, 0);
}

/* What makes one step after another longer or shorter does so at every depth. */
static void follow_pace(struct drafting *d, const struct drafting_cost *c, double by)
{
	for (int i = 0; i <= d->most; i++) {
		if (c != &d->cost[i])
			d->cost[i].seconds *= by;
	}
	if (c != &d->without)
		d->without.seconds *= by;
	d->with.seconds *= by;
}

/* `before`: which step one of its kind was last, a block of whatever depth or that depth. */
static void note_cost(struct drafting *d, struct drafting_cost *c, double seconds,
		      int64_t before)
{
	bool again = is_measured(c) && before == d->n_steps - 1;
	double was = c->seconds;

	c->last = d->n_steps;
	c->n++;
	/* The first of a kind may have had to prepare something. */
	if (c->n <= 2)
		c->seconds = seconds;
	else if (c->n <= MEASURES)
		c->seconds = fmin(c->seconds, seconds);
	else if (seconds < c->seconds)
		c->seconds += NEWS_SHORTER * (seconds - c->seconds);
	else
		c->seconds += NEWS_LONGER * (fmin(seconds, SPIKE * c->seconds) - c->seconds);
	if (again && was > 0)
		follow_pace(d, c, c->seconds / was);
}

void drafting_note(struct drafting *d, int depth, int n_accepted, double seconds)
{
	struct drafting_cost *c = d->is_sure ? &d->without : &d->cost[depth];

	note_places(d, depth, n_accepted);
	d->n_steps++;
	note_cost(d, c, seconds, c->last);
}

/* A mean of steps that differ by how much of a block they ran. */
static void note_block(struct drafting *d, double tokens, double seconds)
{
	double share = fmax(1.0 / ++d->with.n, BLOCK_NEWS);

	d->with.last = d->n_steps;
	d->with.seconds += share * (seconds - d->with.seconds);
	d->tokens += share * (tokens - d->tokens);
}

void drafting_note_block(struct drafting *d, int depth, int n_accepted, double seconds)
{
	note_places(d, depth, n_accepted);
	d->n_steps++;
	note_cost(d, &d->cost[depth], seconds, d->with.last);
	/* Whatever else the machine did meanwhile is not what blocks cost. */
	note_block(d, 1 + n_accepted, d->cost[depth].seconds);
}

int drafting_cut(const struct drafting *d, const float *sure, int depth)
{
	double chances[DRAFT_MAX];

	for (int i = 0; i < depth; i++)
		chances[i] = 1 / (1 + exp(-(double)sure[i]));
	return best_of(d, chances, depth);
}
