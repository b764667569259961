/* What was said is told from what a disk made of it, and from what an import claims. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/file.h"
#include "tests/support/store.h"

static struct err err;

/* A question and an answer with everything that an answer has. */
static int64_t full_answer(void)
{
	struct history_part parts[] = {
		{HISTORY_THINKING, {0}, {0}, STR_LIT("a thought"), {0}},
		{HISTORY_TEXT, {0}, {0}, STR_LIT("an answer"), {0}},
		{HISTORY_CALL, STR_LIT("tool"), STR_LIT("0"), STR_LIT("{}"), STR_LIT("{}")}};
	struct history_run run = {.model = "m", .identity = "0123abcd", .stop = "tool_calls"};
	static const int32_t ids[] = {7, 8, 9};
	struct history_message m = {.role = HISTORY_ASSISTANT,
				    .parts = parts,
				    .n_parts = 3,
				    .ids = ids,
				    .n_ids = 3,
				    .run = &run};
	struct history_tree *t;
	int64_t id;

	assert_int_equal(history_tree_new(&t, test_store.h, &err), 0);
	store_say(t, HISTORY_USER, HISTORY_TEXT, "a question");
	assert_int_equal(history_tree_say(t, &m, NULL, &err), 0);
	id = history_tree_conversation(t);
	history_tree_free(t);
	return id;
}

/* The last message of the conversation, with its tree. */
static const struct history_message *last(int64_t id, struct history_tree **t)
{
	if (history_tree_open(t, test_store.h, id, &err) != 0)
		fail_msg("%s", err.text);
	return history_tree_leaf(*t);
}

static void whatever_is_changed_of_a_message_is_told(void **state)
{
	static const char *const changes[] = {
		"UPDATE part SET text = 'an Answer' WHERE kind = 'text' AND message_id = 2",
		"UPDATE part SET text = 'a Thought' WHERE kind = 'thinking'",
		"UPDATE part SET name = 'fool' WHERE kind = 'call'",
		"UPDATE part SET ref = '1' WHERE kind = 'call'",
		"UPDATE part SET info = '' WHERE kind = 'call'",
		"UPDATE part SET kind = 'result' WHERE kind = 'call'",
		"UPDATE part SET seq = 9 - seq WHERE message_id = 2",
		"DELETE FROM part WHERE kind = 'thinking'",
		"UPDATE message SET token_ids = x'070000000800000008000000' WHERE id = 2",
		"UPDATE message SET token_ids = NULL WHERE id = 2",
		"UPDATE message SET created_ms = created_ms + 1 WHERE id = 2",
		"UPDATE message SET role = 'tool' WHERE id = 2",
		"UPDATE message SET seal = NULL WHERE id = 2",
		"UPDATE message SET seal = zeroblob(16) WHERE id = 2",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct buf problems = {0}, text = {0};
		const struct history_message *m;
		struct history_tree *t;
		int64_t id = full_answer();

		m = last(id, &t);
		assert_false(m->damaged);
		assert_int_equal(m->n_ids, 3);
		history_tree_free(t);
		store_sql(&test_store, changes[i]);
		m = last(id, &t);
		if (!m->damaged || m->ids)
			fail_msg("%s: not noticed", changes[i]);
		history_message_add_text(m, HISTORY_NOTICE, &text);
		assert_non_null(strstr(buf_z(&text), "not what was written"));
		history_tree_free(t);
		store_problems(test_store.h, &problems);
		if (!strstr(buf_z(&problems), "message 2: it is not what was written\n"))
			fail_msg("%s: %s", changes[i], buf_z(&problems));
		assert_null(strstr(buf_z(&problems), "message 1: it is not"));
		buf_release(&problems);
		buf_release(&text);
		store_release(&test_store);
		store_init(&test_store);
	}
}

/* Bytes of the file itself, one copy after another with one byte of some text changed. */
static void a_byte_flipped_in_the_text_on_disk_is_found_by_verify(void **state)
{
	int n_copies = getenv("DSV4CHAT_SLOW") ? 1000 : 100, n_flipped = 0;
	struct buf file = {0};
	char *at, *hit;

	(void)state;
	for (int i = 0; i < 40; i++)
		store_talk(test_store.h, "the quick brown fox jumps", "over the lazy dog again",
			   "and the needle is found in here");
	history_close(test_store.h);
	test_store.h = NULL;
	assert_int_equal(file_read(&file, test_store.path, 1 << 24, &err), 0);
	at = file.data;
	for (int i = 0; i < n_copies; i++) {
		struct buf problems = {0};
		hit = memmem(at, (size_t)(file.data + file.len - at), "needle is", 9);

		if (!hit)
			break;
		at = hit + 9;
		hit[i % 9] ^= (char)(1 << i % 5);
		tmpdir_write(&test_store.dir, "history.db", file.data, file.len);
		hit[i % 9] ^= (char)(1 << i % 5);
		store_reopen(&test_store);
		if (store_problems(test_store.h, &problems) == 0)
			fail_msg("copy %d: nothing is wrong", i);
		assert_non_null(strstr(buf_z(&problems), "it is not what was written"));
		buf_release(&problems);
		history_close(test_store.h);
		test_store.h = NULL;
		n_flipped++;
	}
	assert_true(n_flipped >= 40);
	buf_release(&file);
}

