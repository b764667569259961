/* Names, folders and links of the disk tier. */
#include "engine/store/kvdir.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/clock.h"

/* What a process that died has left of a file is not waited for longer. */
#define LEFT_OVER_MS (10 * 60 * 1000)

/* ---------------------------------------------------------------------- names */

static void name_text(const struct kv_name *name, char text[KV_NAME_BYTES])
{
	snprintf(text, KV_NAME_BYTES, "%s-%08" PRIx64 "-%016" PRIx64 "%016" PRIx64,
		 name->frontier ? "end" : "run", (uint64_t)name->end & 0xffffffff,
		 name->sum.high, name->sum.low);
}

static bool name_parse(const char *text, struct kv_name *name)
{
	char again[KV_NAME_BYTES];
	uint64_t end, high, low;

	if (sscanf(text + (*text ? 3 : 0), "-%8" SCNx64 "-%16" SCNx64 "%16" SCNx64, &end, &high,
		   &low) != 3)
		return false;
	*name = (struct kv_name){strncmp(text, "end", 3) == 0, (int64_t)end, {low, high}};
	/* So that each has one spelling, and this is it. */
	name_text(name, again);
	return end > 0 && strcmp(again, text) == 0;
}

bool kv_name_same(const struct kv_name *a, const struct kv_name *b)
{
	return a->frontier == b->frontier && a->end == b->end && a->sum.low == b->sum.low &&
	       a->sum.high == b->sum.high;
}

bool kv_owner_valid(struct str owner)
{
	if (owner.n == 0 || owner.n >= KV_OWNER_BYTES)
		return false;
	for (size_t i = 0; i < owner.n; i++) {
		if (!isalnum((unsigned char)owner.p[i]) && (owner.p[i] != '-' || i == 0))
			return false;
	}
	return true;
}

/* -------------------------------------------------------------------- walking */

/* Called for each entry of a folder that does not begin with a dot; not 0 stops. */
typedef int (*on_entry)(void *ctx, const char *path, const char *name);

static int walk(const char *path, on_entry call, void *ctx, struct err *err)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int rc = 0;

	if (!d)
		return errno == ENOENT || errno == ENOTDIR ? 0 : err_errno(err, path, "open");
	while (!rc && (e = readdir(d)))
		rc = e->d_name[0] == '.' ? 0 : call(ctx, path, e->d_name);
	closedir(d);
	return rc;
}

struct listing {
	struct kv_list *out;
	struct err *err;
	bool sizes;
	const char *identity, *owner;
	struct buf path;
};

