/*
 * The program as a person has it: in a real terminal multiplexer, on the small model and on
 * the scripted engine, at several sizes and while they change.
 */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/buf.h"
#include "engine/base/clock.h"
#include "engine/base/file.h"
#include "tests/support/program.h"
#include "tests/support/tmpdir.h"

#define PATIENCE_MS 30000 /* a loaded machine is slow */

static struct tmpdir dir;
static char socket_dir[] = "/tmp/dsv4chat-tmux-XXXXXX"; /* short: a socket's name must be */
static int server;                                      /* each shell has one of its own */
static bool there;                                      /* tmux is installed */

/* Runs tmux with these arguments, as a shell reads them; what it printed goes into out. */
static void tmux(struct buf *out, const char *format, ...)
{
	char args[2048], command[2400];
	va_list ap;

	va_start(ap, format);
	assert_in_range(vsnprintf(args, sizeof(args), format, ap), 1, sizeof(args) - 1);
	va_end(ap);
	snprintf(command, sizeof(command), "tmux -u -f /dev/null -S %s/%d %s 2>&1", socket_dir,
		 server, args);
	buf_reset(out);
	if (program_shell(command, out) != 0)
		fail_msg("tmux %s: %s", args, buf_z(out));
}

static void act(const char *format, const char *arg)
{
	struct buf out = {0};

	tmux(&out, format, arg);
	buf_release(&out);
}

/* Types text, which has no quote in it; keys by tmux's names. */
static void type(const char *text)
{
	act("send-keys -l '%s'", text);
}

static void press(const char *keys)
{
	act("send-keys %s", keys);
}

static void screen(struct buf *out)
{
	tmux(out, "capture-pane -p");
}

static bool shows(const char *text)
{
	struct buf out = {0};
	bool found;

	screen(&out);
	found = strstr(buf_z(&out), text) != NULL;
	buf_release(&out);
	return found;
}

static void wait_for(const char *text)
{
	int64_t end = clock_ms() + PATIENCE_MS;
	struct buf out = {0};

	while (!shows(text)) {
		if (clock_ms() > end) {
			screen(&out);
			fail_msg("\"%s\" did not come; there is:\n%s", text, buf_z(&out));
		}
		usleep(20000);
	}
}

static void wait_gone(const char *text)
{
	int64_t end = clock_ms() + PATIENCE_MS;

	while (shows(text)) {
		if (clock_ms() > end)
			fail_msg("\"%s\" did not go", text);
		usleep(20000);
	}
}

/* Nothing changes any more: a title that is being made, and what that takes of memory, come late. */
static void settle(struct buf *out)
{
	int64_t end = clock_ms() + PATIENCE_MS;
	struct buf before = {0};
	int same = 0;

	screen(out);
	while (same < 5) {
		buf_reset(&before);
		buf_adds(&before, buf_str(out));
		usleep(150000);
		screen(out);
		same = strcmp(buf_z(&before), buf_z(out)) == 0 ? same + 1 : 0;
		assert_true(clock_ms() < end);
	}
	buf_release(&before);
}

/* All that is shown is as a complete repaint has it. */
static void assert_clean(void)
{
	struct buf was = {0}, is = {0};

	settle(&was);
	press("C-l");
	settle(&is);
	assert_string_equal(buf_z(&was), buf_z(&is));
	buf_release(&was);
	buf_release(&is);
}

static void read_text(const char *name, struct buf *out)
{
	struct err err;

	buf_reset(out);
	if (file_read(out, tmpdir_file(&dir, name), 65536, &err) < 0)
		fail_msg("%s", err.text);
}

/* A shell in a window of that size, which has said something and noted its terminal's modes. */
static void open_shell(int w, int h)
{
	struct buf out = {0};
	char here[4096];

	server++;
	assert_non_null(getcwd(here, sizeof(here)));
	tmux(&out,
	     "new-session -d -x %d -y %d -c '%s' "
	     "\"exec env -u ENV PS1='$ ' XDG_CONFIG_HOME='%s' XDG_DATA_HOME='%s' "
	     "XDG_STATE_HOME='%s' XDG_CACHE_HOME='%s' LC_ALL=C.UTF-8 sh\"",
	     w, h, here, dir.path, dir.path, dir.path, dir.path);
	tmux(&out, "set-option -s escape-time 0");
	buf_release(&out);
	wait_for("$");
	act("send-keys 'stty -a >%s; echo a shell''s line' Enter", tmpdir_file(&dir, "before"));
	wait_for("line");
}

