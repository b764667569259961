/*
 * A sequence: the tokens that a slot of the model's caches stands for, how many they are, and
 * the pages their growing rows lie in.  Pages may be shared: what a sequence adds to one that
 * others rely on goes into a copy of its own (engine/pass/pages.h).
 * Engine thread only.
 */
#ifndef ENGINE_CACHE_SEQ_H
#define ENGINE_CACHE_SEQ_H

#include "engine/pass/model.h"

struct seq;

/* An empty one, in a free slot.  ERR_LIMIT where there is none (model_options.n_slots). */
int seq_new(struct seq **out, struct model *m, struct err *err);
void seq_free(struct seq *s); /* NULL is fine */
int64_t seq_len(const struct seq *s);

/* How far back a roll-back reaches: SEQ_MAX_ROLLBACK less than the longest it has been. */
int64_t seq_floor(const struct seq *s);

/* Back to `len` tokens: not before seq_floor(), or 0.  Further back: engine/cache/frontier.h.
 */
int seq_truncate(struct seq *s, int64_t len, struct err *err);

/* How many more pages a call of n tokens at its end may take; seq_run() fails without them. */
int64_t seq_pages_wanted(const struct seq *s, int64_t n);

/*
 * Runs a call at the sequence's end, which says slot and position itself.  What model_check()
 * refuses changes nothing; any other failure leaves the sequence empty.
 */
int seq_run(struct seq *s, struct forward call, struct err *err);

/* The same with logits alone; see struct forward for each. */
int seq_forward(struct seq *s, const token_id *ids, int n, enum forward_want want,
		float *logits, float *draft, struct err *err);

/* Drafts at the sequence's end, which says slot and position; it stays as it is. */
int seq_draft(struct seq *s, struct drafts *d, struct err *err);

/*
 * Makes the sequence len tokens long, its compressed rows random up to there: for measuring
 * steps at a length that would take hours to prefill.
 */
int seq_pretend(struct seq *s, int64_t len, struct err *err);

#endif
