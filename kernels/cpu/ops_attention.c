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

/*
 * A worker takes a few tokens that follow each other, and some of their heads: a row that
 * several of these see is unpacked once for all of them, and stays so from the scores to the sum
 * where there are few rows.  What a token comes to does not depend on who else is there.
 */
#define TOKENS 8 /* at once */

/* Rows that stay unpacked: half a megabyte of floats, in a second-level cache. */
#define KEPT_ROWS 256

/* Scores of a worker's tokens: so many at most, but for those of one token. */
#define MOST_SCORES (512 << 10)

struct attention_job {
	struct cpu *c;
	const struct attention_args *a;
	int block;        /* the rows see each other, and the window before the first */
	int n_tok;        /* tokens at once, TOKENS at most */
	int n_part;       /* head ranges of one token */
	int64_t max_rows; /* any token of this call sees at most so many, in 16s */
};

/* The rows one token sees: compressed ones first, then the window, both ascending. */
struct seen {
	const int32_t *sel; /* NULL: all compressed rows, 0 … n_comp - 1 */
	int64_t n_comp, win0, n_win;
};

static struct seen seen_by(const struct attention_job *j, int64_t t)
{
	const struct attention_args *a = j->a;
	int64_t pos0 = cpu_step(a->step)->pos0, pos = pos0 + t;
	struct seen s = {0};

	s.win0 = pos + 1 > a->window ? pos + 1 - a->window : 0;
	s.n_win = pos + 1 - s.win0;
	if (j->block) {
		s.win0 = pos0 > a->window ? pos0 - a->window : 0;
		s.n_win = pos0 + a->n_tok - s.win0;
	}
	if (a->ratio)
		s.n_comp = (pos + 1) / a->ratio;
	if (a->ratio == 4 && s.n_comp > a->top_k) {
		s.sel = (const int32_t *)(const void *)a->sel + t * a->top_k;
		s.n_comp = ((const int32_t *)(const void *)a->n_sel)[t];
	}
	return s;
}

/* What a worker has at hand. */
struct attending {
	const struct attention_job *j;
	int64_t t0;
	int n_tok, h0, h1;
	struct seen seen[TOKENS];
	float *rows;   /* unpacked */
	float *scores; /* [n_tok][h1 - h0][max_rows] */
	int kept;      /* all spans stay unpacked, one behind the other */
};

/* Rows that all of some tokens see, but for those at its ends. */
struct span {
	int window;         /* of the ring; else compressed ones */
	const int32_t *sel; /* as in struct seen */
	int64_t row0, n;    /* row0: of the window's first, its position */
	int64_t at;         /* rows of the spans before this one */
	int t0, t1;         /* of those at hand */
};

static const uint8_t *stored_row(const struct attention_args *a, const struct span *s, int64_t i)
{
	dbuf ring;

	if (!s->window)
		return a->rows + cpu_row_at(cpu_pages(a->pages, a->step, a->max_pages),
					    s->sel ? s->sel[i] : i, PAGE_TOKENS / a->ratio) *
					 KV_ROW_BYTES;
	ring = cpu_slot(a->ring, a->step, (size_t)a->ring_rows * KV_ROW_BYTES);
	return ring + (size_t)((s->row0 + i) % a->ring_rows) * KV_ROW_BYTES;
}

/* Rows i … i + m - 1 as floats; `again`: they may still be there. */
static const float *unpacked(const struct attending *x, const struct span *s, int64_t i, int m,
			     int again)
{
	float *to = x->rows + (x->kept ? s->at + i : 0) * HEAD_DIM;

	if (!again || !x->kept) {
		for (int r = 0; r < m; r++)
			x->j->c->leaf->kv_unpack(stored_row(x->j->a, s, i + r),
						 to + (size_t)r * HEAD_DIM);
	}
	return to;
}

static float *scores_of(const struct attending *x, int t, int h)
{
	return x->scores + ((int64_t)t * (x->h1 - x->h0) + h - x->h0) * x->j->max_rows;
}

enum pass { SCORES, SUM };

/* n unpacked rows, `first` being the first one's number among those that token t sees. */
static void pass_rows(const struct attending *x, enum pass pass, int t, const float *rows, int n,
		      int64_t first)
{
	const struct attention_args *a = x->j->a;
	const struct leaf *leaf = x->j->c->leaf;
	size_t at = ((size_t)(x->t0 + t) * (size_t)a->n_head + (size_t)x->h0) * HEAD_DIM;
	float *s = scores_of(x, t, x->h0) + first;

	if (pass == SCORES)
		leaf->dots(floats(a->q) + at, x->h1 - x->h0, rows, n, a->scale, s,
			   (size_t)x->j->max_rows);
	else
		leaf->mix(s, x->h1 - x->h0, (size_t)x->j->max_rows, rows, n, floats(a->out) + at);
}

static void pass_span(const struct attending *x, enum pass pass, const struct span *s)
{
	for (int64_t i = 0; i < s->n; i += TILE) {
		int m = s->n - i < TILE ? (int)(s->n - i) : TILE;
		const float *rows = unpacked(x, s, i, m, pass == SUM);

		for (int t = s->t0; t < s->t1; t++) {
			const struct seen *seen = &x->seen[t];
			int64_t lo = s->window ? seen->win0 - s->row0 : 0;
			int64_t hi = lo + (s->window ? seen->n_win : seen->n_comp);
			int64_t from = lo > i ? lo : i, to = hi < i + m ? hi : i + m;

			if (from < to)
				pass_rows(x, pass, t, rows + (from - i) * HEAD_DIM,
					  (int)(to - from),
					  from - lo + (s->window ? seen->n_comp : 0));
		}
	}
}

