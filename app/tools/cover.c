/* The list, and what is hidden outside of the roots; cover_scan.c looks through these. */
#include "app/tools/cover.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/tools/folder.h"
#include "app/tools/secrets.h"

/* ---- the list ---- */

static int append(struct cover *c, const struct cover_item *item, struct err *err)
{
	if (c->n == COVER_MOST) {
		c->full = true;
		return 0;
	}
	if (c->n == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 64;
		struct cover_item *v = realloc(c->v, cap * sizeof(*v));

		if (!v)
			return err_nomem(err, "paths", cap * sizeof(*v));
		c->v = v;
		c->cap = cap;
	}
	c->v[c->n] = *item;
	c->v[c->n].path = strdup(item->path);
	if (!c->v[c->n].path)
		return err_nomem(err, "paths", strlen(item->path));
	c->n++;
	return 0;
}

int cover_add(struct cover *c, enum cover_kind kind, const char *path, struct err *err)
{
	struct cover_item item = {.kind = kind, .path = (char *)(uintptr_t)path};
	char *true_path = NULL;
	struct stat st;
	int rc = 0;

	if (lstat(path, &st) != 0)
		return 0;
	/* What it leads to is what holds the secret; a folder above it may be a link, too. */
	if (kind == COVER_HIDDEN) {
		true_path = realpath(path, NULL);
		if (!true_path || stat(true_path, &st) != 0) {
			free(true_path);
			return 0;
		}
		item.path = true_path;
	}
	item.type = st.st_mode & S_IFMT;
	item.dev = st.st_dev;
	item.ino = st.st_ino;
	rc = append(c, &item, err);
	free(true_path);
	return rc;
}

void cover_release(struct cover *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->v[i].path);
	free(c->v);
	*c = (struct cover){0};
}

/* As if '/' were the least byte: what is in a folder comes right behind it. */
static int by_place(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	if (!*a || !*b)
		return (*a != 0) - (*b != 0);
	if (*a == '/' || *b == '/')
		return *a == '/' ? -1 : 1;
	return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
}

static int by_path(const void *a, const void *b)
{
	const struct cover_item *x = a, *y = b;
	int order = by_place(x->path, y->path);

	return order ? order : (int)x->kind - (int)y->kind;
}

/* Does what is above say all there is to say?  What is kept is known, hidden or not: a command
 * could hide what it made from who looks for it. */
static bool says_enough(const struct cover_item *above, const struct cover_item *item)
{
	return path_is_within(str_of(item->path), str_of(above->path)) &&
	       (above->kind == COVER_HIDDEN) == (item->kind == COVER_HIDDEN);
}

/* In order, and without what another one covers already. */
static void tidy(struct cover *c)
{
	size_t n = 0;

	if (c->n)
		qsort(c->v, c->n, sizeof(*c->v), by_path);
	for (size_t i = 0; i < c->n; i++) {
		bool enough = false;

		for (size_t k = n; k-- > 0 && !enough;)
			enough = says_enough(&c->v[k], &c->v[i]);
		if (enough)
			free(c->v[i].path);
		else
			c->v[n++] = c->v[i];
	}
	c->n = n;
}

bool cover_hides(const struct cover *c, struct str path)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->v[i].kind == COVER_HIDDEN && path_is_within(path, str_of(c->v[i].path)))
			return true;
	return false;
}

const struct cover_item *cover_at(const struct cover *c, struct str path)
{
	for (size_t i = 0; i < c->n; i++)
		if (str_is(path, c->v[i].path))
			return &c->v[i];
	return NULL;
}

bool cover_has_below(const struct cover *c, struct str path)
{
	for (size_t i = 0; i < c->n; i++)
		if (path_is_within(str_of(c->v[i].path), path) && !str_is(path, c->v[i].path))
			return true;
	return false;
}

/* ---- outside of the roots ---- */

/* Whatever the folder has that is hidden. */
static int hide_in(struct cover *c, const struct workspace *w, struct str folder,
		   struct err *err)
{
	struct buf path = {0};
	struct dirent *e;
	DIR *dir;
	int rc = 0;

