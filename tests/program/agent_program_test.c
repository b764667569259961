/*
 * Agent sessions as a user runs them: one question, a pipe, JSON lines, a line at a time; on
 * the scripted engine and a scripted runner.
 */
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

#include "tests/support/program.h"
#include "tests/support/stage.h"
#include "tests/support/tmpdir.h"

#define DONE "{\"done\": {}}\n"
#define READ "{\"call\": {\"name\": \"read_file\", \"arguments\": {\"path\": \"notes.txt\"}}}\n"
#define MAKE "{\"call\": {\"name\": \"shell\", \"arguments\": {\"command\": \"make\"}}}\n"
#define MILK "{\"expect\": {\"tool\": \"read_file\"}, \"output\": \"buy milk\\n\"}\n"

struct play {
	const char *args[6]; /* beside --tools and the scripts */
	const char *in;      /* NULL: a question stands among the arguments */
	const char *engine, *runner;
	int status;
	const char *out, *err; /* stdout whole, NULL: not looked at; what stderr holds */
	const char *has[6];    /* … and stdout, in this order */
};

static const struct play plays[] = {
	{{"-p", "hi"},
	 .engine = "{\"turn\": {\"expect_tools\": \"read_file\", \"expect_messages\": 2}}\n"
		   "{\"text\": \"I look.\"}\n" READ DONE
		   "{\"turn\": {\"expect_tool\": \"buy milk\", \"expect_calls\": \"0\", "
		   "\"expect_results\": \"0\", \"expect_messages\": 4}}\n"
		   "{\"text\": \"Buy milk.\"}\n" DONE,
	 .runner = MILK,
	 .out = "Buy milk.\n",
	 .err = "I look.\n→ read_file notes.txt  (0.0 s)\n"},
	/* Nobody can be asked: the turn goes on to its answer. */
	{{"-p", "hi"},
	 .engine = MAKE DONE
	 "{\"turn\": {\"expect_tool\": \"error: denied: nobody can be asked\"}}\n"
	 "{\"text\": \"Sorry.\"}\n" DONE,
	 .status = 5,
	 .out = "Sorry.\n",
	 .err = "→ shell make  (refused)\ndsv4chat: 1 call was refused, since nobody could be "
		"asked\n"},
	{{"-p", "hi", "--approve", "never"},
	 .engine = MAKE DONE "{\"turn\": {\"expect_tool\": \"only what reads may run\"}}\n"
			     "{\"text\": \"Sorry.\"}\n" DONE,
	 .out = "Sorry.\n",
	 .err = "→ shell make  (denied)\n"},
	{{"-p", "hi"},
	 .engine = MAKE MAKE MAKE READ DONE,
	 .status = 5,
	 .out = "",
	 .err = "3 calls were refused, since nobody could be asked"},
	{{"-p", "hi", "--max-refused", "1"},
	 .engine = MAKE READ DONE,
	 .status = 5,
	 .out = "",
	 .err = "1 call was refused, since nobody could be asked"},
	/* The ends of a turn have their exit codes. */
	{{"-p", "hi", "--tool-rounds", "1"},
	 .engine = "{\"turn\": {\"again\": true}}\n" READ DONE,
	 .runner = MILK,
	 .status = 4,
	 .out = "",
	 .err = "the model went on to call tools after its last round"},
	{{"-p", "hi"},
	 .engine = "{\"turn\": {\"again\": true}}\n{\"bad_call\": {\"name\": \"shell\", "
		   "\"why\": \"no "
		   "end\"}}\n" DONE,
	 .status = 1,
	 .out = "",
	 .err = "nothing but wrong calls three times in a row"},
	{{"-p", "hi"},
	 .engine = "{\"turn\": {\"again\": true}}\n" READ DONE,
	 .runner = MILK MILK MILK,
	 .status = 4,
	 .err = "the model makes the same call again and again"},
	{{"-p", "hi"},
	 .engine = READ DONE READ DONE,
	 .runner = "{\"die\": true}\n{\"die\": true}\n",
	 .status = 1,
	 .err = "the tools' process has ended"},
	{{"-p", "hi"},
	 .engine = READ DONE "{\"text\": \"cut\"}\n{\"done\": \"length\"}\n",
	 .runner = MILK,
	 .status = 4,
	 .out = "cut\n",
	 .err = "the answer reached its limit of tokens"},
	{{"-p", "hi", "--timeout", "4"},
	 .engine = READ READ DONE,
	 .runner = "{\"output\": \"begun\", \"delay_ms\": 20, \"chunk\": 5}\n"
		   "{\"delay_ms\": 3600000, \"stubborn_ms\": 50}",
	 .status = 124,
	 .out = "",
	 .err = "→ read_file notes.txt  (stopped, "},
	/* A runner that is asked for something else says so. */
	{{"-p", "hi"},
	 .engine = READ DONE,
	 .runner = "{\"expect\": {\"tool\": \"shell\"}}\n",
	 .status = 2,
	 .err = "tool is 'read_file', expected 'shell'"},
	{{"-p", "hi"},
	 .engine = DONE,
	 .runner = "{\"outptu\": 1}\n",
	 .status = 2,
	 .err = "runner-script: line 1: \"outptu\" is not known"},
	{{"-p", "hi", "--json"},
	 .engine = "{\"text\": \"I look.\"}\n" READ MAKE DONE "{\"text\": \"Milk.\"}\n" DONE,
	 .runner = MILK,
	 .status = 5,
	 .has = {"{\"type\": \"tool_call\", \"index\": 1, \"id\": \"c2\"",
		 "{\"type\": \"tool_start\", \"id\": \"c1\", \"tool\": \"read_file\", "
		 "\"grade\": "
		 "\"read\"}\n{\"type\": \"tool_output\", \"id\": \"c1\", \"tool\": "
		 "\"read_file\", "
		 "\"text\": \"buy milk\\n\", \"bytes\": 9}\n{\"type\": \"tool_result\", "
		 "\"id\": "
		 "\"c1\", \"tool\": \"read_file\", \"state\": \"ok\"",
		 "{\"type\": \"tool_result\", \"id\": \"c2\", \"tool\": \"shell\", \"state\": "
		 "\"refused\"",
		 "{\"type\": \"round\", \"stop_reason\": \"tool_calls\"",
		 "{\"type\": \"done\", \"stop_reason\": \"stop\"",
		 "\"rounds\": 1, \"tool_calls\": 1, \"refused\": 1, \"failed_calls\": 0, \"files_changed\": 0}"}},
	{{"-p", "hi", "--json"},
	 .engine = READ READ DONE "{\"text\": \"Milk.\"}\n" DONE,
	 .runner = "{\"output\": \"a\", \"spill\": \"OUT:1\"}\n{\"output\": \"b\"}\n",
	 .has = {"\"text\": \"a\", \"cut\": true, \"spill\": \"OUT:1\"}\n",
		 "\"text\": \"b\", \"cut\": false}\n"}},
	/* In a session each question has its rounds; ids go on. */
	{{"--input-format", "jsonl"},
	 .in = "{\"text\": \"one\"}\n{\"text\": \"two\"}\n",
	 .engine = READ DONE
	 "{\"text\": \"A.\"}\n" DONE
	 "{\"turn\": {\"expect\": \"two\", \"expect_messages\": 6}}\n" READ DONE
	 "{\"turn\": {\"expect_messages\": 8}}\n{\"text\": \"B.\"}\n" DONE,
	 .runner = MILK "{\"exit\": 2}\n",
	 .has = {"{\"type\": \"tool_result\", \"id\": \"c1\", \"tool\": \"read_file\", "
		 "\"state\": "
		 "\"ok\"",
		 "\"rounds\": 1, \"tool_calls\": 1, \"refused\": 0, \"failed_calls\": 0, \"files_changed\": 0}",
		 "{\"type\": \"tool_result\", \"id\": \"c2\", \"tool\": \"read_file\", "
		 "\"state\": "
		 "\"error\", \"exit\": 2",
		 "\"rounds\": 1, \"tool_calls\": 1, \"refused\": 0, \"failed_calls\": 1, \"files_changed\": 0}"}},
	{{"--input-format", "jsonl"},
	 .in = "{\"text\": \"one\"}\n{\"text\": \"two\"}\n",
	 .engine = MAKE DONE "{\"text\": \"A.\"}\n" DONE "{\"text\": \"B.\"}\n" DONE,
	 .status = 5,
	 .has = {"\"A.\"", "\"code\": \"refused\"", "\"B.\"", "\"refused\": 0"}},
	/* stdin is the question's, not the approval's. */
	{{"-p", "hi"},
	 .in = "y\ny\n",
	 .engine = MAKE DONE "{\"text\": \"Sorry.\"}\n" DONE,
	 .status = 5,
	 .out = "Sorry.\n",
	 .err = "(refused)"},
};

