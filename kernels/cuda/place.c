/*
 * Weights on their way from mapped files into device memory.
 *
 * place_weight() and its kind take memory from an arena, hand the bytes to a queue and
 * return; workers take pieces from its front, read them into pinned memory of their own (every
 * byte once; weights in tiles are read beside it and turned on the way) and copy them from there
 * to the GPU, while the next piece is read.  The queue is short, so that the caller's progress
 * is that of the copies.  A failure is kept and told by the next call.  Experts are packed
 * (packed.h) by the GPU where they lie when all has arrived, but for those that the host
 * computes.
 */
#include "kernels/cuda/arena.h"
#include "kernels/cuda/packed.h"
#include "kernels/cuda/private.h"
#include "kernels/cuda/tiles.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS 8
#define QUEUE   64
#define PIECE   ((size_t)4 << 20)

struct job {
	const unsigned char *src;
	unsigned char *dst;
	size_t bytes; /* still to be taken */
	/* Rows of so many bytes that are to lie in tiles, taken by whole tiles; 0: bytes as
	 * they are */
	size_t row_bytes;
	enum weight_type type;
	int to_host; /* dst is the host's memory */
};

struct place {
	struct cuda *c;
	struct arena own, host; /* where weights lie, until close; host: hosted experts' */
	struct packing *packings;
	int running; /* between begin and end */
	const struct weight_reader *from; /* NULL: memory */
	pthread_t threads[THREADS];
	int n_threads;
	pthread_mutex_t lock; /* over what follows */
	pthread_cond_t work, room;
	struct job queue[QUEUE]; /* a ring */
	size_t first, n;
	int ending;
	struct err err; /* of a worker, the first */
};

/* ------------------------------------------------------------------ workers */

/* One of the two pieces that a worker fills in turn. */
struct piece {
	unsigned char *pinned;
	cudaEvent_t copied;
};

struct worker {
	cudaStream_t stream;
	struct piece piece[2];
	int at;
	unsigned char *rows; /* what is to be turned into tiles */
};

static int worker_open(struct worker *w, int device, struct err *err)
{
	int rc = cuda_fail(cudaSetDevice(device), "placing weights", err);

	if (!rc)
		rc = cuda_fail(cudaStreamCreateWithFlags(&w->stream, cudaStreamNonBlocking),
			       "placing weights", err);
	if (!rc && !(w->rows = malloc(PIECE)))
		rc = err_nomem(err, "placing weights", PIECE);
	for (int i = 0; i < 2 && !rc; i++) {
		rc = cuda_fail(cudaMallocHost((void **)&w->piece[i].pinned, PIECE),
			       "placing weights: pinned memory", err);
		if (!rc)
			rc = cuda_fail(cudaEventCreateWithFlags(&w->piece[i].copied,
								cudaEventDisableTiming),
				       "placing weights", err);
	}
	return rc;
}

static void worker_close(struct worker *w)
{
	for (int i = 0; i < 2; i++) {
		(void)cudaFreeHost(w->piece[i].pinned);
		if (w->piece[i].copied)
			(void)cudaEventDestroy(w->piece[i].copied);
	}
	if (w->stream)
		(void)cudaStreamDestroy(w->stream);
	free(w->rows);
}

static int read_bytes(const struct weight_reader *from, void *dst, const unsigned char *src,
		      size_t n, struct err *err)
{
	if (from)
		return from->read(from->ctx, dst, src, n, err);
	memcpy(dst, src, n);
	return 0;
}

/* What the GPU is going to find there. */
static int fill(struct worker *w, const struct weight_reader *from, const struct job *j,
		unsigned char *pinned, struct err *err)
{
	int rc = read_bytes(from, j->row_bytes ? w->rows : pinned, j->src, j->bytes, err);

	if (!rc && j->row_bytes)
		tiles_fill((int)j->type, pinned, w->rows, j->row_bytes,
			   j->bytes / (TILE_ROWS * j->row_bytes));
	return rc;
}

