/* The machine: what happened, and what is to be done next. */
#include "app/agent/agent.h"

#include <stdlib.h>
#include <string.h>

#include "app/agent/calls.h"
#include "app/agent/limits.h"
#include "app/agent/prepare.h"

#define LAST_ROUND  "[this was the last tool round; answer now]"
#define SHOWN_BYTES (256u << 10)
#define NOT_KNOWN   "what it did is not known. Look before you repeat it."

struct agent {
	struct agent_config config;
	const struct agent_ops *ops;
	void *ctx;

	enum agent_state state;
	struct agent_counts counts;
	struct limits limits;
	int64_t allowed;    /* rounds; each time the user says go on, as many more */
	int64_t ctx_tokens; /* 0: not known */
	int wrong_rounds;   /* in a row */
	bool retried;       /* an empty answer was */
	bool restarted;     /* the runner was */
	/* The round: */
	struct calls calls;
	size_t at;            /* the call that is judged, asked about or run */
	struct buf arguments; /* as its tool takes them */
	int64_t used_tokens;  /* of the context, by the answer that calls */
	size_t given;         /* bytes of the results so far */
	bool good;            /* a call was not wrong */
	const char *skip;     /* why the calls that are left do not run; NULL: they do */
	bool stopped;         /* the turn ends with the round, by the user */
	enum agent_end end;   /* … or, where failed.code is set, by itself */
	struct err failed;
	uint64_t job; /* that runs; 0: none */
	/* Of a file that the call at hand changes: */
	bool prepares;            /* the job finds out what would change */
	struct job_news prepared; /* what it found */
	int64_t edit;             /* the number it is stored with; 0: none */
	/* What the model knows of files, for the next change: a JSON array, "" at first. */
	struct buf shown;
	int64_t shown_in;  /* the conversation that this was in */
	const char *by;    /* who let it */
	uint64_t question; /* the number of the last one */
	enum agent_question asks;
};

int agent_open(struct agent **out, const struct agent_config *c, const struct agent_ops *ops,
	       void *ctx, struct err *err)
{
	struct agent *a = calloc(1, sizeof(*a));

	if (!a)
		return err_nomem(err, "agent", sizeof(*a));
	a->config = *c;
	a->ops = ops;
	a->ctx = ctx;
	*out = a;
	return 0;
}

void agent_close(struct agent *a)
{
	if (!a)
		return;
	BUG_ON(a->state != AGENT_IDLE);
	calls_release(&a->calls);
	buf_release(&a->arguments);
	buf_release(&a->shown);
	job_news_release(&a->prepared);
	free(a);
}

enum agent_state agent_state(const struct agent *a)
{
	return a->state;
}

const struct agent_counts *agent_counts(const struct agent *a)
{
	return &a->counts;
}

void agent_begin(struct agent *a)
{
	BUG_ON(a->state != AGENT_IDLE);
	a->state = AGENT_ANSWERING;
	a->counts = (struct agent_counts){0};
	a->limits = (struct limits){0};
	a->allowed = a->config.rounds;
	a->wrong_rounds = 0;
	a->retried = a->restarted = false;
}

static void finish(struct agent *a, enum agent_end why, const struct err *err)
{
	static const struct err none;

	a->state = AGENT_IDLE;
	calls_release(&a->calls);
	a->ops->ended(a->ctx, why, err ? err : &none);
}

static void finish_with(struct agent *a, enum agent_end why, int code, const char *text)
{
	struct err err;

	err_set(&err, code, "%s", text);
	finish(a, why, &err);
}

/* The turn is to end with this round; the first reason stands. */
static void give_up(struct agent *a, enum agent_end why, const struct err *err,
		    const char *skip)
{
	if (a->failed.code)
		return;
	a->end = why;
	a->failed = *err;
	if (!a->skip)
		a->skip = skip;
}

static void give_up_with(struct agent *a, enum agent_end why, int code, const char *text,
			 const char *skip)
{
	struct err err;

	err_set(&err, code, "%s", text);
	give_up(a, why, &err, skip);
}

