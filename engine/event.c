/*
 * The queue is a ring under one mutex.  What the user of the engine waits on is
 * the eventfd, which holds a count exactly while the ring holds an event that was told.
 */
#include "engine/event.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/clock.h"

/* Merged text and ids stop growing here, so that a stalled reader does stop the engine. */
#define MERGE_MAX_BYTES (64u * 1024u)

struct event_queue {
	pthread_mutex_t lock;
	pthread_cond_t room; /* an event left, or the queue was closed */
	pthread_cond_t news; /* an event came, or the queue was closed */
	int fd;
	bool raised; /* the eventfd has a count */
	bool quiet;  /* what comes is told when it is no more */
	bool closed;
	size_t cap, head, n;
	struct event ring[];
};

static const char *const stop_names[] = {
	[STOP_END] = "stop",
	[STOP_CALLS] = "tool_calls",
	[STOP_LENGTH] = "length",
	[STOP_CONTEXT] = "context",
	[STOP_INTERRUPTED] = "interrupted",
};

const char *stop_reason_name(enum stop_reason reason)
{
	return stop_names[reason];
}

void event_release(struct event *ev)
{
	buf_release(&ev->text);
	free(ev->ids);
	*ev = (struct event){0};
}

int event_queue_new(struct event_queue **q, size_t cap, struct err *err)
{
	struct event_queue *nq = NULL;
	pthread_condattr_t attr;

	*q = NULL;
	if (cap == 0 || cap > SIZE_MAX / 2 / sizeof(struct event))
		return err_set(err, ERR_USAGE, "event queue: %zu places, expected 1 or more",
			       cap);
	nq = calloc(1, sizeof(*nq) + cap * sizeof(struct event));
	if (!nq)
		return err_nomem(err, "event queue", cap * sizeof(struct event));
	nq->cap = cap;
	nq->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (nq->fd < 0) {
		free(nq);
		return err_errno(err, "event queue", "eventfd");
	}
	pthread_mutex_init(&nq->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&nq->room, &attr);
	pthread_cond_init(&nq->news, &attr);
	pthread_condattr_destroy(&attr);
	*q = nq;
	return 0;
}

static struct event *at(struct event_queue *q, size_t i)
{
	return &q->ring[(q->head + i) % q->cap];
}

void event_queue_free(struct event_queue *q)
{
	if (!q)
		return;
	for (size_t i = 0; i < q->n; i++)
		event_release(at(q, i));
	pthread_cond_destroy(&q->news);
	pthread_cond_destroy(&q->room);
	pthread_mutex_destroy(&q->lock);
	close(q->fd);
	free(q);
}

