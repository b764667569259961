/*
 * Whole files into memory: small ones, whose size the caller bounds; and bytes to files.
 *
 * Only regular files (through symbolic links) are read, but for file_read_any(): a FIFO, a
 * device or a directory is an error at once, never a hang.  Any thread.
 */
#ifndef ENGINE_BASE_FILE_H
#define ENGINE_BASE_FILE_H

#include <stddef.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"

/*
 * Appends the file's bytes to `out`.  A file of more than max_bytes is refused before it is
 * read; one that changes meanwhile gives what was there, never more than max_bytes.  ERR_IO, or
 * ERR_NOMEM.
 */
int file_read(struct buf *out, const char *path, size_t max_bytes, struct err *err);

/*
 * The same of whatever can be read to its end, which may be waited for: a FIFO, a device, and
 * standard input as "-".
 */
int file_read_any(struct buf *out, const char *path, size_t max_bytes, struct err *err);

/*
 * Gives a file that was written as `temp` its name `path`, which nothing may have yet: one that
 * is there is never replaced.  0, or -1 with errno set (EEXIST); `temp` may stay, too.
 */
int file_place(const char *temp, const char *path);

/* Writes all of it to what is open; 0, or -1 with errno set: some of it may be there. */
int file_write_all(int fd, struct str bytes);

/* Closes it, if it is open (not negative); then it is -1. */
void file_close(int *fd);

/* Opens a regular file for reading; returns the descriptor, its size in *size, or ERR_IO. */
int file_open_regular(const char *path, size_t *size, struct err *err);

#endif
