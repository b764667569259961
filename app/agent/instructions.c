/* Finding AGENTS.md files, and reading them without trusting them. */
#include "app/agent/instructions.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/base/utf8.h"

#define FOLDERS_MAX   64 /* from the repository's root down */
#define BYTES_A_TOKEN 3  /* at least, of such text */
#define CTX_SHARE     10 /* a tenth of the context at most */
#define NAME          "AGENTS.md"

/* One that was read, as far as there was room for it. */
struct found {
	struct buf path, text;
	size_t all; /* bytes of the file */
};

struct search {
	struct found *v; /* the nearest first */
	size_t n;
	size_t left; /* of the budget */
	struct buf *notices;
	struct err *err;
};

static void tell(struct search *s, const char *path, const char *what)
{
	buf_addf(s->notices, "%s %s: it is not read\n", path, what);
}

static size_t parent_length(const char *path, size_t n)
{
	while (n > 0 && path[n - 1] != '/')
		n--;
	return n > 1 ? n - 1 : n;
}

static bool has_git(const char *path, size_t n)
{
	struct buf git = {0};
	struct stat st;
	bool has;

	buf_add(&git, path, n);
	buf_addz(&git, "/.git");
	has = !buf_failed(&git) && lstat(buf_z(&git), &st) == 0;
	buf_release(&git);
	return has;
}

/* How much of the workspace's path is the root's; all of it, where there is no repository. */
static size_t root_length(const struct agent_place *p, bool *is_git)
{
	size_t n = strlen(p->workspace), home = p->home ? strlen(p->home) : 0;

	for (int i = 0; i < FOLDERS_MAX && n > 1; i++) {
		*is_git = has_git(p->workspace, n);
		if (*is_git)
			return n;
		if (home && n == home && strncmp(p->workspace, p->home, home) == 0)
			break;
		n = parent_length(p->workspace, n);
	}
	*is_git = false;
	return strlen(p->workspace);
}

bool instructions_in_git(const struct agent_place *p)
{
	bool is_git;

	root_length(p, &is_git);
	return is_git;
}

/* Beneath the root, wherever links lead; -1 with errno. */
static int open_beneath(int root, const char *path)
{
	struct open_how how = {.flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
	long fd = syscall(SYS_openat2, root, path, &how, sizeof(how));

	/* An old kernel follows no link here. */
	if (fd < 0 && errno == ENOSYS)
		fd = openat(root, path, (int)how.flags | O_NOFOLLOW);
	return (int)fd;
}

static void tell_unopened(struct search *s, const char *path)
{
	if (errno == ENOENT || errno == ENOTDIR)
		return;
	tell(s, path,
	     errno == EXDEV || errno == ELOOP ? "leads out of its folder" : strerror(errno));
}

/* As much of it as one file may have, and is left. */
static bool read_some(int fd, size_t room, struct buf *out)
{
	char part[4096];

	while (out->len < room && !buf_failed(out)) {
		size_t want = room - out->len < sizeof(part) ? room - out->len : sizeof(part);
		ssize_t n = read(fd, part, want);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0;
		buf_add(out, part, (size_t)n);
	}
	return true;
}

/* Back to the end of a line; without one nothing is left. */
static void cut(struct search *s, struct found *f)
{
	size_t n = f->text.len;

	while (n && f->text.data[n - 1] != '\n')
		n--;
	buf_truncate(&f->text, n);
	buf_addf(&f->text, "[cut here: %zu of %zu bytes of %s]\n", n, f->all, buf_z(&f->path));
	buf_addf(s->notices, "%s is cut: the model reads %zu of its %zu bytes\n",
		 buf_z(&f->path), n, f->all);
}

static bool is_text(const struct buf *b, bool whole)
{
	struct str s = buf_str(b);

	if (!whole)
		s.n -= utf8_partial_tail(s);
	return utf8_valid(s) && !(s.n && memchr(s.p, '\0', s.n));
}

/* False: it is not kept, and that was told. */
static bool fill(struct search *s, int fd, struct found *f)
{
	size_t room = s->left < INSTRUCTIONS_FILE_BYTES ? s->left : INSTRUCTIONS_FILE_BYTES;
	const char *path = buf_z(&f->path);
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		tell(s, path, "is no regular file");
		return false;
	}
	f->all = (size_t)st.st_size;
	if (!read_some(fd, room, &f->text)) {
		tell(s, path, "cannot be read");
		return false;
	}
	if (!is_text(&f->text, f->all <= f->text.len)) {
		tell(s, path, "is no UTF-8 text");
		return false;
	}
	s->left -= f->text.len;
	if (f->all > f->text.len)
		cut(s, f);
	return f->text.len != 0;
}

