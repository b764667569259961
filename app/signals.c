/* The handlers, and the pipe they write to. */
#include "app/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static const int ending[] = {SIGINT, SIGTERM, SIGHUP};
static const int terminal[] = {SIGWINCH, SIGTSTP, SIGCONT, SIGCHLD};
#define N_ENDING   (sizeof(ending) / sizeof(ending[0]))
#define N_TERMINAL (sizeof(terminal) / sizeof(terminal[0]))

static int pipe_fds[2] = {-1, -1};
static int n_opened;
static bool catches_terminal;
static volatile sig_atomic_t last;
static struct sigaction ending_before[N_ENDING], terminal_before[N_TERMINAL], pipe_before;

static void put_number(int signo)
{
	int saved = errno;
	char c = (char)signo;

	if (write(pipe_fds[1], &c, 1) < 0) {
		/* The pipe is full: it is readable anyway. */
	}
	errno = saved;
}

static void on_ending(int signo)
{
	last = signo;
	put_number(signo);
}

void signals_ignore_limits(void)
{
	signal(SIGXFSZ, SIG_IGN);
}

int signals_open(struct err *err)
{
	struct sigaction sa = {.sa_handler = on_ending, .sa_flags = SA_RESTART};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	if (n_opened++)
		return 0;
	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) != 0) {
		n_opened = 0;
		return err_errno(err, "pipe", "open");
	}
	for (size_t i = 0; i < N_ENDING; i++) {
		sigaction(ending[i], NULL, &ending_before[i]);
		/* Whoever started the program wants it to go on: nohup(1), a shell's "&". */
		if (ending_before[i].sa_handler != SIG_IGN)
			sigaction(ending[i], &sa, NULL);
	}
	sigaction(SIGPIPE, &ignore, &pipe_before);
	return 0;
}

void signals_catch_terminal(bool on)
{
	struct sigaction sa = {.sa_handler = put_number, .sa_flags = SA_RESTART};

	for (size_t i = 0; on != catches_terminal && i < N_TERMINAL; i++)
		sigaction(terminal[i], on ? &sa : &terminal_before[i],
			  on ? &terminal_before[i] : NULL);
	catches_terminal = on;
}

void signals_close(void)
{
	if (--n_opened)
		return;
	signals_catch_terminal(false);
	for (size_t i = 0; i < N_ENDING; i++)
		sigaction(ending[i], &ending_before[i], NULL);
	sigaction(SIGPIPE, &pipe_before, NULL);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	pipe_fds[0] = pipe_fds[1] = -1;
}

int signals_fd(void)
{
	return pipe_fds[0];
}

int signals_seen(void)
{
	return last;
}

void signals_hang_up(void)
{
	on_ending(SIGHUP);
}

size_t signals_read(unsigned char *numbers, size_t max)
{
	ssize_t n = read(pipe_fds[0], numbers, max);

	return n > 0 ? (size_t)n : 0;
}

int signals_take(void)
{
	unsigned char drain[16];
	int signo = last;

	while (signals_read(drain, sizeof(drain)) > 0)
		;
	last = 0;
	return signo;
}
