/*
 * What the screen shows, compared with the files in tests/screens.
 *
 * Each case is a size, a scene and keys; its surface is dumped and must equal
 * tests/screens/NAME.screen.  TUI_SCREENS_WRITE=1 writes the files instead: each
 * has to be looked at before it is committed.
 */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tui/tui.h"

static const char answer[] =
	"A **fold** hides what you need not read.\n\n"
	"1. `Ctrl-T` folds all thinking\n2. Enter in the transcript folds *one*\n\n"
	"```c\n/* the smallest program */\nint main(void)\n{\n\treturn 0;\n}\n```\n\n"
	"| key | does |\n|-----|------|\n| Esc | stops |\n| F1 | helps |\n\n"
	"> See also [the manual](https://example.org/man).\n";

static size_t add(struct tui *t, enum item_kind kind, int64_t id, const char *text,
		  enum item_state state)
{
	struct transcript *tr = tui_transcript(t);
	size_t i = transcript_add(tr, kind, id, 1000);

	assert_true(i != TRANSCRIPT_NONE);
	transcript_append(tr, i, str_of(text));
	if (state != ITEM_OPEN)
		transcript_finish(tr, i, state, kind == ITEM_THINKING ? 12000 : 300,
				  kind == ITEM_THINKING ? 840 : -1, 2000);
	return i;
}

static void idle(struct tui *t)
{
	static const struct convlist_row rows[] = {
		{1, {"Pinned: house rules", 19}, {"3 d", 3}, true, false, false},
		{2, {"How do folds work in this program", 33}, {"now", 3}, false, true, false},
		{3, {"日本語の会話について", 30}, {"2 h", 3}, false, false, false},
		{4, {"", 0}, {"Tue", 3}, false, false, false},
		{5, {"Old folds, archived", 19}, {"2025-11-03", 10}, false, false, true},
	};
	struct status s = {.phase = STATUS_IDLE,
			   .model = "nano",
			   .backend = "cpu x86-64-v4",
			   .context_used = 1234,
			   .context_all = 4096,
			   .cached = 1100,
			   .memory = 123456789};

	tui_set_status(t, &s);
	tui_set_conversations(t, rows, sizeof(rows) / sizeof(rows[0]));
}

static void welcome(struct tui *t)
{
	idle(t);
}

static void loading(struct tui *t)
{
	struct status s = {.phase = STATUS_LOADING,
			   .done = 40000000000,
			   .all = 160000000000,
			   .rate = 2.5e9,
			   .cached = -1};

	tui_set_status(t, &s);
}

static void talk(struct tui *t)
{
	struct transcript *tr = tui_transcript(t);
	size_t i;

	idle(t);
	add(t, ITEM_SYSTEM, 1, "You are terse.", ITEM_DONE);
	i = add(t, ITEM_USER, 2,
		"How do folds work in this program, and which keys do I need "
		"for them?",
		ITEM_DONE);
	transcript_set_siblings(tr, i, 1, 3);
	add(t, ITEM_THINKING, 3, "They ask about folds. I should name Ctrl-T and Enter.",
	    ITEM_DONE);
	add(t, ITEM_ANSWER, 3, answer, ITEM_DONE);
}

static void thinking(struct tui *t)
{
	struct status s = {.phase = STATUS_THINKING,
			   .turn = true,
			   .model = "nano",
			   .context_used = 1234,
			   .context_all = 4096,
			   .cached = 1100,
			   .tokens_per_s = 31.4,
			   .queued = 1};

	idle(t);
	tui_set_status(t, &s);
	add(t, ITEM_USER, 2, "What is seven times six?", ITEM_DONE);
	add(t, ITEM_THINKING, 0, "Seven times six. 7 × 6 = 42. Say so, briefly, in words",
	    ITEM_OPEN);
	add(t, ITEM_USER, 0, "And eight times six?", ITEM_QUEUED);
}

static void prefill(struct tui *t)
{
	struct status s = {.phase = STATUS_PREFILL,
			   .turn = true,
			   .model = "nano",
			   .done = 21000,
			   .all = 29268,
			   .rate = 5123,
			   .context_used = 29268,
			   .context_all = 65536,
			   .cached = 212};

	idle(t);
	tui_set_status(t, &s);
	add(t, ITEM_USER, 2, "Read all of it.", ITEM_DONE);
}

