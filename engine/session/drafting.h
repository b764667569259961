/*
 * How many tokens to draft: a policy on what was measured, nothing else.
 *
 * A step that drafts k tokens costs more than one that drafts none, and gives one token more
 * for each draft that is accepted.  Both are measured as answers go on: what a step costs at each
 * depth, and how often the draft at each place is accepted where those before it were; both
 * forget slowly.  What makes one step after another longer, a growing context or whatever else the
 * machine does, is taken to do so at every depth.  Chosen is the depth that gives most tokens a
 * second; now and then the one next to it, to know what it costs by now.
 *
 * A head that drafts a block at once, and says how sure it is of each draft, costs the same however
 * much of its block is run; so its block is drafted whole or not at all, by what steps with
 * one have given, and each one cut where a row more stops to pay.
 *
 * It decides how fast tokens come, never which.  Pure but for its own state; any one thread.
 */
#ifndef ENGINE_SESSION_DRAFTING_H
#define ENGINE_SESSION_DRAFTING_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/ops.h"

/* What a kind of step costs. */
struct drafting_cost {
	int n;          /* steps measured; the first of them does not count */
	double seconds; /* of one, decayed */
	int64_t last;   /* which step it was measured at */
};

struct drafting {
	int most; /* what the draft head can; 0: there is none */
	bool is_sure; /* of its drafts, as the caller knows; set after drafting_init() */
	int64_t n_steps;
	/* By place in the draft: how often one was looked at, and accepted; decayed. */
	double tried[DRAFT_MAX], accepted[DRAFT_MAX];
	/* By depth, 0 … most: a block's, so much of it being run */
	struct drafting_cost cost[1 + DRAFT_MAX];
	/* Of a head that is sure: steps without a block, and all with one, which give tokens. */
	struct drafting_cost without, with;
	double tokens;
};

void drafting_init(struct drafting *d, int most);

/*
 * How many to draft in the next step: `asked` as in struct sampling; `room` tokens (≥ 1) are
 * still to come, and a step gives one more than it drafts at most.
 */
int drafting_depth(const struct drafting *d, int asked, int64_t room);

/* A step drafted so many, and so many of them were accepted. */
void drafting_note(struct drafting *d, int depth, int n_accepted, double seconds);

/* The same of a block: so many of it were run, and so many of those accepted. */
void drafting_note_block(struct drafting *d, int depth, int n_accepted, double seconds);

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
