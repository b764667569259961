/* The file of inputs: what comes back of it, and what goes with a conversation. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/inputs.h"
#include "engine/base/clock.h"
#include "tests/support/store.h"

static struct store s;
static struct err err;
static const char *path;

static int set_up(void **state)
{
	(void)state;
	store_init(&s);
	path = tmpdir_file(&s.dir, "inputs");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	store_release(&s);
	return 0;
}

static void add_line(void *ctx, struct str text)
{
	struct buf *all = ctx;

	for (size_t i = 0; i < text.n; i++)
		buf_addc(all, text.p[i] ? text.p[i] : '0');
	buf_addc(all, '|');
}

static void expect_inputs(const char *want)
{
	struct buf all = {0};

	path = tmpdir_file(&s.dir, "inputs");
	assert_int_equal(inputs_read(path, add_line, &all, &err), 0);
	assert_string_equal(buf_z(&all), want);
	buf_release(&all);
}

static void what_was_typed_comes_back_without_where(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		const char *uid;
	} cases[] = {
		{"plain words", 11, NULL},
		{"with an origin", 14, "0123456789"},
		{"nul \0 within", 12, "0123456789"},
		{"forged\0"
		 "abcdefghij",
		 17, NULL},
		{"\\000abcdefghij", 14, NULL},
		{"line\nand tab\t", 13, "abcdefghij"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(inputs_append(path, (struct str){cases[i].text, cases[i].n},
					       cases[i].uid, &err),
				 0);
	expect_inputs("plain words|with an origin|nul 0 within|forged0abcdefghij|"
		      "\\000abcdefghij|line\nand tab\t|");
}

/* Types `text` in a conversation that says `said`; both may differ: @file, /system. */
static void type(const char *text, const char *uid)
{
	assert_int_equal(inputs_append(path, str_of(text), uid, &err), 0);
}

static const char *uid_of(int64_t id)
{
	static char uids[4][HISTORY_UID_LEN + 1];
	static size_t next;
	char *uid = uids[next++ % 4];
	struct history_list list;

	assert_int_equal(history_get(s.h, id, &list, &err), 0);
	snprintf(uid, sizeof(uids[0]), "%s", list.items[0].uid);
	history_list_release(&list);
	return uid;
}

static void a_conversation_takes_along_what_was_typed_in_it_and_no_more(void **state)
{
	int64_t gone = store_talk(s.h, "hi", "t", "a"), stays = store_talk(s.h, "hi", "t", "a");
	const char *in_gone = uid_of(gone), *in_stays = uid_of(stays);
	struct inputs typed = {0};
	char open_gone[32], search[] = "/search hi";

	(void)state;
	snprintf(open_gone, sizeof(open_gone), "/open %s", in_gone);
	type("look at @secret.txt", in_gone);
	type("/system be a pirate", in_gone);
	type("hi", in_gone);
	type("a draft never sent", in_gone);
	type("hi", in_stays);
	type("this is hidden", in_stays);
	type("look at @other.txt", in_stays);
	type(open_gone, in_stays);
	type(search, in_stays);
	type("/system be brief", in_stays);
	/* What older programs wrote tells no origin: content decides. */
	type("hi there", NULL);
	type("unlike it", NULL);
	assert_int_equal(inputs_gather(&typed, s.h, gone, &err), 0);
	assert_int_equal(inputs_forget(&typed, path, &err), 0);
	inputs_release(&typed);
	expect_inputs("hi|this is hidden|look at @other.txt|/system be brief|unlike it|");
}

/* A pipe that somebody reads takes what is written to it, and one that nobody does waits. */
static void what_is_no_file_is_told_at_once(void **state)
{
	const char *fifo = tmpdir_file(&s.dir, "fifo");
	struct buf all = {0};
	struct inputs typed = {0};
	int fd;

	(void)state;
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(inputs_append(fifo, STR_LIT("x"), NULL, &err), ERR_IO);
	assert_int_equal(inputs_forget(&typed, fifo, &err), ERR_IO);
	assert_int_equal(inputs_read(fifo, add_line, &all, &err), ERR_IO);
	fd = open(fifo, O_RDONLY | O_NONBLOCK);
	assert_true(fd >= 0);
	assert_int_equal(inputs_append(fifo, STR_LIT("x"), NULL, &err), ERR_IO);
	assert_non_null(strstr(err.text, "not a regular file"));
	close(fd);
	assert_int_equal(inputs_append(s.dir.path, STR_LIT("x"), NULL, &err), ERR_IO);
}

/* Whoever has the lock may be stopped with it. */
static void a_lock_that_somebody_keeps_is_told_and_not_waited_for(void **state)
{
	struct inputs typed = {0};
	int64_t began = clock_ms();
	int fd;

	(void)state;
	assert_int_equal(inputs_append(path, STR_LIT("x"), NULL, &err), 0);
	fd = open(path, O_RDONLY);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(inputs_append(path, STR_LIT("y"), NULL, &err), ERR_IO);
	assert_non_null(strstr(err.text, "cannot lock it"));
	assert_int_equal(inputs_forget(&typed, path, &err), ERR_IO);
	assert_true(clock_ms() - began < 60000);
	close(fd);
	assert_int_equal(inputs_append(path, STR_LIT("z"), NULL, &err), 0);
	expect_inputs("x|z|");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(what_was_typed_comes_back_without_where),
		T(what_is_no_file_is_told_at_once),
		T(a_lock_that_somebody_keeps_is_told_and_not_waited_for),
		T(a_conversation_takes_along_what_was_typed_in_it_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
