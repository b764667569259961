/*
 * What is kept of a conversation beside its store: what was computed of it, as the program sees it
 * a folder and the engine's memory, and the whole outputs of its tools.
 */
#ifndef APP_KEPT_H
#define APP_KEPT_H

#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/engine.h"

/* A conversation was removed, and so is this of it; `uid` may be NULL, and so may the engine.
 */
void kept_remove(struct engine *e, const char *uid);

/* Appends the folder that has a folder of outputs for each conversation.  As path_of(). */
int kept_outputs(struct buf *out, struct err *err);
/* Before a conversation is removed, the outputs of its tools are; `uid` may be NULL, or "". */
int kept_remove_outputs(const char *uid, struct err *err);
/* The fork `to` has that whole output ("OUT:3") of `from`, too; both are uids, or NULL. */
int kept_share_output(const char *from, const char *to, struct str name, struct err *err);

#endif
