/* Calls that are ended from outside, or since they are too long, by the real engine. */
#include "tests/support/byte_engine.h"

#include <string.h>

#include "engine/session/ending.h"
#include "engine/text/prompt.h"

#define D     TOKEN_DSML
#define CALLS "\n\n<" D "tool_calls>\n"
#define WHOLE                                                                                  \
	"<" D "invoke name=\"read_file\">\n<" D                                                \
	"parameter name=\"path\" string=\"true\">a</" D "parameter>\n</" D "invoke>\n"
#define OPEN                                                                                   \
	"<" D "invoke name=\"write_file\">\n<" D                                               \
	"parameter name=\"content\" string=\"true\">one\ntwo"

/* What comes of the calls of a turn. */
struct heard {
	struct buf ends, why;
	struct turn_log log;
	int n_early;
	size_t n_closing; /* as a call that was cut says */
};

static void heard_release(struct heard *h)
{
	buf_release(&h->ends);
	buf_release(&h->why);
	turn_log_release(&h->log);
}

static bool hear(struct heard *h, struct event *ev)
{
	bool last;

	h->n_early += ev->early;
	if (ev->kind == EV_CALL_CUT) {
		buf_addf(&h->ends, "%d cut: %s\n", ev->call, buf_z(&ev->text));
		buf_adds(&h->why, buf_str(&ev->text));
		h->n_closing = ev->progress;
		/* Whoever has the ids that closed it knows that they did. */
		assert_true(!h->log.n_ids || h->log.ids[h->log.n_ids - 1] != ID_EOS);
	} else if (ev->kind == EV_CALL_END)
		buf_addf(&h->ends, "%d end: %s\n", ev->call, buf_z(&ev->text));
	else if (ev->kind == EV_CALL_BAD)
		buf_addf(&h->ends, "%d bad\n", ev->call);
	last = turn_log_event(&h->log, ev);
	event_release(ev);
	return last;
}

/* An answer that begins so, whose call number `call` is ended as soon as it is told. */
static void play(struct engine *e, const char *beginning, uint64_t seed, int call,
		 struct heard *h)
{
	struct turn_request req = byte_engine_ask(200);
	struct event ev;
	uint64_t turn;
	bool over = false;

	req.prefill = str_of(beginning);
	req.sampling.seed = seed;
	turn = turn_submit(e, &req);
	while (!over) {
		assert_int_equal(event_queue_pop(e->events, &ev, 60000), 1);
		if (ev.kind == EV_CALL_BEGIN && ev.call == call)
			e->ops->end_call(e, turn);
		over = hear(h, &ev);
	}
	assert_int_equal(h->log.last.kind, EV_DONE);
}

static void a_call_that_is_ended_is_closed_and_cut_and_the_one_before_it_stands(void **state)
{
	struct engine *e = byte_engine_open(2048);
	int n_cut = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct heard h = {0};

		play(e, CALLS WHOLE OPEN, seed, 1, &h);
		/* A model of noise may end its answer in the same moment. */
		if (h.log.last.stop != STOP_CALLS) {
			assert_null(strstr(buf_z(&h.ends), "end"));
			heard_release(&h);
			continue;
		}
		assert_string_equal(buf_z(&h.ends), "0 end: {\"path\": \"a\"}\n"
						    "1 cut: the call was ended\n");
		assert_int_equal(h.log.ids[h.log.n_ids - 1], ID_EOS);
		assert_in_range(h.n_early, 3, 4);
		assert_true(h.log.last.usage.output_tokens < 200);
		n_cut++;
		heard_release(&h);
	}
	assert_in_range(n_cut, 15, 20);
	e->ops->close(e);
}