static void write_scripts(const char *engine, const char *runner)
{
	tmpdir_write_text(&test_dir, "engine", engine);
	tmpdir_write_text(&test_dir, "runner", runner ? runner : "# nothing\n");
}

static void check(const struct play *p, const struct program_run *run)
{
	const char *lacks = program_lacks(buf_z(&run->out), p->has, 6);

	if (run->status != p->status)
		fail_msg("status %d, expected %d:\n%s%s", run->status, p->status,
			 buf_z(&run->err), buf_z(&run->out));
	if (p->out)
		assert_string_equal(buf_z(&run->out), p->out);
	if (p->err && !strstr(buf_z(&run->err), p->err))
		fail_msg("'%s' lacks '%s'", buf_z(&run->err), p->err);
	if (lacks)
		fail_msg("'%s' lacks '%s'", buf_z(&run->out), lacks);
}

static void a_question_with_tools_ends_as_its_exit_code_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(plays) / sizeof(plays[0]); i++) {
		const char *argv[16] = {"--tools", "--ephemeral", "--engine-script"};
		const struct play *p = &plays[i];
		struct program_run run;
		size_t n = 3;

		write_scripts(p->engine, p->runner);
		argv[n++] = tmpdir_file(&test_dir, "engine");
		argv[n++] = "--runner-script";
		argv[n++] = tmpdir_file(&test_dir, "runner");
		for (size_t k = 0; k < 6 && p->args[k]; k++)
			argv[n++] = p->args[k];
		program_run(&run, argv, str_of(p->in ? p->in : ""), 60);
		check(p, &run);
		program_run_release(&run);
	}
}

