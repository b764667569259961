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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/tools/confine.h"
#include "app/tools/file_tool.h"
#include "app/tools/kids.h"
#include "app/tools/parcel.h"
#include "app/tools/runner_live.h"
#include "app/tools/spill.h"
#include "app/tools/warden.h"
#include "app/tools/wire.h"
#include "engine/base/clock.h"
#include "engine/base/file.h"

#define KILL_MS  3000
#define GRACE_MS 5000 /* a warden has beyond what its command has */

/* Of a file tool, with all that is said. */
#define RESULT_BYTES (FILE_CHANGE_BYTES + (1u << 20))

struct task {
	uint64_t id; /* 0: none */
	pid_t pid;
	bool command;
	bool applies; /* a change of a file: it is whole or not there, and takes no time */
	int sock;   /* to the warden; -1 */
	int result; /* the memfd that a file tool writes to; -1 */
	int spill;
	unsigned n_spill;
	int64_t began_ms, due_ms; /* when it is killed */
	int64_t timeout_ms;
	bool stopped, timed_out;
	struct buf done; /* a warden's last word; it is told when the warden has ended */
};

struct server {
	int sock, signals;
	bool commands;
	struct workspace w;
	int spill_root, spills; /* -1: none */
	char spill_folder[80];  /* of the job; "": none */
	int landlock;
	struct task task;
	struct buf waiting; /* a JOB_DONE that the socket had no room for */
	uint64_t waiting_id;
	bool has_waiting, gone;
};

/* ---- telling ---- */

static void send_done(struct server *s, uint64_t id, struct str body)
{
	struct err err;
	int rc = wire_send(s->sock, WIRE_DONE, id, body, &err);

	if (rc == 1) {
		buf_reset(&s->waiting);
		buf_adds(&s->waiting, body);
		s->waiting_id = id;
		s->has_waiting = true;
		rc = buf_failed(&s->waiting) ? ERR_NOMEM : 0;
	}
	s->gone = s->gone || rc < 0;
}

static void send_waiting(struct server *s)
{
	struct err err;
	int rc = wire_send(s->sock, WIRE_DONE, s->waiting_id, buf_str(&s->waiting), &err);

	s->has_waiting = rc == 1;
	s->gone = s->gone || rc < 0;
}

