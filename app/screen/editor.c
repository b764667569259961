/*
 * The external editor: a job of its own on the screen's terminal.
 *
 * It has a process group of its own, in the terminal's foreground, so that what its user types
 * there (Ctrl-C, Ctrl-\, Ctrl-Z) is for it alone.  Where it stops, the screen stops with it, as
 * one job of the shell's; signals that end the screen end it first.  Answers go on meanwhile, and
 * are kept as they come.
 */
#include "app/screen/private.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "app/screen/draftfile.h"
#include "app/signals.h"
#include "engine/base/clock.h"
#include "engine/base/file.h"

#define EDITED_MAX ((size_t)64 << 20)
/* Told to end, it has so long; then it is ended. */
#define GRACE_MS 2000
/* Not every end of it need be told by SIGCHLD. */
#define LOOK_MS 200

struct editor {
	pid_t pid;
	int tty;
	pid_t home; /* whose the terminal was; -1: it has no foreground */
	bool ended;
	int status;     /* once it has */
	int signo;      /* what the screen is to end by, 0 = nothing */
	int64_t killed; /* when it is to be ended for good; 0 = not told to end */
};

/* SIGTTOU would stop whoever gives the terminal away from the background. */
static void give_terminal(const struct editor *e, pid_t group)
{
	sigset_t ttou, before;

	if (e->home < 0)
		return;
	sigemptyset(&ttou);
	sigaddset(&ttou, SIGTTOU);
	sigprocmask(SIG_BLOCK, &ttou, &before);
	tcsetpgrp(e->tty, group);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static _Noreturn void become_editor(const struct editor *e, const char *path)
{
	static const int own[] = {SIGPIPE, SIGXFSZ, SIGTSTP};
	const char *editor = getenv("VISUAL");

	if (!editor || editor[0] == '\0')
		editor = getenv("EDITOR");
	if (!editor || editor[0] == '\0')
		editor = "vi";
	setpgid(0, 0);
	give_terminal(e, getpid());
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		signal(own[i], SIG_DFL);
	/* What the screen's starter had ignored stays so; handlers end here by themselves. */
	/* The shell takes an editor with arguments apart; the file is one of them. */
	execl("/bin/sh", "sh", "-c", "exec $0 \"$1\"", editor, path, (char *)NULL);
	_exit(127);
}

/* A terminal that is gone has neither. */
static bool in_background(const struct editor *e)
{
	pid_t now = tcgetpgrp(e->tty);

	return e->home >= 0 && now >= 0 && now != getpgrp();
}

/* Stops the screen's own job, until the shell has it go on in the foreground. */
static void stop_with_it(const struct editor *e, const struct termios *shells)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL}, ign = {.sa_handler = SIG_IGN}, old;
	struct termios editors;
	bool known = tcgetattr(e->tty, &editors) == 0;

	give_terminal(e, e->home);
	tcsetattr(e->tty, TCSANOW, shells);
	/* The whole job, as Ctrl-Z would; this process for certain before it goes on. */
	sigaction(SIGTSTP, &ign, &old);
	kill(0, SIGTSTP);
	sigaction(SIGTSTP, &dfl, NULL);
	raise(SIGTSTP);
	sigaction(SIGTSTP, &old, NULL);
	/* In the background the terminal is the shell's. */
	for (int i = 0; i < 3 && in_background(e); i++)
		raise(SIGSTOP);
	if (known)
		tcsetattr(e->tty, TCSANOW, &editors);
	give_terminal(e, e->pid);
	kill(-e->pid, SIGCONT);
}

static void look(struct editor *e, const struct termios *shells)
{
	int status;
	pid_t got = waitpid(e->pid, &status, WUNTRACED | WNOHANG);

	if (got == e->pid && WIFSTOPPED(status)) {
		stop_with_it(e, shells);
	} else if (got == e->pid || (got < 0 && errno != EINTR)) {
		e->ended = true;
		e->status = got == e->pid ? status : -1;
	}
}

