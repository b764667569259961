/* vi's keys in the composer. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/utf8.h"
#include "tui/tui.h"

static void press(struct tui *t, struct key key)
{
	struct key_event ev = {.kind = KEY_EVENT_KEY, .key = key};

	tui_key(t, &ev);
}

/* Characters as they are; \r is Enter, \033 Esc. */
static void type(struct tui *t, const char *keys)
{
	size_t n = strlen(keys), at = 0;

	while (at < n) {
		struct key key = {0};

		at += (size_t)utf8_decode(keys + at, n - at, &key.code);
		if (key.code == '\r')
			key.code = KEY_ENTER;
		else if (key.code == '\033')
			key.code = KEY_ESC;
		press(t, key);
	}
}

/* Drawn once, as it is in life: rows have a width then. */
static struct tui *open_tui(void)
{
	struct surface s;
	struct tui *t;
	struct err err;

	assert_int_equal(tui_new(&t, NULL, &err), 0);
	assert_int_equal(surface_init(&s, 80, 24, &err), 0);
	tui_draw(t, &s, 0);
	surface_release(&s);
	tui_set_vi(t, true);
	return t;
}

static void drop_intents(struct tui *t, enum tui_intent_kind kind, int *n)
{
	struct tui_intent in;

	*n = 0;
	while (tui_next_intent(t, &in)) {
		*n += in.kind == kind;
		tui_intent_release(&in);
	}
}

/* The text, what is pressed from its beginning on, and what it is after Esc, with the cursor as
 * | before the character it stands on. */
static const struct {
	const char *text, *keys, *then;
} cases[] = {
	{"abc def", "", "|abc def"},
	{"abc def", "l", "a|bc def"},
	{"abc def", "3l", "abc| def"},
	{"abc def", "99l", "abc de|f"},
	{"abc def", "$", "abc de|f"},
	{"abc def", "$h", "abc d|ef"},
	{"abc def", "$99h", "|abc def"},
	{"  abc", "$^", "  |abc"},
	{"  abc", "$0", "|  abc"},
	{"abc, def", "w", "abc|, def"},
	{"abc, def", "ww", "abc, |def"},
	{"abc, def", "2w", "abc, |def"},
	{"abc, def", "e", "ab|c, def"},
	{"abc, def", "ee", "abc|, def"},
	{"abc, def", "3e", "abc, de|f"},
	{"abc, def", "$b", "abc, |def"},
	{"abc, def", "$3b", "|abc, def"},
	{"a\nbb\nc", "G", "a\nbb\n|c"},
	{"a\nbb\nc", "2G", "a\n|bb\nc"},
	{"a\nbb\nc", "Ggg", "|a\nbb\nc"},
	{"a\nbb\nc", "G2gg", "a\n|bb\nc"},
	{"a\nbb\nc", "j", "a\n|bb\nc"},
	{"a\nbb\nc", "2j", "a\nbb\n|c"},
	{"a\nbb\nc", "Gk", "a\n|bb\nc"},
	{"a,b,c,d", "f,", "a|,b,c,d"},
	{"a,b,c,d", "2f,", "a,b|,c,d"},
	{"a,b,c,d", "f,;;", "a,b,c|,d"},
	{"a,b,c,d", "f,;,", "a|,b,c,d"},
	{"a,b,c,d", "t,", "|a,b,c,d"},
	{"a,b,c,d", "2t,", "a,|b,c,d"},
	{"a,b,c,d", "$F,", "a,b,c|,d"},
	{"a,b,c,d", "$T,", "a,b,c,|d"},
	{"abc", "fz", "|abc"},
	{"abc def", "x", "|bc def"},
	{"abc def", "3x", "| def"},
	{"abc def", "$x", "abc d|e"},
	{"abc def", "$X", "abc d|f"},
	{"abc def", "dw", "|def"},
	{"abc def", "wdw", "abc| "},
	{"abc def\nghi", "wdw", "abc| \nghi"},
	{"abc def ghi", "2dw", "|ghi"},
	{"abc def ghi", "d2w", "|ghi"},
	{"abc def", "de", "| def"},
	{"abc def", "$db", "abc |f"},
	{"abc def", "wd0", "|def"},
	{"abc def", "wd$", "abc| "},
	{"abc def", "wD", "abc| "},
	{"a,b,c", "df,", "|b,c"},
	{"a,b,c", "dt,", "|,b,c"},
	{"a\nb\nc", "dd", "|b\nc"},
	{"a\nb\nc", "jdd", "a\n|c"},
	{"a\nb\nc", "Gdd", "a\n|b"},
	{"a\nb\nc", "2dd", "|c"},
	{"a\nb\nc", "dj", "|c"},
	{"a\nb\nc", "dG", "|"},
	{"a\nb\nc", "Gdgg", "|"},
	{"a", "dd", "|"},
	{"abc def", "cwxy", "x|y def"},
	{"abc def", "wcwxy", "abc x|y"},
	{"abc def", "wCxy", "abc x|y"},
	{"abc\ndef", "ccxy", "x|y\ndef"},
	{"abc def", "ix", "|xabc def"},
	{"abc def", "ax", "a|xbc def"},
	{"  abc", "$Ix", "  |xabc"},
	{"abc\nd", "Ax", "abc|x\nd"},
	{"abc\nd", "ox", "abc\n|x\nd"},
	{"abc\nd", "jOx", "abc\n|x\nd"},
	{"abc", "xp", "b|ac"},
	{"abc", "x$p", "bc|a"},
	{"abc", "xP", "|abc"},
	{"abc", "x3p", "baa|ac"},
	{"a\nb", "yyp", "a\n|a\nb"},
	{"a\nb", "jyyP", "a\n|b\nb"},
	{"a\nb", "ddp", "b\n|a"},
	{"abc def", "ywP", "abc| abc def"},
	{"abc", "rx", "|xbc"},
	{"abc", "2rx", "x|xc"},
	{"abc", "9rx", "|abc"},
	{"abc", "r日", "|日bc"},
	{"aBc", "~~", "Ab|c"},
	{"aBc", "3~", "Ab|C"},
	{"abc", "xu", "|abc"},
	{"abc", "xxx2u", "|bc"},
	{"日本語 x", "l", "日|本語 x"},
	{"日本語 x", "w", "日本語 |x"},
	{"e\xCC\x81z", "x", "|z"},
	{"", "x", "|"},
	{"", "dd", "|"},
	{"", "wbeG~rxp", "|"},
	{"abc", "d\033x", "|bc"},
	{"abc", "2\033x", "|bc"},
	{"abc", "dfz", "|abc"},
	{"abc", "qz!", "|abc"},
};

