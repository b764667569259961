/*
 * Starting a thread that leaves signals to the one whose business they are.
 */
#ifndef ENGINE_BASE_THREAD_H
#define ENGINE_BASE_THREAD_H

#include <pthread.h>

#include "engine/base/err.h"

/*
 * It takes no signals but those its own instructions raise, so that the UI thread's handlers
 * run on the UI thread.  ERR_FAILED, which says `what` did not start.  Any thread.
 */
int thread_start(pthread_t *thread, void *(*run)(void *), void *arg, const char *what,
		 struct err *err);

#endif
