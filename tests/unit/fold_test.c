/* What is the same to one who searches, whichever search it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/fold.h"
#include "tests/support/store.h"
#include "tui/tui.h"

static const struct {
	const char *text, *typed;
	bool same;
} pairs[] = {
	{"Café", "cafe", true},
	{"Cafe\u0301", "CAFÉ", true},
	{"naïve", "nai\u0308ve", true},
	{"Größe", "GRÖSSE", true},
	{"Ångström", "angstrom", true},
	{"ΣΊΣΥΦΟΣ", "σίσυφος", true},
	{"Ёлка", "елка", true},
	{"ｗｉｄｅ", "wide", true},
	{"ﬁnal", "final", true},
	{"ﾊﾟﾝ", "パン", true},
	{"zero\u200Dwidth", "zerowidth", true},
	{"한글", "\u1112\u1161\u11AB\u1100\u1173\u11AF", true},
	{"cafe", "caff", false},
	{"がん", "かん", false},
	{"クック", "グック", false},
};

#define N_PAIRS (sizeof(pairs) / sizeof(pairs[0]))

static bool history_finds(const char *text, const char *typed)
{
	struct history_part part = {.kind = HISTORY_TEXT, .text = str_of(text)};
	struct history_message m = {.role = HISTORY_USER, .parts = &part, .n_parts = 1};
	struct history_query q = {.text = str_of(typed)};
	struct history_hits hits;
	struct history_tree *t;
	struct store s;
	struct err err;
	int64_t id;
	bool found;

	store_init(&s);
	assert_int_equal(history_tree_new(&t, s.h, &err), 0);
	assert_int_equal(history_tree_say(t, &m, NULL, &err), 0);
	history_tree_free(t);
	assert_int_equal(history_search(s.h, &q, &hits, &err), 0);
	found = hits.n == 1;
	history_hits_release(&hits);
	/* By its title, which is what was asked, as --resume has it. */
	assert_int_equal(history_find(s.h, typed, &id, &err) == 0, found);
	store_release(&s);
	return found;
}

static bool screen_finds(const char *text, const char *typed)
{
	struct transcript *t;
	struct err err;
	size_t i;
	bool found;

	assert_int_equal(transcript_new(&t, &err), 0);
	i = transcript_add(t, ITEM_ANSWER, 1, 0);
	transcript_append(t, i, str_of(text));
	found = transcript_search(t, str_of(typed), 1);
	transcript_free(t);
	return found;
}

static void press(struct tui *t, const char *text)
{
	struct key_event ev = {.kind = KEY_EVENT_PASTE, .text = str_of(text)};
	struct key_event left = {.kind = KEY_EVENT_KEY,
				 .key = {.code = KEY_LEFT, .mods = KEY_ALT}};

	tui_key(t, &left);
	tui_key(t, &ev);
}

static bool list_finds(const char *text, const char *typed)
{
	struct convlist_row row = {.id = 1, .title = str_of(text)};
	struct buf dump = {0};
	struct surface s;
	struct tui *t;
	struct err err;
	bool found;

	assert_int_equal(tui_new(&t, NULL, &err), 0);
	assert_int_equal(surface_init(&s, 80, 24, &err), 0);
	tui_set_conversations(t, &row, 1);
	press(t, typed);
	tui_draw(t, &s, 0);
	surface_dump(&s, &dump);
	found = !strstr(buf_z(&dump), "nothing matches");
	buf_release(&dump);
	surface_release(&s);
	tui_free(t);
	return found;
}

static void every_search_takes_the_same_for_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_PAIRS; i++) {
		const char *text = pairs[i].text, *typed = pairs[i].typed;

		if (fold_has_words(str_of(text), str_of(typed)) != pairs[i].same)
			fail_msg("%s ~ %s", text, typed);
		if (history_finds(text, typed) != pairs[i].same)
			fail_msg("history search: %s ~ %s", text, typed);
		if (screen_finds(text, typed) != pairs[i].same)
			fail_msg("search on the screen: %s ~ %s", text, typed);
		if (list_finds(text, typed) != pairs[i].same)
			fail_msg("list of conversations: %s ~ %s", text, typed);
	}
}

static void a_part_of_a_character_is_not_found_in_it(void **state)
{
	static const char *const hays[] = {"한", "が", "नी"};
	static const char *const parts[] = {"하", "か", "न"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_false(fold_has_words(str_of(hays[i]), str_of(parts[i])));
		assert_false(screen_finds(hays[i], parts[i]));
		assert_true(screen_finds(hays[i], hays[i]));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_search_takes_the_same_for_the_same),
		cmocka_unit_test(a_part_of_a_character_is_not_found_in_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
