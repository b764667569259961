/* The whole screen on the scripted engine: what a person sees and does. */
#include <locale.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/clock.h"
#include "tests/support/stage.h"
#include "tests/support/tmpdir.h"

static void a_person_asks_reads_folds_searches_edits_forks_and_quits(void **state)
{
	static const struct stage_setup su = {.engine_script = stage_talk};
	struct stage st;

	(void)state;
	stage_begin(&st, &su);
	stage_type(&st, "hello world\r");
	stage_wait_for(&st, "• two");
	stage_wait_for(&st, "thought");
	assert_true(stage_shows(&st, "cached 40"));
	assert_false(stage_shows(&st, "They greet me"));
	stage_type(&st, "\x14"); /* Ctrl-T */
	stage_wait_for(&st, "They greet me");
	stage_type(&st, "\x14");
	stage_wait_gone(&st, "They greet me");
	stage_assert_clean(&st);

	stage_type(&st, "do it slowly\r");
	stage_wait_for(&st, "This takes for ever");
	stage_type(&st, "later please");
	stage_wait_for(&st, "later please");
	stage_type(&st, "\r");
	stage_wait_for(&st, "waits for its turn");
	stage_type(&st, "\x1B");
	stage_wait_for(&st, "interrupted; /continue goes on with it");
	stage_wait_for(&st, "ready");
	/* What waited is back in the input. */
	assert_false(stage_shows(&st, "waits for its turn"));
	assert_true(stage_shows(&st, "later please"));
	stage_type(&st, "\x03");
	stage_wait_for(&st, "cleared");

	stage_type(&st, "\x13"); /* Ctrl-S */
	stage_type(&st, "WORLD\r");
	stage_wait_for(&st, "/ finds");
	stage_type(&st, "e");
	stage_wait_for(&st, "Editing what you said");
	stage_type(&st, "\x15hello again\r");
	stage_wait_for(&st, "Another answer.");
	stage_wait_for(&st, "‹2/2›");
	assert_false(stage_shows(&st, "hello world"));
	stage_type(&st, "\x1B[1;3A"); /* Alt-Up */
	stage_wait_for(&st, "/ finds");
	stage_type(&st, "{[");
	stage_wait_for(&st, "hello world");
	stage_assert_clean(&st);
	stage_type(&st, "f");
	stage_wait_for(&st, "a conversation of its own");
	stage_type(&st, "\x1B[1;3D"); /* Alt-Left */
	stage_wait_for(&st, "type to find");
	stage_assert_clean(&st);
	stage_type(&st, "\x1B");
	stage_wait_gone(&st, "type to find");
	stage_type(&st, "\x1BOP");
	stage_wait_for(&st, "Help: arrows scroll");
	stage_type(&st, "\x1B");
	stage_wait_gone(&st, "Help: arrows scroll");
	stage_type(&st, "\x03");
	stage_wait_for(&st, "Ctrl-C again quits");
	stage_type(&st, "\x03");
	assert_int_equal(stage_close(&st), 0);
}

