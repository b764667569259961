/* The list of a run, recording it, replaying it, and comparing it. */
#include "tests/support/recorder.h"

#include <stdlib.h>
#include <string.h>

#define MOST_KEYS 256

/* Where a compiler cannot, two structs that one initialiser wrote are as good as alike. */
#ifdef __has_builtin
#if __has_builtin(__builtin_clear_padding)
#define clear_padding(p) __builtin_clear_padding(p)
#endif
#endif
#ifndef clear_padding
#define clear_padding(p) ((void)(p))
#endif

/* Every operation and the struct it takes. */
#define OPERATIONS(X)                                                                          \
	X(embed, embed)                                                                        \
	X(rope, rope)                                                                          \
	X(mhc_pre, mhc_pre)                                                                    \
	X(mhc_post, mhc_post)                                                                  \
	X(mhc_join, mhc_join)                                                                  \
	X(mhc_head, mhc_head)                                                                  \
	X(linear, linear)                                                                      \
	X(linear_batch, linear_batch)                                                          \
	X(rms_norm, rms_norm)                                                                  \
	X(query, query)                                                                        \
	X(window_row, window_row)                                                              \
	X(compress, compress)                                                                  \
	X(index_query, index_query)                                                            \
	X(attention_rows, attention_rows)                                                      \
	X(index_select, index_select)                                                          \
	X(attention, attention)                                                                \
	X(route, route)                                                                        \
	X(gate_route, gate_route)                                                              \
	X(experts, experts)                                                                    \
	X(stream_recall, stream_ring)                                                          \
	X(stream_keep, stream_ring)                                                            \
	X(draft_join, draft_join)                                                              \
	X(stream_mean, stream_mean)                                                            \
	X(block_attention, attention)                                                          \
	X(mhc_head_sum, mhc_head)                                                              \
	X(markov, markov)                                                                      \
	X(sample, sample)                                                                      \
	X(advance, advance)                                                                    \
	X(draft_take, draft_take)                                                              \
	X(accept, accept)

enum operation {
#define X(name, args) OP_##name,
	OPERATIONS(X)
#undef X
		OP_COPY,
	OP_MARK,
};

struct copy_args {
	dbuf dst, src;
	size_t bytes;
};

/* One thing that was issued, its arguments without what pads them. */
struct issued {
	enum operation op;
	union {
#define X(name, args) struct args##_args name;
		OPERATIONS(X)
#undef X
		struct copy_args copy;
		int phase;
	} a;
};

struct list {
	uint64_t key;
	struct issued *v;
	int n;
};

struct recorder {
	struct backend base; /* first */
	struct ops ops;
	struct backend *inner;
	struct list lists[MOST_KEYS];
	int n_lists;
	struct list *writing; /* the run at hand is recorded here … */
	struct list *reading; /* … or compared with this, */
	int at;               /* of which so much has been */
	int running;
	int fail_at; /* counts down to 0, which fails; less: nothing does */
	int call_at; /* the same of a call that goes out */
	void (*call)(void *ctx);
	void *call_ctx;
	struct recorder_counts counts;
	struct mhc_mix_args due; /* raw: NULL where nothing is left to be made */
};

static struct recorder *of(struct backend *be)
{
	return (struct recorder *)be;
}

/* The inner backend makes post and comb at once; that they are made in time is looked at. */
static int mixes(struct recorder *r, const struct mhc_pre_args *a, struct err *err)
{
	struct mhc_pre_args whole = *a;

	r->due = (struct mhc_mix_args){
		.n_tok = a->n_tok,
		.n_iter = a->n_iter,
		.eps = a->eps,
		.raw = a->raw,
		.post = a->post,
		.comb = a->comb,
	};
	whole.raw = NULL;
	return r->inner->ops->mhc_pre(r->inner, &whole, err);
}

