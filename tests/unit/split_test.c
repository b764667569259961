/* Text to words: what a letter is, and what the patterns of a tokenizer file say. */
#include "tests/support/shared_files.h"

#include <string.h>

#include <jansson.h>

#include "engine/base/utf8.h"
#include "engine/text/tokenizer_split.h"
#include "engine/text/unicode.h"
#include "tests/support/code_points.h"

/* Made by tests/golden/code_points.py --categories. */
static const struct {
	const char *name;
	size_t n;
	uint64_t hash;
} categories[] = {
	{"Lu", 1858, 0xfd342e13a57e5d04},   {"Ll", 2258, 0x927bffdf46d7c43d},
	{"Lt", 31, 0xb10b0a544537bd2c},     {"Lm", 404, 0x027a0171682e7278},
	{"Lo", 136477, 0x0de7f357b9ab953a}, {"Mn", 2020, 0xb94959c4bf3d9e53},
	{"Mc", 468, 0x993b3cc93cbf96bb},    {"Me", 13, 0xa47a7cc03877e260},
	{"Nd", 760, 0x42d158e6fb1eebdf},    {"Nl", 236, 0xd60a11a368ccba98},
	{"No", 915, 0x1f3eb607511f2cbe},    {"Pc", 10, 0x5c092d0da70ddc7e},
	{"Pd", 27, 0x69127255f5d8fa84},     {"Ps", 79, 0x2948c844cccc5706},
	{"Pe", 77, 0x95e188a074f69d45},     {"Pi", 12, 0x0ed18a532447a6a0},
	{"Pf", 10, 0x512f9da2e3283691},     {"Po", 640, 0x54bd0a2a55b4286e},
	{"Sm", 950, 0xfa10ba2790a23895},    {"Sc", 63, 0x18adf81ac27a2606},
	{"Sk", 125, 0xd4b82fe59b23f1f5},    {"So", 7376, 0xfbde8acf22fb5ad3},
	{"Zs", 17, 0x352bf3570e8b0dc8},     {"Zl", 1, 0x62d4b5b825c43bbd},
	{"Zp", 1, 0x987b49ae958ed46c},      {"Cc", 65, 0x21bb5dad90e006fa},
	{"Cf", 170, 0xdea2f23a23873a6c},    {"Co", 137468, 0xe2de41a622f0e569},
	{"Cn", 819533, 0x3cc15daf9ffef5ae},
};

static void every_category_has_the_characters_the_standard_library_gives_it(void **state)
{
	(void)state;
	for (size_t k = 0; k < sizeof(categories) / sizeof(*categories); k++) {
		uint32_t set = unicode_property(str_of(categories[k].name));
		uint64_t hash = CODE_POINTS_HASH;
		size_t n = 0;

		assert_true(set);
		for (size_t i = 0; i < unicode_n_runs; i++) {
			uint32_t c = unicode_runs[i] >> UNICODE_RUN_SHIFT;
			uint32_t end = i + 1 < unicode_n_runs
					       ? unicode_runs[i + 1] >> UNICODE_RUN_SHIFT
					       : UNICODE_LAST + 1;

			assert_true(c < end);
			if (!(set >> (unicode_runs[i] & 31) & 1))
				continue;
			for (; c < end; c++, n++)
				hash = code_points_hash(hash, c);
		}
		if (n != categories[k].n || hash != categories[k].hash)
			fail_msg("%s: %zu characters, hash %016llx", categories[k].name, n,
				 (unsigned long long)hash);
	}
}

static void categories_share_no_character_and_miss_none(void **state)
{
	size_t n = 0x800; /* surrogates */

	(void)state;
	for (size_t k = 0; k < sizeof(categories) / sizeof(*categories); k++)
		n += categories[k].n;
	assert_int_equal(n, UNICODE_LAST + 1);
	assert_int_equal(unicode_runs[0] >> UNICODE_RUN_SHIFT, 0);
	assert_int_equal(
		unicode_property(STR_LIT("C")) | unicode_property(STR_LIT("L")) |
			unicode_property(STR_LIT("M")) | unicode_property(STR_LIT("N")) |
			unicode_property(STR_LIT("P")) | unicode_property(STR_LIT("S")) |
			unicode_property(STR_LIT("Z")),
		UNICODE_ALL);
	assert_int_equal(unicode_property(STR_LIT("Letter")), 0);
	assert_int_equal(unicode_property(STR_LIT("Lx")), 0);
	assert_int_equal(unicode_property(STR_LIT("")), 0);
}

/* The patterns of the small model, which are those of the large ones. */
static void open_patterns(struct split *s)
{
	json_t *file = json_load_file("share/nano/tokenizer.json", 0, NULL), *step;
	const json_t *pre = json_object_get(file, "pre_tokenizer");
	struct err err = {0};
	size_t i;

	json_array_foreach (json_object_get(pre, "pretokenizers"), i, step) {
		const json_t *pattern =
			json_object_get(json_object_get(step, "pattern"), "Regex");

		if (pattern)
			assert_int_equal(
				split_add(s, str_of(json_string_value(pattern)), false, &err),
				0);
	}
	assert_int_equal(s->n_patterns, 3);
	assert_int_equal(split_compile(s, &err), 0);
	json_decref(file);
}

