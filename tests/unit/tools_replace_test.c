/* What a file becomes: one text in the place of another, exactly, and the words where not. */
#include "tests/support/shared_files.h"

#include <string.h>

#include "app/tools/replace.h"
#include "engine/base/err.h"
#include "engine/base/utf8.h"

#define B UTF8_BOM

static struct buf made, why;

static int replace(const char *file, const char *old, const char *new)
{
	buf_reset(&made);
	buf_reset(&why);
	return replace_once(STR_LIT("f.c"), str_of(file), str_of(old), str_of(new), &made,
			    &why);
}

static void becomes(const char *file, const char *old, const char *new, const char *after)
{
	if (replace(file, old, new) != 0)
		fail_msg("\"%s\" in \"%s\": %s", old, file, buf_z(&why));
	assert_string_equal(buf_z(&made), after);
	assert_int_equal(why.len, 0);
}

static void says(const char *file, const char *old, const char *new, const char *text)
{
	assert_int_equal(replace(file, old, new), ERR_USAGE);
	assert_string_equal(buf_z(&why), text);
	assert_int_equal(made.len, 0);
}

static void a_text_that_is_there_once_is_replaced(void **state)
{
	(void)state;
	becomes("a\nb\nc\n", "b", "B", "a\nB\nc\n");
	becomes("a\nb\nc\n", "a\nb\n", "", "c\n");
	becomes("abc", "abc", "x\ny", "x\ny");
	becomes("  a\n", "  a", "\ta", "\ta\n");
	becomes("\xff\xfe old \xff", "old", "new", "\xff\xfe new \xff");
}

static void a_file_of_crlf_lines_keeps_them(void **state)
{
	(void)state;
	becomes("a\r\nb\r\nc\r\n", "a\nb\n", "x\ny\nz\n", "x\r\ny\r\nz\r\nc\r\n");
	becomes("a\r\nb\r\n", "a\r\nb", "x\r\ny", "x\r\ny\r\n");
	becomes("a\r\nb\r\n", "b", "x\ny", "a\r\nx\r\ny\r\n");
	becomes("a\nb\nc\n", "a\r\nb\r\n", "x\r\ny\r\n", "x\ny\nc\n");
	/* Of what stands in the file as it was asked for nothing else is meant. */
	becomes("a\nb\n", "b", "x\r\ny", "a\nx\r\ny\n");
}

static void where_line_ends_are_mixed_only_the_very_bytes_count(void **state)
{
	(void)state;
	becomes("a\r\nb\nc\n", "b\nc", "x\ny", "a\r\nx\ny\n");
	becomes("a\r\nb\nc\n", "a\r\nb", "x", "x\nc\n");
	assert_int_equal(replace("a\r\nb\nc\n", "a\nb", "x"), ERR_USAGE);
}

static void a_byte_order_mark_is_no_part_of_the_text(void **state)
{
	(void)state;
	becomes(B "a\nb\n", "a\n", "x\n", B "x\nb\n");
	becomes("a\nb\n", B "a\n", B "x\n", "x\nb\n");
	becomes(B "a\r\nb\r\n", "a\nb", "x", B "x\r\n");
	becomes("a\r\nb\r\n", B "a\nb", B "x", "x\r\n");
}

static void the_tags_of_a_result_are_found_as_they_were_shown(void **state)
{
	(void)state;
	becomes("p('</tool_result>');\n", "p('<\\/tool_result>')", "q('<\\/tool_result>', 1)",
		"q('</tool_result>', 1);\n");
	becomes("<TOOL_result>\r\nx\r\n", "<\\TOOL_result>\nx", "y<\\tool_results",
		"y<tool_results\r\n");
	/* What the file has as it is written is not read in another way. */
	becomes("<\\/tool_result> </tool_result>", "<\\/tool_result>", "<\\/tool_result>!",
		"<\\/tool_result>! </tool_result>");
	becomes("<\\/tool a", "<\\/tool", "b", "b a");
}

