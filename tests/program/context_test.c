/*
 * What does not fit the context is refused before it is kept, and comes back; what was cut says
 * why, and offers what can work.  In every mode, on the scripted engine and on the small model.
 */
#include "tests/support/shared_files.h"

#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/talk/store.h"
#include "tests/support/program.h"
#include "tests/support/stage.h"
#include "tests/support/tmpdir.h"

#define INFO "{\"info\": {\"model_name\": \"scripted\", \"ctx_tokens\": 100}}\n"
#define REFUSED                                                                                \
	"{\"error\": {\"code\": \"limit\", \"text\": \"the conversation has 200 tokens, the "  \
	"context holds 100\"}}\n"
#define DONE "{\"done\": {}}\n"

static char db[32] = "history-0.db";

/* What comes next has a history of its own. */
static void forget(void)
{
	static int n;

	snprintf(db, sizeof(db), "history-%d.db", ++n);
}

/* The branch that opens, its texts joined by "|", and how many messages there are in all. */
static size_t kept(struct buf *out)
{
	struct options opt;
	struct talks ts = {0};
	struct talk *t;
	struct err err;
	size_t n = 0;

	buf_reset(out);
	options_default(&opt);
	assert_int_equal(talks_open(&ts, tmpdir_file(&test_dir, db), &err), 0);
	opt.go_on = true;
	if (talks_choose(&ts, &opt, &t, &err) == 0) {
		const struct talk_message *path[20];
		size_t k = talk_path(t, path, 20);

		for (size_t i = 0; i < k; i++) {
			buf_addz(out, i ? "|" : "");
			talk_message_add_text(path[i], HISTORY_TEXT, out);
		}
		n = talk_count_unstored(t);
		assert_int_equal(n, 0);
		for (struct talk_message *m = t->first; m; m = m->first_child)
			for (const struct talk_message *s = m; s; s = s->next)
				n++;
	}
	talks_release(&ts);
	options_release(&opt);
	return n;
}

static void assert_kept(const char *texts, size_t n)
{
	struct buf got = {0};
	size_t k = kept(&got);

	assert_string_equal(buf_z(&got), texts);
	assert_int_equal(k, n);
	buf_release(&got);
}

static void open_stage(struct stage *st, const char *script, bool last)
{
	const struct stage_setup su = {.engine_script = script,
				       .history_path = tmpdir_file(&test_dir, db),
				       .term = "xterm-256color",
				       .last = last,
				       .w = 80,
				       .h = 24};

	stage_begin(st, &su);
}

static void close_stage(struct stage *st)
{
	stage_type(st, "\x15");
	stage_quit(st);
}

static void on_the_screen_a_refused_message_is_back_in_the_input_and_nowhere_else(void **state)
{
	static const char script[] =
		INFO REFUSED "{\"turn\": {\"expect\": \"one\", \"expect_messages\": 1}}\n"
			     "{\"text\": \"answer one\"}\n" DONE REFUSED
			     "{\"turn\": {\"expect\": \"three\", \"expect_messages\": 3}}\n"
			     "{\"text\": \"answer three\"}\n" DONE;
	struct stage st;

	(void)state;
	open_stage(&st, script, false);
	stage_type(&st, "first of all\r");
	stage_wait_for(&st, "not sent: the conversation has 200 tokens, the context holds 100");
	assert_true(stage_shows(&st, "less"));
	stage_type(&st, " and");
	stage_wait_for(&st, "first of all and");
	assert_kept("", 0);
	stage_type(&st, "\x15one\r");
	stage_wait_for(&st, "answer one");
	stage_wait_for(&st, "ready");
	stage_type(&st, "two much\r");
	stage_wait_for(&st, "not sent: ");
	assert_true(stage_shows(&st, "/new"));
	assert_kept("one|answer one", 2);
	stage_type(&st, "!");
	stage_wait_for(&st, "two much!");
	stage_type(&st, "\x15three\r");
	stage_wait_for(&st, "answer three");
	stage_wait_for(&st, "ready");
	close_stage(&st);
	assert_kept("one|answer one|three|answer three", 4);
	forget();
}

static void what_waited_behind_a_refused_message_comes_back_with_it(void **state)
{
	static const char script[] = INFO "{\"error\": {\"code\": \"limit\", \"text\": \"too "
					  "much\"}, \"delay_ms\": 1500}\n";
	struct stage st;

	(void)state;
	open_stage(&st, script, false);
	stage_type(&st, "one\r");
	stage_type(&st, "two\r");
	stage_wait_for(&st, "waits for its turn");
	stage_type(&st, "three");
	stage_wait_for(&st, "not sent: too much");
	stage_wait_for(&st, "one\n  two\n  three");
	close_stage(&st);
	assert_kept("", 0);
	forget();
}

