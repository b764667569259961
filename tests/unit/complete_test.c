/*
 * The verb `complete`, run in a process of its own on the scripted engine: lines
 * in, lines out, exit code.
 */
#include "tests/support/shared_files.h"

#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "app/verb/verb.h"
#include "tests/support/tmpdir.h"

#define SCRIPT                                                                                 \
	"{\"turn\": {\"again\": true}}\n{\"thinking\": \"so\"}\n{\"text\": \"Hello\"}\n"       \
	"{\"done\": {}}\n"                                                                     \
	"{\"turn\": {\"expect\": \"tool\"}}\n{\"text\": \"I look.\"}\n"                        \
	"{\"call\": {\"name\": \"shell\", \"arguments\": {\"command\": \"ls\"}}}\n"            \
	"{\"bad_call\": {\"name\": \"edit\", \"why\": \"cut\"}}\n{\"done\": {}}\n"             \
	"{\"error\": {\"code\": \"model\", \"text\": \"lost\"}}\n"                             \
	"{\"turn\": {\"task\": \"title\"}}\n{\"text\": \"A name\"}\n{\"done\": {}}\n"

/* Replaces a standard stream by a file. */
static void redirect(int fd, const char *path, int flags)
{
	int file = open(path, flags, 0600);

	if (file < 0 || dup2(file, fd) < 0)
		_exit(99);
	close(file);
}

/* Runs the verb; its output is in *out, its exit code is returned. */
static int run(const char *script, const char *input, const char *to, bool raw, struct buf *out)
{
	char script_path[300], in_path[300], out_path[300];
	int status;
	pid_t child;

	tmpdir_write_text(&test_dir, "script", script);
	tmpdir_write_text(&test_dir, "in", input);
	tmpdir_write_text(&test_dir, "out", "");
	snprintf(script_path, sizeof(script_path), "%s", tmpdir_file(&test_dir, "script"));
	snprintf(in_path, sizeof(in_path), "%s", tmpdir_file(&test_dir, "in"));
	snprintf(out_path, sizeof(out_path), "%s", to ? to : tmpdir_file(&test_dir, "out"));
	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		char *argv[] = {(char *)"complete", (char *)"--engine-script", script_path,
				raw ? (char *)"--raw" : NULL, NULL};

		redirect(0, in_path, O_RDONLY);
		redirect(1, out_path, O_WRONLY);
		redirect(2, "/dev/null", O_WRONLY);
		_exit(verb_complete(raw ? 4 : 3, argv));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	buf_reset(out);
	if (!to)
		assert_true(whole_file(out_path, out));
	return WEXITSTATUS(status);
}

static json_t *answer_line(struct str *rest)
{
	struct str line = {0};
	json_t *o;

	assert_true(str_line(rest, &line));
	o = json_loadb(line.p, line.n, 0, NULL);
	assert_non_null(o);
	return o;
}

/* The value at a path of keys and indices, "message.tool_calls.0.function.name". */
static const json_t *at(const json_t *o, const char *path)
{
	char key[64];

	while (o && *path) {
		size_t n = strcspn(path, ".");

		assert_true(n < sizeof(key));
		memcpy(key, path, n);
		key[n] = '\0';
		o = json_is_array(o) ? json_array_get(o, (size_t)atoi(key))
				     : json_object_get(o, key);
		path += n + (path[n] == '.');
	}
	return o;
}

static void expect(const json_t *o, const char *path, const char *want)
{
	const json_t *v = at(o, path);
	char number[32];

	if (json_is_integer(v)) {
		snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(v));
		assert_string_equal(number, want);
		return;
	}
	if (!json_is_string(v))
		fail_msg("%s is no string", path);
	assert_string_equal(json_string_value(v), want);
}

#define HI "\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]"

static void each_line_gets_its_answer_in_order(void **state)
{
	struct buf out = {0};
	struct str rest;
	json_t *o;

	(void)state;
	assert_int_equal(
		run(SCRIPT,
		    "{" HI ", \"effort\": \"low\", \"id\": 7, \"sampling\": {\"seed\": 5}}\n"
		    "{\"messages\": [{\"role\": \"user\", \"content\": \"use a tool\"}]}\n"
		    "{" HI "}\n"
		    "{" HI ", \"task\": \"title\"}\n"
		    "{" HI ", \"effort\": \"none\"}\n",
		    NULL, false, &out),
		0);
	rest = buf_str(&out);
	o = answer_line(&rest);
	expect(o, "id", "7");
	expect(o, "seed", "5");
	expect(o, "message.role", "assistant");
	expect(o, "message.content", "Hello");
	expect(o, "message.reasoning_content", "so");
	expect(o, "stop_reason", "stop");
	expect(o, "usage.output_tokens", "5");
	assert_null(at(o, "malformed_calls"));
	json_decref(o);
	o = answer_line(&rest);
	expect(o, "message.content", "I look.");
	expect(o, "message.tool_calls.0.type", "function");
	expect(o, "message.tool_calls.0.function.name", "shell");
	expect(o, "message.tool_calls.0.function.arguments", "{\"command\": \"ls\"}");
	assert_int_equal(json_array_size(at(o, "message.tool_calls")), 1);
	expect(o, "malformed_calls.0.name", "edit");
	expect(o, "malformed_calls.0.why", "cut");
	expect(o, "stop_reason", "tool_calls");
	assert_null(at(o, "id"));
	json_decref(o);
	o = answer_line(&rest);
	expect(o, "error.code", "model");
	expect(o, "error.message", "lost");
	assert_null(at(o, "message"));
	json_decref(o);
	o = answer_line(&rest);
	expect(o, "message.content", "A name");
	json_decref(o);
	o = answer_line(&rest);
	expect(o, "message.content", "Hello");
	expect(o, "message.reasoning_content", "");
	json_decref(o);
	assert_int_equal(rest.n, 0);
	buf_release(&out);
}

