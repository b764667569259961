/*
 * Commands that only look: what is one and what is none, where it may look, and, of every
 * program that is here and every option it has, that those taken for such change nothing.
 */
#include "tests/support/shared_files.h"

#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/tools/readonly.h"
#include "app/tools/reads.h"
#include "app/tools/rules.h"
#include "tests/support/program.h"
#include "tests/support/tmpdir.h"

#define MARK "q~9z"

static struct tmpdir d;
static struct reads *reads;

static int begin(void **state)
{
	static char work[300], home[300];
	struct str own = {work, 0};
	struct err err = {0};
	struct workspace_config c = {.own = &own, .n_own = 0};

	(void)state;
	tmpdir_init(&d);
	mkdir(tmpdir_file(&d, "home"), 0700);
	mkdir(tmpdir_file(&d, "home/.ssh"), 0700);
	tmpdir_write_text(&d, "home/.ssh/id", "k\n");
	tmpdir_write_text(&d, "home/other", MARK "\n");
	mkdir(tmpdir_file(&d, "home/work"), 0700);
	mkdir(tmpdir_file(&d, "home/work/src"), 0700);
	mkdir(tmpdir_file(&d, "home/work/led"), 0700);
	mkdir(tmpdir_file(&d, "home/work/odd"), 0700);
	mkdir(tmpdir_file(&d, "home/work/same"), 0700);
	mkdir(tmpdir_file(&d, "home/work/.git"), 0700);
	tmpdir_write_text(&d, "home/work/.git/HEAD", "ref: refs/heads/main\n");
	mkdir(tmpdir_file(&d, "home/work/shut"), 0600);
	mkdir(tmpdir_file(&d, "home/work/.ssh"), 0700);
	mkdir(tmpdir_file(&d, "home/work/.ssh/keys"), 0700);
	tmpdir_write_text(&d, "home/work/a.c", "int a;\n");
	tmpdir_write_text(&d, "home/work/.env", "K=1\n");
	tmpdir_write_text(&d, "home/work/src/b.c", "int b;\n");
	tmpdir_write_text(&d, "home/work/odd/-o", "x\n");
	tmpdir_write_text(&d, "home/work/same/b.c", "int c;\n");
	assert_int_equal(symlink("../../other", tmpdir_file(&d, "home/work/led/out.c")), 0);
	assert_int_equal(symlink("../../.ssh/id", tmpdir_file(&d, "home/work/led/key.c")), 0);
	assert_int_equal(symlink("src", tmpdir_file(&d, "home/work/linked")), 0);
	assert_int_equal(symlink("nowhere", tmpdir_file(&d, "home/work/dangling")), 0);
	snprintf(work, sizeof(work), "%s", tmpdir_file(&d, "home/work"));
	snprintf(home, sizeof(home), "%s", tmpdir_file(&d, "home"));
	c.dir = str_of(work);
	c.home = str_of(home);
	if (reads_new(&reads, &c, &err))
		fail_msg("%s", err.text);
	return 0;
}

static int end(void **state)
{
	(void)state;
	reads_free(reads);
	tmpdir_release(&d);
	return 0;
}

/* ---- what it is taken for ---- */

static enum tool_class reads_judge(const struct reads *r, struct str command)
{
	bool looks[SHELLWORDS_COMMANDS];
	enum tool_class cls, whole;
	struct shell_line line;

	shellwords_parse(command, &line);
	whole = reads_look(r, &line, NULL, NULL, looks);
	/* The whole is what its commands are. */
	cls = line.why || !line.n ? TOOL_RUN : TOOL_READ;
	for (size_t i = 0; i < line.n; i++)
		cls = looks[i] ? cls : TOOL_RUN;
	if ((whole == TOOL_READ) != (cls == TOOL_READ))
		fail_msg("%.*s: its commands are told otherwise", (int)command.n, command.p);
	shellwords_release(&line);
	return whole;
}

static void check_all(const char *const *lines, size_t n, enum tool_class expected)
{
	for (size_t i = 0; i < n; i++) {
		enum tool_class cls = reads_judge(reads, str_of(lines[i]));

		if (cls != expected)
			fail_msg("%s: %s, expected %s", lines[i], tool_class_name(cls),
				 tool_class_name(expected));
	}
}

#define CHECK_ALL(lines, cls) check_all(lines, sizeof(lines) / sizeof(*(lines)), cls)

