/*
 * What going back costs: to a frontier of a long sequence in memory, and from disk with its
 * files in the page cache and dropped from it; what writing them takes, and takes from a decode
 * beside it; how long a long prompt is looked up, and a draft is priced.  The rows are random:
 * what is measured is their way.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/cache/disk.h"
#include "engine/measure/bench_internal.h"
#include "engine/store/kvdir.h"
#include "engine/text/prompt.h"

#define REPEATS      5
#define STEPS        20 /* of decoding, with and without writing in turn, so many times: */
#define ROUNDS       5
#define MOST_STEPS   2000
#define DRAFT_TOKENS 30000 /* of a message that is priced, … */
#define OTHER_FILES  2000  /* … in a folder that has so many files */
#define NO_BUDGET    INT64_MAX
#define OWNER        STR_LIT("bench")

static const int64_t lengths[] = {32768, 131072, 1048576};

struct cache_bench {
	struct model *m;
	struct seq *s;
	struct tree tree;
	token_id *ids;
	char *root;
	struct buf *out;
};

/* Milliseconds. */
static void tell(struct cache_bench *b, const char *what, double *s, int n)
{
	buf_addf(b->out, "  %-28s %10.2f ms\n", what, 1e3 * bench_median(s, n));
}

static int from_memory(struct cache_bench *b, int64_t len, struct err *err)
{
	double found[REPEATS], back[REPEATS];
	int rc = 0;

	for (int i = 0; !rc && i < REPEATS; i++) {
		double start = clock_s();
		struct mark *mark = tree_find(&b->tree, b->ids, len);

		found[i] = clock_s() - start;
		rc = seq_truncate(b->s, 0, err);
		start = clock_s();
		if (!rc)
			rc = tree_restore(&b->tree, mark, b->s, err);
		back[i] = clock_s() - start;
	}
	if (rc)
		return rc;
	tell(b, "looked up", found, REPEATS);
	tell(b, "from memory", back, REPEATS);
	return 0;
}

