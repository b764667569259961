/*
 * The one question of a one-shot call: files, stdin and words, in this order,
 * each file and stdin in a labelled block where anything stands beside it.
 */
#ifndef APP_QUESTION_H
#define APP_QUESTION_H

#include "app/app.h"

#define QUESTION_MAX_BYTES ((size_t)256 << 20)

/*
 * Fills `out` with clean UTF-8; *n_replaced counts invalid sequences, now U+FFFD.  Reads stdin
 * to its end unless it is a terminal (`stdin_too`).  ERR_USAGE where nothing is asked; ERR_IO;
 * ERR_CANCELLED, ERR_TIMEOUT while waiting for stdin.
 */
int question_read(const struct app *app, bool stdin_too, struct buf *out, size_t *n_replaced,
		  struct err *err);

/* Waits `ms`: 1: stdin has something, or its end; 0: nothing yet.  ERR_CANCELLED, ERR_TIMEOUT. */
int question_await_stdin(const struct app *app, int ms, struct err *err);

#endif
