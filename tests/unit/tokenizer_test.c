/* Text to ids, against the standard library's. */
#include "tests/support/shared_files.h"

#include <string.h>
#include <time.h>

#include <jansson.h>

#include "engine/base/jsonw.h"
#include "engine/base/utf8.h"
#include "engine/text/prompt.h"
#include "engine/text/tokenizer.h"
#include "tests/support/code_points.h"

static struct tokenizer *open_real(void)
{
	struct buf path = {0}, json = {0};
	struct tokenizer *t = NULL;
	struct err err = {0};

	shared_read("tokenizer/tokenizer.json", &json);
	buf_release(&json);
	shared_path(&path, "tokenizer");
	if (tokenizer_open(&t, buf_z(&path), &err))
		fail_msg("%s", err.text);
	buf_release(&path);
	return t;
}

static void check_golden(const char *name, bool special, int n_expected)
{
	struct buf golden = {0};
	struct tokenizer *t;
	struct str rest, line;
	struct tokens ids = {0};
	int n = 0;

	shared_read(name, &golden);
	t = open_real();
	rest = buf_str(&golden);
	while (str_line(&rest, &line)) {
		json_t *row = json_loadb(line.p, line.n, JSON_ALLOW_NUL, NULL), *v;
		const json_t *text = json_object_get(row, "text");
		struct str s = {json_string_value(text), json_string_length(text)};
		const json_t *want = json_object_get(row, "ids");
		size_t n_want = json_array_size(want), n_replaced = 0;
		struct err err = {0};
		size_t i;

		assert_non_null(s.p);
		tokens_reset(&ids);
		assert_int_equal(
			special ? tokenizer_encode_special(t, s, &ids, &n_replaced, &err)
				: tokenizer_encode(t, s, &ids, &n_replaced, &err),
			0);
		assert_int_equal(n_replaced, 0);
		n++;
		json_array_foreach (want, i, v) {
			if (ids.n != n_want || ids.ids[i] != json_integer_value(v))
				fail_msg("line %d: \"%.80s\": at id %zu", n, s.p, i);
		}
		assert_int_equal(ids.n, n_want);
		json_decref(row);
	}
	assert_int_equal(n, n_expected);
	tokens_release(&ids);
	buf_release(&golden);
	tokenizer_close(t);
}

static void texts_get_the_ids_the_standard_library_gives(void **state)
{
	(void)state;
	check_golden("tokenizer/golden.jsonl", true, 566);
}

static void control_strings_are_plain_text_unless_asked_for(void **state)
{
	(void)state;
	check_golden("tokenizer/golden-plain.jsonl", false, 20);
}

static void every_code_point_gets_the_ids_the_standard_library_gives(void **state)
{
	struct buf golden = {0}, text = {0};
	struct tokens ids = {0};
	struct tokenizer *t;
	struct str rest, line;
	size_t n = 0;

	(void)state;
	t = open_real();
	assert_true(whole_file("tests/golden/code_points.txt", &golden));
	rest = buf_str(&golden);
	while (str_line(&rest, &line)) {
		uint32_t first = (uint32_t)strtoul(line.p, NULL, 16);
		uint64_t want = strtoull(line.p + 24, NULL, 16), got = CODE_POINTS_HASH;
		struct err err = {0};

		buf_reset(&text);
		tokens_reset(&ids);
		code_points_add(&text, first);
		assert_int_equal(tokenizer_encode(t, buf_str(&text), &ids, NULL, &err), 0);
		for (size_t i = 0; i < ids.n; i++)
			got = code_points_hash(got, (uint32_t)ids.ids[i]);
		if (got != want)
			fail_msg("U+%04X to U+%04X", first, first + CODE_POINTS - 1);
		n++;
	}
	assert_int_equal(n, 272);
	tokens_release(&ids);
	buf_release(&text);
	buf_release(&golden);
	tokenizer_close(t);
}

static void check_ids(const struct tokenizer *t, const char *text, bool special,
		      const char *want);

static void characters_of_late_unicode_are_what_they_are_there(void **state)
{
	static const struct {
		const char *text, *ids;
	} cases[] = {
		{" 🩷!", "7351 105 118 3"},        {" 🩵!", "7351 105 116 3"},
		{" 🫨!", "7351 107 104 3"},        {" 🛜!", "7351 252 253 3"},
		{" 🫷!", "7351 107 118 3"},        {" 🪿!", "7351 106 126 3"},
		{"a𰀀b", "67 175 111 225 225 68"}, {" 𱍊!", "86387 112 238 235 3"},
		{"a𱍐b", "67 175 112 238 241 68"}, {" 𲎯!", "86387 113 239 110 3"},
	};
	struct tokenizer *t;

	(void)state;
	t = open_real();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		check_ids(t, cases[i].text, false, cases[i].ids);
	tokenizer_close(t);
}