static void restored(struct tui *t)
{
	struct status s = {.phase = STATUS_IDLE,
			   .model = "nano",
			   .backend = "cpu x86-64-v4",
			   .context_used = 29300,
			   .context_all = 65536,
			   .cached = 29060,
			   .from_disk = 29056,
			   .disk_ms = 84,
			   .tokens_per_s = 31.4};

	tui_set_status(t, &s);
}

static void ruler(struct tui *t)
{
	static const enum item_place places[] = {PLACE_MEMORY, PLACE_MEMORY, PLACE_DISK,
						 PLACE_COLD, PLACE_UNKNOWN};

	idle(t);
	add(t, ITEM_SYSTEM, 1, "You are terse.", ITEM_DONE);
	add(t, ITEM_USER, 2,
		"A question of a line and a half, so that one sees the column that the ruler "
		"takes from it on the right.",
		ITEM_DONE);
	add(t, ITEM_ANSWER, 3, "In memory, on disk.\n\nBoth of it.", ITEM_DONE);
	add(t, ITEM_USER, 4, "And this?", ITEM_DONE);
	add(t, ITEM_ANSWER, 5, "Nobody has looked yet.", ITEM_DONE);
	for (size_t i = 0; i < 5; i++)
		transcript_set_place(tui_transcript(t), i, places[i]);
}

static void ruler_on(struct tui *t)
{
	ruler(t);
	tui_set_ruler(t, TUI_RULER_ON);
}

static void tools(struct tui *t)
{
	struct transcript *tr = tui_transcript(t);
	struct buf out = {0};
	size_t i;

	idle(t);
	add(t, ITEM_USER, 2, "Which files are here?", ITEM_DONE);
	i = add(t, ITEM_TOOL, 3, "", ITEM_OPEN);
	transcript_set_call(tr, i, STR_LIT("shell"), STR_LIT("{\"command\": \"ls -la\"}"));
	for (int k = 1; k <= 20; k++)
		buf_addf(&out, "file-%02d.txt\n", k);
	transcript_append(tr, i, buf_str(&out));
	transcript_finish(tr, i, ITEM_DONE, 1234, 0, 0);
	buf_release(&out);
	i = add(t, ITEM_TOOL, 3, "-old line\n+new line\n same line\n", ITEM_OPEN);
	transcript_set_call(tr, i, STR_LIT("edit_file"), STR_LIT("{\"path\": \"a.txt\"}"));
	transcript_finish(tr, i, ITEM_FAILED, 20, 2, 0);
	i = add(t, ITEM_TOOL, 3, "", ITEM_OPEN);
	transcript_set_call(tr, i, STR_LIT("search_files"), STR_LIT("{\"pattern\": \"x\"}"));
	add(t, ITEM_NOTICE, 3, "the third call still runs", ITEM_DONE);
	add(t, ITEM_ERROR, 0,
	    "model-00003.safetensors: layers.7.attn.wkv.weight: dtype BF16, "
	    "expected F8_E4M3",
	    ITEM_DONE);
}

static void stopped(struct tui *t)
{
	idle(t);
	add(t, ITEM_USER, 2, "Count to a million.", ITEM_DONE);
	add(t, ITEM_ANSWER, 3, "One, two, three, four, fi", ITEM_STOPPED);
}

static void world(struct tui *t)
{
	idle(t);
	add(t, ITEM_USER, 2,
	    "日本語で答えてください。👩‍💻 と 🇩🇪 と e\u0301 も。",
	    ITEM_DONE);
	add(t, ITEM_ANSWER, 3,
	    "日本語の文章は**スペースなし**で書かれますから、折り返しの場所は文字の間です。"
	    "絵文字は 👩‍👩‍👧‍👦 や 🇫🇷 や ❤️ です。\n\n- שלום "
	    "עולם\n- "
	    "مرحبا "
	    "بالعالم\n- "
	    "Z\u0351\u036B\u0343a\u0327lgo\n"
	    "- ไทย ภาษา\n\n| 名 | 値 |\n|----|---:|\n| 東京 | 1 |\n| 大阪 | 22 |\n",
	    ITEM_DONE);
}

static void hostile(struct tui *t)
{
	idle(t);
	add(t, ITEM_USER, 2,
	    "\x1B]0;owned\x07\x1B[2J\x9B"
	    "31m",
	    ITEM_DONE);
	add(t, ITEM_ANSWER, 3,
	    "\x1B[31mred\x1B[0m \u202Egnirts\u202C \U000E0041\U000E0042 &#x1b;[5m\r\nover",
	    ITEM_DONE);
}

