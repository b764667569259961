/* The scripted engine: what a script says and what comes out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/engine.h"

/* What came of one turn. */
struct turn_log {
	struct buf thinking, text, calls, notices;
	size_t value_end; /* of `calls`, where a value's last piece ends; 0: none came */
	token_id ids[4096];
	size_t n_ids;
	int n_prefill;
	struct event last; /* EV_DONE or EV_ERROR */
};

static void log_release(struct turn_log *log)
{
	buf_release(&log->thinking);
	buf_release(&log->text);
	buf_release(&log->calls);
	buf_release(&log->notices);
	event_release(&log->last);
	*log = (struct turn_log){0};
}

static struct engine *open_script(const char *script)
{
	struct engine *e;
	struct err err = {0};

	if (engine_open_scripted(&e, str_of(script), &err))
		fail_msg("%s", err.text);
	return e;
}

static void pop(struct engine *e, struct event *ev)
{
	assert_int_equal(event_queue_pop(e->events, ev, 10000), 1);
}

static void wait_ready(struct engine *e)
{
	struct event ev;

	do {
		pop(e, &ev);
		assert_true(ev.kind == EV_LOAD || ev.kind == EV_READY);
		event_release(&ev);
	} while (!e->ops->info(e));
	while (event_queue_pop(e->events, &ev, 0))
		event_release(&ev);
}

/* Pieces that nobody took in time arrive as one, so they are told as one in any case. */
static void log_value(struct turn_log *log, const struct event *ev)
{
	if (log->value_end && log->value_end == log->calls.len)
		buf_truncate(&log->calls, log->calls.len - 1);
	else
		buf_addf(&log->calls, "%d more ", ev->call);
	buf_addf(&log->calls, "%s\n", buf_z(&ev->text));
	log->value_end = log->calls.len;
}

/* Fills the log from one event; true: the turn is over. */
static bool log_event(struct turn_log *log, struct event *ev)
{
	switch (ev->kind) {
	case EV_LOAD:
	case EV_READY:
	case EV_PRICE:
		break;
	case EV_PREFILL:
		log->n_prefill++;
		break;
	case EV_THINKING:
		buf_adds(&log->thinking, buf_str(&ev->text));
		break;
	case EV_TEXT:
		buf_adds(&log->text, buf_str(&ev->text));
		break;
	case EV_CALL_BEGIN:
		buf_addf(&log->calls, "%d begin %s\n", ev->call, buf_z(&ev->text));
		break;
	case EV_CALL_TEXT:
		log_value(log, ev);
		break;
	case EV_CALL_CUT:
		buf_addf(&log->calls, "%d cut %s\n", ev->call, buf_z(&ev->text));
		break;
	case EV_CALL_PARAM:
		buf_addf(&log->calls, "%d param %s\n", ev->call, buf_z(&ev->text));
		break;
	case EV_CALL_END:
		buf_addf(&log->calls, "%d end %s\n", ev->call, buf_z(&ev->text));
		break;
	case EV_CALL_BAD:
		buf_addf(&log->calls, "%d bad %s\n", ev->call, buf_z(&ev->text));
		break;
	case EV_NOTICE:
		buf_addf(&log->notices, "%s\n", buf_z(&ev->text));
		break;
	case EV_TOKENS:
		for (size_t i = 0; i < ev->n_ids; i++, log->n_ids++) {
			if (log->n_ids < sizeof(log->ids) / sizeof(log->ids[0]))
				log->ids[log->n_ids] = ev->ids[i];
		}
		break;
	case EV_DONE:
	case EV_ERROR:
		log->last = *ev;
		*ev = (struct event){0};
		return true;
	}
	return false;
}

static void finish_turn(struct engine *e, uint64_t turn, struct turn_log *log)
{
	bool over = false;

	while (!over) {
		struct event ev;

		pop(e, &ev);
		if (ev.turn)
			assert_int_equal(ev.turn, turn);
		over = log_event(log, &ev);
		event_release(&ev);
	}
}

static const struct chat_message hello[] = {{.role = CHAT_USER, .content = {"hello", 5}}};

static struct turn_request say_hello(void)
{
	return (struct turn_request){
		.chat = {.messages = hello, .n_messages = 1, .effort = EFFORT_LOW},
		.sampling = {.temperature = 1, .top_p = 1},
	};
}

static uint64_t submit(struct engine *e, const struct turn_request *req)
{
	struct err err = {0};
	uint64_t turn = 0;

	if (e->ops->submit(e, req, &turn, &err))
		fail_msg("%s", err.text);
	assert_true(turn > 0);
	return turn;
}

