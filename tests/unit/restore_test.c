/*
 * What is gone back to is what was left, bit for bit, draft head included: at every kind of
 * length, from memory and from disk, in another slot, kept late and rolled back afterwards; on
 * the small model, on tests' own checkpoint and, where they are, on the shared ones.
 */
#include "tests/support/shared_files.h"

#include <string.h>
#include <unistd.h>

#include "engine/cache/disk.h"
#include "engine/cache/prefix.h"
#include "engine/pass/model_internal.h"
#include "tests/support/sanitized.h"
#include "tests/support/tmpdir.h"

#define IDENTITY "v2-test"
#define OWNER    STR_LIT("talk")
#define GB       ((int64_t)1000000000)

enum {
	CHUNK = 96,
	PROBE = 3, /* tokens compared behind each length */
	LONGEST = 2600,
	SLOTS = 2,
	N_DRAFTS = 3, /* that are compared; no more than PROBE */
};

static const int lengths[] = {1,   3,   4,   5,   127, 128,  129,  255,
			      256, 257, 511, 700, 901, 2047, 2048, 2049};
enum { N_LENGTHS = sizeof(lengths) / sizeof(lengths[0]), N_RANDOM = 200 };

/*
 * What follows a length: the rows of ids[len …], those of the draft head (a position before,
 * or, where it drafts a block, those of the block), and the ids that are drafted.
 */
struct follows {
	int len;
	float *rows, *drafts; /* [PROBE, vocab] */
	token_id ids[N_DRAFTS];
};

static struct {
	struct model *model;
	size_t vocab;
	int n_drafts;
	token_id ids[LONGEST + PROBE];
	struct follows v[N_LENGTHS + N_RANDOM];
	int n;
	struct seq *seqs[SLOTS];
	struct tmpdir dir;
	float *rows, *drafts; /* of the one at hand */
	token_id drafted[N_DRAFTS];
} on;

static uint64_t seed;

static int pick(int n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (int)((seed >> 33) % (uint64_t)n);
}

static void must(int rc, const struct err *err)
{
	if (rc)
		fail_msg("%s", err->text);
}

static void *room(size_t n)
{
	void *p = calloc(n, 1);

	assert_non_null(p);
	return p;
}

static int by_len(const void *a, const void *b)
{
	const struct follows *x = a, *y = b;

	return x->len - y->len;
}

/* ------------------------------------------------------------------------ reading */

static bool drafts_blocks(void)
{
	return model_drafts_blocks(on.model);
}

static void feed(struct seq *s, const token_id *ids, int n, float *logits, float *drafts)
{
	struct err err = {0};

	must(seq_forward(s, ids, n, logits ? WANT_ALL : WANT_NONE, logits,
			 drafts_blocks() ? NULL : drafts, &err),
	     &err);
}

static void read_to(struct seq *s, int64_t len)
{
	while (seq_len(s) < len) {
		int64_t at = seq_len(s), left = len - at;

		feed(s, on.ids + at, left < CHUNK ? (int)left : CHUNK, NULL, NULL);
	}
}

/* Other ids than those that follow. */
static void stray(struct seq *s, int n)
{
	token_id wrong[2 * CHUNK];
	int64_t at = seq_len(s);

	for (int i = 0; i < n; i++)
		wrong[i] = (on.ids[(at + i) % LONGEST] + 1 + i % 7) % (token_id)on.vocab;
	for (int i = 0; i < n; i += CHUNK)
		feed(s, wrong + i, n - i < CHUNK ? n - i : CHUNK, NULL, NULL);
}

/* What is drafted at the length that the sequence has. */
static void draft(struct seq *s, float *logits, token_id *ids)
{
	const struct sample_how how = {.top_p = 1, .n_choice = (int32_t)on.vocab};
	struct drafts d = {.next = on.ids[seq_len(s)],
			   .how = &how,
			   .n = on.n_drafts,
			   .logits = drafts_blocks() ? logits : NULL};
	struct err err = {0};

	if (!on.n_drafts)
		return;
	must(seq_draft(s, &d, &err), &err);
	memcpy(ids, d.ids, sizeof(*ids) * (size_t)on.n_drafts);
}

