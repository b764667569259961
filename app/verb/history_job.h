/*
 * history's subcommands: what the command line asked for, and one function for each of them.
 */
#ifndef APP_VERB_HISTORY_JOB_H
#define APP_VERB_HISTORY_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "history/history.h"

struct history_job {
	struct history *h; /* open as the subcommand's row asks, or NULL */
	const char *path;
	char **words; /* what follows the subcommand and its options */
	int n_words;
	bool json, all, archived, best, yes, off, repair, ids;
	const char *format, *to;
	unsigned scopes;
	size_t limit;
};

/* The conversation that a word names. */
int history_job_find(struct history_job *r, int word, int64_t *id, struct err *err);

/* Appends the words from `from` on, spaces between them. */
void history_job_words(struct history_job *r, int from, struct buf *out);

/* Each returns 0, or an error that *err tells. */

/* history_show.c: what is there */
int verb_history_list(struct history_job *r, struct err *err);
int verb_history_search(struct history_job *r, struct err *err);
int verb_history_show(struct history_job *r, struct err *err);

/* history_copy.c: out of the store and into it */
int verb_history_export(struct history_job *r, struct err *err);
int verb_history_import(struct history_job *r, struct err *err);
int verb_history_backup(struct history_job *r, struct err *err);

/* history_change.c: what conversations are called and where they stand, removal, upkeep */
int verb_history_rename(struct history_job *r, struct err *err);
int verb_history_pin(struct history_job *r, struct err *err);
int verb_history_archive(struct history_job *r, struct err *err);
int verb_history_rm(struct history_job *r, struct err *err);
int verb_history_gc(struct history_job *r, struct err *err);
int verb_history_verify(struct history_job *r, struct err *err);

#endif