/* ---- what is kept ---- */

static void results_are_kept_and_the_next_run_goes_on_behind_them(void **state)
{
	static const char first[] = READ MAKE DONE "{\"text\": \"A.\"}\n" DONE;
	static const char second[] =
		"{\"turn\": {\"expect\": \"more\", \"expect_messages\": 7, "
		"\"expect_calls\": \"0 1\", \"expect_results\": \"0 1\"}}\n"
		"{\"text\": \"B.\"}\n" DONE;

	(void)state;
	for (int i = 0; i < 2; i++) {
		const char *argv[] = {"--tools",
				      "--engine-script",
				      tmpdir_file(&test_dir, "engine"),
				      "--runner-script",
				      tmpdir_file(&test_dir, "runner"),
				      "--approve",
				      "never",
				      "-p",
				      i ? "more" : "hi",
				      i ? "-c" : NULL,
				      NULL};
		struct program_run run;

		write_scripts(i ? second : first, MILK);
		program_run(&run, argv, (struct str){0}, 60);
		if (run.status)
			fail_msg("%s", buf_z(&run.err));
		assert_string_equal(buf_z(&run.out), i ? "B.\n" : "A.\n");
		program_run_release(&run);
	}
}

/* An answer with calls, and then the program is no more: nobody ran them. */
static void calls_that_a_session_without_tools_left_are_told_as_not_run(void **state)
{
	static const char second[] =
		"{\"turn\": {\"expect\": \"more\", \"expect_results\": \"0\", \"expect_tool\": "
		"\"error: not run: the user went on\"}}\n"
		"{\"text\": \"B.\"}\n" DONE;

	(void)state;
	for (int i = 0; i < 2; i++) {
		const char *argv[] = {"--engine-script",
				      tmpdir_file(&test_dir, "engine"),
				      "-p",
				      i ? "more" : "hi",
				      i ? "-c" : NULL, /* the end of them, at first */
				      "--tools",
				      "--runner-script",
				      tmpdir_file(&test_dir, "runner"),
				      NULL};
		struct program_run run;

		write_scripts(i ? second : MAKE DONE, NULL);
		program_run(&run, argv, (struct str){0}, 60);
		if (run.status)
			fail_msg("%s", buf_z(&run.err));
		program_run_release(&run);
	}
}

/* ---- what it is told first ---- */