static void what_only_looks_needs_no_question(void **state)
{
	static const char *const lines[] = {
		"ls",
		"ls -la --color=auto src",
		"cat a.c",
		"cat a.c src/b.c | head -n 20 | wc -l",
		"head -20 a.c",
		"tail -n +5 a.c",
		"tail -c100 a.c",
		"cat -- -n",
		"cat -",
		"pwd && ls; echo \"done\"",
		"ls missing || true",
		"grep -rn 'int a' .",
		"grep -n /home a.c",
		"grep -e /x -- a.c",
		"grep --regexp=x a.c",
		"grep -A3 -B 3 x a.c",
		"rg -n -g '*.c' foo src",
		"rg --files-with-matches foo",
		"find . -name '*.c' -type f -print",
		"find src -maxdepth 2 -size +1k",
		"file a.c",
		"stat -c %s a.c",
		"du -sh src",
		"df -h .",
		"diff -u a.c src/b.c",
		"cmp a.c src/b.c",
		"sort -k2,2n -t, a.c | uniq -c",
		"cut -d: -f1 a.c",
		"tr a-z A-Z",
		"nl -ba a.c",
		"comm -12 a.c src/b.c",
		"basename /home/x/y.c .c",
		"dirname /home/x",
		"realpath src",
		"readlink -f linked",
		"sha256sum a.c",
		"cksum a.c",
		"date +%F",
		"date -u -d yesterday +%s",
		"which gcc",
		"type ls",
		"seq -w 1 10",
		"tree -L 2 src",
		"tree -aL2 src",
		"tree -aI x src",
		"id -un",
		"uname -a",
		"nproc",
		"sed -n 1,20p a.c",
		"sed -n '5,$p' a.c",
		"test -f a.c && echo yes",
		"printf '%s\\n' a b",
		"ls *.c",
		"wc -l src/*.c",
		"cat ./*.c",
		"cd src && cat b.c",
		"cd ./src; ls ..",
		"cat src/../a.c",
		"ls > /dev/null 2>&1",
		"cat < a.c",
		"cat linked/b.c",
		"ls 2> /dev/null",
		"cat /usr/include/stdio.h",
		"ls /usr/lib",
		"git status",
		"git --no-pager log -5 --oneline",
		"git diff --stat HEAD",
		"git diff -- src",
		"git show HEAD:src/b.c",
		"git show HEAD~1",
		"git diff HEAD~2 HEAD~",
		"git blame -L 1,5 a.c",
		"git ls-files",
		"git rev-parse --show-toplevel",
		"git branch",
		"git branch -a -v",
		"git tag",
		"git tag -l",
		"git remote -v",
		"git stash list",
		"git log -S foo -p",
	};

	(void)state;
	CHECK_ALL(lines, TOOL_READ);
}

