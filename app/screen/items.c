/*
 * What a message shows, part by part, as items of the transcript: the same whether it comes
 * live or out of the store.  An answer that still comes has its items in screen.live.
 */
#include "app/screen/private.h"

#include <stdlib.h>

#include "app/talk/stop.h"
#include "engine/base/clock.h"

/* The error that an answer ended with is its last part; it stands below all else of it. */
static const struct talk_part *error_of(const struct talk_message *m)
{
	const struct talk_part *p = m->n_parts ? &m->parts[m->n_parts - 1] : NULL;

	return p && p->kind == HISTORY_NOTICE && p->error ? p : NULL;
}

static size_t n_said(const struct talk_message *m)
{
	return m->n_parts - (error_of(m) ? 1 : 0);
}

static bool is_last_of_kind(const struct talk_message *m, size_t k)
{
	for (size_t i = k + 1; i < m->n_parts; i++)
		if (m->parts[i].kind == m->parts[k].kind)
			return false;
	return true;
}

static size_t n_of_kind(const struct talk_message *m, enum history_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_parts; i++)
		n += m->parts[i].kind == kind;
	return n;
}

/* ---- one part ---- */

static const struct {
	bool shown;
	enum item_kind kind;
} kinds[HISTORY_N_KINDS] = {
	[HISTORY_TEXT] = {true, ITEM_ANSWER},
	[HISTORY_THINKING] = {true, ITEM_THINKING},
	[HISTORY_CALL] = {true, ITEM_TOOL},
	[HISTORY_NOTICE] = {true, ITEM_NOTICE},
};

/* An item for part k, empty; TRANSCRIPT_NONE: it has none.  Keys don't act on notices (id 0). */
static size_t item_begin(struct screen *s, const struct talk_message *m, size_t k, int64_t id,
			 int64_t now_ms)
{
	const struct talk_part *p = &m->parts[k];

	if (!kinds[p->kind].shown || (p->kind == HISTORY_THINKING && s->opt->hide_thinking))
		return TRANSCRIPT_NONE;
	return transcript_add(s->said, kinds[p->kind].kind, p->kind == HISTORY_NOTICE ? 0 : id,
			      now_ms);
}

/* Once it is whole, by what it is about, as in lines; until then, as it is written. */
static void show_call(struct screen *s, const struct talk_part *p, size_t item)
{
	struct buf subject = {0};

	agent_add_subject(&subject, buf_str(&p->text));
	transcript_set_call(s->said, item, buf_str(&p->name),
			    buf_str(subject.len ? &subject : &p->text));
	buf_release(&subject);
}

/* `more`: what was said in it since; of a call everything is shown anew. */
static void item_grow(struct screen *s, const struct talk_part *p, size_t item, struct str more)
{
	if (item == TRANSCRIPT_NONE)
		return;
	if (p->kind != HISTORY_CALL) {
		transcript_append(s->said, item, more);
		return;
	}
	show_call(s, p, item);
	transcript_set_text(s->said, item, buf_str(&p->why));
}

/* Where it was cut, it says why, and whether it can be gone on with. */
static void end_answer(struct screen *s, const struct talk_message *m, size_t item)
{
	enum item_state state = ITEM_DONE;

	switch (stop_way(m, s->status.context_all)) {
	case STOP_WAY_WHOLE:
		break;
	case STOP_WAY_OPEN:
		state = ITEM_STOPPED;
		break;
	case STOP_WAY_LOST:
	case STOP_WAY_FULL:
		state = ITEM_CUT;
		break;
	}
	transcript_finish(s->said, item, state, -1, -1, -1);
	if (state != ITEM_DONE)
		transcript_set_why(s->said, item, stop_why(m));
}

static void item_end(struct screen *s, const struct talk_message *m, size_t k, size_t item)
{
	const struct talk_part *p = &m->parts[k];
	bool last = is_last_of_kind(m, k);

	if (item == TRANSCRIPT_NONE)
		return;
	/* Ended twice it would fold again, which its reader may have unfolded. */
	if (p->kind == HISTORY_THINKING && transcript_state(s->said, item) != ITEM_OPEN)
		transcript_set_number(s->said, item, last ? m->thinking_tokens : -1);
	else if (p->kind == HISTORY_THINKING)
		transcript_finish(s->said, item, ITEM_DONE, p->took_ms,
				  last ? m->thinking_tokens : -1, -1);
	else if (p->kind == HISTORY_TEXT && last)
		end_answer(s, m, item);
	else if (p->kind == HISTORY_TEXT)
		transcript_finish(s->said, item, ITEM_DONE, -1, -1, -1);
	else if (p->kind == HISTORY_CALL)
		transcript_finish(s->said, item, p->call == CALL_WHOLE ? ITEM_DONE : ITEM_FAILED,
				  -1, -1, -1);
}

