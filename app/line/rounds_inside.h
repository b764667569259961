/* Inside rounds*.c. */
#ifndef APP_LINE_ROUNDS_INSIDE_H
#define APP_LINE_ROUNDS_INSIDE_H

#include "app/line/rounds.h"

/* rounds.c */

void rounds_ask_user(void *ctx, const struct approval *p); /* of struct agent_ops */
int rounds_time_left_ms(const struct rounds *r);           /* -1: it has no end */
void rounds_take_signals(struct rounds *r);                /* that came: each stops once */

/* rounds_peer.c */

/* What is there of the peer's lines; one that never stops keeps nothing else waiting. */
void rounds_hear_peer(struct rounds *r);
/* For its answer to what was asked, a signal or the time's end. */
void rounds_wait_for_peer(struct rounds *r);

#endif
