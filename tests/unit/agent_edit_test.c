/* A change of a file, from the call to the store: what is asked, what is kept before the file
 * is changed, and what became of it, with the process that does it. */
#include "tests/support/edit_stage.h"

#include <unistd.h>

static void expect_edit(const struct stage *s, size_t n, enum history_edit_state state,
			const char *path, const char *before)
{
	struct history_edits edits = {0};
	struct buf kept = {0};

	must(history_edits(s->talks.store, s->talk->stored, &edits, &err));
	assert_int_equal(edits.n, n);
	assert_int_equal(edits.items[0].state, state);
	assert_true(str_is(edits.items[0].path, path));
	assert_int_equal(edits.items[0].existed, before != NULL);
	if (before && state != HISTORY_EDIT_DROPPED) {
		must(history_edit_before(s->talks.store, edits.items[0].id, &kept, &err));
		assert_string_equal(buf_z(&kept), before);
	}
	buf_release(&kept);
	history_edits_release(&edits);
}

static void what_a_file_had_is_kept_before_it_is_changed(void **state)
{
	struct stage *s = *state;

	tmpdir_write_text(&s->d, "ws/a", "one\ntwo\n");
	assert_string_equal(turn(s, DECIDE_YES, ONE("edit_file", EDIT("two", "2"))),
			    "replaced 1 occurrence in a\n");
	assert_string_equal(buf_z(&s->asked), "Change this file?  edit_file\n  path\n    a\n"
					      "  @@ -1,2 +1,2 @@\n   one\n  -two\n  +2\n"
					      "  (write)\n");
	expect_file(s, "one\n2\n");
	expect_edit(s, 1, HISTORY_EDIT_APPLIED, "a", "one\ntwo\n");
	assert_string_equal(
		turn(s, DECIDE_YES,
		     ONE("write_file", "{\"path\": \"d/new\", \"content\": \"x\"}")),
		"wrote 1 bytes to d/new\n");
	expect_edit(s, 2, HISTORY_EDIT_APPLIED, "d/new", NULL);
}

static void what_is_not_allowed_or_cannot_be_leaves_file_and_store_alone(void **state)
{
	struct stage *s = *state;
	struct history_edits edits = {0};

	tmpdir_write_text(&s->d, "ws/a", "one\n");
	assert_string_equal(turn(s, DECIDE_NO, ONE("edit_file", EDIT("one", "1"))),
			    "error: denied by the user\n");
	assert_string_equal(turn(s, DECIDE_YES, ONE("edit_file", EDIT("zebra", "1"))),
			    "error: the text was not found in a\n");
	assert_string_equal(buf_z(&s->asked), "");
	assert_string_equal(
		turn(s, DECIDE_YES, ONE("write_file", "{\"path\": \"a\", \"content\": \"x\"}")),
		"error: a exists and was not read; read it first\n");
	expect_file(s, "one\n");
	must(history_edits(s->talks.store, s->talk->stored, &edits, &err));
	assert_int_equal(edits.n, 0);
	history_edits_release(&edits);
}

static void a_file_that_changes_while_it_is_asked_about_stays(void **state)
{
	struct stage *s = *state;

	tmpdir_write_text(&s->d, "ws/a", "one\n");
	s->touches = true;
	assert_string_equal(turn(s, DECIDE_YES, ONE("edit_file", EDIT("one", "1"))),
			    "error: the text was not found in a\n");
	expect_file(s, "theirs\n");
	expect_edit(s, 1, HISTORY_EDIT_DROPPED, "a", "one\n");
}

static void what_was_read_may_be_written(void **state)
{
	struct stage *s = *state;
	const char *tools[] = {"read_file", "write_file", "edit_file", "write_file"};
	const char *args[] = {"{\"path\": \"a\"}", "{\"path\": \"a\", \"content\": \"x\\n\"}",
			      EDIT("x", "y"), "{\"path\": \"a\", \"content\": \"z\\n\"}"};

	tmpdir_write_text(&s->d, "ws/a", "one\n");
	assert_string_equal(turn(s, DECIDE_YES, 4, tools, args),
			    "one\n\nwrote 2 bytes to a\nreplaced 1 occurrence in a\n"
			    "wrote 2 bytes to a\n");
	expect_file(s, "z\n");
	expect_edit(s, 3, HISTORY_EDIT_APPLIED, "a", "y\n");
}

