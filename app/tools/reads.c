/* The words of commands that only look, and where they lead. */
#include "app/tools/reads.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/tools/folder.h"
#include "app/tools/glob.h"
#include "app/tools/place.h"
#include "app/tools/readonly.h"
#include "app/tools/workspace.h"

#define FOLDER_MOST 4096 /* entries that a pattern is held against */

struct reads {
	struct workspace w;
};

int reads_new(struct reads **out, const struct workspace_config *c, struct err *err)
{
	struct reads *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return err_nomem(err, "workspace", sizeof(*r));
	rc = workspace_init(&r->w, c, err);
	if (rc) {
		reads_free(r);
		return rc;
	}
	*out = r;
	return 0;
}

void reads_free(struct reads *r)
{
	if (!r)
		return;
	workspace_close(&r->w);
	free(r);
}

/* ---- one path ---- */

struct looking {
	const struct workspace *w;
	char cwd[PATH_MAX]; /* true, absolute; where the command at hand runs */
	bool outside;       /* something that is looked at lies elsewhere */
	bool (*let)(const void *ctx, struct str path);
	const void *ctx;
};

/* Absolute; false: it is too long, or has a NUL. */
static bool make_whole(const struct looking *l, struct str path, char whole[PATH_MAX])
{
	bool absolute = path.n && path.p[0] == '/';
	size_t n = absolute ? 0 : strlen(l->cwd);

	if (n + 1 + path.n >= PATH_MAX || (path.n && memchr(path.p, '\0', path.n)))
		return false;
	memcpy(whole, l->cwd, n);
	if (!absolute)
		whole[n++] = '/';
	memcpy(whole + n, path.n ? path.p : "", path.n);
	whole[n + path.n] = '\0';
	return true;
}

/* What lies at a path without links. */
static bool take_path(struct looking *l, const char *path)
{
	enum tool_class cls = workspace_judge(l->w, str_of(path));

	if (cls == TOOL_READ_OUTSIDE && !(l->let && l->let(l->ctx, str_of(path))))
		l->outside = true;
	return cls == TOOL_READ || cls == TOOL_READ_OUTSIDE;
}

/* What is not there shows nothing; but what would be is judged all the same. */
static bool look_at_nothing(struct looking *l, const char *whole)
{
	struct stat st;

	if (errno != ENOENT || lstat(whole, &st) == 0 || path_climbs(str_of(whole)))
		return false;
	return take_path(l, whole);
}

static bool look_at(struct looking *l, const char *whole, bool file)
{
	char path[PATH_MAX];
	struct stat st;

	if (strcmp(whole, "/dev/null") == 0)
		return true;
	if (!realpath(whole, path))
		return look_at_nothing(l, whole);
	if (file && (stat(path, &st) != 0 || S_ISDIR(st.st_mode)))
		return false;
	return take_path(l, path);
}

/* ---- patterns ---- */

/* An entry that the pattern may stand for. */
static bool look_at_entry(struct looking *l, const char *folder, const char *pattern, bool bare,
			  bool file, const struct dirent *e)
{
	char path[PATH_MAX];
	size_t n = strlen(folder), more = strlen(e->d_name);

	/* What a quote made plain is a pattern here: with brackets it may be any. */
	if (!strchr(pattern, '[') &&
	    fnmatch(pattern, e->d_name, FNM_NOESCAPE | FNM_PERIOD) != 0)
		return true;
	/* It would be taken for an option. */
	if (bare && e->d_name[0] == '-')
		return false;
	if (n + 1 + more >= sizeof(path))
		return false;
	memcpy(path, folder, n);
	path[n] = '/';
	memcpy(path + n + 1, e->d_name, more + 1);
	return look_at(l, path, file);
}

static bool look_through(struct looking *l, const char *folder, const char *pattern, bool bare,
			 bool file)
{
	DIR *dir = opendir(folder);
	struct dirent *e;
	bool fine = true;
	size_t n = 0;

	while (fine && (e = folder_next(dir)))
		fine = ++n <= FOLDER_MOST && look_at_entry(l, folder, pattern, bare, file, e);
	if (dir)
		closedir(dir);
	return dir && fine;
}

/* Wild in its last name alone: what it stands for is looked up. */
static bool look_at_pattern(struct looking *l, const char *whole, bool bare, bool file)
{
	char folder[PATH_MAX];
	const char *last = strrchr(whole, '/');
	size_t n = (size_t)(last - whole);

	if (strcspn(whole, "*?[") < n)
		return false;
	memcpy(folder, n ? whole : "/", n ? n : 1);
	folder[n ? n : 1] = '\0';
	return look_at(l, folder, false) && look_through(l, folder, last + 1, bare, file);
}

static bool operand(void *ctx, const struct shell_word *w, bool file)
{
	struct looking *l = ctx;
	char whole[PATH_MAX];

	if (!make_whole(l, w->text, whole))
		return false;
	if (!w->glob)
		return look_at(l, whole, file);
	return look_at_pattern(l, whole, !memchr(w->text.p, '/', w->text.n), file);
}

/* ---- lines ---- */

/* The path with . and doubled slashes left out is the true one: no link is on the way. */
static bool is_straight(const char *whole, const char *path)
{
	struct str rest = str_of(whole), name;
	size_t at = 0;

	while (path_next(&rest, &name)) {
		if (!name.n || str_is(name, "."))
			continue;
		if (path[at] != '/' || strncmp(path + at + 1, name.p, name.n) != 0)
			return false;
		at += 1 + name.n;
	}
	return path[at] == '\0';
}

