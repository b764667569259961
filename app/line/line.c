/* Line mode: its loop, and one message of it. */
#include "app/line/line.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/agent/undo.h"
#include "app/exit.h"
#include "app/line/lineinput.h"
#include "app/line/show.h"
#include "app/locale.h"
#include "app/output.h"
#include "app/signals.h"
#include "app/talk/question.h"
#include "app/talk/stop.h"
#include "app/usage.h"
#include "engine/base/clock.h"
#include "engine/base/termsafe.h"
#include "engine/base/utf8.h"

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

void line_say(const char *format, ...)
{
	struct buf safe = {0};
	char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n >= 0)
		termsafe_add(&safe, (struct str){text, (size_t)n});
	buf_addc(&safe, '\n');
	output_text(STDOUT_FILENO, buf_str(&safe));
	buf_release(&safe);
	free(n >= 0 ? text : NULL);
}

/* As it was shown when it came, but for the thinking. */
static void say_message(const struct talk_message *m)
{
	for (size_t i = 0; i < m->n_parts; i++) {
		const struct talk_part *p = &m->parts[i];

		switch (p->kind) {
		case HISTORY_TEXT:
			line_say("%s", buf_z(&p->text));
			break;
		case HISTORY_CALL:
			line_say("call: %s", buf_z(&p->name));
			if (p->call == CALL_WHOLE)
				line_say("with: %s", buf_z(&p->text));
			else if (p->call == CALL_CUT)
				line_say("cut: %s", buf_z(&p->why));
			else
				line_say("malformed call: %s", buf_z(&p->why));
			break;
		case HISTORY_RESULT:
			line_say("result: %s", buf_z(&p->text));
			break;
		case HISTORY_NOTICE:
			line_say("%s%s", p->error ? "" : "note: ", buf_z(&p->text));
			break;
		case HISTORY_ATTACHMENT:
			line_say("(with %s)", buf_z(&p->name));
			break;
		case HISTORY_THINKING:
		case HISTORY_TOOLS:
			break;
		}
	}
}

/* Why it goes no further, and what helps. */
static void say_stop(const struct line_mode *l, const struct talk *t)
{
	struct buf words = {0};

	if (rounds_may_resume(&l->rounds, t))
		buf_addz(&words, AGENT_MAY_RESUME);
	else
		stop_add_words(t->leaf, l->host.ops->ctx_tokens(&l->host), &words);
	if (words.len)
		line_say("(%s)", buf_z(&words));
	buf_release(&words);
}

