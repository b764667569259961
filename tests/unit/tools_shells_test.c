/*
 * What is understood of a command line is what bash and dash make of it: random lines, all
 * programs a function that writes down its arguments, many lines for each shell that runs.
 * DSV4CHAT_SLOW: a million.
 */
#include "tests/support/shared_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "app/tools/shellwords.h"
#include "tests/support/program.h"
#include "tests/support/tmpdir.h"

#define BATCH 2000

static struct tmpdir d;

static uint32_t next_number(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* ---- lines ---- */

/* What a line is made of; all programs that can be run are a, b and c. */
static const char *const usual[] = {
	"a",     "b",    "c",    " ",   " ",     " ",       "a ",    " b ",  " c ", "; ",
	" && ",  " || ", " | ",  "\n",  "'x y'", "\"x y\"", " 2>&1", " >&2", " >f", " <b",
	" 2> f", " >>f", " &>f", "\\ ", "*",     "?.x",     "[ab]",  "''"};
static const char *const odd[] = {
	"\"",    "'",       "\\",   "$",      "`",        "(",     ")",     "{",        "}",
	"!",     "~",       "#",    "&",      "|",        ";",     "<",     ">",        "=",
	"1",     "2",       "%",    "^",      "]",        "[",     "\t",    ":",        "@",
	",",     "+",       "-",    ".",      "/",        "if ",   "then ", "fi",       "do ",
	"done ", "case ",   "in ",  "esac",   "{ ",       "time ", "[[ ",   "]]",       "a=b",
	"a+=b",  "é",       "‘",    "ā",      "\xc2\xa0", "\\\n",  "\\\"",  "\"\\\\\"", "$'a'",
	"{a,b}", "a[1]=b",  "x~",   "HEAD~1", "~/x",      "=~",    ":~",    "a=~/x",    "b:~",
	"~root", "coproc ", "&>>f", ">|f",    "<<E\nE\n", "1>f",   "+(a)"};

static void make_line(struct buf *line, uint32_t *seed)
{
	uint32_t n = 1 + next_number(seed) % 12, wild = next_number(seed) % 4;

	buf_reset(line);
	for (uint32_t i = 0; i < n; i++) {
		if (next_number(seed) % 4 < wild)
			buf_addz(line, odd[next_number(seed) % (sizeof(odd) / sizeof(*odd))]);
		else
			buf_addz(line,
				 usual[next_number(seed) % (sizeof(usual) / sizeof(*usual))]);
	}
}

/* ---- what the splitter says they run ---- */

struct shell_case {
	bool fails; /* every program does */
	bool globs; /* patterns stand for files that are there */
};

/* Each can be run here: a program of ours, files that can be opened. */
static bool can_run(const struct shell_line *l, const struct shell_case *how)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct shell_command *c = &l->commands[i];
		struct str program = c->words[0].text;

		if (!str_is(program, "a") && !str_is(program, "b") && !str_is(program, "c"))
			return false;
		for (size_t k = 0; k < c->n_words; k++)
			if (how->globs && c->words[k].glob)
				return false;
		for (size_t k = 0; k < c->n_redirects; k++) {
			struct str target = c->redirects[k].target;

			/* b is there, f can be made */
			if (!str_is(target, "b") &&
			    (c->redirects[k].how == SHELL_FROM || !str_is(target, "f")))
				return false;
		}
	}
	return true;
}

/* Is the command at i run, where all before it end as they do? */
static void add_expected(struct buf *out, const struct shell_line *l, bool fails)
{
	bool runs = true;

	for (size_t i = 0; i < l->n; i++) {
		const struct shell_command *c = &l->commands[i];

		/* A pipe's commands run together or not at all; a list goes on from what its
		 * last one ended with, and a command that is left out changes nothing. */
		if (c->joint == SHELL_THEN)
			runs = true;
		else if (c->joint == SHELL_AND)
			runs = !fails;
		else if (c->joint == SHELL_OR)
			runs = fails;
		if (!runs)
			continue;
		for (size_t k = 0; k < c->n_words; k++) {
			buf_addc(out, '<');
			buf_adds(out, c->words[k].text);
			buf_addc(out, '>');
		}
		buf_addc(out, '\001');
	}
}

/* ---- what a shell runs ---- */

static void add_quoted(struct buf *out, struct str text)
{
	buf_addc(out, '\'');
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '\'')
			buf_addz(out, "'\\''");
		else
			buf_addc(out, text.p[i]);
	}
	buf_addc(out, '\'');
}

/* The functions write a command in one piece, wherever their output goes; \002 ends a line. */
static void begin_script(struct buf *out, const struct shell_case *how)
{
	buf_addf(out, "exec 9>>\"$1\" 2>/dev/null\n%s\n", how->globs ? ":" : "set -f");
	for (const char *p = "abc"; *p; p++)
		buf_addf(out,
			 "%c() { _o='<%c>'; for _i in \"$@\"; do _o=\"$_o<$_i>\"; done; "
			 "printf '%%s\\001' \"$_o\" >&9; return %d; }\n",
			 *p, *p, how->fails);
}

