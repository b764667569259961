#include "app/talk/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/paths.h"

/* -- opening ---------------------------------------------------------------- */

static int open_store(struct record *r, struct err *err)
{
	struct buf path = {0};
	int rc = 0;

	if (!r->app->opt.ephemeral)
		rc = path_of(PATH_HISTORY, &path, err);
	if (!rc)
		rc = history_open(&r->h, r->app->opt.ephemeral ? NULL : buf_z(&path), err);
	buf_release(&path);
	return rc;
}

static int open_chosen(struct record *r, struct err *err)
{
	const struct options *o = &r->app->opt;
	int64_t id = 0;
	int rc = 0;

	if (o->resume)
		rc = history_find(r->h, o->resume, &id, err);
	else if (o->go_on || o->fork)
		rc = history_last(r->h, &id, err);
	if (!rc && (o->go_on || o->fork) && !id)
		rc = err_set(err, ERR_USAGE, "there is no conversation to go on with yet");
	if (!rc)
		rc = record_switch(r, id, err);
	if (!rc && o->fork)
		rc = record_fork(r, err);
	return rc;
}

int record_open(struct record *r, const struct app *app, struct err *err)
{
	int rc;

	*r = (struct record){.app = app};
	rc = open_store(r, err);
	if (!rc)
		rc = history_recover(r->h, &r->recovered, err);
	if (!rc)
		rc = open_chosen(r, err);
	if (rc)
		record_close(r, NULL);
	return rc;
}

int record_close(struct record *r, struct err *err)
{
	struct err lost = r->lost;

	history_answer_free(r->answer);
	history_tree_free(r->t);
	history_list_release(&r->recovered);
	history_close(r->h);
	*r = (struct record){0};
	return lost.code ? err_set(err, lost.code, "%s", lost.text) : 0;
}

int record_switch(struct record *r, int64_t conversation, struct err *err)
{
	struct history_tree *t = NULL;
	int rc = conversation ? history_tree_open(&t, r->h, conversation, err)
			      : history_tree_new(&t, r->h, err);

	if (rc)
		return rc;
	history_tree_free(r->t);
	r->t = t;
	return 0;
}

int record_fork(struct record *r, struct err *err)
{
	struct history_tree *t = NULL;
	int rc = history_tree_fork(&t, r->t, NULL, err);

	if (rc)
		return rc;
	history_tree_free(r->t);
	r->t = t;
	return 0;
}

/* -- out of the history -------------------------------------------------------- */

static const enum chat_role roles[HISTORY_N_ROLES] = {
	[HISTORY_SYSTEM] = CHAT_SYSTEM,       [HISTORY_USER] = CHAT_USER,
	[HISTORY_ASSISTANT] = CHAT_ASSISTANT, [HISTORY_TOOL] = CHAT_TOOL,
	[HISTORY_DEVELOPER] = CHAT_DEVELOPER, [HISTORY_REMINDER] = CHAT_REMINDER,
};

static int add_calls(const struct history_message *m, struct turn_answer *a, struct err *err)
{
	a->calls = calloc(m->n_parts + 1, sizeof(*a->calls));
	if (!a->calls)
		return err_nomem(err, "conversation", m->n_parts * sizeof(*a->calls));
	for (size_t i = 0; i < m->n_parts; i++) {
		const struct history_part *p = &m->parts[i];

		if (p->kind != HISTORY_CALL)
			continue;
		/* What else is known of a call is that it was cut or malformed. */
		a->calls[a->n_calls].bad = p->info.n > 0;
		buf_adds(&a->calls[a->n_calls].name, p->name);
		buf_adds(&a->calls[a->n_calls++].arguments, p->text);
	}
	return 0;
}

