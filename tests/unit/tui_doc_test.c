/* The manual and the completions say what the tables of the program say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/options.h"
#include "app/verb/verb.h"
#include "engine/base/file.h"
#include "tui/keymap.h"

static void read_text(struct buf *out, const char *path)
{
	struct err err;

	if (file_read(out, path, 1 << 20, &err) < 0)
		fail_msg("%s", err.text);
}

/* "Ctrl" keys by name as the manual writes them: signs that mean something to it are behind \&.
 */
static bool has_key(const char *line, const char *key)
{
	size_t n = strlen(key);

	while (*line != '\0') {
		size_t k = strcspn(line, " ");
		const char *p = line;

		if (k >= 2 && p[0] == '\\' && p[1] == '&') {
			p += 2;
			k -= 2;
		}
		if (k == n && memcmp(p, key, n) == 0)
			return true;
		/* A backslash is written \e. */
		if (k == n + 1 && n > 1 && memcmp(p, key, n - 1) == 0 &&
		    memcmp(p + n - 1, "\\e", 2) == 0)
			return true;
		line = p + k;
		line += strspn(line, " ");
	}
	return false;
}

static void the_manual_has_every_action_with_its_keys(void **state)
{
	struct buf man = {0};
	struct keymap km;
	int n = 0;

	(void)state;
	read_text(&man, "man/dsv4chat.1");
	keymap_init(&km);
	for (int a = ACTION_NONE + 1; a < ACTION_N; a++) {
		char item[80], line[200];
		const char *at;

		snprintf(item, sizeof(item), "\n.It Cm %s\n.Ql ",
			 action_row((enum action)a)->name);
		at = strstr(buf_z(&man), item);
		if (at == NULL)
			fail_msg("man/dsv4chat.1 has no action %s",
				 action_row((enum action)a)->name);
		at += strlen(item);
		snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"), at);
		for (int k = 0; k < km.n[a]; k++) {
			char name[KEY_NAME_MAX];

			if (!has_key(line, key_name(km.keys[a][k], name)))
				fail_msg("man/dsv4chat.1: %s: \"%s\" lacks %s",
					 action_row((enum action)a)->name, line, name);
		}
	}
	for (const char *p = buf_z(&man); (p = strstr(p, "\n.It Cm ")) != NULL; p++) {
		char name[64];

		snprintf(name, sizeof(name), "%.*s", (int)strcspn(p + 8, "\n"), p + 8);
		if (strncmp(p + 8 + strlen(name), "\n.Ql ", 5) != 0)
			continue;
		if (action_find(str_of(name)) == ACTION_NONE)
			fail_msg("man/dsv4chat.1 has an action that is not there: %s", name);
		n++;
	}
	assert_int_equal(n, ACTION_N - 1);
	buf_release(&man);
}

static bool has_word(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = text; (p = strstr(p, word)) != NULL; p++)
		if (strchr(" \n\t'", p[-1]) != NULL && strchr(" \n\t')", p[n]) != NULL)
			return true;
	return false;
}

/* The words of `text` that begin as options do, a blank before each, sorted as they stand. */
static void add_options(struct buf *out, const char *text)
{
	for (const char *p = text; *p; p++) {
		size_t n = strspn(p, "-abcdefghijklmnopqrstuvwxyz");

		if (*p != '-' || (p > text && strchr(" [|", p[-1]) == NULL))
			continue;
		buf_addc(out, ' ');
		buf_add(out, p, n);
		p += n - 1;
	}
}

static bool is_of_history(const char *option)
{
	const char *usage;

	for (size_t i = 0; verb_history_row(i, &usage); i++) {
		struct buf options = {0};
		bool has;

		add_options(&options, usage);
		buf_addc(&options, ' ');
		has = has_word(buf_z(&options), option);
		buf_release(&options);
		if (has)
			return true;
	}
	return false;
}

/* Asked of bash itself, as it would after "dsv4chat history NAME -". */
static void what_follows_a_subcommand_is_completed(void **state)
{
	const char *name, *usage;

	(void)state;
	if (system("bash -c : >/dev/null 2>&1") != 0)
		skip();
	for (size_t i = 0; (name = verb_history_row(i, &usage)) != NULL; i++) {
		struct buf command = {0}, wanted = {0}, got = {0};
		char text[512] = "";
		FILE *f;

		buf_addf(&command,
			 "bash -c '. share/completions/dsv4chat.bash;"
			 "COMP_WORDS=(dsv4chat history %s -); COMP_CWORD=3; _dsv4chat;"
			 "echo \" ${COMPREPLY[*]}\"'",
			 name);
		f = popen(buf_z(&command), "r");
		assert_non_null(f);
		assert_non_null(fgets(text, sizeof(text), f));
		assert_int_equal(pclose(f), 0);
		text[strcspn(text, "\n")] = '\0';
		add_options(&wanted, usage);
		add_options(&got, text);
		if (strcmp(buf_z(&got), buf_z(&wanted)) != 0)
			fail_msg("history %s:%s, completed:%s", name, buf_z(&wanted),
				 buf_z(&got));
		buf_release(&command);
		buf_release(&wanted);
		buf_release(&got);
	}
}

static void the_completion_has_every_option_and_verb(void **state)
{
	struct buf text = {0};
	char word[80];

	(void)state;
	read_text(&text, "share/completions/dsv4chat.bash");
	for (const struct option_row *row = option_rows; row->name != NULL; row++) {
		if (!(row->where & OPTION_FLAG) || (row->where & OPTION_HIDDEN))
			continue;
		snprintf(word, sizeof(word), "--%s", row->name);
		if (!has_word(buf_z(&text), word))
			fail_msg("the completion lacks %s", word);
	}
	for (const struct verb *v = verbs; v->name != NULL; v++)
		if (!has_word(buf_z(&text), v->name))
			fail_msg("the completion lacks %s", v->name);
	/* "[list|search|…] …" */
	for (const char *p = verb_find("history")->usage + 1; *p != '\0' && *p != ' ';) {
		size_t n = strcspn(p, "|]");

		snprintf(word, sizeof(word), "%.*s", (int)n, p);
		if (!has_word(buf_z(&text), word))
			fail_msg("the completion lacks history %s", word);
		p += n + 1;
	}
	for (const char *p = buf_z(&text); (p = strstr(p, "--")) != NULL; p++) {
		size_t n = strspn(p + 2, "abcdefghijklmnopqrstuvwxyz-");

		if (n == 0 || p[-1] == '-')
			continue;
		snprintf(word, sizeof(word), "--%.*s", (int)n, p + 2);
		if (option_find(word + 2) == NULL && !is_of_history(word))
			fail_msg("the completion has %s, which is no option", word);
	}
	buf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_manual_has_every_action_with_its_keys),
		cmocka_unit_test(the_completion_has_every_option_and_verb),
		cmocka_unit_test(what_follows_a_subcommand_is_completed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
