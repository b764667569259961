/*
 * What there is to compute with, and what a model needs, before a byte of weights is
 * read: doctor's part of the engine.
 */
#ifndef ENGINE_MEASURE_SURVEY_H
#define ENGINE_MEASURE_SURVEY_H

#include "engine/base/buf.h"
#include "engine/base/err.h"

struct engine_config;

/*
 * Appends lines on every backend: "ok CPU …", "no CUDA: why", and so on; *n_ready counts those
 * that work here.  ERR_NOMEM at worst.
 */
int survey_backends(struct buf *out, int *n_ready);

/*
 * Reads config.json and the shards' headers, and adds up what an engine that is opened so would
 * need.  Appends to `files` what the checkpoint consists of, to `table` a line for each part of
 * the memory; ERR_MODEL where the tensors are not the model's, or where it does not fit: then
 * the table is there.
 */
int survey_model(const struct engine_config *config, struct buf *files, struct buf *table,
		 struct err *err);

#endif
