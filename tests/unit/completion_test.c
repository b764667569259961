/*
 * What shells complete behind "dsv4chat": asked of the shells themselves, where they are there.
 */
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
#include "tests/support/tmpdir.h"

/* The last word is completed; `not`: what is not offered. */
static const struct {
	const char *line, *offered, *not ;
} cases[] = {
	{"dsv4chat his", "history", "bench"},
	{"dsv4chat --eff", "--effort", "--file"},
	{"dsv4chat --effort ", "none low high max", "auto"},
	{"dsv4chat --backend c", "cpu cuda", "auto"},
	{"dsv4chat history ",
	 "list search show export import rename pin archive rm gc verify backup path", "bench"},
	{"dsv4chat history list -", "--json --all --archived", "--prompt --best"},
	{"dsv4chat history search --in ", "said thinking tools all", "json"},
	{"dsv4chat history export --format ", "md json jsonl", "said"},
	{"dsv4chat bench --",
	 "--model --dummy --layers --ctx --backend --threads --moe-backend", "--prompt --json"},
	{"dsv4chat parse --", "--thinking --chat --jsonl", "--prompt"},
	{"dsv4chat cache ", "list verify clear", "show"},
	{"dsv4chat replay --", "--model --ctx --anyway --backend --threads", "--prompt --json"},
	{"dsv4chat completion ", "bash zsh fish", "history"},
	{"dsv4chat help ", "bench complete completion doctor history replay tokens", "list"},
};
#define N_CASES (sizeof(cases) / sizeof(cases[0]))

static bool has(const char *shell)
{
	char command[64];

	snprintf(command, sizeof(command), "%s -c : >/dev/null 2>&1", shell);
	if (system(command) == 0)
		return true;
	print_message("%s is not there: skipped\n", shell);
	return false;
}

/* What a command prints, its blanks and ends of lines as blanks, one at either end. */
static void ask(const char *command, struct buf *out)
{
	FILE *f = popen(command, "r");
	int c;

	assert_non_null(f);
	buf_reset(out);
	buf_addc(out, ' ');
	while ((c = fgetc(f)) != EOF) {
		/* fish: what it is for. */
		while (c == '\t' && (c = fgetc(f)) != '\n' && c != EOF)
			c = '\t';
		buf_addc(out, c == '\n' ? ' ' : (char)c);
	}
	buf_addc(out, ' ');
	if (pclose(f) != 0)
		fail_msg("%s:%s", command, buf_z(out));
}

static bool holds(const struct buf *said, const char *word, size_t n)
{
	char wanted[64];

	snprintf(wanted, sizeof(wanted), " %.*s ", (int)n, word);
	return strstr(buf_z(said), wanted) != NULL;
}

static void compare(const char *shell, size_t i, const struct buf *said)
{
	const char *const lists[] = {cases[i].offered, cases[i].not };

	for (int k = 0; k < 2; k++)
		for (const char *p = lists[k]; *p;) {
			size_t n = strcspn(p, " ");

			if (holds(said, p, n) != (k == 0))
				fail_msg("%s: \"%s\": %.*s is %s:%s", shell, cases[i].line,
					 (int)n, p, k ? "offered" : "missing", buf_z(said));
			p += n + strspn(p + n, " ");
		}
}

/* The path holds until the next call. */
static const char *write_for(const char *shell)
{
	static char path[300];
	struct buf text = {0};

	assert_true(verb_add_completion(shell, &text));
	tmpdir_write_text(&test_dir, shell, buf_z(&text));
	buf_release(&text);
	snprintf(path, sizeof(path), "%s", tmpdir_file(&test_dir, shell));
	return path;
}

static void bash_completes(void **state)
{
	const char *file = write_for("bash");
	struct buf said = {0};

	(void)state;
	if (!has("bash"))
		skip();
	for (size_t i = 0; i < N_CASES; i++) {
		struct buf command = {0};

		buf_addf(&command,
			 "bash -c '. %s; line=\"%s\"; COMP_WORDS=($line); "
			 "[[ $line != *\" \" ]] || COMP_WORDS+=(\"\"); "
			 "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _dsv4chat; "
			 "echo \"${COMPREPLY[*]}\"'",
			 file, cases[i].line);
		ask(buf_z(&command), &said);
		compare("bash", i, &said);
		buf_release(&command);
	}
	buf_release(&said);
}

static void fish_completes(void **state)
{
	const char *file = write_for("fish");
	struct buf said = {0};

	(void)state;
	if (!has("fish"))
		skip();
	for (size_t i = 0; i < N_CASES; i++) {
		struct buf command = {0};

		buf_addf(&command, "HOME=%s fish -c 'source %s; complete -C \"%s\"'", test_dir.path,
			 file, cases[i].line);
		ask(buf_z(&command), &said);
		compare("fish", i, &said);
		buf_release(&command);
	}
	buf_release(&said);
}

/* In a terminal of its own: a key and what is listed then, which ends with the prompt. */
static const char zsh_asks[] =
	"zmodload zsh/zpty\n"
	"zpty z 'TERM=dumb zsh -f -i'\n"
	"zpty -w z \"PS1='READY '; PS2=; stty -echo\"\n"
	"zpty -w z \"autoload -Uz compinit; compinit -u -D; source $1; LISTMAX=1000; "
	"setopt auto_list no_list_beep; bindkey '^I' list-choices; COLUMNS=2000; LINES=500; "
	"zstyle ':completion:*' verbose no; echo SO-FAR\"\n"
	"zpty -r -m z line '*SO-FAR*READY *'\n"
	"zpty -w -n z \"$2\"$'\\t'\n"
	"zpty -r -m z line '*READY dsv4chat*'\n"
	"print -r -- \"${line//$'\\r'/ }\"\n"
	"zpty -d z\n";

static void zsh_completes(void **state)
{
	const char *file = write_for("zsh");
	struct buf said = {0};

	(void)state;
	if (!has("zsh"))
		skip();
	tmpdir_write_text(&test_dir, "ask", zsh_asks);
	for (size_t i = 0; i < N_CASES; i++) {
		struct buf command = {0};

		buf_addf(&command, "HOME=%s timeout 60 zsh -f %s %s '%s'", test_dir.path,
			 tmpdir_file(&test_dir, "ask"), file, cases[i].line);
		ask(buf_z(&command), &said);
		compare("zsh", i, &said);
		buf_release(&command);
	}
	buf_release(&said);
}

static void every_option_and_verb_is_there_for_every_shell(void **state)
{
	static const char *const shells[] = {"bash", "zsh", "fish"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct buf text = {0};
		char word[80];

		assert_true(verb_add_completion(shells[i], &text));
		for (const struct option_row *row = option_rows; row->name; row++) {
			if (!(row->where & OPTION_FLAG) || (row->where & OPTION_HIDDEN))
				continue;
			snprintf(word, sizeof(word), "%s%s", i == 2 ? "-l " : "--", row->name);
			if (!strstr(buf_z(&text), word))
				fail_msg("%s: no %s", shells[i], word);
		}
		for (const struct verb *v = verbs; v->name; v++)
			if (!strstr(buf_z(&text), v->name))
				fail_msg("%s: no %s", shells[i], v->name);
		assert_null(strstr(buf_z(&text), "engine-script"));
		buf_release(&text);
	}
	assert_false(verb_add_completion("csh", &(struct buf){0}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_option_and_verb_is_there_for_every_shell),
		cmocka_unit_test(bash_completes),
		cmocka_unit_test(fish_completes),
		cmocka_unit_test(zsh_completes),
	};

	return cmocka_run_group_tests(tests, tmpdir_set_up, tmpdir_tear_down);
}
