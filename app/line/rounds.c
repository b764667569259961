/* Driving the agent: its callbacks, what it waits for, and asking on a terminal. */
#include "app/line/rounds_inside.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "app/agent/undo.h"
#include "app/line/askuser.h"
#include "app/output.h"
#include "app/signals.h"
#include "app/talk/store.h"
#include "engine/base/clock.h"

/* ---- what the agent asks for ---- */

static int ask_model(void *ctx, bool again, struct err *err)
{
	struct rounds *r = ctx;

	return again ? turn_begin_again(r->turn, r->talk, err)
		     : turn_begin(r->turn, r->talk, NULL, err);
}

static void stop_model(void *ctx)
{
	turn_stop(((struct rounds *)ctx)->turn);
}

static void end_call(void *ctx)
{
	turn_end_call(((struct rounds *)ctx)->turn);
}

/* It is asked when nothing else is to be done: see wait_for_user() and
 * rounds_wait_for_peer(). */
void rounds_ask_user(void *ctx, const struct approval *p)
{
	struct rounds *r = ctx;

	r->number = p->number;
	r->question = p->question;
	buf_reset(&r->asked);
	r->widens = p->widens;
	buf_reset(&r->suggest);
	buf_adds(&r->suggest, p->suggest);
	if (!r->peer) {
		approval_add_text(&r->asked, p);
	} else if (p->question == AGENT_ASKS_CALL) {
		double wait_s = r->opt->approve_timeout_s;

		show_request(r->show, p, r->asked_id);
		r->answer_by_ms = wait_s > 0 ? clock_ms() + (int64_t)(wait_s * 1000) : 0;
	}
}

static void show(void *ctx, const struct agent_news *n)
{
	struct rounds *r = ctx;

	if (r->show)
		show_agent(r->show, n);
}

static int keep(void *ctx, const struct talk_result *result, struct err *err)
{
	struct rounds *r = ctx;

	return talk_store_say_result(r->turn->talks, r->talk, result, err);
}

static int begin_call(void *ctx, const struct talk_call *c, struct err *err)
{
	struct rounds *r = ctx;

	return talk_store_begin_call(r->turn->talks, r->talk, c, err);
}

static const char *outputs(void *ctx)
{
	struct rounds *r = ctx;

	return talk_store_uid(r->turn->talks, r->talk);
}

static int find_call(void *ctx, const struct talk_message *answer, struct str ref,
		     enum history_call_begun *begun, struct err *err)
{
	struct rounds *r = ctx;

	return talk_store_find_call(r->turn->talks, answer, ref, begun, err);
}

static int learn(void *ctx, struct str rules, struct err *err)
{
	return agent_keep_rules(((struct rounds *)ctx)->agent, rules, err);
}

static void ended(void *ctx, enum agent_end why, const struct err *err)
{
	struct rounds *r = ctx;

	r->ended = true;
	r->end = why;
	r->err = *err;
}

static const struct agent_ops ops = {
	.ask_model = ask_model,
	.stop_model = stop_model,
	.end_call = end_call,
	.ask_user = rounds_ask_user,
	.show = show,
	.keep = keep,
	.begin = begin_call,
	.find = find_call,
	.outputs = outputs,
	.ended = ended,
	.learn = learn,
};

/* ---- life ---- */

/* A person sees stderr, and types on the terminal, whatever stdin is. */
static void find_terminal(struct rounds *r, const struct app *app)
{
	if (app->opt.json || app->opt.input_format == INPUT_JSONL || !isatty(STDERR_FILENO))
		return;
	r->tty = askuser_open();
	r->opened_tty = r->tty >= 0;
}

int rounds_open(struct rounds *r, struct app *app, struct turn *turn, int tty, struct err *err)
{
	struct agent_config config;

	*r = (struct rounds){.opt = &app->opt, .turn = turn, .ops = ops, .tty = tty};
	if (!agent_config_for(&config, app))
		return 0;
	if (tty < 0)
		find_terminal(r, app);
	if (r->tty < 0)
		r->ops.ask_user = NULL;
	return agent_open(&r->agent, &config, &r->ops, r, err);
}

