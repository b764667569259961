/*
 * What outlives the program: bits after a restart, in any slot; damaged and foreign files;
 * whose a file is; and writers that are killed, that have no room, or are two.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/clock.h"
#include "engine/cache/disk_internal.h"
#include "engine/cache/policy.h"
#include "engine/pass/model_internal.h"
#include "engine/store/kvdir.h"
#include "tests/support/tmpdir.h"

#define MODEL    "tests/golden/pro-micro"
#define IDENTITY "v2-test"
#define GB       ((int64_t)1000000000)

enum { CHUNK = 128, PROBE = 4, LONGEST = 2060, MOST_VOCAB = 1024 };

static const int lengths[] = {1,   3,   4,   5,   127, 128,  129,  255,
			      256, 257, 511, 700, 901, 2047, 2048, 2049};
#define N_LENGTHS (sizeof(lengths) / sizeof(lengths[0]))

static struct model *model;
static size_t vocab;
static token_id ids[LONGEST];
/* Of an uninterrupted run, the rows behind each length. */
static float want[N_LENGTHS][PROBE * MOST_VOCAB], want_draft[N_LENGTHS][PROBE * MOST_VOCAB];
static struct tmpdir dir;
static struct seq *seqs[2];

static void must(int rc, const struct err *err)
{
	if (rc)
		fail_msg("%s", err->text);
}

static void run(struct seq *s, int n, float *logits, float *draft)
{
	struct err err = {0};

	must(seq_forward(s, ids + seq_len(s), n, logits ? WANT_ALL : WANT_NONE, logits, draft,
			 &err),
	     &err);
}

static void read_to(struct seq *s, int64_t len)
{
	while (seq_len(s) < len) {
		int64_t left = len - seq_len(s);

		run(s, left < CHUNK ? (int)left : CHUNK, NULL, NULL);
	}
}

/* Keeps all lengths in the tree, and (once) notes what follows them. */
static void read_all(struct tree *t, bool notes)
{
	struct err err = {0};

	must(seq_truncate(seqs[0], 0, &err), &err);
	for (size_t i = 0; i < N_LENGTHS; i++) {
		read_to(seqs[0], lengths[i]);
		must(tree_keep(t, seqs[0], ids, lengths[i], &err), &err);
		if (!notes)
			continue;
		run(seqs[0], PROBE, want[i], want_draft[i]);
		must(seq_truncate(seqs[0], lengths[i], &err), &err);
	}
}

static void new_tree(struct tree *t)
{
	struct err err = {0};

	must(tree_init(t, model, &err), &err);
}

static struct disk *new_disk(const char *root)
{
	struct err err = {0};
	struct disk *d;

	must(disk_open(&d, model, root, IDENTITY, GB, &err), &err);
	return d;
}

static int open_all(void **state)
{
	const struct model_options opt = {.dir = MODEL,
					  .n_threads = 1,
					  .prefill_chunk = CHUNK,
					  .ctx_tokens = 2304,
					  .n_slots = 2,
					  .keeps = true,
					  .kept_bytes = 1 << 26};
	struct err err = {0};
	struct tree t;
	struct disk *d;

	(void)state;
	tmpdir_init(&dir);
	must(model_open(&model, &opt, &err), &err);
	vocab = (size_t)model_config(model)->vocab;
	assert_in_range(vocab, 1, MOST_VOCAB);
	for (int i = 0; i < LONGEST; i++)
		ids[i] = (token_id)(i * i % 311 + i % 7);
	for (int i = 0; i < 2; i++)
		must(seq_new(&seqs[i], model, &err), &err);
	new_tree(&t);
	read_all(&t, true);
	/* kept for all tests: */
	d = new_disk(tmpdir_file(&dir, "kv"));
	disk_store(d, &t, STR_LIT("first"), ids, LONGEST);
	disk_close(d);
	tree_release(&t);
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++)
		seq_free(seqs[i]);
	assert_int_equal(model->pool.n_free, model->pool.n);
	model_close(model);
	tmpdir_release(&dir);
	return 0;
}

