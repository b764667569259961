/*
 * The process that runs tools: the program itself, executed again before it holds a model, so
 * that nothing large is ever forked.  One thread, one job at a time: a function in a child for
 * a tool of files, a warden for a command.  When the program is gone it ends all it
 * started.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "app/tools/file_tool.h"
#include "app/tools/kids.h"
#include "app/tools/parcel.h"
#include "app/tools/runner_live.h"
#include "app/tools/sandbox_probe.h"
#include "app/tools/sandbox_try.h"
#include "app/tools/scratch.h"
#include "app/tools/server.h"
#include "app/tools/warden.h"
#include "app/tools/wire.h"
#include "engine/base/clock.h"
#include "engine/base/file.h"

/* ---- jobs ---- */

static void begin_job(struct server *s, uint64_t id, const struct job *j)
{
	struct err err;

	s->task.id = id;
	s->task.began_ms = clock_ms();
	task_find_spills(s, j->spill_folder);
	if (workspace_check(&s->w, &err) != 0) {
		task_finish_with(s, TOOL_ERROR, "error: not run: the workspace was replaced");
	} else if (j->phase == JOB_APPLY && !(j->grade & GRADE_WRITE)) {
		task_finish_with(s, TOOL_ERROR, "error: not run: nothing may be written");
	} else if (file_tool_is(j->tool, j->phase)) {
		file_begin(s, j);
	} else if (s->sandbox.layer != SANDBOX_NONE && str_is(j->tool, "shell")) {
		command_begin(s, j);
	} else {
		task_finish_with(s, TOOL_ERROR, "error: not run: there is no such tool here");
	}
}

static void stop(struct server *s)
{
	struct task *t = &s->task;
	struct err err;

	if (t->applies)
		return;
	t->due_ms = clock_ms();
	if (!t->command) {
		t->stopped = true;
		kill(t->pid, SIGKILL);
		return;
	}
	/* Sent twice it kills at once. */
	if (wire_send(t->sock, WIRE_STOP, 0, (struct str){"", 0}, &err) == 0)
		t->due_ms += WARDEN_TERM_MS + WARDEN_GRACE_MS;
}

static void take(struct server *s, const struct wire_message *m)
{
	struct job j;

	if (m->kind == WIRE_STOP) {
		if (s->task.id && m->id == s->task.id)
			stop(s);
		return;
	}
	/* The program is what it is, or something else speaks in its place. */
	if (m->kind != WIRE_RUN || m->id == 0 || s->task.id || !parcel_take_job(m, &j))
		s->gone = true;
	else
		begin_job(s, m->id, &j);
}

static void hear_program(struct server *s)
{
	struct wire_message m;
	struct err err;
	int rc;

	while ((rc = wire_receive(s->sock, &m, &err)) == 1 && !s->gone) {
		take(s, &m);
		buf_release(&m.body);
	}
	buf_release(&m.body);
	s->gone = s->gone || rc < 0;
}

/* ---- the loop ---- */

static void hear_children(struct server *s)
{
	int status;
	pid_t pid;

	kids_heard(s->signals);
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (!s->task.id || pid != s->task.pid)
			continue;
		if (s->task.command)
			command_end(s);
		else
			file_end(s, status);
	}
}

