/* The file of rules for workspaces: what of it is taken, and how it is changed. */
#include "tests/support/shared_files.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/allowed.h"
#include "tests/support/tmpdir.h"

#define HERE "/home/u/work"

static struct err err;

static int begin(void **state)
{
	int rc = tmpdir_set_up(state);

	setenv("XDG_DATA_HOME", test_dir.path, 1);
	mkdir(tmpdir_file(&test_dir, "dsv4chat"), 0700);
	return rc;
}

static const char *file(void)
{
	return tmpdir_file(&test_dir, "dsv4chat/rules");
}

/* All that are loaded of the workspace, a line each; then what is warned of. */
static void loaded(const char *workspace, struct buf *out)
{
	struct buf warnings = {0};
	enum rule_says says;
	struct rules *r;
	struct str rule;

	buf_reset(out);
	assert_int_equal(rules_new(&r, str_of(workspace), &err), 0);
	assert_int_equal(allowed_load(r, workspace, &warnings, &err), 0);
	for (size_t i = 0; (rule = rules_at(r, i, &says)).n; i++) {
		assert_int_equal(rules_from(r, i), RULES_HERE);
		buf_adds(out, rule);
		buf_addc(out, '\n');
	}
	buf_adds(out, buf_str(&warnings));
	buf_release(&warnings);
	rules_free(r);
}

static void expect_loaded(const char *workspace, const char *expected)
{
	struct buf out = {0};

	loaded(workspace, &out);
	assert_string_equal(buf_z(&out), expected);
	buf_release(&out);
}

static void rules_are_kept_for_one_workspace_and_taken_back(void **state)
{
	struct stat st;

	(void)state;
	unlink(file());
	expect_loaded(HERE, "");
	assert_int_equal(allowed_add(HERE, STR_LIT("shell npm ci; shell npm test"), &err), 0);
	assert_int_equal(allowed_add("/other", STR_LIT("shell make"), &err), 0);
	assert_int_equal(stat(file(), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	expect_loaded(HERE, "allow = shell npm ci\nallow = shell npm test\n");
	expect_loaded("/other", "allow = shell make\n");
	expect_loaded("/home/u", "");
	assert_int_equal(allowed_remove("/other", STR_LIT("shell npm ci"), &err), 0);
	assert_int_equal(allowed_remove(HERE, STR_LIT("shell npm ci"), &err), 0);
	expect_loaded(HERE, "allow = shell npm test\n");
	expect_loaded("/other", "allow = shell make\n");
}

static void what_is_no_rule_is_told_and_stays_where_it_is(void **state)
{
	struct buf out = {0}, text = {0};

	(void)state;
	tmpdir_write_text(&test_dir, "dsv4chat/rules",
			  "not JSON\n"
			  "{\"workspace\": \"" HERE "\", \"rule\": \"shell a;b|c\"}\n"
			  "{\"workspace\": \"" HERE "\", \"rule\": 7}\n"
			  "[]\n\n"
			  "{\"workspace\": \"" HERE "\", \"rule\": \"shell make\"}\n");
	chmod(file(), 0600);
	loaded(HERE, &out);
	assert_memory_equal(buf_z(&out), "allow = shell make\n", 19);
	assert_non_null(strstr(buf_z(&out), "line 1: "));
	assert_non_null(strstr(buf_z(&out), "line 2: "));
	assert_null(strstr(buf_z(&out), "line 3: "));
	assert_int_equal(allowed_add(HERE, STR_LIT("shell d"), &err), 0);
	assert_true(whole_file(file(), &text));
	assert_memory_equal(buf_z(&text), "not JSON\n", 9);
	assert_non_null(strstr(buf_z(&text), "shell a;b|c"));
	buf_release(&out);
	buf_release(&text);
}

static void a_file_that_others_can_write_lets_nothing_run(void **state)
{
	struct buf out = {0};

	(void)state;
	tmpdir_write_text(&test_dir, "dsv4chat/rules",
			  "{\"workspace\": \"" HERE "\", \"rule\": \"shell make\"}\n");
	chmod(file(), 0622);
	loaded(HERE, &out);
	assert_non_null(strstr(buf_z(&out), "not taken, since it is writable by others"));
	assert_null(strstr(buf_z(&out), "allow"));
	assert_int_equal(allowed_add(HERE, STR_LIT("shell d"), &err), ERR_IO);
	unlink(file());
	assert_int_equal(symlink("/dev/null", file()), 0);
	loaded(HERE, &out);
	assert_non_null(strstr(buf_z(&out), "no regular file"));
	assert_int_equal(allowed_add(HERE, STR_LIT("shell d"), &err), ERR_IO);
	unlink(file());
	mkdir(file(), 0700);
	loaded(HERE, &out);
	assert_non_null(strstr(buf_z(&out), "no regular file"));
	rmdir(file());
	assert_int_equal(allowed_add("/a\xff", STR_LIT("shell d"), &err), ERR_USAGE);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_are_kept_for_one_workspace_and_taken_back),
		cmocka_unit_test(what_is_no_rule_is_told_and_stays_where_it_is),
		cmocka_unit_test(a_file_that_others_can_write_lets_nothing_run),
	};

	return cmocka_run_group_tests(tests, begin, tmpdir_tear_down);
}
