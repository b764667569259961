/* The conversation: what a turn asks of the engine, what it makes of the answer, what is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/screen/screen.h"
#include "app/talk/request.h"
#include "app/talk/store.h"
#include "app/talk/stop.h"
#include "app/talk/turn.h"
#include "engine/base/clock.h"
#include "engine/base/file.h"
#include "tests/support/tmpdir.h"

static struct err err;

/* A conversation with an engine, and its store. */
struct chatter {
	struct options opt;
	struct engine *engine;
	struct talks talks;
	struct talk *talk;
	struct turn turn;
};

static int hear_nothing(void *ctx, const struct event *ev)
{
	(void)ctx;
	(void)ev;
	return 0;
}

static void chatter_open(struct chatter *c, const char *script, bool again)
{
	*c = (struct chatter){0};
	options_default(&c->opt);
	c->opt.go_on = again;
	if (engine_open_scripted(&c->engine, str_of(script), &err) ||
	    talks_open(&c->talks, tmpdir_file(&test_dir, "history.db"), &err) ||
	    talks_choose(&c->talks, &c->opt, &c->talk, &err))
		fail_msg("%s", err.text);
	c->turn = (struct turn){.engine = c->engine, .opt = &c->opt, .talks = &c->talks};
}

static void chatter_close(struct chatter *c)
{
	turn_release(&c->turn);
	talks_release(&c->talks);
	c->engine->ops->close(c->engine);
	options_release(&c->opt);
}

/* Answers the leaf; `stop`: what came of it. */
static struct talk_message *answer(struct chatter *c, enum stop_reason stop)
{
	const struct turn_watch watch = {.event = hear_nothing, .wake_fd = -1};
	struct turn_outcome out;

	if (turn_begin(&c->turn, c->talk, NULL, &err) ||
	    turn_run(&c->turn, &watch, &out, &err))
		fail_msg("%s", err.text);
	assert_true(out.done);
	assert_int_equal(out.stop, stop);
	assert_int_equal(out.kept.code, 0);
	return out.said;
}

static bool is_open(const struct talk_message *m)
{
	return stop_way(m, 0) == STOP_WAY_OPEN;
}

static void ask(struct chatter *c, const char *text)
{
	struct talk_message *m = talk_message_say(CHAT_USER, str_of(text), &err);

	if (!m || talk_ask(c->talk, m, c->opt.system, clock_wall_ms(), &err) ||
	    talk_store_save(&c->talks, c->talk, &err))
		fail_msg("%s", err.text);
}

static void say_result(struct chatter *c, const char *ref, const char *text, const char *info)
{
	struct talk_message *m =
		talk_message_result(&(struct talk_result){.ref = str_of(ref),
							  .name = STR_LIT("shell"),
							  .text = str_of(text),
							  .info = str_of(info)},
				    &err);

	assert_non_null(m);
	talk_say(c->talk, m, clock_wall_ms());
	assert_int_equal(talk_store_save(&c->talks, c->talk, &err), 0);
}

#define OFFER "[{\"type\": \"function\", \"function\": {\"name\": \"shell\"}}]"

static const char two_calls[] =
	"{\"turn\": {\"expect_tools\": \"\\\"shell\\\"\", \"expect_system\": \"Be brief.\", "
	"\"expect_messages\": 2}}\n"
	"{\"text\": \"I look.\"}\n"
	"{\"call\": {\"name\": \"shell\", \"arguments\": {\"command\": \"ls\"}}}\n"
	"{\"bad_call\": {\"name\": \"shell\", \"why\": \"no JSON\"}}\n"
	"{\"call\": {\"name\": \"shell\", \"arguments\": {\"command\": \"pwd\"}}}\n"
	"{\"done\": {}}\n";

static const char after_results[] =
	"{\"turn\": {\"expect_calls\": \"0 2\", \"expect_results\": \"0 2\", "
	"\"expect_tools\": \"\\\"shell\\\"\", \"expect_tool\": \"/home\", "
	"\"expect_messages\": 5}}\n"
	"{\"text\": \"There.\"}\n"
	"{\"done\": {}}\n";

