/* The slash commands, on a mode that is none: it keeps what it is asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/cmd/cmd.h"

struct nowhere {
	struct cmd_host host; /* first */
	struct options opt;
	struct talks talks;
	struct talk *talk;
	struct buf log; /* "say …|ask …|" */
	bool writing;
	bool has_calls; /* without results */
	int fails; /* what ask and answer return */
};

static struct nowhere *of(const struct cmd_host *h)
{
	return (struct nowhere *)(uintptr_t)h;
}

static struct talk *talk(const struct cmd_host *h)
{
	return of(h)->talk;
}

static int64_t ctx_tokens(const struct cmd_host *h)
{
	(void)h;
	return 0;
}

static void say(struct cmd_host *h, const char *text)
{
	buf_addf(&of(h)->log, "say %s|", text);
}

static void tell(struct cmd_host *h, struct str text)
{
	buf_addf(&of(h)->log, "tell %.*s|", (int)text.n, text.p);
}

static void help(struct cmd_host *h)
{
	buf_addz(&of(h)->log, "help|");
}

static void show_option(struct cmd_host *h, const struct option_row *row)
{
	buf_addf(&of(h)->log, "option %s|", row ? row->name : "all");
}

static void options_changed(struct cmd_host *h)
{
	buf_addz(&of(h)->log, "changed|");
}

static bool is_writing(struct cmd_host *h)
{
	return of(h)->writing;
}

static int open_talk(struct cmd_host *h, struct talk *t, struct err *err)
{
	int rc = talk_store_load(h->talks, t, err);

	of(h)->talk = t;
	buf_addf(&of(h)->log, "open %s|", buf_z(&t->title));
	return rc;
}

static int open_new(struct cmd_host *h, struct err *err)
{
	buf_addz(&of(h)->log, "new|");
	return talks_add(h->talks, &of(h)->talk, err);
}

static int open_branch(struct cmd_host *h, struct talk *t, struct err *err)
{
	(void)err;
	of(h)->talk = t;
	buf_addz(&of(h)->log, "branch|");
	return 0;
}

static int remove_talk(struct cmd_host *h, struct talk *t, struct err *err)
{
	(void)err;
	buf_addf(&of(h)->log, "remove %s|", buf_z(&t->title));
	return 0;
}

static void renamed(struct cmd_host *h)
{
	buf_addz(&of(h)->log, "renamed|");
}

static int ask(struct cmd_host *h, struct str text, const struct talk_message *instead,
	       struct err *err)
{
	assert_non_null(instead);
	talk_try_from(of(h)->talk, instead->parent);
	buf_addf(&of(h)->log, "ask %.*s|", (int)text.n, text.p);
	return of(h)->fails ? err_set(err, of(h)->fails, "it failed") : 0;
}

static int answer(struct cmd_host *h, struct err *err)
{
	buf_addz(&of(h)->log, "answer|");
	return of(h)->fails ? err_set(err, of(h)->fails, "it failed") : 0;
}

static int go_on(struct cmd_host *h, struct talk_message *m, struct err *err)
{
	(void)err;
	buf_addf(&of(h)->log, "go on %d|", m == of(h)->talk->leaf);
	return 0;
}

static int go_on_calls(struct cmd_host *h, bool *did, struct err *err)
{
	(void)err;
	*did = of(h)->has_calls;
	if (*did)
		buf_addz(&of(h)->log, "calls|");
	return 0;
}

static void quit(struct cmd_host *h)
{
	buf_addz(&of(h)->log, "quit|");
}

static const struct cmd_host_ops ops = {
	.talk = talk,
	.ctx_tokens = ctx_tokens,
	.say = say,
	.tell = tell,
	.help = help,
	.show_option = show_option,
	.options_changed = options_changed,
	.is_writing = is_writing,
	.open = open_talk,
	.open_new = open_new,
	.open_branch = open_branch,
	.remove = remove_talk,
	.renamed = renamed,
	.ask = ask,
	.answer = answer,
	.go_on = go_on,
	.go_on_calls = go_on_calls,
	.quit = quit,
};

static void say_answer(struct nowhere *n, const char *text, const char *stop)
{
	static const token_id ids[] = {2, 1000, 0};
	struct err err;
	struct talk_message *m = talk_message_say(CHAT_ASSISTANT, str_of(text), &err);

	assert_non_null(m);
	assert_int_equal(talk_message_add_ids(m, ids, 3, &err), 0);
	m->made.known = true;
	m->made.run.stop = stop;
	m->made.run.effort = "none";
	m->unfinished = strcmp(stop, "stop") != 0;
	talk_say(n->talk, m, 1);
}

static void question(struct nowhere *n, const char *text)
{
	struct err err;

	struct talk_message *m = talk_message_say(CHAT_USER, str_of(text), &err);

	assert_non_null(m);
	assert_int_equal(talk_ask(n->talk, m, n->opt.system, 1, &err), 0);
}

static int set_up(void **state)
{
	struct nowhere *n = calloc(1, sizeof(*n));
	struct err err;

	options_default(&n->opt);
	n->host = (struct cmd_host){&ops, &n->opt, &n->talks};
	assert_int_equal(talks_open(&n->talks, NULL, &err), 0);
	assert_int_equal(talks_add(&n->talks, &n->talk, &err), 0);
	*state = n;
	return 0;
}

static int tear_down(void **state)
{
	struct nowhere *n = *state;

	talks_release(&n->talks);
	options_release(&n->opt);
	buf_release(&n->log);
	free(n);
	return 0;
}

