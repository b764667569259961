#include "app/screen/private.h"

#include <stdlib.h>

#include "app/inputs.h"
#include "engine/base/log.h"

/* Branches stay as they are while an answer to one of them is written. */
bool screen_is_writing(struct screen *s)
{
	if (s->turn == 0 || s->turn_talk != s->talk)
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

int screen_store(const struct screen *s, struct err *err)
{
	return s->talks.store != NULL
		       ? 0
		       : err_set(err, ERR_USAGE, "nothing is kept here: there is no history");
}

int screen_stored(struct screen *s, int64_t conversation, struct talk **out, struct err *err)
{
	struct history_list list = {0};
	int rc;

	*out = NULL;
	for (size_t i = 0; i < s->talks.n; i++)
		if (s->talks.v[i]->stored == conversation)
			*out = s->talks.v[i];
	if (*out != NULL)
		return 0;
	/* Another program made it meanwhile. */
	rc = history_get(s->talks.store, conversation, &list, err);
	if (rc == 0 && list.n == 0)
		rc = err_set(err, ERR_USAGE, "no such conversation");
	if (rc == 0)
		rc = talk_store_add(&s->talks, &list.items[0], out, err);
	history_list_release(&list);
	return rc;
}

void screen_open(struct screen *s, struct talk *t)
{
	struct err err;

	if (t == s->talk)
		return;
	if (talk_store_load(&s->talks, t, &err) < 0) {
		tui_say(s->tui, STYLE_ERROR, "%s", err.text);
		return;
	}
	screen_recall_queue(s);
	s->talk = t;
	screen_show_talk(s);
	transcript_follow(s->said);
	screen_show_list(s);
}

void screen_new(struct screen *s)
{
	struct err err;
	struct talk *t = NULL;

	/* One that nothing was said in serves again. */
	for (size_t i = 0; i < s->talks.n; i++)
		if (s->talks.v[i]->first == NULL && !s->talks.v[i]->unread &&
		    (s->turn == 0 || s->turn_talk != s->talks.v[i]))
			t = s->talks.v[i];
	if (t == NULL && talks_add(&s->talks, &t, &err) < 0) {
		tui_say(s->tui, STYLE_ERROR, "%s", err.text);
		return;
	}
	screen_open(s, t);
}

void screen_fork(struct screen *s, const struct talk_message *at)
{
	struct err err;
	struct talk *t;

	if (talks_fork(&s->talks, s->talk, at, &t, &err) < 0) {
		tui_say(s->tui, STYLE_ERROR, "%s", err.text);
		return;
	}
	screen_tell_store(s, talk_store_fork(&s->talks, t, s->talk, at, &err), &err);
	screen_open(s, t);
	tui_say(s->tui, STYLE_FAINT, "a conversation of its own, from here on");
}

void screen_regenerate(struct screen *s, struct talk_message *m)
{
	if (screen_is_writing(s))
		return;
	/* An answer is made again after what it answers. */
	if (m->role == CHAT_ASSISTANT)
		m = m->parent;
	if (m == NULL || m->role != CHAT_USER) {
		tui_say(s->tui, STYLE_NOTICE, "there is no question before this");
		return;
	}
	talk_rewind(s->talk, m);
	screen_show_talk(s);
	screen_answer(s);
}

void screen_rename(struct screen *s, struct talk *t, struct str title)
{
	struct err err;

	buf_reset(&t->title);
	buf_adds(&t->title, title);
	t->title_from = HISTORY_TITLE_USER;
	screen_tell_store(s, talk_store_rename(&s->talks, t, &err), &err);
	screen_show_list(s);
}

bool screen_hear_title(struct screen *s, const struct event *ev)
{
	struct talk *t = s->title_talk;
	struct buf title = {0};
	struct err err;

	if (!title_event(&s->title, s->engine, ev, &title))
		return false;
	if (title.len > 0 && t->title_from == HISTORY_TITLE_PROMPT) {
		buf_reset(&t->title);
		buf_adds(&t->title, buf_str(&title));
		t->title_from = HISTORY_TITLE_MODEL;
		if (talk_store_rename(&s->talks, t, &err) < 0)
			log_add(LOG_WARN, "title: %s", err.text);
		screen_show_list(s);
		s->dirty = true;
	}
	buf_release(&title);
	return true;
}

/* ---- removal ---- */

bool screen_remove(struct screen *s, struct talk *t)
{
	struct err err;

	if (s->turn != 0 && s->turn_talk == t) {
		tui_say(s->tui, STYLE_NOTICE, "an answer is being written there: Esc stops it");
		return false;
	}
	if (t->first == NULL && !t->unread) {
		tui_say(s->tui, STYLE_FAINT, "nothing was said in it yet");
		return false;
	}
	/* Only the last one removed can come back. */
	screen_tell_store(s, screen_forget(s, &err), &err);
	talks_remove(&s->talks, t);
	if (t == s->talk) {
		s->talk = NULL;
		screen_new(s);
	}
	screen_show_list(s);
	return true;
}

int screen_forget(struct screen *s, struct err *err)
{
	struct talk *t = s->talks.removed;
	struct inputs typed = {0};
	int rc = 0;

	if (t == NULL)
		return 0;
	if (s->talks.store != NULL && t->stored != 0)
		rc = inputs_gather(&typed, s->talks.store, t->stored, err);
	if (rc == 0)
		rc = talk_store_remove(&s->talks, t, err);
	if (rc == 0 && s->config->inputs_path != NULL)
		rc = inputs_forget(&typed, s->config->inputs_path, err);
	inputs_release(&typed);
	if (rc == 0) {
		talks_drop_removed(&s->talks);
	} else if (talks_unremove(&s->talks)) {
		/* It is still there, and shown. */
		screen_show_list(s);
	}
	return rc;
}
