/* The files of a list one after the other; each through the workspace, as every other tool. */
#include "app/tools/undo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/tools/clean.h"
#include "app/tools/file_tool.h"
#include "app/tools/place.h"
#include "app/tools/swap.h"
#include "app/tools/target.h"
#include "app/tools/wire.h"
#include "engine/base/utf8.h"

/* Of what is told; one file may be as large as an edit leaves it. */
#define TOLD_BYTES FILE_CHANGE_BYTES
#define FILE_BYTES (FILE_CHANGE_BYTES + FILE_WRITE_BYTES)
#define WHY_BYTES  4096u

/* ---- the list ---- */

bool file_side_eq(const struct file_side *a, const struct file_side *b)
{
	return a->exists == b->exists &&
	       (!a->exists || memcmp(a->hash, b->hash, sizeof(a->hash)) == 0);
}

static void add_side(struct buf *out, const struct file_side *s)
{
	wire_add_number(out, s->exists);
	wire_add_number(out, s->exists ? s->mode : 0);
	wire_add_text(out,
		      (struct str){(const char *)s->hash, s->exists ? sizeof(s->hash) : 0});
}

static bool take_side(struct wire_fields *f, struct file_side *s)
{
	uint64_t exists = wire_number(f);
	struct str hash;

	s->exists = exists == 1;
	s->mode = wire_number(f);
	hash = wire_text(f);
	if (f->failed || exists > 1 || s->mode > 07777 ||
	    hash.n != (s->exists ? sizeof(s->hash) : 0))
		return false;
	if (s->exists)
		memcpy(s->hash, hash.p, sizeof(s->hash));
	return true;
}

void undo_add_file(struct buf *plan, const struct undo_file *f)
{
	wire_add_text(plan, f->root);
	wire_add_text(plan, f->path);
	add_side(plan, &f->now);
	add_side(plan, &f->then);
	wire_add_number(plan, f->made_dirs);
	wire_add_text(plan, f->content);
}

static bool take_file(struct wire_fields *in, struct undo_file *f)
{
	*f = (struct undo_file){0};
	f->root = wire_text(in);
	f->path = wire_text(in);
	if (!take_side(in, &f->now) || !take_side(in, &f->then))
		return false;
	f->made_dirs = wire_number(in);
	f->content = wire_text(in);
	return !in->failed && f->root.n && f->path.n && f->content.n <= FILE_BYTES;
}

static void add_found(struct buf *out, const struct undo_found *f)
{
	wire_add_number(out, f->outcome);
	add_side(out, &f->is);
	wire_add_text(out, f->why);
	wire_add_text(out, f->bytes);
}

bool undo_take_found(struct str *files, struct undo_found *f)
{
	struct wire_fields in = {.rest = *files};
	uint64_t outcome = wire_number(&in);

	*f = (struct undo_found){0};
	if (in.failed || outcome > UNDO_REFUSED || !take_side(&in, &f->is))
		return false;
	f->outcome = (enum undo_outcome)outcome;
	f->why = wire_text(&in);
	f->bytes = wire_text(&in);
	*files = in.rest;
	return !in.failed && f->why.n <= WHY_BYTES && utf8_valid(f->why) &&
	       f->bytes.n <= FILE_BYTES;
}

bool undo_found_is(struct str files)
{
	struct undo_found f;

	while (files.n)
		if (!undo_take_found(&files, &f))
			return false;
	return true;
}

/* ---- one file ---- */

struct undo {
	struct file_job *j;
	struct undo_file f;
	int rc; /* 0, an outcome, ERR_USAGE or ERR_NOMEM */
	struct target t;
	struct buf path, why;
	struct buf bytes; /* what it holds; let go of when only the hash is needed */
	XXH128_hash_t hash;
	struct file_side is;
	/* While it waits for the disk: */
	bool swaps;
	struct swapping swap;
	int dir; /* that it is made in, and that was made for it; -1 */
	size_t made;
};

static int refuse(struct undo *u, const char *what)
{
	return place_refuse(&u->why, u->f.path, what);
}

static bool is_root(const struct workspace *w, struct str root)
{
	for (size_t i = 0; i < w->n_roots; i++)
		if (str_is(root, w->roots[i].path))
			return true;
	return false;
}

