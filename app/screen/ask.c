#include "app/screen/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/clock.h"

/*
 * The branch as the engine takes it; all borrowed but the arrays.  Of several system prompts
 * the last holds, and stands first.
 */
struct request {
	struct chat_message *messages;
	struct chat_call *calls;
	size_t n;
};

static void request_release(struct request *r)
{
	free(r->messages);
	free(r->calls);
}

/* Returns how many of `calls` it took. */
static size_t add_message(struct chat_message *to, const struct talk_message *m,
			  struct chat_call *calls)
{
	*to = (struct chat_message){
		.role = m->role,
		.content = buf_str(&m->text),
		.reasoning = buf_str(&m->thinking),
		.ids = m->ids,
		.n_ids = m->n_ids,
		.calls = calls,
	};
	for (size_t k = 0; k < m->n_calls; k++) {
		if (m->calls[k].bad)
			continue;
		calls[to->n_calls++] = (struct chat_call){
			.name = buf_str(&m->calls[k].name),
			.arguments = buf_str(&m->calls[k].arguments),
		};
	}
	return to->n_calls;
}

static int request_build(struct request *r, const struct talk *t, struct err *err)
{
	size_t n = talk_path(t, NULL, 0), n_calls = 0, at = 0;
	const struct talk_message **path = malloc((n + 1) * sizeof(*path)), *system = NULL;

	*r = (struct request){0};
	if (path == NULL)
		return err_nomem(err, "request", (n + 1) * sizeof(*path));
	talk_path(t, path, n);
	for (size_t i = 0; i < n; i++)
		n_calls += path[i]->n_calls;
	r->messages = calloc(n + 1, sizeof(*r->messages));
	r->calls = calloc(n_calls + 1, sizeof(*r->calls));
	if (r->messages == NULL || r->calls == NULL) {
		free(path);
		return err_nomem(err, "request", (n + 1) * sizeof(*r->messages));
	}
	for (size_t i = 0; i < n; i++)
		if (path[i]->role == CHAT_SYSTEM)
			system = path[i];
	if (system != NULL && system->text.len > 0)
		r->messages[r->n++] = (struct chat_message){.role = CHAT_SYSTEM,
							    .content = buf_str(&system->text)};
	for (size_t i = 0; i < n; i++)
		if (path[i]->role != CHAT_SYSTEM)
			at += add_message(&r->messages[r->n++], path[i], &r->calls[at]);
	free(path);
	return 0;
}

static struct chat request_chat(const struct screen *s, const struct request *r)
{
	return (struct chat){.messages = r->messages,
			     .n_messages = r->n,
			     .effort = (enum chat_effort)s->opt->effort,
			     .drop_thinking = true};
}

void screen_ask_title(struct screen *s, struct talk *t)
{
	const struct talk_message *m = t->leaf;
	struct err err = {0};
	struct request r;
	struct chat chat;

	if (!s->opt->titles || t->title_from != HISTORY_TITLE_PROMPT || m == NULL ||
	    m->role != CHAT_ASSISTANT || m->unfinished)
		return;
	if (s->turn != 0 || s->queue != NULL || tui_draft(s->tui).n > 0)
		return;
	if (request_build(&r, t, &err) == 0) {
		chat = request_chat(s, &r);
		title_ask(&s->title, s->engine, &chat);
		s->title_talk = t;
	}
	request_release(&r);
}

static int submit(struct screen *s, const struct talk_message *resume, struct err *err)
{
	struct turn_request req = {.sampling = s->opt->sampling};
	struct request r;
	int rc;

	if (!s->opt->seed_given) {
		req.sampling.seed = (uint64_t)clock_wall_ms() * 1000000007u ^ (uint64_t)clock_ns();
	}
	title_cancel(&s->title, s->engine);
	rc = request_build(&r, s->talk, err);
	if (rc == 0) {
		req.chat = request_chat(s, &r);
		if (resume != NULL) {
			req.resume_ids = resume->ids;
			req.n_resume_ids = resume->n_ids;
			req.resume_counted = true;
			req.resume_text_bytes = resume->text.len;
			req.resume_thinking_bytes = resume->thinking.len;
			/* The same noise: it goes on as it would have. */
			if (resume->run.known)
				req.sampling.seed = resume->run.run.seed;
		}
		rc = s->engine->ops->submit(s->engine, &req, &s->turn, err);
		s->seed = req.sampling.seed;
	}
	request_release(&r);
	return rc;
}

