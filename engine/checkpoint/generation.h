/*
 * What a checkpoint's generation_config.json says of how its texts end.
 */
#ifndef ENGINE_CHECKPOINT_GENERATION_H
#define ENGINE_CHECKPOINT_GENERATION_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

#define GENERATION_MAX_STOPS 16 /* further ones are passed over */

struct generation_config {
	int64_t stop_ids[GENERATION_MAX_STOPS]; /* eos_token_id, unchecked: any number */
	size_t n_stop_ids;
};

/*
 * Reads DIR/generation_config.json.  A checkpoint without it has no stop ids of this kind;
 * one that is no regular file, cannot be read, or holds no JSON is ERR_MODEL.
 */
int generation_config_read(const char *dir, struct generation_config *g, struct err *err);

#endif
