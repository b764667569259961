/* A runner that plays a script; a timer's descriptor says when its next news are due. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "app/tools/output.h"
#include "app/tools/runner_ops.h"
#include "app/tools/runner_script.h"
#include "engine/base/clock.h"
#include "engine/base/jsontree.h"
#include "engine/base/utf8.h"

struct scripted {
	struct runner base;
	struct runner_script script;
	size_t next; /* step of the next job */
	int timer;
	bool dead;
	/* the job at hand: */
	const struct runner_step *step; /* NULL: none */
	uint64_t id;                    /* of the last job */
	bool stopped;
	size_t at; /* so much of its output was told */
	int64_t began_ns, due_ns;
};

static int get_fd(const struct runner *r)
{
	return ((const struct scripted *)r)->timer;
}

/* News are due at that moment of the monotonic clock; 0: none are. */
static void arm(struct scripted *s, int64_t ns)
{
	struct itimerspec when = {
		.it_value = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000}};

	s->due_ns = ns;
	if (timerfd_settime(s->timer, TFD_TIMER_ABSTIME, &when, NULL))
		BUG("a timer that cannot be set");
}

static void arm_after(struct scripted *s, int64_t ms)
{
	arm(s, clock_ns() + ms * 1000000);
}

/* ---- beginning ---- */

static int unexpected(const struct runner_step *step, const char *what, struct str found,
		      const struct buf *expected, struct err *err)
{
	return err_set(err, ERR_USAGE,
		       "runner's script, line %d: %s is '%.*s', expected '%.100s'", step->line,
		       what, (int)(found.n < 100 ? found.n : 100), found.p, buf_z(expected));
}

static int check_command(const struct runner_step *step, const struct job *j, struct err *err)
{
	struct json_tree tree = {0};
	int rc;

	if (!step->has_command)
		return 0;
	rc = json_tree_parse(&tree, j->arguments, 0, err);
	if (!rc) {
		struct str command = json_str(json_object_get(tree.root, "command"));

		if (!str_eq(command, buf_str(&step->command)))
			rc = unexpected(step, "command", command, &step->command, err);
	}
	json_tree_release(&tree);
	return rc;
}

static int check_grade(const struct runner_step *step, const struct job *j, struct err *err)
{
	struct buf grade = {0};
	int rc = 0;

	tool_grade_add(&grade, j->grade);
	if (buf_failed(&grade))
		rc = err_nomem(err, "grade", grade.len);
	else if (step->has_grade && !str_eq(buf_str(&grade), buf_str(&step->grade)))
		rc = unexpected(step, "grade", buf_str(&grade), &step->grade, err);
	buf_release(&grade);
	return rc;
}

static int check(const struct runner_step *step, const struct job *j, struct err *err)
{
	int rc;

	if (step->has_tool && !str_eq(j->tool, buf_str(&step->tool)))
		return unexpected(step, "tool", j->tool, &step->tool, err);
	if (step->has_arguments && step->arguments.len &&
	    (!j->arguments.n || !memmem(j->arguments.p, j->arguments.n, step->arguments.data,
					step->arguments.len)))
		return unexpected(step, "arguments", j->arguments, &step->arguments, err);
	rc = check_command(step, j, err);
	return rc ? rc : check_grade(step, j, err);
}

static int run(struct runner *r, const struct job *j, uint64_t *id, struct err *err)
{
	struct scripted *s = (struct scripted *)r;
	const struct runner_step *step;
	int rc;

	if (s->dead)
		return err_set(err, ERR_FAILED, "the tools' process has ended");
	if (s->step)
		return err_set(err, ERR_USAGE, "a job runs already");
	if (s->next >= s->script.n)
		return err_set(err, ERR_USAGE, "runner's script: no step is left for %.*s",
			       (int)(j->tool.n < 60 ? j->tool.n : 60), j->tool.p);
	step = &s->script.steps[s->next];
	rc = check(step, j, err);
	if (rc)
		return rc;
	s->next++;
	s->step = step;
	s->stopped = false;
	s->at = 0;
	s->began_ns = clock_ns();
	*id = ++s->id;
	arm_after(s, step->delay_ms);
	return 0;
}

