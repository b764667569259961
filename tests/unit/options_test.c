/* The options table: values, files, flags, and that help and man page tell of every row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/line/line.h"
#include "app/options.h"
#include "app/verb/verb.h"
#include "engine/base/file.h"

static void values_are_set_shown_and_refused(void **state)
{
	static const struct {
		const char *name, *value, *shown; /* shown NULL: refused */
	} cases[] = {
		{"temp", "0.7", "0.7"},	      {"temp", "-1", NULL},
		{"temp", "nan", NULL},	      {"temp", "1e999", NULL},
		{"temp", "warm", NULL},	      {"temp", "", NULL},
		{"top-p", "1", "1"},	      {"top-p", "1.01", NULL},
		{"top-k", "40", "40"},	      {"top-k", "2.5", NULL},
		{"seed", "18446744073709551615", "18446744073709551615"},
		{"seed", "18446744073709551616", NULL},
		{"seed", "-1", NULL},	      {"seed", "random", "random"},
		{"effort", "max", "max"},     {"effort", "maximum", NULL},
		{"max-tokens", "12", "12"},   {"max-tokens", "1e10", NULL},
		{"ctx", "1048577", NULL},     {"color", "always", "always"},
		{"hide-thinking", "off", "off"}, {"hide-thinking", "maybe", NULL},
		{"system", "be brief", "be brief"},
		{"prefill", "Well: ", "Well: "},
		{"log-level", "debug", "debug"}, {"log-level", "loud", NULL},
		{"mouse", "on", "on"},	      {"timeout", "1.5", "1.5"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct option_row *row = option_find(cases[i].name);
		struct err err = {0};
		struct buf shown = {0};
		struct options o;

		options_default(&o);
		assert_non_null(row);
		if (cases[i].shown) {
			assert_int_equal(option_set(&o, row, cases[i].value, &err), 0);
			option_get(&o, row, &shown);
			assert_string_equal(buf_z(&shown), cases[i].shown);
		} else {
			assert_int_equal(option_set(&o, row, cases[i].value, &err), ERR_USAGE);
			assert_non_null(strstr(err.text, cases[i].name));
			assert_non_null(strstr(err.text, "expected"));
		}
		buf_release(&shown);
		options_release(&o);
	}
}

static void each_list_is_its_own(void **state)
{
	static const struct {
		const char *name, *value;
	} given[] = {{"file", "a"}, {"bind", "send=M-Enter"}, {"file", "b"}, {"bind", "quit=F9"}};
	struct err err = {0};
	struct buf shown = {0};
	struct options o;

	(void)state;
	options_default(&o);
	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++)
		assert_int_equal(
			option_set(&o, option_find(given[i].name), given[i].value, &err), 0);
	assert_int_equal(o.n_files, 2);
	assert_string_equal(o.files[1], "b");
	assert_int_equal(o.n_bindings, 2);
	assert_string_equal(o.bindings[0], "send=M-Enter");
	option_get(&o, option_find("bind"), &shown);
	assert_string_equal(buf_z(&shown), "send=M-Enter quit=F9");
	buf_release(&shown);
	options_release(&o);
}

static int read_flags(struct options *o, const char *words, struct err *err)
{
	char text[300], *argv[20] = {(char[]){"dsv4chat"}};
	int argc = 1;

	snprintf(text, sizeof(text), "%s", words);
	for (char *w = strtok(text, " "); w; w = strtok(NULL, " "))
		argv[argc++] = w;
	options_default(o);
	return options_read_flags(o, argc, argv, err);
}

static void flags_and_words_mix(void **state)
{
	struct err err = {0};
	struct options o;

	(void)state;
	assert_int_equal(read_flags(&o, "what is --temp 0 this -n5 -f a --file=b --think", &err), 0);
	assert_string_equal(o.prompt, "what is this");
	assert_true(o.sampling.temperature == 0);
	assert_int_equal(o.sampling.max_tokens, 5);
	assert_int_equal(o.n_files, 2);
	assert_string_equal(o.files[1], "b");
	assert_int_equal(o.effort, EFFORT_LOW);
	options_release(&o);
	assert_int_equal(read_flags(&o, "--nothink -- --temp", &err), 0);
	assert_string_equal(o.prompt, "--temp");
	assert_int_equal(o.effort, EFFORT_NONE);
	options_release(&o);
}