/* What follows the i-th length. */
static void goes_on(struct seq *s, size_t i)
{
	static float logits[PROBE * MOST_VOCAB], draft[PROBE * MOST_VOCAB];
	size_t bytes = PROBE * vocab * sizeof(float);

	assert_int_equal(seq_len(s), lengths[i]);
	run(s, PROBE, logits, draft);
	if (memcmp(logits, want[i], bytes) != 0)
		fail_msg("length %d: logits differ", lengths[i]);
	if (memcmp(draft, want_draft[i], bytes) != 0)
		fail_msg("length %d: draft logits differ", lengths[i]);
}

static void restore(struct tree *t, struct seq *s, int64_t len)
{
	struct mark *mark = tree_find(t, ids, len);
	struct err err = {0};

	assert_non_null(mark);
	assert_int_equal(mark->len, len);
	must(tree_restore(t, mark, s, &err), &err);
}

/* ------------------------------------------------------------------ restarting */

static void each_length_comes_back_bit_for_bit_in_any_slot(void **state)
{
	struct disk *d = new_disk(tmpdir_file(&dir, "kv"));
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < N_LENGTHS; i++) {
		struct seq *s = seqs[i % 2];
		struct tree t;

		new_tree(&t);
		/* Only what is longer than what is there, and no longer than asked for. */
		assert_int_equal(disk_recall(d, &t, ids, lengths[i], lengths[i]), 0);
		assert_int_equal(disk_recall(d, &t, ids, lengths[i], 0), lengths[i]);
		restore(&t, s, lengths[i]);
		goes_on(s, i);
		/* and after a roll-back behind it */
		must(seq_truncate(s, lengths[i] + 1, &err), &err);
		restore(&t, s, lengths[i]);
		goes_on(s, i);
		tree_release(&t);
		must(seq_truncate(s, 0, &err), &err);
	}
	disk_close(d);
}

static void the_longest_beginning_is_found_and_what_is_there_is_not_read_again(void **state)
{
	struct disk *d = new_disk(tmpdir_file(&dir, "kv"));
	token_id other = ids[1000];
	struct err err = {0};
	struct tree t;
	int held;

	(void)state;
	new_tree(&t);
	assert_int_equal(disk_recall(d, &t, ids, 600, 0), 511);
	held = model->pool.n - model->pool.n_free;
	ids[1000]++;
	assert_int_equal(disk_recall(d, &t, ids, LONGEST, 0), 901);
	ids[1000] = other;
	/* the pages of the first 384 are shared; those behind are the other's own */
	assert_int_equal(model->pool.n - model->pool.n_free, held + 8 - 3);
	restore(&t, seqs[1], 901);
	goes_on(seqs[1], 12);
	ids[0]++;
	assert_int_equal(disk_recall(d, &t, ids, LONGEST, 0), 0);
	ids[0]--;
	must(seq_truncate(seqs[1], 0, &err), &err);
	tree_release(&t);
	disk_close(d);
}

static void another_model_finds_nothing(void **state)
{
	struct err err = {0};
	struct disk *d;
	struct tree t;

	(void)state;
	must(disk_open(&d, model, tmpdir_file(&dir, "kv"), "v2-other", GB, &err), &err);
	new_tree(&t);
	assert_int_equal(disk_recall(d, &t, ids, LONGEST, 0), 0);
	tree_release(&t);
	disk_close(d);
}

/* ---------------------------------------------------------------------- damage */

static uint64_t seed = 3;

static size_t pick(size_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(seed >> 33) % n;
}

static void shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void shell(const char *fmt, ...)
{
	char text[3000];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	assert_int_equal(system(text), 0);
}

static void change_byte(const char *path, off_t at)
{
	int fd = open(path, O_RDWR);
	unsigned char c;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &c, 1, at), 1);
	c ^= (unsigned char)(1u << pick(8));
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
	close(fd);
}

