/*
 * What is kept of calls: begun before they run, told with their result, lost with their
 * process, and gone with their conversation.
 */
#include "tests/support/own_malloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/file.h"
#include "history/tool_run.h"
#include "tests/support/badvfs.h"
#include "tests/support/store.h"

static struct err err;
static struct store s;
static struct history_tree *tree;
static const struct history_message *answer; /* it makes two calls */

static const struct history_message *say_calls(struct history_tree *t)
{
	struct history_part parts[] = {
		{HISTORY_CALL, STR_LIT("shell"), STR_LIT("0"), STR_LIT("{}"), {0}},
		{HISTORY_CALL, STR_LIT("edit_file"), STR_LIT("1"), STR_LIT("{}"), {0}},
	};
	struct history_message m = {.role = HISTORY_ASSISTANT, .parts = parts, .n_parts = 2};
	const struct history_message *out = NULL;

	store_say(t, HISTORY_USER, HISTORY_TEXT, "do it");
	if (history_tree_say(t, &m, &out, &err))
		fail_msg("%s", err.text);
	return out;
}

static int set_up(void **state)
{
	(void)state;
	store_init(&s);
	assert_int_equal(history_tree_new(&tree, s.h, &err), 0);
	answer = say_calls(tree);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	history_tree_free(tree);
	store_release(&s);
	return 0;
}

static struct history_call call_of(const char *ref)
{
	return (struct history_call){
		.answer = answer->id,
		.ref = str_of(ref),
		.tool = STR_LIT("shell"),
		.cls = STR_LIT("run"),
		.grade = STR_LIT("write"),
		.layer = STR_LIT("bwrap"),
		.decided = STR_LIT("once"),
		.rule = STR_LIT("ask shell"),
		.reason = STR_LIT("a quaint reason"),
		.state = HISTORY_CALL_OK,
		.exit = -1,
		.spill = STR_LIT("OUT:1"),
	};
}

static int64_t begin(const char *ref)
{
	struct history_call c = call_of(ref);
	int64_t id = 0;

	if (history_call_begin(tree, &c, &id, &err))
		fail_msg("%s", err.text);
	return id;
}

static int say_result(const struct history_call *c, const struct history_message **out)
{
	struct history_part part = {HISTORY_RESULT, c->tool, c->ref, STR_LIT("result"), {0}};
	struct history_message m = {.role = HISTORY_TOOL, .parts = &part, .n_parts = 1};

	return history_call_say(tree, &m, c, out, &err);
}

static enum history_call_begun begun(const char *ref)
{
	enum history_call_begun b;

	if (history_call_find(s.h, answer->id, str_of(ref), &b, &err))
		fail_msg("%s", err.text);
	return b;
}

static void assert_row(const char *sql, const char *expected)
{
	store_value_is(s.path, sql, expected);
}

/* -- calls ------------------------------------------------------------------- */

static void a_call_that_was_begun_is_not_begun_again(void **state)
{
	struct history_call c = call_of("0");
	int64_t id = 0;

	(void)state;
	assert_int_equal(begun("0"), HISTORY_NOT_BEGUN);
	begin("0");
	assert_int_equal(begun("0"), HISTORY_BEGUN);
	assert_int_equal(begun("1"), HISTORY_NOT_BEGUN);
	assert_int_equal(history_call_begin(tree, &c, &id, &err), ERR_USAGE);
	assert_non_null(strstr(err.text, "not run twice"));
	assert_int_equal(say_result(&c, NULL), 0);
	assert_int_equal(history_call_begin(tree, &c, &id, &err), ERR_USAGE);
	store_assert_sound(s.h);
}

static void a_result_and_what_became_of_the_call_are_kept_together(void **state)
{
	const struct history_message *said = NULL;
	struct history_call c = call_of("0");

	(void)state;
	begin("0");
	c.state = HISTORY_CALL_ERROR;
	c.exit = 0;
	c.signal = 9;
	c.output_bytes = 1234;
	c.decided = STR_LIT("policy"); /* that stays what it was */
	assert_int_equal(say_result(&c, &said), 0);
	assert_row("SELECT state || exit_code || signal || output_bytes || spill || decided ||"
		   " (ended_ms >= started_ms) || (result_id = (SELECT max(id) FROM message))"
		   " FROM tool_run",
		   "error091234OUT:1once11");
	/* One that is refused never began. */
	c = call_of("1");
	c.state = HISTORY_CALL_DENIED;
	assert_int_equal(say_result(&c, NULL), 0);
	assert_row("SELECT state || ifnull(exit_code, 'none') || ifnull(signal, 'none') FROM"
		   " tool_run WHERE ref = '1'",
		   "deniednonenone");
	store_assert_sound(s.h);
}

