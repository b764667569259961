/*
 * What a kept beginning is worth, in memory and on disk: which goes first where room is short.
 *
 * A frontier saves what would be read again without it: the way from the one before.  It is
 * the likelier to be needed the more often it was, the shorter ago, and the nearer it lies to
 * the end of what was said: there conversations go on, further back they are merely changed. So
 * frontiers stand dense at a conversation's end and ever further apart behind, and old
 * conversations thin out before their ends go.  Pure functions; any thread.
 */
#ifndef ENGINE_CACHE_POLICY_H
#define ENGINE_CACHE_POLICY_H

#include <stdint.h>

/* After so many prompts a use counts half; on disk, where there are other days: after so long. */
#define WORTH_HALF_LIFE	   16
#define WORTH_HALF_LIFE_MS ((int64_t)7 * 24 * 60 * 60 * 1000)

struct worth {
	int64_t saved;  /* tokens from the frontier before, or the beginning */
	int64_t to_end; /* tokens to the furthest frontier that lies behind it */
	double uses;    /* old ones counting less */
	int64_t bytes;  /* that its going sets free */
};

double policy_worth(const struct worth *w);

/* Being made, and gone back to so many times, the last of all that so many prompts ago. */
double policy_uses(int64_t hits, int64_t age);

/*
 * The uses of a file are one time, ms since the epoch: when a single use would have counted as
 * much as all of them do.  That of one more use now; it lies ahead where there were many.  One
 * further ahead than any number of uses explains is a clock's mistake, and counts as now.
 */
int64_t policy_used(int64_t uses_ms, int64_t now_ms);
double policy_uses_at(int64_t uses_ms, int64_t now_ms);

#endif
