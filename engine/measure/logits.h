/*
 * Teacher-forced logits of a token sequence, for comparing one implementation
 * with another.  Loads the model, runs, writes a safetensors file.
 */
#ifndef ENGINE_MEASURE_LOGITS_H
#define ENGINE_MEASURE_LOGITS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/chat.h"

struct engine_config;

struct logits_request {
	const token_id *ids;
	int64_t n_ids;
	int64_t n_prefill;  /* these go through prefill, the rest one at a time */
	bool mtp;           /* also the draft head, given the true next id */
	const char *out;    /* path; written whole or not at all */
};

/*
 * Writes float32 `logits` [n, vocab] and, if asked, `mtp_logits` [n-1, vocab]; of a block drafter
 * instead `draft_ids` int32 [rows, 1 + block], the true next id and those drafted after it,
 * greedily, with their `draft_logits` [rows, block, vocab] and `confidence` [rows, block] (before
 * the sigmoid): a row after each single step whose next id is among the ids.
 */
int logits_run(const struct engine_config *config, const struct logits_request *req,
	       struct err *err);

#endif
