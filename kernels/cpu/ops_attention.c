/* Queries, window rows, and attention over the window and the chosen compressed rows. */
#include "kernels/cpu/cpu.h"

#include <string.h>

/* Rows unpacked at once: 32 KB of floats, which a first-level cache holds beside the queries. */
#define TILE 16

static float *floats(dbuf p)
{
	return (float *)(void *)p;
}

struct query_job {
	struct cpu *c;
	const struct query_args *a;
};

static void query_heads(void *ctx, int worker, int64_t i0, int64_t i1)
{
	const struct query_job *j = ctx;
	const struct query_args *a = j->a;
	const struct leaf *leaf = j->c->leaf;

	(void)worker;
	for (int64_t i = i0; i < i1; i++) {
		float *q = floats(a->q) + i * HEAD_DIM;

		leaf->scale(q, HEAD_DIM, leaf->inv_rms(q, HEAD_DIM, a->eps));
		cpu_rotate(q, HEAD_DIM, floats(a->rope) + i / a->n_head * ROPE_DIM, 1.0f);
	}
}

int cpu_query(struct backend *be, const struct query_args *a, struct err *err)
{
	struct query_job j = {cpu_of(be), a};
	int64_t n = (int64_t)a->n_tok * a->n_head;

	(void)err;
	pool_for(j.c->pool, n, 4, 6.0 * (double)n * HEAD_DIM, query_heads, &j);
	return 0;
}

struct window_job {
	struct cpu *c;
	const struct window_row_args *a;
};

static void window_rows(void *ctx, int worker, int64_t t0, int64_t t1)
{
	const struct window_job *j = ctx;
	const struct window_row_args *a = j->a;
	int64_t pos0 = cpu_step(a->step)->pos0;
	dbuf ring = cpu_slot(a->ring, a->step, (size_t)a->ring_rows * KV_ROW_BYTES);

	(void)worker;
	for (int64_t t = t0; t < t1; t++) {
		float row[HEAD_DIM];
		size_t at = (size_t)((pos0 + t) % a->ring_rows);

		j->c->leaf->rms_norm(floats(a->kv) + t * HEAD_DIM,
				     (const uint16_t *)(const void *)a->norm, HEAD_DIM, a->eps,
				     row);
		cpu_rotate(row, HEAD_DIM, floats(a->rope) + t * ROPE_DIM, 1.0f);
		j->c->leaf->kv_pack(row, ring + at * KV_ROW_BYTES);
	}
}

int cpu_window_row(struct backend *be, const struct window_row_args *a, struct err *err)
{
	struct window_job j = {cpu_of(be), a};

	if (a->n_tok > a->ring_rows)
		return err_set(err, ERR_MODEL, "window ring: %d rows for %d tokens", a->ring_rows,
			       a->n_tok);
	pool_for(j.c->pool, a->n_tok, 1, 20.0 * a->n_tok * HEAD_DIM, window_rows, &j);
	return 0;
}

/* ------------------------------------------------------------------ attention */

struct attention_job {
	struct cpu *c;
	const struct attention_args *a;
	int block;        /* the rows see each other, and the window before the first */
	int n_part;       /* head ranges of one token */
	int64_t max_rows; /* any token of this call sees at most so many, in 16s */
};

/* The rows one token sees: compressed ones first, then the window, both ascending. */
struct seen {
	const struct attention_args *a;
	const int32_t *pages;
	dbuf ring;
	const int32_t *sel; /* NULL: all compressed rows, 0 … n_comp - 1 */
	int64_t n_comp, win0, n_win;
};

static struct seen seen_by(const struct attention_job *j, int64_t t)
{
	const struct attention_args *a = j->a;
	int64_t pos0 = cpu_step(a->step)->pos0, pos = pos0 + t;
	struct seen s = {
		.a = a,
		.pages = a->ratio ? cpu_pages(a->pages, a->step, a->max_pages) : NULL,
		.ring = cpu_slot(a->ring, a->step, (size_t)a->ring_rows * KV_ROW_BYTES),
	};

	s.win0 = pos + 1 > a->window ? pos + 1 - a->window : 0;
	s.n_win = pos + 1 - s.win0;
	if (j->block) {
		s.win0 = pos0 > a->window ? pos0 - a->window : 0;
		s.n_win = pos0 + a->n_tok - s.win0;
	}
	if (a->ratio == 4) {
		s.sel = (const int32_t *)(const void *)a->sel + t * a->top_k;
		s.n_comp = ((const int32_t *)(const void *)a->n_sel)[t];
	} else if (a->ratio) {
		s.n_comp = (pos + 1) / a->ratio;
	}
	return s;
}

