/* A loop over the runner's socket, the command's pipe and the signal that a child has ended. */
#include "app/tools/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/tools/kids.h"
#include "app/tools/tripwire.h"
#include "app/tools/wire.h"
#include "engine/base/clock.h"
#include "engine/base/file.h"

#define TELL_MS       50
#define TOLD          4096 /* bytes of output, each time at most */
#define DRAIN_MS      200
#define READS         16 /* of the pipe, before anything else is looked at */
#define KILL_MS       3000
#define KILL_AGAIN_MS 20
#define LET_GO_MS     200

/* ---- the command ---- */

static bool start(struct watch *v)
{
	pid_t self = getpid();
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	v->pipe = ends[0];
	v->shell = fork();
	if (v->shell == 0)
		launch_become(&v->launch, ends[1], self);
	close(ends[1]);
	launch_give(&v->launch);
	return v->shell > 0;
}

/* What it is to be kept from is found out now: the command before may have made it. */
static int make(struct watch *v, struct err *err)
{
	const struct warden *w = v->w;
	bool git = warden_is_for_git(w);
	int rc = 0;

	if (warden_keeps(w))
		rc = cover_find(&v->cover, w->workspace, false, err);
	if (!rc && git)
		rc = cover_find(&v->cover_git, w->workspace, true, err);
	if (warden_keeps(w) && w->grade & GRADE_WRITE && !git)
		v->wire = tripwire_open(w->workspace);
	return rc ? rc
		  : launch_make(&v->launch, w->sandbox, w->workspace,
				git ? &v->cover_git : &v->cover, w->command, w->grade, err);
}

/* ---- telling ---- */

/* What was printed since the last time, or its end; all of it comes with the result. */
static void tell_output(struct watch *v)
{
	struct job_news n = {.state = TOOL_OK, .exit = -1};

	if (v->out.raw_bytes == v->told_raw || clock_ms() < v->told_ms + TELL_MS)
		return;
	output_add_since(&v->out, &v->told, TOLD, &n.text);
	v->told_raw = v->out.raw_bytes;
	v->told_ms = clock_ms();
	watch_tell(v, false, &n);
	job_news_release(&n);
}

/* ---- what happens ---- */

/* False: the pipe is empty, or at its end. */
static bool pump(struct watch *v)
{
	static char block[64u << 10];

	for (int i = 0; i < READS; i++) {
		ssize_t n = read(v->pipe, block, sizeof(block));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			if (n == 0) {
				close(v->pipe);
				v->pipe = -1;
			}
			return false;
		}
		output_feed(&v->out, (struct str){block, (size_t)n});
	}
	return true;
}

static void begin_end(struct watch *v, enum tool_state why)
{
	if (v->why == TOOL_OK)
		v->why = why;
	v->kill_ms = clock_ms() + WARDEN_TERM_MS;
	kids_signal(SIGTERM);
	/* One that was stopped hears nothing. */
	kids_signal(SIGCONT);
}

static void hear_runner(struct watch *v)
{
	struct wire_message m;
	struct err err;
	int rc;

	while ((rc = wire_receive(v->w->sock, &m, &err)) == 1) {
		if (m.kind == WIRE_STOP && v->kill_ms)
			v->kill_ms = clock_ms();
		else if (m.kind == WIRE_STOP)
			begin_end(v, TOOL_STOPPED);
		buf_release(&m.body);
	}
	v->runner_gone = v->runner_gone || rc < 0;
}

static void has_exited(struct watch *v, int code, int number)
{
	if (v->exited)
		return;
	v->exited = true;
	v->exit = code;
	v->signal = number;
	v->drain_ms = clock_ms() + DRAIN_MS;
}

/* A shell's word for how its child ended: of a signal, 128 more than its number. */
static void has_exited_as(struct watch *v, int code)
{
	if (code > 128 && code < 128 + 32)
		has_exited(v, -1, code - 128);
	else
		has_exited(v, code, 0);
}

static void hear_children(struct watch *v)
{
	int status;
	pid_t pid;

	kids_heard(v->signals);
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != v->shell)
			continue;
		if (WIFSIGNALED(status))
			has_exited(v, -1, WTERMSIG(status));
		else if (launch_has_above(&v->launch))
			has_exited_as(v, WEXITSTATUS(status));
		else
			has_exited(v, WEXITSTATUS(status), 0);
	}
}

/* The first line: it is there, with nothing but what is around it; the second: a number. */
static void hear_above(struct watch *v)
{
	char text[64];
	ssize_t n = read(v->launch.hear, text, sizeof(text));
	struct str said;

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		close(v->launch.hear);
		v->launch.hear = -1;
		return;
	}
	if (n > 0 && v->above.len < sizeof(text))
		buf_add(&v->above, text, (size_t)n);
	said = buf_str(&v->above);
	if (!v->begun && said.n) {
		v->begun = true;
		kids_spare();
		if (write(v->launch.tell, "\n", 1) != 1)
			return; /* it is gone, which is heard of, too */
	}
	if (said.n > 2 && said.p[said.n - 1] == '\n') {
		v->above_told = true;
		has_exited_as(v, atoi(said.p + 1) & 0xff);
	}
}

static int wait_ms(const struct watch *v)
{
	int64_t now = clock_ms(), due = v->began_ms + v->w->timeout_ms;

	if (v->why != TOOL_OK)
		due = v->kill_ms;
	if (v->exited && v->drain_ms < due)
		due = v->drain_ms;
	if (v->out.raw_bytes != v->told_raw && v->told_ms + TELL_MS < due)
		due = v->told_ms + TELL_MS;
	return due <= now ? 0 : (int)(due - now);
}

