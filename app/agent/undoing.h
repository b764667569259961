/* Inside undo.h: files, each with the edits of it that go one behind the other. */
#ifndef APP_AGENT_UNDOING_H
#define APP_AGENT_UNDOING_H

#include "app/agent/undo.h"

struct undoing_file {
	struct str root, path; /* the edits' */
	struct file_side now, then;
	uint64_t made_dirs;
	size_t last; /* the edit that knows what the file is to hold */
	bool parted; /* earlier edits of it are left, since it changed between them */
	bool unkept; /* what it is to hold is not known */
	enum undo_outcome outcome;
	struct file_side is; /* when it was looked at */
	struct buf why;
	struct buf bytes; /* what it holds, where it fits */
};

struct undo {
	struct agent *agent;
	struct talks *talks;
	struct talk *talk;
	enum undo_way way;
	struct history_edits edits; /* newest first */
	size_t *file_of;            /* by edit: its file, or UNDOING_NONE */
	struct undoing_file *files;
	size_t n_files;
	bool ran_command; /* in the same turns */
	bool abroad;      /* edits of another machine were passed over */
	bool done;
};

#define UNDOING_NONE SIZE_MAX

/* Reads the edits of the conversation; nothing is taken up yet. */
int undoing_open(struct undo *u, struct err *err);
void undoing_close(struct undo *u);
/* Takes up an edit, if it goes before those of its file that were taken up, or (UNDO_AGAIN)
 * behind them. */
void undoing_add(struct undo *u, size_t edit);

/* It is to be changed, or was. */
static inline bool undoing_fits(const struct undoing_file *f)
{
	return f->outcome == UNDO_FITS && !f->unkept;
}

/* undo_job.c: what is waited for */

/* Looks at all files. */
int undoing_look(struct undo *u, struct err *err);
/* Changes those that fit: outcomes are then what became of them. */
int undoing_apply(struct undo *u, struct err *err);

#endif