static void play(struct engine *e, const struct turn_request *req, struct turn_log *log)
{
	finish_turn(e, submit(e, req), log);
}

static void a_turn_gives_its_thinking_text_and_ids_in_order(void **state)
{
	static const token_id ids[] = {1, 1001, 1002, 3, 1004, 1005, 0};
	struct engine *e = open_script("{\"thinking\": \"hmm hmm\"}\n{\"text\": \"Hi you\"}\n"
				       "{\"done\": {}}\n");
	struct turn_request req = say_hello();
	struct turn_log log = {0};

	(void)state;
	wait_ready(e);
	play(e, &req, &log);
	assert_string_equal(buf_z(&log.thinking), "hmm hmm");
	assert_string_equal(buf_z(&log.text), "Hi you");
	assert_int_equal(log.last.kind, EV_DONE);
	assert_int_equal(log.last.stop, STOP_END);
	assert_int_equal(log.n_ids, 7);
	assert_memory_equal(log.ids, ids, sizeof(ids));
	assert_int_equal(log.last.usage.output_tokens, 6);
	assert_int_equal(log.last.usage.thinking_tokens, 3);
	assert_true(log.last.usage.prompt_tokens > 0);
	assert_int_equal(log.n_prefill, 1);
	log_release(&log);
	e->ops->close(e);
}

static void without_effort_there_is_no_thinking(void **state)
{
	struct engine *e =
		open_script("{\"thinking\": \"hmm\"}\n{\"text\": \"Hi\"}\n{\"done\": {}}\n");
	struct turn_request req = say_hello();
	struct turn_log log = {0};

	(void)state;
	req.chat.effort = EFFORT_NONE;
	play(e, &req, &log);
	assert_int_equal(log.thinking.len, 0);
	assert_string_equal(buf_z(&log.text), "Hi");
	assert_int_equal(log.ids[0], 2);
	log_release(&log);
	e->ops->close(e);
}

static void a_call_streams_its_name_each_argument_and_the_whole(void **state)
{
	struct engine *e = open_script(
		"{\"call\": {\"name\": \"shell\", \"arguments\": "
		"{\"command\": \"ls \\\"é\\\"\", \"timeout\": 1e-7}}}\n"
		"{\"call\": {\"name\": \"raw\", \"arguments\": \"{not json\"}}\n"
		"{\"bad_call\": {\"name\": \"edit\", \"why\": \"cut\"}}\n{\"done\": {}}\n");
	struct turn_request req = say_hello();
	struct turn_log log = {0};

	(void)state;
	play(e, &req, &log);
	assert_string_equal(buf_z(&log.calls),
			    "0 begin shell\n"
			    "0 param \"command\": \"ls \\\"é\\\"\"\n"
			    "0 param \"timeout\": 1e-07\n"
			    "0 end {\"command\": \"ls \\\"é\\\"\", \"timeout\": 1e-07}\n"
			    "1 begin raw\n1 end {not json\n"
			    "2 begin edit\n2 bad cut\n");
	assert_int_equal(log.last.stop, STOP_CALLS);
	log_release(&log);
	e->ops->close(e);
}

static void turns_come_one_by_one_and_then_the_script_says_it_is_over(void **state)
{
	struct engine *e = open_script("{\"text\": \"one\"}\n{\"done\": {}}\n"
				       "{\"text\": \"two\"}\n{\"error\": {\"code\": \"model\", "
				       "\"text\": \"lost\"}}\n");
	struct turn_request req = say_hello();
	struct turn_log log = {0};

	(void)state;
	play(e, &req, &log);
	assert_string_equal(buf_z(&log.text), "one");
	log_release(&log);
	play(e, &req, &log);
	assert_string_equal(buf_z(&log.text), "two");
	assert_int_equal(log.last.kind, EV_ERROR);
	assert_int_equal(log.last.err.code, ERR_MODEL);
	assert_string_equal(log.last.err.text, "lost");
	log_release(&log);
	play(e, &req, &log);
	assert_int_equal(log.last.kind, EV_ERROR);
	assert_string_equal(log.last.err.text, "the script has no further turn");
	log_release(&log);
	e->ops->close(e);
}

