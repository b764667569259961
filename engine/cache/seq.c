/* Sequences: which slot, how long, how far back. */
#include "engine/cache/seq.h"

#include <stdlib.h>

#include "engine/cache/seq_internal.h"
#include "engine/pass/model_internal.h"

int seq_new(struct seq **out, struct model *m, struct err *err)
{
	struct seq *s = calloc(1, sizeof(*s));
	int rc;

	*out = NULL;
	if (!s)
		return err_nomem(err, "sequence", sizeof(*s));
	s->m = m;
	rc = model_take_slot(m, &s->slot, err);
	if (rc)
		free(s);
	else
		*out = s;
	return rc;
}

void seq_free(struct seq *s)
{
	if (!s)
		return;
	model_release_slot(s->m, s->slot);
	free(s);
}

int64_t seq_len(const struct seq *s)
{
	return s->len;
}

int64_t seq_floor(const struct seq *s)
{
	return s->high > SEQ_MAX_ROLLBACK ? s->high - SEQ_MAX_ROLLBACK : 0;
}

int seq_truncate(struct seq *s, int64_t len, struct err *err)
{
	if (len < 0 || len > s->len)
		BUG("truncating a sequence to more than it holds");
	if (len == 0) {
		s->len = s->high = 0;
		return 0;
	}
	if (len < seq_floor(s))
		return err_set(err, ERR_LIMIT, "roll-back of %lld tokens: at most %d",
			       (long long)(s->high - len), SEQ_MAX_ROLLBACK);
	s->len = len;
	return 0;
}

int seq_run(struct seq *s, struct forward call, struct err *err)
{
	int64_t reached;
	int rc;

	call.slot = s->slot;
	call.pos0 = s->len;
	rc = model_check(s->m, &call, err);
	if (rc)
		return rc;
	rc = model_forward(s->m, &call, err);
	reached = rc ? 0 : s->len + forward_rows(&call);
	s->len = rc ? 0 : s->len + forward_held(&call);
	if (rc || reached > s->high)
		s->high = reached;
	return rc;
}

int seq_forward(struct seq *s, const token_id *ids, int n, enum forward_want want,
		float *logits, float *draft, struct err *err)
{
	const struct forward call = {
		.ids = ids,
		.n = n,
		.want = want,
		.logits = logits,
		.draft = draft,
	};

	return seq_run(s, call, err);
}

/* ------------------------------------------------------------------- measuring */

/* n_rows random rows at the beginning of a slot's pages, which lie in order. */
static int pretend_rows(struct seq *s, dbuf rows, int64_t n_rows, size_t row_bytes,
			uint64_t *seed, struct err *err)
{
	unsigned char *host = malloc((size_t)n_rows * row_bytes);
	int rc;

	if (!host)
		return err_nomem(err, "random cache rows", (size_t)n_rows * row_bytes);
	dummy_fill(row_bytes == KV_ROW_BYTES ? DTYPE_F8_E4M3 : DTYPE_U8, host,
		   (size_t)n_rows * row_bytes, seed);
	for (int64_t i = 0; i < n_rows; i++) {
		unsigned char *row = host + (size_t)i * row_bytes;

		if (row_bytes == KV_ROW_BYTES) {
			dummy_fill(DTYPE_F8_E8M0, row + 448, 8, seed);
			dummy_fill(DTYPE_BF16, row + 456, 128, seed);
		} else {
			dummy_fill(DTYPE_F8_E8M0, row + 64, 4, seed);
		}
	}
	rc = s->m->be->put(s->m->be, rows, host, (size_t)n_rows * row_bytes, err);
	free(host);
	return rc;
}

int seq_pretend(struct seq *s, int64_t len, struct err *err)
{
	size_t page0 = (size_t)s->slot * (size_t)model_max_pages(s->m);
	uint64_t seed = 7;
	int rc = 0;

	for (int i = 0; !rc && i < model_n_cached_layers(s->m); i++) {
		struct layer_layout l = model_layer_layout(s->m, i);

		for (int k = 0; !rc && k < N_LAYER_ROWS; k++) {
			dbuf rows = s->m->caches[i].rows[k];

			if (rows)
				rc = pretend_rows(s,
						  rows + page0 * layout_page_bytes(l.rows[k]),
						  len / l.rows[k].tokens, l.rows[k].row_bytes,
						  &seed, err);
		}
	}
	if (!rc)
		s->len = s->high = len;
	return rc;
}