/* ---- results ---- */

static struct agent_news news_of(const struct agent *a, enum agent_news_kind kind)
{
	const struct call *c = &a->calls.v[a->at];

	return (struct agent_news){
		.kind = kind,
		.ref = buf_str(&c->ref),
		.tool = buf_str(&c->name),
		.arguments = buf_str(a->arguments.len ? &a->arguments : &c->arguments),
		.grade = call_grade(call_class(buf_str(&c->name))),
		.exit = -1,
		.ms = -1,
	};
}

static bool is_last_round(const struct agent *a)
{
	return a->counts.rounds + 1 == a->allowed;
}

/* A change is whole or not there. */
static enum history_edit_state edit_state(enum tool_state state)
{
	if (state == TOOL_OK)
		return HISTORY_EDIT_APPLIED;
	return state == TOOL_LOST || state == TOOL_TIMEOUT ? HISTORY_EDIT_LOST
							   : HISTORY_EDIT_DROPPED;
}

/* The call at hand has its result: it is kept, then shown. */
static void answer(struct agent *a, struct agent_news *n, const char *by)
{
	struct buf text = {0}, info = {0};
	struct talk_result result;
	struct err err = {0};
	int rc = 0;

	buf_adds(&text, n->text);
	if (is_last_round(a) && a->at + 1 == a->calls.n)
		buf_addf(&text, "%s" LAST_ROUND, text.len ? "\n" : "");
	n->text = buf_str(&text);
	a->given += text.len;
	call_add_info(&info, n, by);
	if (buf_failed(&text) || buf_failed(&info))
		rc = err_nomem(&err, "result", text.len);
	result = (struct talk_result){.ref = n->ref,
				      .name = n->tool,
				      .text = n->text,
				      .info = buf_str(&info),
				      .edit = a->edit,
				      .edit_state = edit_state(n->state)};
	if (!rc)
		rc = a->ops->keep(a->ctx, &result, &err);
	if (rc)
		give_up(a, AGENT_FAILED, &err, "the result before it could not be kept");
	a->ops->show(a->ctx, n);
	buf_release(&text);
	buf_release(&info);
	buf_reset(&a->arguments);
	job_news_release(&a->prepared);
	a->edit = 0;
}

/* The call did not run: "error: WHAT[WHY]". */
static void answer_not_run(struct agent *a, enum tool_state state, const char *what,
			   struct str why, const char *by)
{
	struct agent_news n = news_of(a, AGENT_RESULT);
	struct buf text = {0};

	buf_addf(&text, "error: %s", what);
	buf_adds(&text, why);
	n.state = state;
	n.text = buf_str(&text);
	answer(a, &n, by);
	buf_release(&text);
}

static void answer_skipped(struct agent *a, const char *why)
{
	answer_not_run(a, TOOL_SKIPPED, "not run: ", str_of(why), "policy");
}

/* ---- one call ---- */

/* A runner that died is started again, once a turn. */
static bool revive(struct agent *a, struct err *err)
{
	if (a->restarted)
		return false;
	a->restarted = true;
	return !runner_restart(a->config.runner, err);
}

static enum job_phase job_phase(const struct agent *a, struct str tool)
{
	if (call_class(tool) != TOOL_EDIT)
		return JOB_WHOLE;
	return a->prepares ? JOB_PREPARE : JOB_APPLY;
}

static int start_job(struct agent *a, const struct agent_news *n, struct err *err)
{
	const struct job j = {
		.tool = n->tool,
		.arguments = n->arguments,
		.grade = a->prepares ? GRADE_READ : n->grade,
		.limit = limits_result(a->ctx_tokens, a->used_tokens, a->given),
		.phase = job_phase(a, n->tool),
		.shown = buf_str(&a->shown),
		.plan = buf_str(&a->prepared.plan),
		.spill_folder = str_of(a->ops->outputs ? a->ops->outputs(a->ctx) : NULL),
	};
	int rc = runner_run(a->config.runner, &j, &a->job, err);

	if (rc == ERR_FAILED && revive(a, err))
		rc = runner_run(a->config.runner, &j, &a->job, err);
	return rc;
}

