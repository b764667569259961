/*
 * A program that answers for the user, over JSON lines: what it is asked, what it may say, and
 * what becomes of a call that it says nothing to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/support/program.h"
#include "tests/support/tmpdir.h"

#define DONE "{\"done\": {}}\n"
#define MAKE "{\"call\": {\"name\": \"shell\", \"arguments\": {\"command\": \"make -j2\"}}}\n"
#define LIST                                                                                   \
	"{\"call\": {\"name\": \"shell\", \"arguments\": {\"command\": \"ls *.c && "              \
	"make\"}}}\n"
#define MADE "{\"expect\": {\"tool\": \"shell\"}, \"output\": \"made\\n\"}\n"
#define TOLD(what) "{\"turn\": {\"expect_tool\": \"" what "\"}}\n"
#define ASKED(id) "{\"type\": \"tool_request\", \"id\": \"" id "\", \"tool\": \"shell\", "

/* The lines are a shell's: `say LINE`, and `asked ID` waits until it is asked about that call. */
#define HI         "say '{\"text\": \"hi\"}'; "
#define SAYS(rest) "say '{\"tool_answer\": " rest "}'; "

static const struct play {
	const char *lines, *options, *engine, *runner;
	int status;
	const char *has[6]; /* stdout, in this order */
	const char *lacks;
} plays[] = {
	/* What is asked has all that is needed to decide. */
	{HI "asked c1; " SAYS("\"c1\", \"decision\": \"once\""),
	 .engine = MAKE DONE TOLD("made") "{\"text\": \"A.\"}\n" DONE,
	 .runner = MADE,
	 .has = {ASKED("c1") "\"arguments\": {\"command\": \"make -j2\"}, \"class\": \"run\", "
			     "\"grade\": [\"write\"], \"layer\": \"off\", \"command\": "
			     "[\"make\", \"-j2\"], \"reason\": \"without a sandbox\"}",
		 "\"tool_start\", \"id\": \"c1\"", "\"state\": \"ok\"", "\"A.\"",
		 "\"refused\": 0"}},
	/* Words are given where there can be no others. */
	{HI "asked c1; " SAYS("\"c1\", \"decision\": \"no\", \"reason\": \"not *.c\""),
	 .engine = LIST DONE TOLD("error: denied by the user: not *.c") "{\"text\": \"A.\"}\n" DONE,
	 .has = {ASKED("c1") "\"arguments\": {\"command\": \"ls *.c && make\"}, \"class\": "
			     "\"run\", \"grade\": [\"write\"], \"layer\": \"off\", \"reason\"",
		 "\"state\": \"denied\"", "\"A.\""}},
	{HI "asked c1; " SAYS("\"c1\", \"decision\": \"once\""),
	 .options = "--ask 'shell make'",
	 .engine = MAKE DONE "{\"text\": \"A.\"}\n" DONE,
	 .runner = MADE,
	 .has = {"\"reason\": \"ask = shell make\"}", "\"A.\""}},
	/* Each call of an answer is asked about by itself; "stop" ends the turn, not the session. */
	{HI "asked c1; " SAYS("\"c1\", \"decision\": \"once\"") "asked c2; " SAYS(
		 "\"c2\", \"decision\": \"stop\"") "say '{\"text\": \"more\"}'; ",
	 .engine = MAKE MAKE MAKE DONE
	 "{\"turn\": {\"expect\": \"more\", \"expect_results\": \"0 1 2\"}}\n"
	 "{\"text\": \"A.\"}\n" DONE,
	 .runner = MADE,
	 .has = {"\"id\": \"c1\", \"tool\": \"shell\", \"state\": \"ok\"", ASKED("c2"),
		 "\"id\": \"c2\", \"tool\": \"shell\", \"state\": \"denied\"",
		 "\"id\": \"c3\", \"tool\": \"shell\", \"state\": \"skipped\"",
		 "{\"type\": \"done\", \"stop_reason\": \"interrupted\"", "\"A.\""}},
	/* An answer to nothing, one that is none, and one that comes late: told, and ignored. */
	{HI "asked c1; " SAYS("\"c2\", \"decision\": \"once\"") SAYS(
		 "\"c1\", \"decision\": \"maybe\"")
		 SAYS("\"c1\", \"decision\": \"once\", \"with\": [\"network\"]")
			 SAYS("\"c1\", \"decision\": \"no\"")
				 "answered c1; " SAYS("\"c1\", \"decision\": \"once\""),
	 .engine = MAKE DONE TOLD("error: denied by the user") "{\"text\": \"A.\"}\n" DONE,
	 .status = 2,
	 .has = {"line 2: tool_answer: 'c2', but c1 waits for an answer",
		 "line 3: decision: 'maybe', expected once, session, always, no or stop",
		 "line 4: with: only a command in a sandbox takes more than it has",
		 "\"state\": \"denied\"",
		 "line 6: tool_answer: 'c1', but no call waits for an answer"}},
	/* Late answers are no failure. */
	{HI "asked c1; " SAYS("\"c1\", \"decision\": \"no\"")
		 "answered c1; " SAYS("\"c1\", \"decision\": \"once\""),
	 .engine = MAKE DONE "{\"text\": \"A.\"}\n" DONE,
	 .has = {"\"state\": \"denied\"", "line 3: tool_answer: 'c1', but no call waits"}},
	/* Of what has no sandbox around it no rule is made. */
	{HI "asked c1; " SAYS("\"c1\", \"decision\": \"always\"")
		 SAYS("\"c1\", \"decision\": \"no\""),
	 .engine = MAKE DONE TOLD("denied by the user") "{\"text\": \"A.\"}\n" DONE,
	 .has = {"line 2: decision: no rule can be made of c1, expected once, no or stop",
		 "\"state\": \"denied\"", "\"A.\""}},
	/* Nobody answers. */
	{HI "asked c1; ",
	 .engine = MAKE DONE TOLD("error: denied: nobody can be asked") "{\"text\": \"A.\"}\n" DONE,
	 .status = 5,
	 .has = {ASKED("c1"), "\"state\": \"refused\"", "\"A.\"", "\"refused\": 1"}},
	{HI "answered c1; ",
	 .options = "--approve-timeout 0.2",
	 .engine = MAKE DONE TOLD("error: denied: nobody can be asked") "{\"text\": \"A.\"}\n" DONE,
	 .status = 5,
	 .has = {ASKED("c1"), "\"state\": \"refused\"", "\"A.\"", "\"refused\": 1"}},
	/* Nor is who never stops saying something else an answer; it has begun before the time is up. */
	{HI "asked c1; timeout 3 yes garbage; ",
	 .options = "--approve-timeout 1",
	 .engine = MAKE DONE TOLD("error: denied: nobody can be asked") "{\"text\": \"A.\"}\n" DONE,
	 .status = 2,
	 .has = {ASKED("c1"), "line 2: ", "\"state\": \"refused\"", "\"A.\""}},
	/* … but what it says among that is heard, also when it has stopped. */
	{HI "asked c1; { yes x | head -n 30000; " SAYS("\"c1\", \"decision\": \"once\"") "}; answered c1; ",
	 .options = "--timeout 9",
	 .engine = MAKE DONE TOLD("made") "{\"text\": \"A.\"}\n" DONE,
	 .runner = MADE,
	 .status = 2,
	 .has = {ASKED("c1"), "line 30001: ", "\"state\": \"ok\"", "\"A.\""}},
	{HI "sleep 8; ",
	 .options = "--timeout 4",
	 .engine = MAKE DONE,
	 .status = 124,
	 .has = {ASKED("c1"), "\"state\": \"denied\"", "\"code\": \"timeout\""}},
	/* What is said meanwhile joins the results, but for what is to wait. */
	{HI "asked c1; say '{\"text\": \"one more\"}'; say '{\"text\": \"then\", \"when\": "
	    "\"after\"}'; " SAYS("\"c1\", \"decision\": \"once\""),
	 .engine = MAKE DONE "{\"turn\": {\"expect\": \"one more\", \"expect_tool\": \"made\", "
			     "\"expect_messages\": 5}}\n{\"text\": \"A.\"}\n" DONE
			     "{\"turn\": {\"expect\": \"then\", \"expect_messages\": 7}}\n"
			     "{\"text\": \"B.\"}\n" DONE,
	 .runner = MADE,
	 .has = {"\"state\": \"ok\"", "{\"type\": \"round\"",
		 "{\"type\": \"joined\", \"messages\": 1}", "\"A.\"", "\"B.\""}},
	/* More rounds are not its to give. */
	{HI "asked c1; " SAYS("\"c1\", \"decision\": \"once\"") "sleep 0.2; ",
	 .options = "--tool-rounds 1",
	 .engine = MAKE DONE TOLD("answer now]") MAKE DONE,
	 .runner = MADE,
	 .status = 4,
	 .has = {"\"state\": \"ok\"", "\"state\": \"skipped\"", "\"code\": \"limit\""}},
	/* Without the option nobody is asked, and lines are one question after another. */
	{HI "say '{\"text\": \"two\"}'; " SAYS("\"c1\", \"decision\": \"once\""),
	 .options = "-",
	 .engine = MAKE DONE "{\"text\": \"A.\"}\n" DONE
			     "{\"turn\": {\"expect\": \"two\"}}\n{\"text\": \"B.\"}\n" DONE,
	 .status = 5,
	 .has = {"\"state\": \"refused\"", "\"A.\"", "\"B.\"",
		 "line 3: tool_answer: 'c1', but no call waits for an answer"},
	 .lacks = "tool_request"},
};

