/*
 * Answers that were given by turns of the small model are given again: whole and cut, gone on
 * with, begun by a text, their thinking ended by the user; and what is changed of them is
 * found.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/talk/replay.h"
#include "app/talk/turn.h"
#include "engine/text/prompt.h"

#define MODEL "share/nano"

static struct engine *engine;
static struct tokenizer *tok;
static struct talks talks;
static struct talk *talk;
static struct options opt;
static struct turn turn;
static struct err err;

/* What is done at the n-th event of a kind. */
static struct act {
	enum event_kind kind;
	int n;
	bool end_thinking, end_call; /* else the turn is cancelled */
} act;

static int on_event(void *ctx, const struct event *ev)
{
	(void)ctx;
	if (ev->kind != act.kind || !act.n || --act.n)
		return 0;
	if (act.end_thinking)
		turn_end_thinking(&turn);
	else if (act.end_call)
		turn_end_call(&turn);
	else
		return ERR_CANCELLED;
	return 0;
}

static const struct turn_watch watch = {.event = on_event, .wake_fd = -1};

static int set_up(void **state)
{
	static const struct engine_config config = {
		.model_dir = MODEL, .n_threads = 1, .ctx_tokens = 2048};

	(void)state;
	if (engine_open(&engine, &config, &err) || turn_await_ready(engine, &watch, &err) ||
	    tokenizer_open(&tok, MODEL, &err))
		fail_msg("%s", err.text);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tokenizer_close(tok);
	engine->ops->close(engine);
	return 0;
}

static int begin(void **state)
{
	(void)state;
	options_default(&opt);
	/* Hot, so that each id hangs on the seed. */
	opt.sampling.temperature = 3;
	opt.sampling.max_tokens = 80;
	opt.sampling.seed = 7;
	opt.seed_given = true;
	assert_int_equal(talks_open(&talks, NULL, &err), 0);
	assert_int_equal(talks_add(&talks, &talk, &err), 0);
	turn = (struct turn){.engine = engine, .opt = &opt, .talks = &talks};
	memset(&act, 0, sizeof(act));
	return 0;
}

static int end(void **state)
{
	(void)state;
	turn_release(&turn);
	talks_release(&talks);
	options_release(&opt);
	return 0;
}

static struct talk_message *finish(int rc)
{
	struct turn_outcome out;

	if (rc)
		fail_msg("%s", err.text);
	rc = turn_run(&turn, &watch, &out, &err);
	if (rc && rc != ERR_CANCELLED)
		fail_msg("%s", err.text);
	assert_non_null(out.said);
	assert_true(out.said->stored > 0);
	return out.said;
}

static struct talk_message *ask(const char *text)
{
	struct talk_message *q = talk_message_say(CHAT_USER, str_of(text), &err);

	return finish(turn_ask(&turn, talk, q, &err));
}

static struct replay again(struct talk_message *m)
{
	struct replay r;

	if (replay_init(&r, talk, m, &err) ||
	    replay_run(&r, engine, tokenizer_control(tok, TOKEN_THINK_END), &err))
		fail_msg("%s", err.text);
	return r;
}

static void assert_identical(struct talk_message *m)
{
	struct replay r = again(m);

	if (r.differs)
		fail_msg("differs at %zu of %zu: %d, now %d", r.at, m->n_ids, (int)m->ids[r.at],
			 r.ended ? -1 : (int)r.now);
	assert_int_equal(r.at, m->n_ids);
}

static void whole_and_cut_answers_come_again(void **state)
{
	struct talk_message *first, *cut;
	int tries = 0;

	(void)state;
	opt.effort = EFFORT_NONE;
	first = ask("tell me about the river");
	/* On a busy machine an answer may be over before it is heard of. */
	do {
		act.kind = EV_TOKENS;
		act.n = 1;
		cut = ask("and the boats on it?");
	} while (strcmp(cut->made.run.stop, "interrupted") != 0 && ++tries < 10);
	assert_string_equal(cut->made.run.stop, "interrupted");
	opt.effort = EFFORT_LOW;
	assert_identical(first);
	assert_identical(cut);
	assert_identical(ask("what is 3 + 4?"));
	/* in any order, and whatever the branch is now */
	talk_rewind(talk, NULL);
	assert_identical(cut);
	assert_identical(first);
}

static void what_an_answer_was_told_to_begin_with_is_given_again(void **state)
{
	char begins[] = "The river";
	struct talk_message *m;
	struct buf said = {0};

	(void)state;
	opt.prefill = begins;
	m = ask("tell me about the river");
	opt.prefill = NULL;
	talk_message_add_text(m, HISTORY_TEXT, &said);
	assert_memory_equal(buf_z(&said), begins, strlen(begins));
	buf_release(&said);
	assert_identical(m);
}

