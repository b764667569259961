/*
 * --ranks, as the program has it: the small model's greedy answers do not depend on it, with
 * its tools' schemas, drafting and what was kept of earlier questions; and what is refused, and
 * told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "tests/support/program.h"
#include "tests/support/shared_files.h"
#include "tests/support/tmpdir.h"

/* Under a sanitizer each takes ten times as long. */
#ifdef __SANITIZE_ADDRESS__
#define QUESTIONS 15
#define EACH      12 /* of the file so many-eth: each kind is among them */
#else
#define QUESTIONS 60
#define EACH      3
#endif

/* --------------------------------------------------------------------------- answers */

/* What a row of the file asks, as `complete` takes it. */
static void add_question(struct buf *out, const json_t *row, json_t *tools)
{
	json_t *messages = json_deep_copy(json_object_get(row, "messages"));
	json_t *ask, *task = json_object_get(row, "task");
	char *text;

	if (json_is_true(json_object_get(row, "builtin_tools")))
		json_array_insert_new(messages, 0,
				      json_pack("{s:s, s:s, s:O}", "role", "system", "content",
						"", "tools", tools));
	ask = json_pack("{s:o, s:O, s:{s:i, s:i, s:i}}", "messages", messages, "effort",
			json_object_get(row, "effort"), "sampling", "temperature", 0, "seed", 1,
			"max_tokens", 200);
	assert_non_null(ask);
	if (task)
		json_object_set(ask, "task", task);
	text = json_dumps(ask, JSON_COMPACT);
	buf_addf(out, "%s\n", text);
	free(text);
	json_decref(ask);
}

/* So many, a line each. */
static void read_questions(struct buf *out)
{
	struct buf file = {0}, schemas = {0};
	struct str rest, line;
	json_t *tools;
	int n = 0;

	assert_true(whole_file("tests/eval/handwritten.jsonl", &file));
	assert_true(whole_file("share/tools/builtin.json", &schemas));
	tools = json_loadb(schemas.data, schemas.len, 0, NULL);
	assert_non_null(tools);
	rest = buf_str(&file);
	for (int i = 0; n < QUESTIONS && str_line(&rest, &line); i++) {
		json_t *row;

		if (i % EACH)
			continue;
		row = json_loadb(line.p, line.n, 0, NULL);
		assert_non_null(row);
		add_question(out, row, tools);
		json_decref(row);
		n++;
	}
	assert_int_equal(n, QUESTIONS);
	json_decref(tools);
	buf_release(&schemas);
	buf_release(&file);
}

static void ask_all(struct program_run *run, const struct buf *questions, const char *ranks)
{
	const char *const argv[] = {"complete", "--model",   "share/nano", "--backend",
				    "cpu",      "--threads", "2",          "--ctx",
				    "4096",     "--ranks",   ranks,        NULL};

	program_run(run, argv, buf_str(questions), 110);
	assert_string_equal(buf_z(&run->err), "");
	assert_int_equal(run->status, 0);
}

static json_t *next_answer(struct str *rest)
{
	struct str line = {0};
	json_t *answer;

	assert_true(str_line(rest, &line));
	answer = json_loadb(line.p, line.n, 0, NULL);
	assert_non_null(answer);
	return answer;
}

static json_int_t used(const json_t *answer, const char *what)
{
	return json_integer_value(json_object_get(json_object_get(answer, "usage"), what));
}

/* The same words, calls and counts of tokens; what was kept and drafted is some. */
static void same_answers(const struct program_run *one, const struct program_run *more,
			 const char *ranks)
{
	static const char *const counts[] = {"prompt_tokens", "cached_tokens", "output_tokens"};
	struct str a = buf_str(&one->out), b = buf_str(&more->out);
	json_int_t cached = 0, accepted = 0;
	int n_calls = 0;

	for (int i = 0; i < QUESTIONS; i++) {
		json_t *x = next_answer(&a), *y = next_answer(&b), *said;

		said = json_object_get(x, "message");
		if (!json_equal(said, json_object_get(y, "message")))
			fail_msg("question %d with %s ranks:\n%s\n%s", i, ranks,
				 json_dumps(x, 0), json_dumps(y, 0));
		for (size_t k = 0; k < sizeof(counts) / sizeof(*counts); k++)
			assert_int_equal(used(x, counts[k]), used(y, counts[k]));
		n_calls += json_array_size(json_object_get(said, "tool_calls")) > 0;
		cached += used(y, "cached_tokens");
		accepted += used(y, "accepted");
		json_decref(x);
		json_decref(y);
	}
	assert_true(n_calls > QUESTIONS / 12);
	assert_true(cached > QUESTIONS * 16);
	assert_true(accepted > QUESTIONS);
}

