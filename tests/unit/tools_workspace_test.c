/* Which paths a tool may read, wherever links lead. */
#include "tests/support/shared_files.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/tools/glob.h"
#include "app/tools/secrets.h"
#include "app/tools/workspace.h"
#include "tests/support/tmpdir.h"

static void patterns_stay_within_names_but_for_two_stars(void **state)
{
	static const struct {
		const char *pattern, *path;
		bool matches;
	} rows[] = {
		{"*.c", "main.c", true},
		{"*.c", "src/main.c", false},
		{"src/*.c", "src/main.c", true},
		{"src/*", "src/a/b", false},
		{"**/*.c", "main.c", true},
		{"**/*.c", "a/b/main.c", true},
		{"**/*.c", "a/b/main.h", false},
		{"src/**", "src/a/b", true},
		{"src/**", "src", false},
		{"src/**", "srcs/a", false},
		{"a/**/z", "a/z", true},
		{"a/**/z", "a/b/c/z", true},
		{"a/**/z", "a/b/zz", false},
		{"a/**/b/**/z", "a/x/b/y/b/z", true},
		{"**", "a", true},
		{"**/**", "a/b", true},
		{"?", "\xc3\xa9", true},
		{"?", "ab", false},
		{"[a-c]x", "bx", true},
		{"[!a-c]x", "bx", false},
		{"[]]", "]", true},
		{"[a", "[a", true},
		{"[a-]", "-", true},
		{"\\*", "*", true},
		{"\\*", "x", false},
		{"a*b*c", "aXbXbXc", true},
		{"a*b*c", "aXbXbX", false},
		{"", "", true},
		{"*", "", false},
		{".env", ".ENV", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (glob_match(str_of(rows[i].pattern), str_of(rows[i].path), false) !=
		    rows[i].matches)
			fail_msg("%s on %s", rows[i].pattern, rows[i].path);
	assert_true(glob_match(str_of(".env"), str_of(".ENV"), true));
	assert_true(glob_match(str_of("[a-c]"), str_of("B"), true));
}

static void a_pattern_of_many_stars_ends_soon(void **state)
{
	char pattern[401], path[20001];

	(void)state;
	for (size_t i = 0; i < 400; i += 2)
		memcpy(pattern + i, "*a", 2);
	pattern[399] = 'b';
	pattern[400] = '\0';
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_false(glob_match(str_of(pattern), str_of(path), false));
}

/* It matches the path, or the part of it that ends before one of its slashes. */
static bool is_covered(struct str pattern, struct str path)
{
	for (size_t n = 1; n <= path.n; n++)
		if ((n == path.n || path.p[n] == '/') &&
		    glob_match(pattern, (struct str){path.p, n}, false))
			return true;
	return false;
}

static void a_pattern_covers_what_lies_below_what_it_matches(void **state)
{
	static const char *const patterns[] = {
		"",     "/",    "a",   "a/b",    "/a/b",   "a*/?",   "**",   "**/",
		"a/**", "**/b", "*/b", "**/a/b", "a/**/b", "a/**/c", "**/*", "a/b/c/d",
	};
	static const char *const paths[] = {
		"",  "/",   "a",     "b",     "/a/b",    "a/b/c", "ab/c",
		"a/", "a/a", "a/x/b/c", "x/a/b", "x/y/z", "//a", "b/a/x/c/d",
	};
	size_t n = 0;

	(void)state;
	assert_true(glob_covers(STR_LIT(".ssh"), STR_LIT(".SSH/id/x"), true));
	assert_false(glob_covers(STR_LIT(".ssh"), STR_LIT(".sshx/id"), true));
	assert_false(glob_covers(STR_LIT(".ssh/id"), STR_LIT(".ssh"), true));
	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
		for (size_t k = 0; k < sizeof(paths) / sizeof(*paths); k++) {
			struct str pattern = str_of(patterns[i]), path = str_of(paths[k]);
			bool covers = glob_covers(pattern, path, false);

			if (covers != is_covered(pattern, path))
				fail_msg("\"%s\" on \"%s\"", patterns[i], paths[k]);
			n += covers;
		}
	}
	assert_true(n > 50);
}

static void secrets_are_known_by_place_and_by_name(void **state)
{
	static const struct {
		const char *rel;
		bool home, name;
	} rows[] = {
		{".ssh", true, false},
		{".ssh/id_rsa", true, true},
		{".SSH/config", true, false},
		{".sshx", false, false},
		{".config/gh/hosts.yml", true, false},
		{".config/ghostty", false, false},
		{".bash_history", true, false},
		{"x/.bash_history", false, false},
		{".cargo/credentials.toml", true, false},
		{".cargo/config.toml", false, false},
		{".env", false, true},
		{".env.local", false, true},
		{".env.example", false, false},
		{"deep/down/.ENV", false, true},
		{"server.key", false, true},
		{"cert.pem", false, true},
		{"tests/cert.pem", false, false},
		{"a/test-data/x/cert.pem", false, false},
		{"test.pem", false, true},
		{"id_ed25519.pub", false, false},
		{"id_ed25519_work", false, true},
		{"keys.c", false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (secret_in_home(str_of(rows[i].rel)) != rows[i].home)
			fail_msg("%s in HOME", rows[i].rel);
		if (secret_by_name(str_of(rows[i].rel)) != rows[i].name)
			fail_msg("%s by name", rows[i].rel);
	}
	assert_true(secret_of_system(str_of("/etc/shadow"), true));
	assert_true(secret_of_system(str_of("/etc/ssh/ssh_host_rsa_key"), true));
	assert_false(secret_of_system(str_of("/etc/ssh/ssh_config"), true));
	assert_true(secret_of_system(str_of("/root/x"), false));
	assert_false(secret_of_system(str_of("/root/x"), true));
}

/* ---- a workspace on disk ---- */

struct stage {
	struct tmpdir d;
	char *base; /* its true path */
	struct workspace w;
};

static void must(int rc)
{
	assert_int_equal(rc, 0);
}

static void make_dir(const struct stage *s, const char *name)
{
	must(mkdir(tmpdir_file(&s->d, name), 0700));
}

static void make_link(const struct stage *s, const char *to, const char *name)
{
	must(symlink(to, tmpdir_file(&s->d, name)));
}

static void open_stage(struct stage *s, const struct workspace_config *c)
{
	struct err err = {0};

	if (workspace_init(&s->w, c, &err) != 0)
		fail_msg("%s", err.text);
}

static int begin(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	tmpdir_init(&s->d);
	s->base = realpath(s->d.path, NULL);
	make_dir(s, "home");
	make_dir(s, "home/.ssh");
	tmpdir_write_text(&s->d, "home/.ssh/config", "secret");
	tmpdir_write_text(&s->d, "home/notes", "notes");
	make_dir(s, "home/ws");
	make_dir(s, "home/ws/src");
	make_dir(s, "more");
	make_dir(s, "own");
	tmpdir_write_text(&s->d, "own/history.db", "x");
	tmpdir_write_text(&s->d, "more/m", "m");
	tmpdir_write_text(&s->d, "outside", "out");
	tmpdir_write_text(&s->d, "home/ws/a", "a");
	tmpdir_write_text(&s->d, "home/ws/ blank ", "a");
	tmpdir_write_text(&s->d, "home/ws/src/b", "b");
	tmpdir_write_text(&s->d, "home/ws/.env", "TOKEN");
	make_link(s, "src", "home/ws/in");
	make_link(s, "../../outside", "home/ws/out");
	make_link(s, "/etc/passwd", "home/ws/abs");
	make_link(s, ".env", "home/ws/harmless");
	make_link(s, "loop", "home/ws/loop");
	make_link(s, "/proc/self/fd/0", "home/ws/magic");
	make_link(s, "../../outside", "home/ws/src/out");
	*state = s;
	return 0;
}

static int end(void **state)
{
	struct stage *s = *state;

	workspace_close(&s->w);
	tmpdir_release(&s->d);
	free(s->base);
	free(s);
	return 0;
}

static void open_usual(struct stage *s)
{
	char ws[600], home[600], more[600], own[600];
	struct workspace_more m = {.read_only = true};
	struct str owned;

	snprintf(ws, sizeof(ws), "%s/home/ws", s->base);
	snprintf(home, sizeof(home), "%s/home", s->base);
	snprintf(more, sizeof(more), "%s/more", s->base);
	snprintf(own, sizeof(own), "%s/own", s->base);
	m.dir = str_of(more);
	owned = str_of(own);
	open_stage(s, &(struct workspace_config){.dir = str_of(ws),
						 .home = str_of(home),
						 .more = &m,
						 .n_more = 1,
						 .own = &owned,
						 .n_own = 1});
}

/* What is found of the path, below its root; or why it is not. */
static void expect(const struct stage *s, const char *path, bool outside, const char *rel,
		   const char *why_not)
{
	struct place p;
	struct buf why = {0};
	int rc = workspace_find(&s->w, str_of(path), outside, &p, &why);

	if (rc == 0 && rel && !str_is(place_rel(&p), rel))
		fail_msg("%s is %.*s, expected %s", path, (int)place_rel(&p).n, place_rel(&p).p,
			 rel);
	if (rc == 0 ? !rel : rel || !strstr(buf_z(&why), why_not))
		fail_msg("%s: %d \"%s\", expected \"%s\"", path, rc, buf_z(&why),
			 rel ? rel : why_not);
	place_close(&p);
	buf_release(&why);
}

static void check_inside(const struct stage *s)
{
	expect(s, "a", false, "a", NULL);
	expect(s, "./src//b", false, "src/b", NULL);
	expect(s, ".", false, "", NULL);
	expect(s, "missing", false, NULL, "missing: no such file or directory");
	expect(s, "a/b", false, NULL, "a/b: Not a directory");
	expect(s, "", false, NULL, "the path is empty");
	expect(s, "  a\n", false, "a", NULL);
	expect(s, " blank ", false, " blank ", NULL);
	expect(s, "~/ws/a", false, "a", NULL);
}

static void check_outside(const struct stage *s)
{
	expect(s, "out", false, NULL, "out leads outside the workspace");
	expect(s, "src/out", false, NULL, "leads outside");
	expect(s, "abs", false, NULL, "leads outside");
	expect(s, "loop", false, NULL, "leads outside");
	expect(s, "magic", false, NULL, "leads outside");
	expect(s, "../notes", false, NULL, "leads outside");
	expect(s, "src/../../notes", false, NULL, "leads outside");
	expect(s, "/etc/passwd", false, NULL, "leads outside");
	expect(s, "/no/such/thing", false, NULL, "leads outside");
	expect(s, "/usr/../etc/passwd", false, NULL, "leads outside");
	expect(s, "~/notes", false, NULL, "leads outside");
	expect(s, "/etc/passwd", true, "/etc/passwd", NULL);
	expect(s, "/usr/bin", false, "/usr/bin", NULL);
	expect(s, "out", true, NULL, "leads outside"); /* a link of the workspace never does */
}

static void check_hidden(const struct stage *s)
{
	char own[600];

	snprintf(own, sizeof(own), "%s/own/history.db", s->base);
	expect(s, ".env", false, NULL, ".env is hidden (it may hold secrets)");
	expect(s, "~/.ssh/config", true, NULL, "is hidden");
	expect(s, "/etc/shadow", true, NULL, "is hidden");
	expect(s, own, true, NULL, "is hidden");
	expect(s, "/proc/self/environ", true, NULL, "is in /proc");
}

static void a_path_leads_to_what_is_in_the_workspace_or_nowhere(void **state)
{
	struct stage *s = *state;
	char path[600];

	open_usual(s);
	assert_false(s->w.plain);
	check_inside(s);
	check_outside(s);
	check_hidden(s);
	expect(s, "in/b", false, "src/b", NULL);
	expect(s, "harmless", false, NULL, "is hidden");
	snprintf(path, sizeof(path), "%s/more/m", s->base);
	expect(s, path, false, "m", NULL);
	snprintf(path, sizeof(path), "%s/more/../outside", s->base);
	expect(s, path, false, NULL, "leads outside");
}

static void without_openat2_no_link_is_followed(void **state)
{
	struct stage *s = *state;

	open_usual(s);
	s->w.plain = true;
	check_inside(s);
	check_outside(s);
	check_hidden(s);
	expect(s, "in/b", false, NULL, "leads outside");
	expect(s, "harmless", false, NULL, "leads outside");
}

static void a_nul_in_a_path_is_refused(void **state)
{
	struct stage *s = *state;
	struct buf why = {0};
	struct place p;

	open_usual(s);
	assert_int_equal(workspace_find(&s->w, (struct str){"a\0b", 3}, false, &p, &why),
			 ERR_USAGE);
	assert_string_equal(buf_z(&why), "the path has a NUL in it");
	place_close(&p);
	buf_release(&why);
}

static void what_is_judged_by_its_name_is_what_reading_it_takes(void **state)
{
	static const struct {
		const char *path;
		enum tool_class cls;
	} rows[] = {
		{"a", TOOL_READ},
		{"new/file", TOOL_READ},
		{".env", TOOL_FORBIDDEN},
		{"~/.ssh/config", TOOL_FORBIDDEN},
		{"/etc/shadow", TOOL_FORBIDDEN},
		{"/etc/passwd", TOOL_READ_OUTSIDE},
		{"~/notes", TOOL_READ_OUTSIDE},
		{"/usr/include/stdio.h", TOOL_READ},
		{"/usr/../etc/passwd", TOOL_READ_OUTSIDE},
		{"OUT:3", TOOL_READ},
	};
	struct stage *s = *state;

	open_usual(s);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (workspace_judge(&s->w, str_of(rows[i].path)) != rows[i].cls)
			fail_msg("%s", rows[i].path);
}

static void patterns_of_the_user_hide_and_show(void **state)
{
	struct stage *s = *state;
	struct str hide[] = {STR_LIT("src/**"), STR_LIT("a*")}, show[] = {STR_LIT(".env")}, own;
	char ws[600], inner[600];

	snprintf(ws, sizeof(ws), "%s/home/ws", s->base);
	snprintf(inner, sizeof(inner), "%s/home/ws/in", s->base);
	own = str_of(inner);
	open_stage(s, &(struct workspace_config){.dir = str_of(ws),
						 .hide = hide,
						 .n_hide = 2,
						 .show = show,
						 .n_show = 1,
						 .own = &own,
						 .n_own = 1});
	expect(s, ".env", false, ".env", NULL);
	expect(s, "a", false, NULL, "is hidden");
	expect(s, "src/b", false, NULL, "is hidden");
	expect(s, "in", false, NULL, "is hidden"); /* src, the program's own by its true name */
}

static void some_folders_are_no_workspace(void **state)
{
	static const struct {
		const char *dir;
		bool named;
		const char *why; /* NULL: it is one */
	} rows[] = {
		{"/", true, "/: cannot be the workspace"},
		{"home", false, "has your home in it"},
		{".", false, "has your home in it"},
		{"home", true, NULL},
		{"home/ws", false, NULL},
		{"home/.ssh", true, "it is hidden from tools"},
		{"own", true, "it is hidden from tools"},
		{"nowhere", true, "No such file"},
		{"outside", true, "Not a directory"},
	};
	struct stage *s = *state;
	char dir[600], home[600], own[600];
	struct str owned;

	snprintf(home, sizeof(home), "%s/home", s->base);
	snprintf(own, sizeof(own), "%s/own", s->base);
	owned = str_of(own);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct workspace w;
		struct err err = {0};
		int rc;

		snprintf(dir, sizeof(dir), "%s/%s", s->base, rows[i].dir);
		rc = workspace_init(&w,
				    &(struct workspace_config){
					    .dir = str_of(rows[i].dir[0] == '/' ? "/" : dir),
					    .named = rows[i].named,
					    .home = str_of(home),
					    .own = &owned,
					    .n_own = 1},
				    &err);
		if (rows[i].why ? rc != ERR_USAGE || !strstr(err.text, rows[i].why) : rc != 0)
			fail_msg("%s: %d %s", rows[i].dir, rc, err.text);
		workspace_close(&w);
	}
}

static void a_workspace_that_was_replaced_is_noticed(void **state)
{
	struct stage *s = *state;
	struct err err = {0};
	char from[600], to[600];

	open_usual(s);
	assert_int_equal(workspace_check(&s->w, &err), 0);
	snprintf(from, sizeof(from), "%s/home/ws", s->base);
	snprintf(to, sizeof(to), "%s/home/moved", s->base);
	must(rename(from, to));
	must(symlink(to, from));
	assert_int_equal(workspace_check(&s->w, &err), ERR_FAILED);
	assert_non_null(strstr(err.text, "was replaced"));
	must(unlink(from));
	must(rename(to, from));
	assert_int_equal(workspace_check(&s->w, &err), 0);
}

static void what_other_programs_run_or_are_told_by_is_always_asked_about(void **state)
{
	static const char *const asks[] = {
		"Makefile", "sub/makefile", "rules.mk", "CMakeLists.txt", "x/y/foo.cmake",
		"meson.build", "Cargo.toml", "build.rs", ".cargo/config.toml", "package.json",
		"web/Package.JSON", ".npmrc", "setup.py", "pyproject.toml", "conftest.py",
		"pom.xml", "app/build.gradle.kts", "gradlew.bat", "go.mod", "Dockerfile.dev",
		"compose.yaml", "docker-compose.test.yml", ".github/workflows/ci.yml",
		".gitlab-ci.yml", ".circleci/config.yml", "Jenkinsfile", ".githooks/pre-commit",
		".pre-commit-config.yaml", ".husky/pre-push", ".gitattributes", ".gitmodules",
		".vscode/tasks.json", ".idea/x", ".envrc", ".mcp.json", "AGENTS.md",
		"deep/agents.md", "CLAUDE.md", ".claude/settings.json", ".bashrc", ".vimrc",
		".dir-locals.el", ".git/config", "Makefile. ", "\xff/AGENTS.md",
	};
	static const char *const others[] = {
		"main.c", "src/make.c", "Makefile.txt", "notes/AGENTS.md.txt", "build/out.txt",
		"config/app.json", "package.jsonl", "github/x", "docs/docker.md", "mk", "", "/",
		"a.c/b", "hooks.c",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++)
		if (!tools_always_ask(str_of(asks[i])))
			fail_msg("%s is not asked about", asks[i]);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (tools_always_ask(str_of(others[i])))
			fail_msg("%s is asked about", others[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_stay_within_names_but_for_two_stars),
		cmocka_unit_test(a_pattern_of_many_stars_ends_soon),
		cmocka_unit_test(a_pattern_covers_what_lies_below_what_it_matches),
		cmocka_unit_test(secrets_are_known_by_place_and_by_name),
		cmocka_unit_test_setup_teardown(
			a_path_leads_to_what_is_in_the_workspace_or_nowhere, begin, end),
		cmocka_unit_test_setup_teardown(without_openat2_no_link_is_followed, begin,
						end),
		cmocka_unit_test_setup_teardown(a_nul_in_a_path_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(
			what_is_judged_by_its_name_is_what_reading_it_takes, begin, end),
		cmocka_unit_test_setup_teardown(patterns_of_the_user_hide_and_show, begin, end),
		cmocka_unit_test_setup_teardown(some_folders_are_no_workspace, begin, end),
		cmocka_unit_test_setup_teardown(a_workspace_that_was_replaced_is_noticed, begin,
						end),
		cmocka_unit_test(what_other_programs_run_or_are_told_by_is_always_asked_about),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
