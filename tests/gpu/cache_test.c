/*
 * Going back on a GPU: what was kept, in memory or on disk, goes on with the bits of the run
 * that it was taken from; and pages that are gathered on the device are what they are one by
 * one.
 */
#include "tests/gpu/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/cache/disk.h"
#include "engine/cache/page.h"
#include "engine/pass/model_internal.h"
#include "tests/support/tmpdir.h"

#define OWNER STR_LIT("talk")
#define GB    ((int64_t)1000000000)

enum { CHUNK = 64, PROBE = 4, LONGEST = 2080 };

static const char *const names[] = {"flash-tiny", "pro-micro", "nano"};
static const int lengths[] = {1, 5, 128, 129, 700, 901, 2048, 2049};
#define N_LENGTHS (sizeof(lengths) / sizeof(lengths[0]))

static struct {
	struct model *m;
	struct seq *seqs[2];
	struct tree tree;
	token_id ids[LONGEST + PROBE];
	float *want[N_LENGTHS], *rows; /* [PROBE, vocab] */
} on;

static size_t rows_bytes(void)
{
	return PROBE * (size_t)on.m->cfg.vocab * sizeof(float);
}

static void feed(struct seq *s, int n, float *logits)
{
	struct err err = {0};

	bench_ok(seq_forward(s, on.ids + seq_len(s), n, logits ? WANT_ALL : WANT_NONE, logits,
			     NULL, &err),
		 &err);
}

/* Keeps all lengths in the tree and notes what follows them. */
static void read_all(struct seq *s)
{
	struct err err = {0};

	for (size_t i = 0; i < N_LENGTHS; i++) {
		while (seq_len(s) < lengths[i]) {
			int left = lengths[i] - (int)seq_len(s);

			feed(s, left < CHUNK ? left : CHUNK, NULL);
		}
		bench_ok(tree_keep(&on.tree, s, on.ids, lengths[i], &err), &err);
		feed(s, PROBE, on.want[i]);
		bench_ok(seq_truncate(s, lengths[i], &err), &err);
	}
}

/* False where there is no such model. */
static bool open_model(const char *name)
{
	struct model_options opt = {.prefill_chunk = CHUNK,
				    .ctx_tokens = LONGEST + CHUNK,
				    .n_slots = 2,
				    .keeps = true,
				    .kept_bytes = 1 << 27};
	struct err err = {0};
	char dir[500];

	if (!bench_model(name, dir, sizeof(dir))) {
		print_message("no model %s\n", name);
		return false;
	}
	opt.dir = dir;
	bench_ok(bench_open(&opt.be, GPU, &err), &err);
	bench_ok(model_open(&on.m, &opt, &err), &err);
	assert_non_null(on.m->work.staging);
	for (int i = 0; i < LONGEST + PROBE; i++)
		on.ids[i] = (token_id)(i * i % 311 + i % 7) % on.m->cfg.vocab;
	for (int i = 0; i < 2; i++)
		bench_ok(seq_new(&on.seqs[i], on.m, &err), &err);
	bench_ok(tree_init(&on.tree, on.m, &err), &err);
	for (size_t i = 0; i < N_LENGTHS; i++)
		on.want[i] = calloc(1, rows_bytes());
	on.rows = calloc(1, rows_bytes());
	assert_non_null(on.rows);
	read_all(on.seqs[0]);
	return true;
}

static void close_model(void)
{
	for (int i = 0; i < 2; i++)
		seq_free(on.seqs[i]);
	tree_release(&on.tree);
	assert_int_equal(on.m->pool.n_free, on.m->pool.n);
	model_close(on.m);
	for (size_t i = 0; i < N_LENGTHS; i++)
		free(on.want[i]);
	free(on.rows);
}

static void goes_on(size_t i, const char *from)
{
	struct mark *mark = tree_find(&on.tree, on.ids, lengths[i]);
	struct seq *s = on.seqs[(i + 1) % 2];
	struct err err = {0};

	assert_non_null(mark);
	assert_int_equal(mark->len, lengths[i]);
	bench_ok(tree_restore(&on.tree, mark, s, &err), &err);
	feed(s, PROBE, on.rows);
	if (memcmp(on.rows, on.want[i], rows_bytes()) != 0)
		fail_msg("length %d from %s: logits differ", lengths[i], from);
}

static void from_disk(void)
{
	struct err err = {0};
	struct tmpdir dir;
	struct disk *d;

	tmpdir_init(&dir);
	bench_ok(disk_open(&d, on.m, tmpdir_file(&dir, "kv"), "v2-test", GB, &err), &err);
	disk_store(d, &on.tree, OWNER, on.ids, LONGEST);
	disk_flush(d);
	for (size_t i = N_LENGTHS; i-- > 0;) {
		for (int k = 0; k < 2; k++)
			bench_ok(seq_truncate(on.seqs[k], 0, &err), &err);
		tree_release(&on.tree);
		assert_int_equal(on.m->pool.n_free, on.m->pool.n);
		bench_ok(tree_init(&on.tree, on.m, &err), &err);
		assert_int_equal(disk_recall(d, &on.tree, on.ids, lengths[i], 0), lengths[i]);
		goes_on(i, "disk");
	}
	disk_close(d);
	tmpdir_release(&dir);
}

static void what_is_gone_back_to_is_what_was_left(void **state)
{
	(void)state;
	for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
		if (!open_model(names[k]))
			continue;
		for (size_t i = N_LENGTHS; i-- > 0;)
			goes_on(i, "memory");
		from_disk();
		close_model();
	}
}

/* Of a sequence's pages, in another order than they lie in, the last one in part. */
static void gathered_pages_are_what_they_are_one_by_one(void **state)
{
	enum { N = LONGEST / PAGE_TOKENS + 1 };
	struct err err = {0};

	(void)state;
	for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
		unsigned char *got[2];
		int32_t pages[N];
		size_t bytes;
		dbuf staging;

		if (!open_model(names[k]))
			continue;
		assert_true(N > STAGING_PAGES);
		for (int i = 0; i < N; i++)
			pages[i] = i * 5 % N;
		staging = on.m->work.staging;
		bytes = N * (size_t)model_cache_bytes(on.m).page;
		for (int i = 0; i < 2; i++) {
			got[i] = malloc(bytes);
			assert_non_null(got[i]);
			memset(got[i], i ? 0x55 : 0xaa, bytes);
			on.m->work.staging = i ? NULL : staging;
			bench_ok(pages_get(on.m, pages, N, 77, got[i], &err), &err);
		}
		on.m->work.staging = staging;
		assert_memory_equal(got[0], got[1], bytes);
		free(got[0]);
		free(got[1]);
		close_model();
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_gone_back_to_is_what_was_left),
		cmocka_unit_test(gathered_pages_are_what_they_are_one_by_one),
	};

	return BENCH_MAIN(argc, argv, tests);
}