static void a_turn_marked_again_is_where_play_goes_on(void **state)
{
	static const char *const want[] = {"first", "loop", "loop", "loop"};
	struct engine *e = open_script("{\"text\": \"first\"}\n{\"done\": {}}\n"
				       "{\"turn\": {\"again\": true}}\n{\"text\": \"loop\"}\n"
				       "{\"done\": {}}\n");
	struct turn_request req = say_hello();

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct turn_log log = {0};

		play(e, &req, &log);
		assert_string_equal(buf_z(&log.text), want[i]);
		log_release(&log);
	}
	e->ops->close(e);
}

static void title_requests_have_turns_of_their_own(void **state)
{
	static const struct chat_message ask[] = {
		{.role = CHAT_USER, .content = {"hello", 5}, .task = CHAT_TASK_TITLE},
	};
	struct engine *e =
		open_script("{\"text\": \"one\"}\n{\"done\": {}}\n"
			    "{\"turn\": {\"task\": \"title\"}}\n{\"text\": \"Name\"}\n"
			    "{\"done\": {}}\n{\"text\": \"two\"}\n{\"done\": {}}\n");
	static const char *const want[] = {"one", "Name", "two"};
	struct turn_request req = say_hello();

	(void)state;
	wait_ready(e);
	assert_true(e->ops->info(e)->has_title_task);
	for (size_t i = 0; i < 3; i++) {
		struct turn_log log = {0};

		req.chat.messages = i == 1 ? ask : hello;
		play(e, &req, &log);
		assert_string_equal(buf_z(&log.text), want[i]);
		log_release(&log);
	}
	e->ops->close(e);
}

