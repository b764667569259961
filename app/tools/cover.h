/*
 * What a command is kept from, of the files there are when it begins: what may hold secrets, is
 * hidden; what a version control or a tool of the user's would run, is kept as it is.
 *
 * Paths are true ones.  Names, depth and numbers are hostile.  One thread at a time.
 */
#ifndef APP_TOOLS_COVER_H
#define APP_TOOLS_COVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "app/tools/workspace.h"
#include "engine/base/err.h"

#define COVER_DEPTH   24     /* folders below a root that are looked at */
#define COVER_ENTRIES 200000 /* names, in all roots */
/* The same, for who looks at what a command has made, which may have made much. */
#define COVER_DEPTH_ALL   256
#define COVER_ENTRIES_ALL 4000000
#define COVER_MOST        1024 /* what a command can be kept from */
#define COVER_UNSEEN      64   /* folders that were not looked at, or those above them */

enum cover_kind {
	COVER_HIDDEN, /* is not there, or cannot be opened                                  */
	COVER_KEPT,   /* can be read                                                        */
	COVER_SEALED, /* the same, since there is too much below it to be looked through     */
};

struct cover_item {
	enum cover_kind kind;
	char *path;
	mode_t type; /* S_IFDIR, S_IFREG, …: of itself */
	dev_t dev;
	ino_t ino;
};

struct cover {
	struct cover_item *v; /* what is above comes first; a path is there once */
	size_t n, cap;
	bool git;
	int depth;
	bool full; /* there is more than COVER_MOST: no command is to run */
};

/* `git`: a repository's own folder can be written, but for what git runs or is told by.
 * ERR_NOMEM.  To be released either way. */
int cover_find(struct cover *c, const struct workspace *w, bool git, struct err *err);
/* The same after a command, to its bounds. */
int cover_find_all(struct cover *c, const struct workspace *w, bool git, struct err *err);
void cover_release(struct cover *c);

/* Is that path hidden, or a folder above it? */
bool cover_hides(const struct cover *c, struct str path);
/* The item of that path, the one that hides it first; NULL: there is none. */
const struct cover_item *cover_at(const struct cover *c, struct str path);
/* Is there one below it? */
bool cover_has_below(const struct cover *c, struct str path);

/* ---- its files' own ---- */

/* Notes what is there of that path; what is not there, or no name for a file, is none. */
int cover_add(struct cover *c, enum cover_kind kind, const char *path, struct err *err);
/* Looks through the root, as far as c->depth and *left names go. */
int cover_scan(struct cover *c, const struct workspace *w, const struct workspace_root *root,
	       size_t *left, struct err *err);
/* What of a repository's own folder stays as it is where git may write. */
int cover_add_git(struct cover *c, const char *folder, struct err *err);

#endif
