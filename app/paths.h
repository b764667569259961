/*
 * Where the program keeps its files, after the XDG base directories.
 * Folders are made where missing (0700) by the functions that name a file to write.
 */
#ifndef APP_PATHS_H
#define APP_PATHS_H

#include "engine/base/buf.h"
#include "engine/base/err.h"

enum path_kind {
	PATH_CONFIG,  /* $XDG_CONFIG_HOME/dsv4chat/config       */
	PATH_HISTORY, /* $XDG_DATA_HOME/dsv4chat/history.db     */
	PATH_RULES,   /* $XDG_DATA_HOME/dsv4chat/rules          */
	PATH_LOG,     /* $XDG_STATE_HOME/dsv4chat/log           */
	PATH_INPUTS,  /* $XDG_STATE_HOME/dsv4chat/input_history */
	PATH_CACHE,   /* $XDG_CACHE_HOME/dsv4chat/kv            */
	N_PATHS,
};

const char *path_name(enum path_kind kind); /* "config", "history", … */

/* ERR_USAGE where neither the XDG variable nor HOME says. */
int path_of(enum path_kind kind, struct buf *out, struct err *err);
/* The folder of the program's own that it is in: $XDG_CONFIG_HOME/dsv4chat.  The same. */
int path_folder(enum path_kind kind, struct buf *out, struct err *err);
/* The same, and the folder is there afterwards. */
int path_to_write(enum path_kind kind, struct buf *out, struct err *err);

/* Appends the path with the home directory in the place of a ~ that stands alone or before a /. */
void path_expand(struct buf *out, struct str path);

/*
 * Appends the small model's directory: share/dsv4chat/nano beside the program's bin, else
 * share/nano of the source tree the program was built in.  ERR_MODEL where there is neither.
 */
int path_nano(struct buf *out, struct err *err);

#endif
