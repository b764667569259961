/* What a session reads again and what it does not: turns that go on, change, are looked at, forgotten. */
#include "tests/support/byte_engine.h"
#include "tests/support/sanitized.h"

#include <string.h>
#include <unistd.h>

#include "engine/store/kvdir.h"

static void the_next_turn_computes_only_what_is_new(void **state)
{
	struct engine *e = byte_engine_open(512);
	struct turn_request req = byte_engine_ask(20);
	struct turn_log first = {0}, warm = {0}, cold = {0};
	struct chat_message messages[3];

	(void)state;
	req.chat.effort = EFFORT_NONE;
	turn_play_well(e, &req, &first);
	messages[0] = byte_engine_question[0];
	messages[1] = (struct chat_message){.role = CHAT_ASSISTANT,
					    .ids = first.ids,
					    .n_ids = first.n_ids,
					    .content = buf_str(&first.text)};
	messages[2] =
		(struct chat_message){.role = CHAT_USER, .content = STR_LIT("And Spain?")};
	req.chat.messages = messages;
	req.chat.n_messages = 3;
	turn_play_well(e, &req, &warm);
	/* All of the first turn but its last id, which was chosen and not fed. */
	assert_int_equal(warm.last.usage.cached_tokens,
			 first.last.usage.prompt_tokens + first.last.usage.output_tokens - 1);
	assert_int_equal(warm.prefill_all,
			 warm.last.usage.prompt_tokens - warm.last.usage.cached_tokens);
	e->ops->close(e);
	e = byte_engine_open(512);
	turn_play_well(e, &req, &cold);
	assert_int_equal(cold.last.usage.cached_tokens, 0);
	assert_int_equal(cold.n_ids, warm.n_ids);
	assert_memory_equal(cold.ids, warm.ids, cold.n_ids * sizeof(token_id));
	turn_log_release(&first);
	turn_log_release(&warm);
	turn_log_release(&cold);
	e->ops->close(e);
}

/* A conversation for the tests below; messages point into the log of its first answer. */
struct talk {
	struct engine *e;
	struct turn_log first;
	struct chat_message messages[4];
	struct turn_request req;
	int64_t asked; /* ids of the first prompt up to <｜Assistant｜> */
};

static void talk_begin(struct talk *k, enum chat_effort effort, int64_t n_out)
{
	*k = (struct talk){.e = byte_engine_open(4096), .req = byte_engine_ask(n_out)};
	k->req.chat.effort = effort;
	turn_play_well(k->e, &k->req, &k->first);
	k->asked = k->first.last.usage.prompt_tokens - 1;
	k->messages[0] = byte_engine_question[0];
	k->messages[1] = (struct chat_message){.role = CHAT_ASSISTANT,
					       .ids = k->first.ids,
					       .n_ids = k->first.n_ids,
					       .reasoning = buf_str(&k->first.thinking),
					       .content = buf_str(&k->first.text)};
	k->messages[2] =
		(struct chat_message){.role = CHAT_USER, .content = STR_LIT("And Spain?")};
	k->req.chat.messages = k->messages;
	k->req.chat.n_messages = 3;
}

static void talk_end(struct talk *k)
{
	turn_log_release(&k->first);
	k->e->ops->close(k->e);
}

/* The next turn answers what a fresh engine answers, and finds so many tokens again. */
static void is_answered_like_fresh(struct talk *k, int64_t cached)
{
	struct turn_log warm = {0}, cold = {0};
	struct engine *fresh = byte_engine_open(4096);

	turn_play_well(k->e, &k->req, &warm);
	turn_play_well(fresh, &k->req, &cold);
	assert_int_equal(warm.last.usage.cached_tokens, cached);
	assert_int_equal(warm.prefill_all, warm.last.usage.prompt_tokens - cached);
	assert_int_equal(cold.last.usage.cached_tokens, 0);
	assert_int_equal(warm.n_ids, cold.n_ids);
	assert_memory_equal(warm.ids, cold.ids, cold.n_ids * sizeof(token_id));
	assert_string_equal(buf_z(&warm.text), buf_z(&cold.text));
	turn_log_release(&warm);
	turn_log_release(&cold);
	fresh->ops->close(fresh);
}

static void an_answer_made_anew_computes_one_id_of_its_prompt(void **state)
{
	/* a sanitizer's are the first, the middle and the last */
	static const int64_t n_out[] = {1, 8, 9, 30, 60};

	(void)state;
	for (size_t i = 0; i < sizeof(n_out) / sizeof(n_out[0]); i += SANITIZED ? 2 : 1) {
		struct talk k;

		talk_begin(&k, EFFORT_LOW, n_out[i]);
		assert_int_equal(k.first.last.stop, STOP_LENGTH);
		k.req.chat.n_messages = 1;
		k.req.sampling.seed++;
		k.req.sampling.max_tokens = 30;
		is_answered_like_fresh(&k, k.asked);
		k.req.sampling.seed--;
		is_answered_like_fresh(&k, k.asked);
		talk_end(&k);
	}
}

