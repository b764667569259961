/* Shards and their index: what is found, and each broken file that is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/buf.h"
#include "engine/base/mapped.h"
#include "engine/checkpoint/safetensors.h"
#include "tests/support/tmpdir.h"


/* A file of this header (its length as it is, unless `length` says another) and n bytes of data. */
static void write_shard(const struct tmpdir *d, const char *name, const char *header,
			uint64_t length, size_t n)
{
	struct buf b = {0};

	if (!length)
		length = strlen(header);
	buf_add(&b, &length, sizeof(length));
	buf_addz(&b, header);
	for (size_t i = 0; i < n; i++)
		buf_addc(&b, (char)i);
	assert_false(buf_failed(&b));
	tmpdir_write(d, name, b.data, b.len);
	buf_release(&b);
}

struct bad_file {
	const char *header;
	uint64_t length; /* claimed; 0: the true one */
	size_t n_data;
	const char *expect;
};

#define F32_2(name, from, to)                                                                 \
	"\"" name "\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[" #from "," #to "]}"

/* Headers of 8 n bytes, so that the data is aligned: padded with spaces where it matters. */
static const struct bad_file bad_files[] = {
	{"{", 0, 0, "expected a JSON object"},
	{"[]", 0, 0, "not a JSON object"},
	{"", 0, 0, "expected a JSON object"},
	{"{}", 3, 0, "header of 3 bytes"},
	{"{}", UINT64_MAX, 0, "header of 18446744073709551615 bytes"},
	{"{}", UINT64_MAX - 7, 0, "header of 18446744073709551608 bytes"},
	{"{}", 0, 5, "5 bytes after the last tensor"},
	{"{\"a\":1}", 0, 0, "not an object"},
	{"{\"a\":{}}", 0, 0, "dtype missing"},
	{"{\"a\":{\"dtype\":\"F7\",\"shape\":[1],\"data_offsets\":[0,1]}}", 0, 1, "dtype F7"},
	{"{\"a\":{\"dtype\":\"U8\",\"shape\":3,\"data_offsets\":[0,1]}}", 0, 1, "shape"},
	{"{\"a\":{\"dtype\":\"U8\",\"shape\":[-1],\"data_offsets\":[0,1]}}", 0, 1, "shape[0] is -1"},
	{"{\"a\":{\"dtype\":\"U8\",\"shape\":[1.0],\"data_offsets\":[0,1]}}", 0, 1, "shape[0]"},
	{"{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1],\"data_offsets\":[0,1]}}", 0, 1,
	 "5 dimensions"},
	{"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0, 0,
	 "shape[1]"},
	{"{\"a\":{\"dtype\":\"I64\",\"shape\":[2305843009213693952],\"data_offsets\":[0,0]}}", 0, 0,
	 "shape[0]"},
	{"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0]}}", 0, 1, "data_offsets"},
	{"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,0]}}", 0, 1, "data_offsets"},
	{"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[-1,0]}}", 0, 1, "data_offsets"},
	{"{\"a\":{\"dtype\":\"U8\",\"shape\":[9],\"data_offsets\":[0,9]}}", 0, 1, "data ends at 9"},
	{"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],"
	 "\"data_offsets\":[9223372036854775806,9223372036854775807]}}",
	 0, 1, "data ends at 9223372036854775807"},
	{"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,1]}}", 0, 1, "expected 2 from"},
	{"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}", 0, 2, "expected no gap"},
	{"{" F32_2("a", 0, 8) "," F32_2("b", 4, 12) "}", 0, 12, "overlaps a"},
	{"{" F32_2("a", 0, 8) "," F32_2("b", 0, 8) "}", 0, 8, "overlaps"},
	{"{" F32_2("a", 0, 8) "," F32_2("a", 8, 16) "}", 0, 16, "duplicate"},
	{"{\"\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, 0, "tensor name of 0"},
	{" {" F32_2("a", 0, 8) "}", 0, 8, "expected a multiple of 4"},
};

static void every_broken_file_is_refused_and_named(void **state)
{
	struct tmpdir d;

	(void)state;
	tmpdir_init(&d);
	for (size_t i = 0; i < sizeof(bad_files) / sizeof(bad_files[0]); i++) {
		const struct bad_file *b = &bad_files[i];
		struct safetensors *st;
		struct err err = {0};
		struct buf header = {0};

		/* All but the misaligned one (which begins with a space) get an aligned header. */
		buf_addz(&header, b->header);
		while (!b->length && *b->header && *b->header != ' ' && header.len % 8)
			buf_addc(&header, ' ');
		if (*b->header == ' ')
			while (header.len % 4 != 1)
				buf_addc(&header, ' ');
		write_shard(&d, "model.safetensors", buf_z(&header), b->length, b->n_data);
		buf_release(&header);
		if (safetensors_open(&st, d.path, &err) != ERR_MODEL || st)
			fail_msg("case %zu was taken: %s", i, b->header);
		if (strncmp(err.text, "model.safetensors: ", 19) != 0 ||
		    !strstr(err.text, b->expect))
			fail_msg("case %zu: \"%s\" lacks \"%s\"", i, err.text, b->expect);
	}
	tmpdir_release(&d);
}

static void short_and_strange_files_are_refused(void **state)
{
	struct safetensors *st;
	struct err err = {0};
	struct tmpdir d;

	(void)state;
	tmpdir_init(&d);
	assert_int_equal(safetensors_open(&st, d.path, &err), ERR_MODEL);
	assert_non_null(strstr(err.text, "found neither"));
	assert_int_equal(safetensors_open(&st, tmpdir_file(&d, "nowhere"), &err), ERR_MODEL);
	tmpdir_write(&d, "model.safetensors", "", 0);
	assert_int_equal(safetensors_open(&st, d.path, &err), ERR_MODEL);
	assert_non_null(strstr(err.text, "0 bytes, expected at least 8"));
	tmpdir_write(&d, "model.safetensors", "1234567", 7);
	assert_int_equal(safetensors_open(&st, d.path, &err), ERR_MODEL);
	unlink(tmpdir_file(&d, "model.safetensors"));
	assert_int_equal(mkfifo(tmpdir_file(&d, "model.safetensors"), 0600), 0);
	assert_int_equal(safetensors_open(&st, d.path, &err), ERR_MODEL);
	assert_non_null(strstr(err.text, "not a regular file"));
	unlink(tmpdir_file(&d, "model.safetensors"));
	assert_int_equal(symlink("/dev/zero", tmpdir_file(&d, "model.safetensors")), 0);
	assert_int_equal(safetensors_open(&st, d.path, &err), ERR_MODEL);
	unlink(tmpdir_file(&d, "model.safetensors"));
	assert_int_equal(mkdir(tmpdir_file(&d, "model.safetensors"), 0700), 0);
	assert_int_equal(safetensors_open(&st, d.path, &err), ERR_MODEL);
	tmpdir_release(&d);
}

static const char shard_a[] = "{" F32_2("a", 0, 8) "}";
static const char shard_b[] = "{" F32_2("b", 0, 8) "}";

static void write_pair(const struct tmpdir *d, const char *index)
{
	char padded[128];

	snprintf(padded, sizeof(padded), "%-64s", shard_a);
	write_shard(d, "one.safetensors", padded, 0, 8);
	snprintf(padded, sizeof(padded), "%-64s", shard_b);
	write_shard(d, "two.safetensors", padded, 0, 8);
	tmpdir_write_text(d, "model.safetensors.index.json", index);
}

static void every_broken_index_is_refused(void **state)
{
	static const struct {
		const char *index, *expect;
	} cases[] = {
		{"", "expected a JSON object"},
		{"{}", "weight_map"},
		{"{\"weight_map\":[]}", "weight_map"},
		{"{\"weight_map\":{\"a\":1}}", "plain name"},
		{"{\"weight_map\":{\"a\":\"\"}}", "plain name"},
		{"{\"weight_map\":{\"a\":\"..\"}}", "plain name"},
		{"{\"weight_map\":{\"a\":\"../one.safetensors\"}}", "plain name"},
		{"{\"weight_map\":{\"a\":\"/one.safetensors\"}}", "plain name"},
		{"{\"weight_map\":{\"a\":\"x/one.safetensors\"}}", "plain name"},
		{"{\"weight_map\":{\"a\":\"three.safetensors\"}}", "three.safetensors: cannot open"},
		{"{\"weight_map\":{\"a\":\"two.safetensors\"}}", "a: not in two.safetensors"},
		{"{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"one.safetensors\"}}",
		 "b: not in one.safetensors"},
		{"{\"weight_map\":{\"a\":\"one.safetensors\",\"a\":\"two.safetensors\"}}", "duplicate"},
		{"{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\","
		 "\"c\":\"two.safetensors\"}}",
		 "c: not in two.safetensors"},
	};
	struct tmpdir d;

	(void)state;
	tmpdir_init(&d);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct safetensors *st;
		struct err err = {0};

		write_pair(&d, cases[i].index);
		assert_int_equal(safetensors_open(&st, d.path, &err), ERR_MODEL);
		if (!strstr(err.text, cases[i].expect))
			fail_msg("case %zu: \"%s\" lacks \"%s\"", i, err.text, cases[i].expect);
	}
	tmpdir_release(&d);
}