static void goes_on(struct seq *s, const struct follows *f, const char *how)
{
	assert_int_equal(seq_len(s), f->len);
	memset(on.rows, 0, PROBE * on.vocab * sizeof(float));
	memset(on.drafts, 0, PROBE * on.vocab * sizeof(float));
	draft(s, on.drafts, on.drafted);
	feed(s, on.ids + seq_len(s), PROBE, on.rows, on.drafts);
	if (memcmp(on.rows, f->rows, PROBE * on.vocab * sizeof(float)) != 0)
		fail_msg("length %d, %s: logits differ", f->len, how);
	if (memcmp(on.drafts, f->drafts, PROBE * on.vocab * sizeof(float)) != 0 ||
	    memcmp(on.drafted, f->ids, sizeof(f->ids)) != 0)
		fail_msg("length %d, %s: drafts differ", f->len, how);
}

/* ---------------------------------------------------------------------- one model */

/* So many random lengths beside the usual ones, no longer than `longest`. */
static void choose_lengths(int n_random, int longest)
{
	on.n = 0;
	for (int i = 0; i < N_LENGTHS && lengths[i] <= longest; i++)
		on.v[on.n++].len = lengths[i];
	for (int i = 0; i < n_random; i++)
		on.v[on.n++].len = 1 + pick(longest < LONGEST - 8 ? longest : LONGEST - 8);
	qsort(on.v, (size_t)on.n, sizeof(on.v[0]), by_len);
}

static void open_model(const char *path, int n_random, int longest)
{
	const struct model_options opt = {.dir = path,
					  .n_threads = 1,
					  .prefill_chunk = CHUNK,
					  .ctx_tokens = LONGEST + 2 * CHUNK,
					  .n_slots = SLOTS,
					  .keeps = true,
					  .kept_bytes = 1};
	struct err err = {0};

	must(model_open(&on.model, &opt, &err), &err);
	on.vocab = (size_t)model_config(on.model)->vocab;
	on.n_drafts = model_draft_most(on.model);
	if (on.n_drafts > N_DRAFTS)
		on.n_drafts = N_DRAFTS;
	on.rows = room(PROBE * on.vocab * sizeof(float));
	on.drafts = room(PROBE * on.vocab * sizeof(float));
	for (int i = 0; i < LONGEST + PROBE; i++)
		on.ids[i] = (token_id)pick((int)on.vocab);
	choose_lengths(n_random, longest);
	for (int i = 0; i < SLOTS; i++)
		must(seq_new(&on.seqs[i], on.model, &err), &err);
	tmpdir_init(&on.dir);
}

static void close_model(void)
{
	for (int i = 0; i < on.n; i++) {
		free(on.v[i].rows);
		free(on.v[i].drafts);
	}
	for (int i = 0; i < SLOTS; i++)
		seq_free(on.seqs[i]);
	assert_int_equal(on.model->pool.n_free, on.model->pool.n);
	free(on.rows);
	free(on.drafts);
	model_close(on.model);
	tmpdir_release(&on.dir);
	memset(&on, 0, sizeof(on));
}

/* The rows of the call that read ids[at …), to whom they follow. */
static void note_rows(const float *rows, const float *drafts, int64_t at, int n)
{
	size_t bytes = on.vocab * sizeof(float);

	for (int i = 0; i < on.n; i++) {
		for (int64_t p = on.v[i].len; p < on.v[i].len + PROBE; p++) {
			size_t to = (size_t)(p - on.v[i].len) * on.vocab;

			if (p < at || p >= at + n)
				continue;
			memcpy(on.v[i].rows + to, rows + (size_t)(p - at) * on.vocab, bytes);
			/* nothing comes before the first position */
			if (!drafts_blocks())
				memcpy(on.v[i].drafts + to,
				       drafts + (size_t)(p - at - (at == 0)) * on.vocab, bytes);
		}
	}
}

