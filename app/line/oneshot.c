#include "app/line/oneshot.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/talk/dialog.h"
#include "app/exit.h"
#include "app/line/question.h"
#include "app/talk/record.h"
#include "app/line/show.h"
#include "app/signals.h"
#include "app/talk/turn.h"
#include "app/verb/io.h"
#include "engine/base/jsonr.h"
#include "engine/base/utf8.h"

/* stdin is waited for in such pieces. */
#define WAIT_MS 60000

/* A turn that was cut short is no success, however it was cut. */
static int stop_code(const struct turn_answer *a, struct err *err)
{
	switch (a->stop) {
	case STOP_END:
	case STOP_CALLS:
		return 0;
	case STOP_LENGTH:
		return err_set(err, ERR_LIMIT, "the answer reached its limit of tokens");
	case STOP_CONTEXT:
		return err_set(err, ERR_LIMIT, "the answer filled the context");
	case STOP_INTERRUPTED:
		return err_set(err, ERR_CANCELLED, "interrupted");
	}
	return 0;
}

static int ready(struct app *app, struct show *s, struct err *err)
{
	struct turn_watch watch = show_watch(s, app_deadline_ms(app));
	int rc = app_open_engine(app, err);

	return rc ? rc : turn_await_ready(app->engine, &watch, err);
}

/* Asks what the dialog ends with and adds the answer. */
static int ask(struct app *app, struct show *s, struct dialog *d,
	       const struct sampling *sampling, struct err *err)
{
	struct err lost = {0};
	struct turn_watch watch = show_watch(s, app_deadline_ms(app));
	struct turn_answer answer = {0};
	struct turn_request req = {
		.chat = dialog_chat(d, (enum chat_effort)app->opt.effort),
		.sampling = *sampling,
	};
	int rc = record_question(s->record, d, err);

	if (!rc)
		rc = record_begin(s->record, sampling, NULL, err);
	if (rc)
		return rc;
	rc = turn_run(app->engine, &req, &watch, &answer, err);
	if (record_end(s->record, rc, &answer, &lost) && !rc)
		rc = err_set(err, lost.code, "%s", lost.text);
	if (!rc)
		rc = dialog_add_answer(d, &answer, err);
	if (!rc)
		rc = stop_code(&answer, err);
	turn_answer_release(&answer);
	return rc;
}

static int exit_of(int rc)
{
	int signo = signals_seen();

	if (rc == ERR_CANCELLED && (signo == SIGTERM || signo == SIGHUP))
		return EXIT_TERMINATED;
	return exit_code_of(rc);
}

/* The program's last words: an error told, and stdout really written. */
static int finish(struct show *s, int rc, struct err *err)
{
	struct err lost = {0};

	if (record_close(s->record, &lost) && !rc)
		rc = err_set(err, lost.code, "%s", lost.text);
	/* A turn that ended because stdout was gone has no word of its own. */
	if (rc && err->text[0])
		show_error(s, err);
	if (show_finish(s, &lost)) {
		rc = rc ? rc : lost.code;
		app_tell(lost.text);
	}
	return exit_of(rc);
}

static void tell_replaced(size_t n)
{
	if (n)
		fprintf(stderr, "dsv4chat: %zu invalid UTF-8 sequence%s became U+FFFD\n", n,
			n == 1 ? "" : "s");
}

int oneshot_run(struct app *app, bool stdin_too)
{
	struct sampling sampling = app_sampling(app);
	struct dialog d = {0};
	struct buf question = {0};
	struct err err = {0};
	struct record record = {0};
	struct show show;
	size_t n_replaced = 0;
	int rc;

	show_init(&show, app);
	show.record = &record;
	rc = question_read(app, stdin_too, &question, &n_replaced, &err);
	tell_replaced(n_replaced);
	if (!rc)
		rc = record_open(&record, app, &err);
	if (!rc)
		rc = record_fill(&record, &d, &err);
	if (!rc && app->opt.system)
		rc = dialog_set_system(&d, str_of(app->opt.system), &err);
	if (!rc)
		rc = dialog_add(&d, CHAT_USER, buf_str(&question), &err);
	if (!rc)
		rc = ready(app, &show, &err);
	if (!rc) {
		show_session(&show, sampling.seed);
		rc = ask(app, &show, &d, &sampling, &err);
	}
	rc = finish(&show, rc, &err);
	dialog_release(&d);
	buf_release(&question);
	return rc;
}

/* {"text": …}, or {"role": "user" | "system", "content": …} */
static int read_message(struct str line, enum chat_role *role, struct buf *text,
			struct err *err)
{
	struct json_doc doc = {0};
	int rc = json_doc_parse(&doc, line, err);
	const json_t *content = NULL;
	const char *name;