static void shards_are_found_through_the_index_and_links(void **state)
{
	static const char index[] =
		"{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"link.safetensors\"}}";
	const struct tensor *b;
	struct safetensors *st;
	struct err err = {0};
	struct tmpdir d;

	(void)state;
	tmpdir_init(&d);
	write_pair(&d, index);
	assert_int_equal(symlink("two.safetensors", tmpdir_file(&d, "link.safetensors")), 0);
	assert_int_equal(safetensors_open(&st, d.path, &err), 0);
	assert_int_equal(safetensors_count(st), 2);
	assert_int_equal(safetensors_bytes(st), 16);
	b = safetensors_find(st, "b");
	assert_non_null(b);
	assert_int_equal(b->dtype, DTYPE_F32);
	assert_int_equal(b->n_dims, 1);
	assert_int_equal(b->shape[0], 2);
	assert_memory_equal(b->data, "\0\1\2\3\4\5\6\7", 8);
	assert_string_equal(safetensors_shard_name(st, b->shard), "link.safetensors");
	assert_null(safetensors_find(st, "c"));
	assert_null(safetensors_find(st, ""));
	safetensors_close(st);
	tmpdir_release(&d);
}

static void a_name_in_two_shards_is_refused(void **state)
{
	struct safetensors *st;
	struct err err = {0};
	struct tmpdir d;
	char padded[128];

	(void)state;
	tmpdir_init(&d);
	write_pair(&d, "{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}}");
	snprintf(padded, sizeof(padded), "%-64s", shard_a);
	write_shard(&d, "two.safetensors", padded, 0, 8);
	assert_int_equal(safetensors_open(&st, d.path, &err), ERR_MODEL);
	assert_non_null(strstr(err.text, "expected every name once"));
	tmpdir_release(&d);
}

