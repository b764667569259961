/* Bytes of a terminal as keys, keys by name, and the table of actions. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tui/edit_actions.h"
#include "tui/keymap.h"
#include "tui/keyparse.h"

static const struct {
	const char *bytes, *keys; /* what they are, by name, with blanks between */
} cases[] = {
	{"aé日", "a é 日"},
	{"\r\t\x7F\n", "Enter Tab Backspace C-j"},
	{"\x14\x03\x1A\x1C", "C-t C-c C-z C-\\"},
	{"\x1B[A\x1B[1;5C\x1B[1;3D", "Up C-Right M-Left"},
	{"\x1BOP\x1B[11~\x1B[[A\x1B[24~", "F1 F1 F1 F12"},
	{"\x1B[5~\x1B[6;2~\x1B[3~", "PgUp S-PgDn Delete"},
	{"\x1B[H\x1BOF\x1B[1~\x1B[8~", "Home End Home End"},
	{"\x1Bx\x1B\r\x1B\xC3\xA9", "M-x M-Enter M-é"},
	{"\x1B[Z\x1B[13;2u\x1B[27;5;13~\x1B[106;5u", "S-Tab S-Enter C-Enter C-j"},
	{"\x1B", "Esc"},
	{"\x1B\x1B", "Esc Esc"},
	{"\x1B[", "M-["},
	{"\x1BO", "M-O"},
	{"\x1B[?1;2c\x1B[99~x", "x"}, /* answers nobody asked for are no keys */
	{"\x1B[12345678901234567890Ax", "Up x"},
	{"\xFF\xC3x", "x"},
	{"\xC2\x9Bx", "x"},
	{"\x1B[<64;3;4M\x1B[<0;1;1M\x1B[<0;1;1m\x1B[<35;1;1M", "wheel-up:2,3 click:0,0"},
	{"\x1B[200~a\rb\r\nc\x1B[201~d", "paste:a\nb\nc d"},
	{"\x1B[200~\x1B[31m\x1B[20\x1B[201~", "paste:\x1B[31m\x1B[20"},
	{"\x1B[200~\x03 \x03\x1B[201~", "paste:\x03 \x03"},
	{"\x1B[200~a\x03\x03z", "paste:a C-c C-c z"},
	{"\x1B[200~never ended", "paste:never ended"},
	{"\x1B[200~nearly ended\x1B[201", "paste:nearly ended\x1B[201"},
	{"\x1B[200~", "paste:"},
};

static void take(struct keyparse *kp, bool flush, struct buf *out)
{
	struct key_event ev;
	char name[KEY_NAME_MAX];

	while (keyparse_next(kp, &ev, flush)) {
		if (out->len > 0)
			buf_addc(out, ' ');
		switch (ev.kind) {
		case KEY_EVENT_KEY:
			buf_addz(out, key_name(ev.key, name));
			break;
		case KEY_EVENT_PASTE:
			buf_addz(out, "paste:");
			buf_adds(out, ev.text);
			break;
		case KEY_EVENT_MOUSE:
			buf_addf(out, "%s:%d,%d",
				 ev.button == MOUSE_WHEEL_UP     ? "wheel-up"
				 : ev.button == MOUSE_WHEEL_DOWN ? "wheel-down"
								 : "click",
				 ev.x, ev.y);
			break;
		}
	}
}

static void bytes_are_keys_however_they_are_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t n = strlen(cases[i].bytes);

		for (size_t cut = 1; cut <= n; cut++) {
			struct keyparse kp = {0};
			struct buf got = {0};

			for (size_t at = 0; at < n; at += cut) {
				keyparse_push(&kp, cases[i].bytes + at,
					      n - at < cut ? n - at : cut, 1000);
				take(&kp, false, &got);
			}
			take(&kp, true, &got);
			assert_string_equal(buf_z(&got), cases[i].keys);
			assert_int_equal(keyparse_wait_ms(&kp), -1);
			buf_release(&got);
			keyparse_release(&kp);
		}
	}
}

