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
#include "app/tools/target.h"

struct change {
	struct file_job *j;
	struct str path; /* as the model wrote it */
	struct target t;
	size_t made;       /* folders that were missing, from the first */
	struct buf before; /* what is there, with: */
	XXH128_hash_t hash;
	struct buf after;
	/* Of the file at that path, whatever it has now: */
	bool was_shown;   /* some of it, once */
	bool is_as_shown; /* the last time it was what it is now */
	bool shown_whole; /* as it is now, all of its lines */
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
