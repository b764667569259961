/* The program's end of its runner: starting it, jobs to it, news from it, its end. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "app/tools/clean.h"
#include "app/tools/parcel.h"
#include "app/tools/runner_live.h"
#include "app/tools/runner_ops.h"
#include "app/tools/scratch.h"
#include "app/tools/wire.h"
#include "engine/base/clock.h"

#define START_MS 15000 /* it tries the sandbox, too */
#define CLOSE_MS 3000

extern char **environ;

struct live {
	struct runner base;
	struct buf config; /* for one that is started again */
	char *scratch;     /* the session's folder for what is temporary */
	int hold;          /* of it */
	enum sandbox_layer sandbox;
	struct buf why; /* it is no stronger one */
	int sock;       /* the same number for its whole life */
	pid_t pid;      /* 0: it is gone */
	uint64_t id;    /* of the last job */
	bool runs;      /* that job does */
};

static int gone(struct err *err)
{
	return err_set(err, ERR_FAILED, "the tools' process has ended");
}

/* ---- its end ---- */

/* It has so long to end by itself. */
static void reap(struct live *r, int ms)
{
	const struct timespec moment = {.tv_nsec = 2000000};
	int64_t until = clock_ms() + ms;

	while (r->pid && waitpid(r->pid, NULL, WNOHANG) == 0) {
		if (clock_ms() >= until) {
			kill(r->pid, SIGKILL);
			waitpid(r->pid, NULL, 0);
			break;
		}
		nanosleep(&moment, NULL);
	}
	r->pid = 0;
	r->runs = false;
}

/* What it says is not to be believed, or it is there no more.  The descriptor stays readable.
 */
static void give_up(struct live *r)
{
	shutdown(r->sock, SHUT_RDWR);
	reap(r, r->pid ? CLOSE_MS : 0);
}

/* ---- its beginning ---- */

static int prepare(posix_spawn_file_actions_t *files, posix_spawnattr_t *attr, int sock)
{
	sigset_t all, none;
	int rc;

	sigfillset(&all);
	sigemptyset(&none);
	/* Its terminal is nobody's: what is pressed there is the program's business. */
	rc = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF |
						    POSIX_SPAWN_SETSIGMASK);
	if (!rc)
		rc = posix_spawnattr_setsigdefault(attr, &all);
	if (!rc)
		rc = posix_spawnattr_setsigmask(attr, &none);
	for (int fd = 0; !rc && fd < RUNNER_FD; fd++)
		rc = posix_spawn_file_actions_addopen(files, fd, "/dev/null", O_RDWR, 0);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(files, sock, RUNNER_FD);
	if (!rc)
		rc = posix_spawn_file_actions_addclosefrom_np(files, RUNNER_FD + 1);
	return rc;
}

