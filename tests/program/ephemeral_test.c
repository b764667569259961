/*
 * --ephemeral on the full screen and in line mode: what was typed, sent, edited or answered is
 * nowhere afterwards, and nothing typed before comes back.
 */
#include <dirent.h>
#include <locale.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/file.h"
#include "tests/support/stage.h"
#include "tests/support/tmpdir.h"

static const char answers[] = "{\"turn\": {\"again\": true}}\n"
			      "{\"text\": \"it spoke of the kestrel\"}\n{\"done\": {}}\n";

/* What nobody may find. */
static const char *const words[] = {"heron", "osprey", "kestrel", "plover"};

static void look_into(const char *path)
{
	struct buf bytes = {0};
	struct err err;

	if (strstr(path, "engine-script") || strstr(path, "/editor"))
		return;
	assert_int_equal(file_read(&bytes, path, (size_t)64 << 20, &err), 0);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (bytes.len && memmem(bytes.data, bytes.len, words[i], strlen(words[i])))
			fail_msg("%s holds \"%s\"", path, words[i]);
	buf_release(&bytes);
}

/* Every file below. */
static void look_below(const char *folder)
{
	DIR *d = opendir(folder);
	struct dirent *e;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		struct buf path = {0};
		struct stat st;

		buf_addf(&path, "%s/%s", folder, e->d_name);
		assert_int_equal(lstat(buf_z(&path), &st), 0);
		if (S_ISDIR(st.st_mode) && strcmp(e->d_name, ".") != 0 &&
		    strcmp(e->d_name, "..") != 0)
			look_below(buf_z(&path));
		else if (S_ISREG(st.st_mode))
			look_into(buf_z(&path));
		buf_release(&path);
	}
	closedir(d);
}

static void open_program(struct stage *st, const struct tmpdir *home, const char *mode)
{
	const char *const args[] = {"--ephemeral", "--log-level", "debug", mode, NULL};
	const char *const env[] = {"A=1", NULL};
	struct stage_setup su = {
		.engine_script = answers, .args = args, .env = env, .home = home->path};

	stage_open(st, &su);
}

/* Inputs from a time when they were kept. */
static void make_home(struct tmpdir *home)
{
	tmpdir_init(home);
	assert_int_equal(mkdir(tmpdir_file(home, "dsv4chat"), 0700), 0);
	tmpdir_write_text(home, "dsv4chat/input_history", "_HiStOrY_V2_\nan\\040old\\040one\n");
	setenv("TMPDIR", home->path, 1);
}

static void leave_home(struct tmpdir *home)
{
	unsetenv("TMPDIR");
	tmpdir_release(home);
}

static void assert_inputs_untouched(const struct tmpdir *home)
{
	struct buf kept = {0};
	struct err err;

	assert_int_equal(
		file_read(&kept, tmpdir_file(home, "dsv4chat/input_history"), 4096, &err), 0);
	assert_string_equal(buf_z(&kept), "_HiStOrY_V2_\nan\\040old\\040one\n");
	buf_release(&kept);
}

static void the_full_screen_keeps_nothing_and_recalls_what_it_heard_itself(void **state)
{
	struct tmpdir home;
	struct stage st;

	(void)state;
	make_home(&home);
	open_program(&st, &home, NULL);
	stage_wait_for(&st, "ready");
	stage_type(&st, "\x1B[A");
	stage_settle(&st);
	assert_false(stage_shows(&st, "an old one"));
	stage_type(&st, "tell of the heron\r");
	stage_wait_for(&st, "kestrel");
	stage_type(&st, "\x1B[A");
	stage_settle(&st);
	stage_type(&st, " again");
	stage_wait_for(&st, "tell of the heron again");
	stage_type(&st, "\x15 a draft about the osprey");
	stage_wait_for(&st, "osprey");
	stage_quit(&st);
	look_below(home.path);
	assert_inputs_untouched(&home);
	leave_home(&home);
}

static void line_mode_keeps_nothing_and_recalls_what_it_heard_itself(void **state)
{
	struct tmpdir home;
	struct stage st;

	(void)state;
	make_home(&home);
	open_program(&st, &home, "--plain");
	stage_wait_for(&st, "\n>");
	stage_type(&st, "\x1B[A");
	stage_settle(&st);
	assert_false(stage_shows(&st, "an old one"));
	stage_type(&st, "tell of the heron\r");
	stage_wait_for(&st, "kestrel");
	stage_settle(&st);
	stage_type(&st, "\x1B[A again\r");
	stage_wait_for(&st, "tell of the heron again");
	stage_settle(&st);
	stage_type(&st, "/rm an\r");
	stage_settle(&st);
	stage_type(&st, "/quit\r");
	assert_int_equal(stage_close(&st), 0);
	look_below(home.path);
	assert_inputs_untouched(&home);
	leave_home(&home);
}

/* It leaves a copy beside the file, as editors do, and says where that was, and on what. */
static const char editor[] = "cp \"$1\" \"$1.swp\"\n"
			     "echo the plover >\"$1\"\n"
			     "dirname \"$1\" >\"$0.where\"\n"
			     "stat -f -c %T \"$1\" >\"$0.kind\"\n";

static void an_editors_file_is_in_memory_and_goes_with_all_beside_it(void **state)
{
	struct buf where = {0}, kind = {0};
	struct tmpdir home;
	struct stage st;
	char command[400];
	struct err err;

	(void)state;
	make_home(&home);
	tmpdir_write_text(&home, "editor", editor);
	snprintf(command, sizeof(command), "sh %s", tmpdir_file(&home, "editor"));
	setenv("VISUAL", command, 1);
	unsetenv("XDG_RUNTIME_DIR");
	open_program(&st, &home, NULL);
	stage_wait_for(&st, "ready");
	stage_type(&st, "of the osprey");
	stage_wait_for(&st, "osprey");
	stage_type(&st, "\x07");
	stage_wait_for(&st, "the plover");
	stage_quit(&st);
	unsetenv("VISUAL");
	assert_int_equal(file_read(&where, tmpdir_file(&home, "editor.where"), 4096, &err), 0);
	assert_int_equal(file_read(&kind, tmpdir_file(&home, "editor.kind"), 4096, &err), 0);
	assert_string_equal(buf_z(&kind), "tmpfs\n");
	buf_truncate(&where, where.len - 1);
	assert_int_equal(access(buf_z(&where), F_OK), -1);
	look_below(home.path);
	assert_inputs_untouched(&home);
	buf_release(&where);
	buf_release(&kind);
	leave_home(&home);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			the_full_screen_keeps_nothing_and_recalls_what_it_heard_itself),
		cmocka_unit_test(line_mode_keeps_nothing_and_recalls_what_it_heard_itself),
		cmocka_unit_test(an_editors_file_is_in_memory_and_goes_with_all_beside_it),
	};

	setlocale(LC_ALL, "C.UTF-8");
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
