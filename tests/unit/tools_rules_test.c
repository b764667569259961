/* Rules: how they are read, and what they say of commands and files. */
#include "tests/support/shared_files.h"

#include <string.h>

#include "app/tools/rules.h"

static struct err err;

/* "allow shell make\ndeny edit *.c": a rule a line. */
static struct rules *rules_of(const char *text)
{
	static const char *const names[] = {"allow ", "ask ", "deny "};
	struct rules *r;

	assert_int_equal(rules_new(&r, STR_LIT("/home/u/work"), &err), 0);
	while (*text) {
		size_t n = strcspn(text, "\n"), says = 0;

		while (strncmp(text, names[says], strlen(names[says])) != 0)
			says++;
		if (rules_add(r, (enum rule_says)says,
			      (struct str){text + strlen(names[says]), n - strlen(names[says])},
			      &err))
			fail_msg("%s", err.text);
		text += n + (text[n] == '\n');
	}
	return r;
}

static const char *const kinds[] = {"-", "run", "ask", "deny"};

struct row {
	const char *rules, *command, *verdict;
};

static void judge_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct rules *r = rules_of(rows[i].rules);
		struct rules_verdict v;

		rules_judge_command(r, str_of(rows[i].command), &v);
		if (strcmp(kinds[v.kind], rows[i].verdict) != 0)
			fail_msg("%s\n%s: %s, expected %s", rows[i].rules, rows[i].command,
				 kinds[v.kind], rows[i].verdict);
		assert_non_null(v.why);
		rules_free(r);
	}
}

static void what_is_allowed_fits_every_command_for_certain(void **state)
{
	static const struct row rows[] = {
		{"", "make", "-"},
		{"allow shell make", "make", "run"},
		{"allow shell make", "'ma'\"ke\"", "run"},
		{"allow shell make", "make test", "-"},
		{"allow shell make", "./make", "-"},
		{"allow shell make", "/tmp/make", "-"},
		{"allow shell make", "make; rm x", "-"},
		{"allow shell make", "make\nrm x", "-"},
		{"allow shell make", "make & rm x", "-"},
		{"allow shell make", "make && $(rm x)", "-"},
		{"allow shell make", "make && make | make", "run"},
		{"allow shell make", "X=1 make", "-"},
		{"allow shell make", "env make", "-"},
		{"allow shell make", "eval make", "-"},
		{"allow shell eval *", "eval make", "-"},
		{"allow shell make *", "make", "run"},
		{"allow shell make *", "make -j2 'a b' *.c", "run"},
		{"allow shell make *", "maker", "-"},
		{"allow shell make -j*", "make -j2", "run"},
		{"allow shell make -j*", "make -j2 x", "-"},
		{"allow shell make -j*", "make -j*", "-"},
		{"allow shell a * c", "a b c", "run"},
		{"allow shell a * c", "a c", "-"},
		{"allow shell a * c", "a * c", "-"},
		{"allow shell *", "a 'b' | c", "run"},
		{"allow shell *", "a $b", "-"},
		{"allow shell a*b*c", "aXbXbXc", "run"},
		{"allow shell a*b*c", "aXbXcX", "-"},
		/* Files. */
		{"allow shell make", "make > out", "-"},
		{"allow shell make", "make > /dev/null 2>&1", "run"},
		{"allow shell make\nallow edit out/**", "make > out/x", "run"},
		{"allow shell make\nallow edit out/**", "make >> /home/u/work/out/x", "run"},
		{"allow shell make\nallow edit out/**", "make > out/../x", "-"},
		{"allow shell make\nallow edit **", "make > ../x", "-"},
		{"allow shell make\nallow edit /**", "make > /etc/x", "-"},
		{"allow shell make\nallow edit **", "make > .git/config", "-"},
		{"allow shell make\nallow edit **", "make > sub/AGENTS.md", "-"},
		{"allow shell make", "make < in", "run"},
		{"allow shell make", "make < ../in", "-"},
		{"allow shell make", "make < /etc/passwd", "-"},
		{"allow shell make\nallow shell cd *\nallow edit **", "cd x && make", "run"},
		{"allow shell make\nallow shell cd *\nallow edit **", "cd x && make > y", "-"},
		{"allow shell make\nallow shell cd *", "cd x && make < y", "-"},
		{"allow shell ./t\nallow shell cd *", "./t", "run"},
		{"allow shell ./t\nallow shell cd *", "cd x && ./t", "-"},
		/* Grades. */
		{"allow shell a with network\nallow shell b", "a; a", "run"},
		{"allow shell a with network\nallow shell b", "a; b", "-"},
	};

	(void)state;
	judge_rows(rows, sizeof(rows) / sizeof(rows[0]));
}

