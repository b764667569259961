/*
 * Pages and frontiers on a backend that copies many at once: the CPU's, with a copy_many() that
 * takes the parts in another order and lets none touch what another one writes.  What is
 * written to disk is the same bytes as without it, what is gone back to the same bits, and a
 * page crosses the bus in one piece.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/cache/disk.h"
#include "engine/cache/copies.h"
#include "engine/pass/model_internal.h"
#include "tests/support/sanitized.h"
#include "tests/support/tmpdir.h"

#define MODEL    "tests/golden/pro-micro"
#define IDENTITY "v2-test"
#define OWNER    STR_LIT("talk")
#define GB       ((int64_t)1000000000)

enum { CHUNK = 128, PROBE = 3, LONGEST = 4300, MOST_VOCAB = 1024, MOST_PARTS = 1024 };

static const int lengths[] = {1, 5, 128, 700, 901, 2048, 2049, 4200};
#define N_LENGTHS (sizeof(lengths) / sizeof(lengths[0]))

static struct side {
	struct model *m;
	struct seq *s;
	struct tree t;
} one, many; /* copies one by one, or many at once */

static token_id ids[LONGEST + PROBE];
static size_t vocab;
static float want[N_LENGTHS][PROBE * MOST_VOCAB];

/* What the second one's backend was asked for. */
static struct backend real;
static struct {
	int many, parts, copies, puts, gets;
	size_t largest_get;
	int fail_in; /* so many more calls of copy_many; 0: none fails */
} asked;

static void must(int rc, const struct err *err)
{
	if (rc)
		fail_msg("%s", err->text);
}

/* ------------------------------------------------------------------ the stand-in */

static bool touch(const unsigned char *a, size_t n, const unsigned char *b, size_t k)
{
	return n && k && a < b + k && b < a + n;
}

static void check_parts(const struct copy_part *p, int n)
{
	for (int i = 0; i < n; i++) {
		for (int j = 0; j < n; j++) {
			if (touch(p[i].dst, p[i].bytes, p[j].src, p[j].bytes) ||
			    (i != j && touch(p[i].dst, p[i].bytes, p[j].dst, p[j].bytes)))
				fail_msg("part %d writes what part %d has", i, j);
		}
	}
}

static int copy_many(struct backend *be, const struct copy_part *part, int n, struct err *err)
{
	asked.many++;
	asked.parts += n;
	if (asked.fail_in && --asked.fail_in == 0)
		return err_set(err, ERR_MODEL, "the device is lost");
	check_parts(part, n);
	for (int i = n; i-- > 0;)
		must(real.copy(be, part[i].dst, part[i].src, part[i].bytes, err), err);
	return 0;
}

static int copy(struct backend *be, dbuf dst, dbuf src, size_t bytes, struct err *err)
{
	asked.copies++;
	return real.copy(be, dst, src, bytes, err);
}

static int put(struct backend *be, dbuf dst, const void *src, size_t bytes, struct err *err)
{
	asked.puts++;
	return real.put(be, dst, src, bytes, err);
}

static int get(struct backend *be, void *dst, dbuf src, size_t bytes, struct err *err)
{
	asked.gets++;
	asked.largest_get = bytes > asked.largest_get ? bytes : asked.largest_get;
	return real.get(be, dst, src, bytes, err);
}

static struct backend *gathering_backend(void)
{
	const struct backend_options o = {.name = "cpu", .n_threads = 1};
	struct err err = {0};
	struct backend *be;

	must(backend_open(&be, &o, &err), &err);
	assert_null(be->copy_many);
	real = *be;
	be->copy_many = copy_many;
	be->copy = copy;
	be->put = put;
	be->get = get;
	return be;
}

/* ---------------------------------------------------------------------- reading */

static void feed(struct seq *s, const token_id *from, int n, float *logits)
{
	struct err err = {0};

	must(seq_forward(s, from, n, logits ? WANT_ALL : WANT_NONE, logits, NULL, &err), &err);
}

static void read_to(struct seq *s, int64_t len)
{
	while (seq_len(s) < len) {
		int64_t left = len - seq_len(s);

		feed(s, ids + seq_len(s), left < CHUNK ? (int)left : CHUNK, NULL);
	}
}