static void long_talk(struct tui *t)
{
	idle(t);
	for (int i = 0; i < 40; i++) {
		char text[80];

		snprintf(text, sizeof(text), "question number %d", i + 1);
		add(t, ITEM_USER, 2 * i + 1, text, ITEM_DONE);
		snprintf(text, sizeof(text), "The answer to number %d is *yes*.", i + 1);
		add(t, ITEM_ANSWER, 2 * i + 2, text, ITEM_DONE);
	}
}

static void grown(struct tui *t)
{
	long_talk(t);
}

static void complete(void *ctx, struct tui *t, struct str word)
{
	(void)ctx;
	if (word.p[0] == '/') {
		tui_add_completion(t, STR_LIT("/effort"), STR_LIT("how long to think"));
		tui_add_completion(t, STR_LIT("/export"), STR_LIT("write it to a file"));
	} else {
		tui_add_completion(t, STR_LIT("@notes.txt"), (struct str){0});
	}
}

static const struct {
	const char *name;
	int w, h;
	void (*scene)(struct tui *t);
	const char *keys; /* names apart by blanks; "text" types */
} cases[] = {
	{"welcome-80x24", 80, 24, welcome, ""},
	{"welcome-40x12", 40, 12, welcome, ""},
	{"welcome-200x60", 200, 60, welcome, ""},
	{"tiny", 8, 3, talk, ""},
	{"loading", 80, 24, loading, ""},
	{"talk-80x24", 80, 24, talk, ""},
	{"talk-40x12", 40, 12, talk, ""},
	{"talk-200x60", 200, 60, talk, ""},
	{"talk-unfolded", 80, 30, talk, "M-Up g C-t"},
	{"talk-top", 80, 12, talk, "M-Up g Space"},
	{"thinking", 80, 24, thinking, ""},
	{"prefill", 80, 24, prefill, ""},
	{"restored", 80, 12, restored, ""},
	{"ruler-100x24", 100, 24, ruler, ""},
	{"ruler-narrow", 80, 24, ruler, ""},
	{"ruler-on", 80, 24, ruler_on, ""},
	{"tools", 80, 30, tools, ""},
	{"tools-unfolded", 80, 44, tools, "C-o"},
	{"stopped", 80, 24, stopped, ""},
	{"world-80x24", 80, 24, world, ""},
	{"world-40x12", 40, 12, world, ""},
	{"hostile", 80, 16, hostile, ""},
	{"search", 80, 24, long_talk, "C-s 'number 12' Enter"},
	{"search-next", 80, 24, long_talk, "C-s 'YES' Enter n n N"},
	{"search-prompt", 80, 24, long_talk, "C-s 'numb'"},
	{"search-nothing", 80, 24, long_talk, "C-s 'zebra' Enter"},
	{"jump", 80, 24, long_talk, "M-Up { { {"},
	{"unfollowed", 80, 24, grown, "PgUp PgUp !more"},
	{"composer", 80, 24, talk,
	 "'first line' C-j 'second line, which is rather long and does not fit in the width of "
	 "this terminal' C-j '日本 👩‍💻'"},
	{"composer-history", 80, 24, talk, "'one' Enter 'two' Enter Up Up"},
	{"input-search", 80, 24, talk, "'alpha' Enter 'beta' Enter C-r 'al'"},
	{"help-80x24", 80, 24, talk, "F1"},
	{"help-40x12", 40, 12, talk, "F1 PgDn"},
	{"help-commands", 80, 24, talk, "!commands F1 G"},
	{"palette", 80, 24, talk, "C-p 'fold'"},
	{"palette-40x12", 40, 12, talk, "C-p"},
	{"completion", 80, 24, talk, "'/e' Tab"},
	{"completion-file", 80, 24, talk, "'see @no' Tab"},
	{"options", 80, 24, talk, "F2 !options"},
	{"option-choices", 80, 24, talk, "F2 !options Enter"},
	{"option-value", 80, 24, talk, "F2 !options Down Enter"},
	{"transcript-40x12", 40, 12, talk, "M-Up"},
	{"list-80x24", 80, 24, talk, "M-Left"},
	{"list-40x12", 40, 12, talk, "M-Left Down"},
	{"list-filter", 80, 24, talk, "M-Left 'fold'"},
	{"list-rename", 80, 24, talk, "M-Left Down M-r ' now'"},
	{"vi-writing", 80, 24, talk, "!vi 'a first line'"},
	{"help-vi", 80, 44, talk, "!vi F1 G"},
	{"vi-commands", 80, 24, talk, "!vi 'a first line' Esc b"},
	{"editing", 80, 24, talk, "M-Up e !edit"},
	{"bare", 80, 24, talk, "F4"},
	{"quit-asked", 80, 24, talk, "C-c"},
	{"cleared", 80, 24, talk, "'words' C-c"},
};