static void files_that_are_read_have_rules_too(void **state)
{
	static const struct row rows[] = {
		{"deny read **/*.sql", "cat db/x.sql", "deny"},
		{"deny read **/*.sql", "cat ./db/../x.sql", "deny"},
		{"deny read **/*.sql", "psql -f --file=db/x.sql", "deny"},
		{"deny read **/*.sql", "psql < db/x.sql", "deny"},
		{"deny read db", "cat db/deep/x", "deny"},
		{"deny read db", "cd db && cat x", "deny"},
		{"deny read db", "sh -c 'cat db/x'", "deny"},
		{"deny read /etc", "cat /etc/passwd", "deny"},
		{"deny read db", "ls src *.c", "-"},
		{"ask read db", "ls src *.c", "ask"},
		{"ask read db", "cd x && cat y", "ask"},
		{"ask read db", "cat $x", "ask"},
		{"ask read db", "cat src/x", "-"},
		{"allow read db/**", "cat db/x", "-"},
	};
	static const struct {
		const char *rules, *path, *verdict;
	} paths[] = {
		{"deny read **/*.sql", "a/b.sql", "deny"},
		{"deny read **/*.sql", "a/b.txt", "-"},
		{"deny read db", "db/x/y", "deny"},
		{"allow read /srv/**", "/srv/x", "run"},
		{"allow read /srv/**", "/srv/../etc/x", "-"},
		{"allow read /srv/**\nask read /srv/x", "/srv/x/y", "ask"},
	};

	(void)state;
	judge_rows(rows, sizeof(rows) / sizeof(rows[0]));
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct rules *r = rules_of(paths[i].rules);
		struct rules_verdict v;

		rules_judge_read(r, str_of(paths[i].path), &v);
		if (strcmp(kinds[v.kind], paths[i].verdict) != 0)
			fail_msg("%s: %s", paths[i].path, kinds[v.kind]);
		rules_free(r);
	}
}