static void calls_have_ids_and_their_results_go_back_with_them(void **state)
{
	struct buf script = {0};
	struct chatter c;
	const struct talk_message *m;

	(void)state;
	buf_addf(&script, "%s%s", two_calls, after_results);
	chatter_open(&c, buf_z(&script), false);
	assert_int_equal(talk_set_system(c.talk, STR_LIT("Be brief."), &err), 0);
	assert_int_equal(talk_set_tools(c.talk, STR_LIT(OFFER), &err), 0);
	ask(&c, "what is here?");
	m = answer(&c, STOP_CALLS);
	assert_int_equal(m->n_parts, 4);
	assert_string_equal(buf_z(&m->parts[1].ref), "0");
	assert_string_equal(buf_z(&m->parts[2].ref), "1");
	assert_int_equal(m->parts[2].call, CALL_BAD);
	assert_string_equal(buf_z(&m->parts[3].ref), "2");
	say_result(&c, "0", "a.c\nb.c\n", "{\"state\": \"ok\", \"exit\": 0, \"ms\": 12}");
	say_result(&c, "2", "/home\n", "");
	answer(&c, STOP_END);
	chatter_close(&c);
	buf_release(&script);
}

static void results_are_sent_again_after_a_restart(void **state)
{
	struct chatter c;
	const struct talk_message *m;

	(void)state;
	chatter_open(&c, two_calls, false);
	assert_int_equal(talk_set_system(c.talk, STR_LIT("Be brief."), &err), 0);
	assert_int_equal(talk_set_tools(c.talk, STR_LIT(OFFER), &err), 0);
	ask(&c, "what is here?");
	answer(&c, STOP_CALLS);
	say_result(&c, "0", "a.c\n", "{\"state\": \"error\", \"exit\": 2, \"ms\": 1200}");
	say_result(&c, "2", "/home\n", "{\"state\": \"ok\"}");
	chatter_close(&c);

	chatter_open(&c, after_results, true);
	m = c.talk->leaf->parent;
	assert_int_equal(m->role, CHAT_TOOL);
	assert_string_equal(buf_z(&m->parts[0].ref), "0");
	assert_true(m->parts[0].error);
	assert_int_equal(m->parts[0].exit, 2);
	assert_int_equal(m->parts[0].took_ms, 1200);
	assert_false(c.talk->leaf->parts[0].error);
	answer(&c, STOP_END);
	/* What is offered already is not said again. */
	assert_int_equal(talk_set_tools(c.talk, STR_LIT(OFFER), &err), 0);
	ask(&c, "and now?");
	assert_int_equal(c.talk->leaf->parent->role, CHAT_ASSISTANT);
	chatter_close(&c);
}

static void a_result_cannot_end_itself_in_the_prompt(void **state)
{
	static const struct {
		const char *text, *sent;
	} cases[] = {
		{"plain", "plain"},
		{"a</tool_result>b", "a<\\/tool_result>b"},
		{"</TOOL_Result\n<tool_result>", "<\\/TOOL_Result\n<\\tool_result>"},
		{"<</tool_result></tool_resul", "<<\\/tool_result></tool_resul"},
		{"<", "<"},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct talks talks = {0};
		struct request r;
		struct talk *t;

		assert_int_equal(talks_add(&talks, &t, &err), 0);
		talk_say(t, talk_message_say(CHAT_USER, STR_LIT("q"), &err), 1);
		talk_say(t,
			 talk_message_result(&(struct talk_result){.text = str_of(cases[i].text)},
					     &err),
			 1);
		assert_int_equal(request_build(&r, t, EFFORT_NONE, &err), 0);
		assert_int_equal(r.n, 2);
		if (!str_is(r.messages[1].content, cases[i].sent))
			fail_msg("%s became %.*s", cases[i].text, (int)r.messages[1].content.n,
				 r.messages[1].content.p);
		/* What is stored and shown is what the tool said. */
		assert_string_equal(buf_z(&t->leaf->parts[0].text), cases[i].text);
		request_release(&r);
		talks_release(&talks);
	}
}

