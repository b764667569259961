/*
 * A file that is written by way of a temporary one beside it, so that it is there whole or
 * not at all, whatever ends the program.  What stands there already is never replaced.
 */
#ifndef APP_NEWFILE_H
#define APP_NEWFILE_H

#include <stdio.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"

struct newfile {
	const char *path; /* borrowed */
	struct buf temp;  /* PATH.XXXXXX, the file meanwhile */
	FILE *to;         /* write here */
};

/* ERR_IO, where PATH exists as well; ERR_NOMEM.  What fails leaves nothing to close. */
int newfile_open(struct newfile *f, const char *path, struct err *err);

/* With rc 0 PATH appears, else nothing stays; returns rc.  ERR_IO where that fails. */
int newfile_close(struct newfile *f, int rc, struct err *err);

#endif
