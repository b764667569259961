/*
 * The screen driven by a file, for tests and demos.
 *
 * One step a line; empty lines and lines that begin with # are skipped:
 *
 *   C-t M-Up Enter        keys by name, as F1 shows them
 *   :type TEXT            types the text, one key a character
 *   :paste TEXT           pastes it; \n is a line break, \\ a backslash
 *   :wait MS              lets so much time pass
 *   :wait-idle            until the model is loaded and nothing is being answered or named
 *   :wait-for TEXT        until the text is on the screen
 *   :size COLUMNS ROWS    of the screen, where there is no terminal
 *   :save-display FILE    writes what is shown, as text (surface_dump)
 *
 * Waits that take longer than 60 s fail.
 */
#ifndef APP_SCREEN_SCRIPT_H
#define APP_SCREEN_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>

#include "tui/tui.h"

struct script_player;

/* Parses all of it first: ERR_USAGE names the line. */
int script_player_new(struct script_player **out, const char *text, struct err *err);
void script_player_free(struct script_player *p);

enum script_step {
	SCRIPT_KEY,  /* *ev is to be handled          */
	SCRIPT_SIZE, /* *w, *h                        */
	SCRIPT_WAIT, /* nothing before *wait_ms passed, or before something happens */
	SCRIPT_END,
	SCRIPT_FAILED, /* *err says why                 */
};

struct script_out {
	enum script_step step;
	struct key_event ev; /* text borrowed until the next call */
	int w, h, wait_ms;
};

/*
 * The next step.  `idle`: no turn runs, no title either, and the engine is loaded; `s` is
 * what is shown, drawn after everything that happened.
 */
struct script_out script_player_next(struct script_player *p, const struct surface *s,
				     bool idle, int64_t now_ms, struct err *err);

#endif
