/*
 * bubblewrap's options.  Their order counts: what comes later lies over what came before.
 *
 * No descriptor is bound, since it would stay open inside, and nothing is put where there is
 * nothing, since an empty file would be left of it.
 */
#include "app/tools/sandbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/tools/secrets.h"

static void add(struct buf *out, const char *a)
{
	buf_add(out, a, strlen(a) + 1);
}

static void add2(struct buf *out, const char *a, const char *b)
{
	add(out, a);
	add(out, b);
}

static void add3(struct buf *out, const char *a, const char *b, const char *c)
{
	add2(out, a, b);
	add(out, c);
}

static void add_namespaces(struct buf *out, enum sandbox_layer layer, unsigned grade)
{
	static const char *const always[] = {
		"--unshare-user",       "--unshare-pid",     "--unshare-ipc", "--unshare-uts",
		"--unshare-cgroup-try", "--die-with-parent", "--new-session",
	};

	for (size_t i = 0; i < sizeof(always) / sizeof(*always); i++)
		add(out, always[i]);
	if (!(grade & GRADE_NET))
		add(out, "--unshare-net");
	/* Where /proc is the machine's it cannot be written, and the filter alone refuses them.
	 */
	if (layer == SANDBOX_BWRAP)
		add(out, "--disable-userns");
	/* Always, for root would keep them: then nothing held is held. */
	add2(out, "--cap-drop", "ALL");
	add2(out, "--hostname", "sandbox");
}

/* ---- files ---- */

/* Covered by a file system of the sandbox's own. */
static const char *const fresh[] = {"/tmp", "/var/tmp", "/run", "/dev", "/proc"};

static bool is_gone(const struct workspace *w, const char *path)
{
	struct str rel;

	if (workspace_root_of(w, str_of(path), &rel))
		return false;
	for (size_t i = 0; i < sizeof(fresh) / sizeof(*fresh); i++)
		if (path_is_within(str_of(path), str_of(fresh[i])))
			return true;
	return false;
}

/* May this user, but for root's rights, which nobody has inside, search the folder? */
static bool can_search(const char *folder)
{
	struct stat st;
	bool member;

	if (geteuid() != 0)
		return access(folder, X_OK) == 0;
	if (stat(folder, &st) != 0)
		return false;
	if (st.st_uid == 0)
		return st.st_mode & S_IXUSR;
	member = st.st_gid == getegid() || group_member(st.st_gid);
	return st.st_mode & (member ? S_IXGRP : S_IXOTH);
}

/* What the command cannot get to needs no cover, and can be given none. */
static bool is_reachable(const char *path)
{
	char *folder = strdup(path), *slash = folder;
	bool ok = folder != NULL;

	while (ok && (slash = strchr(slash + 1, '/'))) {
		*slash = '\0';
		ok = can_search(folder);
		*slash = '/';
	}
	free(folder);
	return ok;
}

static void add_system(struct buf *out, const struct sandbox *s, unsigned grade)
{
	static const char *const run[] = {"/run/current-system", "/run/opengl-driver"};
	struct buf tmp = {0}, var = {0};

	add3(out, "--ro-bind", "/", "/");
	add2(out, "--dev", "/dev");
	if (s->layer == SANDBOX_BWRAP) {
		add2(out, "--proc", "/proc");
		/* Root sets the kernel's by their owner alone, without a capability. */
		add2(out, "--remount-ro", "/proc");
	}
	add2(out, "--tmpfs", "/run");
	for (size_t i = 0; i < sizeof(run) / sizeof(*run); i++)
		add3(out, "--ro-bind-try", run[i], run[i]);
	if (grade & GRADE_NET)
		add3(out, "--ro-bind-try", "/run/systemd/resolve", "/run/systemd/resolve");
	buf_addf(&tmp, "%s/tmp", s->scratch);
	buf_addf(&var, "%s/var", s->scratch);
	add3(out, "--bind", buf_z(&tmp), "/tmp");
	add3(out, "--bind", buf_z(&var), "/var/tmp");
	add2(out, "--tmpfs", "/dev/shm");
	out->failed |= buf_failed(&tmp) || buf_failed(&var);
	buf_release(&tmp);
	buf_release(&var);
}

/* One within another would be taken back by it: those above come first. */
static void add_roots(struct buf *out, const struct workspace *w, unsigned grade)
{
	size_t order[WORKSPACE_ROOTS];

	for (size_t i = 0; i < w->n_roots; i++) {
		size_t at = i;

		for (; at && strlen(w->roots[order[at - 1]].path) > strlen(w->roots[i].path);
		     at--)
			order[at] = order[at - 1];
		order[at] = i;
	}
	for (size_t i = 0; i < w->n_roots; i++) {
		const struct workspace_root *r = &w->roots[order[i]];
		bool writes = grade & GRADE_WRITE && !r->read_only;

		add3(out, writes ? "--bind" : "--ro-bind", r->path, r->path);
	}
}

static void add_item(struct buf *out, const struct cover_item *item)
{
	if (item->kind != COVER_HIDDEN) {
		add3(out, "--ro-bind", item->path, item->path);
	} else if (S_ISDIR(item->type)) {
		add2(out, "--tmpfs", item->path);
		add2(out, "--remount-ro", item->path);
	} else {
		add3(out, "--ro-bind", "/dev/null", item->path);
	}
}

/* What is hidden would be there again, if it were bound to be kept. */
static bool is_wanted(const struct workspace *w, const struct cover *c,
		      const struct cover_item *item)
{
	if (is_gone(w, item->path) || S_ISLNK(item->type) || !is_reachable(item->path))
		return false;
	return item->kind == COVER_HIDDEN || !cover_hides(c, str_of(item->path));
}

static void add_covered(struct buf *out, const struct workspace *w, const struct cover *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (is_wanted(w, c, &c->v[i]))
			add_item(out, &c->v[i]);
}

/* Once, however many are connected to it. */
static void add_socket(struct buf *out, const struct workspace *w, const struct cover *c,
		       const char *name)
{
	char *path = realpath(name, NULL);
	struct stat st;

	if (path && !is_gone(w, path) && !cover_hides(c, str_of(path)) &&
	    stat(path, &st) == 0 && S_ISSOCK(st.st_mode) && is_reachable(path) &&
	    !memmem(out->data, out->len, path, strlen(path) + 1))
		add3(out, "--ro-bind", "/dev/null", path);
	free(path);
}

/* One that can be seen can be spoken to, also where nothing can be written. */
static void add_sockets(struct buf *out, const struct workspace *w, const struct cover *c)
{
	FILE *f = fopen("/proc/net/unix", "re");
	char *line = NULL;
	size_t cap = 0;

	while (f && getline(&line, &cap, f) > 0) {
		char *path = strchr(line, '/');

		if (path) {
			path[strcspn(path, "\n")] = '\0';
			add_socket(out, w, c, path);
		}
	}
	free(line);
	if (f)
		fclose(f);
}

void bwrap_add_options(struct buf *out, const struct sandbox *s, const struct workspace *w,
		       const struct cover *c, unsigned grade)
{
	add_namespaces(out, s->layer, grade);
	add_system(out, s, grade);
	add_roots(out, w, grade);
	add_covered(out, w, c);
	add_sockets(out, w, c);
	add2(out, "--chdir", w->roots[0].path);
}