static void where_the_one_cannot_be_kept_the_other_is_not(void **state)
{
	struct history_call c = call_of("0");

	(void)state;
	c.answer = 4711;
	assert_int_equal(say_result(&c, NULL), ERR_STORE);
	assert_ptr_equal(history_tree_leaf(tree), answer);
	assert_row("SELECT count(*) FROM message WHERE role = 'tool'", "0");
	assert_row("SELECT count(*) FROM tool_run", "0");
	c = call_of("0");
	c.decided = STR_LIT("nonsense");
	assert_int_equal(say_result(&c, NULL), 0);
	assert_row("SELECT decided FROM tool_run", "");
}

static void what_has_its_result_keeps_it_in_every_branch(void **state)
{
	struct history_call c = call_of("0");

	(void)state;
	begin("0");
	assert_int_equal(say_result(&c, NULL), 0);
	history_tree_rewind(tree, answer);
	c.state = HISTORY_CALL_LOST;
	assert_int_equal(say_result(&c, NULL), 0);
	assert_row("SELECT state || (result_id < (SELECT max(id) FROM message)) FROM tool_run",
		   "ok1");
}

/* In a process that is killed then, or ends with `fd`. */
static pid_t begin_elsewhere(const char *ref, int fd)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct history_tree *t = NULL;
		struct history *h = NULL;
		struct history_call call = call_of(ref);
		int64_t id;
		bool done = !history_open(&h, s.path, &err) &&
			    !history_tree_open(&t, h, answer->conversation, &err) &&
			    !history_call_begin(t, &call, &id, &err);

		if (write(fd, done ? "y" : "n", 1) == 1)
			pause();
		_exit(1);
	}
	assert_true(pid > 0);
	return pid;
}

static void what_ran_when_its_process_was_killed_is_lost(void **state)
{
	struct history_list list = {0};
	struct history_call c = call_of("0");
	int fds[2], status;
	char done = 0;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	pid = begin_elsewhere("0", fds[1]);
	assert_int_equal(read(fds[0], &done, 1), 1);
	assert_int_equal(done, 'y');
	assert_int_equal(history_recover(s.h, &list, &err), 0);
	assert_int_equal(begun("0"), HISTORY_RUNS_ELSEWHERE);
	assert_row("SELECT state FROM tool_run", "running");
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(begun("0"), HISTORY_BEGUN);
	assert_int_equal(history_recover(s.h, &list, &err), 0);
	assert_row("SELECT state || (ended_ms >= started_ms) FROM tool_run", "lost1");
	assert_int_equal(begun("0"), HISTORY_BEGUN);
	assert_int_equal(begun("1"), HISTORY_NOT_BEGUN);
	c.state = HISTORY_CALL_LOST;
	assert_int_equal(say_result(&c, NULL), 0);
	store_assert_sound(s.h);
	close(fds[0]);
	close(fds[1]);
}

static void that_a_call_begins_is_on_the_disk_before_it_does(void **state)
{
	struct history_call c = call_of("0");
	int64_t id;

	(void)state;
	/* What is said may wait in the system's memory. */
	badvfs_set(BAD_BIT(BAD_SYNC), SQLITE_IOERR_FSYNC, true, 0);
	store_say(tree, HISTORY_USER, HISTORY_TEXT, "more");
	assert_int_equal(history_call_begin(tree, &c, &id, &err), ERR_STORE);
	store_say(tree, HISTORY_USER, HISTORY_TEXT, "and more");
	badvfs_set(0, 0, false, -1);
	assert_int_equal(begun("0"), HISTORY_NOT_BEGUN);
	begin("0");
}

/* -- edits ---------------------------------------------------------------------- */

static struct history_edit edit_of(int64_t call, const char *before)
{
	struct history_edit e = {
		.call = call,
		.root = STR_LIT("/work"),
		.path = STR_LIT("a\xff/quaintfile"),
		.existed = before != NULL,
		.before = before ? str_of(before) : (struct str){0},
		.before_mode = 0640,
		.after_mode = 0644,
		.made_dirs = 1,
	};

