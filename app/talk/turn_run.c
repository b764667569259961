/* A turn run to its end on the calling thread: line mode, one-shot and pipes. */
#include <errno.h>
#include <poll.h>

#include "app/talk/turn.h"
#include "engine/base/clock.h"

/* So long a cancelled turn is waited for before what is said so far is kept again. */
#define CANCELLED_WAIT_MS 100

/* 0: an event may wait.  ERR_TIMEOUT, or what `stopped` said. */
static int wait_for_event(struct engine *e, int due_ms, const struct turn_watch *watch,
			  struct err *err)
{
	struct pollfd fds[2] = {
		{.fd = event_queue_fd(e->events), .events = POLLIN},
		{.fd = watch->wake_fd, .events = POLLIN},
	};
	int left = clock_left_ms(watch->deadline_ms), timeout = due_ms, rc;

	if (!left)
		return err_set(err, ERR_TIMEOUT, "the time is up");
	if (timeout < 0 || (left > 0 && left < timeout))
		timeout = left;
	if (poll(fds, watch->wake_fd >= 0 ? 2 : 1, timeout) < 0 && errno != EINTR)
		return err_errno(err, "poll", "waiting for the engine");
	rc = watch->stopped ? watch->stopped(watch->ctx) : 0;
	if (rc)
		err_set(err, rc, rc == ERR_TIMEOUT ? "the time is up" : "interrupted");
	return rc;
}

int turn_await_ready(struct engine *e, const struct turn_watch *watch, struct err *err)
{
	for (;;) {
		struct event ev = {0};
		int rc = wait_for_event(e, -1, watch, err);

		while (!rc && event_queue_pop(e->events, &ev, 0)) {
			bool ready = ev.kind == EV_READY;

			rc = watch->event(watch->ctx, &ev);
			if (ev.kind == EV_ERROR) {
				*err = ev.err;
				rc = ev.err.code;
			}
			event_release(&ev);
			if (ready)
				return rc;
		}
		if (rc)
			return rc;
	}
}

/* Its end, and what the answer came to. */
static void end(struct turn *t, const struct event *last, int why, struct turn_outcome *out)
{
	out->usage = last->usage;
	out->done = last->kind == EV_DONE;
	out->stop = last->stop;
	turn_end(t, last, why == ERR_TIMEOUT ? why : 0, &out->said, &out->kept);
}

/* One event; `why`: what stopped the turn before it. */
static int take_event(struct turn *t, const struct event *ev, const struct turn_watch *watch,
		      int why, struct turn_outcome *out, struct err *err)
{
	bool last = ev->kind == EV_DONE || ev->kind == EV_ERROR;
	size_t part;
	int rc = turn_hear(t, ev, &part, err), told;

	if (!rc && ev->kind == EV_ERROR)
		rc = err_set(err, ev->err.code, "%s", ev->err.text);
	if (last)
		end(t, ev, why, out);
	/* What was not kept is as if it had not been asked. */
	told = t->dropped ? 0 : watch->event(watch->ctx, ev);
	return rc ? rc : told;
}

/* Everything that waits, or comes within `ms`. */
static int take_events(struct turn *t, const struct turn_watch *watch, int ms, int why,
		       struct turn_outcome *out, struct err *err)
{
	struct event ev = {0};
	int rc = 0;

	for (; turn_runs(t) && event_queue_pop(t->engine->events, &ev, ms); ms = 0) {
		if (turn_owns(t, &ev) || (!ev.turn && ev.kind == EV_ERROR)) {
			struct err later;
			int failed = take_event(t, &ev, watch, why, out, rc ? &later : err);

			rc = rc ? rc : failed;
		}
		event_release(&ev);
	}
	return rc;
}

int turn_run(struct turn *t, const struct turn_watch *watch, struct turn_outcome *out,
	     struct err *err)
{
	bool cancelled = false;
	int rc, first = 0;

	*out = (struct turn_outcome){0};
	while (turn_runs(t)) {
		struct err later;

		/* Once it is cancelled nothing else is waited for, not even a poll() that fails. */
		rc = cancelled ? 0 : wait_for_event(t->engine, turn_due_ms(t), watch, err);
		first = first ? first : rc;
		if (!rc)
			rc = take_events(t, watch, cancelled ? CANCELLED_WAIT_MS : 0, first, out,
					 first ? &later : err);
		first = first ? first : rc;
		if (!turn_runs(t))
			break;
		turn_drained(t);
		if (first && !cancelled) {
			/* The engine ends a cancelled turn by itself; what it still says is
			 * kept. */
			turn_stop(t);
			cancelled = true;
		}
	}
	return first;
}
