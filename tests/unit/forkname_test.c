/* A fork is called after its source, and no two alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/talk/forkname.h"

/* titles that are there, the first of them the source; and the fork's */
static const struct {
	const char *there[4], *name;
} cases[] = {
	{{"disks"}, "Fork of disks"},
	{{"disks", "Fork of disks"}, "Fork 2 of disks"},
	{{"disks", "Fork of disks", "Fork 7 of disks", "Fork 3 of disks"}, "Fork 8 of disks"},
	{{"Fork of disks"}, "Fork 2 of disks"},
	{{"Fork 12 of disks", "Fork of mice"}, "Fork 13 of disks"},
	{{"disks", "Fork of disks and mice"}, "Fork of disks"},
	{{"Fork lift"}, "Fork of Fork lift"},
	{{"Fork 3 lift"}, "Fork of Fork 3 lift"},
	{{"Fork 0 of it"}, "Fork of Fork 0 of it"},
	{{"Fork of "}, "Fork of Fork of "},
	{{"Fork 99999999999999999999 of x"}, "Fork of Fork 99999999999999999999 of x"},
	{{""}, ""},
};

static void forks_are_numbered_after_those_that_there_are(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct talks ts = {0};
		struct buf name = {0};
		struct talk *t;
		struct err err;

		for (size_t k = 0; k < 4 && cases[i].there[k]; k++) {
			assert_int_equal(talks_add(&ts, &t, &err), 0);
			buf_addz(&t->title, cases[i].there[k]);
		}
		assert_int_equal(fork_name(&name, &ts, str_of(cases[i].there[0]), &err), 0);
		assert_string_equal(buf_z(&name), cases[i].name);
		buf_release(&name);
		talks_release(&ts);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(forks_are_numbered_after_those_that_there_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