static const uint8_t *seen_row(const struct seen *s, int64_t i)
{
	const struct attention_args *a = s->a;

	if (i < s->n_comp)
		return a->rows +
		       cpu_row_at(s->pages, s->sel ? s->sel[i] : i, PAGE_TOKENS / a->ratio) *
			       KV_ROW_BYTES;
	return s->ring + (size_t)((s->win0 + i - s->n_comp) % a->ring_rows) * KV_ROW_BYTES;
}

static int unpack_tile(const struct attention_job *j, const struct seen *s, int64_t i0, int64_t n,
		       float *tile)
{
	int m = n - i0 < TILE ? (int)(n - i0) : TILE;

	for (int i = 0; i < m; i++)
		j->c->leaf->kv_unpack(seen_row(s, i0 + i), tile + i * HEAD_DIM);
	return m;
}

static void attend(const struct attention_job *j, int64_t t, int h0, int h1, void *own)
{
	const struct attention_args *a = j->a;
	const struct leaf *leaf = j->c->leaf;
	struct seen s = seen_by(j, t);
	int64_t n = s.n_comp + s.n_win;
	float *tile = own;
	float *scores = tile + TILE * HEAD_DIM; /* [head][max_rows] */
	float *q = floats(a->q) + t * a->n_head * HEAD_DIM;
	float *out = floats(a->out) + t * a->n_head * HEAD_DIM;

	for (int64_t i = 0; i < n; i += TILE) {
		int m = unpack_tile(j, &s, i, n, tile);

		for (int h = h0; h < h1; h++)
			leaf->dots(q + (size_t)h * HEAD_DIM, tile, m, a->scale,
				   scores + (h - h0) * j->max_rows + i);
	}
	for (int h = h0; h < h1; h++) {
		leaf->softmax(scores + (h - h0) * j->max_rows, (int)n, floats(a->sink)[h]);
		memset(out + (size_t)h * HEAD_DIM, 0, HEAD_DIM * sizeof(float));
	}
	for (int64_t i = 0; i < n; i += TILE) {
		/* one tile is still unpacked from the first pass */
		int m = n > TILE ? unpack_tile(j, &s, i, n, tile) : (int)n;

		for (int h = h0; h < h1; h++)
			leaf->mix(scores + (h - h0) * j->max_rows + i, tile, m,
				  out + (size_t)h * HEAD_DIM);
	}
	for (int h = h0; h < h1; h++)
		cpu_rotate(out + (size_t)h * HEAD_DIM, HEAD_DIM, floats(a->rope) + t * ROPE_DIM,
			   -1.0f);
}

static void attend_parts(void *ctx, int worker, int64_t i0, int64_t i1)
{
	const struct attention_job *j = ctx;

	for (int64_t i = i0; i < i1; i++) {
		int part = (int)(i % j->n_part);
		int h0 = j->a->n_head * part / j->n_part;
		int h1 = j->a->n_head * (part + 1) / j->n_part;

		attend(j, i / j->n_part, h0, h1, j->c->own[worker].p);
	}
}

static int attention(struct backend *be, const struct attention_args *a, int block,
		     struct err *err)
{
	struct attention_job j = {.c = cpu_of(be), .a = a, .block = block};
	int64_t last = cpu_step(a->step)->pos0 + a->n_tok;
	int64_t rows = a->window + (a->ratio == 4 ? a->top_k : a->ratio ? last / a->ratio : 0);
	int threads = pool_size(j.c->pool);

	if (block)
		rows += a->n_tok;

	/* Unpacking a row serves all heads of a part, so heads are split only to fill threads. */
	j.n_part = a->n_tok >= threads ? 1 : (threads + a->n_tok - 1) / a->n_tok;
	if (j.n_part > a->n_head)
		j.n_part = a->n_head;
	j.max_rows = (rows + 15) / 16 * 16;
	if (cpu_own(j.c,
		    sizeof(float) * (TILE * HEAD_DIM +
				     (size_t)j.max_rows * (size_t)(a->n_head / j.n_part + 1)),
		    err))
		return err->code;
	pool_for(j.c->pool, (int64_t)a->n_tok * j.n_part, 1,
		 2.0 * (double)rows * HEAD_DIM * a->n_head * a->n_tok, attend_parts, &j);
	return 0;
}

int cpu_attention(struct backend *be, const struct attention_args *a, struct err *err)
{
	return attention(be, a, 0, err);
}

int cpu_block_attention(struct backend *be, const struct attention_args *a, struct err *err)
{
	if (a->window + a->n_tok > a->ring_rows)
		return err_set(err, ERR_MODEL, "block attention: %d rows for a window of %d and %d more",
			       a->ring_rows, a->window, a->n_tok);
	return attention(be, a, 1, err);
}
