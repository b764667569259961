/* Landlock by its system calls (the constants are older than their header), and limits. */
#include "app/tools/confine.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/types.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "app/tools/output.h"
#include "engine/base/file.h"

/* <linux/landlock.h>, version 1. */
#define LANDLOCK_VERSION     1u
#define LANDLOCK_BENEATH     1
#define LANDLOCK_WRITE_FILE  (1ull << 1)
#define LANDLOCK_READ_FILE   (1ull << 2)
#define LANDLOCK_READ_FOLDER (1ull << 3)
#define LANDLOCK_REMOVE_DIR  (1ull << 4)
#define LANDLOCK_REMOVE_FILE (1ull << 5)
#define LANDLOCK_MAKE_DIR    (1ull << 7)
#define LANDLOCK_MAKE_FILE   (1ull << 8)
#define LANDLOCK_ALL         ((1ull << 13) - 1) /* executing, reading, writing, making, removing */

#define TO_READ (LANDLOCK_READ_FILE | LANDLOCK_READ_FOLDER)
#define TO_WRITE                                                                               \
	(TO_READ | LANDLOCK_WRITE_FILE | LANDLOCK_REMOVE_DIR | LANDLOCK_REMOVE_FILE |          \
	 LANDLOCK_MAKE_DIR | LANDLOCK_MAKE_FILE)

struct landlock_rules {
	__u64 fs;
};

struct landlock_beneath {
	__u64 allowed;
	__s32 fd;
} __attribute__((packed));

#define FILE_TOOL_BYTES   (512ull << 20)
#define COMMAND_FILE      (1ull << 30)
#define COMMAND_OPEN      4096
#define COMMAND_PROCESSES 2048

int tools_landlock(void)
{
	long v = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION);

	return v > 0 ? (int)v : 0;
}

static bool allow(int rules, int fd, __u64 what)
{
	struct landlock_beneath b = {what, fd};

	return fd >= 0 && syscall(SYS_landlock_add_rule, rules, LANDLOCK_BENEATH, &b, 0) == 0;
}

/* A folder that is not there needs no rule. */
static bool allow_path(int rules, const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd < 0 || allow(rules, fd, TO_READ);

	if (fd >= 0)
		close(fd);
	return ok;
}

static bool allow_reading(int rules, const struct workspace *w, int more, bool outside)
{
	bool ok = true;

	for (size_t i = 0; i < w->n_roots; i++)
		ok = ok && allow(rules, w->roots[i].fd, TO_READ);
	for (size_t i = 0; workspace_system[i]; i++)
		ok = ok && allow_path(rules, workspace_system[i]);
	if (more >= 0)
		ok = ok && allow(rules, more, TO_READ);
	return ok && (!outside || allow_path(rules, "/"));
}

static bool allow_writing(int rules, const struct workspace *w)
{
	bool ok = true;

	for (size_t i = 0; i < w->n_roots; i++)
		ok = ok && allow(rules, w->roots[i].fd,
				 w->roots[i].read_only ? TO_READ : TO_WRITE);
	return ok;
}

/* Rules that allow nothing yet; -1. */
static int begin_rules(void)
{
	struct landlock_rules all = {.fs = LANDLOCK_ALL};

	if (tools_landlock() < 1)
		return -1;
	return (int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);
}

/* From now on they hold, if all could be allowed. */
static bool enforce(int rules, bool ok)
{
	ok = ok && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	     syscall(SYS_landlock_restrict_self, rules, 0) == 0;
	close(rules);
	return ok;
}

bool confine_to_reading(const struct workspace *w, int more, bool outside)
{
	int rules = begin_rules();

	return rules >= 0 && enforce(rules, allow_reading(rules, w, more, outside));
}

bool confine_to_writing(const struct workspace *w)
{
	int rules = begin_rules();

	return rules >= 0 && enforce(rules, allow_writing(rules, w));
}

static void limit(__rlimit_resource_t what, uint64_t most)
{
	struct rlimit now;

	if (getrlimit(what, &now) != 0)
		return;
	if (now.rlim_max > most)
		now.rlim_max = most;
	now.rlim_cur = now.rlim_max;
	setrlimit(what, &now);
}

void confine_file_tool(pid_t parent)
{
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_FSIZE, OUTPUT_SPILL_BYTES + (1u << 20));
	/* A sanitizer's shadow alone is larger. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	limit(RLIMIT_AS, FILE_TOOL_BYTES);
#endif
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		_exit(1);
}

/* Processes that the user has now. */
static uint64_t count_processes(void)
{
	DIR *dir = opendir("/proc");
	uid_t uid = getuid();
	uint64_t n = 0;
	struct dirent *e;
	struct stat st;

	while (dir && (e = readdir(dir)))
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9' &&
		    fstatat(dirfd(dir), e->d_name, &st, 0) == 0 && st.st_uid == uid)
			n++;
	if (dir)
		closedir(dir);
	return n;
}

void confine_command(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		file_write_all(fd, STR_LIT("800"));
		close(fd);
	}
	limit(RLIMIT_NPROC, count_processes() + COMMAND_PROCESSES);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_FSIZE, COMMAND_FILE);
	limit(RLIMIT_NOFILE, COMMAND_OPEN);
}
