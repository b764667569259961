/* Rules by three system calls. */
#include "app/tools/landlock.h"

#include <fcntl.h>
#include <linux/types.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "app/tools/tools.h"

/* <linux/landlock.h> */
#define CREATE_VERSION 1u
#define RULE_BENEATH   1
#define NET_BIND_TCP   (1ull << 0)
#define NET_CONNECT    (1ull << 1)
#define SCOPE_ABSTRACT (1ull << 0)
#define SCOPE_SIGNAL   (1ull << 1)

#define OF_A_FILE                                                                              \
	(LANDLOCK_EXECUTE | LANDLOCK_WRITE_FILE | LANDLOCK_READ_FILE | LANDLOCK_TRUNCATE |     \
	 LANDLOCK_IOCTL_DEV)

struct rules {
	__u64 files, net, scope;
};

struct beneath {
	__u64 allowed;
	__s32 fd;
} __attribute__((packed));

int tools_landlock(void)
{
	long v = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);

	return v > 0 ? (int)v : 0;
}

uint64_t landlock_files(int version)
{
	uint64_t first = LANDLOCK_REFER - 1;

	if (version < 1)
		return 0;
	return first | (version >= 2 ? LANDLOCK_REFER : 0) |
	       (version >= 3 ? LANDLOCK_TRUNCATE : 0) | (version >= 5 ? LANDLOCK_IOCTL_DEV : 0);
}

/* A kernel takes no more fields than it knows. */
static size_t known_bytes(int version)
{
	return (version >= 6 ? 3 : version >= 4 ? 2 : 1) * sizeof(__u64);
}

struct landlock landlock_begin(int version, uint64_t files, bool isolated)
{
	struct rules r = {.files = files};
	struct landlock l = {.fd = -1, .handled = files};

	if (isolated && version >= 4)
		r.net = NET_BIND_TCP | NET_CONNECT;
	if (isolated && version >= 6)
		r.scope = SCOPE_ABSTRACT | SCOPE_SIGNAL;
	if (version >= 1)
		l.fd = (int)syscall(SYS_landlock_create_ruleset, &r, known_bytes(version), 0);
	l.failed = l.fd < 0;
	return l;
}

void landlock_allow(struct landlock *l, int fd, uint64_t what)
{
	struct beneath b = {what & l->handled, fd};
	struct stat st;

	if (l->failed)
		return;
	if (fd < 0 || fstat(fd, &st) != 0) {
		l->failed = true;
		return;
	}
	if (!S_ISDIR(st.st_mode))
		b.allowed &= OF_A_FILE;
	/* A rule that allows nothing is none. */
	if (b.allowed && syscall(SYS_landlock_add_rule, l->fd, RULE_BENEATH, &b, 0) != 0)
		l->failed = true;
}

void landlock_allow_path(struct landlock *l, const char *path, uint64_t what)
{
	int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return;
	landlock_allow(l, fd, what);
	close(fd);
}

bool landlock_enforce(struct landlock *l)
{
	bool ok = !l->failed && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
		  syscall(SYS_landlock_restrict_self, l->fd, 0) == 0;

	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	return ok;
}