static int hash_length(void *ctx, struct str word, struct err *err)
{
	uint64_t *hash = ctx;

	(void)err;
	*hash = code_points_hash(*hash, word.n);
	return 0;
}

static void every_code_point_is_split_as_the_standard_library_splits_it(void **state)
{
	struct buf golden = {0}, text = {0};
	struct split s = {0};
	struct str rest, line;
	size_t n = 0;

	(void)state;
	open_patterns(&s);
	assert_true(whole_file("tests/golden/code_points.txt", &golden));
	rest = buf_str(&golden);
	while (str_line(&rest, &line)) {
		uint32_t first = (uint32_t)strtoul(line.p, NULL, 16);
		uint64_t want = strtoull(line.p + 7, NULL, 16), got = CODE_POINTS_HASH;
		struct err err = {0};

		buf_reset(&text);
		code_points_add(&text, first);
		assert_int_equal(split_run(&s, buf_str(&text), hash_length, &got, &err), 0);
		if (got != want)
			fail_msg("U+%04X to U+%04X", first, first + CODE_POINTS - 1);
		n++;
	}
	assert_int_equal(n, 272);
	split_release(&s);
	buf_release(&text);
	buf_release(&golden);
}

static int show_word(void *ctx, struct str word, struct err *err)
{
	struct buf *out = ctx;

	(void)err;
	if (out->len)
		buf_addc(out, '/');
	buf_adds(out, word);
	return 0;
}

static void patterns_mean_what_tokenizer_files_mean_by_them(void **state)
{
	static const struct {
		const char *pattern, *text, *words;
	} cases[] = {
		{"b", "abc", "a/b/c"},
		{"", "abc", "abc"},
		{"x*", "axxb", "a/xx/b"},
		{".", "a\nb", "a/\n/b"},
		{"a|bc", "abcd", "a/bc/d"},
		{"[b-d]+", "abcde", "a/bcd/e"},
		{"[^b-d]+", "abcde", "a/bcd/e"},
		{"[-b]+", "a-b", "a/-b"},
		{"[b-]+", "a-b", "a/-b"},
		{"[\\]\\-\\\\]+", "a]-\\b", "a/]-\\/b"},
		{"[a^]+", "^a^b", "^a^/b"},
		{"]}", "a]}b", "a/]}/b"},
		{"a{,2}b", "aaab", "a/aab"},
		{"a{2}", "aaaaa", "aa/aa/a"},
		{"a{2,}", "aaaaab", "aaaaa/b"},
		{"a{x", "aa{xb", "a/a{x/b"},
		{"a{,}", "aa{,}b", "a/a{,}/b"},
		{"(ab)+", "xababy", "x/abab/y"},
		{"(?:a(?=b))", "aab", "a/a/b"},
		{"a(?!b)", "abac", "ab/a/c"},
		{"(?<=x)a", "axa", "ax/a"},
		{"(?<!x)a", "bxaa", "bxa/a"},
		{"(?>a+)b", "aab", "aab"},
		{"a+?", "aa", "a/a"},
		{"a++a", "aaa", "aaa"},
		{"\\p{L}+", "1aé9", "1/aé/9"},
		{"\\P{L}+", "1aé9", "1/aé/9"},
		{"\\p{^L}+", "1aé9", "1/aé/9"},
		{"[\\p{Lu}1]+", "aB1c", "a/B1/c"},
		{"[^\\P{L}b]+", "1abc", "1/a/b/c"},
		{"\\s+", "a \t\xe3\x80\x80z", "a/ \t\xe3\x80\x80/z"},
		{"\\S+", " ab ", " /ab/ "},
		{"[^\\S\\n]+", "a \t\nb", "a/ \t/\nb"},
		{"\\s+(?!\\S)", "a   b", "a/  / b"},
		{"\\d", "a1٣b", "a/1/٣/b"},
		{"\\D+", "1ab2", "1/ab/2"},
		{"\\n\\t", "a\n\tb", "a/\n\t/b"},
		{"\\x41\\u0042\\x{1F600}", "xAB😀", "x/AB😀"},
		{"[\\u0041-C]+", "xABCD", "x/ABC/D"},
		{"[一-龥]+", "a你好b", "a/你好/b"},
		{"é", "eéè", "e/é/è"},
		{"[\\u0000-\\x{10ffff}]", "aé", "a/é"},
		{"[^\\u0000-\\x{10ffff}]|b", "abc", "a/b/c"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct split s = {0};
		struct buf words = {0};
		struct err err = {0};

		if (split_add(&s, str_of(cases[i].pattern), false, &err) ||
		    split_compile(&s, &err) ||
		    split_run(&s, str_of(cases[i].text), show_word, &words, &err))
			fail_msg("%s: %s", cases[i].pattern, err.text);
		if (!str_is(buf_str(&words), cases[i].words))
			fail_msg("%s: %s, expected %s", cases[i].pattern, buf_z(&words),
				 cases[i].words);
		split_release(&s);
		buf_release(&words);
	}
}

static void a_literal_means_itself(void **state)
{
	struct split s = {0};
	struct buf words = {0};
	struct err err = {0};

	(void)state;
	assert_int_equal(split_add(&s, STR_LIT("[a]*\\p{"), true, &err), 0);
	assert_int_equal(split_compile(&s, &err), 0);
	assert_int_equal(split_run(&s, STR_LIT("a[a]*\\p{L"), show_word, &words, &err), 0);
	assert_string_equal(buf_z(&words), "a/[a]*\\p{/L");
	split_release(&s);
	buf_release(&words);
}

static void what_a_pattern_cannot_mean_here_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *pattern, *said;
	} cases[] = {
		{"a\\w", "at byte 1: an escape that is not supported"},
		{"\\b", "at byte 0: an escape"},
		{"(a)\\1", "at byte 3: an escape"},
		{"a\\", "at byte 1: a \\ that escapes nothing"},
		{"\\p", "at byte 0: a property without its braces"},
		{"\\p{L", "a property that is no general category"},
		{"\\p{Han}", "a property that is no general category"},
		{"\\p{}", "a property that is no general category"},
		{"\\xe9", "at byte 0: a byte that is no character"},
		{"\\x4", "hexadecimal digits"},
		{"\\u12g4", "hexadecimal digits"},
		{"\\x{}", "hexadecimal digits"},
		{"\\x{41", "hexadecimal digits"},
		{"\\x{110000}", "a character above U+10FFFF"},
		{"[a", "at byte 0: a class without its ]"},
		{"[a\\]", "at byte 0: a class without its ]"},
		{"[a-", "at byte 1: a range without its end"},
		{"[]a]", "at byte 0: an empty class"},
		{"[a[b]]", "at byte 2: a class within a class"},
		{"[a&&b]", "at byte 2: a class within a class"},
		{"[b-a]", "at byte 1: a range that ends before it begins"},
		{"[a-\\s]", "at byte 1: a range that ends before it begins"},
		{"[\\s-a]", "at byte 1: a range from a property"},
		{"(?i:a)", "at byte 0: a group of a kind"},
		{"(?<n>a)", "at byte 0: a group of a kind"},
		{"(a", "at byte 2: a group without its )"},
		{"a)", "at byte 1: a ) that closes nothing"},
		{"^a", "at byte 0: an anchor"},
		{"a$", "at byte 1: an anchor"},
		{"a{1}+", "at byte 1: a quantifier of a quantifier"},
		{"a{1,2}?", "at byte 1: a quantifier of a quantifier"},
		{"*a", "split pattern 1: quantifier does not follow"},
		{"a{99999}", "split pattern 1: number too big"},
		{"(?<=a+)b", "split pattern 1: lookbehind"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct split s = {0};
		struct err err = {0};
		int rc = split_add(&s, str_of(cases[i].pattern), false, &err);

		if (!rc)
			rc = split_compile(&s, &err);
		assert_int_equal(rc, ERR_MODEL);
		if (!strstr(err.text, cases[i].said))
			fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].pattern, err.text,
				 cases[i].said);
		split_release(&s);
	}
}