/* What is stored of a change before it is made; false: there is none. */
static bool edit_of(const struct job_news *prepared, struct history_edit *e)
{
	struct file_plan p;

	if (!prepared->plan.len || !file_plan_take(buf_str(&prepared->plan), &p))
		return false;
	*e = (struct history_edit){
		.root = p.root,
		.path = p.path,
		.existed = p.existed,
		.before = {buf_z(&prepared->before), prepared->before.len},
		.before_mode = (int64_t)p.mode,
		.after_mode = (int64_t)p.mode_after,
		.made_dirs = (int64_t)p.made_dirs,
	};
	if (p.existed)
		memcpy(e->before_hash, p.hash.p, sizeof(e->before_hash));
	memcpy(e->after_hash, p.hash_after.p, sizeof(e->after_hash));
	return true;
}

/* That it begins is stored, whatever happens then. */
static int store_start(struct agent *a, const struct agent_news *n, const char *by,
		       struct err *err)
{
	struct buf grade = {0};
	struct talk_call c = {
		.ref = n->ref,
		.name = n->tool,
		.cls = str_of(tool_class_name(call_class(n->tool))),
		.by = str_of(by),
		.edit_id = &a->edit,
	};
	struct history_edit edit;
	int rc;

	if (!a->ops->begin)
		return 0;
	tool_grade_add(&grade, n->grade);
	c.grade = buf_str(&grade);
	if (edit_of(&a->prepared, &edit))
		c.edit = &edit;
	rc = buf_failed(&grade) ? err_nomem(err, "call", grade.len)
				: a->ops->begin(a->ctx, &c, err);
	buf_release(&grade);
	return rc;
}

/* A job for the call at hand runs from here on.  False: none does, and the call has its result. */
static bool begin_job(struct agent *a, const struct agent_news *n)
{
	struct err err = {0};

	if (!start_job(a, n, &err)) {
		a->state = AGENT_RUNS;
		return true;
	}
	a->job = 0;
	a->prepares = false;
	give_up(a, AGENT_FAILED, &err, "the tools' process does not run");
	answer_not_run(a, TOOL_SKIPPED, "not run: ", str_of(err.text), "policy");
	return false;
}

/* True: it has its result already, since it could not be begun. */
static bool run(struct agent *a, const char *by)
{
	struct agent_news n = news_of(a, AGENT_STARTS);
	struct err err = {0};

	a->good = true;
	if (store_start(a, &n, by, &err)) {
		give_up(a, AGENT_FAILED, &err, "that it begins could not be kept");
		answer_skipped(a, "that it begins could not be kept");
		return true;
	}
	if (!begin_job(a, &n))
		return true;
	a->by = by;
	a->counts.calls++;
	a->ops->show(a->ctx, &n);
	return false;
}

static void ask(struct agent *a, enum agent_question question)
{
	struct approval p = {.number = ++a->question, .question = question};

	a->asks = question;
	a->state = AGENT_WAITS;
	if (question == AGENT_ASKS_ROUNDS) {
		p.rounds = a->allowed;
	} else {
		struct agent_news n = news_of(a, AGENT_STARTS);

		p.tool = n.tool;
		p.arguments = n.arguments;
		p.cls = call_class(n.tool);
		p.grade = n.grade;
		p.diff = buf_str(&a->prepared.diff);
		p.place = a->at + 1;
		p.n = a->calls.n;
	}
	a->ops->ask_user(a->ctx, &p);
}

static bool refuse(struct agent *a)
{
	static const char never[] = "denied: only what reads may run here";
	static const char nobody[] =
		"denied: nobody can be asked; allowed are: read_file, list_files, search_files";

	a->good = true;
	a->counts.refused++;
	if (a->config.mode == AGENT_NEVER)
		answer_not_run(a, TOOL_DENIED, never, (struct str){0}, "mode");
	else
		answer_not_run(a, TOOL_REFUSED, nobody, (struct str){0}, "nobody");
	if (a->config.mode != AGENT_NEVER && a->counts.refused >= LIMITS_REFUSED)
		give_up_with(a, AGENT_REFUSED, ERR_REFUSED,
			     "three calls were refused, since nobody could be asked",
			     "too much was refused");
	return true;
}

