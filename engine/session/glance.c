/*
 * A glance at a request that nobody has sent yet: what answering it would read, and, where
 * that is wanted, the reading of all that stands before its last message.  A turn ends it,
 * within a chunk; what was read until then is kept.
 */
#include <stdlib.h>

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/session/session.h"

/* Where the last message of the user begins, which may still change; 0: none. */
static int64_t before_last_message(const struct session *s, const struct tokens *prompt)
{
	token_id user = s->prefix.user;

	for (int64_t i = (int64_t)prompt->n - 1; user >= 0 && i > 0; i--) {
		if (prompt->ids[i] == user)
			return i;
	}
	return 0;
}

/* Reads ids[0..n), n of a prompt that has one more at least. */
static int read_ahead(struct session *s, uint64_t number, const token_id *ids, int64_t n,
		      struct err *err)
{
	int64_t at = prefix_begin(&s->prefix, ids, n + 1, err);

	while (at >= 0 && at < n && desk_glance_wanted(&s->desk, number)) {
		int64_t end = prefix_next(&s->prefix);
		const struct forward call = {
			.ids = ids + at,
			.n = (int)((end < n ? end : n) - at),
		};
		int rc = prefix_run(&s->prefix, call, err);

		at = rc ? rc : at + call.n;
	}
	prefix_end(&s->prefix);
	return at < 0 ? (int)at : 0;
}

/* A request as ids, and where its messages end. */
struct priced {
	struct tokens prompt;
	size_t *ends;
	const struct chat *chat; /* borrowed */
};

static void priced_release(struct priced *p)
{
	tokens_release(&p->prompt);
	free(p->ends);
}

static int priced_init(struct priced *p, const struct session *s, const struct chat *chat,
		       struct err *err)
{
	*p = (struct priced){.chat = chat};
	p->ends = calloc(chat->n_messages + 1, sizeof(*p->ends));
	if (!p->ends)
		return err_nomem(err, "prompt", chat->n_messages * sizeof(*p->ends));
	return prompt_encode_ends(chat, s->flavour, s->tok, &p->prompt, p->ends, err);
}

/* Of an answer the last id was chosen and not read, nor the end of one that was cut. */
#define ANSWER_LACKS 2

/* How many messages n ids are. */
static size_t messages_in(const struct priced *p, int64_t n)
{
	size_t i = 0;

	for (; i < p->chat->n_messages; i++) {
		bool answer = p->chat->messages[i].role == CHAT_ASSISTANT;

		if ((int64_t)p->ends[i] > n + (answer ? ANSWER_LACKS : 0))
			break;
	}
	return i;
}

/* What of the prompt a turn would find, in memory and with what is on disk, and what was
 * restored on the way. */
struct found {
	int64_t memory, all;
	int64_t restored, restored_ms;
};

static void find(struct session *s, const struct tokens *prompt, struct found *f)
{
	int64_t n = (int64_t)prompt->n, more = 0;

	f->memory = prefix_found(&s->prefix, prompt->ids, n);
	if (s->disk && n - 1 - f->memory >= WORTH_RECALLING)
		more = disk_look(s->disk, prompt->ids, n - 1, f->memory);
	f->all = more > f->memory ? more : f->memory;
}

static void tell_price(struct session *s, uint64_t number, const struct priced *p,
		       struct found *f)
{
	struct event ev = {.kind = EV_PRICE, .turn = number, .progress_all = p->prompt.n};

	find(s, &p->prompt, f);
	ev.progress = p->prompt.n - (uint64_t)f->all;
	ev.cached = (uint64_t)f->all;
	ev.disk = (uint64_t)f->restored;
	ev.disk_ms = (uint64_t)f->restored_ms;
	ev.in_memory = messages_in(p, f->memory);
	ev.on_disk = messages_in(p, f->all);
	event_queue_push(s->base.events, &ev);
}

static void restore(struct session *s, const token_id *ids, int64_t n, int64_t have,
		    struct found *f)
{
	int64_t began = clock_ms(), found = disk_recall(s->disk, &s->tree, ids, n, have);

	if (!found)
		return;
	f->restored = found - have;
	f->restored_ms = clock_ms() - began;
}

/* 1: what a turn would read is less now, 0: it is not. */
static int warm(struct session *s, const struct turn_request *req, uint64_t number,
		const struct tokens *prompt, struct found *f, struct err *err)
{
	int64_t n = before_last_message(s, prompt),
		have = prefix_found(&s->prefix, prompt->ids, n + 1);
	int rc;

	if (n - have < WORTH_RECALLING)
		return 0;
	if (s->disk)
		restore(s, prompt->ids, n, have, f);
	rc = read_ahead(s, number, prompt->ids, n, err);
	/* Where it failed nothing is held, and what was kept on the way stays. */
	tree_own(&s->tree, tree_owner(req->conversation), prompt->ids, n);
	prefix_own(&s->prefix, req->conversation);
	return rc ? rc : 1;
}

void session_glance(struct session *s, const struct turn_request *req, uint64_t number,
		    bool ahead)
{
	struct found found = {0};
	struct priced p;
	struct err err = {0};
	int rc = priced_init(&p, s, &req->chat, &err);

	if (!rc && p.prompt.n > 1 && (int64_t)p.prompt.n < model_ctx_tokens(s->model)) {
		tell_price(s, number, &p, &found);
		if (ahead)
			rc = warm(s, req, number, &p.prompt, &found, &err);
	}
	if (rc > 0 && desk_glance_wanted(&s->desk, number))
		tell_price(s, number, &p, &found);
	if (rc < 0)
		log_add(LOG_WARN, "glance: %s", err.text);
	priced_release(&p);
}
