/* An agent session on the screen: what the agent asks for, and what is shown of it. */
#include "app/agent/undo.h"
#include "app/screen/private.h"

#include <stdlib.h>

#include "engine/base/clock.h"

bool screen_acts_here(const struct screen *s)
{
	return s->acts.talk == s->talk;
}

/* ---- what the agent asks for ---- */

static int ask_model(void *ctx, bool again, struct err *err)
{
	struct screen *s = ctx;
	int rc;

	title_cancel(&s->title, s->engine);
	rc = again ? turn_begin_again(&s->turn, s->acts.talk, err)
		   : turn_begin(&s->turn, s->acts.talk, NULL, err);
	if (!rc)
		screen_turn_begun(s);
	if (again && screen_acts_here(s))
		screen_show_talk(s);
	return rc;
}

static void stop_model(void *ctx)
{
	turn_stop(&((struct screen *)ctx)->turn);
}

/* What is sent while tools run follows their results; while the model answers nobody knows yet. */
void screen_tell_queue(struct screen *s)
{
	bool joins = screen_acts(s) && !turn_runs(&s->turn) && screen_acts_here(s);

	for (size_t i = transcript_n(s->said); i-- > 0;) {
		if (transcript_state(s->said, i) != ITEM_QUEUED)
			return;
		transcript_set_why(s->said, i, joins ? "joins after this round" : NULL);
	}
}

static void end_call(void *ctx)
{
	turn_end_call(&((struct screen *)ctx)->turn);
}

/* The answer whose calls run, or ran last. */
static const struct talk_message *answer_of(const struct screen *s)
{
	return talk_message_answer(s->acts.talk->leaf);
}

/* As of a card whose tool has yet to run, or runs. */
static void open_cards(struct screen *s)
{
	const struct talk_message *m = answer_of(s);

	for (size_t k = 0; m && k < m->n_parts; k++) {
		const struct talk_part *p = &m->parts[k];
		size_t i;

		if (p->kind != HISTORY_CALL ||
		    talk_message_has_result(s->talk->leaf, buf_str(&p->ref)))
			continue;
		i = screen_card(s, m, buf_str(&p->ref));
		if (i != TRANSCRIPT_NONE)
			transcript_finish(s->said, i, ITEM_OPEN, -1, -1, -1);
	}
}

void screen_show_acts(struct screen *s)
{
	if (!screen_acts(s) || turn_runs(&s->turn) || !screen_acts_here(s))
		return;
	open_cards(s);
	if (screen_asks(s))
		screen_show_asked(s);
}

static void show_running(struct screen *s, const struct agent_news *n)
{
	const struct talk_message *m = screen_acts_here(s) ? answer_of(s) : NULL;
	size_t i = m ? screen_card(s, m, n->ref) : TRANSCRIPT_NONE;

	if (i == TRANSCRIPT_NONE)
		return;
	if (n->kind == AGENT_STARTS) {
		transcript_finish(s->said, i, ITEM_OPEN, -1, -1, -1);
		screen_tell_queue(s);
	} else {
		transcript_append(s->said, i, n->text);
	}
}

static void show(void *ctx, const struct agent_news *n)
{
	struct screen *s = ctx;

	s->dirty = true;
	switch (n->kind) {
	case AGENT_STARTS:
	case AGENT_PRINTS:
		show_running(s, n);
		break;
	case AGENT_RESULT:
		/* It is the leaf: it was kept. */
		if (screen_acts_here(s))
			screen_add_message(s, s->talk->leaf);
		break;
	case AGENT_ROUND:
		break;
	case AGENT_NOTICE:
		if (!screen_acts(s)) {
			buf_adds(&s->acts.notices, n->text);
			buf_addc(&s->acts.notices, '\n');
		} else if (screen_acts_here(s)) {
			screen_add_notice(s, n->text);
		}
		break;
	}
}

static int keep(void *ctx, const struct talk_result *r, struct err *err)
{
	struct screen *s = ctx;

	return talk_store_say_result(s->talks, s->acts.talk, r, err);
}

static int begin_call(void *ctx, const struct talk_call *c, struct err *err)
{
	struct screen *s = ctx;

	return talk_store_begin_call(s->talks, s->acts.talk, c, err);
}

static const char *outputs(void *ctx)
{
	struct screen *s = ctx;

	return talk_store_uid(s->talks, s->acts.talk);
}

static int find_call(void *ctx, const struct talk_message *answer, struct str ref,
		     enum history_call_begun *begun, struct err *err)
{
	struct screen *s = ctx;

	return talk_store_find_call(s->talks, answer, ref, begun, err);
}

