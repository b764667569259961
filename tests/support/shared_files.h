/*
 * Files that tests read where they are present: in $DSV4CHAT_SHARED, else in
 * ../shared as seen from the project's root, where tests run.
 */
#ifndef TESTS_SUPPORT_SHARED_FILES_H
#define TESTS_SUPPORT_SHARED_FILES_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/base/buf.h"

/* Reads a whole file; false if there is none. */
static inline bool whole_file(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "rb");
	char part[65536];
	size_t n;

	if (!f)
		return false;
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		buf_add(out, part, n);
	fclose(f);
	return true;
}

static inline void shared_path(struct buf *out, const char *name)
{
	const char *dir = getenv("DSV4CHAT_SHARED");

	buf_addf(out, "%s/%s", dir && *dir ? dir : "../shared", name);
}

/* Reads a shared file; skips the running test, and says so, if there is none. */
static inline void shared_read(const char *name, struct buf *out)
{
	struct buf path = {0};
	bool found;

	shared_path(&path, name);
	found = whole_file(buf_z(&path), out);
	if (!found)
		print_message("skipped: no %s\n", buf_z(&path));
	buf_release(&path);
	if (!found)
		skip();
}

#endif
