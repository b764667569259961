/* cache: what is kept on disk of what was read, conversation by conversation. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/paths.h"
#include "app/verb/io.h"
#include "app/verb/verb.h"
#include "engine/store/kvdir.h"

/* ----------------------------------------------------------------------- list */

static int by_owner(const void *a, const void *b)
{
	const struct kv_entry *x = a, *y = b;
	int c = strcmp(x->identity, y->identity);

	return c ? c : strcmp(x->owner, y->owner);
}

static bool same_owner(const struct kv_entry *a, const struct kv_entry *b)
{
	return by_owner(a, b) == 0;
}

static void add_time(struct buf *out, int64_t ms)
{
	time_t t = (time_t)(ms / 1000);
	char text[40] = "";
	struct tm tm;

	if (localtime_r(&t, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &tm);
	buf_addf(out, "%-16s", text);
}

/* The line of the n entries of one conversation; returns how many. */
static size_t add_owner(struct buf *out, const struct kv_entry *e, size_t n_left)
{
	int64_t bytes = 0, used = 0, tokens = 0;
	size_t n = 0;

	while (n < n_left && same_owner(e, &e[n])) {
		bytes += e[n].bytes;
		used = e[n].used_ms > used ? e[n].used_ms : used;
		tokens = e[n].name.end > tokens ? e[n].name.end : tokens;
		n++;
	}
	buf_addf(out, "%-12s", e->owner);
	add_time(out, used);
	buf_addf(out, " %9lld tokens %9.1f MB\n", (long long)tokens, (double)bytes / 1e6);
	return n;
}

static int list(const char *root, struct buf *out, struct err *err)
{
	struct kv_list all;
	int rc = kvdir_list_all(root, &all, err);

	if (!rc) {
		size_t n_files;
		int64_t bytes = kv_list_bytes(&all, &n_files);

		if (all.n)
			qsort(all.v, all.n, sizeof(*all.v), by_owner);
		for (size_t i = 0; i < all.n;)
			i += add_owner(out, &all.v[i], all.n - i);
		buf_addf(out, "%.1f MB in %zu file%s\n", (double)bytes / 1e6, n_files,
			 n_files == 1 ? "" : "s");
	}
	kv_list_release(&all);
	return rc;
}

/* --------------------------------------------------------------------- verify */

static int read_whole(const char *path, struct err *err)
{
	unsigned char *block;
	struct kvfile f;
	uint32_t n;
	int rc = kvfile_open(&f, path, NULL, err);

	if (rc)
		return rc;
	n = kv_n_pages(&f.head) + (f.head.frontier_bytes != 0);
	block = malloc(f.head.page_bytes + f.head.frontier_bytes + 1);
	if (!block)
		rc = err_nomem(err, "cache file", f.head.page_bytes);
	for (uint32_t i = 0; !rc && i < n; i++)
		rc = kvfile_read(&f, block, err);
	free(block);
	kvfile_close(&f);
	return rc;
}

/* Damaged ones are said and removed: they would be, when they are met. */
static int verify(const char *root, struct buf *out, struct err *err)
{
	struct kv_list all;
	struct buf path = {0};
	size_t n_bad = 0;
	int rc = kvdir_list_all(root, &all, err);

	for (size_t i = 0; !rc && i < all.n; i++) {
		struct err why = {0};

		buf_reset(&path);
		kvdir_path(&path, root, &all.v[i]);
		if (buf_failed(&path)) {
			rc = err_nomem(err, "path", path.len);
		} else if (read_whole(buf_z(&path), &why) == ERR_MODEL) {
			buf_addf(out, "removed %s\n", why.text);
			kvdir_drop(root, all.v[i].identity, &all.v[i].name);
			n_bad++;
		}
	}
	if (!rc)
		buf_addf(out, "%zu of %zu files damaged\n", n_bad, all.n);
	if (!rc && n_bad)
		rc = err_set(err, ERR_FAILED, "%zu damaged file%s removed", n_bad,
			     n_bad == 1 ? "" : "s");
	buf_release(&path);
	kv_list_release(&all);
	return rc;
}

/* ---------------------------------------------------------------------- clear */

static int clear(const char *root, struct buf *out, struct err *err)
{
	int n = kvdir_clear(root, err);

	if (n < 0)
		return n;
	buf_addf(out, "%d file%s removed\n", n, n == 1 ? "" : "s");
	return 0;
}

int verb_cache(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const char *root, struct buf *out, struct err *err);
	} subs[] = {{"list", list}, {"verify", verify}, {"clear", clear}};
	const char *name = argc > 1 ? argv[1] : "list";
	struct buf root = {0}, out = {0};
	struct err err = {0}, unsaid = {0};
	int rc = path_of(PATH_CACHE, &root, &err);
	size_t i = 0;

	while (i < 3 && strcmp(subs[i].name, name) != 0)
		i++;
	if (argc > 2 || i == 3) {
		buf_release(&root);
		return verb_usage("cache");
	}
	if (!rc)
		rc = subs[i].run(buf_z(&root), &out, &err);
	if (out.len && verb_write(&out, rc ? &unsaid : &err) && !rc)
		rc = err.code;
	buf_release(&root);
	buf_release(&out);
	return verb_status("cache", rc, &err);
}
