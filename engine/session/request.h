/*
 * A turn request of the engine's own: one block of memory that holds the
 * structs and every byte they point to.
 */
#ifndef ENGINE_SESSION_REQUEST_H
#define ENGINE_SESSION_REQUEST_H

#include "engine/engine.h"

/* Copies *req whole.  Free with free(). */
int request_copy(struct turn_request **out, const struct turn_request *req, struct err *err);

#endif
