/*
 * What is priced is what a turn would ask: on an engine that keeps the request of either, and
 * answers nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/talk/price.h"
#include "app/talk/question.h"
#include "tests/support/tmpdir.h"

static struct buf glanced, submitted; /* a line for each message */
static struct err err;

static void write_down(struct buf *out, const struct turn_request *req)
{
	buf_reset(out);
	buf_addf(out, "effort %d\n", (int)req->chat.effort);
	for (size_t i = 0; i < req->chat.n_messages; i++) {
		const struct chat_message *m = &req->chat.messages[i];

		buf_addf(out, "%d ", (int)m->role);
		buf_adds(out, m->content);
		buf_addz(out, " | ");
		buf_adds(out, m->tools_json);
		buf_addc(out, '\n');
	}
}

static int glance(struct engine *e, const struct turn_request *req, bool ahead,
		  uint64_t *number, struct err *why)
{
	(void)e;
	(void)ahead;
	(void)why;
	write_down(&glanced, req);
	*number = 1;
	return 0;
}

static int submit(struct engine *e, const struct turn_request *req, uint64_t *number,
		  struct err *why)
{
	(void)e;
	(void)number;
	write_down(&submitted, req);
	return err_set(why, ERR_FAILED, "it only listens");
}

static const struct engine_info *info(struct engine *e)
{
	(void)e;
	return NULL;
}

static const struct engine_ops ops = {.submit = submit, .glance = glance, .info = info};
static struct engine engine = {.ops = &ops};
static struct options opt;
static struct talks talks;
static struct talk *talk;
static struct turn turn;

static int set_up(void **state)
{
	(void)state;
	options_default(&opt);
	memset(&talks, 0, sizeof(talks));
	assert_int_equal(talks_add(&talks, &talk, &err), 0);
	turn = (struct turn){.engine = &engine, .opt = &opt, .talks = &talks};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	turn_release(&turn);
	talks_release(&talks);
	options_release(&opt);
	buf_release(&glanced);
	buf_release(&submitted);
	return 0;
}

static void say(enum chat_role role, const char *text)
{
	struct talk_message *m = talk_message_say(role, str_of(text), &err);

	assert_non_null(m);
	talk_say(talk, m, 1);
}

/* The price of `draft` behind `leaf`, whose request's messages are then checked. */
static struct price_said price(struct talk_message *leaf, const char *draft)
{
	const struct price_of of = {.talk = talk, .leaf = leaf, .draft = str_of(draft)};
	struct talk_message *was = talk->leaf;
	struct price_said said = {0};
	uint64_t number = 0;

	assert_int_equal(price_ask(&turn, &of, false, &said, &number, &err), 0);
	assert_int_equal(number, 1);
	assert_ptr_equal(talk->leaf, was);
	return said;
}

static void assert_asks_as_priced(struct talk_message *leaf, const char *draft)
{
	struct price_said said = price(leaf, draft);

	talk_try_from(talk, leaf);
	assert_int_not_equal(
		turn_ask(&turn, talk, talk_message_say(CHAT_USER, str_of(draft), &err), &err),
		0);
	assert_string_equal(buf_z(&glanced), buf_z(&submitted));
	price_said_release(&said);
}

static void a_question_is_priced_as_it_would_be_asked(void **state)
{
	(void)state;
	assert_asks_as_priced(NULL, "hello");
	say(CHAT_USER, "one");
	say(CHAT_ASSISTANT, "first");
	assert_asks_as_priced(talk->leaf, "two");
	/* in place of the one before */
	assert_asks_as_priced(NULL, "another one");
	opt.effort = EFFORT_HIGH;
	assert_asks_as_priced(talk->leaf, "two");
}

static void files_go_along_as_they_would(void **state)
{
	struct talk_message *question;
	struct question_typed told = {0};
	struct price_of of = {.talk = talk};
	char draft[400];
	uint64_t number;

	tmpdir_set_up(state);
	tmpdir_write_text(&test_dir, "notes", "what the file says\n");
	snprintf(draft, sizeof(draft), "sum up @%s", tmpdir_file(&test_dir, "notes"));
	assert_int_equal(question_type(&question, str_of(draft), NULL, &told, &err), 0);
	of.draft = str_of(draft);
	assert_int_equal(price_ask(&turn, &of, false, NULL, &number, &err), 0);
	assert_non_null(strstr(buf_z(&glanced), "what the file says"));
	assert_int_not_equal(turn_ask(&turn, talk, question, &err), 0);
	assert_string_equal(buf_z(&glanced), buf_z(&submitted));
	/* Those that came with what is edited stay with it. */
	question = talk_message_new(CHAT_USER, &err);
	assert_non_null(question);
	assert_int_equal(question_add_file(question, "notes", STR_LIT("what the file says\n"),
					   &told.n_replaced, &err),
			 0);
	assert_int_equal(
		question_add_words(question, STR_LIT("sum up"), &told.n_replaced, &err), 0);
	talk_say(talk, question, 1);
	of = (struct price_of){
		.talk = talk, .draft = STR_LIT("in a word"), .instead = question};
	assert_int_equal(price_ask(&turn, &of, false, NULL, &number, &err), 0);
	assert_non_null(strstr(buf_z(&glanced), "in a word"));
	assert_non_null(strstr(buf_z(&glanced), "what the file says"));
	tmpdir_tear_down(state);
}