/* The ids that closed it are in the sequence: nothing of the answer is computed again. */
static void an_ended_answer_is_replayed_from_the_cache(void **state)
{
	struct engine *e = byte_engine_open(2048);
	struct turn_request req = byte_engine_ask(2);
	struct heard h = {0};
	struct chat_message messages[3] = {byte_engine_question[0]};
	const struct chat_call call = {STR_LIT("0"), STR_LIT("write_file"), STR_LIT("{}")};
	struct turn_log next = {0};

	(void)state;
	play(e, CALLS OPEN, 1, 0, &h);
	assert_string_equal(buf_z(&h.ends), "0 cut: the call was ended\n");
	messages[1] = (struct chat_message){
		.role = CHAT_ASSISTANT, .calls = &call, .n_calls = 1, .ids = h.log.ids,
		.n_ids = h.log.n_ids};
	messages[2] = (struct chat_message){
		.role = CHAT_TOOL, .content = STR_LIT("no"), .tool_call_id = STR_LIT("0")};
	req.chat.messages = messages;
	req.chat.n_messages = 3;
	req.chat.drop_thinking = false;
	turn_play_well(e, &req, &next);
	assert_true(next.last.usage.cached_tokens >=
		    h.log.last.usage.prompt_tokens + h.log.last.usage.output_tokens - 2);
	turn_log_release(&next);
	heard_release(&h);
	e->ops->close(e);
}

/* As after a kill: so many of its ids are there, and what was told of its last call. */
static void resume(struct engine *e, const struct heard *was, size_t n_ids, bool closed,
		   struct heard *h)
{
	struct turn_request req = byte_engine_ask(20);
	struct event ev;
	bool over = false;

	req.resume_ids = was->log.ids;
	req.n_resume_ids = n_ids;
	req.n_resume_closing = closed ? was->n_closing : 0;
	req.resume_why = buf_str(&was->why);
	turn_submit(e, &req);
	while (!over) {
		assert_int_equal(event_queue_pop(e->events, &ev, 60000), 1);
		over = hear(h, &ev);
	}
	if (h->log.last.kind != EV_DONE)
		fail_msg("%s", h->log.last.err.text);
}

static void an_ended_answer_whose_last_event_was_lost_ends_again_as_it_did(void **state)
{
	struct engine *e = byte_engine_open(2048);
	struct heard was = {0}, all = {0}, open = {0};
	size_t n;

	(void)state;
	play(e, CALLS WHOLE OPEN, 1, 1, &was);
	n = was.log.n_ids;
	assert_int_equal(was.log.ids[n - 1], ID_EOS);
	assert_in_range(was.n_closing, 2, n - 1);
	resume(e, &was, n, true, &all);
	assert_string_equal(buf_z(&all.ends), buf_z(&was.ends));
	assert_int_equal(all.log.last.stop, STOP_CALLS);
	assert_int_equal(all.log.n_ids, 0);
	assert_int_equal(all.n_closing, was.n_closing);
	/* Where the ids that close it are not there, it is still written. */
	resume(e, &was, n - was.n_closing, true, &open);
	assert_null(strstr(buf_z(&open.ends), "the call was ended"));
	assert_true(open.log.n_ids > 0);
	heard_release(&was);
	heard_release(&all);
	heard_release(&open);
	e->ops->close(e);
}

static void an_answer_that_ended_by_itself_ends_again(void **state)
{
	struct engine *e = byte_engine_open(2048);
	struct heard was = {0}, again = {0};

	(void)state;
	play(e, CALLS WHOLE OPEN, 1, 1, &was);
	/* What nobody cut is whole. */
	resume(e, &was, was.log.n_ids, false, &again);
	assert_non_null(strstr(buf_z(&again.ends), "0 end: {\"path\": \"a\"}\n1 end: "
						   "{\"content\": \"one\\ntwo"));
	assert_int_equal(again.log.last.stop, STOP_CALLS);
	heard_release(&again);
	heard_release(&was);
	e->ops->close(e);
}

/* Without a call nothing ends. */
static void text_is_not_ended(void **state)
{
	struct engine *e = byte_engine_open(2048);
	struct turn_request req = byte_engine_ask(30);
	struct turn_log whole = {0}, ended = {0};
	uint64_t turn;

	(void)state;
	req.prefill = STR_LIT("Paris");
	turn_play_well(e, &req, &whole);
	turn = turn_submit(e, &req);
	e->ops->end_call(e, turn);
	turn_finish(e, turn, &ended);
	assert_int_equal(ended.n_ids, whole.n_ids);
	assert_memory_equal(ended.ids, whole.ids, whole.n_ids * sizeof(token_id));
	turn_log_release(&whole);
	turn_log_release(&ended);
	e->ops->close(e);
}

/* ---- what is too long ---- */