static void a_text_that_is_there_more_than_once_is_not_replaced(void **state)
{
	struct buf many = {0};

	(void)state;
	says("a\nx\nb\na\na\n", "a\n", "y",
	     "the text occurs 3 times in f.c (lines 1, 4, 5); include more of the lines around "
	     "it");
	says("aaa", "aa", "b",
	     "the text occurs 2 times in f.c (lines 1, 1); include more of the lines around "
	     "it");
	says("a\r\nb\r\na\r\nb\r\n", "a\nb", "y",
	     "the text occurs 2 times in f.c (lines 1, 3); include more of the lines around "
	     "it");
	for (int i = 0; i < 1001; i++)
		buf_addz(&many, "a\n");
	says(buf_z(&many), "a", "y",
	     "the text occurs more than 1000 times in f.c (lines 1, 2, 3, 4, 5, 6, 7, 8, 9, "
	     "10, "
	     "11, 12, 13, 14, 15, 16, 17, 18, 19, 20, \xE2\x80\xA6); include more of the lines "
	     "around it");
	buf_release(&many);
}

static void what_changes_nothing_is_said(void **state)
{
	(void)state;
	says("a\n", "", "b", "old is empty; use write_file");
	says("a\n", "a", "a", "old and new are the same");
	says("a\r\nb\r\n", "a\r\nb", "a\nb", "old and new are the same");
	says("a\n", B "a", "a", "old and new are the same");
}

static void a_text_that_is_not_there_is_answered_with_what_is_near(void **state)
{
	(void)state;
	says("", "b", "x", "the text was not found in f.c");
	says("int main(void)\n{\n\treturn 0;\n}\n", "zebra crossing", "x",
	     "the text was not found in f.c");
	says("int main(void)\n{\n\treturn  0;\n}\n", "{\n        return 0;\n}\n", "x",
	     "the text was not found in f.c\n"
	     "[near it: lines 2-4; differs in whitespace at line 3]\n{\n\treturn  0;\n}");
	says("one\nfor (size_t i = 0; i < n; i++)\nthree\n", "for (int i = 0; i < n; i++)", "x",
	     "the text was not found in f.c\n"
	     "[near it: line 2]\nfor (size_t i = 0; i < n; i++)");
	/* Controls are not shown, long lines are clipped. */
	says("return one + two + three + \x1b[31mfour;\n", "return one + two + three + five;",
	     "x",
	     "the text was not found in f.c\n[near it: line 1]\nreturn one + two + three + "
	     "four;");
}

static void three_places_at_most_the_nearest_first(void **state)
{
	struct buf file = {0};

	(void)state;
	for (int i = 0; i < 30; i++)
		buf_addf(&file, "call(%s, first, second);\nnothing else here\n",
			 i == 20 ? "alpha" : "beta");
	says(buf_z(&file), "call(alpha, first, second, third);", "x",
	     "the text was not found in f.c\n"
	     "[near it: line 41]\ncall(alpha, first, second);\n"
	     "[near it: line 1]\ncall(beta, first, second);\n"
	     "[near it: line 3]\ncall(beta, first, second);");
	buf_release(&file);
}