	memset(e.before_hash, 7, sizeof(e.before_hash));
	memset(e.after_hash, 0xa9, sizeof(e.after_hash));
	return e;
}

static int64_t plan(int64_t call, const char *before)
{
	struct history_edit e = edit_of(call, before);
	size_t n_dropped;
	int64_t id;

	if (history_edit_plan(s.h, &e, &id, &n_dropped, &err))
		fail_msg("%s", err.text);
	assert_int_equal(n_dropped, 0);
	return id;
}

static void what_a_file_held_comes_back_byte_for_byte(void **state)
{
	struct history_edits edits;
	struct buf bytes = {0};
	int64_t call = begin("1"), first, second, third;

	(void)state;
	first = plan(call, "held");
	second = plan(call, NULL);
	third = plan(call, "");
	assert_int_equal(history_edit_settle(s.h, first, HISTORY_EDIT_APPLIED, &err), 0);
	assert_int_equal(history_edits(s.h, answer->conversation, &edits, &err), 0);
	assert_int_equal(edits.n, 3);
	assert_int_equal(edits.items[0].id, third);
	assert_true(edits.items[0].existed && edits.items[0].kept);
	assert_false(edits.items[1].existed || edits.items[1].kept);
	assert_int_equal(edits.items[2].state, HISTORY_EDIT_APPLIED);
	assert_int_equal(edits.items[1].state, HISTORY_EDIT_PLANNED);
	assert_true(str_is(edits.items[2].path, "a\xff/quaintfile"));
	assert_int_equal(edits.items[2].before_mode, 0640);
	assert_int_equal(edits.items[2].after_mode, 0644);
	assert_int_equal(edits.items[2].after_hash[15], 0xa9);
	assert_int_equal(edits.items[2].before_hash[0], 7);
	history_edits_release(&edits);
	assert_int_equal(history_edit_before(s.h, first, &bytes, &err), 0);
	assert_string_equal(buf_z(&bytes), "held");
	assert_int_equal(history_edit_before(s.h, second, &bytes, &err), ERR_USAGE);
	buf_reset(&bytes);
	assert_int_equal(history_edit_before(s.h, third, &bytes, &err), 0);
	assert_int_equal(bytes.len, 0);
	buf_release(&bytes);
	store_assert_sound(s.h);
}

static void too_large_a_file_is_not_kept_and_the_oldest_make_room(void **state)
{
	struct history_edit e = edit_of(begin("1"), "");
	struct history_edits edits;
	struct buf large = {0};
	int64_t ids[4], id;
	size_t n = 9;

	(void)state;
	for (int i = 0; i < 4; i++)
		ids[i] = plan(e.call, "0123456789");
	while (large.len <= HISTORY_BEFORE_MAX)
		buf_addz(&large,
			 "eight megabytes, and one more line of it, as long as this one\n");
	e.before = buf_str(&large);
	assert_int_equal(history_edit_plan(s.h, &e, &id, &n, &err), 0);
	buf_release(&large);
	assert_int_equal(sql_begin(s.h, &err), 0);
	assert_int_equal(
		sql_end(s.h, file_edits_trim(s.h, answer->conversation, 25, &n, &err), &err),
		0);
	assert_int_equal(n, 2);
	assert_int_equal(history_edits(s.h, answer->conversation, &edits, &err), 0);
	assert_true(edits.items[0].existed && !edits.items[0].kept);
	for (size_t i = 1; i < 5; i++) {
		bool dropped = i > 2;

		assert_int_equal(edits.items[i].id, ids[4 - i]);
		assert_int_equal(edits.items[i].kept, !dropped);
		assert_int_equal(edits.items[i].state,
				 dropped ? HISTORY_EDIT_DROPPED : HISTORY_EDIT_PLANNED);
	}
	history_edits_release(&edits);
	/* What was dropped stays that. */
	assert_int_equal(history_edit_settle(s.h, ids[0], HISTORY_EDIT_APPLIED, &err), 0);
	assert_int_equal(history_edits(s.h, answer->conversation, &edits, &err), 0);
	assert_int_equal(edits.items[4].state, HISTORY_EDIT_DROPPED);
	history_edits_release(&edits);
	store_assert_sound(s.h);
}

