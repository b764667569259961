/*
 * A name for what a checkpoint directory holds, so that anything computed with
 * it (cached prefixes, recorded answers) is never taken for another model's.
 */
#ifndef ENGINE_CHECKPOINT_IDENTITY_H
#define ENGINE_CHECKPOINT_IDENTITY_H

#include "engine/base/err.h"

/*
 * 32 hex digits over config.json, the tokenizer, the index and the weights: a single
 * model.safetensors of up to 64 MiB counts whole, larger or sharded ones by their index or
 * header and size.  Files that are not there count as absent.  ERR_IO where one can't be read.
 */
int session_identity(const char *model_dir, char hex[65], struct err *err);

#endif