/* What the tokens see, in each one's order: at most one span a token, and the window. */
static int list_spans(const struct attending *x, struct span *out)
{
	const struct seen *last = &x->seen[x->n_tok - 1];
	int64_t at = 0;
	int n = 0;

	for (int t = 0, t1; t < x->n_tok; t = t1) {
		t1 = last->sel ? t + 1 : x->n_tok;
		out[n] = (struct span){
			.sel = x->seen[t].sel,
			.n = x->seen[t1 - 1].n_comp,
			.at = at,
			.t0 = t,
			.t1 = t1,
		};
		at += out[n++].n;
	}
	out[n] = (struct span){
		.window = 1,
		.row0 = x->seen[0].win0,
		.n = last->win0 + last->n_win - x->seen[0].win0,
		.at = at,
		.t1 = x->n_tok,
	};
	return n + 1;
}

static void begin_sums(const struct attending *x)
{
	const struct attention_args *a = x->j->a;

	for (int t = 0; t < x->n_tok; t++) {
		int n = (int)(x->seen[t].n_comp + x->seen[t].n_win);

		for (int h = x->h0; h < x->h1; h++)
			x->j->c->leaf->softmax(scores_of(x, t, h), n, floats(a->sink)[h]);
		memset(floats(a->out) + ((x->t0 + t) * a->n_head + x->h0) * HEAD_DIM, 0,
		       (size_t)(x->h1 - x->h0) * HEAD_DIM * sizeof(float));
	}
}

static void attend(struct attending *x)
{
	const struct attention_args *a = x->j->a;
	struct span spans[TOKENS + 1];
	int n;

	for (int t = 0; t < x->n_tok; t++)
		x->seen[t] = seen_by(x->j, x->t0 + t);
	n = list_spans(x, spans);
	x->kept = spans[n - 1].at + spans[n - 1].n <= KEPT_ROWS;
	for (int i = 0; i < n; i++)
		pass_span(x, SCORES, &spans[i]);
	begin_sums(x);
	for (int i = 0; i < n; i++)
		pass_span(x, SUM, &spans[i]);
	for (int64_t t = x->t0; t < x->t0 + x->n_tok; t++) {
		for (int h = x->h0; h < x->h1; h++)
			cpu_rotate(floats(a->out) + (t * a->n_head + h) * HEAD_DIM, HEAD_DIM,
				   floats(a->rope) + t * ROPE_DIM, -1.0f);
	}
}

static void attend_parts(void *ctx, int worker, int64_t i0, int64_t i1)
{
	const struct attention_job *j = ctx;

	for (int64_t i = i0; i < i1; i++) {
		int part = (int)(i % j->n_part), n_head = j->a->n_head;
		struct attending x = {
			.j = j,
			.t0 = i / j->n_part * j->n_tok,
			.h0 = n_head * part / j->n_part,
			.h1 = n_head * (part + 1) / j->n_part,
			.rows = j->c->own[worker].p,
		};

		x.scores = x.rows + KEPT_ROWS * HEAD_DIM;
		x.n_tok = j->a->n_tok - x.t0 < j->n_tok ? (int)(j->a->n_tok - x.t0) : j->n_tok;
		attend(&x);
	}
}

static int64_t pieces(int64_t n, int64_t size)
{
	return (n + size - 1) / size;
}

/*
 * Unpacking a row serves the heads and the tokens of an item, so they are split to fill threads
 * alone: first the heads, and tokens where these are too few, or their scores too many.
 */
static void split_up(struct attention_job *j)
{
	int threads = pool_size(j->c->pool), n_head = j->a->n_head;
	int64_t most = MOST_SCORES / (j->max_rows * n_head);
	int64_t groups;

	most = most < 1 ? 1 : most > TOKENS ? TOKENS : most;
	groups = pieces(j->a->n_tok, most);
	j->n_part = groups >= 4 * threads ? 1 : threads < n_head ? threads : n_head;
	if (groups * j->n_part < threads)
		groups = pieces(threads, j->n_part);
	j->n_tok = (int)pieces(j->a->n_tok, groups);
}

static int attention(struct backend *be, const struct attention_args *a, int block,
		     struct err *err)
{
	struct attention_job j = {.c = cpu_of(be), .a = a, .block = block};
	int64_t last = cpu_step(a->step)->pos0 + a->n_tok;
	int64_t rows = a->window + (a->ratio == 4 ? a->top_k : a->ratio ? last / a->ratio : 0);
	size_t scores;

	if (block)
		rows += a->n_tok;
	j.max_rows = pieces(rows, 16) * 16;
	split_up(&j);
	scores = (size_t)j.n_tok * (size_t)pieces(a->n_head, j.n_part) * (size_t)j.max_rows;
	if (cpu_own(j.c, sizeof(float) * (KEPT_ROWS * HEAD_DIM + scores), err))
		return err->code;
	pool_for(j.c->pool, pieces(a->n_tok, j.n_tok) * j.n_part, 1,
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