/* Every byte as a token, in order of the characters that spell it, and what a case adds. */
static void add_byte_vocab(struct buf *out)
{
	int id = 0, next = 0x100;

	for (int b = 0; b < 256; b++) {
		bool plain = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b != 0xad);
		char utf8[4];
		size_t n = utf8_encode((uint32_t)(plain ? b : next++), utf8);

		if (id)
			buf_addz(out, ", ");
		json_add_quoted(out, (struct str){utf8, n});
		buf_addf(out, ": %d", id++);
	}
}

struct parts {
	const char *vocab, *merges, *added, *pre, *more;
};

static void write_tokenizer(struct buf *out, const struct parts *p)
{
	buf_addz(out, "{\"model\": {\"type\": \"BPE\", \"vocab\": {");
	add_byte_vocab(out);
	buf_addf(out,
		 "%s}, \"merges\": [%s]}, \"added_tokens\": [%s], \"pre_tokenizer\": %s%s}",
		 p->vocab ? p->vocab : "", p->merges ? p->merges : "", p->added ? p->added : "",
		 p->pre ? p->pre : "{\"type\": \"ByteLevel\"}", p->more ? p->more : "");
}

static struct tokenizer *parse(const struct parts *p)
{
	struct buf json = {0};
	struct tokenizer *t = NULL;
	struct err err = {0};

	write_tokenizer(&json, p);
	if (tokenizer_parse(&t, buf_str(&json), "test.json", &err))
		fail_msg("%s", err.text);
	buf_release(&json);
	return t;
}

static void check_ids(const struct tokenizer *t, const char *text, bool special,
		      const char *want)
{
	struct tokens ids = {0};
	struct buf got = {0};
	struct err err = {0};

	assert_int_equal(special ? tokenizer_encode_special(t, str_of(text), &ids, NULL, &err)
				 : tokenizer_encode(t, str_of(text), &ids, NULL, &err),
			 0);
	for (size_t i = 0; i < ids.n; i++)
		buf_addf(&got, i ? " %d" : "%d", ids.ids[i]);
	assert_string_equal(buf_z(&got), want);
	buf_release(&got);
	tokens_release(&ids);
}

static void lower_ranks_merge_first_and_of_equals_the_leftmost(void **state)
{
	struct tokenizer *t = parse(&(struct parts){
		.vocab = ", \"ab\": 300, \"bc\": 301, \"aa\": 302, \"aaa\": 303, \"abc\": 304",
		.merges = "\"b c\", [\"a\", \"b\"], \"a a\", \"aa a\", \"a bc\"",
	});

	(void)state;
	check_ids(t, "abc", false, "304");
	check_ids(t, "ab", false, "300");
	check_ids(t, "aab", false, "97 300");
	check_ids(t, "aaaaa", false, "302 303");
	check_ids(t, "", false, "");
	assert_int_equal(tokenizer_n_ids(t), 305);
	assert_true(str_is(tokenizer_bytes(t, 304), "abc"));
	assert_int_equal(tokenizer_bytes(t, 299).n, 0);
	assert_int_equal(tokenizer_bytes(t, -1).n, 0);
	assert_int_equal(tokenizer_bytes(t, 305).n, 0);
	tokenizer_close(t);
}

static void control_tokens_are_matched_longest_first_in_two_rounds(void **state)
{
	struct tokenizer *t = parse(&(struct parts){
		.added = "{\"id\": 400, \"content\": \"<x>\", \"normalized\": true},"
			 "{\"id\": 401, \"content\": \"<x>y\", \"normalized\": true},"
			 "{\"id\": 402, \"content\": \"y<\", \"normalized\": false}",
	});

	(void)state;
	check_ids(t, "<x>", true, "400");
	check_ids(t, "<x>y", true, "401");
	check_ids(t, "<x>y<", true, "400 402");
	check_ids(t, "<x>", false, "60 120 62");
	assert_int_equal(tokenizer_control(t, "<x>y"), 401);
	assert_int_equal(tokenizer_control(t, "<x>z"), -1);
	assert_int_equal(tokenizer_control(t, "a"), -1);
	assert_true(tokenizer_is_control(t, 402));
	assert_false(tokenizer_is_control(t, 97));
	assert_false(tokenizer_is_control(t, 99999));
	tokenizer_close(t);
}

