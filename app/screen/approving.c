/* What tools do unasked: the modes, and plan mode, which is left with a question. */
#include "app/screen/private.h"

enum { PLAN_STAY, PLAN_GO_ASK, PLAN_GO_EDITS, PLAN_LEAVE };

/* Nothing is said of the usual one. */
void screen_show_mode(struct screen *s)
{
	static const char *const words[] = {[AGENT_ASK] = NULL,
					    [AGENT_EDITS] = "edits unasked",
					    [AGENT_AUTO] = "all unasked",
					    [AGENT_NEVER] = "only reads",
					    [AGENT_PLAN] = "plan"};

	s->status.mode = s->acts.agent ? words[agent_mode(s->acts.agent)] : NULL;
}

static void set_mode(struct screen *s, enum agent_mode mode)
{
	s->opt->approve = (int)mode;
	screen_apply_options(s);
	s->dirty = true;
}

static void set_and_say(struct screen *s, enum agent_mode mode)
{
	struct buf word = {0};

	set_mode(s, mode);
	option_get(s->opt, option_find("approve"), &word);
	tui_say(s->tui, STYLE_FAINT, "approve: %s", buf_z(&word));
	buf_release(&word);
}

static bool has_tools(struct screen *s)
{
	if (!s->acts.agent)
		tui_say(s->tui, STYLE_NOTICE, "this session offers no tools (--tools)");
	return s->acts.agent != NULL;
}

static void ask_plan(struct screen *s)
{
	tui_ask(s->tui, TUI_ASK_PLAN, "Go ahead with this plan?");
	tui_add_choice(s->tui, STR_LIT("go ahead; I am asked about each change"),
		       (struct str){0}, PLAN_GO_ASK);
	tui_add_choice(s->tui, STR_LIT("go ahead; files are changed unasked"), (struct str){0},
		       PLAN_GO_EDITS);
	tui_add_choice(s->tui, STR_LIT("leave plan mode, and say what else"), (struct str){0},
		       PLAN_LEAVE);
	tui_add_choice(s->tui, STR_LIT("stay"), (struct str){0}, PLAN_STAY);
	tui_asked(s->tui);
}

void screen_answer_plan(struct screen *s, int64_t choice)
{
	struct err err;

	if (choice == PLAN_STAY || !s->acts.agent || agent_mode(s->acts.agent) != AGENT_PLAN)
		return;
	set_mode(s, choice == PLAN_GO_EDITS ? AGENT_EDITS : AGENT_ASK);
	if (choice != PLAN_LEAVE && screen_send(s, STR_LIT(AGENT_GO_AHEAD), NULL, &err))
		tui_say(s->tui, STYLE_ERROR, "%s", err.text);
}

void screen_plan(struct screen *s)
{
	if (!has_tools(s))
		return;
	if (agent_mode(s->acts.agent) != AGENT_PLAN)
		set_and_say(s, AGENT_PLAN);
	else if (!screen_busy(s) && agent_has_plan(s->talk))
		ask_plan(s);
	else
		set_and_say(s, AGENT_ASK);
}

void screen_next_mode(struct screen *s)
{
	static const enum agent_mode next[] = {[AGENT_ASK] = AGENT_EDITS,
					       [AGENT_EDITS] = AGENT_AUTO,
					       [AGENT_AUTO] = AGENT_ASK,
					       [AGENT_NEVER] = AGENT_ASK};

	if (!has_tools(s))
		return;
	if (agent_mode(s->acts.agent) == AGENT_PLAN)
		screen_plan(s);
	else
		set_and_say(s, next[agent_mode(s->acts.agent)]);
}
