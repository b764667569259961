/* Questions and the files that go with them: which a text names, what the model reads, titles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/attach.h"
#include "app/talk/question.h"
#include "engine/base/clock.h"
#include "tests/support/tmpdir.h"

static struct tmpdir dir;
static char here[4096];

/* All of it happens in a folder with these files, which is the home directory, too. */
static int set_up(void **state)
{
	(void)state;
	tmpdir_init(&dir);
	tmpdir_write_text(&dir, "note", "inside\n");
	tmpdir_write_text(&dir, "my file.txt", "blank\n");
	tmpdir_write_text(&dir, "a \"b\" c.txt", "quotes\n");
	tmpdir_write_text(&dir, "bad", "a\xFF");
	tmpdir_write(&dir, "bin", "a\0b", 3);
	tmpdir_write(&dir, "wide", "h\0i\0\n\0", 6);
	tmpdir_write(&dir, "marked", "\xFF\xFEh\0\x3D\xD8\x00\xDE\n\0", 10);
	tmpdir_write_text(&dir, "huge", "");
	assert_int_equal(truncate(tmpdir_file(&dir, "huge"), ATTACH_MAX_BYTES + 1), 0);
	assert_int_equal(mkdir(tmpdir_file(&dir, "folder"), 0700), 0);
	tmpdir_write_text(&dir, "folder/deep", "deep\n");
	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir(dir.path), 0);
	setenv("HOME", dir.path, 1);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(chdir(here), 0);
	tmpdir_release(&dir);
	return 0;
}

/* In the text $T is the folder's path. */
static void expand(struct buf *out, const char *text)
{
	const char *at;

	buf_reset(out);
	while ((at = strstr(text, "$T"))) {
		buf_add(out, text, (size_t)(at - text));
		buf_addz(out, dir.path);
		text = at + 2;
	}
	buf_addz(out, text);
}

#define NOTE "<file name=\"note\">\ninside\n</file>"
#define SPACED "<file name=\"my file.txt\">\nblank\n</file>"

static void a_file_that_a_message_names_goes_along(void **state)
{
	static const struct {
		const char *typed, *sent; /* sent: the blocks behind it; NULL = refused */
		size_t n;
	} cases[] = {
		{"no file", "", 0},
		{"mail me@note", "", 0},
		{"see @nothing.txt", "", 0},
		{"see @folder", "", 0},
		{"see @", "", 0},
		{"see @note", "\n\n" NOTE, 1},
		{"(is @note, or @note?)", "\n\n" NOTE, 1},
		{"@note\n@bad",
		 "\n\n" NOTE "\n\n<file name=\"bad\">\na\xEF\xBF\xBD\n</file>", 2},
		{"again @note " NOTE, "", 0},
		{"what says @my file.txt?", "\n\n" SPACED, 1},
		{"what says @my\\ file.txt?", "\n\n" SPACED, 1},
		{"what says @\"my file.txt\"?", "\n\n" SPACED, 1},
		{"what says @'my file.txt'?", "\n\n" SPACED, 1},
		{"@note or @my file.txt or not", "\n\n" NOTE "\n\n" SPACED, 2},
		{"it's @\"my file", "", 0},
		{"see @~/note", "\n\n<file name=\"$T/note\">\ninside\n</file>", 1},
		{"see @folder/deep.", "\n\n<file name=\"folder/deep\">\ndeep\n</file>", 1},
		{"see @marked",
		 "\n\n<file name=\"marked\">\nh\xF0\x9F\x98\x80\n</file>", 1},
		{"too long: @huge", NULL, 0},
		{"binary: @bin", NULL, 0},
		{"UTF-16 without its mark: @wide", NULL, 0},
	};
	struct buf out = {0}, want = {0}, sent = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct question_typed told;
		struct talk_message *m = NULL;
		struct err err;
		int rc = question_type(&m, str_of(cases[i].typed), NULL, &told, &err);

		if (rc != (cases[i].sent ? 0 : ERR_IO))
			fail_msg("%s: %d %s", cases[i].typed, rc, rc ? err.text : "");
		if (rc)
			continue;
		buf_reset(&out);
		question_add_text(m, &out);
		expand(&sent, cases[i].sent);
		buf_reset(&want);
		buf_addf(&want, "%s%s", cases[i].typed, buf_z(&sent));
		assert_string_equal(buf_z(&out), buf_z(&want));
		assert_int_equal(told.n_files, cases[i].n);
		talk_message_free(m);
	}
	buf_release(&out);
	buf_release(&want);
	buf_release(&sent);
}