/* Runs it in the folder `where`; stderr goes to stdout. */
static int run_in(const char *where, const char *engine, const char *args, struct buf *out)
{
	struct buf line = {0};
	char *program = realpath(program_path(), NULL);
	int status;

	assert_non_null(program);
	write_scripts(engine, MILK);
	buf_addf(&line,
		 "cd %s && %s --tools --engine-script %s --runner-script %s %s 2>&1 </dev/null",
		 tmpdir_file(&test_dir, where), program, tmpdir_file(&test_dir, "engine"),
		 tmpdir_file(&test_dir, "runner"), args);
	buf_reset(out);
	status = program_shell(buf_z(&line), out);
	buf_release(&line);
	free(program);
	return status;
}

#define TOLD(system, n, say)                                                                   \
	"{\"turn\": {\"expect_system\": \"" system "\", \"expect_tools\": \"search_files\", "  \
	"\"expect_messages\": " n "}}\n{\"text\": \"" say "\"}\n" DONE

static void what_a_conversation_was_told_of_its_folder_stays(void **state)
{
	struct buf out = {0};

	(void)state;
	mkdir(tmpdir_file(&test_dir, "one"), 0700);
	mkdir(tmpdir_file(&test_dir, "two"), 0700);
	tmpdir_write_text(&test_dir, "one/AGENTS.md", "use make\n");
	tmpdir_write_text(&test_dir, "one/CLAUDE.md", "x\n");
	assert_int_equal(
		run_in("one", TOLD("AGENTS.md\\n\\nuse make", "2", "A."), "-p hi", &out), 0);
	assert_string_equal(buf_z(&out), "note: CLAUDE.md is not read; AGENTS.md is\nA.\n");
	tmpdir_write_text(&test_dir, "one/AGENTS.md", "use ninja\n");
	assert_int_equal(run_in("two", TOLD("use make", "4", "B."), "-c -p more", &out), 0);
	assert_string_equal(buf_z(&out), "B.\n");
	/* A new one hears of what is there now; or not. */
	assert_int_equal(run_in("one", TOLD("use ninja", "2", "C."), "-p hi", &out), 0);
	assert_int_equal(run_in("one", TOLD("Git repository: no\\n", "2", "D."),
				"--no-agents-md -p hi", &out),
			 0);
	assert_string_equal(buf_z(&out), "D.\n");
	assert_int_equal(run_in("one", TOLD("Be brief.\\n\\nWorkspace: ", "2", "E."),
				"-s 'Be brief.' -p hi", &out),
			 0);
	buf_release(&out);
}

/* One that began without tools gets them, behind the system prompt that it has. */
static void a_conversation_without_tools_can_go_on_with_them(void **state)
{
	struct buf out = {0};
	const char *argv[] = {"--engine-script",
			      tmpdir_file(&test_dir, "engine"),
			      "-s",
			      "Be brief.",
			      "-p",
			      "hi",
			      NULL};
	struct program_run run;

	(void)state;
	mkdir(tmpdir_file(&test_dir, "one"), 0700);
	write_scripts(
		"{\"turn\": {\"expect_system\": \"Be brief.\"}}\n{\"text\": \"A.\"}\n" DONE,
		NULL);
	program_run(&run, argv, (struct str){0}, 60);
	assert_int_equal(run.status, 0);
	program_run_release(&run);
	assert_int_equal(run_in("one", TOLD("Be brief.\\n\\nWorkspace: ", "4", "B."),
				"-c -p more", &out),
			 0);
	buf_release(&out);
}

/* Asked once more it says something: another answer to the question, by another seed. */
static void an_empty_answer_is_asked_for_again_with_another_seed(void **state)
{
	struct buf out = {0}, line = {0};

	(void)state;
	mkdir(tmpdir_file(&test_dir, "one"), 0700);
	assert_int_equal(run_in("one",
				"{\"thinking\": \"Hm.\"}\n" DONE
				"{\"turn\": {\"expect_messages\": 2}}\n"
				"{\"text\": \"There.\"}\n" DONE,
				"--hide-thinking --seed 7 -p hi", &out),
			 0);
	assert_string_equal(buf_z(&out), "note: the answer was empty after thinking: asked "
					 "once more\nThere.\n");
	buf_reset(&out);
	buf_addf(&line, "'%s' history export", program_path());
	assert_int_equal(program_shell(buf_z(&line), &out), 0);
	assert_non_null(strstr(buf_z(&out), "\"seed\": \"7\""));
	assert_non_null(strstr(buf_z(&out), "\"seed\": \"8\""));
	buf_release(&out);
	buf_release(&line);
}

