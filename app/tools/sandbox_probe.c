/* A place to be attacked, a command that attacks, and what it got. */
#include "app/tools/sandbox_probe.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/tools/clean.h"
#include "app/tools/sandbox.h"
#include "app/tools/sandbox_try.h"
#include "app/tools/scratch.h"
#include "app/tools/secrets.h"
#include "engine/base/clock.h"
#include "engine/base/file.h"

#define RUN_MS     3000
#define SAID_BYTES 2048

/* What is attacked. */
struct target {
	char *folder; /* a scratch folder, with "ws", the workspace, too */
	int hold;     /* of it */
	struct workspace w;
	struct buf made;    /* a file that must not be made */
	struct buf program; /* what attacks */
	int tcp, udp, abstract, socket;
	unsigned tcp_port, udp_port;
	char name[32]; /* of the abstract one */
	char mark[24];
	char cwd[PATH_MAX];
	struct buf said; /* what the command printed */
};

/* ---- making it ---- */

static int add_file(const struct target *t, const char *name, const char *text)
{
	struct buf path = {0};
	int fd;
	bool ok;

	buf_addf(&path, "%s/%s", t->folder, name);
	fd = open(buf_z(&path), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ok = fd >= 0 && file_write_all(fd, str_of(text)) == 0;
	if (fd >= 0)
		close(fd);
	buf_release(&path);
	return ok ? 0 : -1;
}

static int make_folders(const struct target *t)
{
	static const char *const names[] = {"ws", "ws/.git", "ws/" TRY_FOLDER};
	int rc = 0;

	for (size_t i = 0; !rc && i < sizeof(names) / sizeof(*names); i++) {
		struct buf path = {0};

		buf_addf(&path, "%s/%s", t->folder, names[i]);
		rc = buf_failed(&path) ? -1 : mkdir(buf_z(&path), 0700);
		buf_release(&path);
	}
	return rc ? rc : add_file(t, "ws/" TRY_HIDDEN, TRY_SECRET);
}

/* Listens at a port of its own; -1. */
static int open_port(int type, unsigned *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&a, n) == 0 &&
	    getsockname(fd, (struct sockaddr *)&a, &n) == 0 &&
	    (type != SOCK_STREAM || listen(fd, 8) == 0)) {
		*port = ntohs(a.sin_port);
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Of a name that begins with a NUL, or of a file; -1. */
static int open_socket(const char *name, size_t n)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (n <= sizeof(a.sun_path)) {
		memcpy(a.sun_path, name, n);
		if (fd >= 0 &&
		    bind(fd, (struct sockaddr *)&a,
			 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) == 0 &&
		    listen(fd, 8) == 0)
			return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

/* A machine without a network, or a long path, has nothing there to be attacked. */
static void open_sockets(struct target *t)
{
	char name[sizeof(t->name) + 1] = "";
	struct buf path = {0};

	t->tcp = open_port(SOCK_STREAM, &t->tcp_port);
	t->udp = open_port(SOCK_DGRAM, &t->udp_port);
	snprintf(t->name, sizeof(t->name), "dsv4chat-try-%d", (int)getpid());
	memcpy(name + 1, t->name, strlen(t->name));
	t->abstract = open_socket(name, 1 + strlen(t->name));
	buf_addf(&path, "%s/ws/" TRY_SOCKET, t->folder);
	t->socket = open_socket(buf_z(&path), path.len + 1);
	buf_release(&path);
}

static bool copy(const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	ssize_t n = in < 0 || out < 0 ? -1 : 1;

	while (n > 0)
		n = sendfile(out, in, NULL, 1u << 30);
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return n == 0;
}

/* This program, where it can be seen from inside. */
static int find_program(struct target *t)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	path[n < 0 ? 0 : n] = '\0';
	if (path_is_within(str_of(path), STR_LIT("/usr")) && access(path, X_OK) == 0) {
		buf_addz(&t->program, path);
		return 0;
	}
	buf_addf(&t->program, "%s/ws/try", t->folder);
	return copy("/proc/self/exe", buf_z(&t->program)) ? 0 : -1;
}

/* Below HOME, else beside the workspace. */
static void name_made(struct target *t)
{
	const char *slash = strrchr(t->folder, '/');

	if (t->w.home && access(t->w.home, W_OK) == 0)
		buf_addf(&t->made, "%s/.%s", t->w.home, slash + 1);
	else
		buf_addf(&t->made, "%s/made", t->folder);
}

static int open_workspace(struct target *t, struct err *err)
{
	struct buf path = {0};
	struct workspace_config c = {.named = true, .home = str_of(getenv("HOME"))};
	int rc;

	buf_addf(&path, "%s/ws", t->folder);
	c.dir = buf_str(&path);
	rc = buf_failed(&path) ? err_nomem(err, "path", path.len)
			       : workspace_init(&t->w, &c, err);
	buf_release(&path);
	return rc;
}

static int target_open(struct target *t, struct err *err)
{
	int rc;

	*t = (struct target){.tcp = -1, .udp = -1, .abstract = -1, .socket = -1, .hold = -1};
	t->folder = scratch_make(&t->hold, err);
	if (!t->folder)
		return err->code;
	if (make_folders(t) || find_program(t))
		return err_errno(err, t->folder, "cannot be prepared");
	open_sockets(t);
	rc = open_workspace(t, err);
	if (rc)
		return rc;
	if (!getcwd(t->cwd, sizeof(t->cwd)))
		snprintf(t->cwd, sizeof(t->cwd), "/");
	snprintf(t->mark, sizeof(t->mark), "mark %d %lld", (int)getpid(),
		 (long long)clock_ms());
	name_made(t);
	return buf_failed(&t->made) || buf_failed(&t->program) ? err_nomem(err, "path", 0) : 0;
}

static void target_close(struct target *t)
{
	file_close(&t->tcp);
	file_close(&t->udp);
	file_close(&t->abstract);
	file_close(&t->socket);
	file_close(&t->hold);
	workspace_close(&t->w);
	scratch_remove(t->folder);
	free(t->folder);
	buf_release(&t->made);
	buf_release(&t->program);
	buf_release(&t->said);
}

/* ---- running a command ---- */

static void read_said(struct target *t, int pipe, int64_t until)
{
	struct pollfd p = {.fd = pipe, .events = POLLIN};
	char block[512];
	ssize_t n = 1;

	buf_reset(&t->said);
	while (n > 0) {
		int64_t left = until - clock_ms();

		if (left <= 0 || poll(&p, 1, (int)left) <= 0)
			return;
		n = read(pipe, block, sizeof(block));
		if (n > 0 && t->said.len < SAID_BYTES)
			buf_add(&t->said, block, (size_t)n);
	}
}

/* What it prints is in t->said; false: it could not be begun. */
static bool run(struct target *t, const struct launch *l)
{
	pid_t self = getpid(), pid;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	pid = fork();
	if (pid == 0)
		launch_become(l, ends[1], self);
	close(ends[1]);
	/* The shell above it is to wait for nothing. */
	if (pid > 0 && (l->tell < 0 || file_write_all(l->tell, STR_LIT("\n\n")) == 0))
		read_said(t, ends[0], clock_ms() + RUN_MS);
	close(ends[0]);
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return pid > 0;
}

static int run_in(struct target *t, enum sandbox_layer layer, struct str command,
		  struct err *err)
{
	const struct sandbox s = {
		.layer = layer, .landlock = tools_landlock(), .scratch = t->folder};
	struct launch l = launch_none;
	struct cover cover = {0};
	int rc = cover_find(&cover, &t->w, false, err);

	if (!rc)
		rc = launch_make(&l, &s, &t->w, &cover, command, GRADE_WRITE, err);
	if (!rc && !run(t, &l))
		rc = err_errno(err, "sandbox", "no process could be started");
	launch_release(&l);
	cover_release(&cover);
	return rc;
}

/* ---- attacking ---- */

static void add_quoted(struct buf *out, const char *word)
{
	buf_addc(out, '\'');
	for (; *word; word++)
		if (*word == '\'')
			buf_addz(out, "'\\''");
		else
			buf_addc(out, *word);
	buf_addz(out, "' ");
}

static void add_attack(struct buf *out, const struct target *t)
{
	add_quoted(out, buf_z(&t->program));
	buf_addz(out, TRY_NAME " ");
	add_quoted(out, buf_z(&t->made));
	buf_addf(out, "%u %u %s %d %lx ", t->tcp_port, t->udp_port, t->name, (int)getpid(),
		 (unsigned long)(uintptr_t)t->mark);
	add_quoted(out, t->mark);
	add_quoted(out, t->cwd);
}

/* What the one inside cannot see. */
static unsigned look_outside(const struct target *t)
{
	unsigned got = 0;
	char byte;

	if (unlink(buf_z(&t->made)) == 0)
		got |= 1u << 0;
	if (t->udp >= 0 && recv(t->udp, &byte, 1, MSG_DONTWAIT) == 1)
		got |= 1u << 4;
	return got;
}

/* What an attack before this one left is not this one's. */
static void tidy(const struct target *t)
{
	static const char *const names[] = {"ws/" TRY_FOLDER "/made", "ws/.git/made",
					    "ws/moved/made", "tmp/made"};
	struct buf from = {0}, to = {0};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		buf_reset(&from);
		buf_addf(&from, "%s/%s", t->folder, names[i]);
		unlink(buf_z(&from));
	}
	buf_reset(&from);
	buf_addf(&from, "%s/ws/moved", t->folder);
	buf_addf(&to, "%s/ws/.git", t->folder);
	rename(buf_z(&from), buf_z(&to));
	look_outside(t);
	buf_release(&from);
	buf_release(&to);
}

