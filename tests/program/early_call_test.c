/*
 * Calls as the model writes them: what is shown and told of one that grows, and how one ends that
 * is refused whatever follows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/program.h"
#include "tests/support/stage.h"
#include "tests/support/tmpdir.h"

#define DONE "{\"done\": {}}\n"
#define READ "{\"call\": {\"name\": \"read_file\", \"arguments\": {\"path\": \"notes.txt\"}}}\n"
#define MILK "{\"expect\": {\"tool\": \"read_file\"}, \"output\": \"buy milk\\n\"}\n"
#define WRITE(path, more)                                                                      \
	"{\"call\": {\"name\": \"write_file\", \"arguments\": {\"path\": \"" path                \
	"\", \"content\": \"one\\ntwo\\nthree\\nfour\\n\"}}, \"chunk\": 2, \"delay_ms\": 30" more      \
	"}\n"
/* Three lines and, for two seconds, a fourth: what is shown meanwhile is seen on a busy machine, too. */
#define WRITE_SLOWLY                                                                           \
	"{\"call\": {\"name\": \"write_file\", \"arguments\": {\"path\": \"a.c\", \"content\": "    \
	"\"one\\ntwo\\nthree\\nand a fourth that takes its time\\n\"}}, \"chunk\": 2, "            \
	"\"delay_ms\": 120}\n"
#define ENDED ", \"expect_call_ended\": true"

static const struct play {
	const char *args[4], *engine, *runner;
	int status;
	const char *has[6], *lacks; /* stdout, then stderr */
} plays[] = {
	/* Ended at its name; the call before it runs, and the answer is replayed. */
	{{"-p", "hi", "--json"},
	 .engine = READ WRITE("a.c", ENDED) "{\"text\": \"never said\"}\n" DONE
		   "{\"turn\": {\"expect_tool\": \"denied: nobody can be asked\", "
		   "\"expect_calls\": \"0 1\", \"expect_results\": \"0 1\"}}\n"
		   "{\"text\": \"Sorry.\"}\n" DONE,
	 .runner = MILK,
	 .status = 5,
	 .has = {"{\"type\": \"tool_call_error\", \"index\": 1, \"id\": \"c2\", \"text\": "
		 "\"the call was ended\"}",
		 "\"id\": \"c1\", \"tool\": \"read_file\", \"state\": \"ok\"",
		 "\"id\": \"c2\", \"tool\": \"write_file\", \"state\": \"refused\"",
		 "\"Sorry.\"", "\"refused\": 1"},
	 .lacks = "never said"},
	{{"-p", "hi", "--approve", "never"},
	 .engine = WRITE("a.c", ENDED) DONE "{\"text\": \"Sorry.\"}\n" DONE,
	 .has = {"Sorry.\n→ write_file", "(denied)"}},
	/* At its path. */
	{{"-p", "hi", "--approve", "edits"},
	 .engine = WRITE(".git/config", ENDED) DONE
		   "{\"turn\": {\"expect_tool\": \"error: denied: .git/config is protected\"}}\n"
		   "{\"text\": \"Sorry.\"}\n" DONE,
	 .has = {"Sorry.\n→ write_file .git/config  (denied)"}},
	{{"-p", "hi"},
	 .engine = "{\"call\": {\"name\": \"nope\", \"arguments\": {\"x\": \"y\"}}" ENDED "}\n" DONE
		   "{\"turn\": {\"expect_tool\": \"error: unknown tool: nope\"}}\n"
		   "{\"text\": \"Sorry.\"}\n" DONE,
	 .has = {"Sorry.\n→ nope", "(error)"}},
	/* Where nothing of a call could be read, its error stands alone. */
	{{"-p", "hi"},
	 .engine = "{\"bad_call\": \"no call in it\"}\n" DONE
		   "{\"turn\": {\"expect_messages\": 4, \"expect_results\": \"\", \"expect_tool\": "
		   "\"error: the calls were not well formed: no call in it. None was run. Write "
		   "the calls again.\"}}\n{\"text\": \"Sorry.\"}\n" DONE,
	 .has = {"Sorry.\n", "(error)"}},
	/* The pieces of one that is not, where they are wanted. */
	{{"-p", "hi", "--json", "--partial"},
	 .engine = READ "{\"text\": \"x\"}\n" DONE "{\"text\": \"A.\"}\n" DONE,
	 .runner = MILK,
	 .has = {"\"tool_call\""},
	 .lacks = "tool_call_text"},
	{{"-p", "hi", "--json", "--partial"},
	 .engine = "{\"call\": {\"name\": \"read_file\", \"arguments\": {\"path\": "
		   "\"notes.txt\"}}, \"chunk\": 5, \"delay_ms\": 50}\n" DONE
		   "{\"text\": \"A.\"}\n" DONE,
	 .runner = MILK,
	 .has = {"{\"type\": \"tool_call_text\", \"index\": 0, \"id\": \"c1\", \"text\": "
		 "\"notes\"}\n{\"type\": \"tool_call_text\", \"index\": 0, \"id\": \"c1\", "
		 "\"text\": \".txt\"}\n{\"type\": \"tool_call\""}},
};