/* What would change is found out before it is asked about.  True: it could not be begun. */
static bool look(struct agent *a)
{
	struct agent_news n = news_of(a, AGENT_STARTS);

	a->good = true;
	a->prepares = true;
	return !begin_job(a, &n);
}

static bool judge(struct agent *a)
{
	enum tool_class cls = call_class(buf_str(&a->calls.v[a->at].name));
	enum verdict v = call_judge(a->config.mode, cls);

	if (v == VERDICT_RUN)
		return run(a, "mode");
	if (v == VERDICT_DENY || !a->ops->ask_user)
		return refuse(a);
	if (cls == TOOL_EDIT)
		return look(a);
	ask(a, AGENT_ASKS_CALL);
	return false;
}

/* One more of the same: true, it was answered. */
static bool repeats(struct agent *a)
{
	static const char again[] = "this is the third identical call; its result has not "
				    "changed. Do something else or answer.";
	const struct call *c = &a->calls.v[a->at];
	enum limits_say say = limits_ask(&a->limits, buf_str(&c->name), buf_str(&a->arguments));

	if (say == LIMITS_GO)
		return false;
	a->good = true;
	if (say == LIMITS_ENDS)
		give_up_with(a, AGENT_LIMIT, ERR_LIMIT,
			     "the model makes the same call again and again",
			     "the turn ends, since calls repeat themselves");
	answer_not_run(a, TOOL_SKIPPED, again, (struct str){0}, "policy");
	return true;
}

/* True: its arguments are not what the tool takes, and it was answered. */
static bool is_wrong(struct agent *a)
{
	const struct call *c = &a->calls.v[a->at];
	struct buf why = {0};
	struct err err = {0};
	int rc;

	buf_reset(&a->arguments);
	rc = tool_set_check(a->config.tools, buf_str(&c->name), buf_str(&c->arguments),
			    &a->arguments, &why);
	if (!rc)
		return false;
	buf_reset(&a->arguments);
	if (rc == ERR_USAGE && !buf_failed(&why)) {
		answer_not_run(a, TOOL_ERROR, "", buf_str(&why), "policy");
	} else {
		err_nomem(&err, "arguments", c->arguments.len);
		give_up(a, AGENT_FAILED, &err, "there is no memory for it");
		answer_skipped(a, a->skip);
	}
	buf_release(&why);
	return true;
}

/* All or nothing: a malformed call takes the others with it. */
static void answer_malformed(struct agent *a)
{
	const struct call *bad = &a->calls.v[0];
	struct buf why = {0};

	while (!bad->bad)
		bad++;
	buf_addf(&why, "%s. None was run. Write the calls again.",
		 bad->why.len ? buf_z(&bad->why) : "the answer was cut");
	answer_not_run(a, TOOL_ERROR, "the calls were not well formed: ", buf_str(&why),
		       "policy");
	buf_release(&why);
}

/* False: it waits for the user, or runs. */
static bool take_call(struct agent *a)
{
	if (a->skip) {
		answer_skipped(a, a->skip);
	} else if (a->calls.any_bad) {
		answer_malformed(a);
	} else if (a->at >= LIMITS_CALLS) {
		answer_skipped(a, "more than 16 calls");
	} else if (!is_wrong(a) && !repeats(a)) {
		return judge(a);
	}
	return true;
}

/* ---- a round ---- */

static bool ended_with_round(struct agent *a)
{
	const struct err why = a->failed;

	a->wrong_rounds = a->good ? 0 : a->wrong_rounds + 1;
	if (why.code)
		finish(a, a->end, &why);
	else if (a->stopped)
		finish(a, AGENT_STOPPED, NULL);
	else if (a->wrong_rounds >= LIMITS_WRONG)
		finish_with(a, AGENT_FAILED, ERR_FAILED,
			    "the model made nothing but wrong calls three times in a row");
	else
		return false;
	return true;
}

