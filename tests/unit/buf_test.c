/* Buffers, strings and runs of ids. */
#include "tests/support/shared_files.h"

#include <stdint.h>
#include <string.h>

#include "engine/text/tokens.h"

static void an_empty_buffer_is_a_zeroed_struct(void **state)
{
	struct buf b = {0};

	(void)state;
	assert_string_equal(buf_z(&b), "");
	assert_int_equal(buf_str(&b).n, 0);
	buf_add(&b, "", 0);
	buf_truncate(&b, 5);
	buf_remove(&b, 0, 3);
	assert_int_equal(b.len, 0);
	assert_false(buf_failed(&b));
	buf_release(&b);
}

static void additions_of_any_size_are_kept_and_ended_by_a_nul(void **state)
{
	struct buf b = {0};
	char want[4000];
	size_t n = 0;

	(void)state;
	for (size_t step = 0; n + step < sizeof(want); step++) {
		memset(want + n, 'a' + (int)(step % 26), step);
		buf_add(&b, want + n, step);
		n += step;
		assert_int_equal(b.len, n);
		assert_int_equal(b.data ? b.data[n] : 0, 0);
	}
	assert_memory_equal(b.data, want, n);
	buf_release(&b);
}

static void every_way_to_add_adds(void **state)
{
	struct buf b = {0};
	char *detached;

	(void)state;
	buf_addz(&b, "a");
	buf_addc(&b, 'b');
	buf_adds(&b, (struct str){"cx", 1});
	buf_addf(&b, "%d%s", 12, "d");
	buf_addc(&b, '\0');
	assert_int_equal(b.len, 7);
	assert_string_equal(buf_z(&b), "abc12d");
	buf_reset(&b);
	buf_addz(&b, "new");
	detached = buf_detach(&b);
	assert_string_equal(detached, "new");
	assert_null(b.data);
	free(detached);
	buf_release(&b);
}

static void bytes_can_be_taken_out_and_the_end_cut_off(void **state)
{
	struct buf b = {0};

	(void)state;
	buf_addz(&b, "0123456789");
	buf_remove(&b, 2, 3);
	assert_string_equal(buf_z(&b), "0156789");
	buf_remove(&b, 5, 100);
	assert_string_equal(buf_z(&b), "01567");
	buf_remove(&b, 50, 1);
	buf_truncate(&b, 2);
	assert_string_equal(buf_z(&b), "01");
	buf_truncate(&b, 100);
	assert_string_equal(buf_z(&b), "01");
	buf_release(&b);
}

static void failure_sticks_until_reset_and_loses_nothing(void **state)
{
	struct buf b = {0};

	(void)state;
	buf_addz(&b, "kept");
	assert_false(buf_reserve(&b, SIZE_MAX - 100));
	buf_addz(&b, "dropped");
	assert_true(buf_failed(&b));
	assert_string_equal(buf_z(&b), "kept");
	assert_null(buf_detach(&b));
	buf_reset(&b);
	buf_addz(&b, "again");
	assert_false(buf_failed(&b));
	assert_string_equal(buf_z(&b), "again");
	buf_release(&b);
}

static void strings_compare_by_bytes(void **state)
{
	(void)state;
	assert_true(str_eq((struct str){0}, (struct str){"", 0}));
	assert_true(str_is((struct str){"abc", 2}, "ab"));
	assert_false(str_is((struct str){"abc", 3}, "ab"));
	assert_false(str_eq(STR_LIT("a\0b"), STR_LIT("a\0c")));
	assert_int_equal(str_of(NULL).n, 0);
}

static void runs_of_ids_grow_and_fail_like_buffers(void **state)
{
	struct tokens t = {0};
	token_id some[] = {7, 8, 9};

	(void)state;
	for (token_id i = 0; i < 1000; i++)
		tokens_add(&t, i);
	tokens_add_all(&t, some, 3);
	tokens_add_all(&t, NULL, 0);
	assert_int_equal(t.n, 1003);
	assert_int_equal(t.ids[999], 999);
	assert_int_equal(t.ids[1002], 9);
	tokens_add_all(&t, some, SIZE_MAX / 2);
	assert_true(tokens_failed(&t));
	tokens_add(&t, 1);
	assert_int_equal(t.n, 1003);
	tokens_reset(&t);
	tokens_add(&t, 1);
	assert_false(tokens_failed(&t));
	assert_int_equal(t.n, 1);
	tokens_release(&t);
}

static void counts_are_written_for_people(void **state)
{
	static const struct {
		int64_t n;
		const char *text;
	} cases[] = {{0, "0"},		 {7, "7"},	     {999, "999"},   {1000, "1,000"},
		     {29056, "29,056"},	 {100000, "100,000"}, {-100, "-100"}, {-1000, "-1,000"},
		     {1048576, "1,048,576"}, {INT64_MIN, "-9,223,372,036,854,775,808"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b = {0};

		buf_add_count(&b, cases[i].n);
		assert_string_equal(buf_z(&b), cases[i].text);
		buf_release(&b);
	}
}

static void lines_come_off_one_by_one(void **state)
{
	static const char *const want[] = {"a", "", "b c", "d"};
	struct str rest = STR_LIT("a\n\nb c\nd"), line;
	size_t n = 0;

	(void)state;
	for (; str_line(&rest, &line); n++) {
		assert_true(n < 4);
		assert_true(str_is(line, want[n]));
	}
	assert_int_equal(n, 4);
	rest = STR_LIT("x\n");
	assert_true(str_line(&rest, &line));
	assert_false(str_line(&rest, &line));
	assert_false(str_line(&(struct str){NULL, 0}, &line));
}

static void blanks_around_a_text_come_off(void **state)
{
	static const struct {
		struct str text, want;
	} cases[] = {{STR_LIT("a b"), STR_LIT("a b")},
		     {STR_LIT(" \t\n\v\f\ra\tb\r\f\v\n\t "), STR_LIT("a\tb")},
		     {STR_LIT("\x08 a"), STR_LIT("\x08 a")},
		     {STR_LIT("\x0e"), STR_LIT("\x0e")},
		     {STR_LIT("\xc2\xa0"), STR_LIT("\xc2\xa0")},
		     {STR_LIT("\0 "), STR_LIT("\0")},
		     {STR_LIT(" \n "), STR_LIT("")},
		     {STR_LIT(""), STR_LIT("")},
		     {{NULL, 0}, STR_LIT("")}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_true(str_eq(str_trimmed(cases[i].text), cases[i].want));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_come_off_one_by_one),
		cmocka_unit_test(blanks_around_a_text_come_off),
		cmocka_unit_test(an_empty_buffer_is_a_zeroed_struct),
		cmocka_unit_test(additions_of_any_size_are_kept_and_ended_by_a_nul),
		cmocka_unit_test(every_way_to_add_adds),
		cmocka_unit_test(bytes_can_be_taken_out_and_the_end_cut_off),
		cmocka_unit_test(failure_sticks_until_reset_and_loses_nothing),
		cmocka_unit_test(strings_compare_by_bytes),
		cmocka_unit_test(counts_are_written_for_people),
		cmocka_unit_test(runs_of_ids_grow_and_fail_like_buffers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
