/*
 * The file that an external editor gets, in a folder of its own.  UI thread only.
 */
#ifndef APP_SCREEN_DRAFTFILE_H
#define APP_SCREEN_DRAFTFILE_H

#include <stdbool.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"

struct draftfile {
	char folder[448], path[512];
	bool in_memory;
};

/*
 * Makes both, for their owner alone, with the text in it.  `in_memory`: on a file system that
 * lies in memory, where nothing of it is on a disk; ERR_IO where there is none.
 */
int draftfile_make(struct draftfile *d, bool in_memory, struct str text, struct err *err);
/*
 * What an editor left beside the file stays, since somebody may look for it; in memory all
 * goes.
 */
void draftfile_remove(const struct draftfile *d);

#endif