static int mixes_due(struct recorder *r, const struct mhc_mix_args *a, struct err *err)
{
	const struct mhc_mix_args *d = &r->due;

	if (a->raw != d->raw || a->post != d->post || a->comb != d->comb ||
	    a->n_tok != d->n_tok || a->n_iter != d->n_iter || a->eps < d->eps ||
	    a->eps > d->eps)
		return err_set(err, ERR_MODEL,
			       "mixtures other than those that mhc_pre has left");
	r->due.raw = NULL;
	return 0;
}

static int adds(struct recorder *r, const struct mhc_post_args *a, struct err *err)
{
	if (r->due.raw)
		return err_set(err, ERR_MODEL, "mhc_post before its mixtures are made");
	return r->inner->ops->mhc_post(r->inner, a, err);
}

static int join(struct recorder *r, const struct mhc_join_args *a, struct err *err)
{
	int rc = a->product.w.w ? r->inner->ops->linear(r->inner, &a->product, err) : 0;

	r->counts.joined++;
	if (!rc)
		rc = adds(r, &a->post, err);
	return rc ? rc : mixes(r, &a->pre, err);
}

static int batch(struct recorder *r, const struct linear_batch_args *a, struct err *err)
{
	int rc = 0;

	for (int i = 0; i < a->n && !rc; i++)
		rc = r->inner->ops->linear(r->inner, &a->part[i], err);
	return rc;
}

static int rows(struct recorder *r, const struct attention_rows_args *a, struct err *err)
{
	const struct ops *ops = r->inner->ops;
	int rc = ops->rms_norm(r->inner, &a->queries.norm, err);

	if (!rc)
		rc = batch(r, &a->queries.batch, err);
	if (!rc && a->index.n_head)
		rc = ops->index_query(r->inner, &a->index, err);
	for (int i = a->n_compress - 1; i >= 0 && !rc; i--)
		rc = ops->compress(r->inner, &a->compress[i], err);
	if (!rc)
		rc = ops->window_row(r->inner, &a->window, err);
	if (!rc)
		rc = ops->query(r->inner, &a->query, err);
	return rc ? rc : mixes_due(r, &a->mix, err);
}

static int choice(struct recorder *r, const struct gate_route_args *a, struct err *err)
{
	int rc = r->inner->ops->linear(r->inner, &a->gate, err);

	if (!rc)
		rc = r->inner->ops->route(r->inner, &a->route, err);
	return rc ? rc : mixes_due(r, &a->mix, err);
}

/* One more operation, put or get, unless it fails. */
static int passes(struct recorder *r, const char *what, int op, struct err *err)
{
	if (r->call_at >= 0 && r->call_at-- == 0)
		r->call(r->call_ctx);
	if (r->fail_at >= 0 && r->fail_at-- == 0)
		return err_set(err, ERR_MODEL, "recorder: %s %d fails", what, op);
	return 0;
}

