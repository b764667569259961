/* The queue between the engine and its user. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/event.h"

static struct event_queue *open_queue(size_t cap)
{
	struct event_queue *q;
	struct err err = {0};

	assert_int_equal(event_queue_new(&q, cap, &err), 0);
	return q;
}

static void push_text(struct event_queue *q, enum event_kind kind, uint64_t turn, const char *z)
{
	struct event ev = {.kind = kind, .turn = turn};

	buf_addz(&ev.text, z);
	assert_int_equal(event_queue_push(q, &ev), 0);
	assert_null(ev.text.data);
}

static void push_id(struct event_queue *q, uint64_t turn, token_id id)
{
	struct event ev = {.kind = EV_TOKENS, .turn = turn, .n_ids = 1};

	ev.ids = malloc(sizeof(id));
	assert_non_null(ev.ids);
	ev.ids[0] = id;
	assert_int_equal(event_queue_push(q, &ev), 0);
}

static void expect_ids(struct event_queue *q, token_id first, size_t n)
{
	struct event ev;

	assert_int_equal(event_queue_pop(q, &ev, 0), 1);
	assert_int_equal(ev.kind, EV_TOKENS);
	assert_int_equal(ev.n_ids, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(ev.ids[i], first + (token_id)i);
	event_release(&ev);
}

static void push_progress(struct event_queue *q, enum event_kind kind, uint64_t done)
{
	struct event ev = {.kind = kind, .turn = 1, .progress = done, .progress_all = 100};

	assert_int_equal(event_queue_push(q, &ev), 0);
}

static void expect_text(struct event_queue *q, enum event_kind kind, const char *z)
{
	struct event ev;

	assert_int_equal(event_queue_pop(q, &ev, 0), 1);
	assert_int_equal(ev.kind, kind);
	assert_string_equal(buf_z(&ev.text), z);
	event_release(&ev);
}

static void expect_empty(struct event_queue *q)
{
	struct event ev;

	assert_int_equal(event_queue_pop(q, &ev, 0), 0);
}

static bool readable(struct event_queue *q)
{
	struct pollfd p = {.fd = event_queue_fd(q), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void neighbouring_text_of_one_turn_merges_and_nothing_else_does(void **state)
{
	struct event_queue *q = open_queue(16);

	(void)state;
	push_text(q, EV_TEXT, 1, "a");
	push_text(q, EV_TEXT, 1, "b");
	push_text(q, EV_THINKING, 1, "c");
	push_text(q, EV_TEXT, 1, "d");
	push_text(q, EV_TEXT, 2, "e");
	push_text(q, EV_NOTICE, 2, "f");
	push_text(q, EV_NOTICE, 2, "g");
	expect_text(q, EV_TEXT, "ab");
	expect_text(q, EV_THINKING, "c");
	expect_text(q, EV_TEXT, "d");
	expect_text(q, EV_TEXT, "e");
	expect_text(q, EV_NOTICE, "f");
	expect_text(q, EV_NOTICE, "g");
	expect_empty(q);
	event_queue_free(q);
}

static void text_that_its_maker_had_no_memory_for_stays_known_as_such(void **state)
{
	struct event_queue *q = open_queue(16);
	struct event lost = {.kind = EV_TEXT, .turn = 1};

	(void)state;
	lost.text.failed = true;
	assert_int_equal(event_queue_push(q, &lost), 0);
	push_text(q, EV_TEXT, 1, "b");
	assert_int_equal(event_queue_pop(q, &lost, 0), 1);
	assert_true(buf_failed(&lost.text));
	event_release(&lost);
	expect_text(q, EV_TEXT, "b");
	event_queue_free(q);
}

static void text_and_tokens_that_alternate_merge_each_with_its_like(void **state)
{
	struct event_queue *q = open_queue(2);
	struct event ev;

	(void)state;
	for (token_id i = 0; i < 100; i++) {
		push_text(q, EV_TEXT, 7, "x");
		push_id(q, 7, i);
	}
	assert_int_equal(event_queue_pop(q, &ev, 0), 1);
	assert_int_equal(ev.kind, EV_TEXT);
	assert_int_equal(ev.text.len, 100);
	event_release(&ev);
	assert_int_equal(event_queue_pop(q, &ev, 0), 1);
	assert_int_equal(ev.kind, EV_TOKENS);
	assert_int_equal(ev.n_ids, 100);
	for (token_id i = 0; i < 100; i++)
		assert_int_equal(ev.ids[i], i);
	event_release(&ev);
	expect_empty(q);
	event_queue_free(q);
}

static void text_does_not_pass_over_a_tool_call(void **state)
{
	struct event_queue *q = open_queue(8);

	(void)state;
	push_text(q, EV_TEXT, 1, "a");
	push_text(q, EV_CALL_BEGIN, 1, "shell");
	push_text(q, EV_TEXT, 1, "b");
	expect_text(q, EV_TEXT, "a");
	expect_text(q, EV_CALL_BEGIN, "shell");
	expect_text(q, EV_TEXT, "b");
	event_queue_free(q);
}

static void of_waiting_progress_the_newest_stands(void **state)
{
	struct event_queue *q = open_queue(8);
	struct event ev;

	(void)state;
	push_progress(q, EV_PREFILL, 10);
	push_progress(q, EV_PREFILL, 60);
	push_progress(q, EV_LOAD, 5);
	push_progress(q, EV_LOAD, 9);
	assert_int_equal(event_queue_pop(q, &ev, 0), 1);
	assert_int_equal(ev.kind, EV_PREFILL);
	assert_int_equal(ev.progress, 60);
	assert_int_equal(event_queue_pop(q, &ev, 0), 1);
	assert_int_equal(ev.kind, EV_LOAD);
	assert_int_equal(ev.progress, 9);
	expect_empty(q);
	event_queue_free(q);
}

static void the_descriptor_is_readable_exactly_while_events_wait(void **state)
{
	struct event_queue *q = open_queue(4);

	(void)state;
	assert_false(readable(q));
	push_text(q, EV_NOTICE, 1, "a");
	push_text(q, EV_NOTICE, 1, "b");
	assert_true(readable(q));
	expect_text(q, EV_NOTICE, "a");
	assert_true(readable(q));
	expect_text(q, EV_NOTICE, "b");
	assert_false(readable(q));
	event_queue_free(q);
}

static void a_pop_with_a_timeout_returns_when_nothing_comes(void **state)
{
	struct event_queue *q = open_queue(4);
	struct event ev;

	(void)state;
	assert_int_equal(event_queue_pop(q, &ev, 20), 0);
	event_queue_free(q);
}

struct flood {
	struct event_queue *q;
	size_t n;
	int last_rc;
};

static void *push_flood(void *arg)
{
	struct flood *f = arg;

	for (size_t i = 0; i < f->n && !f->last_rc; i++) {
		struct event ev = {.kind = i % 97 == 96 ? EV_NOTICE : EV_TEXT, .turn = 1};

		buf_addc(&ev.text, (char)('a' + i % 26));
		f->last_rc = event_queue_push(f->q, &ev);
	}
	return NULL;
}

static void a_flood_through_a_small_queue_loses_no_byte_and_keeps_the_order(void **state)
{
	struct flood f = {.q = open_queue(3), .n = 100000};
	pthread_t thread;
	size_t seen = 0;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, push_flood, &f), 0);
	while (seen < f.n) {
		struct event ev;

		assert_int_equal(event_queue_pop(f.q, &ev, 10000), 1);
		for (size_t i = 0; i < ev.text.len; i++, seen++)
			assert_int_equal(ev.text.data[i], 'a' + (int)(seen % 26));
		event_release(&ev);
	}
	pthread_join(thread, NULL);
	assert_int_equal(f.last_rc, 0);
	expect_empty(f.q);
	event_queue_free(f.q);
}

static void what_is_pushed_quietly_is_told_once_and_whole(void **state)
{
	struct event_queue *q = open_queue(16);

	(void)state;
	event_queue_quiet(q, true);
	push_id(q, 1, 7);
	push_text(q, EV_TEXT, 1, "a");
	push_id(q, 1, 8);
	push_text(q, EV_TEXT, 1, "b");
	assert_false(readable(q));
	event_queue_quiet(q, false);
	assert_true(readable(q));
	expect_ids(q, 7, 2);
	assert_true(readable(q));
	expect_text(q, EV_TEXT, "ab");
	assert_false(readable(q));
	/* Once more, and with nothing: there is nothing to tell. */
	event_queue_quiet(q, false);
	assert_false(readable(q));
	push_text(q, EV_TEXT, 1, "c");
	assert_true(readable(q));
	expect_text(q, EV_TEXT, "c");
	event_queue_free(q);
}

