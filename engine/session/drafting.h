/*
 * How many tokens to draft: a policy on what was measured, nothing else.
 *
 * A step that drafts k tokens costs more than one that drafts none, and gives one token more
 * for each draft that is accepted.  Both are measured as answers go on: what a step costs at each
 * depth, and how often the draft at each place is accepted where those before it were; both
 * forget slowly.  Chosen is the depth that gives most tokens a second; now and then the one next
 * to it, to know what it costs by now.
 *
 * It decides how fast tokens come, never which.  Pure but for its own state; any one thread.
 */
#ifndef ENGINE_SESSION_DRAFTING_H
#define ENGINE_SESSION_DRAFTING_H

#include <stdint.h>

#include "kernels/ops.h"

struct drafting {
	int most; /* what the draft head can; 0: there is none */
	int64_t n_steps;
	/* By place in the draft: how often one was looked at, and accepted; decayed. */
	double tried[DRAFT_MAX], accepted[DRAFT_MAX];
	/* By depth, 0 … most: */
	struct drafting_cost {
		int n;          /* steps measured; the first of them does not count */
		double seconds; /* of one, decayed */
		int64_t last;   /* which step it was measured at */
	} cost[1 + DRAFT_MAX];
};

void drafting_init(struct drafting *d, int most);

/*
 * How many to draft in the next step: `asked` as in struct sampling; `room` tokens (≥ 1) are
 * still to come, and a step gives one more than it drafts at most.
 */
int drafting_depth(const struct drafting *d, int asked, int64_t room);

/* A step drafted so many, and so many of them were accepted. */
void drafting_note(struct drafting *d, int depth, int n_accepted, double seconds);

/*
 * How many of `depth` drafts are worth a row, where the draft head says how sure it is of each
 * (before the sigmoid).
 */
int drafting_cut(const struct drafting *d, const float *sure, int depth);

/* What is believed, for whoever shows it: of a draft at this place (0 …), that it is accepted
 * where those before it were; and the seconds of a step of this depth (0: nothing is known). */
double drafting_chance(const struct drafting *d, int place);
double drafting_seconds(const struct drafting *d, int depth);

#endif