	if (rc == ERR_FAILED) /* whoever wrote the line can mend it */
		rc = err->code = ERR_USAGE;
	if (rc)
		return rc;
	name = json_string_value(json_object_get(doc.root, "role"));
	content = json_object_get(doc.root,
				  json_object_get(doc.root, "text") ? "text" : "content");
	if (!json_is_object(doc.root) || !json_is_string(content))
		rc = err_set(err, ERR_USAGE,
			     "an object with \"text\", or \"role\" and \"content\", expected");
	else if (name && str_is(str_of(name), "system"))
		*role = CHAT_SYSTEM;
	else if (name && !str_is(str_of(name), "user"))
		rc = err_set(err, ERR_USAGE, "role: '%.40s', expected user or system", name);
	else
		*role = CHAT_USER;
	if (!rc)
		utf8_add_clean(text, (struct str){json_string_value(content),
						  json_string_length(content)});
	if (!rc && buf_failed(text))
		rc = err_nomem(err, "message", text->len);
	json_doc_release(&doc);
	return rc;
}

/* The lines of stdin, which a signal or the time's end interrupts. */
struct lines {
	struct buf held;  /* read, and not yet returned from `at` on */
	struct buf clean; /* a line without its invalid UTF-8 */
	size_t at, n;    /* n: lines so far */
	bool ended;
};

static int read_more(const struct app *app, struct lines *l, struct err *err)
{
	char part[65536];
	ssize_t n;
	int rc;

	while ((rc = question_await_stdin(app, WAIT_MS, err)) == 0)
		;
	if (rc < 0)
		return rc;
	n = read(STDIN_FILENO, part, sizeof(part));
	if (n < 0 && errno != EINTR && errno != EAGAIN)
		return err_errno(err, "stdin", "read");
	l->ended = n == 0;
	if (n > 0)
		buf_add(&l->held, part, (size_t)n);
	return buf_failed(&l->held) ? err_nomem(err, "stdin", l->held.len) : 0;
}

/* The next line without its newline, borrowed until the next call; 1, 0 at the end. */
static int next_line(const struct app *app, struct lines *l, struct str *line, struct err *err)
{
	size_t looked = 0;

	buf_remove(&l->held, 0, l->at);
	l->at = 0;
	for (;;) {
		const char *end = memchr(buf_z(&l->held) + looked, '\n', l->held.len - looked);
		int rc;

		if (end || (l->ended && l->held.len)) {
			line->p = buf_z(&l->held);
			line->n = end ? (size_t)(end - line->p) : l->held.len;
			l->at = line->n + (end != NULL);
			l->n++;
			if (utf8_valid(*line))
				return 1;
			buf_reset(&l->clean);
			utf8_add_clean(&l->clean, *line);
			*line = buf_str(&l->clean);
			return buf_failed(&l->clean) ? err_nomem(err, "a line", line->n) : 1;
		}
		if (l->ended)
			return 0;
		looked = l->held.len;
		if (looked > VERB_MAX_BYTES)
			return err_set(err, ERR_LIMIT, "stdin: a line of more than %u bytes",
				       VERB_MAX_BYTES);
		rc = read_more(app, l, err);
		if (rc)
			return rc;
	}
}

static int session_line(struct app *app, struct show *s, struct dialog *d, struct str line,
			struct err *err)
{
	struct sampling sampling = app_sampling(app);
	enum chat_role role = CHAT_USER;
	struct buf text = {0};
	int rc = read_message(line, &role, &text, err);

	if (!rc && role == CHAT_SYSTEM) {
		rc = dialog_set_system(d, buf_str(&text), err);
	} else if (!rc) {
		rc = dialog_add(d, CHAT_USER, buf_str(&text), err);
		if (!rc)
			rc = ask(app, s, d, &sampling, err);
	}
	buf_release(&text);
	return rc;
}

int oneshot_session(struct app *app)
{
	struct lines in = {0};
	struct dialog d = {0};
	struct record record = {0};
	struct err err = {0};
	struct show show;
	struct str line = {0};
	int rc, worst = 0;

	show_init(&show, app);
	show.record = &record;
	rc = record_open(&record, app, &err);
	if (!rc)
		rc = record_fill(&record, &d, &err);
	if (!rc && app->opt.system)
		rc = dialog_set_system(&d, str_of(app->opt.system), &err);
	if (!rc)
		rc = ready(app, &show, &err);
	/* One seed for all of it, so that the session event tells how to have it again. */
	app->opt.sampling = app_sampling(app);
	app->opt.seed_given = true;
	if (!rc)
		show_session(&show, app->opt.sampling.seed);
	while (!rc && (rc = next_line(app, &in, &line, &err)) > 0) {
		rc = line.n ? session_line(app, &show, &d, line, &err) : 0;
		/* A bad line or a cut answer ends neither the session nor its record of
		 * failure. */
		if (rc == ERR_USAGE || rc == ERR_LIMIT) {
			if (rc == ERR_USAGE)
				err_prefix(&err, "line %zu", in.n);
			show_error(&show, &err);
			worst = rc;
			rc = 0;
		}
	}
	rc = finish(&show, rc, &err);
	buf_release(&in.held);
	buf_release(&in.clean);
	dialog_release(&d);
	return rc ? rc : exit_code_of(worst);
}
