/* Inside the store: rows of calls and edits, within the transactions of others. */
#ifndef HISTORY_TOOL_RUN_H
#define HISTORY_TOOL_RUN_H

#include "history/store.h"

/* Inside a write transaction: what became of the call, told by the message `result`. */
int tool_run_end(struct history *h, int64_t conversation, int64_t result,
		 const struct history_call *c, struct err *err);

/* Calls that ran in a process that is gone are lost. */
int tool_runs_recover(struct history *h, struct err *err);

/*
 * Inside a write transaction: drops the bytes of the conversation's oldest edits until it keeps
 * max_bytes at most; *n of them.
 */
int file_edits_trim(struct history *h, int64_t conversation, int64_t max_bytes, size_t *n,
		    struct err *err);

/* The words of the schema. */
const char *file_edit_state_name(enum history_edit_state state);
bool file_edit_state_from_name(struct str name, enum history_edit_state *state);
bool tool_run_decided_is(struct str word);

#endif
