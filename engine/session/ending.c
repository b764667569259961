/* The ids that close a call. */
#include "engine/session/ending.h"

#include <string.h>

/* False: there are too many, or no memory. */
static bool encode(struct ending *e, const struct tokenizer *tok, struct str closing)
{
	struct tokens ids = {0};
	struct err ignored;
	bool fits = !tokenizer_encode_special(tok, closing, &ids, NULL, &ignored) &&
		    !tokens_failed(&ids) && ids.n < ENDING_IDS;

	if (fits && ids.n)
		memcpy(e->ids, ids.ids, ids.n * sizeof(*ids.ids));
	e->n = fits ? ids.n : 0;
	tokens_release(&ids);
	return fits;
}

bool ending_of(struct ending *e, struct answer *a, token_id end, const char *why)
{
	struct buf closing = {0};
	enum dsml_closing how = answer_closing(a, &closing);

	e->n = 0;
	if (how == DSML_CLOSES && encode(e, a->detok.tok, buf_str(&closing)))
		dsml_cut_call(&a->dsml, str_of(why));
	buf_release(&closing);
	/* A tag that does not end either is no reason to go on for ever. */
	if (how == DSML_CLOSES_LATER && a->n_block <= ANSWER_BLOCK_IDS + ENDING_IDS)
		return false;
	e->ids[e->n++] = end;
	return true;
}