static int read_file(struct undo *u)
{
	size_t size = (size_t)u->t.st.st_size;

	if (u->t.st.st_size > (off_t)FILE_BYTES)
		return UNDO_CHANGED; /* no edit left it so */
	if (!buf_reserve(&u->bytes, size + 1))
		return ERR_NOMEM;
	while (u->bytes.len <= size) {
		ssize_t n = pread(u->t.fd, u->bytes.data + u->bytes.len,
				  size + 1 - u->bytes.len, (off_t)u->bytes.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return refuse(u, ": cannot be read");
		if (n == 0)
			break;
		u->bytes.len += (size_t)n;
	}
	u->hash = XXH3_128bits(buf_z(&u->bytes), u->bytes.len);
	u->is = (struct file_side){.exists = true, .mode = u->t.st.st_mode & 07777};
	swap_put_hash(u->is.hash, u->hash);
	return u->bytes.len == size ? 0 : UNDO_CHANGED;
}

/* What has the name now.  0, an outcome, or ERR_USAGE: it cannot be looked at; ERR_NOMEM. */
static int look(struct undo *u)
{
	int rc;

	if (!is_root(u->j->w, u->f.root))
		return UNDO_ABROAD;
	buf_adds(&u->path, u->f.root);
	buf_addc(&u->path, '/');
	buf_adds(&u->path, u->f.path);
	if (buf_failed(&u->path))
		return ERR_NOMEM;
	rc = target_find(u->j->w, buf_str(&u->path), &u->t, &u->why);
	if (rc)
		return rc;
	/* A folder on the way has become a link. */
	if (!str_eq(buf_str(&u->t.path), buf_str(&u->path)))
		return UNDO_CHANGED;
	return u->t.fd >= 0 ? read_file(u) : 0;
}

/* ---- changing it ---- */

/* Permissions that were changed since stay. */
static mode_t mode_then(const struct undo *u)
{
	uint64_t mode =
		u->is.exists && u->is.mode != u->f.now.mode ? u->is.mode : u->f.then.mode;

	return (mode_t)mode & 0777;
}

/* Those that an edit had made, from the deepest up, as far as they are empty. */
static void remove_folders(const struct undo *u)
{
	const struct workspace_root *root = u->t.root;
	struct str rel = target_rel(&u->t);

	for (uint64_t i = 0; i < u->f.made_dirs; i++) {
		struct buf name = {0};
		size_t n = rel.n, from;
		int above;

		while (n && rel.p[n - 1] != '/')
			n--;
		if (!n) /* the root itself */
			return;
		rel.n = n - 1;
		for (from = rel.n; from && rel.p[from - 1] != '/';)
			from--;
		buf_add(&name, rel.p + from, rel.n - from);
		above = place_open_below(u->j->w, root->fd, (struct str){rel.p, from});
		if (above >= 0) {
			unlinkat(above, buf_z(&name), AT_REMOVEDIR);
			close(above);
		}
		buf_release(&name);
	}
}

static int ended(struct undo *u, enum swap_end end)
{
	if (end == SWAP_FAILED)
		return place_refuse_errno(&u->why, u->f.path, errno);
	return end == SWAP_DONE ? 0 : UNDO_CHANGED;
}

/* In the folder that it was in, which is made where it went. */
static int begin_swap(struct undo *u)
{
	struct swap s = {.dir = u->t.dir,
			 .name = u->t.name,
			 .content = u->f.content,
			 .mode = mode_then(u),
			 .old = u->t.fd,
			 .hash = u->hash};
	int number = 0;
	mode_t mask;

	if (!u->is.exists) {
		number = target_make_folders(&u->t, &u->dir, &u->made);
		s.dir = u->dir;
	}
	if (!number) {
		/* The mode is known, whatever new files have. */
		mask = umask(0);
		u->swaps = swap_prepare(&u->swap, &s);
		number = errno;
		umask(mask);
	}
	if (u->swaps)
		return 0;
	target_remove_folders(&u->t, u->made);
	return place_refuse_errno(&u->why, u->f.path, number);
}

static int remove_it(struct undo *u)
{
	const struct swap s = {
		.dir = u->t.dir, .name = u->t.name, .old = u->t.fd, .hash = u->hash};

	return ended(u, swap_remove(&s));
}

/* Is what it is to become what was kept? */
static bool is_content(const struct undo_file *f)
{
	unsigned char hash[UNDO_HASH_BYTES];

	swap_put_hash(hash, XXH3_128bits(f->content.p, f->content.n));
	return !f->then.exists || memcmp(hash, f->then.hash, sizeof(hash)) == 0;
}

static int begin(struct undo *u)
{
	int rc = look(u);

	if (!rc && !file_side_eq(&u->is, &u->f.now))
		rc = UNDO_CHANGED;
	if (u->j->phase != JOB_APPLY)
		return rc;
	buf_release(&u->bytes);
	if (rc)
		return rc;
	if (!is_content(&u->f))
		return refuse(u, ": what was kept of it is damaged");
	if (faccessat(u->t.dir, ".", W_OK | X_OK, AT_EACCESS) != 0)
		return refuse(u, ": permission denied");
	return u->f.then.exists ? begin_swap(u) : 0;
}

static void finish(struct undo *u)
{
	if (u->rc || u->j->phase != JOB_APPLY)
		return;
	if (u->swaps)
		u->rc = ended(u, swap_finish(&u->swap));
	else if (u->is.exists)
		u->rc = remove_it(u);
	if (u->rc && u->made)
		target_remove_folders(&u->t, u->made);
	else if (!u->rc && !u->f.then.exists)
		remove_folders(u);
}

static void tell(struct undo *u)
{
	int rc = u->rc;
	struct undo_found found = {.outcome = rc < 0 ? UNDO_REFUSED : (enum undo_outcome)rc};
	struct buf why = {0};

	clean_add(&why, buf_str(&u->why));
	if (rc >= 0 && u->j->phase != JOB_APPLY)
		found.is = u->is;
	if (rc == 0 && u->j->phase != JOB_APPLY)
		found.bytes = buf_str(&u->bytes);
	if (rc < 0)
		found.why = buf_str(&why);
	if (found.why.n > WHY_BYTES)
		found.why = STR_LIT("the path is too long");
	add_found(&u->j->files, &found);
	u->j->files.failed |= buf_failed(&why) || buf_failed(&u->why);
	buf_release(&why);
}

static void release(struct undo *u)
{
	target_close(&u->t);
	if (u->dir >= 0)
		close(u->dir);
	buf_release(&u->path);
	buf_release(&u->bytes);
	buf_release(&u->why);
}

/* ---- many ---- */

/* The disk takes many at once in the time of a few. */
#define TOGETHER 128

struct batch {
	struct undo v[TOGETHER];
	size_t n;
};

static int add(struct batch *b, struct file_job *j, struct wire_fields *in)
{
	struct undo *u = &b->v[b->n++];

	*u = (struct undo){.j = j, .t = {.dir = -1, .fd = -1}, .dir = -1};
	if (!take_file(in, &u->f)) {
		buf_addz(&j->text, "the list of files is none");
		u->rc = ERR_USAGE;
		return ERR_USAGE;
	}
	u->rc = begin(u);
	return u->rc == ERR_NOMEM ? ERR_NOMEM : 0;
}

/* Each folder once, as far as its files stand together. */
static void sync_folders(const struct batch *b)
{
	const struct undo *last = NULL;

	for (size_t i = 0; i < b->n; i++) {
		const struct undo *u = &b->v[i];

		if (u->rc)
			continue;
		if (u->dir >= 0 || !last || last->dir >= 0 ||
		    last->t.dir_st.st_ino != u->t.dir_st.st_ino ||
		    last->t.dir_st.st_dev != u->t.dir_st.st_dev)
			swap_sync_folder(u->dir >= 0 ? u->dir : u->t.dir);
		last = u;
	}
}

static void sync_files(struct batch *b)
{
	struct swapping *v[TOGETHER];
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++)
		if (b->v[i].swaps)
			v[n++] = &b->v[i].swap;
	swap_sync(v, n);
}

static void end_batch(struct batch *b)
{
	sync_files(b);
	for (size_t i = 0; i < b->n; i++)
		finish(&b->v[i]);
	if (b->n && b->v[0].j->phase == JOB_APPLY)
		sync_folders(b);
}

static bool has_room(const struct file_job *j, const struct batch *b)
{
	return j->phase == JOB_APPLY || !j->files.len ||
	       j->files.len + b->v[0].bytes.len <= TOLD_BYTES;
}

int tool_undo(struct file_job *j)
{
	/* What is looked at is told at once, since it may be large. */
	size_t most = j->phase == JOB_APPLY ? TOGETHER : 1;
	struct batch *b = malloc(sizeof(*b));
	struct wire_fields in = {.rest = j->plan};
	bool room = true;
	int rc = b ? 0 : ERR_NOMEM;

	while (!rc && room && in.rest.n) {
		b->n = 0;
		while (!rc && b->n < most && in.rest.n)
			rc = add(b, j, &in);
		end_batch(b);
		room = has_room(j, b);
		for (size_t i = 0; i < b->n; i++) {
			if (!rc && room)
				tell(&b->v[i]);
			release(&b->v[i]);
		}
	}
	free(b);
	return rc;
}
