/*
 * The choice of a token from logits, with common noise: the token at a position
 * is the argmax over the kept tokens of logit/T + G(seed, position, token).
 *
 * The noise depends on seed, position and token alone.  So whoever has the same
 * logits chooses the same token, a draft that is near the main model mostly
 * chooses as it does, and a seed reproduces a text.
 *
 * Kept are: the top_k best tokens; of those, the fewest best whose probability
 * (after temperature, among them) reaches top_p, at least one; of those, the ones
 * at least min_p times as probable as the best.  Of equal logits the lower id is
 * the better one, everywhere.  Temperature 0 is plain argmax.
 */
#ifndef ENGINE_SESSION_SAMPLER_H
#define ENGINE_SESSION_SAMPLER_H

#include "engine/base/err.h"
#include "engine/engine.h"

struct sampler {
	struct sampling how;
	int64_t vocab;
	struct candidate *heap; /* [vocab], only where top_k or top_p need an order */
};

/* ERR_USAGE names the setting that makes no sense; ERR_NOMEM. */
int sampler_init(struct sampler *s, const struct sampling *how, int64_t vocab, struct err *err);
void sampler_release(struct sampler *s); /* a zeroed struct is fine */

/*
 * Chooses the token that will stand at `position` (0 = the first of the sequence) from
 * logits [vocab].  ERR_MODEL where a logit is not a finite number.
 */
int sampler_choose(struct sampler *s, const float *logits, int64_t position, token_id *chosen,
		   struct err *err);

#endif
