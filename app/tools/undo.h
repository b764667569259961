/*
 * Edits of files taken back, or made again: a list of files, each with what it has to be and
 * what it is to become, for the job "undo" of a runner (struct job, `plan`), and what that
 * found, in its news (`files`).
 *
 * JOB_PREPARE looks and changes nothing; JOB_APPLY looks again, at what is open then, and
 * changes a file whole or not at all.  Each takes files from the beginning of the list for as
 * long as there is room for what it tells, at least one: what is behind them is for another
 * job.  Pure, but for tool_undo(); any thread.
 */
#ifndef APP_TOOLS_UNDO_H
#define APP_TOOLS_UNDO_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/buf.h"

#define UNDO_TOOL       "undo"
#define UNDO_HASH_BYTES 16 /* XXH128, canonical */

/* What a file is, was, or is to be. */
struct file_side {
	bool exists; /* and where it does: */
	uint64_t mode;
	unsigned char hash[UNDO_HASH_BYTES];
};

bool file_side_eq(const struct file_side *a, const struct file_side *b); /* whatever the mode */

/* One file.  The texts are borrowed. */
struct undo_file {
	struct str root, path; /* of a workspace, and below it: bytes, without links */
	struct file_side now, then;
	uint64_t made_dirs; /* where it does not exist then: folders to remove, if they are
			       empty */
	struct str content; /* of `then`; JOB_PREPARE does not look at it */
};

void undo_add_file(struct buf *plan, const struct undo_file *f);

enum undo_outcome {
	UNDO_FITS,    /* it is what it has to be; by JOB_APPLY: it is what it was to become */
	UNDO_CHANGED, /* it is something else, and stays that */
	UNDO_ABROAD,  /* it is of a workspace that is not this one */
	UNDO_REFUSED, /* it cannot be looked at, or changed: `why` */
};

/* What was found of one file, in the order of the list.  Borrowed. */
struct undo_found {
	enum undo_outcome outcome;
	struct file_side is; /* by JOB_PREPARE: of FITS and CHANGED */
	struct str why;      /* a sentence, clean; "" */
	struct str bytes;    /* by JOB_PREPARE, of what FITS: what it holds */
};

/* Takes the next from the news; false: there is none. */
bool undo_take_found(struct str *files, struct undo_found *f);
/* The whole list, as it came from another process: does it have that form? */
bool undo_found_is(struct str files);

#endif
