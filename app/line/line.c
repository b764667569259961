#include "app/attach.h"
#include "app/line/line.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/exit.h"
#include "app/line/lineinput.h"
#include "app/paths.h"
#include "app/line/show.h"
#include "app/signals.h"
#include "app/talk/turn.h"
#include "engine/base/log.h"
#include "engine/base/termsafe.h"
#include "engine/base/utf8.h"

/* "42 tokens, 310 tokens/s", after an answer, dimmed */
static void tell_usage(const struct line *l, const struct turn_answer *a)
{
	const struct turn_usage *u = &a->usage;

	if (!app_color(l->app, STDERR_FILENO) || !a->done)
		return;
	fprintf(stderr, "\033[2m[%lld tokens", (long long)u->output_tokens);
	if (u->decode_ms > 0)
		fprintf(stderr, ", %lld/s",
			(long long)(u->output_tokens * 1000 / u->decode_ms));
	fprintf(stderr, ", context %lld%s]\033[0m\n",
		(long long)(u->prompt_tokens + u->output_tokens),
		a->stop == STOP_LENGTH    ? ", cut by --max-tokens"
		: a->stop == STOP_CONTEXT ? ", the context is full"
					  : "");
}

const struct history_message *line_last(struct line *l, enum history_role role)
{
	const struct history_message *m = history_tree_leaf(l->record.t);

	while (m && m->role != role)
		m = m->parent;
	return m;
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
	puts(buf_z(&safe));
	fflush(stdout);
	buf_release(&safe);
	free(n >= 0 ? text : NULL);
}

int line_open(struct line *l, int64_t conversation, struct err *err)
{
	struct history_list list = {0};
	struct buf said = {0};
	const struct history_message *last;
	int rc = record_switch(&l->record, conversation, err);

	if (!rc)
		rc = record_fill(&l->record, &l->dialog, err);
	if (!rc)
		rc = history_get(l->record.h, conversation, &list, err);
	if (!rc && list.n) {
		line_say("%s \"%s\", %lld messages; it ends:", list.items[0].uid,
			 list.items[0].title, (long long)list.items[0].n_messages);
		last = history_tree_leaf(l->record.t);
		history_message_add_text(last, HISTORY_TEXT, &said);
		line_say("%s", buf_z(&said));
		if (history_message_unfinished(last))
			line_say("(this answer was cut: /continue goes on with it)");
	}
	history_list_release(&list);
	buf_release(&said);
	return rc;
}

/*
 * An interrupted answer is kept as far as it went.  A write that fails does not take back
 * what is on the screen: it is told, and the program does not end well.
 */
int line_answer(struct line *l, const struct history_message *resume, struct err *err)
{
	struct sampling sampling = app_sampling(l->app);
	struct turn_answer answer = {0};
	struct turn_request req = {.sampling = sampling};
	struct turn_watch watch;
	struct show show;
	struct err lost = {0};
	int rc;

	/* The same noise: it goes on as it would have. */
	if (resume && resume->run)
		req.sampling.seed = sampling.seed = resume->run->seed;
	rc = record_begin(&l->record, &sampling, resume, err);
	if (rc)
		return rc;
	show_init(&show, l->app);
	show.record = &l->record;
	watch = show_watch(&show, 0);
	req.chat = dialog_chat(&l->dialog, (enum chat_effort)l->app->opt.effort);
	if (resume)
		record_resume(resume, &req);
	rc = turn_run(l->app->engine, &req, &watch, &answer, err);
	if (record_end(&l->record, rc, &answer, &lost) && !rc)
		rc = err_set(err, lost.code, "not kept: %s", lost.text);
	if (show_finish(&show, &lost) && (!rc || !err->text[0]))
		rc = err_set(err, lost.code, "%s", lost.text);
	if (!rc)
		tell_usage(l, &answer);
	l->answered = !rc && answer.done && (answer.stop == STOP_END || answer.stop == STOP_CALLS);
	turn_answer_release(&answer);
	if (record_fill(&l->record, &l->dialog, rc ? &lost : err) && !rc)
		rc = err->code;
	return rc;
}

/* A turn that failed before it said anything leaves the conversation as it was. */
int line_ask(struct line *l, struct str text, struct err *err)
{
	const struct history_message *before = history_tree_leaf(l->record.t), *leaf;
	struct err again = {0};
	int rc = dialog_add(&l->dialog, CHAT_USER, text, err);

	if (rc)
		return rc;
	rc = record_question(&l->record, &l->dialog, err);
	if (rc)
		dialog_drop(&l->dialog, 1);
	else
		rc = line_answer(l, NULL, err);
	/* An answer without parts is the opening <think> alone. */
	leaf = history_tree_leaf(l->record.t);
	if (rc && leaf && (leaf->role == HISTORY_USER || !leaf->n_parts)) {
		history_tree_rewind(l->record.t, before);
		record_fill(&l->record, &l->dialog, &again);
	}
	return rc;
}

