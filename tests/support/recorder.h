/*
 * A backend that records: it stands on another one, keeps what a run issues as a list under the
 * run's key, and from then on replays that list.  Before each replay it lets the body issue its
 * operations once more, without running them, and counts those that differ from the list.
 */
#ifndef TESTS_SUPPORT_RECORDER_H
#define TESTS_SUPPORT_RECORDER_H

#include "kernels/ops.h"

struct recorder;

/*
 * `joins`: it has the operations that are several in one, made of the other's; `marks`: it times
 * phases.
 */
struct recorder *recorder_new(struct backend *inner, int joins, int marks);
void recorder_free(struct recorder *r); /* not the inner one */
struct backend *recorder_backend(struct recorder *r);

/* The n-th operation, put or get from now on fails, once; 0: none does. */
void recorder_fail_at(struct recorder *r, int n);

/* Just before the n-th of them this is called, by whoever issues it; 0: it is not. */
void recorder_call_at(struct recorder *r, int n, void (*call)(void *ctx), void *ctx);

/* Whether one of the two is still to come. */
int recorder_waits(const struct recorder *r);

struct recorder_counts {
	int recorded, replayed;
	int moved; /* operations whose arguments were others than the list's, or more or less */
	int touched;   /* puts and gets within a run */
	int joined;    /* mhc_join of runs and replays */
	int marks[16]; /* by phase, replays included */
};
struct recorder_counts recorder_counts(const struct recorder *r);

#endif
