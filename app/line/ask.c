/* Line mode asks: one message, its answer as it comes, and what is said behind it. */
#include "app/line/line.h"

#include <unistd.h>

#include "app/line/show.h"
#include "app/output.h"
#include "app/talk/question.h"
#include "app/usage.h"

/* "[42 tokens, 310/s, 1.9 a step, context 254; read 12 of 212 tokens]", dimmed */
static void tell_usage(const struct line_mode *l, const struct turn_outcome *a)
{
	const struct turn_usage *u = &a->usage;
	struct buf line = {0};

	if (!app_color(l->app, STDERR_FILENO) || !a->done)
		return;
	buf_addf(&line, "[%lld tokens", (long long)u->output_tokens);
	if (u->decode_ms > 0)
		buf_addf(&line, ", %lld/s",
			 (long long)(u->output_tokens * 1000 / u->decode_ms));
	if (u->drafted > 0 && u->steps > 0)
		buf_addf(&line, ", %.1f a step", (double)u->output_tokens / (double)u->steps);
	buf_addf(&line, ", context %lld; ", (long long)(u->prompt_tokens + u->output_tokens));
	usage_add_reading(&line, u);
	buf_addc(&line, ']');
	output_own(STDERR_FILENO, "\033[2m");
	output_text(STDERR_FILENO, buf_str(&line));
	output_own(STDERR_FILENO, "\033[0m\n");
	buf_release(&line);
}

/* What does not fit was not asked; the input line has it still. */
static void tell_refused(const struct line_mode *l, int rc, struct err *err)
{
	bool asked = l->turn.given_back.len != 0;

	err_set(err, rc, "not %s: %.200s; %s%s", asked ? "sent" : "answered", err->text,
		turn_helps(&l->turn), asked ? ". Arrow up brings it back" : "");
}

/*
 * The turn that has begun, or `resumes` with the calls of the last answer; `tells_price`: where
 * the branch is left for it, what that reads is said first.  An interrupted answer is kept as
 * far as it went.  A write that fails does not take back what is on the screen: it is told, and
 * tried again.
 */
static int finish_turn(struct line_mode *l, bool tells_price, bool resumes, struct err *err)
{
	struct turn_outcome out;
	struct turn_watch watch;
	struct show show;
	struct err lost = {0};
	int rc;

	show_init(&show, l->app);
	show.tells_price = tells_price;
	show.tells_edits = true;
	watch = show_watch(&show, 0);
	rc = resumes ? rounds_resume(&l->rounds, l->talk, &show, &watch, &out, err)
		     : rounds_run(&l->rounds, l->talk, &show, &watch, &out, err);
	if (out.kept.code && !rc)
		rc = err_set(err, out.kept.code, "not kept: %s", out.kept.text);
	if (show_finish(&show, &lost) && (!rc || !err->text[0]))
		rc = err_set(err, lost.code, "%s", lost.text);
	if (!rc)
		tell_usage(l, &out);
	if (out.said && out.said == l->talk->leaf)
		line_say_stop(l, l->talk);
	if (l->turn.refused)
		tell_refused(l, rc, err);
	l->answered = !rc && out.done && (out.stop == STOP_END || out.stop == STOP_CALLS);
	if (l->answered && l->rounds.agent && agent_mode(l->rounds.agent) == AGENT_PLAN)
		line_say("(plan mode: /plan goes ahead with this plan)");
	return rc;
}

int line_answer(struct line_mode *l, struct talk_message *resume, struct err *err)
{
	int rc = turn_begin(&l->turn, l->talk, resume, err);

	return rc ? rc : finish_turn(l, true, false, err);
}

int line_go_on_calls(struct line_mode *l, bool *did, struct err *err)
{
	*did = rounds_may_resume(&l->rounds, l->talk);
	return *did ? finish_turn(l, false, true, err) : 0;
}

/* What an agent session tells the model, and what of that is told here. */
static int prepare(struct line_mode *l, struct talk_message *question, struct err *err)
{
	struct show show;
	int rc;

	show_init(&show, l->app);
	rc = rounds_prepare(&l->rounds, l->talk, question, &show, err);
	show_finish(&show, NULL);
	return rc;
}

/* Did the model say anything after `before`, or a tool? */
static bool came_to_something(const struct talk *t, const struct talk_message *before)
{
	for (const struct talk_message *m = t->leaf; m && m != before; m = m->parent) {
		if (m->role == CHAT_TOOL || (m->role == CHAT_ASSISTANT && talk_message_speaks(m)))
			return true;
	}
	return false;
}

/*
 * A turn that failed before it said anything leaves the conversation as it was.  The question is
 * taken over.
 */
static int ask(struct line_mode *l, struct talk_message *question, bool tells_price,
	       struct err *err)
{
	bool asks_system = l->talk->asks_system, asks_tools = l->talk->asks_tools;
	int rc = prepare(l, question, err);
	struct talk_message *before = l->talk->leaf;

	if (rc)
		talk_message_free(question);
	else
		rc = turn_ask(&l->turn, l->talk, question, err);
	if (rc)
		return rc;
	rc = finish_turn(l, tells_price, false, err);
	if (l->turn.refused || l->turn.dropped)
		return rc;
	if (rc && !came_to_something(l->talk, before)) {
		talk_unsay(l->talk, before);
		l->talk->asks_system = asks_system;
		l->talk->asks_tools = asks_tools;
	}
	return rc;
}

static void tell_news(struct line_mode *l)
{
	struct err ignored;
	bool news;

	if (!talk_store_catch_up(&l->talks, l->talk, &news, &ignored) && news)
		line_say("(another window has gone on with this conversation: what is said here is a "
			 "branch beside that)");
}

int line_ask(struct line_mode *l, struct str typed, const struct talk_message *instead,
	     struct err *err)
{
	struct question_typed told = {0};
	struct talk_message *question;
	int rc = question_check(&l->doubted, typed, "the same again", err);

	if (!rc)
		rc = question_type(&question, typed, instead, &told, err);
	/* A file that can't be read ends no chat. */
	if (rc == ERR_IO || rc == ERR_USAGE)
		rc = err_set(err, ERR_FAILED, "not sent: %s", err->text);
	if (rc)
		return rc;
	if (told.n_files)
		line_say("(with %zu file%s)", told.n_files, told.n_files > 1 ? "s" : "");
	if (told.n_replaced)
		line_say("(%zu invalid UTF-8 sequence%s became U+FFFD)", told.n_replaced,
			 told.n_replaced > 1 ? "s" : "");
	tell_news(l);
	if (instead)
		talk_try_from(l->talk, instead->parent);
	return ask(l, question, instead != NULL, err);
}
