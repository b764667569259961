/* Masks around the making of a thread. */
#include "engine/base/thread.h"

#include <signal.h>
#include <string.h>

int thread_start(pthread_t *thread, void *(*run)(void *), void *arg, const char *what,
		 struct err *err)
{
	static const int own[] = {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
	sigset_t blocked, before;
	int rc;

	sigfillset(&blocked);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		sigdelset(&blocked, own[i]);
	/* A thread inherits the mask of its maker. */
	pthread_sigmask(SIG_BLOCK, &blocked, &before);
	rc = pthread_create(thread, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc ? err_set(err, ERR_FAILED, "%s: %s", what, strerror(rc)) : 0;
}