static void what_may_do_more_is_a_command_like_others(void **state)
{
	static const char *const lines[] = {
		/* Not only programs of the list, or not understood. */
		"make",
		"./ls",
		"/bin/ls",
		"ls; make",
		"ls & ls",
		"ls $HOME",
		"ls `make`",
		"X=1 ls",
		"env ls",
		"xargs ls",
		"command ls",
		"eval ls",
		"sh -c ls",
		"bash",
		"tee a",
		"awk 1 a.c",
		"python3 -V",
		"less a.c",
		"",
		"\xff",
		/* Files that would be written. */
		"ls > out",
		"ls >> out",
		"ls 2> err",
		"ls &> out",
		"cat > a.c",
		"sort -o x a.c",
		"sort -ox a.c",
		"sort -no x a.c",
		"sort --output=x a.c",
		"sort --out=x a.c",
		"uniq a.c b.c",
		"uniq - x",
		"tree -o x",
		"tree -R",
		"sed -i 1p a.c",
		"sed -n wout a.c",
		"sed -n '1w out' a.c",
		"sed -n 1p -i a.c",
		"sed -n 1p a.c --in-place",
		"sed 1p a.c",
		"sed -n -e 1p a.c",
		"sed -n 1e a.c",
		"find . -delete",
		"find . -fprint x",
		"find . -fls x",
		"find . -fprintf x y",
		"git log --output=x",
		"git diff --output x",
		"file -C -m x",
		"date 01011200",
		"date -s now",
		"date -d now 01011200",
		/* Programs that would be run. */
		"find . -exec ls",
		"find . -execdir ls",
		"find . -ok ls",
		"find . -okdir ls",
		"rg --pre ./x foo",
		"rg --pre=./x foo",
		"rg --hostname-bin=./x foo",
		"rg -z foo",
		"sort --compress-program=./x a.c",
		"file -z a.c",
		"git -c a=b status",
		"git -c core.pager=x log",
		"git --exec-path=. status",
		"git -p log",
		"git --paginate log",
		"git diff --ext-diff",
		"git log -p --textconv",
		"git log --show-signature",
		"git log --format='%G?'",
		"git log --pretty=format:%GK",
		"git log --format='%-G?'",
		"git log --format='%+GG'",
		"git log --format='% GS'",
		"git branch --format='%(signature)'",
		"git tag --sort=signature",
		"git diff --no-index a.c src/b.c",
		"test -v 'a[$(ls)]'",
		"test -R x",
		"printf -v PATH x",
		"printf 'x%n' PATH",
		"printf 'x%5n' PATH",
		"printf '%(%F)T' 1",
		"git grep -O foo",
		"git foo",
		"git",
		/* What changes a repository, or reaches out. */
		"git branch new",
		"git branch -D x",
		"git branch -m x",
		"git branch --edit-description",
		"git tag v1",
		"git tag -d v1",
		"git tag -l x",
		"git remote add x y",
		"git remote show x",
		"git remote update",
		"git stash",
		"git stash drop",
		"git stash list x",
		"git commit -m x",
		"git checkout .",
		"git -C src status",
		"git --git-dir=x status",
		"git --work-tree=x status",
		"cd src && git status",
		"git diff -Oorder",
		"git ls-files -X x",
		/* What lists files that it reads. */
		"wc --files0-from=x",
		"du --files0-from=x",
		"sort --files0-from=x",
		"grep -f x a.c",
		"grep --file=x a.c",
		"rg -f x",
		"date -f x",
		"date --file=x",
		"file -f x",
		"sha256sum -c x",
		"find . -files0-from x",
		"du -X x",
		"diff -X x a.c src/b.c",
		"tree --fromfile x",
		/* Links that would be followed, and what waits. */
		"grep -R x .",
		"rg -L x",
		"rg --follow x",
		"find -L .",
		"find . -follow",
		"du -L",
		"tree -l",
		"ls -L",
		"diff -r src same",
		"diff src same",
		"tail -f a.c",
		"tail --follow a.c",
		"tail --retry a.c",
		/* What looks like an option's value is a file. */
		"head -5c /etc/passwd",
		"tail -5c ../other",
		"head -n",
		"grep -3e x ../other",
		"grep ../other -e x",
		"grep ../other --regexp=x",
		"grep ../other -nex",
		"rg ../other -e x",
		"rg ../other --regexp x",
		"tree -Il x",
		"tree -Lo 2 out",
		"tree -aPl x",
		/* Options that are not known, or cut short. */
		"cat --nothing",
		"ls -3y",
		"ls --colo",
		"cat --show-all=x",
		"head -n",
		"cut -d",
		"rg --x",
		"sed -n",
		"seq --x",
		"pwd x",
		"true *",
		"echo *",
		"tr a *",
		"find . -name *",
		"cat -*",
		"sort -k *",
		/* Where it leads is not certain. */
		"cat dangling",
		"cat .env",
		"cat */b.c",
		"cd src | cat b.c",
		"true && cd src && cat ../x",
		"ls | cd src; cat b.c",
		"cd; ls",
		"cd -",
		"cd linked && cat b.c",
		"cd ..",
		"cd missing && ls",
		"cd shut; cat ../other",
		"cd .ssh/keys; cat ../../other",
		"cd src || ls",
		"cd -P src && ls",
		"cd src x",
		"cat missing/../../other",
		"cd src > x && ls",
		"cd s* && ls",
		/* What a pattern would stand for is an option, or leads to a secret. */
		"cd odd && cat *",
		"cat led/k*",
		"cat .e*",
		"cat led/[k]*",
	};

	(void)state;
	CHECK_ALL(lines, TOOL_RUN);
}

