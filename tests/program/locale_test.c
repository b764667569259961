/*
 * Whatever the locale is, what is typed in either chat mode is sent and kept as it was typed,
 * and shown as far as that can be.
 */
#include "tests/support/shared_files.h"

#include <limits.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/program.h"
#include "tests/support/stage.h"
#include "tests/support/tmpdir.h"

#define SAID "hällo wörld 你好 end"

static const char answers[] =
	"{\"turn\": {\"expect\": \"" SAID "\"}}\n{\"text\": \"heard\"}\n{\"done\": {}}\n"
	"{\"turn\": {\"expect\": \"" SAID "\"}}\n{\"text\": \"again\"}\n{\"done\": {}}\n";

static const char *const c_locale[] = {"LC_ALL=C", NULL};
static const char *const posix[] = {"LC_ALL=POSIX", NULL};
static const char *const missing[] = {"LC_ALL=xx_YY.UTF-8", NULL};
static const char *const latin[] = {"LC_ALL=de_DE.ISO-8859-1", NULL};
/* Filled in by main(): there is no UTF-8 at all. */
static char preload[PATH_MAX];
static const char *const nothing[] = {"LC_ALL=de_DE.UTF-8", preload,
				      "ASAN_OPTIONS=verify_asan_link_order=0", NULL};

static const struct {
	const char *const *env;
	bool shows;
} locales[] = {
	{c_locale, true}, {posix, true}, {missing, true}, {latin, true}, {nothing, false}};
#define N_LOCALES (sizeof(locales) / sizeof(locales[0]))

static void show_all(struct stage *st, const char *where)
{
	struct buf text = {0};

	stage_text(st, &text);
	fail_msg("%s: it is shown otherwise:\n%s", where, buf_z(&text));
}

static void talk(struct tmpdir *home, const char *const *args, size_t which, const char *begun)
{
	struct stage_setup su = {.engine_script = answers,
				 .term = "xterm-256color",
				 .w = 100,
				 .h = 24,
				 .args = args,
				 .env = locales[which].env,
				 .home = home->path};
	struct stage st;

	stage_open(&st, &su);
	stage_wait_for(&st, begun);
	stage_settle(&st);
	assert_int_equal(stage_shows(&st, "C.UTF-8 isn't either"), !locales[which].shows);
	stage_type(&st, SAID "\r");
	stage_wait_for(&st, "heard");
	stage_settle(&st);
	if (stage_shows(&st, SAID) != locales[which].shows)
		show_all(&st, locales[which].env[0]);
	/* It comes back whole. */
	stage_type(&st, "\x1B[A");
	stage_settle(&st);
	stage_type(&st, "\r");
	stage_wait_for(&st, "again");
	stage_settle(&st);
	stage_type(&st, "/quit\r");
	assert_int_equal(stage_close(&st), 0);
}

static void assert_kept(const struct tmpdir *home)
{
	static const char *const argv[] = {"history", "export", "--format", "md", NULL};
	struct program_run run = {0};

	setenv("XDG_DATA_HOME", home->path, 1);
	program_run(&run, argv, (struct str){0}, 30);
	unsetenv("XDG_DATA_HOME");
	assert_int_equal(run.status, 0);
	assert_non_null(strstr(buf_z(&run.out), SAID));
	program_run_release(&run);
}

static void the_full_screen_hears_every_letter(void **state)
{
	static const char *const args[] = {"--titles", "off", NULL};

	(void)state;
	for (size_t i = 0; i < N_LOCALES; i++) {
		struct tmpdir home;

		tmpdir_init(&home);
		talk(&home, args, i, "ready");
		assert_kept(&home);
		tmpdir_release(&home);
	}
}

static void line_mode_hears_every_letter(void **state)
{
	static const char *const args[] = {"--plain", "--titles", "off", NULL};

	(void)state;
	for (size_t i = 0; i < N_LOCALES; i++) {
		struct tmpdir home;

		tmpdir_init(&home);
		talk(&home, args, i, "\n>");
		assert_kept(&home);
		tmpdir_release(&home);
	}
}

static void doctor_says_what_was_asked_for_and_what_serves(void **state)
{
	static const struct {
		bool has_utf8;
		const char *lc_all, *says;
	} cases[] = {
		{true, "C.UTF-8", "ok    locale    LC_ALL=C.UTF-8 is UTF-8\n"},
		{true, "C", "ok    locale    LC_ALL=C is ANSI_X3.4-1968: C.UTF-8 serves"},
		{true, "xx_YY.UTF-8",
		 "ok    locale    LC_ALL=xx_YY.UTF-8 is not installed: C.UTF-8 "},
		{false, "xx_YY.UTF-8",
		 "warn  locale    LC_ALL=xx_YY.UTF-8 is not installed, and C.UTF-8 isn't "
		 "either"},
	};
	static const char *const argv[] = {"doctor", "--model", "/nowhere", NULL};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct program_run run = {0};

		if (!cases[i].has_utf8)
			setenv("LD_PRELOAD", preload + strlen("LD_PRELOAD="), 1);
		setenv("LC_ALL", cases[i].lc_all, 1);
		program_run(&run, argv, (struct str){0}, 60);
		unsetenv("LD_PRELOAD");
		setenv("LC_ALL", "C.UTF-8", 1);
		if (!strstr(buf_z(&run.out), cases[i].says))
			fail_msg("without '%s':\n%s", cases[i].says, buf_z(&run.out));
		program_run_release(&run);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_full_screen_hears_every_letter),
		cmocka_unit_test(line_mode_hears_every_letter),
		cmocka_unit_test(doctor_says_what_was_asked_for_and_what_serves),
	};

	snprintf(preload, sizeof(preload), "LD_PRELOAD=%s",
		 program_beside("tests/faults/nolocale.so"));
	setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 0);
	setlocale(LC_ALL, "C.UTF-8");
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