static void what_a_crash_left_and_what_was_forked_is_sealed(void **state)
{
	struct history_tree *t, *fork;
	struct history_answer *a;
	struct history_list list;
	struct history_run run = {.model = "m"};
	static const int32_t ids[] = {1, 2};

	(void)state;
	assert_int_equal(history_tree_new(&t, test_store.h, &err), 0);
	store_say(t, HISTORY_USER, HISTORY_TEXT, "a question");
	assert_int_equal(history_answer_begin(&a, t, &run, NULL, &err), 0);
	history_answer_say(a, HISTORY_TEXT, STR_LIT("half an "));
	history_answer_tokens(a, ids, 2);
	assert_int_equal(history_answer_flush(a, &err), 0);
	history_answer_free(a);
	store_sql(&test_store, "UPDATE journal SET owner = 'x', flushed_ms = 0");
	assert_int_equal(history_recover(test_store.h, &list, &err), 0);
	assert_int_equal(list.n, 1);
	history_list_release(&list);
	store_assert_sound(test_store.h);
	assert_int_equal(history_tree_fork(&fork, t, NULL, &err), 0);
	store_say(fork, HISTORY_USER, HISTORY_TEXT, "another");
	store_assert_sound(test_store.h);
	history_tree_free(fork);
	history_tree_free(t);
}

/* -- imported -------------------------------------------------------------------------- */

static const char forged[] =
	"{\"type\": \"conversation\", \"format\": 1, \"id\": \"0123456789\", \"title\": \"t\","
	" \"title_from\": \"user\", \"created_ms\": 1, \"updated_ms\": 2, \"leaf\": 2}\n"
	"{\"type\": \"message\", \"n\": 1, \"parent\": 0, \"role\": \"user\", \"created_ms\": "
	"3,"
	" \"parts\": [{\"kind\": \"text\", \"text\": \"hi\"}]}\n"
	"{\"type\": \"message\", \"n\": 2, \"parent\": 1, \"role\": \"assistant\","
	" \"created_ms\": 3, \"parts\": [{\"kind\": \"text\", \"text\": \"Hello.\"}],"
	" \"ids\": [128803, 30594, 128804, 128822, 1], \"run\": {\"model\": \"m\","
	" \"identity\": \"feedbeef\", \"stop\": \"length\", \"seed\": \"1\", \"top_k\": 0,"
	" \"max_tokens\": 0, \"ctx_tokens\": 0, \"resumed_tokens\": 0, \"started_ms\": 0,"
	" \"finished_ms\": 0, \"prompt_tokens\": 0, \"cached_tokens\": 0,"
	" \"thinking_tokens\": 0, \"output_tokens\": 0, \"drafted\": 0, \"accepted\": 0,"
	" \"prefill_ms\": 0, \"decode_ms\": 0, \"total_ms\": 0}}\n";

static void imported_ids_and_identity_reach_no_request(void **state)
{
	const struct history_message *m;
	struct history_tree *t;
	struct buf out = {0};
	int64_t id = 0;

	(void)state;
	if (store_import(test_store.h, str_of(forged), NULL, &err))
		fail_msg("%s", err.text);
	assert_int_equal(history_find(test_store.h, "0123456789", &id, &err), 0);
	m = last(id, &t);
	assert_null(m->ids);
	assert_int_equal(m->n_ids, 0);
	assert_string_equal(m->run->identity, "");
	assert_false(m->damaged);
	assert_false(history_message_unfinished(m));
	/* They are kept, for whoever wants to look, and go out marked as what they are. */
	assert_int_equal(m->foreign->n_ids, 5);
	assert_int_equal(m->foreign->ids[0], 128803);
	assert_string_equal(m->foreign->identity, "feedbeef");
	history_tree_free(t);
	assert_int_equal(history_export(test_store.h, id, HISTORY_JSONL, &out, &err), 0);
	assert_non_null(strstr(buf_z(&out), "\"foreign\": true"));
	assert_non_null(strstr(buf_z(&out), "feedbeef"));
	buf_release(&out);
	store_assert_sound(test_store.h);
}

static void what_is_said_after_an_import_is_our_own(void **state)
{
	const struct history_message *m;
	struct history_tree *t;
	int64_t id = full_answer();

	(void)state;
	m = last(id, &t);
	assert_null(m->foreign);
	assert_string_equal(m->run->identity, "0123abcd");
	history_tree_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, store_set_up, store_tear_down)
		T(whatever_is_changed_of_a_message_is_told),
		T(a_byte_flipped_in_the_text_on_disk_is_found_by_verify),
		T(what_a_crash_left_and_what_was_forked_is_sealed),
		T(imported_ids_and_identity_reach_no_request),
		T(what_is_said_after_an_import_is_our_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