static void ask_model(struct agent *a, bool again)
{
	struct err err = {0};

	calls_release(&a->calls);
	a->state = AGENT_ANSWERING;
	if (a->ops->ask_model(a->ctx, again, &err))
		finish(a, AGENT_FAILED, &err);
}

static void end_round(struct agent *a)
{
	struct agent_news n = {.kind = AGENT_ROUND, .exit = -1, .ms = -1};
	struct err err = {0};

	n.round = ++a->counts.rounds;
	if (ended_with_round(a))
		return;
	a->ops->show(a->ctx, &n);
	if (a->ops->join && a->ops->join(a->ctx, &err)) {
		finish(a, AGENT_FAILED, &err);
		return;
	}
	ask_model(a, false);
}

/* Every call that needs neither the user nor time, from the one at hand on. */
static void go_on(struct agent *a)
{
	for (; a->at < a->calls.n; a->at++) {
		if (!a->calls.v[a->at].done && !take_call(a))
			return;
	}
	end_round(a);
}

static void go_on_behind(struct agent *a)
{
	a->at++;
	go_on(a);
}

static void begin_round(struct agent *a, const struct talk_message *m)
{
	a->at = a->given = 0;
	a->used_tokens = m->context_tokens;
	a->good = a->stopped = false;
	a->skip = NULL;
	a->failed = (struct err){0};
	buf_reset(&a->arguments);
	if (a->counts.rounds >= a->allowed)
		give_up_with(a, AGENT_LIMIT, ERR_LIMIT,
			     "the model went on to call tools after its last round",
			     "that was the last tool round");
	if (is_last_round(a) && a->ops->ask_user)
		ask(a, AGENT_ASKS_ROUNDS);
	else
		go_on(a);
}

/* ---- what happens ---- */

static bool says_nothing(const struct talk_message *m)
{
	return !talk_message_bytes(m, HISTORY_TEXT) && talk_message_bytes(m, HISTORY_THINKING);
}

static void retry(struct agent *a)
{
	const struct agent_news n = {
		.kind = AGENT_NOTICE,
		.text = STR_LIT("the answer was empty after thinking: asked once more"),
		.exit = -1,
		.ms = -1,
	};

	a->retried = true;
	a->ops->show(a->ctx, &n);
	ask_model(a, true);
}

/* An answer that ended by itself. */
static void take_whole(struct agent *a, const struct talk_message *m)
{
	struct err err = {0};

	calls_release(&a->calls);
	if (!m)
		finish(a, AGENT_DONE, NULL);
	else if (calls_take(&a->calls, m, &err))
		finish(a, AGENT_FAILED, &err);
	else if (a->calls.n)
		begin_round(a, m);
	else if (says_nothing(m) && !a->retried)
		retry(a);
	else
		finish(a, AGENT_DONE, NULL);
}

void agent_answered(struct agent *a, const struct agent_answer *m)
{
	BUG_ON(a->job || (a->state != AGENT_ANSWERING && a->state != AGENT_STOPS));
	a->ctx_tokens = m->ctx_tokens;
	if (a->state == AGENT_STOPS)
		finish(a, AGENT_STOPPED, NULL);
	else if (!m->done)
		finish(a, m->err.code == ERR_CANCELLED ? AGENT_STOPPED : AGENT_FAILED, &m->err);
	else if (m->stop == STOP_INTERRUPTED)
		finish(a, AGENT_STOPPED, NULL);
	else if (m->stop == STOP_LENGTH)
		finish_with(a, AGENT_CUT, ERR_LIMIT, "the answer reached its limit of tokens");
	else if (m->stop == STOP_CONTEXT)
		finish_with(a, AGENT_CUT, ERR_LIMIT, "the answer filled the context");
	else
		take_whole(a, m->said);
}

static void stop_round(struct agent *a)
{
	a->stopped = true;
	a->skip = "stopped by the user";
}

