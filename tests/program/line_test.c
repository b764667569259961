/*
 * The line mode as a person at a terminal has it: the program in a pseudo-terminal, on the
 * scripted engine, and once on the small model.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

#include "engine/base/buf.h"
#include "engine/base/clock.h"
#include "tests/support/program.h"
#include "tests/support/tmpdir.h"

#define PATIENCE_MS 20000 /* a loaded machine is slow */

struct chat {
	pid_t child;
	int fd, slave; /* the slave stays open here, so that its modes can be read afterwards */
	struct buf shown;
	size_t seen; /* of it, what was waited for */
	struct termios before;
};

static int set_up(void **state)
{
	static const char *const unset[] = {"DSV4CHAT_MODEL", "DSV4CHAT_EFFORT", "NO_COLOR"};

	(void)state;
	tmpdir_init(&test_dir);
	program_live_in(test_dir.path);
	for (size_t i = 0; i < sizeof(unset) / sizeof(unset[0]); i++)
		unsetenv(unset[i]);
	setenv("TERM", "xterm", 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	return 0;
}

/* Takes what comes within `ms`. */
static void hear(struct chat *c, int ms)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	char bytes[4096];
	ssize_t n;

	if (poll(&p, 1, ms) <= 0)
		return;
	n = read(c->fd, bytes, sizeof(bytes));
	if (n > 0)
		buf_add(&c->shown, bytes, (size_t)n);
}

/* Waits until `text` is shown after what was waited for before. */
static void wait_for(struct chat *c, const char *text)
{
	int64_t end = clock_ms() + PATIENCE_MS;
	const char *at;

	while (!(at = strstr(buf_z(&c->shown) + c->seen, text))) {
		if (clock_ms() > end)
			fail_msg("\"%s\" did not come after:\n%s", text, buf_z(&c->shown));
		hear(c, 50);
	}
	c->seen = (size_t)(at - buf_z(&c->shown)) + strlen(text);
}

/* The prompt is shown shortly before keys are taken one by one: in between Ctrl-D is lost. */
static void wait_for_prompt(struct chat *c)
{
	int64_t end = clock_ms() + PATIENCE_MS;
	struct termios modes;

	wait_for(c, "> ");
	for (;;) {
		assert_int_equal(tcgetattr(c->slave, &modes), 0);
		if (!(modes.c_lflag & (tcflag_t)ICANON))
			return;
		if (clock_ms() > end)
			fail_msg("the prompt takes no keys:\n%s", buf_z(&c->shown));
		hear(c, 5);
	}
}

static void type(struct chat *c, const char *bytes)
{
	size_t n = strlen(bytes);

	assert_int_equal(write(c->fd, bytes, n), (ssize_t)n);
}

/* Line mode is asked for; else the terminal is one that cannot show a screen. */
static const char *how = "--plain";

/* Nothing is kept unless a test is about that. */
static const char *keeps = "--ephemeral";

/* Starts a program that nothing is waited of yet. */
static void spawn(struct chat *c, const char *const *args)
{
	struct winsize ws = {.ws_col = 80, .ws_row = 24};

	*c = (struct chat){0};
	assert_int_equal(openpty(&c->fd, &c->slave, NULL, NULL, &ws), 0);
	assert_int_equal(tcgetattr(c->slave, &c->before), 0);
	c->child = fork();
	assert_true(c->child >= 0);
	if (!c->child) {
		close(c->fd);
		login_tty(c->slave);
		execv(args[0], (char *const *)(uintptr_t)args);
		_exit(127);
	}
}

/* Starts the program; `script` NULL: the small model. */
static void start(struct chat *c, const char *script, const char *option)
{
	const char *args[12] = {program_path(), how,       "--temp",     "0",
				keeps,          "--model", "share/nano", option};
	size_t n = option ? 8 : 7;

	if (script) {
		tmpdir_write_text(&test_dir, "script", script);
		args[n++] = "--engine-script";
		args[n++] = tmpdir_file(&test_dir, "script");
	}
	spawn(c, args);
	wait_for(c, "/help lists the commands");
	wait_for_prompt(c);
}

