/* One question and its answer, or a session of JSON lines, for scripts. */
#include "app/line/oneshot.h"

#include <unistd.h>

#include "app/agent/undo.h"
#include "app/exit.h"
#include "app/line/given.h"
#include "app/line/peer.h"
#include "app/line/rounds.h"
#include "app/line/show.h"
#include "app/output.h"
#include "app/signals.h"
#include "app/talk/request.h"
#include "app/talk/turn.h"

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

/* Whoever says so in a line is asked no more; what was done, and not, is told. */
static int undo(struct oneshot *o, const struct said *m, struct err *err)
{
	bool again = m->kind == SAID_REDO;
	struct undo *u;
	int rc = undo_look(&u, o->rounds.agent, &o->talks, o->talk,
			   again ? UNDO_AGAIN : UNDO_BACK, m->turns, err);

	if (!rc) {
		rc = undo_do(u, err);
		show_undo(&o->show, u, again);
	}
	undo_free(u);
	return rc;
}

static int ask_said(struct oneshot *o, const struct said *m, struct err *err)
{
	char *option = o->app->opt.prefill;
	int rc;

	if (m->has_prefill)
		o->app->opt.prefill = m->prefill.data;
	rc = ask_text(o, buf_str(&m->text), err);
	o->app->opt.prefill = option;
	return rc;
}

static int do_said(struct oneshot *o, const struct said *m, struct err *err)
{
	switch (m->kind) {
	case SAID_TEXT:
		return ask_said(o, m, err);
	case SAID_SYSTEM:
		return talk_set_system(o->talk, buf_str(&m->text), err);
	case SAID_UNDO:
	case SAID_REDO:
		return undo(o, m, err);
	case SAID_ANSWER:
		break;
	}
	return err_set(err, ERR_USAGE, "tool_answer: '%.40s', but no call waits for an answer",
		       buf_z(&m->id));
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

/* A bad line, a cut answer or a refused call ends neither the session nor its record of failure;
 * an answer that comes too late is none. */
static bool goes_on(struct peer *p, const struct said *m, int rc, struct err *err)
{
	if (rc != ERR_USAGE && rc != ERR_LIMIT && rc != ERR_REFUSED)
		return false;
	if (rc == ERR_USAGE)
		peer_complain(p, m->line, err);
	else
		show_error(p->show, err);
	if (m->kind != SAID_ANSWER && !(p->worst && rc == ERR_REFUSED))
		p->worst = rc;
	*err = (struct err){0};
	return true;
}

static int run_session(struct oneshot *o, struct peer *p, struct err *err)
{
	struct said *m;
	int rc;

	while ((rc = peer_next(p, &m, err)) > 0) {
		rc = do_said(o, m, err);
		if (rc && goes_on(p, m, rc, err))
			rc = 0;
		said_free(m);
		if (rc)
			return rc;
	}
	return rc;
}

int oneshot_session(struct app *app)
{
	struct err err = {0};
	struct oneshot o;
	struct peer peer;
	int rc;

	oneshot_init(&o, app);
	peer_open(&peer, app, &o.show);
	rc = check_session(&app->opt, &err);
	if (!rc)
		rc = open_talk(&o, &err);
	if (!rc)
		rc = ready(&o, &err);
	if (!rc && app->opt.approve_host)
		rounds_ask_peer(&o.rounds, &peer);
	if (!rc)
		rc = run_session(&o, &peer, &err);
	tell_replaced(peer.in.n_replaced);
	rc = finish(&o, rc, &err);
	peer_close(&peer);
	return rc ? rc : exit_code_of(peer.worst);
}