static int worker_copy(struct worker *w, const struct weight_reader *from, const struct job *j,
		       struct err *err)
{
	struct piece *piece = &w->piece[w->at];
	int rc;

	if (j->to_host)
		return read_bytes(from, j->dst, j->src, j->bytes, err);
	rc = cuda_fail(cudaEventSynchronize(piece->copied), "placing weights", err);
	if (rc)
		return rc;
	w->at = !w->at;
	rc = fill(w, from, j, piece->pinned, err);
	if (!rc)
		rc = cuda_fail(cudaMemcpyAsync(j->dst, piece->pinned, j->bytes,
					       cudaMemcpyHostToDevice, w->stream),
			       "placing weights", err);
	if (!rc)
		rc = cuda_fail(cudaEventRecord(piece->copied, w->stream), "placing weights",
			       err);
	return rc;
}

/* The next piece, at most PIECE bytes and whole tiles; 0 when there will be none. */
static int next_piece(struct place *p, struct job *out)
{
	struct job *front;

	pthread_mutex_lock(&p->lock);
	while (!p->n && !p->ending)
		pthread_cond_wait(&p->work, &p->lock);
	if (!p->n) {
		pthread_mutex_unlock(&p->lock);
		return 0;
	}
	front = &p->queue[p->first];
	*out = *front;
	if (out->bytes > PIECE)
		out->bytes = PIECE - PIECE % (out->row_bytes ? TILE_ROWS * out->row_bytes : 1);
	front->src += out->bytes;
	front->dst += out->bytes;
	front->bytes -= out->bytes;
	if (!front->bytes) {
		p->first = (p->first + 1) % QUEUE;
		p->n--;
		pthread_cond_signal(&p->room);
	}
	pthread_mutex_unlock(&p->lock);
	return 1;
}

static void keep_error(struct place *p, const struct err *err)
{
	pthread_mutex_lock(&p->lock);
	if (!p->err.code)
		p->err = *err;
	pthread_mutex_unlock(&p->lock);
}

/* After a failure the queue is still emptied, or its filler would wait for ever. */
static void *work(void *ctx)
{
	struct place *p = ctx;
	struct worker w = {0};
	struct err err = {0};
	struct job j;
	int rc = worker_open(&w, p->c->device, &err);

	while (next_piece(p, &j)) {
		if (!rc)
			rc = worker_copy(&w, p->from, &j, &err);
	}
	if (!rc)
		rc = cuda_fail(cudaStreamSynchronize(w.stream), "placing weights", &err);
	if (rc)
		keep_error(p, &err);
	worker_close(&w);
	return NULL;
}

/* -------------------------------------------------------------- begin and end */

static int n_workers(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > THREADS ? THREADS : (int)n;
}

static int place_new(struct cuda *c, struct err *err)
{
	struct place *p = calloc(1, sizeof(*p));

	if (!p)
		return err_nomem(err, "placing weights", sizeof(*p));
	p->c = c;
	p->host.on_host = 1;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_cond_init(&p->room, NULL);
	c->place = p;
	return 0;
}

static void join(struct place *p)
{
	pthread_mutex_lock(&p->lock);
	p->ending = 1;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (int i = 0; i < p->n_threads; i++)
		pthread_join(p->threads[i], NULL);
	p->n_threads = 0;
	p->running = 0;
}

int place_begin(struct backend *be, uint64_t bytes, const struct weight_reader *from,
		struct err *err)
{
	struct cuda *c = cuda_of(be);
	uint64_t left = memory_free_bytes(be);
	struct place *p;

	if (bytes > left)
		return err_set(err, ERR_NOMEM,
			       "weights: %.1f GiB, but the GPU has %.1f GiB free",
			       (double)bytes / (1 << 30), (double)left / (1 << 30));
	if (!c->place && place_new(c, err))
		return err->code;
	p = c->place;
	BUG_ON(p->running);
	p->err = (struct err){0};
	p->from = from;
	p->ending = 0;
	p->running = 1;
	for (int n = n_workers(); p->n_threads < n; p->n_threads++) {
		if (pthread_create(&p->threads[p->n_threads], NULL, work, p) == 0)
			continue;
		if (p->n_threads)
			break; /* those that there are serve */
		p->running = 0;
		return err_set(err, ERR_NOMEM, "placing weights: no thread could be started");
	}
	return 0;
}

