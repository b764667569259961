/* Line mode: its loop, from opening to the last word. */
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
#include "engine/base/termsafe.h"
#include "engine/base/utf8.h"

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

/* What can't be kept is not asked. */
static int note_unkept(void *ctx, const struct err *why)
{
	struct line_mode *l = ctx;

	if (!l->refused.code)
		l->refused = *why;
	return why->code;
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
