/* What a turn has cost, as programs read it. */
#ifndef APP_USAGE_H
#define APP_USAGE_H

#include "engine/base/jsonw.h"
#include "engine/event.h"

/* "usage" and its object, into the one that is open. */
void usage_write(struct jsonw *w, const struct turn_usage *u);

/* Appends for people, before the turn: "reads 212 of 29,268 tokens". */
void usage_add_price(struct buf *out, int64_t reads, int64_t of);
/* Appends for people: "read 212 of 29,268 tokens", and what of the others came from disk. */
void usage_add_reading(struct buf *out, const struct turn_usage *u);

#endif