int place_end(struct backend *be, struct err *err)
{
	struct place *p = cuda_of(be)->place;
	int rc;

	if (!p || !p->running)
		return cuda_refuse(err, "place", "BUG: nothing is being placed");
	join(p);
	rc = p->err.code ? err_set(err, p->err.code, "%s", p->err.text)
			 : packing_run(p->packings, p->c, err);
	packing_drop(&p->packings);
	return rc;
}

void place_close(struct cuda *c)
{
	struct place *p = c->place;

	if (!p)
		return;
	if (p->running)
		join(p);
	packing_drop(&p->packings);
	arena_release(&p->own);
	arena_release(&p->host);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->work);
	pthread_cond_destroy(&p->room);
	free(p);
	c->place = NULL;
}

/* ------------------------------------------------------------- what is placed */

/* Puts a job on the queue when it has room. */
static int enqueue(struct place *p, struct job j, struct err *err)
{
	int code;

	pthread_mutex_lock(&p->lock);
	while (p->n == QUEUE)
		pthread_cond_wait(&p->room, &p->lock);
	code = p->err.code;
	if (code) {
		err_set(err, code, "%s", p->err.text);
	} else {
		p->queue[(p->first + p->n) % QUEUE] = j;
		p->n++;
		pthread_cond_broadcast(&p->work);
	}
	pthread_mutex_unlock(&p->lock);
	return code;
}

/* Takes memory and queues the bytes of *src for it; *src becomes its address. */
static int place_job(struct backend *be, dbuf *src, struct job j, struct err *err)
{
	struct place *p = cuda_of(be)->place;
	int rc;

	if (!p || !p->running)
		return cuda_refuse(err, "place", "BUG: nothing is being placed");
	if (!*src || !j.bytes)
		return 0;
	j.src = *src;
	rc = arena_take(j.to_host ? &p->host : &p->own, j.bytes, &j.dst, err);
	if (!rc)
		rc = enqueue(p, j, err);
	if (rc)
		return rc;
	*src = j.dst;
	return p->from ? p->from->passed(p->from->ctx, j.bytes, err) : 0;
}

int place_bytes(struct backend *be, dbuf *src, size_t bytes, struct err *err)
{
	return place_job(be, src, (struct job){.bytes = bytes}, err);
}

void place_sizes(const struct weight *w, size_t *values, size_t *scales)
{
	size_t out = (size_t)w->out, in = (size_t)w->in;

	switch (w->type) {
	case WEIGHT_F32:
		*values = 4 * out * in;
		break;
	case WEIGHT_BF16:
		*values = 2 * out * in;
		break;
	case WEIGHT_F8:
		*values = out * in;
		*scales = (out + 127) / 128 * ((in + 127) / 128);
		break;
	case WEIGHT_FP4:
		*values = out * in / 2;
		*scales = out * (in / 32);
		break;
	}
}

/* A weight as it is. */
static int place_plain(struct backend *be, struct weight *w, int to_host, struct err *err)
{
	struct job values = {.to_host = to_host}, scales = {.to_host = to_host};
	int rc;

	place_sizes(w, &values.bytes, &scales.bytes);
	rc = place_job(be, &w->w, values, err);
	if (!rc)
		rc = place_job(be, &w->scale, scales, err);
	if (!rc)
		w->home = WEIGHT_DEVICE;
	return rc;
}

