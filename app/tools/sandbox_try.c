/* Eight ways out, one function each, and what has to work. */
#include "app/tools/sandbox_try.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/file.h"

static bool makes(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* ---- files ---- */

static bool opens_to_write(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool got = fd >= 0;

	file_close(&fd);
	return got;
}

/* Whether the file is there is for the one outside to see: /tmp is another one in here. */
static bool writes_outside(char **argv)
{
	makes(argv[TRY_FILE]);
	return opens_to_write("/proc/sys/kernel/core_pattern") ||
	       opens_to_write("/proc/sysrq-trigger");
}

static bool writes_git(char **argv)
{
	(void)argv;
	return makes(".git/made") || rename(".git", "moved") == 0;
}

static bool reads_hidden(char **argv)
{
	char text[sizeof(TRY_SECRET)] = "";
	int fd = open(TRY_HIDDEN, O_RDONLY | O_CLOEXEC);
	bool got;

	(void)argv;
	if (fd < 0)
		return false;
	got = read(fd, text, sizeof(text) - 1) > 0;
	close(fd);
	return got;
}

/* ---- processes ---- */

static bool has_cwd(const char *pid, const char *want)
{
	char path[64], cwd[PATH_MAX] = "";

	snprintf(path, sizeof(path), "/proc/%.20s/cwd", pid);
	return readlink(path, cwd, sizeof(cwd) - 1) > 0 && strcmp(cwd, want) == 0;
}

static bool reads_memory(const char *pid, uintptr_t address, const char *mark)
{
	char path[64], got[64] = "";
	struct iovec to = {got, strlen(mark)}, from = {(void *)address, strlen(mark)};
	int fd;

	if (strlen(mark) >= sizeof(got))
		return false;
	snprintf(path, sizeof(path), "/proc/%.20s/mem", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (pread(fd, got, strlen(mark), (off_t)address) < 0)
			got[0] = '\0';
		close(fd);
	}
	if (strcmp(got, mark) == 0)
		return true;
	return process_vm_readv((pid_t)atol(pid), &to, 1, &from, 1, 0) > 0 &&
	       strcmp(got, mark) == 0;
}

static bool looks_into_process(char **argv)
{
	uintptr_t address = (uintptr_t)strtoull(argv[TRY_ADDRESS], NULL, 16);

	return has_cwd(argv[TRY_PID], argv[TRY_CWD]) ||
	       reads_memory(argv[TRY_PID], address, argv[TRY_MARK]);
}

/* ---- network ---- */

static bool connects(const struct sockaddr *to, socklen_t n)
{
	int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool got = fd >= 0 && connect(fd, to, n) == 0;

	if (fd >= 0)
		close(fd);
	return got;
}

/* … and one packet, which the one outside looks for. */
static bool connects_out(char **argv)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	size_t n = strnlen(argv[TRY_ABSTRACT], sizeof(un.sun_path) - 1);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	in.sin_port = htons((uint16_t)atoi(argv[TRY_UDP]));
	if (fd >= 0) {
		(void)sendto(fd, "x", 1, MSG_DONTWAIT, (struct sockaddr *)&in, sizeof(in));
		close(fd);
	}
	in.sin_port = htons((uint16_t)atoi(argv[TRY_TCP]));
	memcpy(un.sun_path + 1, argv[TRY_ABSTRACT], n);
	return connects((struct sockaddr *)&in, sizeof(in)) ||
	       connects((struct sockaddr *)&un,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n));
}

static bool connects_to_socket(char **argv)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = TRY_SOCKET};

	(void)argv;
	return connects((struct sockaddr *)&un, sizeof(un));
}

/* ---- the sandbox itself ---- */

static bool remounts(char **argv)
{
	(void)argv;
	return mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL) == 0 ||
	       mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static bool nests(char **argv)
{
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);

	(void)argv;
	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid((pid_t)pid, NULL, 0);
	return pid > 0 || unshare(CLONE_NEWUSER) == 0;
}

const char *const try_names[SANDBOX_ATTACKS] = {
	"writing outside of the workspace",
	"writing to .git",
	"reading what is hidden",
	"looking into another process",
	"the network",
	"mounting",
	"namespaces of its own",
	"a socket of this machine",
};

static bool (*const attacks[SANDBOX_ATTACKS])(char **argv) = {
	writes_outside, writes_git, reads_hidden, looks_into_process,
	connects_out,   remounts,   nests,        connects_to_socket,
};

static bool works(void)
{
	const char *tmp = getenv("TMPDIR");
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/made", tmp ? tmp : "");
	/* Beside what is kept from a command Landlock lets nothing new be made. */
	return makes(TRY_FOLDER "/made") && makes(path);
}

int try_main(char **argv)
{
	unsigned got = 0;
	char line[32];
	int n;

	for (int i = 0; i < TRY_WORDS; i++)
		if (!argv[i])
			return 2;
	for (int i = 0; i < SANDBOX_ATTACKS; i++)
		got |= (unsigned)attacks[i](argv) << i;
	n = snprintf(line, sizeof(line), "\ngot %x %d\n", got, works());
	return file_write_all(STDOUT_FILENO, (struct str){line, (size_t)n}) == 0 ? 0 : 1;
}