/* Something happens to a file; returns false for what leaves it as good as it was. */
static void damage(const char *path, const char *other)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	switch (pick(7)) {
	case 0:
		assert_int_equal(truncate(path, (off_t)pick((size_t)st.st_size)), 0);
		break;
	case 1:
		assert_int_equal(truncate(path, st.st_size + 1 + (off_t)pick(5000)), 0);
		break;
	case 2: /* a foreign file by its name */
		shell("rm '%s'; cp '%s' '%s'", path, other, path);
		break;
	case 3:
		shell("rm '%s' && mkfifo '%s'", path, path);
		break;
	case 4: /* its head */
		change_byte(path, (off_t)pick(200));
		break;
	default:
		change_byte(path, (off_t)pick((size_t)st.st_size));
		break;
	}
}

/* An entry's path; valid until the second call after this one. */
static const char *path_of(const char *root, const struct kv_entry *e)
{
	static struct buf paths[2];
	static int turn;
	struct buf *b = &paths[turn = !turn];

	buf_reset(b);
	kvdir_path(b, root, e);
	return buf_z(b);
}

static struct kv_list list_of(const char *root)
{
	struct kv_list list;
	struct err err = {0};

	must(kvdir_list_all(root, &list, &err), &err);
	return list;
}

/* What is found is what was left; returns how far it goes. */
static int64_t recall_well(const char *root)
{
	struct disk *d = new_disk(root);
	struct err err = {0};
	struct tree t;
	int64_t len;

	new_tree(&t);
	len = disk_recall(d, &t, ids, LONGEST, 0);
	for (size_t i = 0; i < N_LENGTHS; i++) {
		if (lengths[i] != len)
			continue;
		restore(&t, seqs[1], len);
		goes_on(seqs[1], i);
	}
	must(seq_truncate(seqs[1], 0, &err), &err);
	tree_release(&t);
	/* whatever was read in vain is given back */
	assert_int_equal(model->pool.n_free, model->pool.n);
	disk_close(d);
	return len;
}

static void whatever_happens_to_a_file_none_that_is_damaged_is_used(void **state)
{
	int n = getenv("DSV4CHAT_SLOW") ? 1000 : 40, n_shorter = 0;
	char root[300];

	(void)state;
	snprintf(root, sizeof(root), "%s", tmpdir_file(&dir, "hurt"));
	for (int i = 0; i < n; i++) {
		struct kv_list list;
		const struct kv_entry *e, *other;

		shell("rm -rf '%s' && cp -r '%s' '%s'", root, tmpdir_file(&dir, "kv"), root);
		list = list_of(root);
		e = &list.v[pick(list.n)];
		/* what matters for the longest one, every other time */
		while (i % 2 && e->name.end < 2048)
			e = &list.v[pick(list.n)];
		do
			other = &list.v[pick(list.n)];
		while (other == e);
		damage(path_of(root, e), path_of(root, other));
		n_shorter += recall_well(root) < 2049;
		kv_list_release(&list);
	}
	assert_in_range(n_shorter, n / 4, n);
}

static int put_nothing(struct backend *be, dbuf dst, const void *src, size_t n, struct err *err)
{
	(void)be;
	(void)dst;
	(void)src;
	(void)n;
	return err_set(err, ERR_MODEL, "the device is lost");
}

static void what_a_device_cannot_take_is_no_damage(void **state)
{
	int (*put)(struct backend *, dbuf, const void *, size_t, struct err *) = model->be->put;
	char root[300];
	struct disk *d;
	struct tree t;

	(void)state;
	snprintf(root, sizeof(root), "%s", tmpdir_file(&dir, "lost"));
	shell("cp -r '%s' '%s'", tmpdir_file(&dir, "kv"), root);
	d = new_disk(root);
	new_tree(&t);
	model->be->put = put_nothing;
	assert_int_equal(disk_recall(d, &t, ids, LONGEST, 0), 0);
	model->be->put = put;
	assert_int_equal(disk_recall(d, &t, ids, LONGEST, 0), 2049);
	tree_release(&t);
	disk_close(d);
}

/* ------------------------------------------------------------- whose a file is */

