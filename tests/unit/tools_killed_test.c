/* What is left when the program, its runner or a warden is killed: nothing. */
#include "tests/support/shared_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "app/tools/tools.h"
#include "engine/base/clock.h"
#include "engine/base/jsonw.h"
#include "tests/support/jobs.h"

static void must(int rc)
{
	assert_int_equal(rc, 0);
}

static void when_the_program_goes_all_goes(void **state)
{
	struct jobs *s = *state;
	const char *command;
	int64_t began;

	command = jobs_marked(
		s,
		"trap '' TERM; setsid bash -c 'trap \"\" TERM; exec -a MARK sleep 1000' & echo "
		"begun; "
		"wait");
	jobs_begin_shell(s, command, 0);
	jobs_wait_for_output(s);
	jobs_expect_marked(s, 1);
	began = clock_ms();
	runner_close(s->r);
	assert_true(clock_ms() - began < 5000);
	assert_int_equal(jobs_count_marked(s), 0);
	assert_int_equal(access(tmpdir_file(&s->d, "spills/talk/1"), F_OK), -1);
	jobs_start(s);
}

/* The number that a command prints first. */
static pid_t printed_pid(struct jobs *s)
{
	struct job_news n = {0};
	pid_t pid;

	assert_true(jobs_next(s, &n));
	pid = (pid_t)strtol(buf_z(&n.text), NULL, 10);
	assert_true(pid > 1);
	job_news_release(&n);
	return pid;
}

static void a_runner_that_was_killed_is_noticed_and_replaced(void **state)
{
	struct jobs *s = *state;
	struct job j = {.tool = STR_LIT("list_files"), .arguments = STR_LIT("{}")};
	struct err err = {0};
	struct job_news n;
	const char *command;
	uint64_t id;
	int fd = runner_fd(s->r), rc;

	command = jobs_marked(
		s,
		"cut -d' ' -f4 /proc/$PPID/stat; (setsid bash -c 'exec -a MARK sleep 1000' &); "
		"sleep 1000");
	jobs_begin_shell(s, command, 0);
	must(kill(printed_pid(s), SIGKILL));
	while ((rc = runner_next(s->r, &n)) >= 0)
		job_news_release(&n);
	assert_int_equal(rc, ERR_FAILED);
	assert_int_equal(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 0), 1);
	assert_int_equal(runner_run(s->r, &j, &id, &err), ERR_FAILED);
	runner_stop(s->r, 1);
	jobs_expect_marked(s, 0); /* its warden saw to that */
	must(runner_restart(s->r, &err));
	assert_int_equal(runner_fd(s->r), fd);
	jobs_expect(jobs_shell(s, "echo again"), TOOL_OK, "again\n");
}

static void a_warden_that_was_killed_leaves_nothing(void **state)
{
	struct jobs *s = *state;
	const char *command;

	command = jobs_marked(
		s,
		"(setsid bash -c 'exec -a MARK sleep 1000' &); sleep 0.2; kill -9 $PPID; sleep "
		"1000");
	jobs_begin_shell(s, command, 0);
	jobs_expect(
		jobs_finish(s, NULL), TOOL_LOST,
		"error: what watched over the command ended; what it did is not known. Look "
		"before "
		"you repeat it.");
	assert_int_equal(jobs_count_marked(s), 0);
	jobs_expect(jobs_shell(s, "echo on"), TOOL_OK, "on\n");
}

/*
 * A program that has one command after the other run, until it is killed or its runner is: then
 * it ends, and fails no test.
 */
static _Noreturn void be_program(struct jobs *s)
{
	struct job j = {.tool = STR_LIT("shell"), .grade = s->grade};
	struct buf args = {0};
	struct job_news n = {0};
	struct err err;
	uint64_t id;

	buf_addz(&args, "{\"command\": ");
	json_add_quoted(&args,
			str_of(jobs_marked(
				s, "for i in 1 2 3; do (setsid bash -c 'exec -a MARK sleep "
				   "1000' &); done; (exec -a MARK sleep 1000) & sleep 0.02")));
	buf_addz(&args, "}");
	j.arguments = buf_str(&args);
	if (jobs_start_runner(s, &err) != 0)
		_exit(0);
	while (runner_run(s->r, &j, &id, &err) == 0) {
		do {
			struct pollfd p = {.fd = runner_fd(s->r), .events = POLLIN};

			poll(&p, 1, -1);
			job_news_release(&n);
			if (runner_next(s->r, &n) < 0)
				_exit(0);
		} while (n.kind != JOB_DONE);
	}
	_exit(0);
}

