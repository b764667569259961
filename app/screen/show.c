#include "app/screen/private.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/clock.h"

/* Adds what a message of the tree shows. */
void screen_add_message(struct screen *s, const struct talk_message *m)
{
	struct transcript *tr = s->said;
	enum item_state state = m->unfinished ? ITEM_STOPPED : ITEM_DONE;
	static const enum item_kind kinds[] = {
		[CHAT_SYSTEM] = ITEM_SYSTEM,   [CHAT_USER] = ITEM_USER,
		[CHAT_TOOL] = ITEM_TOOL,       [CHAT_DEVELOPER] = ITEM_SYSTEM,
		[CHAT_REMINDER] = ITEM_SYSTEM,
	};
	size_t i;

	if (m->role != CHAT_ASSISTANT) {
		i = transcript_add(tr, kinds[m->role], m->id, -1);
		if (i != TRANSCRIPT_NONE)
			transcript_append(tr, i, buf_str(&m->text));
		return;
	}
	if (m->thinking.len > 0 && !s->opt->hide_thinking) {
		i = transcript_add(tr, ITEM_THINKING, m->id, -1);
		if (i != TRANSCRIPT_NONE) {
			transcript_append(tr, i, buf_str(&m->thinking));
			transcript_finish(tr, i, ITEM_DONE, m->thinking_ms, m->thinking_tokens,
					  -1);
		}
	}
	for (size_t k = 0; k < m->n_calls; k++) {
		const struct talk_call *c = &m->calls[k];
		const struct str none = {0};

		i = transcript_add(tr, ITEM_TOOL, m->id, -1);
		if (i == TRANSCRIPT_NONE)
			continue;
		transcript_set_call(tr, i, buf_str(&c->name),
				    c->bad ? none : buf_str(&c->arguments));
		if (c->bad)
			transcript_append(tr, i, buf_str(&c->arguments));
		transcript_finish(tr, i, c->bad ? ITEM_FAILED : ITEM_DONE, -1, -1, -1);
	}
	if (m->text.len > 0 || (m->n_calls == 0 && m->unfinished) || m->thinking.len == 0) {
		i = transcript_add(tr, ITEM_ANSWER, m->id, -1);
		if (i != TRANSCRIPT_NONE) {
			transcript_append(tr, i, buf_str(&m->text));
			transcript_finish(tr, i, state, -1, -1, -1);
		}
	}
}

/* Says of each message that has siblings where it stands among them: on its last item. */
void screen_show_siblings(struct screen *s)
{
	const struct talk_message *m = NULL;

	for (size_t i = transcript_n(s->said); i-- > 0;) {
		int64_t id = transcript_id(s->said, i);
		int place, n;

		if (id == 0 || (m != NULL && m->id == id))
			continue;
		m = m != NULL && m->parent != NULL && m->parent->id == id
			    ? m->parent
			    : talk_find(s->talk, id);
		if (m == NULL)
			continue;
		place = talk_place(s->talk, m, &n);
		transcript_set_siblings(s->said, i, place, n);
	}
}

void screen_show_talk(struct screen *s)
{
	size_t n = talk_path(s->talk, NULL, 0);
	const struct talk_message **path = malloc((n > 0 ? n : 1) * sizeof(*path));
	size_t i;

	transcript_clear(s->said);
	s->thinking_item = s->answer_item = TRANSCRIPT_NONE;
	s->n_call_items = 0;
	if (path == NULL) {
		tui_say(s->tui, STYLE_ERROR, "out of memory: the conversation can't be shown");
		return;
	}
	talk_path(s->talk, path, n);
	for (i = 0; i < n; i++)
		screen_add_message(s, path[i]);
	/* An answer that is still coming, to a conversation that is shown again. */
	if (s->turn != 0 && s->turn_talk == s->talk && s->answer != NULL) {
		int64_t now = clock_ms();

		if (s->answer->thinking.len > 0 && !s->opt->hide_thinking) {
			s->thinking_item = transcript_add(s->said, ITEM_THINKING, 0, now);
			if (s->thinking_item != TRANSCRIPT_NONE)
				transcript_append(s->said, s->thinking_item,
						  buf_str(&s->answer->thinking));
			if (s->thinking_item != TRANSCRIPT_NONE && s->thinking_over)
				transcript_finish(s->said, s->thinking_item, ITEM_DONE,
						  s->answer->thinking_ms, -1, now);
		}
		if (s->answer->text.len > 0) {
			s->answer_item = transcript_add(s->said, ITEM_ANSWER, 0, now);
			if (s->answer_item != TRANSCRIPT_NONE)
				transcript_append(s->said, s->answer_item,
						  buf_str(&s->answer->text));
		}
	}
	for (const struct queued *q = s->queue; q != NULL; q = q->next) {
		i = transcript_add(s->said, ITEM_USER, 0, -1);
		if (i == TRANSCRIPT_NONE)
			break;
		transcript_append(s->said, i, buf_str(&q->text));
		transcript_finish(s->said, i, ITEM_QUEUED, -1, -1, -1);
	}
	screen_show_siblings(s);
	s->status.context_used = n > 0 ? path[n - 1]->context_tokens : 0;
	free(path);
	s->dirty = true;
}

static void when(int64_t then_ms, int64_t now_ms, char out[32])
{
	int64_t s = (now_ms - then_ms) / 1000;
	time_t t = (time_t)(then_ms / 1000);
	struct tm tm;

	memcpy(out, "now", 4);
	if (s >= 60 && localtime_r(&t, &tm) != NULL)
		strftime(out, 32, s < 86400 ? "%H:%M" : s < 6 * 86400 ? "%a" : "%Y-%m-%d", &tm);
}

void screen_show_list(struct screen *s)
{
	int64_t now = clock_wall_ms();
	size_t n = 0;
	struct convlist_row *rows = calloc(s->talks.n > 0 ? s->talks.n : 1, sizeof(*rows));
	char(*times)[32] = calloc(s->talks.n > 0 ? s->talks.n : 1, sizeof(*times));

	talks_sort(&s->talks);
	for (size_t i = 0; rows != NULL && times != NULL && i < s->talks.n; i++) {
		const struct talk *t = s->talks.v[i];

		if (t->first == NULL && !t->unread && t != s->talk)
			continue;
		when(t->updated_ms > 0 ? t->updated_ms : now, now, times[n]);
		rows[n] = (struct convlist_row){
			.id = t->id,
			.title = buf_str(&t->title),
			.when = str_of(times[n]),
			.pinned = t->pinned,
			.archived = t->archived,
			.current = t == s->talk,
		};
		n++;
	}
	if (rows != NULL && times != NULL)
		tui_set_conversations(s->tui, rows, n);
	free(rows);
	free(times);
	s->dirty = true;
}
