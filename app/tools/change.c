/* The file is found, read and compared anew in each phase: the plan is what both share. */
#include "app/tools/change.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "app/tools/diff.h"
#include "app/tools/swap.h"
#include "app/tools/wire.h"

#define CHANGED " changed while it was written"

/* ---- what is there ---- */

static int read_file(struct change *c)
{
	size_t size = (size_t)c->t.st.st_size;

	if (c->t.st.st_size > (off_t)FILE_CHANGE_BYTES)
		return file_refuse(c->j, c->path, " is too large to change (more than 8 MiB)");
	if (!buf_reserve(&c->before, size + 1))
		return ERR_NOMEM;
	/* One byte more, so that one that grows is noticed. */
	while (c->before.len <= size) {
		ssize_t n = pread(c->t.fd, c->before.data + c->before.len,
				  size + 1 - c->before.len, (off_t)c->before.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return file_refuse(c->j, c->path, ": cannot be read");
		if (n == 0)
			break;
		c->before.len += (size_t)n;
	}
	if (c->before.len != size)
		return file_refuse(c->j, c->path, " changed while it was read");
	c->before.data[size] = '\0';
	return 0;
}

int change_begin(struct change *c, struct file_job *j)
{
	int rc;

	*c = (struct change){.j = j, .path = file_arg(j, "path", (struct str){"", 0})};
	rc = target_find(j->w, c->path, &c->t, &j->text);
	if (!rc && faccessat(c->t.dir, ".", W_OK | X_OK, AT_EACCESS) != 0)
		rc = file_refuse(j, c->path, ": permission denied");
	if (!rc && c->t.fd >= 0)
		rc = read_file(c);
	if (!rc && c->t.fd >= 0) {
		c->hash = XXH3_128bits(c->before.data, c->before.len);
		rc = shown_find(j->shown, buf_str(&c->t.path), c->hash, &c->shown);
	}
	return rc;
}

void change_release(struct change *c)
{
	target_close(&c->t);
	buf_release(&c->before);
	buf_release(&c->after);
}

static bool begins(struct str s, const char *with, size_t n)
{
	return s.n >= n && memcmp(s.p, with, n) == 0;
}

int change_needs_text(struct change *c)
{
	struct str s = {buf_z(&c->before), c->before.len};

	if (c->t.fd < 0)
		return file_refuse(c->j, c->path, ": no such file or directory");
	if (begins(s, "\xFF\xFE", 2) || begins(s, "\xFE\xFF", 2))
		return file_refuse(c->j, c->path, " is UTF-16, which is only read");
	if (file_is_binary(s))
		return file_refuse(c->j, c->path, " is a binary file");
	return 0;
}

/* ---- the plan ---- */

static mode_t mode_of_new(void)
{
	mode_t mask = umask(0);

	umask(mask);
	return 0666 & ~mask;
}

static mode_t mode_after(const struct change *c)
{
	return c->t.fd < 0 ? mode_of_new() : c->t.st.st_mode & 0777;
}

static void add_plan(const struct change *c, struct buf *plan)
{
	bool existed = c->t.fd >= 0;
	unsigned char before[16] = {0}, after[16];

	if (existed)
		swap_put_hash(before, c->hash);
	swap_put_hash(after, XXH3_128bits(buf_z(&c->after), c->after.len));
	wire_add_text(plan, str_of(c->t.root->path));
	wire_add_text(plan, target_rel(&c->t));
	wire_add_number(plan, existed);
	wire_add_number(plan, (uint64_t)c->t.dir_st.st_dev);
	wire_add_number(plan, (uint64_t)c->t.dir_st.st_ino);
	wire_add_number(plan, target_missing(&c->t));
	wire_add_number(plan, existed ? (uint64_t)c->t.st.st_dev : 0);
	wire_add_number(plan, existed ? (uint64_t)c->t.st.st_ino : 0);
	wire_add_number(plan, existed ? c->t.st.st_mode & 07777 : 0);
	wire_add_text(plan, (struct str){(const char *)before, existed ? sizeof(before) : 0});
	wire_add_number(plan, mode_after(c));
	wire_add_text(plan, (struct str){(const char *)after, sizeof(after)});
}

bool file_plan_take(struct str plan, struct file_plan *p)
{
	struct wire_fields f = {.rest = plan};

	*p = (struct file_plan){0};
	p->root = wire_text(&f);
	p->path = wire_text(&f);
	p->existed = wire_number(&f) != 0;
	p->dir_dev = wire_number(&f);
	p->dir_ino = wire_number(&f);
	p->made_dirs = wire_number(&f);
	p->dev = wire_number(&f);
	p->ino = wire_number(&f);
	p->mode = wire_number(&f);
	p->hash = wire_text(&f);
	p->mode_after = wire_number(&f);
	p->hash_after = wire_text(&f);
	return wire_complete(&f) && p->root.n && p->path.n && p->mode <= 07777 &&
	       p->mode_after <= 0777 && p->hash.n == (p->existed ? 16 : 0) &&
	       p->hash_after.n == 16;
}

static int prepare(struct change *c)
{
	int rc = diff_add_shown(&c->j->diff, buf_str(&c->before), buf_str(&c->after));

	add_plan(c, &c->j->new_plan);
	buf_adds(&c->j->before, buf_str(&c->before));
	return rc;
}

/* ---- doing it ---- */

static int refuse_errno(struct change *c, int number)
{
	struct buf what = {0};
	int rc;

	if (number == EEXIST)
		buf_addz(&what, CHANGED);
	else if (number == EACCES || number == EPERM || number == EROFS)
		buf_addz(&what, ": permission denied");
	else
		buf_addf(&what, ": cannot be written: %s", strerror(number));
	rc = file_refuse(c->j, c->path, buf_z(&what));
	buf_release(&what);
	return rc;
}

static int write_it(struct change *c)
{
	struct swap s = {.name = c->t.name,
			 .content = buf_str(&c->after),
			 .mode = c->t.fd < 0 ? 0666 : mode_after(c),
			 .old = c->t.fd,
			 .hash = c->hash};
	int number = target_make_folders(&c->t, &s.dir, &c->made);
	enum swap_end end = SWAP_FAILED;

	if (!number) {
		end = swap_file(&s);
		number = errno;
	}
	if (s.dir >= 0)
		close(s.dir);
	if (end == SWAP_DONE)
		return 0;
	target_remove_folders(&c->t, c->made);
	if (end == SWAP_CHANGED)
		return file_refuse(c->j, c->path, CHANGED);
	return refuse_errno(c, number);
}

/* What it is now, as if all of it had been read, where the model knows it. */
static int add_info(struct change *c)
{
	bool knows = c->t.fd < 0 || c->shown.whole;

	shown_add(&c->j->info, buf_str(&c->t.path),
		  XXH3_128bits(buf_z(&c->after), c->after.len), knows);
	return buf_failed(&c->j->info) ? ERR_NOMEM : 0;
}

/* The plan that was allowed is the one that would be made now, to the last byte. */
static int apply(struct change *c)
{
	struct buf now = {0};
	bool same;
	int rc;

	add_plan(c, &now);
	same = str_eq(buf_str(&now), c->j->plan);
	rc = buf_failed(&now) ? ERR_NOMEM : 0;
	buf_release(&now);
	if (!rc && !same)
		rc = file_refuse(c->j, c->path, CHANGED);
	if (!rc)
		rc = add_info(c);
	/* Last: behind it nothing can fail. */
	return rc ? rc : write_it(c);
}

static int say(struct change *c, const char *said)
{
	struct buf *out = &c->j->text;

	buf_reset(out);
	buf_addz(out, said);
	buf_adds(out, c->path);
	if (c->shown.any && !c->shown.last_is_same) {
		buf_addz(out, "\n[");
		buf_adds(out, c->path);
		buf_addz(out, " had changed since it was read]");
	}
	if (c->t.fd >= 0 && c->t.st.st_nlink > 1) {
		buf_addz(out, "\n[other names of ");
		buf_adds(out, c->path);
		buf_addz(out, " (hard links) keep what it had]");
	}
	return buf_failed(out) ? ERR_NOMEM : 0;
}

int change_end(struct change *c, const char *said)
{
	int rc = buf_failed(&c->after) ? ERR_NOMEM : say(c, said);

	if (rc)
		return rc;
	return c->j->phase == JOB_APPLY ? apply(c) : prepare(c);
}