static int add_answer(struct dialog *d, const struct history_message *m, struct err *err)
{
	struct turn_answer a = {.done = true};
	int rc = add_calls(m, &a, err);

	history_message_add_text(m, HISTORY_THINKING, &a.thinking);
	history_message_add_text(m, HISTORY_TEXT, &a.text);
	a.stop = history_message_unfinished(m) ? STOP_INTERRUPTED : STOP_END;
	if (!rc && m->n_ids) {
		a.ids = malloc(m->n_ids * sizeof(*a.ids));
		if (!a.ids)
			rc = err_nomem(err, "conversation", m->n_ids * sizeof(*a.ids));
		else
			memcpy(a.ids, m->ids, m->n_ids * sizeof(*a.ids));
		a.n_ids = rc ? 0 : m->n_ids;
	}
	if (!rc && (buf_failed(&a.text) || buf_failed(&a.thinking)))
		rc = err_nomem(err, "conversation", a.text.len);
	if (!rc)
		rc = dialog_add_answer(d, &a, err);
	turn_answer_release(&a);
	return rc;
}

static int add_text(struct dialog *d, const struct history_message *m, struct err *err)
{
	struct buf text = {0};
	int rc;

	history_message_add_text(m, HISTORY_TEXT, &text);
	if (buf_failed(&text))
		rc = err_nomem(err, "conversation", text.len);
	else if (m->role == HISTORY_SYSTEM)
		rc = dialog_set_system(d, buf_str(&text), err);
	else
		rc = dialog_add(d, roles[m->role], buf_str(&text), err);
	buf_release(&text);
	return rc;
}

int record_fill(struct record *r, struct dialog *d, struct err *err)
{
	const struct history_message *const *path;
	struct dialog fresh = {0};
	size_t n;
	int rc = 0;

	path = history_tree_path(r->t, &n);
	for (size_t i = 0; i < n && !rc; i++)
		rc = path[i]->role == HISTORY_ASSISTANT ? add_answer(&fresh, path[i], err)
							: add_text(&fresh, path[i], err);
	if (rc) {
		dialog_release(&fresh);
		return rc;
	}
	dialog_release(d);
	*d = fresh;
	return 0;
}

/* -- into it --------------------------------------------------------------------- */

static void note_loss(struct record *r, const struct err *err)
{
	if (!r->lost.code)
		r->lost = *err;
}

static int say(struct record *r, enum history_role role, struct str text, struct err *err)
{
	struct history_part part = {.kind = HISTORY_TEXT, .text = text};
	struct history_message m = {.role = role, .parts = &part, .n_parts = 1};

	return history_tree_say(r->t, &m, NULL, err);
}

/* The system prompt that was last said on the branch, if it is this one. */
static bool system_is(struct record *r, struct str text)
{
	const struct history_message *const *path;
	struct buf said = {0};
	bool same;
	size_t n;

	path = history_tree_path(r->t, &n);
	for (size_t i = 0; i < n; i++) {
		if (path[i]->role == HISTORY_SYSTEM) {
			buf_reset(&said);
			history_message_add_text(path[i], HISTORY_TEXT, &said);
		}
	}
	same = str_eq(buf_str(&said), text);
	buf_release(&said);
	return same;
}

int record_question(struct record *r, const struct dialog *d, struct err *err)
{
	bool has_system = d->n && d->messages[0].role == CHAT_SYSTEM;
	struct str system = has_system ? d->messages[0].content : (struct str){0};
	const struct history_message *before = history_tree_leaf(r->t);
	int rc = 0;

	if (!system_is(r, system))
		rc = say(r, HISTORY_SYSTEM, system, err);
	if (!rc)
		rc = say(r, HISTORY_USER, d->messages[d->n - 1].content, err);
	if (rc) {
		history_tree_rewind(r->t, before);
		note_loss(r, err);
	}
	return rc;
}

