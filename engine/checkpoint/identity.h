/*
 * A name for what a checkpoint holds, so that anything computed with it (cached
 * prefixes, recorded answers) is never taken for another model's.
 *
 * It says: these are the same weights, read by the same rule.  It changes with any
 * byte of config.json, tokenizer.json and the index, with any shard's name, size and
 * header, and with what is sampled of the data: of each shard 64 runs of 64 KiB spread
 * evenly from its first byte to its last (a shard that is no larger counts whole), and
 * the beginning of every tensor, so that one that was replaced is seen wherever it
 * lies.  It does not change with names of folders, times, or owners.
 */
#ifndef ENGINE_CHECKPOINT_IDENTITY_H
#define ENGINE_CHECKPOINT_IDENTITY_H

#include "engine/base/err.h"
#include "engine/checkpoint/safetensors.h"

#define IDENTITY_BYTES 40 /* with its end; fit for a file's name */

/* Those of another version (and the bare 32 hex digits of old) say nothing of this one: a name
 * without this beginning is unknown, not another model's. */
#define IDENTITY_VERSION "v2-"

/*
 * The name of the checkpoint in `dir` whose shards are `st`: IDENTITY_VERSION and 32 hex digits.
 * Reads some megabytes of each shard, never all.  A file that is not there counts as absent;
 * ERR_IO or ERR_MODEL where one can't be read.
 */
int checkpoint_identity(const char *dir, const struct safetensors *st, char name[IDENTITY_BYTES],
			struct err *err);

#endif