static void open_side(struct side *e, struct backend *be)
{
	const struct model_options opt = {.dir = MODEL,
					  .be = be,
					  .n_threads = 1,
					  .prefill_chunk = CHUNK,
					  .ctx_tokens = LONGEST + 2 * CHUNK,
					  .keeps = true,
					  .kept_bytes = 1 << 26};
	struct err err = {0};

	must(model_open(&e->m, &opt, &err), &err);
	must(seq_new(&e->s, e->m, &err), &err);
	must(tree_init(&e->t, e->m, &err), &err);
	for (size_t i = 0; i < N_LENGTHS; i++) {
		read_to(e->s, lengths[i]);
		must(tree_keep(&e->t, e->s, ids, lengths[i], &err), &err);
	}
}

static void close_side(struct side *e)
{
	seq_free(e->s);
	tree_release(&e->t);
	assert_int_equal(e->m->pool.n_free, e->m->pool.n);
	model_close(e->m);
}

static struct disk *new_disk(struct side *e, const char *name)
{
	struct err err = {0};
	struct disk *d;

	must(disk_open(&d, e->m, tmpdir_file(&test_dir, name), IDENTITY, GB, &err), &err);
	return d;
}

static void store(struct side *e, const char *name)
{
	struct disk *d = new_disk(e, name);

	disk_store(d, &e->t, OWNER, ids, LONGEST);
	disk_close(d);
}

static void restore(struct side *e, int64_t len)
{
	struct mark *mark = tree_find(&e->t, ids, len);
	struct err err = {0};

	assert_non_null(mark);
	assert_int_equal(mark->len, len);
	must(tree_restore(&e->t, mark, e->s, &err), &err);
}

static void goes_on(struct side *e, size_t i)
{
	float logits[PROBE * MOST_VOCAB];

	restore(e, lengths[i]);
	feed(e->s, ids + lengths[i], PROBE, logits);
	if (memcmp(logits, want[i], PROBE * vocab * sizeof(float)) != 0)
		fail_msg("length %d: logits differ", lengths[i]);
}

static void empty_tree(struct side *e)
{
	struct err err = {0};

	must(seq_truncate(e->s, 0, &err), &err);
	tree_release(&e->t);
	assert_int_equal(e->m->pool.n_free, e->m->pool.n);
	must(tree_init(&e->t, e->m, &err), &err);
}

static int open_all(void **state)
{
	for (int i = 0; i < LONGEST + PROBE; i++)
		ids[i] = (token_id)(i * i % 311 + i % 7);
	tmpdir_set_up(state);
	open_side(&one, NULL);
	open_side(&many, gathering_backend());
	vocab = (size_t)model_config(one.m)->vocab;
	assert_in_range(vocab, 1, MOST_VOCAB);
	assert_null(one.m->work.staging);
	assert_non_null(many.m->work.staging);
	for (size_t i = 0; i < N_LENGTHS; i++) {
		restore(&one, lengths[i]);
		feed(one.s, ids + lengths[i], PROBE, want[i]);
	}
	store(&one, "one");
	return 0;
}

static int close_all(void **state)
{
	close_side(&one);
	close_side(&many);
	return tmpdir_tear_down(state);
}

/* ------------------------------------------------------------------------ tests */

static void files_are_the_same_and_a_run_of_pages_is_one_get(void **state)
{
	size_t page = (size_t)model_cache_bytes(many.m).page;
	char command[700];

	(void)state;
	memset(&asked, 0, sizeof(asked));
	store(&many, "many");
	snprintf(command, sizeof(command), "diff -r '%s' '%s'", tmpdir_file(&test_dir, "one"),
		 tmpdir_file(&test_dir, "many"));
	assert_int_equal(system(command), 0);
	/* Two runs, and of each frontier its pages, if it has any behind a run, and itself. */
	assert_int_equal(asked.gets, 2 + (int)N_LENGTHS - 1 + (int)N_LENGTHS);
	assert_int_equal(asked.largest_get, STAGING_PAGES * page);
	assert_int_equal(asked.copies, 0);
}

