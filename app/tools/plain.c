/* A list of settings, and a reader that understands no more than git writes. */
#include "app/tools/plain.h"

#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/tools/folder.h"

#define SETTINGS_BYTES (64u << 10)

#define N(list) (sizeof(list) / sizeof(*(list)))

/* NULL: every setting of the section. */
static const struct {
	const char *section, *name;
} harmless[] = {
	{"core", "repositoryformatversion"},
	{"core", "filemode"},
	{"core", "bare"},
	{"core", "logallrefupdates"},
	{"core", "ignorecase"},
	{"core", "precomposeunicode"},
	{"core", "symlinks"},
	{"user", "name"},
	{"user", "email"},
	{"branch", "remote"},
	{"branch", "merge"},
	{"remote", "url"},
	{"remote", "fetch"},
	{"init", "defaultbranch"},
};

static bool is_word(struct str s, const char *z)
{
	return s.n == strlen(z) && strncasecmp(s.p, z, s.n) == 0;
}

/* "[core]", "[remote "origin"]": the first word; "" for anything else. */
static struct str section_of(struct str line)
{
	struct str none = {"", 0}, name = {line.p + 1, 0};
	struct str rest;

	if (line.n < 3 || line.p[line.n - 1] != ']')
		return none;
	while (name.n < line.n - 2 && name.p[name.n] != ' ')
		name.n++;
	rest = (struct str){name.p + name.n, line.n - 2 - name.n};
	for (size_t i = 0; i < name.n; i++)
		if (!((name.p[i] >= 'a' && name.p[i] <= 'z') ||
		      (name.p[i] >= 'A' && name.p[i] <= 'Z')))
			return none;
	if (!rest.n)
		return name;
	if (rest.n < 3 || rest.p[1] != '"' || rest.p[rest.n - 1] != '"')
		return none;
	for (size_t i = 2; i + 1 < rest.n; i++)
		if (strchr("\"\\]", rest.p[i]) || (unsigned char)rest.p[i] < ' ')
			return none;
	return name;
}

/* What git would run, read as an option, or go on with in the next line. */
static bool is_harmless_value(struct str v)
{
	if (v.n && v.p[0] == '-')
		return false;
	if (memmem(v.p, v.n, "::", 2))
		return false;
	for (size_t i = 0; i < v.n; i++)
		if (strchr("\\\"#;", v.p[i]) || (unsigned char)v.p[i] < ' ')
			return false;
	return true;
}

static bool is_harmless(struct str section, struct str line)
{
	const char *equals = memchr(line.p, '=', line.n);
	struct str name, value;

	if (!equals)
		return false;
	name = str_trimmed((struct str){line.p, (size_t)(equals - line.p)});
	value = str_trimmed((struct str){equals + 1, line.n - (size_t)(equals + 1 - line.p)});
	for (size_t i = 0; i < N(harmless); i++)
		if (is_word(section, harmless[i].section) && is_word(name, harmless[i].name))
			return is_harmless_value(value);
	return false;
}

bool plain_settings(struct str text)
{
	struct str section = {"", 0}, line;

	if (memchr(text.p ? text.p : "", '\0', text.n))
		return false;
	while (str_line(&text, &line)) {
		line = str_trimmed(line);
		if (!line.n || line.p[0] == '#' || line.p[0] == ';')
			continue;
		if (line.p[0] == '[') {
			section = section_of(line);
			if (!section.n)
				return false;
		} else if (!is_harmless(section, line)) {
			return false;
		}
	}
	return true;
}

static bool has_plain_settings(int folder)
{
	int fd = openat(folder, "config", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char text[SETTINGS_BYTES];
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return false;
	n = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size < (off_t)sizeof(text)
		    ? read(fd, text, sizeof(text))
		    : -1;
	close(fd);
	return n >= 0 && n == st.st_size && plain_settings((struct str){text, (size_t)n});
}

/* None, or those that come with git, which nothing runs. */
static bool has_plain_hooks(int folder)
{
	DIR *dir = folder_open(folder, "hooks");
	struct stat st;
	struct dirent *e;
	bool plain = true;

	if (!dir)
		return fstatat(folder, "hooks", &st, AT_SYMLINK_NOFOLLOW) != 0;
	while ((e = folder_next(dir))) {
		size_t n = strlen(e->d_name);

		plain = plain && n > 7 && strcmp(e->d_name + n - 7, ".sample") == 0;
	}
	closedir(dir);
	return plain;
}

bool plain_repository(int folder)
{
	/* They lead git elsewhere, or are repositories in turn. */
	static const char *const others[] = {"commondir", "config.worktree", "gitdir",
					     "modules", "worktrees"};
	struct stat st;

	for (size_t i = 0; i < N(others); i++)
		if (fstatat(folder, others[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
			return false;
	return has_plain_settings(folder) && has_plain_hooks(folder);
}
