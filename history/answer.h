/* Inside an answer in progress: what was said, and how much of it is journalled. */
#ifndef HISTORY_ANSWER_H
#define HISTORY_ANSWER_H

#include "history/tree.h"

/* A part as it grows. */
struct growing_part {
	enum history_kind kind;
	struct buf name, ref, text, info;
	bool open;       /* a call without its end */
	bool journalled; /* a piece of it is in the file, with this much: */
	size_t journalled_text;
	bool journalled_open;
};

struct history_answer {
	struct history_tree *t;
	struct history_message *parent;
	int64_t run_id, journal_id; /* journal 0: not in the file */
	int64_t next_seq;           /* of its pieces */

	struct growing_part *parts;
	size_t n_parts, cap_parts;
	int32_t *ids;
	size_t n_ids, cap_ids, journalled_ids;

	struct history_part *view; /* for view_of() */
	size_t cap_view;
	struct history_message message;

	int64_t flushed_at; /* monotonic ms; when something was last written or tried */
	bool dirty;         /* something was said since */
	bool failed;        /* no memory: what was said after is not all here */
};

/* Inside a write transaction: everything that is not yet there. */
int journal_write(struct history_answer *a, struct err *err);
/* After its commit. */
void journal_written(struct history_answer *a);
int journal_drop(struct history *h, int64_t journal, struct err *err);

#endif