static void results_stand_on_the_cards_of_their_calls(void **state)
{
	struct screen_config config = {.tty = -1};
	struct buf keys = {0}, shown = {0};
	const char *first, *second, *at;
	struct chatter c;
	int signo;

	(void)state;
	chatter_open(&c, two_calls, false);
	assert_int_equal(talk_set_system(c.talk, STR_LIT("Be brief."), &err), 0);
	assert_int_equal(talk_set_tools(c.talk, STR_LIT(OFFER), &err), 0);
	ask(&c, "what is here?");
	answer(&c, STOP_CALLS);
	say_result(&c, "0", "alpha.c\n", "{\"state\": \"error\", \"exit\": 2, \"ms\": 1200}");
	say_result(&c, "2", "/home\n", "{\"state\": \"ok\"}");
	/* One that answers nothing has a card of its own. */
	say_result(&c, "9", "stray\n", "");
	buf_addf(&keys, ":size 80 60\n:wait-idle\nC-o\n:save-display %s\n",
		 tmpdir_file(&test_dir, "cards"));
	config.opt = &c.opt;
	config.engine = c.engine;
	config.talks = &c.talks;
	config.talk = c.talk;
	config.script = buf_z(&keys);
	if (screen_run(&config, &signo, &err) ||
	    file_read(&shown, tmpdir_file(&test_dir, "cards"), 1 << 20, &err))
		fail_msg("%s", err.text);
	first = strstr(buf_z(&shown), "shell ls");
	second = strstr(buf_z(&shown), "shell pwd");
	at = strstr(buf_z(&shown), "alpha.c");
	if (!first || !second || !at || at < first || at > second)
		fail_msg("%s", buf_z(&shown));
	assert_non_null(strstr(buf_z(&shown), "exit 2"));
	assert_non_null(strstr(buf_z(&shown), "1.2 s"));
	at = strstr(buf_z(&shown), "/home");
	assert_true(at && at > second);
	assert_non_null(strstr(at, "stray"));
	chatter_close(&c);
	buf_release(&keys);
	buf_release(&shown);
}

/* -- requests ------------------------------------------------------------------------- */

static struct talk_message *say(struct talk *t, enum chat_role role, const char *text)
{
	struct talk_message *m = talk_message_say(role, str_of(text), &err);

	assert_non_null(m);
	talk_say(t, m, 1);
	return m;
}

static void what_was_not_said_is_not_sent(void **state)
{
	static const token_id ids[] = {2, 1000, 0};
	struct talks talks = {0};
	struct talk_message *m;
	struct talk_part *p;
	struct request r;
	struct talk *t;

	(void)state;
	assert_int_equal(talks_add(&talks, &t, &err), 0);
	say(t, CHAT_SYSTEM, "first");
	say(t, CHAT_USER, "one");
	m = say(t, CHAT_ASSISTANT, "whole");
	talk_message_add_ids(m, ids, 3, &err);
	p = talk_message_add_part(m, HISTORY_NOTICE, &err);
	buf_addz(&p->text, "a notice");
	p = talk_message_add_part(m, HISTORY_TEXT, &err);
	buf_addz(&p->text, ", in two parts");
	say(t, CHAT_SYSTEM, "second");
	say(t, CHAT_USER, "two");
	m = say(t, CHAT_ASSISTANT, "cut");
	talk_message_add_ids(m, ids, 2, &err);
	m->unfinished = true;
	say(t, CHAT_USER, "three");
	/* One that failed before it said anything. */
	m = talk_message_new(CHAT_ASSISTANT, &err);
	p = talk_message_add_part(m, HISTORY_NOTICE, &err);
	p->error = true;
	buf_addz(&p->text, "no GPU");
	talk_say(t, m, 1);
	say(t, CHAT_USER, "four");

	assert_int_equal(request_build(&r, t, EFFORT_HIGH, &err), 0);
	assert_int_equal(r.n, 7);
	/* Of several system prompts the last holds, and stands first. */
	assert_int_equal(r.messages[0].role, CHAT_SYSTEM);
	assert_true(str_is(r.messages[0].content, "second"));
	assert_true(str_is(r.messages[2].content, "whole, in two parts"));
	assert_int_equal(r.messages[2].n_ids, 3);
	assert_true(str_is(r.messages[4].content, "cut"));
	assert_int_equal(r.messages[4].n_ids, 0);
	assert_true(str_is(r.messages[5].content, "three"));
	assert_true(str_is(r.messages[6].content, "four"));
	assert_true(r.chat.drop_thinking);
	request_release(&r);
	talks_release(&talks);
}