static void what_was_said_is_there_the_next_time(void **state)
{
	struct stage_setup su = {.engine_script = stage_talk};
	struct stage st;

	(void)state;
	su.history_path = tmpdir_file(&test_dir, "history.db");
	stage_begin(&st, &su);
	stage_type(&st, "hello world\r");
	stage_wait_for(&st, "• two");
	stage_wait_for(&st, "ready");
	stage_type(&st, "\x1B[1;3Ae"); /* Alt-Up, edit */
	stage_wait_for(&st, "Editing what you said");
	stage_type(&st, "\x15slowly now\r");
	stage_wait_for(&st, "This takes for ever");
	/* Quitting in the middle of an answer keeps what was said of it. */
	stage_quit(&st);

	su.last = true;
	stage_begin(&st, &su);
	stage_wait_for(&st, "This takes for ever");
	assert_true(stage_shows(&st, "interrupted; /continue goes on with it"));
	assert_true(stage_shows(&st, "‹2/2›"));
	stage_type(&st, "\x1B[1;3A{["); /* to the question, the branch before */
	stage_wait_for(&st, "• two");
	assert_true(stage_shows(&st, "hello world"));
	stage_type(&st, "\x1B\x1B[1;3D"); /* Esc; Alt-Left */
	stage_wait_for(&st, "type to find");
	stage_type(&st, "\x1Br"); /* Alt-R */
	stage_wait_for(&st, "title: hello world");
	stage_type(&st, "\x15greetings\r");
	stage_wait_for(&st, "greetings");
	stage_quit(&st);

	su.last = false;
	stage_begin(&st, &su);
	stage_type(&st, "\x1B[1;3Dgreet\r");
	/* The branch that was shown last. */
	stage_wait_for(&st, "hello world");
	/* By what was said, too, as it is typed. */
	stage_type(&st, "\x1B[1;3Dzebra");
	stage_wait_for(&st, "nothing matches");
	stage_type(&st, "\x15hello worl");
	stage_wait_gone(&st, "nothing matches");
	stage_wait_for(&st, "greetings");
	stage_type(&st, "\x15\x1B");
	stage_wait_gone(&st, "type to find");
	stage_type(&st, "\x1B[1;3D");
	stage_wait_for(&st, "type to find");
	stage_type(&st, "\x15");
	stage_type(&st, "\x1B[3~"); /* Delete */
	stage_wait_for(&st, "deleted");
	stage_type(&st, "\x1Bu");
	stage_wait_for(&st, "it is back");
	assert_true(stage_shows(&st, "greetings"));
	stage_type(&st, "\x1B[3~");
	stage_wait_for(&st, "deleted");
	stage_quit(&st);

	stage_begin(&st, &su);
	stage_type(&st, "\x1B[1;3D");
	stage_wait_for(&st, "type to find");
	assert_false(stage_shows(&st, "greetings"));
	stage_quit(&st);
}

/* An answer that is killed before its end. */
static const char counts[] =
	"{\"turn\": {\"again\": true}}\n"
	"{\"text\": \"one two three four five six \", \"chunk\": 4, \"delay_ms\": 60}\n"
	"{\"text\": \"seven eight nine ten eleven twelve \", \"chunk\": 4, "
	"\"delay_ms\": 60}\n"
	"{\"text\": \"the end\"}\n{\"done\": {}}\n";

static void a_killed_answer_is_there_and_goes_on_where_it_was(void **state)
{
	struct stage_setup su = {.engine_script = counts};
	struct stage st;
	int status;

	(void)state;
	su.history_path = tmpdir_file(&test_dir, "history.db");
	stage_begin(&st, &su);
	stage_type(&st, "count\r");
	stage_wait_for(&st, "seven eight");
	kill(st.child, SIGKILL);
	status = stage_close(&st);
	assert_true(WIFSIGNALED(status));

	/* A new conversation says what was cut, and opens it. */
	stage_begin(&st, &su);
	stage_wait_for(&st, "The program was stopped during an answer in \"count\"");
	assert_false(stage_shows(&st, "one two"));
	stage_quit(&st);
	/* It is told once: what was cut is a message now. */
	su.last = true;
	stage_begin(&st, &su);
	stage_wait_for(&st, "one two three four five");
	assert_false(stage_shows(&st, "the end"));
	stage_wait_for(&st, "the program was stopped; /continue goes on with it");
	stage_type(&st, "/continue\r");
	stage_wait_for(
		&st, "one two three four five six seven eight nine ten eleven twelve the end");
	stage_wait_for(&st, "ready");
	assert_true(stage_shows(&st, "‹2/2›"));
	stage_quit(&st);
}

