/*
 * A checkpoint's name: what changes it, what does not, and how much is read for it.
 */
#include "tests/support/shared_files.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/checkpoint/identity.h"
#include "tests/support/tmpdir.h"

#define GOLDEN "tests/golden/pro-micro/"

static const char *const golden_files[] = {
	"config.json",
	"model.safetensors.index.json",
	"model-00001-of-00003.safetensors",
	"model-00002-of-00003.safetensors",
	"model-00003-of-00003.safetensors",
};

static void copy_golden(struct tmpdir *d)
{
	tmpdir_init(d);
	for (size_t i = 0; i < sizeof(golden_files) / sizeof(golden_files[0]); i++) {
		char from[128];

		snprintf(from, sizeof(from), GOLDEN "%s", golden_files[i]);
		tmpdir_copy(d, from);
	}
	tmpdir_write_text(d, "tokenizer.json", "{\"version\": \"1.0\"}");
}

static struct safetensors *open_files(const struct tmpdir *d)
{
	struct safetensors *st;
	struct err err = {0};

	if (safetensors_open(&st, d->path, &err))
		fail_msg("%s", err.text);
	return st;
}

static void name_of(const struct tmpdir *d, const struct safetensors *st,
		    char name[IDENTITY_BYTES])
{
	struct err err = {0};

	if (checkpoint_identity(d->path, st, name, &err))
		fail_msg("%s", err.text);
}

static int open_file(const struct tmpdir *d, const char *name)
{
	int fd = open(tmpdir_file(d, name), O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void flip(int fd, int64_t at)
{
	unsigned char byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

static void any_byte_of_a_small_checkpoint_changes_its_name(void **state)
{
	static const char *const files[] = {
		"config.json",
		"tokenizer.json",
		"model.safetensors.index.json",
		"model-00001-of-00003.safetensors",
		"model-00002-of-00003.safetensors",
		"model-00003-of-00003.safetensors",
	};
	char first[IDENTITY_BYTES], now[IDENTITY_BYTES];
	struct safetensors *st;
	struct tmpdir d;

	(void)state;
	copy_golden(&d);
	st = open_files(&d);
	name_of(&d, st, first);
	assert_memory_equal(first, IDENTITY_VERSION, strlen(IDENTITY_VERSION));
	assert_int_equal(strspn(first + strlen(IDENTITY_VERSION), "0123456789abcdef"), 32);
	assert_int_equal(strlen(first), strlen(IDENTITY_VERSION) + 32);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		int fd = open_file(&d, files[i]);
		int64_t size = lseek(fd, 0, SEEK_END);

		/* past a shard's first eight bytes, which say how long its header is */
		for (int j = 0; j <= 16; j++) {
			int64_t at = 8 + (size - 9) * j / 16;

			flip(fd, at);
			name_of(&d, st, now);
			assert_string_not_equal(now, first);
			flip(fd, at);
		}
		close(fd);
	}
	name_of(&d, st, now);
	assert_string_equal(now, first);
	safetensors_close(st);
	tmpdir_release(&d);
}

static void folder_and_times_do_not_change_it(void **state)
{
	static const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 2000}};
	char a[IDENTITY_BYTES], b[IDENTITY_BYTES];
	struct safetensors *st;
	struct tmpdir d, e;

	(void)state;
	copy_golden(&d);
	copy_golden(&e);
	st = open_files(&d);
	name_of(&d, st, a);
	safetensors_close(st);
	for (size_t i = 0; i < sizeof(golden_files) / sizeof(golden_files[0]); i++)
		assert_int_equal(utimensat(AT_FDCWD, tmpdir_file(&e, golden_files[i]), times, 0), 0);
	st = open_files(&e);
	name_of(&e, st, b);
	safetensors_close(st);
	assert_string_equal(a, b);
	tmpdir_release(&d);
	tmpdir_release(&e);
}

static void a_missing_tokenizer_is_another_checkpoint_than_an_empty_one(void **state)
{
	char a[IDENTITY_BYTES], b[IDENTITY_BYTES];
	struct safetensors *st;
	struct tmpdir d;

	(void)state;
	copy_golden(&d);
	st = open_files(&d);
	tmpdir_write_text(&d, "tokenizer.json", "");
	name_of(&d, st, a);
	assert_int_equal(remove(tmpdir_file(&d, "tokenizer.json")), 0);
	name_of(&d, st, b);
	assert_string_not_equal(a, b);
	safetensors_close(st);
	tmpdir_release(&d);
}

static void a_shard_that_has_shrunk_is_an_error_that_names_it(void **state)
{
	char name[IDENTITY_BYTES];
	struct safetensors *st;
	struct tmpdir d;
	struct err err = {0};

	(void)state;
	copy_golden(&d);
	st = open_files(&d);
	assert_int_equal(truncate(tmpdir_file(&d, golden_files[3]), 100000), 0);
	assert_int_equal(checkpoint_identity(d.path, st, name, &err), ERR_MODEL);
	assert_non_null(strstr(err.text, golden_files[3]));
	assert_non_null(strstr(err.text, "ends at byte 100000"));
	safetensors_close(st);
	tmpdir_release(&d);
}

/* ------------------------------------------------------------------ a large one */