static void thinking_that_is_dropped_leaves_what_was_asked_in_place(void **state)
{
	struct talk k;

	(void)state;
	talk_begin(&k, EFFORT_LOW, 150);
	k.messages[1].content = STR_LIT("It is Paris.");
	k.req.sampling.max_tokens = 20;
	is_answered_like_fresh(&k, k.asked);
	/* The same with another effort: what the answer is opened with differs too. */
	k.req.chat.effort = EFFORT_NONE;
	is_answered_like_fresh(&k, k.asked + 1 + 12 + 1 + 1 + 10 + 1);
	talk_end(&k);
}

static void a_changed_message_is_read_from_the_answer_before_it(void **state)
{
	struct talk k;
	int64_t end;

	(void)state;
	talk_begin(&k, EFFORT_NONE, 60);
	end = k.first.last.usage.prompt_tokens + k.first.last.usage.output_tokens - 1;
	k.req.sampling.max_tokens = 20;
	is_answered_like_fresh(&k, end);
	k.messages[2].content = STR_LIT("And Portugal?");
	is_answered_like_fresh(&k, end);
	/* and the first one from nothing, since nothing is before it */
	k.messages[0].content = STR_LIT("What is the capital of Spain?");
	k.req.chat.n_messages = 1;
	is_answered_like_fresh(&k, 0);
	talk_end(&k);
}

static void a_title_costs_the_conversation_nothing(void **state)
{
	(void)state;
	for (int effort = EFFORT_NONE; effort <= EFFORT_LOW; effort++) {
		struct talk plain, titled;
		struct turn_request title;
		struct turn_log name = {0}, log = {0};
		int64_t end;

		talk_begin(&plain, effort, 60);
		talk_begin(&titled, effort, 60);
		end = plain.first.last.usage.prompt_tokens + 59;
		title = titled.req;
		title.chat.n_messages = 2;
		title.sampling = (struct sampling){.top_p = 1, .max_tokens = 24};
		titled.messages[1].task = CHAT_TASK_TITLE;
		turn_play_well(titled.e, &title, &name);
		titled.messages[1].task = CHAT_TASK_NONE;
		/* All of it was there but the answer's last id, its end, and the task. */
		assert_int_equal(name.last.usage.cached_tokens, end);
		assert_int_equal(name.last.usage.prompt_tokens, end + 3);
		assert_int_equal(name.thinking.len, 0);
		turn_play_well(plain.e, &plain.req, &log);
		assert_int_equal(log.last.usage.cached_tokens, effort ? plain.asked : end);
		/* The title's prompt has read the answer's last id and its end as well. */
		is_answered_like_fresh(&titled, effort ? plain.asked : end + 2);
		turn_log_release(&name);
		turn_log_release(&log);
		talk_end(&plain);
		talk_end(&titled);
	}
}

/* Each goes on where it stopped, whatever was said in another one in between. */
static void conversations_do_not_push_one_another_out(void **state)
{
	struct talk k;
	struct turn_log other = {0};
	struct turn_request req = byte_engine_ask(40);
	const struct chat_message greeting = {.role = CHAT_USER,
					      .content = STR_LIT("Good morning!")};
	int64_t end;

	(void)state;
	talk_begin(&k, EFFORT_NONE, 60);
	end = k.first.last.usage.prompt_tokens + k.first.last.usage.output_tokens - 1;
	req.chat.messages = &greeting;
	turn_play_well(k.e, &req, &other);
	is_answered_like_fresh(&k, end);
	turn_log_release(&other);
	turn_play_well(k.e, &req, &other);
	assert_int_equal(other.last.usage.cached_tokens, other.last.usage.prompt_tokens - 1);
	turn_log_release(&other);
	talk_end(&k);
}

/* Messages that the last price told of. */
static size_t n_in_memory;

/* How many tokens the engine says that the request would read, of *all. */
static int64_t price_of(struct engine *e, const struct turn_request *req, bool ahead, int64_t *all)
{
	struct err err = {0};
	struct event ev;
	uint64_t number;
	int64_t reads;

	if (e->ops->glance(e, req, ahead, &number, &err))
		fail_msg("%s", err.text);
	/* One before may tell its own anew. */
	do {
		assert_int_equal(event_queue_pop(e->events, &ev, 60000), 1);
		assert_int_equal(ev.kind, EV_PRICE);
	} while (ev.turn < number);
	assert_int_equal(ev.turn, number);
	reads = (int64_t)ev.progress;
	*all = (int64_t)ev.progress_all;
	assert_int_equal((int64_t)ev.cached, *all - reads);
	n_in_memory = ev.in_memory;
	event_release(&ev);
	return reads;
}

