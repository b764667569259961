/* Numbered files in a folder for each conversation. */
#include "app/tools/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/tools/folder.h"
#include "app/tools/tools.h"

#define PREFIX     "OUT:"
#define MOST_FILES 100000u
#define NAME_BYTES 16

static void name_of(unsigned n, char name[NAME_BYTES])
{
	snprintf(name, NAME_BYTES, "%u", n);
}

/* The number that a file's name is; 0: none. */
static unsigned number(const char *p, size_t n)
{
	unsigned v = 0;

	if (n == 0 || n > 6 || p[0] == '0')
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return 0;
		v = v * 10 + (unsigned)(p[i] - '0');
	}
	return v <= MOST_FILES ? v : 0;
}

unsigned spill_number(struct str name)
{
	size_t n = sizeof(PREFIX) - 1;

	return name.n > n && memcmp(name.p, PREFIX, n) == 0 ? number(name.p + n, name.n - n)
							    : 0;
}

bool spill_folder_is(struct str name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= '0' && c <= '9') && c != '-' && c != '_')
			return false;
	}
	return name.n > 0 && name.n <= 64;
}

static unsigned last_number(int folder)
{
	DIR *dir = folder_open(folder, ".");
	unsigned last = 0;
	struct dirent *e;

	while ((e = folder_next(dir))) {
		unsigned n = number(e->d_name, strlen(e->d_name));

		last = n > last ? n : last;
	}
	if (dir)
		closedir(dir);
	return last;
}

int spill_create(int folder, unsigned *n, struct err *err)
{
	for (unsigned next = last_number(folder) + 1; next <= MOST_FILES; next++) {
		char name[NAME_BYTES];
		int fd;

		name_of(next, name);
		fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    0600);
		if (fd >= 0) {
			*n = next;
			return fd;
		}
		if (errno != EEXIST)
			return err_errno(err, "output of a tool", "cannot create");
	}
	return err_set(err, ERR_IO, "output of a tool: more than %u files", MOST_FILES);
}

int spill_open(int folder, unsigned n)
{
	char name[NAME_BYTES];

	name_of(n, name);
	return openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void spill_remove(int folder, unsigned n)
{
	char name[NAME_BYTES];

	name_of(n, name);
	unlinkat(folder, name, 0);
}

/* What trimming knows of a file. */
struct spilled {
	char folder[256];
	unsigned n;
	uint64_t bytes;
	struct timespec time;
};

struct spilled_list {
	struct spilled *v;
	size_t n, cap;
	uint64_t bytes;
};

static bool note(struct spilled_list *l, const struct spilled *s)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		struct spilled *v = realloc(l->v, cap * sizeof(*v));

		if (!v)
			return false;
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n++] = *s;
	l->bytes += s->bytes;
	return true;
}

static void note_folder(struct spilled_list *l, int root, const char *name)
{
	DIR *dir = folder_open(root, name);
	struct spilled s = {0};
	struct dirent *e;
	struct stat st;

	if (!dir)
		return;
	snprintf(s.folder, sizeof(s.folder), "%s", name);
	while ((e = folder_next(dir))) {
		s.n = number(e->d_name, strlen(e->d_name));
		if (!s.n || fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		/* What several conversations have is freed by the last of them. */
		s.bytes = (uint64_t)st.st_size / (uint64_t)st.st_nlink;
		s.time = st.st_mtim;
		if (!note(l, &s))
			break;
	}
	closedir(dir);
}

static int by_time(const void *a, const void *b)
{
	const struct spilled *x = a, *y = b;

	if (x->time.tv_sec != y->time.tv_sec)
		return x->time.tv_sec < y->time.tv_sec ? -1 : 1;
	if (x->time.tv_nsec != y->time.tv_nsec)
		return x->time.tv_nsec < y->time.tv_nsec ? -1 : 1;
	return x->n < y->n ? -1 : x->n > y->n;
}

static void remove_one(int root, const struct spilled *s)
{
	int folder = openat(root, s->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (folder < 0)
		return;
	spill_remove(folder, s->n);
	close(folder);
}

void spill_trim(int root, uint64_t max_bytes)
{
	DIR *dir = folder_open(root, ".");
	struct spilled_list l = {0};
	struct dirent *e;

	while ((e = folder_next(dir)))
		if (e->d_name[0] != '.')
			note_folder(&l, root, e->d_name);
	if (dir)
		closedir(dir);
	if (l.n)
		qsort(l.v, l.n, sizeof(*l.v), by_time);
	for (size_t i = 0; i < l.n && l.bytes > max_bytes; i++) {
		remove_one(root, &l.v[i]);
		l.bytes -= l.v[i].bytes;
	}
	free(l.v);
}

static void empty_folder(int folder)
{
	DIR *dir = folder_open(folder, ".");
	struct dirent *e;

	while ((e = folder_next(dir))) {
		unsigned n = number(e->d_name, strlen(e->d_name));

		if (n)
			spill_remove(folder, n);
	}
	if (dir)
		closedir(dir);
}

int tools_forget_outputs(const char *spill_root, const char *spill_folder, struct err *err)
{
	int root, folder, rc = 0;

	/* What cannot be a folder's name has kept nothing. */
	if (!spill_folder_is(str_of(spill_folder)))
		return 0;
	root = open(spill_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return errno == ENOENT ? 0 : err_errno(err, spill_root, "cannot open");
	folder = openat(root, spill_folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder >= 0) {
		empty_folder(folder);
		close(folder);
	}
	if (unlinkat(root, spill_folder, AT_REMOVEDIR) != 0 && errno != ENOENT)
		rc = err_errno(err, spill_folder, "cannot remove the outputs of tools in");
	close(root);
	return rc;
}

static int link_output(int root, const char *from, const char *to, const char *name,
		       struct err *err)
{
	int a = openat(root, from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), b, rc = 0;

	if (a < 0)
		return 0;
	mkdirat(root, to, 0700);
	b = openat(root, to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (b < 0 || (linkat(a, name, b, name, 0) != 0 && errno != EEXIST && errno != ENOENT))
		rc = err_errno(err, to, "cannot keep the output of a tool in");
	if (b >= 0)
		close(b);
	close(a);
	/* A folder in which nothing is kept does not stay. */
	unlinkat(root, to, AT_REMOVEDIR);
	return rc;
}

int tools_share_output(const char *spill_root, const char *from, const char *to, struct str name,
		       struct err *err)
{
	unsigned n = spill_number(name);
	char file[NAME_BYTES];
	int root, rc;

	if (!n || !spill_folder_is(str_of(from)) || !spill_folder_is(str_of(to)))
		return 0;
	root = open(spill_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return errno == ENOENT ? 0 : err_errno(err, spill_root, "cannot open");
	name_of(n, file);
	rc = link_output(root, from, to, file, err);
	close(root);
	return rc;
}
