/* Rules of Landlock, and limits. */
#include "app/tools/confine.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "app/tools/landlock.h"
#include "app/tools/output.h"
#include "engine/base/file.h"

#define TO_WRITE                                                                               \
	(LANDLOCK_TO_READ | LANDLOCK_WRITE_FILE | LANDLOCK_REMOVE_DIR | LANDLOCK_REMOVE_FILE | \
	 LANDLOCK_MAKE_DIR | LANDLOCK_MAKE_FILE | LANDLOCK_TRUNCATE)

#define FILE_TOOL_BYTES   (512ull << 20)
#define COMMAND_FILE      (1ull << 30)
#define COMMAND_OPEN      4096
#define COMMAND_PROCESSES 2048

/* All that this kernel can refuse. */
static struct landlock begin_rules(void)
{
	int version = tools_landlock();

	return landlock_begin(version, landlock_files(version), false);
}

bool confine_to_reading(const struct workspace *w, int more, bool outside)
{
	struct landlock l = begin_rules();

	for (size_t i = 0; i < w->n_roots; i++)
		landlock_allow(&l, w->roots[i].fd, LANDLOCK_TO_READ);
	for (size_t i = 0; workspace_system[i]; i++)
		landlock_allow_path(&l, workspace_system[i], LANDLOCK_TO_READ);
	if (more >= 0)
		landlock_allow(&l, more, LANDLOCK_TO_READ);
	if (outside)
		landlock_allow_path(&l, "/", LANDLOCK_TO_READ);
	return landlock_enforce(&l);
}

bool confine_to_writing(const struct workspace *w)
{
	struct landlock l = begin_rules();

	for (size_t i = 0; i < w->n_roots; i++)
		landlock_allow(&l, w->roots[i].fd,
			       w->roots[i].read_only ? LANDLOCK_TO_READ : TO_WRITE);
	return landlock_enforce(&l);
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
