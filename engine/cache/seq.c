/* Sequences: which slot, which pages, how long, how far back. */
#include "engine/cache/seq.h"

#include <stdlib.h>

#include "engine/cache/page.h"
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
	s->table = calloc((size_t)model_max_pages(m), sizeof(*s->table));
	if (s->table)
		rc = model_take_slot(m, &s->slot, err);
	else
		rc = err_nomem(err, "page table",
			       (size_t)model_max_pages(m) * sizeof(*s->table));
	if (rc) {
		free(s->table);
		free(s);
	} else {
		*out = s;
	}
	return rc;
}

void seq_free(struct seq *s)
{
	if (!s)
		return;
	seq_drop_pages(s, 0);
	model_release_slot(s->m, s->slot);
	free(s->table);
	free(s);
}

int64_t seq_len(const struct seq *s)
{
	return s->len;
}

/* ------------------------------------------------------------------------ pages */

void seq_drop_pages(struct seq *s, int64_t len)
{
	while (s->n_pages > seq_pages_of(len))
		pages_drop(&s->m->pool, s->table[--s->n_pages], s->slot);
}

/* What a rank is to do with some pages of a sequence. */
struct pages_job {
	const struct seq *s;
	int64_t from, n;       /* entries of its table */
	int32_t to_page, page; /* to be copied, its first `tokens` */
	int tokens;
};

static int put_table(struct model *m, void *ctx, struct err *err)
{
	const struct pages_job *j = ctx;
	size_t at = (size_t)(j->s->slot * model_max_pages(m) + j->from) * sizeof(*j->s->table);

	return m->be->put(m->be, m->pages + at, j->s->table + j->from,
			  (size_t)j->n * sizeof(*j->s->table), err);
}

int seq_put_table(struct seq *s, int64_t from, int64_t n, struct err *err)
{
	struct pages_job j = {.s = s, .from = from, .n = n};

	return n < 1 ? 0 : team_run(s->m, put_table, &j, err);
}

void seq_empty(struct seq *s)
{
	seq_drop_pages(s, 0);
	s->len = s->high = 0;
}

int64_t seq_pages_wanted(const struct seq *s, int64_t n)
{
	/* and one for a last page that has to be copied */
	return seq_pages_of(s->len + n) - s->n_pages + (s->len % PAGE_TOKENS != 0);
}

static int copy_page(struct model *m, void *ctx, struct err *err)
{
	const struct pages_job *j = ctx;

	return page_copy(m, j->to_page, j->page, j->tokens, err);
}

/* The last page, where it is not full, is one that may be added to. */
static int own_last_page(struct seq *s, struct err *err)
{
	struct pages *pool = &s->m->pool;
	int tokens = (int)(s->len % PAGE_TOKENS);
	int32_t *at = &s->table[s->len / PAGE_TOKENS], from = *at;
	struct pages_job job;
	int rc;

	if (tokens == 0 || pages_may_write(pool, from, s->slot, tokens))
		return 0;
	rc = pages_take(pool, s->slot, at, err);
	if (rc)
		return rc;
	job = (struct pages_job){.to_page = *at, .page = from, .tokens = tokens};
	rc = team_run(s->m, copy_page, &job, err);
	pages_drop(pool, from, s->slot);
	return rc ? rc : seq_put_table(s, at - s->table, 1, err);
}

/* Pages for n more tokens. */
static int own_pages(struct seq *s, int64_t n, struct err *err)
{
	int64_t before = s->n_pages;
	int rc = own_last_page(s, err);

	while (!rc && s->n_pages < seq_pages_of(s->len + n)) {
		rc = pages_take(&s->m->pool, s->slot, &s->table[s->n_pages], err);
		s->n_pages += !rc;
	}
	return rc ? rc : seq_put_table(s, before, s->n_pages - before, err);
}

/* ----------------------------------------------------------------------- length */

int64_t seq_floor(const struct seq *s)
{
	return s->high > SEQ_MAX_ROLLBACK ? s->high - SEQ_MAX_ROLLBACK : 0;
}

int seq_truncate(struct seq *s, int64_t len, struct err *err)
{
	if (len < 0 || len > s->len)
		BUG("truncating a sequence to more than it holds");
	if (len == 0) {
		seq_empty(s);
		return 0;
	}
	if (len < seq_floor(s))
		return err_set(err, ERR_LIMIT, "roll-back of %lld tokens: at most %d",
			       (long long)(s->high - len), SEQ_MAX_ROLLBACK);
	s->len = len;
	seq_drop_pages(s, len);
	return 0;
}

int seq_run(struct seq *s, struct forward call, struct err *err)
{
	int rc;

	call.slot = s->slot;
	call.pos0 = s->len;
	rc = model_check(s->m, &call, err);
	if (rc)
		return rc;
	rc = own_pages(s, forward_rows(&call), err);
	if (!rc)
		rc = team_forward(s->m, &call, err);
	if (rc) {
		seq_empty(s);
		return rc;
	}
	if (s->len + forward_rows(&call) > s->high)
		s->high = s->len + forward_rows(&call);
	s->len += forward_held(&call);
	seq_drop_pages(s, s->len);
	return 0;
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

int seq_draft(struct seq *s, struct drafts *d, struct err *err)
{
	d->slot = s->slot;
	d->pos0 = s->len;
	return team_draft(s->m, d, err);
}

/* ------------------------------------------------------------------- measuring */

/* n_rows random rows, from `rows` on. */
static int pretend_rows(struct model *m, dbuf rows, int64_t n_rows, size_t row_bytes,
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
	rc = m->be->put(m->be, rows, host, (size_t)n_rows * row_bytes, err);
	free(host);
	return rc;
}

/* How many pages from the k-th on lie in order. */
static int64_t run_of_pages(const struct seq *s, int64_t k)
{
	int64_t n = 1;

	while (k + n < s->n_pages && s->table[k + n] == s->table[k] + n)
		n++;
	return n;
}

static int pretend_layer(struct model *m, const struct seq *s, int layer, uint64_t *seed,
			 struct err *err)
{
	struct layer_layout l = model_layer_layout(m, layer);

	for (int k = 0; k < N_LAYER_ROWS; k++) {
		dbuf rows = m->caches[layer].rows[k];
		int64_t run;

		for (int64_t i = 0; rows && i < s->n_pages; i += run) {
			size_t at = (size_t)s->table[i] * layout_page_bytes(l.rows[k]);
			int rc;

			run = run_of_pages(s, i);
			rc = pretend_rows(m, rows + at, run * (PAGE_TOKENS / l.rows[k].tokens),
					  l.rows[k].row_bytes, seed, err);
			if (rc)
				return rc;
		}
	}
	return 0;
}

/* The same on every rank. */
static int pretend(struct model *m, void *ctx, struct err *err)
{
	uint64_t seed = 7;
	int rc = 0;

	for (int i = 0; !rc && i < model_n_cached_layers(m); i++)
		rc = pretend_layer(m, ctx, i, &seed, err);
	return rc;
}

int seq_pretend(struct seq *s, int64_t len, struct err *err)
{
	int rc;

	seq_empty(s);
	rc = own_pages(s, len, err);
	if (!rc)
		rc = team_run(s->m, pretend, s, err);
	if (rc)
		seq_empty(s);
	else
		s->len = s->high = len;
	return rc;
}
