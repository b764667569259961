/* Rules of libseccomp; what it gives is handed to bubblewrap, or to the kernel. */
#include "app/tools/sandbox_seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define N(list) (sizeof(list) / sizeof(*(list)))

static const char *const refused[] = {
	"io_uring_setup",
	"io_uring_enter",
	"io_uring_register",
	"keyctl",
	"add_key",
	"request_key",
	"bpf",
	"perf_event_open",
	"userfaultfd",
	"kexec_load",
	"kexec_file_load",
	"init_module",
	"finit_module",
	"delete_module",
	"open_by_handle_at",
	"name_to_handle_at",
	"mount",
	"umount",
	"umount2",
	"fsopen",
	"fsconfig",
	"fsmount",
	"fspick",
	"move_mount",
	"open_tree",
	"mount_setattr",
	"pivot_root",
	"chroot",
	"unshare",
	"setns",
	"swapon",
	"swapoff",
	"reboot",
	"acct",
	"quotactl",
	"quotactl_fd",
	"open_tree_attr",
};

/* Of files, what Landlock does not see, and of processes, what a namespace would hide. */
static const char *const refused_bare[] = {
	"chown",
	"fchown",
	"lchown",
	"fchownat",
	"chmod",
	"fchmod",
	"fchmodat",
	"fchmodat2",
	"setxattr",
	"lsetxattr",
	"fsetxattr",
	"removexattr",
	"lremovexattr",
	"fremovexattr",
	"utime",
	"utimes",
	"utimensat",
	"futimesat",
	"mknod",
	"mknodat",
	"ptrace",
	"process_vm_readv",
	"process_vm_writev",
	"pidfd_getfd",
	"kcmp",
	"shmget",
	"shmat",
	"shmctl",
	"semget",
	"semctl",
	"semop",
	"semtimedop",
	"msgget",
	"msgctl",
	"msgsnd",
	"msgrcv",
	"mq_open",
	"mq_unlink",
	"setxattrat",
	"removexattrat",
	"file_setattr",
};

/* Calls newer than the libseccomp may be; since 2019 a call has one number on all machines. */
static const struct {
	const char *name;
	int number;
} newer[] = {
	{"mount_setattr", 442}, {"quotactl_fd", 443},   {"fchmodat2", 452},
	{"setxattrat", 463},    {"removexattrat", 466}, {"open_tree_attr", 467},
	{"file_setattr", 469},
};

static const uint64_t namespaces[] = {
	CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
	CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET,
};

/* Its number; negative: this machine has no such call. */
static int call_of(const char *name)
{
	int call = seccomp_syscall_resolve_name(name);

	for (size_t i = 0; call == __NR_SCMP_ERROR && i < N(newer); i++)
		if (strcmp(name, newer[i].name) == 0)
			call = newer[i].number;
	return call;
}

static int refuse(scmp_filter_ctx f, int number, const char *name)
{
	int call = call_of(name);

	return call < 0 ? 0 : seccomp_rule_add(f, SCMP_ACT_ERRNO((uint32_t)number), call, 0);
}

static int refuse_if(scmp_filter_ctx f, int number, int call, struct scmp_arg_cmp a)
{
	return seccomp_rule_add(f, SCMP_ACT_ERRNO((uint32_t)number), call, 1, a);
}

/* Of a flag or a number the kernel looks at the low half alone. */
#define LOW 0xffffffffull

static int refuse_namespaces(scmp_filter_ctx f)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < N(namespaces); i++)
		rc = refuse_if(f, EPERM, SCMP_SYS(clone),
			       SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces[i], namespaces[i]));
	/* Its flags lie in memory, where no filter sees them; what asks for it falls back on
	 * the older one. */
	return rc ? rc : refuse(f, ENOSYS, "clone3");
}

static int refuse_terminals(scmp_filter_ctx f)
{
	int rc =
		refuse_if(f, EPERM, SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_MASKED_EQ, LOW, TIOCSTI));

	return rc ? rc
		  : refuse_if(f, EPERM, SCMP_SYS(ioctl),
			      SCMP_A1(SCMP_CMP_MASKED_EQ, LOW, TIOCLINUX));
}

/* AF_UNIX, AF_INET, AF_INET6 and the routes of AF_NETLINK are left.  What is above them is
 * refused as 64 bits, so that no family passes with high bits set. */
static int refuse_families(scmp_filter_ctx f)
{
	int rc = refuse_if(f, EAFNOSUPPORT, SCMP_SYS(socket), SCMP_A0(SCMP_CMP_GT, AF_NETLINK));

	for (uint64_t family = 0; !rc && family < AF_NETLINK; family++)
		if (family != AF_UNIX && family != AF_INET && family != AF_INET6)
			rc = refuse_if(f, EAFNOSUPPORT, SCMP_SYS(socket),
				       SCMP_A0(SCMP_CMP_EQ, family));
	if (!rc)
		rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 2,
				      SCMP_A0(SCMP_CMP_EQ, AF_NETLINK),
				      SCMP_A2(SCMP_CMP_NE, 0));
	return rc;
}

