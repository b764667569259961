/* What faults.so counts: shared with the test that asked for it, through a mapped file. */
#ifndef TESTS_FAULTS_FAULTS_H
#define TESTS_FAULTS_FAULTS_H

#include <stdatomic.h>

enum faults_kind { FAULTS_ALLOC, FAULTS_IO, FAULTS_EOF, FAULTS_SHORT, FAULTS_N_KINDS };

/* A call's stack is new until so many calls have come from it: one loop, several states. */
#define FAULTS_REPEATS 2
#define FAULTS_MARKED  65536 /* calls of a kind, of which it is known whether they are new */

struct faults_report {
	atomic_ulong calls[FAULTS_N_KINDS]; /* since main() began */
	atomic_ulong failed;                /* of them, as was wished */
	atomic_long live;                   /* blocks of memory that are held now */
	long live_at_end;                   /* when main() returned; 0: it did not */
	/* Bit n, with $FAULTS "stacks": call n came from a stack that was new. */
	atomic_uchar fresh[FAULTS_N_KINDS][FAULTS_MARKED / 8];
};

#endif