static void decide_rounds(struct agent *a, enum decision d)
{
	if (d == DECIDE_YES)
		a->allowed += a->config.rounds;
	if (d == DECIDE_STOP)
		stop_round(a);
	go_on(a);
}

static void decide_call(struct agent *a, enum decision d, struct str reason)
{
	struct buf why = {0};

	if (d == DECIDE_YES) {
		if (run(a, "once"))
			go_on_behind(a);
		return;
	}
	a->good = true;
	if (d == DECIDE_STOP)
		stop_round(a);
	if (reason.n)
		buf_addz(&why, ": ");
	buf_adds(&why, reason);
	answer_not_run(a, TOOL_DENIED, "denied by the user", buf_str(&why), "user");
	buf_release(&why);
	go_on_behind(a);
}

void agent_decide(struct agent *a, uint64_t number, enum decision d, struct str reason)
{
	if (a->state != AGENT_WAITS || number != a->question)
		return;
	if (a->asks == AGENT_ASKS_ROUNDS)
		decide_rounds(a, d);
	else
		decide_call(a, d, reason);
}

void agent_stop(struct agent *a)
{
	switch (a->state) {
	case AGENT_IDLE:
		return;
	case AGENT_WAITS:
		agent_decide(a, a->question, DECIDE_STOP, (struct str){0});
		return;
	case AGENT_ANSWERING:
	case AGENT_RUNS:
	case AGENT_STOPS:
		break;
	}
	a->state = AGENT_STOPS;
	stop_round(a);
	if (a->job)
		runner_stop(a->config.runner, a->job);
	else
		a->ops->stop_model(a->ctx);
}

/* ---- the runner ---- */

size_t agent_fds(const struct agent *a, struct pollfd *v, size_t max)
{
	if (!a->job)
		return 0;
	if (max)
		v[0] = (struct pollfd){.fd = runner_fd(a->config.runner), .events = POLLIN};
	return 1;
}

static void show_output(struct agent *a, const struct job_news *job)
{
	struct agent_news n = news_of(a, AGENT_PRINTS);

	n.text = buf_str(&job->text);
	n.bytes = job->bytes;
	n.lines = job->lines;
	a->ops->show(a->ctx, &n);
}

/* The model knows this of a file from now on.  Without memory it knows nothing. */
static void note_shown(struct agent *a, const struct job_news *job)
{
	struct buf *s = &a->shown;

	if (job->state != TOOL_OK || !job->info.len)
		return;
	if (s->len + job->info.len > SHOWN_BYTES)
		buf_reset(s);
	if (s->len)
		s->data[s->len - 1] = ',';
	else
		buf_addc(s, '[');
	buf_adds(s, buf_str(&job->info));
	buf_addc(s, ']');
	if (buf_failed(s))
		buf_reset(s);
}

/* The user is asked about what would change; what cannot be changed has its result. */
static void take_prepared(struct agent *a, struct job_news *job)
{
	struct agent_news n = news_of(a, AGENT_RESULT);

	a->job = 0;
	a->prepares = false;
	if (a->skip) {
		answer_skipped(a, a->skip);
	} else if (job->state == TOOL_OK) {
		a->prepared = *job;
		*job = (struct job_news){0};
		ask(a, AGENT_ASKS_CALL);
		return;
	} else {
		n.text = buf_str(&job->text);
		n.state = job->state;
		answer(a, &n, "policy");
	}
	go_on_behind(a);
}

static void take_done(struct agent *a, const struct job_news *job)
{
	struct agent_news n = news_of(a, AGENT_RESULT);
	struct buf text = {0};

	a->job = 0;
	a->counts.failed += job->state != TOOL_OK;
	buf_adds(&text, buf_str(&job->text));
	if (job->state == TOOL_STOPPED)
		buf_addf(&text, "%s[stopped by the user]",
			 text.len && text.data[text.len - 1] != '\n' ? "\n" : "");
	note_shown(a, job);
	limits_note(&a->limits, n.tool, n.arguments, buf_str(&text), n.grade != GRADE_READ);
	n.text = buf_str(&text);
	n.bytes = job->bytes;
	n.lines = job->lines;
	n.state = job->state;
	n.exit = job->exit;
	n.signal = job->signal;
	n.ms = job->ms;
	n.spill = buf_str(&job->spill);
	n.file = buf_str(&job->info);
	answer(a, &n, a->by);
	buf_release(&text);
	go_on_behind(a);
}