static void what_a_kill_cut_goes_on_from_a_new_conversation(void **state)
{
	struct stage_setup su = {.engine_script = counts};
	struct stage st;

	(void)state;
	su.history_path = tmpdir_file(&test_dir, "history.db");
	for (int last = 0; last < 2; last++) {
		su.last = false;
		stage_begin(&st, &su);
		stage_type(&st, "count\r");
		stage_wait_for(&st, "seven eight");
		kill(st.child, SIGKILL);
		assert_true(WIFSIGNALED(stage_close(&st)));

		su.last = last;
		stage_begin(&st, &su);
		stage_wait_for(&st, last ? "stopped during this answer"
					 : "stopped during an answer");
		stage_type(&st, "/continue\r");
		stage_wait_for(&st, "eight nine ten eleven twelve the end");
		stage_quit(&st);
	}
}

static void a_full_store_is_told_and_the_chat_goes_on(void **state)
{
	struct stage_setup su = {.engine_script = stage_talk, .file_limit = 1};
	struct stage st;
	int status;

	(void)state;
	su.history_path = tmpdir_file(&test_dir, "history.db");
	stage_begin(&st, &su);
	stage_type(&st, "hello world\r");
	stage_wait_for(&st, "• two");
	stage_wait_for(&st, "not kept, tried again");
	stage_type(&st, "\x11");
	status = stage_close(&st);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
}

static void ten_megabytes_may_be_pasted_and_sent(void **state)
{
	static const char engine_script[] =
		"{\"turn\": {\"again\": true}}\n{\"text\": \"read\"}\n{\"done\": {}}\n";
	static const struct stage_setup su = {.engine_script = engine_script};
	struct buf paste = {0};
	struct stage st;

	(void)state;
	stage_begin(&st, &su);
	buf_addz(&paste, "\x1B[200~first");
	while (paste.len < 10000000)
		buf_addz(&paste, " words and words\rin lines");
	buf_addz(&paste, "\x1B[201~ END");
	stage_type(&st, buf_z(&paste));
	stage_wait_for(&st, "in lines END");
	stage_type(&st, "\x1B<");
	stage_wait_for(&st, "first words");
	stage_type(&st, "\r");
	stage_wait_for(&st, "more lines");
	stage_wait_for(&st, "read");
	stage_quit(&st);
	buf_release(&paste);
}

/* One conversation is shown while another one is answered, without an end; `then`: the next turn. */
static void answer_another(struct stage *st, const char *then)
{
	struct stage_setup su = {.history_path = tmpdir_file(&test_dir, "history.db")};
	struct buf script = {0};

	buf_addf(&script,
		 "{\"text\": \"First.\"}\n{\"done\": {}}\n"
		 "{\"text\": \"Half of it\"}\n{\"pause\": -1}\n{\"done\": {}}\n"
		 "{\"turn\": {%s}}\n{\"text\": \"Anew.\"}\n{\"done\": {}}\n",
		 then);
	su.engine_script = buf_z(&script);
	stage_begin(st, &su);
	buf_release(&script);
	stage_type(st, "one\r");
	stage_wait_for(st, "First.");
	stage_wait_for(st, "ready");
	stage_type(st, "/new\r");
	stage_wait_gone(st, "First.");
	stage_type(st, "two\r");
	stage_wait_for(st, "Half of it");
	stage_type(st, "/open one\r");
	stage_wait_for(st, "First.");
}

/* It has yet to hear that it was stopped. */
static void an_answer_that_is_being_stopped_is_not_given_up_for_another(void **state)
{
	struct stage st;

	(void)state;
	answer_another(&st, "\"again\": true");
	stage_type(&st, "\x1B[1;3A"); /* Alt-Up */
	stage_pause(&st, 300);
	stage_type(&st, "\x03r"); /* Ctrl-C, and at once to be answered again */
	stage_wait_for(&st, "an answer is being written in \"two\"");
	assert_true(stage_shows(&st, "First."));
	stage_type(&st, "i");
	stage_wait_for(&st, "ready");
	stage_type(&st, "/open two\r");
	stage_wait_for(&st, "Half of it");
	stage_quit(&st);
}

