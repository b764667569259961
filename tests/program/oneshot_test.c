/*
 * One question and out, and scripted sessions: what comes out where, and the exit codes.
 * The program runs as a user runs it, on the scripted engine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <jansson.h>

#include "engine/base/file.h"
#include "tests/support/program.h"
#include "tests/support/tmpdir.h"

#define ERR_MAX_BYTES ((size_t)1 << 20)

/* What the model says, by file name; `$d NAME …` asks it. */
static const struct {
	const char *name, *text;
} scripts[] = {
	{"answer", "{\"turn\": {\"again\": true}}\n{\"thinking\": \"so I think\"}\n"
		   "{\"text\": \"so I say\"}\n{\"done\": {}}\n"},
	{"lines", "{\"text\": \"one\\ntwo\\n\"}\n{\"done\": {}}\n"},
	{"slow",
	 "{\"text\": \"begun\"}\n{\"pause\": -1}\n{\"text\": \" ended\"}\n{\"done\": {}}\n"},
	{"late", "{\"pause\": 500}\n{\"text\": \"too late\"}\n{\"done\": {}}\n"},
	{"long", "{\"text\": \"cut\"}\n{\"done\": \"length\"}\n"},
	{"full", "{\"text\": \"cut\"}\n{\"done\": \"context\"}\n"},
	{"broken",
	 "{\"text\": \"half\"}\n{\"error\": {\"code\": \"model\", \"text\": \"lost it\"}}\n"},
	{"unloaded",
	 "{\"load\": {\"error\": \"no weights\"}}\n{\"text\": \"x\"}\n{\"done\": {}}\n"},
	{"call", "{\"call\": {\"name\": \"shell\", \"arguments\": {\"command\": "
		 "\"ls\"}}}\n{\"done\": {}}\n"},
	{"pipe",
	 "{\"turn\": {\"expect\": \"<stdin>\\nfrom the pipe\\n</stdin>\\n\\nwhat is it?\"}}\n"
	 "{\"text\": \"yes\"}\n{\"done\": {}}\n"},
	{"bare",
	 "{\"turn\": {\"expect\": \"from the pipe\"}}\n{\"text\": \"yes\"}\n{\"done\": {}}\n"},
	{"file",
	 "{\"turn\": {\"expect\": \"/note.txt\\\">\\nbuy milk\\n</file>\\n\\nwhat then?\"}}\n"
	 "{\"text\": \"yes\"}\n{\"done\": {}}\n"},
	{"wide", "{\"turn\": {\"expect\": \"hi\"}}\n{\"text\": \"yes\"}\n{\"done\": {}}\n"},
	{"system", "{\"turn\": {\"expect_system\": \"be brief\", \"expect_effort\": \"max\"}}\n"
		   "{\"text\": \"yes\"}\n{\"done\": {}}\n"},
	{"clean",
	 "{\"turn\": {\"expect\": \"a\\ufffdb\"}}\n{\"text\": \"yes\"}\n{\"done\": {}}\n"},
	{"second", "{\"text\": \"first\"}\n{\"done\": {}}\n"
		   "{\"turn\": {\"expect\": \"b\", \"expect_messages\": 3}}\n"
		   "{\"text\": \"second\"}\n{\"done\": {}}\n"},
};

static int set_up(void **state)
{
	static const char *const unset[] = {"DSV4CHAT_MODEL", "DSV4CHAT_EFFORT", "NO_COLOR"};

	(void)state;
	tmpdir_init(&test_dir);
	program_live_in(test_dir.path);
	for (size_t i = 0; i < sizeof(unset) / sizeof(unset[0]); i++)
		unsetenv(unset[i]);
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
		tmpdir_write_text(&test_dir, scripts[i].name, scripts[i].text);
	tmpdir_write_text(&test_dir, "note.txt", "buy milk\n");
	return 0;
}

/*
 * Runs a shell line; in it `d NAME …` runs the program on the script NAME, and $T is the
 * directory of the scripts.
 */