static void the_system_prompt_that_is_wanted_is_priced(void **state)
{
	char fresh[] = "be kind";

	(void)state;
	opt.system = fresh;
	assert_asks_as_priced(NULL, "hello");
	assert_non_null(strstr(buf_z(&glanced), fresh));
	say(CHAT_SYSTEM, "be brief");
	say(CHAT_USER, "one");
	say(CHAT_ASSISTANT, "first");
	/* It holds for a conversation that begins alone. */
	assert_asks_as_priced(talk->leaf, "two");
	assert_null(strstr(buf_z(&glanced), fresh));
	assert_int_equal(talk_set_system(talk, STR_LIT("be long"), &err), 0);
	assert_asks_as_priced(talk->leaf, "two");
	assert_non_null(strstr(buf_z(&glanced), "be long"));
	assert_null(strstr(buf_z(&glanced), "be brief"));
	/* none any more */
	assert_int_equal(talk_set_system(talk, (struct str){0}, &err), 0);
	assert_asks_as_priced(talk->leaf, "two");
	assert_null(strstr(buf_z(&glanced), "be "));
	opt.system = NULL;
}

/* As an agent session has it: both are set when the question is asked. */
static void what_will_be_offered_with_the_question_is_priced(void **state)
{
	struct price_of of = {.talk = talk, .draft = STR_LIT("hello"), .system = STR_LIT("with tools"),
			      .tools = STR_LIT("[]")};
	uint64_t number = 0;

	(void)state;
	assert_int_equal(price_ask(&turn, &of, false, NULL, &number, &err), 0);
	assert_int_equal(talk_set_system(talk, of.system, &err), 0);
	assert_int_equal(talk_set_tools(talk, of.tools, &err), 0);
	assert_int_not_equal(
		turn_ask(&turn, talk, talk_message_say(CHAT_USER, of.draft, &err), &err), 0);
	assert_non_null(strstr(buf_z(&glanced), "with tools | []"));
	assert_string_equal(buf_z(&glanced), buf_z(&submitted));
}

static void what_is_answered_again_is_priced_without_a_draft(void **state)
{
	struct talk_message *question;
	struct price_said said;

	(void)state;
	say(CHAT_USER, "one");
	question = talk->leaf;
	say(CHAT_ASSISTANT, "first");
	said = price(question, "");
	talk_try_from(talk, question);
	assert_int_not_equal(turn_begin(&turn, talk, NULL, &err), 0);
	assert_string_equal(buf_z(&glanced), buf_z(&submitted));
	assert_int_equal(said.n, 1);
	assert_int_equal(said.ids[0], question->id);
	price_said_release(&said);
}

static void whose_the_messages_are_is_told(void **state)
{
	struct price_said said;
	int64_t ids[3];

	(void)state;
	say(CHAT_SYSTEM, "be brief");
	ids[0] = talk->leaf->id;
	say(CHAT_USER, "one");
	ids[1] = talk->leaf->id;
	say(CHAT_ASSISTANT, "first");
	ids[2] = talk->leaf->id;
	said = price(talk->leaf, "two");
	assert_int_equal(said.n, 4);
	assert_memory_equal(said.ids, ids, sizeof(ids));
	assert_int_equal(said.ids[3], 0);
	price_said_release(&said);
	/* Another system prompt is nobody's yet. */
	assert_int_equal(talk_set_system(talk, STR_LIT("be long"), &err), 0);
	said = price(talk->leaf, "two");
	assert_int_equal(said.ids[0], 0);
	assert_int_equal(said.ids[1], ids[1]);
	price_said_release(&said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(a_question_is_priced_as_it_would_be_asked),
		T(files_go_along_as_they_would),
		T(the_system_prompt_that_is_wanted_is_priced),
		T(what_will_be_offered_with_the_question_is_priced),
		T(what_is_answered_again_is_priced_without_a_draft),
		T(whose_the_messages_are_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