static void add_got(struct buf *why, unsigned got)
{
	const char *between = " not refused: ";

	for (int i = 0; i < SANDBOX_ATTACKS; i++)
		if (got & 1u << i) {
			buf_addf(why, "%s%s", between, try_names[i]);
			between = ", ";
		}
}

static const char *layer_said(enum sandbox_layer layer)
{
	return layer == SANDBOX_BWRAP        ? "bubblewrap:"
	       : layer == SANDBOX_BWRAP_PROC ? "bubblewrap with this machine's /proc:"
					     : "Landlock:";
}

/* The first line of what was printed instead. */
static void add_said(struct buf *why, const struct target *t)
{
	struct buf clean = {0};
	size_t n;

	clean_add(&clean, buf_str(&t->said));
	n = strcspn(buf_z(&clean), "\n");
	buf_addf(why, " %.*s", (int)(n < 300 ? n : 300), n ? buf_z(&clean) : "no answer");
	buf_release(&clean);
}

/* What came of it; false: no answer did.  What is covered may be gone by the time it is, as a
 * socket of somebody's may: then it is tried again. */
static bool attack(struct target *t, enum sandbox_layer layer, unsigned *got, int *works,
		   struct err *err)
{
	const char *answer = NULL;
	struct buf command = {0};

	add_attack(&command, t);
	if (buf_failed(&command))
		err_nomem(err, "command", command.len);
	for (int i = 0; i < SANDBOX_TRIES && !err->code && !answer; i++) {
		tidy(t);
		if (run_in(t, layer, buf_str(&command), err))
			break;
		answer = strstr(buf_z(&t->said), "\ngot ");
	}
	buf_release(&command);
	if (!answer || sscanf(answer, "\ngot %x %d", got, works) != 2)
		return false;
	*got |= look_outside(t);
	return true;
}