void rounds_close(struct rounds *r)
{
	agent_close(r->agent);
	if (r->opened_tty)
		close(r->tty);
	buf_release(&r->asked);
	buf_release(&r->suggest);
	*r = (struct rounds){0};
}

static int64_t ctx_tokens(const struct rounds *r)
{
	const struct engine_info *info = r->turn->engine->ops->info(r->turn->engine);

	return info ? info->ctx_tokens : 0;
}

int rounds_prepare(struct rounds *r, struct talk *talk, struct talk_message *question,
		   struct show *s, struct err *err)
{
	int rc;

	if (!r->agent)
		return 0;
	undo_settle(r->agent, r->turn->talks, talk);
	r->talk = talk;
	r->show = s;
	rc = agent_prepare(r->agent, talk, r->opt->system, ctx_tokens(r), err);
	r->show = NULL;
	if (!rc)
		rc = undo_tell(r->agent, r->turn->talks, talk, question, err);
	return rc ? rc : agent_tell_plan(r->agent, talk, question, err);
}

/* ---- waiting ---- */

int rounds_time_left_ms(const struct rounds *r)
{
	return r->late ? -1 : clock_left_ms(r->watch->deadline_ms);
}

static void wait_for_user(struct rounds *r)
{
	enum decision d = DECIDE_STOP;
	struct buf reason = {0};
	unsigned grade = 0;
	const struct askuser q = {.fd = r->tty,
				  .call = r->question == AGENT_ASKS_CALL,
				  .widens = r->widens,
				  .no = r->question == AGENT_ASKS_WIDER,
				  .text = buf_str(&r->asked),
				  .suggest = buf_str(&r->suggest),
				  .deadline_ms = r->watch->deadline_ms};

	if (buf_failed(&r->asked) || buf_failed(&r->suggest)) {
		/* What cannot be shown is not asked. */
		agent_decide(r->agent, r->number, DECIDE_NO, STR_LIT("there is no memory"));
		return;
	}
	show_make_way(r->show);
	d = askuser(&q, &reason, &grade);
	if (d == DECIDE_YES && grade)
		agent_widen(r->agent, r->number, grade);
	r->late = !rounds_time_left_ms(r);
	agent_decide(r->agent, r->number, d, buf_str(&reason));
	buf_release(&reason);
}

void rounds_take_signals(struct rounds *r)
{
	unsigned char came[16];
	size_t n = signals_read(came, sizeof(came));

	for (size_t i = 0; i < n; i++)
		agent_stop(r->agent);
}

/* ---- what runs ---- */

static void wait_for_runner(struct rounds *r)
{
	struct pollfd fds[3] = {{.fd = signals_fd(), .events = POLLIN},
				{.fd = r->peer ? peer_fd(r->peer) : -1, .events = POLLIN}};
	size_t n = agent_fds(r->agent, fds + 2, 1);

	if (poll(fds, 2 + n, r->heard_all ? rounds_time_left_ms(r) : 0) < 0 && errno != EINTR) {
		/* The tool is ended, since it cannot be waited for. */
		err_errno(&r->trouble, "poll", "waiting for a tool");
		agent_stop(r->agent);
		agent_poll(r->agent);
		return;
	}
	if (fds[0].revents)
		rounds_take_signals(r);
	if (!rounds_time_left_ms(r)) {
		r->late = true;
		agent_stop(r->agent);
	}
	if (fds[1].revents || !r->heard_all)
		rounds_hear_peer(r);
	if (n && fds[2].revents)
		agent_poll(r->agent);
	if (r->show->lost && !r->gone) {
		r->gone = true;
		agent_stop(r->agent);
	}
}

/* What the turn says is heard by the agent, too. */
static int hear_event(void *ctx, const struct event *ev)
{
	struct rounds *r = ctx;

	agent_event(r->agent, ev);
	return r->watch->event(r->watch->ctx, ev);
}