static void run_script(const char *shell, const struct buf *script, struct buf *out)
{
	struct buf line = {0};

	tmpdir_write(&d, "script", script->data, script->len);
	tmpdir_write_text(&d, "out", "");
	buf_addf(&line,
		 "cd '%s' && HOME=/home/me PATH=/nowhere exec %s ../script ../out </dev/null",
		 tmpdir_file(&d, "in"), shell);
	if (program_shell(buf_z(&line), out) != 0)
		fail_msg("%s: %s", shell, buf_z(out));
	buf_release(&line);
	buf_reset(out);
	assert_true(whole_file(tmpdir_file(&d, "out"), out));
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The commands of a line, in any order: those of a pipe run at once. */
static void sort_commands(char *line)
{
	char *v[SHELLWORDS_COMMANDS + 1], *copy = strdup(line), *rest = copy, *to = line;
	size_t n = 0;

	assert_non_null(copy);
	while (n <= SHELLWORDS_COMMANDS && rest && *rest)
		v[n++] = strsep(&rest, "\001");
	qsort(v, n, sizeof(*v), by_text);
	for (size_t i = 0; i < n; i++)
		to = stpcpy(stpcpy(to, v[i]), "\001");
	free(copy);
}

struct batch {
	char *lines[BATCH], *expected[BATCH];
	size_t n;
	struct buf script;
};

static void compare(struct batch *b, const char *shell)
{
	struct buf out = {0};
	char *rest;

	run_script(shell, &b->script, &out);
	rest = out.data;
	for (size_t i = 0; i < b->n; i++) {
		char *found = rest ? strsep(&rest, "\002") : NULL;

		if (!found || !rest)
			fail_msg("%s ended in: %s", shell, b->lines[i]);
		sort_commands(found);
		if (strcmp(found, b->expected[i]) != 0)
			fail_msg("%s, of:\n%s\nruns %s\nnot  %s", shell, b->lines[i], found,
				 b->expected[i]);
	}
	buf_release(&out);
}

static void add_line(struct batch *b, const struct shell_line *l, struct str text,
		     const struct shell_case *how)
{
	struct buf expected = {0}, copy = {0};

	add_expected(&expected, l, how->fails);
	buf_adds(&copy, text);
	b->expected[b->n] = buf_detach(&expected);
	if (!b->expected[b->n])
		b->expected[b->n] = strdup("");
	sort_commands(b->expected[b->n]);
	b->lines[b->n++] = buf_detach(&copy);
	/* a shell of its own, as the tool has it: no line changes the next one's */
	buf_addz(&b->script, "eval ");
	add_quoted(&b->script, text);
	buf_addz(&b->script, "\nwait\nprintf '\\002' >&9\n");
}

static void compare_many(const struct shell_case *how, size_t n, uint32_t seed)
{
	struct batch *b = calloc(1, sizeof(*b));
	struct buf line = {0};
	size_t tried = 0;

	assert_non_null(b);
	while (n) {
		begin_script(&b->script, how);
		while (b->n < BATCH && b->n < n) {
			struct shell_line l;

			make_line(&line, &seed);
			if (shellwords_parse(buf_str(&line), &l) == SHELL_UNDERSTOOD &&
			    can_run(&l, how))
				add_line(b, &l, buf_str(&line), how);
			shellwords_release(&l);
			tried++;
		}
		compare(b, "/bin/bash --noprofile --norc");
		compare(b, "/bin/dash");
		n -= b->n;
		for (size_t i = 0; i < b->n; i++) {
			free(b->lines[i]);
			free(b->expected[i]);
		}
		b->n = 0;
		buf_reset(&b->script);
	}
	print_message("%zu lines tried\n", tried);
	buf_release(&b->script);
	buf_release(&line);
	free(b);
}

static size_t how_many(void)
{
	return getenv("DSV4CHAT_SLOW") ? 1000000 : 12000;
}

static int begin(void **state)
{
	(void)state;
	tmpdir_init(&d);
	mkdir(tmpdir_file(&d, "in"), 0700);
	tmpdir_write_text(&d, "in/b", "");
	tmpdir_write_text(&d, "in/a.x", "");
	tmpdir_write_text(&d, "in/x", "");
	return 0;
}

static int end(void **state)
{
	(void)state;
	tmpdir_release(&d);
	return 0;
}

static void two_shells_run_what_was_understood(void **state)
{
	static const struct shell_case cases[] = {{false, false}, {true, false}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		compare_many(&cases[i], how_many() * 3 / 8, (uint32_t)(1 + i));
}

static void a_word_that_is_no_pattern_stands_for_itself_where_files_are(void **state)
{
	static const struct shell_case globs = {false, true};

	(void)state;
	compare_many(&globs, how_many() / 4, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_shells_run_what_was_understood),
		cmocka_unit_test(a_word_that_is_no_pattern_stands_for_itself_where_files_are),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