/* The program, its runner, or the runner's child. */
static pid_t choose_victim(pid_t program, int depth)
{
	pid_t victim = program;

	while (depth-- > 0) {
		pid_t child = jobs_child_of(victim);

		if (!child)
			break;
		victim = child;
	}
	return victim;
}

static void killed_at_any_moment_nothing_stays(void **state)
{
	int rounds = getenv("DSV4CHAT_SLOW") ? 200 : 9;
	struct jobs *s = *state;

	srand(11);
	for (int i = 0; i < rounds; i++) {
		struct timespec moment = {.tv_nsec = 5000000 + rand() % 60000000};
		pid_t program = fork();

		if (program == 0)
			be_program(s);
		assert_true(program > 0);
		nanosleep(&moment, NULL);
		kill(choose_victim(program, i % 3), SIGKILL);
		nanosleep(&moment, NULL);
		kill(program, SIGKILL);
		assert_int_equal(waitpid(program, NULL, 0), program);
		jobs_expect_marked(s, 0);
	}
}

/* A program whose command runs; its processes come behind it, as many as there are. */
static size_t start_program(struct jobs *s, pid_t chain[3])
{
	const struct timespec moment = {.tv_nsec = 2000000};
	size_t n = 1;

	chain[0] = fork();
	if (chain[0] == 0)
		be_program(s);
	assert_true(chain[0] > 0);
	for (int64_t until = clock_ms() + 20000; jobs_count_marked(s) == 0;
	     nanosleep(&moment, NULL))
		if (clock_ms() > until)
			fail_msg("no command runs");
	for (; n < 3; n++)
		if ((chain[n] = jobs_child_of(chain[n - 1])) == 0)
			break;
	return n;
}

/* In the layer, so often, the program, its runner and the warden each, and all at once. */
static void kill_in(struct jobs *s, enum sandbox_layer layer)
{
	struct str why;

	runner_close(s->r);
	s->sandbox = layer;
	s->grade = GRADE_WRITE;
	jobs_start(s);
	if (runner_sandbox(s->r, &why) != layer) {
		print_message("%s does not work here: skipped\n", sandbox_layer_name(layer));
		return;
	}
	/* Outside of a namespace some may outlive all of them: nobody is left to end them. */
	for (size_t i = 0; i < (layer == SANDBOX_LANDLOCK ? 3u : 8u); i++) {
		struct timespec moment = {.tv_nsec = rand() % 30000000};
		pid_t chain[3];
		size_t n = start_program(s, chain);

		nanosleep(&moment, NULL);
		for (size_t k = n; k-- > 0;)
			if (i % 4 == 3 || i % 4 == k)
				kill(chain[k], SIGKILL);
		nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
		kill(chain[0], SIGKILL);
		assert_int_equal(waitpid(chain[0], NULL, 0), chain[0]);
		jobs_expect_marked(s, 0);
	}
}

static void killed_in_a_sandbox_nothing_stays(void **state)
{
	struct jobs *s = *state;

	for (int layer = SANDBOX_BWRAP; layer < SANDBOX_OFF; layer++)
		kill_in(s, (enum sandbox_layer)layer);
}

#define WITH_RUNNER(f) cmocka_unit_test_setup_teardown(f, jobs_set_up, jobs_tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_RUNNER(when_the_program_goes_all_goes),
		WITH_RUNNER(a_runner_that_was_killed_is_noticed_and_replaced),
		WITH_RUNNER(a_warden_that_was_killed_leaves_nothing),
		WITH_RUNNER(killed_at_any_moment_nothing_stays),
		WITH_RUNNER(killed_in_a_sandbox_nothing_stays),
	};

	(void)argc;
	if (runner_is_called(argv))
		return runner_main(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