static void an_edition_or_an_answer_anew_that_does_not_fit_leaves_the_branch_shown(void **state)
{
	static const char script[] =
		INFO "{\"text\": \"answer one\"}\n" DONE REFUSED REFUSED REFUSED;
	struct stage st;

	(void)state;
	open_stage(&st, script, false);
	stage_type(&st, "one\r");
	stage_wait_for(&st, "answer one");
	stage_wait_for(&st, "ready");
	stage_type(&st, "/edit\r");
	stage_type(&st, " and more\r");
	stage_wait_for(&st, "not sent: ");
	stage_wait_for(&st, "one and more");
	assert_true(stage_shows(&st, "answer one"));
	assert_kept("one|answer one", 2);
	stage_type(&st, "\x1B");
	stage_wait_gone(&st, "one and more");
	stage_type(&st, "/regen\r");
	stage_wait_for(&st, "not answered: ");
	assert_true(stage_shows(&st, "answer one"));
	stage_type(&st, "/edit one at once\r");
	stage_wait_for(&st, "not sent: ");
	assert_true(stage_shows(&st, "answer one"));
	close_stage(&st);
	assert_kept("one|answer one", 2);
	forget();
}

#define CUT(stop) "{\"text\": \"cut here\"}\n{\"done\": {\"stop\": \"" stop "\"}}\n"