/* Waits for the end; the terminal must be as it was. */
static void end(struct chat *c, int status)
{
	int64_t limit = clock_ms() + PATIENCE_MS;
	struct termios after;
	int got;

	while (waitpid(c->child, &got, WNOHANG) == 0) {
		if (clock_ms() > limit) {
			kill(c->child, SIGKILL);
			waitpid(c->child, &got, 0);
			fail_msg("it did not end:\n%s", buf_z(&c->shown));
		}
		hear(c, 20);
	}
	hear(c, 0);
	assert_true(WIFEXITED(got));
	if (WEXITSTATUS(got) != status)
		fail_msg("status %d, expected %d:\n%s", WEXITSTATUS(got), status,
			 buf_z(&c->shown));
	assert_int_equal(tcgetattr(c->slave, &after), 0);
	assert_int_equal(after.c_lflag, c->before.c_lflag);
	assert_int_equal(after.c_iflag, c->before.c_iflag);
	assert_int_equal(after.c_oflag, c->before.c_oflag);
	close(c->fd);
	close(c->slave);
	buf_release(&c->shown);
}

#define AGAIN "{\"turn\": {\"again\": true}}\n"
#define DONE  "{\"done\": {}}\n"

static void answers_stream_and_ctrl_d_quits(void **state)
{
	struct chat c;

	(void)state;
	start(&c, AGAIN "{\"thinking\": \"so I think\"}\n{\"text\": \"so I say\"}\n" DONE,
	      NULL);
	type(&c, "hello\n");
	wait_for(&c, "\033[2m"); /* dimmed */
	wait_for(&c, "so I think");
	wait_for(&c, "so I say");
	wait_for_prompt(&c);
	type(&c, "\004");
	end(&c, 0);
}

static void a_terminal_that_cannot_move_its_cursor_gets_lines(void **state)
{
	static const char *const names[] = {"dumb", ""};

	(void)state;
	how = "--hide-thinking";
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct chat c;

		setenv("TERM", names[i], 1);
		start(&c, "{\"text\": \"here\"}\n" DONE, NULL);
		type(&c, "hello\n");
		wait_for(&c, "here");
		wait_for_prompt(&c);
		assert_null(strstr(buf_z(&c.shown), "\033"));
		type(&c, "\004");
		end(&c, 0);
	}
	how = "--plain";
	setenv("TERM", "xterm", 1);
}

static void a_terminal_that_is_unknown_gets_lines_and_a_word(void **state)
{
	struct chat c;

	(void)state;
	setenv("TERM", "no-such-terminal", 1);
	how = "--hide-thinking";
	start(&c, "{\"text\": \"here\"}\n" DONE, NULL);
	assert_non_null(
		strstr(buf_z(&c.shown),
		       "a line at a time: terminal \"no-such-terminal\" is unknown here"));
	type(&c, "hello\n");
	wait_for(&c, "here");
	wait_for_prompt(&c);
	type(&c, "\004");
	end(&c, 0);
	how = "--plain";
	setenv("TERM", "xterm", 1);
}

static void ctrl_c_keeps_what_was_said_and_the_next_question_follows_it(void **state)
{
	struct chat c;

	(void)state;
	start(&c,
	      "{\"text\": \"begun\"}\n{\"pause\": -1}\n" DONE
	      "{\"turn\": {\"expect\": \"go on\", \"expect_messages\": 3}}\n"
	      "{\"text\": \"gone on\"}\n" DONE,
	      NULL);
	type(&c, "hello\n");
	wait_for(&c, "begun");
	type(&c, "\003");
	wait_for_prompt(&c);
	type(&c, "go on\n");
	wait_for(&c, "gone on");
	wait_for_prompt(&c);
	type(&c, "/quit\n");
	end(&c, 0);
}

static void ctrl_c_twice_at_the_prompt_quits(void **state)
{
	struct chat c;

	(void)state;
	start(&c, AGAIN "{\"text\": \"x\"}\n" DONE, NULL);
	type(&c, "not sent\003");
	wait_for(&c, "Ctrl-C again quits");
	wait_for_prompt(&c);
	type(&c, "\003");
	end(&c, 0);
}

static void what_is_typed_between_two_ctrl_c_is_not_quitted_over(void **state)
{
	struct chat c;

	(void)state;
	start(&c, AGAIN "{\"text\": \"x\"}\n" DONE, NULL);
	for (int i = 0; i < 3; i++) {
		type(&c, "\003");
		wait_for(&c, "Ctrl-C again quits");
		wait_for_prompt(&c);
		type(&c, "abc");
		wait_for(&c, "abc");
	}
	/* Taken back, it was typed all the same. */
	type(&c, "\025\003");
	wait_for(&c, "Ctrl-C again quits");
	wait_for_prompt(&c);
	type(&c, "\003");
	end(&c, 0);
}

