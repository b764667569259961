#include "app/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static const int caught[] = {SIGINT, SIGTERM, SIGHUP};
#define N_CAUGHT (sizeof(caught) / sizeof(caught[0]))

static int pipe_fds[2] = {-1, -1};
static volatile sig_atomic_t last;
static struct sigaction before[N_CAUGHT], pipe_before;

static void on_signal(int signo)
{
	int saved = errno;

	last = signo;
	if (write(pipe_fds[1], "", 1) < 0) {
		/* The pipe is full: it is readable anyway. */
	}
	errno = saved;
}

void signals_ignore_limits(void)
{
	signal(SIGXFSZ, SIG_IGN);
}

int signals_open(struct err *err)
{
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) != 0)
		return err_errno(err, "pipe", "open");
	for (size_t i = 0; i < N_CAUGHT; i++)
		sigaction(caught[i], &sa, &before[i]);
	sigaction(SIGPIPE, &ignore, &pipe_before);
	return 0;
}

void signals_close(void)
{
	for (size_t i = 0; i < N_CAUGHT; i++)
		sigaction(caught[i], &before[i], NULL);
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

int signals_take(void)
{
	char drain[16];
	int signo = last;

	while (read(pipe_fds[0], drain, sizeof(drain)) > 0)
		;
	last = 0;
	return signo;
}
