/* Conversations: what was said in the one that is shown, and the list of all. */
#include "app/screen/private.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/clock.h"

/* Says of each message that has siblings where it stands among them: on its last item. */
void screen_show_siblings(struct screen *s)
{
	const struct talk_message *m = NULL;

	for (size_t i = transcript_n(s->said); i-- > 0;) {
		int64_t id = transcript_id(s->said, i);
		int place, n;

		if (!id || (m && m->id == id))
			continue;
		m = m && m->parent && m->parent->id == id ? m->parent : talk_find(s->talk, id);
		if (!m)
			continue;
		place = talk_place(s->talk, m, &n);
		transcript_set_siblings(s->said, i, place, n);
	}
}

static void add_queue(struct screen *s)
{
	for (const struct queued *q = s->queue; q; q = q->next)
		screen_add_queued(s, q);
}

void screen_show_talk(struct screen *s)
{
	size_t n = talk_path(s->talk, NULL, 0);
	const struct talk_message **path = malloc((n > 0 ? n : 1) * sizeof(*path));

	if (!path) {
		tui_say(s->tui, STYLE_ERROR, "out of memory: the conversation can't be shown");
		return;
	}
	agent_find_diffs(s->talks, s->talk);
	transcript_renew(s->said);
	s->live.n = 0;
	talk_path(s->talk, path, n);
	for (size_t i = 0; i < n; i++)
		screen_add_message(s, path[i]);
	/* An answer that is still coming, to a conversation that is shown again. */
	if (turn_runs(&s->turn) && s->turn.talk == s->talk)
		screen_live_again(s);
	screen_show_siblings(s);
	if (!screen_busy_in(s, s->talk))
		screen_add_stop(s);
	screen_show_acts(s);
	add_queue(s);
	transcript_renewed(s->said);
	/* Results of tools are not counted before the model has read them. */
	while (n > 1 && path[n - 1]->role == CHAT_TOOL)
		n--;
	s->status.context_used = n > 0 ? path[n - 1]->context_tokens : 0;
	free(path);
	s->dirty = true;
}

void screen_when(int64_t then_ms, int64_t now_ms, char out[32])
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
	struct convlist_row *rows = calloc(s->talks->n > 0 ? s->talks->n : 1, sizeof(*rows));
	char(*times)[32] = calloc(s->talks->n > 0 ? s->talks->n : 1, sizeof(*times));

	talks_sort(s->talks);
	for (size_t i = 0; rows && times && i < s->talks->n; i++) {
		const struct talk *t = s->talks->v[i];

		if (!t->first && !t->unread && t != s->talk)
			continue;
		screen_when(t->updated_ms > 0 ? t->updated_ms : now, now, times[n]);
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
	if (rows && times)
		tui_set_conversations(s->tui, rows, n);
	free(rows);
	free(times);
	s->dirty = true;
}
