/* The pages of the manual and the example configuration: as the tables say, and they work. */
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

#include "app/options.h"
#include "engine/base/file.h"
#include "tests/support/program.h"
#include "tests/support/tmpdir.h"
#include "tui/key.h"

static void read_text(struct buf *out, const char *path)
{
	struct err err;

	if (file_read(out, path, 1 << 20, &err) < 0)
		fail_msg("%s", err.text);
}

/* The next line from *at on, without its newline; false at the end. */
static bool next_line(const char **at, struct buf *line)
{
	size_t n = strcspn(*at, "\n");

	if (!**at)
		return false;
	buf_reset(line);
	buf_add(line, *at, n);
	*at += n + ((*at)[n] == '\n');
	return true;
}

/* What the page shows between .Bd -literal and .Ed, of its n-th such example. */
static void example_of(const char *page, int n, struct buf *out)
{
	const char *from = page, *to;

	for (; n >= 0; n--) {
		from = strstr(from, "\n.Bd -literal");
		assert_non_null(from);
		from = strchr(from + 1, '\n') + 1;
	}
	to = strstr(from, "\n.Ed");
	assert_non_null(to);
	buf_add(out, from, (size_t)(to - from) + 1);
}

/* ------------------------------------------------------------- the configuration */

/* The line that tells of an option: what it takes and, in parentheses, its default. */
static void add_item(const struct option_row *row, struct buf *out)
{
	struct buf value = {0};
	struct options o;

	options_default(&o);
	option_get(&o, row, &value);
	buf_addf(out, "\n.It Ic %s ", row->name);
	if (row->type == OPTION_SWITCH)
		buf_addz(out, "Cm on | off");
	else if (row->type == OPTION_CHOICE)
		for (int i = 0; row->choices[i]; i++)
			buf_addf(out, "%s%s", i ? " | " : "Cm ", row->choices[i]);
	else
		buf_addf(out, "Ar %s", row->arg);
	if (value.len)
		buf_addf(out, " Pq Cm %s", buf_z(&value));
	buf_addc(out, '\n');
	buf_release(&value);
	options_release(&o);
}

static void the_page_of_the_file_has_every_option_it_takes_and_its_default(void **state)
{
	struct buf page = {0}, item = {0};
	int n_rows = 0, n_items = 0;

	(void)state;
	read_text(&page, "man/dsv4chat.conf.5");
	for (const struct option_row *row = option_rows; row->name; row++) {
		if (!(row->where & OPTION_FILE))
			continue;
		n_rows++;
		buf_reset(&item);
		add_item(row, &item);
		if (!strstr(buf_z(&page), buf_z(&item)))
			fail_msg("dsv4chat.conf(5) lacks: %s", buf_z(&item));
	}
	for (const char *p = buf_z(&page); (p = strstr(p, "\n.It Ic ")); p++)
		n_items++;
	assert_int_equal(n_items, n_rows);
	buf_release(&page);
	buf_release(&item);
}

static void the_page_of_the_file_has_every_named_key_and_no_other(void **state)
{
	const char *from, *to;
	struct buf page = {0};
	char name[KEY_NAME_MAX], item[KEY_NAME_MAX + 8];
	int n = 0;

	(void)state;
	read_text(&page, "man/dsv4chat.conf.5");
	from = strstr(buf_z(&page), "\nA key is ");
	to = from ? strstr(from, "\nBefore it") : NULL;
	assert_non_null(to);
	for (uint32_t code = KEY_ENTER; code <= KEY_F12; code++) {
		const char *at;

		if (code > KEY_F1 && code < KEY_F12)
			continue; /* "F1 to F12" */
		snprintf(item, sizeof(item), "\n.Cm %s", key_name((struct key){code, 0}, name));
		at = strstr(from, item);
		if (!at || at > to || !strchr(" \n", at[strlen(item)]))
			fail_msg("dsv4chat.conf(5) lacks the key %s", name);
	}
	for (const char *p = from; (p = strstr(p, "\n.Cm ")) && p < to; p++, n++) {
		struct str word = {p + 5, strcspn(p + 5, " \n")};
		struct key key;

		if (!key_parse(word, &key))
			fail_msg("dsv4chat.conf(5): %.*s is no key", (int)word.n, word.p);
	}
	assert_int_equal(n, KEY_F1 - KEY_ENTER + 3); /* with F12 and Space */
	buf_release(&page);
}

