/* Files that appear whole or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/newfile.h"
#include "engine/base/file.h"
#include "tests/support/tmpdir.h"

/* A directory that holds something can't be removed. */
static void assert_nothing_is_left(void)
{
	assert_int_equal(rmdir(test_dir.path), 0);
	assert_int_equal(mkdir(test_dir.path, 0700), 0);
}

static void a_file_appears_whole_when_it_is_closed(void **state)
{
	const char *path = tmpdir_file(&test_dir, "out");
	struct newfile f;
	struct err err = {0};
	struct buf got = {0};

	(void)state;
	assert_int_equal(newfile_open(&f, path, &err), 0);
	assert_true(fputs("all of it", f.to) >= 0);
	assert_int_equal(fflush(f.to), 0);
	assert_int_not_equal(access(path, F_OK), 0);
	assert_int_equal(newfile_close(&f, 0, &err), 0);
	assert_int_equal(file_read(&got, path, 100, &err), 0);
	assert_string_equal(buf_z(&got), "all of it");
	buf_release(&got);
	assert_int_equal(unlink(path), 0);
	assert_nothing_is_left();
}

static void what_fails_leaves_nothing(void **state)
{
	struct newfile f;
	struct err err = {0};

	(void)state;
	assert_int_equal(newfile_open(&f, tmpdir_file(&test_dir, "out"), &err), 0);
	assert_int_equal(newfile_close(&f, ERR_STORE, &err), ERR_STORE);
	assert_nothing_is_left();
	assert_int_equal(newfile_open(&f, tmpdir_file(&test_dir, "none/out"), &err), ERR_IO);
	assert_non_null(strstr(err.text, "none/out: cannot write it: No such file"));
}

static void what_stands_there_is_never_replaced(void **state)
{
	struct newfile f;
	struct err err = {0};
	struct buf got = {0};

	(void)state;
	assert_int_equal(newfile_open(&f, tmpdir_file(&test_dir, "out"), &err), 0);
	/* Somebody else is faster. */
	tmpdir_write_text(&test_dir, "out", "theirs");
	assert_int_equal(newfile_close(&f, 0, &err), ERR_IO);
	assert_non_null(strstr(err.text, "File exists"));
	assert_int_equal(newfile_open(&f, tmpdir_file(&test_dir, "out"), &err), ERR_IO);
	assert_non_null(strstr(err.text, "File exists"));
	assert_int_equal(file_read(&got, tmpdir_file(&test_dir, "out"), 100, &err), 0);
	assert_string_equal(buf_z(&got), "theirs");
	buf_release(&got);
	assert_int_equal(unlink(tmpdir_file(&test_dir, "out")), 0);
	assert_nothing_is_left();
}

#define MANY ((size_t)1 << 20)

static char byte_at(size_t i)
{
	return (char)(i * 2654435761u >> 13);
}

/* Slower than what it reads is written. */
static _Noreturn void read_slowly(int fd)
{
	size_t got = 0;
	char part[4096];
	ssize_t n;

	while ((n = read(fd, part, sizeof(part))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			if (part[i] != byte_at(got++))
				_exit(1);
		usleep(100);
	}
	_exit(got == MANY ? 0 : 2);
}

static void hear_nothing(int sig)
{
	(void)sig;
}

static void what_a_signal_cuts_is_written_on(void **state)
{
	const struct itimerval often = {{0, 700}, {0, 700}}, never = {{0, 0}, {0, 0}};
	struct sigaction sa = {.sa_handler = hear_nothing}, was;
	char *bytes = malloc(MANY);
	int ends[2], status, rc;
	pid_t pid;

	(void)state;
	assert_non_null(bytes);
	for (size_t i = 0; i < MANY; i++)
		bytes[i] = byte_at(i);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(ends[1]);
		read_slowly(ends[0]);
	}
	close(ends[0]);
	assert_int_equal(sigaction(SIGALRM, &sa, &was), 0);
	setitimer(ITIMER_REAL, &often, NULL);
	rc = file_write_all(ends[1], (struct str){bytes, MANY});
	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, &was, NULL);
	close(ends[1]);
	free(bytes);
	assert_int_equal(rc, 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void what_cannot_be_written_is_told(void **state)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, STR_LIT("bytes")), -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(file_write_all(fd, STR_LIT("")), 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_file_appears_whole_when_it_is_closed, tmpdir_set_up,
						tmpdir_tear_down),
		cmocka_unit_test_setup_teardown(what_fails_leaves_nothing, tmpdir_set_up, tmpdir_tear_down),
		cmocka_unit_test_setup_teardown(what_stands_there_is_never_replaced, tmpdir_set_up,
						tmpdir_tear_down),
		cmocka_unit_test(what_a_signal_cuts_is_written_on),
		cmocka_unit_test(what_cannot_be_written_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
