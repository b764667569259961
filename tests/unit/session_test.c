/* Turns of the real engine: what they say, how they end, and what is refused. */
#include "tests/support/byte_engine.h"

#include <string.h>
#include <unistd.h>

static void the_info_says_what_was_loaded(void **state)
{
	struct engine *e = byte_engine_open(256);
	const struct engine_info *info = e->ops->info(e);

	(void)state;
	assert_non_null(info);
	assert_int_equal(info->vocab, 320);
	assert_int_equal(info->ctx_tokens, 256);
	assert_int_equal(strlen(info->identity), 35);
	assert_true(info->has_title_task);
	assert_true(info->weight_bytes > 1000000);
	assert_string_equal(info->model_name, strrchr(test_dir.path, '/') + 1);
	e->ops->close(e);
}

static void a_seed_reproduces_a_turn_and_another_does_not(void **state)
{
	struct engine *e = byte_engine_open(512);
	struct turn_request req = byte_engine_ask(40);
	struct turn_log a = {0}, b = {0}, c = {0};

	(void)state;
	turn_play_well(e, &req, &a);
	turn_play_well(e, &req, &b);
	req.sampling.seed = 43;
	turn_play_well(e, &req, &c);
	assert_int_equal(a.last.stop, STOP_LENGTH);
	assert_int_equal(a.n_ids, 41);
	assert_int_equal(a.ids[0], ID_THINK);
	assert_int_equal(a.last.usage.output_tokens, 40);
	assert_int_equal(a.prefill_done, a.prefill_all);
	assert_int_equal(a.last.usage.cached_tokens, 0);
	assert_int_equal(b.n_ids, a.n_ids);
	assert_memory_equal(a.ids, b.ids, a.n_ids * sizeof(token_id));
	assert_string_equal(buf_z(&a.thinking), buf_z(&b.thinking));
	assert_memory_not_equal(a.ids, c.ids, a.n_ids * sizeof(token_id));
	turn_log_release(&a);
	turn_log_release(&b);
	turn_log_release(&c);
	e->ops->close(e);
}

static void a_resumed_answer_goes_on_as_if_it_had_never_stopped(void **state)
{
	struct engine *e = byte_engine_open(512);
	struct turn_request req = byte_engine_ask(24);
	struct turn_log whole = {0};

	(void)state;
	turn_play_well(e, &req, &whole);
	for (int64_t cut = 1; cut < 24; cut++) {
		struct turn_log a = {0}, b = {0};

		req = byte_engine_ask(cut);
		turn_play_well(e, &req, &a);
		req = byte_engine_ask(24 - cut);
		req.resume_ids = a.ids;
		req.n_resume_ids = a.n_ids;
		turn_play_well(e, &req, &b);
		assert_int_equal(a.n_ids + b.n_ids, whole.n_ids);
		assert_memory_equal(a.ids, whole.ids, a.n_ids * sizeof(token_id));
		assert_memory_equal(b.ids, whole.ids + a.n_ids, b.n_ids * sizeof(token_id));
		buf_adds(&a.thinking, buf_str(&b.thinking));
		buf_adds(&a.text, buf_str(&b.text));
		assert_string_equal(buf_z(&a.thinking), buf_z(&whole.thinking));
		assert_string_equal(buf_z(&a.text), buf_z(&whole.text));
		turn_log_release(&a);
		turn_log_release(&b);
	}
	turn_log_release(&whole);
	e->ops->close(e);
}

/* The beginning is told with the answer, or is a message of the prompt: what follows is the
 * same. */
