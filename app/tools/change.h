/*
 * A change of one file, as write_file and edit_file make it: what is there is read, the tool
 * says what it becomes, and that is told (JOB_PREPARE) or, if it is still the same, done
 * (JOB_APPLY).
 *
 * Functions give 0; ERR_USAGE: the job's text says why not; ERR_NOMEM.  One thread at a time.
 */
#ifndef APP_TOOLS_CHANGE_H
#define APP_TOOLS_CHANGE_H

#include <xxhash.h>

#include "app/tools/file_tool.h"
#include "app/tools/shown.h"
#include "app/tools/target.h"

struct change {
	struct file_job *j;
	struct str path; /* as the model wrote it */
	struct target t;
	size_t made;       /* folders that were missing, from the first */
	struct buf before; /* what is there, with: */
	XXH128_hash_t hash;
	struct buf after;
	struct shown_file shown; /* what the model has seen of it */
};

/* Finds the file and reads it.  To be released either way. */
int change_begin(struct change *c, struct file_job *j);
/*
 * With `after` there: the plan, or the change itself.  `text` becomes `said`, the path, and
 * what else is to be known of it.  Where it fails nothing has changed.
 */
int change_end(struct change *c, const char *said);
void change_release(struct change *c);

/* The file is there and all of it, as it is, text in UTF-8. */
int change_needs_text(struct change *c);

#endif