static void patterns_beyond_their_bounds_are_refused(void **state)
{
	struct split s = {0};
	struct buf many = {0};
	struct err err = {0};

	(void)state;
	for (uint32_t c = 0x4e00; c < 0x4f00; c++) {
		char utf8[4];

		buf_add(&many, utf8, utf8_encode(c, utf8));
	}
	assert_int_equal(split_add(&s, buf_str(&many), false, &err), 0);
	assert_int_equal(split_compile(&s, &err), ERR_MODEL);
	assert_non_null(strstr(err.text, "more than 256 kinds of characters"));
	split_release(&s);
	/* One less are as many as there may be: they, and all the others. */
	many.len -= 3;
	assert_int_equal(split_add(&s, buf_str(&many), false, &err), 0);
	assert_int_equal(split_compile(&s, &err), 0);
	split_release(&s);
	while (many.len <= PATTERN_MAX_BYTES)
		buf_addc(&many, 'a');
	assert_int_equal(split_add(&s, buf_str(&many), false, &err), ERR_MODEL);
	assert_non_null(strstr(err.text, "4097 bytes, expected at most 4096"));
	split_release(&s);
	for (int i = 0; i < SPLIT_MAX_PATTERNS; i++)
		assert_int_equal(split_add(&s, STR_LIT("a"), false, &err), 0);
	assert_int_equal(split_add(&s, STR_LIT("a"), false, &err), ERR_MODEL);
	split_release(&s);
	buf_release(&many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			every_category_has_the_characters_the_standard_library_gives_it),
		cmocka_unit_test(categories_share_no_character_and_miss_none),
		cmocka_unit_test(every_code_point_is_split_as_the_standard_library_splits_it),
		cmocka_unit_test(patterns_mean_what_tokenizer_files_mean_by_them),
		cmocka_unit_test(a_literal_means_itself),
		cmocka_unit_test(what_a_pattern_cannot_mean_here_is_refused_with_its_place),
		cmocka_unit_test(patterns_beyond_their_bounds_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
