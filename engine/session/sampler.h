/*
 * What a user asked of the choice of tokens, checked and put as the pass takes it.  The choice
 * itself is an operation (sample, kernels/ops.h) with common noise: the token at a position is
 * the argmax over the kept tokens of logit/T + G(seed, position, token).
 *
 * The noise depends on seed, position and token alone.  So whoever has the same
 * logits chooses the same token, a draft that is near the main model mostly
 * chooses as it does, and a seed reproduces a text.
 */
#ifndef ENGINE_SESSION_SAMPLER_H
#define ENGINE_SESSION_SAMPLER_H

#include "engine/base/err.h"
#include "engine/engine.h"
#include "kernels/ops.h"

/* n_choice: ids that may be chosen.  ERR_USAGE names the setting that makes no sense. */
int sampler_init(struct sample_how *how, const struct sampling *asked, int n_choice,
		 struct err *err);

/*
 * The id of a choice for `position`.  ERR_MODEL where a logit was not a finite number.
 */
int sampler_take(const struct choice *c, int64_t position, token_id *chosen, struct err *err);

#endif
