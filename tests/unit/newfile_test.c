/* Files that appear whole or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/newfile.h"
#include "engine/base/file.h"
#include "tests/support/tmpdir.h"

/* A directory that holds something can't be removed. */
static void assert_nothing_is_left(void)
{
	assert_int_equal(rmdir(test_dir.path), 0);
	assert_int_equal(mkdir(test_dir.path, 0700), 0);
}

static void a_file_appears_whole_when_it_is_closed(void **state)
{
	const char *path = tmpdir_file(&test_dir, "out");
	struct newfile f;
	struct err err = {0};
	struct buf got = {0};

	(void)state;
	assert_int_equal(newfile_open(&f, path, &err), 0);
	assert_true(fputs("all of it", f.to) >= 0);
	assert_int_equal(fflush(f.to), 0);
	assert_int_not_equal(access(path, F_OK), 0);
	assert_int_equal(newfile_close(&f, 0, &err), 0);
	assert_int_equal(file_read(&got, path, 100, &err), 0);
	assert_string_equal(buf_z(&got), "all of it");
	buf_release(&got);
	assert_int_equal(unlink(path), 0);
	assert_nothing_is_left();
}

static void what_fails_leaves_nothing(void **state)
{
	struct newfile f;
	struct err err = {0};

	(void)state;
	assert_int_equal(newfile_open(&f, tmpdir_file(&test_dir, "out"), &err), 0);
	assert_int_equal(newfile_close(&f, ERR_STORE, &err), ERR_STORE);
	assert_nothing_is_left();
	assert_int_equal(newfile_open(&f, tmpdir_file(&test_dir, "none/out"), &err), ERR_IO);
	assert_non_null(strstr(err.text, "none/out: cannot write it: No such file"));
}

static void what_stands_there_is_never_replaced(void **state)
{
	struct newfile f;
	struct err err = {0};
	struct buf got = {0};

	(void)state;
	assert_int_equal(newfile_open(&f, tmpdir_file(&test_dir, "out"), &err), 0);
	/* Somebody else is faster. */
	tmpdir_write_text(&test_dir, "out", "theirs");
	assert_int_equal(newfile_close(&f, 0, &err), ERR_IO);
	assert_non_null(strstr(err.text, "File exists"));
	assert_int_equal(newfile_open(&f, tmpdir_file(&test_dir, "out"), &err), ERR_IO);
	assert_non_null(strstr(err.text, "File exists"));
	assert_int_equal(file_read(&got, tmpdir_file(&test_dir, "out"), 100, &err), 0);
	assert_string_equal(buf_z(&got), "theirs");
	buf_release(&got);
	assert_int_equal(unlink(tmpdir_file(&test_dir, "out")), 0);
	assert_nothing_is_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_file_appears_whole_when_it_is_closed, tmpdir_set_up,
						tmpdir_tear_down),
		cmocka_unit_test_setup_teardown(what_fails_leaves_nothing, tmpdir_set_up, tmpdir_tear_down),
		cmocka_unit_test_setup_teardown(what_stands_there_is_never_replaced, tmpdir_set_up,
						tmpdir_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
