/*
 * Steps from a path as the model wrote it to what it leads to, shared by reading (place.c) and
 * writing (target.c).  One thread at a time.
 */
#ifndef APP_TOOLS_PLACE_H
#define APP_TOOLS_PLACE_H

#include "app/tools/workspace.h"

/* The path as it is written, absolute where it is not one of the workspace: "~/" is HOME. */
void place_write_out(const struct workspace *w, struct str path, struct buf *out);
/* The root that a path as written is relative to, and what is left of it; NULL: none. */
const struct workspace_root *place_lexical_root(const struct workspace *w, struct str path,
						struct str *rel);
/* O_PATH, never leading out; -1 with errno, EXDEV or ELOOP where it would. */
int place_open_below(const struct workspace *w, int root, struct str rel);
/* Appends the true path of what is open; -1: it has none. */
int place_read_back(int fd, struct buf *path);

/* *why becomes the path and what is wrong with it; ERR_USAGE, or ERR_NOMEM. */
int place_refuse(struct buf *why, struct str path, const char *what);
int place_refuse_errno(struct buf *why, struct str path, int number);

#endif
