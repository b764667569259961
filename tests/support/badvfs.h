/*
 * A disk that fails, or is slow: while it is installed, SQLite goes through a file system layer
 * of the test's own, in which a call of the chosen kinds fails, and every call takes its time.
 *
 * The state is shared with children made by fork().  Trouble with installing fails the test.
 */
#ifndef TESTS_SUPPORT_BADVFS_H
#define TESTS_SUPPORT_BADVFS_H

#include <stdbool.h>

enum bad_call {
	BAD_OPEN,
	BAD_READ,
	BAD_WRITE,
	BAD_TRUNCATE,
	BAD_SYNC,
	BAD_LOCK,
	BAD_SIZE,
	BAD_SHM, /* mapping the index of the write-ahead log */
	BAD_DELETE,
};

#define BAD_BIT(call) (1u << (call))

struct badvfs {
	long countdown; /* the call at which it fails; < 0: none does */
	unsigned kinds; /* BAD_BIT()s of the calls that may fail */
	int code;       /* an SQLite result */
	bool lasting;   /* every later call fails as well */
	bool struck;
	int slow_ms;  /* every call sleeps so long first */
	long n_calls; /* of all kinds */
};

extern struct badvfs *badvfs;

void badvfs_install(void);
void badvfs_uninstall(void);

/* From here on the `at`-th call (from 0) of these kinds fails. */
void badvfs_set(unsigned kinds, int code, bool lasting, long at);

#endif