static int await_engine(struct line *l, struct err *err)
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
static void tell_recovered(const struct line *l)
{
	const struct history_list *cut = &l->record.recovered;

	for (size_t i = 0; i < cut->n; i++)
		line_say("The program was stopped during an answer in \"%s\": /open %s shows "
			 "what "
			 "was said, /continue goes on with it.",
			 cut->items[i].title, cut->items[i].uid);
}

static void greet(const struct line *l)
{
	const struct engine_info *info = l->app->engine->ops->info(l->app->engine);

	printf("%s on %s.  /help lists the commands, Ctrl-D quits.\n",
	       info ? info->model_name : "?", info ? info->backend : "?");
	fflush(stdout);
	tell_recovered(l);
}

static int run_command(struct line *l, const char *text, struct err *err)
{
	const char *arg;
	const struct cmd *c = cmd_find(text, &arg, err);

	return c ? c->line(l, arg, err) : err->code;
}

static int ask_with_files(struct line *l, struct str typed, struct err *err)
{
	struct buf text = {0};
	size_t n;
	int rc = attach_named(&text, typed, &n, err);

	/* A file that can't be read ends no chat. */
	if (rc == ERR_IO)
		rc = err_set(err, ERR_FAILED, "not sent: %s", err->text);
	if (!rc && n)
		line_say("(with %zu file%s)", n, n > 1 ? "s" : "");
	if (!rc)
		rc = line_ask(l, buf_str(&text), err);
	buf_release(&text);
	return rc;
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
	else if (cmd_meant(buf_str(&text)))
		rc = run_command(l, text.data, err);
	else if (text.len)
		rc = ask_with_files(l, buf_str(&text), err);
	buf_release(&text);
	if (rc && rc != ERR_IO) {
		app_tell(err->text);
		rc = 0;
	}
	return rc;
}

/* -- the model's title, while the prompt waits ------------------------------------ */

static void ask_title(struct line *l)
{
	int64_t id = history_tree_conversation(l->record.t);
	struct chat chat = dialog_chat(&l->dialog, (enum chat_effort)l->app->opt.effort);
	struct history_list list = {0};
	struct err err = {0};

	if (!l->app->opt.titles || history_get(l->record.h, id, &list, &err))
		return;
	if (list.n && list.items[0].title_from == HISTORY_TITLE_PROMPT) {
		title_ask(&l->title, l->app->engine, &chat);
		l->title_talk = id;
	}
	history_list_release(&list);
}

/* Silent, since a person may be typing. */
static void hear_title(void *ctx)
{
	struct line *l = ctx;
	struct event ev = {0};

	while (event_queue_pop(l->app->engine->events, &ev, 0)) {
		struct buf title = {0};
		struct err err = {0};

		title_event(&l->title, l->app->engine, &ev, &title);
		if (title.len && history_set_title(l->record.h, l->title_talk, buf_str(&title),
						   HISTORY_TITLE_MODEL, &err))
			log_add(LOG_WARN, "title: %s", err.text);
		buf_release(&title);
		event_release(&ev);
	}
}

static void drop_title(void *ctx)
{
	struct line *l = ctx;

	title_cancel(&l->title, l->app->engine);
}

static int chat(struct line *l, struct lineinput *in, struct err *err)
{
	int interrupts = 0, rc = 0;

	while (!l->quit && !rc) {
		struct buf raw = {0};
		int got, signo;

		lineinput_set_vi(in, l->app->opt.keys == INPUT_VI);
		if (l->answered && !lineinput_waiting(in))
			ask_title(l);
		l->answered = false;
		got = lineinput_read(in, &raw, err);
		drop_title(l);
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
		app_tell(err->text);
	return exit_code_of(rc);
}

int line_run(struct app *app)
{
	struct line l = {.app = app};
	struct lineinput_idle idle = {.ready = hear_title, .acts = drop_title, .ctx = &l};
	struct lineinput *in = NULL;
	struct buf inputs = {0};
	struct err err = {0}, lost = {0};
	int rc = record_open(&l.record, app, &err);

	if (!rc)
		rc = await_engine(&l, &err);
	if (!rc)
		rc = record_fill(&l.record, &l.dialog, &err);
	if (!rc && app->opt.system)
		rc = dialog_set_system(&l.dialog, str_of(app->opt.system), &err);
	/* Without a place for earlier inputs the chat goes on without them. */
	if (!rc && path_to_write(PATH_INPUTS, &inputs, NULL) != 0)
		buf_reset(&inputs);
	if (!rc) {
		idle.fd = event_queue_fd(app->engine->events);
		rc = lineinput_open(&in, inputs.len ? inputs.data : NULL, &idle, &err);
	}
	if (rc) {
		app_tell(err.text);
		rc = exit_code_of(rc);
	} else {
		greet(&l);
		rc = chat(&l, in, &err);
	}
	lineinput_close(in);
	if (record_close(&l.record, &lost)) {
		fprintf(stderr, "dsv4chat: not all was kept: %s\n", lost.text);
		rc = rc ? rc : exit_code_of(lost.code);
	}
	buf_release(&inputs);
	dialog_release(&l.dialog);
	title_release(&l.title);
	return rc;
}