/* ---- a job's life ---- */

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void open_spills(struct server *s)
{
	s->spills = openat(s->spill_root, s->spill_folder,
			   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* The folder of the job's conversation, where it has one already. */
static void find_spills(struct server *s, struct str name)
{
	if (s->spill_root < 0 || !name.n)
		return;
	snprintf(s->spill_folder, sizeof(s->spill_folder), "%.*s", (int)name.n, name.p);
	open_spills(s);
}

/* … and one is made for what is kept. */
static void make_spills(struct server *s)
{
	if (s->spills >= 0 || !s->spill_folder[0])
		return;
	mkdirat(s->spill_root, s->spill_folder, 0700);
	open_spills(s);
}

/* A folder in which nothing is kept does not stay. */
static void close_spills(struct server *s)
{
	close_one(&s->spills);
	if (s->spill_folder[0])
		unlinkat(s->spill_root, s->spill_folder, AT_REMOVEDIR);
	s->spill_folder[0] = '\0';
}

static void no_task(struct server *s)
{
	s->task = (struct task){.sock = -1, .result = -1, .spill = -1};
}

/* Nothing of it is left, whatever it was. */
static void end_task(struct server *s, bool keeps_spill)
{
	struct task *t = &s->task;

	kids_end(KILL_MS);
	close_one(&t->sock);
	close_one(&t->result);
	close_one(&t->spill);
	buf_release(&t->done);
	if (t->n_spill && !keeps_spill)
		spill_remove(s->spills, t->n_spill);
	close_spills(s);
	no_task(s);
}

/* It is over: nothing of it is left when that is told. */
static void finish(struct server *s, struct str body, bool keeps_spill)
{
	uint64_t id = s->task.id;

	end_task(s, keeps_spill);
	send_done(s, id, body);
}

static void finish_with(struct server *s, enum tool_state state, const char *text)
{
	struct job_news n = {.state = state, .exit = -1};
	struct buf body = {0};

	n.ms = clock_ms() - s->task.began_ms;
	buf_addz(&n.text, text);
	parcel_add_news(&body, &n);
	/* Who cannot be told of an end must not wait for it. */
	s->gone = s->gone || buf_failed(&body) || buf_failed(&n.text);
	finish(s, buf_str(&body), false);
	job_news_release(&n);
	buf_release(&body);
}

static void open_spill(struct server *s)
{
	struct err err;

	make_spills(s);
	if (s->spills < 0)
		return;
	spill_trim(s->spill_root, SPILL_ALL_BYTES - OUTPUT_SPILL_BYTES);
	s->task.spill = spill_create(s->spills, &s->task.n_spill, &err);
	if (s->task.spill < 0)
		s->task.n_spill = 0;
}

/* ---- a tool that reads files ---- */

/* In the child: its result, as news, goes to the memfd. */
static _Noreturn void be_file_tool(struct server *s, const struct job *j, pid_t parent)
{
	struct file_job f = {.w = &s->w,
			     .outside = j->outside,
			     .limit = j->limit,
			     .spills = s->spills,
			     .spill = s->task.spill,
			     .n_spill = s->task.n_spill,
			     .phase = j->phase,
			     .shown = j->shown,
			     .plan = j->plan};
	struct job_news n = {.exit = -1};
	struct buf body = {0};

	/* What it reads is hostile: it has no way to the program but its result. */
	close(s->sock);
	close(s->signals);
	confine_file_tool(parent);
	if (s->landlock && !(j->phase == JOB_APPLY
				     ? confine_to_writing(&s->w)
				     : confine_to_reading(&s->w, s->spills, j->outside)))
		_exit(3);
	n.state = file_tool_run(&f, j->tool, j->arguments);
	n.text = f.text;
	n.info = f.info;
	n.plan = f.new_plan;
	n.diff = f.diff;
	n.before = f.before;
	n.bytes = f.text.len;
	n.ms = clock_ms() - s->task.began_ms;
	if (f.cut && f.n_spill)
		buf_addf(&n.spill, "OUT:%u", f.n_spill);
	parcel_add_news(&body, &n);
	_exit(buf_failed(&body) || file_write_all(s->task.result, buf_str(&body)) != 0 ? 4 : 0);
}

static void begin_file_tool(struct server *s, const struct job *j)
{
	struct task *t = &s->task;
	pid_t self = getpid();

	t->timeout_ms = j->timeout_ms ? j->timeout_ms : FILE_TOOL_MS;
	t->due_ms = t->began_ms + t->timeout_ms;
	t->applies = j->phase == JOB_APPLY;
	t->result = memfd_create("result", MFD_CLOEXEC);
	if (j->phase == JOB_WHOLE && !str_is(j->tool, "read_file"))
		open_spill(s);
	t->pid = t->result < 0 ? -1 : fork();
	if (t->pid == 0)
		be_file_tool(s, j, self);
	if (t->pid < 0) {
		finish_with(s, TOOL_ERROR, "error: not run: no process could be started");
	}
}

/* What the child wrote; as much as a result may be. */
static bool read_result(int fd, struct wire_message *m)
{
	struct stat st;

	*m = (struct wire_message){.kind = WIRE_DONE};
	if (fstat(fd, &st) != 0 || st.st_size > (off_t)RESULT_BYTES ||
	    !buf_reserve(&m->body, (size_t)st.st_size))
		return false;
	if (pread(fd, m->body.data, (size_t)st.st_size, 0) != st.st_size)
		return false;
	m->body.len = (size_t)st.st_size;
	return true;
}

static void end_file_tool(struct server *s, int status)
{
	struct task *t = &s->task;
	struct job_news n = {0};
	struct wire_message m = {0};
	char late[64];

	if (t->stopped) {
		finish_with(s, TOOL_STOPPED, "[stopped by the user]");
	} else if (t->applies && status != 0) {
		finish_with(s, TOOL_LOST,
			    "error: the change ended early; whether it was made is not known. "
			    "Look before you repeat it.");
	} else if (t->timed_out) {
		snprintf(late, sizeof(late), "error: timed out after %lld seconds",
			 (long long)(t->timeout_ms / 1000));
		finish_with(s, TOOL_TIMEOUT, late);
	} else if (status == 0 && read_result(t->result, &m) && parcel_take_news(&m, &n)) {
		finish(s, buf_str(&m.body), n.spill.len > 0);
	} else {
		finish_with(s, TOOL_ERROR, "error: the tool failed on this file");
	}
	job_news_release(&n);
	buf_release(&m.body);
}

/* ---- a command ---- */

static void begin_command(struct server *s, const struct job *j)
{
	struct json_doc args = {0};
	struct task *t = &s->task;
	struct warden w = {
		.dir = s->w.roots[0].fd, .limit = j->limit, .timeout_ms = j->timeout_ms};
	struct err err;
	int ends[2];

	t->command = true;
	if (json_doc_parse_unique(&args, j->arguments, &err) != 0 ||
	    wire_pair(ends, &err) != 0) {
		finish_with(s, TOOL_ERROR, "error: not run: no process could be started");
		json_doc_release(&args);
		return;
	}
	w.command = json_str(json_object_get(args.root, "command"));
	if (w.timeout_ms == 0)
		w.timeout_ms = WARDEN_TIMEOUT_MS;
	t->due_ms = t->began_ms + w.timeout_ms + WARDEN_TERM_MS + GRACE_MS;
	open_spill(s);
	w.spill = t->spill;
	w.n_spill = t->n_spill;
	w.sock = ends[1];
	t->sock = ends[0];
	t->pid = fork();
	if (t->pid == 0) {
		close(s->sock);
		close(s->signals);
		close(ends[0]);
		_exit(warden_run(&w));
	}
	close(ends[1]);
	json_doc_release(&args);
	if (t->pid < 0) {
		finish_with(s, TOOL_ERROR, "error: not run: no process could be started");
	}
}

/* The warden's words go on as they are, once they are seen to be news. */
static void hear_warden(struct server *s)
{
	struct task *t = &s->task;
	struct wire_message m;
	struct err err;

	while (t->sock >= 0 && wire_receive(t->sock, &m, &err) == 1) {
		struct job_news n;
		bool fits = parcel_take_news(&m, &n);

		if (fits && m.kind == WIRE_OUTPUT)
			s->gone = s->gone || wire_send(s->sock, WIRE_OUTPUT, t->id,
						       buf_str(&m.body), &err) < 0;
		if (fits && m.kind == WIRE_DONE && !t->done.len) {
			buf_adds(&t->done, buf_str(&m.body));
			if (n.spill.len)
				t->n_spill = 0; /* it is kept */
		}
		job_news_release(&n);
		buf_release(&m.body);
	}
}

static void end_command(struct server *s)
{
	struct buf done;

	hear_warden(s);
	done = s->task.done;
	s->task.done = (struct buf){0};
	if (done.len && !buf_failed(&done))
		finish(s, buf_str(&done), false);
	else
		finish_with(
			s, TOOL_LOST,
			"error: what watched over the command ended; what it did is not known. "
			"Look before you repeat it.");
	buf_release(&done);
}

/* ---- jobs ---- */

static void begin_job(struct server *s, uint64_t id, const struct job *j)
{
	struct err err;

	s->task.id = id;
	s->task.began_ms = clock_ms();
	find_spills(s, j->spill_folder);
	if (workspace_check(&s->w, &err) != 0) {
		finish_with(s, TOOL_ERROR, "error: not run: the workspace was replaced");
	} else if (j->phase == JOB_APPLY && !(j->grade & GRADE_WRITE)) {
		finish_with(s, TOOL_ERROR, "error: not run: nothing may be written");
	} else if (file_tool_is(j->tool, j->phase)) {
		begin_file_tool(s, j);
	} else if (s->commands && str_is(j->tool, "shell")) {
		begin_command(s, j);
	} else {
		finish_with(s, TOOL_ERROR, "error: not run: there is no such tool here");
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
		t->due_ms += WARDEN_TERM_MS + GRACE_MS;
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
			end_command(s);
		else
			end_file_tool(s, status);
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
	t->due_ms = clock_ms() + KILL_MS;
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
			hear_warden(s);
		if (p[1].revents)
			hear_children(s);
		if (s->has_waiting && p[0].revents & POLLOUT)
			send_waiting(s);
		if (p[0].revents & ~POLLOUT)
			hear_program(s);
		check_time(s);
	}
	end_task(s, false);
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
		open_spill_root(s, c->c.spill_root);
	free(c);
	return rc;
}

static void tell_ready(struct server *s, int rc, const struct err *err)
{
	struct buf body = {0};
	struct err lost;
	int sent;

	if (rc) {
		wire_add_number(&body, (uint64_t)-rc);
		wire_add_text(&body, str_of(err->text));
	}
	sent = wire_send(s->sock, rc ? WIRE_FAILED : WIRE_READY, 0, buf_str(&body), &lost);
	s->gone = rc || sent;
	buf_release(&body);
}

static bool prepare(struct server *s)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	s->signals = kids_watch();
	s->landlock = tools_landlock();
	no_task(s);
	return s->signals >= 0 && fcntl(s->sock, F_SETFD, FD_CLOEXEC) == 0;
}

bool runner_is_called(char **argv)
{
	return argv[0] && strcmp(argv[0], RUNNER_NAME) == 0;
}

int runner_main(bool commands)
{
	static struct server s = {.sock = RUNNER_FD};
	struct wire_message m = {0};
	struct err err = {0};
	int rc;

	s.commands = commands;
	s.spill_root = s.spills = -1;
	if (!prepare(&s))
		return 1;
	rc = wait_for_config(s.sock, &m, &err);
	if (!rc)
		rc = configure(&s, &m, &err);
	buf_release(&m.body);
	tell_ready(&s, rc, &err);
	serve(&s);
	close_one(&s.spill_root);
	buf_release(&s.waiting);
	workspace_close(&s.w);
	return rc ? 1 : 0;
}