/* -- taken back, made again --------------------------------------------------------- */

static void step(int64_t id, enum history_edit_state state, const char *after, bool tells)
{
	const struct history_edit_step steps[] = {
		{id, state, after ? str_of(after) : (struct str){0}, tells}};

	if (history_edits_step(s.h, steps, 1, &err))
		fail_msg("%s", err.text);
}

static struct history_edit only(void)
{
	struct history_edits edits;
	struct history_edit e;

	assert_int_equal(history_edits(s.h, answer->conversation, &edits, &err), 0);
	e = edits.items[edits.n - 1];
	history_edits_release(&edits);
	return e;
}

static void what_an_edit_made_is_kept_while_it_is_taken_back(void **state)
{
	struct buf bytes = {0};
	int64_t call = begin("1"), id = plan(call, "held");

	(void)state;
	assert_int_equal(history_edit_settle(s.h, id, HISTORY_EDIT_APPLIED, &err), 0);
	assert_int_equal(history_edit_after(s.h, id, &bytes, &err), ERR_USAGE);
	step(id, HISTORY_EDIT_PLANNED, "made", false);
	assert_int_equal(only().state, HISTORY_EDIT_PLANNED);
	assert_int_equal(history_edit_after(s.h, id, &bytes, &err), 0);
	assert_string_equal(buf_z(&bytes), "made");
	step(id, HISTORY_EDIT_UNDONE, NULL, true);
	assert_int_equal(only().state, HISTORY_EDIT_UNDONE);
	buf_reset(&bytes);
	assert_int_equal(history_edit_after(s.h, id, &bytes, &err), 0);
	assert_int_equal(history_edit_before(s.h, id, &bytes, &err), 0);
	assert_string_equal(buf_z(&bytes), "madeheld");
	step(id, HISTORY_EDIT_APPLIED, NULL, true);
	assert_int_equal(history_edit_after(s.h, id, &bytes, &err), ERR_USAGE);
	/* An empty file is kept as well. */
	step(id, HISTORY_EDIT_UNDONE, "", false);
	assert_int_equal(history_edit_after(s.h, id, &bytes, &err), 0);
	buf_release(&bytes);
	store_assert_sound(s.h);
}

static void the_next_edit_ends_the_way_forth(void **state)
{
	struct buf bytes = {0};
	int64_t call = begin("1"), id = plan(call, "held");

	(void)state;
	step(id, HISTORY_EDIT_UNDONE, "made", true);
	plan(call, "other");
	assert_int_equal(only().state, HISTORY_EDIT_DROPPED);
	assert_true(only().untold);
	assert_int_equal(history_edit_after(s.h, id, &bytes, &err), ERR_USAGE);
	assert_int_equal(history_edit_before(s.h, id, &bytes, &err), ERR_USAGE);
	/* What was dropped stays so. */
	step(id, HISTORY_EDIT_APPLIED, NULL, false);
	assert_int_equal(only().state, HISTORY_EDIT_DROPPED);
	store_assert_sound(s.h);
}

static void the_model_is_told_once_and_not_of_what_is_as_it_was(void **state)
{
	int64_t id = plan(begin("1"), "held");

	(void)state;
	assert_false(only().untold);
	step(id, HISTORY_EDIT_UNDONE, "made", true);
	assert_true(only().untold);
	step(id, HISTORY_EDIT_APPLIED, NULL, true);
	assert_false(only().untold);
	step(id, HISTORY_EDIT_UNDONE, "made", true);
	assert_int_equal(history_edits_told(s.h, answer->conversation, &err), 0);
	assert_false(only().untold);
	step(id, HISTORY_EDIT_APPLIED, NULL, true);
	assert_true(only().untold);
}

static void steps_are_all_made_or_none_and_on_the_disk(void **state)
{
	int64_t call = begin("1"), ids[] = {plan(call, "one"), plan(call, "two")};
	const struct history_edit_step steps[] = {
		{.id = ids[0], .state = HISTORY_EDIT_UNDONE},
		{.id = ids[1], .state = HISTORY_EDIT_UNDONE},
	};

	(void)state;
	badvfs_set(BAD_BIT(BAD_SYNC), SQLITE_IOERR_FSYNC, true, 0);
	assert_int_equal(history_edits_step(s.h, steps, 2, &err), ERR_STORE);
	badvfs_set(0, 0, false, -1);
	assert_row("SELECT group_concat(state) FROM file_edit", "planned,planned");
	assert_int_equal(history_edits_step(s.h, steps, 2, &err), 0);
	assert_row("SELECT group_concat(state) FROM file_edit", "undone,undone");
}

