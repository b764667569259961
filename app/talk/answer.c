/* Events to parts, and to the journal. */
#include "app/talk/answer.h"

/* The part of that call; the next one is begun, one that skips a number is none (NULL). */
static struct talk_part *call_at(struct talk_message *m, int call, struct err *err)
{
	struct talk_part *p;
	int n = 0;

	for (size_t i = 0; i < m->n_parts; i++)
		if (m->parts[i].kind == HISTORY_CALL && n++ == call)
			return &m->parts[i];
	if (call != n)
		return NULL;
	p = talk_message_add_part(m, HISTORY_CALL, err);
	if (p)
		buf_addf(&p->ref, "%d", call);
	return p;
}

static void take_call(struct talk_part *p, const struct event *ev)
{
	struct str text = buf_str(&ev->text);

	if (ev->kind == EV_CALL_BEGIN) {
		buf_reset(&p->name);
		buf_adds(&p->name, text);
	} else if (ev->kind == EV_CALL_PARAM) {
		buf_addz(&p->text, p->text.len ? ", " : "{");
		buf_adds(&p->text, text);
	} else if (ev->kind == EV_CALL_END) {
		buf_reset(&p->text);
		buf_adds(&p->text, text);
		p->call = CALL_WHOLE;
	} else if (ev->kind != EV_CALL_TEXT) {
		buf_addz(&p->text, p->text.len ? "}" : ev->kind == EV_CALL_CUT ? "{}" : "");
		buf_adds(&p->why, text);
		p->call = ev->kind == EV_CALL_CUT ? CALL_CUT : CALL_BAD;
		p->n_closing = ev->kind == EV_CALL_CUT ? (int64_t)ev->progress : 0;
	}
}

static int take_call_event(struct talk_message *m, const struct event *ev, size_t *part,
			   struct err *err)
{
	struct talk_part *p = call_at(m, ev->call, err);

	if (!p)
		return err->code;
	take_call(p, ev);
	*part = (size_t)(p - m->parts);
	return 0;
}

/* Thinking and text go on in the last part where it is of their kind. */
static int take_text(struct talk_message *m, enum history_kind kind, struct str text,
		     int64_t now_ms, size_t *part, struct err *err)
{
	struct talk_part *p = m->n_parts ? &m->parts[m->n_parts - 1] : NULL;

	if (!p || p->kind != kind || kind == HISTORY_NOTICE)
		p = talk_message_add_part(m, kind, err);
	if (!p)
		return ERR_NOMEM;
	if (kind == HISTORY_THINKING && !p->runs) {
		p->runs = true;
		p->since_ms = now_ms - (p->took_ms > 0 ? p->took_ms : 0);
	}
	buf_adds(&p->text, text);
	*part = (size_t)(p - m->parts);
	return 0;
}

static void close_thinking(struct talk_part *p, int64_t now_ms)
{
	if (p->kind != HISTORY_THINKING || !p->runs)
		return;
	p->took_ms = now_ms - p->since_ms;
	p->runs = false;
	talk_part_note(p);
}

void answer_close(struct talk_message *m, int64_t now_ms)
{
	if (m->n_parts)
		close_thinking(&m->parts[m->n_parts - 1], now_ms);
}

static int take(struct talk_message *m, const struct event *ev, int64_t now_ms, size_t *part,
		struct err *err)
{
	struct str text = buf_str(&ev->text);
	int rc;