static int take(struct search *s, int fd, const char *dir, size_t n)
{
	struct found *more = realloc(s->v, (s->n + 1) * sizeof(*more));
	struct found *f;
	bool kept;
	int rc = 0;

	if (!more)
		return err_nomem(s->err, NAME, (s->n + 1) * sizeof(*more));
	s->v = more;
	f = &more[s->n];
	*f = (struct found){0};
	buf_add(&f->path, dir, n);
	buf_addz(&f->path, "/" NAME);
	kept = !buf_failed(&f->path) && fill(s, fd, f);
	if (buf_failed(&f->path) || buf_failed(&f->text))
		rc = err_nomem(s->err, NAME, INSTRUCTIONS_FILE_BYTES);
	if (kept && !rc) {
		s->n++;
		return 0;
	}
	buf_release(&f->path);
	buf_release(&f->text);
	return rc;
}

/* The file in the first n bytes of `path`, a folder, which lies in the root's. */
static int look_in(struct search *s, int root, const char *path, size_t n, size_t root_n)
{
	struct buf file = {0};
	int fd = -1, rc = 0;

	buf_add(&file, path, n);
	buf_addz(&file, "/" NAME);
	if (buf_failed(&file)) {
		rc = err_nomem(s->err, NAME, n);
	} else {
		fd = open_beneath(root, file.data + root_n + 1);
		if (fd < 0)
			tell_unopened(s, file.data);
	}
	if (fd >= 0) {
		rc = take(s, fd, path, n);
		close(fd);
	}
	buf_release(&file);
	return rc;
}

/* From the workspace up to the root. */
static int look_in_repository(struct search *s, const struct agent_place *p)
{
	bool is_git;
	size_t n = strlen(p->workspace), root_n = root_length(p, &is_git);
	struct buf path = {0};
	int root = -1, rc = 0;

	buf_add(&path, p->workspace, root_n);
	if (buf_failed(&path))
		rc = err_nomem(s->err, NAME, root_n);
	else
		root = open(buf_z(&path), O_PATH | O_DIRECTORY | O_CLOEXEC);
	while (root >= 0 && !rc && n >= root_n) {
		rc = look_in(s, root, p->workspace, n, root_n);
		if (n <= root_n)
			break;
		n = parent_length(p->workspace, n);
	}
	if (root >= 0)
		close(root);
	buf_release(&path);
	return rc;
}

/* The user's own may be a link to wherever it is kept. */
static int look_in_config(struct search *s, const struct agent_place *p)
{
	struct buf path = {0};
	int fd = -1, rc = 0;

	if (!p->config)
		return 0;
	buf_addf(&path, "%s/" NAME, p->config);
	if (buf_failed(&path))
		rc = err_nomem(s->err, NAME, path.len);
	else
		fd = open(buf_z(&path), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (!rc && fd < 0)
		tell_unopened(s, buf_z(&path));
	if (fd >= 0) {
		rc = take(s, fd, p->config, strlen(p->config));
		close(fd);
	}
	buf_release(&path);
	return rc;
}

static void tell_other_names(struct search *s, const struct agent_place *p)
{
	struct buf path = {0};

	buf_addf(&path, "%s/CLAUDE.md", p->workspace);
	if (!buf_failed(&path) && access(buf_z(&path), F_OK) == 0)
		buf_addz(s->notices, "CLAUDE.md is not read; AGENTS.md is\n");
	buf_release(&path);
}

int instructions_add(struct buf *out, const struct agent_place *p, int64_t ctx_tokens,
		     struct buf *notices, struct err *err)
{
	size_t share = ctx_tokens > 0 ? (size_t)(ctx_tokens / CTX_SHARE * BYTES_A_TOKEN)
				      : INSTRUCTIONS_ALL_BYTES;
	struct search s = {.left = share < INSTRUCTIONS_ALL_BYTES ? share
								  : INSTRUCTIONS_ALL_BYTES,
			   .notices = notices,
			   .err = err};
	int rc = look_in_repository(&s, p);

	if (!rc)
		rc = look_in_config(&s, p);
	tell_other_names(&s, p);
	while (s.n) {
		struct found *f = &s.v[--s.n];

		buf_addf(out, "\n# Instructions from %s\n\n", buf_z(&f->path));
		buf_adds(out, buf_str(&f->text));
		if (f->text.data[f->text.len - 1] != '\n')
			buf_addc(out, '\n');
		buf_release(&f->path);
		buf_release(&f->text);
	}
	free(s.v);
	return rc;
}