static void answers_do_not_depend_on_the_count_of_ranks(void **state)
{
	static const char *const counts[] = {"2", "4"};
	struct program_run one, more;
	struct buf questions = {0};

	(void)state;
	read_questions(&questions);
	ask_all(&one, &questions, "1");
	for (int i = 0; i < 2; i++) {
		ask_all(&more, &questions, counts[i]);
		same_answers(&one, &more, counts[i]);
		program_run_release(&more);
	}
	program_run_release(&one);
	buf_release(&questions);
}

/* ------------------------------------------------------------- what outlives the program */

/* Two questions of one conversation, each to a program of its own; what the second said. */
static void talk_twice(const char *ranks, struct buf *out)
{
	struct tmpdir home;
	struct buf line = {0};

	tmpdir_init(&home);
	buf_addf(&line,
		 "for x in DATA STATE CACHE CONFIG; do export XDG_${x}_HOME='%s'; done; unset "
		 "DSV4CHAT_MODEL; d='%s --model share/nano --backend cpu --ranks %s --temp 0 "
		 "--json'; $d -p 'How do I list the files of a folder, the newest first?' >&2 "
		 "&& "
		 "$d -c -p 'And what is 17 + 25?'",
		 home.path, program_path(), ranks);
	assert_int_equal(program_shell(buf_z(&line), out), 0);
	buf_release(&line);
	tmpdir_release(&home);
}

/* Its text, and how many tokens came from the disk. */
static json_int_t said_of(const struct buf *out, struct buf *text)
{
	struct str rest = buf_str(out), line;
	json_int_t from_disk = -1;

	while (str_line(&rest, &line)) {
		json_t *event = json_loadb(line.p, line.n, 0, NULL);
		const char *part = json_string_value(json_object_get(event, "text"));

		if (part)
			buf_addz(text, part);
		if (json_object_get(event, "usage"))
			from_disk = used(event, "disk_tokens");
		json_decref(event);
	}
	return from_disk;
}

static void what_is_on_disk_goes_to_every_rank(void **state)
{
	static const char *const counts[] = {"1", "2", "4"};
	struct buf first = {0};

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct buf out = {0}, text = {0};

		talk_twice(counts[i], &out);
		if (said_of(&out, &text) < 16)
			fail_msg("with %s ranks: %s", counts[i], buf_z(&out));
		assert_true(text.len > 10);
		if (i == 0)
			buf_adds(&first, buf_str(&text));
		assert_string_equal(buf_z(&text), buf_z(&first));
		buf_release(&out);
		buf_release(&text);
	}
	buf_release(&first);
}

/* --------------------------------------------------------------------------- the rest */

static void run(struct program_run *r, const char *verb, const char *ranks)
{
	const char *const argv[] = {verb,  "--model", "share/nano", "--backend",
				    "cpu", "--ranks", ranks,        NULL};

	program_run(r, argv, STR_LIT(""), 60);
}

static void what_does_not_divide_is_refused_with_what_does(void **state)
{
	static const struct {
		const char *ranks, *says;
		int status;
	} cases[] = {
		{"3", "expected one of 1, 2, 4", 2},
		{"65", "ranks: '65', expected a whole number from 1 to 64, or auto", 2},
		{"0", "ranks: '0', expected a whole number from 1 to 64, or auto", 2},
		{"many", "ranks: 'many', expected", 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct program_run r;

		run(&r, "complete", cases[i].ranks);
		if (r.status != cases[i].status || !strstr(buf_z(&r.err), cases[i].says))
			fail_msg("%s: %d, %s", cases[i].ranks, r.status, buf_z(&r.err));
		program_run_release(&r);
	}
}

static void doctor_tells_what_each_rank_needs(void **state)
{
	struct program_run r;

	(void)state;
	run(&r, "doctor", "2");
	assert_non_null(strstr(buf_z(&r.out), "needed by each rank"));
	assert_non_null(strstr(buf_z(&r.out), "on 2 ranks, each cpu"));
	program_run_release(&r);
	run(&r, "doctor", "auto");
	assert_null(strstr(buf_z(&r.out), "each rank"));
	assert_null(strstr(buf_z(&r.out), "ranks, each"));
	program_run_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_do_not_depend_on_the_count_of_ranks),
		cmocka_unit_test(what_is_on_disk_goes_to_every_rank),
		cmocka_unit_test(what_does_not_divide_is_refused_with_what_does),
		cmocka_unit_test(doctor_tells_what_each_rank_needs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
