/* One question and its answer, or a session of JSON lines, for scripts. */
#include "app/line/oneshot.h"

#include <string.h>
#include <unistd.h>

#include "app/agent/undo.h"
#include "app/cmd/host.h"
#include "app/exit.h"
#include "app/line/given.h"
#include "app/line/rounds.h"
#include "app/line/show.h"
#include "app/linereader.h"
#include "app/output.h"
#include "app/signals.h"
#include "app/talk/request.h"
#include "app/talk/turn.h"
#include "engine/base/clock.h"
#include "engine/base/jsonr.h"
#include "engine/base/utf8.h"

/* stdin is waited for in such pieces. */
#define WAIT_MS 60000

/* What both have: a conversation, and how it is shown. */
struct oneshot {
	struct app *app;
	struct show show;
	struct talks talks;
	struct talk *talk;
	struct turn turn;
	struct rounds rounds;
};

static void tell_trouble(void *ctx, const char *text)
{
	(void)ctx;
	app_tell(text);
}

/* What can't be kept is not asked. */
static int refuse_unkept(void *ctx, const struct err *why)
{
	(void)ctx;
	return why->code;
}

/* One seed for all of it, so that the session event tells how to have it again. */
static void oneshot_init(struct oneshot *o, struct app *app)
{
	*o = (struct oneshot){.app = app};
	output_until(app_deadline_ms(app));
	show_init(&o->show, app);
	app->opt.sampling = request_sampling(&app->opt);
	app->opt.seed_given = true;
}

/* A turn that was cut short is no success, however it was cut. */
static int stop_code(const struct turn_outcome *a, struct err *err)
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

static int open_talk(struct oneshot *o, struct err *err)
{
	int rc = talks_open_for(&o->talks, &o->app->opt, err);

	return rc ? rc : talks_choose(&o->talks, &o->app->opt, &o->talk, err);
}

static int ready(struct oneshot *o, struct err *err)
{
	struct turn_watch watch = show_watch(&o->show, app_deadline_ms(o->app));
	int rc = app_open_engine(o->app, err);

	if (!rc)
		rc = turn_await_ready(o->app->engine, &watch, err);
	if (rc)
		return rc;
	o->turn = (struct turn){.engine = o->app->engine,
				.opt = &o->app->opt,
				.talks = &o->talks,
				.trouble = tell_trouble,
				.unkept = refuse_unkept};
	rc = rounds_open(&o->rounds, o->app, &o->turn, -1, err);
	if (rc)
		return rc;
	show_session(&o->show, o->app->opt.sampling.seed, talk_store_uid(&o->talks, o->talk));
	return 0;
}

/* Asks, and waits for the answer.  The question is taken over. */
static int ask(struct oneshot *o, struct talk_message *question, struct err *err)
{
	struct turn_watch watch = show_watch(&o->show, app_deadline_ms(o->app));
	struct turn_outcome out;
	int rc = rounds_prepare(&o->rounds, o->talk, question, &o->show, err);

	if (rc)
		talk_message_free(question);
	else
		rc = turn_ask(&o->turn, o->talk, question, err);
	if (rc)
		return rc;
	rc = rounds_run(&o->rounds, o->talk, &o->show, &watch, &out, err);
	if (!rc && out.kept.code)
		rc = err_set(err, out.kept.code, "%s", out.kept.text);
	if (o->turn.refused)
		err_set(err, rc, "not asked: %.300s; less text does, or a larger --ctx",
			err->text);
	if (!rc)
		rc = stop_code(&out, err);
	return rc ? rc : rounds_check_refused(&o->rounds, err);
}

static int ask_text(struct oneshot *o, struct str text, struct err *err)
{
	struct talk_message *question = talk_message_say(CHAT_USER, text, err);

	return question ? ask(o, question, err) : ERR_NOMEM;
}