static void a_conversation_that_is_removed_leaves_what_another_one_uses(void **state)
{
	char root[300];
	struct kv_list list;
	struct disk *d;
	struct tree t;
	struct err err = {0};
	size_t n_first, n_both;
	int64_t bytes;

	(void)state;
	snprintf(root, sizeof(root), "%s", tmpdir_file(&dir, "owned"));
	new_tree(&t);
	read_all(&t, false);
	d = new_disk(root);
	disk_store(d, &t, STR_LIT("first"), ids, LONGEST);
	disk_flush(d);
	list = list_of(root);
	bytes = kv_list_bytes(&list, &n_first);
	assert_int_equal(n_first, N_LENGTHS + 1);
	kv_list_release(&list);
	/* A fork up to 901 costs nothing. */
	disk_store(d, &t, STR_LIT("fork"), ids, 901);
	disk_flush(d);
	list = list_of(root);
	assert_int_equal(kv_list_bytes(&list, &n_both), bytes);
	assert_int_equal(n_both, n_first);
	assert_int_equal(list.n, n_first + 13);
	kv_list_release(&list);
	disk_forget(d, STR_LIT("first"));
	list = list_of(root);
	assert_int_equal(list.n, 13);
	kv_list_release(&list);
	tree_release(&t);
	must(seq_truncate(seqs[0], 0, &err), &err);
	assert_int_equal(recall_well(root), 901);
	disk_forget(d, STR_LIT("fork"));
	list = list_of(root);
	assert_int_equal(list.n, 0);
	kv_list_release(&list);
	/* Names that are no names are nobody's. */
	disk_forget(d, STR_LIT("../kv"));
	disk_close(d);
	assert_int_equal(recall_well(tmpdir_file(&dir, "kv")), 2049);
}

/* Of what waits to be written, once the thread has something at hand. */
static size_t bytes_behind_the_first(struct disk *d)
{
	struct writer *w = &d->writer;
	bool begun = false;
	size_t n = 0;

	for (int i = 0; i < 60000 && !begun; i++) {
		usleep(i ? 1000 : 0);
		pthread_mutex_lock(&w->lock);
		begun = w->at_hand != NULL;
		n = w->bytes;
		pthread_mutex_unlock(&w->lock);
	}
	assert_true(begun);
	return n;
}

static void removing_one_waits_for_nothing_that_is_written_of_another(void **state)
{
	struct kv_list list = list_of(tmpdir_file(&dir, "kv"));
	struct kv_entry e = list.v[0];
	char root[300], pipe[600];
	struct err err = {0};
	size_t waiting;
	struct disk *d;
	struct tree t;

	(void)state;
	snprintf(root, sizeof(root), "%s", tmpdir_file(&dir, "slow"));
	/* The first file of one is a pipe, which nobody reads before the other one is gone. */
	for (size_t i = 0; e.name.frontier; i++)
		e = list.v[i];
	kv_list_release(&list);
	snprintf(e.owner, sizeof(e.owner), "slow");
	must(kvdir_make(root, e.identity, e.owner, &err), &err);
	snprintf(pipe, sizeof(pipe), "%s.%ld.tmp", path_of(root, &e), (long)getpid());
	assert_int_equal(mkfifo(pipe, 0600), 0);
	new_tree(&t);
	read_all(&t, false);
	d = new_disk(root);
	disk_store(d, &t, STR_LIT("slow"), ids, LONGEST);
	waiting = bytes_behind_the_first(d);
	/* what waits is not copied once more */
	disk_store(d, &t, STR_LIT("slow"), ids, LONGEST);
	assert_int_equal(bytes_behind_the_first(d), waiting);
	disk_store(d, &t, STR_LIT("gone"), ids, LONGEST);
	assert_true(bytes_behind_the_first(d) > waiting);
	alarm(60);
	disk_forget(d, STR_LIT("gone"));
	alarm(0);
	shell("cat '%s' >'%s.read' && test -s '%s.read'", pipe, root, root);
	disk_close(d);
	list = list_of(root);
	/* all but the pipe */
	assert_int_equal(list.n, N_LENGTHS);
	for (size_t i = 0; i < list.n; i++)
		assert_string_equal(list.v[i].owner, "slow");
	kv_list_release(&list);
	tree_release(&t);
	must(seq_truncate(seqs[0], 0, &err), &err);
}