/* -- turns ------------------------------------------------------------------------------ */

struct seen {
	struct turn *turn;
	enum turn_state states[16];
	size_t n;
	int stop_at; /* a state to stop the turn in; -1: none */
};

static int see_state(void *ctx, const struct event *ev)
{
	struct seen *s = ctx;

	(void)ev;
	if (!s->n || s->states[s->n - 1] != s->turn->state)
		if (s->n < 16)
			s->states[s->n++] = s->turn->state;
	return (int)s->turn->state == s->stop_at ? ERR_CANCELLED : 0;
}

static void a_turn_is_in_one_state_at_a_time(void **state)
{
	static const enum turn_state whole[] = {TURN_READING, TURN_THINKING, TURN_ANSWERING,
						TURN_CALLING, TURN_IDLE};
	static const char script[] =
		"{\"turn\": {\"again\": true}}\n{\"prefill\": {\"tokens\": 10}}\n"
		"{\"thinking\": \"Hm. So it is, and so on.\"}\n{\"pause\": 300}\n"
		"{\"text\": \"Yes.\"}\n"
		"{\"call\": {\"name\": \"shell\", \"arguments\": {\"a\": 1}}}\n{\"done\": {}}\n";
	struct turn_watch watch = {.event = see_state, .wake_fd = -1};
	struct turn_outcome out;
	struct seen seen;
	struct chatter c;

	(void)state;
	chatter_open(&c, script, false);
	c.opt.effort = EFFORT_HIGH;
	assert_false(turn_runs(&c.turn));
	for (int i = 0; i < 2; i++) {
		seen = (struct seen){.turn = &c.turn, .stop_at = i ? TURN_THINKING : -1};
		watch.ctx = &seen;
		ask(&c, "q");
		assert_int_equal(turn_begin(&c.turn, c.talk, NULL, &err), 0);
		assert_int_equal(turn_run(&c.turn, &watch, &out, &err), i ? ERR_CANCELLED : 0);
		/* Once it is stopped, whatever the engine still says changes nothing. */
		assert_in_range(seen.n, i ? 3 : 5, i ? 4 : 5);
		assert_memory_equal(seen.states, whole, (i ? 2 : 5) * sizeof(seen.states[0]));
		assert_int_equal(seen.states[seen.n - 1], TURN_IDLE);
		assert_true(seen.n != 4 || seen.states[2] == TURN_STOPPING);
		assert_ptr_equal(out.said, c.talk->leaf);
		assert_int_equal(out.said->unfinished, i);
	}
	chatter_close(&c);
}

