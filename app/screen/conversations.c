/* Which conversation is shown, its name, its removal. */
#include "app/screen/private.h"

/* Calls that are gone on with have had no turn yet. */
bool screen_busy_in(const struct screen *s, const struct talk *t)
{
	return screen_busy(s) && t == (screen_acts(s) ? s->acts.talk : s->turn.talk);
}

/* Branches stay as they are while an answer to one of them is written. */
bool screen_is_writing(struct screen *s)
{
	if (!screen_busy_in(s, s->talk))
		return false;
	tui_say(s->tui, STYLE_NOTICE, "an answer is being written: Esc stops it");
	return true;
}

/* Changes that the store refused stay on the screen, and are told. */
void screen_tell_store(struct screen *s, int rc, const struct err *err)
{
	if (rc < 0)
		tui_say(s->tui, STYLE_ERROR, "not kept: %s", err->text);
}

/* ---- which is shown ---- */

void screen_open(struct screen *s, struct talk *t)
{
	struct err err;

	if (t == s->talk)
		return;
	if (talk_store_load(s->talks, t, &err) < 0) {
		tui_say(s->tui, STYLE_ERROR, "%s", err.text);
		return;
	}
	screen_recall_queue(s);
	s->talk = t;
	screen_settle_edits(s);
	s->status.from_disk = 0;
	transcript_clear(s->said);
	screen_show_talk(s);
	screen_show_list(s);
}

bool screen_catch_up(struct screen *s)
{
	struct err ignored;
	bool news;

	/* Where the store can't be read now, it is tried with the next question. */
	return !talk_store_catch_up(s->talks, s->talk, &news, &ignored) && news;
}

void screen_tell_news(struct screen *s)
{
	size_t i = transcript_add(s->said, ITEM_NOTICE, 0, -1);

	if (i != TRANSCRIPT_NONE)
		transcript_append(s->said, i,
				  STR_LIT("Another window has gone on with this conversation: what "
					  "was said there is a branch beside this one, and [ and ] "
					  "in the transcript go to it."));
}

void screen_new(struct screen *s)
{
	struct err err;
	struct talk *t = NULL;

	/* One that nothing was said in serves again. */
	for (size_t i = 0; i < s->talks->n; i++)
		if (!s->talks->v[i]->first && !s->talks->v[i]->unread &&
		    !screen_busy_in(s, s->talks->v[i]))
			t = s->talks->v[i];
	if (!t && talks_add(s->talks, &t, &err) < 0) {
		tui_say(s->tui, STYLE_ERROR, "%s", err.text);
		return;
	}
	screen_open(s, t);
}

void screen_open_branch(struct screen *s, struct talk *t)
{
	screen_open(s, t);
	tui_say(s->tui, STYLE_FAINT, "a conversation of its own, from here on");
}

void screen_fork(struct screen *s, struct talk_message *at)
{
	struct talk *t = NULL;
	struct err err;
	int rc = talks_branch(s->talks, s->talk, at, &t, &err);

	if (t)
		screen_open_branch(s, t);
	screen_tell_store(s, rc, &err);
}

void screen_regenerate(struct screen *s, struct talk_message *m)
{
	if (screen_is_writing(s))
		return;
	/* An answer is made again after what it answers. */
	if (m->role == CHAT_ASSISTANT)
		m = m->parent;
	if (!m || (m->role != CHAT_USER && m->role != CHAT_TOOL)) {
		tui_say(s->tui, STYLE_NOTICE, "there is no question before this");
		return;
	}
	talk_try_from(s->talk, m);
	screen_answer(s);
}

void screen_rename(struct screen *s, struct talk *t, struct str title)
{
	struct err err;

	buf_reset(&t->title);
	history_clean_title(&t->title, title, HISTORY_TITLE_CHARS);
	t->title_from = HISTORY_TITLE_USER;
	screen_tell_store(s, talk_store_rename(s->talks, t, &err), &err);
	screen_show_list(s);
}

/* ---- removal ---- */

static bool put_away(struct screen *s, struct talk *t)
{
	struct err err;

	if (screen_busy_in(s, t)) {
		tui_say(s->tui, STYLE_NOTICE, "an answer is being written there: Esc stops it");
		return false;
	}
	if (!t->first && !t->unread) {
		tui_say(s->tui, STYLE_FAINT, "nothing was said in it yet");
		return false;
	}
	/* Only the last one removed can come back. */
	screen_tell_store(s, screen_forget(s, &err), &err);
	talks_remove(s->talks, t);
	if (t == s->talk) {
		screen_recall_queue(s);
		s->talk = NULL;
		screen_new(s);
	}
	screen_show_list(s);
	return true;
}

void screen_delete(struct screen *s, struct talk *t)
{
	if (put_away(s, t))
		tui_say(s->tui, STYLE_NOTICE,
			"deleted; Alt-U among the conversations takes it back");
}

int screen_forget(struct screen *s, struct err *err)
{
	struct talk *t = s->talks->removed;
	int rc;

	if (!t)
		return 0;
	rc = talk_store_remove(s->talks, t, s->turn.engine, s->config->inputs_path != NULL,
			       s->config->inputs_path, err);
	if (!rc) {
		talks_drop_removed(s->talks);
		screen_tidy_later(s);
	} else if (talks_unremove(s->talks)) {
		/* It is still there, and shown. */
		screen_show_list(s);
	}
	return rc;
}