#define SLOW_MS                                                                                \
	10 /* the program takes what comes later for typed, some milliseconds above that */

/* Pieces that come one behind the other, as over a slow line; false: some came too late for
 * that. */
static bool type_slowly(struct chat *c, const char *bytes)
{
	int64_t before = clock_ms();
	bool in_time = true;

	for (; *bytes; bytes++) {
		struct timespec pause = {.tv_nsec = 2000000};

		type(c, (char[]){*bytes, '\0'});
		in_time &= clock_ms() - before < SLOW_MS;
		before = clock_ms();
		nanosleep(&pause, NULL);
	}
	return in_time;
}

/* Starts the program and types; on a busy machine more than once, until the pieces come in
 * time. */
static void start_with(struct chat *c, const char *script, const char *bytes, bool slowly)
{
	start(c, script, NULL);
	if (!slowly) {
		type(c, bytes);
		return;
	}
	for (int tries = 0; !type_slowly(c, bytes); tries++) {
		kill(c->child, SIGKILL);
		waitpid(c->child, NULL, 0);
		close(c->fd);
		close(c->slave);
		buf_release(&c->shown);
		if (tries == 100)
			fail_msg("the machine is too busy to type as over a slow line");
		start(c, script, NULL);
	}
}

static void tabs_that_are_pasted_are_kept(void **state)
{
	static const struct {
		const char *typed, *expected;
		bool slowly;
	} cases[] = {
		{"\033[200~all:\n\tcc -o a\tb\n\t\tend\033[201~\n",
		 "all:\\n\\tcc -o a\\tb\\n\\t\\tend", false},
		{"all:\n\tcc -o a\tb\n\t\tend\n", "all:\\n\\tcc -o a\\tb\\n\\t\\tend", false},
		{"/x y\tz\n/a\tb\n", "/x y\\tz\\n/a\\tb", false},
		{"a\tb\tc\nd\te\t\tf\n", "a\\tb\\tc\\nd\\te\\t\\tf", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf script = {0};
		struct chat c;

		buf_addf(&script,
			 "{\"turn\": {\"expect\": \"%s\", \"expect_messages\": 1}}\n"
			 "{\"text\": \"one message\"}\n" DONE,
			 cases[i].expected);
		start_with(&c, buf_z(&script), cases[i].typed, cases[i].slowly);
		wait_for(&c, "one message");
		wait_for_prompt(&c);
		type(&c, "/quit\n");
		end(&c, 0);
		buf_release(&script);
	}
}

static void a_typed_tab_completes_commands_and_is_a_tab_elsewhere(void **state)
{
	struct chat c;

	(void)state;
	start(&c, "{\"turn\": {\"expect\": \"a\\tb\"}}\n{\"text\": \"with a tab\"}\n" DONE,
	      NULL);
	type(&c, "/eff");
	wait_for(&c, "/eff");
	type(&c, "\t");
	wait_for(&c, "ort");
	type(&c, "\n");
	wait_for(&c, "effort: ");
	wait_for_prompt(&c);
	type(&c, "/eff\t\n");
	wait_for(&c, "effort: ");
	wait_for_prompt(&c);
	type(&c, "a");
	wait_for(&c, "a");
	type(&c, "\t");
	hear(&c, 100);
	type(&c, "b\n");
	wait_for(&c, "with a tab");
	wait_for_prompt(&c);
	type(&c, "/quit\n");
	end(&c, 0);
}

static void several_lines_become_one_message(void **state)
{
	static const struct {
		const char *what, *typed;
		bool slowly;
	} cases[] = {
		{"a bracketed paste", "\033[200~one\ntwo\rthree\033[201~\n", false},
		{"lines that were waiting", "one\ntwo\nthree\n", false},
		{"lines over a slow line", "one\ntwo\nthree\n", true},
		{"backslashes", "one\\\n", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct chat c;

		start_with(&c,
			   "{\"turn\": {\"expect\": \"one\\ntwo\\nthree\", "
			   "\"expect_messages\": 1}}\n"
			   "{\"text\": \"one message\"}\n" DONE,
			   cases[i].typed, cases[i].slowly);
		if (strchr(cases[i].typed, '\\')) {
			wait_for(&c, "… ");
			type(&c, "two\\\n");
			wait_for(&c, "… ");
			type(&c, "three\n");
		}
		wait_for(&c, "one message");
		wait_for_prompt(&c);
		type(&c, "/quit\n");
		end(&c, 0);
	}
}

/* Typed, pasted, and brought back by the arrow key. */
static void what_acts_on_a_terminal_is_shown_by_its_number_and_sent_as_it_is(void **state)
{
	static const char *const acts[] = {"\u202e", "\u2066", "\xc2\x9b", "\u200f", "\ufeff"};
	struct chat c;

	(void)state;
	start(&c,
	      "{\"turn\": {\"expect\": \"a\\u202eb\\u2066c\\u009b1md\\u200fe\\ufefff\\tg\", "
	      "\"again\": true}}\n{\"text\": \"heard\"}\n" DONE,
	      NULL);
	type(&c, "a\u202eb\033[200~\u2066c\xc2\x9b"
		 "1md\u200fe\ufefff\tg\033[201~");
	wait_for(&c, "a\\U+0202Eb\\U+02066c\\U+0009B1md");
	type(&c, "\n");
	wait_for(&c, "heard");
	wait_for_prompt(&c);
	type(&c, "\033[A");
	wait_for(&c, "a\\U+0202Eb");
	type(&c, "\n");
	wait_for(&c, "heard");
	wait_for_prompt(&c);
	type(&c, "/quit\n");
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
		assert_null(strstr(buf_z(&c.shown), acts[i]));
	end(&c, 0);
}

static void a_paste_that_never_ends_is_over_when_nothing_comes(void **state)
{
	struct chat c;

	(void)state;
	start(&c,
	      "{\"turn\": {\"expect\": \"pasted and typed\"}}\n{\"text\": \"heard\"}\n" DONE,
	      NULL);
	type(&c, "\033[200~pasted");
	wait_for(&c, "pasted");
	hear(&c, 0);
	usleep(2200000);
	type(&c, " and typed\n");
	wait_for(&c, "heard");
	wait_for_prompt(&c);
	type(&c, "/quit\n");
	end(&c, 0);
}

static void commands_act_and_wrong_ones_say_so(void **state)
{
	static const struct {
		const char *typed, *shown; /* NULL: only the prompt */
	} steps[] = {
		{"/help\n", "/effort"},
		{"/effort max\n", "effort: max"},
		{"/effort most\n", "expected"},
		{"/set temp 0.5\n", "0.5"},
		{"/set tmep 0.5\n", "cannot be set"},
		{"/nonsense\n", "nonsense"},
		{"/system be brief\n", NULL},
		{"hello\n", "brief and max"},
		{"/new\n", NULL},
		{"hello\n", "brief and max"},
	};
	struct chat c;

	(void)state;
	start(&c,
	      "{\"turn\": {\"expect_system\": \"be brief\", \"expect_effort\": \"max\", "
	      "\"expect_messages\": 2, \"again\": true}}\n"
	      "{\"text\": \"brief and max\"}\n" DONE,
	      NULL);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		type(&c, steps[i].typed);
		wait_for(&c, "\n"); /* the echo */
		if (steps[i].shown)
			wait_for(&c, steps[i].shown);
		wait_for_prompt(&c);
	}
	type(&c, "/quit\n");
	end(&c, 0);
}

static void its_help_fits_80_columns(void **state)
{
	struct chat c;
	const char *at;

	(void)state;
	start(&c, "{\"text\": \"here\"}\n" DONE, NULL);
	type(&c, "/help\n");
	wait_for(&c, "what was said.");
	at = strstr(buf_z(&c.shown), "  /help");
	assert_non_null(at);
	for (; *at; at += strcspn(at, "\n"), at += *at == '\n')
		if (strcspn(at, "\r\n") > 80)
			fail_msg("%.*s", (int)strcspn(at, "\r\n"), at);
	wait_for_prompt(&c);
	type(&c, "\004");
	end(&c, 0);
}

static void a_line_tells_what_was_read_and_what_came_from_disk(void **state)
{
	struct chat c;

	(void)state;
	start(&c,
	      "{\"turn\": {}}\n{\"text\": \"first\"}\n"
	      "{\"done\": {\"usage\": {\"prompt_tokens\": 29268, \"cached_tokens\": 29056,"
	      " \"disk_tokens\": 29056, \"disk_ms\": 84, \"output_tokens\": 3}}}\n"
	      "{\"turn\": {}}\n{\"text\": \"second\"}\n"
	      "{\"done\": {\"usage\": {\"prompt_tokens\": 300, \"cached_tokens\": 288}}}\n",
	      NULL);
	type(&c, "hello\n");
	wait_for(&c, "first");
	wait_for(&c, "[3 tokens");
	wait_for(&c, "; read 212 of 29,268 tokens, restored 29,056 tokens from disk in 84 ms]");
	wait_for_prompt(&c);
	type(&c, "and\n");
	wait_for(&c, "second");
	wait_for(&c, "; read 12 of 300 tokens]");
	wait_for_prompt(&c);
	type(&c, "\004");
	end(&c, 0);
}

/* The number of the small model's tokens that are told to be read, and of how many. */
static void wait_for_price(struct chat *c, int *reads, int *of)
{
	wait_for(c, "(reads ");
	hear(c, 100);
	if (sscanf(buf_z(&c->shown) + c->seen, "%d of %d tokens)", reads, of) != 2)
		fail_msg("no price:\n%s", buf_z(&c->shown));
}

static void where_the_branch_is_left_the_price_is_told_first(void **state)
{
	struct chat c;
	int reads, of;

	(void)state;
	start(&c, NULL, "--nothink");
	type(&c, "what is the capital of France?\n");
	wait_for(&c, "read ");
	wait_for_prompt(&c);
	assert_null(strstr(buf_z(&c.shown), "(reads "));
	/* The same question again reads its last token, another one all that differs. */
	type(&c, "/regen\n");
	wait_for_price(&c, &reads, &of);
	assert_int_equal(reads, 1);
	assert_in_range(of, 5, 40);
	wait_for_prompt(&c);
	type(&c, "/edit and the one of Spain?\n");
	wait_for_price(&c, &reads, &of);
	assert_in_range(reads, 5, of);
	wait_for_prompt(&c);
	type(&c, "/fork\n");
	wait_for_price(&c, &reads, &of);
	assert_in_range(reads, 1, 6);
	assert_in_range(of, 12, 60);
	wait_for_prompt(&c);
	type(&c, "\004");
	end(&c, 0);
}

static void vi_keys_edit_the_line_from_the_moment_they_are_asked_for(void **state)
{
	struct chat c;

	(void)state;
	start(&c,
	      "{\"turn\": {\"expect\": \"abc\"}}\n{\"text\": \"as vi has it\"}\n" DONE
	      "{\"turn\": {\"expect\": \"abd\"}}\n{\"text\": \"as emacs has it\"}\n" DONE,
	      NULL);
	type(&c, "/set keys vi\n");
	wait_for(&c, "keys");
	wait_for_prompt(&c);
	type(&c, "abXc");
	wait_for(&c, "abXc");
	type(&c, "\033");
	hear(&c, 300); /* Esc by itself */
	type(&c, "hx\n");
	wait_for(&c, "as vi has it");
	wait_for_prompt(&c);
	type(&c, "/set keys emacs\n");
	wait_for(&c, "keys");
	wait_for_prompt(&c);
	type(&c, "abXd\002\002\004\n");
	wait_for(&c, "as emacs has it");
	wait_for_prompt(&c);
	type(&c, "/quit\n");
	end(&c, 0);
}

static void hostile_text_never_steers_the_terminal(void **state)
{
	struct chat c;

	(void)state;
	start(&c, AGAIN "{\"text\": \"a\\u001b]0;owned\\u0007b\\u202ec\\u009bd\"}\n" DONE,
	      NULL);
	type(&c, "hello\n");
	wait_for(&c, "owned");
	wait_for_prompt(&c);
	assert_null(strstr(buf_z(&c.shown), "\033]0;"));
	assert_null(strstr(buf_z(&c.shown), "\a"));
	assert_null(strstr(buf_z(&c.shown), "\xE2\x80\xAE"));
	assert_null(strstr(buf_z(&c.shown), "\xC2\x9B"));
	type(&c, "/quit\n");
	end(&c, 0);
}

static void a_failed_turn_and_a_resize_end_nothing(void **state)
{
	struct winsize ws = {.ws_col = 40, .ws_row = 12};
	struct chat c;

	(void)state;
	start(&c,
	      "{\"error\": \"the engine stumbled\"}\n"
	      "{\"turn\": {\"expect\": \"again\", \"expect_messages\": 1}}\n"
	      "{\"text\": \"it answers\"}\n" DONE,
	      NULL);
	type(&c, "hello\n");
	wait_for(&c, "the engine stumbled");
	wait_for_prompt(&c);
	assert_int_equal(ioctl(c.fd, TIOCSWINSZ, &ws), 0);
	type(&c, "again\n");
	wait_for(&c, "it answers");
	wait_for_prompt(&c);
	type(&c, "/quit\n");
	end(&c, 0);
}

static void what_is_opened_ends_as_it_was_seen(void **state)
{
	static const char *const lines[] = {"I look.",
					    "call: shell",
					    "with: {\"command\": \"ls\"}",
					    "call: edit_file",
					    "malformed call: no JSON",
					    "note: a byte was replaced"};
	struct chat c;

	(void)state;
	start(&c,
	      AGAIN "{\"text\": \"I look.\"}\n"
		    "{\"call\": {\"name\": \"shell\", \"arguments\": {\"command\": \"ls\"}}}\n"
		    "{\"bad_call\": {\"name\": \"edit_file\", \"why\": \"no JSON\"}}\n"
		    "{\"notice\": \"a byte was replaced\"}\n" DONE,
	      NULL);
	for (int i = 0; i < 2; i++) {
		type(&c, i ? "/open hello\n" : "hello\n");
		for (size_t k = 0; k < sizeof(lines) / sizeof(lines[0]); k++)
			wait_for(&c, lines[k]);
		wait_for_prompt(&c);
		type(&c, i ? "\004" : "/new\n");
		if (!i)
			wait_for_prompt(&c);
	}
	end(&c, 0);
}

static void what_was_typed_is_kept_for_its_owner_alone(void **state)
{
	struct stat st;
	struct chat c;

	(void)state;
	keeps = "--titles=off";
	start(&c, AGAIN "{\"text\": \"yes\"}\n" DONE, NULL);
	type(&c, "remember this\n");
	wait_for(&c, "yes");
	wait_for_prompt(&c);
	type(&c, "/quit\n");
	end(&c, 0);
	assert_int_equal(stat(tmpdir_file(&test_dir, "dsv4chat/input_history"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);

	/* Arrow up in the next run brings it back: /quit first, then the question. */
	start(&c, AGAIN "{\"text\": \"yes\"}\n" DONE, NULL);
	type(&c, "\033[A\033[A");
	wait_for(&c, "remember this");
	type(&c, "\n");
	wait_for(&c, "yes");
	wait_for_prompt(&c);
	type(&c, "/quit\n");
	end(&c, 0);
	keeps = "--ephemeral";
}

/* ------------------------------------------------------------------ titles */

#define TITLE_TURN "{\"turn\": {\"task\": \"title\", \"expect_messages\": 2}}\n"
#define TITLES     "{\"turn\": {\"task\": \"title\", \"again\": true}}\n"

/*
 * Asks /title until it says `title`.  The question may have come before the model's title,
 * which drops it: so something is asked in between, after which the next one is wanted.
 */
static void title_becomes(struct chat *c, const char *title)
{
	struct buf want = {0};
	bool is = false;

	buf_addf(&want, "title: %s\r\n", title);
	for (int64_t end = clock_ms() + PATIENCE_MS; !is;) {
		hear(c, 300);
		type(c, "/title\n");
		wait_for(c, "title: ");
		c->seen -= strlen("title: ");
		wait_for_prompt(c);
		is = strstr(buf_z(&c->shown), buf_z(&want)) != NULL;
		if (!is && clock_ms() > end)
			fail_msg("no \"%s\" in:\n%s", title, buf_z(&c->shown));
		if (!is) {
			type(c, "more\n");
			wait_for(c, "answered");
			wait_for_prompt(c);
		}
	}
	buf_release(&want);
}

static void ask(struct chat *c, const char *question)
{
	type(c, question);
	wait_for(c, "answered");
	wait_for_prompt(c);
}

static void the_models_title_comes_while_the_prompt_waits_and_shows_nothing(void **state)
{
	struct chat c;

	(void)state;
	start(&c,
	      AGAIN "{\"text\": \"answered\"}\n" DONE TITLES "{\"thinking\": \"hm\"}\n"
		    "{\"text\": \"\\n \\\"Short\\u001b[2J name\\\"\\nand more\"}\n" DONE,
	      NULL);
	ask(&c, "a long question about nothing\n");
	hear(&c, 200);
	assert_null(strstr(buf_z(&c.shown), "Short"));
	assert_null(strstr(buf_z(&c.shown), "hm"));
	title_becomes(&c, "Short[2J name");
	type(&c, "/quit\n");
	end(&c, 0);
}

static void typing_drops_the_title_and_the_question_is_answered(void **state)
{
	struct chat c;

	(void)state;
	start(&c,
	      AGAIN "{\"text\": \"answered\"}\n" DONE TITLE_TURN
		    "{\"text\": \"Never whole\"}\n{\"pause\": -1}\n" DONE TITLES
		    "{\"text\": \"The second\"}\n" DONE,
	      NULL);
	ask(&c, "one\n");
	hear(&c, 300);
	type(&c, "t");
	hear(&c, 100);
	ask(&c, "wo\n");
	title_becomes(&c, "The second");
	assert_null(strstr(buf_z(&c.shown), "Never"));
	type(&c, "/quit\n");
	end(&c, 0);
}

static void no_title_is_silent(void **state)
{
	static const struct {
		const char *turn, *option;
	} cases[] = {
		{TITLES "{\"error\": \"stumbled\"}\n", NULL},
		{TITLES DONE, NULL},
		{TITLES "{\"text\": \"\\u200b \\n\"}\n" DONE, NULL},
		{TITLES "{\"text\": \"x\", \"repeat\": 100000}\n" DONE, "--nothink"},
		{TITLES "{\"text\": \"Unwanted\"}\n" DONE, "--titles=off"},
	};
	struct chat c;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf script = {0};

		buf_addf(&script, AGAIN "{\"text\": \"answered\"}\n" DONE "%s", cases[i].turn);
		start(&c, buf_z(&script), cases[i].option);
		ask(&c, "one\n");
		hear(&c, 300);
		type(&c, "/title\n");
		wait_for(&c, i == 3 ? "title: " : "title: one\r\n");
		wait_for_prompt(&c);
		ask(&c, "two\n");
		assert_null(strstr(buf_z(&c.shown), "stumbled"));
		type(&c, "/quit\n");
		end(&c, 0);
		buf_release(&script);
	}
}

static void a_piped_question_gets_a_title_when_it_is_gone_on_with(void **state)
{
	const char *const ask[] = {
		"--titles=on", "--engine-script",        tmpdir_file(&test_dir, "once"),
		"-p",          "write a commit message", NULL};
	struct program_run run;
	struct chat c;

	(void)state;
	tmpdir_write_text(&test_dir, "once", "{\"text\": \"one\"}\n" DONE);
	program_run(&run, ask, STR_LIT("diff --git a/x b/x\n"), 20);
	assert_int_equal(run.status, 0);
	program_run_release(&run);
	keeps = "--continue";
	start(&c,
	      "{\"turn\": {\"expect_messages\": 3}}\n{\"text\": \"two\"}\n" DONE
	      "{\"turn\": {\"task\": \"title\", \"expect_messages\": 4}}\n"
	      "{\"text\": \"A short name\"}\n" DONE,
	      NULL);
	type(&c, "/title\n");
	wait_for(&c, "title: write a commit message\r\n");
	wait_for_prompt(&c);
	type(&c, "shorter\n");
	wait_for(&c, "two");
	wait_for_prompt(&c);
	title_becomes(&c, "A short name");
	type(&c, "\004");
	wait_for(&c, "To go on with this conversation: dsv4chat -r ");
	end(&c, 0);
	keeps = "--ephemeral";
}

static void a_word_that_is_nearly_a_verb_is_asked_about(void **state)
{
	const char *const as_verb[] = {program_path(), "histroy", "path", NULL};
	const char *const as_question[] = {program_path(),    "--ephemeral",
					   "--engine-script", tmpdir_file(&test_dir, "once"),
					   "dcotor",          NULL};
	static const struct {
		const char *answer, *shown;
		int status;
		bool verb;
	} cases[] = {{"y\n", "/dsv4chat/history.db", 0, true},
		     {"\n", "quit? ", 2, true},
		     {"m\n", "an answer", 0, false},
		     {"\004", "quit? ", 2, false}};
	struct chat c;

	(void)state;
	tmpdir_write_text(&test_dir, "once", "{\"text\": \"an answer\"}\n" DONE);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		spawn(&c, cases[i].verb ? as_verb : as_question);
		wait_for(&c, cases[i].verb ? "histroy is no verb.  y: dsv4chat history"
					   : "dcotor is no verb.  y: dsv4chat doctor");
		c.seen = 0;
		wait_for(&c, "quit? ");
		c.seen = 0;
		type(&c, cases[i].answer);
		wait_for(&c, cases[i].shown);
		end(&c, cases[i].status);
	}
}

static void a_title_by_hand_stays(void **state)
{
	struct chat c;

	(void)state;
	start(&c,
	      AGAIN "{\"text\": \"answered\"}\n" DONE TITLES
		    "{\"text\": \"By the model\"}\n" DONE,
	      NULL);
	ask(&c, "one\n");
	type(&c, "/title mine\n");
	wait_for(&c, "title: mine");
	wait_for_prompt(&c);
	ask(&c, "two\n");
	hear(&c, 300);
	type(&c, "/title\n");
	wait_for(&c, "title: mine");
	wait_for_prompt(&c);
	type(&c, "/quit\n");
	end(&c, 0);
}

static void the_small_model_adds_up(void **state)
{
	struct chat c;

	(void)state;
	if (access("share/nano/model.safetensors", R_OK) != 0) {
		print_message("share/nano: no model, skipped\n");
		skip();
	}
	start(&c, NULL, "--hide-thinking");
	type(&c, "what is 2 + 2?\n");
	wait_for(&c, "2 + 2 = 4");
	wait_for_prompt(&c);
	type(&c, "\004");
	end(&c, 0);
}

static void the_small_model_names_what_was_asked(void **state)
{
	bool named = false;
	struct chat c;

	(void)state;
	if (access("share/nano/model.safetensors", R_OK) != 0) {
		print_message("share/nano: no model, skipped\n");
		skip();
	}
	start(&c, NULL, "--hide-thinking");
	for (int64_t limit = clock_ms() + PATIENCE_MS; !named;) {
		type(&c, "what is 2 + 2?\n");
		wait_for(&c, "2 + 2 = 4");
		wait_for_prompt(&c);
		hear(&c, 500);
		type(&c, "/title\n");
		wait_for(&c, "title: ");
		wait_for(&c, "\r\n");
		named = !strstr(buf_z(&c.shown) + c.seen - strlen("2?\r\n"), "2?\r\n");
		wait_for_prompt(&c);
		if (!named && clock_ms() > limit)
			fail_msg("no title:\n%s", buf_z(&c.shown));
	}
	type(&c, "\004");
	end(&c, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_stream_and_ctrl_d_quits),
		cmocka_unit_test(a_terminal_that_cannot_move_its_cursor_gets_lines),
		cmocka_unit_test(a_terminal_that_is_unknown_gets_lines_and_a_word),
		cmocka_unit_test(ctrl_c_keeps_what_was_said_and_the_next_question_follows_it),
		cmocka_unit_test(ctrl_c_twice_at_the_prompt_quits),
		cmocka_unit_test(what_is_typed_between_two_ctrl_c_is_not_quitted_over),
		cmocka_unit_test(tabs_that_are_pasted_are_kept),
		cmocka_unit_test(a_typed_tab_completes_commands_and_is_a_tab_elsewhere),
		cmocka_unit_test(several_lines_become_one_message),
		cmocka_unit_test(
			what_acts_on_a_terminal_is_shown_by_its_number_and_sent_as_it_is),
		cmocka_unit_test(a_paste_that_never_ends_is_over_when_nothing_comes),
		cmocka_unit_test(commands_act_and_wrong_ones_say_so),
		cmocka_unit_test(its_help_fits_80_columns),
		cmocka_unit_test(a_line_tells_what_was_read_and_what_came_from_disk),
		cmocka_unit_test(where_the_branch_is_left_the_price_is_told_first),
		cmocka_unit_test(vi_keys_edit_the_line_from_the_moment_they_are_asked_for),
		cmocka_unit_test(hostile_text_never_steers_the_terminal),
		cmocka_unit_test(a_failed_turn_and_a_resize_end_nothing),
		cmocka_unit_test(what_is_opened_ends_as_it_was_seen),
		cmocka_unit_test(what_was_typed_is_kept_for_its_owner_alone),
		cmocka_unit_test(
			the_models_title_comes_while_the_prompt_waits_and_shows_nothing),
		cmocka_unit_test(typing_drops_the_title_and_the_question_is_answered),
		cmocka_unit_test(no_title_is_silent),
		cmocka_unit_test(a_piped_question_gets_a_title_when_it_is_gone_on_with),
		cmocka_unit_test(a_word_that_is_nearly_a_verb_is_asked_about),
		cmocka_unit_test(a_title_by_hand_stays),
		cmocka_unit_test(the_small_model_adds_up),
		cmocka_unit_test(the_small_model_names_what_was_asked),
	};

	return cmocka_run_group_tests(tests, set_up, tmpdir_tear_down);
}