static void what_was_used_longest_ago_goes_where_there_is_no_room(void **state)
{
	char root[300];
	struct kv_list list;
	int64_t bytes;
	size_t n;

	(void)state;
	snprintf(root, sizeof(root), "%s", tmpdir_file(&dir, "budget"));
	shell("cp -r '%s' '%s'", tmpdir_file(&dir, "kv"), root);
	shell("find '%s' -type f -exec touch -d '2001-01-01' {} +", root);
	assert_int_equal(recall_well(root), 2049);
	list = list_of(root);
	bytes = kv_list_bytes(&list, &n);
	kv_list_release(&list);
	disk_thin_out(root, bytes);
	assert_int_equal(recall_well(root), 2049);
	/* the run and the frontier that were used, and little else */
	disk_thin_out(root, bytes * 2 / 5);
	list = list_of(root);
	assert_in_range(kv_list_bytes(&list, &n), 1, bytes * 2 / 5);
	assert_in_range(list.n, 2, N_LENGTHS);
	kv_list_release(&list);
	assert_int_equal(recall_well(root), 2049);
	disk_thin_out(root, 0);
	list = list_of(root);
	assert_int_equal(list.n, 0);
	kv_list_release(&list);
}

/* How far ahead of now the uses of the longest frontier there are. */
static int64_t uses_ahead(const char *root)
{
	struct kv_list list = list_of(root);
	int64_t uses = 0;

	for (size_t i = 0; i < list.n; i++) {
		if (list.v[i].name.frontier && list.v[i].name.end == 2049)
			uses = list.v[i].uses_ms;
	}
	kv_list_release(&list);
	return uses - clock_wall_ms();
}

static void going_back_to_a_file_is_a_use_and_being_said_again_keeps_it_young(void **state)
{
	const int64_t day = WORTH_HALF_LIFE_MS / 7;
	struct err err = {0};
	char root[300];
	struct disk *d;
	struct tree t;

	(void)state;
	snprintf(root, sizeof(root), "%s", tmpdir_file(&dir, "uses"));
	shell("cp -r '%s' '%s'", tmpdir_file(&dir, "kv"), root);
	shell("find '%s' -type f -exec touch -d '2001-01-01' {} +", root);
	assert_true(uses_ahead(root) < -1000 * day);
	recall_well(root);
	assert_in_range(uses_ahead(root) + day, 0, day);
	recall_well(root);
	assert_in_range(uses_ahead(root), 6 * day, 7 * day);
	shell("find '%s' -type f -exec touch -d '2001-01-01' {} +", root);
	new_tree(&t);
	read_all(&t, false);
	d = new_disk(root);
	for (int i = 0; i < 3; i++)
		disk_store(d, &t, STR_LIT("first"), ids, LONGEST);
	disk_close(d);
	assert_in_range(uses_ahead(root) + day, 0, day);
	tree_release(&t);
	must(seq_truncate(seqs[0], 0, &err), &err);
}

/* Names of some conversations; each file has 1000 bytes, and links where a name comes twice. */
struct there {
	const char *owner;
	bool frontier;
	int64_t end;
	int sum, n_uses; /* this many; and days ago: */
	int days;
};

static struct kv_entry entry_of(const struct there *t)
{
	struct kv_entry e = {.name = {t->frontier, t->end, {(uint64_t)t->sum, 0}}};

	snprintf(e.owner, sizeof(e.owner), "%s", t->owner);
	snprintf(e.identity, sizeof(e.identity), "m");
	return e;
}

static void put_there(const char *root, const struct there *t)
{
	static const char data[1000];
	struct kv_entry e = entry_of(t);
	struct kv_list list = list_of(root);
	const struct kv_entry *other = kv_list_find(&list, &e.name);
	int64_t then = clock_wall_ms() - (int64_t)t->days * 24 * 3600 * 1000, uses = 0;
	struct err err = {0};
	FILE *f;

	must(kvdir_make(root, e.identity, e.owner, &err), &err);
	if (other) {
		assert_true(kvdir_link(root, other, e.owner));
	} else {
		f = fopen(path_of(root, &e), "wb");
		assert_non_null(f);
		assert_int_equal(fwrite(data, 1, sizeof(data), f), sizeof(data));
		fclose(f);
		for (int i = 0; i < t->n_uses; i++)
			uses = policy_used(uses, then);
		kvdir_touch(root, &e, uses);
	}
	kv_list_release(&list);
}

