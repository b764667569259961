/* What is asked in a box of choices: which conversation, and whether "exit" ends the program.
 */
#include "app/screen/private.h"

#include "engine/base/clock.h"

/* ---- --resume without an id ---- */

void screen_ask_resume(struct screen *s)
{
	int64_t now = clock_wall_ms();
	size_t n = 0;

	tui_ask(s->tui, TUI_ASK_RESUME, "Go on with which conversation?");
	talks_sort(s->talks);
	for (size_t i = 0; i < s->talks->n; i++) {
		const struct talk *t = s->talks->v[i];
		char when[32];

		if (!t->stored || t->archived)
			continue;
		screen_when(t->updated_ms > 0 ? t->updated_ms : now, now, when);
		tui_add_choice(s->tui, buf_str(&t->title), str_of(when), t->id);
		n++;
	}
	tui_asked(s->tui);
	if (n == 0)
		tui_say(s->tui, STYLE_NOTICE, "there is no conversation to go on with yet");
}

static void resume(struct screen *s, int64_t id)
{
	struct talk *chosen = talks_find(s->talks, id), *t = chosen;
	struct err err;
	int rc;

	if (!t)
		return;
	rc = talks_take_up(s->talks, s->opt, &t, &err);
	if (t != chosen) {
		screen_open_branch(s, t);
		screen_tell_store(s, rc, &err);
	} else if (rc) {
		tui_say(s->tui, STYLE_ERROR, "%s", err.text);
	} else {
		screen_open(s, t);
	}
}

/* ---- "exit" alone ---- */

enum { QUIT_NO, QUIT_YES };

void screen_ask_quit(struct screen *s, struct str text)
{
	struct buf title = {0};

	tui_edit(s->tui, 0, text);
	buf_addf(&title, "\"%.*s\" is no command", (int)(text.n < 20 ? text.n : 20), text.p);
	tui_ask(s->tui, TUI_ASK_QUIT, buf_z(&title));
	tui_add_choice(s->tui, STR_LIT("end the program"), STR_LIT("/exit"), QUIT_YES);
	tui_add_choice(s->tui, STR_LIT("send it to the model"), (struct str){0}, QUIT_NO);
	tui_asked(s->tui);
	buf_release(&title);
}

static void answer_quit(struct screen *s, int64_t choice)
{
	struct buf text = {0};
	struct err err;

	buf_adds(&text, tui_draft(s->tui));
	tui_edit(s->tui, 0, (struct str){0});
	if (choice == QUIT_YES)
		s->quit = true;
	else if (screen_send(s, buf_str(&text), NULL, &err))
		tui_say(s->tui, STYLE_ERROR, "%s", err.text);
	else
		screen_keep_input(s, buf_str(&text));
	buf_release(&text);
}

void screen_chosen(struct screen *s, const struct tui_intent *in)
{
	switch ((enum tui_question)in->step) {
	case TUI_ASK_RESUME:
		resume(s, in->id);
		break;
	case TUI_ASK_QUIT:
		answer_quit(s, in->id);
		break;
	case TUI_ASK_PLAN:
		screen_answer_plan(s, in->id);
		break;
	case TUI_ASK_UNDO:
		screen_answer_undo(s, in->id);
		break;
	}
}