/* True: it holds.  Else a line on why not. */
static bool holds(struct target *t, enum sandbox_layer layer, struct buf *why)
{
	struct err err = {0};
	unsigned got = 0;
	int works = 0;
	bool answered = attack(t, layer, &got, &works, &err);

	if (answered && !got && works)
		return true;
	buf_addz(why, layer_said(layer));
	if (err.code)
		buf_addf(why, " %s", err.text);
	else if (!answered)
		add_said(why, t);
	else if (got)
		add_got(why, got);
	else
		buf_addz(why, " nothing can be written in the workspace");
	buf_addc(why, '\n');
	return false;
}

/* ---- which ---- */

static bool is_there(enum sandbox_layer layer, struct buf *why)
{
	if (layer == SANDBOX_LANDLOCK) {
		if (tools_landlock() >= PROBE_LANDLOCK)
			return true;
		buf_addf(why, "Landlock: this kernel has version %d, %d is needed\n",
			 tools_landlock(), PROBE_LANDLOCK);
		return false;
	}
	if (access(BWRAP_PATH, X_OK) == 0)
		return true;
	if (layer == SANDBOX_BWRAP)
		buf_addz(why, "bubblewrap: there is no " BWRAP_PATH "\n");
	return false;
}

static int64_t time_in(struct target *t, enum sandbox_layer layer)
{
	int64_t began = clock_ms();
	struct err err;

	run_in(t, layer, STR_LIT(":"), &err);
	return clock_ms() - began;
}

int probe_layers(struct sandbox_found *out, enum sandbox_layer from, bool times,
		 struct err *err)
{
	struct target t;
	int rc = target_open(&t, err);

	*out = (struct sandbox_found){.layer = SANDBOX_NONE};
	for (int layer = (int)from; !rc && layer < SANDBOX_OFF; layer++) {
		if (!is_there((enum sandbox_layer)layer, &out->why) ||
		    !holds(&t, (enum sandbox_layer)layer, &out->why))
			continue;
		out->layer = (enum sandbox_layer)layer;
		if (times)
			out->ms = time_in(&t, out->layer);
		break;
	}
	target_close(&t);
	if (!rc && buf_failed(&out->why))
		rc = err_nomem(err, "sandbox", out->why.len);
	return rc;
}

void sandbox_found_release(struct sandbox_found *f)
{
	buf_release(&f->why);
}

int tools_try_sandbox(struct sandbox_found *out, struct err *err)
{
	return probe_layers(out, SANDBOX_BWRAP, true, err);
}