/* The program's last words: an error told, and stdout really written. */
static int finish(struct oneshot *o, int rc, struct err *err)
{
	struct err lost = {0};

	if (talks_save(&o->talks, &lost) && !rc)
		rc = err_set(err, lost.code, "%s", lost.text);
	/* A turn that ended because stdout was gone has no word of its own. */
	if (rc && err->text[0])
		show_error(&o->show, err);
	if (show_finish(&o->show, &lost)) {
		rc = rc ? rc : lost.code;
		app_tell(lost.text);
	}
	rounds_close(&o->rounds);
	turn_release(&o->turn);
	talks_release(&o->talks);
	return exit_code_after(rc, signals_seen());
}

static void tell_replaced(size_t n)
{
	if (n)
		output_format(STDERR_FILENO,
			      "dsv4chat: %zu invalid UTF-8 sequence%s became U+FFFD\n", n,
			      n == 1 ? "" : "s");
}

int oneshot_run(struct app *app, bool stdin_too)
{
	struct talk_message *question = NULL;
	struct err err = {0};
	struct oneshot o;
	size_t n_replaced = 0;
	int rc;

	oneshot_init(&o, app);
	rc = given_read(app, stdin_too, &question, &n_replaced, &err);
	tell_replaced(n_replaced);
	if (!rc)
		rc = open_talk(&o, &err);
	if (!rc)
		rc = ready(&o, &err);
	if (!rc)
		rc = ask(&o, question, &err);
	else
		talk_message_free(question);
	return finish(&o, rc, &err);
}

/* A line of a session. */
struct said {
	enum chat_role role;
	struct buf text;
	struct buf prefill;
	bool has_prefill; /* else the option holds */
	size_t undo;      /* of so many questions the edits are taken back; 0: it says something */
	bool again;       /* … or made again */
};

static void said_release(struct said *m)
{
	buf_release(&m->text);
	buf_release(&m->prefill);
}

static struct str string_of(const json_t *v)
{
	return (struct str){json_string_value(v), json_string_length(v)};
}

static int take_message(const json_t *root, struct said *m, struct err *err)
{
	const char *name = json_string_value(json_object_get(root, "role"));
	const json_t *content =
		json_object_get(root, json_object_get(root, "text") ? "text" : "content");
	const json_t *prefill = json_object_get(root, "prefill");

	if (!json_is_object(root) || !json_is_string(content))
		return err_set(
			err, ERR_USAGE,
			"an object with \"text\", or \"role\" and \"content\", expected");
	if (name && !str_is(str_of(name), "user") && !str_is(str_of(name), "system"))
		return err_set(err, ERR_USAGE, "role: '%.40s', expected user or system", name);
	m->role = name && str_is(str_of(name), "system") ? CHAT_SYSTEM : CHAT_USER;
	if (prefill && (!json_is_string(prefill) || m->role == CHAT_SYSTEM))
		return err_set(err, ERR_USAGE,
			       "prefill: expected a string, with a user's message");
	utf8_add_clean(&m->text, string_of(content));
	m->has_prefill = prefill != NULL;
	if (prefill)
		utf8_add_clean(&m->prefill, string_of(prefill));
	return buf_failed(&m->text) || buf_failed(&m->prefill)
		       ? err_nomem(err, "message", m->text.len)
		       : 0;
}

/* False: it is about no edits. */
static bool take_undo(const struct json_doc *doc, struct said *m, int *rc, struct err *err)
{
	const json_t *undo = json_object_get(doc->root, "undo");
	const json_t *redo = json_object_get(doc->root, "redo");
	struct str number = json_doc_number(doc, undo ? undo : redo);
	size_t n = 0;

	if (!undo && !redo)
		return false;
	for (size_t i = 0; i < number.n && n <= CMD_UNDO_TURNS; i++)
		n = number.p[i] >= '0' && number.p[i] <= '9' ? n * 10 + (size_t)(number.p[i] - '0')
							     : CMD_UNDO_TURNS + 1;
	*rc = 0;
	if (json_object_size(doc->root) != 1 || n < 1 || n > CMD_UNDO_TURNS)
		*rc = err_set(err, ERR_USAGE, "%s: expected a number of questions, 1 to %d, alone",
			      undo ? "undo" : "redo", CMD_UNDO_TURNS);
	m->undo = *rc ? 0 : n;
	m->again = !undo;
	return true;
}