static void of_an_answer_that_went_on_the_rest_comes_again(void **state)
{
	struct talk_message *cut, *m;
	struct replay r;

	(void)state;
	opt.effort = EFFORT_NONE;
	opt.sampling.max_tokens = 6;
	cut = ask("tell me about the river");
	opt.sampling.max_tokens = 80;
	m = finish(turn_begin(&turn, talk, cut, &err));
	assert_true(m->n_ids > cut->n_ids);
	r = again(m);
	assert_false(r.differs);
	assert_int_equal(r.run->resumed_tokens, cut->n_ids);
}

static void an_end_that_the_user_asked_for_is_no_difference(void **state)
{
	struct talk_message *m;
	struct history_run *run;
	struct replay r;
	token_id end_id = tokenizer_control(tok, TOKEN_THINK_END);
	size_t at = 0;

	(void)state;
	act.kind = EV_THINKING;
	act.n = 2;
	act.end_thinking = true;
	m = ask("which command shows free disk space?");
	while (at < m->n_ids && m->ids[at] != end_id)
		at++;
	assert_in_range(at, 1, m->n_ids - 2);
	assert_identical(m);
	/* Where it is not known that it was asked for, it is one. */
	r = again(m);
	run = (struct history_run *)(uintptr_t)r.run;
	assert_int_equal(run->thinking_ended, 1);
	run->thinking_ended = 0;
	r = again(m);
	assert_true(r.differs);
	assert_int_equal(r.at, at);
	run->thinking_ended = 1;
	/* Behind it, too, what differs is found. */
	m->ids[m->n_ids - 2] ^= 1;
	r = again(m);
	assert_true(r.differs);
	assert_int_equal(r.at, m->n_ids - 2);
}

/* The ids that closed it were chosen by nobody. */
static void a_call_that_was_ended_is_no_difference(void **state)
{
	static const char call[] = "\n\n<" TOKEN_DSML "tool_calls>\n<" TOKEN_DSML
				   "invoke name=\"write_file\">\n<" TOKEN_DSML
				   "parameter name=\"content\" string=\"true\">one";
	bool differs = false;

	(void)state;
	opt.effort = EFFORT_NONE;
	opt.sampling.temperature = 1;
	opt.prefill = strdup(call);
	/*
	 * The model may have come to the call's end before it was ended, and where it was ended
	 * may have gone on with the very ids, but not each time.
	 */
	for (int i = 0; i < 40 && !differs; i++, opt.sampling.seed++) {
		struct talk_message *m;
		struct talk_part *p;

		assert_int_equal(talks_add(&talks, &talk, &err), 0);
		act = (struct act){.kind = EV_CALL_BEGIN, .n = 1, .end_call = true};
		m = ask("write a poem to poem.txt");
		p = &m->parts[m->n_parts - 1];
		if (p->call != CALL_CUT)
			continue;
		assert_in_range(p->n_closing, 5, 30);
		assert_non_null(strstr(buf_z(&p->info), "\"ids\": "));
		assert_identical(m);
		p->n_closing = 0;
		differs = again(m).differs;
	}
	assert_true(differs);
}

static void what_is_changed_is_found_at_its_place(void **state)
{
	struct history_run *run;
	struct talk_message *m;
	struct replay r;
	token_id first;
	size_t n;

	(void)state;
	opt.effort = EFFORT_NONE;
	/* So hot an answer may be a short one. */
	do {
		m = ask("tell me about the river");
		n = m->n_ids;
	} while (n <= 20 && opt.sampling.seed++ < 40);
	assert_true(n > 20);
	for (size_t at = 0; at < n; at += 3) {
		token_id was = m->ids[at];

		m->ids[at] = was ^ 1;
		r = again(m);
		assert_true(r.differs && !r.ended);
		assert_int_equal(r.at, at);
		assert_int_equal(r.now, was);
		m->ids[at] = was;
	}
	/* One more than there are. */
	first = m->ids[0];
	assert_int_equal(talk_message_add_ids(m, &first, 1, &err), 0);
	r = again(m);
	assert_int_equal(r.at, n);
	assert_true(r.differs);
	assert_int_equal(r.ended, m->ids[n - 1] == tokenizer_control(tok, TOKEN_EOS));
	m->n_ids = n;
	/* Another seed, and other settings. */
	run = (struct history_run *)(uintptr_t)r.run;
	run->seed ^= 1;
	assert_true(again(m).differs);
	run->seed ^= 1;
	run->temperature = 0;
	assert_true(again(m).differs);
	run->temperature = 3;
	assert_identical(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
		T(whole_and_cut_answers_come_again),
		T(what_an_answer_was_told_to_begin_with_is_given_again),
		T(of_an_answer_that_went_on_the_rest_comes_again),
		T(an_end_that_the_user_asked_for_is_no_difference),
		T(a_call_that_was_ended_is_no_difference),
		T(what_is_changed_is_found_at_its_place),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