static void an_answer_goes_on_from_the_beginning_it_was_given(void **state)
{
	static const char beginning[] = "Paris is";
	static const enum chat_effort efforts[] = {EFFORT_LOW, EFFORT_NONE};
	struct engine *e = byte_engine_open(512);

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct chat_message messages[] = {
			byte_engine_question[0],
			{.role = CHAT_ASSISTANT,
			 .content = STR_LIT(beginning),
			 .goes_on = true},
		};
		const token_id opening[] = {efforts[i] ? ID_THINK : ID_THINK_END, ID_THINK_END};
		size_t n_opening = efforts[i] ? 2 : 1;
		size_t n_told = n_opening + sizeof(beginning) - 1;
		struct turn_request req = byte_engine_ask(24);
		struct turn_log told = {0}, given = {0}, cut = {0}, resumed = {0};

		req.sampling.temperature = 0;
		req.chat.effort = efforts[i];
		req.prefill = STR_LIT(beginning);
		turn_play_well(e, &req, &told);
		assert_int_equal(told.thinking.len, 0);
		assert_memory_equal(buf_z(&told.text), beginning, sizeof(beginning) - 1);
		assert_int_equal(told.n_ids, n_told + 24);
		assert_int_equal(told.last.usage.output_tokens, 24);
		assert_memory_equal(told.ids, opening, n_opening * sizeof(token_id));
		for (size_t k = n_opening; k < n_told; k++)
			assert_int_equal(told.ids[k],
					 BYTE_ENGINE_CONTROLS + (unsigned char)beginning[k - n_opening]);

		req.prefill = (struct str){0};
		req.chat.messages = messages;
		req.chat.n_messages = 2;
		turn_play_well(e, &req, &given);
		assert_int_equal(given.last.usage.prompt_tokens, told.last.usage.prompt_tokens);
		assert_int_equal(given.n_ids, 24);
		assert_memory_equal(given.ids, told.ids + n_told, 24 * sizeof(token_id));
		assert_string_equal(buf_z(&given.text),
				    buf_z(&told.text) + sizeof(beginning) - 1);

		req.chat.n_messages = 1;
		req.prefill = STR_LIT(beginning);
		req.sampling.max_tokens = 10;
		turn_play_well(e, &req, &cut);
		req.resume_ids = cut.ids;
		req.n_resume_ids = cut.n_ids;
		req.sampling.max_tokens = 14;
		turn_play_well(e, &req, &resumed);
		assert_memory_equal(resumed.ids, told.ids + cut.n_ids, 14 * sizeof(token_id));
		buf_adds(&cut.text, buf_str(&resumed.text));
		assert_string_equal(buf_z(&cut.text), buf_z(&told.text));
		turn_log_release(&told);
		turn_log_release(&given);
		turn_log_release(&cut);
		turn_log_release(&resumed);
	}
	e->ops->close(e);
}

static void ended_thinking_closes_with_its_token_and_goes_on_as_answer(void **state)
{
	struct engine *e = byte_engine_open(512);
	struct turn_request req = byte_engine_ask(20);
	struct turn_log log = {0};
	uint64_t turn;

	(void)state;
	turn = turn_submit(e, &req);
	e->ops->end_thinking(e, turn);
	turn_finish(e, turn, &log);
	assert_int_equal(log.ids[0], ID_THINK);
	assert_int_equal(log.ids[1], ID_THINK_END);
	assert_int_equal(log.last.usage.thinking_tokens, 1);
	assert_int_equal(log.thinking.len, 0);
	turn_log_release(&log);
	e->ops->close(e);
}

static void cancelling_keeps_what_was_said_and_the_engine_goes_on(void **state)
{
	struct engine *e = byte_engine_open(20000);
	struct turn_request req = byte_engine_ask(0);
	struct turn_log log = {0};
	struct event ev = {0};
	uint64_t turn;

	(void)state;
	req.sampling.seed = 3;
	turn = turn_submit(e, &req);
	do {
		event_release(&ev);
		assert_int_equal(event_queue_pop(e->events, &ev, 60000), 1);
		assert_false(turn_log_event(&log, &ev));
	} while (ev.kind != EV_TOKENS);
	event_release(&ev);
	e->ops->cancel(e, turn);
	turn_finish(e, turn, &log);
	assert_int_equal(log.last.kind, EV_DONE);
	assert_int_equal(log.last.stop, STOP_INTERRUPTED);
	assert_int_equal(log.n_ids, log.last.usage.output_tokens + 1);
	turn_log_release(&log);
	req = byte_engine_ask(3);
	turn_play_well(e, &req, &log);
	assert_int_equal(log.last.stop, STOP_LENGTH);
	turn_log_release(&log);
	e->ops->close(e);
}