/* Not for whoever is root, either: a sandbox leaves nobody that power. */
static bool may_enter(const char *path)
{
	struct stat st;
	mode_t bits;

	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode) || access(path, X_OK) != 0)
		return false;
	bits = st.st_uid == geteuid() ? S_IXUSR : S_IXGRP | S_IXOTH;
	return (st.st_mode & bits) == bits;
}

/* Only to where it is certain to arrive, and where .. leads back; what is hidden is not there. */
static bool move(struct looking *l, const struct shell_command *c)
{
	char whole[PATH_MAX], path[PATH_MAX];
	struct str rel;

	if (c->n_words != 2 || c->n_redirects || c->words[1].glob ||
	    (c->words[1].text.n && c->words[1].text.p[0] == '-') ||
	    !make_whole(l, c->words[1].text, whole) || !realpath(whole, path) ||
	    !is_straight(whole, path) || !may_enter(path) ||
	    !workspace_root_of(l->w, str_of(path), &rel) || workspace_hides(l->w, str_of(path)))
		return false;
	memcpy(l->cwd, path, strlen(path) + 1);
	return true;
}

static bool look_at_redirects(struct looking *l, const struct shell_command *c)
{
	for (size_t i = 0; i < c->n_redirects; i++) {
		const struct shell_redirect *to = &c->redirects[i];
		const struct shell_word w = {.text = to->target};

		if (to->how == SHELL_FROM ? !operand(l, &w, false)
					  : !str_is(to->target, "/dev/null"))
			return false;
	}
	return true;
}

/*
 * How many commands from the first on are a cd that is certain to be done, for all that
 * follows: in a pipe, or behind what may not come to it, it is not.  False: where the rest runs
 * is not known.
 */
static bool move_all(struct looking *l, const struct shell_line *line, size_t *n)
{
	for (*n = 0; *n < line->n && str_is(line->commands[*n].words[0].text, "cd"); ++*n) {
		const struct shell_command *c = &line->commands[*n];
		const struct shell_command *next = *n + 1 < line->n ? c + 1 : NULL;

		if (!move(l, c) ||
		    (next && next->joint != SHELL_THEN && next->joint != SHELL_AND))
			return false;
	}
	return true;
}

/* Without one git takes one above, or files of the workspace that look like one, whose settings
 * it believes. */
static bool has_repository(const struct workspace *w)
{
	struct stat st;
	int root = w->roots[0].fd;

	return fstatat(root, ".git", &st, 0) == 0 &&
	       (S_ISREG(st.st_mode) || fstatat(root, ".git/HEAD", &st, AT_SYMLINK_NOFOLLOW) == 0);
}

static enum tool_class look_at_command(struct looking *l, const struct shell_command *c,
				       bool moved)
{
	const struct readonly_look look = {operand, l};
	bool git = str_is(c->words[0].text, "git");

	/* What lies in a folder may be a repository, with settings of its own. */
	if (moved && git)
		return TOOL_RUN;
	l->outside = git && !has_repository(l->w);
	if (!readonly_is(c, &look) || !look_at_redirects(l, c))
		return TOOL_RUN;
	return l->outside ? TOOL_READ_OUTSIDE : TOOL_READ;
}

static enum tool_class look_at_line(struct looking *l, const struct shell_line *line,
				    bool looks[SHELLWORDS_COMMANDS])
{
	enum tool_class all = TOOL_READ;
	size_t moves;

	if (!move_all(l, line, &moves))
		return TOOL_RUN;
	for (size_t i = 0; i < line->n; i++) {
		enum tool_class cls = TOOL_READ;

		if (i >= moves && str_is(line->commands[i].words[0].text, "cd"))
			return TOOL_RUN;
		if (i >= moves)
			cls = look_at_command(l, &line->commands[i], moves > 0);
		looks[i] = cls == TOOL_READ;
		all = cls > all ? cls : all;
	}
	return all;
}

enum tool_class reads_look(const struct reads *r, const struct shell_line *line,
			   bool (*let)(const void *ctx, struct str path), const void *ctx,
			   bool looks[SHELLWORDS_COMMANDS])
{
	struct looking *l = r ? calloc(1, sizeof(*l)) : NULL;
	enum tool_class cls = TOOL_RUN;

	memset(looks, 0, SHELLWORDS_COMMANDS * sizeof(*looks));
	if (l && !line->why && line->n) {
		l->w = &r->w;
		l->let = let;
		l->ctx = ctx;
		strncpy(l->cwd, r->w.roots[0].path, sizeof(l->cwd) - 1);
		cls = look_at_line(l, line, looks);
	}
	free(l);
	return cls;
}

bool reads_true_path(const struct reads *r, struct str path, char led[PATH_MAX])
{
	struct buf whole = {0};
	bool found;

	place_write_out(&r->w, path, &whole);
	if (whole.len && whole.data[0] != '/') {
		buf_reset(&whole);
		buf_addf(&whole, "%s/", r->w.roots[0].path);
		buf_adds(&whole, path);
	}
	found = whole.len && !buf_failed(&whole) && realpath(buf_z(&whole), led);
	buf_release(&whole);
	return found;
}

enum tool_class reads_judge_path(const struct reads *r, struct str path)
{
	enum tool_class cls = workspace_judge(&r->w, path);
	char led[PATH_MAX];

	/* A link of the workspace is followed nowhere else. */
	if (cls != TOOL_READ_OUTSIDE)
		return TOOL_READ;
	if (reads_true_path(r, path, led))
		cls = workspace_judge(&r->w, str_of(led));
	return cls == TOOL_READ ? TOOL_READ : TOOL_READ_OUTSIDE;
}