/* The eventfd's count says "not empty"; a full counter (EAGAIN) says it as well. */
static void raise_fd(const struct event_queue *q)
{
	uint64_t one = 1;

	while (write(q->fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void lower_fd(const struct event_queue *q)
{
	uint64_t count;

	while (read(q->fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}

static bool is_stream(enum event_kind kind)
{
	return kind == EV_TEXT || kind == EV_THINKING || kind == EV_CALL_TEXT;
}

static bool merge_ids(struct event *into, struct event *ev)
{
	size_t n = into->n_ids + ev->n_ids;
	token_id *ids;

	if (n > MERGE_MAX_BYTES / sizeof(token_id))
		return false;
	if (ev->n_ids == 0)
		return true;
	ids = realloc(into->ids, n * sizeof(token_id));
	if (!ids)
		return false;
	memcpy(ids + into->n_ids, ev->ids, ev->n_ids * sizeof(token_id));
	into->ids = ids;
	into->n_ids = n;
	return true;
}

/* Whether *ev's news now stands in *into.  A merge that cannot be had leaves both as they were.
 */
static bool merge(struct event *into, struct event *ev)
{
	if (into->kind != ev->kind || into->turn != ev->turn || into->call != ev->call)
		return false;
	if (is_stream(ev->kind)) {
		/* What its maker had no memory for stays known as such. */
		if (buf_failed(&into->text) || buf_failed(&ev->text))
			return false;
		if (into->text.len + ev->text.len > MERGE_MAX_BYTES ||
		    !buf_reserve(&into->text, ev->text.len)) {
			into->text.failed = false;
			return false;
		}
		buf_adds(&into->text, buf_str(&ev->text));
		return true;
	}
	if (ev->kind == EV_TOKENS)
		return merge_ids(into, ev);
	if (ev->kind == EV_PREFILL || ev->kind == EV_LOAD) {
		into->progress = ev->progress;
		into->progress_all = ev->progress_all;
		into->cached = ev->cached;
		into->disk = ev->disk;
		into->disk_ms = ev->disk_ms;
		return true;
	}
	return false;
}

/*
 * Each token makes a text event and a tokens event, so the neighbour of the same
 * kind is often the last but one.  Passing over it is allowed only between these
 * two, whose order among each other says nothing.
 */
static bool merge_into_waiting(struct event_queue *q, struct event *ev)
{
	struct event *last;

	if (q->n == 0)
		return false;
	last = at(q, q->n - 1);
	if (merge(last, ev))
		return true;
	if (q->n < 2 || last->turn != ev->turn)
		return false;
	if ((is_stream(ev->kind) && last->kind == EV_TOKENS) ||
	    (ev->kind == EV_TOKENS && is_stream(last->kind)))
		return merge(at(q, q->n - 2), ev);
	return false;
}

/* Under the lock: whoever waits for events learns that there are some. */
static void tell(struct event_queue *q)
{
	if (q->n == 0)
		return;
	if (!q->raised)
		raise_fd(q);
	q->raised = true;
	pthread_cond_signal(&q->news);
}

int event_queue_push(struct event_queue *q, struct event *ev)
{
	int rc = 0;

	pthread_mutex_lock(&q->lock);
	for (;;) {
		if (q->closed) {
			rc = ERR_CANCELLED;
			event_release(ev);
			break;
		}
		if (merge_into_waiting(q, ev)) {
			event_release(ev);
			break;
		}
		if (q->n < q->cap) {
			*at(q, q->n) = *ev;
			*ev = (struct event){0};
			q->n++;
			if (!q->quiet)
				tell(q);
			break;
		}
		tell(q);
		pthread_cond_wait(&q->room, &q->lock);
	}
	pthread_mutex_unlock(&q->lock);
	return rc;
}

void event_queue_quiet(struct event_queue *q, bool quiet)
{
	pthread_mutex_lock(&q->lock);
	q->quiet = quiet;
	if (!quiet)
		tell(q);
	pthread_mutex_unlock(&q->lock);
}

int event_queue_pop(struct event_queue *q, struct event *ev, int timeout_ms)
{
	struct timespec until = clock_after_ms(timeout_ms > 0 ? timeout_ms : 0);
	int got = 0;

	*ev = (struct event){0};
	pthread_mutex_lock(&q->lock);
	while (q->n == 0 && !q->closed && timeout_ms != 0) {
		if (timeout_ms < 0)
			pthread_cond_wait(&q->news, &q->lock);
		else if (pthread_cond_timedwait(&q->news, &q->lock, &until) == ETIMEDOUT)
			break;
	}
	if (q->n > 0) {
		struct event *first = at(q, 0);

		*ev = *first;
		*first = (struct event){0};
		q->head = (q->head + 1) % q->cap;
		if (--q->n == 0 && q->raised) {
			lower_fd(q);
			q->raised = false;
		}
		pthread_cond_signal(&q->room);
		got = 1;
	}
	pthread_mutex_unlock(&q->lock);
	return got;
}

int event_queue_fd(const struct event_queue *q)
{
	return q->fd;
}

void event_queue_close(struct event_queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->closed = true;
	pthread_cond_broadcast(&q->room);
	pthread_cond_broadcast(&q->news);
	pthread_mutex_unlock(&q->lock);
}
