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

bool protect_by_name(struct str path)
{
	struct str name;

	while (path_next(&path, &name)) {
		while (name.n && (name.p[name.n - 1] == '.' || name.p[name.n - 1] == ' '))
			name.n--;
		for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
			if (name.n == strlen(kept[i]) &&
			    strncasecmp(name.p, kept[i], name.n) == 0)
				return true;
	}
	return false;
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