/* ---- what stands behind an answer's parts ---- */

/* An answer without text has an item of its own where it was cut, or says nothing at all. */
static bool wants_empty_item(const struct talk_message *m)
{
	size_t n_text = n_of_kind(m, HISTORY_TEXT), n_calls = n_of_kind(m, HISTORY_CALL);
	size_t n_thinking = n_of_kind(m, HISTORY_THINKING);

	if (n_text || n_calls)
		return false;
	return m->unfinished || (!n_thinking && !error_of(m));
}

static void add_end(struct screen *s, const struct talk_message *m)
{
	const struct talk_part *error = error_of(m);
	bool empty = wants_empty_item(m);
	size_t i;

	if (empty) {
		i = transcript_add(s->said, ITEM_ANSWER, m->id, -1);
		if (i != TRANSCRIPT_NONE)
			end_answer(s, m, i);
	}
	if (!error)
		return;
	/* Where it is all there is, it stands for the message. */
	i = transcript_add(s->said, ITEM_ERROR, n_said(m) || empty ? 0 : m->id, -1);
	if (i != TRANSCRIPT_NONE)
		transcript_append(s->said, i, buf_str(&error->text));
}

void screen_add_stop(struct screen *s)
{
	const struct talk_message *m = s->talk->leaf;
	int64_t ctx = s->status.context_all;
	struct buf words = {0};
	size_t i;

	/* One that can be gone on with says so at its foot. */
	if (s->acts.agent && !screen_busy(s) && agent_may_resume(s->talk))
		buf_addz(&words, AGENT_MAY_RESUME);
	else if (m && stop_way(m, ctx) != STOP_WAY_OPEN)
		stop_add_words(m, ctx, &words);
	i = words.len ? transcript_add(s->said, ITEM_NOTICE, 0, -1) : TRANSCRIPT_NONE;
	if (i != TRANSCRIPT_NONE)
		transcript_append(s->said, i, buf_str(&words));
	buf_release(&words);
}

/* ---- whole messages ---- */

static void add_answer(struct screen *s, const struct talk_message *m)
{
	for (size_t k = 0; k < n_said(m); k++) {
		size_t item = item_begin(s, m, k, m->id, -1);

		item_grow(s, &m->parts[k], item, buf_str(&m->parts[k].text));
		item_end(s, m, k, item);
	}
	add_end(s, m);
}

size_t screen_card(const struct screen *s, const struct talk_message *m, struct str ref)
{
	const struct talk_part *call = talk_message_call(m, ref);
	size_t after = 0;

	if (!call)
		return TRANSCRIPT_NONE;
	for (const struct talk_part *p = call + 1; p < m->parts + m->n_parts; p++)
		after += p->kind == HISTORY_CALL;
	for (size_t i = transcript_n(s->said); i-- > 0;)
		if (transcript_id(s->said, i) == m->id &&
		    transcript_kind(s->said, i) == ITEM_TOOL && after-- == 0)
			return i;
	return TRANSCRIPT_NONE;
}

/* That of the answer before it. */
static size_t card_of(const struct screen *s, const struct talk_message *result, struct str ref)
{
	const struct talk_message *m = talk_message_answer(result);

	return m ? screen_card(s, m, ref) : TRANSCRIPT_NONE;
}

/* What the tool said, and what it changed. */
static void show_result(struct screen *s, const struct talk_part *p, size_t item)
{
	struct str text = buf_str(&p->text);

	transcript_set_text(s->said, item, text);
	if (!p->diff.len)
		return;
	if (text.n && text.p[text.n - 1] != '\n')
		transcript_append(s->said, item, STR_LIT("\n"));
	transcript_append(s->said, item, buf_str(&p->diff));
}