static void an_answer_that_said_nothing_leaves_nothing(void **state)
{
	struct history_list list = {0};
	struct turn_watch watch = {.event = see_state, .wake_fd = -1};
	struct turn_outcome out;
	struct seen seen;
	struct chatter c;

	(void)state;
	chatter_open(&c, "{\"prefill\": {\"tokens\": 10}}\n{\"pause\": -1}\n{\"done\": {}}\n",
		     false);
	seen = (struct seen){.turn = &c.turn, .stop_at = TURN_READING};
	watch.ctx = &seen;
	ask(&c, "q");
	assert_int_equal(turn_begin(&c.turn, c.talk, NULL, &err), 0);
	assert_int_equal(turn_run(&c.turn, &watch, &out, &err), ERR_CANCELLED);
	assert_null(out.said);
	assert_int_equal(c.talk->leaf->role, CHAT_USER);
	assert_int_equal(history_list(c.talks.store, HISTORY_ALL, 0, &list, &err), 0);
	assert_int_equal(list.n, 1);
	assert_int_equal(list.items[0].n_messages, 1);
	history_list_release(&list);
	chatter_close(&c);
	/* Nor does the next start find a journal of it. */
	chatter_open(&c, "{\"text\": \"x\"}\n{\"done\": {}}\n", true);
	assert_int_equal(c.talks.recovered.n, 0);
	assert_int_equal(c.talk->leaf->role, CHAT_USER);
	chatter_close(&c);
}

static void a_failed_turn_says_why_and_is_kept_with_it(void **state)
{
	const struct turn_watch watch = {.event = hear_nothing, .wake_fd = -1};
	struct turn_outcome out;
	struct chatter c;

	(void)state;
	chatter_open(&c, "{\"text\": \"Half\"}\n{\"error\": {\"code\": \"model\", \"text\": "
			 "\"no GPU\"}}\n",
		     false);
	ask(&c, "q");
	assert_int_equal(turn_begin(&c.turn, c.talk, NULL, &err), 0);
	assert_int_equal(turn_run(&c.turn, &watch, &out, &err), ERR_MODEL);
	assert_string_equal(err.text, "no GPU");
	assert_int_equal(out.said->n_parts, 2);
	assert_true(out.said->parts[1].error);
	assert_true(is_open(out.said));
	chatter_close(&c);
}

/* -- branches ------------------------------------------------------------------------------- */

static void what_is_taken_back_is_gone_unless_it_is_kept(void **state)
{
	struct chatter c;
	struct talk_message *kept, *before;

	(void)state;
	chatter_open(&c, "{\"text\": \"x\"}\n{\"done\": {}}\n", false);
	ask(&c, "one");
	before = c.talk->leaf;
	/* Not in the store: gone. */
	say(c.talk, CHAT_USER, "two");
	say(c.talk, CHAT_USER, "three");
	talk_unsay(c.talk, before);
	assert_ptr_equal(c.talk->leaf, before);
	assert_null(before->first_child);
	/* In it: a branch that is not shown. */
	ask(&c, "four");
	kept = c.talk->leaf;
	say(c.talk, CHAT_USER, "five");
	talk_unsay(c.talk, before);
	assert_ptr_equal(c.talk->leaf, before);
	assert_ptr_equal(before->first_child, kept);
	assert_null(kept->first_child);
	/* Everything. */
	talk_unsay(c.talk, NULL);
	assert_null(c.talk->leaf);
	assert_ptr_equal(c.talk->first, before);
	chatter_close(&c);
}

static void seeds_are_drawn_and_survive_readers_with_doubles(void **state)
{
	uint64_t all = 0;

	(void)state;
	for (int i = 0; i < 64; i++) {
		uint64_t seed = request_seed();

		assert_true((uint64_t)(double)seed == seed);
		all |= seed;
	}
	/* Each of the 53 bits is set in one of 64, but for once in 10^17 runs. */
	assert_true(all == (UINT64_C(1) << 53) - 1);
}

