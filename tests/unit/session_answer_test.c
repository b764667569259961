/* Answers of the real engine, cut and resumed. */
#include "tests/support/shared_files.h"

#include <string.h>

#include "engine/session/answer.h"

/* What a turn sent, with each call as its last state. */
struct sent {
	struct buf text, thinking, calls;
	size_t n_ids;
};

static void sent_release(struct sent *s)
{
	buf_release(&s->text);
	buf_release(&s->thinking);
	buf_release(&s->calls);
	*s = (struct sent){0};
}

static void drain(struct event_queue *q, struct sent *s)
{
	struct event ev;

	buf_reset(&s->calls); /* each turn tells all calls of its answer */
	while (event_queue_pop(q, &ev, 0)) {
		assert_int_equal(ev.turn, 3);
		if (ev.kind == EV_TEXT)
			buf_adds(&s->text, buf_str(&ev.text));
		else if (ev.kind == EV_THINKING)
			buf_adds(&s->thinking, buf_str(&ev.text));
		else if (ev.kind == EV_TOKENS)
			s->n_ids += ev.n_ids;
		else if (ev.kind == EV_CALL_END)
			buf_addf(&s->calls, "%d %s\n", ev.call, buf_z(&ev.text));
		event_release(&ev);
	}
}

static struct tokenizer *open_small(void)
{
	struct tokenizer *t = NULL;
	struct err err = {0};

	if (tokenizer_open(&t, "share/nano", &err))
		fail_msg("%s", err.text);
	return t;
}

/* Plays ids[from..to) as one turn that resumes at `from`; the answer ends where all are played.
 */
static void play(const struct tokenizer *tok, enum dsml_mode mode, bool raw,
		 const struct tokens *ids, size_t from, size_t to,
		 const struct answer_had *had, struct sent *s)
{
	struct event_queue *q;
	struct answer a;
	struct err err = {0};
	int n_calls;

	assert_int_equal(event_queue_new(&q, 4096, &err), 0);
	assert_int_equal(answer_init(&a, q, 3, tok, raw, mode, &err), 0);
	assert_int_equal(answer_resume(&a, ids->ids, from, had, NULL, &err), 0);
	for (size_t i = from; i < to; i++) {
		answer_send_id(&a, ids->ids[i]);
		answer_push(&a, ids->ids[i]);
	}
	assert_int_equal(answer_finish(&a, to < ids->n, &n_calls, &err), 0);
	answer_release(&a);
	drain(q, s);
	event_queue_free(q);
}

static const struct {
	enum dsml_mode mode;
	const char *text;
	int n_calls;
} answers[] = {
	{DSML_CHAT, "Plain words, 你好 and 👩‍👩‍👧, end.", 0},
	{DSML_THINKING, "Let me see: 1 + 1.</think>It is **2** 🔥.", 0},
	{DSML_CHAT, "Half a tag: <｜DS and </｜ and <thi and </thin and\n\n\nlines\n\n", 0},
	{DSML_THINKING,
	 "I look.</think>One moment.\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"shell\">\n"
	 "<｜DSML｜parameter name=\"command\" string=\"true\">ls 你好</｜DSML｜parameter>\n"
	 "</｜DSML｜invoke>\n<｜DSML｜invoke name=\"read_file\">\n"
	 "<｜DSML｜parameter name=\"path\" string=\"true\">a</｜DSML｜parameter>\n"
	 "<｜DSML｜parameter name=\"offset\" string=\"false\">3</｜DSML｜parameter>\n"
	 "</｜DSML｜invoke>\n</｜DSML｜tool_calls>",
	 2},
};

#define N_ANSWERS (sizeof(answers) / sizeof(answers[0]))

static void encode(const struct tokenizer *tok, const char *text, struct tokens *ids)
{
	struct err err = {0};

	assert_int_equal(tokenizer_encode_special(tok, str_of(text), ids, NULL, &err), 0);
	assert_true(ids->n > 4);
}