static void tools_and_those_of_servers_are_named(void **state)
{
	static const struct {
		const char *rules, *tool, *verdict;
	} rows[] = {
		{"deny tool write_file", "write_file", "deny"},
		{"deny tool write_file", "edit_file", "-"},
		{"ask tool *_file", "edit_file", "ask"},
		{"allow tool edit_file", "edit_file", "run"},
		{"allow tool *_file\nask tool edit_file", "edit_file", "ask"},
		{"allow mcp github get_*", "github__get_issue", "run"},
		{"allow mcp github get_*", "github__set_issue", "-"},
		{"allow mcp github get_*", "hub__get_issue", "-"},
		{"allow mcp github get_*", "github__", "-"},
		{"allow mcp github get_*", "get_issue", "-"},
		{"deny mcp a__b c", "a__b__c", "deny"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rules *r = rules_of(rows[i].rules);
		struct rules_verdict v;

		rules_judge_tool(r, str_of(rows[i].tool), &v);
		if (strcmp(kinds[v.kind], rows[i].verdict) != 0)
			fail_msg("%s, %s: %s", rows[i].rules, rows[i].tool, kinds[v.kind]);
		rules_free(r);
	}
}

static void a_rule_gives_the_grade_that_it_names(void **state)
{
	static const struct {
		const char *rule;
		unsigned grade;
	} rows[] = {{"allow shell a with network", GRADE_NET},
		    {"allow shell a with git", GRADE_GIT},
		    {"allow shell a * with git+network", GRADE_GIT | GRADE_NET},
		    {"allow shell a with outside", GRADE_OUTSIDE},
		    {"allow shell a", 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rules *r = rules_of(rows[i].rule);
		struct rules_verdict v;

		rules_judge_command(r, STR_LIT("a"), &v);
		assert_int_equal(v.kind, RULES_RUN);
		assert_int_equal(v.grade, rows[i].grade);
		rules_free(r);
	}
}

/* ---- what answers make ---- */

/* For a line, and with it again: it runs, and nothing else does that did not. */
static void the_rule_of_an_answer_means_these_words_alone(void **state)
{
	static const struct {
		const char *rules, *command, *suggest;
	} rows[] = {
		{"", "npm ci", "shell npm ci"},
		{"", "npm ci && npm test", "shell npm ci; shell npm test"},
		{"allow shell npm ci", "npm ci && npm test", "shell npm test"},
		{"", "./run.sh --fast a/b.c", "shell ./run.sh --fast a/b.c"},
		{"", "make 2>&1", "shell make"},
		{"", "make > out", ""},
		{"allow edit out", "make > out", "shell make"},
		{"", "python3 tests/x.py -v", "shell python3 tests/x.py -v"},
		{"", "python3 -m pytest", "shell python3 -m pytest"},
		/* Code, or what reads it. */
		{"", "python3 -c x", ""},
		{"", "sh -c make", ""},
		{"", "node -e x", ""},
		{"", "cat x | sh", ""},
		{"", "cat x | xargs rm", ""},
		{"", "cat x | python3", ""},
		{"", "/usr/bin/env sh", ""},
		{"", "cat x | timeout 5 bash", ""},
		{"", "cat x | python3.11", ""},
		{"", "cat x | sqlite3 app.db", ""},
		{"", "env python3 -c x", ""},
		{"", "timeout 5 make test", "shell timeout 5 make test"},
		{"", "env python3.11 x.py", "shell env python3.11 x.py"},
		{"", "make python3", "shell make python3"},
		/* No rule can say just that. */
		{"", "make $x", ""},
		{"", "make *.c", ""},
		{"", "make 'a*'", ""},
		{"", "echo 'a b'", ""},
		{"", "make with x", ""},
		{"", "make ''", ""},
		{"", "a b c d e f g h i j k l m n o p q", ""},
		{"", "eval make", ""},
		{"", "cd x && ./t", ""},
		{"deny shell rm", "rm x", ""},
		{"ask shell rm", "rm x", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rules *r = rules_of(rows[i].rules);
		struct rules_verdict v;
		struct buf suggest = {0}, other = {0};

		rules_suggest(r, str_of(rows[i].command), &suggest);
		if (strcmp(buf_z(&suggest), rows[i].suggest) != 0)
			fail_msg("%s: '%s'", rows[i].command, buf_z(&suggest));
		if (suggest.len) {
			assert_int_equal(rules_learn(r, RULES_SESSION, buf_str(&suggest), &err),
					 0);
			rules_judge_command(r, str_of(rows[i].command), &v);
			assert_int_equal(v.kind, RULES_RUN);
			buf_addf(&other, "%s x", rows[i].command);
			rules_judge_command(r, buf_str(&other), &v);
			assert_int_equal(v.kind, RULES_SILENT);
		}
		buf_release(&suggest);
		buf_release(&other);
		rules_free(r);
	}
}

static void a_file_that_was_allowed_is_that_one_file(void **state)
{
	static const struct {
		const char *path, *suggest;
	} rows[] = {{"src/a.c", "edit src/a.c"},
		    {"a b", ""},
		    {"a*", ""},
		    {"a[b]", ""},
		    {"a;b", ""},
		    {"", ""},
		    {"AGENTS.md", ""},
		    {"a/../b", ""},
		    {"~x", ""}};
	struct rules *r = rules_of("");
	struct buf read = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf suggest = {0};

		rules_suggest_edit(r, str_of(rows[i].path), &suggest);
		if (strcmp(buf_z(&suggest), rows[i].suggest) != 0)
			fail_msg("%s: '%s'", rows[i].path, buf_z(&suggest));
		buf_release(&suggest);
	}
	rules_suggest_read(r, STR_LIT("/srv/docs/a"), &read);
	assert_string_equal(buf_z(&read), "read /srv/docs/a");
	buf_release(&read);
	rules_free(r);
}

static void learned_rules_are_all_or_none_and_can_be_forgotten(void **state)
{
	struct rules *r = rules_of("allow shell a");
	struct rules_verdict v;
	enum rule_says says;

	(void)state;
	assert_int_equal(rules_learn(r, RULES_HERE, STR_LIT("shell b; nothing"), &err),
			 ERR_USAGE);
	assert_int_equal(rules_learn(r, RULES_HERE, STR_LIT(" ; "), &err), ERR_USAGE);
	assert_int_equal(rules_at(r, 1, &says).n, 0);
	assert_int_equal(rules_learn(r, RULES_HERE, STR_LIT("shell b; edit c"), &err), 0);
	assert_int_equal(rules_from(r, 0), RULES_OPTIONS);
	assert_int_equal(rules_from(r, 2), RULES_HERE);
	rules_forget(r, 0);
	rules_forget(r, 7);
	assert_true(str_is(rules_at(r, 2, &says), "allow = edit c"));
	rules_forget(r, 1);
	assert_true(str_is(rules_at(r, 1, &says), "allow = edit c"));
	rules_judge_command(r, STR_LIT("b"), &v);
	assert_int_equal(v.kind, RULES_SILENT);
	rules_judge_command(r, STR_LIT("a"), &v);
	assert_int_equal(v.kind, RULES_RUN);
	rules_free(r);
}

static void what_is_denied_is_found_behind_what_stands_around_it(void **state)
{
	static const struct row rows[] = {
		{"deny shell rm", "rm x", "deny"},
		{"deny shell rm", "/bin/rm x", "deny"},
		{"deny shell rm", "r\\m x", "deny"},
		{"deny shell rm", "\"r\"m x", "deny"},
		{"deny shell rm", "git status; rm x", "deny"},
		{"deny shell rm", "git status\nrm x", "deny"},
		{"deny shell rm", "a | xargs rm -f", "deny"},
		{"deny shell rm", "sudo -n rm x", "deny"},
		{"deny shell rm", "timeout 5 nice rm x", "deny"},
		{"deny shell rm", "find . -name x -exec rm '{}' ';'", "deny"},
		{"deny shell rm", "find . -name rm", "ask"},
		{"deny shell rm", "sh -c 'a; rm x'", "deny"},
		{"deny shell rm", "sh -c \"bash -c 'rm x'\"", "deny"},
		{"deny shell rm", "sh -c 'echo $x'", "ask"},
		{"deny shell rm", "sudo sh -c 'rm x'", "ask"},
		{"deny shell rm", "ksh -c 'rm x'", "deny"},
		{"deny shell rm", "ash -c 'a; rm x'", "deny"},
		{"deny shell rm", "fish -c 'rm x'", "deny"},
		{"deny shell rm", "flock l -c 'rm x'", "deny"},
		{"deny shell rm", "sudo tcsh -c 'rm x'", "ask"},
		{"deny shell rm", "eval rm x", "deny"},
		{"deny shell rm", "exec rm x", "deny"},
		{"deny shell rm", "ssh host 'rm x'", "deny"},
		{"deny shell rm", "echo rm", "ask"},
		{"deny shell rm", "runner --now rm", "ask"},
		{"deny shell rm", "git status & rm", "ask"},
		{"deny shell rm", "$(rm)", "ask"},
		{"deny shell rm", "{rm,x}", "ask"},
		{"deny shell rm", "git\xc2\xa0status", "ask"},
		{"deny shell rm", "git status\r", "ask"},
		{"deny shell rm", "ls *", "ask"},
		{"deny shell rm", "ls *.c r?x", "-"},
		{"deny shell rm", "xargs r?", "ask"},
		{"deny shell rm", "rmdir x", "-"},
		{"deny shell rm", "ls -l", "-"},
		{"deny shell git push", "git push", "deny"},
		{"deny shell git push", "git -C x push --force", "deny"},
		{"deny shell git push", "git pu*", "ask"},
		{"deny shell git push", "git status", "-"},
		{"deny shell git push", "push git", "-"},
		{"deny shell git push", "echo git push", "ask"},
		{"deny shell *", "anything", "deny"},
		{"deny shell *", "$x", "ask"},
		{"ask shell rm", "rm x", "ask"},
		{"ask shell rm", "echo `x`", "ask"},
		/* The strongest word counts, whatever the order. */
		{"allow shell *\nask shell git\ndeny shell git push", "git push", "deny"},
		{"deny shell git push\nask shell git\nallow shell *", "git log", "ask"},
		{"allow shell *\ndeny shell git push", "make; git log", "run"},
		{"allow shell rm x\ndeny shell rm", "rm x", "deny"},
		/* Files. */
		{"deny edit src/**", "a > src/x", "deny"},
		{"deny edit src", "a >> src/x/y", "deny"},
		{"deny edit src", "a > lib/../src/y", "deny"},
		{"deny edit src", "a < src/x", "-"},
		{"deny edit src", "cd lib && a > x", "ask"},
		{"deny edit /etc", "a > ../../../etc/passwd", "deny"},
		{"deny edit src", "a > out", "-"},
	};

	(void)state;
	judge_rows(rows, sizeof(rows) / sizeof(rows[0]));
}

static void limits_never_turn_a_denial_into_less_than_a_question(void **state)
{
	struct rules *r = rules_of("allow shell *\ndeny shell rm");
	struct buf text = {0}, nested = {0};
	struct rules_verdict v;

	(void)state;
	for (int i = 0; i < 64; i++)
		buf_addz(&text, "a;");
	buf_addz(&text, "rm x");
	rules_judge_command(r, buf_str(&text), &v);
	assert_int_equal(v.kind, RULES_ASK);
	buf_reset(&text);
	for (int i = 0; i < 40 * 1024; i++)
		buf_addc(&text, ' ');
	buf_addz(&text, "rm x");
	rules_judge_command(r, buf_str(&text), &v);
	assert_int_equal(v.kind, RULES_ASK);
	/* A line in a line in a line … */
	buf_reset(&text);
	buf_addz(&text, "rm x");
	for (int i = 0; i < 6; i++) {
		buf_reset(&nested);
		buf_addz(&nested, "sh -c \"");
		for (size_t k = 0; k < text.len; k++)
			buf_addf(&nested, strchr("\"\\", text.data[k]) ? "\\%c" : "%c",
				 text.data[k]);
		buf_addc(&nested, '"');
		buf_reset(&text);
		buf_adds(&text, buf_str(&nested));
		rules_judge_command(r, buf_str(&text), &v);
		assert_int_equal(v.kind, i < 3 ? RULES_DENY : RULES_ASK);
	}
	buf_release(&text);
	buf_release(&nested);
	rules_free(r);
}

static void what_allows_more_than_it_seems_to_is_told(void **state)
{
	static const struct {
		const char *rule, *why;
	} rows[] = {
		{"allow shell *", "every command"},
		{"allow shell sudo *", "every other program"},
		{"allow shell env X=1 *", "every other program"},
		{"allow shell find *", "every other program"},
		{"allow shell /usr/bin/xargs *", "every other program"},
		{"allow shell stdbuf -o0 *", "every other program"},
		{"allow shell bash *", "whatever code"},
		{"allow shell fish *", "whatever code"},
		{"allow shell python3 *", "whatever code"},
		{"allow shell python3.11 *", "whatever code"},
		{"allow shell awk *", "whatever code"},
		{"allow shell bash -c *", "whatever code"},
		{"allow shell /bin/sh -ec *", "whatever code"},
		{"allow shell bash -o pipefail -c *", "whatever code"},
		{"allow shell bash -c **", "whatever code"},
		{"allow shell bash -c make*", "whatever code"},
		{"allow shell bash *.sh", "whatever code"},
		{"allow shell env sh -c *", "every other program"},
		{"allow shell env sh -c **", "whatever code"},
		{"allow shell xargs sh -c *", "every other program"},
		{"allow shell sudo -u me python3 -c **", "whatever code"},
		{"allow shell python3 -c *", "whatever code"},
		{"allow shell python3 -W error -c *", "whatever code"},
		{"allow shell python3 -m *", "whatever code"},
		{"allow shell perl -ne *", "whatever code"},
		{"allow shell node --eval *", "whatever code"},
		{"allow shell awk -F : *", "whatever code"},
		{"allow shell sqlite3 x.db *", "whatever code"},
		{"allow shell * *", "every command"},
		{"allow shell * -c *", "whatever code"},
		{"allow shell *sh -c *", "whatever code"},
		{"allow shell git *", "all that the program can do"},
		{"allow shell bash -x build.sh *", NULL},
		{"allow shell bash -c make", NULL},
		{"allow shell bash -c make *", NULL},
		{"allow shell python3 tests/*.py", NULL},
		{"allow shell awk -f x.awk a.txt", NULL},
		{"allow shell timeout 9 bash build.sh", NULL},
		{"allow shell echo bash -c **", NULL},
		{"allow shell *-lint --fix src", NULL},
		{"allow shell ./scripts/* *", NULL},
		{"allow shell bash build.sh *", NULL},
		{"allow shell python3 -m pytest *", NULL},
		{"allow shell git status *", NULL},
		{"allow shell sudo make", NULL},
		{"allow shell make *", NULL},
		{"allow edit **", NULL},
		{"allow tool shell", "every command"},
		{"allow tool *", "every command"},
		{"allow tool read_file", "outside of the workspace"},
		{"allow tool *_file", "outside of the workspace"},
		{"allow tool write_file", NULL},
		{"deny tool shell", NULL},
		{"deny shell *", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rules *r = rules_of(rows[i].rule);
		const char *why = rules_wide(r, 0);

		if (!why != !rows[i].why || (why && !strstr(why, rows[i].why)))
			fail_msg("%s: %s", rows[i].rule, why ? why : "nothing");
		rules_free(r);
	}
}

static void a_file_is_judged_by_where_it_is(void **state)
{
	static const struct row rows[] = {
		{"allow edit src/**", "src/a/b", "run"},
		{"allow edit src/**", "./src//a/../b", "run"},
		{"allow edit src/**", "/home/u/work/src/a", "run"},
		{"allow edit src/**", "lib/a", "-"},
		{"allow edit src/**", "src/../lib/a", "-"},
		{"allow edit src/**", "../work/src/a", "run"},
		{"allow edit *.md", "a.md", "run"},
		{"allow edit *.md", "sub/a.md", "-"},
		{"allow edit **/*.md", "sub/a.md", "run"},
		{"allow edit **", "AGENTS.md", "-"},
		{"allow edit Makefile", "Makefile", "-"},
		{"deny edit Makefile", "Makefile", "deny"},
		{"allow edit **", "sub/.vscode/tasks.json", "-"},
		{"allow edit /home/u/**", "/home/u/other/x", "-"},
		{"allow edit /home/u/**", "src/x", "run"},
		{"deny edit src", "src/a", "deny"},
		{"deny edit *.lock\nallow edit **", "a.lock", "deny"},
		{"ask edit src/api\nallow edit src/**", "src/api/x", "ask"},
		{"ask edit src/api\nallow edit src/**", "src/x", "run"},
		{"deny shell x", "x", "-"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rules *r = rules_of(rows[i].rules);
		struct rules_verdict v;

		rules_judge_edit(r, str_of(rows[i].command), &v);
		if (strcmp(kinds[v.kind], rows[i].verdict) != 0)
			fail_msg("%s\n%s: %s, expected %s", rows[i].rules, rows[i].command,
				 kinds[v.kind], rows[i].verdict);
		rules_free(r);
	}
}

static void a_verdict_names_its_rule_and_grade(void **state)
{
	struct rules *r = rules_of("allow shell npm ci with network\ndeny shell git push");
	struct rules_verdict v;

	(void)state;
	rules_judge_command(r, STR_LIT("npm ci"), &v);
	assert_int_equal(v.grade, GRADE_NET);
	assert_true(str_is(v.rule, "allow = shell npm ci with network"));
	rules_judge_command(r, STR_LIT("git push x"), &v);
	assert_int_equal(v.grade, GRADE_READ);
	assert_true(str_is(v.rule, "deny = shell git push"));
	rules_free(r);
}

static void what_is_no_rule_says_where_and_why(void **state)
{
	static const struct {
		enum rule_says says;
		const char *text, *what;
	} rows[] = {
		{RULE_ALLOW, "",
		 "column 1: '', expected shell, edit, read, tool or mcp, and what it is about"},
		{RULE_ALLOW, "make",
		 "column 1: 'make', expected shell, edit, read, tool or mcp, and what it is "
		 "about"},
		{RULE_ALLOW, "write x",
		 "column 1: 'write', expected shell, edit, read, tool or mcp, and what it is "
		 "about"},
		{RULE_DENY, "read",
		 "column 5: '', expected one pattern of a path, like src/**"},
		{RULE_DENY, "tool", "column 5: '', expected the name of a tool"},
		{RULE_DENY, "mcp a", "column 6: '', expected a server and one of its tools"},
		{RULE_DENY, "mcp a b c",
		 "column 10: '', expected a server and one of its tools"},
		{RULE_ALLOW, "shell", "column 6: '', expected a program, and its words"},
		{RULE_ALLOW, "shell  'a b'",
		 "column 8: ''', expected words without quotes and operators"},
		{RULE_DENY, "shell git; rm",
		 "column 10: ';', expected words without quotes and operators"},
		{RULE_ALLOW, "shell a with wings",
		 "column 14: 'wings', expected network, git or outside, joined by +"},
		{RULE_DENY, "shell a with network",
		 "column 9: 'with', expected no 'with' in a rule that asks or denies"},
		{RULE_DENY, "shell a b c d e f g h i j k l m n o p q",
		 "column 39: 'q', expected 16 words at most"},
		{RULE_ALLOW, "edit",
		 "column 5: '', expected one pattern of a path, like src/**"},
		{RULE_ALLOW, "edit a b",
		 "column 8: 'b', expected one pattern of a path, like src/**"},
		{RULE_ALLOW, "edit ~/x",
		 "column 6: '~/x', expected a path from the workspace; of a folder's files, "
		 "like src/**"},
		{RULE_ALLOW, "edit src/",
		 "column 6: 'src/', expected a path from the workspace; of a folder's files, "
		 "like src/**"},
		{RULE_DENY, "edit ../x", "column 6: '..', expected a path without . and .."},
	};
	struct rules *r = rules_of("");
	enum rule_says says;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(rules_add(r, rows[i].says, str_of(rows[i].text), &err),
				 ERR_USAGE);
		assert_string_equal(err.text, rows[i].what);
	}
	assert_int_equal(rules_at(r, 0, &says).n, 0);
	rules_free(r);
}

/* ---- whatever is added ---- */

static uint32_t next_number(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static void add_one_of(struct buf *out, uint32_t *seed, const char *const *v, size_t n)
{
	buf_addz(out, v[next_number(seed) % n]);
}

/* Up to three commands. */
static void add_line(struct buf *out, uint32_t *seed)
{
	static const char *const words[] = {
		"rm", "git", "push",   "log", "x",  "*",       "r*", "sudo", "ls",   "cd",
		"sh", "-c",  "'rm x'", "$x",  ">f", "> out/f", "<f", "env",  "eval", "make"};
	static const char *const joints[] = {"; ", " && ", " | ", "\n", " || "};
	uint32_t n = 1 + next_number(seed) % 3;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t n_words = 1 + next_number(seed) % 4;

		if (i)
			add_one_of(out, seed, joints, sizeof(joints) / sizeof(*joints));
		for (uint32_t k = 0; k < n_words; k++) {
			add_one_of(out, seed, words, sizeof(words) / sizeof(*words));
			buf_addc(out, ' ');
		}
	}
}

static void a_command_more_never_makes_a_line_run(void **state)
{
	static const char *const sets[] = {
		"deny shell rm\nallow shell *\nallow edit **",
		"deny shell git push\nask shell rm\nallow shell *\nallow edit out/**",
		"allow shell make *\nallow shell ls *\nallow shell cd *\nallow edit **",
		"ask edit out\nallow shell *\nallow edit **",
	};
	static const char *const joints[] = {"; ", " && ", " | ", "\n", " || "};
	uint32_t seed = 7, n_run = 0, n_not = 0;
	struct buf line = {0}, more = {0};

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct rules *r = rules_of(sets[i % 4]);
		struct rules_verdict before, after;
		bool behind = next_number(&seed) % 2;

		buf_reset(&line);
		buf_reset(&more);
		add_line(&line, &seed);
		if (behind)
			buf_adds(&more, buf_str(&line));
		else
			add_line(&more, &seed);
		add_one_of(&more, &seed, joints, sizeof(joints) / sizeof(*joints));
		if (behind)
			add_line(&more, &seed);
		else
			buf_adds(&more, buf_str(&line));
		rules_judge_command(r, buf_str(&line), &before);
		rules_judge_command(r, buf_str(&more), &after);
		n_run += after.kind == RULES_RUN;
		n_not += before.kind != RULES_RUN;
		if (before.kind != RULES_RUN && after.kind == RULES_RUN)
			fail_msg("%s\nis not to run, and does as\n%s", buf_z(&line),
				 buf_z(&more));
		if (before.kind == RULES_DENY && after.kind < RULES_ASK)
			fail_msg("%s\nis denied, and not asked about as\n%s", buf_z(&line),
				 buf_z(&more));
		rules_free(r);
	}
	assert_true(n_run > 200 && n_not > 200);
	buf_release(&line);
	buf_release(&more);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_allowed_fits_every_command_for_certain),
		cmocka_unit_test(files_that_are_read_have_rules_too),
		cmocka_unit_test(tools_and_those_of_servers_are_named),
		cmocka_unit_test(a_rule_gives_the_grade_that_it_names),
		cmocka_unit_test(the_rule_of_an_answer_means_these_words_alone),
		cmocka_unit_test(a_file_that_was_allowed_is_that_one_file),
		cmocka_unit_test(learned_rules_are_all_or_none_and_can_be_forgotten),
		cmocka_unit_test(what_is_denied_is_found_behind_what_stands_around_it),
		cmocka_unit_test(limits_never_turn_a_denial_into_less_than_a_question),
		cmocka_unit_test(what_allows_more_than_it_seems_to_is_told),
		cmocka_unit_test(a_file_is_judged_by_where_it_is),
		cmocka_unit_test(a_verdict_names_its_rule_and_grade),
		cmocka_unit_test(what_is_no_rule_says_where_and_why),
		cmocka_unit_test(a_command_more_never_makes_a_line_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