static void play(struct tui *t, const char *keys);

static void cue(struct tui *t, const char *name)
{
	static const char *const efforts[] = {"none", "low", "high", "max", NULL};
	static const struct tui_option options[] = {
		{"effort", "low", "how long the model thinks", efforts},
		{"temperature", "1.0", "how freely it chooses", NULL},
	};

	if (strcmp(name, "commands") == 0) {
		tui_add_command(t, "help", "", "what can be done here");
		tui_add_command(t, "effort", "[none|low|high|max]",
				"how much the model thinks");
	} else if (strcmp(name, "vi") == 0)
		tui_set_vi(t, true);
	else if (strcmp(name, "more") == 0)
		add(t, ITEM_USER, 99, "one more", ITEM_DONE);
	else if (strcmp(name, "options") == 0)
		tui_show_options(t, options, 2);
	else if (strcmp(name, "edit") == 0)
		tui_edit(t, 2, STR_LIT("How do folds work?"));
	else
		fail_msg("no cue %s", name);
}

static void play(struct tui *t, const char *keys)
{
	while (*keys != '\0') {
		struct key_event ev = {.kind = KEY_EVENT_KEY};
		size_t n;

		if (*keys == ' ') {
			keys++;
			continue;
		}
		if (*keys == '\'') {
			n = strcspn(keys + 1, "'");
			ev.kind = KEY_EVENT_PASTE;
			ev.text = (struct str){keys + 1, n};
			tui_key(t, &ev);
			keys += n + 2;
			continue;
		}
		n = strcspn(keys, " ");
		if (*keys == '!') {
			char name[32];

			snprintf(name, sizeof(name), "%.*s", (int)n - 1, keys + 1);
			cue(t, name);
		} else {
			struct surface s;
			struct err err;

			assert_true(key_parse((struct str){keys, n}, &ev.key));
			tui_key(t, &ev);
			/* Drawn between keys, as it is in life. */
			assert_int_equal(surface_init(&s, 80, 24, &err), 0);
			tui_draw(t, &s, 5000);
			surface_release(&s);
		}
		keys += n;
	}
}

static const char *screens_folder(void)
{
	return "tests/screens";
}

static void check(const char *name, const struct surface *s)
{
	char path[256];
	struct buf got = {0}, want = {0};
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.screen", screens_folder(), name);
	surface_dump(s, &got);
	if (getenv("TUI_SCREENS_WRITE") != NULL) {
		f = fopen(path, "w");
		assert_non_null(f);
		assert_int_equal(fwrite(got.data, 1, got.len, f), got.len);
		assert_int_equal(fclose(f), 0);
	} else {
		char part[4096];
		size_t n;

		f = fopen(path, "r");
		if (f == NULL)
			fail_msg("%s is missing", path);
		while ((n = fread(part, 1, sizeof(part), f)) > 0)
			buf_add(&want, part, n);
		fclose(f);
		if (strcmp(buf_z(&want), buf_z(&got)) != 0)
			fail_msg("%s differs; it is now:\n%s", path, buf_z(&got));
	}
	buf_release(&got);
	buf_release(&want);
}

static void each_view_and_state_looks_as_it_was_approved(void **state)
{
	static const struct tui_config config = {.complete = complete};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tui *t;
		struct surface s;
		struct err err;

		assert_int_equal(tui_new(&t, &config, &err), 0);
		assert_int_equal(surface_init(&s, cases[i].w, cases[i].h, &err), 0);
		cases[i].scene(t);
		tui_draw(t, &s, 5000);
		play(t, cases[i].keys);
		tui_draw(t, &s, 5000);
		check(cases[i].name, &s);
		surface_release(&s);
		tui_free(t);
	}
}

