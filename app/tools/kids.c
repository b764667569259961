/* /proc says who is whose parent. */
#include "app/tools/kids.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/clock.h"

#define MOST   65536 /* processes that are looked at */
#define SPARED 8

static struct {
	pid_t v[SPARED];
	size_t n;
} spared;

struct process {
	pid_t pid, parent;
	char state; /* 'Z': it has ended, 'T': it was stopped */
	bool ours;
};

struct processes {
	struct process *v;
	size_t n, cap;
};

int kids_watch(void)
{
	sigset_t child;

	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_SETMASK, &child, NULL);
	return signalfd(-1, &child, SFD_NONBLOCK | SFD_CLOEXEC);
}

void kids_heard(int fd)
{
	struct signalfd_siginfo info[8];

	while (read(fd, info, sizeof(info)) > 0)
		;
}

bool kids_any(void)
{
	siginfo_t info;

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

/* "PID (NAME) STATE PARENT …"; a name may have any bytes, ')' too. */
static bool parse(const char *text, struct process *p)
{
	const char *end = strrchr(text, ')');
	int parent;

	if (!end || sscanf(end, ") %c %d", &p->state, &parent) != 2)
		return false;
	p->parent = parent;
	return true;
}

static bool look_at(int proc, const char *name, struct process *p)
{
	char path[64], text[1024];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%.20s/stat", name);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	*p = (struct process){.pid = (pid_t)strtol(name, NULL, 10)};
	return parse(text, p);
}

static bool note(struct processes *l, const struct process *p)
{
	if (l->n == MOST)
		return false;
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 256;
		struct process *v = realloc(l->v, cap * sizeof(*v));

		if (!v)
			return false;
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n++] = *p;
	return true;
}

static int by_pid(const void *a, const void *b)
{
	const struct process *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static struct process *find(const struct processes *l, pid_t pid)
{
	struct process key = {.pid = pid};

	return l->n ? bsearch(&key, l->v, l->n, sizeof(*l->v), by_pid) : NULL;
}

/* Does the way from p to the first process lead over this one, or over one that is ours? */
static bool is_ours(const struct processes *l, const struct process *p)
{
	pid_t self = getpid();

	/* They were not all looked at in one moment: the way may be a circle. */
	for (size_t i = 0; p && i < l->n; i++) {
		if (p->parent == self || p->ours)
			return true;
		p = find(l, p->parent);
	}
	return false;
}

static void find_ours(struct processes *l)
{
	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), by_pid);
	for (size_t i = 0; i < l->n; i++)
		l->v[i].ours = is_ours(l, &l->v[i]);
}

/* All of the system's; which are ours is marked. */
static void read_all(struct processes *l)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	struct process p;

	*l = (struct processes){0};
	while (dir && (e = readdir(dir)))
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9' &&
		    look_at(dirfd(dir), e->d_name, &p) && !note(l, &p))
			break;
	if (dir)
		closedir(dir);
	find_ours(l);
}

static bool is_spared(pid_t pid)
{
	for (size_t i = 0; i < spared.n; i++)
		if (spared.v[i] == pid)
			return true;
	return false;
}

static size_t signal_all(int sig, bool spares)
{
	struct processes l;
	size_t n = 0;

	read_all(&l);
	for (size_t i = 0; i < l.n; i++) {
		if (!l.v[i].ours || l.v[i].state == 'Z' || (spares && is_spared(l.v[i].pid)))
			continue;
		n++;
		if (sig)
			kill(l.v[i].pid, sig);
	}
	free(l.v);
	return n;
}

size_t kids_signal(int sig)
{
	return signal_all(sig, true);
}

void kids_spare(void)
{
	struct processes l;

	read_all(&l);
	spared.n = 0;
	for (size_t i = 0; i < l.n && spared.n < SPARED; i++)
		if (l.v[i].ours)
			spared.v[spared.n++] = l.v[i].pid;
	free(l.v);
}

/* Stops those that are not; returns how many that were. */
static size_t stop_others(void)
{
	struct processes l;
	size_t n = 0;

	read_all(&l);
	for (size_t i = 0; i < l.n; i++) {
		const struct process *p = &l.v[i];

		if (p->ours && p->state != 'Z' && p->state != 'T' && p->state != 't' &&
		    kill(p->pid, SIGSTOP) == 0)
			n++;
	}
	free(l.v);
	return n;
}

/* True: there is no child any more. */
static bool reap(void)
{
	pid_t pid;

	do {
		pid = waitpid(-1, NULL, WNOHANG);
	} while (pid > 0 || (pid < 0 && errno == EINTR));
	return pid < 0;
}

void kids_end(int max_ms)
{
	const struct timespec moment = {.tv_nsec = 1000000};
	int64_t until = clock_ms() + max_ms;

	if (reap())
		return;
	/* One that forks faster than it can be stopped does not for ever: its children are
	 * stopped, too, and those that stand still are none the next time. */
	for (int i = 0; i < 50 && stop_others() && clock_ms() < until; i++)
		;
	do {
		signal_all(SIGKILL, false);
		if (reap())
			return;
		nanosleep(&moment, NULL);
	} while (clock_ms() < until);
}
