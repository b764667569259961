/* One lock, two conditions and the notes beside them. */
#include "engine/session/desk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/clock.h"
#include "engine/session/request.h"

void desk_init(struct desk *d)
{
	pthread_condattr_t attr;

	*d = (struct desk){0};
	pthread_mutex_init(&d->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&d->changed, &attr);
	pthread_condattr_destroy(&attr);
}

static void drop_waiting(struct desk *d)
{
	while (d->n_waiting > 0)
		free(d->waiting[--d->n_waiting]);
}

void desk_release(struct desk *d)
{
	struct forgotten *f;

	while ((f = desk_take_forgotten(d)))
		free(f);
	drop_waiting(d);
	free(d->glance);
	pthread_cond_destroy(&d->changed);
	pthread_mutex_destroy(&d->lock);
}

int desk_submit(struct desk *d, const struct turn_request *req, uint64_t *turn, struct err *err)
{
	struct turn_request *copy;
	int rc = request_copy(&copy, req, err);

	if (rc)
		return rc;
	pthread_mutex_lock(&d->lock);
	if (d->failed.code) {
		rc = err_set(err, d->failed.code, "%s", d->failed.text);
	} else if (d->busy &&
		   (d->n_waiting == DESK_WAITING || !desk_cancelled(d, d->last_turn))) {
		rc = err_set(err, ERR_USAGE,
			     "turn %llu is still running: one turn runs at a time",
			     (unsigned long long)d->last_turn);
	} else {
		d->waiting[d->n_waiting++] = copy;
		copy = NULL;
		d->busy = true;
		*turn = ++d->last_turn;
		free(d->glance);
		d->glance = NULL;
		atomic_store(&d->glance_wanted, 0);
		pthread_cond_broadcast(&d->changed);
	}
	pthread_mutex_unlock(&d->lock);
	free(copy);
	return rc;
}

static void note(struct desk *d, _Atomic uint64_t *where, uint64_t turn)
{
	pthread_mutex_lock(&d->lock);
	/* A note that comes late, for a turn that is over, must not meet the one that runs. */
	if (turn && turn == d->last_turn)
		atomic_store(where, turn);
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
}

void desk_cancel(struct desk *d, uint64_t turn)
{
	note(d, &d->cancel_turn, turn);
}

void desk_end_thinking(struct desk *d, uint64_t turn)
{
	note(d, &d->answer_turn, turn);
}

void desk_end_call(struct desk *d, uint64_t turn)
{
	note(d, &d->call_turn, turn);
}

void desk_close(struct desk *d)
{
	pthread_mutex_lock(&d->lock);
	atomic_store(&d->closing, true);
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
}

bool desk_take(struct desk *d, struct turn_request **req, uint64_t *turn)
{
	bool got;

	pthread_mutex_lock(&d->lock);
	while (!d->n_waiting && !d->forgotten && !d->glance && !atomic_load(&d->closing))
		pthread_cond_wait(&d->changed, &d->lock);
	*req = NULL;
	got = !atomic_load(&d->closing);
	if (got && d->n_waiting) {
		*req = d->waiting[0];
		*turn = d->last_turn - --d->n_waiting;
		memmove(d->waiting, d->waiting + 1, d->n_waiting * sizeof(d->waiting[0]));
	}
	pthread_mutex_unlock(&d->lock);
	return got;
}

int desk_glance(struct desk *d, const struct turn_request *req, bool ahead, uint64_t *number,
		struct err *err)
{
	struct turn_request *copy;
	int rc = request_copy(&copy, req, err);

	if (rc)
		return rc;
	pthread_mutex_lock(&d->lock);
	if (d->failed.code) {
		*err = d->failed;
		rc = err->code;
	} else if (d->busy) {
		rc = err_set(err, ERR_USAGE, "a turn is running");
	} else {
		free(d->glance);
		d->glance = copy;
		d->glance_ahead = ahead;
		copy = NULL;
		*number = ++d->last_turn;
		atomic_store(&d->glance_wanted, *number);
		pthread_cond_broadcast(&d->changed);
	}
	pthread_mutex_unlock(&d->lock);
	free(copy);
	return rc;
}

bool desk_take_glance(struct desk *d, struct turn_request **req, uint64_t *number, bool *ahead)
{
	bool got;

	pthread_mutex_lock(&d->lock);
	got = d->glance && !d->busy && !atomic_load(&d->closing);
	if (got) {
		*req = d->glance;
		*number = atomic_load(&d->glance_wanted);
		*ahead = d->glance_ahead;
		d->glance = NULL;
	}
	pthread_mutex_unlock(&d->lock);
	return got;
}

bool desk_glance_wanted(const struct desk *d, uint64_t number)
{
	return !atomic_load(&d->closing) && atomic_load(&d->glance_wanted) == number;
}

bool desk_forget(struct desk *d, struct str conversation)
{
	struct forgotten *f = malloc(sizeof(*f) + conversation.n);

	if (!f)
		return false;
	f->n = conversation.n;
	memcpy(f->name, conversation.p, conversation.n);
	pthread_mutex_lock(&d->lock);
	f->next = d->forgotten;
	d->forgotten = f;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
	return true;
}

struct forgotten *desk_take_forgotten(struct desk *d)
{
	struct forgotten *f;

	pthread_mutex_lock(&d->lock);
	f = d->forgotten;
	if (f)
		d->forgotten = f->next;
	pthread_mutex_unlock(&d->lock);
	return f;
}

bool desk_cancelled(const struct desk *d, uint64_t turn)
{
	/* Behind a cancelled turn another may wait, and be cancelled too before the first ends. */
	return atomic_load(&d->closing) || (turn && atomic_load(&d->cancel_turn) >= turn);
}

bool desk_thinking_ended(const struct desk *d, uint64_t turn)
{
	return turn && atomic_load(&d->answer_turn) == turn;
}

bool desk_call_ended(const struct desk *d, uint64_t turn)
{
	return turn && atomic_load(&d->call_turn) == turn;
}

void desk_pause(struct desk *d, uint64_t turn, int ms, bool until_answer)
{
	struct timespec until;

	if (ms == 0)
		return;
	until = clock_after_ms(ms > 0 ? ms : 0);
	pthread_mutex_lock(&d->lock);
	while (!desk_cancelled(d, turn) && !desk_call_ended(d, turn) &&
	       !(until_answer && desk_thinking_ended(d, turn))) {
		if (ms < 0)
			pthread_cond_wait(&d->changed, &d->lock);
		else if (pthread_cond_timedwait(&d->changed, &d->lock, &until) == ETIMEDOUT)
			break;
	}
	pthread_mutex_unlock(&d->lock);
}

void desk_done(struct desk *d)
{
	pthread_mutex_lock(&d->lock);
	d->busy = d->n_waiting > 0;
	pthread_mutex_unlock(&d->lock);
}

void desk_fail(struct desk *d, const struct err *why, struct event_queue *events)
{
	struct event ev = {.kind = EV_ERROR, .err = *why};
	uint64_t turn, last;
	int rc;

	pthread_mutex_lock(&d->lock);
	d->failed = *why;
	last = d->last_turn; /* and none is added any more */
	turn = last - d->n_waiting;
	drop_waiting(d);
	d->busy = false;
	pthread_mutex_unlock(&d->lock);
	rc = event_queue_push(events, &ev);
	while (!rc && turn < last) {
		turn++;
		ev = (struct event){.kind = EV_ERROR, .turn = turn, .err = *why};
		rc = event_queue_push(events, &ev);
	}
}