static void a_turn_behind_cancelled_ones_starts_when_they_have_ended(void **state)
{
	struct engine *e = byte_engine_open(20000);
	struct turn_request endless = byte_engine_ask(0), req = byte_engine_ask(5);
	struct turn_log log = {0}, alone = {0};
	uint64_t turns[4], more;
	struct err err = {0};

	(void)state;
	endless.sampling.seed = 3;
	for (int i = 0; i < 3; i++) {
		turns[i] = turn_submit(e, &endless);
		assert_int_equal(e->ops->submit(e, &req, &more, &err), ERR_USAGE);
		e->ops->cancel(e, turns[i]);
	}
	turns[3] = turn_submit(e, &req);
	for (int i = 0; i < 4; i++) {
		turn_finish(e, turns[i], &log);
		assert_int_equal(log.last.kind, EV_DONE);
		assert_int_equal(log.last.stop, i < 3 ? STOP_INTERRUPTED : STOP_LENGTH);
		if (i < 3)
			turn_log_release(&log);
	}
	turn_play_well(e, &req, &alone);
	assert_int_equal(log.n_ids, alone.n_ids);
	assert_memory_equal(log.ids, alone.ids, log.n_ids * sizeof(token_id));
	turn_log_release(&log);
	turn_log_release(&alone);
	e->ops->close(e);
}

static void closing_in_the_middle_of_a_turn_ends_it(void **state)
{
	struct engine *e = byte_engine_open(20000);
	struct turn_request req = byte_engine_ask(0);

	(void)state;
	turn_submit(e, &req);
	e->ops->close(e);
}

static void the_context_fills_to_its_last_place_and_no_further(void **state)
{
	struct engine *e = byte_engine_open(64);
	struct turn_request req = byte_engine_ask(0);
	struct turn_log log = {0};
	char *longer = calloc(1, 101);

	(void)state;
	assert_non_null(longer);
	req.sampling.seed = 1;
	turn_play_well(e, &req, &log);
	assert_int_equal(log.last.stop, STOP_CONTEXT);
	assert_int_equal(log.last.usage.prompt_tokens + log.last.usage.output_tokens, 64);
	turn_log_release(&log);
	memset(longer, 'x', 100);
	req.chat.messages = &(struct chat_message){.role = CHAT_USER, .content = {longer, 100}};
	turn_play(e, &req, &log);
	assert_int_equal(log.last.kind, EV_ERROR);
	assert_int_equal(log.last.err.code, ERR_LIMIT);
	assert_string_equal(log.last.err.text,
			    "the conversation has 104 tokens, the context holds 64");
	turn_log_release(&log);
	free(longer);
	e->ops->close(e);
}

static void plain_text_is_continued_without_any_grammar(void **state)
{
	struct engine *e = byte_engine_open(512);
	struct turn_request req = byte_engine_ask(30);
	struct turn_log a = {0}, b = {0};

	(void)state;
	req.is_raw = true;
	req.raw = STR_LIT("Once upon a time </think> there");
	turn_play_well(e, &req, &a);
	assert_int_equal(a.last.usage.prompt_tokens, 1 + 31);
	assert_int_equal(a.n_ids, a.last.usage.output_tokens);
	assert_int_equal(a.thinking.len, 0);
	req.resume_ids = a.ids;
	req.n_resume_ids = a.n_ids;
	turn_play_well(e, &req, &b);
	assert_int_equal(b.last.usage.prompt_tokens, 1 + 31 + 30);
	turn_log_release(&a);
	turn_log_release(&b);
	e->ops->close(e);
}

