/*
 * The external editor as a job on the screen's terminal: what is typed there is for it alone,
 * and the text always comes back.  The editor is a small shell script.
 */
#include <glob.h>
#include <locale.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/clock.h"
#include "tests/support/shared_files.h"
#include "tests/support/stage.h"
#include "tests/support/store.h"
#include "tests/support/tmpdir.h"

static struct tmpdir dir;

/* Takes lines until "end", and tells of the signals that it hears. */
static const char editor[] =
	"trap 'echo heard INT >>\"$2\"; echo INT heard' INT\n"
	"trap 'echo heard QUIT >>\"$2\"; echo QUIT heard' QUIT\n"
	"case $1 in\n"
	"no) echo new >\"$2\"; exit 1;;\n"
	"killed) echo saved >\"$2\"; kill -KILL $$;;\n"
	"quit) echo quitted >\"$2\"; trap - QUIT; kill -QUIT $$; sleep 5;;\n"
	"deaf) trap '' TERM HUP;;\n"
	"huge) truncate -s 70M \"$2\"; exit 0;;\n"
	"esac\n"
	"echo $$ >\"$0.pid\"\n"
	"echo editing now\n"
	"n=0\n"
	"while [ $n -lt 1000 ]; do\n"
	"  n=$((n + 1))\n"
	"  read -r l || continue\n"
	"  [ \"$l\" != end ] || exit 0\n"
	"  echo \"$l\" >>\"$2\"\n"
	"  echo \"took $l\"\n"
	"done\n";

static void open_screen_of(struct stage *st, const char *how, struct stage_setup su)
{
	char command[400];

	su.term = "xterm-256color";
	su.w = 80;
	su.h = 24;
	su.job = true;
	tmpdir_write_text(&dir, "editor", editor);
	snprintf(command, sizeof(command), "sh %s %s", tmpdir_file(&dir, "editor"), how);
	setenv("VISUAL", command, 1);
	stage_open(st, &su);
	stage_wait_for(st, "ready");
}

static void open_screen(struct stage *st, const char *how, const char *inputs)
{
	open_screen_of(
		st, how,
		(struct stage_setup){.engine_script = stage_talk, .inputs_path = inputs});
	stage_type(st, "a draft");
	stage_wait_for(st, "a draft");
	stage_type(st, "\x07"); /* Ctrl-G */
}

/* The screen, which the stage's shell has as its one job. */
static pid_t job_of(const struct stage *st)
{
	char path[64];
	int child = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)st->child,
		 (int)st->child);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &child), 1);
	fclose(f);
	return child;
}

static char state_of(pid_t pid)
{
	char path[64], line[1024] = "";
	const char *end;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (!f)
		return '-';
	end = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	fclose(f);
	return end ? end[2] : '-';
}

static void wait_for_state(struct stage *st, pid_t pid, char state)
{
	int64_t end = clock_ms() + STAGE_PATIENCE_MS;

	while (state_of(pid) != state) {
		if (clock_ms() > end)
			fail_msg("%d is '%c', expected '%c'", (int)pid, state_of(pid), state);
		stage_read(st, 20);
	}
}

static void what_is_typed_in_the_editor_is_for_it_alone(void **state)
{
	struct stage st;

	(void)state;
	open_screen(&st, "keys", NULL);
	stage_wait_for(&st, "editing now");
	stage_type(&st, "\x03");
	stage_wait_for(&st, "INT heard");
	stage_type(&st, "\x1C");
	stage_wait_for(&st, "QUIT heard");
	stage_type(&st, "third line\nend\n");
	stage_wait_for(&st, "ready");
	stage_wait_for(&st, "heard INT");
	stage_wait_for(&st, "heard QUIT");
	stage_wait_for(&st, "third line");
	stage_assert_clean(&st);
	stage_quit(&st);
}

static void stopped_in_the_editor_the_whole_job_stops_and_goes_on(void **state)
{
	struct termios modes;
	struct stage st;
	pid_t job;

	(void)state;
	open_screen(&st, "keys", NULL);
	job = job_of(&st);
	for (int round = 0; round < 2; round++) {
		/* What is typed and not yet read is dropped by Ctrl-Z. */
		stage_wait_for(&st, round ? "took told" : "editing now");
		stage_type(&st, "\x1A");
		wait_for_state(&st, job, 'T');
		assert_int_equal(tcgetattr(st.fd, &modes), 0);
		assert_int_equal(modes.c_lflag, st.before.c_lflag);
		kill(job, SIGCONT);
		wait_for_state(&st, job, 'S');
		stage_type(&st, round ? "end\n" : "told\n");
	}
	stage_wait_for(&st, "ready");
	stage_wait_for(&st, "told");
	stage_assert_clean(&st);
	stage_quit(&st);
}