/* How the answer is made: model, device and settings go with it. */
void screen_note_run(const struct screen *s, struct talk_run *r)
{
	static const char *const efforts[] = {"none", "low", "high", "max"};
	const struct engine_info *info = s->engine->ops->info(s->engine);
	const struct sampling *how = &s->opt->sampling;

	r->known = true;
	r->run = (struct history_run){
		.effort = efforts[s->opt->effort],
		.temperature = how->temperature,
		.top_p = how->top_p,
		.min_p = how->min_p,
		.top_k = how->top_k,
		.seed = s->seed,
		.max_tokens = how->max_tokens,
		.started_ms = clock_wall_ms(),
	};
	if (info == NULL)
		return;
	r->run.ctx_tokens = info->ctx_tokens;
	snprintf(r->model, sizeof(r->model), "%s", info->model_name);
	snprintf(r->identity, sizeof(r->identity), "%s", info->identity);
	snprintf(r->device, sizeof(r->device), "%s", info->backend);
}

static void begin(struct screen *s, struct talk_message *answer)
{
	s->turn_talk = s->talk;
	s->answer = answer;
	s->interrupted = s->thinking_over = false;
	s->unjournalled = false;
	s->resumed = 0;
	screen_note_run(s, &answer->run);
	s->thinking_item = s->answer_item = TRANSCRIPT_NONE;
	s->n_call_items = 0;
	s->turn_ms = clock_ms();
	s->first_token_ms = s->thinking_from_ms = -1;
	s->n_tokens = 0;
	s->status.phase = s->ready ? STATUS_PREFILL : STATUS_LOADING;
	s->status.done = s->status.all = 0;
	s->status.rate = s->status.tokens_per_s = s->status.per_step = 0;
	s->status.cached = -1;
	s->dirty = true;
}

void screen_answer(struct screen *s)
{
	struct err err = {0};
	struct talk_message *answer;

	if (s->engine_failed) {
		screen_error(s, "there is no model: the message is kept; see the error above");
		return;
	}
	answer = talk_message_new(CHAT_ASSISTANT, &err);
	if (answer == NULL || submit(s, NULL, &err) < 0) {
		talk_message_free(answer);
		s->turn = 0;
		screen_error(s, err.text);
		return;
	}
	begin(s, answer);
	transcript_follow(s->said);
}

void screen_continue(struct screen *s, struct talk_message *m)
{
	struct err err = {0};
	struct talk_message *answer = NULL;

	/* The chosen one may be what was asked: its answer is meant. */
	if (m->role == CHAT_USER && m->newest_child != NULL)
		m = m->newest_child;
	if (m->role != CHAT_ASSISTANT || !m->unfinished || m->n_ids == 0) {
		tui_say(s->tui, STYLE_NOTICE,
			"this answer is whole: there is nothing to go on with");
		return;
	}
	talk_rewind(s->talk, m->parent);
	if (talk_message_copy(&answer, m, &err) == 0)
		answer->run = m->run;
	if (answer == NULL || submit(s, answer, &err) < 0) {
		talk_message_free(answer);
		s->turn = 0;
		talk_show(s->talk, m);
		screen_error(s, err.text);
		return;
	}
	/* A resumed turn tells its calls again. */
	while (answer->n_calls > 0) {
		struct talk_call *c = &answer->calls[--answer->n_calls];

		buf_release(&c->name);
		buf_release(&c->arguments);
	}
	begin(s, answer);
	s->resumed = m->stored;
	s->thinking_over = answer->text.len > 0;
	screen_show_talk(s);
	transcript_follow(s->said);
}