static void what_of_a_paste_does_not_fit_is_told(void **state)
{
	static const char left_out[] = "too much text: it was left out";
	static const struct {
		const char *keys;
		size_t n;
		bool cut;
		const char *said;
	} pastes[] = {
		{"", 8, true, "too long a paste: its end was left out"},
		{"M-Left", 2000, false, left_out},
		{"C-p", 2000, false, left_out},
	};
	static const struct tui_config config = {.complete = complete};
	char text[2000];

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t i = 0; i < sizeof(pastes) / sizeof(pastes[0]); i++) {
		struct key_event ev = {.kind = KEY_EVENT_PASTE,
				       .text = {text, pastes[i].n},
				       .cut = pastes[i].cut};
		struct buf shown = {0};
		struct surface s;
		struct tui *t;
		struct err err;

		assert_int_equal(tui_new(&t, &config, &err), 0);
		assert_int_equal(surface_init(&s, 80, 24, &err), 0);
		talk(t);
		tui_draw(t, &s, 5000);
		play(t, pastes[i].keys);
		tui_key(t, &ev);
		tui_draw(t, &s, 5000);
		surface_dump(&s, &shown);
		if (!strstr(buf_z(&shown), pastes[i].said))
			fail_msg("%s: not told:\n%s", pastes[i].keys, buf_z(&shown));
		buf_release(&shown);
		surface_release(&s);
		tui_free(t);
	}
}

static void vi_talk(struct tui *t)
{
	struct key_event esc = {.kind = KEY_EVENT_KEY, .key = {KEY_ESC, 0}};

	talk(t);
	tui_set_vi(t, true);
	tui_edit(t, 0, STR_LIT("one, two\n日本 👩‍💻 three\n\nfour"));
	tui_key(t, &esc);
}

static void (*const scenes[])(struct tui *t) = {welcome, loading,   talk,    thinking,
						prefill, tools,     stopped, world,
						hostile, long_talk, vi_talk};

static void check_surface(const struct surface *s)
{
	for (int i = 0; i < s->w * s->h; i++) {
		const struct cell *c = &s->cells[i];

		assert_true(c->width <= 2 && c->n <= CELL_CPS);
		for (int k = 0; k < c->n; k++)
			assert_true(c->cp[k] >= 0x20 && (c->cp[k] < 0x7F || c->cp[k] > 0x9F) &&
				    !(c->cp[k] >= 0x202A && c->cp[k] <= 0x202E));
	}
	assert_true(!s->cursor_on || (s->cursor_x < s->w && s->cursor_y < s->h));
}

/* Every key after every key, in every scene, at odd sizes: nothing breaks, nothing leaks out.
 */
static void any_two_keys_in_any_state_leave_a_sound_screen(void **state)
{
	static const struct tui_config config = {.complete = complete};
	static const int sizes[][2] = {{80, 24}, {40, 12}, {7, 2}, {200, 60}, {1, 1}};
	struct key all[ACTION_N * KEYMAP_MAX_KEYS];
	struct keymap km;
	size_t n = 0, turn = 0;

	(void)state;
	keymap_init(&km);
	for (int a = 1; a < ACTION_N; a++)
		for (int k = 0; k < km.n[a]; k++)
			all[n++] = km.keys[a][k];
	key_parse(STR_LIT("x"), &all[n++]);
	for (size_t sc = 0; sc < sizeof(scenes) / sizeof(scenes[0]); sc++) {
		struct tui *t = NULL;
		struct surface s;
		struct err err;

		assert_int_equal(surface_init(&s, 80, 24, &err), 0);
		for (size_t i = 0; i < n; i++) {
			tui_free(t);
			assert_int_equal(tui_new(&t, &config, &err), 0);
			scenes[sc](t);
			for (size_t j = 0; j < n; j++) {
				struct key_event ev = {.kind = KEY_EVENT_KEY, .key = all[i]};
				struct tui_intent in;

				tui_key(t, &ev);
				ev.key = all[j];
				tui_key(t, &ev);
				if ((i + j) % 7 == 0) {
					const int *wh = sizes[turn++ % 5];

					assert_int_equal(surface_resize(&s, wh[0], wh[1], &err),
							 0);
					tui_draw(t, &s, 6000);
					check_surface(&s);
				}
				while (tui_next_intent(t, &in)) {
					if (in.kind == TUI_EDIT)
						tui_edit(t, in.id, STR_LIT("edited"));
					if (in.kind == TUI_OPTIONS)
						cue(t, "options");
					tui_intent_release(&in);
				}
			}
		}
		tui_free(t);
		surface_release(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_view_and_state_looks_as_it_was_approved),
		cmocka_unit_test(what_of_a_paste_does_not_fit_is_told),
		cmocka_unit_test(any_two_keys_in_any_state_leave_a_sound_screen),
	};

	setlocale(LC_ALL, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