static void the_example_of_the_file_is_taken(void **state)
{
	struct buf page = {0}, example = {0};
	struct tmpdir dir;
	struct err err = {0};
	struct options o;

	(void)state;
	read_text(&page, "man/dsv4chat.conf.5");
	example_of(buf_z(&page), 0, &example);
	tmpdir_init(&dir);
	tmpdir_write(&dir, "config", example.data, example.len);
	options_default(&o);
	if (options_read_file(&o, tmpdir_file(&dir, "config"), &err))
		fail_msg("%s", err.text);
	assert_string_equal(o.model, "/data/DeepSeek-V4-Flash");
	assert_int_equal(o.effort, EFFORT_HIGH);
	assert_int_equal(o.n_bindings, 3);
	options_release(&o);
	tmpdir_release(&dir);
	buf_release(&page);
	buf_release(&example);
}

/* "#NAME = VALUE" of the example file; NULL where it is prose. */
static const struct option_row *example_row(char *line, char **value)
{
	char *eq = strstr(line, " = ");

	if (line[0] != '#' || line[1] == ' ' || !eq)
		return NULL;
	*eq = '\0';
	*value = eq + 3;
	return option_find(line + 1);
}

static void the_example_file_has_every_option_with_its_default(void **state)
{
	struct buf text = {0}, line = {0}, expected = {0}, left_out = {0};
	const char *at;
	struct err err = {0};
	struct options o;

	(void)state;
	options_default(&o);
	read_text(&text, "share/config.example");
	for (const struct option_row *row = option_rows; row->name; row++) {
		if (row->where & OPTION_FILE)
			buf_addf(&left_out, " %s ", row->name);
	}
	for (at = buf_z(&text); next_line(&at, &line);) {
		const struct option_row *row;
		char *value = NULL, *left, name[64];

		if (!line.len || strncmp(line.data, "# ", 2) == 0)
			continue;
		row = example_row(line.data, &value);
		if (!row || !(row->where & OPTION_FILE))
			fail_msg("share/config.example: %s", buf_z(&line));
		snprintf(name, sizeof(name), " %s ", row->name);
		left = strstr(buf_z(&left_out), name);
		if (!left)
			fail_msg("share/config.example has %s twice", row->name);
		memset(left, '.', strlen(name));
		buf_reset(&expected);
		option_get(&o, row, &expected);
		/* Where there is no default an example stands. */
		if (expected.len && strcmp(value, buf_z(&expected)) != 0)
			fail_msg("share/config.example: %s = %s, expected %s", row->name, value,
				 buf_z(&expected));
		if (option_set(&o, row, value, &err))
			fail_msg("share/config.example: %s", err.text);
	}
	if (strchr(buf_z(&left_out), ' '))
		fail_msg("share/config.example lacks%s", buf_z(&left_out));
	options_release(&o);
	buf_release(&text);
	buf_release(&line);
	buf_release(&expected);
	buf_release(&left_out);
}

/* ------------------------------------------------------------ the program's own page */

static void replace(struct buf *text, const char *what, const char *by)
{
	struct buf out = {0};
	const char *from = buf_z(text), *at;

	for (; (at = strstr(from, what)); from = at + strlen(what)) {
		buf_add(&out, from, (size_t)(at - from));
		buf_addz(&out, by);
	}
	buf_addz(&out, from);
	buf_release(text);
	*text = out;
}