static void a_glance_tells_what_the_turn_then_reads(void **state)
{
	struct turn_log log = {0};
	struct talk k;
	int64_t reads, all;

	(void)state;
	talk_begin(&k, EFFORT_NONE, 60);
	reads = price_of(k.e, &k.req, false, &all);
	/* of the answer the last id was chosen, and not read */
	assert_int_equal(n_in_memory, 2);
	turn_play_well(k.e, &k.req, &log);
	assert_int_equal(all, log.last.usage.prompt_tokens);
	assert_int_equal(reads, log.prefill_all);
	assert_in_range(reads, 1, 30);
	/* an earlier message changed */
	k.messages[0].content = STR_LIT("What is the capital of Italy?");
	reads = price_of(k.e, &k.req, false, &all);
	assert_int_equal(reads, all);
	assert_int_equal(n_in_memory, 0);
	turn_log_release(&log);
	talk_end(&k);
}

/* A conversation that was never read here is read while its next message is written. */
static void what_stands_before_the_draft_is_read_ahead(void **state)
{
	struct turn_log log = {0};
	struct talk k;
	int64_t all, reads = 0, cold;

	(void)state;
	talk_begin(&k, EFFORT_NONE, 60);
	k.e->ops->close(k.e);
	k.e = byte_engine_open(4096);
	k.messages[2].content = STR_LIT("And Sp");
	cold = price_of(k.e, &k.req, true, &all);
	assert_int_equal(cold, all);
	/* Each ends the one before, and finds what that has read until then. */
	for (int i = 0; i < 200 && (reads = price_of(k.e, &k.req, true, &all)) > 30; i++)
		usleep(20000);
	assert_in_range(reads, 1, 30);
	k.messages[2].content = STR_LIT("And Spain?");
	turn_play_well(k.e, &k.req, &log);
	assert_int_equal(log.prefill_all, reads + 4);
	is_answered_like_fresh(&k, log.last.usage.prompt_tokens - 1);
	turn_log_release(&log);
	talk_end(&k);
}

static void what_was_read_ahead_is_off_the_price_that_is_told_again(void **state)
{
	struct talk k;
	struct event ev;
	int64_t all, reads;

	(void)state;
	talk_begin(&k, EFFORT_NONE, 60);
	k.e->ops->close(k.e);
	k.e = byte_engine_open(4096);
	reads = price_of(k.e, &k.req, true, &all);
	assert_int_equal(reads, all);
	assert_int_equal(event_queue_pop(k.e->events, &ev, 60000), 1);
	assert_int_equal(ev.kind, EV_PRICE);
	assert_int_equal((int64_t)ev.progress_all, all);
	assert_in_range((int64_t)ev.progress, 1, 30);
	assert_int_equal(ev.disk, 0);
	/* the byte_engine_question and its answer, and not what asks on */
	assert_int_equal(ev.in_memory, 2);
	assert_int_equal(ev.on_disk, 2);
	event_release(&ev);
	/* There is nothing more to read: it is told once. */
	reads = price_of(k.e, &k.req, true, &all);
	assert_in_range(reads, 1, 30);
	assert_int_equal(event_queue_pop(k.e->events, &ev, 100), 0);
	talk_end(&k);
}

static void a_turn_ends_a_glance_within_a_chunk(void **state)
{
	struct engine *e = byte_engine_open(4096);
	struct turn_request req = byte_engine_ask(2), other = byte_engine_ask(2);
	struct chat_message messages[2] = {{.role = CHAT_SYSTEM}, byte_engine_question[0]};
	struct err err = {0};
	struct turn_log log = {0};
	struct event ev;
	uint64_t number, turn;
	char *text = calloc(1, 3001);
	int64_t all, reads;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', 3000);
	messages[0].content = str_of(text);
	req.chat.messages = messages;
	req.chat.n_messages = 2;
	assert_int_equal(e->ops->glance(e, &req, true, &number, &err), 0);
	assert_int_equal(event_queue_pop(e->events, &ev, 60000), 1);
	assert_int_equal(ev.kind, EV_PRICE);
	event_release(&ev);
	turn = turn_submit(e, &other);
	/* while it runs there is none */
	assert_int_equal(e->ops->glance(e, &req, true, &number, &err), ERR_USAGE);
	turn_finish(e, turn, &log);
	/* What was read until then is kept, and it was not all. */
	reads = price_of(e, &req, false, &all);
	assert_in_range(reads, 1000, all);
	turn_log_release(&log);
	free(text);
	e->ops->close(e);
}