static void run(struct program_run *run, const struct play *p, const char *const *more)
{
	const char *argv[16] = {"--tools", "--nothink", "--engine-script"};
	size_t n = 3;

	tmpdir_write_text(&test_dir, "engine", p->engine);
	tmpdir_write_text(&test_dir, "runner", p->runner ? p->runner : "# nothing\n");
	argv[n++] = tmpdir_file(&test_dir, "engine");
	argv[n++] = "--runner-script";
	argv[n++] = tmpdir_file(&test_dir, "runner");
	for (size_t k = 0; k < 4 && p->args[k]; k++)
		argv[n++] = p->args[k];
	while (*more)
		argv[n++] = *more++;
	program_run(run, argv, (struct str){0}, 60);
}

static void a_call_is_ended_or_told_piece_by_piece(void **state)
{
	static const char *const ephemeral[] = {"--ephemeral", NULL};

	(void)state;
	for (size_t i = 0; i < sizeof(plays) / sizeof(plays[0]); i++) {
		struct program_run r;
		struct buf all = {0};
		const char *lacks;

		run(&r, &plays[i], ephemeral);
		buf_addf(&all, "%s%s", buf_z(&r.out), buf_z(&r.err));
		lacks = program_lacks(buf_z(&all), plays[i].has, 6);
		if (lacks)
			fail_msg("play %zu: '%s' lacks '%s'", i, buf_z(&all), lacks);
		if (r.status != plays[i].status)
			fail_msg("play %zu: status %d: %s", i, r.status, buf_z(&all));
		if (plays[i].lacks && strstr(buf_z(&all), plays[i].lacks))
			fail_msg("play %zu: '%s' has '%s'", i, buf_z(&all), plays[i].lacks);
		buf_release(&all);
		program_run_release(&r);
	}
}

/* What is kept of a cut call: that it was, and that it has its result; it is never run later. */
static void a_cut_call_is_kept_as_such(void **state)
{
	static const struct play first = {
		{"-p", "hi", "--approve", "never"},
		.engine = WRITE("a.c", ENDED) DONE "{\"text\": \"A.\"}\n" DONE};
	static const struct play second = {
		{"-p", "more", "--approve", "edits"},
		.engine = "{\"turn\": {\"expect\": \"more\", \"expect_calls\": \"0\", "
			  "\"expect_results\": \"0\"}}\n{\"text\": \"B.\"}\n" DONE};
	static const char *const none[] = {NULL}, *const go_on[] = {"-c", NULL};
	struct program_run r;
	struct buf line = {0}, out = {0};

	(void)state;
	run(&r, &first, none);
	assert_int_equal(r.status, 0);
	program_run_release(&r);
	run(&r, &second, go_on);
	if (r.status)
		fail_msg("%s", buf_z(&r.err));
	assert_string_equal(buf_z(&r.out), "B.\n");
	program_run_release(&r);
	buf_addf(&line, "%s history export --format json", program_path());
	assert_int_equal(program_shell(buf_z(&line), &out), 0);
	if (!strstr(buf_z(&out), "{\\\"ended\\\": \\\"the call was ended\\\", \\\"ids\\\": 2}"))
		fail_msg("%s", buf_z(&out));
	buf_reset(&line);
	buf_reset(&out);
	buf_addf(&line, "%s history export --format md", program_path());
	assert_int_equal(program_shell(buf_z(&line), &out), 0);
	assert_non_null(strstr(buf_z(&out), "the call was ended"));
	buf_release(&line);
	buf_release(&out);
}

/* On the screen the card grows. */
static void the_screen_shows_how_far_a_call_is_written(void **state)
{
	const char *args[] = {"--tools", "--titles", "off", "--runner-script",
			      tmpdir_file(&test_dir, "runner"), "--approve", "edits", NULL};
	struct stage_setup su = {
		.args = args,
		.home = test_dir.path,
		.engine_script = WRITE_SLOWLY DONE "{\"text\": \"Good.\"}\n" DONE};
	struct stage st;

	(void)state;
	tmpdir_write_text(&test_dir, "runner",
			  "{\"output\": \"\", \"diff\": \"+one\\n\"}\n{\"output\": \"wrote it\"}\n");
	stage_begin(&st, &su);
	stage_type(&st, "hi\r");
	stage_wait_for(&st, "writing, 3 lines …");
	assert_true(stage_shows(&st, "a.c"));
	stage_wait_for(&st, "Good.");
	assert_false(stage_shows(&st, "writing, "));
	assert_true(stage_shows(&st, "wrote it"));
	stage_quit(&st);
}

/* A line at a time: while it is written, where its result will stand. */
static void the_line_says_how_far_a_call_is_written(void **state)
{
	const char *args[] = {"--tools",   "--runner-script", tmpdir_file(&test_dir, "runner"),
			      "--plain",   "--ephemeral",     "--approve",
			      "edits",     NULL};
	struct stage_setup su = {
		.args = args,
		.home = test_dir.path,
		.engine_script = WRITE_SLOWLY DONE "{\"text\": \"Good.\"}\n" DONE};
	struct stage st;

	(void)state;
	tmpdir_write_text(&test_dir, "runner",
			  "{\"output\": \"\", \"diff\": \"+one\\n\"}\n{\"output\": \"wrote it\"}\n");
	stage_begin_lines(&st, &su);
	stage_type(&st, "hi\n");
	stage_wait_for(&st, "→ write_file a.c, 3 lines …");
	stage_wait_for(&st, "Good.");
	assert_false(stage_shows(&st, "lines …"));
	stage_quit_lines(&st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, program_set_up, tmpdir_tear_down)
		T(a_call_is_ended_or_told_piece_by_piece),
		T(a_cut_call_is_kept_as_such),
		T(the_screen_shows_how_far_a_call_is_written),
		T(the_line_says_how_far_a_call_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
