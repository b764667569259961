/*
 * Where a file is to be written: the folder that is there, which the kernel led to without
 * leaving the workspace, and the names below it.
 *
 * One thread at a time; names are bytes.
 */
#ifndef APP_TOOLS_TARGET_H
#define APP_TOOLS_TARGET_H

#include <limits.h>

#include "app/tools/workspace.h"

struct target {
	int dir; /* O_PATH; -1: none */
	struct stat dir_st;
	struct buf path; /* of the file: true, absolute */
	size_t n_dir;    /* of these bytes are the path of `dir` */
	const struct workspace_root *root;
	struct buf missing; /* folders between `dir` and the file that are not there: "a/b" */
	char name[NAME_MAX + 1];
	int fd; /* of the file, for reading; -1: there is none yet */
	struct stat st;
};

/*
 * Resolves a path for writing.  0, or ERR_USAGE: *why is a sentence for the model: it leads
 * outside, is hidden or protected, is no file but a folder, a link, a device, cannot be read or
 * may not be changed.  ERR_NOMEM.  To be closed either way.
 */
int target_find(const struct workspace *w, struct str path, struct target *t, struct buf *why);
void target_close(struct target *t);

/* The path of the file below its root. */
struct str target_rel(const struct target *t);
size_t target_missing(const struct target *t); /* how many folders */

/*
 * Makes the folders that are missing.  0: *dir is the one that the file is to be in, O_PATH and
 * the caller's; else errno, and *dir is open or -1.  *made: how many were, from the first on.
 */
int target_make_folders(const struct target *t, int *dir, size_t *made);
/* Takes so many of them away again, from the deepest up, as far as they are empty. */
void target_remove_folders(const struct target *t, size_t made);

#endif