static void hear(struct editor *e)
{
	unsigned char numbers[64];
	size_t n = signals_read(numbers, sizeof(numbers));

	for (size_t i = 0; i < n; i++) {
		if (numbers[i] != SIGINT && numbers[i] != SIGTERM && numbers[i] != SIGHUP)
			continue;
		e->signo = numbers[i];
		kill(-e->pid, e->signo);
		kill(-e->pid, SIGCONT);
		if (!e->killed)
			e->killed = clock_ms() + GRACE_MS;
	}
}

/* How long nothing but the editor, a signal or the engine can be waited for. */
static int patience_ms(const struct screen *s)
{
	int wait = turn_pause_ms(&s->turn);

	return wait < 0 || wait > LOOK_MS ? LOOK_MS : wait;
}

static void await(struct screen *s, struct editor *e)
{
	struct termios shells;
	struct pollfd fds[2] = {
		{.fd = signals_fd(), .events = POLLIN},
		{.fd = event_queue_fd(s->engine->events), .events = POLLIN},
	};

	tcgetattr(e->tty, &shells);
	for (look(e, &shells); !e->ended; look(e, &shells)) {
		poll(fds, 2, patience_ms(s));
		hear(e);
		if ((fds[1].revents & POLLIN) || turn_due_ms(&s->turn) == 0)
			screen_take_events(s);
		if (e->killed && clock_ms() >= e->killed)
			kill(-e->pid, SIGKILL);
	}
}

/* On the file, on the terminal; false where it did not begin. */
static bool run(struct screen *s, struct editor *e, const char *path)
{
	e->home = tcgetpgrp(e->tty);
	e->pid = fork();
	if (e->pid < 0)
		return false;
	if (e->pid == 0)
		become_editor(e, path);
	/* Whichever of the two is first. */
	setpgid(e->pid, e->pid);
	give_terminal(e, e->pid);
	s->lent = true;
	await(s, e);
	s->lent = false;
	give_terminal(e, e->home);
	return true;
}

/* False: the text is as it was. */
static bool edit_file(struct screen *s, struct editor *e, const char *path)
{
	bool ok;

	terminal_release(s->terminal);
	ok = run(s, e, path);
	terminal_resume(s->terminal, &s->failed);
	/* What one that was ended had written is there; one that says no is heeded. */
	return ok && (e->signo || WIFSIGNALED(e->status) || e->status == 0);
}

/* The file's text into the composer; false: it can't be taken, and stays where it is. */
static bool take_edited(struct screen *s, const struct editor *e, int64_t editing,
			const char *path)
{
	struct buf edited = {0};
	struct err err;
	bool ok = file_read(&edited, path, EDITED_MAX, &err) == 0;

	if (!ok)
		tui_say(s->tui, STYLE_ERROR, "the edited text stays in its file: %s", err.text);
	while (edited.len > 0 && edited.data[edited.len - 1] == '\n')
		buf_truncate(&edited, edited.len - 1);
	if (ok && (edited.len > 0 || e->status == 0))
		tui_edit(s->tui, editing, buf_str(&edited));
	buf_release(&edited);
	return ok;
}

void screen_editor(struct screen *s, int64_t editing, struct str text)
{
	struct editor e = {.pid = -1};
	struct draftfile file;
	struct err err;

	if (!s->terminal)
		return;
	e.tty = terminal_fd(s->terminal);
	if (draftfile_make(&file, s->opt->ephemeral, text, &err)) {
		tui_say(s->tui, STYLE_ERROR, "%s", err.text);
		return;
	}
	if (!edit_file(s, &e, file.path)) {
		tui_say(s->tui, STYLE_ERROR, "the editor failed: the text is as it was");
		draftfile_remove(&file);
	} else if (take_edited(s, &e, editing, file.path)) {
		draftfile_remove(&file);
	}
	/* It may have been another size meanwhile. */
	screen_resize(s);
	if (e.signo) {
		s->signo = e.signo;
		s->quit = true;
	}
}