/* One run without a roll-back. */
static void note_what_follows(void)
{
	float *rows = room(CHUNK * on.vocab * sizeof(float));
	float *drafts = room(CHUNK * on.vocab * sizeof(float));
	struct seq *s = on.seqs[0];
	struct err err = {0};
	int64_t end = on.v[on.n - 1].len + PROBE;

	for (int i = 0; i < on.n; i++) {
		on.v[i].rows = room(PROBE * on.vocab * sizeof(float));
		on.v[i].drafts = room(PROBE * on.vocab * sizeof(float));
	}
	for (int i = 0, n; seq_len(s) < end; note_rows(rows, drafts, seq_len(s) - n, n)) {
		int64_t at = seq_len(s), next;

		for (; i < on.n && on.v[i].len == at; i++)
			draft(s, on.v[i].drafts, on.v[i].ids);
		next = i < on.n ? on.v[i].len : end;
		n = next - at < CHUNK ? (int)(next - at) : CHUNK;
		feed(s, on.ids + at, n, rows, drafts);
	}
	must(seq_truncate(s, 0, &err), &err);
	free(rows);
	free(drafts);
}

/* Back to what the tree keeps at that length, in that slot. */
static void restore(struct tree *t, struct seq *s, int64_t len)
{
	struct mark *mark = tree_find(t, on.ids, len);
	struct err err = {0};

	assert_non_null(mark);
	assert_int_equal(mark->len, len);
	must(tree_restore(t, mark, s, &err), &err);
}

/* In that slot, wherever it was before; again behind a roll-back; and again from elsewhere. */
static void comes_back(struct tree *t, struct seq *s, const struct follows *f, const char *how)
{
	struct err err = {0};

	restore(t, s, f->len);
	goes_on(s, f, how);
	must(seq_truncate(s, f->len, &err), &err);
	goes_on(s, f, how);
	stray(s, 1 + pick(2 * CHUNK));
	restore(t, s, f->len);
	stray(s, pick(SEQ_MAX_ROLLBACK));
	must(seq_truncate(s, f->len, &err), &err);
	goes_on(s, f, how);
}

/* Keeps each length, some when the sequence had gone astray behind it, and writes it. */
static void from_memory(struct disk *d)
{
	struct tree t;
	struct err err = {0};

	must(tree_init(&t, on.model, &err), &err);
	for (int i = 0; i < on.n; i++) {
		const struct follows *f = &on.v[i];
		struct seq *s = on.seqs[0];

		read_to(s, f->len);
		stray(s, pick(2) * pick(SEQ_MAX_ROLLBACK));
		must(tree_keep(&t, s, on.ids, f->len, &err), &err);
		must(seq_truncate(s, f->len, &err), &err);
		disk_store(d, &t, OWNER, on.ids, f->len);
		disk_flush(d);
		comes_back(&t, on.seqs[1], f, "in another slot");
		if (i % 4 == 0)
			comes_back(&t, s, f, "in its own slot");
		restore(&t, s, f->len);
	}
	for (int i = 0; i < SLOTS; i++)
		must(seq_truncate(on.seqs[i], 0, &err), &err);
	tree_release(&t);
}

/* Each into a tree that has nothing, as after a restart. */
static void from_disk(struct disk *d)
{
	struct err err = {0};

	for (int i = 0; i < on.n; i++) {
		const struct follows *f = &on.v[i];
		struct tree t;

		must(tree_init(&t, on.model, &err), &err);
		assert_int_equal(disk_recall(d, &t, on.ids, f->len, 0), f->len);
		comes_back(&t, on.seqs[i % SLOTS], f, "from disk");
		tree_release(&t);
		must(seq_truncate(on.seqs[i % SLOTS], 0, &err), &err);
	}
}

static void comes_back_everywhere(const char *path, int n_random, int longest)
{
	struct disk *d;
	struct err err = {0};

	seed = 21;
	open_model(path, n_random, longest);
	note_what_follows();
	must(disk_open(&d, on.model, tmpdir_file(&on.dir, "kv"), IDENTITY, GB, &err), &err);
	from_memory(d);
	from_disk(d);
	disk_close(d);
	close_model();
}

static bool is_slow(void)
{
	return getenv("DSV4CHAT_SLOW") != NULL;
}

/* Beside the lengths where something begins or ends. */
static int n_random(void)
{
	return is_slow() ? N_RANDOM : SANITIZED ? 1 : 3;
}