static int spawn(struct live *r, int sock, struct err *err)
{
	static char name[] = RUNNER_NAME;
	char *argv[] = {name, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int rc = posix_spawn_file_actions_init(&files);

	if (rc)
		return err_set(err, ERR_NOMEM, "tools' process: %s", strerror(rc));
	rc = posix_spawnattr_init(&attr);
	if (!rc) {
		rc = prepare(&files, &attr, sock);
		if (!rc)
			rc = posix_spawn(&r->pid, "/proc/self/exe", &files, &attr, argv,
					 environ);
		posix_spawnattr_destroy(&attr);
	}
	posix_spawn_file_actions_destroy(&files);
	if (!rc)
		return 0;
	r->pid = 0;
	return err_set(err, ERR_FAILED, "tools' process: cannot be started: %s", strerror(rc));
}

/* It is ready, or why it is not. */
static int take_first(struct live *r, const struct wire_message *m, struct err *err)
{
	struct wire_fields f = wire_fields(m);
	struct str text;
	uint64_t n;

	n = wire_number(&f);
	text = wire_text(&f);
	if (m->kind == WIRE_READY && wire_complete(&f) && n <= SANDBOX_NONE) {
		r->sandbox = (enum sandbox_layer)n;
		buf_reset(&r->why);
		clean_add(&r->why, text);
		return buf_failed(&r->why) ? err_nomem(err, "sandbox", text.n) : 0;
	}
	if (m->kind == WIRE_FAILED && wire_complete(&f) && n >= 1 && n <= -ERR_TIMEOUT)
		return err_set(err, -(int)n, "%.*s", (int)text.n, text.p);
	return err_set(err, ERR_FAILED, "tools' process: its first word is none");
}

/* Its first word. */
static int hear_first(struct live *r, struct err *err)
{
	struct pollfd p = {.fd = r->sock, .events = POLLIN};
	int64_t until = clock_ms() + START_MS;
	struct wire_message m = {0};
	int rc;

	while ((rc = wire_receive(r->sock, &m, err)) == 0) {
		int64_t left = until - clock_ms();

		if (left <= 0)
			return err_set(err, ERR_FAILED,
				       "tools' process: no word from it in %d s",
				       START_MS / 1000);
		poll(&p, 1, (int)left);
	}
	if (rc < 0)
		return err_prefix(err, "not started");
	rc = take_first(r, &m, err);
	buf_release(&m.body);
	return rc;
}

/* With r->sock as the program's end, which may be there already. */
static int begin(struct live *r, struct err *err)
{
	int ends[2], rc = wire_pair(ends, err);

	if (rc)
		return rc;
	if (r->sock < 0) {
		r->sock = ends[0];
	} else {
		dup3(ends[0], r->sock, O_CLOEXEC);
		close(ends[0]);
	}
	rc = spawn(r, ends[1], err);
	close(ends[1]);
	if (!rc && wire_send(r->sock, WIRE_CONFIG, 0, buf_str(&r->config), err) != 0)
		rc = gone(err);
	if (!rc)
		rc = hear_first(r, err);
	if (rc)
		give_up(r);
	return rc;
}

/* ---- the operations ---- */

static int get_fd(const struct runner *base)
{
	return ((const struct live *)base)->sock;
}

static int run(struct runner *base, const struct job *j, uint64_t *id, struct err *err)
{
	struct live *r = (struct live *)base;
	struct buf body = {0};
	int rc;

	if (!r->pid)
		return gone(err);
	if (r->runs)
		return err_set(err, ERR_USAGE, "a job runs already");
	parcel_add_job(&body, j);
	if (buf_failed(&body))
		rc = err_nomem(err, "job", j->arguments.n);
	else
		rc = wire_send(r->sock, WIRE_RUN, r->id + 1, buf_str(&body), err);
	if (rc == 1) /* it takes none: one is all that can wait */
		rc = gone(err);
	buf_release(&body);
	if (rc)
		return rc;
	r->runs = true;
	*id = ++r->id;
	return 0;
}

static void stop(struct runner *base, uint64_t id)
{
	struct live *r = (struct live *)base;
	struct err err;

	if (r->pid && r->runs && id == r->id)
		wire_send(r->sock, WIRE_STOP, id, (struct str){"", 0}, &err);
}

static int next(struct runner *base, struct job_news *n)
{
	struct live *r = (struct live *)base;
	struct wire_message m = {0};
	struct err err;
	int rc;

	*n = (struct job_news){.exit = -1};
	if (!r->pid)
		return ERR_FAILED;
	rc = wire_receive(r->sock, &m, &err);
	if (rc == 1) {
		bool news = m.kind == WIRE_OUTPUT || m.kind == WIRE_DONE;

		if (!news || !r->runs || m.id != r->id || !parcel_take_news(&m, n))
			rc = ERR_FAILED;
		else if (n->kind == JOB_DONE)
			r->runs = false;
	}
	buf_release(&m.body);
	if (rc < 0) {
		job_news_release(n);
		give_up(r);
	}
	return rc;
}

static enum sandbox_layer get_sandbox(const struct runner *base, struct str *why)
{
	const struct live *r = (const struct live *)base;

	*why = buf_str(&r->why);
	return r->sandbox;
}

static int restart(struct runner *base, struct err *err)
{
	struct live *r = (struct live *)base;

	give_up(r);
	return begin(r, err);
}

static void end(struct runner *base)
{
	struct live *r = (struct live *)base;

	if (r->sock >= 0) {
		give_up(r);
		close(r->sock);
	}
	scratch_remove(r->scratch);
	if (r->hold >= 0)
		close(r->hold);
	free(r->scratch);
	buf_release(&r->why);
	buf_release(&r->config);
	free(r);
}

static const struct runner_ops ops = {
	.fd = get_fd,
	.run = run,
	.stop = stop,
	.next = next,
	.sandbox = get_sandbox,
	.restart = restart,
	.close = end,
};

int runner_start(struct runner **out, const struct runner_config *c, struct err *err)
{
	struct live *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return err_nomem(err, "runner", sizeof(*r));
	r->base.ops = &ops;
	r->sock = r->hold = -1;
	r->scratch = scratch_make(&r->hold, err);
	rc = r->scratch ? parcel_add_config(&r->config, c, str_of(r->scratch), err) : err->code;
	if (!rc)
		rc = begin(r, err);
	if (rc) {
		end(&r->base);
		return rc;
	}
	*out = &r->base;
	return 0;
}