static void add_results(struct screen *s, const struct talk_message *m)
{
	for (size_t k = 0; k < m->n_parts; k++) {
		const struct talk_part *p = &m->parts[k];
		size_t i = card_of(s, m, buf_str(&p->ref));

		if (i == TRANSCRIPT_NONE) {
			i = transcript_add(s->said, ITEM_TOOL, m->id, -1);
			if (i == TRANSCRIPT_NONE)
				continue;
			transcript_set_call(s->said, i, buf_str(&p->name), (struct str){0});
		}
		show_result(s, p, i);
		transcript_finish(s->said, i, p->error ? ITEM_FAILED : ITEM_DONE, p->took_ms,
				  p->exit, -1);
	}
}

/* As the model reads it. */
static void add_said(struct screen *s, const struct talk_message *m, enum item_kind kind)
{
	size_t i = transcript_add(s->said, kind, m->id, -1);
	struct buf text = {0};

	question_add_text(m, &text);
	if (i != TRANSCRIPT_NONE)
		transcript_append(s->said, i, buf_str(&text));
	buf_release(&text);
}

void screen_add_message(struct screen *s, const struct talk_message *m)
{
	if (m->role == CHAT_ASSISTANT) {
		add_answer(s, m);
		return;
	}
	if (m->role == CHAT_TOOL) {
		add_results(s, m);
		return;
	}
	add_said(s, m, m->role == CHAT_USER ? ITEM_USER : ITEM_SYSTEM);
}

void screen_add_queued(struct screen *s, const struct queued *q)
{
	struct buf text = {0};

	question_add_text(q->question, &text);
	transcript_add_waiting(s->said, buf_str(&text));
	buf_release(&text);
	screen_tell_queue(s);
}

/* ---- an answer that comes ---- */

/* Makes room for the items of n parts.  Without memory the parts beyond are not shown live. */
static bool live_reserve(struct live *l, size_t n)
{
	size_t *items;

	if (n <= l->cap)
		return true;
	items = realloc(l->items, 2 * n * sizeof(*items));
	if (!items)
		return false;
	l->items = items;
	l->cap = 2 * n;
	return true;
}

static bool live_begin(struct screen *s, const struct talk_message *m, size_t k)
{
	struct live *l = &s->live;

	if (k < l->n)
		return true;
	if (k > l->n || !live_reserve(l, k + 1))
		return false;
	/* The part before is over. */
	if (k)
		item_end(s, m, k - 1, l->items[k - 1]);
	l->items[l->n++] = item_begin(s, m, k, 0, clock_ms());
	return true;
}

void screen_live_part(struct screen *s, size_t k, struct str more)
{
	const struct talk_message *m = s->turn.answer;

	if (k >= n_said(m) || !live_begin(s, m, k))
		return;
	s->live.written = 0;
	item_grow(s, &m->parts[k], s->live.items[k], more);
	if (m->parts[k].kind == HISTORY_CALL && m->parts[k].call != CALL_OPEN)
		item_end(s, m, k, s->live.items[k]);
}

void screen_live_writing(struct screen *s, size_t k, struct str more)
{
	const struct talk_message *m = s->turn.answer;
	struct buf text = {0};

	if (k >= n_said(m) || !live_begin(s, m, k) || s->live.items[k] == TRANSCRIPT_NONE)
		return;
	for (size_t i = 0; i < more.n; i++)
		s->live.written += more.p[i] == '\n';
	/* What is short is there at once. */
	if (!s->live.written)
		return;
	buf_addf(&text, "writing, %zu lines …", s->live.written + 1);
	transcript_set_text(s->said, s->live.items[k], buf_str(&text));
	buf_release(&text);
}

void screen_live_again(struct screen *s)
{
	const struct talk_message *m = s->turn.answer;

	s->live.n = 0;
	for (size_t k = 0; k < n_said(m); k++)
		screen_live_part(s, k, buf_str(&m->parts[k].text));
}

void screen_live_end(struct screen *s, const struct talk_message *m)
{
	struct live *l = &s->live;

	for (size_t k = 0; k < l->n; k++) {
		if (l->items[k] == TRANSCRIPT_NONE)
			continue;
		if (m->parts[k].kind != HISTORY_NOTICE)
			transcript_set_id(s->said, l->items[k], m->id);
		item_end(s, m, k, l->items[k]);
		/* It has yet to run. */
		if (screen_acts(s) && !m->unfinished && m->parts[k].kind == HISTORY_CALL)
			transcript_finish(s->said, l->items[k], ITEM_OPEN, -1, -1, -1);
	}
	l->n = 0;
	add_end(s, m);
}

void screen_live_release(struct screen *s)
{
	free(s->live.items);
	s->live = (struct live){0};
}