static void what_looks_elsewhere_is_told_apart(void **state)
{
	static const char *const lines[] = {
		"cat ../other",
		"cat /etc/passwd",
		"ls /",
		"ls ..",
		"grep x /etc/passwd",
		"grep -e x /etc/passwd",
		"grep -ex /etc/passwd",
		"grep --regexp=x /etc/passwd",
		"grep --regexp x /etc/passwd",
		"grep x -- /etc/passwd",
		"head -n 5 /etc/passwd",
		"cat led/out.c",
		"cat led/o*",
		"cd led && cat out.c",
		"cat < ../other",
		"ls /proc/self",
		"cat a.c | sort - ../other",
		"find /etc -name passwd",
		"find . -newer ../other",
		"git diff /etc/passwd",
		"test -f /etc/passwd",
		"cat /nowhere/at/all",
		"file ../*",
	};

	(void)state;
	CHECK_ALL(lines, TOOL_READ_OUTSIDE);
}

/* A command more never makes reading of what was none. */
static void a_line_is_no_less_than_each_of_its_commands(void **state)
{
	static const char *const commands[] = {"ls",       "make",          "cat ../other",
					       "cat a.c",  "sort -o x a.c", "ls > x",
					       "cat .env", "git status"};
	static const char *const joints[] = {"; ", " && ", " || ", " | ", "\n"};
	const size_t n = sizeof(commands) / sizeof(*commands);
	char line[200];

	(void)state;
	for (size_t a = 0; a < n; a++)
		for (size_t b = 0; b < n; b++)
			for (size_t k = 0; k < 5; k++) {
				enum tool_class one = reads_judge(reads, str_of(commands[a])),
						two = reads_judge(reads, str_of(commands[b])),
						all;

				snprintf(line, sizeof(line), "%s%s%s", commands[a], joints[k],
					 commands[b]);
				all = reads_judge(reads, str_of(line));
				if (all != (one > two ? one : two))
					fail_msg("%s: %s", line, tool_class_name(all));
			}
}

/* ---- every option of every program ---- */

static struct buf listed;

