/* What --bind takes: ACTION=KEYS, for the keymap of the full screen.  No state; any thread. */
#ifndef APP_BINDING_H
#define APP_BINDING_H

#include "tui/tui.h"

/* ERR_USAGE names what is no action, no key or no binding at all; then nothing has changed. */
int binding_apply(struct keymap *km, const char *binding, struct err *err);

/* Whether it could be applied, so that the place it was given at can be told. */
int binding_check(const char *binding, struct err *err);

#endif