static int run(const struct play *p, struct buf *out)
{
	bool asks = !p->options || strcmp(p->options, "-") != 0;
	struct buf line = {0};
	int status;

	tmpdir_write_text(&test_dir, "engine", p->engine);
	tmpdir_write_text(&test_dir, "runner", p->runner ? p->runner : "# nothing\n");
	buf_addf(&line,
		 "out=%s/out; : >$out; say() { printf '%%s\\n' \"$1\"; }; "
		 "wait_for() { for i in $(seq 500); do grep -q \"$1\" $out && return; sleep 0.02; "
		 "done; }; "
		 "asked() { wait_for \"tool_request.*id\\\": .$1\\\"\"; }; "
		 "answered() { wait_for \"tool_result.*id\\\": .$1\\\"\"; }; "
		 "{ %s } | %s --tools --ephemeral --nothink --engine-script %s/engine "
		 "--runner-script %s/runner --input-format jsonl %s %s >$out 2>$out.err; s=$?; "
		 "cat $out; [ $s -lt 128 ] || cat $out.err; exit $s",
		 test_dir.path, p->lines, program_path(), test_dir.path, test_dir.path,
		 asks ? "--approve-host" : "", asks && p->options ? p->options : "");
	status = program_shell(buf_z(&line), out);
	buf_release(&line);
	return status;
}