int record_begin(struct record *r, const struct sampling *sampling,
		 const struct history_message *resume, struct err *err)
{
	static const char *const efforts[] = {"none", "low", "high", "max"};
	const struct engine_info *info = r->app->engine->ops->info(r->app->engine);
	struct history_run run = {
		.model = info ? info->model_name : "",
		.identity = info ? info->identity : "",
		.device = info ? info->backend : "",
		.build = DSV4CHAT_VERSION,
		.effort = efforts[r->app->opt.effort],
		.temperature = sampling->temperature,
		.top_p = sampling->top_p,
		.min_p = sampling->min_p,
		.top_k = sampling->top_k,
		.seed = sampling->seed,
		.max_tokens = sampling->max_tokens,
		.ctx_tokens = info ? info->ctx_tokens : 0,
		.resumed_tokens = resume ? (int64_t)resume->n_ids : 0,
	};
	int rc = history_answer_begin(&r->answer, r->t, &run, resume, err);

	if (rc == ERR_STORE)
		note_loss(r, err);
	return rc;
}

void record_feed(struct history_answer *a, const struct event *ev)
{
	struct str text = buf_str(&ev->text);

	switch (ev->kind) {
	case EV_THINKING:
		history_answer_say(a, HISTORY_THINKING, text);
		break;
	case EV_TEXT:
		history_answer_say(a, HISTORY_TEXT, text);
		break;
	case EV_NOTICE:
		history_answer_say(a, HISTORY_NOTICE, text);
		break;
	case EV_CALL_BEGIN:
		history_answer_call_begin(a, text, (struct str){0});
		break;
	case EV_CALL_END:
		history_answer_call_end(a, (size_t)ev->call, text);
		break;
	case EV_CALL_BAD:
		history_answer_call_bad(a, (size_t)ev->call, (struct str){0}, text);
		break;
	case EV_TOKENS:
		history_answer_tokens(a, ev->ids, ev->n_ids);
		break;
	case EV_CALL_PARAM:
	case EV_LOAD:
	case EV_READY:
	case EV_PREFILL:
	case EV_DONE:
	case EV_ERROR:
		break;
	}
}

void record_event(struct record *r, const struct event *ev)
{
	if (r->answer)
		record_feed(r->answer, ev);
}

/* A journal that fails is told once; the answer goes on and its commit is tried anyway. */
void record_drained(struct record *r)
{
	struct err err = {0};

	if (!r->answer || history_answer_due_ms(r->answer) != 0)
		return;
	if (history_answer_flush(r->answer, &err) != 0 && !r->lost.code) {
		fprintf(stderr, "dsv4chat: not kept: %s\n", err.text);
		note_loss(r, &err);
	}
}

int record_due_ms(const struct record *r)
{
	return r->answer ? history_answer_due_ms(r->answer) : -1;
}

static const char *stop_of(int rc, const struct turn_answer *a)
{
	if (rc == ERR_TIMEOUT)
		return "timeout";
	return a->done ? stop_reason_name(a->stop) : "failed";
}

int record_end(struct record *r, int rc, const struct turn_answer *a, struct err *err)
{
	struct history_run result = {
		.stop = stop_of(rc, a),
		.prompt_tokens = a->usage.prompt_tokens,
		.cached_tokens = a->usage.cached_tokens,
		.thinking_tokens = a->usage.thinking_tokens,
		.output_tokens = a->usage.output_tokens,
		.drafted = a->usage.drafted,
		.accepted = a->usage.accepted,
		.prefill_ms = a->usage.prefill_ms,
		.decode_ms = a->usage.decode_ms,
		.total_ms = a->usage.total_ms,
	};
	int failed;

	if (!r->answer)
		return 0;
	failed = history_answer_commit(r->answer, &result, NULL, err);
	/* What could not be committed may still be in the journal: the next start finds it. */
	if (failed) {
		history_answer_free(r->answer);
		note_loss(r, err);
	}
	r->answer = NULL;
	return failed;
}

void record_resume(const struct history_message *m, struct turn_request *req)
{
	req->resume_ids = m->ids;
	req->n_resume_ids = m->n_ids;
	req->resume_counted = true;
	for (size_t i = 0; i < m->n_parts; i++) {
		if (m->parts[i].kind == HISTORY_TEXT)
			req->resume_text_bytes += m->parts[i].text.n;
		else if (m->parts[i].kind == HISTORY_THINKING)
			req->resume_thinking_bytes += m->parts[i].text.n;
	}
}