static void check_time(struct watch *v)
{
	int64_t now = clock_ms();

	if (v->why == TOOL_OK && !v->exited && now >= v->began_ms + v->w->timeout_ms) {
		begin_end(v, TOOL_TIMEOUT);
	} else if (v->kill_ms && now >= v->kill_ms && !v->exited) {
		kids_signal(SIGKILL);
		v->kill_ms = now + KILL_AGAIN_MS;
	}
}

/* It has done what it may not: what it goes on to do is not waited for. */
static void hear_wire(struct watch *v)
{
	if (v->broke.len || !tripwire_hear(v->wire, &v->broke))
		return;
	if (!v->kill_ms)
		v->kill_ms = clock_ms();
	kids_signal(SIGKILL);
}

/* One round; true: it is over. */
static bool step(struct watch *v)
{
	struct pollfd p[5] = {
		{.fd = v->w->sock, .events = POLLIN}, {.fd = v->signals, .events = POLLIN},
		{.fd = v->pipe, .events = POLLIN},    {.fd = v->launch.hear, .events = POLLIN},
		{.fd = v->wire, .events = POLLIN},
	};
	bool more = false;

	if (poll(p, 5, wait_ms(v)) < 0 && errno != EINTR)
		return true;
	if (p[0].revents)
		hear_runner(v);
	if (p[4].revents)
		hear_wire(v);
	if (p[3].revents)
		hear_above(v);
	if (p[1].revents)
		hear_children(v);
	if (v->pipe >= 0 && (p[2].revents || v->exited))
		more = pump(v);
	tell_output(v);
	check_time(v);
	if (v->runner_gone)
		return true;
	return v->exited && (!more || clock_ms() >= v->drain_ms);
}

/* ---- its whole life ---- */

/* The shell above may go, and with it all that is around: sooner than by being killed. */
static void let_go(struct watch *v)
{
	struct pollfd p = {.fd = v->signals, .events = POLLIN};

	file_close(&v->launch.tell);
	for (int64_t until = clock_ms() + LET_GO_MS; kids_any() && clock_ms() < until;) {
		poll(&p, 1, 10);
		kids_heard(v->signals);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

/* TERM first: a server may have something to put away. */
static void end_others(struct watch *v)
{
	const struct timespec moment = {.tv_nsec = 5000000};

	if (!kids_any())
		return;
	v->left = kids_signal(SIGTERM);
	/* They were to end anyway, or end with what is around them. */
	if (v->why != TOOL_OK || v->broke.len ||
	    (launch_has_above(&v->launch) && !v->above_told))
		v->left = 0;
	if (!v->left && v->above_told)
		let_go(v);
	for (int i = 0; i < 20 && kids_any() && kids_signal(0); i++) {
		nanosleep(&moment, NULL);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	kids_end(KILL_MS);
}

static bool prepare(struct watch *v)
{
	/* A command may send them to its parent. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	v->signals = kids_watch();
	return v->signals >= 0 && output_init(&v->out, v->w->limit, v->w->spill, NULL) == 0;
}

/* Nothing of it began, and nothing of it is left. */
static bool begin_again(struct watch *v)
{
	kids_end(KILL_MS);
	launch_release(&v->launch);
	cover_release(&v->cover);
	cover_release(&v->cover_git);
	output_release(&v->out);
	buf_reset(&v->above);
	file_close(&v->pipe);
	file_close(&v->wire);
	v->launch = launch_none;
	v->exited = false;
	v->exit = -1;
	v->signal = 0;
	v->told = v->told_raw = 0;
	return (v->w->spill < 0 ||
		(ftruncate(v->w->spill, 0) == 0 && lseek(v->w->spill, 0, SEEK_SET) == 0)) &&
	       output_init(&v->out, v->w->limit, v->w->spill, NULL) == 0;
}

/* To the end of the command, or of what is around it. */
static void watch_over(struct watch *v)
{
	while (!step(v))
		;
	if (!v->runner_gone)
		end_others(v);
	else
		kids_end(KILL_MS);
}

/* 0: it ended, or the runner is gone. */
static int run(struct watch *v, struct err *err)
{
	for (int i = 1;; i++) {
		int rc = make(v, err);

		if (rc)
			return rc;
		if (!start(v))
			return err_errno(err, "command", "no process could be started");
		watch_over(v);
		if (!watch_is_unmade(v) || v->runner_gone || i == SANDBOX_TRIES)
			return 0;
		if (!begin_again(v))
			return err_errno(err, "command", "its output cannot be kept");
	}
}

int warden_run(const struct warden *w)
{
	struct watch *v = calloc(1, sizeof(*v));
	struct err err = {0};
	bool ready;

	if (!v)
		return 1;
	v->w = w;
	v->pipe = v->exit = v->wire = -1;
	v->launch = launch_none;
	v->began_ms = clock_ms();
	ready = prepare(v);
	if (ready && run(v, &err)) {
		result_tell_not_run(v, err.text, (struct str){"", 0});
	} else if (ready && !v->runner_gone) {
		output_end(&v->out);
		result_tell(v);
	}
	launch_release(&v->launch);
	cover_release(&v->cover);
	cover_release(&v->cover_git);
	buf_release(&v->broke);
	output_release(&v->out);
	buf_release(&v->above);
	free(v);
	return ready ? 0 : 1;
}