static void enqueue(struct screen *s, struct str text)
{
	struct queued *q = calloc(1, sizeof(*q)), **at = &s->queue;
	size_t i;

	if (q != NULL)
		buf_adds(&q->text, text);
	if (q == NULL || buf_failed(&q->text)) {
		free(q);
		tui_edit(s->tui, 0, text);
		tui_say(s->tui, STYLE_ERROR, "out of memory: the message was not sent");
		return;
	}
	while (*at != NULL)
		at = &(*at)->next;
	*at = q;
	s->status.queued++;
	i = transcript_add(s->said, ITEM_USER, 0, -1);
	if (i != TRANSCRIPT_NONE) {
		transcript_append(s->said, i, text);
		transcript_finish(s->said, i, ITEM_QUEUED, -1, -1, -1);
	}
}

/* Writes what is new; where the store refuses, the chat goes on and it is tried again later. */
void screen_save(struct screen *s, struct talk *t)
{
	struct err err;

	if (talk_store_save(&s->talks, t, &err) == 0)
		return;
	if (t == s->talk)
		screen_error(s, err.text);
	tui_say(s->tui, STYLE_ERROR, "not kept, tried again with the next message: %s",
		err.text);
}

/* Says the system prompt where it is not the one of the branch. */
static int add_system(struct screen *s, struct err *err)
{
	struct talk *t = s->talk;
	struct str text = screen_system(s);
	struct talk_message *m;
	bool asked = t->asks_system;

	if (t->leaf == NULL && text.n == 0)
		return 0;
	if (t->leaf != NULL) {
		t->asks_system = false;
		if (!asked || str_eq(screen_system(s), text))
			return 0;
	}
	m = talk_message_new(CHAT_SYSTEM, err);
	if (m == NULL)
		return ERR_NOMEM;
	buf_adds(&m->text, text);
	if (buf_failed(&m->text)) {
		talk_message_free(m);
		return err_nomem(err, "system prompt", text.n);
	}
	t->asks_system = false;
	talk_say(t, m, clock_wall_ms());
	return 0;
}

void screen_send(struct screen *s, struct str text)
{
	struct err err = {0};
	struct talk_message *m;

	if (s->turn != 0 || (s->queue != NULL && !s->resending)) {
		enqueue(s, text);
		return;
	}
	m = talk_message_new(CHAT_USER, &err);
	if (m != NULL)
		buf_adds(&m->text, text);
	if (m == NULL || buf_failed(&m->text)) {
		talk_message_free(m);
		tui_edit(s->tui, 0, text);
		tui_say(s->tui, STYLE_ERROR, "out of memory: the message was not sent");
		return;
	}
	if (add_system(s, &err) < 0)
		screen_error(s, err.text);
	talk_say(s->talk, m, clock_wall_ms());
	screen_show_talk(s);
	screen_save(s, s->talk);
	screen_show_list(s);
	screen_answer(s);
}

void screen_send_next(struct screen *s)
{
	struct queued *q = s->queue;

	if (q == NULL || s->turn != 0)
		return;
	s->queue = q->next;
	s->status.queued--;
	s->resending = true;
	screen_send(s, buf_str(&q->text));
	s->resending = false;
	buf_release(&q->text);
	free(q);
}

void screen_drop_queue(struct screen *s)
{
	while (s->queue != NULL) {
		struct queued *q = s->queue;

		s->queue = q->next;
		buf_release(&q->text);
		free(q);
	}
	s->status.queued = 0;
}

/* What waits comes back to be edited, rather than going off by itself. */
void screen_recall_queue(struct screen *s)
{
	struct buf back = {0};

	if (s->queue == NULL)
		return;
	for (const struct queued *q = s->queue; q != NULL; q = q->next) {
		buf_adds(&back, buf_str(&q->text));
		buf_addc(&back, '\n');
	}
	buf_adds(&back, tui_draft(s->tui));
	if (!buf_failed(&back)) {
		tui_edit(s->tui, tui_editing(s->tui), buf_str(&back));
		screen_drop_queue(s);
		screen_show_talk(s);
	}
	buf_release(&back);
}

void screen_interrupt(struct screen *s)
{
	if (s->turn == 0)
		return;
	s->engine->ops->cancel(s->engine, s->turn);
	s->interrupted = true;
	if (s->ready)
		s->status.phase = STATUS_STOPPING;
	screen_recall_queue(s);
	s->dirty = true;
}
