/*
 * What a kept beginning is worth: which goes first where room is short.
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

/* After so many prompts a use counts half. */
#define WORTH_HALF_LIFE 16

struct worth {
	int64_t saved;  /* tokens from the frontier before, or the beginning */
	int64_t to_end; /* tokens to the furthest frontier that lies behind it */
	int64_t hits;   /* times it was gone back to */
	int64_t age;    /* prompts since it was last of use */
	int64_t bytes;  /* that its going sets free */
};

double policy_worth(const struct worth *w);

#endif