/* Where the examples are tried: a home with what they name. */
static void furnish(const struct tmpdir *dir, const char *program)
{
	struct buf path = {0};

	setenv("HOME", dir->path, 1);
	unsetenv("DSV4CHAT_MODEL");
	for (size_t i = 0; i < 3; i++)
		unsetenv((const char *const[]){"XDG_CONFIG_HOME", "XDG_DATA_HOME",
					       "XDG_STATE_HOME"}[i]);
	assert_int_equal(symlink(program, tmpdir_file(dir, "dsv4chat")), 0);
	tmpdir_write_text(dir, "git", "#!/bin/sh\necho '-teh'; echo '+the'\n");
	assert_int_equal(chmod(tmpdir_file(dir, "git"), 0700), 0);
	tmpdir_write_text(dir, "notes.txt", "Buy milk.\n");
	buf_addf(&path, "%s:%s", dir->path, getenv("PATH"));
	setenv("PATH", buf_z(&path), 1);
	buf_release(&path);
}

static void every_example_of_the_page_works(void **state)
{
	struct buf page = {0}, lines = {0}, line = {0}, command = {0};
	char *program = realpath(program_path(), NULL), *model = realpath("share/nano", NULL);
	struct tmpdir dir;
	const char *at;
	int n = 0;

	(void)state;
	assert_non_null(program);
	assert_non_null(model);
	read_text(&page, "man/dsv4chat.1");
	example_of(buf_z(&page), 0, &lines);
	replace(&lines, "/data/DeepSeek-V4-Flash", model);
	tmpdir_init(&dir);
	furnish(&dir, program);
	for (at = buf_z(&lines); next_line(&at, &line); n++) {
		buf_reset(&command);
		buf_addf(
			&command,
			"cd %s && rm -f events.jsonl all.md && { %s; } >out 2>err </dev/null &&"
			" test -s out -o -s events.jsonl -o -s all.md",
			dir.path, buf_z(&line));
		if (system(buf_z(&command)) != 0) {
			struct buf err = {0};

			read_text(&err, tmpdir_file(&dir, "err"));
			fail_msg("%s: %s", buf_z(&line), buf_z(&err));
		}
	}
	assert_in_range(n, 5, 20);
	tmpdir_release(&dir);
	buf_release(&page);
	buf_release(&lines);
	buf_release(&line);
	buf_release(&command);
	free(program);
	free(model);
}

static void help_is_had_whatever_the_configuration_says(void **state)
{
	static const char *const calls[][2] = {
		{"--help", NULL}, {"--version", NULL}, {"hello", NULL}};
	struct tmpdir home;

	(void)state;
	tmpdir_init(&home);
	assert_int_equal(mkdir(tmpdir_file(&home, "dsv4chat"), 0700), 0);
	tmpdir_write_text(&home, "dsv4chat/config", "nonsense\n");
	setenv("XDG_CONFIG_HOME", home.path, 1);
	for (size_t i = 0; i < 3; i++) {
		struct program_run run = {0};

		program_run(&run, calls[i], (struct str){0}, 30);
		assert_int_equal(run.status, i < 2 ? 0 : 2);
		if (i == 2)
			assert_non_null(strstr(buf_z(&run.err), "config: line 1: 'nonsense'"));
		else
			assert_non_null(strstr(buf_z(&run.out), "dsv4chat"));
		program_run_release(&run);
	}
	unsetenv("XDG_CONFIG_HOME");
	tmpdir_release(&home);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			the_page_of_the_file_has_every_option_it_takes_and_its_default),
		cmocka_unit_test(the_page_of_the_file_has_every_named_key_and_no_other),
		cmocka_unit_test(the_example_of_the_file_is_taken),
		cmocka_unit_test(the_example_file_has_every_option_with_its_default),
		cmocka_unit_test(every_example_of_the_page_works),
		cmocka_unit_test(help_is_had_whatever_the_configuration_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
