/*
 * What Enter would read: asked of the engine in a pause of the typing, while nothing else goes
 * on, and shown in the status until the next key.  On the way the engine reads ahead what
 * stands before the draft, so that only the draft is left.
 */
#include "app/screen/private.h"

#include <stdlib.h>
#include <string.h>

#include "app/talk/request.h"
#include "engine/base/clock.h"
#include "engine/base/log.h"

/* So long nobody types before it is asked. */
#define PAUSE_MS 400

void screen_price_later(struct screen *s)
{
	s->price_ms = clock_ms() + PAUSE_MS;
	s->price = 0;
	s->status.reads_of = 0;
}

void screen_price_after_key(struct screen *s)
{
	struct str draft = tui_draft(s->tui);

	if (!s->talk)
		return;
	if (s->priced_leaf == s->talk->leaf && s->priced_editing == tui_editing(s->tui) &&
	    s->priced.len == draft.n &&
	    (!draft.n || memcmp(s->priced.data, draft.p, draft.n) == 0))
		return;
	/* So that the same keys again wait no longer. */
	s->priced_leaf = s->talk->leaf;
	s->priced_editing = tui_editing(s->tui);
	buf_reset(&s->priced);
	buf_adds(&s->priced, draft);
	screen_price_later(s);
}

int screen_price_due_ms(const struct screen *s)
{
	int64_t left = s->price_ms - clock_ms();

	if (!s->price_ms || !s->ready || s->engine_failed || turn_runs(&s->turn) ||
	    title_busy(&s->title))
		return -1;
	return left > 0 ? (int)left : 0;
}

/* The branch that the draft would go on with. */
static int build(struct screen *s, struct request *r, struct err *err)
{
	struct talk_message *leaf = s->talk->leaf;
	struct talk_message *edited = talk_find(s->talk, tui_editing(s->tui));
	int rc;

	if (edited)
		talk_rewind(s->talk, edited->parent);
	rc = request_build(r, s->talk, (enum chat_effort)s->opt->effort, err);
	talk_rewind(s->talk, leaf);
	return rc;
}

static int ask(struct screen *s, const struct request *r, struct err *err)
{
	struct chat_message *messages = malloc((r->n + 2) * sizeof(*messages));
	struct turn_request req = {.sampling = sampling_default(), .chat = r->chat};
	size_t n = 0;
	int rc;

	if (!messages)
		return err_nomem(err, "request", (r->n + 2) * sizeof(*messages));
	/* It comes with the first question. */
	if (r->n == 0 && s->opt->system)
		messages[n++] = (struct chat_message){.role = CHAT_SYSTEM,
						      .content = str_of(s->opt->system)};
	if (r->n)
		memcpy(messages + n, r->messages, r->n * sizeof(*messages));
	n += r->n;
	messages[n++] = (struct chat_message){.role = CHAT_USER, .content = tui_draft(s->tui)};
	req.chat.messages = messages;
	req.chat.n_messages = n;
	req.conversation = str_of(talk_store_uid(s->talks, s->talk));
	rc = s->engine->ops->glance(s->engine, &req, true, &s->price, err);
	free(messages);
	return rc;
}

void screen_price(struct screen *s)
{
	struct request r = {0};
	struct err err = {0};
	int rc;

	s->price_ms = 0;
	rc = build(s, &r, &err);
	if (!rc)
		rc = ask(s, &r, &err);
	/* What was cancelled (a title) may not have ended yet. */
	if (rc == ERR_USAGE)
		s->price_ms = clock_ms() + PAUSE_MS;
	/* A figure less; what is wrong is said when it is sent. */
	else if (rc)
		log_add(LOG_DEBUG, "price: %s", err.text);
	request_release(&r);
}

void screen_hear_price(struct screen *s, const struct event *ev)
{
	if (!s->price || ev->turn != s->price || !tui_draft(s->tui).n)
		return;
	s->status.reads = (int64_t)ev->progress;
	s->status.reads_of = (int64_t)ev->progress_all;
	s->status.reads_s = s->read_rate > 0 ? (double)ev->progress / s->read_rate : 0;
}

void screen_note_read_rate(struct screen *s, const struct turn_usage *u)
{
	int64_t n = u->prompt_tokens - u->cached_tokens, ms = u->prefill_ms - u->disk_ms;

	/* Short prompts say little. */
	if (n >= 32 && ms > 0)
		s->read_rate = (double)n * 1000 / (double)ms;
}
