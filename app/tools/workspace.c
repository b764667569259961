/* Opening the roots, and what is hidden in them; place.c resolves paths. */
#include "app/tools/workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "app/tools/secrets.h"

static char *copy(struct str s)
{
	return strndup(s.p ? s.p : "", s.n);
}

static int copy_list(struct str_list *l, const struct str *v, size_t n, struct err *err)
{
	l->v = calloc(n + 1, sizeof(*l->v));
	if (!l->v)
		return err_nomem(err, "workspace", n * sizeof(*l->v));
	for (; l->n < n; l->n++) {
		l->v[l->n] = copy(v[l->n]);
		if (!l->v[l->n])
			return err_nomem(err, "workspace", v[l->n].n);
	}
	return 0;
}

static void free_list(struct str_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
}

/* Own folders are held against true paths; one that is not there yet has no other name. */
static int make_true(struct str_list *l, struct err *err)
{
	for (size_t i = 0; i < l->n; i++) {
		char *path = realpath(l->v[i], NULL);

		if (!path && errno == ENOMEM)
			return err_nomem(err, "workspace", 0);
		if (!path)
			continue;
		free(l->v[i]);
		l->v[i] = path;
	}
	return 0;
}

static int open_root(struct workspace_root *r, struct str dir, struct err *err)
{
	char *given = copy(dir.n ? dir : STR_LIT("."));
	struct stat st;
	int rc = 0;

	r->fd = -1;
	if (!given)
		return err_nomem(err, "workspace", dir.n);
	errno = EINVAL; /* a name with a NUL in it */
	r->path = strlen(given) == (dir.n ? dir.n : 1) ? realpath(given, NULL) : NULL;
	if (!r->path && errno == ENOMEM) {
		rc = err_nomem(err, "workspace", dir.n);
		goto done;
	}
	if (!r->path) {
		rc = err_set(err, ERR_USAGE, "%s: cannot be the workspace: %s", given,
			     strerror(errno));
		goto done;
	}
	r->fd = open(r->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (r->fd < 0 || fstat(r->fd, &st) != 0) {
		rc = err_set(err, ERR_USAGE, "%s: cannot be the workspace: %s", r->path,
			     strerror(errno));
		goto done;
	}
	r->dev = st.st_dev;
	r->ino = st.st_ino;
done:
	free(given);
	return rc;
}

/* The whole disk is no workspace, HOME only where the user said so, what is hidden never. */
static int check_root(const struct workspace *w, const struct workspace_root *r, bool named,
		      struct err *err)
{
	struct str path = str_of(r->path);

	if (str_is(path, "/"))
		return err_set(err, ERR_USAGE, "/: cannot be the workspace");
	if (!named && w->home && path_is_within(str_of(w->home), path))
		return err_set(err, ERR_USAGE,
			       "%s: has your home in it: start in the folder of a project",
			       r->path);
	if (workspace_hides(w, path))
		return err_set(err, ERR_USAGE,
			       "%s: cannot be the workspace: it is hidden from tools", r->path);
	return 0;
}

static int add_root(struct workspace *w, struct str dir, bool named, bool read_only,
		    struct err *err)
{
	struct workspace_root *r;
	int rc;

	if (w->n_roots == WORKSPACE_ROOTS)
		return err_set(err, ERR_USAGE, "more than %d folders for tools",
			       WORKSPACE_ROOTS);
	r = &w->roots[w->n_roots++];
	r->read_only = read_only;
	rc = open_root(r, dir, err);
	return rc ? rc : check_root(w, r, named, err);
}

/* Old kernels, and containers that know it not. */
static bool lacks_openat2(void)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH};
	long fd = syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof(how));

	if (fd >= 0)
		close((int)fd);
	return fd < 0 && (errno == ENOSYS || errno == EPERM);
}

int workspace_init(struct workspace *w, const struct workspace_config *c, struct err *err)
{
	int rc;

	*w = (struct workspace){.plain = lacks_openat2()};
	if (c->home.n) {
		char *given = copy(c->home);

		if (!given)
			return err_nomem(err, "workspace", c->home.n);
		w->home = realpath(given, NULL);
		rc = !w->home && errno == ENOMEM;
		free(given);
		if (rc) /* what is hidden there would not be */
			return err_nomem(err, "workspace", c->home.n);
	}
	if ((rc = copy_list(&w->own, c->own, c->n_own, err)) ||
	    (rc = copy_list(&w->hide, c->hide, c->n_hide, err)) ||
	    (rc = copy_list(&w->show, c->show, c->n_show, err)) ||
	    (rc = make_true(&w->own, err)))
		return rc;
	rc = add_root(w, c->dir, c->named, false, err);
	for (size_t i = 0; !rc && i < c->n_more; i++)
		rc = add_root(w, c->more[i].dir, true, c->more[i].read_only, err);
	return rc;
}

void workspace_close(struct workspace *w)
{
	for (size_t i = 0; i < w->n_roots; i++) {
		if (w->roots[i].fd >= 0)
			close(w->roots[i].fd);
		free(w->roots[i].path);
	}
	free(w->home);
	free_list(&w->own);
	free_list(&w->hide);
	free_list(&w->show);
	*w = (struct workspace){0};
}

int workspace_check(const struct workspace *w, struct err *err)
{
	for (size_t i = 0; i < w->n_roots; i++) {
		const struct workspace_root *r = &w->roots[i];
		struct stat st;

		if (lstat(r->path, &st) != 0 || st.st_dev != r->dev || st.st_ino != r->ino)
			return err_set(err, ERR_FAILED, "%s: the workspace was replaced",
				       r->path);
	}
	return 0;
}

const struct workspace_root *workspace_root_of(const struct workspace *w, struct str path,
					       struct str *rel)
{
	const struct workspace_root *best = NULL;
	size_t n = 0;

	for (size_t i = 0; i < w->n_roots; i++) {
		struct str root = str_of(w->roots[i].path);

		if (path_is_within(path, root) && root.n > n) {
			best = &w->roots[i];
			n = root.n;
		}
	}
	*rel = best ? path_below(path, str_of(best->path)) : (struct str){"", 0};
	return best;
}

static bool any_means(const struct str_list *l, struct str path, struct str rel,
		      struct str home)
{
	for (size_t i = 0; i < l->n; i++)
		if (path_is_meant(str_of(l->v[i]), path, rel, home))
			return true;
	return false;
}

bool workspace_hides(const struct workspace *w, struct str path)
{
	struct str home = str_of(w->home), rel;

	for (size_t i = 0; i < w->own.n; i++)
		if (path_is_within(path, str_of(w->own.v[i])))
			return true;
	workspace_root_of(w, path, &rel);
	if (any_means(&w->show, path, rel, home))
		return false;
	return any_means(&w->hide, path, rel, home) || secret_of_system(path, geteuid() == 0) ||
	       (home.n && path_is_within(path, home) &&
		secret_in_home(path_below(path, home))) ||
	       (rel.n && secret_by_name(rel));
}
