/* A call's job, from that it begins to what the runner tells of it. */
#include "app/agent/machine.h"

#include <string.h>

#define SHOWN_BYTES (256u << 10)

/* ---- beginning ---- */

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
		.outside = a->cls == TOOL_READ_OUTSIDE && call_class(n->tool) == TOOL_READ,
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
static bool edit_of(const struct agent *a, struct history_edit *e)
{
	const struct buf *before = &a->prepared.before;
	struct file_plan p;

	if (!machine_plan(a, &p))
		return false;
	*e = (struct history_edit){
		.root = p.root,
		.path = p.path,
		.existed = p.existed,
		.before = {buf_z(before), before->len},
		.before_mode = (int64_t)p.mode,
		.after_mode = (int64_t)p.mode_after,
		.made_dirs = (int64_t)p.made_dirs,
	};
	if (p.existed)
		memcpy(e->before_hash, p.hash.p, sizeof(e->before_hash));
	memcpy(e->after_hash, p.hash_after.p, sizeof(e->after_hash));
	return true;
}

int machine_store_start(struct agent *a, const struct agent_news *n, const char *by,
			struct err *err)
{
	struct buf grade = {0};
	struct talk_call c = {
		.ref = n->ref,
		.name = n->tool,
		.cls = str_of(tool_class_name(a->cls)),
		.by = str_of(by),
		.rule = a->rule,
		.edit_id = &a->edit,
	};
	struct history_edit edit;
	int rc;

	if (!a->ops->begin)
		return 0;
	tool_grade_add(&grade, n->grade);
	c.grade = buf_str(&grade);
	c.layer = n->layer;
	if (edit_of(a, &edit))
		c.edit = &edit;
	rc = buf_failed(&grade) ? err_nomem(err, "call", grade.len)
				: a->ops->begin(a->ctx, &c, err);
	buf_release(&grade);
	return rc;
}

bool machine_begin_job(struct agent *a, const struct agent_news *n)
{
	struct err err = {0};

	if (!start_job(a, n, &err)) {
		a->state = AGENT_RUNS;
		return true;
	}
	a->job = 0;
	a->prepares = false;
	machine_give_up(a, AGENT_FAILED, &err, "the tools' process does not run");
	machine_answer_not_run(a, TOOL_SKIPPED, "not run: ", str_of(err.text), "policy");
	return false;
}

/* ---- what the runner tells ---- */

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
	struct agent_news n = machine_news(a, AGENT_PRINTS);

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

/* What would change is judged; what cannot be changed has its result. */
static void take_prepared(struct agent *a, struct job_news *job)
{
	struct agent_news n = machine_news(a, AGENT_RESULT);

	a->job = 0;
	a->prepares = false;
	if (a->skip) {
		machine_answer_skipped(a, a->skip);
	} else if (job->state == TOOL_OK) {
		a->prepared = *job;
		*job = (struct job_news){0};
		if (machine_judge_prepared(a))
			machine_go_on_behind(a);
		return;
	} else {
		n.text = buf_str(&job->text);
		n.state = job->state;
		machine_answer(a, &n, "policy");
	}
	machine_go_on_behind(a);
}

void machine_answer_job(struct agent *a, struct job_news *job)
{
	struct agent_news n = machine_news(a, AGENT_RESULT);
	struct buf text = {0};

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
	n.cut = job->cut;
	n.spill = buf_str(&job->spill);
	n.file = buf_str(&job->info);
	machine_answer(a, &n, a->by);
	buf_release(&text);
}

static void take_done(struct agent *a, struct job_news *job)
{
	a->job = 0;
	if (machine_asks_wider(a, job))
		return;
	machine_answer_job(a, job);
	machine_go_on_behind(a);
}

void machine_answer_lost(struct agent *a, const char *what)
{
	a->job = 0;
	if (a->prepares) { /* nothing was done yet */
		a->prepares = false;
		machine_answer_skipped(a, "the process that looked at the file ended");
		return;
	}
	a->counts.failed++;
	machine_answer_not_run(a, TOOL_LOST, what, STR_LIT(CALL_LOST), a->by);
}

static void take_death(struct agent *a)
{
	struct err err = {0};

	if (!revive(a, &err))
		machine_give_up_with(a, AGENT_FAILED, ERR_FAILED,
				     "the tools' process has ended",
				     "the tools' process has ended");
	machine_answer_lost(a, "the process that ran this ended; ");
	machine_go_on_behind(a);
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
