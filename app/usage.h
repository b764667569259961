/* What a turn has cost, as programs read it. */
#ifndef APP_USAGE_H
#define APP_USAGE_H

#include "engine/base/jsonw.h"
#include "engine/event.h"

/* "usage" and its object, into the one that is open. */
void usage_write(struct jsonw *w, const struct turn_usage *u);

#endif
