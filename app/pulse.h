/*
 * What is heard while the UI thread works in the history, or waits there for another process:
 * signals, and on the screen keys.  UI thread only.
 *
 * What is being kept when a signal comes has PULSE_KEEP_MS more, all in all.  What can be done
 * without is given up at once: calls between pulse_optional(true) and (false).
 */
#ifndef APP_PULSE_H
#define APP_PULSE_H

#include <stdbool.h>

#define PULSE_KEEP_MS 1000

/* history_pulse_fn: of every history that a chat opens; `ctx` is not looked at. */
bool pulse_gives_up(void *ctx);

/* Returns what it was before, to be put back. */
bool pulse_optional(bool on);
bool pulse_is_optional(void);

/*
 * Asked, too: collects what was typed, and says whether somebody wants to go on with something
 * else, which ends what is optional.  NULL: nobody is asked.
 */
typedef bool pulse_hear_fn(void *ctx);
void pulse_set_hear(pulse_hear_fn *hear, void *ctx);

#endif
