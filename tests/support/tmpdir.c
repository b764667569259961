/* Making, filling and emptying a test's directory. */
#include "tests/support/tmpdir.h"

#include <ftw.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct tmpdir test_dir;

int tmpdir_set_up(void **state)
{
	(void)state;
	tmpdir_init(&test_dir);
	return 0;
}

int tmpdir_tear_down(void **state)
{
	(void)state;
	tmpdir_release(&test_dir);
	return 0;
}

void tmpdir_init(struct tmpdir *d)
{
	const char *base = getenv("TMPDIR");
	int n = snprintf(d->path, sizeof(d->path), "%s/dsv4chat-test-XXXXXX",
			 base && *base ? base : "/tmp");

	assert_in_range(n, 1, sizeof(d->path) - 1);
	assert_non_null(mkdtemp(d->path));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_all(const char *path)
{
	assert_int_equal(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

void tmpdir_release(struct tmpdir *d)
{
	remove_all(d->path);
}

void tmpdir_clear(const struct tmpdir *d, const char *name)
{
	struct stat st;

	if (lstat(tmpdir_file(d, name), &st) == 0)
		remove_all(tmpdir_file(d, name));
}

const char *tmpdir_file(const struct tmpdir *d, const char *name)
{
	static char ring[8][512];
	static unsigned int next;
	char *path = ring[next++ % 8];
	int n = snprintf(path, sizeof(ring[0]), "%s/%s", d->path, name);

	assert_in_range(n, 1, sizeof(ring[0]) - 1);
	return path;
}

void tmpdir_write(const struct tmpdir *d, const char *name, const void *data, size_t n)
{
	FILE *f = fopen(tmpdir_file(d, name), "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

void tmpdir_write_text(const struct tmpdir *d, const char *name, const char *text)
{
	tmpdir_write(d, name, text, strlen(text));
}

void tmpdir_copy(const struct tmpdir *d, const char *from)
{
	const char *slash = strrchr(from, '/');
	FILE *in = fopen(from, "rb");
	FILE *out = fopen(tmpdir_file(d, slash ? slash + 1 : from), "wb");
	char block[65536];
	size_t n;

	assert_non_null(in);
	assert_non_null(out);
	while ((n = fread(block, 1, sizeof(block), in)))
		assert_int_equal(fwrite(block, 1, n, out), n);
	assert_false(ferror(in));
	fclose(in);
	assert_int_equal(fclose(out), 0);
}
