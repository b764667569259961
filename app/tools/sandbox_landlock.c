/*
 * The layer without namespaces: rules of Landlock for a command, and no privileges.
 *
 * A rule holds for all below a folder, so a folder that has something in it to be kept from the
 * command gets none that writes: each thing in it has its own, and nothing new can be made
 * there.
 */
#include "app/tools/sandbox.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/tools/folder.h"
#include "app/tools/landlock.h"

#define READS (LANDLOCK_TO_READ | LANDLOCK_EXECUTE)
#define WRITES                                                                                 \
	(READS | LANDLOCK_WRITE_FILE | LANDLOCK_REMOVE_DIR | LANDLOCK_REMOVE_FILE |            \
	 LANDLOCK_MAKE_DIR | LANDLOCK_MAKE_FILE | LANDLOCK_MAKE_SOCK | LANDLOCK_MAKE_FIFO |    \
	 LANDLOCK_MAKE_SYM | LANDLOCK_REFER | LANDLOCK_TRUNCATE)

static const char *const system_paths[] = {"/usr", "/bin",   "/sbin",   "/lib",       "/lib32",
					   "/opt", "/lib64", "/libx32", "/nix/store", "/etc"};
static const char *const devices[] = {"/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"};
/* Of the machine as a whole; nothing of its processes. */
static const char *const machine[] = {"/proc/cpuinfo",     "/proc/meminfo", "/proc/stat",
				      "/proc/loadavg",     "/proc/version", "/proc/uptime",
				      "/proc/filesystems", "/proc/sys"};
/* Below HOME: what compilers and git are made of, and told by. */
static const char *const toolchains[] = {".cargo", ".rustup", ".nvm",       ".pyenv",
					 ".local", "go",      ".gitconfig", ".config/git"};

#define N(list) (sizeof(list) / sizeof(*(list)))

struct rules {
	struct landlock l;
	const struct cover *c;
};

static void allow_tree(struct rules *r, const char *path, uint64_t what, int depth);

static void allow_each(struct rules *r, const char *path, uint64_t what, int depth)
{
	DIR *dir = opendir(path);
	struct dirent *e;

	while ((e = folder_next(dir))) {
		struct buf below = {0};

		buf_addf(&below, "%s/%s", path, e->d_name);
		if (buf_failed(&below))
			r->l.failed = true;
		else
			allow_tree(r, buf_z(&below), what, depth);
		buf_release(&below);
	}
	if (dir)
		closedir(dir);
}

/* All of it, but for what is covered. */
static void allow_tree(struct rules *r, const char *path, uint64_t what, int depth)
{
	const struct cover_item *item = cover_at(r->c, str_of(path));
	struct stat st;

	if (item && item->kind == COVER_HIDDEN)
		return;
	if (item)
		what &= READS;
	/* A link has no rights of its own. */
	if (lstat(path, &st) != 0 || S_ISLNK(st.st_mode))
		return;
	if (!cover_has_below(r->c, str_of(path))) {
		landlock_allow_path(&r->l, path, what);
		return;
	}
	/* Its names can be seen, below it, too. */
	landlock_allow_path(&r->l, path, LANDLOCK_READ_FOLDER);
	if (depth)
		allow_each(r, path, what, depth - 1);
}

static void allow_list(struct rules *r, const char *const *list, size_t n, uint64_t what)
{
	for (size_t i = 0; i < n; i++) {
		char *path = realpath(list[i], NULL);

		if (path)
			allow_tree(r, path, what, COVER_DEPTH);
		free(path);
	}
}

static void allow_toolchains(struct rules *r, const struct workspace *w)
{
	for (size_t i = 0; w->home && i < N(toolchains); i++) {
		struct buf path = {0};
		const char *z;

		buf_addf(&path, "%s/%s", w->home, toolchains[i]);
		z = buf_z(&path);
		if (buf_failed(&path))
			r->l.failed = true;
		else
			allow_list(r, &z, 1, READS);
		buf_release(&path);
	}
}

static void allow_roots(struct rules *r, const struct workspace *w, unsigned grade)
{
	for (size_t i = 0; i < w->n_roots; i++)
		allow_tree(r, w->roots[i].path,
			   grade & GRADE_WRITE && !w->roots[i].read_only ? WRITES : READS,
			   COVER_DEPTH);
}

static void allow_scratch(struct rules *r, const char *scratch)
{
	struct buf tmp = {0};

	buf_addf(&tmp, "%s/tmp", scratch);
	r->l.failed |= buf_failed(&tmp);
	landlock_allow_path(&r->l, buf_z(&tmp), WRITES);
	buf_release(&tmp);
}

int landlock_for_command(const struct sandbox *s, const struct workspace *w,
			 const struct cover *c, unsigned grade)
{
	struct rules r = {.c = c};
	bool isolated = !(grade & GRADE_NET);

	r.l = landlock_begin(s->landlock, landlock_files(s->landlock), isolated);
	allow_list(&r, system_paths, N(system_paths), READS);
	allow_list(&r, devices, N(devices), LANDLOCK_READ_FILE);
	allow_list(&r, machine, N(machine), LANDLOCK_TO_READ);
	landlock_allow_path(&r.l, "/dev/null", LANDLOCK_READ_FILE | LANDLOCK_WRITE_FILE);
	allow_scratch(&r, s->scratch);
	allow_toolchains(&r, w);
	allow_roots(&r, w, grade);
	if (r.l.failed && r.l.fd >= 0) {
		close(r.l.fd);
		r.l.fd = -1;
	}
	return r.l.fd;
}