static void a_place_has_twelve_lines_and_a_line_so_many_bytes(void **state)
{
	struct buf file = {0}, old = {0};
	size_t lines = 0;

	(void)state;
	for (int i = 0; i < 13; i++) {
		buf_addf(&file, "line %d of it: %0500d\n", i, 7);
		buf_addf(&old, "line  %d of it: %0500d\n", i, 7);
	}
	assert_int_equal(replace(buf_z(&file), buf_z(&old), "x"), ERR_USAGE);
	for (const char *p = buf_z(&why); (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, 1 + 12);
	assert_non_null(strstr(buf_z(&why), "lines 1-12; differs in whitespace at line 1]"));
	assert_non_null(strstr(buf_z(&why), " bytes]\nline 1 of it"));
	assert_true(why.len < 12 * 450 + 100);
	buf_release(&file);
	buf_release(&old);
}

static void a_whole_content_keeps_the_mark_and_the_line_ends(void **state)
{
	static const struct {
		const char *file, *content, *after;
	} rows[] = {
		{"a\n", "b\n", "b\n"},
		{"a\r\nb\r\n", "x\ny\n", "x\r\ny\r\n"},
		{"a\r\nb\r\n", "x\r\ny\n", "x\r\ny\r\n"},
		{"a\r\nb\n", "x\ny\n", "x\ny\n"},
		{B "a\n", "b\n", B "b\n"},
		{B "a\n", B "b\n", B "b\n"},
		{B "a\r\n", "b\n", B "b\r\n"},
		{"a\n", "", ""},
		{"", "a\r\n", "a\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		buf_reset(&made);
		assert_int_equal(replace_whole(STR_LIT("f.c"), str_of(rows[i].file),
					       str_of(rows[i].content), &made, &why),
				 0);
		assert_string_equal(buf_z(&made), rows[i].after);
	}
}

static void the_same_whole_content_is_said(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		buf_reset(&made);
		buf_reset(&why);
		assert_int_equal(replace_whole(STR_LIT("f.c"), str_of(i ? B "a\r\n" : "a\n"),
					       STR_LIT("a\n"), &made, &why),
				 ERR_USAGE);
		assert_string_equal(buf_z(&why), "f.c already has this content");
	}
}

static uint32_t next_number(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 16;
}

/* Few kinds of bytes, among them what is read in more than one way. */
static void add_random(struct buf *out, uint32_t *seed, uint32_t most)
{
	static const char *const kinds[] = {
		"a", "b",   "\n", "\r\n", "\r", "<", "\\", "/tool_result", "<\\/tool_result",
		B,   "\xff"};

	for (uint32_t n = next_number(seed) % (most + 1); n; n--)
		buf_addz(out, kinds[next_number(seed) % (sizeof(kinds) / sizeof(*kinds))]);
}

/* Whatever is replaced, all around it stays as it is, byte for byte. */
static void nothing_else_changes(void **state)
{
	uint32_t seed = 3;
	size_t replaced = 0;

	(void)state;
	for (int i = 0; i < 50000; i++) {
		struct buf file = {0}, old = {0}, new = {0};
		size_t begin = 0, end = 0;

		add_random(&file, &seed, 12);
		add_random(&old, &seed, 3);
		add_random(&new, &seed, 3);
		if (!file.len || replace(buf_z(&file), buf_z(&old), buf_z(&new)) != 0)
			goto next;
		replaced++;
		while (begin < file.len && begin < made.len &&
		       file.data[begin] == made.data[begin])
			begin++;
		while (end + begin < file.len && end + begin < made.len &&
		       file.data[file.len - end - 1] == made.data[made.len - end - 1])
			end++;
		/* What differs is no longer than what was to be replaced, with its line ends.
		 */
		assert_true(file.len - begin - end <= old.len * 2);
		assert_true(made.len - begin - end <= new.len * 2);
		assert_false(file.len == made.len && begin == file.len);
	next:
		buf_release(&file);
		buf_release(&old);
		buf_release(&new);
	}
	assert_true(replaced > 1000);
}

static int release(void **state)
{
	(void)state;
	buf_release(&made);
	buf_release(&why);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_that_is_there_once_is_replaced),
		cmocka_unit_test(a_file_of_crlf_lines_keeps_them),
		cmocka_unit_test(where_line_ends_are_mixed_only_the_very_bytes_count),
		cmocka_unit_test(a_byte_order_mark_is_no_part_of_the_text),
		cmocka_unit_test(the_tags_of_a_result_are_found_as_they_were_shown),
		cmocka_unit_test(a_text_that_is_there_more_than_once_is_not_replaced),
		cmocka_unit_test(what_changes_nothing_is_said),
		cmocka_unit_test(a_text_that_is_not_there_is_answered_with_what_is_near),
		cmocka_unit_test(three_places_at_most_the_nearest_first),
		cmocka_unit_test(a_place_has_twelve_lines_and_a_line_so_many_bytes),
		cmocka_unit_test(a_whole_content_keeps_the_mark_and_the_line_ends),
		cmocka_unit_test(the_same_whole_content_is_said),
		cmocka_unit_test(nothing_else_changes),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
