/*
 * Walks what lies below a folder, in order of names, without following a link.
 *
 * Folders of builds and tools, what .gitignore leaves out and hidden folders are not entered.
 * Whatever is there is hostile: names, depth, numbers.  One thread at a time.
 */
#ifndef APP_TOOLS_WALK_H
#define APP_TOOLS_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "app/tools/ignore.h"
#include "app/tools/workspace.h"
#include "engine/base/buf.h"

#define WALK_DEPTH   16
#define WALK_SKIPS   6
#define WALK_ENTRIES 200000 /* looked at in all */

struct walk_entry {
	struct str rel; /* path below the folder the walk began in, terminated */
	int dir;        /* the folder it is in */
	const char *name;
	mode_t type; /* S_IFREG, S_IFDIR, S_IFLNK, …: of itself */
};

struct walk {
	const struct workspace *w;
	int (*visit)(void *ctx, const struct walk_entry *e); /* not 0: the walk ends with it */
	void *ctx;
	/* what was left out: */
	bool skipped[WALK_SKIPS]; /* see walk_skip_of() */
	size_t n_ignored;         /* files and folders that .gitignore leaves out */
	size_t n_hidden;          /* folders that are hidden; files are visited */
	size_t n_deep;            /* folders too far down */
	size_t n_entries;
	bool full; /* there are more than WALK_ENTRIES */
	/* its own: */
	struct ignore ignore;
	struct buf path; /* true, of the folder at hand */
	size_t n_base;   /* of the root whose .gitignore is the first, with '/' */
	size_t n_start;  /* of the folder it began in, with '/' */
};

/* A folder that programs fill: its number, below WALK_SKIPS; -1: it is none. */
int walk_skip_of(const char *name);

/* Begins at a place that is a folder, open as `fd`.  0, what visit() returned, or ERR_NOMEM. */
int walk_run(struct walk *k, const struct place *start, int fd);
void walk_release(struct walk *k);

/* Within visit(): is the entry hidden? */
bool walk_hides(const struct walk *k);

/* Appends "[not searched: …]" with a word of what was left out, if anything was. */
void walk_add_note(const struct walk *k, const char *what, struct buf *out);

/* The names in a folder, sorted as bytes; also of one that nobody walks. */
struct names {
	char **v;
	size_t n, cap;
};
/* 0, ERR_NOMEM, or ERR_IO where it cannot be read; at most `most` names, *more: there are more.
 */
int names_read(struct names *l, int fd, size_t most, bool *more);
/* Takes over what was allocated; NULL is ERR_NOMEM, too. */
int names_add(struct names *l, char *name);
void names_sort(struct names *l);
void names_release(struct names *l);

#endif