static void patterns_cut_pieces_one_after_another(void **state)
{
	struct tokenizer *t = parse(&(struct parts){
		.vocab = ", \"11\": 300, \"111\": 301, \"aa\": 302",
		.merges = "\"1 1\", \"11 1\", \"a a\"",
		.pre = "{\"type\": \"Sequence\", \"pretokenizers\": ["
		       "{\"type\": \"Split\", \"pattern\": {\"Regex\": \"\\\\p{N}{1,3}\"}, "
		       "\"behavior\": \"Isolated\"},"
		       "{\"type\": \"Split\", \"pattern\": {\"String\": \"a.\"}, "
		       "\"behavior\": \"Isolated\"}, {\"type\": \"ByteLevel\"}]}",
	});

	(void)state;
	check_ids(t, "11111", false, "301 300");
	check_ids(t, "aa.a", false, "97 97 46 97");
	check_ids(t, "aab", false, "302 98");
	tokenizer_close(t);
}

static void white_space_is_unicodes_not_perls(void **state)
{
	struct tokenizer *t = parse(&(struct parts){
		.vocab = ", \"Ġa\": 300, \"łİ\": 301, \"İb\": 302",
		.merges = "\"Ġ a\", \"İ b\", \"ł İ\"",
		.pre = "{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", "
		       "\"pattern\": {\"Regex\": \"\\\\s+\"}, \"behavior\": \"Isolated\"}, "
		       "{\"type\": \"ByteLevel\"}]}",
	});

	(void)state;
	check_ids(t, " a", false, "32 97");
	/* U+180E was a space once, and is one for Perl: there it would be cut from what
	 * follows. */
	check_ids(t, "\xe1\xa0\x8e", false, "225 301");
	check_ids(t,
		  "\xe1\xa0\x8e"
		  "b",
		  false, "225 160 302");
	tokenizer_close(t);
}

static void invalid_utf8_is_replaced_and_counted(void **state)
{
	struct tokenizer *t = parse(&(struct parts){0});
	struct str text = STR_LIT("a\xff\xe4\xb8z\xc0");
	struct tokens ids = {0};
	size_t n = 1;

	(void)state;
	assert_int_equal(tokenizer_encode(t, text, &ids, &n, NULL), 0);
	assert_int_equal(n, 1 + 3);
	assert_int_equal(ids.n, 2 + 3 * 3);
	tokens_release(&ids);
	tokenizer_close(t);
}

static void a_megabyte_of_one_letter_takes_no_time_to_speak_of(void **state)
{
	static const char letters[] = "a <1\n";
	struct tokenizer *t = NULL;
	struct buf text = {0};
	struct tokens ids = {0};
	struct err err = {0};

	(void)state;
	assert_int_equal(tokenizer_open(&t, "share/nano", &err), 0);
	for (size_t i = 0; letters[i]; i++) {
		clock_t from = clock();

		buf_reset(&text);
		tokens_reset(&ids);
		assert_true(buf_reserve(&text, 1 << 20));
		memset(text.data, letters[i], 1 << 20);
		text.len = 1 << 20;
		assert_int_equal(tokenizer_encode(t, buf_str(&text), &ids, NULL, &err), 0);
		assert_true(ids.n > 1000);
		/* About 0.2 s; a quadratic algorithm would need hours, sanitizers ten times as
		 * long. */
		assert_true(clock() - from < 20 * CLOCKS_PER_SEC);
	}
	buf_release(&text);
	tokens_release(&ids);
	tokenizer_close(t);
}

static void the_small_models_tokenizer_knows_the_grammar(void **state)
{
	static const char *const tokens[] = {TOKEN_BOS,       TOKEN_EOS,   TOKEN_USER,
					     TOKEN_ASSISTANT, TOKEN_THINK, TOKEN_THINK_END,
					     TOKEN_DSML};
	struct tokenizer *t = NULL;
	struct err err = {0};

	(void)state;
	assert_int_equal(tokenizer_open(&t, "share/nano", &err), 0);
	for (size_t i = 0; i < sizeof(tokens) / sizeof(*tokens); i++)
		assert_true(tokenizer_is_control(t, tokenizer_control(t, tokens[i])));
	tokenizer_close(t);
}

