/*
 * What a call changed in a file, found out when the file may long be another one: by what it
 * held before, the call, and the hash of what it held then.  Pure.
 */
#ifndef APP_TOOLS_CHANGED_H
#define APP_TOOLS_CHANGED_H

#include "engine/base/buf.h"

/* All borrowed. */
struct changed {
	struct str tool, arguments; /* as the model wrote them */
	bool existed;
	struct str before;     /* "" where it did not exist */
	struct str hash_after; /* XXH128, 16 bytes */
};

/*
 * Appends what job_news.diff said of it; nothing where the call does not come to that hash.
 * ERR_NOMEM.
 */
int changed_add_diff(struct buf *out, const struct changed *c);

#endif
