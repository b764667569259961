/* A mapped file that is shortened under the program. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/mapfault.h"
#include "engine/checkpoint/safetensors.h"
#include "tests/support/tmpdir.h"

#define N_BYTES (1 << 20)

/* In a child: touches the last byte of a tensor whose file was cut short meanwhile. */
static void touch_cut_file(const char *path)
{
	struct safetensors *st;
	struct err err = {0};
	const struct tensor *t;

	mapfault_install();
	if (safetensors_open_file(&st, path, &err) || truncate(path, 4096))
		_exit(99);
	t = safetensors_find(st, "x");
	_exit(t ? ((const volatile unsigned char *)t->data)[N_BYTES - 1] : 98);
}

static void touch_other_file(const char *path)
{
	FILE *f = fopen(path, "r+");
	const volatile unsigned char *p;

	mapfault_install();
	if (!f)
		_exit(99);
	p = mmap(NULL, N_BYTES, PROT_READ, MAP_SHARED, fileno(f), 0);
	if (p == MAP_FAILED || truncate(path, 0))
		_exit(98);
	_exit(p[N_BYTES - 1]);
}

/* Runs `child` with its stderr in text; returns how it ended, as waitpid has it. */
static int run(void (*child)(const char *path), const char *path, char text[512])
{
	int fds[2], status = 0;
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		dup2(fds[1], STDERR_FILENO);
		child(path);
	}
	close(fds[1]);
	while ((got = read(fds[0], text + n, 511 - n)) > 0)
		n += (size_t)got;
	text[n] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void write_file(const char *path)
{
	const struct tensor t = {.name = "x", .dtype = DTYPE_U8, .n_dims = 1, .shape = {N_BYTES},
				 .data = calloc(1, N_BYTES), .n_bytes = N_BYTES};
	struct err err = {0};

	assert_non_null(t.data);
	assert_int_equal(safetensors_write(path, &t, 1, &err), 0);
	free((void *)(uintptr_t)t.data);
}

static void a_model_file_cut_short_in_use_ends_in_one_line_and_code_3(void **state)
{
	struct tmpdir d;
	char text[512];
	int status;

	(void)state;
	tmpdir_init(&d);
	write_file(tmpdir_file(&d, "model.safetensors"));
	status = run(touch_cut_file, tmpdir_file(&d, "model.safetensors"), text);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 3);
	assert_non_null(strstr(text, "/model.safetensors: found cut short while in use, expected"));
	assert_int_equal(strchr(text, '\n') - text + 1, strlen(text));
	tmpdir_release(&d);
}

static void any_other_bus_error_is_what_it_was(void **state)
{
	struct tmpdir d;
	char text[512];
	int status;

	(void)state;
	tmpdir_init(&d);
	write_file(tmpdir_file(&d, "other"));
	status = run(touch_other_file, tmpdir_file(&d, "other"), text);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGBUS);
	tmpdir_release(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_model_file_cut_short_in_use_ends_in_one_line_and_code_3),
		cmocka_unit_test(any_other_bus_error_is_what_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
