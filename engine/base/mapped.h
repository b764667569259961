/*
 * Which file stands behind an address: a small table of the files that are
 * mapped now, that a signal handler may ask.
 *
 * A file that another process shortens while it is mapped raises SIGBUS where it
 * is next touched, in whichever thread that is.  Nothing can be computed from the
 * missing bytes, so the program ends: its SIGBUS handler asks mapped_find() for
 * the name, says it in one line, and exits with the status of a broken model.
 */
#ifndef ENGINE_BASE_MAPPED_H
#define ENGINE_BASE_MAPPED_H

#include <stddef.h>

/* Files beyond this many are mapped all the same; they go without a name in the message. */
#define MAPPED_MAX 1024

/* Copies the end of `path` that fits.  Returns a handle for mapped_remove(), or -1: table full. */
int mapped_add(const void *addr, size_t bytes, const char *path);
void mapped_remove(int handle); /* -1 is fine */

/* Async-signal-safe.  The name of the file mapped at addr, valid until it is removed; or NULL. */
const char *mapped_find(const void *addr);

#endif
