/*
 * The full-screen chat: joins the screen (tui), the conversations (talk) and an
 * engine in one poll loop on the calling thread.
 *
 * The loop sleeps until the terminal, the engine or a signal has something;
 * with nothing to do it never wakes.  SIGWINCH, SIGTSTP, SIGCONT, SIGINT,
 * SIGTERM and SIGHUP are its own while it runs.
 */
#ifndef APP_SCREEN_SCREEN_H
#define APP_SCREEN_SCREEN_H

#include <stdbool.h>

#include "app/agent/agent.h"
#include "app/options.h"
#include "app/talk/talk.h"
#include "engine/engine.h"

struct screen_config {
	struct engine *engine;   /* borrowed; it may still be loading           */
	struct options *opt;     /* borrowed; what the user changes changes here */
	int tty;                 /* read and written; < 0: none, only with `script` */
	struct talks *talks;     /* borrowed; kept where they have a store       */
	struct talk *talk;       /* of these, the one to begin with, and then to end with */
	const struct agent_config *agent; /* an agent session's, borrowed; NULL: no tools */
	const char *inputs_path; /* earlier inputs are kept here; NULL = not   */
	/*
	 * Keys, waits and pictures instead of a person (script.h); the screen ends with
	 * it.  NULL = none.
	 */
	const char *script;
};

/*
 * Runs until the user quits, the script ends, or a signal says so (*signo, else 0).  The
 * engine's turn is cancelled on the way out.  ERR_IO: the terminal vanished; what stood in
 * the composer is among the inputs then.  ERR_USAGE: a bad binding or script line.
 */
int screen_run(struct screen_config *config, int *signo, struct err *err);

struct app;

/* The mode: opens the engine that the options name and runs the screen.  Returns the exit code.
 */
int screen_mode(struct app *app);

#endif