static void bad_flags_say_what_is_wrong(void **state)
{
	static const struct {
		const char *words, *said;
	} cases[] = {
		{"--tmp 1", "did you mean --temp?"},
		{"--xyzzy", "--xyzzy: no such option"},
		{"-q", "-q: no such option"},
		{"--temp", "a value is missing"},
		{"--think=yes", "takes no value"},
		{"--temp hot", "--temp: 'hot', expected a number from 0 to 100"},
		{"--effort some", "expected none, low, high, max"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = {0};
		struct options o;

		assert_int_equal(read_flags(&o, cases[i].words, &err), ERR_USAGE);
		if (!strstr(err.text, cases[i].said))
			fail_msg("%s: said '%s'", cases[i].words, err.text);
		options_release(&o);
	}
}

static void every_switch_takes_every_word_for_yes_and_no(void **state)
{
	static const char *const words[][2] = {
		{"on", "off"}, {"yes", "no"}, {"true", "false"}, {"1", "0"}, {"Yes", "NO"}};
	struct err err = {0};
	struct options o;

	(void)state;
	options_default(&o);
	for (const struct option_row *row = option_rows; row->name; row++) {
		bool is_choice = strcmp(row->name, "titles") == 0;

		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			for (int k = 0; k < 2 && (is_choice || row->type == OPTION_SWITCH);
			     k++) {
				struct buf now = {0};

				assert_int_equal(option_set(&o, row, words[i][k], &err), 0);
				option_get(&o, row, &now);
				assert_string_equal(buf_z(&now), k ? "off" : "on");
				buf_release(&now);
			}
	}
	assert_int_equal(option_set(&o, option_find("mouse"), "perhaps", &err), ERR_USAGE);
	options_release(&o);
	assert_int_equal(read_flags(&o, "--mouse=yes --plain=no --json --titles no q", &err),
			 0);
	assert_true(o.mouse && !o.plain && o.json && !o.titles);
	assert_string_equal(o.prompt, "q");
	options_release(&o);
}

static int read_bytes(struct options *o, const char *bytes, size_t n, struct err *err)
{
	char path[] = "/tmp/dsv4chat-options-XXXXXX";
	int fd = mkstemp(path), rc;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), (ssize_t)n);
	close(fd);
	options_default(o);
	rc = options_read_file(o, path, err);
	unlink(path);
	return rc;
}

static int read_text(struct options *o, const char *text, struct err *err)
{
	return read_bytes(o, text, strlen(text), err);
}

static void the_file_is_read_and_its_errors_have_lines(void **state)
{
	struct err err = {0};
	struct options o;

	(void)state;
	assert_int_equal(read_text(&o, "# mine\n\n temp = 0.5 \neffort=none\nsystem = a = b\n", &err),
			 0);
	assert_true(o.sampling.temperature == 0.5);
	assert_int_equal(o.effort, EFFORT_NONE);
	assert_string_equal(o.system, "a = b");
	options_release(&o);
	assert_int_equal(read_text(&o, "temp = 1\nmodle = x\n", &err), ERR_USAGE);
	assert_non_null(strstr(err.text, "line 2: modle: no such option; did you mean model?"));
	options_release(&o);
	assert_int_equal(read_text(&o, "bind = send = M-Enter F9\nbind = sned=F9\n", &err),
			 ERR_USAGE);
	assert_non_null(strstr(err.text, "line 2: bind: sned: no such action"));
	assert_int_equal(o.n_bindings, 1);
	options_release(&o);
	assert_int_equal(read_text(&o, "bind = quit\n", &err), ERR_USAGE);
	assert_non_null(strstr(err.text, "line 1: bind: 'quit', expected ACTION=KEYS"));
	options_release(&o);
	assert_int_equal(read_text(&o, "prompt = hi\n", &err), ERR_USAGE);
	assert_non_null(strstr(err.text, "line 1: prompt: only a flag, --prompt"));
	options_release(&o);
	assert_int_equal(read_text(&o, "just words\n", &err), ERR_USAGE);
	options_release(&o);
	assert_int_equal(read_text(&o, "\xEF\xBB\xBFtemp = 0.5\r\n\r\neffort = none\r\n", &err),
			 0);
	assert_true(o.sampling.temperature == 0.5);
	assert_int_equal(o.effort, EFFORT_NONE);
	options_release(&o);
	options_default(&o);
	assert_int_equal(options_read_file(&o, "/tmp/no/such/file", &err), 0);
	options_release(&o);
}

/* A literal and how long it is, NULs included. */
#define BYTES(s) (s), sizeof(s) - 1

