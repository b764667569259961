/* An engine whose loading is over.  Trouble fails the running cmocka test. */
#ifndef TESTS_SUPPORT_READY_ENGINE_H
#define TESTS_SUPPORT_READY_ENGINE_H

#include "engine/engine.h"

/* The real one, that is; the caller's to close. */
struct engine *ready_engine_open(const struct engine_config *config);

#endif
