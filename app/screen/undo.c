/* File edits taken back and made again: what would be done stands in the transcript, and is
 * asked about in a box. */
#include "app/agent/undo.h"
#include "app/screen/private.h"

enum { LEAVE, DO };

static void show_list(struct screen *s)
{
	struct buf text = {0};

	undo_add_text(s->acts.undo, &text);
	if (text.len)
		screen_notice(s, (struct str){text.data, text.len - 1});
	buf_release(&text);
}

static void ask(struct screen *s, bool again)
{
	size_t n = undo_count(s->acts.undo);
	struct buf title = {0};

	buf_addf(&title,
		 again ? "Make the edits of %zu file%s again?"
		       : "Take back the edits of %zu file%s?",
		 n, n == 1 ? "" : "s");
	tui_ask(s->tui, TUI_ASK_UNDO, buf_z(&title));
	/* Who types y or n, as at a call, means it. */
	tui_add_choice(s->tui,
		       again ? STR_LIT("yes, make them again") : STR_LIT("yes, take them back"),
		       (struct str){0}, DO);
	tui_add_choice(s->tui, STR_LIT("no, leave the files as they are"), (struct str){0}, LEAVE);
	tui_asked(s->tui);
	buf_release(&title);
}

/* What was found stands there, and is asked about. */
static int offer(struct screen *s, bool again, int rc)
{
	if (rc)
		return rc;
	show_list(s);
	if (undo_count(s->acts.undo))
		ask(s, again);
	else
		tui_say(s->tui, STYLE_NOTICE, "no file is changed");
	return 0;
}

int screen_undo(struct screen *s, bool again, size_t turns, struct err *err)
{
	screen_drop_undo(s);
	return offer(s, again,
		     undo_look(&s->acts.undo, s->acts.agent, s->talks, s->talk,
			       again ? UNDO_AGAIN : UNDO_BACK, turns, err));
}

int screen_undo_call(struct screen *s, const struct talk_message *m, int call, struct err *err)
{
	const struct talk_part *p = NULL;

	screen_drop_undo(s);
	for (size_t i = 0; i < m->n_parts && call >= 0; i++)
		if (m->parts[i].kind == HISTORY_CALL && call-- == 0)
			p = &m->parts[i];
	if (!p)
		return err_set(err, ERR_USAGE, "no call of a tool here");
	return offer(s, false,
		     undo_look_call(&s->acts.undo, s->acts.agent, s->talks, s->talk, m,
				    buf_str(&p->ref), err));
}

void screen_answer_undo(struct screen *s, int64_t choice)
{
	struct err err;

	if (choice == DO && s->acts.undo) {
		if (undo_do(s->acts.undo, &err))
			screen_error(s, err.text);
		show_list(s);
	} else {
		tui_say(s->tui, STYLE_NOTICE, "no file is changed");
	}
	screen_drop_undo(s);
}

void screen_drop_undo(struct screen *s)
{
	undo_free(s->acts.undo);
	s->acts.undo = NULL;
}

void screen_settle_edits(struct screen *s)
{
	undo_settle(s->acts.agent, s->talks, s->talk);
}