static void answer_lost(struct agent *a, const char *what)
{
	a->job = 0;
	if (a->prepares) { /* nothing was done yet */
		a->prepares = false;
		answer_skipped(a, "the process that looked at the file ended");
		return;
	}
	a->counts.failed++;
	answer_not_run(a, TOOL_LOST, what, STR_LIT(NOT_KNOWN), a->by);
}

static void take_death(struct agent *a)
{
	struct err err = {0};

	if (!revive(a, &err))
		give_up_with(a, AGENT_FAILED, ERR_FAILED, "the tools' process has ended",
			     "the tools' process has ended");
	answer_lost(a, "the process that ran this ended; ");
	go_on_behind(a);
}

void agent_poll(struct agent *a)
{
	/* A job that ends may be followed by the next at once. */
	while (a->job) {
		struct job_news n = {0};
		int rc = runner_next(a->config.runner, &n);
		bool ours = n.id == a->job;

		if (!rc)
			return;
		if (rc < 0)
			take_death(a);
		else if (ours && n.kind == JOB_OUTPUT && !a->prepares)
			show_output(a, &n);
		else if (ours && n.kind == JOB_DONE && a->prepares)
			take_prepared(a, &n);
		else if (ours && n.kind == JOB_DONE)
			take_done(a, &n);
		job_news_release(&n);
	}
}

void agent_leave(struct agent *a)
{
	if (a->state == AGENT_IDLE)
		return;
	a->stopped = true;
	a->skip = "the program ended";
	if (a->job) {
		answer_lost(a, "the program ended while this ran; ");
		go_on_behind(a);
	} else if (a->state == AGENT_WAITS) {
		go_on(a);
	} else {
		finish(a, AGENT_STOPPED, NULL);
	}
}

int agent_prepare(struct agent *a, struct talk *t, const char *fresh, int64_t ctx_tokens,
		  struct err *err)
{
	const struct prepare p = {&a->config, a->ops, a->ctx, fresh, ctx_tokens};

	/* What was read in another conversation was not read in this one. */
	if (a->shown_in != t->id)
		buf_reset(&a->shown);
	a->shown_in = t->id;
	return prepare_branch(&p, t, err);
}

int agent_look(const struct agent *a, const struct talk *t, const char *fresh,
	       int64_t ctx_tokens, struct buf *system, struct str *tools, struct err *err)
{
	const struct prepare p = {&a->config, a->ops, a->ctx, fresh, ctx_tokens};
	return prepare_look(&p, t, system, tools, err);
}

bool agent_may_resume(const struct talk *t)
{
	const struct talk_message *m = talk_message_answer(t->leaf);

	for (size_t i = 0; m && !m->unfinished && i < m->n_parts; i++) {
		const struct talk_part *p = &m->parts[i];

		if (p->kind == HISTORY_CALL && !talk_message_has_result(t->leaf, buf_str(&p->ref)))
			return true;
	}
	return false;
}

int agent_resume(struct agent *a, struct talk *t, int64_t ctx_tokens, struct err *err)
{
	const struct prepare p = {&a->config, a->ops, a->ctx, NULL, ctx_tokens};
	const struct talk_message *m = talk_message_answer(t->leaf);
	int rc = prepare_lost(&p, t, err);

	if (rc)
		return rc;
	agent_begin(a);
	a->ctx_tokens = ctx_tokens;
	rc = calls_take(&a->calls, m, err);
	if (rc) {
		calls_release(&a->calls);
		a->state = AGENT_IDLE;
		return rc;
	}
	for (size_t i = 0; i < a->calls.n; i++)
		a->calls.v[i].done =
			talk_message_has_result(t->leaf, buf_str(&a->calls.v[i].ref));
	begin_round(a, m);
	return 0;
}
