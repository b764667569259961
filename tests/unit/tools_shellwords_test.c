/* Command lines, split: what is understood, what is not, and that two shells agree. */
#include "tests/support/shared_files.h"

#include <string.h>

#include "app/tools/shellwords.h"

/* "make -j2 *.c >> out && a": each word in brackets, a pattern in braces. */
static void render(const struct shell_line *l, struct buf *out)
{
	static const char *const joints[] = {"; ", "&& ", "|| ", "| "};
	static const char *const hows[] = {"<", ">", ">>"};

	for (size_t i = 0; i < l->n; i++) {
		const struct shell_command *c = &l->commands[i];

		buf_addz(out, i ? joints[c->joint] : "");
		for (size_t k = 0; k < c->n_words; k++)
			buf_addf(out, c->words[k].glob ? "{%.*s}" : "[%.*s]",
				 (int)c->words[k].text.n, c->words[k].text.p);
		for (size_t k = 0; k < c->n_redirects; k++)
			buf_addf(out, "%s%.*s", hows[c->redirects[k].how],
				 (int)c->redirects[k].target.n, c->redirects[k].target.p);
	}
}

static void certain_lines_are_split_as_the_shell_does(void **state)
{
	static const struct {
		const char *text, *split;
	} rows[] = {
		{"make", "[make]"},
		{"  npm  ci\t--omit=dev ", "[npm][ci][--omit=dev]"},
		{"a && b || c | d; e\nf;\n", "[a]&& [b]|| [c]| [d]; [e]; [f]"},
		{"a &&\n\n b |\n c", "[a]&& [b]| [c]"},
		{"\n\n a\n\n", "[a]"},
		{"a 'b c'\"d e\"f '' \"\"", "[a][b cd ef][][]"},
		{"a \"x\\\"y\\\\z\" '$(rm)' \"a'b\" '\"'", "[a][x\"y\\z][$(rm)][a'b][\"]"},
		{"r\\m \\$x\\ y \\*", "[rm][$x y][*]"},
		{"\"r\"m 'if'x", "[rm][ifx]"},
		{"echo 'größer' \"日本\"", "[echo][größer][日本]"},
		{"ls *.c a?b [a-z]x '*'", "[ls]{*.c}{a?b}{[a-z]x}[*]"},
		{"a >f <g b >>h 2> i", "[a][b]>f<g>>h>i"},
		{"a>f;b<g|c", "[a]>f; [b]<g| [c]"},
		{">f a", "[a]>f"},
		{"a 2>&1 | b >&2", "[a]| [b]"},
		{"a &> f; b", "[a]>f; [b]"},
		{"a && b &>f >g", "[a]&& [b]>f>g"},
		{"a x=1 if { ", ""},
		{"a x=1 if y%z a@b c^d +1 a,b :", "[a][x=1][if][y%z][a@b][c^d][+1][a,b][:]"},
		{"a x2>f", "[a][x2]>f"},
		{"echo 'a\nb'", "[echo][a\nb]"},
		{"git show HEAD~1:a HEAD~ HEAD^~2", "[git][show][HEAD~1:a][HEAD~][HEAD^~2]"},
		{"a x~ >f~ a=b~c 'x'~ \\~ '~/x' *~", "[a][x~][a=b~c][x~][~][~/x]{*~}>f~"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct shell_line l;
		struct buf out = {0};
		enum shellwords u = shellwords_parse(str_of(rows[i].text), &l);

		render(&l, &out);
		assert_string_equal(buf_z(&out), rows[i].split);
		assert_int_equal(u, rows[i].split[0] ? SHELL_UNDERSTOOD : SHELL_NOT_UNDERSTOOD);
		buf_release(&out);
		shellwords_release(&l);
	}
}

static void what_is_not_certain_is_not_understood(void **state)
{
	static const struct {
		const char *text, *why;
		size_t at;
	} rows[] = {
		{"", "a command is missing", 0},
		{" \n ", "a command is missing", 3},
		{"echo $x", "an expansion", 5},
		{"echo \"$x\"", "an expansion", 6},
		{"echo `rm`", "an expansion", 5},
		{"echo \"`rm`\"", "an expansion", 6},
		{"(rm)", "a group", 0},
		{"{ rm; }", "a group", 0},
		{"echo {rm,x}", "a group", 5},
		{"! a", "a negation", 0},
		{"cat ~/x", "a home", 4},
		{"a ~", "a home", 2},
		{"a ~root ~+", "a home", 2},
		{"a ''~", "a home", 4},
		{"a x=~", "a home", 4},
		{"a x=~/b", "a home", 4},
		{"a x=b:~", "a home", 6},
		{"a x='b:'~", "a home", 8},
		{"a b:~/x", "a home", 4},
		{"a --x=~/b", "a home", 6},
		{"a >~/f", "a home", 3},
		{"~/a", "a home", 0},
		{"a # b", "a comment", 2},
		{"a x#b", "a comment", 3},
		{"git status & rm", "a command in the background", 11},
		{"a &", "a command in the background", 2},
		{"a |& b", "|&", 2},
		{"a &&", "a command is missing", 4},
		{"a ;; b", "a command is missing", 3},
		{"; a", "a command is missing", 0},
		{"a && && b", "a command is missing", 5},
		{"> f", "a command is missing", 3},
		{"a 'b", "a quote without an end", 2},
		{"a \"b\\\"", "a quote without an end", 2},
		{"a \"\\n\"", "a backslash in quotes", 3},
		{"a \\\nb", "a backslash before", 2},
		{"a \\", "a backslash before", 2},
		{"a <<E\nE", "a redirection of another kind", 2},
		{"a <<<x", "a redirection of another kind", 2},
		{"a <(b)", "a redirection of another kind", 2},
		{"a >|f", "a redirection of another kind", 2},
		{"a <>f", "a redirection of another kind", 2},
		{"a >& f", "a redirection of another kind", 2},
		{"a 2>>f", "a redirection of another kind", 2},
		{"a &>>f", "a redirection of another kind", 2},
		{"a 2>&1x", "a redirection of another kind", 2},
		{"a 1>f", "a descriptor's number", 2},
		{"a 3<f", "a descriptor's number", 2},
		{"a >1>f", "a descriptor's number", 3},
		{"a >*.c", "a redirection to a pattern", 2},
		{"a >''", "a redirection to a pattern", 2},
		{"a >", "a word is missing", 3},
		{"a > ; b", "a character that", 4},
		{"&>f a", "&> before the program", 0},
		{"a &>f b", "a word behind &>", 6},
		{"a &>f && b", "&> that is not the last", 6},
		{"if a; then b; fi", "a reserved word", 0},
		{"a; while b", "a reserved word", 3},
		{"function f", "a reserved word", 0},
		{"x=1 rm", "an assignment", 0},
		{"/b*/rm x", "a pattern for a program", 0},
		{"[ -f x ]", "a pattern for a program", 0},
		{"'' a", "a program without a name", 0},
		{"%1", "a program without a name", 0},
		{"git\xc2\xa0status", "a character beyond ASCII", 3},
		{"echo \xc3\xa9", "a character beyond ASCII", 5},
		{"git status\r", "a control character", 10},
		{"echo '\x1b[2J'", "a control character", 6},
		{"echo '\xe2\x80\xae'", "a control character", 6},
		{"echo '\xff'", "bytes that are no UTF-8", 6},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct shell_line l;

		if (shellwords_parse(str_of(rows[i].text), &l) == SHELL_UNDERSTOOD)
			fail_msg("understood: %s", rows[i].text);
		if (strncmp(l.why, rows[i].why, strlen(rows[i].why)) != 0 || l.at != rows[i].at)
			fail_msg("%s: %s at %zu", rows[i].text, l.why, l.at);
		assert_int_equal(l.n, 0);
		shellwords_release(&l);
	}
}

static void programs_that_do_anything_are_split_and_not_understood(void **state)
{
	static const char *const lines[] = {
		"a; eval 'rm x'", "a; exec rm x",        "a; . x",    "a; source x",
		"a; command rm",  "a; trap 'rm x' EXIT", "a; time rm"};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct shell_line l;

		assert_int_equal(shellwords_parse(str_of(lines[i]), &l), SHELL_NOT_UNDERSTOOD);
		assert_string_equal(l.why, "a program that does anything");
		assert_int_equal(l.at, 3);
		assert_int_equal(l.n, 2);
		shellwords_release(&l);
	}
}

