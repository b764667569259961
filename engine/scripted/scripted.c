/*
 * The scripted engine: answers come from a file, turn by turn, with the delays,
 * errors, tool calls and floods that a test of the program above wants to see.
 */
#include "engine/engine.h"

#include <stdlib.h>

#include "engine/base/thread.h"
#include "engine/scripted/play.h"
#include "engine/session/desk.h"

#define QUEUE_EVENTS 256

struct scripted {
	struct engine base;
	struct desk desk;
	struct script script;
	pthread_t thread;
	_Atomic bool ready;
	/* Engine thread only: the next turn of plain [0] and title [1] requests, and the last.
	 */
	size_t next[2], last[2];
	bool played[2];
};

/* Which turn. */

/* The first turn of the kind at or after `from`; else the one marked "again"; else NULL. */
static const struct script_turn *find_turn(const struct script *s, size_t from, bool title)
{
	for (size_t i = from; i < s->n_turns; i++) {
		if (s->turns[i].is_title == title)
			return &s->turns[i];
	}
	for (size_t i = 0; i < s->n_turns; i++) {
		if (s->turns[i].is_title == title && s->turns[i].again)
			return &s->turns[i];
	}
	return NULL;
}

static const struct script_turn *choose_turn(struct scripted *s, const struct turn_request *req)
{
	bool title = play_is_title(req);
	bool once_more = req->n_resume_ids && s->played[title];
	const struct script_turn *t =
		find_turn(&s->script, once_more ? s->last[title] : s->next[title], title);

	if (t) {
		s->last[title] = (size_t)(t - s->script.turns);
		s->next[title] = s->last[title] + 1;
		s->played[title] = true;
	}
	return t;
}

static bool load(struct scripted *s)
{
	const struct script *sc = &s->script;
	struct event ev;

	for (int i = 1; i <= sc->load_steps; i++) {
		uint64_t part = (uint64_t)sc->load_bytes / (uint64_t)sc->load_steps;

		desk_pause(&s->desk, 0, sc->load_delay_ms, false);
		if (atomic_load(&s->desk.closing))
			return false;
		ev = (struct event){.kind = EV_LOAD, .progress_all = (uint64_t)sc->load_bytes};
		ev.progress = i == sc->load_steps ? ev.progress_all : part * (uint64_t)i;
		if (event_queue_push(s->base.events, &ev))
			return false;
	}
	if (sc->load_error.code) {
		desk_fail(&s->desk, &sc->load_error, s->base.events);
		return false;
	}
	atomic_store(&s->ready, true);
	ev = (struct event){.kind = EV_READY};
	return event_queue_push(s->base.events, &ev) == 0;
}

static void *run(void *arg)
{
	struct scripted *s = arg;
	struct turn_request *req;
	uint64_t number;

	if (!load(s))
		return NULL;
	while (desk_take(&s->desk, &req, &number)) {
		play_turn(&s->desk, s->base.events, choose_turn(s, req), s->script.steps, req,
			  number);
		free(req);
	}
	return NULL;
}

/* The table. */

static struct scripted *of(struct engine *e)
{
	return (struct scripted *)e;
}

static int scripted_submit(struct engine *e, const struct turn_request *req, uint64_t *turn,
			   struct err *err)
{
	return desk_submit(&of(e)->desk, req, turn, err);
}

static void scripted_cancel(struct engine *e, uint64_t turn)
{
	desk_cancel(&of(e)->desk, turn);
}

static void scripted_end_thinking(struct engine *e, uint64_t turn)
{
	desk_end_thinking(&of(e)->desk, turn);
}

static void scripted_end_call(struct engine *e, uint64_t turn)
{
	desk_end_call(&of(e)->desk, turn);
}

/* It reads nothing, and so has no price. */
static int scripted_glance(struct engine *e, const struct turn_request *req, bool ahead,
			   uint64_t *number, struct err *err)
{
	(void)e;
	(void)req;
	(void)ahead;
	(void)err;
	*number = 0;
	return 0;
}

/* It keeps nothing. */
static void scripted_forget(struct engine *e, struct str conversation)
{
	(void)e;
	(void)conversation;
}

static const struct engine_info *scripted_info(struct engine *e)
{
	return atomic_load(&of(e)->ready) ? &of(e)->script.info : NULL;
}

static void scripted_free(struct scripted *s)
{
	event_queue_free(s->base.events);
	script_close(&s->script);
	desk_release(&s->desk);
	free(s);
}

static void scripted_close(struct engine *e)
{
	struct scripted *s = of(e);

	desk_close(&s->desk);
	event_queue_close(s->base.events);
	pthread_join(s->thread, NULL);
	scripted_free(s);
}

static const struct engine_ops scripted_ops = {
	.submit = scripted_submit,
	.cancel = scripted_cancel,
	.end_thinking = scripted_end_thinking,
	.end_call = scripted_end_call,
	.glance = scripted_glance,
	.forget = scripted_forget,
	.info = scripted_info,
	.close = scripted_close,
};

int engine_open_scripted(struct engine **out, struct str script, struct err *err)
{
	struct scripted *s = calloc(1, sizeof(*s));
	int rc;

	*out = NULL;
	if (!s)
		return err_nomem(err, "scripted engine", sizeof(*s));
	s->base.ops = &scripted_ops;
	desk_init(&s->desk);
	rc = script_open(&s->script, script, err);
	if (!rc)
		rc = event_queue_new(&s->base.events, QUEUE_EVENTS, err);
	if (!rc)
		rc = thread_start(&s->thread, run, s, "engine thread", err);
	if (rc) {
		scripted_free(s);
		return rc;
	}
	*out = &s->base;
	return 0;
}