static void commands_edit_as_vi_does(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tui *t = open_tui();

		tui_edit(t, 0, str_of(cases[i].text));
		type(t, "\033gg0");
		type(t, cases[i].keys);
		type(t, "\033i|");
		if (!str_is(tui_draft(t), cases[i].then))
			fail_msg("\"%s\", %s: \"%s\", expected \"%s\"", cases[i].text,
				 cases[i].keys, tui_draft(t).p, cases[i].then);
		tui_free(t);
	}
}

static void esc_leaves_writing_first_and_stops_the_answer_then(void **state)
{
	struct status busy = {.phase = STATUS_ANSWERING, .turn = true};
	struct tui *t = open_tui();
	int n;

	(void)state;
	tui_set_status(t, &busy);
	type(t, "abc\033");
	drop_intents(t, TUI_INTERRUPT, &n);
	assert_int_equal(n, 0);
	type(t, "d\033");
	drop_intents(t, TUI_INTERRUPT, &n);
	assert_int_equal(n, 0);
	type(t, "\033");
	drop_intents(t, TUI_INTERRUPT, &n);
	assert_int_equal(n, 1);
	/* Without vi the first one stops it. */
	tui_set_vi(t, false);
	type(t, "x\033");
	drop_intents(t, TUI_INTERRUPT, &n);
	assert_int_equal(n, 1);
	assert_true(str_is(tui_draft(t), "abxc"));
	tui_free(t);
}

static void enter_sends_from_either_mode_and_writing_begins_anew(void **state)
{
	struct tui *t = open_tui();
	int n;

	(void)state;
	type(t, "one\r");
	drop_intents(t, TUI_SEND, &n);
	assert_int_equal(n, 1);
	type(t, "two\033\r");
	drop_intents(t, TUI_SEND, &n);
	assert_int_equal(n, 1);
	type(t, "dd");
	assert_true(str_is(tui_draft(t), "dd"));
	/* Earlier inputs are above. */
	type(t, "\033k");
	assert_true(str_is(tui_draft(t), "two"));
	type(t, "k");
	assert_true(str_is(tui_draft(t), "one"));
	type(t, "jj");
	assert_true(str_is(tui_draft(t), "dd"));
	tui_free(t);
}

static void vi_keys_are_bound_anew_like_all_others(void **state)
{
	struct tui *t = open_tui();
	struct err err;

	(void)state;
	assert_int_equal(keymap_bind(tui_keymap(t), STR_LIT("vi-cut-char"), STR_LIT("q"), &err),
			 0);
	tui_edit(t, 0, STR_LIT("abc"));
	type(t, "\0330xq");
	assert_true(str_is(tui_draft(t), "bc"));
	tui_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_edit_as_vi_does),
		cmocka_unit_test(esc_leaves_writing_first_and_stops_the_answer_then),
		cmocka_unit_test(enter_sends_from_either_mode_and_writing_begins_anew),
		cmocka_unit_test(vi_keys_are_bound_anew_like_all_others),
	};

	setlocale(LC_ALL, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