static enum shellwords parse_repeated(const char *piece, size_t n, const char *end)
{
	struct buf text = {0};
	struct shell_line l;
	enum shellwords u;

	for (size_t i = 0; i < n; i++)
		buf_addz(&text, piece);
	buf_addz(&text, end);
	u = shellwords_parse(buf_str(&text), &l);
	shellwords_release(&l);
	buf_release(&text);
	return u;
}

static void bounds_are_kept_to_the_byte(void **state)
{
	(void)state;
	assert_int_equal(parse_repeated("a;", 63, "a"), SHELL_UNDERSTOOD);
	assert_int_equal(parse_repeated("a;", 64, ""), SHELL_UNDERSTOOD);
	assert_int_equal(parse_repeated("a;", 64, "a"), SHELL_NOT_UNDERSTOOD);
	assert_int_equal(parse_repeated("a ", 16384, ""), SHELL_UNDERSTOOD);
	assert_int_equal(parse_repeated("a ", 16384, "a"), SHELL_NOT_UNDERSTOOD);
	assert_int_equal(parse_repeated(" ", 40000, "rm"), SHELL_NOT_UNDERSTOOD);
	assert_int_equal(parse_repeated(">a", 16383, " a"), SHELL_UNDERSTOOD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certain_lines_are_split_as_the_shell_does),
		cmocka_unit_test(what_is_not_certain_is_not_understood),
		cmocka_unit_test(programs_that_do_anything_are_split_and_not_understood),
		cmocka_unit_test(bounds_are_kept_to_the_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
