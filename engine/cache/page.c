/* Walking over the rows of pages, and moving them. */
#include "engine/cache/page.h"

#include <string.h>

#include "engine/cache/copies.h"
#include "engine/pass/layout.h"
#include "engine/pass/model_internal.h"

/* The rows of one kind in one layer. */
struct page_rows {
	int layer, kind; /* where the next ones are looked for */
	struct rows_layout layout;
	dbuf pool;    /* [pages, bytes] */
	size_t bytes; /* of a page */
	size_t at;    /* where they begin in a page in one piece */
};

/* From zeroed ones to the first, and on to the next; false: there are no more. */
static bool next_rows(const struct model *m, struct page_rows *r)
{
	r->at += r->bytes;
	r->bytes = 0;
	while (!r->bytes && r->layer < model_n_cached_layers(m)) {
		r->layout = model_layer_layout(m, r->layer).rows[r->kind];
		r->pool = m->caches[r->layer].rows[r->kind];
		r->bytes = layout_page_bytes(r->layout);
		r->kind = (r->kind + 1) % N_LAYER_ROWS;
		r->layer += r->kind == 0;
	}
	return r->bytes != 0;
}

static dbuf rows_in(const struct page_rows *r, int32_t page)
{
	return r->pool + (size_t)page * r->bytes;
}

/* Of the first tokens of a page. */
static size_t bytes_of(const struct page_rows *r, int tokens)
{
	return (size_t)(tokens / r->layout.tokens) * r->layout.row_bytes;
}

/* ----------------------------------------------------------------------- from the pool */

static int get_page(struct model *m, int32_t page, int tokens, unsigned char *out,
		    struct err *err)
{
	int rc = 0;

	for (struct page_rows r = {0}; !rc && next_rows(m, &r);) {
		size_t n = bytes_of(&r, tokens);

		rc = n ? m->be->get(m->be, out + r.at, rows_in(&r, page), n, err) : 0;
	}
	return rc;
}

/* As many as there is staging for. */
static int get_gathered(struct model *m, const int32_t *pages, int n, unsigned char *out,
			struct err *err)
{
	size_t each = (size_t)model_cache_bytes(m).page;
	dbuf staging = m->work.staging;
	struct copies c;
	int rc = 0;

	copies_init(&c, m->be);
	for (int i = 0; i < n; i++) {
		for (struct page_rows r = {0}; !rc && next_rows(m, &r);)
			rc = copies_add(&c, staging + (size_t)i * each + r.at,
					rows_in(&r, pages[i]), r.bytes, err);
	}
	if (!rc)
		rc = copies_issue(&c, err);
	return rc ? rc : m->be->get(m->be, out, staging, (size_t)n * each, err);
}

/* Rows behind the first tokens may be another continuation's. */
static void clear_rest(const struct model *m, int tokens, unsigned char *page)
{
	for (struct page_rows r = {0}; next_rows(m, &r);) {
		size_t n = bytes_of(&r, tokens);

		memset(page + r.at + n, 0, r.bytes - n);
	}
}

int pages_get(struct model *m, const int32_t *pages, int n, int tokens, unsigned char *out,
	      struct err *err)
{
	size_t each = (size_t)model_cache_bytes(m).page;
	int step = m->work.staging ? STAGING_PAGES : 1, rc = 0;

	for (int i = 0; i < n && !rc; i += step) {
		unsigned char *to = out + (size_t)i * each;

		rc = m->work.staging
			     ? get_gathered(m, pages + i, n - i < step ? n - i : step, to, err)
			     : get_page(m, pages[i], i == n - 1 ? tokens : PAGE_TOKENS, to,
					err);
	}
	if (!rc && n)
		clear_rest(m, tokens, out + (size_t)(n - 1) * each);
	return rc;
}

/* ----------------------------------------------------------------------- into the pool */

struct put_job {
	int32_t page;
	const unsigned char *in;
};

static int put_rows(struct model *m, const struct put_job *j, struct err *err)
{
	int rc = 0;

	for (struct page_rows r = {0}; !rc && next_rows(m, &r);)
		rc = m->be->put(m->be, rows_in(&r, j->page), j->in + r.at, r.bytes, err);
	return rc;
}

static int put_scattered(struct model *m, const struct put_job *j, struct err *err)
{
	size_t each = (size_t)model_cache_bytes(m).page;
	int rc = m->be->put(m->be, m->work.staging, j->in, each, err);
	struct copies c;

	copies_init(&c, m->be);
	for (struct page_rows r = {0}; !rc && next_rows(m, &r);)
		rc = copies_add(&c, rows_in(&r, j->page), m->work.staging + r.at, r.bytes, err);
	return rc ? rc : copies_issue(&c, err);
}

static int put_page(struct model *m, void *ctx, struct err *err)
{
	return m->work.staging ? put_scattered(m, ctx, err) : put_rows(m, ctx, err);
}

int page_put(struct model *m, int32_t page, const unsigned char *in, struct err *err)
{
	struct put_job j = {page, in};

	return team_run(m, put_page, &j, err);
}

/* -------------------------------------------------------------------------- within it */

int page_copy(struct model *m, int32_t to, int32_t from, int tokens, struct err *err)
{
	struct copies c;
	int rc = 0;

	copies_init(&c, m->be);
	for (struct page_rows r = {0}; !rc && next_rows(m, &r);) {
		size_t n = bytes_of(&r, tokens);

		rc = n ? copies_add(&c, rows_in(&r, to), rows_in(&r, from), n, err) : 0;
	}
	return rc ? rc : copies_issue(&c, err);
}
