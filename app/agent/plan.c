/* Plan mode: what the model is told of it, as notes of questions, so that what it read stays. */
#include "app/agent/machine.h"

#include "app/talk/question.h"

#define PLAN_BEGINS                                                                            \
	"[plan mode: only what reads runs, nothing is changed. Look at what you need, then "   \
	"say "                                                                                 \
	"step by step what you would do, and stop.]"
#define PLAN_ENDS "[plan mode is over: what you do is done.]"

/* What the last word on it was, from m up. */
static bool plans_at(const struct talk_message *m)
{
	for (; m; m = m->parent) {
		if (m->role != CHAT_USER)
			continue;
		/* One that was edited may have both: the end came last. */
		if (question_notes(m, STR_LIT(PLAN_ENDS)))
			return false;
		if (question_notes(m, STR_LIT(PLAN_BEGINS)))
			return true;
	}
	return false;
}

int agent_tell_plan(const struct agent *a, const struct talk *t, struct talk_message *question,
		    struct err *err)
{
	bool wanted, plans;

	if (!a)
		return 0;
	wanted = a->config.mode == AGENT_PLAN;
	plans = question_notes(question, STR_LIT(PLAN_BEGINS)) || plans_at(t->leaf);
	if (question_notes(question, STR_LIT(PLAN_ENDS)))
		plans = false;
	if (plans == wanted)
		return 0;
	return question_add_note(question, wanted ? STR_LIT(PLAN_BEGINS) : STR_LIT(PLAN_ENDS),
				 err);
}

bool agent_has_plan(const struct talk *t)
{
	return t->leaf && t->leaf->role == CHAT_ASSISTANT && !t->leaf->unfinished &&
	       plans_at(t->leaf);
}