static int64_t ms_of(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* False: it is gone. */
static bool measure(struct kv_entry *e, const char *path)
{
	struct stat st;

	if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return false;
	e->bytes = st.st_size;
	e->used_ms = ms_of(st.st_atim);
	e->uses_ms = ms_of(st.st_mtim);
	e->file = (uint64_t)st.st_ino;
	return true;
}

/* Removes it where whoever wrote it has died. */
static void drop_left_over(const char *path)
{
	size_t n = strlen(path);
	struct stat st;

	if (n > 4 && strcmp(path + n - 4, ".tmp") == 0 && lstat(path, &st) == 0 &&
	    clock_wall_ms() - ms_of(st.st_mtim) > LEFT_OVER_MS)
		unlink(path);
}

static int on_file(void *ctx, const char *path, const char *name)
{
	struct listing *l = ctx;
	struct kv_list *out = l->out;
	struct kv_entry e = {0};

	buf_reset(&l->path);
	buf_addf(&l->path, "%s/%s", path, name);
	if (buf_failed(&l->path))
		return err_nomem(l->err, "path", strlen(path));
	if (!name_parse(name, &e.name)) {
		drop_left_over(buf_z(&l->path));
		return 0;
	}
	if (l->sizes && !measure(&e, buf_z(&l->path)))
		return 0;
	snprintf(e.identity, sizeof(e.identity), "%s", l->identity);
	snprintf(e.owner, sizeof(e.owner), "%s", l->owner);
	if (out->n == out->cap) {
		size_t cap = out->cap ? 2 * out->cap : 64;
		struct kv_entry *grown = realloc(out->v, cap * sizeof(*grown));

		if (!grown)
			return err_nomem(l->err, "list of cache files", cap * sizeof(*grown));
		out->v = grown;
		out->cap = cap;
	}
	out->v[out->n++] = e;
	return 0;
}

/* Calls it for each entry of the folder path/name. */
static int walk_in(const char *path, const char *name, on_entry call, void *ctx,
		   struct err *err)
{
	struct buf sub = {0};
	int rc;

	buf_addf(&sub, "%s/%s", path, name);
	rc = buf_failed(&sub) ? err_nomem(err, "path", strlen(path))
			      : walk(buf_z(&sub), call, ctx, err);
	buf_release(&sub);
	return rc;
}

static int on_owner(void *ctx, const char *path, const char *name)
{
	struct listing *l = ctx;

	if (!kv_owner_valid(str_of(name)))
		return 0;
	l->owner = name;
	return walk_in(path, name, on_file, l, l->err);
}

static int on_identity(void *ctx, const char *path, const char *name)
{
	struct listing *l = ctx;

	if (strlen(name) >= KV_IDENTITY)
		return 0;
	l->identity = name;
	return walk_in(path, name, on_owner, l, l->err);
}

int kvdir_list(const char *root, const char *identity, struct kv_list *out, struct err *err)
{
	struct listing l = {.out = out, .err = err};
	int rc;

	*out = (struct kv_list){0};
	rc = on_identity(&l, root, identity);
	buf_release(&l.path);
	return rc;
}

int kvdir_list_all(const char *root, struct kv_list *out, struct err *err)
{
	struct listing l = {.out = out, .err = err, .sizes = true};
	int rc;

	*out = (struct kv_list){0};
	rc = walk(root, on_identity, &l, err);
	buf_release(&l.path);
	return rc;
}

void kv_list_release(struct kv_list *list)
{
	free(list->v);
	*list = (struct kv_list){0};
}

const struct kv_entry *kv_list_find(const struct kv_list *list, const struct kv_name *name)
{
	for (size_t i = 0; i < list->n; i++) {
		if (kv_name_same(&list->v[i].name, name))
			return &list->v[i];
	}
	return NULL;
}

/* ---------------------------------------------------------------- single files */

void kvdir_path(struct buf *out, const char *root, const struct kv_entry *e)
{
	char name[KV_NAME_BYTES];

	name_text(&e->name, name);
	buf_addf(out, "%s/%s/%s/%s", root, e->identity, e->owner, name);
}

static int make_folder(struct buf *path, struct err *err)
{
	if (buf_failed(path))
		return err_nomem(err, "path", path->len);
	if (mkdir(buf_z(path), 0700) != 0 && errno != EEXIST)
		return err_errno(err, buf_z(path), "create");
	return 0;
}

int kvdir_make(const char *root, const char *identity, const char *owner, struct err *err)
{
	struct buf path = {0};
	int rc;

	buf_addz(&path, root);
	rc = make_folder(&path, err);
	buf_addf(&path, "/%s", identity);
	if (!rc)
		rc = make_folder(&path, err);
	buf_addf(&path, "/%s", owner);
	if (!rc)
		rc = make_folder(&path, err);
	buf_release(&path);
	return rc;
}

bool kvdir_link(const char *root, const struct kv_entry *e, const char *owner)
{
	struct kv_entry other = *e;
	struct buf from = {0}, to = {0};
	bool done;

	snprintf(other.owner, sizeof(other.owner), "%s", owner);
	kvdir_path(&from, root, e);
	kvdir_path(&to, root, &other);
	done = !buf_failed(&from) && !buf_failed(&to) &&
	       (link(buf_z(&from), buf_z(&to)) == 0 || errno == EEXIST);
	buf_release(&from);
	buf_release(&to);
	return done;
}

bool kvdir_measure(const char *root, struct kv_entry *e)
{
	struct buf path = {0};
	bool there;

	kvdir_path(&path, root, e);
	there = !buf_failed(&path) && measure(e, buf_z(&path));
	buf_release(&path);
	return there;
}

void kvdir_touch(const char *root, const struct kv_entry *e, int64_t uses_ms)
{
	const struct timespec times[2] = {
		{.tv_nsec = UTIME_NOW},
		{.tv_sec = uses_ms / 1000, .tv_nsec = uses_ms % 1000 * 1000000},
	};
	struct buf path = {0};

	kvdir_path(&path, root, e);
	if (!buf_failed(&path))
		(void)utimensat(AT_FDCWD, buf_z(&path), times, AT_SYMLINK_NOFOLLOW);
	buf_release(&path);
}

void kvdir_remove(const char *root, const struct kv_entry *e)
{
	struct buf path = {0};

	kvdir_path(&path, root, e);
	if (!buf_failed(&path)) {
		unlink(buf_z(&path));
		*strrchr(path.data, '/') = '\0';
		rmdir(path.data);
	}
	buf_release(&path);
}

void kvdir_drop(const char *root, const char *identity, const struct kv_name *name)
{
	struct kv_list list;
	struct err err = {0};

	if (kvdir_list(root, identity, &list, &err) == 0) {
		for (size_t i = 0; i < list.n; i++) {
			if (kv_name_same(&list.v[i].name, name))
				kvdir_remove(root, &list.v[i]);
		}
	}
	kv_list_release(&list);
}

/* ------------------------------------------------------------------- many files */

struct removal {
	struct err *err;
	const char *owner; /* NULL: whoever */
	int n;
	struct buf path;
};

static int remove_file(void *ctx, const char *path, const char *name)
{
	struct removal *r = ctx;

	buf_reset(&r->path);
	buf_addf(&r->path, "%s/%s", path, name);
	if (!buf_failed(&r->path) && unlink(buf_z(&r->path)) == 0)
		r->n++;
	return 0;
}

static int remove_empty(void *ctx, const char *path, const char *name)
{
	struct removal *r = ctx;

	buf_reset(&r->path);
	buf_addf(&r->path, "%s/%s", path, name);
	if (!buf_failed(&r->path))
		rmdir(buf_z(&r->path));
	return 0;
}

static int remove_folder(void *ctx, const char *path, const char *name)
{
	struct removal *r = ctx;
	int rc;

	if (r->owner && strcmp(name, r->owner) != 0)
		return 0;
	rc = walk_in(path, name, remove_file, r, r->err);
	remove_empty(r, path, name);
	return rc;
}

static int remove_in_identity(void *ctx, const char *path, const char *name)
{
	struct removal *r = ctx;

	return walk_in(path, name, remove_folder, r, r->err);
}

static int remove_all(const char *root, const char *owner, struct err *err)
{
	struct removal r = {.err = err, .owner = owner};
	int rc = walk(root, remove_in_identity, &r, err);

	buf_release(&r.path);
	return rc ? rc : r.n;
}

int kvdir_remove_owner(const char *root, const char *owner)
{
	struct err err = {0};

	return remove_all(root, owner, &err);
}

int kvdir_clear(const char *root, struct err *err)
{
	struct removal r = {.err = err};
	int n = remove_all(root, NULL, err);

	if (n >= 0)
		walk(root, remove_empty, &r, err);
	buf_release(&r.path);
	return n;
}

/* Links of one file side by side. */
static int by_file(const void *a, const void *b)
{
	const struct kv_entry *x = a, *y = b;

	return (x->file > y->file) - (x->file < y->file);
}

int64_t kv_list_bytes(const struct kv_list *list, size_t *n_files)
{
	int64_t sum = 0;

	*n_files = 0;
	if (list->n)
		qsort(list->v, list->n, sizeof(*list->v), by_file);
	for (size_t i = 0; i < list->n; i++) {
		if (i && list->v[i].file == list->v[i - 1].file)
			continue;
		sum += list->v[i].bytes;
		++*n_files;
	}
	return sum;
}

int kvdir_lock(const char *root)
{
	struct buf path = {0};
	int fd = -1;

	buf_addf(&path, "%s/.lock", root);
	if (!buf_failed(&path))
		fd = open(buf_z(&path), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	buf_release(&path);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}