static void a_file_of_another_machine_and_a_process_that_lives_are_told(void **state)
{
	(void)state;
	plan(begin("1"), "held");
	assert_true(only().here);
	assert_int_equal(only().answer, answer->id);
	assert_false(only().elsewhere);
	store_sql(&s, "UPDATE file_edit SET machine = 'fedcba98765432100123456789abcdef'");
	assert_false(only().here);
	store_sql(&s, "UPDATE file_edit SET machine = ''");
	assert_false(only().here);
	/* Of a process of another machine nothing is known for a day. */
	store_sql(&s, "UPDATE tool_run SET owner = 'elsewhere x y 1 1'");
	assert_true(only().elsewhere);
	store_sql(&s, "UPDATE tool_run SET started_ms = 0");
	assert_false(only().elsewhere);
}

/* -- removal, checks ---------------------------------------------------------------- */

static bool stands_in_files(const char *bytes)
{
	DIR *d = opendir(s.dir.path);
	struct dirent *e;
	bool found = false;

	while ((e = readdir(d))) {
		struct buf all = {0};
		const char *file = tmpdir_file(&s.dir, e->d_name);

		if (e->d_name[0] != '.' && !file_read(&all, file, 1 << 26, &err))
			found |= all.len && memmem(all.data, all.len, bytes, strlen(bytes));
		buf_release(&all);
	}
	closedir(d);
	return found;
}

static void nothing_of_a_removed_conversations_calls_stays(void **state)
{
	static const char *const words[] = {"quaint reason", "quaintfile", "zephyrbytes"};
	int64_t conversation = answer->conversation;
	struct history_call c = call_of("0");

	(void)state;
	store_talk(s.h, "another", "stays", "there");
	begin("0");
	assert_int_equal(say_result(&c, NULL), 0);
	plan(begin("1"), "zephyrbytes of a file");
	for (size_t i = 0; i < 3; i++)
		assert_true(stands_in_files(words[i]));
	history_tree_free(tree);
	tree = NULL;
	assert_int_equal(history_remove(s.h, conversation, &err), 0);
	for (size_t i = 0; i < 3; i++)
		assert_false(stands_in_files(words[i]));
	assert_row("SELECT (SELECT count(*) FROM tool_run) + (SELECT count(*) FROM file_edit)",
		   "0");
	store_assert_sound(s.h);
}

static void a_removal_leaves_calls_that_another_conversation_stands_on(void **state)
{
	int64_t conversation = answer->conversation;
	struct history_call c = call_of("0");
	struct history_tree *fork = NULL;

	(void)state;
	plan(begin("0"), "held");
	assert_int_equal(say_result(&c, NULL), 0);
	assert_int_equal(history_tree_fork(&fork, tree, NULL, &err), 0);
	store_say(fork, HISTORY_USER, HISTORY_TEXT, "elsewhere");
	begin("1"); /* after the fork, without a result: it goes */
	history_tree_free(tree);
	tree = NULL;
	assert_int_equal(history_remove(s.h, conversation, &err), 0);
	assert_row("SELECT group_concat(ref) || (SELECT count(*) FROM file_edit) ||"
		   " (conversation_id = (SELECT id FROM conversation)) FROM tool_run",
		   "011");
	store_assert_sound(s.h);
	history_tree_free(fork);
}