/* What comes when, and what the keys are; `busy`: nobody asks before all has come. */
static const struct {
	bool busy;
	struct {
		int ms;
		const char *bytes;
	} pieces[6];
	const char *keys;
} timed[] = {
	/* Lines that nobody typed are one text; the end of the last sends it. */
	{false, {{0, "a\rb b\r\rc\rd"}}, "paste:a\nb b\n\nc\nd"},
	{false, {{0, "a\r\nb\r"}}, "paste:a\nb Enter"},
	{false, {{0, "é\r日\r"}, {100, "x"}}, "paste:é\n日 Enter x"},
	{false, {{0, "a"}, {2, "\r"}, {4, "b"}, {6, "\r"}}, "a paste:\nb Enter"},
	{false, {{0, "a\r"}, {20, "b"}}, "a paste:\nb"},
	{true, {{0, "a\r"}, {1, "b"}}, "paste:a\nb"},
	{false, {{0, "all:\r\tcc\tx\r"}}, "paste:all:\n\tcc\tx Enter"},
	{false,
	 {{0, "ab\x01"
	      "c\rd"}},
	 "a b C-a paste:c\nd"},
	/* Typed ones are keys, however late they are heard. */
	{false, {{0, "a"}, {100, "\r"}, {200, "b"}}, "a Enter b"},
	{true, {{0, "a"}, {100, "\r"}, {200, "b"}}, "a Enter b"},
	{true, {{0, "ab\r"}, {100, "c\r"}}, "a b Enter c Enter"},
	{false, {{0, "/ef\t"}, {100, "\r"}}, "/ e f Tab Enter"},
	{false, {{0, "\r"}, {2, "\r"}}, "Enter Enter"},
	/* A turn of the wheel as arrow keys, and keys that were held. */
	{false, {{0, "\x1B[A\x1B[A\x1B[A"}}, "wheel-up:-1,-1"},
	{false, {{0, "\x1BOB\x1BOB\x1BOB\x1BOB\x1BOB"}}, "wheel-down:-1,-1 wheel-down:-1,-1"},
	{false, {{0, "\x1B[A\x1B[A"}}, "Up Up"},
	{true, {{0, "\x1B[A"}, {30, "\x1B[A"}, {60, "\x1B[A"}}, "Up Up Up"},
	{false, {{0, "\x1B[A\x1B[B\x1B[A"}}, "Up Down Up"},
	{false, {{0, "\x1B[C\x1B[C\x1B[C"}}, "Right Right Right"},
	/* A sequence in two pieces, and Esc by itself. */
	{false, {{0, "\x1B"}, {80, "[A"}}, "Up"},
	{false, {{0, "\x1B"}, {40, "O"}, {80, "K"}}, "Esc O K"},
	{false, {{0, "\x1B"}, {40, "["}, {80, "["}}, "Esc [ ["},
	{false, {{0, "\x1B"}, {40, "["}}, "Esc ["},
	{false, {{0, "\x1B"}, {40, "j"}, {80, "j"}}, "Esc j j"},
	{false, {{0, "\x1B"}, {2, "j"}}, "M-j"},
	{false, {{0, "\x1B"}, {2, "["}, {4, "A"}}, "Up"},
	{false, {{0, "\x1B"}, {400, "[A"}}, "Esc Up"},
	{false, {{0, "\x1B"}, {400, "[1;5C"}, {500, "[B"}}, "Esc C-Right [ B"},
	{false, {{0, "\x1B"}, {400, "["}, {500, "A"}}, "Esc [ A"},
	{false, {{0, "\x1B"}, {400, "[Au"}}, "Esc [ A u"},
	{false, {{0, "\x1B"}, {3000, "[A"}}, "Esc [ A"},
};

static void what_comes_at_once_is_no_typing(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(timed) / sizeof(timed[0]); i++) {
		struct keyparse kp = {0};
		struct buf got = {0};
		int64_t last = 0;

		for (size_t k = 0; k < 6 && timed[i].pieces[k].bytes; k++) {
			const char *bytes = timed[i].pieces[k].bytes;
			int64_t now = 1000 + timed[i].pieces[k].ms;
			int wait = keyparse_wait_ms(&kp);

			if (!timed[i].busy && wait >= 0 && now - last >= wait)
				take(&kp, true, &got);
			keyparse_push(&kp, bytes, strlen(bytes), now);
			if (!timed[i].busy)
				take(&kp, false, &got);
			last = now;
		}
		take(&kp, true, &got);
		if (strcmp(buf_z(&got), timed[i].keys) != 0)
			fail_msg("case %zu: \"%s\", expected \"%s\"", i, buf_z(&got),
				 timed[i].keys);
		buf_release(&got);
		keyparse_release(&kp);
	}
}

static void a_told_delay_is_how_long_esc_waits(void **state)
{
	struct keyparse kp = {.esc_ms = 700};

	(void)state;
	keyparse_push(&kp, "\x1B", 1, 1000);
	assert_int_equal(keyparse_wait_ms(&kp), 700);
	keyparse_release(&kp);
}