static int run(const char *line, struct buf *out, struct buf *err)
{
	struct err why = {0};
	struct buf command = {0};
	int status;

	buf_addf(&command,
		 "T=%s; p=%s; d() { s=$1; shift; $w $p --ephemeral --engine-script $T/$s "
		 "\"$@\"; }; "
		 "{ %s; } 2>$T/stderr",
		 test_dir.path, program_path(), line);
	status = program_shell(buf_z(&command), out);
	buf_release(&command);
	assert_int_equal(file_read(err, tmpdir_file(&test_dir, "stderr"), ERR_MAX_BYTES, &why), 0);
	return status;
}

struct line_case {
	const char *line;
	int status;
	const char *out; /* all of stdout; NULL = anything */
	const char *err; /* a part of stderr; "" = nothing is there; NULL = anything */
};

static void check(const struct line_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct line_case *c = &cases[i];
		struct buf out = {0}, err = {0};
		int status = run(c->line, &out, &err);

		if (status != c->status || (c->out && strcmp(buf_z(&out), c->out) != 0) ||
		    (c->err && !*c->err && err.len) || (c->err && !strstr(buf_z(&err), c->err)))
			fail_msg("%s\nstatus %d, expected %d\nstdout: %s\nstderr: %s", c->line,
				 status, c->status, buf_z(&out), buf_z(&err));
		buf_release(&out);
		buf_release(&err);
	}
}

#define CHECK(cases) check(cases, sizeof(cases) / sizeof((cases)[0]))

static void the_answer_goes_to_stdout_and_thinking_to_stderr(void **state)
{
	static const struct line_case cases[] = {
		{"d answer hello </dev/null", 0, "so I say\n", "so I think"},
		{"d answer -p hello </dev/null", 0, "so I say\n", "so I think"},
		{"d answer --hide-thinking hello </dev/null", 0, "so I say\n", ""},
		{"d answer --nothink hello </dev/null", 0, "so I say\n", ""},
		{"d answer --color always hello </dev/null", 0, "so I say\n", "\033[2m"},
		{"d lines hello </dev/null", 0, "one\ntwo\n", ""},
		{"d call hello </dev/null", 0, NULL, "call: shell"},
	};

	(void)state;
	CHECK(cases);
}

static void a_verb_is_one_before_and_behind_options_and_a_question_when_told(void **state)
{
	static const struct line_case cases[] = {
		{"$p doctor --model share/nano </dev/null", 0, NULL, ""},
		{"$p --model share/nano doctor </dev/null", 0, NULL, ""},
		{"$p -m share/nano doctor </dev/null", 0, NULL, ""},
		{"$p --model=share/nano doctor </dev/null | grep -c '^ok    model'", 0, "1\n",
		 ""},
		{"$p --temp 0 doctor </dev/null", 2, "", "usage: dsv4chat doctor"},
		{"$p --tmep 0 doctor </dev/null", 2, "", "--temp"},
		{"d answer doctor </dev/null", 2, "", "usage: dsv4chat doctor"},
		{"d answer -p doctor </dev/null", 0, "so I say\n", "so I think"},
		{"d answer --prompt=doctor who </dev/null", 0, "so I say\n", "so I think"},
		{"d answer -p who doctor </dev/null", 0, "so I say\n", "so I think"},
		{"d answer -- doctor </dev/null", 0, "so I say\n", "so I think"},
		{"d answer 'doctor who' </dev/null", 0, "so I say\n", "so I think"},
		{"d answer help me </dev/null", 0, "so I say\n", "so I think"},
		{"d answer who doctor </dev/null", 0, "so I say\n", "so I think"},
	};

	(void)state;
	check(cases, sizeof(cases) / sizeof(cases[0]));
}

static void help_is_had_of_every_verb_in_80_columns(void **state)
{
	static const struct line_case cases[] = {
		{"$p help history | grep -c 'dsv4chat history search'", 0, "1\n", ""},
		{"$p history --help | grep -c 'dsv4chat history search'", 0, "1\n", ""},
		{"$p history -h list | grep -c 'dsv4chat history search'", 0, "1\n", ""},
		{"$p help history search | grep -c -e --best", 0, "2\n", ""},
		{"$p history search --help | grep -c -e --best", 0, "2\n", ""},
		{"$p history show nothing --help | grep -c -e --ids", 0, "2\n", ""},
		{"$p score -h | grep -c '^usage: dsv4chat score'", 0, "1\n", ""},
		{"$p history --hlep", 2, "", "usage"},
		{"n=0; for v in '' $($p help | sed -n 's/^dsv4chat \\([a-z]*\\) .*/\\1/p') "
		 "$($p help history | sed -n 's/^dsv4chat \\(history [a-z]*\\) .*/\\1/p' | tr ' ' /); "
		 "do n=$((n + 1)); $p $(echo $v | tr / ' ') --help || exit 9; done >$T/help; "
		 "awk 'length($0) > 80' $T/help; [ $n -gt 20 ]",
		 0, "", ""},
		/* Who is no person is asked nothing. */
		{"d answer histroy </dev/null", 0, "so I say\n", "so I think"},
		{"d answer help me </dev/null", 0, "so I say\n", "so I think"},
		{"d answer help history homework </dev/null", 0, "so I say\n", "so I think"},
	};

	(void)state;
	CHECK(cases);
}