static bool is_there(const char *root, const struct there *t)
{
	struct kv_entry e = entry_of(t);

	return access(path_of(root, &e), F_OK) == 0;
}

/* In the order in which they go. */
static const struct there going[] = {
	/* a run that no frontier needs */
	{"old", false, 4096, 2, 9, 0},
	/* long ago, and the end of that */
	{"old", true, 1000, 3, 1, 140},
	{"old", true, 2000, 4, 1, 140},
	/* far from the end and near to the one before; then what saves more; the end last */
	{"new", true, 1400, 5, 1, 0},
	{"new", true, 1000, 6, 1, 0},
	{"new", true, 2800, 7, 1, 0},
	/* used often, if some time ago; and the run that it needs */
	{"much", true, 2600, 8, 40, 14},
	{"much", false, 2048, 9, 1, 90},
	/* of two conversations: as much as the better one thinks */
	{"new", true, 3000, 10, 500, 0},
	{"short", true, 3000, 10, 500, 0},
};
#define N_GOING (sizeof(going) / sizeof(going[0]))

static void what_is_worth_least_goes_where_there_is_no_room(void **state)
{
	char root[300];
	struct kv_list list;
	size_t n;

	(void)state;
	snprintf(root, sizeof(root), "%s", tmpdir_file(&dir, "worth"));
	for (size_t i = 0; i < N_GOING; i++)
		put_there(root, &going[i]);
	list = list_of(root);
	assert_int_equal(kv_list_bytes(&list, &n), (N_GOING - 1) * 1000);
	kv_list_release(&list);
	for (size_t left = N_GOING - 1; left-- > 0;) {
		disk_thin_out(root, (int64_t)left * 1000 + 500);
		for (size_t i = 0; i < N_GOING; i++) {
			bool stays = left && i >= N_GOING - 1 - left;

			if (is_there(root, &going[i]) != stays)
				fail_msg("%zu files left: the one of %s at %lld", left,
					 going[i].owner, (long long)going[i].end);
		}
	}
}

/* -------------------------------------------------------------------- writers */

static void write_some(const char *root, int i)
{
	static unsigned char data[3 * 5000 + 7000];
	struct kv_head head = {.n_ids = 300, .page_bytes = 5000, .frontier_bytes = 7000};
	struct kv_entry e = {.name = {true, 300, {(uint64_t)i, 1}}, .owner = "a"};
	struct err err = {0};

	snprintf(e.identity, sizeof(e.identity), "m");
	snprintf(head.identity, sizeof(head.identity), "m");
	for (size_t k = 0; k < sizeof(data); k++)
		data[k] = (unsigned char)(k * (size_t)(i + 3));
	must(kvdir_make(root, "m", "a", &err), &err);
	must(kvfile_write(path_of(root, &e), head, ids, data, &err), &err);
}

/* Every file that has a name is whole. */
static size_t all_are_whole(const char *root)
{
	struct kv_list list = list_of(root);
	size_t n = list.n;

	for (size_t i = 0; i < n; i++) {
		static unsigned char block[7000];
		struct kvfile f;
		struct err err = {0};

		must(kvfile_open(&f, path_of(root, &list.v[i]), NULL, &err), &err);
		for (uint32_t k = 0; k < kv_n_pages(&f.head) + 1; k++)
			must(kvfile_read(&f, block, &err), &err);
		kvfile_close(&f);
	}
	kv_list_release(&list);
	return n;
}