static void what_was_written_comes_back_and_a_page_is_one_put(void **state)
{
	struct disk *d = new_disk(&many, "one");

	(void)state;
	for (size_t i = 0; i < N_LENGTHS; i++) {
		int n_pages = (lengths[i] + PAGE_TOKENS - 1) / PAGE_TOKENS;

		empty_tree(&many);
		memset(&asked, 0, sizeof(asked));
		assert_int_equal(disk_recall(d, &many.t, ids, lengths[i], 0), lengths[i]);
		assert_int_equal(asked.puts, n_pages + 1);
		goes_on(&many, i);
		assert_int_equal(asked.copies, 0);
	}
	disk_close(d);
}

static void going_back_in_memory_is_one_call_for_as_many_rings_as_it_takes(void **state)
{
	(void)state;
	for (size_t i = N_LENGTHS; i-- > 0;) {
		struct err err = {0};
		int calls;

		/* 128 and 700 are on a page's border, and not, as they are */
		if (SANITIZED && lengths[i] / 2 == 1024)
			continue;
		empty_tree(&many);
		read_to(many.s, lengths[i]);
		memset(&asked, 0, sizeof(asked));
		must(tree_keep(&many.t, many.s, ids, lengths[i], &err), &err);
		calls = (asked.parts + COPIES_AT_ONCE - 1) / COPIES_AT_ONCE;
		assert_in_range(asked.parts, 1, MOST_PARTS);
		assert_int_equal(asked.many, calls);
		goes_on(&many, i);
	}
}

/* 901 is kept in a page that another continuation of its first 700 goes on in, too. */
static void a_page_that_is_shared_is_copied_before_it_is_added_to(void **state)
{
	struct err err = {0};

	(void)state;
	empty_tree(&many);
	read_to(many.s, 700);
	must(tree_keep(&many.t, many.s, ids, 700, &err), &err);
	read_to(many.s, 760);
	must(tree_keep(&many.t, many.s, ids, 760, &err), &err);
	restore(&many, 700);
	memset(&asked, 0, sizeof(asked));
	feed(many.s, ids + 1, 60, NULL); /* other ids than those of 760 */
	assert_int_equal(asked.many, 1);
	assert_in_range(asked.parts, 1, 2 * model_n_cached_layers(many.m));
	goes_on(&many, 3);
	restore(&many, 760);
	read_to(many.s, 901);
	must(tree_keep(&many.t, many.s, ids, 901, &err), &err);
	goes_on(&many, 4);
}

static void a_copy_that_fails_is_told_and_nothing_is_lost(void **state)
{
	struct disk *d = new_disk(&many, "one");
	struct err err = {0};
	struct mark *mark;

	(void)state;
	empty_tree(&many);
	memset(&asked, 0, sizeof(asked));
	asked.fail_in = 3; /* the third page's */
	/* Then the next longest one is tried. */
	assert_int_equal(disk_recall(d, &many.t, ids, LONGEST, 0), lengths[N_LENGTHS - 2]);
	assert_int_equal(asked.fail_in, 0);
	assert_int_equal(many.m->pool.n - many.m->pool.n_free,
			 lengths[N_LENGTHS - 2] / 128 + 1);
	/* No fault of the file's: it is still there. */
	assert_int_equal(disk_recall(d, &many.t, ids, LONGEST, lengths[N_LENGTHS - 2]),
			 lengths[N_LENGTHS - 1]);
	mark = tree_find(&many.t, ids, LONGEST);
	assert_non_null(mark);
	asked.fail_in = 1;
	assert_int_equal(tree_restore(&many.t, mark, many.s, &err), ERR_MODEL);
	assert_string_equal(err.text, "the device is lost");
	assert_int_equal(seq_len(many.s), 0);
	goes_on(&many, N_LENGTHS - 1);
	disk_close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_the_same_and_a_run_of_pages_is_one_get),
		cmocka_unit_test(what_was_written_comes_back_and_a_page_is_one_put),
		cmocka_unit_test(
			going_back_in_memory_is_one_call_for_as_many_rings_as_it_takes),
		cmocka_unit_test(a_page_that_is_shared_is_copied_before_it_is_added_to),
		cmocka_unit_test(a_copy_that_fails_is_told_and_nothing_is_lost),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