static void bytes_that_are_not_utf8_are_replaced_and_said_so(void **state)
{
	struct engine *e = byte_engine_open(512);
	struct turn_request req = byte_engine_ask(1);
	struct event ev = {0};
	bool noticed = false, over = false;

	(void)state;
	req.chat.messages = &(struct chat_message){.role = CHAT_USER,
						   .content = STR_LIT("a\xff"
								      "b\xfe")};
	turn_submit(e, &req);
	while (!over) {
		assert_int_equal(event_queue_pop(e->events, &ev, 60000), 1);
		if (ev.kind == EV_NOTICE) {
			assert_string_equal(buf_z(&ev.text),
					    "2 byte sequences of the prompt were "
					    "not UTF-8 and became U+FFFD");
			noticed = true;
		}
		over = ev.kind == EV_DONE;
		assert_true(ev.kind != EV_ERROR);
		event_release(&ev);
	}
	assert_true(noticed);
	e->ops->close(e);
}

static void requests_that_make_no_sense_fail_and_leave_the_engine_well(void **state)
{
	static const struct chat_message answered[] = {
		{.role = CHAT_USER, .content = {"hi", 2}},
		{.role = CHAT_ASSISTANT, .content = {"ho", 2}},
	};
	static const token_id ended[] = {ID_THINK, ID_THINK_END, ID_EOS, 100};
	static const token_id headless[] = {100, 101};
	struct engine *e = byte_engine_open(512);
	struct turn_request good = byte_engine_ask(2), req;
	struct turn_log log = {0};

	(void)state;
	for (int i = 0; i < 4; i++) {
		req = byte_engine_ask(2);
		switch (i) {
		case 0:
			req.chat.messages = answered;
			req.chat.n_messages = 2;
			break;
		case 1:
			req.sampling.temperature = -1;
			break;
		case 2:
			req.resume_ids = ended;
			req.n_resume_ids = 4;
			break;
		case 3:
			req.resume_ids = headless;
			req.n_resume_ids = 2;
			break;
		}
		turn_play(e, &req, &log);
		assert_int_equal(log.last.kind, EV_ERROR);
		assert_int_equal(log.last.err.code, ERR_USAGE);
		assert_int_equal(log.n_ids, 0);
		turn_log_release(&log);
		turn_play_well(e, &good, &log);
		turn_log_release(&log);
	}
	e->ops->close(e);
}

static void a_directory_without_a_model_says_so(void **state)
{
	struct engine_config config = {.model_dir = "tests/unit", .backend = "cpu"};
	struct turn_request req = byte_engine_ask(1);
	struct engine *e;
	struct err err = {0};
	struct event ev;
	uint64_t turn;

	(void)state;
	assert_int_equal(engine_open(&e, &config, &err), 0);
	assert_int_equal(event_queue_pop(e->events, &ev, 60000), 1);
	assert_int_equal(ev.kind, EV_ERROR);
	assert_int_equal(ev.turn, 0);
	assert_non_null(strstr(ev.err.text, "tests/unit"));
	assert_non_null(strstr(ev.err.text, "config.json"));
	event_release(&ev);
	assert_int_not_equal(e->ops->submit(e, &req, &turn, &err), 0);
	e->ops->close(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_info_says_what_was_loaded),
		cmocka_unit_test(a_seed_reproduces_a_turn_and_another_does_not),
		cmocka_unit_test(a_resumed_answer_goes_on_as_if_it_had_never_stopped),
		cmocka_unit_test(an_answer_goes_on_from_the_beginning_it_was_given),
		cmocka_unit_test(ended_thinking_closes_with_its_token_and_goes_on_as_answer),
		cmocka_unit_test(cancelling_keeps_what_was_said_and_the_engine_goes_on),
		cmocka_unit_test(a_turn_behind_cancelled_ones_starts_when_they_have_ended),
		cmocka_unit_test(closing_in_the_middle_of_a_turn_ends_it),
		cmocka_unit_test(the_context_fills_to_its_last_place_and_no_further),
		cmocka_unit_test(plain_text_is_continued_without_any_grammar),
		cmocka_unit_test(bytes_that_are_not_utf8_are_replaced_and_said_so),
		cmocka_unit_test(requests_that_make_no_sense_fail_and_leave_the_engine_well),
		cmocka_unit_test(a_directory_without_a_model_says_so),
	};

	return cmocka_run_group_tests(tests, byte_engine_set_up, tmpdir_tear_down);
}