static void a_bad_line_gets_an_error_and_the_next_is_read(void **state)
{
	static const struct {
		const char *line, *text;
	} cases[] = {
		{"[]", "an array, expected an object"},
		{"{" HI ", \"sampling\": 5}", "sampling: a number, expected an object"},
		{"{" HI ", \"sampling\": {\"temp\": 1}}", "sampling: unknown key \"temp\""},
		{"{" HI ", \"sampling\": {\"seed\": -1}}",
		 "sampling: seed: expected a whole number from 0 to 2^64 - 1"},
		{"{" HI ", \"sampling\": {\"seed\": 18446744073709551616}}",
		 "sampling: seed: expected a whole number from 0 to 2^64 - 1"},
		{"{" HI ", \"sampling\": {\"top_k\": 1.5}}",
		 "sampling: top_k: found 1.5, expected a whole number"},
		{"{" HI ", \"sampling\": {\"top_p\": \"1\"}}",
		 "sampling: top_p: found nothing, expected a number"},
		{"{" HI ", \"smapling\": {}}", "unknown key \"smapling\""},
		{"{" HI ", \"task\": \"tilte\"}", "task: expected \"title\""},
		{"{\"messages\": [], \"task\": \"title\"}", NULL},
		{"{\"prompt\": \"x\"}", "unknown key \"prompt\""},
		{"{", NULL},
		{"{}", NULL},
	};
	struct buf in = {0}, out = {0};
	const size_t n = sizeof(cases) / sizeof(cases[0]);
	struct str rest;
	json_t *o;

	(void)state;
	for (size_t i = 0; i < n; i++)
		buf_addf(&in, "%s\n", cases[i].line);
	buf_addz(&in, "{" HI "}\n");
	assert_int_equal(run(SCRIPT, buf_z(&in), NULL, false, &out), 0);
	rest = buf_str(&out);
	for (size_t i = 0; i < n; i++) {
		o = answer_line(&rest);
		expect(o, "error.code", "usage");
		if (cases[i].text)
			expect(o, "error.message", cases[i].text);
		json_decref(o);
	}
	o = answer_line(&rest);
	expect(o, "message.content", "Hello");
	json_decref(o);
	assert_int_equal(rest.n, 0);
	buf_release(&in);
	buf_release(&out);
}

static void raw_lines_continue_plain_text(void **state)
{
	struct buf out = {0};
	struct str rest;
	json_t *o;

	(void)state;
	assert_int_equal(
		run("{\"turn\": {\"expect\": \"Once upon\"}}\n{\"text\": \" a time\"}\n"
		    "{\"done\": {}}\n",
		    "{\"prompt\": \"Once upon\", \"sampling\": {\"seed\": 1}}\n"
		    "{\"messages\": []}\n",
		    NULL, true, &out),
		0);
	rest = buf_str(&out);
	o = answer_line(&rest);
	expect(o, "text", " a time");
	expect(o, "stop_reason", "stop");
	json_decref(o);
	o = answer_line(&rest);
	expect(o, "error.message", "unknown key \"messages\"");
	json_decref(o);
	buf_release(&out);
}

static void a_seed_that_was_not_given_is_told_and_not_the_same_twice(void **state)
{
	struct buf out = {0};
	struct str rest;
	json_t *a, *b;

	(void)state;
	assert_int_equal(run(SCRIPT,
			     "{" HI ", \"effort\": \"none\"}\n"
			     "{\"messages\": [{\"role\": \"user\", \"content\": \"tool\"}]}\n",
			     NULL, false, &out),
			 0);
	rest = buf_str(&out);
	a = answer_line(&rest);
	b = answer_line(&rest);
	assert_true(json_integer_value(at(a, "seed")) > 0);
	assert_true(json_integer_value(at(a, "seed")) != json_integer_value(at(b, "seed")));
	json_decref(a);
	json_decref(b);
	buf_release(&out);
}

static void lost_output_and_a_failed_load_have_their_exit_codes(void **state)
{
	struct buf out = {0};

	(void)state;
	if (access("/dev/full", W_OK) == 0)
		assert_int_equal(run(SCRIPT, "{" HI "}\n", "/dev/full", false, &out), 1);
	assert_int_equal(
		run("{\"load\": {\"error\": \"no model\"}}\n", "{" HI "}\n", NULL, false, &out),
		3);
	assert_int_equal(out.len, 0);
	assert_int_equal(run("{\"txet\": 1}\n", "", NULL, false, &out), 2);
	assert_int_equal(run(SCRIPT, "", NULL, false, &out), 0);
	assert_int_equal(out.len, 0);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_line_gets_its_answer_in_order),
		cmocka_unit_test(a_bad_line_gets_an_error_and_the_next_is_read),
		cmocka_unit_test(raw_lines_continue_plain_text),
		cmocka_unit_test(a_seed_that_was_not_given_is_told_and_not_the_same_twice),
		cmocka_unit_test(lost_output_and_a_failed_load_have_their_exit_codes),
	};

	return cmocka_run_group_tests(tests, tmpdir_set_up, tmpdir_tear_down);
}
