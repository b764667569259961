/* A workspace in a folder of its own, and /proc to see who is still there. */
#include "tests/support/shared_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/jsonw.h"
#include "tests/support/jobs.h"

int jobs_start_runner(struct jobs *s, struct err *err)
{
	char ws[300], spills[300];
	struct runner_config c = {0};

	snprintf(ws, sizeof(ws), "%s/ws", s->d.path);
	snprintf(spills, sizeof(spills), "%s/spills", s->d.path);
	c.workspace.dir = str_of(ws);
	c.spill_root = str_of(spills);
	c.sandbox = s->sandbox;
	return runner_start(&s->r, &c, err);
}

void jobs_start(struct jobs *s)
{
	struct err err = {0};

	if (jobs_start_runner(s, &err) != 0)
		fail_msg("%s", err.text);
}

int jobs_set_up(void **state)
{
	return jobs_set_up_in(state, SANDBOX_OFF);
}

int jobs_set_up_in(void **state, enum sandbox_layer layer)
{
	static unsigned n;
	struct jobs *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	tmpdir_init(&s->d);
	assert_int_equal(mkdir(tmpdir_file(&s->d, "ws"), 0700), 0);
	snprintf(s->mark, sizeof(s->mark), "marked-%d-%u", (int)getpid(), ++n);
	s->sandbox = layer;
	jobs_start(s);
	*state = s;
	return 0;
}

size_t jobs_count_marked(const struct jobs *s)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	size_t n = 0;

	assert_non_null(dir);
	while ((e = readdir(dir))) {
		char path[300], text[128] = "";
		int fd;

		snprintf(path, sizeof(path), "/proc/%s/cmdline", e->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (read(fd, text, sizeof(text) - 1) > 0)
			n += strncmp(text, s->mark, strlen(s->mark)) == 0;
		close(fd);
	}
	closedir(dir);
	return n;
}

/* Nobody waits longer than it takes. */
void jobs_expect_marked(const struct jobs *s, size_t want)
{
	const struct timespec moment = {.tv_nsec = 2000000};

	for (int64_t until = clock_ms() + 10000; jobs_count_marked(s) != want;
	     nanosleep(&moment, NULL))
		if (clock_ms() > until)
			fail_msg("%zu processes are there, expected %zu", jobs_count_marked(s),
				 want);
}

pid_t jobs_child_of(pid_t parent)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	pid_t found = 0;

	assert_non_null(dir);
	while (!found && (e = readdir(dir))) {
		char path[300], text[256] = "";
		const char *end;
		int fd, up = 0;

		snprintf(path, sizeof(path), "/proc/%s/stat", e->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (read(fd, text, sizeof(text) - 1) > 0 && (end = strrchr(text, ')')) &&
		    sscanf(end, ") %*c %d", &up) == 1 && up == parent)
			found = (pid_t)strtol(e->d_name, NULL, 10);
		close(fd);
	}
	closedir(dir);
	return found;
}

int jobs_tear_down(void **state)
{
	struct jobs *s = *state;

	runner_close(s->r);
	jobs_expect_marked(s, 0);
	tmpdir_release(&s->d);
	free(s);
	return 0;
}

const char *jobs_marked(const struct jobs *s, const char *command)
{
	static struct buf out;

	buf_reset(&out);
	for (const char *at; (at = strstr(command, "MARK")); command = at + 4) {
		buf_add(&out, command, (size_t)(at - command));
		buf_addz(&out, s->mark);
	}
	buf_addz(&out, command);
	return buf_z(&out);
}

uint64_t jobs_begin(struct jobs *s, const char *tool, const char *args, int64_t ms)
{
	struct job j = {.tool = str_of(tool),
			.arguments = str_of(args),
			.timeout_ms = ms,
			.grade = s->grade,
			.spill_folder = STR_LIT("talk")};
	struct err err = {0};
	uint64_t id = 0;

	if (runner_run(s->r, &j, &id, &err) != 0)
		fail_msg("%s", err.text);
	return id;
}

uint64_t jobs_begin_shell(struct jobs *s, const char *command, int64_t ms)
{
	struct buf args = {0};
	uint64_t id;

	buf_addz(&args, "{\"command\": ");
	json_add_quoted(&args, str_of(command));
	buf_addz(&args, "}");
	id = jobs_begin(s, "shell", buf_z(&args), ms);
	buf_release(&args);
	return id;
}

bool jobs_next(struct jobs *s, struct job_news *n)
{
	int rc;

	while ((rc = runner_next(s->r, n)) == 0) {
		struct pollfd p = {.fd = runner_fd(s->r), .events = POLLIN};

		if (poll(&p, 1, 30000) == 0)
			fail_msg("no news for 30 s");
	}
	return rc == 1;
}

const struct job_news *jobs_finish(struct jobs *s, size_t *n_output)
{
	static struct job_news n;
	size_t outputs = 0;

	do {
		job_news_release(&n);
		if (!jobs_next(s, &n))
			fail_msg("the runner is gone");
		outputs += n.kind == JOB_OUTPUT;
	} while (n.kind != JOB_DONE);
	if (n_output)
		*n_output = outputs;
	return &n;
}

const struct job_news *jobs_shell(struct jobs *s, const char *command)
{
	jobs_begin_shell(s, command, 0);
	return jobs_finish(s, NULL);
}

void jobs_expect(const struct job_news *n, enum tool_state state, const char *text)
{
	assert_string_equal(buf_z(&n->text), text);
	assert_int_equal(n->state, state);
}

void jobs_expect_ends(struct jobs *s, const struct jobs_end *ends, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct job_news *news = jobs_shell(s, ends[i].command);

		jobs_expect(news, ends[i].state, ends[i].text);
		assert_int_equal(news->exit, ends[i].exit);
		assert_int_equal(news->signal, ends[i].signal);
	}
}

void jobs_expect_usual_ends(struct jobs *s)
{
	static const struct jobs_end ends[] = {
		{"echo out; echo err >&2; echo more", "out\nerr\nmore\n", TOOL_OK, 0, 0},
		{"true", "(no output)", TOOL_OK, 0, 0},
		{"printf x; exit 3", "x\n[exit code 3]", TOOL_ERROR, 3, 0},
		{"exit 255", "[exit code 255]", TOOL_ERROR, 255, 0},
		{"echo a; kill -SEGV $$", "a\n[killed by SIGSEGV]", TOOL_ERROR, -1, SIGSEGV},
		{"cat", "(no output)", TOOL_OK, 0, 0},
		{"pwd | sed 's,.*/,,'", "ws\n", TOOL_OK, 0, 0},
		{"(: < /dev/tty) 2>/dev/null", "[exit code 1]", TOOL_ERROR, 1, 0},
		{"kill 0", "[killed by SIGTERM]", TOOL_ERROR, -1, SIGTERM},
		{"exec >&- 2>&-; sleep 0.1; exit 4", "[exit code 4]", TOOL_ERROR, 4, 0},
	};

	jobs_expect_ends(s, ends, sizeof(ends) / sizeof(*ends));
}

void jobs_wait_for_output(struct jobs *s)
{
	struct job_news n = {0};

	assert_true(jobs_next(s, &n));
	assert_int_equal(n.kind, JOB_OUTPUT);
	job_news_release(&n);
}