static void every_length_of_the_small_model(void **state)
{
	(void)state;
	comes_back_everywhere("share/nano", n_random(), is_slow() ? LONGEST : 257);
}

static void every_length_of_random_weights(void **state)
{
	(void)state;
	comes_back_everywhere("tests/golden/pro-micro", n_random(), is_slow() ? LONGEST : 129);
}

/* Where it is; in short it goes as far as the first wrap of a window. */
static void shared_golden(const char *name)
{
	struct buf path = {0}, config = {0};
	bool there;

	shared_path(&path, name);
	buf_addz(&path, "/config.json");
	there = whole_file(buf_z(&path), &config);
	buf_release(&config);
	if (there) {
		*strrchr(path.data, '/') = '\0';
		comes_back_everywhere(path.data, n_random(), is_slow() ? LONGEST : 129);
	} else {
		print_message("skipped: no %s\n", buf_z(&path));
	}
	buf_release(&path);
	if (!there)
		skip();
}

static void every_length_of_the_shared_flash(void **state)
{
	(void)state;
	shared_golden("golden/flash-tiny.3");
}

static void every_length_of_the_shared_pro(void **state)
{
	(void)state;
	shared_golden("golden/pro-micro.2");
}

static void every_length_of_one_with_a_block_drafter(void **state)
{
	(void)state;
	shared_golden("golden/spark-micro.1");
}

/* ------------------------------------------------------------------- held once */

enum { SHARED = SANITIZED ? 1000 : 2000, OWN = 150, USER = 319 };

/* Reads ids[0 … SHARED + OWN); returns how many were found. */
static int64_t read_prompt(struct prefix *p)
{
	struct err err = {0};
	int64_t found = prefix_begin(p, on.ids, SHARED + OWN, &err), at = found;

	while (at < SHARED + OWN) {
		int64_t end = prefix_next(p);
		const struct forward f = {.ids = on.ids + at, .n = (int)(end - at)};

		must(prefix_run(p, f, &err), &err);
		at = end;
	}
	prefix_end(p);
	return found;
}

static void two_conversations_hold_once_what_they_share(void **state)
{
	const int n_pages = (SHARED + OWN + PAGE_TOKENS - 1) / PAGE_TOKENS;
	struct prefix both[2];
	struct pages *pool;
	struct tree t;
	struct err err = {0};

	(void)state;
	seed = 22;
	open_model("tests/golden/pro-micro", 0, 1);
	for (int i = 0; i < SLOTS; i++)
		seq_free(on.seqs[i]);
	pool = &on.model->pool;
	must(tree_init(&t, on.model, &err), &err);
	for (int i = 0; i < 2; i++)
		must(prefix_open(&both[i], &t, USER, -1, &err), &err);
	for (int i = 0; i < SHARED + OWN; i++)
		on.ids[i] %= USER;
	on.ids[SHARED] = USER; /* what both begin with ends here */
	assert_int_equal(read_prompt(&both[0]), 0);
	assert_int_equal(pool->n - pool->n_free, n_pages);
	for (int i = SHARED + 1; i < SHARED + OWN; i++)
		on.ids[i] = (on.ids[i] + 1) % USER;
	assert_int_equal(read_prompt(&both[1]), SHARED);
	/* of the pages only those are there twice that the shared ids do not fill */
	assert_int_equal(pool->n - pool->n_free, 2 * n_pages - SHARED / PAGE_TOKENS);
	for (int i = 0; i < 2; i++)
		prefix_release(&both[i]);
	assert_int_equal(pool->n - pool->n_free, 2 * n_pages - SHARED / PAGE_TOKENS);
	tree_release(&t);
	for (int i = 0; i < SLOTS; i++)
		must(seq_new(&on.seqs[i], on.model, &err), &err);
	close_model();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_length_of_the_small_model),
		cmocka_unit_test(every_length_of_random_weights),
		cmocka_unit_test(every_length_of_the_shared_flash),
		cmocka_unit_test(every_length_of_the_shared_pro),
		cmocka_unit_test(every_length_of_one_with_a_block_drafter),
		cmocka_unit_test(two_conversations_hold_once_what_they_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