static int refuse_bare(scmp_filter_ctx f, unsigned more)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < N(refused_bare); i++)
		rc = refuse(f, EPERM, refused_bare[i]);
	/* To all that the user has: before Landlock's sixth version nothing else holds signals. */
	if (!rc)
		rc = refuse_if(f, EPERM, SCMP_SYS(kill), SCMP_A0(SCMP_CMP_MASKED_EQ, LOW, LOW));
	if (rc || more & SECCOMP_NET)
		return rc;
	rc = refuse_if(f, EACCES, SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_INET));
	return rc ? rc : refuse_if(f, EACCES, SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_INET6));
}

/* Opening for reading and emptying at once needs no right that Landlock's second version has. */
static int refuse_truncating(scmp_filter_ctx f)
{
	const uint64_t mask = O_ACCMODE | O_TRUNC;
	int rc = refuse(f, EPERM, "truncate");

#ifdef SYS_open
	if (!rc)
		rc = refuse_if(f, EPERM, SCMP_SYS(open),
			       SCMP_A1(SCMP_CMP_MASKED_EQ, mask, O_RDONLY | O_TRUNC));
#endif
	if (!rc)
		rc = refuse_if(f, EPERM, SCMP_SYS(openat),
			       SCMP_A2(SCMP_CMP_MASKED_EQ, mask, O_RDONLY | O_TRUNC));
	return rc;
}

/* The bit in the argument `at` of a call that makes a file or gives it a mode. */
static int refuse_bit(scmp_filter_ctx f, const char *name, unsigned at, uint64_t bit)
{
	int call = call_of(name);

	return call < 0 ? 0
			: refuse_if(f, EPERM, call, SCMP_CMP(at, SCMP_CMP_MASKED_EQ, bit, bit));
}

/* The same, where the call makes one only with O_CREAT: else the argument is anything. */
static int refuse_made(scmp_filter_ctx f, const char *name, unsigned at, uint64_t bit)
{
	int call = call_of(name);

	return call < 0 ? 0
			: seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), call, 2,
					   SCMP_CMP(at - 1, SCMP_CMP_MASKED_EQ, O_CREAT, O_CREAT),
					   SCMP_CMP(at, SCMP_CMP_MASKED_EQ, bit, bit));
}

/* A file in the workspace that runs as its owner outlives the sandbox. */
static int refuse_setuid(scmp_filter_ctx f)
{
	static const struct {
		const char *name;
		unsigned at;
	} modes[] = {{"chmod", 1}, {"fchmod", 1}, {"fchmodat", 2}, {"fchmodat2", 2},
		     {"creat", 1}, {"mknod", 1},  {"mknodat", 2}};
	static const uint64_t bits[] = {S_ISUID, S_ISGID};
	int rc = 0;

	for (size_t b = 0; !rc && b < N(bits); b++) {
		for (size_t i = 0; !rc && i < N(modes); i++)
			rc = refuse_bit(f, modes[i].name, modes[i].at, bits[b]);
		if (!rc)
			rc = refuse_made(f, "open", 2, bits[b]);
		if (!rc)
			rc = refuse_made(f, "openat", 3, bits[b]);
	}
	/* What it is asked lies in memory; what asks falls back on the older one. */
	return rc ? rc : refuse(f, ENOSYS, "openat2");
}

static int add_rules(scmp_filter_ctx f, unsigned more)
{
	int rc = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	for (size_t i = 0; !rc && i < N(refused); i++)
		rc = refuse(f, EPERM, refused[i]);
	if (!rc)
		rc = refuse_namespaces(f);
	if (!rc)
		rc = refuse_terminals(f);
	if (!rc)
		rc = refuse_families(f);
	/* Before the rules for the same calls that let nothing pass. */
	if (!rc)
		rc = refuse_setuid(f);
	if (!rc && more & SECCOMP_ABSTRACT)
		rc = refuse_if(f, EPERM, SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
	if (!rc && more & SECCOMP_BARE)
		rc = refuse_bare(f, more);
	if (!rc && more & SECCOMP_TRUNCATE)
		rc = refuse_truncating(f);
	return rc;
}

int seccomp_program(unsigned more, struct err *err)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int fd = -1, rc;

	if (!f)
		return err_nomem(err, "filter of system calls", 0);
	rc = add_rules(f, more);
	if (!rc && (fd = memfd_create("filter", MFD_CLOEXEC)) < 0)
		rc = -errno;
	if (!rc)
		rc = seccomp_export_bpf(f, fd);
	if (!rc && lseek(fd, 0, SEEK_SET) < 0)
		rc = -errno;
	seccomp_release(f);
	if (!rc)
		return fd;
	if (fd >= 0)
		close(fd);
	errno = -rc;
	return err_errno(err, "filter of system calls", "cannot be made");
}

bool seccomp_enforce(int program)
{
	struct stat st;
	struct sock_fprog f = {0};
	void *rules;

	if (fstat(program, &st) != 0 || st.st_size <= 0)
		return false;
	rules = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, program, 0);
	if (rules == MAP_FAILED)
		return false;
	f.filter = rules;
	f.len = (unsigned short)((size_t)st.st_size / sizeof(struct sock_filter));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return false;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &f) == 0;
}