/* The program is gone: the terminal is as before, in modes and in what it shows. */
static void close_shell(const char *status)
{
	struct buf before = {0}, after = {0};

	wait_for("a shells line");
	act("send-keys 'echo ended with $?; stty -a >%s; echo done' Enter",
	    tmpdir_file(&dir, "after"));
	wait_for(status);
	wait_for("\ndone");
	assert_false(shows("F1 help"));
	read_text("before", &before);
	read_text("after", &after);
	assert_string_equal(buf_z(&before), buf_z(&after));
	act("kill-server%s", "");
	buf_release(&before);
	buf_release(&after);
}

static void start(const char *arguments)
{
	char line[1200];

	snprintf(line, sizeof(line), "%s %s", program_path(), arguments);
	type(line);
	press("Enter");
}

static void start_scripted(const char *script)
{
	char args[600];

	tmpdir_write_text(&dir, "script", script);
	snprintf(args, sizeof(args), "--ephemeral --engine-script %s",
		 tmpdir_file(&dir, "script"));
	start(args);
	wait_for("ready");
}

static bool can_run(void)
{
	if (!there)
		print_message("tmux is not installed: skipped\n");
	return there;
}

static const struct {
	int w, h;
} sizes[] = {{80, 24}, {40, 12}, {200, 60}};

static void asks_folds_searches_edits_forks_quits_and_comes_back(void **state)
{
	(void)state;
	if (!can_run())
		skip();
	if (access("share/nano/model.safetensors", R_OK) != 0) {
		print_message("share/nano: no model, skipped\n");
		skip();
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		open_shell(sizes[i].w, sizes[i].h);
		start("--model share/nano --temp 0");
		wait_for("ready");
		assert_false(shows("a shells line"));
		type("which command shows free disk space?");
		press("Enter");
		wait_for("thought");
		wait_for("Use df");
		wait_for("ready");
		assert_false(shows("The user looks"));
		press("C-t");
		wait_for("The user looks");
		press("C-t");
		wait_gone("The user looks");
		press("C-s");
		wait_for("find:");
		type("DISK");
		press("Enter");
		wait_gone("find:");
		press("e");
		wait_for("Editing what you said");
		press("C-u");
		type("what is 12 * 7?");
		press("Enter");
		wait_for("12 * 7 = 84.");
		wait_for("2/2");
		wait_for("ready");
		assert_clean();
		press("M-Up");
		press("f");
		wait_for("a conversation of its own");
		press("M-Left");
		wait_for("type to find");
		assert_clean();
		press("Escape");
		wait_gone("type to find");
		type("what is 17 + 25?");
		press("Enter");
		wait_for("17 + 25 = 42.");
		wait_for("ready");
		press("C-q");
		close_shell("ended with 0");

		open_shell(sizes[i].w, sizes[i].h);
		start("--model share/nano --temp 0 -c");
		wait_for("17 + 25 = 42.");
		wait_for("ready");
		assert_clean();
		press("C-q");
		close_shell("ended with 0");
	}
}

static void resized_while_it_answers_nothing_is_left_behind(void **state)
{
	static const char script[] =
		"{\"text\": \"a slow answer with *many* words in 日本語 \", \"repeat\": 60, "
		"\"chunk\": 4, \"delay_ms\": 2}\n{\"text\": \"the end\"}\n{\"done\": {}}\n";

	(void)state;
	if (!can_run())
		skip();
	open_shell(80, 24);
	start_scripted(script);
	type("go on");
	press("Enter");
	wait_for("a slow answer");
	for (size_t i = 0; i < 4 * sizeof(sizes) / sizeof(sizes[0]); i++) {
		char size[32];

		snprintf(size, sizeof(size), "%d -y %d", sizes[i % 3].w - (int)i,
			 sizes[i % 3].h - (int)i / 3);
		act("resize-window -x %s", size);
		usleep(30000);
	}
	act("resize-window -x %s", "80 -y 24");
	wait_for("the end");
	wait_for("ready");
	assert_clean();
	press("C-q");
	close_shell("ended with 0");
}