/* What `linear` reads lies in tiles where that fits. */
int place_weight(struct backend *be, struct weight *w, int n_group, struct err *err)
{
	struct job j = {.type = w->type};
	size_t scales = 0;
	int rc;

	place_sizes(w, &j.bytes, &scales);
	j.row_bytes = w->out ? j.bytes / (size_t)w->out : 0;
	if (!tiles_fit((int)w->type, w->out, w->in, n_group) || j.row_bytes > PIECE / TILE_ROWS)
		return place_plain(be, w, 0, err);
	rc = place_job(be, &w->w, j, err);
	if (!rc)
		rc = place_bytes(be, &w->scale, scales, err);
	if (rc)
		return rc;
	w->home = WEIGHT_DEVICE;
	w->layout = LAYOUT_TILES;
	return 0;
}

static int same_kind(const struct weight *a, const struct weight *b)
{
	return a->type == b->type && a->out == b->out && a->in == b->in;
}

/* The experts' addresses, in device memory. */
static int put_rows(struct backend *be, const struct expert_weights *e, int n, dbuf *device,
		    struct err *err)
{
	struct cuda_expert *rows = calloc((size_t)n, sizeof(*rows));
	size_t bytes = (size_t)n * sizeof(*rows);
	int rc;

	if (!rows)
		return err_nomem(err, "table of experts", bytes);
	for (int i = 0; i < n; i++)
		rows[i] = cuda_expert_of(&e[i]);
	rc = arena_take(&cuda_of(be)->place->own, bytes, device, err);
	if (!rc)
		rc = be->put(be, *device, rows, bytes, err);
	free(rows);
	return rc;
}

/* That, and that they are to be packed, but for those that the host computes. */
static int table_of(struct backend *be, const struct expert_weights *e, int n, int n_hosted,
		    dbuf *table, struct err *err)
{
	struct cuda *c = cuda_of(be);
	struct pack_experts what = {
		.n = n, .type = (int)e->w1.type, .d = e->w1.in, .inner = e->w1.out};
	dbuf device = NULL;
	int rc;

	if (n_hosted && c->hosted.host) {
		what.n = n - n_hosted;
		rc = hosted_table(c, &c->place->own, e, n, n_hosted, &device, err);
	} else {
		rc = put_rows(be, e, n, &device, err);
	}
	what.table = what.to = (const struct cuda_expert *)(const void *)device;
	if (!rc)
		rc = packing_add(&c->place->packings, &what, err);
	if (!rc && table)
		*table = device;
	return rc;
}

static int place_expert(struct backend *be, struct expert_weights *e, int to_host,
			struct err *err)
{
	struct weight *w[] = {&e->w1, &e->w2, &e->w3};

	for (int i = 0; i < 3; i++) {
		if (place_plain(be, w[i], to_host, err))
			return err->code;
		/* what the host computes stays as the CPU reads it */
		if (!to_host || !cuda_of(be)->hosted.host)
			w[i]->layout = PACKED_LAYOUT;
	}
	return 0;
}

int place_experts(struct backend *be, struct expert_weights *e, int n, int n_hosted,
		  dbuf *table, struct err *err)
{
	struct place *p = cuda_of(be)->place;
	int rc = 0;

	if (!p || !p->running)
		return cuda_refuse(err, "place", "BUG: nothing is being placed");
	if (e->w1.type == WEIGHT_F32 || e->w1.in % 32 || e->w1.out % 32 ||
	    e->w2.type != e->w1.type || e->w2.in != e->w1.out || e->w2.out != e->w1.in)
		return cuda_refuse(
			err, "experts",
			"w1 %d x %d, w2 %d x %d, types %d and %d: expected sizes in 32s, "
			"one type of BF16, F8, FP4",
			e->w1.out, e->w1.in, e->w2.out, e->w2.in, (int)e->w1.type,
			(int)e->w2.type);
	for (int i = 0; i < n && !rc; i++) {
		if (!same_kind(&e[i].w1, &e[0].w1) || !same_kind(&e[i].w2, &e[0].w2) ||
		    !same_kind(&e[i].w3, &e[0].w1))
			rc = cuda_refuse(err, "experts",
					 "expert %d differs from the first in type or shape",
					 i);
		if (!rc)
			rc = place_expert(be, &e[i], i >= n - n_hosted, err);
	}
	return rc ? rc : table_of(be, e, n, n_hosted, table, err);
}