#define N_SHARDS     46
#define N_TENSORS    1500 /* of a shard */
#define TENSOR_BYTES 2359296
#define SHARD_DATA   ((int64_t)N_TENSORS * TENSOR_BYTES)
#define HEADER_BYTES (N_TENSORS * 110) /* filled up with blanks */

static void write_sparse_shard(const struct tmpdir *d, int shard, struct buf *map)
{
	uint64_t length = HEADER_BYTES;
	struct buf out = {0};
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "model-%05d-of-%05d.safetensors", shard + 1, N_SHARDS);
	buf_add(&out, &length, sizeof(length));
	for (int i = 0; i < N_TENSORS; i++) {
		int64_t at = (int64_t)i * TENSOR_BYTES;

		buf_addf(&out,
			 "%s\"t%d.%d\":{\"dtype\":\"I8\",\"shape\":[%d],\"data_offsets\":[%" PRId64
			 ",%" PRId64 "]}",
			 i ? "," : "{", shard, i, TENSOR_BYTES, at, at + TENSOR_BYTES);
		buf_addf(map, "%s\"t%d.%d\":\"%s\"", shard || i ? "," : "", shard, i, name);
	}
	buf_addz(&out, "}");
	assert_true(out.len <= HEADER_BYTES + 8);
	while (out.len < HEADER_BYTES + 8)
		buf_addc(&out, ' ');
	assert_false(buf_failed(&out));
	tmpdir_write(d, name, out.data, out.len);
	buf_release(&out);
	fd = open_file(d, name);
	if (ftruncate(fd, 8 + HEADER_BYTES + SHARD_DATA)) {
		print_message("skipped: no file of %" PRId64 " bytes here\n", SHARD_DATA);
		close(fd);
		tmpdir_release((struct tmpdir *)(uintptr_t)d);
		skip();
	}
	close(fd);
}

static void write_sparse_checkpoint(struct tmpdir *d)
{
	struct buf map = {0};

	tmpdir_init(d);
	buf_addz(&map, "{\"weight_map\":{");
	for (int i = 0; i < N_SHARDS; i++)
		write_sparse_shard(d, i, &map);
	buf_addz(&map, "}}");
	tmpdir_write(d, "model.safetensors.index.json", map.data, map.len);
	tmpdir_write_text(d, "config.json", "{}");
	buf_release(&map);
}

/* Bytes that this process has read from files so far; -1: the system does not say. */
static int64_t bytes_read(void)
{
	FILE *f = fopen("/proc/self/io", "r");
	long long n = -1;

	if (f && fscanf(f, "rchar: %lld", &n) != 1)
		n = -1;
	if (f)
		fclose(f);
	return n;
}

static uint64_t draw(uint64_t *s)
{
	*s = *s * 6364136223846793005u + 1442695040888963407u;
	return *s >> 20;
}

/* 20,000 bytes of one shard, as they may differ between two trainings of a model. */
static void flip_many(int fd, uint64_t seed)
{
	for (int i = 0; i < 20000; i++)
		flip(fd, 8 + HEADER_BYTES + (int64_t)(draw(&seed) % (uint64_t)SHARD_DATA));
}

static void a_large_checkpoint_is_named_by_samples_of_all_of_it(void **state)
{
	char first[IDENTITY_BYTES], now[IDENTITY_BYTES];
	struct safetensors *st;
	struct tmpdir d;
	int64_t before, read, most, ms;
	int fd;

	(void)state;
	write_sparse_checkpoint(&d);
	st = open_files(&d);
	name_of(&d, st, first);
	ms = clock_ms();
	before = bytes_read();
	name_of(&d, st, now);
	read = bytes_read() - before;
	ms = clock_ms() - ms;
	print_message("%.1f GB in %d shards: %.1f MB read, %" PRId64 " ms\n",
		      (double)safetensors_bytes(st) / 1e9, N_SHARDS, (double)read / 1e6, ms);
	assert_string_equal(now, first);
	most = N_SHARDS * (int64_t)(8 + 8 + HEADER_BYTES + 64 * 65536 + N_TENSORS * 1024) +
	       (8 << 20);
	if (before >= 0)
		assert_in_range(read, most / 2, most);

	fd = open_file(&d, "model-00017-of-00046.safetensors");
	flip_many(fd, 1);
	name_of(&d, st, now);
	assert_string_not_equal(now, first);
	flip_many(fd, 1);
	name_of(&d, st, now);
	assert_string_equal(now, first);
	/* one tensor is another: its beginning tells, wherever it lies */
	flip(fd, 8 + HEADER_BYTES + (int64_t)1234 * TENSOR_BYTES + 7);
	name_of(&d, st, now);
	assert_string_not_equal(now, first);
	flip(fd, 8 + HEADER_BYTES + (int64_t)1234 * TENSOR_BYTES + 7);
	flip(fd, 8 + HEADER_BYTES + SHARD_DATA - 1);
	name_of(&d, st, now);
	assert_string_not_equal(now, first);
	close(fd);
	safetensors_close(st);
	tmpdir_release(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_byte_of_a_small_checkpoint_changes_its_name),
		cmocka_unit_test(folder_and_times_do_not_change_it),
		cmocka_unit_test(a_missing_tokenizer_is_another_checkpoint_than_an_empty_one),
		cmocka_unit_test(a_shard_that_has_shrunk_is_an_error_that_names_it),
		cmocka_unit_test(a_large_checkpoint_is_named_by_samples_of_all_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
