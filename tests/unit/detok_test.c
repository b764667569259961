/* Ids back to text, a push at a time. */
#include "tests/support/shared_files.h"

#include <string.h>

#include "engine/base/utf8.h"
#include "engine/text/detok.h"

static struct tokenizer *tok;

static int open_small(void **state)
{
	struct err err = {0};

	(void)state;
	return tokenizer_open(&tok, "share/nano", &err);
}

static int close_small(void **state)
{
	(void)state;
	tokenizer_close(tok);
	return 0;
}

static token_id byte_id(char c)
{
	for (token_id id = 0; id < tokenizer_n_ids(tok); id++) {
		if (!tokenizer_is_control(tok, id) &&
		    str_eq(tokenizer_bytes(tok, id), (struct str){&c, 1}))
			return id;
	}
	fail_msg("no token for a byte");
	return -1;
}

static void each_push_gives_whole_characters_and_no_more_than_is_certain(void **state)
{
	static const char text[] = "a\xc3\xa9\xe4\xb8\x96\xf0\x9f\x94\xa5!";
	static const size_t certain[] = {1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11};
	struct detok d;
	struct buf out = {0};

	(void)state;
	detok_init(&d, tok);
	for (size_t i = 0; i + 1 < sizeof(text); i++) {
		detok_push(&d, byte_id(text[i]), &out);
		assert_int_equal(out.len, certain[i]);
	}
	detok_flush(&d, &out);
	assert_string_equal(buf_z(&out), text);
	assert_int_equal(d.n_replaced, 0);
	buf_release(&out);
}

static void broken_characters_become_one_replacement_each(void **state)
{
	static const struct {
		const char *bytes, *text;
		size_t n_replaced;
	} cases[] = {
		{"\x80", "\xef\xbf\xbd", 1},
		{"\xff"
		 "a",
		 "\xef\xbf\xbd"
		 "a",
		 1},
		{"\xe4\xb8", "\xef\xbf\xbd", 1},
		{"\xe4\xb8"
		 "a",
		 "\xef\xbf\xbd"
		 "a",
		 1},
		{"\xe4\xb8\xe4\xb8\x96", "\xef\xbf\xbd\xe4\xb8\x96", 1},
		{"\xf0\x9f\x94", "\xef\xbf\xbd", 1},
		{"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd", 2},
		{"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", 3},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct detok d;
		struct buf out = {0};

		detok_init(&d, tok);
		for (const char *p = cases[i].bytes; *p; p++)
			detok_push(&d, byte_id(*p), &out);
		detok_flush(&d, &out);
		assert_string_equal(buf_z(&out), cases[i].text);
		assert_int_equal(d.n_replaced, cases[i].n_replaced);
		buf_release(&out);
	}
}

static void control_ids_and_strangers_have_no_text(void **state)
{
	struct detok d;
	struct buf out = {0};

	(void)state;
	detok_init(&d, tok);
	for (token_id id = -3; id < tokenizer_n_ids(tok) + 3; id++) {
		if (id < 0 || id >= tokenizer_n_ids(tok) || tokenizer_is_control(tok, id))
			detok_push(&d, id, &out);
	}
	assert_int_equal(out.len, 0);
	detok_push(&d, byte_id('\xe4'), &out);
	assert_int_equal(out.len, 0);
	detok_push(&d, tokenizer_control(tok, "<think>"), &out);
	assert_string_equal(buf_z(&out), "\xef\xbf\xbd");
	buf_release(&out);
}

/* The same as cleaning all bytes at once, at every stage valid UTF-8. */
static void any_ids_give_valid_utf8_equal_to_their_bytes_cleaned(void **state)
{
	(void)state;
	srand(7);
	for (int round = 0; round < 300; round++) {
		struct detok d;
		struct buf bytes = {0}, out = {0}, want = {0};
		size_t n_replaced;

		detok_init(&d, tok);
		for (int i = rand() % 40; i > 0; i--) {
			token_id id = (token_id)(rand() % tokenizer_n_ids(tok));

			if (rand() % 2)
				id = byte_id((char)(0x80 + rand() % 0x80));
			if (tokenizer_is_control(tok, id))
				continue;
			buf_adds(&bytes, tokenizer_bytes(tok, id));
			detok_push(&d, id, &out);
			assert_true(utf8_valid(buf_str(&out)));
		}
		detok_flush(&d, &out);
		n_replaced = utf8_add_clean(&want, buf_str(&bytes));
		assert_true(str_eq(buf_str(&out), buf_str(&want)));
		assert_int_equal(d.n_replaced, n_replaced);
		buf_release(&bytes);
		buf_release(&out);
		buf_release(&want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_push_gives_whole_characters_and_no_more_than_is_certain),
		cmocka_unit_test(broken_characters_become_one_replacement_each),
		cmocka_unit_test(control_ids_and_strangers_have_no_text),
		cmocka_unit_test(any_ids_give_valid_utf8_equal_to_their_bytes_cleaned),
	};

	return cmocka_run_group_tests(tests, open_small, close_small);
}
