/* What is kept of what was computed, as the program sees it: a folder, and the engine's memory.
 */
#ifndef APP_KEPT_H
#define APP_KEPT_H

#include "engine/engine.h"

/* A conversation was removed, and so is this of it; `uid` may be NULL, and so may the engine.
 */
void kept_remove(struct engine *e, const char *uid);

#endif
