/* Lists, and how a path is held against them. */
#include "app/tools/secrets.h"

#include <stddef.h>
#include <string.h>

#include "app/tools/glob.h"

/* Those of one folder stand together. */
const char *const secret_home_paths[] = {
	".ssh",
	".gnupg",
	".aws",
	".azure",
	".kube",
	".netrc",
	".pgpass",
	".my.cnf",
	".npmrc",
	".pypirc",
	".git-credentials",
	".password-store",
	".mozilla",
	".thunderbird",
	".*_history",
	".python_history",
	".vault-token",
	".bitcoin",
	".electrum",
	".config/gcloud",
	".config/gh",
	".config/op",
	".config/google-chrome",
	".config/chromium",
	".config/BraveSoftware",
	".config/rclone",
	".docker/config.json",
	".config/git/credentials",
	".local/share/keyrings",
	".cargo/credentials*",
	".terraform.d/credentials*",
	".m2/settings.xml",
	".gradle/gradle.properties",
	NULL,
};

const char *const secret_system_paths[] = {
	"/etc/shadow",
	"/etc/shadow-",
	"/etc/gshadow",
	"/etc/gshadow-",
	"/etc/sudoers",
	"/etc/sudoers.d",
	"/etc/ssh/ssh_host_*_key",
	"/var/lib/docker",
	"/var/lib/containers",
	"/var/run/secrets",
	"/run/secrets",
	NULL,
};

static const char *const names[] = {
	".env", ".env.*", "*.pem", "*.key", "id_rsa*", "id_ed25519*",
};

/* Names that are none for all that. */
static const char *const harmless[] = {
	"*.example", "*.sample", "*.template", "*.dist", "*.pub",
};

#define N(list) (sizeof(list) / sizeof(*(list)))

static bool any_covers(const char *const *list, size_t n, struct str path)
{
	for (size_t i = 0; i < n; i++)
		if (glob_covers(str_of(list[i]), path, true))
			return true;
	return false;
}

bool secret_in_home(struct str rel)
{
	return any_covers(secret_home_paths, N(secret_home_paths) - 1, rel);
}

bool secret_of_system(struct str path, bool root)
{
	return any_covers(secret_system_paths, N(secret_system_paths) - 1, path) ||
	       (!root && path_is_within(path, STR_LIT("/root")));
}

static bool any_matches(const char *const *list, size_t n, struct str name)
{
	for (size_t i = 0; i < n; i++)
		if (glob_match(str_of(list[i]), name, true))
			return true;
	return false;
}

bool secret_by_name(struct str rel)
{
	struct str name = {NULL, 0}, next;
	bool test = false;

	while (path_next(&rel, &next)) {
		test = test || (name.n && glob_match(STR_LIT("test*"), name, true));
		name = next;
	}
	test = test || !name.n;
	return !test && any_matches(names, N(names), name) &&
	       !any_matches(harmless, N(harmless), name);
}

bool path_is_within(struct str path, struct str folder)
{
	if (str_is(folder, "/"))
		return path.n && path.p[0] == '/';
	return folder.n && path.n >= folder.n && memcmp(path.p, folder.p, folder.n) == 0 &&
	       (path.n == folder.n || path.p[folder.n] == '/');
}

struct str path_below(struct str path, struct str folder)
{
	path.p += folder.n;
	path.n -= folder.n;
	if (path.n && path.p[0] == '/') {
		path.p++;
		path.n--;
	}
	return path;
}

static bool any_name_matches(struct str pattern, struct str rel)
{
	struct str name;

	while (path_next(&rel, &name))
		if (glob_match(pattern, name, true))
			return true;
	return false;
}

bool path_is_meant(struct str pattern, struct str path, struct str rel, struct str home)
{
	if (pattern.n && pattern.p[0] == '/')
		return glob_covers(pattern, path, true);
	if (pattern.n > 1 && memcmp(pattern.p, "~/", 2) == 0) {
		if (!path_is_within(path, home))
			return false;
		path.p += home.n;
		path.n -= home.n;
		return glob_covers((struct str){pattern.p + 1, pattern.n - 1}, path, true);
	}
	if (!rel.n)
		return false;
	return memchr(pattern.p ? pattern.p : "", '/', pattern.n)
		       ? glob_covers(pattern, rel, true)
		       : any_name_matches(pattern, rel);
}