/* ---- at a terminal ---- */

/* `how` NULL: one question. */
static void open_stage(struct stage *st, const char *how, const char *engine,
		       const char *runner)
{
	const char *args[12] = {
		"--tools",     "--runner-script", tmpdir_file(&test_dir, "runner"),
		"--ephemeral", how ? how : "-p",  how ? NULL : "hi"};
	struct stage_setup su = {.args = args, .home = test_dir.path, .engine_script = engine};

	write_scripts(engine, runner);
	if (!how) {
		stage_open(st, &su);
		return;
	}
	stage_begin_lines(st, &su);
	stage_type(st, "hi\n");
}

static const struct {
	const char *typed[4]; /* each after its question */
	const char *expects;  /* in the result that the model gets */
	const char *runner;
} decisions[] = {
	{{"yes\n"}, "made", "{\"output\": \"made\"}\n"},
	{{"n\n"}, "error: denied by the user", NULL},
	{{"\n", "maybe\n", "no\n"}, "error: denied by the user", NULL},
	{{"r use ninja\n"}, "error: denied by the user: use ninja", NULL},
	{{"r\n", "use ninja\n"}, "error: denied by the user: use ninja", NULL},
};

static void the_user_decides_at_the_terminal(void **state)
{
	const size_t n = sizeof(decisions) / sizeof(decisions[0]);

	(void)state;
	/* The first two with one question alone, too. */
	for (size_t i = 0; i < n + 2; i++) {
		const char *const *typed = decisions[i % n].typed,
				  *how = i < n ? "--plain" : NULL;
		struct buf engine = {0};
		struct stage st;

		buf_addf(&engine,
			 MAKE DONE "{\"turn\": {\"expect_tool\": \"%s\"}}\n"
				   "{\"text\": \"There.\"}\n" DONE,
			 decisions[i % n].expects);
		open_stage(&st, how, buf_z(&engine), decisions[i % n].runner);
		stage_wait_for(&st, "Run this command?  shell");
		stage_wait_for(&st, "  make");
		for (size_t k = 0; k < 4 && typed[k]; k++) {
			/* The prompt, and the modes that go with it. */
			stage_wait_for(&st, "(Ctrl-C stops):");
			stage_settle(&st);
			stage_type(&st, typed[k]);
		}
		stage_wait_for(&st, "There.");
		if (how)
			stage_quit_lines(&st);
		else
			assert_int_equal(stage_close(&st), 0);
		buf_release(&engine);
	}
}

/* A line at a time, in a session that is kept; `again`: with -c. */
static void open_kept(struct stage *st, const char *engine, const char *runner, bool again)
{
	const char *args[12] = {"--tools",
				"--runner-script",
				tmpdir_file(&test_dir, "runner"),
				"--plain",
				"--titles",
				"off",
				again ? "-c" : NULL};
	struct stage_setup su = {.args = args, .home = test_dir.path, .engine_script = engine};

	write_scripts(engine, runner);
	stage_open(st, &su);
	stage_wait_for(st, "/help lists the commands");
	stage_settle(st);
}

static void a_killed_round_goes_on_a_line_at_a_time(void **state)
{
	struct stage st;

	(void)state;
	open_kept(&st, MAKE DONE, NULL, false);
	stage_type(&st, "hi\n");
	stage_wait_for(&st, "(Ctrl-C stops):");
	kill(st.child, SIGKILL);
	stage_close(&st);
	open_kept(&st,
		  "{\"turn\": {\"expect_tool\": \"made\"}}\n{\"text\": \"There.\"}\n" DONE,
		  "{\"output\": \"made\"}\n", true);
	stage_wait_for(&st, "have no result; /continue goes on");
	stage_type(&st, "/continue\n");
	stage_wait_for(&st, "(Ctrl-C stops):");
	stage_settle(&st);
	stage_type(&st, "y\n");
	stage_wait_for(&st, "There.");
	stage_settle(&st);
	stage_type(&st, "/continue\n");
	stage_wait_for(&st, "nothing to go on with");
	stage_quit_lines(&st);
}