static void *push_two_quietly(void *arg)
{
	struct event_queue *q = arg;

	event_queue_quiet(q, true);
	push_text(q, EV_TEXT, 1, "a");
	push_text(q, EV_NOTICE, 1, "b");
	event_queue_quiet(q, false);
	return NULL;
}

static void a_full_queue_is_told_although_it_is_quiet(void **state)
{
	struct event_queue *q = open_queue(1);
	struct pollfd p = {.fd = event_queue_fd(q), .events = POLLIN};
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, push_two_quietly, q), 0);
	assert_int_equal(poll(&p, 1, -1), 1);
	expect_text(q, EV_TEXT, "a");
	assert_int_equal(poll(&p, 1, -1), 1);
	expect_text(q, EV_NOTICE, "b");
	pthread_join(thread, NULL);
	assert_false(readable(q));
	event_queue_free(q);
}

static void text_nobody_reads_stops_the_pusher_in_the_end(void **state)
{
	struct flood f = {.q = open_queue(2), .n = SIZE_MAX};
	pthread_t thread;
	struct event ev;
	size_t bytes = 0;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, push_flood, &f), 0);
	/* Give it time to fill every place; then it can only be woken by the close. */
	usleep(100000);
	event_queue_close(f.q);
	pthread_join(thread, NULL);
	assert_int_equal(f.last_rc, ERR_CANCELLED);
	while (event_queue_pop(f.q, &ev, -1)) {
		bytes += ev.text.len;
		event_release(&ev);
	}
	assert_true(bytes > 0 && bytes <= 2 * 64 * 1024);
	event_queue_free(f.q);
}

