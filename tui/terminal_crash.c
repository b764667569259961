/* The handler of signals that end the program, and what it writes. */
#include "tui/terminal_crash.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/err.h"

/* A terminal that takes nothing is not waited for longer. */
#define PATIENCE_MS 300

/*
 * Every signal that ends a program by itself, but for those that always have a handler of the
 * program's own by now.  Ends by the second kind are somebody's wish, where nobody asked to
 * ignore or hear them.
 */
static const struct {
	int sig;
	bool fault;
} crash_signals[] = {
	{SIGSEGV, true}, {SIGBUS, true},    {SIGILL, true},   {SIGFPE, true},   {SIGABRT, true},
	{SIGSYS, true},  {SIGTRAP, true},   {SIGQUIT, false}, {SIGALRM, false}, {SIGUSR1, false},
	{SIGUSR2, false}, {SIGVTALRM, false}, {SIGPROF, false}, {SIGXCPU, false},
	{SIGXFSZ, false}, {SIGIO, false},   {SIGPWR, false},  {SIGSTKFLT, false},
	{SIGHUP, false}, {SIGINT, false},   {SIGTERM, false}, {SIGPIPE, false},
};
#define N_CRASH (sizeof(crash_signals) / sizeof(crash_signals[0]))

/* Written before `armed` is set, read by the handler only while it is. */
static struct {
	volatile sig_atomic_t armed;
	int fd;
	char bytes[512];
	size_t n;
	struct termios saved;
	struct sigaction old[N_CRASH];
} crash;

/* What the program itself does about the signal comes after the terminal. */
static void pass_on(int sig, const siginfo_t *info)
{
	const bool fault = sig == SIGSEGV || sig == SIGBUS || sig == SIGILL || sig == SIGFPE;

	for (size_t i = 0; i < N_CRASH; i++) {
		if (crash_signals[i].sig == sig)
			sigaction(sig, &crash.old[i], NULL);
	}
	/* The instruction faults again, with its address, as soon as this returns. */
	if (!fault || info->si_code <= 0)
		raise(sig);
}

static void on_crash(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (crash.armed) {
		size_t at = 0;

		crash.armed = 0;
		while (at < crash.n) {
			struct pollfd room = {.fd = crash.fd, .events = POLLOUT};
			ssize_t n;

			if (poll(&room, 1, PATIENCE_MS) <= 0)
				break;
			n = write(crash.fd, crash.bytes + at, crash.n - at);
			if (n <= 0)
				break;
			at += (size_t)n;
		}
		tcsetattr(crash.fd, TCSANOW, &crash.saved);
	}
	pass_on(sig, info);
}

void terminal_crash_arm(int fd, const struct termios *saved, struct str leave)
{
	struct sigaction sa = {.sa_sigaction = on_crash};

	if (crash.armed)
		BUG("two terminals at once");
	crash.fd = fd;
	crash.saved = *saved;
	crash.n = leave.n <= sizeof(crash.bytes) ? leave.n : 0;
	if (crash.n > 0)
		memcpy(crash.bytes, leave.p, crash.n);
	sigemptyset(&sa.sa_mask);
	sa.sa_flags = (int)(SA_SIGINFO | SA_RESETHAND | SA_NODEFER | SA_ONSTACK);
	for (size_t i = 0; i < N_CRASH; i++) {
		int sig = crash_signals[i].sig;

		sigaction(sig, NULL, &crash.old[i]);
		if (crash_signals[i].fault || crash.old[i].sa_handler == SIG_DFL)
			sigaction(sig, &sa, NULL);
	}
	crash.armed = 1;
}

void terminal_crash_disarm(void)
{
	if (!crash.armed)
		return;
	crash.armed = 0;
	for (size_t i = 0; i < N_CRASH; i++)
		sigaction(crash_signals[i].sig, &crash.old[i], NULL);
}