int line_open(struct line_mode *l, struct talk *t, struct err *err)
{
	const struct talk_message *last;
	struct history_list list = {0};
	int rc = talk_store_load(&l->talks, t, err);

	if (!rc)
		undo_settle(l->rounds.agent, &l->talks, t);
	if (!rc)
		rc = history_get(l->talks.store, t->stored, &list, err);
	if (!rc && list.n) {
		line_say("%s \"%s\", %lld messages; it ends:", list.items[0].uid,
			 list.items[0].title, (long long)list.items[0].n_messages);
		last = t->leaf;
		if (last)
			say_message(last);
		if (last)
			say_stop(l, t);
	}
	if (!rc) {
		l->talk = t;
		history_list_release(&l->offered);
		line_tell_price(l);
	}
	history_list_release(&list);
	return rc;
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
		say_stop(l, l->talk);
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

/* What can't be kept is not asked. */
static int note_unkept(void *ctx, const struct err *why)
{
	struct line_mode *l = ctx;

	if (!l->refused.code)
		l->refused = *why;
	return why->code;
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

static int await_engine(struct line_mode *l, struct err *err)
{
	struct turn_watch watch;
	struct show show;
	int rc = app_open_engine(l->app, err);

	show_init(&show, l->app);
	watch = show_watch(&show, 0);
	if (!rc)
		rc = turn_await_ready(l->app->engine, &watch, err);
	show_finish(&show, NULL);
	return rc;
}

/* What a crash cut, and how to go on with it. */
static void tell_recovered(const struct line_mode *l)
{
	const struct history_list *cut = &l->talks.recovered;

	for (size_t i = 0; i < cut->n; i++)
		line_say("The program was stopped during an answer in \"%s\": /open %s shows "
			 "what "
			 "was said, /continue goes on with it.",
			 cut->items[i].title, cut->items[i].uid);
}

static void greet(const struct line_mode *l)
{
	const struct engine_info *info = l->app->engine->ops->info(l->app->engine);

	line_say("%s on %s.  /help lists the commands, Ctrl-D quits.",
		 info ? info->model_name : "?", info ? info->backend : "?");
	tell_recovered(l);
	if (l->talk && rounds_may_resume(&l->rounds, l->talk))
		line_say("(%s)", AGENT_MAY_RESUME);
}

static void ask_quit(struct line_mode *l)
{
	l->asks_quit = true;
	line_say("End the program?  y does; a blank before it sends it to the model.");
}

/* Anything but yes and no is a message of its own. */
static bool answers_quit(struct line_mode *l, struct str text)
{
	l->asks_quit = false;
	l->quit = str_is(text, "y") || str_is(text, "yes") || cmd_is_leaving(text);
	return l->quit || str_is(text, "n") || str_is(text, "no");
}

/* One message or command.  0: go on; an error that ends the chat otherwise. */
static int take_message(struct line_mode *l, const struct buf *raw, struct err *err)
{
	struct buf text = {0};
	bool known;
	int rc = 0;

	utf8_add_clean(&text, buf_str(raw));
	while (text.len && strchr(" \t\n", text.data[text.len - 1]))
		buf_truncate(&text, text.len - 1);
	if (buf_failed(&text))
		rc = err_nomem(err, "message", text.len);
	else if (l->offered.n && !cmd_meant(buf_str(&text)))
		rc = line_picked(l, buf_z(&text), err);
	else if (l->asks_quit && answers_quit(l, buf_str(&text)))
		;
	else if (cmd_is_leaving(buf_str(&text)))
		ask_quit(l);
	else if (str_is(buf_str(&text), "/"))
		l->host.ops->help(&l->host);
	else if (cmd_meant(buf_str(&text)))
		rc = cmd_run(&l->host, text.data, &known, err);
	else if (text.len)
		rc = line_ask(l, buf_str(&text), NULL, err);
	buf_release(&text);
	if (rc && rc != ERR_IO) {
		app_tell(err->text);
		rc = 0;
	}
	return rc;
}

/* -- the model's title, while the prompt waits ------------------------------------ */

/* Silent, since a person may be typing. */
static void hear_title(void *ctx)
{
	struct line_mode *l = ctx;
	struct event ev = {0};
	bool named;

	while (event_queue_pop(l->app->engine->events, &ev, 0)) {
		title_event(&l->title, l->app->engine, &l->talks, &ev, &named);
		event_release(&ev);
	}
}

static void drop_title(void *ctx)
{
	struct line_mode *l = ctx;

	title_cancel(&l->title, l->app->engine);
}

static int chat(struct line_mode *l, struct lineinput *in, struct err *err)
{
	int interrupts = 0, rc = 0;

	while (!l->quit && !rc) {
		struct buf raw = {0};
		int got, signo;

		lineinput_set_vi(in, l->app->opt.keys == INPUT_VI);
		if (l->answered && !lineinput_waiting(in))
			title_ask(&l->title, l->app->engine, &l->app->opt, &l->talks,
				  l->talk);
		l->answered = false;
		lineinput_set_origin(in, talk_store_uid(&l->talks, l->talk));
		got = lineinput_read(in, &raw, err);
		drop_title(l);
		signo = signals_take();
		if (got == 1) {
			interrupts = 0;
			rc = take_message(l, &raw, err);
			signo = signals_take();
		} else if (got == 0) {
			output_own(STDOUT_FILENO, "\n");
			l->quit = true;
		} else if (got == ERR_CANCELLED && signo == SIGINT) {
			output_own(STDOUT_FILENO, "^C\n");
			/* Only one that nothing came in between follows another. */
			interrupts = lineinput_typed(in) ? 1 : interrupts + 1;
			if (interrupts == 2)
				l->quit = true;
			else
				output_own(STDOUT_FILENO, "(Ctrl-C again quits)\n");
		} else if (got < 0 && got != ERR_CANCELLED) {
			rc = got;
		}
		if (signo == SIGTERM || signo == SIGHUP)
			rc = err_set(err, ERR_CANCELLED, "terminated");
		buf_release(&raw);
		if (rc == ERR_CANCELLED)
			return exit_code_after(rc, signo);
	}
	if (rc)
		app_tell(err->text);
	return exit_code_of(rc);
}

static void tell_trouble(void *ctx, const char *text)
{
	(void)ctx;
	app_tell(text);
}

static void tell_locale(void)
{
	struct buf text = {0};

	if (locale_warning(&text))
		app_tell(buf_z(&text));
	buf_release(&text);
}

static int open_line(struct line_mode *l, struct lineinput **in, struct buf *inputs, struct err *err)
{
	struct lineinput_idle idle = {.ready = hear_title, .acts = drop_title, .ctx = l};
	struct options *o = &l->app->opt;
	int rc = talks_open_for(&l->talks, o, err);

	if (!rc)
		rc = talks_choose(&l->talks, o, &l->talk, err);
	if (!rc)
		rc = await_engine(l, err);
	if (rc)
		return rc;
	l->host = (struct cmd_host){&line_host, o, &l->talks};
	l->turn = (struct turn){.engine = l->app->engine,
				.opt = o,
				.talks = &l->talks,
				.trouble = tell_trouble,
				.unkept = note_unkept,
				.ctx = l};
	rc = rounds_open(&l->rounds, l->app, &l->turn, STDIN_FILENO, err);
	if (rc)
		return rc;
	if (l->talk)
		undo_settle(l->rounds.agent, &l->talks, l->talk);
	idle.fd = event_queue_fd(l->app->engine->events);
	return lineinput_open(in, app_inputs_path(o, inputs) ? inputs->data : NULL, &idle, err);
}

int line_run(struct app *app)
{
	struct line_mode l = {.app = app};
	struct lineinput *in = NULL;
	struct buf inputs = {0};
	struct err err = {0}, lost = {0};
	int rc = open_line(&l, &in, &inputs, &err);

	if (rc) {
		app_tell(err.text);
		rc = exit_code_after(rc, signals_seen());
	} else {
		tell_locale();
		greet(&l);
		if (app->opt.pick)
			line_pick(&l);
		else
			line_tell_price(&l);
		rc = chat(&l, in, &err);
	}
	lineinput_close(in);
	rounds_close(&l.rounds);
	turn_release(&l.turn);
	lost = l.refused;
	if (talks_save(&l.talks, &lost) || lost.code) {
		err_prefix(&lost, "not all was kept");
		app_tell(lost.text);
		rc = rc ? rc : exit_code_of(lost.code);
	}
	/* Who was ended may have nobody left to read it. */
	if (!rc)
		talk_store_tell_resume(&l.talks, l.talk);
	buf_release(&inputs);
	buf_release(&l.doubted);
	history_list_release(&l.offered);
	title_release(&l.title);
	talks_release(&l.talks);
	return rc;
}