static void stdin_files_and_words_become_one_question(void **state)
{
	static const struct line_case cases[] = {
		{"echo from the pipe | d pipe -p 'what is it?'", 0, "yes\n", ""},
		{"echo from the pipe | d pipe what is it?", 0, "yes\n", ""},
		{"echo from the pipe | d bare", 0, "yes\n", ""},
		{"d file -f $T/note.txt what then? </dev/null", 0, "yes\n", ""},
		{"d system -s 'be brief' --effort max hi </dev/null", 0, "yes\n", ""},
		{"echo from the pipe | d pipe -f - 'what is it?'", 0, "yes\n", ""},
		{"echo from the pipe | d pipe --file=/dev/stdin 'what is it?'", 0, "yes\n", ""},
		{"echo from the pipe | d pipe -f - -f - 'what is it?'", 2, "", "stdin was read"},
		{"mkdir $T/fifo && mkfifo $T/fifo/note.txt && { echo buy milk >$T/fifo/note.txt & } && "
		 "d file -f $T/fifo/note.txt what then? </dev/null",
		 0, "yes\n", ""},
		{"mkfifo $T/silent; d answer --timeout 4 -f $T/silent hi </dev/null", 124, "", "reading"},
		{"d answer -f /dev/null hi </dev/null", 0, "so I say\n", NULL},
		{"d answer hi <&-", 0, "so I say\n", NULL},
		{"d answer <&-", 2, "", "nothing is asked"},
		{"printf 'a\\0b' | d answer hi", 1, "", "stdin: no text: a NUL byte"},
		{"printf 'a\\0b' >$T/bin; d answer -f $T/bin hi </dev/null", 1, "", "/bin: no text"},
		{"printf '\\377\\376h\\0i\\0' | d wide", 0, "yes\n", ""},
		{"ln -s $PWD/share/nano $T/nano; HOME=$T $p tokens --model '~/nano' </dev/null && "
		 "HOME=$T DSV4CHAT_MODEL='~/nano' $p tokens </dev/null",
		 0, "\n\n", ""},
		{"printf 'a\\377b' | d clean", 0, "yes\n",
		 "1 invalid UTF-8 sequence became U+FFFD"},
		{"(sleep 1.6; echo from the pipe) | d bare", 0, "yes\n", "reading stdin…"},
		{"printf '{\"text\": \"a\\377b\"}\\n' | d clean --input-format jsonl", 0, NULL,
		 "1 invalid UTF-8 sequence became U+FFFD"},
		{"rm -f $T/dsv4chat/log; mkfifo $T/dsv4chat/log; d answer hi </dev/null", 0,
		 "so I say\n", "log: not a regular file"},
		{"rm -f $T/dsv4chat/log; ln -s $T/elsewhere $T/dsv4chat/log; d lines hi "
		 "</dev/null && test -f $T/elsewhere",
		 0, "one\ntwo\n", ""},
		{"rm -f $T/dsv4chat/log $T/elsewhere; d lines hi </dev/null", 0, "one\ntwo\n", ""},
		/* The check can fail: this script expects other words. */
		{"d pipe hi </dev/null", 2, "", NULL},
	};

	(void)state;
	CHECK(cases);
}