static int ask_stopped(void *ctx)
{
	const struct turn_watch *watch = ((struct rounds *)ctx)->watch;

	return watch->stopped ? watch->stopped(watch->ctx) : 0;
}

static int run_turn(struct rounds *r, struct turn_outcome *out, struct err *err)
{
	struct agent_answer a = {.ctx_tokens = ctx_tokens(r)};
	struct turn_watch watch = *r->watch;
	int rc;

	watch.event = hear_event;
	watch.stopped = ask_stopped;
	watch.ctx = r;
	rc = show_turn(r->turn, &watch, out, err);

	a.said = out->said;
	a.done = out->done && (!rc || rc == ERR_CANCELLED || rc == ERR_TIMEOUT);
	a.stop = out->stop;
	if (!a.done)
		a.err = *err;
	if (!rc)
		a.kept = out->kept;
	agent_answered(r->agent, &a);
	return rc;
}

/* What became of all of it; rc: what turn_run() said of the last answer. */
static int outcome(const struct rounds *r, int rc, struct err *err)
{
	if (rc)
		return rc;
	switch (r->end) {
	case AGENT_DONE:
	case AGENT_CUT:
		return 0;
	case AGENT_STOPPED:
		if (r->stopped)
			return 0;
		if (r->trouble.code) {
			*err = r->trouble;
			return err->code;
		}
		if (r->gone)
			return err_set(err, ERR_IO, "stdout: nobody reads it");
		return r->late ? err_set(err, ERR_TIMEOUT, "the time is up")
			       : err_set(err, ERR_CANCELLED, "interrupted");
	case AGENT_LIMIT:
	case AGENT_REFUSED:
	case AGENT_FAILED:
		break;
	}
	*err = r->err;
	return r->err.code;
}

static void take_up(struct rounds *r, struct talk *talk, struct show *s,
		    const struct turn_watch *watch)
{
	r->talk = talk;
	r->show = s;
	r->watch = watch;
	r->heard_all = true;
	r->ended = r->late = r->gone = r->stopped = false;
	r->trouble = (struct err){0};
}

/* What was begun, to its end. */
static int run_all(struct rounds *r, struct turn_outcome *out, struct err *err)
{
	int rc = 0;

	while (!r->ended) {
		if (turn_runs(r->turn))
			rc = run_turn(r, out, err);
		else if (agent_state(r->agent) == AGENT_WAITS && r->peer)
			rounds_wait_for_peer(r);
		else if (agent_state(r->agent) == AGENT_WAITS)
			wait_for_user(r);
		else
			wait_for_runner(r);
	}
	if (r->stopped)
		r->show->last.stop = STOP_INTERRUPTED;
	show_agent_end(r->show, agent_counts(r->agent));
	r->show = NULL;
	return outcome(r, rc, err);
}

int rounds_run(struct rounds *r, struct talk *talk, struct show *s,
	       const struct turn_watch *watch, struct turn_outcome *out, struct err *err)
{
	if (!r->agent)
		return show_turn(r->turn, watch, out, err);
	take_up(r, talk, s, watch);
	agent_begin(r->agent);
	return run_all(r, out, err);
}

bool rounds_may_resume(const struct rounds *r, const struct talk *talk)
{
	return r->agent && agent_may_resume(talk);
}

int rounds_resume(struct rounds *r, struct talk *talk, struct show *s,
		  const struct turn_watch *watch, struct turn_outcome *out, struct err *err)
{
	int rc;

	*out = (struct turn_outcome){0};
	take_up(r, talk, s, watch);
	undo_settle(r->agent, r->turn->talks, talk);
	rc = agent_resume(r->agent, talk, ctx_tokens(r), err);
	if (!rc)
		return run_all(r, out, err);
	r->show = NULL;
	return rc;
}

int rounds_check_refused(const struct rounds *r, struct err *err)
{
	return r->agent ? agent_check_refused(r->agent, err) : 0;
}
