/* Lines of a session of JSON: what an answer to a call gives it. */
#include "tests/support/shared_files.h"

#include <string.h>

#include "app/line/said.h"

static unsigned grade_of(const char *with)
{
	struct said *m = NULL;
	struct err err = {0};
	char line[200];
	unsigned grade;

	snprintf(line, sizeof(line),
		 "{\"tool_answer\": \"c1\", \"decision\": \"once\", \"with\": %s}", with);
	if (said_read(&m, str_of(line), &err))
		fail_msg("%s: %s", line, err.text);
	grade = m->grade;
	said_free(m);
	return grade;
}

static void an_answer_gives_what_it_names_and_no_more(void **state)
{
	(void)state;
	assert_int_equal(grade_of("[]"), 0);
	assert_int_equal(grade_of("[\"network\"]"), GRADE_NET);
	assert_int_equal(grade_of("[\"git\"]"), GRADE_GIT);
	assert_int_equal(grade_of("[\"outside\"]"), GRADE_OUTSIDE);
	assert_int_equal(grade_of("[\"git\", \"network\"]"), GRADE_GIT | GRADE_NET);
}

static void what_is_no_grade_is_refused(void **state)
{
	static const struct {
		const char *rest, *why;
	} rows[] = {
		{"\"once\", \"with\": [\"write\"]",
		 "with: 'write', expected network, git or outside"},
		{"\"once\", \"with\": [1]", "with: '', expected network, git or outside"},
		{"\"once\", \"with\": \"git\"", "expected an array"},
		{"\"session\", \"with\": [\"git\"]",
		 "with: found without \"decision\": \"once\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct said *m = NULL;
		struct err err = {0};
		char line[200];

		snprintf(line, sizeof(line), "{\"tool_answer\": \"c1\", \"decision\": %s}",
			 rows[i].rest);
		assert_int_equal(said_read(&m, str_of(line), &err), ERR_USAGE);
		if (!strstr(err.text, rows[i].why))
			fail_msg("%s: %s", line, err.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_gives_what_it_names_and_no_more),
		cmocka_unit_test(what_is_no_grade_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