static void a_writer_that_is_killed_leaves_whole_files_and_no_others(void **state)
{
	int n = getenv("DSV4CHAT_SLOW") ? 200 : 30;
	char root[300];
	struct err err = {0};

	(void)state;
	snprintf(root, sizeof(root), "%s", tmpdir_file(&dir, "killed"));
	for (int i = 0; i < n; i++) {
		pid_t child = fork();

		if (child == 0) {
			for (int k = 0;; k++)
				write_some(root, k % 50 + i);
		}
		assert_true(child > 0);
		usleep((useconds_t)(500 + pick(8000)));
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, NULL, 0), child);
		all_are_whole(root);
	}
	assert_true(all_are_whole(root) > 20);
	/* What they left half written goes when it is old. */
	shell("find '%s' -name '*.tmp' -exec touch -d '2001-01-01' {} +", root);
	disk_thin_out(root, GB);
	shell("test -z \"$(find '%s' -name '*.tmp')\"", root);
	assert_true(kvdir_clear(root, &err) > 20);
	shell("test -z \"$(ls '%s')\"", root);
}

static void two_processes_share_a_folder(void **state)
{
	struct disk *a, *b;
	char root[300];
	struct tree t;
	struct err err = {0};

	(void)state;
	snprintf(root, sizeof(root), "%s", tmpdir_file(&dir, "two"));
	new_tree(&t);
	read_all(&t, false);
	a = new_disk(root);
	b = new_disk(root);
	for (int i = 0; i < 5; i++) {
		disk_store(a, &t, STR_LIT("one"), ids, LONGEST);
		disk_store(b, &t, i % 2 ? STR_LIT("one") : STR_LIT("other"), ids, LONGEST);
		disk_thin_out(root, i == 3 ? 0 : GB);
	}
	disk_close(a);
	disk_close(b);
	tree_release(&t);
	must(seq_truncate(seqs[0], 0, &err), &err);
	/* Whatever was thinned out meanwhile: what is there is good. */
	recall_well(root);
	kvdir_remove_owner(root, "one");
	recall_well(root);
}

static void where_nothing_can_be_written_the_chat_goes_on_and_is_told_once(void **state)
{
	struct rlimit limit, small;
	struct buf line = {0};
	char root[300];
	struct disk *d;
	struct tree t;
	struct err err = {0};

	(void)state;
	new_tree(&t);
	read_all(&t, false);
	snprintf(root, sizeof(root), "%s", tmpdir_file(&dir, "full"));
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	small = limit;
	small.rlim_cur = 500;
	d = new_disk(root);
	assert_false(disk_in_trouble(d, &line));
	setrlimit(RLIMIT_FSIZE, &small);
	disk_store(d, &t, STR_LIT("first"), ids, LONGEST);
	disk_flush(d);
	setrlimit(RLIMIT_FSIZE, &limit);
	assert_true(disk_in_trouble(d, &line));
	assert_non_null(strstr(buf_z(&line), "File too large"));
	assert_false(disk_in_trouble(d, &line));
	/* Nothing half written has a name, and later it works. */
	shell("test -z \"$(find '%s' -name '*-*' -type f)\"", root);
	disk_store(d, &t, STR_LIT("first"), ids, LONGEST);
	disk_close(d);
	tree_release(&t);
	must(seq_truncate(seqs[0], 0, &err), &err);
	assert_int_equal(recall_well(root), 2049);
	buf_release(&line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_length_comes_back_bit_for_bit_in_any_slot),
		cmocka_unit_test(
			the_longest_beginning_is_found_and_what_is_there_is_not_read_again),
		cmocka_unit_test(another_model_finds_nothing),
		cmocka_unit_test(whatever_happens_to_a_file_none_that_is_damaged_is_used),
		cmocka_unit_test(what_a_device_cannot_take_is_no_damage),
		cmocka_unit_test(a_conversation_that_is_removed_leaves_what_another_one_uses),
		cmocka_unit_test(removing_one_waits_for_nothing_that_is_written_of_another),
		cmocka_unit_test(what_was_used_longest_ago_goes_where_there_is_no_room),
		cmocka_unit_test(
			going_back_to_a_file_is_a_use_and_being_said_again_keeps_it_young),
		cmocka_unit_test(what_is_worth_least_goes_where_there_is_no_room),
		cmocka_unit_test(a_writer_that_is_killed_leaves_whole_files_and_no_others),
		cmocka_unit_test(two_processes_share_a_folder),
		cmocka_unit_test(
			where_nothing_can_be_written_the_chat_goes_on_and_is_told_once),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