static void a_byte_that_is_no_text_ends_no_file_in_silence(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *line;
	} cases[] = {
		{BYTES("temp = 1\n\0top-p = 0.5\n"), "line 2"},
		{BYTES("\0"), "line 1"},
		{BYTES("\xEF\xBB\xBF\ntemp = 0.\0005\n"), "line 2"},
		{BYTES("temp = 1\n# end\0"), "line 2"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = {0};
		struct options o;

		assert_int_equal(read_bytes(&o, cases[i].bytes, cases[i].n, &err), ERR_USAGE);
		assert_non_null(strstr(err.text, cases[i].line));
		assert_non_null(strstr(err.text, "NUL"));
		options_release(&o);
	}
}

static void later_places_win(void **state)
{
	struct err err = {0};
	struct options o;
	char name[] = "dsv4chat", flag[] = "--temp=3", *argv[] = {name, flag, NULL};

	(void)state;
	assert_int_equal(read_text(&o, "temp = 1.5\ntop-p = 0.5\nmin-p = 0.1\n", &err), 0);
	setenv("DSV4CHAT_TEMP", "2", 1);
	setenv("DSV4CHAT_TOP_P", "0.25", 1);
	/* What widens is the user's to say, not a folder's. */
	setenv("DSV4CHAT_SANDBOX", "off", 1);
	assert_int_equal(options_read_env(&o, &err), 0);
	unsetenv("DSV4CHAT_SANDBOX");
	assert_int_equal(o.sandbox, SANDBOX_WORKSPACE);
	assert_int_equal(options_read_flags(&o, 2, argv, &err), 0);
	assert_true(o.sampling.temperature == 3);
	assert_true(o.sampling.top_p == 0.25);
	assert_true(o.sampling.min_p == 0.1);
	setenv("DSV4CHAT_TEMP", "x", 1);
	assert_int_equal(options_read_env(&o, &err), ERR_USAGE);
	assert_non_null(strstr(err.text, "DSV4CHAT_TEMP"));
	/* Empty ones are none. */
	setenv("DSV4CHAT_TEMP", "", 1);
	setenv("DSV4CHAT_MODEL", "", 1);
	o.sampling.temperature = 0.5;
	assert_int_equal(options_read_env(&o, &err), 0);
	assert_true(o.sampling.temperature == 0.5);
	assert_null(o.model);
	unsetenv("DSV4CHAT_MODEL");
	unsetenv("DSV4CHAT_TEMP");
	unsetenv("DSV4CHAT_TOP_P");
	options_release(&o);
}

/* mdoc writes --name as "Fl -name". */
static void help_and_man_page_tell_of_every_option_verb_and_command(void **state)
{
	struct buf help = {0}, man = {0};
	struct err err = {0};
	char text[80];

	(void)state;
	options_add_help(&help);
	assert_int_equal(file_read(&man, "man/dsv4chat.1", 1 << 20, &err), 0);
	for (const struct option_row *row = option_rows; row->name; row++) {
		if (row->where & OPTION_HIDDEN)
			continue;
		snprintf(text, sizeof(text), " --%s", row->name);
		if (!strstr(buf_z(&help), text))
			fail_msg("--help: no%s", text);
		if (row->letter)
			snprintf(text, sizeof(text), ".It Fl %c , -%s%s%s\n", row->letter, row->name,
				 row->arg ? " Ar " : "", row->arg ? row->arg : "");
		else
			snprintf(text, sizeof(text), ".It Fl -%s%s%s\n", row->name,
				 row->arg ? " Ar " : "", row->arg ? row->arg : "");
		if (!strstr(buf_z(&man), text))
			fail_msg("dsv4chat(1): no %s", text);
	}
	for (const struct verb *v = verbs; v->name; v++) {
		snprintf(text, sizeof(text), ".It Ic %s", v->name);
		if (!strstr(buf_z(&man), text))
			fail_msg("dsv4chat(1): no verb %s", v->name);
	}
	for (const struct cmd *c = cmds; c->name; c++) {
		snprintf(text, sizeof(text), ".It Ic /%s", c->name);
		if (!strstr(buf_z(&man), text))
			fail_msg("dsv4chat(1): no command /%s", c->name);
	}
	buf_release(&help);
	buf_release(&man);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_set_shown_and_refused),
		cmocka_unit_test(each_list_is_its_own),
		cmocka_unit_test(flags_and_words_mix),
		cmocka_unit_test(bad_flags_say_what_is_wrong),
		cmocka_unit_test(every_switch_takes_every_word_for_yes_and_no),
		cmocka_unit_test(the_file_is_read_and_its_errors_have_lines),
		cmocka_unit_test(a_byte_that_is_no_text_ends_no_file_in_silence),
		cmocka_unit_test(later_places_win),
		cmocka_unit_test(help_and_man_page_tell_of_every_option_verb_and_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