static int wait_ms(const struct server *s)
{
	int64_t left = s->task.due_ms - clock_ms();

	if (!s->task.id)
		return -1;
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

static void check_time(struct server *s)
{
	struct task *t = &s->task;

	if (!t->id || clock_ms() < t->due_ms)
		return;
	t->timed_out = !t->stopped;
	t->due_ms = clock_ms() + SERVER_KILL_MS;
	kill(t->pid, SIGKILL);
}

static void serve(struct server *s)
{
	while (!s->gone) {
		struct pollfd p[3] = {
			{.fd = s->sock, .events = POLLIN},
			{.fd = s->signals, .events = POLLIN},
			{.fd = s->task.sock, .events = POLLIN},
		};

		if (s->has_waiting)
			p[0].events |= POLLOUT;
		if (poll(p, 3, wait_ms(s)) < 0 && errno != EINTR)
			break;
		if (p[2].revents)
			command_hear(s);
		if (p[1].revents)
			hear_children(s);
		if (s->has_waiting && p[0].revents & POLLOUT)
			task_send_waiting(s);
		if (p[0].revents & ~POLLOUT)
			hear_program(s);
		check_time(s);
	}
	task_end(s, false);
}

/* ---- beginning ---- */

static void open_spill_root(struct server *s, struct str path)
{
	char *root = strndup(path.p, path.n);

	if (root && *root) {
		mkdir(root, 0700);
		s->spill_root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	free(root);
}

static int wait_for_config(int sock, struct wire_message *m, struct err *err)
{
	struct pollfd p = {.fd = sock, .events = POLLIN};
	int rc;

	while ((rc = wire_receive(sock, m, err)) == 0)
		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return err_errno(err, "tools' process", "cannot wait");
	if (rc == 1 && m->kind != WIRE_CONFIG)
		rc = err_set(err, ERR_FAILED, "no configuration");
	return rc < 0 ? rc : 0;
}

/* Where none can even be tried, no command runs, and it is said why. */
static int find_sandbox(struct server *s, const struct parcel_config *c, struct err *err)
{
	struct sandbox_found found = {.layer = c->c.sandbox};
	struct err why = {0};

	s->sandbox.scratch = strndup(c->scratch.p, c->scratch.n);
	if (!s->sandbox.scratch)
		return err_nomem(err, "path", c->scratch.n);
	s->hold = scratch_hold(s->sandbox.scratch);
	if (found.layer < SANDBOX_OFF && probe_layers(&found, found.layer, false, &why)) {
		found.layer = SANDBOX_NONE;
		buf_addf(&found.why, "%s\n", why.text);
	}
	s->sandbox.layer = found.layer;
	s->why = found.why;
	return 0;
}

static int configure(struct server *s, const struct wire_message *m, struct err *err)
{
	struct parcel_config *c = malloc(sizeof(*c));
	int rc;

	if (!c)
		return err_nomem(err, "configuration", sizeof(*c));
	if (!parcel_take_config(m, c))
		rc = err_set(err, ERR_FAILED, "a configuration that is none");
	else
		rc = workspace_init(&s->w, &c->c.workspace, err);
	if (!rc)
		rc = find_sandbox(s, c, err);
	if (!rc)
		open_spill_root(s, c->c.spill_root);
	free(c);
	return rc;
}

static void tell_ready(struct server *s, int rc, const struct err *err)
{
	struct buf body = {0};
	struct err lost;
	int sent;

	wire_add_number(&body, rc ? (uint64_t)-rc : s->sandbox.layer);
	wire_add_text(&body, rc ? str_of(err->text) : buf_str(&s->why));
	sent = wire_send(s->sock, rc ? WIRE_FAILED : WIRE_READY, 0, buf_str(&body), &lost);
	s->gone = rc || sent;
	buf_release(&body);
}

static bool prepare(struct server *s)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	s->signals = kids_watch();
	s->sandbox.landlock = tools_landlock();
	task_none(s);
	return s->signals >= 0 && fcntl(s->sock, F_SETFD, FD_CLOEXEC) == 0;
}

static bool is_try(char **argv)
{
	return argv[1] && strcmp(argv[1], TRY_NAME) == 0;
}

bool runner_is_called(char **argv)
{
	return argv[0] && (strcmp(argv[0], RUNNER_NAME) == 0 || is_try(argv));
}

int runner_main(char **argv)
{
	static struct server s = {.sock = RUNNER_FD};
	struct wire_message m = {0};
	struct err err = {0};
	int rc;

	if (is_try(argv))
		return try_main(argv);
	s.spill_root = s.spills = s.hold = -1;
	if (!prepare(&s))
		return 1;
	rc = wait_for_config(s.sock, &m, &err);
	if (!rc)
		rc = configure(&s, &m, &err);
	buf_release(&m.body);
	tell_ready(&s, rc, &err);
	serve(&s);
	file_close(&s.hold);
	file_close(&s.spill_root);
	scratch_remove(s.sandbox.scratch);
	free(s.sandbox.scratch);
	buf_release(&s.why);
	buf_release(&s.waiting);
	workspace_close(&s.w);
	return rc ? 1 : 0;
}
