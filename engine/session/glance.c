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

/* What of the prompt a turn would find, in memory or on disk. */
static int64_t n_found(struct session *s, const struct tokens *prompt)
{
	int64_t n = (int64_t)prompt->n;
	int64_t have = prefix_found(&s->prefix, prompt->ids, n), more = 0;

	if (s->disk && n - 1 - have >= WORTH_RECALLING)
		more = disk_look(s->disk, prompt->ids, n - 1, have);
	return more > have ? more : have;
}

/* What was restored on the way. */
struct restored {
	int64_t tokens, ms;
};

static void tell_price(struct session *s, uint64_t number, const struct tokens *prompt,
		       const struct restored *r)
{
	int64_t cached = n_found(s, prompt);
	struct event ev = {.kind = EV_PRICE,
			   .turn = number,
			   .progress = prompt->n - (uint64_t)cached,
			   .progress_all = prompt->n,
			   .cached = (uint64_t)cached,
			   .disk = (uint64_t)r->tokens,
			   .disk_ms = (uint64_t)r->ms};

	event_queue_push(s->base.events, &ev);
}

static void restore(struct session *s, const token_id *ids, int64_t n, int64_t have,
		    struct restored *out)
{
	int64_t began = clock_ms(), found = disk_recall(s->disk, &s->tree, ids, n, have);

	if (found)
		*out = (struct restored){found - have, clock_ms() - began};
}

/* *out: what came from disk.  1: what a turn would read is less now, 0: it is not. */
static int warm(struct session *s, const struct turn_request *req, uint64_t number,
		const struct tokens *prompt, struct restored *out, struct err *err)
{
	int64_t n = before_last_message(s, prompt),
		have = prefix_found(&s->prefix, prompt->ids, n + 1);
	int rc;

	if (n - have < WORTH_RECALLING)
		return 0;
	if (s->disk)
		restore(s, prompt->ids, n, have, out);
	rc = read_ahead(s, number, prompt->ids, n, err);
	/* Where it failed nothing is held, and what was kept on the way stays. */
	tree_own(&s->tree, tree_owner(req->conversation), prompt->ids, n);
	prefix_own(&s->prefix, req->conversation);
	return rc ? rc : 1;
}

void session_glance(struct session *s, const struct turn_request *req, uint64_t number,
		    bool ahead)
{
	struct tokens prompt = {0};
	struct restored restored = {0};
	struct err err = {0};
	size_t n_replaced = 0;
	int rc = prompt_encode(&req->chat, s->flavour, s->tok, &prompt, &n_replaced, &err);

	if (!rc && tokens_failed(&prompt))
		rc = err_nomem(&err, "prompt", prompt.n * sizeof(token_id));
	if (!rc && prompt.n > 1 && (int64_t)prompt.n < model_ctx_tokens(s->model)) {
		tell_price(s, number, &prompt, &restored);
		if (ahead)
			rc = warm(s, req, number, &prompt, &restored, &err);
	}
	if (rc > 0 && desk_glance_wanted(&s->desk, number))
		tell_price(s, number, &prompt, &restored);
	if (rc < 0)
		log_add(LOG_WARN, "glance: %s", err.text);
	tokens_release(&prompt);
}