static void each_way_to_fail_has_its_exit_code_and_keeps_what_was_said(void **state)
{
	static const struct line_case cases[] = {
		{"d answer hi >/dev/full </dev/null", 1, "", "could not be written"},
		{"{ d late hi </dev/null; echo $? >$T/status; } | true; exit $(cat $T/status)",
		 1, "", "could not be written"},
		{"d answer -f $T/none hi </dev/null", 1, "", "none"},
		{"d answer -f $T hi </dev/null", 1, "", NULL},
		{"d answer --tmep 1 hi </dev/null", 2, "", "--temp"},
		{"d answer --temp warm hi </dev/null", 2, "", "warm"},
		{"d answer </dev/null", 2, "", "nothing is asked"},
		{"$p --ephemeral -m $T/none hi </dev/null", 3, "", "none"},
		{"d unloaded hi </dev/null", 3, "", "no weights"},
		{"d broken hi </dev/null", 3, "half\n", "lost it"},
		{"d long hi </dev/null", 4, "cut\n", "limit"},
		{"d full hi </dev/null", 4, "cut\n", "context"},
		{"d slow --timeout 4 hi </dev/null", 124, "begun\n", NULL},
		{"trap '' HUP INT; w=exec; d late hi </dev/null & q=$!; sleep 0.3; kill -HUP $q; "
		 "kill -INT $q; wait $q",
		 0, "too late\n", ""},
		{"w='timeout --preserve-status -s INT 4'; d slow hi </dev/null", 130, "begun\n",
		 "interrupted"},
		{"w='timeout --preserve-status -s TERM 4'; d slow hi </dev/null", 143,
		 "begun\n", NULL},
	};

	(void)state;
	CHECK(cases);
}