/* What was sent meanwhile follows the results, before the model is asked again. */
static int join(void *ctx, struct err *err)
{
	struct screen *s = ctx;
	bool some = s->queue != NULL;
	int rc = 0;

	/* What waits belongs to the conversation that is shown, and an edition to its own
	 * place. */
	while (!rc && s->queue && !s->queue->instead && screen_acts_here(s)) {
		struct queued *q = s->queue;

		s->queue = q->next;
		s->status.queued--;
		talk_say(s->talk, q->question, clock_wall_ms());
		free(q);
		rc = talk_store_save(s->talks, s->talk, err);
	}
	if (some)
		screen_show_talk(s);
	return rc;
}

static int learn(void *ctx, struct str rules, struct err *err)
{
	return agent_keep_rules(((struct screen *)ctx)->acts.agent, rules, err);
}

static void ended(void *ctx, enum agent_end why, const struct err *err)
{
	struct screen *s = ctx;

	s->acts.asks = false;
	/* What the answer ended with stands there already. */
	if (err->code && why != AGENT_CUT && !s->acts.told && screen_acts_here(s))
		screen_error(s, err->text);
	else if (err->code && !screen_acts_here(s))
		tui_say(s->tui, STYLE_ERROR, "%s", err->text);
	if (!s->acts.leaving)
		screen_after_turn(s, why == AGENT_DONE);
}

static const struct agent_ops ops = {
	.ask_model = ask_model,
	.stop_model = stop_model,
	.end_call = end_call,
	.ask_user = screen_ask_user,
	.show = show,
	.keep = keep,
	.begin = begin_call,
	.find = find_call,
	.outputs = outputs,
	.join = join,
	.ended = ended,
	.learn = learn,
};

/* ---- life ---- */

int screen_open_tools(struct screen *s, struct err *err)
{
	const struct agent_config *config = s->config->agent;
	int rc = config ? agent_open(&s->acts.agent, config, &ops, s, err) : 0;

	screen_show_mode(s);
	return rc;
}

void screen_close_tools(struct screen *s)
{
	screen_drop_undo(s);
	agent_close(s->acts.agent);
	buf_release(&s->acts.asked);
	buf_release(&s->acts.suggest);
	buf_release(&s->acts.notices);
}

bool screen_acts(const struct screen *s)
{
	return s->acts.agent && agent_state(s->acts.agent) != AGENT_IDLE;
}

bool screen_busy(const struct screen *s)
{
	return turn_runs(&s->turn) || screen_acts(s);
}

bool screen_asks(const struct screen *s)
{
	return s->acts.asks && agent_state(s->acts.agent) == AGENT_WAITS;
}

int screen_prepare_tools(struct screen *s, struct talk_message *question, struct err *err)
{
	int rc;

	if (!s->acts.agent)
		return 0;
	s->acts.talk = s->talk;
	screen_settle_edits(s);
	rc = agent_prepare(s->acts.agent, s->talk, s->opt->system, s->status.context_all, err);
	if (!rc)
		rc = undo_tell(s->acts.agent, s->talks, s->talk, question, err);
	return rc ? rc : agent_tell_plan(s->acts.agent, s->talk, question, err);
}

int screen_look_at_tools(const struct screen *s, struct buf *system, struct str *tools,
			 struct err *err)
{
	if (!s->acts.agent)
		return 0;
	return agent_look(s->acts.agent, s->talk, s->opt->system, s->status.context_all, system,
			  tools, err);
}

void screen_tell_prepared(struct screen *s)
{
	if (s->acts.notices.len)
		screen_add_notice(s, (struct str){s->acts.notices.data, s->acts.notices.len - 1});
	buf_reset(&s->acts.notices);
}

void screen_begin_tools(struct screen *s)
{
	if (!s->acts.agent)
		return;
	s->acts.talk = s->talk;
	s->acts.told = false;
	agent_begin(s->acts.agent);
}

int screen_resume_tools(struct screen *s, struct err *err)
{
	int rc;

	s->acts.talk = s->talk;
	s->acts.told = false;
	screen_settle_edits(s);
	rc = agent_resume(s->acts.agent, s->talk, s->status.context_all, err);
	s->status.phase = screen_phase(s);
	s->dirty = true;
	return rc;
}

void screen_answered(struct screen *s, const struct event *last,
		     const struct talk_message *said, const struct err *unkept)
{
	struct agent_answer a = {
		.said = said,
		.done = last->kind == EV_DONE,
		.stop = last->stop,
		.kept = *unkept,
		.ctx_tokens = s->status.context_all,
	};

	if (!a.done)
		a.err = last->err;
	s->acts.told = !a.done || unkept->code;
	agent_answered(s->acts.agent, &a);
}

void screen_leave_tools(struct screen *s)
{
	s->acts.leaving = true;
	if (s->acts.agent)
		agent_leave(s->acts.agent);
}

void screen_poll_tools(struct screen *s)
{
	agent_poll(s->acts.agent);
	s->status.phase = screen_phase(s);
	s->dirty = true;
}