static void what_was_cut_says_why_and_offers_what_can_work(void **state)
{
	static const struct {
		const char *script, *says, *not ;
		bool goes_on;
	} cases[] = {
		{INFO CUT("length"), "the limit of tokens was reached; /continue goes on",
		 "interrupted", true},
		{INFO CUT("interrupted"), "interrupted; /continue goes on with it", "limit",
		 true},
		{INFO CUT("context"), "the context is full", "/continue", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stage st;

		open_stage(&st, cases[i].script, false);
		stage_type(&st, "one\r");
		stage_wait_for(&st, cases[i].says);
		assert_false(stage_shows(&st, cases[i].not ));
		stage_wait_for(&st, "ready");
		if (!cases[i].goes_on) {
			assert_true(stage_shows(&st, "/new begins another conversation"));
			stage_type(&st, "/continue\r");
			stage_settle(&st);
			assert_kept("one|cut here", 2);
		}
		close_stage(&st);
		forget();
	}
}

static void a_larger_context_goes_on_with_what_filled_the_smaller(void **state)
{
	static const char larger[] =
		"{\"info\": {\"model_name\": \"scripted\", \"ctx_tokens\": 1000}}\n"
		"{\"turn\": {\"expect_resume\": 4}}\n"
		"{\"text\": \"cut here and gone on with\"}\n" DONE;
	struct stage st;

	(void)state;
	open_stage(&st, INFO CUT("context"), false);
	stage_type(&st, "one\r");
	stage_wait_for(&st, "/new begins another conversation");
	close_stage(&st);
	open_stage(&st, larger, true);
	stage_wait_for(&st, "the context is full; /continue goes on with it");
	stage_type(&st, "/continue\r");
	stage_wait_for(&st, "cut here and gone on with");
	stage_wait_for(&st, "ready");
	close_stage(&st);
	forget();
}

/* ---- the other modes ---- */

static void open_plain(struct stage *st, const char *script, const char *const *args)
{
	const struct stage_setup su = {.engine_script = script,
				       .term = "xterm",
				       .w = 80,
				       .h = 40,
				       .args = args,
				       .home = test_dir.path};

	stage_open(st, &su);
	stage_wait_for(st, "\n>");
	stage_settle(st);
}

static void line_mode_refuses_and_says_the_same(void **state)
{
	static const char *const args[] = {"--plain", "--ephemeral", "--titles", "off", NULL};
	static const char script[] = INFO REFUSED
		"{\"turn\": {\"expect\": \"too much!\", \"expect_messages\": 1}}\n" CUT(
			"length") "{\"turn\": {\"expect\": \"two\", \"expect_messages\": "
				  "3}}\n" CUT("context");
	struct stage st;

	(void)state;
	open_plain(&st, script, args);
	stage_type(&st, "too much\r");
	stage_wait_for(
		&st, "not sent: the conversation has 200 tokens, the context holds 100; less");
	stage_wait_for(&st, "Arrow up");
	stage_settle(&st);
	stage_type(&st, "\x1B[A!\r");
	stage_wait_for(&st, "(the limit of tokens was reached; /continue goes on with it)");
	stage_settle(&st);
	stage_type(&st, "two\r");
	stage_wait_for(&st, "(the context is full: /new begins another conversation");
	stage_settle(&st);
	stage_type(&st, "/continue\r");
	stage_wait_for(&st, "dsv4chat: the context is full: ");
	stage_type(&st, "/quit\r");
	assert_int_equal(stage_close(&st), 0);
}

static void one_question_that_does_not_fit_is_told_and_not_kept(void **state)
{
	static const char text[] =
		"what is two and two and two and two and two and two and two and "
		"two and two and two and two and two and two and two and two?";
	static const char *const ask[] = {"--model", "share/nano", "--ctx", "32",
					  "-p",      text,         NULL};
	static const char *const list[] = {"history", "list", NULL};
	struct program_run run = {0};

	(void)state;
	if (access("share/nano/model.safetensors", R_OK) != 0) {
		print_message("share/nano: no model, skipped\n");
		skip();
	}
	program_run(&run, ask, (struct str){0}, 60);
	assert_int_equal(run.status, 4);
	assert_non_null(strstr(buf_z(&run.err), "not asked: the conversation has "));
	assert_non_null(strstr(buf_z(&run.err), "a larger --ctx"));
	program_run_release(&run);
	program_run(&run, list, (struct str){0}, 60);
	assert_null(strstr(buf_z(&run.out), "two and two"));
	program_run_release(&run);
}

static void a_session_goes_on_behind_a_message_that_does_not_fit(void **state)
{
	static const char script[] =
		INFO REFUSED "{\"turn\": {\"expect\": \"two\", \"expect_messages\": "
			     "1}}\n{\"text\": \"heard\"}\n" DONE;
	const char *const args[] = {"--input-format", "jsonl", "--engine-script",
				    tmpdir_file(&test_dir, "session-script"), NULL};
	struct program_run run = {0};

	(void)state;
	tmpdir_write_text(&test_dir, "session-script", script);
	program_run(&run, args, STR_LIT("{\"text\": \"one\"}\n{\"text\": \"two\"}\n"), 60);
	assert_int_equal(run.status, 4);
	assert_non_null(strstr(buf_z(&run.out), "limit"));
	assert_non_null(strstr(buf_z(&run.out), "heard"));
	program_run_release(&run);
}

/* What fills a context of 48 tokens goes on in one of 256. */
static void the_small_model_goes_on_where_there_is_room_again(void **state)
{
	static const char *const small[] = {"--plain", "--titles",  "off",     "--temp",
					    "0",       "--nothink", "--model", "share/nano",
					    "--ctx",   "24",        NULL};
	static const char *const large[] = {"--plain", "--titles",  "off",     "--temp",
					    "0",       "--nothink", "--model", "share/nano",
					    "--ctx",   "256",       "-c",      NULL};
	struct stage st;

	(void)state;
	if (access("share/nano/model.safetensors", R_OK) != 0) {
		print_message("share/nano: no model, skipped\n");
		skip();
	}
	open_plain(&st, NULL, small);
	stage_type(&st, "which command shows free disk space?\r");
	stage_wait_for(&st, "(the context is full: /new begins");
	stage_settle(&st);
	stage_type(&st, "/continue\r");
	stage_wait_for(&st, "dsv4chat: the context is full: ");
	stage_settle(&st);
	stage_type(&st, "/quit\r");
	assert_int_equal(stage_close(&st), 0);
	open_plain(&st, NULL, large);
	stage_type(&st, "/continue\r");
	stage_wait_for(&st, "readable units");
	stage_settle(&st);
	stage_type(&st, "/quit\r");
	assert_int_equal(stage_close(&st), 0);
}

static int set_up(void **state)
{
	(void)state;
	tmpdir_init(&test_dir);
	program_live_in(test_dir.path);
	unsetenv("DSV4CHAT_MODEL");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			on_the_screen_a_refused_message_is_back_in_the_input_and_nowhere_else),
		cmocka_unit_test(what_waited_behind_a_refused_message_comes_back_with_it),
		cmocka_unit_test(
			an_edition_or_an_answer_anew_that_does_not_fit_leaves_the_branch_shown),
		cmocka_unit_test(what_was_cut_says_why_and_offers_what_can_work),
		cmocka_unit_test(a_larger_context_goes_on_with_what_filled_the_smaller),
		cmocka_unit_test(line_mode_refuses_and_says_the_same),
		cmocka_unit_test(one_question_that_does_not_fit_is_told_and_not_kept),
		cmocka_unit_test(a_session_goes_on_behind_a_message_that_does_not_fit),
		cmocka_unit_test(the_small_model_goes_on_where_there_is_room_again),
	};

	setlocale(LC_ALL, "C.UTF-8");
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, set_up, tmpdir_tear_down);
}