/* An answer with a call, and its result, of which the rest is in OUT:n. */
static void say_output(struct chatter *c, const char *spill)
{
	struct talk_message *m = talk_message_new(CHAT_ASSISTANT, &err);
	struct talk_part *p = m ? talk_message_add_part(m, HISTORY_CALL, &err) : NULL;
	char info[80];
	const struct talk_result r = {.ref = STR_LIT("0"),
				      .name = STR_LIT("shell"),
				      .text = STR_LIT("cut"),
				      .info = {info, (size_t)snprintf(info, sizeof(info),
								      "{\"state\": \"ok\","
								      " \"spill\": \"%s\"}",
								      spill)}};

	assert_non_null(p);
	buf_addz(&p->ref, "0");
	buf_addz(&p->name, "shell");
	buf_addz(&p->text, "{}");
	p->call = CALL_WHOLE;
	talk_say(c->talk, talk_message_say(CHAT_USER, STR_LIT("q"), &err), 1);
	talk_say(c->talk, m, 2);
	if (talk_store_save(&c->talks, c->talk, &err) ||
	    talk_store_say_result(&c->talks, c->talk, &r, &err))
		fail_msg("%s", err.text);
}

static bool has_output(const char *uid, const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "cache/dsv4chat/tools/%s/%s", uid, name);
	return access(tmpdir_file(&test_dir, path), F_OK) == 0;
}

static void put_output(const char *uid, const char *name)
{
	static const char *const folders[] = {"cache", "cache/dsv4chat", "cache/dsv4chat/tools"};
	char path[200];

	for (size_t i = 0; i < 3; i++)
		mkdir(tmpdir_file(&test_dir, folders[i]), 0700);
	snprintf(path, sizeof(path), "cache/dsv4chat/tools/%s", uid);
	mkdir(tmpdir_file(&test_dir, path), 0700);
	snprintf(path, sizeof(path), "cache/dsv4chat/tools/%s/%s", uid, name);
	tmpdir_write_text(&test_dir, path, "whole");
}

static void a_fork_has_the_outputs_that_it_stands_on(void **state)
{
	char uid[HISTORY_UID_LEN + 1], fork_uid[HISTORY_UID_LEN + 1];
	struct talk_message *at;
	struct chatter c;
	struct talk *fork = NULL;

	(void)state;
	chatter_open(&c, "", false);
	setenv("XDG_CACHE_HOME", tmpdir_file(&test_dir, "cache"), 1);
	snprintf(uid, sizeof(uid), "%s", talk_store_uid(&c.talks, c.talk));
	say_output(&c, "OUT:1");
	at = c.talk->leaf;
	say_output(&c, "OUT:2");
	put_output(uid, "1");
	put_output(uid, "2");
	assert_int_equal(talks_branch(&c.talks, c.talk, at, &fork, &err), 0);
	snprintf(fork_uid, sizeof(fork_uid), "%s", talk_store_uid(&c.talks, fork));
	assert_true(has_output(fork_uid, "1"));
	assert_false(has_output(fork_uid, "2"));
	assert_int_equal(talk_store_remove(&c.talks, c.talk, NULL, false, NULL, &err), 0);
	assert_false(has_output(uid, "1"));
	assert_true(has_output(fork_uid, "1"));
	assert_int_equal(talk_store_remove(&c.talks, fork, NULL, false, NULL, &err), 0);
	assert_false(has_output(fork_uid, "1"));
	unsetenv("XDG_CACHE_HOME");
	chatter_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, tmpdir_set_up, tmpdir_tear_down)
		T(calls_have_ids_and_their_results_go_back_with_them),
		T(results_are_sent_again_after_a_restart),
		T(a_result_cannot_end_itself_in_the_prompt),
		T(results_stand_on_the_cards_of_their_calls),
		T(what_was_not_said_is_not_sent),
		T(a_turn_is_in_one_state_at_a_time),
		T(an_answer_that_said_nothing_leaves_nothing),
		T(a_failed_turn_says_why_and_is_kept_with_it),
		T(what_is_taken_back_is_gone_unless_it_is_kept),
		T(seeds_are_drawn_and_survive_readers_with_doubles),
		T(a_fork_has_the_outputs_that_it_stands_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
