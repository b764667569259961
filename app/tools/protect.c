/* By name, and by what a folder has in it. */
#include "app/tools/protect.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "app/tools/glob.h"

static const char *const kept[] = {".git", ".hg", ".svn", ".jj"};

static const char *const told_by[] = {
	".vscode",   ".idea",     ".claude",       ".codex",    ".cursor",
	".gemini",   ".husky",    ".devcontainer", ".mcp.json", ".envrc",
	"AGENTS.md", "CLAUDE.md", ".gitmodules",
};

#define N(list) (sizeof(list) / sizeof(*(list)))

/* Some file systems take one for the other. */
static bool is_one_of(const char *const *list, size_t n, struct str name)
{
	while (name.n && (name.p[name.n - 1] == '.' || name.p[name.n - 1] == ' '))
		name.n--;
	for (size_t i = 0; i < n; i++)
		if (name.n == strlen(list[i]) && strncasecmp(name.p, list[i], name.n) == 0)
			return true;
	return false;
}

bool protect_by_name(struct str path)
{
	struct str name;

	while (path_next(&path, &name))
		if (is_one_of(kept, N(kept), name))
			return true;
	return false;
}

bool protect_from_commands(struct str name)
{
	return is_one_of(kept, N(kept), name) || is_one_of(told_by, N(told_by), name);
}

static bool has(int root, struct str folder, const char *name)
{
	char z[PATH_MAX];
	struct stat st;
	int n = snprintf(z, sizeof(z), "%.*s%s%s", (int)folder.n, folder.p ? folder.p : "",
			 folder.n ? "/" : "", name);

	return n > 0 && (size_t)n < sizeof(z) &&
	       fstatat(root, z, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A repository's own folder, or that of another tree of its files. */
static bool is_repository(int root, struct str folder)
{
	return has(root, folder, "HEAD") &&
	       (has(root, folder, "commondir") ||
		(has(root, folder, "objects") && has(root, folder, "refs")));
}

bool protect_is_repository(int folder)
{
	return is_repository(folder, (struct str){"", 0});
}

bool protect_by_content(int root, struct str rel)
{
	if (is_repository(root, (struct str){"", 0}))
		return true;
	for (size_t n = 1; n <= rel.n; n++)
		if ((n == rel.n || rel.p[n] == '/') &&
		    is_repository(root, (struct str){rel.p, n}))
			return true;
	return false;
}