/* Runs it; what it asked for, or its error, is `want`. */
static void run(struct nowhere *n, const char *text, const char *want)
{
	struct err err = {0};
	bool known;

	buf_reset(&n->log);
	if (cmd_run(&n->host, text, &known, &err))
		buf_addf(&n->log, "error %s", err.text);
	assert_true(known);
	assert_string_equal(buf_z(&n->log), want);
}

static void what_no_command_is_called_is_refused(void **state)
{
	struct nowhere *n = *state;
	struct err err = {0};
	bool known = true;

	assert_int_equal(cmd_run(&n->host, "/nope x", &known, &err), ERR_USAGE);
	assert_false(known);
	assert_non_null(strstr(err.text, "/nope: no such command"));
}

static void nothing_said_is_nothing_to_act_on(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"/edit x", "error nothing was asked yet"},
		{"/regen", "error nothing was asked yet"},
		{"/fork", "error nothing was said yet"},
		{"/continue", "error nothing was said yet"},
		{"/title", "error nothing was said yet: there is nothing to name"},
		{"/export x.md", "error nothing was said yet"},
		{"/rm", "error /rm ID removes a conversation; /list says their ids"},
		{"/list", "tell (nothing yet)|"},
		{"/search x", "tell (not found)|"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		run(*state, cases[i].text, cases[i].want);
}

static void the_last_question_is_asked_again_from_where_it_stood(void **state)
{
	struct nowhere *n = *state;
	struct talk_message *leaf;

	question(n, "one");
	say_answer(n, "1", "stop");
	question(n, "two");
	say_answer(n, "2", "stop");
	leaf = n->talk->leaf;
	run(n, "/edit \t three", "ask three|");
	assert_ptr_equal(n->talk->leaf, leaf->parent->parent);
	talk_show(n->talk, leaf);
	run(n, "/regen", "answer|");
	assert_ptr_equal(n->talk->leaf, leaf->parent);
	/* Where nothing came of it, the branch from before is shown. */
	talk_show(n->talk, leaf);
	n->fails = ERR_MODEL;
	run(n, "/edit x", "ask x|error it failed");
	assert_ptr_equal(n->talk->leaf, leaf);
	run(n, "/regen", "answer|error it failed");
	assert_ptr_equal(n->talk->leaf, leaf);
	/* Branches stay while an answer is written. */
	n->writing = true;
	run(n, "/edit x", "");
	run(n, "/regen", "");
	run(n, "/continue", "");
	n->writing = false;
	run(n, "/edit", "error /edit TEXT asks TEXT in place of the last question");
}

static void a_cut_answer_alone_is_gone_on_with(void **state)
{
	struct nowhere *n = *state;

	question(n, "one");
	say_answer(n, "1", "stop");
	run(n, "/continue", "error the last answer is whole: there is nothing to go on with");
	question(n, "two");
	say_answer(n, "2", "length");
	run(n, "/continue", "go on 1|");
	/* Calls that wait for their results come first. */
	n->has_calls = true;
	run(n, "/continue", "calls|");
	n->has_calls = false;
	/* As it is when it came by an import. */
	n->talk->leaf->n_ids = 0;
	run(n, "/continue",
	    "error cut, but without its own tokens, as imported ones are: /regen answers anew");
}

static void conversations_are_named_branched_listed_and_removed(void **state)
{
	struct nowhere *n = *state;
	struct talk *first = n->talk;
	struct err err;

	question(n, "one");
	say_answer(n, "1", "stop");
	assert_int_equal(talk_store_save(&n->talks, n->talk, &err), 0);
	run(n, "/title", "say title: one|");
	run(n, "/title numbers", "renamed|say title: numbers|");
	run(n, "/fork", "branch|");
	assert_ptr_not_equal(n->talk, first);
	run(n, "/new", "new|");
	run(n, "/open NUMBERS", "open numbers|");
	assert_ptr_equal(n->talk, first);
	run(n, "/rm numbers", "remove numbers|");
	run(n, "/open nowhere", "error no conversation is called \"nowhere\"");
	run(n, "/help", "help|");
	run(n, "/quit", "quit|");
}

static void options_and_the_system_prompt_are_set_and_shown(void **state)
{
	struct nowhere *n = *state;

	run(n, "/set", "option all|");
	run(n, "/set temp 0.5", "changed|option temp|");
	assert_true(n->opt.sampling.temperature == 0.5);
	run(n, "/set threads 3", "error threads: cannot be set here; /set lists what can");
	run(n, "/effort none", "say effort: none|");
	run(n, "/system", "say system: (none)|");
	run(n, "/system Be brief.", "say system: Be brief.|");
	question(n, "one");
	assert_int_equal(n->talk->first->role, CHAT_SYSTEM);
	run(n, "/set system -", "say system: (none)|");
	question(n, "two");
	/* Said again, as none: the branch is under another one from here. */
	assert_int_equal(n->talk->leaf->parent->role, CHAT_SYSTEM);
	assert_int_equal(talk_message_bytes(n->talk->leaf->parent, HISTORY_TEXT), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(what_no_command_is_called_is_refused),
		T(nothing_said_is_nothing_to_act_on),
		T(the_last_question_is_asked_again_from_where_it_stood),
		T(a_cut_answer_alone_is_gone_on_with),
		T(conversations_are_named_branched_listed_and_removed),
		T(options_and_the_system_prompt_are_set_and_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
