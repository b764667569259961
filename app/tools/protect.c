/* By name, and by what a folder has in it. */
#include "app/tools/protect.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "app/tools/glob.h"
#include "app/tools/tools.h"

static const char *const kept[] = {".git", ".hg", ".svn", ".jj"};

static const char *const told_by[] = {
	".vscode",   ".idea",     ".claude",       ".codex",    ".cursor",
	".gemini",   ".husky",    ".devcontainer", ".mcp.json", ".envrc",
	"AGENTS.md", "CLAUDE.md", ".gitmodules",
};

/* Run by a build, a test, a hook, a shell or an editor, or telling them what to run. */
static const char *const run_by[] = {
	/* builds */
	"Makefile", "GNUmakefile", "*.mk", "CMakeLists.txt", "*.cmake", "CMakePresets.json",
	"meson.build", "configure", "configure.ac", "justfile", "Taskfile.y*ml", "SConstruct",
	"*.bazel", "*.bzl", ".bazelrc", "Cargo.toml", "build.rs", ".cargo", "rust-toolchain*",
	"package.json", ".npmrc", ".yarnrc*", ".pnpmfile.cjs", "setup.py", "setup.cfg",
	"pyproject.toml", "tox.ini", "noxfile.py", "conftest.py", "sitecustomize.py", "Rakefile",
	"Gemfile", "*.gemspec", "pom.xml", ".mvn", "*.gradle", "*.gradle.kts", "gradlew*",
	"gradle-wrapper.properties", "build.sbt", "mix.exs", "*.csproj", "Directory.Build.*",
	"flake.nix", "default.nix", "shell.nix", "go.mod", "go.work", "Dockerfile*",
	"Containerfile*", "docker-compose*", "compose.y*ml",
	/* continuous integration */
	".github", ".gitlab-ci.yml", ".circleci", ".travis.yml", "Jenkinsfile*",
	"azure-pipelines*", "bitbucket-pipelines.yml", ".drone.yml", ".woodpecker*", ".buildkite",
	/* hooks, and what git runs or is told */
	".githooks", ".pre-commit-config.yaml", "lefthook.y*ml", ".lefthook*", ".gitattributes",
	".gitconfig", ".lfsconfig",
	/* shells, editors, debuggers */
	".bashrc", ".bash_profile", ".bash_login", ".bash_logout", ".profile", ".zshrc", ".zshenv",
	".zprofile", ".vimrc", ".exrc", ".nvimrc", ".lvimrc", ".dir-locals.el", ".gdbinit",
	".lldbinit", ".tmux.conf", ".tool-versions", ".mise.toml", "mise.toml",
};

#define N(list) (sizeof(list) / sizeof(*(list)))

/* Some file systems take one for the other. */
static struct str without_end(struct str name)
{
	while (name.n && (name.p[name.n - 1] == '.' || name.p[name.n - 1] == ' '))
		name.n--;
	return name;
}

static bool is_one_of(const char *const *list, size_t n, struct str name)
{
	name = without_end(name);
	for (size_t i = 0; i < n; i++)
		if (name.n == strlen(list[i]) && strncasecmp(name.p, list[i], name.n) == 0)
			return true;
	return false;
}

bool tools_never_write(struct str path)
{
	return protect_by_name(path);
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

static bool is_run(struct str name)
{
	name = without_end(name);
	for (size_t i = 0; i < N(run_by); i++)
		if (glob_match(str_of(run_by[i]), name, true))
			return true;
	return false;
}

bool tools_always_ask(struct str path)
{
	struct str name;

	while (path_next(&path, &name))
		if (protect_from_commands(name) || is_run(name))
			return true;
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