	buf_adds(&path, folder);
	dir = buf_failed(&path) ? NULL : opendir(buf_z(&path));
	while (!rc && (e = folder_next(dir))) {
		buf_reset(&path);
		buf_adds(&path, folder);
		buf_addf(&path, "/%s", e->d_name);
		if (buf_failed(&path))
			rc = err_nomem(err, "paths", path.len);
		else if (workspace_hides(w, buf_str(&path)))
			rc = cover_add(c, COVER_HIDDEN, buf_z(&path), err);
	}
	if (dir)
		closedir(dir);
	buf_release(&path);
	return rc;
}

/* The folders that patterns lie in, each once; `above` goes before each. */
static int hide_list(struct cover *c, const struct workspace *w, const char *const *patterns,
		     const char *above, struct err *err)
{
	struct buf folder = {0}, last = {0};
	int rc = 0;

	for (size_t i = 0; !rc && patterns[i]; i++) {
		const char *end = strrchr(patterns[i], '/');

		buf_reset(&folder);
		buf_addz(&folder, above);
		if (end && end > patterns[i])
			buf_addf(&folder, "%s%.*s", *above ? "/" : "", (int)(end - patterns[i]),
				 patterns[i]);
		if (buf_failed(&folder))
			rc = err_nomem(err, "paths", folder.len);
		else if (!str_eq(buf_str(&folder), buf_str(&last)))
			rc = hide_in(c, w, buf_str(&folder), err);
		buf_reset(&last);
		buf_adds(&last, buf_str(&folder));
	}
	buf_release(&folder);
	buf_release(&last);
	return rc;
}

/* A pattern of the user's for whole paths: what there is of it.  "**" is one name here. */
static int hide_pattern(struct cover *c, const struct workspace *w, const char *pattern,
			struct err *err)
{
	struct buf whole = {0};
	bool home = pattern[0] == '~' && pattern[1] == '/' && w->home;
	glob_t found = {0};
	int rc = 0;

	if (home)
		buf_addz(&whole, w->home);
	buf_addz(&whole, pattern + home);
	if (buf_failed(&whole))
		rc = err_nomem(err, "paths", whole.len);
	else if (glob(buf_z(&whole), GLOB_NOSORT, NULL, &found) == GLOB_NOSPACE)
		rc = err_nomem(err, "paths", found.gl_pathc);
	for (size_t i = 0; !rc && i < found.gl_pathc; i++)
		if (workspace_hides(w, str_of(found.gl_pathv[i])))
			rc = cover_add(c, COVER_HIDDEN, found.gl_pathv[i], err);
	globfree(&found);
	buf_release(&whole);
	return rc;
}

static int hide_outside(struct cover *c, const struct workspace *w, struct err *err)
{
	int rc = hide_list(c, w, secret_system_paths, "", err);

	if (!rc && w->home)
		rc = hide_list(c, w, secret_home_paths, w->home, err);
	if (!rc && geteuid() != 0)
		rc = cover_add(c, COVER_HIDDEN, "/root", err);
	for (size_t i = 0; !rc && i < w->own.n; i++)
		rc = cover_add(c, COVER_HIDDEN, w->own.v[i], err);
	for (size_t i = 0; !rc && i < w->hide.n; i++)
		if (w->hide.v[i][0] == '/' || w->hide.v[i][0] == '~')
			rc = hide_pattern(c, w, w->hide.v[i], err);
	return rc;
}

static int find(struct cover *c, const struct workspace *w, size_t left, struct err *err)
{
	int rc = hide_outside(c, w, err);

	for (size_t i = 0; !rc && i < w->n_roots; i++) {
		rc = cover_scan(c, w, &w->roots[i], &left, err);
		/* It may lie in one that is not. */
		if (!rc && w->roots[i].read_only)
			rc = cover_add(c, COVER_KEPT, w->roots[i].path, err);
	}
	if (!rc)
		tidy(c);
	return rc;
}

int cover_find(struct cover *c, const struct workspace *w, bool git, struct err *err)
{
	*c = (struct cover){.git = git, .depth = COVER_DEPTH};
	return find(c, w, COVER_ENTRIES, err);
}

int cover_find_all(struct cover *c, const struct workspace *w, bool git, struct err *err)
{
	*c = (struct cover){.git = git, .depth = COVER_DEPTH_ALL};
	return find(c, w, COVER_ENTRIES_ALL, err);
}