static void a_program_answers_for_the_user(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(plays) / sizeof(plays[0]); i++) {
		const struct play *p = &plays[i];
		struct buf out = {0};
		int status = run(p, &out);
		const char *lacks = program_lacks(buf_z(&out), p->has, 6);

		if (lacks)
			fail_msg("play %zu: '%s' lacks '%s'", i, buf_z(&out), lacks);
		if (status != p->status)
			fail_msg("play %zu: status %d, expected %d: %s", i, status, p->status,
				 buf_z(&out));
		if (p->lacks && strstr(buf_z(&out), p->lacks))
			fail_msg("play %zu: '%s' has '%s'", i, buf_z(&out), p->lacks);
		buf_release(&out);
	}
}

/* The answer's rule holds for the next call, and "always" in the next session, too. */
static void an_answer_holds_for_the_session_or_the_folder(void **state)
{
#define TOUCH "{\"call\": {\"name\": \"shell\", \"arguments\": {\"command\": \"touch made\"}}}\n"
	static const char *const decisions[] = {"session", "always", NULL};
	char *program = realpath(program_path(), NULL);
	struct buf line = {0}, out = {0};

	(void)state;
	assert_non_null(program);
	mkdir(tmpdir_file(&test_dir, "ws"), 0700);
	tmpdir_write_text(&test_dir, "engine", TOUCH TOUCH DONE "{\"text\": \"A.\"}\n" DONE);
	for (int i = 0; i < 3; i++) {
		buf_reset(&line);
		buf_reset(&out);
		buf_addf(&line,
			 "cd %s/ws; out=%s/out; : >$out; { echo '{\"text\": \"hi\"}'; "
			 "for i in $(seq 300); do grep -q 'tool_re[qs]' $out && break; sleep 0.02; "
			 "done; echo '{\"tool_answer\": \"c1\", \"decision\": \"%s\", \"reason\": "
			 "\"it is mine\"}'; sleep 0.5; } | %s --tools --ephemeral --nothink "
			 "--engine-script %s/engine --input-format jsonl --approve-host >$out "
			 "2>$out.err; cat $out $out.err",
			 test_dir.path, test_dir.path, decisions[i] ? decisions[i] : "no", program,
			 test_dir.path);
		program_shell(buf_z(&line), &out);
		if (strstr(buf_z(&out), "no sandbox works here"))
			skip();
		/* Asked once, at most; in the third session never. */
		if (!strstr(buf_z(&out), ASKED("c1")) != (i == 2) ||
		    strstr(buf_z(&out), ASKED("c2")) || strstr(buf_z(&out), "\"denied\"") ||
		    (i < 2 && !strstr(buf_z(&out), "\"suggest\": \"shell touch made\"")))
			fail_msg("session %d: %s", i, buf_z(&out));
	}
	free(program);
	buf_release(&line);
	buf_release(&out);
}

