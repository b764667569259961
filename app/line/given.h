/*
 * The one question of a one-shot call: files, stdin and words, in this order, each file, and
 * stdin where anything stands beside it, as a file that goes along.
 */
#ifndef APP_LINE_GIVEN_H
#define APP_LINE_GIVEN_H

#include "app/app.h"
#include "app/talk/question.h"

#define GIVEN_MAX_BYTES ((size_t)256 << 20) /* of a file, or of stdin */

/*
 * The question; *n_replaced counts invalid sequences, now U+FFFD.  Reads stdin to its end where
 * `stdin_too`, or where a file's name is - or /dev/stdin.  Whatever can be read to its end is a
 * file: a FIFO, a device.  ERR_USAGE where nothing is asked; ERR_IO; ERR_CANCELLED, ERR_TIMEOUT
 * while waiting.
 */
int given_read(const struct app *app, bool stdin_too, struct talk_message **out,
	       size_t *n_replaced, struct err *err);

/* Waits `ms`: 1: stdin has something, or its end; 0: nothing yet.  ERR_CANCELLED, ERR_TIMEOUT. */
int given_await_stdin(const struct app *app, int ms, struct err *err);

#endif