static void drop_from_page_cache(const char *root)
{
	struct kv_list list;
	struct err err = {0};

	if (kvdir_list_all(root, &list, &err) == 0) {
		for (size_t i = 0; i < list.n; i++) {
			struct buf path = {0};
			int fd;

			kvdir_path(&path, root, &list.v[i]);
			fd = buf_failed(&path) ? -1 : open(buf_z(&path), O_RDONLY | O_CLOEXEC);
			if (fd >= 0) {
				fdatasync(fd);
				(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
				close(fd);
			}
			buf_release(&path);
		}
	}
	kv_list_release(&list);
}

/* Into a tree that has nothing. */
static int recall(struct cache_bench *b, struct disk *d, int64_t len, double *seconds,
		  struct err *err)
{
	double start;
	int rc = seq_truncate(b->s, 0, err);

	tree_release(&b->tree);
	if (!rc)
		rc = tree_init(&b->tree, b->m, err);
	start = clock_s();
	if (!rc && disk_recall(d, &b->tree, b->ids, len, 0) != len)
		rc = err_set(err, ERR_FAILED, "%s: what was written there is not found",
			     b->root);
	*seconds = clock_s() - start;
	return rc;
}

/* ------------------------------------------------------------- beside decoding */

/* One at the sequence's end, which stays where it is. */
static int time_step(struct cache_bench *b, double *seconds, struct err *err)
{
	const struct sample_how how = {.top_p = 1, .n_choice = 1};
	struct choice next;
	const struct forward call = {
		.ids = b->ids, .n = 1, .want = WANT_LAST, .choices = &next, .how = &how};
	int64_t len = seq_len(b->s);
	double start = clock_s();
	int rc = seq_run(b->s, call, err);

	*seconds = clock_s() - start;
	return rc ? rc : seq_truncate(b->s, len, err);
}

/* Steps alone, and as many as there is time for while what is kept is written anew. */
static int time_round(struct cache_bench *b, struct disk *d, int64_t len, double *alone,
		      double *beside, int *n_beside, struct err *err)
{
	int rc = 0;

	disk_forget(d, OWNER);
	for (int i = 0; !rc && i < STEPS; i++)
		rc = time_step(b, &alone[i], err);
	disk_store(d, &b->tree, OWNER, b->ids, len);
	while (!rc && disk_writes(d) && *n_beside < MOST_STEPS)
		rc = time_step(b, &beside[(*n_beside)++], err);
	disk_flush(d);
	return rc;
}

static int beside_decoding(struct cache_bench *b, struct disk *d, int64_t len, struct err *err)
{
	double alone[ROUNDS * STEPS], beside[MOST_STEPS], x, y;
	struct mark *mark = tree_find(&b->tree, b->ids, len);
	int n_beside = 0;
	int rc = mark && len < model_ctx_tokens(b->m) ? tree_restore(&b->tree, mark, b->s, err)
						      : 0;

	/* At the context's end there is no step. */
	if (rc || seq_len(b->s) != len)
		return rc;
	for (int i = 0; !rc && i < ROUNDS; i++)
		rc = time_round(b, d, len, alone + (size_t)i * STEPS, beside, &n_beside, err);
	if (rc)
		return rc;
	x = bench_median(alone, ROUNDS * STEPS);
	buf_addf(b->out, "  %-28s %10.2f ms\n", "a step", 1e3 * x);
	if (!n_beside)
		return 0;
	y = bench_median(beside, n_beside);
	buf_addf(b->out, "  %-28s %10.2f ms, %+.1f %% (%d steps)\n", "a step beside writing",
		 1e3 * y, 100 * (y / x - 1), n_beside);
	return 0;
}

static int from_disk(struct cache_bench *b, int64_t len, struct err *err)
{
	double wrote = clock_s(), copied, warm[REPEATS], dropped[REPEATS];
	struct disk *d;
	int rc = disk_open(&d, b->m, b->root, "bench", NO_BUDGET, err);

	if (rc)
		return rc;
	disk_store(d, &b->tree, OWNER, b->ids, len);
	copied = clock_s() - wrote;
	disk_flush(d);
	wrote = clock_s() - wrote;
	for (int i = 0; !rc && i < REPEATS; i++) {
		rc = recall(b, d, len, &warm[i], err);
		drop_from_page_cache(b->root);
		if (!rc)
			rc = recall(b, d, len, &dropped[i], err);
	}
	if (!rc) {
		tell(b, "from disk, page cache warm", warm, REPEATS);
		tell(b, "from disk, dropped from it", dropped, REPEATS);
		tell(b, "copied to be written", &copied, 1);
		tell(b, "copied and written", &wrote, 1);
		rc = beside_decoding(b, d, len, err);
	}
	disk_forget(d, OWNER);
	disk_close(d);
	return rc;
}

/* ------------------------------------------------------------------ a draft */

/* A message of so many tokens. */
static int write_draft(const struct tokenizer *tok, struct buf *text, struct err *err)
{
	struct tokens ids = {0};
	int rc = 0;

	for (int i = 0; !rc && ids.n < DRAFT_TOKENS; i++) {
		size_t from = text->len;

		buf_addf(text, "%d. The river passes %d houses before it comes to a bridge.\n",
			 i, i * i % 97);
		rc = buf_failed(text)
			     ? err_nomem(err, "a draft", text->len)
			     : tokenizer_encode(
				       tok, (struct str){text->data + from, text->len - from},
				       &ids, NULL, err);
	}
	tokens_release(&ids);
	return rc;
}

/* Names of files that others have left. */
static int make_other_files(const char *root, const char *identity, struct err *err)
{
	int rc = kvdir_make(root, identity, "others", err);

	for (int i = 0; !rc && i < OTHER_FILES; i++) {
		struct kv_entry e = {
			.name = {true, 1 + i * 37 % DRAFT_TOKENS, {(uint64_t)i, 1}}};
		struct buf path = {0};
		int fd;

		snprintf(e.identity, sizeof(e.identity), "%s", identity);
		snprintf(e.owner, sizeof(e.owner), "others");
		kvdir_path(&path, root, &e);
		fd = buf_failed(&path)
			     ? -1
			     : open(buf_z(&path), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0)
			rc = err_errno(err, root, "create files in");
		else
			close(fd);
		buf_release(&path);
	}
	return rc;
}

/* What the session does to price one (engine/session/glance.c). */
static int price(struct cache_bench *b, struct disk *d, const struct tokenizer *tok,
		 const struct chat *chat, double *seconds, struct err *err)
{
	double start = clock_s();
	struct tokens ids = {0};
	int rc = prompt_encode(chat, PROMPT_APRIL, tok, &ids, NULL, err);

	if (!rc) {
		const struct mark *mark = tree_find(&b->tree, ids.ids, (int64_t)ids.n - 1);

		(void)disk_look(d, ids.ids, (int64_t)ids.n - 1, mark ? mark->len : 0);
	}
	*seconds = clock_s() - start;
	tokens_release(&ids);
	return rc;
}

static int price_in(struct cache_bench *b, struct disk *d, const struct tokenizer *tok,
		    struct err *err)
{
	struct chat_message draft = {.role = CHAT_USER};
	struct chat chat = {.messages = &draft, .n_messages = 1};
	double first, then[REPEATS];
	struct buf text = {0};
	int rc = write_draft(tok, &text, err);

	draft.content = buf_str(&text);
	if (!rc)
		rc = price(b, d, tok, &chat, &first, err);
	for (int i = 0; !rc && i < REPEATS; i++)
		rc = price(b, d, tok, &chat, &then[i], err);
	buf_release(&text);
	if (rc)
		return rc;
	buf_addf(b->out, "a draft of %d tokens, beside %d files:\n", DRAFT_TOKENS, OTHER_FILES);
	tell(b, "priced", &first, 1);
	tell(b, "priced again", then, REPEATS);
	return 0;
}

/* Random weights have no tokenizer. */
static int price_draft(struct cache_bench *b, const char *model_dir, struct err *err)
{
	struct tokenizer *tok;
	struct disk *d;
	int rc = tokenizer_open(&tok, model_dir, err);

	if (rc)
		return rc;
	rc = disk_open(&d, b->m, b->root, "bench", NO_BUDGET, err);
	if (!rc) {
		rc = make_other_files(b->root, disk_identity(d), err);
		if (!rc)
			rc = price_in(b, d, tok, err);
		disk_close(d);
	}
	tokenizer_close(tok);
	return rc;
}

static int at_length(struct cache_bench *b, int64_t len, struct err *err)
{
	int rc = seq_pretend(b->s, len, err);

	if (!rc)
		rc = tree_keep(&b->tree, b->s, b->ids, len, err);
	if (!rc)
		buf_addf(b->out, "%lld tokens:\n", (long long)len);
	if (!rc)
		rc = from_memory(b, len, err);
	return rc ? rc : from_disk(b, len, err);
}

/* `model_dir`: of a checkpoint; NULL: there is none. */
static int run(struct cache_bench *b, const char *model_dir, struct err *err)
{
	int64_t n = model_ctx_tokens(b->m);
	int rc = tree_init(&b->tree, b->m, err);

	if (!rc)
		rc = seq_new(&b->s, b->m, err);
	if (rc)
		return rc;
	b->ids = malloc((size_t)n * sizeof(*b->ids));
	if (!b->ids)
		return err_nomem(err, "token ids", (size_t)n * sizeof(*b->ids));
	for (int64_t i = 0; i < n; i++)
		b->ids[i] = (token_id)(i * 7919 % model_config(b->m)->vocab);
	for (size_t i = 0; !rc && i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		if (lengths[i] <= n)
			rc = at_length(b, lengths[i], err);
	}
	return rc || !model_dir ? rc : price_draft(b, model_dir, err);
}

/* Empty but for its lock. */
static void remove_root(const char *root)
{
	struct buf lock = {0};

	(void)kvdir_clear(root, &(struct err){0});
	buf_addf(&lock, "%s/.lock", root);
	if (!buf_failed(&lock))
		unlink(buf_z(&lock));
	rmdir(root);
	buf_release(&lock);
}

int bench_cache_run(const struct bench_request *req, struct buf *out, struct err *err)
{
	struct model_options opt = model_options_of(req->config);
	struct cache_bench b = {.out = out};
	const char *tmp = getenv("TMPDIR");
	struct buf root = {0};
	int rc;

	opt.dummy = req->dummy;
	opt.dummy_layers = req->layers;
	opt.keeps = true;
	buf_addf(&root, "%s/dsv4chat-bench-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	b.root = buf_detach(&root);
	if (!b.root)
		return err_nomem(err, "a folder's name", 0);
	rc = model_open(&b.m, &opt, err);
	if (!rc && !mkdtemp(b.root))
		rc = err_errno(err, b.root, "create");
	else if (!rc) {
		rc = run(&b, req->dummy ? NULL : opt.dir, err);
		remove_root(b.root);
	}
	free(b.root);
	seq_free(b.s);
	tree_release(&b.tree);
	free(b.ids);
	model_close(b.m);
	if (!rc && buf_failed(out))
		rc = err_nomem(err, "report", out->len);
	return rc;
}
