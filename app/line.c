#include "app/line.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/exit.h"
#include "app/lineinput.h"
#include "app/paths.h"
#include "app/show.h"
#include "app/signals.h"
#include "app/turn.h"
#include "engine/base/utf8.h"

static int stopped(void *ctx)
{
	(void)ctx;
	return signals_seen() ? ERR_CANCELLED : 0;
}

static struct turn_watch watch_of(struct show *s)
{
	return (struct turn_watch){
		.event = show_event,
		.ctx = s,
		.wake_fd = signals_fd(),
		.stopped = stopped,
	};
}

/* "42 tokens, 310 tokens/s", after an answer, dimmed */
static void tell_usage(const struct line *l, const struct turn_answer *a)
{
	const struct turn_usage *u = &a->usage;

	if (!app_color(l->app, STDERR_FILENO) || !a->done)
		return;
	fprintf(stderr, "\033[2m[%lld tokens", (long long)u->output_tokens);
	if (u->decode_ms > 0)
		fprintf(stderr, ", %lld/s", (long long)(u->output_tokens * 1000 / u->decode_ms));
	fprintf(stderr, ", context %lld%s]\033[0m\n", (long long)(u->prompt_tokens + u->output_tokens),
		a->stop == STOP_LENGTH	  ? ", cut by --max-tokens"
		: a->stop == STOP_CONTEXT ? ", the context is full"
					  : "");
}

/*
 * Asks.  An interrupted answer is kept as far as it went; a turn that failed before it said
 * anything leaves the conversation as it was.
 */
static int ask(struct line *l, struct str text, struct err *err)
{
	struct sampling sampling = app_sampling(l->app);
	struct turn_answer answer = {0};
	struct turn_request req;
	struct turn_watch watch;
	struct show show;
	struct err lost = {0};
	size_t before;
	int rc = dialog_add(&l->dialog, CHAT_USER, text, err);

	if (rc)
		return rc;
	before = l->dialog.n;
	show_init(&show, l->app);
	watch = watch_of(&show);
	req = (struct turn_request){
		.chat = dialog_chat(&l->dialog, (enum chat_effort)l->app->opt.effort),
		.sampling = sampling,
	};
	rc = turn_run(l->app->engine, &req, &watch, &answer, err);
	if (dialog_add_answer(&l->dialog, &answer, rc ? NULL : err) && !rc)
		rc = err->code;
	if (l->dialog.n == before)
		dialog_drop(&l->dialog, 1);
	if (show_finish(&show, &lost) && !rc)
		rc = err_set(err, lost.code, "%s", lost.text);
	if (!rc)
		tell_usage(l, &answer);
	turn_answer_release(&answer);
	return rc;
}

static int await_engine(struct line *l, struct err *err)
{
	struct turn_watch watch;
	struct show show;
	int rc = app_open_engine(l->app, err);

	show_init(&show, l->app);
	watch = watch_of(&show);
	if (!rc)
		rc = turn_await_ready(l->app->engine, &watch, err);
	show_finish(&show, NULL);
	return rc;
}

static void greet(const struct line *l)
{
	const struct engine_info *info = l->app->engine->ops->info(l->app->engine);

	printf("%s on %s.  /help lists the commands, Ctrl-D quits.\n",
	       info ? info->model_name : "?", info ? info->backend : "?");
	fflush(stdout);
}

/* One message or command.  0: go on; an error that ends the chat otherwise. */
static int take_message(struct line *l, const struct buf *raw, struct err *err)
{
	struct buf text = {0};
	int rc = 0;

	utf8_add_clean(&text, buf_str(raw));
	while (text.len && strchr(" \t\n", text.data[text.len - 1]))
		buf_truncate(&text, text.len - 1);
	if (buf_failed(&text))
		rc = err_nomem(err, "message", text.len);
	else if (text.len && text.data[0] == '/')
		rc = cmd_run(l, text.data, err);
	else if (text.len)
		rc = ask(l, buf_str(&text), err);
	buf_release(&text);
	if (rc && rc != ERR_IO) {
		fprintf(stderr, "%s\n", err->text);
		rc = 0;
	}
	return rc;
}

static int chat(struct line *l, struct lineinput *in, struct err *err)
{
	int interrupts = 0, rc = 0;

	while (!l->quit && !rc) {
		struct buf raw = {0};
		int got, signo;

		got = lineinput_read(in, &raw, err);
		signo = signals_take();
		if (got == 1) {
			interrupts = 0;
			rc = take_message(l, &raw, err);
			signo = signals_take();
		} else if (got == 0) {
			fputs("\n", stdout);
			l->quit = true;
		} else if (got == ERR_CANCELLED && signo == SIGINT) {
			fputs("^C\n", stdout);
			if (++interrupts == 2)
				l->quit = true;
			else
				fputs("(Ctrl-C again quits)\n", stdout);
			fflush(stdout);
		} else if (got < 0 && got != ERR_CANCELLED) {
			rc = got;
		}
		if (signo == SIGTERM || signo == SIGHUP)
			rc = err_set(err, ERR_CANCELLED, "terminated");
		buf_release(&raw);
		if (rc == ERR_CANCELLED)
			return signo == SIGTERM ? EXIT_TERMINATED : EXIT_INTERRUPTED;
	}
	if (rc)
		fprintf(stderr, "dsv4chat: %s\n", err->text);
	return exit_code_of(rc);
}

int line_run(struct app *app)
{
	struct line l = {.app = app};
	struct lineinput *in = NULL;
	struct buf inputs = {0};
	struct err err = {0};
	int rc = await_engine(&l, &err);

	if (!rc && app->opt.system)
		rc = dialog_set_system(&l.dialog, str_of(app->opt.system), &err);
	/* Without a place for earlier inputs the chat goes on without them. */
	if (!rc && path_to_write(PATH_INPUTS, &inputs, NULL) != 0)
		buf_reset(&inputs);
	if (!rc)
		rc = lineinput_open(&in, inputs.len ? inputs.data : NULL, &err);
	if (rc) {
		fprintf(stderr, "dsv4chat: %s\n", err.text);
		rc = exit_code_of(rc);
	} else {
		greet(&l);
		rc = chat(&l, in, &err);
	}
	lineinput_close(in);
	buf_release(&inputs);
	dialog_release(&l.dialog);
	return rc;
}