static void what_a_file_must_not_be_is_refused_by_name(void **state)
{
	static const char split[] =
		"{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": "
		"\"Split\", \"behavior\": \"%s\", \"pattern\": {\"Regex\": \"%s\"}}"
		", {\"type\": \"ByteLevel\"}]}";
	char bad_regex[256], bad_behaviour[256];
	const struct {
		struct parts parts;
		const char *said;
	} cases[] = {
		{{.vocab = ", \"ab\": 1"}, "two tokens have id 1"},
		{{.vocab = ", \"ab\": -1"}, "id -1"},
		{{.vocab = ", \"ab\": 99999999"}, "id 99999999"},
		{{.vocab = ", \"ab\": \"x\""}, "a string, expected an id"},
		{{.vocab = ", \"ab\": 1.5"}, "expected an id"},
		{{.merges = "\"a b\""}, "model.merges[0]: \"a\" + \"b\" is not made"},
		{{.merges = "\"ab\""}, "expected two tokens"},
		{{.merges = "[\"a\"]"}, "expected two tokens"},
		{{.merges = "[1, 2]"}, "expected two tokens"},
		{{.merges = "7"}, "model.merges[0]: a number"},
		{{.added = "7"}, "added_tokens: id: nothing"},
		{{.added = "{\"id\": 300}"}, "added_tokens[0].content: nothing"},
		{{.added = "{\"id\": 5, \"content\": \"<x>\"}"}, "id 5 is taken"},
		{{.added = "{\"id\": 300, \"content\": \"<x>\", \"lstrip\": true}"},
		 "lstrip: true"},
		{{.added = "{\"id\": 300, \"content\": \"<x>\"}, {\"id\": 301, \"content\": "
			   "\"<x>\"}"},
		 "ids 300 and 301 have the same text"},
		{{.pre = "null"}, "pre_tokenizer: null"},
		{{.pre = "{\"type\": \"Whitespace\"}"}, "pre_tokenizer"},
		{{.pre = "{\"type\": \"ByteLevel\", \"use_regex\": true}"}, "use_regex: true"},
		{{.pre = "{\"type\": \"Sequence\", \"pretokenizers\": []}"},
		 "no ByteLevel step"},
		{{.pre = bad_regex}, "split pattern 1: at byte"},
		{{.pre = bad_behaviour}, "expected Isolated"},
		{{.more = ", \"normalizer\": {\"type\": \"NFC\"}"}, "normalizer"},
		{{.more = "}"}, "test.json: end of file expected"},
	};

	(void)state;
	snprintf(bad_regex, sizeof(bad_regex), split, "Isolated", "(a");
	snprintf(bad_behaviour, sizeof(bad_behaviour), split, "Removed", "a");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf json = {0};
		struct tokenizer *t = NULL;
		struct err err = {0};

		write_tokenizer(&json, &cases[i].parts);
		assert_int_equal(tokenizer_parse(&t, buf_str(&json), "test.json", &err),
				 ERR_MODEL);
		assert_null(t);
		if (!strstr(err.text, cases[i].said))
			fail_msg("case %zu: \"%s\" does not say \"%s\"", i, err.text,
				 cases[i].said);
		buf_release(&json);
	}
}

static void a_file_cut_anywhere_is_refused(void **state)
{
	struct buf json = {0};
	struct err err;

	(void)state;
	write_tokenizer(&json, &(struct parts){.vocab = ", \"ab\": 300",
					       .merges = "\"a b\"",
					       .added = "{\"id\": 301, \"content\": \"<x>\"}"});
	for (size_t n = 0; n < json.len; n++) {
		struct tokenizer *t = NULL;

		assert_int_equal(tokenizer_parse(&t, (struct str){json.data, n}, "t", &err),
				 ERR_MODEL);
		assert_null(t);
	}
	buf_release(&json);
}

static void a_directory_without_a_tokenizer_is_the_models_fault(void **state)
{
	struct tokenizer *t = NULL;
	struct err err = {0};

	(void)state;
	assert_int_equal(tokenizer_open(&t, "tests", &err), ERR_MODEL);
	assert_non_null(strstr(err.text, "tests/tokenizer.json"));
	assert_int_equal(tokenizer_open(&t, "/dev/null", &err), ERR_MODEL);
	assert_null(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_get_the_ids_the_standard_library_gives),
		cmocka_unit_test(control_strings_are_plain_text_unless_asked_for),
		cmocka_unit_test(every_code_point_gets_the_ids_the_standard_library_gives),
		cmocka_unit_test(characters_of_late_unicode_are_what_they_are_there),
		cmocka_unit_test(lower_ranks_merge_first_and_of_equals_the_leftmost),
		cmocka_unit_test(control_tokens_are_matched_longest_first_in_two_rounds),
		cmocka_unit_test(patterns_cut_pieces_one_after_another),
		cmocka_unit_test(white_space_is_unicodes_not_perls),
		cmocka_unit_test(invalid_utf8_is_replaced_and_counted),
		cmocka_unit_test(a_megabyte_of_one_letter_takes_no_time_to_speak_of),
		cmocka_unit_test(the_small_models_tokenizer_knows_the_grammar),
		cmocka_unit_test(what_a_file_must_not_be_is_refused_by_name),
		cmocka_unit_test(a_file_cut_anywhere_is_refused),
		cmocka_unit_test(a_directory_without_a_tokenizer_is_the_models_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