/* {"undo": N}, {"redo": N}, {"text": …}, or {"role": "user" | "system", "content": …}; and
 * {…, "prefill": …} */
static int read_message(struct str line, struct said *m, struct err *err)
{
	struct json_doc doc = {0};
	int rc = json_doc_parse(&doc, line, err);

	if (rc == ERR_FAILED) /* whoever wrote the line can mend it */
		rc = err->code = ERR_USAGE;
	if (!rc && !take_undo(&doc, m, &rc, err))
		rc = take_message(doc.root, m, err);
	json_doc_release(&doc);
	return rc;
}

/* A signal or the time's end interrupts the waiting for stdin. */
static int await_stdin(void *ctx, struct err *err)
{
	int rc;

	while ((rc = given_await_stdin(ctx, WAIT_MS, err)) == 0)
		;
	return rc < 0 ? rc : 0;
}

/* Whoever says so in a line is asked no more; what was done, and not, is told. */
static int undo(struct oneshot *o, const struct said *m, struct err *err)
{
	struct undo *u;
	int rc = undo_look(&u, o->rounds.agent, &o->talks, o->talk,
			   m->again ? UNDO_AGAIN : UNDO_BACK, m->undo, err);

	if (!rc) {
		rc = undo_do(u, err);
		show_undo(&o->show, u, m->again);
	}
	undo_free(u);
	return rc;
}

static int session_line(struct oneshot *o, struct str line, struct err *err)
{
	char *option = o->app->opt.prefill;
	struct said m = {0};
	int rc = read_message(line, &m, err);

	if (!rc && m.undo) {
		rc = undo(o, &m, err);
	} else if (!rc && m.role == CHAT_SYSTEM) {
		rc = talk_set_system(o->talk, buf_str(&m.text), err);
	} else if (!rc) {
		if (m.has_prefill)
			o->app->opt.prefill = m.prefill.data;
		rc = ask_text(o, buf_str(&m.text), err);
		o->app->opt.prefill = option;
	}
	said_release(&m);
	return rc;
}

/* What would be asked beside stdin's lines is refused rather than forgotten. */
static int check_session(const struct options *o, struct err *err)
{
	const char *given = o->n_files ? "--file" : o->prompt ? "--prompt, or a question" : NULL;

	return given ? err_set(err, ERR_USAGE,
			       "%s: found beside --input-format jsonl, where stdin alone asks",
			       given)
		     : 0;
}

int oneshot_session(struct app *app)
{
	struct linereader in = linereader_stdin();
	struct err err = {0};
	struct oneshot o;
	struct str line = {0};
	int rc, worst = 0;

	in.json = true;
	in.wait = await_stdin;
	in.ctx = app;
	oneshot_init(&o, app);
	rc = check_session(&app->opt, &err);
	if (!rc)
		rc = open_talk(&o, &err);
	if (!rc)
		rc = ready(&o, &err);
	while (!rc && (rc = linereader_next(&in, &line, &err)) > 0) {
		rc = session_line(&o, line, &err);
		/* A bad line, a cut answer or a refused call ends neither the session nor its
		 * record of failure. */
		if (rc == ERR_USAGE || rc == ERR_LIMIT || rc == ERR_REFUSED) {
			if (rc == ERR_USAGE)
				err_prefix(&err, "line %zu", in.n);
			show_error(&o.show, &err);
			worst = worst && rc == ERR_REFUSED ? worst : rc;
			rc = 0;
		}
	}
	tell_replaced(in.n_replaced);
	rc = finish(&o, rc, &err);
	linereader_release(&in);
	return rc ? rc : exit_code_of(worst);
}
