/*
 * What .gitignore files leave out, in the folders from a root down to where a walk is.
 *
 * A stack: a folder's rules are added when the walk enters it and dropped when it leaves.
 * One thread at a time.
 */
#ifndef APP_TOOLS_IGNORE_H
#define APP_TOOLS_IGNORE_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/buf.h"

struct ignore_rule {
	size_t base;    /* bytes of the folder's path below the root, with its '/' */
	size_t at, n;   /* the pattern, in `text` */
	bool back;      /* what matches is not left out after all */
	bool folder;    /* only folders match   */
	bool any_depth; /* the pattern is a name */
};

struct ignore {
	struct buf text;
	struct ignore_rule *rules;
	size_t n, cap;
	bool failed; /* memory ran out: rules are missing */
};

void ignore_release(struct ignore *g);

/* Where to go back to with ignore_leave(). */
size_t ignore_mark(const struct ignore *g);
/* Adds the rules of a .gitignore text; `folder` is its path below the root, "" or "a/b". */
void ignore_enter(struct ignore *g, struct str folder, struct str text);
/* Adds those of the folder that is open as `fd`, if it has a .gitignore. */
void ignore_enter_folder(struct ignore *g, struct str folder, int fd);
void ignore_leave(struct ignore *g, size_t mark);

/* `rel` is below the root.  Of its folders it is asked before. */
bool ignore_has(const struct ignore *g, struct str rel, bool is_folder);

#endif
