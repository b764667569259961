/*
 * Which backend is opened, with plug-ins of all kinds where the program looks for them, and
 * what is said of those that do not serve.
 *
 * Plug-ins lie where the program lies; so this program copies itself into a folder, puts a
 * plug-in there, and runs the copy, which opens or describes and prints what came of it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernels/backend.h"
#include "tests/support/program.h"
#include "tests/support/shared_files.h"
#include "tests/support/tmpdir.h"

#define INSTALLED "lib/dsv4chat/dsv4chat-cuda.so"
#define BESIDE    "bin/dsv4chat-cuda.so"

/* ------------------------------------------------------------------ the copy */

static int probe_open(const char *name)
{
	const struct backend_options o = {
		.name = strcmp(name, "best") == 0 ? NULL : name,
		.n_threads = 1,
		.kernels = "general",
		.experts = "fused",
		.device = 3,
	};
	struct backend_caps caps;
	struct backend *be = (struct backend *)&caps; /* an error leaves no address behind */
	struct err err = {0};

	if (backend_open(&be, &o, &err)) {
		printf("%s%s %s\n", err.code == ERR_USAGE   ? "usage:"
				     : err.code == ERR_MODEL ? "model:"
							     : "other:",
		       be ? " left" : "", err.text);
		return 0;
	}
	be->caps(be, &caps);
	be->close(be);
	puts(caps.name);
	return 0;
}

static int probe_describe(void)
{
	struct buf out = {0};
	int n_ready = -1, rc = backend_describe(&out, &n_ready);

	printf("%s%d ready, %d\n", buf_z(&out), n_ready, rc);
	buf_release(&out);
	return 0;
}

/* ------------------------------------------------------------------ the tests */

static struct tmpdir dir;

static void copy_file(const char *from, const char *name)
{
	struct buf whole = {0};

	assert_true(whole_file(from, &whole));
	tmpdir_write(&dir, name, whole.data, whole.len);
	buf_release(&whole);
}

static int make_dir(void **state)
{
	(void)state;
	tmpdir_init(&dir);
	assert_int_equal(mkdir(tmpdir_file(&dir, "bin"), 0700), 0);
	assert_int_equal(mkdir(tmpdir_file(&dir, "lib"), 0700), 0);
	assert_int_equal(mkdir(tmpdir_file(&dir, "lib/dsv4chat"), 0700), 0);
	copy_file("/proc/self/exe", "bin/probe");
	assert_int_equal(chmod(tmpdir_file(&dir, "bin/probe"), 0700), 0);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	tmpdir_release(&dir);
	return 0;
}

/* Puts a plug-in there; NULL: none; "text" and "folder": what is no library at all. */
static void put(const char *kind, const char *where)
{
	char own[512], path[640];
	ssize_t n;

	(void)remove(tmpdir_file(&dir, where));
	if (!kind)
		return;
	if (!strcmp(kind, "text")) {
		tmpdir_write_text(&dir, where, "not a library\n");
		return;
	}
	if (!strcmp(kind, "folder")) {
		assert_int_equal(mkdir(tmpdir_file(&dir, where), 0700), 0);
		return;
	}
	n = readlink("/proc/self/exe", own, sizeof(own) - 1);
	assert_true(n > 0);
	own[n] = '\0';
	*strrchr(own, '/') = '\0';
	snprintf(path, sizeof(path), "%s/../plugin/%s.so", own, kind);
	copy_file(path, where);
}

static void run_probe(const char *args, struct buf *out)
{
	char command[512];

	snprintf(command, sizeof(command), "%s %s", tmpdir_file(&dir, "bin/probe"), args);
	assert_int_equal(program_shell(command, out), 0);
}

struct probe {
	const char *installed, *beside; /* kinds of plug-in */
	const char *args;
	const char *expected; /* how the output begins … */
	const char *with;     /* … and what else is in it; NULL: nothing in particular */
};

static void check(const struct probe *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct buf out = {0};

		put(p[i].installed, INSTALLED);
		put(p[i].beside, BESIDE);
		run_probe(p[i].args, &out);
		if (strncmp(buf_z(&out), p[i].expected, strlen(p[i].expected)) != 0 ||
		    (p[i].with && !strstr(buf_z(&out), p[i].with)))
			fail_msg("case %zu: %s: '%s', expected '%s' and '%s'", i, p[i].args,
				 buf_z(&out), p[i].expected, p[i].with ? p[i].with : "");
		buf_release(&out);
	}
	put(NULL, INSTALLED);
	put(NULL, BESIDE);
}

