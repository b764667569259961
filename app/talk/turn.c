#include "app/talk/turn.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "engine/base/clock.h"

/* So long a cancelled turn is waited for before what is said so far is kept again. */
#define CANCELLED_WAIT_MS 100

void turn_answer_release(struct turn_answer *a)
{
	buf_release(&a->thinking);
	buf_release(&a->text);
	for (size_t i = 0; i < a->n_calls; i++) {
		buf_release(&a->calls[i].name);
		buf_release(&a->calls[i].arguments);
	}
	free(a->calls);
	free(a->ids);
	*a = (struct turn_answer){0};
}

/* 0: an event may wait.  ERR_TIMEOUT, or what `stopped` said. */
static int wait_for_event(struct engine *e, const struct turn_watch *watch, struct err *err)
{
	struct pollfd fds[2] = {
		{.fd = event_queue_fd(e->events), .events = POLLIN},
		{.fd = watch->wake_fd, .events = POLLIN},
	};
	int timeout = watch->due_ms ? watch->due_ms(watch->ctx) : -1, rc;

	if (watch->deadline_ms) {
		int64_t left = watch->deadline_ms - clock_ms();

		if (left <= 0)
			return err_set(err, ERR_TIMEOUT, "the time is up");
		left = left < 60000 ? left : 60000;
		timeout = timeout >= 0 && timeout < left ? timeout : (int)left;
	}
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
		int rc = wait_for_event(e, watch, err);

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

/* ------------------------------------------------------------ gathering the answer */

static int add_call(struct turn_answer *a, const struct event *ev, struct err *err)
{
	size_t n = (size_t)ev->call + 1;
	struct turn_call *grown;

	if (n > a->n_calls) {
		grown = realloc(a->calls, n * sizeof(*grown));
		if (!grown)
			return err_nomem(err, "tool calls", n * sizeof(*grown));
		a->calls = grown;
		for (; a->n_calls < n; a->n_calls++)
			a->calls[a->n_calls] = (struct turn_call){0};
	}
	return 0;
}

static int add_ids(struct turn_answer *a, const struct event *ev, struct err *err)
{
	size_t n = a->n_ids + ev->n_ids;
	token_id *grown = realloc(a->ids, n * sizeof(*grown));

	if (!grown)
		return err_nomem(err, "token ids", n * sizeof(*grown));
	a->ids = grown;
	for (size_t i = 0; i < ev->n_ids; i++)
		a->ids[a->n_ids++] = ev->ids[i];
	return 0;
}

static int gather(struct turn_answer *a, const struct event *ev, struct err *err)
{
	struct turn_call *call;
	int rc = 0;

	if (buf_failed(&ev->text))
		return err_nomem(err, "the answer", a->text.len + a->thinking.len);
	switch (ev->kind) {
	case EV_THINKING:
		buf_adds(&a->thinking, buf_str(&ev->text));
		break;
	case EV_TEXT:
		buf_adds(&a->text, buf_str(&ev->text));
		break;
	case EV_CALL_BEGIN:
	case EV_CALL_END:
	case EV_CALL_BAD:
		rc = add_call(a, ev, err);
		if (rc)
			return rc;
		call = &a->calls[ev->call];
		if (ev->kind == EV_CALL_BEGIN) {
			buf_adds(&call->name, buf_str(&ev->text));
		} else {
			buf_adds(&call->arguments, buf_str(&ev->text));
			call->bad = ev->kind == EV_CALL_BAD;
		}
		break;
	case EV_TOKENS:
		rc = ev->n_ids ? add_ids(a, ev, err) : 0;
		break;
	case EV_DONE:
		a->done = true;
		a->stop = ev->stop;
		a->usage = ev->usage;
		break;
	case EV_ERROR:
		a->usage = ev->usage;
		rc = err_set(err, ev->err.code, "%s", ev->err.text);
		break;
	case EV_LOAD:
	case EV_READY:
	case EV_PREFILL:
	case EV_CALL_PARAM:
	case EV_NOTICE:
		break;
	}
	if (buf_failed(&a->thinking) || buf_failed(&a->text))
		rc = err_nomem(err, "the answer", a->text.len + a->thinking.len);
	return rc;
}

/*
 * Everything that waits, or comes within `ms`; *ended once the turn's last event was among it.
 */
static int take_events(struct engine *e, uint64_t turn, const struct turn_watch *watch, int ms,
		       struct turn_answer *out, bool *ended, struct err *err)
{
	struct event ev = {0};
	int rc = 0;

	for (; !*ended && event_queue_pop(e->events, &ev, ms); ms = 0) {
		if (ev.turn == turn || (ev.turn == 0 && ev.kind == EV_ERROR)) {
			int failed = gather(out, &ev, err), told;

			*ended = ev.kind == EV_DONE || ev.kind == EV_ERROR;
			told = watch->event(watch->ctx, &ev);
			rc = rc ? rc : failed ? failed : told;
		}
		event_release(&ev);
	}
	return rc;
}

int turn_run(struct engine *e, const struct turn_request *req, const struct turn_watch *watch,
	     struct turn_answer *out, struct err *err)
{
	bool ended = false, cancelled = false;
	uint64_t turn;
	int rc = e->ops->submit(e, req, &turn, err), first = 0;

	if (rc)
		return rc;
	while (!ended) {
		/* Once it is cancelled nothing else is waited for, not even a poll() that fails. */
		rc = cancelled ? 0 : wait_for_event(e, watch, err);
		if (!rc)
			rc = take_events(e, turn, watch, cancelled ? CANCELLED_WAIT_MS : 0, out, &ended,
					 first ? NULL : err);
		if (watch->drained)
			watch->drained(watch->ctx);
		first = first ? first : rc;
		if (rc && !ended && !cancelled) {
			/* The engine ends a cancelled turn by itself; what it still says is
			 * kept. */
			e->ops->cancel(e, turn);
			cancelled = true;
		}
	}
	return first;
}
