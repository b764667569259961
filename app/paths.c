/* Where files are, by XDG variables and HOME. */
#include "app/paths.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
	const char *name, *variable, *fallback, *file;
} kinds[N_PATHS] = {
	[PATH_CONFIG] = {"config", "XDG_CONFIG_HOME", ".config", "config"},
	[PATH_HISTORY] = {"history", "XDG_DATA_HOME", ".local/share", "history.db"},
	[PATH_RULES] = {"rules", "XDG_DATA_HOME", ".local/share", "rules"},
	[PATH_LOG] = {"log", "XDG_STATE_HOME", ".local/state", "log"},
	[PATH_CACHE] = {"cache", "XDG_CACHE_HOME", ".cache", "kv"},
	[PATH_INPUTS] = {"inputs", "XDG_STATE_HOME", ".local/state", "input_history"},
};

const char *path_name(enum path_kind kind)
{
	return kinds[kind].name;
}

int path_folder(enum path_kind kind, struct buf *out, struct err *err)
{
	const char *base = getenv(kinds[kind].variable), *home = getenv("HOME");

	if (base && *base == '/')
		buf_addz(out, base);
	else if (home && *home == '/')
		buf_addf(out, "%s/%s", home, kinds[kind].fallback);
	else
		return err_set(err, ERR_USAGE, "%s: neither %s nor HOME names a directory",
			       kinds[kind].name, kinds[kind].variable);
	buf_addz(out, "/dsv4chat");
	return buf_failed(out) ? err_nomem(err, "path", out->len) : 0;
}

int path_of(enum path_kind kind, struct buf *out, struct err *err)
{
	int rc = path_folder(kind, out, err);

	if (rc)
		return rc;
	buf_addf(out, "/%s", kinds[kind].file);
	return buf_failed(out) ? err_nomem(err, "path", out->len) : 0;
}

int path_to_write(enum path_kind kind, struct buf *out, struct err *err)
{
	int rc = path_of(kind, out, err);

	for (char *p = rc ? NULL : strchr(out->data + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(out->data, 0700) != 0 && errno != EEXIST)
			rc = err_errno(err, out->data, "make the directory");
		*p = '/';
		if (rc)
			break;
	}
	return rc;
}

void path_expand(struct buf *out, struct str path)
{
	const char *home = getenv("HOME");

	if (home && *home && path.n && path.p[0] == '~' && (path.n == 1 || path.p[1] == '/')) {
		buf_addz(out, home);
		path = (struct str){path.p + 1, path.n - 1};
	}
	buf_adds(out, path);
}

static bool is_model(const struct buf *dir)
{
	struct buf file = {0};
	bool there;

	buf_addf(&file, "%s/config.json", buf_z(dir));
	there = !buf_failed(&file) && access(file.data, R_OK) == 0;
	buf_release(&file);
	return there;
}

int path_nano(struct buf *out, struct err *err)
{
	/* PREFIX/bin/dsv4chat, and build/VARIANT/dsv4chat in the source tree */
	static const char *const from_bin[] = {"/../share/dsv4chat/nano", "/../../share/nano"};
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n < 0)
		return err_errno(err, "/proc/self/exe", "read the link");
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	for (size_t i = 0; i < sizeof(from_bin) / sizeof(from_bin[0]); i++) {
		struct buf dir = {0};
		char real[PATH_MAX];
		bool found;

		buf_addf(&dir, "%s%s", self, from_bin[i]);
		found = !buf_failed(&dir) && is_model(&dir) && realpath(dir.data, real);
		buf_release(&dir);
		if (found) {
			buf_addz(out, real);
			return buf_failed(out) ? err_nomem(err, "path", strlen(real)) : 0;
		}
	}
	return err_set(err, ERR_MODEL,
		       "no model: the small one is not installed; give a checkpoint by --model DIR");
}