static void a_key_has_one_name(void **state)
{
	static const char *const names[] = {"a",      "C-a",     "M-x",   "C-M-Left",
					    "F12",    "Enter",   "Space", "日",
					    "S-PgUp", "M-Enter", "C-\\"};
	static const char *const bad[] = {"", "C-", "F13", "F0", "ab", "S-a", "Nope", "\x1B"};
	struct key k;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char name[KEY_NAME_MAX];

		assert_true(key_parse(str_of(names[i]), &k));
		assert_string_equal(key_name(k, name), names[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(key_parse(str_of(bad[i]), &k));
}

static void ten_megabytes_pasted_come_as_one_event(void **state)
{
	struct keyparse kp = {0};
	struct key_event ev;
	char block[65536];
	size_t n = 0;

	(void)state;
	memset(block, 'x', sizeof(block));
	keyparse_push(&kp, "\x1B[200~", 6, 1000);
	while (n < (size_t)10 << 20) {
		keyparse_push(&kp, block, sizeof(block), 1000);
		n += sizeof(block);
		assert_false(keyparse_next(&kp, &ev, false));
	}
	keyparse_push(&kp, "\x1B[201~", 6, 1000);
	assert_true(keyparse_next(&kp, &ev, false));
	assert_int_equal(ev.kind, KEY_EVENT_PASTE);
	assert_int_equal(ev.text.n, n);
	keyparse_release(&kp);
}

/* In any split; the paste behind it is whole again. */
static void of_a_paste_too_long_the_beginning_comes_and_says_so(void **state)
{
	static const char typed[] = "\x1B[200~123456789\x1B[201~\x1B[200~12345678\x1B[201~";

	(void)state;
	for (size_t piece = 1; piece < sizeof(typed); piece++) {
		struct keyparse kp = {.paste_max = 8};
		struct key_event ev;
		int n_pastes = 0;

		for (size_t at = 0; at < sizeof(typed) - 1; at += piece) {
			size_t left = sizeof(typed) - 1 - at;

			keyparse_push(&kp, typed + at, piece < left ? piece : left, 1000);
			while (keyparse_next(&kp, &ev, false)) {
				assert_int_equal(ev.kind, KEY_EVENT_PASTE);
				assert_int_equal(ev.text.n, 8);
				assert_memory_equal(ev.text.p, "12345678", 8);
				assert_int_equal(ev.cut, n_pastes++ == 0);
			}
		}
		assert_int_equal(n_pastes, 2);
		keyparse_release(&kp);
	}
}

static void any_bytes_are_survived(void **state)
{
	uint32_t seed = 7;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		struct keyparse kp = {0};
		struct key_event ev;

		for (int i = 0; i < 40; i++) {
			static const char favourites[] = "\x1B[<O;0129~Mu\r";
			char c;

			seed = seed * 1664525u + 1013904223u;
			c = seed >> 31 ? favourites[(seed >> 16) % (sizeof(favourites) - 1)]
				       : (char)(seed >> 20);
			keyparse_push(&kp, &c, 1, 1000);
			while (keyparse_next(&kp, &ev, (seed >> 8 & 7) == 0))
				;
		}
		while (keyparse_next(&kp, &ev, true))
			;
		assert_int_equal(keyparse_wait_ms(&kp), -1);
		keyparse_release(&kp);
	}
}

static void every_action_is_done_by_somebody(void **state)
{
	struct editbuf e = {0};

	(void)state;
	for (int a = ACTION_NONE + 1; a < ACTION_N; a++) {
		const struct action_row *row = action_row((enum action)a);
		bool edits = edit_action(&e, (enum action)a);

		/* vi.c does its actions alone, whatever is bound to them. */
		if ((row->context == KEYS_VI) == (row->run || edits))
			fail_msg("%s: %s", row->name,
				 row->run || edits ? "done by two" : "done by nobody");
	}
	editbuf_release(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_keys_however_they_are_split),
		cmocka_unit_test(what_comes_at_once_is_no_typing),
		cmocka_unit_test(a_told_delay_is_how_long_esc_waits),
		cmocka_unit_test(a_key_has_one_name),
		cmocka_unit_test(ten_megabytes_pasted_come_as_one_event),
		cmocka_unit_test(of_a_paste_too_long_the_beginning_comes_and_says_so),
		cmocka_unit_test(any_bytes_are_survived),
		cmocka_unit_test(every_action_is_done_by_somebody),
	};

	setlocale(LC_ALL, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