static void push(struct answer *a, const struct tokenizer *tok, const char *text)
{
	struct tokens ids = {0};
	struct err err = {0};

	assert_int_equal(tokenizer_encode(tok, str_of(text), &ids, NULL, &err), 0);
	for (size_t i = 0; i < ids.n; i++)
		answer_push(a, ids.ids[i]);
	tokens_release(&ids);
}

/* The ids that end it are pushed, too. */
static void end(struct answer *a, const struct tokenizer *tok, const char *why, struct heard *h)
{
	token_id eos = tokenizer_control(tok, TOKEN_EOS);
	struct event_queue *q = a->events;
	struct ending e;
	struct event ev;
	struct err err;
	int n_calls;

	assert_true(ending_of(&e, a, eos, why));
	for (size_t i = 0; i < e.n; i++)
		answer_push(a, e.ids[i]);
	assert_int_equal(answer_finish(a, false, &n_calls, &err), 0);
	while (event_queue_pop(q, &ev, 0))
		hear(h, &ev);
	answer_release(a);
	event_queue_free(q);
}

static void begin(struct answer *a, const struct tokenizer *tok)
{
	struct event_queue *q;
	struct err err;

	assert_int_equal(event_queue_new(&q, 4096, &err), 0);
	assert_int_equal(answer_init(a, q, 1, tok, false, DSML_CHAT, &err), 0);
	push(a, tok, CALLS WHOLE OPEN);
	assert_null(answer_too_long(a));
}

static void calls_that_are_too_long_are_cut_and_those_before_stand(void **state)
{
	static char blanks[1024];
	struct tokenizer *tok = NULL;
	struct err err = {0};

	(void)state;
	memset(blanks, ' ', sizeof(blanks) - 1);
	assert_int_equal(tokenizer_open(&tok, "share/nano", &err), 0);
	for (int by_ids = 0; by_ids < 2; by_ids++) {
		struct heard h = {0};
		struct answer a;
		const char *why = NULL;
		size_t n = 0;

		begin(&a, tok);
		while (!why && n++ < 40000) {
			if (by_ids)
				push(&a, tok, "\n");
			else
				dsml_push(&a.dsml, str_of(blanks));
			why = answer_too_long(&a);
		}
		assert_string_equal(why, by_ids ? "the call was cut: longer than 32768 tokens"
						: "the call was cut: longer than 1 MiB");
		end(&a, tok, why, &h);
		assert_non_null(strstr(buf_z(&h.ends), "0 end: {\"path\": \"a\"}\n1 cut: the "
						       "call was cut: longer than "));
		heard_release(&h);
	}
	tokenizer_close(tok);
}

/* A tag that never ends does not keep it from ending. */
static void an_endless_tag_is_ended_with_the_answer(void **state)
{
	struct tokenizer *tok = NULL;
	struct err err = {0};
	struct heard h = {0};
	struct answer a;
	struct ending e;

	(void)state;
	assert_int_equal(tokenizer_open(&tok, "share/nano", &err), 0);
	begin(&a, tok);
	push(&a, tok, "</" D "parameter>\n<" D "parameter name=\"");
	assert_false(ending_of(&e, &a, 0, "enough"));
	while (a.n_block <= ANSWER_BLOCK_IDS + ENDING_IDS)
		push(&a, tok, "x");
	assert_non_null(answer_too_long(&a));
	end(&a, tok, answer_too_long(&a), &h);
	assert_string_equal(buf_z(&h.ends), "0 bad\n1 bad\n");
	heard_release(&h);
	tokenizer_close(tok);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_call_that_is_ended_is_closed_and_cut_and_the_one_before_it_stands),
		cmocka_unit_test(an_ended_answer_is_replayed_from_the_cache),
		cmocka_unit_test(
			an_ended_answer_whose_last_event_was_lost_ends_again_as_it_did),
		cmocka_unit_test(an_answer_that_ended_by_itself_ends_again),
		cmocka_unit_test(text_is_not_ended),
		cmocka_unit_test(calls_that_are_too_long_are_cut_and_those_before_stand),
		cmocka_unit_test(an_endless_tag_is_ended_with_the_answer),
	};

	return cmocka_run_group_tests(tests, byte_engine_set_up, tmpdir_tear_down);
}