static void a_file_that_others_are_told_by_is_asked_about_as_such(void **state)
{
	struct stage *s = *state;

	tmpdir_write_text(&s->d, "ws/AGENTS.md", "one\n");
	/* By whatever name it is reached. */
	must(symlink(".", tmpdir_file(&s->d, "ws/link")));
	turn(s, DECIDE_YES,
	     ONE("edit_file",
		 "{\"path\": \"link/AGENTS.md\", \"old\": \"one\", \"new\": \"1\"}"));
	assert_non_null(strstr(buf_z(&s->asked), "Change this file?  edit_file\n"));
	assert_non_null(strstr(buf_z(&s->asked), "(write; always asked about: other programs "
						 "run it, or are told by it)"));
	expect_edit(s, 1, HISTORY_EDIT_APPLIED, "AGENTS.md", "one\n");
}

/* The result's part, which is the leaf's only one. */
static struct talk_part *last_result(const struct stage *s)
{
	struct talk_message *m = s->talk->leaf;

	while (m->role != CHAT_TOOL)
		m = m->parent;
	assert_int_equal(m->n_parts, 1);
	return &m->parts[0];
}

/* As after the program was ended: what is not stored is gone. */
static void expect_found_again(const struct stage *s, const char *diff)
{
	struct talk_part *p = last_result(s);

	assert_string_equal(buf_z(&p->diff), diff);
	buf_release(&p->diff);
	p->sought = false;
	agent_find_diffs(&s->talks, s->talk);
	assert_string_equal(buf_z(&p->diff), diff);
}

static void what_a_call_changed_is_found_again_by_what_is_stored(void **state)
{
	static const struct {
		const char *is, *tool, *arguments, *diff;
	} rows[] = {
		{"one\ntwo\n", "edit_file", EDIT("two", "2"),
		 "@@ -1,2 +1,2 @@\n one\n-two\n+2\n"},
		{"one\r\ntwo\r\n", "edit_file", EDIT("two", "2\\n3"),
		 "@@ -1,2 +1,3 @@\n one\n-two\n+2\n+3\n"},
		{"", "edit_file", EDIT("x", "y"), ""}, /* which fails */
		{NULL, "write_file", "{\"path\": \"b\", \"content\": \"x\\n\"}",
		 "@@ -0,0 +1 @@\n+x\n"},
		{NULL, "write_file", "{\"path\": \"c\", \"content\": \"\"}", ""},
	};
	struct stage *s = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].is)
			tmpdir_write_text(&s->d, "ws/a", rows[i].is);
		turn(s, DECIDE_YES, ONE(rows[i].tool, rows[i].arguments));
		/* What becomes of the file then is of no matter. */
		tmpdir_write_text(&s->d, "ws/a", "theirs\n");
		expect_found_again(s, rows[i].diff);
	}
}

static void what_does_not_come_to_what_was_stored_is_not_shown(void **state)
{
	struct stage *s = *state;
	struct talk_part *result;
	const struct talk_part *call;

	tmpdir_write_text(&s->d, "ws/a", "one\n");
	turn(s, DECIDE_YES, ONE("edit_file", EDIT("one", "1")));
	result = last_result(s);
	call = talk_message_call(talk_message_answer(s->talk->leaf->parent), STR_LIT("0"));
	assert_non_null(call);
	buf_reset((struct buf *)(uintptr_t)&call->text);
	buf_addz((struct buf *)(uintptr_t)&call->text, EDIT("one", "other"));
	buf_release(&result->diff);
	result->sought = false;
	agent_find_diffs(&s->talks, s->talk);
	assert_string_equal(buf_z(&result->diff), "");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_STAGE(what_a_file_had_is_kept_before_it_is_changed),
		WITH_STAGE(what_is_not_allowed_or_cannot_be_leaves_file_and_store_alone),
		WITH_STAGE(a_file_that_changes_while_it_is_asked_about_stays),
		WITH_STAGE(what_was_read_may_be_written),
		WITH_STAGE(a_file_that_others_are_told_by_is_asked_about_as_such),
		WITH_STAGE(what_a_call_changed_is_found_again_by_what_is_stored),
		WITH_STAGE(what_does_not_come_to_what_was_stored_is_not_shown),
	};

	(void)argc;
	if (runner_is_called(argv))
		return runner_main(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