static void an_answer_cut_anywhere_and_resumed_says_what_the_whole_one_says(void **state)
{
	struct tokenizer *tok = open_small();

	(void)state;
	for (size_t k = 0; k < N_ANSWERS; k++) {
		struct tokens ids = {0};
		struct sent whole = {0};

		encode(tok, answers[k].text, &ids);
		play(tok, answers[k].mode, false, &ids, 0, ids.n, NULL, &whole);
		assert_int_equal(whole.n_ids, ids.n);
		for (size_t cut = 0; cut < ids.n; cut++) {
			struct sent s = {0};

			play(tok, answers[k].mode, false, &ids, 0, cut, NULL, &s);
			play(tok, answers[k].mode, false, &ids, cut, ids.n, NULL, &s);
			assert_string_equal(buf_z(&s.thinking), buf_z(&whole.thinking));
			assert_string_equal(buf_z(&s.calls), buf_z(&whole.calls));
			assert_int_equal(s.n_ids, ids.n);
			/* A half tag before a call was text while nobody knew better. */
			if (answers[k].n_calls == 0)
				assert_string_equal(buf_z(&s.text), buf_z(&whole.text));
			else
				assert_memory_equal(buf_z(&s.text), buf_z(&whole.text),
						    whole.text.len);
			sent_release(&s);
		}
		sent_release(&whole);
		tokens_release(&ids);
	}
	tokenizer_close(tok);
}

static void a_resumed_answer_first_says_what_its_caller_does_not_have(void **state)
{
	struct tokenizer *tok = open_small();

	(void)state;
	for (size_t k = 0; k < N_ANSWERS; k++) {
		struct tokens ids = {0};
		struct sent whole = {0};

		encode(tok, answers[k].text, &ids);
		play(tok, answers[k].mode, false, &ids, 0, ids.n, NULL, &whole);
		for (size_t cut = 1; cut < ids.n; cut++) {
			size_t thinks = whole.thinking.len > 0;
			/* Not more than the first ids say: each is a byte or more, tags aside.
			 */
			struct answer_had had = {.text = thinks ? 0 : cut > 1,
						 .thinking = thinks && cut > 1};
			struct sent s = {0};

			play(tok, answers[k].mode, false, &ids, cut, ids.n, &had, &s);
			assert_string_equal(buf_z(&s.thinking),
					    buf_z(&whole.thinking) + had.thinking);
			assert_string_equal(buf_z(&s.text), buf_z(&whole.text) + had.text);
			assert_string_equal(buf_z(&s.calls), buf_z(&whole.calls));
			sent_release(&s);
		}
		sent_release(&whole);
		tokens_release(&ids);
	}
	tokenizer_close(tok);
}

static void plain_text_passes_whatever_it_spells_and_resumes_inside_a_character(void **state)
{
	static const char text[] = "</think> 🔥<｜DSML｜tool_calls> 你好\n";
	struct tokenizer *tok = open_small();
	struct tokens ids = {0};
	struct err err = {0};

	(void)state;
	assert_int_equal(tokenizer_encode(tok, STR_LIT("</think> 🔥<｜DSML｜tool_calls> 你好\n"),
					  &ids, NULL, &err),
			 0);
	for (size_t cut = 0; cut <= ids.n; cut++) {
		struct sent s = {0};

		play(tok, DSML_CHAT, true, &ids, 0, cut, NULL, &s);
		play(tok, DSML_CHAT, true, &ids, cut, ids.n, NULL, &s);
		assert_string_equal(buf_z(&s.text), text);
		sent_release(&s);
	}
	tokens_release(&ids);
	tokenizer_close(tok);
}

static void only_an_answer_that_ended_has_calls_that_ended_well(void **state)
{
	struct tokenizer *tok = open_small();

	(void)state;
	for (size_t k = 0; k < N_ANSWERS; k++) {
		struct tokens ids = {0};

		encode(tok, answers[k].text, &ids);
		for (int cut = 0; cut < 2; cut++) {
			struct event_queue *q;
			struct answer a;
			struct err err = {0};
			int n_calls;

			assert_int_equal(event_queue_new(&q, 4096, &err), 0);
			assert_int_equal(
				answer_init(&a, q, 1, tok, false, answers[k].mode, &err), 0);
			for (size_t i = 0; i < ids.n; i++)
				answer_push(&a, ids.ids[i]);
			assert_int_equal(answer_finish(&a, cut, &n_calls, &err), 0);
			assert_int_equal(n_calls, cut ? 0 : answers[k].n_calls);
			answer_release(&a);
			event_queue_free(q);
		}
		tokens_release(&ids);
	}
	tokenizer_close(tok);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			an_answer_cut_anywhere_and_resumed_says_what_the_whole_one_says),
		cmocka_unit_test(a_resumed_answer_first_says_what_its_caller_does_not_have),
		cmocka_unit_test(
			plain_text_passes_whatever_it_spells_and_resumes_inside_a_character),
		cmocka_unit_test(only_an_answer_that_ended_has_calls_that_ended_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
