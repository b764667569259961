/* What differs between two texts: as people read it, and applied. */
#include "tests/support/shared_files.h"

#include <string.h>

#include "app/tools/diff.h"
#include "tests/support/patch.h"

static void shows(const char *before, const char *after, const char *hunks)
{
	struct buf out = {0};

	assert_int_equal(diff_add(&out, str_of(before), str_of(after)), 0);
	assert_string_equal(buf_z(&out), hunks);
	buf_release(&out);
}

static void a_change_is_shown_with_three_lines_around_it(void **state)
{
	(void)state;
	shows("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n",
	      "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
	shows("a\n", "b\n", "@@ -1 +1 @@\n-a\n+b\n");
	shows("1\n2\n3\n", "1\n3\n", "@@ -1,3 +1,2 @@\n 1\n-2\n 3\n");
	shows("1\n2\n3\n4\n5\n6\n", "1\n2\n3\n4\n4a\n5\n6\n",
	      "@@ -2,5 +2,6 @@\n 2\n 3\n 4\n+4a\n 5\n 6\n");
}

static void changes_far_apart_have_hunks_of_their_own(void **state)
{
	(void)state;
	shows("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "one\n2\n3\n4\n5\n6\n7\n8\nnine\n",
	      "@@ -1,4 +1,4 @@\n-1\n+one\n 2\n 3\n 4\n"
	      "@@ -6,4 +6,4 @@\n 6\n 7\n 8\n-9\n+nine\n");
	shows("1\n2\n3\n4\n5\n6\n7\n8\n", "one\n2\n3\n4\n5\n6\n7\neight\n",
	      "@@ -1,8 +1,8 @@\n-1\n+one\n 2\n 3\n 4\n 5\n 6\n 7\n-8\n+eight\n");
}

static void a_new_file_and_an_emptied_one_have_a_line_of_none(void **state)
{
	(void)state;
	shows("", "a\nb\n", "@@ -0,0 +1,2 @@\n+a\n+b\n");
	shows("a\n", "", "@@ -1 +0,0 @@\n-a\n");
	shows("a\n", "a\n", "");
	shows("", "", "");
}

static void a_last_line_without_an_end_is_told(void **state)
{
	(void)state;
	shows("a\nb", "a\nb\n", "@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n");
	shows("a\nb", "c\nb", "@@ -1,2 +1,2 @@\n-a\n+c\n b\n\\ No newline at end of file\n");
}

/* The longest common subsequence, by the book. */
static size_t fewest_changes(struct str a, struct str b)
{
	static size_t best[40][40];
	struct str la[40], lb[40];
	size_t na = 0, nb = 0;

	while (na < 39 && patch_line(&a, &la[na]))
		na++;
	while (nb < 39 && patch_line(&b, &lb[nb]))
		nb++;
	memset(best, 0, sizeof(best));
	for (size_t i = na; i-- > 0;)
		for (size_t k = nb; k-- > 0;) {
			size_t x = best[i + 1][k], y = best[i][k + 1];

			best[i][k] = str_eq(la[i], lb[k]) ? best[i + 1][k + 1] + 1
				     : x > y              ? x
							  : y;
		}
	return na + nb - 2 * best[0][0];
}

static uint32_t next_number(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 16;
}

/* Up to 30 lines of few kinds, so that many are equal; the last may have no end. */
static void add_random_text(struct buf *out, uint32_t *seed)
{
	uint32_t n = next_number(seed) % 31, kinds = 1 + next_number(seed) % 6;

	for (uint32_t i = 0; i < n; i++)
		buf_addf(out, "%c\n", (int)('a' + next_number(seed) % kinds));
	if (out->len && next_number(seed) % 4 == 0)
		buf_truncate(out, out->len - 1);
}

static void hunks_make_the_other_text_with_the_fewest_lines(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct buf before = {0}, after = {0}, hunks = {0}, made = {0};
		size_t changed;

		add_random_text(&before, &seed);
		add_random_text(&after, &seed);
		assert_int_equal(diff_add(&hunks, buf_str(&before), buf_str(&after)), 0);
		if (!patch_apply(buf_str(&before), buf_str(&hunks), &made, &changed) ||
		    !str_eq(buf_str(&made), buf_str(&after)))
			fail_msg("\"%s\" to \"%s\":\n%s", buf_z(&before), buf_z(&after),
				 buf_z(&hunks));
		assert_int_equal(changed, fewest_changes(buf_str(&before), buf_str(&after)));
		buf_release(&before);
		buf_release(&after);
		buf_release(&hunks);
		buf_release(&made);
	}
}

/* n lines, of which each `every`th has another text than with every = 0. */
static void add_numbered(struct buf *out, int n, int every)
{
	for (int i = 0; i < n; i++)
		buf_addf(out, "%d%s\n", i, every && i % every == 0 ? "!" : "");
}

static void texts_that_differ_in_too_many_lines_are_only_counted(void **state)
{
	struct buf before = {0}, after = {0}, many = {0}, out = {0}, made = {0};
	size_t changed;

	(void)state;
	add_numbered(&before, 10000, 0);
	add_numbered(&after, 10000, 10); /* a thousand lines out, a thousand in */
	add_numbered(&many, 10000, 9);
	assert_int_equal(diff_add(&out, buf_str(&before), buf_str(&after)), 0);
	assert_true(patch_apply(buf_str(&before), buf_str(&out), &made, &changed));
	assert_true(str_eq(buf_str(&made), buf_str(&after)));
	assert_int_equal(changed, DIFF_MOST);
	buf_reset(&out);
	assert_int_equal(diff_add(&out, buf_str(&before), buf_str(&many)), 0);
	assert_string_equal(buf_z(&out), "too different, 10000 lines -> 10000 lines\n");
	buf_reset(&out);
	assert_int_equal(diff_add(&out, (struct str){"", 0}, buf_str(&many)), 0);
	assert_string_equal(buf_z(&out), "too different, 0 lines -> 10000 lines\n");
	buf_release(&before);
	buf_release(&after);
	buf_release(&many);
	buf_release(&out);
	buf_release(&made);
}

/* What is equal at both ends takes neither time nor memory worth speaking of. */
static void one_line_of_millions_is_found(void **state)
{
	struct buf before = {0}, after = {0}, out = {0};

	(void)state;
	for (int i = 0; i < 2000000; i++)
		buf_addz(&before, i == 1000000 ? "b\n" : "a\n");
	buf_adds(&after, buf_str(&before));
	after.data[2000000] = 'c';
	assert_int_equal(diff_add(&out, buf_str(&before), buf_str(&after)), 0);
	assert_string_equal(buf_z(&out), "@@ -999998,7 +999998,7 @@\n a\n a\n a\n-b\n+c\n a\n"
					 " a\n a\n");
	buf_release(&before);
	buf_release(&after);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_change_is_shown_with_three_lines_around_it),
		cmocka_unit_test(changes_far_apart_have_hunks_of_their_own),
		cmocka_unit_test(a_new_file_and_an_emptied_one_have_a_line_of_none),
		cmocka_unit_test(a_last_line_without_an_end_is_told),
		cmocka_unit_test(hunks_make_the_other_text_with_the_fewest_lines),
		cmocka_unit_test(texts_that_differ_in_too_many_lines_are_only_counted),
		cmocka_unit_test(one_line_of_millions_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