static void a_shard_that_shrinks_is_noticed_and_not_touched(void **state)
{
	const struct tensor t = {.name = "x", .dtype = DTYPE_U8, .n_dims = 1, .shape = {1 << 20},
				 .data = calloc(1, 1 << 20), .n_bytes = 1 << 20};
	struct safetensors *st;
	struct err err = {0};
	struct tmpdir d;

	(void)state;
	tmpdir_init(&d);
	assert_non_null(t.data);
	assert_int_equal(safetensors_write(tmpdir_file(&d, "model.safetensors"), &t, 1, &err), 0);
	assert_int_equal(safetensors_open(&st, d.path, &err), 0);
	assert_int_equal(safetensors_check(st, &err), 0);
	assert_non_null(strstr(mapped_find(safetensors_find(st, "x")->data), "model.safetensors"));
	assert_null(mapped_find(&err));
	assert_int_equal(truncate(tmpdir_file(&d, "model.safetensors"), 4096), 0);
	assert_int_equal(safetensors_check(st, &err), ERR_MODEL);
	assert_non_null(strstr(err.text, "model.safetensors: 4096 bytes now, expected 10486"));
	assert_int_equal(safetensors_load(st, NULL, NULL, &err), ERR_MODEL);
	safetensors_close(st);
	free((void *)(uintptr_t)t.data);
	tmpdir_release(&d);
}

