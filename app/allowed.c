/* The file of rules for workspaces: read, and written anew. */
#include "app/allowed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "app/paths.h"
#include "engine/base/file.h"
#include "engine/base/jsontree.h"
#include "engine/base/jsonw.h"
#include "engine/base/utf8.h"

#define MOST_BYTES ((size_t)1 << 20)

/* ---- reading ---- */

/* The rule of a line that is about the workspace; false: it is another's, or none. */
static bool rule_of(const struct json_tree *line, const char *workspace, struct str *rule)
{
	*rule = json_str(json_object_get(line->root, "rule"));
	return json_is_object(line->root) && rule->n &&
	       str_is(json_str(json_object_get(line->root, "workspace")), workspace);
}

/* Whoever else can write to it could let anything run. */
static const char *distrusted(const char *path)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return NULL; /* reading it says why */
	if (!S_ISREG(st.st_mode))
		return "no regular file";
	if (st.st_uid != geteuid())
		return "another user's";
	return st.st_mode & (S_IWGRP | S_IWOTH) ? "writable by others" : NULL;
}

/* None is fine. */
static int read_all(const char *path, struct buf *text, struct err *err)
{
	struct stat st;

	return lstat(path, &st) != 0 && errno == ENOENT
		       ? 0
		       : file_read(text, path, MOST_BYTES, err);
}

static void take_lines(struct rules *r, const char *path, struct str text,
		       const char *workspace, struct buf *warnings)
{
	struct str line, rule;

	for (int n = 1; str_line(&text, &line); n++) {
		struct json_tree tree = {0};
		struct err why = {0};

		if (line.n && json_tree_parse(&tree, line, 0, &why))
			buf_addf(warnings, "%s: line %d: %s: not taken\n", path, n, why.text);
		else if (line.n && rule_of(&tree, workspace, &rule) &&
			 rules_learn(r, RULES_HERE, rule, &why))
			buf_addf(warnings, "%s: line %d: %s: not taken\n", path, n, why.text);
		json_tree_release(&tree);
	}
}

int allowed_load(struct rules *r, const char *workspace, struct buf *warnings, struct err *err)
{
	struct buf path = {0}, text = {0};
	struct err why = {0};
	const char *bad = NULL;

	/* Without a home there are none. */
	if (path_of(PATH_RULES, &path, &why) == 0) {
		bad = distrusted(buf_z(&path));
		if (bad)
			buf_addf(warnings, "%s: not taken, since it is %s\n", buf_z(&path),
				 bad);
		else if (read_all(buf_z(&path), &text, &why))
			buf_addf(warnings, "%s: not taken\n", why.text);
		else
			take_lines(r, buf_z(&path), buf_str(&text), workspace, warnings);
	}
	bad = buf_failed(&path) || buf_failed(&text) || buf_failed(warnings) ? "" : NULL;
	buf_release(&path);
	buf_release(&text);
	return bad ? err_nomem(err, "rules", 0) : 0;
}

/* ---- writing ---- */

static void add_line(struct buf *out, const char *workspace, struct str rule)
{
	time_t now = time(NULL);
	char when[32] = "";
	struct jsonw w;
	struct tm tm;

	if (gmtime_r(&now, &tm))
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	jsonw_init(&w, out);
	jsonw_begin_object(&w);
	jsonw_kv_string(&w, "workspace", str_of(workspace));
	jsonw_kv_string(&w, "rule", rule);
	jsonw_kv_string(&w, "when", str_of(when));
	jsonw_end_object(&w);
	buf_addc(out, '\n');
}

/* All lines but that rule's; what is none of ours is left as it is. */
static void copy_others(struct buf *out, struct str text, const char *workspace,
			struct str without)
{
	struct str line, rule;

	while (str_line(&text, &line)) {
		struct json_tree tree = {0};
		bool same = json_tree_parse(&tree, line, 0, NULL) == 0 &&
			    rule_of(&tree, workspace, &rule) && str_eq(rule, without);

		if (!same && line.n) {
			buf_adds(out, line);
			buf_addc(out, '\n');
		}
		json_tree_release(&tree);
	}
}

/* In the place of what stands there. */
static int replace(const char *path, struct str text, struct err *err)
{
	struct buf temp = {0};
	int fd = -1, rc = 0;

	buf_addf(&temp, "%s.XXXXXX", path);
	if (buf_failed(&temp))
		return err_nomem(err, "path", temp.len);
	fd = mkostemp(temp.data, O_CLOEXEC);
	if (fd < 0)
		rc = err_errno(err, temp.data, "make the file");
	else if (file_write_all(fd, text) != 0 || fsync(fd) != 0 ||
		 rename(temp.data, path) != 0)
		rc = err_errno(err, path, "write it");
	if (rc && fd >= 0)
		unlink(temp.data);
	file_close(&fd);
	buf_release(&temp);
	return rc;
}

/* Nobody else changes it, until it is closed. */
static int lock(const char *path, struct err *err)
{
	struct buf name = {0};
	int fd = -1;

	buf_addf(&name, "%s.lock", path);
	if (!buf_failed(&name))
		fd = open(name.data, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && flock(fd, LOCK_EX) != 0)
		file_close(&fd);
	if (fd < 0)
		err_errno(err, path, "lock it");
	buf_release(&name);
	return fd;
}

/* `rules` are added, or (without) that one is taken out. */
static int change(const char *workspace, struct str rules, struct str without, struct err *err)
{
	struct buf path = {0}, text = {0}, all = {0};
	const char *bad = NULL;
	struct str rule;
	int fd = -1, rc = path_to_write(PATH_RULES, &path, err);

	if (!rc && !utf8_valid(str_of(workspace)))
		rc = err_set(err, ERR_USAGE,
			     "%s: no rules are kept for it, since its name is no UTF-8",
			     workspace);
	if (!rc && (fd = lock(buf_z(&path), err)) < 0)
		rc = err->code;
	if (!rc && (bad = distrusted(buf_z(&path))))
		rc = err_set(err, ERR_IO, "%s: not changed, since it is %s", buf_z(&path), bad);
	if (!rc)
		rc = read_all(buf_z(&path), &text, err);
	if (!rc) {
		copy_others(&all, buf_str(&text), workspace, without);
		while (rules_next(&rules, &rule))
			add_line(&all, workspace, rule);
		rc = buf_failed(&all) ? err_nomem(err, "rules", all.len)
				      : replace(buf_z(&path), buf_str(&all), err);
	}
	file_close(&fd);
	buf_release(&path);
	buf_release(&text);
	buf_release(&all);
	return rc;
}

int allowed_add(const char *workspace, struct str rules, struct err *err)
{
	return change(workspace, rules, (struct str){"", 0}, err);
}

int allowed_remove(const char *workspace, struct str rule, struct err *err)
{
	return change(workspace, (struct str){"", 0}, rule, err);
}