static void a_plugin_is_found_installed_or_beside_the_program(void **state)
{
	static const struct probe cases[] = {
		{"RIGHT", NULL, "open cuda", "fake general fused 3\n", NULL},
		{NULL, "RIGHT", "open cuda", "fake general fused 3\n", NULL},
		{"RIGHT", "OTHER_ABI", "open cuda", "fake general fused 3\n", NULL},
		{"folder", "RIGHT", "open cuda", "fake general fused 3\n", NULL},
		{"RIGHT", NULL, "open best", "fake general fused 3\n", NULL},
		{"RIGHT", NULL, "open cpu", "cpu ", NULL},
	};

	(void)state;
	check(cases, sizeof(cases) / sizeof(cases[0]));
}

static void what_does_not_serve_is_named_where_it_was_asked_for(void **state)
{
	static const struct probe cases[] = {
		{NULL, NULL, "open cuda", "model: backend cuda: no plug-in dsv4chat-cuda.so in ",
		 "/bin/../lib/dsv4chat/ or "},
		{"folder", NULL, "open cuda", "model: backend cuda: no plug-in", NULL},
		{"text", NULL, "open cuda", "model: backend cuda: cannot open the plug-in: ", INSTALLED},
		{"OTHER_LIBRARY", NULL, "open cuda", "model: backend cuda: ",
		 "no plug-in of dsv4chat: it has no dsv4chat_backend_plugin"},
		{"OTHER_ABI", NULL, "open cuda", "model: backend cuda: ", "another build of dsv4chat"},
		{"OTHER_BACKEND", NULL, "open cuda", "model: backend cuda: ", "its tables have "},
		{"OTHER_OPS", NULL, "open cuda", "model: backend cuda: ", "its tables have "},
		{"OTHER_NAME", NULL, "open cuda", "model: backend cuda: ",
		 "a plug-in for opencl, expected one for cuda"},
		{"NO_DEVICE", NULL, "open cuda", "model: backend cuda: nothing to compute with\n", NULL},
		{NULL, NULL, "open tpu", "usage: backend: 'tpu', expected one of cuda, cpu\n", NULL},
	};

	(void)state;
	check(cases, sizeof(cases) / sizeof(cases[0]));
}

static void a_plugin_that_does_not_serve_never_stops_the_cpu(void **state)
{
	static const char *const kinds[] = {
		NULL, "text", "folder", "NO_DEVICE", "OTHER_LIBRARY", "OTHER_ABI",
		"OTHER_BACKEND", "OTHER_OPS", "OTHER_NAME",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct probe cases[] = {
			{kinds[i], NULL, "open best", "cpu ", NULL},
			{kinds[i], NULL, "open cpu", "cpu ", NULL},
			{kinds[i], NULL, "describe", "no CUDA: ", "\n1 ready, 0\n"},
		};

		check(cases, sizeof(cases) / sizeof(cases[0]));
	}
}

static void every_backend_has_its_lines(void **state)
{
	static const struct probe cases[] = {
		{"RIGHT", NULL, "describe", "ok CUDA 0: fake\nok CPU ", "\n2 ready, 0\n"},
		{"NO_DEVICE", NULL, "describe", "no CUDA: nothing to compute with\nok CPU ",
		 "\n1 ready, 0\n"},
		{NULL, NULL, "describe", "no CUDA: no plug-in dsv4chat-cuda.so in ", "\nok CPU "},
	};

	(void)state;
	check(cases, sizeof(cases) / sizeof(cases[0]));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plugin_is_found_installed_or_beside_the_program),
		cmocka_unit_test(what_does_not_serve_is_named_where_it_was_asked_for),
		cmocka_unit_test(a_plugin_that_does_not_serve_never_stops_the_cpu),
		cmocka_unit_test(every_backend_has_its_lines),
	};

	if (argc == 3 && !strcmp(argv[1], "open"))
		return probe_open(argv[2]);
	if (argc == 2 && !strcmp(argv[1], "describe"))
		return probe_describe();
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