static int stop_after(void *ctx, uint64_t done, uint64_t all)
{
	int *calls = ctx;

	assert_true(done <= all);
	return ++*calls >= 2;
}

static void loading_can_be_stopped(void **state)
{
	struct safetensors *st;
	struct err err = {0};
	int calls = 0;

	(void)state;
	assert_int_equal(safetensors_open(&st, "tests/golden/pro-micro", &err), 0);
	assert_int_equal(safetensors_load(st, stop_after, &calls, &err), ERR_CANCELLED);
	assert_int_equal(calls, 2);
	safetensors_close(st);
}

static void what_is_written_is_read_back(void **state)
{
	static const float f[6] = {1, 2, 3, 4, 5, 6};
	static const int32_t n[3] = {-1, 0, 7};
	const struct tensor out[] = {
		{.name = "logits", .dtype = DTYPE_F32, .n_dims = 2, .shape = {2, 3}, .data = f,
		 .n_bytes = sizeof(f)},
		{.name = "a \"strange\" name", .dtype = DTYPE_I32, .n_dims = 1, .shape = {3},
		 .data = n, .n_bytes = sizeof(n)},
	};
	const struct tensor *t;
	struct safetensors *st;
	struct err err = {0};
	struct tmpdir d;
	const char *path;

	(void)state;
	tmpdir_init(&d);
	path = tmpdir_file(&d, "out.safetensors");
	assert_int_equal(safetensors_write(path, out, 2, &err), 0);
	assert_int_equal(safetensors_write(path, out, 2, &err), 0);
	assert_int_equal(safetensors_open_file(&st, path, &err), 0);
	t = safetensors_find(st, "logits");
	assert_non_null(t);
	assert_int_equal(t->shape[1], 3);
	assert_memory_equal(t->data, f, sizeof(f));
	t = safetensors_find(st, "a \"strange\" name");
	assert_non_null(t);
	assert_memory_equal(t->data, n, sizeof(n));
	safetensors_close(st);
	tmpdir_release(&d);
}

static void a_failed_write_leaves_no_file_and_says_so(void **state)
{
	static const float f[2] = {1, 2};
	const struct tensor out = {.name = "x", .dtype = DTYPE_F32, .n_dims = 1, .shape = {2},
				   .data = f, .n_bytes = sizeof(f)};
	struct err err = {0};
	struct tmpdir d;

	(void)state;
	tmpdir_init(&d);
	assert_int_equal(safetensors_write("/dev/full", &out, 1, &err), ERR_IO);
	assert_non_null(strstr(err.text, "/dev/full: cannot write: No space left"));
	assert_int_equal(safetensors_write(tmpdir_file(&d, "no/such/dir"), &out, 1, &err), ERR_IO);
	/* The target is a directory: all is written, the rename fails, nothing stays. */
	assert_int_equal(mkdir(tmpdir_file(&d, "sub"), 0700), 0);
	assert_int_equal(safetensors_write(tmpdir_file(&d, "sub"), &out, 1, &err), ERR_IO);
	assert_int_equal(rmdir(tmpdir_file(&d, "sub")), 0);
	assert_int_equal(rmdir(d.path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_broken_file_is_refused_and_named),
		cmocka_unit_test(short_and_strange_files_are_refused),
		cmocka_unit_test(every_broken_index_is_refused),
		cmocka_unit_test(shards_are_found_through_the_index_and_links),
		cmocka_unit_test(a_name_in_two_shards_is_refused),
		cmocka_unit_test(a_shard_that_shrinks_is_noticed_and_not_touched),
		cmocka_unit_test(loading_can_be_stopped),
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(a_failed_write_leaves_no_file_and_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