static void what_was_removed_is_not_found_again(void **state)
{
	struct engine *e = byte_engine_open(512);
	struct turn_request req = byte_engine_ask(20);
	static const struct {
		const char *conversation, *removed;
		bool found;
	} steps[] = {{"one", NULL, false}, {"one", NULL, true},     {"one", "other", true},
		     {"one", "one", false}, {"other", NULL, true}, {"one", "other", true}};

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct turn_log log = {0};

		if (steps[i].removed)
			e->ops->forget(e, str_of(steps[i].removed));
		req.conversation = str_of(steps[i].conversation);
		turn_play_well(e, &req, &log);
		/* what two of them had said stays while one is there */
		assert_int_equal(log.last.usage.cached_tokens,
				 steps[i].found ? log.last.usage.prompt_tokens - 1 : 0);
		turn_log_release(&log);
	}
	e->ops->close(e);
}

static size_t n_kept_files(void)
{
	struct kv_list list;
	struct err err = {0};
	size_t n;

	assert_int_equal(kvdir_list_all(tmpdir_file(&test_dir, "kv"), &list, &err), 0);
	kv_list_bytes(&list, &n);
	kv_list_release(&list);
	return n;
}

/* What it has read of a conversation goes with that, and is not written to disk. */
static void a_title_is_its_conversations(void **state)
{
	struct turn_log name = {0};
	struct turn_request title;
	struct talk k;
	size_t n_files;
	int64_t all;

	(void)state;
	byte_engine_kept_in = "kv";
	talk_begin(&k, EFFORT_NONE, 60);
	k.req.conversation = STR_LIT("one");
	title = k.req;
	title.chat.n_messages = 2;
	title.sampling = (struct sampling){.top_p = 1, .max_tokens = 24};
	turn_play_well(k.e, &k.req, &name);
	turn_log_release(&name);
	k.e->ops->close(k.e);
	n_files = n_kept_files();
	assert_true(n_files > 0);
	k.e = byte_engine_open(4096);
	k.messages[1].task = CHAT_TASK_TITLE;
	turn_play_well(k.e, &title, &name);
	turn_log_release(&name);
	assert_int_equal(price_of(k.e, &title, false, &all), 1);
	k.e->ops->forget(k.e, STR_LIT("other"));
	assert_int_equal(price_of(k.e, &title, false, &all), 1);
	k.e->ops->close(k.e);
	assert_int_equal(n_kept_files(), n_files);
	byte_engine_kept_in = NULL;
	k.e = byte_engine_open(4096);
	turn_play_well(k.e, &title, &name);
	turn_log_release(&name);
	assert_int_equal(price_of(k.e, &title, false, &all), 1);
	k.e->ops->forget(k.e, STR_LIT("one"));
	assert_int_equal(price_of(k.e, &title, false, &all), all);
	talk_end(&k);
}

static void a_long_text_is_read_again_from_near_where_it_changed(void **state)
{
	struct talk k;
	char *text = malloc(2300);

	(void)state;
	assert_non_null(text);
	for (int i = 0; i < 2300; i++)
		text[i] = (char)('a' + i * i % 23);
	talk_begin(&k, EFFORT_NONE, 2);
	k.e->ops->close(k.e);
	k.e = byte_engine_open(4096);
	k.req.is_raw = true;
	k.req.raw = (struct str){text, 2300};
	is_answered_like_fresh(&k, 0);
	text[2200] = '!';
	is_answered_like_fresh(&k, 2048);
	/* A system prompt that is long enough serves another conversation. */
	k.req.is_raw = false;
	k.messages[0] = (struct chat_message){.role = CHAT_SYSTEM, .content = {text, 600}};
	k.messages[1] = byte_engine_question[0];
	k.req.chat.n_messages = 2;
	is_answered_like_fresh(&k, 0);
	k.messages[1].content = STR_LIT("hello");
	is_answered_like_fresh(&k, 601);
	talk_end(&k);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_turn_computes_only_what_is_new),
		cmocka_unit_test(an_answer_made_anew_computes_one_id_of_its_prompt),
		cmocka_unit_test(thinking_that_is_dropped_leaves_what_was_asked_in_place),
		cmocka_unit_test(a_changed_message_is_read_from_the_answer_before_it),
		cmocka_unit_test(a_title_costs_the_conversation_nothing),
		cmocka_unit_test(conversations_do_not_push_one_another_out),
		cmocka_unit_test(a_glance_tells_what_the_turn_then_reads),
		cmocka_unit_test(what_stands_before_the_draft_is_read_ahead),
		cmocka_unit_test(what_was_read_ahead_is_off_the_price_that_is_told_again),
		cmocka_unit_test(a_turn_ends_a_glance_within_a_chunk),
		cmocka_unit_test(what_was_removed_is_not_found_again),
		cmocka_unit_test(a_title_is_its_conversations),
		cmocka_unit_test(a_long_text_is_read_again_from_near_where_it_changed),
	};

	return cmocka_run_group_tests(tests, byte_engine_set_up, tmpdir_tear_down);
}