static void a_closed_queue_refuses_pushes_and_still_gives_what_it_holds(void **state)
{
	struct event_queue *q = open_queue(4);
	struct event ev = {.kind = EV_NOTICE};

	(void)state;
	push_text(q, EV_NOTICE, 1, "kept");
	event_queue_close(q);
	buf_addz(&ev.text, "refused");
	assert_int_equal(event_queue_push(q, &ev), ERR_CANCELLED);
	assert_null(ev.text.data);
	expect_text(q, EV_NOTICE, "kept");
	assert_int_equal(event_queue_pop(q, &ev, -1), 0);
	event_queue_free(q);
}

static void events_left_in_the_queue_are_freed_with_it(void **state)
{
	struct event_queue *q = open_queue(4);

	(void)state;
	push_text(q, EV_TEXT, 1, "left");
	push_id(q, 1, 5);
	event_queue_free(q);
}

static void a_queue_without_places_is_refused(void **state)
{
	struct event_queue *q;
	struct err err = {0};

	(void)state;
	assert_int_equal(event_queue_new(&q, 0, &err), ERR_USAGE);
	assert_null(q);
}

static void every_stop_reason_has_its_name(void **state)
{
	(void)state;
	assert_string_equal(stop_reason_name(STOP_END), "stop");
	assert_string_equal(stop_reason_name(STOP_CALLS), "tool_calls");
	assert_string_equal(stop_reason_name(STOP_LENGTH), "length");
	assert_string_equal(stop_reason_name(STOP_CONTEXT), "context");
	assert_string_equal(stop_reason_name(STOP_INTERRUPTED), "interrupted");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neighbouring_text_of_one_turn_merges_and_nothing_else_does),
		cmocka_unit_test(text_that_its_maker_had_no_memory_for_stays_known_as_such),
		cmocka_unit_test(text_and_tokens_that_alternate_merge_each_with_its_like),
		cmocka_unit_test(text_does_not_pass_over_a_tool_call),
		cmocka_unit_test(of_waiting_progress_the_newest_stands),
		cmocka_unit_test(the_descriptor_is_readable_exactly_while_events_wait),
		cmocka_unit_test(a_pop_with_a_timeout_returns_when_nothing_comes),
		cmocka_unit_test(
			a_flood_through_a_small_queue_loses_no_byte_and_keeps_the_order),
		cmocka_unit_test(what_is_pushed_quietly_is_told_once_and_whole),
		cmocka_unit_test(a_full_queue_is_told_although_it_is_quiet),
		cmocka_unit_test(text_nobody_reads_stops_the_pusher_in_the_end),
		cmocka_unit_test(a_closed_queue_refuses_pushes_and_still_gives_what_it_holds),
		cmocka_unit_test(events_left_in_the_queue_are_freed_with_it),
		cmocka_unit_test(a_queue_without_places_is_refused),
		cmocka_unit_test(every_stop_reason_has_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
