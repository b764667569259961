/*
 * What a fork is called: after its source, with a mark in front that no narrow list cuts off.
 */
#ifndef APP_TALK_FORKNAME_H
#define APP_TALK_FORKNAME_H

#include "app/talk/talk.h"

/* Appends "Fork of TITLE", "Fork 2 of TITLE" and so on; nothing where there is no title. */
int fork_name(struct buf *out, const struct talks *ts, struct str title, struct err *err);

#endif
