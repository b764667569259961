#include "tests/unit/shared_files.h"

#include <string.h>
#include <time.h>

#include <jansson.h>

#include "engine/base/utf8.h"
#include "engine/tokenizer.h"

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
	while (line_next(&rest, &line)) {
		json_t *row = json_loadb(line.p, line.n, JSON_ALLOW_NUL, NULL), *v;
		const json_t *text = json_object_get(row, "text");
		struct str s = {json_string_value(text), json_string_length(text)};
		const json_t *want = json_object_get(row, "ids");
		size_t n_want = json_array_size(want), n_replaced = 0;
		struct err err = {0};
		size_t i;

		assert_non_null(s.p);
		tokens_reset(&ids);
		assert_int_equal(special ? tokenizer_encode_special(t, s, &ids, &n_replaced, &err)
					 : tokenizer_encode(t, s, &ids, &n_replaced, &err), 0);
		assert_int_equal(n_replaced, 0);
		n++;
		json_array_foreach(want, i, v) {
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_get_the_ids_the_standard_library_gives),
		cmocka_unit_test(control_strings_are_plain_text_unless_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
