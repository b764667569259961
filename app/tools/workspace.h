/*
 * The workspace: the folders that tools work in, and what a path of the model's leads to there.
 *
 * A folder is opened once and held; a path is resolved by the kernel below it, and where it led
 * to is read back and judged, so that no link takes a tool outside or to what is hidden.  Names
 * are bytes.  One thread at a time.
 */
#ifndef APP_TOOLS_WORKSPACE_H
#define APP_TOOLS_WORKSPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "app/tools/tools.h"
#include "engine/base/buf.h"
#include "engine/base/err.h"

#define WORKSPACE_ROOTS 16

struct workspace_root {
	char *path; /* true, absolute */
	int fd;     /* O_PATH */
	bool read_only;
	dev_t dev;
	ino_t ino;
};

struct workspace {
	struct workspace_root roots[WORKSPACE_ROOTS]; /* the first is the workspace itself */
	size_t n_roots;
	char *home; /* true, absolute; NULL: none */
	struct str_list {
		char **v;
		size_t n;
	} own, hide, show;
	bool plain; /* no openat2: links are not followed at all */
};

/* The system's own folders, which anybody may look at; NULL ends them. */
extern const char *const workspace_system[];

/* What a path led to. */
struct place {
	int fd;                            /* O_PATH; -1: none */
	struct buf path;                   /* true, absolute */
	const struct workspace_root *root; /* that it lies in; NULL: outside of all */
	struct stat st;
};

/*
 * ERR_USAGE: the folder cannot be one: it is not there, is "/", is HOME or above it and was not
 * named, or is hidden.  ERR_NOMEM, ERR_IO.  To be closed either way.
 */
int workspace_init(struct workspace *w, const struct workspace_config *c, struct err *err);
void workspace_close(struct workspace *w);

/* ERR_FAILED: a root is not what it was: it was replaced or removed. */
int workspace_check(const struct workspace *w, struct err *err);

/* What reading this path would be, by its name alone: READ, READ_OUTSIDE or FORBIDDEN. */
enum tool_class workspace_judge(const struct workspace *w, struct str path);

/*
 * Resolves a path for reading.  `outside`: it may lead out of the roots.  0, or ERR_USAGE: *why
 * is a sentence for the model: it is not there, leads outside, is hidden.  ERR_NOMEM.
 * The place is to be closed either way.
 */
int workspace_find(const struct workspace *w, struct str path, bool outside, struct place *p,
		   struct buf *why);
void place_close(struct place *p);
/* The path below its root; "" for the root itself. */
struct str place_rel(const struct place *p);

/* Is this true path hidden? */
bool workspace_hides(const struct workspace *w, struct str path);
/* The root that a true path lies in, and its path below that; NULL and "": none. */
const struct workspace_root *workspace_root_of(const struct workspace *w, struct str path,
					       struct str *rel);

#endif