static void slow_failing_flooding_and_hostile_models_leave_a_sound_terminal(void **state)
{
	static const struct {
		const char *script, *shown;
	} cases[] = {
		/* Slow: stopped by Esc, and what was said is kept. */
		{"{\"text\": \"slowly \", \"delay_ms\": 5}\n{\"pause\": -1}\n{\"done\": {}}\n",
		 "slowly"},
		{"{\"text\": \"half \"}\n{\"error\": {\"code\": \"model\", \"text\": \"the "
		 "device is lost\"}}\n",
		 "the device is lost"},
		{"{\"text\": \"flood of *words* and `code` \", \"repeat\": 20000, \"chunk\": "
		 "30}\n{\"text\": \"calm again\"}\n{\"done\": {}}\n",
		 "calm again"},
		{"{\"text\": \"\\u001b]0;owned\\u0007\\u001b[2J\\u001b[31m\\u009b5m\\u202egnp "
		 "\\u001bc\\u001b[?1049l hostile\"}\n{\"done\": {}}\n",
		 "hostile"},
	};

	(void)state;
	if (!can_run())
		skip();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf title = {0};

		open_shell(80, 24);
		start_scripted(cases[i].script);
		type("go");
		press("Enter");
		wait_for(cases[i].shown);
		press("Escape");
		wait_for("ready");
		press("M-Up");
		wait_for("Esc back");
		press("g");
		assert_clean();
		tmux(&title, "display-message -p '#{pane_title} #{alternate_on}'");
		assert_null(strstr(buf_z(&title), "owned"));
		assert_non_null(strstr(buf_z(&title), " 1\n"));
		buf_release(&title);
		press("C-q");
		close_shell("ended with 0");
	}
}

static int set_up(void **state)
{
	(void)state;
	tmpdir_init(&dir);
	there = system("tmux -V >/dev/null 2>&1") == 0;
	unsetenv("TMUX");
	unsetenv("NO_COLOR");
	return mkdtemp(socket_dir) ? 0 : -1;
}

/* As it is when a person selects it: tmux knows where a line was broken by the margin alone. */
static void wait_for_line(const char *line)
{
	int64_t end = clock_ms() + PATIENCE_MS;
	struct buf out = {0};
	bool found;

	do {
		tmux(&out, "capture-pane -J -p");
		found = strstr(buf_z(&out), line) != NULL;
		if (!found && clock_ms() > end)
			fail_msg("\"%s\" did not come in one line; there is:\n%s", line,
				 buf_z(&out));
	} while (!found);
	buf_release(&out);
}

static void lines_of_the_bare_screen_are_as_long_as_those_of_the_text(void **state)
{
	static const char shell[] =
		"cp -r a-rather-long-name another-one | sort | uniq -c | head -3";
	static const char wide[] =
		"世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界世界";
	char script[1000];

	(void)state;
	if (!can_run())
		skip();
	snprintf(script, sizeof(script),
		 "{\"text\": \"So:\\n\\n```sh\\n  %s\\n```\\n\\n%s\\n\\nend\\n\"}\n{\"done\": "
		 "{}}\n",
		 shell, wide);
	open_shell(41, 24);
	start_scripted(script);
	type("how?");
	press("Enter");
	wait_for("│   cp");
	wait_for("end");
	press("F4");
	wait_for_line(shell);
	wait_for_line(wide);
	/* What the rows show later has its own ends again. */
	press("F4");
	wait_for("│   cp");
	wait_for_line("│   cp -r a-rather-long-name another-on\n");
	assert_clean();
	press("C-q");
	close_shell("ended with 0");
}

static int tear_down(void **state)
{
	(void)state;
	for (int i = 1; i <= server; i++) {
		char command[200];

		/* A test that failed has left its server. */
		snprintf(command, sizeof(command),
			 "tmux -S %s/%d kill-server 2>/dev/null; rm -f %s/%d", socket_dir, i,
			 socket_dir, i);
		if (system(command) != 0)
			return -1;
	}
	rmdir(socket_dir);
	tmpdir_release(&dir);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_folds_searches_edits_forks_quits_and_comes_back),
		cmocka_unit_test(resized_while_it_answers_nothing_is_left_behind),
		cmocka_unit_test(
			slow_failing_flooding_and_hostile_models_leave_a_sound_terminal),
		cmocka_unit_test(lines_of_the_bare_screen_are_as_long_as_those_of_the_text),
	};

	setlocale(LC_ALL, "C.UTF-8");
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