/* What is typed waits for the other one's answer. */
static void let_wait(struct stage *st, const char *typed)
{
	answer_another(st, "\"expect\": \"other\", \"expect_messages\": 1");
	stage_type(st, typed);
	stage_wait_for(st, "waits for its turn");
}

static void what_waits_comes_back_from_a_conversation_that_is_removed(void **state)
{
	struct stage st;

	(void)state;
	let_wait(&st, "other\r");
	stage_type(&st, "/rm one\r");
	stage_wait_for(&st, "deleted");
	stage_wait_for(&st, "❯ other");
	assert_false(stage_shows(&st, "First."));
	stage_quit(&st);
}

static void an_edition_that_waits_leaves_the_branch_as_it_is(void **state)
{
	struct stage st;

	(void)state;
	let_wait(&st, "/edit other\r");
	stage_type(&st, "\x1B");
	stage_wait_gone(&st, "waits for its turn");
	assert_true(stage_shows(&st, "First."));
	stage_wait_for(&st, "Editing what you said");
	stage_wait_for(&st, "ready");
	stage_type(&st, "\r");
	stage_wait_for(&st, "Anew.");
	assert_false(stage_shows(&st, "First."));
	stage_quit(&st);
}

static void errors_of_the_engine_are_shown_and_nothing_is_lost(void **state)
{
	static const char engine_script[] =
		"{\"text\": \"half an ans\"}\n{\"error\": {\"code\": \"model\", \"text\": "
		"\"the device "
		"is lost\"}}\n{\"turn\": {\"again\": true}}\n{\"text\": \"well "
		"again\"}\n{\"done\": {}}\n";
	static const struct stage_setup su = {.engine_script = engine_script};
	struct stage st;

	(void)state;
	stage_begin(&st, &su);
	stage_type(&st, "first\r");
	stage_wait_for(&st, "the device is lost");
	assert_true(stage_shows(&st, "half an ans"));
	stage_type(&st, "second\r");
	stage_wait_for(&st, "well again");
	assert_true(stage_shows(&st, "half an ans"));
	stage_quit(&st);
}

static void a_load_that_fails_leaves_the_text_to_copy(void **state)
{
	static const char engine_script[] = "{\"load\": {\"bytes\": 100, \"steps\": 1, "
					    "\"error\": \"model-00001: cut short\"}}\n"
					    "{\"text\": \"x\"}\n{\"done\": {}}\n";
	static const struct stage_setup su = {.engine_script = engine_script};
	struct stage st;

	(void)state;
	stage_open(&st, &su);
	stage_wait_for(&st, "cut short");
	stage_wait_for(&st, "no model");
	stage_type(&st, "a question\r");
	stage_wait_for(&st, "there is no model");
	assert_true(stage_shows(&st, "❯ a question"));
	stage_quit(&st);
}

