/* Ids become events; of a resumed answer, what the earlier turn has not sent. */
#include "engine/session/answer.h"

#include <stdlib.h>
#include <string.h>

static void send(struct answer *a, struct event *ev)
{
	ev->turn = a->turn;
	if (buf_failed(&ev->text))
		a->nomem = true;
	if (event_queue_push(a->events, ev))
		a->closed = true;
}

/* Takes off the front of `text` what the earlier turn has sent already. */
static struct str not_owed(struct buf *owed, struct str text)
{
	size_t n = owed->len < text.n ? owed->len : text.n;

	if (n == 0)
		return text;
	if (memcmp(owed->data, text.p, n) != 0) {
		/* Decided otherwise now that more is known: from here on all of it is new. */
		buf_reset(owed);
		return text;
	}
	buf_remove(owed, 0, n);
	return (struct str){text.p + n, text.n - n};
}

static void on_dsml(void *ctx, enum event_kind kind, int call, struct str text)
{
	struct answer *a = ctx;
	struct event ev = {.kind = kind, .call = call < 0 ? 0 : call};

	if (kind == EV_CALL_BEGIN || kind == EV_CALL_PARAM)
		ev.early = dsml_early(&a->dsml);
	if (kind == EV_CALL_CUT)
		ev.progress = a->n_closing;

	if (kind == EV_TEXT || kind == EV_THINKING) {
		struct answer_part *part = kind == EV_THINKING ? &a->thinking : &a->text;

		if (a->muted) {
			part->n_muted += text.n;
			return;
		}
		text = not_owed(&part->owed, text);
		if (text.n == 0)
			return;
	} else if (a->muted && kind == EV_NOTICE) {
		return;
	}
	buf_adds(&ev.text, text);
	send(a, &ev);
}

void answer_release(struct answer *a)
{
	dsml_release(&a->dsml);
	buf_release(&a->text.owed);
	buf_release(&a->thinking.owed);
	*a = (struct answer){0};
}

int answer_init(struct answer *a, struct event_queue *events, uint64_t turn,
		const struct tokenizer *tok, bool raw, enum dsml_mode mode, struct err *err)
{
	int rc;

	*a = (struct answer){.events = events, .turn = turn, .raw = raw};
	detok_init(&a->detok, tok);
	rc = raw ? 0 : dsml_init(&a->dsml, mode, on_dsml, a, err);
	if (rc)
		answer_release(a);
	return rc;
}

/* What the earlier turn sent, gathered by running it again to its end. */
struct sent {
	struct buf text, thinking;
};

static void gather(void *ctx, enum event_kind kind, int call, struct str text)
{
	struct sent *s = ctx;

	(void)call;
	if (kind == EV_TEXT || kind == EV_THINKING)
		buf_adds(kind == EV_THINKING ? &s->thinking : &s->text, text);
}

static int gather_sent(struct sent *s, const struct answer *a, const token_id *ids, size_t n,
		       struct err *err)
{
	struct detok detok;
	struct dsml dsml = {0};
	enum dsml_mode mode = dsml_in_thinking(&a->dsml) ? DSML_THINKING : DSML_CHAT;
	int rc = dsml_init(&dsml, mode, gather, s, err);

	detok_init(&detok, a->detok.tok);
	for (size_t i = 0; !rc && i < n; i++)
		dsml_push_id(&dsml, &detok, ids[i]);
	if (!rc)
		rc = dsml_finish(&dsml, DSML_END_CUT, err);
	dsml_release(&dsml);
	return rc;
}

/* What the ids say from byte `from` to `to` of that kind, as an event of its own. */
static void send_rest(struct answer *a, enum event_kind kind, const struct buf *said,
		      size_t from, size_t to)
{
	struct event ev = {.kind = kind};

	if (from >= to)
		return;
	buf_add(&ev.text, said->data + from, to - from);
	send(a, &ev);
}

/* Of what the earlier turn said the caller has `had` bytes; NULL: all. */
static int resume_part(struct answer *a, struct answer_part *part, enum event_kind kind,
		       const struct buf *said, const size_t *had, struct err *err)
{
	size_t known = had && *had < said->len ? *had : said->len;

	if (known > part->n_muted)
		buf_add(&part->owed, said->data + part->n_muted, known - part->n_muted);
	else
		send_rest(a, kind, said, known, part->n_muted);
	if (buf_failed(said) || buf_failed(&part->owed))
		return err_nomem(err, "resumed answer", said->len);
	return 0;
}