/* What a change was is told before its result; a file that is changed twice is one. */
static void a_change_of_a_file_is_told(void **state)
{
	static const char *const has[] = {
		"{\"type\": \"file_edit\", \"id\": \"c1\", \"tool\": \"write_file\", \"path\": "
		"\"b.txt\", \"action\": \"made\", \"diff\": \"",
		"+one\\n+two\\n\", \"added\": 2, \"removed\": 0}\n{\"type\": \"tool_result\", "
		"\"id\": \"c1\"",
		"\"id\": \"c2\", \"tool\": \"edit_file\", \"path\": \"b.txt\", \"action\": "
		"\"changed\"",
		"\"added\": 1, \"removed\": 1}",
		"\"id\": \"c3\", \"tool\": \"edit_file\", \"state\": \"error\"",
		"\"files_changed\": 1}",
	};
	char *program = realpath(program_path(), NULL);
	struct buf line = {0}, out = {0};
	const char *lacks;

	(void)state;
	assert_non_null(program);
	mkdir(tmpdir_file(&test_dir, "edits"), 0700);
	tmpdir_write_text(&test_dir, "engine",
			  "{\"call\": {\"name\": \"write_file\", \"arguments\": {\"path\": "
			  "\"b.txt\", \"content\": \"one\\ntwo\\n\"}}}\n"
			  "{\"call\": {\"name\": \"edit_file\", \"arguments\": {\"path\": "
			  "\"b.txt\", \"old\": \"two\", \"new\": \"three\"}}}\n"
			  "{\"call\": {\"name\": \"edit_file\", \"arguments\": {\"path\": "
			  "\"b.txt\", \"old\": \"two\", \"new\": \"three\"}}}\n" DONE
			  "{\"text\": \"A.\"}\n" DONE);
	buf_addf(&line,
		 "cd %s/edits; %s --tools --ephemeral --nothink --engine-script %s/engine "
		 "--approve edits --json -p hi 2>&1",
		 test_dir.path, program, test_dir.path);
	program_shell(buf_z(&line), &out);
	if (strstr(buf_z(&out), "no sandbox works here") || strstr(buf_z(&out), "no Landlock"))
		skip();
	lacks = program_lacks(buf_z(&out), has, sizeof(has) / sizeof(has[0]));
	if (lacks)
		fail_msg("'%s' lacks '%s'", buf_z(&out), lacks);
	free(program);
	buf_release(&line);
	buf_release(&out);
}

/* … nor asked; its stdin stays open. */
static void who_reads_no_more_is_not_waited_for(void **state)
{
	struct buf line = {0}, out = {0};

	(void)state;
	tmpdir_write_text(&test_dir, "engine", MAKE "{\"pause\": 2500}\n" DONE);
	tmpdir_write_text(&test_dir, "runner", "# nothing\n");
	buf_addf(&line,
		 "d=%s; rm -f $d/status; { echo '{\"text\": \"hi\"}'; for i in $(seq 100); do "
		 "[ -e $d/status ] && exit; sleep 0.1; done; echo waited >$d/status; } | { %s "
		 "--tools --ephemeral --nothink --engine-script $d/engine --runner-script "
		 "$d/runner --input-format jsonl --approve-host 2>$d/err; "
		 "s=$?; [ -e $d/status ] || echo $s >$d/status; } | sed '/\"tool_call\"/q' "
		 ">/dev/null; "
		 "cat $d/status $d/err",
		 test_dir.path, program_path());
	program_shell(buf_z(&line), &out);
	assert_string_equal(buf_z(&out), "1\ndsv4chat: stdout: nobody reads it\n"
					 "dsv4chat: stdout: the answer could not be "
					 "written: Broken pipe\n");
	buf_release(&line);
	buf_release(&out);
}

static void the_option_wants_lines_and_tools(void **state)
{
	static const char *const options[] = {"--tools --approve-host -p hi",
					      "--approve-host --input-format jsonl"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct buf line = {0}, out = {0};

		buf_addf(&line, "%s %s </dev/null 2>&1", program_path(), options[i]);
		assert_int_equal(program_shell(buf_z(&line), &out), 2);
		assert_string_equal(buf_z(&out), "dsv4chat: --approve-host: expected beside "
						 "--tools and --input-format jsonl\n");
		buf_release(&line);
		buf_release(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_answers_for_the_user),
		cmocka_unit_test(an_answer_holds_for_the_session_or_the_folder),
		cmocka_unit_test(a_change_of_a_file_is_told),
		cmocka_unit_test(who_reads_no_more_is_not_waited_for),
		cmocka_unit_test(the_option_wants_lines_and_tools),
	};

	return cmocka_run_group_tests(tests, program_set_up, tmpdir_tear_down);
}