static void an_unmet_expectation_fails_the_turn_and_says_what_was_found(void **state)
{
	static const struct {
		const char *conditions, *text;
	} cases[] = {
		{"\"expect\": \"bye\"", "script line 1: the last user message is \"hello\", "
					"expected it to contain \"bye\""},
		{"\"expect_tool\": \"x\"", "script line 1: the last tool message is \"\", "
					   "expected it to contain \"x\""},
		{"\"expect_messages\": 3", "script line 1: messages: found 1, expected 3"},
		{"\"expect_effort\": \"max\"", "script line 1: effort: found 1, expected 3"},
		{"\"expect_resume\": 2", "script line 1: resume ids: found 0, expected 2"},
		{"\"expect\": \"ell\", \"expect_messages\": 1, \"expect_effort\": \"low\"",
		 NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct turn_request req = say_hello();
		struct turn_log log = {0};
		struct buf script = {0};
		struct engine *e;

		buf_addf(&script, "{\"turn\": {%s}}\n{\"text\": \"x\"}\n{\"done\": {}}\n",
			 cases[i].conditions);
		e = open_script(buf_z(&script));
		play(e, &req, &log);
		assert_int_equal(log.last.kind, cases[i].text ? EV_ERROR : EV_DONE);
		if (cases[i].text)
			assert_string_equal(log.last.err.text, cases[i].text);
		log_release(&log);
		buf_release(&script);
		e->ops->close(e);
	}
}

static void cancel_ends_a_turn_that_would_wait_for_ever(void **state)
{
	struct engine *e = open_script("{\"text\": \"kept\"}\n{\"pause\": -1}\n"
				       "{\"text\": \"never\"}\n{\"done\": {}}\n");
	struct turn_request req = say_hello();
	struct turn_log log = {0};
	uint64_t turn;
	struct event ev;
	bool seen = false;

	(void)state;
	turn = submit(e, &req);
	while (!seen) {
		pop(e, &ev);
		seen = ev.kind == EV_TEXT;
		log_event(&log, &ev);
		event_release(&ev);
	}
	e->ops->cancel(e, turn + 1); /* of another turn: nothing */
	e->ops->cancel(e, turn);
	finish_turn(e, turn, &log);
	assert_string_equal(buf_z(&log.text), "kept");
	assert_int_equal(log.last.kind, EV_DONE);
	assert_int_equal(log.last.stop, STOP_INTERRUPTED);
	log_release(&log);
	e->ops->close(e);
}

static void a_call_that_is_cut_is_reported_as_bad(void **state)
{
	struct engine *e = open_script("{\"call\": {\"name\": \"shell\", \"arguments\": "
				       "{\"a\": 1, \"b\": 2}}}\n{\"done\": {}}\n");
	struct turn_request req = say_hello();
	struct turn_log log = {0};

	(void)state;
	req.sampling.max_tokens = 3; /* </think>, the name, one argument */
	play(e, &req, &log);
	assert_string_equal(buf_z(&log.calls), "0 begin shell\n0 param \"a\": 1\n"
					       "0 bad the call is cut off\n");
	assert_int_equal(log.last.stop, STOP_LENGTH);
	assert_int_equal(log.last.usage.output_tokens, 3);
	log_release(&log);
	e->ops->close(e);
}

static void ended_thinking_goes_on_with_the_answer(void **state)
{
	struct engine *e = open_script("{\"thinking\": \"so\"}\n{\"pause\": -1}\n"
				       "{\"thinking\": \"on and on\", \"repeat\": 1000000}\n"
				       "{\"text\": \"Answer\"}\n{\"done\": {}}\n");
	struct turn_request req = say_hello();
	struct turn_log log = {0};
	uint64_t turn;

	(void)state;
	turn = submit(e, &req);
	e->ops->end_thinking(e, turn);
	finish_turn(e, turn, &log);
	assert_string_equal(buf_z(&log.text), "Answer");
	assert_int_equal(log.last.stop, STOP_END);
	log_release(&log);
	e->ops->close(e);
}

static void a_resumed_answer_goes_on_at_its_very_token(void **state)
{
	static const char script[] = "{\"thinking\": \"think it over\"}\n"
				     "{\"text\": \"abcdefghij\", \"chunk\": 1}\n"
				     "{\"done\": {}}\n";
	struct turn_request req = say_hello();
	struct turn_log whole = {0};
	struct engine *e = open_script(script);

	(void)state;
	play(e, &req, &whole);
	e->ops->close(e);
	for (size_t cut = 1; cut + 1 < whole.n_ids; cut++) {
		struct turn_log a = {0}, b = {0};

		e = open_script(script);
		req = say_hello();
		req.sampling.max_tokens = (int64_t)cut;
		play(e, &req, &a);
		assert_int_equal(a.last.stop, STOP_LENGTH);
		assert_int_equal(a.n_ids, cut + 1);
		req.sampling.max_tokens = 0;
		req.resume_ids = a.ids;
		req.n_resume_ids = a.n_ids;
		if (cut % 2) {
			/* As after a crash: the last bytes never came. */
			req.resume_counted = true;
			buf_truncate(&a.text, a.text.len / 2);
			buf_truncate(&a.thinking, a.text.len ? a.thinking.len : 1);
			req.resume_text_bytes = a.text.len;
			req.resume_thinking_bytes = a.thinking.len;
		}
		play(e, &req, &b);
		buf_adds(&a.thinking, buf_str(&b.thinking));
		buf_adds(&a.text, buf_str(&b.text));
		assert_string_equal(buf_z(&a.thinking), buf_z(&whole.thinking));
		assert_string_equal(buf_z(&a.text), buf_z(&whole.text));
		assert_int_equal(a.n_ids + b.n_ids, whole.n_ids);
		assert_memory_equal(b.ids, whole.ids + a.n_ids, b.n_ids * sizeof(b.ids[0]));
		log_release(&a);
		log_release(&b);
		e->ops->close(e);
	}
	log_release(&whole);
}

static void resume_ids_the_turn_would_not_have_made_are_an_error(void **state)
{
	static const token_id wrong[] = {1, 77};
	struct engine *e = open_script("{\"text\": \"x\"}\n{\"done\": {}}\n");
	struct turn_request req = say_hello();
	struct turn_log log = {0};

	(void)state;
	req.resume_ids = wrong;
	req.n_resume_ids = 2;
	play(e, &req, &log);
	assert_int_equal(log.last.kind, EV_ERROR);
	assert_string_equal(log.last.err.text, "script line 1: resume id 1 is 77, expected 3");
	log_release(&log);
	e->ops->close(e);
}

static void one_turn_runs_at_a_time(void **state)
{
	struct engine *e = open_script("{\"pause\": -1}\n{\"done\": {}}\n");
	struct turn_request req = say_hello();
	struct err err = {0};
	uint64_t turn = submit(e, &req), other;

	(void)state;
	assert_int_equal(e->ops->submit(e, &req, &other, &err), ERR_USAGE);
	assert_string_equal(err.text, "turn 1 is still running: one turn runs at a time");
	e->ops->cancel(e, turn);
	e->ops->close(e);
}

static void loading_shows_progress_and_may_fail(void **state)
{
	struct engine *e = open_script("{\"load\": {\"bytes\": 100, \"steps\": 3, "
				       "\"error\": \"no such model\"}}\n");
	struct turn_request req = say_hello();
	struct err err = {0};
	struct event ev;
	uint64_t turn;

	(void)state;
	do {
		pop(e, &ev);
		if (ev.kind == EV_LOAD)
			assert_int_equal(ev.progress_all, 100);
		else
			assert_int_equal(ev.kind, EV_ERROR);
	} while (ev.kind == EV_LOAD);
	assert_int_equal(ev.turn, 0);
	assert_int_equal(ev.err.code, ERR_MODEL);
	assert_string_equal(ev.err.text, "no such model");
	event_release(&ev);
	assert_null(e->ops->info(e));
	assert_int_equal(e->ops->submit(e, &req, &turn, &err), ERR_MODEL);
	e->ops->close(e);
}

static void a_request_made_while_loading_fails_with_the_load(void **state)
{
	struct engine *e = open_script("{\"load\": {\"steps\": 1, \"delay_ms\": 1000, "
				       "\"error\": \"no such model\"}}\n");
	struct turn_request req = say_hello();
	uint64_t turn = submit(e, &req);
	struct event ev;
	int n_errors[2] = {0};

	(void)state;
	while (n_errors[1] == 0) {
		pop(e, &ev);
		if (ev.kind == EV_ERROR)
			n_errors[ev.turn == turn]++;
		event_release(&ev);
	}
	assert_int_equal(n_errors[0], 1);
	e->ops->close(e);
}

static void a_flood_nobody_reads_does_not_keep_the_engine_from_closing(void **state)
{
	struct engine *e = open_script("{\"call\": {\"name\": \"x\", \"arguments\": {}}, "
				       "\"repeat\": 1000000}\n{\"done\": {}}\n");
	struct turn_request req = say_hello();

	(void)state;
	submit(e, &req);
	e->ops->close(e);
}

static void a_flood_arrives_whole(void **state)
{
	struct engine *e = open_script("{\"text\": \"0123456789\", \"chunk\": 3, "
				       "\"repeat\": 20000}\n{\"done\": {}}\n");
	struct turn_request req = say_hello();
	struct turn_log log = {0};

	(void)state;
	play(e, &req, &log);
	assert_int_equal(log.text.len, 200000);
	assert_int_equal(log.n_ids, 20000 * 4 + 3);
	log_release(&log);
	e->ops->close(e);
}

static void a_bad_script_is_refused_with_its_line(void **state)
{
	static const struct {
		const char *script, *text;
	} cases[] = {
		{"{\"text\": \"a\"}\n\n# note\n{\"txet\": \"b\"}\n",
		 "script line 4: names no step"},
		{"{\"text\": \"a\"}\n",
		 "script line 1: the last turn has no \"done\" or \"error\""},
		{"{\"text\": 5}\n", "script line 1: \"text\" is not a string"},
		{"{\"text\": \"a\", \"dealy_ms\": 5}\n",
		 "script line 1: \"text\" knows no \"dealy_ms\", only: text delay_ms chunk "
		 "repeat"},
		{"{\"text\": \"a\", \"delay_ms\": -5}\n",
		 "script line 1: \"delay_ms\" is not a whole number from 0 to 3600000"},
		{"{\"done\": \"never\"}\n", "script line 1: \"stop\": unknown value \"never\""},
		{"{\"call\": {\"arguments\": {}}}\n",
		 "script line 1: \"call\" has no \"name\""},
		{"[1]\n", "script line 1: is not a JSON object"},
		{"{\"turn\": {}}\n{\"turn\": {}}\n",
		 "script line 2: the turn before has no \"done\" or \"error\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct engine *e;
		struct err err = {0};

		assert_int_equal(engine_open_scripted(&e, str_of(cases[i].script), &err),
				 ERR_USAGE);
		assert_null(e);
		assert_string_equal(err.text, cases[i].text);
	}
}

static void the_sample_script_of_the_tour_is_a_good_one(void **state)
{
	FILE *f = fopen("tests/scripts/tour.jsonl", "rb");
	struct buf text = {0};
	struct turn_request req = say_hello();
	struct turn_log log = {0};
	struct engine *e;
	char part[4096];
	size_t n;

	(void)state;
	if (!f)
		skip(); /* not run from the project's root */
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		buf_add(&text, part, n);
	fclose(f);
	e = open_script(buf_z(&text));
	play(e, &req, &log);
	assert_int_equal(log.last.kind, EV_DONE);
	log_release(&log);
	buf_release(&text);
	e->ops->close(e);
}

#define WRITE                                                                                  \
	"{\"call\": {\"name\": \"w\", \"arguments\": {\"path\": \"a\", \"content\": "          \
	"\"onetwothree\"}}, \"chunk\": 3, "

static void a_call_streams_its_values_in_pieces(void **state)
{
	struct engine *e = open_script(WRITE "\"delay_ms\": 1}\n{\"done\": {}}\n");
	struct turn_request req = say_hello();
	struct turn_log log = {0};

	(void)state;
	play(e, &req, &log);
	assert_string_equal(buf_z(&log.calls),
			    "0 begin w\n0 more a\n0 param \"path\": \"a\"\n"
			    "0 more onetwothree\n0 param \"content\": \"onetwothree\"\n"
			    "0 end {\"path\": \"a\", \"content\": \"onetwothree\"}\n");
	assert_int_equal(log.last.usage.output_tokens, 11); /* of which 1 and 4 pieces */
	log_release(&log);
	e->ops->close(e);
}

/* As soon as it is told of it is ended: there, and the turn with it. */
static void a_call_that_is_ended_is_cut_and_the_turn_over(void **state)
{
	struct engine *e =
		open_script(WRITE "\"delay_ms\": 5000, \"expect_call_ended\": true}\n"
				  "{\"text\": \"never\"}\n{\"done\": {}}\n");
	struct turn_request req = say_hello();
	struct turn_log log = {0};
	uint64_t turn = submit(e, &req);
	bool over = false;

	(void)state;
	while (!over) {
		struct event ev;

		pop(e, &ev);
		if (ev.kind == EV_CALL_BEGIN) {
			assert_true(ev.early);
			e->ops->end_call(e, turn);
		}
		over = log_event(&log, &ev);
		event_release(&ev);
	}
	assert_null(strstr(buf_z(&log.calls), "param \"content\""));
	assert_non_null(strstr(buf_z(&log.calls), "0 cut the call was ended\n"));
	assert_int_equal(log.last.stop, STOP_CALLS);
	assert_int_equal(log.ids[log.n_ids - 1], 0);
	assert_int_equal(log.text.len, 0);
	log_release(&log);
	e->ops->close(e);
}

static void a_call_that_was_to_be_ended_and_was_not_fails_the_turn(void **state)
{
	struct engine *e = open_script(WRITE "\"expect_call_ended\": true}\n{\"done\": {}}\n");
	struct turn_request req = say_hello();
	struct turn_log log = {0};

	(void)state;
	play(e, &req, &log);
	assert_int_equal(log.last.kind, EV_ERROR);
	assert_string_equal(log.last.err.text, "script line 1: the call was not ended");
	log_release(&log);
	e->ops->close(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_streams_its_values_in_pieces),
		cmocka_unit_test(a_call_that_is_ended_is_cut_and_the_turn_over),
		cmocka_unit_test(a_call_that_was_to_be_ended_and_was_not_fails_the_turn),
		cmocka_unit_test(a_turn_gives_its_thinking_text_and_ids_in_order),
		cmocka_unit_test(without_effort_there_is_no_thinking),
		cmocka_unit_test(a_call_streams_its_name_each_argument_and_the_whole),
		cmocka_unit_test(turns_come_one_by_one_and_then_the_script_says_it_is_over),
		cmocka_unit_test(a_turn_marked_again_is_where_play_goes_on),
		cmocka_unit_test(title_requests_have_turns_of_their_own),
		cmocka_unit_test(an_unmet_expectation_fails_the_turn_and_says_what_was_found),
		cmocka_unit_test(cancel_ends_a_turn_that_would_wait_for_ever),
		cmocka_unit_test(a_call_that_is_cut_is_reported_as_bad),
		cmocka_unit_test(ended_thinking_goes_on_with_the_answer),
		cmocka_unit_test(a_resumed_answer_goes_on_at_its_very_token),
		cmocka_unit_test(resume_ids_the_turn_would_not_have_made_are_an_error),
		cmocka_unit_test(one_turn_runs_at_a_time),
		cmocka_unit_test(loading_shows_progress_and_may_fail),
		cmocka_unit_test(a_request_made_while_loading_fails_with_the_load),
		cmocka_unit_test(a_flood_nobody_reads_does_not_keep_the_engine_from_closing),
		cmocka_unit_test(a_flood_arrives_whole),
		cmocka_unit_test(a_bad_script_is_refused_with_its_line),
		cmocka_unit_test(the_sample_script_of_the_tour_is_a_good_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
