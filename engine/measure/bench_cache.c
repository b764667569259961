/*
 * What going back costs: to a frontier of a long sequence in memory, and from disk with its
 * files in the page cache and dropped from it; what writing them takes; how long a long prompt
 * is looked up.  The rows are random: what is measured is their way.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/cache/disk.h"
#include "engine/measure/bench.h"
#include "engine/pass/model.h"
#include "engine/store/kvdir.h"

#define REPEATS   5
#define NO_BUDGET INT64_MAX
#define OWNER     STR_LIT("bench")

static const int64_t lengths[] = {32768, 131072, 1048576};

struct cache_bench {
	struct model *m;
	struct seq *s;
	struct tree tree;
	token_id *ids;
	char *root;
	struct buf *out;
};

static int by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Milliseconds. */
static void tell(struct cache_bench *b, const char *what, double *s, int n)
{
	qsort(s, (size_t)n, sizeof(*s), by_size);
	buf_addf(b->out, "  %-28s %10.2f ms\n", what, 1e3 * s[n / 2]);
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

static int from_disk(struct cache_bench *b, int64_t len, struct err *err)
{
	double wrote = clock_s(), warm[REPEATS], dropped[REPEATS];
	struct disk *d;
	int rc = disk_open(&d, b->m, b->root, "bench", NO_BUDGET, err);

	if (rc)
		return rc;
	disk_store(d, &b->tree, OWNER, b->ids, len);
	disk_flush(d);
	wrote = clock_s() - wrote;
	for (int i = 0; !rc && i < REPEATS; i++) {
		rc = recall(b, d, len, &warm[i], err);
		drop_from_page_cache(b->root);
		if (!rc)
			rc = recall(b, d, len, &dropped[i], err);
	}
	disk_forget(d, OWNER);
	disk_close(d);
	if (rc)
		return rc;
	tell(b, "from disk, page cache warm", warm, REPEATS);
	tell(b, "from disk, dropped from it", dropped, REPEATS);
	tell(b, "copied and written", &wrote, 1);
	return 0;
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

static int run(struct cache_bench *b, struct err *err)
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
	return rc;
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
		rc = run(&b, err);
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