/* The types of the events, one after another, equal neighbours once; and all text, joined. */
static void types_of(const struct buf *out, struct buf *types, struct buf *said)
{
	char *copy = strdup(buf_z(out)), *save = NULL, last[32] = "";

	assert_non_null(copy);
	for (char *l = strtok_r(copy, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		json_t *event = json_loads(l, JSON_REJECT_DUPLICATES, NULL);
		const char *type = json_string_value(json_object_get(event, "type"));

		if (!type)
			fail_msg("no event: %s", l);
		if (strcmp(type, last) != 0)
			buf_addf(types, "%s%s", types->len ? " " : "", type);
		if (strcmp(type, "text") == 0)
			buf_addz(said, json_string_value(json_object_get(event, "text")));
		snprintf(last, sizeof(last), "%s", type);
		json_decref(event);
	}
	free(copy);
}

static void json_events_come_in_order_and_each_line_is_json(void **state)
{
	static const struct {
		const char *line;
		int status;
		const char *types, *part;
	} cases[] = {
		{"d answer --json hi </dev/null", 0, "session prefill thinking text done",
		 "\"stop_reason\": \"stop\""},
		{"d answer --json --hide-thinking hi </dev/null", 0,
		 "session prefill text done", "\"output_tokens\""},
		{"d call --json hi </dev/null", 0,
		 "session prefill tool_call_begin tool_call done", "\"command\": \"ls\""},
		{"d broken --json hi </dev/null", 3, "session prefill text error", "lost it"},
		{"d unloaded --json hi </dev/null", 3, "error", "no weights"},
		{"d slow --json --timeout 4 hi </dev/null", 124,
		 "session prefill text done error", "\"timeout\""},
		{"printf '{\"text\": \"a\"}\\n{\"role\": \"user\", \"content\": \"b\"}\\n' | "
		 "d second --input-format jsonl",
		 0, "session prefill text done prefill text done", "second"},
		{"printf '\\357\\273\\277{\"text\": \"a\"}\\r\\n\\r\\n\\n{\"text\": \"b\"}\\r\\n' | "
		 "d second --input-format jsonl",
		 0, "session prefill text done prefill text done", "second"},
		{"printf '{\"text\": \"a\"}\\nnonsense\\n{\"text\": \"b\"}\\n' | "
		 "d second --input-format jsonl",
		 2, "session prefill text done error prefill text done", "line 2"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out = {0}, err = {0}, types = {0}, said = {0};
		int status = run(cases[i].line, &out, &err);

		types_of(&out, &types, &said);
		if (status != cases[i].status || strcmp(buf_z(&types), cases[i].types) != 0 ||
		    (!strstr(buf_z(&out), cases[i].part) && !strstr(buf_z(&said), cases[i].part)))
			fail_msg("%s\nstatus %d, expected %d\n%s\nexpected: %s\n%s%s",
				 cases[i].line, status, cases[i].status, buf_z(&types),
				 cases[i].types, buf_z(&out), buf_z(&err));
		buf_release(&said);
		buf_release(&types);
		buf_release(&out);
		buf_release(&err);
	}
}

static void the_session_event_names_the_conversation_where_it_is_kept(void **state)
{
	static const struct line_case cases[] = {
		{"u=$($p --engine-script $T/answer --json hi </dev/null | "
		 "sed -n 's/.*\"conversation\": \"\\([a-z0-9]*\\)\".*/\\1/p'); "
		 "$p --engine-script $T/answer -r \"$u\" --json hi </dev/null | grep -c $u && "
		 "$p history show $u | grep -c 'so I say'",
		 0, "1\n2\n", NULL},
		{"d answer --json hi </dev/null | grep -c '\"conversation\"'", 1, "0\n", NULL},
	};

	(void)state;
	CHECK(cases);
}

static void a_session_refuses_questions_from_elsewhere(void **state)
{
	static const struct line_case cases[] = {
		{"echo '{\"text\": \"a\"}' | d answer --input-format jsonl -p hi | grep -c usage", 0,
		 "1\n", "--prompt, or a question: found beside --input-format jsonl"},
		{"d answer --input-format jsonl hi </dev/null", 2, NULL, "--input-format jsonl"},
		{"d answer --input-format jsonl -f $T/note.txt </dev/null", 2, NULL, "--file"},
	};

	(void)state;
	CHECK(cases);
}

/* What ends the session is told, and not what was wrong with a line of it before. */
static void a_line_that_is_none_is_told_once(void **state)
{
	static const struct line_case cases[] = {
		{"{ echo x; echo '{\"text\": \"a\"}'; sleep 1; } | "
		 "d late --input-format jsonl 2>$T/told | sed '/\"error\"/q' >/dev/null; "
		 "grep -c 'line 1' $T/told; grep -c 'Broken pipe' $T/told",
		 0, "1\n1\n", NULL},
	};

	(void)state;
	CHECK(cases);
}

static void an_answer_begins_with_what_it_is_told_to_begin_with(void **state)
{
	static const struct line_case cases[] = {
		{"d answer --prefill 'Well: ' hi </dev/null", 0, "Well: so I say\n", ""},
		{"d answer --prefill '' hi </dev/null", 0, "so I say\n", "so I think"},
		{"printf '{\"text\": \"a\", \"prefill\": \"Well: \"}\\n{\"text\": \"b\"}\\n' | "
		 "d answer --input-format jsonl | grep -c 'Well: '",
		 0, "1\n", NULL},
		{"printf '{\"text\": \"a\", \"prefill\": \"\"}\\n{\"text\": \"b\"}\\n' | "
		 "d answer --prefill 'Well: ' --input-format jsonl | grep -c 'Well: '",
		 0, "1\n", NULL},
		{"printf '{\"text\": \"a\", \"prefill\": 1}\\n' | d answer --input-format jsonl "
		 "--json",
		 2, NULL, NULL},
		{"printf '{\"role\": \"system\", \"content\": \"a\", \"prefill\": \"b\"}\\n' | "
		 "d answer --input-format jsonl | grep -c 'line 1: prefill: expected'",
		 0, "1\n", NULL},
	};

	(void)state;
	CHECK(cases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_answer_goes_to_stdout_and_thinking_to_stderr),
		cmocka_unit_test(stdin_files_and_words_become_one_question),
		cmocka_unit_test(
			a_verb_is_one_before_and_behind_options_and_a_question_when_told),
		cmocka_unit_test(each_way_to_fail_has_its_exit_code_and_keeps_what_was_said),
		cmocka_unit_test(json_events_come_in_order_and_each_line_is_json),
		cmocka_unit_test(help_is_had_of_every_verb_in_80_columns),
		cmocka_unit_test(the_session_event_names_the_conversation_where_it_is_kept),
		cmocka_unit_test(a_session_refuses_questions_from_elsewhere),
		cmocka_unit_test(a_line_that_is_none_is_told_once),
		cmocka_unit_test(an_answer_begins_with_what_it_is_told_to_begin_with),
	};

	return cmocka_run_group_tests(tests, set_up, tmpdir_tear_down);
}