static void ctrl_c_at_the_question_is_no_and_stops(void **state)
{
	static const char engine[] =
		MAKE READ DONE "{\"turn\": {\"expect\": \"go on\", \"expect_tool\": \"not run: "
			       "stopped by the user\"}}\n"
			       "{\"text\": \"There.\"}\n" DONE;
	struct stage st;

	(void)state;
	open_stage(&st, "--plain", engine, NULL);
	stage_wait_for(&st, "(Ctrl-C stops):");
	stage_settle(&st);
	stage_type(&st, "\003");
	stage_wait_for(&st, "read_file notes.txt  (skipped)");
	stage_settle(&st);
	stage_type(&st, "go on\n");
	stage_wait_for(&st, "There.");
	stage_quit_lines(&st);

	open_stage(&st, NULL, engine, NULL);
	stage_wait_for(&st, "(Ctrl-C stops):");
	stage_settle(&st);
	stage_type(&st, "\003");
	assert_int_equal(WEXITSTATUS(stage_close(&st)), 130);
}

static void a_question_that_nobody_answers_in_time_is_no(void **state)
{
	const char *args[] = {"--tools",
			      "--runner-script",
			      tmpdir_file(&test_dir, "runner"),
			      "--ephemeral",
			      "--timeout",
			      "4",
			      "-p",
			      "hi",
			      NULL};
	struct stage_setup su = {
		.args = args, .home = test_dir.path, .engine_script = MAKE DONE};
	struct stage st;

	(void)state;
	write_scripts("", NULL);
	stage_open(&st, &su);
	stage_wait_for(&st, "(Ctrl-C stops):");
	stage_wait_for(&st, "→ shell make  (denied)");
	assert_int_equal(WEXITSTATUS(stage_close(&st)), 124);
}

static void ctrl_c_stops_what_runs_and_keeps_what_it_printed(void **state)
{
	static const char engine[] =
		READ DONE "{\"turn\": {\"expect\": \"go on\", \"expect_tool\": "
			  "\"begun\\n[stopped by the user]\"}}\n{\"text\": \"There.\"}\n" DONE;
	struct stage st;

	(void)state;
	open_stage(&st, "--plain", engine,
		   "{\"output\": \"begunended\", \"chunk\": 5, \"delay_ms\": 300, "
		   "\"stubborn_ms\": 10}\n");
	stage_wait_for(&st, "→ read_file notes.txt …");
	stage_pause(&st, 450);
	stage_type(&st, "\003");
	stage_wait_for(&st, "read_file notes.txt  (");
	stage_settle(&st);
	stage_type(&st, "go on\n");
	stage_wait_for(&st, "There.");
	stage_quit_lines(&st);
}

static void what_was_typed_before_the_question_is_no_answer_to_it(void **state)
{
	static const char engine[] =
		"{\"pause\": 400}\n" MAKE DONE "{\"text\": \"There.\"}\n" DONE;
	struct stage st;

	(void)state;
	open_stage(&st, NULL, engine, "{\"output\": \"made\"}\n");
	stage_type(&st, "y\n");
	stage_wait_for(&st, "(Ctrl-C stops):");
	stage_pause(&st, 200);
	assert_false(stage_shows(&st, "There."));
	stage_type(&st, "y\n");
	stage_wait_for(&st, "There.");
	assert_int_equal(stage_close(&st), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, program_set_up, tmpdir_tear_down)
		T(a_question_with_tools_ends_as_its_exit_code_says),
		T(results_are_kept_and_the_next_run_goes_on_behind_them),
		T(calls_that_a_session_without_tools_left_are_told_as_not_run),
		T(what_a_conversation_was_told_of_its_folder_stays),
		T(a_conversation_without_tools_can_go_on_with_them),
		T(an_empty_answer_is_asked_for_again_with_another_seed),
		T(the_user_decides_at_the_terminal),
		T(a_killed_round_goes_on_a_line_at_a_time),
		T(ctrl_c_at_the_question_is_no_and_stops),
		T(a_question_that_nobody_answers_in_time_is_no),
		T(ctrl_c_stops_what_runs_and_keeps_what_it_printed),
		T(what_was_typed_before_the_question_is_no_answer_to_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