static void verify_names_what_is_wrong_with_calls(void **state)
{
	static const struct {
		const char *sql, *word;
	} cases[] = {
		{"UPDATE tool_run SET answer_id = (SELECT min(id) FROM message)", "no answer"},
		{"UPDATE tool_run SET result_id = answer_id WHERE ref = '0'", "follow"},
		{"UPDATE tool_run SET state = 'running' WHERE ref = '0'", "no end"},
		{"UPDATE tool_run SET ended_ms = NULL WHERE ref = '0'", "no end"},
		{"UPDATE file_edit SET after_hash = x'01'", "cut"},
		{"UPDATE file_edit SET before_hash = NULL", "did not exist"},
		{"UPDATE file_edit SET tool_run_id = 99", "not there"},
		{"UPDATE file_edit SET after = x'00', state = 'applied'", "not taken back"},
	};
	struct history_call c = call_of("0");

	(void)state;
	begin("0");
	assert_int_equal(say_result(&c, NULL), 0);
	plan(begin("1"), "held");
	store_sql(&s, "CREATE TABLE run_was AS SELECT * FROM tool_run;"
		      "CREATE TABLE edit_was AS SELECT * FROM file_edit;");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf problems = {0};

		store_sql(&s, "DELETE FROM tool_run; DELETE FROM file_edit;"
			      "INSERT INTO tool_run SELECT * FROM run_was;"
			      "INSERT INTO file_edit SELECT * FROM edit_was;");
		store_assert_sound(s.h);
		if (strstr(cases[i].sql, "answer_id = ("))
			store_sql(&s, "DELETE FROM tool_run WHERE ref = '1';"
				      "DELETE FROM file_edit");
		store_sql(&s, cases[i].sql);
		if (!store_problems(s.h, &problems) || !strstr(buf_z(&problems), cases[i].word))
			fail_msg("%s: %s", cases[i].sql, buf_z(&problems));
		buf_release(&problems);
	}
}

/* -- out and in ------------------------------------------------------------------------ */

static void export_all(struct history *h, struct buf *out)
{
	int64_t id = 0;

	if (history_last(h, &id, &err) || history_export(h, id, HISTORY_JSONL, out, &err))
		fail_msg("%s", err.text);
}

static void calls_come_in_again_and_nothing_of_them_can_be_acted_on(void **state)
{
	struct buf first = {0}, second = {0}, third = {0};
	struct history_call c = call_of("0");
	struct history *other;
	struct history_edits edits;
	int64_t id = 0;

	(void)state;
	begin("0");
	c.exit = 3;
	c.state = HISTORY_CALL_ERROR;
	assert_int_equal(say_result(&c, NULL), 0);
	id = plan(begin("1"), "zephyrbytes");
	assert_int_equal(history_edit_settle(s.h, id, HISTORY_EDIT_APPLIED, &err), 0);
	export_all(s.h, &first);
	assert_null(strstr(buf_z(&first), "zephyrbytes"));
	assert_non_null(strstr(buf_z(&first), "\"exit\": 3"));
	assert_int_equal(history_open(&other, NULL, &err), 0);
	if (store_import(other, buf_str(&first), NULL, &err))
		fail_msg("%s", err.text);
	store_assert_sound(other);
	export_all(other, &second);
	/* The same but for what ran, and what could be undone. */
	assert_non_null(strstr(buf_z(&first), "\"running\""));
	assert_null(strstr(buf_z(&second), "\"running\""));
	assert_non_null(strstr(buf_z(&second), "\"lost\""));
	assert_non_null(strstr(buf_z(&second), "\"exit\": 3"));
	assert_non_null(strstr(buf_z(&second), "\"rule\": \"ask shell\""));
	assert_int_equal(history_last(other, &id, &err), 0);
	assert_int_equal(history_edits(other, id, &edits, &err), 0);
	assert_int_equal(edits.n, 1);
	assert_int_equal(edits.items[0].state, HISTORY_EDIT_DROPPED);
	assert_true(edits.items[0].existed && !edits.items[0].kept);
	assert_true(str_is(edits.items[0].path, "a\xff/quaintfile"));
	assert_int_equal(edits.items[0].before_hash[3], 7);
	history_edits_release(&edits);
	/* A second time nothing is new, and what is here stays. */
	if (store_import(other, buf_str(&first), NULL, &err) ||
	    store_import(s.h, buf_str(&second), NULL, &err))
		fail_msg("%s", err.text);
	export_all(other, &third);
	assert_string_equal(buf_z(&second), buf_z(&third));
	buf_reset(&third);
	export_all(s.h, &third);
	assert_string_equal(buf_z(&first), buf_z(&third));
	history_close(other);
	buf_release(&first);
	buf_release(&second);
	buf_release(&third);
}

#define RUN "\"ref\": \"0\", \"tool\": \"shell\", \"started_ms\": 1"