static void stop(struct runner *r, uint64_t id)
{
	struct scripted *s = (struct scripted *)r;

	if (!s->step || id != s->id || s->dead)
		return;
	arm_after(s, s->stopped ? 0 : s->step->stubborn_ms);
	s->stopped = true;
}

/* ---- what comes ---- */

static int tell_piece(struct scripted *s, struct job_news *n)
{
	struct str all = buf_str(&s->step->output);
	struct str piece = {all.p + s->at, all.n - s->at};

	if (piece.n > (size_t)s->step->chunk)
		piece.n = (size_t)s->step->chunk;
	if (s->at + piece.n < all.n)
		piece.n -= utf8_partial_tail(piece);
	s->at += piece.n;
	n->kind = JOB_OUTPUT;
	buf_adds(&n->text, piece);
	arm_after(s, s->step->delay_ms);
	return 1;
}

static enum tool_state state_of(const struct scripted *s)
{
	const struct runner_step *step = s->step;

	if (s->stopped)
		return TOOL_STOPPED;
	if (step->has_state && str_is(buf_str(&step->state), "timeout"))
		return TOOL_TIMEOUT;
	if (step->has_state)
		return str_is(buf_str(&step->state), "ok") ? TOOL_OK : TOOL_ERROR;
	return step->exit > 0 || step->signal ? TOOL_ERROR : TOOL_OK;
}

static int tell_end(struct scripted *s, struct job_news *n)
{
	const struct runner_step *step = s->step;

	if (step->die && !s->stopped) {
		s->dead = true; /* the timer stays due: the descriptor stays readable */
		return ERR_FAILED;
	}
	n->kind = JOB_DONE;
	n->state = state_of(s);
	buf_add(&n->text, step->output.data, s->at);
	n->exit = s->stopped ? -1 : (int)step->exit;
	n->signal = s->stopped ? SIGTERM : (int)step->signal;
	if (!s->stopped)
		output_add_ending((int)step->exit, (int)step->signal, &n->text);
	n->ms = (clock_ns() - s->began_ns) / 1000000;
	n->cut = step->spill.len > 0;
	buf_adds(&n->spill, buf_str(&step->spill));
	buf_adds(&n->diff, buf_str(&step->diff));
	s->step = NULL;
	arm(s, 0);
	return 1;
}

static uint64_t lines_of(struct str s)
{
	uint64_t n = s.n && s.p[s.n - 1] != '\n';

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '\n';
	return n;
}

static int next(struct runner *r, struct job_news *n)
{
	struct scripted *s = (struct scripted *)r;
	const struct runner_step *step = s->step;
	int rc;

	*n = (struct job_news){.id = s->id, .exit = -1};
	if (s->dead)
		return ERR_FAILED;
	if (!step || clock_ns() < s->due_ns)
		return 0;
	rc = s->at < step->output.len && !s->stopped ? tell_piece(s, n) : tell_end(s, n);
	n->bytes = s->at;
	n->lines = lines_of((struct str){step->output.data, s->at});
	return rc;
}

/* ---- its life ---- */

static enum sandbox_layer get_sandbox(const struct runner *r, struct str *why)
{
	(void)r;
	*why = (struct str){"", 0};
	return SANDBOX_OFF;
}

static int restart(struct runner *r, struct err *err)
{
	struct scripted *s = (struct scripted *)r;

	(void)err;
	s->dead = false;
	s->step = NULL;
	arm(s, 0);
	return 0;
}

static void end(struct runner *r)
{
	struct scripted *s = (struct scripted *)r;

	runner_script_close(&s->script);
	if (s->timer >= 0)
		close(s->timer);
	free(s);
}

static const struct runner_ops ops = {
	.fd = get_fd,
	.run = run,
	.stop = stop,
	.next = next,
	.sandbox = get_sandbox,
	.restart = restart,
	.close = end,
};

int runner_start_scripted(struct runner **out, struct str script, struct err *err)
{
	struct scripted *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return err_nomem(err, "runner", sizeof(*s));
	s->base.ops = &ops;
	s->timer = -1;
	rc = runner_script_open(&s->script, script, err);
	if (!rc) {
		s->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
		if (s->timer < 0)
			rc = err_errno(err, "runner's script", "timer");
	}
	if (rc) {
		end(&s->base);
		return rc;
	}
	*out = &s->base;
	return 0;
}