	switch (ev->kind) {
	case EV_THINKING:
		return take_text(m, HISTORY_THINKING, text, now_ms, part, err);
	case EV_TEXT:
		return take_text(m, HISTORY_TEXT, text, now_ms, part, err);
	case EV_NOTICE:
		return take_text(m, HISTORY_NOTICE, text, now_ms, part, err);
	case EV_CALL_BEGIN:
	case EV_CALL_TEXT:
	case EV_CALL_PARAM:
	case EV_CALL_END:
	case EV_CALL_BAD:
	case EV_CALL_CUT:
		return take_call_event(m, ev, part, err);
	case EV_TOKENS:
		return talk_message_add_ids(m, ev->ids, ev->n_ids, err);
	case EV_ERROR:
		rc = take_text(m, HISTORY_NOTICE, str_of(ev->err.text), now_ms, part, err);
		if (!rc)
			m->parts[*part].error = true;
		return rc;
	case EV_LOAD:
	case EV_PRICE:
	case EV_READY:
	case EV_PREFILL:
	case EV_DONE:
		break;
	}
	return 0;
}

int answer_take(struct talk_message *m, const struct event *ev, int64_t now_ms, size_t *part,
		struct err *err)
{
	size_t before = m->n_parts;
	const struct talk_part *p;
	int rc;

	*part = ANSWER_NO_PART;
	err->code = 0;
	if (buf_failed(&ev->text))
		return err_nomem(err, "the answer", talk_message_bytes(m, HISTORY_TEXT));
	rc = take(m, ev, now_ms, part, err);
	if (before && m->n_parts > before)
		close_thinking(&m->parts[before - 1], now_ms);
	if (rc || *part == ANSWER_NO_PART)
		return rc;
	p = &m->parts[*part];
	if (p->kind == HISTORY_CALL || p->kind == HISTORY_NOTICE)
		talk_part_note(&m->parts[*part]);
	if (buf_failed(&p->name) || buf_failed(&p->text) || buf_failed(&p->why) ||
	    buf_failed(&p->info))
		return err_nomem(err, "the answer", p->text.len);
	return 0;
}

struct answer_mark answer_mark(const struct talk_message *m)
{
	return (struct answer_mark){m->n_parts};
}

static size_t number_of(const struct talk_message *m, size_t part)
{
	size_t n = 0;

	for (size_t i = 0; i < part; i++)
		n += m->parts[i].kind == HISTORY_CALL;
	return n;
}

static void keep_call(struct history_answer *a, const struct talk_message *m, bool fresh,
		      size_t part, enum event_kind kind)
{
	const struct talk_part *p = &m->parts[part];

	if (fresh)
		history_answer_call_begin(a, buf_str(&p->name), buf_str(&p->ref));
	if (kind == EV_CALL_END)
		history_answer_call_end(a, number_of(m, part), buf_str(&p->text));
	else if (kind == EV_CALL_BAD)
		history_answer_call_bad(a, number_of(m, part), buf_str(&p->text),
					buf_str(&p->why));
	else if (kind == EV_CALL_CUT)
		history_answer_call_ended(a, number_of(m, part), buf_str(&p->text),
					  buf_str(&p->why), p->n_closing);
}

void answer_keep(struct history_answer *a, const struct talk_message *m,
		 struct answer_mark before, size_t part, const struct event *ev)
{
	bool fresh = m->n_parts > before.n_parts;
	const struct talk_part *p = part != ANSWER_NO_PART ? &m->parts[part] : NULL;

	/* What came before is over, and known by now. */
	if (fresh && before.n_parts &&
	    m->parts[before.n_parts - 1].kind == HISTORY_THINKING)
		history_answer_info(a, buf_str(&m->parts[before.n_parts - 1].info));
	if (ev->kind == EV_TOKENS)
		history_answer_tokens(a, ev->ids, ev->n_ids);
	if (!p)
		return;
	if (p->kind == HISTORY_CALL) {
		keep_call(a, m, fresh, part, ev->kind);
	} else {
		history_answer_say(a, p->kind,
				   ev->kind == EV_ERROR ? buf_str(&p->text)
							: buf_str(&ev->text));
		if (p->error)
			history_answer_info(a, buf_str(&p->info));
	}
}

void answer_reopen(struct talk_message *m)
{
	talk_message_drop_parts(m, HISTORY_CALL);
	talk_message_drop_errors(m);
}
