/* A loop over the runner's socket, the command's pipe and the signal that a child has ended. */
#include "app/tools/warden.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/tools/confine.h"
#include "app/tools/kids.h"
#include "app/tools/output.h"
#include "app/tools/parcel.h"
#include "app/tools/wire.h"
#include "engine/base/clock.h"

#define TELL_MS       50
#define TOLD          4096 /* bytes of output, each time at most */
#define DRAIN_MS      200
#define READS         16 /* of the pipe, before anything else is looked at */
#define KILL_MS       3000
#define KILL_AGAIN_MS 20

struct watch {
	const struct warden *w;
	struct output out;
	int pipe, signals;
	pid_t shell;
	int64_t began_ms;
	int64_t told_ms;
	uint64_t told;     /* bytes of the clean output */
	uint64_t told_raw; /* and as they came */
	bool exited;       /* the shell has; `status` is waitpid()'s */
	int status;
	int64_t drain_ms;    /* when waiting for what is in the pipe ends */
	enum tool_state why; /* OK, or STOPPED or TIMEOUT: it is to end */
	int64_t kill_ms;     /* when TERM was enough */
	bool runner_gone;
	size_t left; /* processes that were there after the shell's end */
};

/* ---- the command ---- */

static const char *shell_path(void)
{
	return access("/bin/bash", X_OK) == 0 ? "/bin/bash" : "/bin/sh";
}

/* Of the environment nothing is inherited but what says where and in which language. */
static void add_inherited(char **env, size_t *n, const char *name)
{
	const char *value = getenv(name);
	char *pair;

	if (value && asprintf(&pair, "%s=%s", name, value) >= 0)
		env[(*n)++] = pair;
}

#define INHERITED                                                                              \
	"HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "LC_MESSAGES", "TZ", "TMPDIR"
#define MADE                                                                                   \
	"PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin", "PAGER=cat",      \
		"GIT_PAGER=cat", "MANPAGER=cat", "GIT_TERMINAL_PROMPT=0",                      \
		"GIT_OPTIONAL_LOCKS=0", "EDITOR=false", "VISUAL=false", "GIT_EDITOR=false",    \
		"TERM=dumb", "NO_COLOR=1", "CI=1", "DEBIAN_FRONTEND=noninteractive"

static char **make_environment(void)
{
	static const char *const inherited[] = {INHERITED}, *const made[] = {MADE};
	size_t n = 0, n_inherited = sizeof(inherited) / sizeof(*inherited);
	size_t n_made = sizeof(made) / sizeof(*made);
	char **env = calloc(n_inherited + n_made + 1, sizeof(*env));

	for (size_t i = 0; env && i < n_inherited; i++)
		add_inherited(env, &n, inherited[i]);
	for (size_t i = 0; env && i < n_made; i++)
		env[n++] = (char *)(uintptr_t)made[i];
	return env;
}

static void default_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child: becomes the command. */
static _Noreturn void become(const struct watch *v, int out, pid_t warden)
{
	char *command = strndup(v->w->command.p, v->w->command.n), **env = make_environment();
	const char *shell = shell_path();
	char *bash[] = {"bash", "--noprofile", "--norc", "-c", command, NULL};
	char *sh[] = {"sh", "-c", command, NULL};
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	/* A group of its own: `kill 0` does not reach the warden.  No session, since who leads
	 * one can make any terminal it opens its own; the runner's has none. */
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (!command || !env || null < 0 || getppid() != warden || fchdir(v->w->dir) != 0)
		_exit(126);
	if (dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(126);
	confine_command();
	default_signals();
	/* What is open would be a way out of any sandbox. */
	if (close_range(3, ~0u, 0) != 0)
		_exit(126);
	execve(shell, strcmp(shell, "/bin/bash") == 0 ? bash : sh, env);
	_exit(127);
}

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
		become(v, ends[1], self);
	close(ends[1]);
	return v->shell > 0;
}

/* ---- telling ---- */

static void tell(struct watch *v, bool done, struct job_news *n)
{
	struct pollfd room = {.fd = v->w->sock, .events = POLLOUT};
	struct buf body = {0};
	struct err err;
	int rc;

	n->bytes = v->out.raw_bytes;
	n->lines = v->out.lines;
	parcel_add_news(&body, n);
	if (!buf_failed(&body)) {
		do {
			rc = wire_send(v->w->sock, done ? WIRE_DONE : WIRE_OUTPUT, 0,
				       buf_str(&body), &err);
		} while (rc == 1 && done && poll(&room, 1, -1) >= 0);
		v->runner_gone = v->runner_gone || rc < 0;
	}
	buf_release(&body);
}

