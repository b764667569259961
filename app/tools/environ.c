/* What is taken over by name, and what is made. */
#include "app/tools/environ.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define N(list) (sizeof(list) / sizeof(*(list)))

#define USUAL_PATH "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"

/* Where, who and in which language. */
static const char *const inherited[] = {
	"HOME",        "USER",    "LOGNAME",    "LANG",       "LC_ALL",      "LC_CTYPE",
	"LC_MESSAGES", "LC_TIME", "LC_NUMERIC", "LC_COLLATE", "LC_MONETARY", "TZ",
};

/* Nothing asks, nothing pages, nothing is drawn. */
static const char *const made[] = {
	"SHELL=/bin/bash",
	"PAGER=cat",
	"GIT_PAGER=cat",
	"MANPAGER=cat",
	"GIT_TERMINAL_PROMPT=0",
	"GIT_OPTIONAL_LOCKS=0",
	"EDITOR=false",
	"VISUAL=false",
	"GIT_EDITOR=false",
	"TERM=dumb",
	"NO_COLOR=1",
	"CI=1",
	"DEBIAN_FRONTEND=noninteractive",
};

static void add(struct buf *out, const char *name, struct str value)
{
	buf_addf(out, "%s=", name);
	buf_adds(out, value);
	buf_addc(out, '\0');
}

/* A folder that a command, or anybody, could put a program in is none to look for one. */
static bool is_trusted(const struct workspace *w, struct str folder)
{
	struct buf path = {0};
	struct str rel;
	struct stat st;
	char *true_path;
	bool ok;

	if (!folder.n || folder.p[0] != '/')
		return false;
	buf_adds(&path, folder);
	true_path = buf_failed(&path) ? NULL : realpath(buf_z(&path), NULL);
	ok = true_path && stat(true_path, &st) == 0 && S_ISDIR(st.st_mode) &&
	     !(st.st_mode & S_IWOTH) && !workspace_root_of(w, str_of(true_path), &rel);
	free(true_path);
	buf_release(&path);
	return ok;
}

static void add_path(struct buf *out, const struct workspace *w)
{
	const char *rest = getenv("PATH");
	struct buf path = {0};

	while (rest && *rest) {
		size_t n = strcspn(rest, ":");
		struct str folder = {rest, n};

		if (is_trusted(w, folder)) {
			if (path.len)
				buf_addc(&path, ':');
			buf_adds(&path, folder);
		}
		rest += n + (rest[n] == ':');
	}
	add(out, "PATH", path.len ? buf_str(&path) : STR_LIT(USUAL_PATH));
	out->failed |= buf_failed(&path);
	buf_release(&path);
}

static void add_below(struct buf *out, const char *name, const char *tmp, const char *rest)
{
	buf_addf(out, "%s=%s%s", name, tmp, rest);
	buf_addc(out, '\0');
}

/* A repository's own settings run programs; these win over them. */
static void add_git(struct buf *out, bool hooks)
{
	add(out, "GIT_CONFIG_COUNT", hooks ? STR_LIT("1") : STR_LIT("2"));
	add(out, "GIT_CONFIG_KEY_0", STR_LIT("core.fsmonitor"));
	add(out, "GIT_CONFIG_VALUE_0", STR_LIT("false"));
	if (hooks)
		return;
	add(out, "GIT_CONFIG_KEY_1", STR_LIT("core.hooksPath"));
	add(out, "GIT_CONFIG_VALUE_1", STR_LIT("/dev/null"));
}

/* One block: the list, then the texts that it points to. */
static char **as_list(const struct buf *texts)
{
	size_t n = 0, bytes;
	char **list, *at;

	for (size_t i = 0; i < texts->len; i++)
		n += texts->data[i] == '\0';
	bytes = (n + 1) * sizeof(*list);
	list = buf_failed(texts) ? NULL : malloc(bytes + texts->len);
	if (!list)
		return NULL;
	at = memcpy((char *)list + bytes, texts->data, texts->len);
	for (size_t i = 0; i < n; i++) {
		list[i] = at;
		at += strlen(at) + 1;
	}
	list[n] = NULL;
	return list;
}

char **environ_make(const struct workspace *w, const char *tmp, bool hooks)
{
	struct buf texts = {0};
	char **list;

	add_path(&texts, w);
	for (size_t i = 0; i < N(inherited); i++) {
		const char *value = getenv(inherited[i]);

		if (value)
			add(&texts, inherited[i], str_of(value));
	}
	for (size_t i = 0; i < N(made); i++) {
		buf_addz(&texts, made[i]);
		buf_addc(&texts, '\0');
	}
	add_below(&texts, "TMPDIR", tmp, "");
	add_below(&texts, "XDG_CACHE_HOME", tmp, "/.cache");
	add_below(&texts, "npm_config_cache", tmp, "/.npm");
	add_git(&texts, hooks);
	list = as_list(&texts);
	buf_release(&texts);
	return list;
}