/* A conversation of one answer, in a history of its own. */
static int import_runs(const char *runs)
{
	struct buf text = {0};
	struct history *h;
	int rc;

	assert_int_equal(history_open(&h, NULL, &err), 0);
	buf_addf(&text,
		 "{\"type\": \"conversation\", \"format\": 1, \"id\": \"0123456789\","
		 " \"title\": \"t\", \"title_from\": \"user\", \"created_ms\": 1,"
		 " \"updated_ms\": 2, \"leaf\": 1}\n{\"type\": \"message\", \"n\": 1,"
		 " \"parent\": 0, \"role\": \"assistant\", \"created_ms\": 3,"
		 " \"parts\": [], \"tool_runs\": [%s]}\n",
		 runs);
	n_calls = 0;
	counting = fail_at > 0;
	rc = store_import(h, buf_str(&text), NULL, &err);
	counting = false;
	history_close(h);
	buf_release(&text);
	return rc;
}

static void no_memory_is_no_mistake_of_the_file(void **state)
{
	int n_failed = 0;

	(void)state;
	if (!OWN_MALLOC)
		skip();
	for (fail_at = 1;; fail_at++) {
		int rc = import_runs("{" RUN ", \"state\": \"ok\", \"rule_base64\": \"aaaa\","
				     " \"file_edits\": [{\"state\": \"applied\","
				     " \"root\": \"/\", \"path_base64\": \"aaaa\", \"after_hash\":"
				     " \"00000000000000000000000000000000\"}]}");

		n_failed += rc != 0;
		if (rc == ERR_USAGE)
			fail_msg("allocation %ld: %s", fail_at, err.text);
		if (n_calls < fail_at)
			break;
	}
	fail_at = 0;
	assert_true(n_failed > 100);
}

static void calls_of_a_broken_file_are_named_with_their_line(void **state)
{
	static const struct {
		const char *runs, *word;
	} cases[] = {
		{"{" RUN ", \"state\": \"else\"}", "words that are known"},
		{"{" RUN ", \"state\": \"ok\", \"decided\": \"else\"}", "words that are known"},
		{"{\"state\": \"ok\"}", "started_ms"},
		{"7", "started_ms"},
		{"{" RUN ", \"state\": \"ok\", \"rule_base64\": \"a\"}", "a text"},
		{"{" RUN ", \"state\": \"ok\", \"file_edits\": [{}]}", "unknown state"},
		{"{" RUN ", \"state\": \"ok\", \"file_edits\": [{\"state\": \"applied\","
		 " \"after_hash\": \"0Z\"}]}",
		 "32 digits"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(import_runs(cases[i].runs), ERR_USAGE);
		if (!strstr(err.text, "line 2: ") || !strstr(err.text, cases[i].word))
			fail_msg("%s: %s", cases[i].runs, err.text);
	}
}

static int set_up_bad_disk(void **state)
{
	badvfs_install();
	return set_up(state);
}

static int tear_down_bad_disk(void **state)
{
	tear_down(state);
	badvfs_uninstall();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(a_call_that_was_begun_is_not_begun_again),
		T(a_result_and_what_became_of_the_call_are_kept_together),
		T(where_the_one_cannot_be_kept_the_other_is_not),
		T(what_has_its_result_keeps_it_in_every_branch),
		T(what_ran_when_its_process_was_killed_is_lost),
		cmocka_unit_test_setup_teardown(
			that_a_call_begins_is_on_the_disk_before_it_does, set_up_bad_disk,
			tear_down_bad_disk),
		T(what_a_file_held_comes_back_byte_for_byte),
		T(too_large_a_file_is_not_kept_and_the_oldest_make_room),
		T(what_an_edit_made_is_kept_while_it_is_taken_back),
		T(the_next_edit_ends_the_way_forth),
		T(the_model_is_told_once_and_not_of_what_is_as_it_was),
		cmocka_unit_test_setup_teardown(steps_are_all_made_or_none_and_on_the_disk,
						set_up_bad_disk, tear_down_bad_disk),
		T(a_file_of_another_machine_and_a_process_that_lives_are_told),
		T(nothing_of_a_removed_conversations_calls_stays),
		T(a_removal_leaves_calls_that_another_conversation_stands_on),
		T(verify_names_what_is_wrong_with_calls),
		T(calls_come_in_again_and_nothing_of_them_can_be_acted_on),
		T(calls_of_a_broken_file_are_named_with_their_line),
		T(no_memory_is_no_mistake_of_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