/* What was printed since the last time, or its end; all of it comes with the result. */
static void tell_output(struct watch *v)
{
	struct job_news n = {.state = TOOL_OK, .exit = -1};

	if (v->out.raw_bytes == v->told_raw || clock_ms() < v->told_ms + TELL_MS)
		return;
	output_add_since(&v->out, &v->told, TOLD, &n.text);
	v->told_raw = v->out.raw_bytes;
	v->told_ms = clock_ms();
	tell(v, false, &n);
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

static void hear_children(struct watch *v)
{
	int status;
	pid_t pid;

	kids_heard(v->signals);
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != v->shell)
			continue;
		v->exited = true;
		v->status = status;
		v->drain_ms = clock_ms() + DRAIN_MS;
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

/* One round; true: it is over. */
static bool step(struct watch *v)
{
	struct pollfd p[3] = {
		{.fd = v->w->sock, .events = POLLIN},
		{.fd = v->signals, .events = POLLIN},
		{.fd = v->pipe, .events = POLLIN},
	};
	bool more = false;

	if (poll(p, 3, wait_ms(v)) < 0 && errno != EINTR)
		return true;
	if (p[0].revents)
		hear_runner(v);
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

/* ---- the result ---- */

static void add_end(const struct watch *v, struct job_news *n)
{
	if (v->why == TOOL_STOPPED) {
		output_begin_line(&n->text);
		buf_addz(&n->text, "[stopped by the user]");
	} else if (v->why == TOOL_OK) {
		output_add_ending(n->exit, n->signal, &n->text);
	}
}

static void add_left(const struct watch *v, struct buf *text)
{
	if (!v->left)
		return;
	output_begin_line(text);
	if (v->left == 1)
		buf_addz(text,
			 "[1 background process was stopped; it cannot outlive a command]");
	else
		buf_addf(text,
			 "[%zu background processes were stopped; they cannot outlive a "
			 "command]",
			 v->left);
}

static enum tool_state state_of(const struct watch *v)
{
	if (v->why != TOOL_OK)
		return v->why;
	return WIFEXITED(v->status) && WEXITSTATUS(v->status) == 0 ? TOOL_OK : TOOL_ERROR;
}

static void tell_end(struct watch *v)
{
	struct job_news n = {.state = state_of(v), .exit = -1};
	bool cut = output_is_cut(&v->out) && v->w->spill >= 0;

	if (v->exited && WIFEXITED(v->status))
		n.exit = WEXITSTATUS(v->status);
	else if (v->exited)
		n.signal = WTERMSIG(v->status);
	if (v->why == TOOL_TIMEOUT)
		buf_addf(&n.text, "error: timed out after %lld seconds%s",
			 (long long)(v->w->timeout_ms / 1000), v->out.bytes ? "\n" : "");
	output_add_text(&v->out, cut ? v->w->n_spill : 0, &n.text);
	add_end(v, &n);
	add_left(v, &n.text);
	if (cut)
		buf_addf(&n.spill, "OUT:%u", v->w->n_spill);
	n.ms = clock_ms() - v->began_ms;
	if (buf_failed(&n.text) || buf_failed(&n.spill)) {
		job_news_release(&n);
		n = (struct job_news){.state = TOOL_ERROR, .exit = -1};
	}
	tell(v, true, &n);
	job_news_release(&n);
}

/* TERM first: a server may have something to put away. */
static void end_others(struct watch *v)
{
	const struct timespec moment = {.tv_nsec = 5000000};

	if (!kids_any())
		return;
	v->left = kids_signal(SIGTERM);
	if (v->why != TOOL_OK)
		v->left = 0; /* they were to end anyway */
	for (int i = 0; i < 20 && kids_signal(0); i++) {
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

int warden_run(const struct warden *w)
{
	struct watch *v = calloc(1, sizeof(*v));

	if (!v)
		return 1;
	v->w = w;
	v->pipe = -1;
	v->began_ms = clock_ms();
	if (!prepare(v) || !start(v)) {
		free(v);
		return 1;
	}
	while (!step(v))
		;
	if (v->runner_gone) {
		kids_end(KILL_MS);
	} else {
		end_others(v);
		output_end(&v->out);
		tell_end(v);
	}
	output_release(&v->out);
	free(v);
	return 0;
}