static int list_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)kind;
	(void)at;
	buf_addf(&listed, "%s %o %lld %lld.%09ld\n", path, (unsigned)st->st_mode,
		 (long long)st->st_size, (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
	return 0;
}

/* All that there is, by names, sizes and times. */
static void list_all(struct buf *out)
{
	buf_reset(&listed);
	assert_int_equal(nftw(tmpdir_file(&d, "try"), list_one, 16, FTW_PHYS), 0);
	buf_reset(out);
	buf_adds(out, buf_str(&listed));
}

/* Where it is taken for looking, it is done: in a folder with what it may be about. */
static void add_try(struct buf *script, const char *line, int *n)
{
	if (reads_judge(reads, str_of(line)) > TOOL_READ_OUTSIDE)
		return;
	buf_addf(script, "(%s\n) </dev/null >/dev/null 2>&1\n", line);
	++*n;
}

/* What is no more than reading here shows nothing of a file elsewhere: no word was taken for an
 * option's value that is none. */
static void add_look_elsewhere(struct buf *script, const char *program, const char *option,
			       int *n)
{
	static const char *const before[] = {"", "a.c ", "-5 "};
	struct buf line = {0};

	for (size_t i = 0; i < 2 * sizeof(before) / sizeof(*before); i++) {
		const char *digits = i % 2 ? "5" : "";

		buf_reset(&line);
		/* "-x", and "-5x" */
		buf_addf(&line, "%s %s%c%s%s '%s'", program, before[i / 2], option[0],
			 option[1] == '-' ? "" : digits, option + 1,
			 tmpdir_file(&d, "home/other"));
		if (reads_judge(reads, buf_str(&line)) != TOOL_READ)
			continue;
		buf_addf(script, "(%s\n) </dev/null >>'%s' 2>/dev/null\n", buf_z(&line),
			 tmpdir_file(&d, "shown"));
		++*n;
	}
	buf_release(&line);
}

static void add_option(struct buf *script, const char *program, const char *option, int *n)
{
	static const char *const forms[] = {"%s %s a.c", "%s %s out a.c", "%s %s=out a.c"};
	char line[300];

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		/* The forms are those above. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(line, sizeof(line), forms[i], program, option);
#pragma GCC diagnostic pop
		add_try(script, line, n);
	}
	add_look_elsewhere(script, program, option, n);
}

/* The options that its help names, beside every letter. */
static void add_options(struct buf *script, const char *program, int *n)
{
	struct buf line = {0}, help = {0};
	char option[80];
	const char *at;

	for (int c = '!'; c <= '~'; c++) {
		if (strchr("'\"", c))
			continue;
		snprintf(option, sizeof(option), "-%c", c);
		add_option(script, program, option, n);
	}
	buf_addf(&line, "%s --help 2>&1 </dev/null | head -c 200000", program);
	program_shell(buf_z(&line), &help);
	for (at = buf_z(&help); (at = strstr(at, "--")); at += 2) {
		size_t len = 2 + strspn(at + 2, "abcdefghijklmnopqrstuvwxyz0123456789-");

		if (len < 4 || len >= sizeof(option))
			continue;
		snprintf(option, sizeof(option), "%.*s", (int)len, at);
		add_option(script, program, option, n);
	}
	buf_release(&line);
	buf_release(&help);
}

static void make_try(void)
{
	mkdir(tmpdir_file(&d, "try"), 0700);
	tmpdir_write_text(&d, "try/a.c", "b\na\n");
	tmpdir_write_text(&d, "try/-o", "x\n");
	tmpdir_write_text(&d, "try/run", "#!/bin/sh\ntouch ran\n");
	chmod(tmpdir_file(&d, "try/run"), 0700);
}

static void try_program(const char *program)
{
	struct buf script = {0}, before = {0}, after = {0}, line = {0}, out = {0}, shown = {0};
	int n = 0;

	buf_addf(&script, "cd '%s' || exit 1\n", tmpdir_file(&d, "try"));
	add_options(&script, program, &n);
	buf_addz(&script, "true\n");
	list_all(&before);
	tmpdir_write_text(&d, "script", buf_z(&script));
	buf_addf(&line, "timeout 60 bash '%s'", tmpdir_file(&d, "script"));
	if (program_shell(buf_z(&line), &out) != 0)
		fail_msg("%s: one of %d does not end", program, n);
	list_all(&after);
	if (strcmp(buf_z(&before), buf_z(&after)) != 0)
		fail_msg("%s: one of %d changed\n%s\ninto\n%s", program, n, buf_z(&before),
			 buf_z(&after));
	if (whole_file(tmpdir_file(&d, "shown"), &shown) && strstr(buf_z(&shown), MARK))
		fail_msg("%s: one of %d shows what lies outside", program, n);
	unlink(tmpdir_file(&d, "shown"));
	buf_release(&shown);
	buf_release(&script);
	buf_release(&before);
	buf_release(&after);
	buf_release(&line);
	buf_release(&out);
}

static void no_option_of_any_program_that_is_taken_for_looking_changes_anything(void **state)
{
	static const char *const gits[] = {
		"status",   "diff",         "log",       "show",      "blame",
		"ls-files", "ls-tree HEAD", "rev-parse", "describe",  "shortlog HEAD",
		"branch",   "tag",          "remote",    "stash list"};
	char line[100];

	(void)state;
	make_try();
	for (size_t i = 0; readonly_name(i); i++)
		if (strcmp(readonly_name(i), "git") != 0)
			try_program(readonly_name(i));
	snprintf(line, sizeof(line),
		 "git init -q . && git add a.c && "
		 "git -c user.name=a -c user.email=a@b commit -qm x");
	{
		struct buf all = {0}, out = {0};

		buf_addf(&all, "cd '%s' && %s", tmpdir_file(&d, "try"), line);
		assert_int_equal(program_shell(buf_z(&all), &out), 0);
		buf_release(&all);
		buf_release(&out);
	}
	assert_int_equal(setenv("GIT_OPTIONAL_LOCKS", "0", 1), 0);
	for (size_t i = 0; i < sizeof(gits) / sizeof(*gits); i++) {
		snprintf(line, sizeof(line), "git %s", gits[i]);
		try_program(line);
	}
	buf_release(&listed);
}

/* Git looks for a repository above, and takes files of the workspace for one, if it has none. */
static void git_only_looks_where_the_workspace_has_a_repository(void **state)
{
	static const char *const heads[] = {".git/HEAD", "HEAD"};
	struct workspace_config c = {.named = true};
	struct err err = {0};
	char work[300];

	(void)state;
	snprintf(work, sizeof(work), "%s", tmpdir_file(&d, "bare"));
	mkdir(work, 0700);
	mkdir(tmpdir_file(&d, "bare/.git"), 0700);
	c.dir = str_of(work);
	for (size_t i = 0; i < 2; i++) {
		struct reads *r = NULL;
		char head[40];

		snprintf(head, sizeof(head), "bare/%s", heads[i]);
		tmpdir_write_text(&d, head, "ref: refs/heads/main\n");
		if (reads_new(&r, &c, &err))
			fail_msg("%s", err.text);
		assert_int_equal(reads_judge(r, STR_LIT("git diff")),
				 i ? TOOL_READ_OUTSIDE : TOOL_READ);
		assert_int_equal(reads_judge(r, STR_LIT("ls && git status")),
				 i ? TOOL_READ_OUTSIDE : TOOL_READ);
		assert_int_equal(reads_judge(r, STR_LIT("ls")), TOOL_READ);
		assert_int_equal(unlink(tmpdir_file(&d, head)), 0);
		reads_free(r);
	}
}

/* A rule that lets a folder be read is about what lies there, not about where a link leads. */
static void a_link_leads_no_further_than_rules_do(void **state)
{
	static const struct {
		const char *says, *path;
		enum rules_kind kind;
	} rows[] = {
		{"", "docs/text", RULES_RUN},
		{"", "docs/away", RULES_SILENT},
		{"other", "docs/away", RULES_ASK},
		{"work/src", "work/linked/b.c", RULES_ASK},
	};
	struct err err = {0};

	(void)state;
	mkdir(tmpdir_file(&d, "home/docs"), 0700);
	tmpdir_write_text(&d, "home/docs/text", "x\n");
	assert_int_equal(symlink("../other", tmpdir_file(&d, "home/docs/away")), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct rules_verdict v;
		struct rules *r = NULL;
		char text[600];

		if (rules_new(&r, str_of(tmpdir_file(&d, "home/work")), &err))
			fail_msg("%s", err.text);
		rules_set_reads(r, reads);
		snprintf(text, sizeof(text), "read %s/home/docs/**", d.path);
		assert_int_equal(rules_add(r, RULE_ALLOW, str_of(text), &err), 0);
		snprintf(text, sizeof(text), "read %s/home/%s", d.path, rows[i].says);
		if (*rows[i].says)
			assert_int_equal(rules_add(r, RULE_ASK, str_of(text), &err), 0);
		snprintf(text, sizeof(text), "%s/home/%s", d.path, rows[i].path);
		rules_judge_read(r, str_of(text), &v);
		if (v.kind != rows[i].kind)
			fail_msg("%s: %d, expected %d", text, (int)v.kind, (int)rows[i].kind);
		rules_free(r);
	}
}

static void a_link_hides_no_file_that_is_asked_about(void **state)
{
	static const struct {
		const char *command;
		enum rules_kind kind;
	} rows[] = {
		{"cat src/b.c", RULES_ASK},
		{"cat linked/b.c", RULES_ASK},
		{"wc -l < linked/b.c", RULES_ASK},
		{"ls linked", RULES_SILENT},
		{"cat a.c", RULES_SILENT},
	};
	struct err err = {0};
	struct rules *r = NULL;

	(void)state;
	if (rules_new(&r, str_of(tmpdir_file(&d, "home/work")), &err))
		fail_msg("%s", err.text);
	rules_set_reads(r, reads);
	assert_int_equal(rules_add(r, RULE_ASK, STR_LIT("read src/*.c"), &err), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct rules_verdict v;

		rules_judge_command(r, str_of(rows[i].command), &v);
		if (v.kind != rows[i].kind)
			fail_msg("%s: %d, expected %d", rows[i].command, (int)v.kind,
				 (int)rows[i].kind);
	}
	rules_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_only_looks_needs_no_question),
		cmocka_unit_test(what_may_do_more_is_a_command_like_others),
		cmocka_unit_test(what_looks_elsewhere_is_told_apart),
		cmocka_unit_test(a_line_is_no_less_than_each_of_its_commands),
		cmocka_unit_test(git_only_looks_where_the_workspace_has_a_repository),
		cmocka_unit_test(a_link_leads_no_further_than_rules_do),
		cmocka_unit_test(a_link_hides_no_file_that_is_asked_about),
		cmocka_unit_test(
			no_option_of_any_program_that_is_taken_for_looking_changes_anything),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