static void however_the_editor_ends_the_text_comes_back(void **state)
{
	static const struct {
		const char *how, *shown;
	} cases[] = {{"no", "a draft"}, {"killed", "saved"}, {"quit", "quitted"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stage st;

		open_screen(&st, cases[i].how, NULL);
		stage_settle(&st);
		stage_wait_for(&st, cases[i].shown);
		stage_type(&st, " and more");
		stage_wait_for(&st, "and more");
		stage_quit(&st);
	}
}

static void a_signal_ends_the_editor_and_then_the_screen(void **state)
{
	static const char *const hows[] = {"keys", "deaf"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct buf kept = {0}, pid = {0};
		struct stage st;
		int status;

		unlink(tmpdir_file(&dir, "inputs"));
		open_screen(&st, hows[i], tmpdir_file(&dir, "inputs"));
		stage_wait_for(&st, "editing now");
		kill(job_of(&st), SIGTERM);
		status = stage_close(&st);
		assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 128 + SIGTERM);
		assert_true(whole_file(tmpdir_file(&dir, "inputs"), &kept));
		assert_non_null(strstr(buf_z(&kept), "a\\040draft"));
		assert_true(whole_file(tmpdir_file(&dir, "editor.pid"), &pid));
		assert_int_equal(kill((pid_t)atoi(buf_z(&pid)), 0), -1);
		buf_release(&kept);
		buf_release(&pid);
	}
}

/* In the file, as anybody else may see it. */
static void wait_for_hits(struct stage *st, const char *path, const char *word, size_t n)
{
	int64_t end = clock_ms() + STAGE_PATIENCE_MS;
	size_t seen = 0;

	while (seen != n) {
		struct history *h;
		struct err err;

		if (clock_ms() > end)
			fail_msg("%zu messages say \"%s\", expected %zu", seen, word, n);
		stage_read(st, 50);
		assert_int_equal(history_open_to_read(&h, path, &err), 0);
		seen = store_hits(h, word);
		history_close(h);
	}
}

/* The one that is written when it opens, and what waited behind it. */
static void while_the_editor_is_open_answers_go_on_and_are_kept(void **state)
{
	static const char engine_script[] = "{\"turn\": {\"again\": true}}\n"
					    "{\"text\": \"one two three four five six \", "
					    "\"chunk\": 4, \"delay_ms\": 100}\n"
					    "{\"text\": \"the finale\"}\n{\"done\": {}}\n";
	char path[300];
	struct stage st;
	pid_t job;

	(void)state;
	snprintf(path, sizeof(path), "%s", tmpdir_file(&dir, "history.db"));
	open_screen_of(
		&st, "keys",
		(struct stage_setup){.engine_script = engine_script, .history_path = path});
	job = job_of(&st);
	stage_type(&st, "first\r");
	stage_wait_for(&st, "one two");
	stage_type(&st, "second\r");
	stage_wait_for(&st, "second");
	stage_type(&st, "\x07");
	stage_wait_for(&st, "editing now");
	wait_for_hits(&st, path, "finale", 2);
	stage_type(&st, "typed meanwhile\nend\n");
	stage_wait_for(&st, "typed meanwhile");
	stage_wait_for(&st, "ready");
	stage_wait_for(&st, "the finale");
	stage_assert_clean(&st);
	stage_quit(&st);
	assert_int_equal(kill(job, 0), -1);
}

static void what_is_too_much_to_be_taken_stays_in_its_file(void **state)
{
	char pattern[300];
	struct stage st;
	glob_t found;

	(void)state;
	open_screen(&st, "huge", NULL);
	stage_wait_for(&st, "the edited text stays in its file");
	stage_wait_for(&st, "a draft");
	snprintf(pattern, sizeof(pattern), "%s/dsv4chat-*/message.md", dir.path);
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	assert_int_equal(found.gl_pathc, 1);
	globfree(&found);
	stage_quit(&st);
}

static int set_up(void **state)
{
	(void)state;
	tmpdir_init(&dir);
	setenv("TMPDIR", dir.path, 1);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unsetenv("TMPDIR");
	tmpdir_release(&dir);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_typed_in_the_editor_is_for_it_alone),
		cmocka_unit_test(stopped_in_the_editor_the_whole_job_stops_and_goes_on),
		cmocka_unit_test(however_the_editor_ends_the_text_comes_back),
		cmocka_unit_test(a_signal_ends_the_editor_and_then_the_screen),
		cmocka_unit_test(while_the_editor_is_open_answers_go_on_and_are_kept),
		cmocka_unit_test(what_is_too_much_to_be_taken_stays_in_its_file),
	};

	setlocale(LC_ALL, "C.UTF-8");
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
