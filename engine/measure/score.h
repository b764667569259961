/* How likely a model finds a text: perplexity, by prefill in chunks. */
#ifndef ENGINE_MEASURE_SCORE_H
#define ENGINE_MEASURE_SCORE_H

#include <stdint.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"

struct engine_config;

struct score {
	int64_t n_tokens; /* predicted: all but the first of each context */
	double nats;      /* sum of -log p; perplexity is exp(nats / n_tokens) */
};

/*
 * The text behind a beginning-of-sentence token, cut into contexts of the configured length.
 * ERR_USAGE where it is empty; model and memory errors.
 */
int score_text(const struct engine_config *config, struct str text, struct score *out,
	       struct err *err);

#endif
