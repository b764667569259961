/* A conversation to read: what was said stays inside its message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/support/store.h"

static struct store s;
static struct err err;

static int set_up(void **state)
{
	(void)state;
	setenv("TZ", "EST5", 1);
	tzset();
	store_init(&s);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unsetenv("TZ");
	tzset();
	store_release(&s);
	return 0;
}

static void markdown_of(struct history_tree *t, struct buf *out)
{
	if (history_export(s.h, history_tree_conversation(t), HISTORY_MARKDOWN, out, &err) != 0)
		fail_msg("%s", err.text);
}

static void what_was_said_stays_inside_its_message(void **state)
{
	static const struct {
		enum history_role role;
		enum history_kind kind;
		const char *text, *want;
	} cases[] = {
		{HISTORY_USER, HISTORY_TEXT, "why?", "## You\n\nwhy?\n\n"},
		{HISTORY_ASSISTANT, HISTORY_THINKING, "let me\nsee", "> let me\n> see\n\n"},
		{HISTORY_ASSISTANT, HISTORY_TEXT, "```c\nx\n```", "```c\nx\n```\n\n##"},
		/* what a cut answer left open */
		{HISTORY_ASSISTANT, HISTORY_TEXT, "```c\nx", "```c\nx\n```\n\n##"},
		{HISTORY_ASSISTANT, HISTORY_TEXT, "~~~~\nx\n~~~\n", "~~~~\nx\n~~~\n~~~~\n\n##"},
		{HISTORY_ASSISTANT, HISTORY_TEXT, "````\n```\nx\n", "````\n```\nx\n````\n\n##"},
		{HISTORY_ASSISTANT, HISTORY_TEXT, "- a\n  ```\n  x\n", "  x\n```\n\n##"},
		{HISTORY_ASSISTANT, HISTORY_TEXT, "```\nx\n``` y\n", "``` y\n```\n\n##"},
		/* which open nothing */
		{HISTORY_ASSISTANT, HISTORY_TEXT, "```a``` b", "```a``` b\n\n##"},
		{HISTORY_ASSISTANT, HISTORY_TEXT, "a ``` b", "a ``` b\n\n##"},
		/* files */
		{HISTORY_USER, HISTORY_TEXT,
		 "see @a.c\n\n<file name=\"a.c\">\nint x;\n</file>\n\n",
		 "see @a.c\n\n\n\n**a.c**\n\n```\nint x;\n```\n\n##"},
		{HISTORY_USER, HISTORY_TEXT, "<stdin>\n# no heading\n</stdin>\n\nwhat is it?",
		 "**stdin**\n\n```\n# no heading\n```\n\nwhat is it?\n\n##"},
		{HISTORY_USER, HISTORY_TEXT,
		 "<file name=\"a\">\n```\n</file>\n\n<file name=\"b\">\n</file>\n</file>\n\n",
		 "**a**\n\n````\n```\n````\n\n**b**\n\n```\n</file>\n```\n\n##"},
		{HISTORY_USER, HISTORY_TEXT, "<file name=\"a\">\nhas no end",
		 "<file name=\"a\">\nhas no end\n\n##"},
		{HISTORY_ASSISTANT, HISTORY_TEXT, "<stdin>\nx\n</stdin>\n",
		 "<stdin>\nx\n</stdin>\n"},
		{HISTORY_ASSISTANT, HISTORY_CALL, "{\"a\": \"```\"}",
		 "````\n{\"a\": \"```\"}\n````\n\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct history_tree *t;
		struct buf out = {0};

		assert_int_equal(history_tree_new(&t, s.h, &err), 0);
		store_say(t, cases[i].role, cases[i].kind, cases[i].text);
		store_say(t, HISTORY_USER, HISTORY_TEXT, "next");
		markdown_of(t, &out);
		if (!strstr(buf_z(&out), cases[i].want))
			fail_msg("case %zu: %s", i, buf_z(&out));
		assert_non_null(strstr(buf_z(&out), "\n\n## You\n\nnext\n\n"));
		buf_release(&out);
		history_tree_free(t);
	}
}

static void an_answer_that_was_cut_says_so(void **state)
{
	static const struct {
		const char *stop, *mark;
	} cases[] = {{"stop", NULL},
		     {"tool_calls", NULL},
		     {"length", "*[cut: so many tokens were allowed]*\n"},
		     {"context", "*[cut: the context was full]*\n"},
		     {"interrupted", "*[cut: interrupted]*\n"},
		     {"timeout", "*[cut: time ran out]*\n"},
		     {"failed", "*[cut: it failed]*\n"},
		     {"crashed", "*[cut: the program was killed]*\n"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct history_part part = {.kind = HISTORY_TEXT, .text = STR_LIT("half an")};
		struct history_run run = {.model = "m", .stop = cases[i].stop};
		struct history_message m = {
			.role = HISTORY_ASSISTANT, .parts = &part, .n_parts = 1, .run = &run};
		struct history_tree *t;
		struct buf out = {0};

		assert_int_equal(history_tree_new(&t, s.h, &err), 0);
		assert_int_equal(history_tree_say(t, &m, NULL, &err), 0);
		markdown_of(t, &out);
		if (cases[i].mark ? !strstr(buf_z(&out), cases[i].mark)
				  : strstr(buf_z(&out), "*[cut") != NULL)
			fail_msg("%s: %s", cases[i].stop, buf_z(&out));
		buf_release(&out);
		history_tree_free(t);
	}
}

static void times_are_local_and_say_where(void **state)
{
	struct history_tree *t;
	struct buf out = {0};

	(void)state;
	assert_int_equal(history_tree_new(&t, s.h, &err), 0);
	store_say(t, HISTORY_USER, HISTORY_TEXT, "hi");
	store_sql(&s, "UPDATE conversation SET created_ms = 1000000000000");
	markdown_of(t, &out);
	assert_non_null(strstr(buf_z(&out), ", 2001-09-08 20:46 -0500\n"));
	buf_release(&out);
	history_tree_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(what_was_said_stays_inside_its_message),
		T(an_answer_that_was_cut_says_so),
		T(times_are_local_and_say_where),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
