/*
 * One turn and exit; and scripted sessions, a message a line on stdin.
 * The answer goes to stdout, all else to stderr; with --json events to stdout.
 */
#ifndef APP_LINE_ONESHOT_H
#define APP_LINE_ONESHOT_H

#include "app/app.h"

/* Returns the exit code. */
int oneshot_run(struct app *app, bool stdin_too);
int oneshot_session(struct app *app); /* --input-format jsonl */

#endif