/* User and system time of the child so far, from /proc. */
static long child_ticks(pid_t pid)
{
	char path[64], line[1024];
	unsigned long u = 0, k = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	fclose(f);
	assert_int_equal(sscanf(strrchr(line, ')') + 2,
				"%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &u, &k),
			 2);
	return (long)(u + k);
}

static void a_flood_is_swallowed_and_keys_still_work(void **state)
{
	static const char engine_script[] = "{\"text\": \"flood of *words* and `code` \", "
					    "\"repeat\": 100000, \"chunk\": 30}\n"
					    "{\"done\": {}}\n{\"turn\": {\"again\": "
					    "true}}\n{\"text\": \"calm\"}\n{\"done\": {}}\n";
	static const struct stage_setup su = {.engine_script = engine_script};
	struct stage st;
	int64_t start;

	(void)state;
	stage_begin(&st, &su);
	stage_type(&st, "go\r");
	stage_wait_for(&st, "flood of");
	start = clock_ms();
	stage_type(&st, "still here");
	stage_wait_for(&st, "still here");
	assert_true(clock_ms() - start < 2000);
	stage_wait_for(&st, "ready");
	stage_type(&st, "\r");
	stage_wait_for(&st, "calm");
	stage_assert_clean(&st);
	stage_quit(&st);
}

static void idle_it_sleeps(void **state)
{
	static const struct stage_setup su = {.engine_script = stage_talk};
	bool slow = getenv("DSV4CHAT_SLOW") != NULL;
	char path[64], line[256];
	long before = -1, after = -1;
	struct stage st;
	FILE *f;

	(void)state;
	stage_begin(&st, &su);
	stage_settle(&st);
	stage_pause(&st, 1000); /* what the conversation would cost is looked at once */
	snprintf(path, sizeof(path), "/proc/%d/status", (int)st.child);
	for (int round = 0; round < 2; round++) {
		long n = -1;

		f = fopen(path, "r");
		assert_non_null(f);
		while (fgets(line, sizeof(line), f) != NULL)
			sscanf(line, "voluntary_ctxt_switches: %ld", &n);
		fclose(f);
		assert_true(n >= 0);
		if (round == 0) {
			before = n;
			usleep(slow ? 10000000 : 1500000);
		} else {
			after = n;
		}
	}
	assert_int_equal(before, after);
	stage_quit(&st);
}

static void a_stream_costs_little(void **state)
{
	/* 200 tokens a second for three seconds. */
	static const char engine_script[] = "{\"text\": \"word and \", \"repeat\": 300, "
					    "\"chunk\": 5, \"delay_ms\": 5}\n{\"done\": {}}\n";
	static const struct stage_setup su = {.engine_script = engine_script};
	struct stage st;
	long ticks;
	int64_t start;

	(void)state;
	stage_begin(&st, &su);
	ticks = child_ticks(st.child);
	start = clock_ms();
	stage_type(&st, "go\r");
	stage_wait_for(&st, "word");
	stage_wait_for(&st, "ready");
	/* Far above the goal of 5 %, so that a loaded machine does not matter. */
	assert_true((child_ticks(st.child) - ticks) * 1000 / sysconf(_SC_CLK_TCK) <
		    (clock_ms() - start) / 3);
	stage_quit(&st);
}

static void what_a_model_says_never_reaches_the_terminal_as_control(void **state)
{
	static const char engine_script[] =
		"{\"thinking\": \"\\u001b[2J\"}\n"
		"{\"text\": \"\\u001b]0;owned\\u0007 \\u001b[31mred \\u009b5m \\u202egnp "
		"\\udb40\\udc41\"}\n"
		"{\"notice\": \"\\u001b[?1049l\"}\n"
		"{\"call\": {\"name\": \"\\u001bc\", \"arguments\": {\"a\": \"\\u001b[H\"}}}\n"
		"{\"done\": {}}\n";
	static const struct stage_setup su = {.engine_script = engine_script};
	struct stage st;

	(void)state;
	stage_begin(&st, &su);
	stage_type(&st, "\x14go\r");
	stage_wait_for(&st, "owned");
	stage_wait_for(&st, "ready");
	assert_null(strstr(buf_z(&st.raw), "]0;owned\a"));
	assert_null(strstr(buf_z(&st.raw), "\x1B[31mred"));
	assert_null(strstr(buf_z(&st.raw), "\xC2\x9B"));
	assert_null(strstr(buf_z(&st.raw), "\xE2\x80\xAE"));
	assert_null(strstr(buf_z(&st.raw), "\x1B[?1049l"));
	assert_null(strstr(buf_z(&st.raw), "\x1B"
					   "c"));
	stage_quit(&st);
}

/* The list shows `title`; where a key came before it, another answer brings the next. */
static void list_shows(struct stage *st, const char *title)
{
	bool shows = false;

	for (int64_t end = clock_ms() + STAGE_PATIENCE_MS; !shows;) {
		stage_wait_for(st, "ready");
		stage_settle(st);
		stage_type(st, "\x1B[1;3D"); /* Alt-Left */
		stage_wait_for(st, "type to find");
		shows = stage_shows(st, title);
		stage_type(st, "\x1B");
		stage_wait_gone(st, "type to find");
		if (!shows && clock_ms() > end)
			fail_msg("the list has no \"%s\"", title);
		if (!shows)
			stage_type(st, "and\r");
	}
}

static void the_model_names_a_conversation_and_gives_way_to_its_user(void **state)
{
	struct stage_setup su = {
		.engine_script =
			"{\"load\": {\"bytes\": 1000, \"steps\": 2}}\n"
			"{\"turn\": {\"again\": true}}\n{\"text\": \"Whatever.\"}\n{\"done\": "
			"{}}\n"
			"{\"turn\": {\"task\": \"title\", \"expect_messages\": 2}}\n"
			"{\"text\": \"Never said\"}\n{\"pause\": -1}\n{\"done\": {}}\n"
			"{\"turn\": {\"task\": \"title\"}}\n{\"error\": \"stumbled\"}\n"
			"{\"turn\": {\"task\": \"title\", \"again\": true}}\n"
			"{\"text\": \"'The\\u001b[7m name'\\n\"}\n{\"done\": {}}\n"};
	struct stage st;

	(void)state;
	for (int kept = 0; kept < 2; kept++) {
		su.history_path = kept ? tmpdir_file(&test_dir, "history.db") : NULL;
		stage_begin(&st, &su);
		stage_type(&st, "something long to ask\r");
		stage_wait_for(&st, "Whatever.");
		stage_wait_for(&st, "ready");
		stage_settle(&st);
		assert_false(stage_shows(&st, "Never"));
		/* The title's turn would never end by itself: what is typed ends it. */
		stage_type(&st, "two\r");
		stage_wait_for(&st, "❯ two");
		stage_settle(&st);
		list_shows(&st, "The[7m name");
		assert_false(stage_shows(&st, "stumbled"));
		stage_quit(&st);
	}
	su.last = true;
	stage_begin(&st, &su);
	stage_type(&st, "\x1B[1;3D"); /* Alt-Left */
	stage_wait_for(&st, "type to find");
	stage_type(&st, "\x1Br"); /* Alt-R */
	stage_wait_for(&st, "title: The[7m name");
	stage_type(&st, "\x15mine\r");
	stage_wait_for(&st, "mine");
	stage_type(&st, "\x1B");
	stage_wait_gone(&st, "type to find");
	stage_type(&st, "three\r");
	stage_wait_for(&st, "❯ three");
	stage_wait_for(&st, "ready"); /* Esc would stop the answer */
	list_shows(&st, "mine");
	stage_quit(&st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, tmpdir_set_up, tmpdir_tear_down)
		cmocka_unit_test(a_person_asks_reads_folds_searches_edits_forks_and_quits),
		T(what_was_said_is_there_the_next_time),
		T(a_killed_answer_is_there_and_goes_on_where_it_was),
		T(what_a_kill_cut_goes_on_from_a_new_conversation),
		T(a_full_store_is_told_and_the_chat_goes_on),
		cmocka_unit_test(ten_megabytes_may_be_pasted_and_sent),
		T(an_answer_that_is_being_stopped_is_not_given_up_for_another),
		T(what_waits_comes_back_from_a_conversation_that_is_removed),
		T(an_edition_that_waits_leaves_the_branch_as_it_is),
		cmocka_unit_test(errors_of_the_engine_are_shown_and_nothing_is_lost),
		cmocka_unit_test(a_load_that_fails_leaves_the_text_to_copy),
		cmocka_unit_test(a_flood_is_swallowed_and_keys_still_work),
		cmocka_unit_test(idle_it_sleeps),
		cmocka_unit_test(a_stream_costs_little),
		cmocka_unit_test(what_a_model_says_never_reaches_the_terminal_as_control),
		T(the_model_names_a_conversation_and_gives_way_to_its_user),
	};

	setlocale(LC_ALL, "C.UTF-8");
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