/* Has it done. */
static int perform(struct recorder *r, const struct issued *it, struct err *err)
{
	int rc = passes(r, "operation", (int)it->op, err);

	if (rc)
		return rc;
	switch (it->op) {
#define X(name, args)                                                                          \
	case OP_##name:                                                                        \
		if (OP_##name == OP_mhc_pre)                                                   \
			return mixes(r, &it->a.mhc_pre, err);                                  \
		if (OP_##name == OP_mhc_post)                                                  \
			return adds(r, &it->a.mhc_post, err);                                  \
		if (OP_##name == OP_mhc_join)                                                  \
			return join(r, &it->a.mhc_join, err);                                  \
		if (OP_##name == OP_linear_batch)                                              \
			return batch(r, &it->a.linear_batch, err);                             \
		if (OP_##name == OP_attention_rows)                                            \
			return rows(r, &it->a.attention_rows, err);                            \
		if (OP_##name == OP_gate_route)                                                \
			return choice(r, &it->a.gate_route, err);                              \
		return r->inner->ops->name(r->inner, &it->a.name, err);
		OPERATIONS(X)
#undef X
	case OP_COPY:
		return r->inner->copy(r->inner, it->a.copy.dst, it->a.copy.src,
				      it->a.copy.bytes, err);
	case OP_MARK:
		r->counts.marks[it->a.phase]++;
		return 0;
	}
	return 0;
}

static void append(struct list *l, const struct issued *it)
{
	l->v = realloc(l->v, (size_t)(l->n + 1) * sizeof(*l->v));
	if (!l->v)
		abort();
	l->v[l->n++] = *it;
}

static int issue(struct recorder *r, const struct issued *it, struct err *err)
{
	if (r->reading) {
		const struct list *l = r->reading;

		r->counts.moved += r->at >= l->n || memcmp(&l->v[r->at], it, sizeof(*it)) != 0;
		r->at++;
		return 0;
	}
	if (r->writing)
		append(r->writing, it);
	return perform(r, it, err);
}

/* *a, what pads its members cleared; `to` is zero before.  (Of the whole struct gcc 12 takes halves
 * of the products' pointers for padding.) */
static void take_rows(struct attention_rows_args *to, const struct attention_rows_args *a)
{
	to->queries.norm = a->queries.norm;
	clear_padding(&to->queries.norm);
	to->queries.batch.n = a->queries.batch.n;
	for (int i = 0; i < LINEAR_BATCH; i++) {
		to->queries.batch.part[i] = a->queries.batch.part[i];
		clear_padding(&to->queries.batch.part[i]);
	}
	to->query = a->query;
	clear_padding(&to->query);
	to->window = a->window;
	clear_padding(&to->window);
	to->index = a->index;
	clear_padding(&to->index);
	to->mix = a->mix;
	clear_padding(&to->mix);
	to->n_compress = a->n_compress;
	for (int i = 0; i < 2; i++) {
		to->compress[i] = a->compress[i];
		clear_padding(&to->compress[i]);
	}
}

#define X(name, args)                                                                          \
	static int rec_##name(struct backend *be, const struct args##_args *a,                 \
			      struct err *err)                                                 \
	{                                                                                      \
		struct issued it;                                                              \
                                                                                               \
		memset(&it, 0, sizeof(it));                                                    \
		it.op = OP_##name;                                                             \
		if (OP_##name == OP_attention_rows) {                                          \
			take_rows(&it.a.attention_rows, (const void *)a);                      \
		} else {                                                                       \
			it.a.name = *a;                                                        \
			clear_padding(&it.a.name);                                             \
		}                                                                              \
		return issue(of(be), &it, err);                                                \
	}
OPERATIONS(X)
#undef X

/* ------------------------------------------------------------------ the table */

static void rec_caps(const struct backend *be, struct backend_caps *caps)
{
	const struct backend *inner = ((const struct recorder *)be)->inner;

	inner->caps(inner, caps);
}

static int rec_alloc(struct backend *be, size_t bytes, enum memory_kind kind, dbuf *out,
		     struct err *err)
{
	return of(be)->inner->alloc(of(be)->inner, bytes, kind, out, err);
}

static void rec_free(struct backend *be, dbuf p)
{
	of(be)->inner->free(of(be)->inner, p);
}

static int rec_put(struct backend *be, dbuf dst, const void *src, size_t bytes, struct err *err)
{
	int rc = passes(of(be), "put", 0, err);

	of(be)->counts.touched += of(be)->running;
	return rc ? rc : of(be)->inner->put(of(be)->inner, dst, src, bytes, err);
}

static int rec_get(struct backend *be, void *dst, dbuf src, size_t bytes, struct err *err)
{
	int rc = passes(of(be), "get", 0, err);

	of(be)->counts.touched += of(be)->running;
	return rc ? rc : of(be)->inner->get(of(be)->inner, dst, src, bytes, err);
}

static int rec_copy(struct backend *be, dbuf dst, dbuf src, size_t bytes, struct err *err)
{
	struct issued it;

	memset(&it, 0, sizeof(it));
	it.op = OP_COPY;
	it.a.copy = (struct copy_args){dst, src, bytes};
	return issue(of(be), &it, err);
}

static struct list *find(struct recorder *r, uint64_t key)
{
	for (int i = 0; i < r->n_lists; i++) {
		if (r->lists[i].key == key)
			return &r->lists[i];
	}
	return NULL;
}

static int record(struct recorder *r, uint64_t key, int (*body)(void *, struct err *),
		  void *ctx, struct err *err)
{
	int rc;

	if (r->n_lists == MOST_KEYS)
		return err_set(err, ERR_FAILED, "recorder: more than %d keys", MOST_KEYS);
	r->writing = &r->lists[r->n_lists];
	*r->writing = (struct list){.key = key};
	rc = body(ctx, err);
	if (rc)
		free(r->writing->v);
	else
		r->n_lists++;
	r->counts.recorded += !rc;
	r->writing = NULL;
	return rc;
}

static int replay(struct recorder *r, struct list *l, int (*body)(void *, struct err *),
		  void *ctx, struct err *err)
{
	int rc;

	r->reading = l;
	r->at = 0;
	rc = body(ctx, err);
	r->counts.moved += r->at < l->n;
	r->reading = NULL;
	for (int i = 0; !rc && i < l->n; i++)
		rc = perform(r, &l->v[i], err);
	r->counts.replayed++;
	return rc;
}

static int rec_run(struct backend *be, uint64_t key, int (*body)(void *, struct err *),
		   void *ctx, struct err *err)
{
	struct recorder *r = of(be);
	struct list *l = find(r, key);
	int rc;

	r->running = 1;
	rc = l ? replay(r, l, body, ctx, err) : record(r, key, body, ctx, err);
	r->running = 0;
	return rc;
}

static void rec_forget(struct backend *be)
{
	struct recorder *r = of(be);

	for (int i = 0; i < r->n_lists; i++)
		free(r->lists[i].v);
	r->n_lists = 0;
}

static void rec_time_phases(struct backend *be, int on)
{
	if (on)
		memset(of(be)->counts.marks, 0, sizeof(of(be)->counts.marks));
}

static int rec_mark(struct backend *be, int phase, struct err *err)
{
	struct issued it;

	memset(&it, 0, sizeof(it));
	it.op = OP_MARK;
	it.a.phase = phase;
	return issue(of(be), &it, err);
}

/* A mark is a second. */
static int rec_phase_seconds(struct backend *be, double *sum, int n, struct err *err)
{
	(void)err;
	for (int i = 0; i < n; i++)
		sum[i] += of(be)->counts.marks[i];
	return 0;
}

struct recorder *recorder_new(struct backend *inner, int joins, int marks)
{
	struct recorder *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	r->inner = inner;
	r->fail_at = r->call_at = -1;
	r->base = (struct backend){
		.ops = &r->ops,
		.caps = rec_caps,
		.alloc = rec_alloc,
		.free = rec_free,
		.put = rec_put,
		.get = rec_get,
		.copy = rec_copy,
		.run = rec_run,
		.forget = rec_forget,
	};
	if (marks) {
		r->base.time_phases = rec_time_phases;
		r->base.mark = rec_mark;
		r->base.phase_seconds = rec_phase_seconds;
	}
#define X(name, args) r->ops.name = rec_##name;
	OPERATIONS(X)
#undef X
	if (!joins) {
		r->ops.mhc_join = NULL;
		r->ops.linear_batch = NULL;
		r->ops.attention_rows = NULL;
		r->ops.gate_route = NULL;
	}
	return r;
}

void recorder_free(struct recorder *r)
{
	rec_forget(&r->base);
	free(r);
}

struct backend *recorder_backend(struct recorder *r)
{
	return &r->base;
}

void recorder_fail_at(struct recorder *r, int n)
{
	r->fail_at = n - 1;
}

void recorder_call_at(struct recorder *r, int n, void (*call)(void *ctx), void *ctx)
{
	r->call_at = n - 1;
	r->call = call;
	r->call_ctx = ctx;
}

int recorder_waits(const struct recorder *r)
{
	return r->fail_at >= 0 || r->call_at >= 0;
}

struct recorder_counts recorder_counts(const struct recorder *r)
{
	return r->counts;
}
