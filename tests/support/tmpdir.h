/*
 * A directory of its own for one test, below $TMPDIR or /tmp.  Any trouble with it
 * fails the running cmocka test.
 */
#ifndef TESTS_SUPPORT_TMPDIR_H
#define TESTS_SUPPORT_TMPDIR_H

#include <stddef.h>

struct tmpdir {
	char path[256];
};

void tmpdir_init(struct tmpdir *d);
void tmpdir_release(struct tmpdir *d); /* removes everything in it */
/* Removes what is called so, with everything in it, where it is. */
void tmpdir_clear(const struct tmpdir *d, const char *name);

/* "PATH/name"; valid until the eighth call after this one. */
const char *tmpdir_file(const struct tmpdir *d, const char *name);

/* Writes the file whole, replacing what was there. */
void tmpdir_write(const struct tmpdir *d, const char *name, const void *data, size_t n);
void tmpdir_write_text(const struct tmpdir *d, const char *name, const char *text);

/* The one of a test program: made before the first test of a group, removed after the last. */
extern struct tmpdir test_dir;
int tmpdir_set_up(void **state);
int tmpdir_tear_down(void **state);

/* Copies a file into the directory under its own last name. */
void tmpdir_copy(const struct tmpdir *d, const char *from);

#endif