static void push_muted(struct answer *a, const token_id *ids, size_t n,
		       const struct answer_closed *closed)
{
	size_t open = closed && closed->n <= n ? n - closed->n : SIZE_MAX;

	a->muted = true;
	for (size_t i = 0; i <= n; i++) {
		if (i == open) {
			dsml_cut_call(&a->dsml, closed->why);
			a->n_closing = closed->n + 1;
		}
		if (i < n)
			dsml_push_id(&a->dsml, &a->detok, ids[i]);
	}
	a->muted = false;
}

static int resume_chat(struct answer *a, const token_id *ids, size_t n,
		       const struct answer_had *had, const struct answer_closed *closed,
		       struct err *err)
{
	struct sent s = {0};
	int rc = gather_sent(&s, a, ids, n, err);

	if (!rc) {
		push_muted(a, ids, n, closed);
		rc = resume_part(a, &a->thinking, EV_THINKING, &s.thinking,
				 had ? &had->thinking : NULL, err);
	}
	if (!rc)
		rc = resume_part(a, &a->text, EV_TEXT, &s.text, had ? &had->text : NULL, err);
	buf_release(&s.text);
	buf_release(&s.thinking);
	return rc;
}

int answer_resume(struct answer *a, const token_id *ids, size_t n, const struct answer_had *had,
		  const struct answer_closed *closed, struct err *err)
{
	struct buf told = {0};
	int rc = 0;

	if (!a->raw)
		return resume_chat(a, ids, n, had, closed, err);
	for (size_t i = 0; i < n; i++)
		detok_push(&a->detok, ids[i], &told);
	if (buf_failed(&told))
		rc = err_nomem(err, "resumed answer", told.len);
	else if (had)
		send_rest(a, EV_TEXT, &told, had->text, told.len);
	buf_release(&told);
	return rc;
}

void answer_send_ids(struct answer *a, const token_id *ids, size_t n)
{
	struct event ev = {.kind = EV_TOKENS, .n_ids = n};

	ev.ids = malloc(n * sizeof(*ev.ids));
	if (!ev.ids) {
		a->nomem = true;
		return;
	}
	memcpy(ev.ids, ids, n * sizeof(*ids));
	send(a, &ev);
}

void answer_send_id(struct answer *a, token_id id)
{
	answer_send_ids(a, &id, 1);
}

static void push_raw(struct answer *a, token_id id)
{
	struct event ev = {.kind = EV_TEXT};

	detok_push(&a->detok, id, &ev.text);
	if (ev.text.len || buf_failed(&ev.text))
		send(a, &ev);
	else
		event_release(&ev);
}

void answer_push(struct answer *a, token_id id)
{
	if (a->raw) {
		push_raw(a, id);
		return;
	}
	dsml_push_id(&a->dsml, &a->detok, id);
	a->n_block = dsml_in_block(&a->dsml) ? a->n_block + 1 : 0;
}

const char *answer_too_long(const struct answer *a)
{
	if (a->raw)
		return NULL;
	if (dsml_value_bytes(&a->dsml) > ANSWER_VALUE_BYTES)
		return "the call was cut: longer than 1 MiB";
	if (a->n_block > ANSWER_BLOCK_IDS)
		return "the call was cut: longer than 32768 tokens";
	return NULL;
}

enum dsml_closing answer_closing(const struct answer *a, struct buf *out)
{
	return a->raw || a->detok.n_partial ? DSML_CLOSES_LATER : dsml_closing(&a->dsml, out);
}

bool answer_in_thinking(const struct answer *a)
{
	return !a->raw && dsml_in_thinking(&a->dsml);
}

int answer_finish(struct answer *a, bool cut, int *n_calls, struct err *err)
{
	struct event ev = {.kind = EV_TEXT};
	int rc = 0;

	*n_calls = 0;
	if (!cut)
		detok_flush(&a->detok, &ev.text);
	if (!a->raw) {
		dsml_push(&a->dsml, buf_str(&ev.text));
		if (buf_failed(&ev.text))
			a->nomem = true;
		event_release(&ev);
		rc = dsml_finish(&a->dsml, cut ? DSML_END_CUT : DSML_END_STOP, err);
		*n_calls = dsml_n_good_calls(&a->dsml);
	} else if (ev.text.len || buf_failed(&ev.text)) {
		send(a, &ev);
	}
	if (!rc && a->nomem)
		rc = err_nomem(err, "answer", 0);
	return rc;
}