static void what_looks_like_a_file_and_is_none_is_told(void **state)
{
	static const struct {
		const char *typed, *word; /* NULL = nothing is amiss */
	} cases[] = {
		{"see @note", NULL},
		{"see @my file.txt", NULL},
		{"hello @alice, and @bob.", NULL},
		{"use @types/node", NULL},
		{"me@example.org", NULL},
		{"what is @property?", NULL},
		{"def f():\n@app.get\n  @functools.cache", NULL},
		{"see @notes.txt, please", "notes.txt"},
		{"see @~/nothing", "~/nothing"},
		{"see @/no/such", "/no/such"},
		{"see @folder/depe?", "folder/depe"},
		{"see @\"my fiel\"", "my fiel"},
		{"see @my\\ fiel", "my fiel"},
		{"two lines\nand @main.c", "main.c"},
		{"@note and @main.c", "main.c"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf word = {0};
		bool found = attach_mistyped(str_of(cases[i].typed), &word);

		if (found != (cases[i].word != NULL) ||
		    (found && strcmp(buf_z(&word), cases[i].word) != 0))
			fail_msg("%s: '%s'", cases[i].typed, buf_z(&word));
		buf_release(&word);
	}
}

/* A megabyte of signs, any number of which might be the sentence's. */
static void a_word_that_is_too_long_for_a_path_costs_nothing(void **state)
{
	struct buf text = {0}, path = {0}, word = {0};
	int64_t began = clock_ms();
	size_t at = 0;

	(void)state;
	buf_addc(&text, '@');
	for (int i = 0; i < 1 << 20; i++)
		buf_addc(&text, '!');
	buf_addz(&text, " and @note");
	assert_false(attach_mistyped(buf_str(&text), &word));
	assert_true(attach_next(buf_str(&text), &at, &path));
	assert_string_equal(buf_z(&path), "note");
	assert_in_range(clock_ms() - began, 0, 20000);
	buf_release(&text);
	buf_release(&path);
	buf_release(&word);
}

static void a_name_is_quoted_so_that_it_is_found_again(void **state)
{
	static const char *const names[] = {"note", "my file.txt", "a \"b\" c.txt", "~/note"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct buf word = {0}, path = {0}, want = {0};
		size_t at = 0;

		attach_quote(&word, str_of(names[i]));
		assert_true(attach_next(buf_str(&word), &at, &path));
		assert_int_equal(at, word.len);
		if (names[i][0] == '~')
			buf_addf(&want, "%s%s", dir.path, names[i] + 1);
		else
			buf_addz(&want, names[i]);
		assert_string_equal(buf_z(&path), buf_z(&want));
		buf_reset(&path);
		attach_unquote(&path, buf_str(&word));
		assert_string_equal(buf_z(&path), names[i]);
		buf_release(&word);
		buf_release(&path);
		buf_release(&want);
	}
}

static void only_text_is_text(void **state)
{
	static const struct {
		struct str bytes;
		const char *text; /* NULL = refused */
		size_t n_replaced;
	} cases[] = {
		{STR_LIT("plain"), "plain", 0},
		{STR_LIT(""), "", 0},
		{STR_LIT("\xEF\xBB\xBFmarked"), "marked", 0},
		{STR_LIT("a\xFFz"), "a\xEF\xBF\xBDz", 1},
		{STR_LIT("\xFF\xFEh\0\xE9\0"), "h\xC3\xA9", 0},
		{STR_LIT("\xFE\xFF\0h\0\xE9"), "h\xC3\xA9", 0},
		{STR_LIT("\xFE\xFF\xD8\x3D\xDE\0"), "\xF0\x9F\x98\x80", 0},
		{STR_LIT("\xFE\xFF\xD8\x3D\0x"), "\xEF\xBF\xBDx", 1},
		{STR_LIT("\xFE\xFF\xDE\0\0x"), "\xEF\xBF\xBDx", 1},
		{STR_LIT("\xFE\xFF\xD8\x3D"), "\xEF\xBF\xBD", 1},
		{STR_LIT("\xFF\xFEh\0i"), "h\xEF\xBF\xBD", 1},
		{STR_LIT("\xFF\xFEh\0\0\0"), NULL, 0},
		{STR_LIT("a\0b"), NULL, 0},
		{STR_LIT("h\0i\0"), NULL, 0},
		/* KOI8-R */
		{STR_LIT("\xF0\xD2\xC9\xD7\xC5\xD4, \xCD\xC9\xD2! \xEB\xC1\xCB \xC4\xC5\xCC\xC1, "
			 "\xD2\xC5\xC2\xD1\xD4\xC1? \xF7\xD3\xA3 \xC8\xCF\xD2\xCF\xDB\xCF."),
		 NULL, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out = {0};
		struct err err = {0};
		size_t n = 0;
		int rc = attach_decode(&out, cases[i].bytes, "f", &n, &err);

		assert_int_equal(rc, cases[i].text ? 0 : ERR_IO);
		assert_string_equal(buf_z(&out), cases[i].text ? cases[i].text : "");
		assert_int_equal(n, cases[i].n_replaced);
		if (rc)
			assert_memory_equal(err.text, "f: no text: ", 12);
		buf_release(&out);
	}
}

static struct talk_message *given(const char *file, const char *words)
{
	struct err err;
	struct talk_message *m = talk_message_new(CHAT_USER, &err);
	size_t n = 0;

	assert_non_null(m);
	assert_int_equal(question_add_file(m, file, STR_LIT("diff --git a b\n"), &n, &err), 0);
	if (words)
		assert_int_equal(question_add_words(m, str_of(words), &n, &err), 0);
	return m;
}

static void the_title_is_the_question_or_else_the_files_name(void **state)
{
	static const struct {
		const char *file, *words, *title;
	} cases[] = {
		{NULL, "write a commit message", "write a commit message"},
		{"a.txt", "sum it up", "sum it up"},
		{"a.txt", NULL, "a.txt"},
		{"a.txt", " \n", "a.txt"},
		{"a.txt", "tab\there\nand\033[31m\xC2\x85 \xE2\x80\xAE.", "tab here and [31m ."},
		{"a\n\033b.txt", NULL, "a \xE2\x90\x9B" "b.txt"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct talks talks = {0};
		struct talk *t;
		struct err err;

		assert_int_equal(talks_add(&talks, &t, &err), 0);
		talk_say(t, given(cases[i].file, cases[i].words), 1);
		assert_string_equal(buf_z(&t->title), cases[i].title);
		talks_release(&talks);
	}
}

static void an_edited_question_keeps_the_files_that_its_words_did_not_name(void **state)
{
	static const char before[] = "<stdin>\ndiff --git a b\n</stdin>\n\n";
	struct talk_message *old = given(NULL, "what is it?"), *m;
	struct question_typed told;
	struct buf out = {0}, want = {0};
	struct err err;

	(void)state;
	assert_int_equal(question_type(&m, STR_LIT("and @note?"), old, &told, &err), 0);
	talk_message_free(old);
	old = m;
	assert_int_equal(question_type(&m, STR_LIT("and now?"), old, &told, &err), 0);
	question_add_text(old, &out);
	buf_addf(&want, "%sand @note?\n\n%s", before, NOTE);
	assert_string_equal(buf_z(&out), buf_z(&want));
	buf_reset(&out);
	buf_reset(&want);
	question_add_text(m, &out);
	buf_addf(&want, "%sand now?", before);
	assert_string_equal(buf_z(&out), buf_z(&want));
	buf_release(&out);
	buf_release(&want);
	talk_message_free(old);
	talk_message_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_that_a_message_names_goes_along),
		cmocka_unit_test(what_looks_like_a_file_and_is_none_is_told),
		cmocka_unit_test(a_word_that_is_too_long_for_a_path_costs_nothing),
		cmocka_unit_test(a_name_is_quoted_so_that_it_is_found_again),
		cmocka_unit_test(only_text_is_text),
		cmocka_unit_test(the_title_is_the_question_or_else_the_files_name),
		cmocka_unit_test(an_edited_question_keeps_the_files_that_its_words_did_not_name),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
