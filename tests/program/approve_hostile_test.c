/*
 * Calls that want to be agreed to unseen: what they run stands behind hundreds of blank lines,
 * signs turn it around or hide it, or a yes is pasted before the question is there.  On the
 * full screen and a line at a time, with the scripted engine and a scripted runner.
 */
#include "tests/support/shared_files.h"

#include <string.h>

#include "tests/support/stage.h"
#include "tests/support/tmpdir.h"

#define DONE "{\"done\": {}}\n"
#define SHELL(command)                                                                         \
	"{\"call\": {\"name\": \"shell\", \"arguments\": {\"command\": \"" command "\"}}}\n"
#define SAYS(expected)                                                                         \
	"{\"turn\": {\"expect_tool\": \"" expected "\"}}\n{\"text\": \"There.\"}\n" DONE
#define RUNS "{\"output\": \"it ran\\n\"}\n"

/* "hi" is asked. */
static void begin(struct stage *st, bool plain, const char *engine)
{
	const char *args[] = {"--tools",
			      "--ephemeral",
			      "--titles",
			      "off",
			      "--runner-script",
			      tmpdir_file(&test_dir, "runner"),
			      plain ? "--plain" : NULL,
			      NULL};
	struct stage_setup su = {.args = args, .home = test_dir.path, .engine_script = engine};

	tmpdir_write_text(&test_dir, "runner", RUNS);
	if (plain) {
		stage_begin_lines(st, &su);
		stage_type(st, "hi\n");
	} else {
		stage_begin(st, &su);
		stage_type(st, "hi\r");
	}
}

static void wait_for_question(struct stage *st, bool plain)
{
	stage_wait_for(st, plain ? "(Ctrl-C stops):" : "asks you");
	stage_pause(st, 800);
}

static void end(struct stage *st, bool plain)
{
	if (plain) {
		stage_quit_lines(st);
		return;
	}
	stage_settle(st);
	stage_quit(st);
}

/* Its beginning says that it goes on, or its end is what is in sight; never neither. */
static void what_stands_behind_blank_lines_is_not_agreed_to_unseen(void **state)
{
	struct buf script = {0};
	struct stage st;

	(void)state;
	buf_addz(&script, "{\"call\": {\"name\": \"shell\", \"arguments\": {\"command\": \"ls");
	for (int i = 0; i < 300; i++)
		buf_addz(&script, "\\n");
	buf_addz(&script, "rm -rf src\"}}}\n" DONE "{\"text\": \"There.\"}\n" DONE);
	begin(&st, false, buf_z(&script));
	wait_for_question(&st, false);
	assert_true(stage_shows(&st, "rm -rf src"));
	stage_type(&st, "y\r");
	stage_wait_for(&st, "not all of it was in sight yet");
	stage_pause(&st, 300);
	assert_false(stage_shows(&st, "There."));
	for (int i = 0; i < 40 && !stage_shows(&st, "Run this command?"); i++) {
		stage_type(&st, "\033[5~");
		stage_pause(&st, 30);
	}
	assert_true(stage_shows(&st, "  ls"));
	stage_type(&st, "\r");
	stage_wait_for(&st, "There.");
	end(&st, false);
	/* Lines are printed whole: the end stands above the prompt. */
	begin(&st, true, buf_z(&script));
	wait_for_question(&st, true);
	assert_true(stage_shows(&st, "rm -rf src"));
	stage_type(&st, "n\n");
	stage_settle(&st);
	assert_null(strstr(buf_z(&st.raw), "it ran"));
	end(&st, true);
	buf_release(&script);
}

static const struct {
	const char *command, *shown;
} signs[] = {
	{"echo \\u202egnp.exe", "echo <U+202E>gnp.exe"},
	{"r\\u200bm -rf src", "r<U+200B>m -rf src"},
	{"ls\\u2060\\ufeff x", "ls<U+2060><U+FEFF> x"},
	{"ls\\u00a0x", "ls<U+00A0>x"},
	{"ls \\udb40\\udc72\\udb40\\udc6d", "ls <U+E0072><U+E006D>"},
	{"ls \\u001b[2K\\u0008\\u0008rm x", "rm x"},
	{"ls                                                            ; rm x", "; rm x"},
};

static void signs_that_hide_or_turn_are_spelled_out(void **state)
{
	(void)state;
	for (int plain = 0; plain < 2; plain++) {
		for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
			struct buf script = {0};
			struct stage st;

			buf_addf(&script, SHELL("%s") DONE SAYS("error: denied by the user"),
				 signs[i].command);
			begin(&st, plain, buf_z(&script));
			wait_for_question(&st, plain);
			if (!stage_shows(&st, signs[i].shown))
				fail_msg("'%s' is not shown as '%s'", signs[i].command,
					 signs[i].shown);
			stage_type(&st, plain ? "n\n" : "n\r");
			stage_wait_for(&st, "There.");
			end(&st, plain);
			buf_release(&script);
		}
	}
}

/* As a terminal pastes, in brackets; as one that has none; and once the question is there. */
static void a_yes_that_is_pasted_is_none(void **state)
{
	static const char engine[] = "{\"pause\": 900}\n" SHELL("make") DONE
		"{\"text\": \"There.\"}\n" DONE "{\"text\": \"More.\"}\n" DONE;
	static const char *const pastes[] = {"\033[200~y\n\033[201~", "y\n", "y\ny\ny\n"};

	(void)state;
	for (int plain = 0; plain < 2; plain++) {
		for (size_t i = 0; i < sizeof(pastes) / sizeof(pastes[0]); i++) {
			struct stage st;

			begin(&st, plain, engine);
			stage_pause(&st, 200);
			stage_type(&st, pastes[i]);
			wait_for_question(&st, plain);
			stage_pause(&st, 300);
			assert_false(stage_shows(&st, "There."));
			assert_null(strstr(buf_z(&st.raw), "it ran"));
			stage_type(&st, plain ? "\003" : "\033");
			stage_settle(&st);
			assert_null(strstr(buf_z(&st.raw), "it ran"));
			end(&st, plain);
		}
	}
}

static void a_yes_that_is_pasted_at_the_question_waits_for_enter(void **state)
{
	struct stage st;

	(void)state;
	begin(&st, false, SHELL("make") DONE SAYS("it ran"));
	wait_for_question(&st, false);
	stage_type(&st, "\033[200~y\n\033[201~");
	stage_pause(&st, 500);
	assert_false(stage_shows(&st, "There."));
	end(&st, false);
}

#define T(f) cmocka_unit_test_setup_teardown(f, tmpdir_set_up, tmpdir_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_stands_behind_blank_lines_is_not_agreed_to_unseen),
		T(signs_that_hide_or_turn_are_spelled_out),
		T(a_yes_that_is_pasted_is_none),
		T(a_yes_that_is_pasted_at_the_question_waits_for_enter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
