/*
 * Ways out of a sandbox that no shell command is at hand for.
 *
 *   attack NAME [WORD ...]
 *
 * Exits 0 where the attack got through, 1 where it was refused, 2 where it is none; a process
 * that the filter kills was refused, too.  "serve" is what is attacked: it listens outside, and
 * notes whoever comes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define VSOCK  40
#define PACKET 17

static bool opens(int fd)
{
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* ---- network ---- */

static bool connects(int family, int type, const void *to, socklen_t n)
{
	int fd = socket(family, type, 0);
	bool got = fd >= 0 && connect(fd, to, n) == 0 && send(fd, "x", 1, MSG_NOSIGNAL) == 1;

	opens(fd);
	return got;
}

static struct sockaddr_in inet(const char *port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_port = htons((uint16_t)atoi(port)),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static bool tcp(char **w)
{
	struct sockaddr_in a = inet(w[0]);

	return connects(AF_INET, SOCK_STREAM, &a, sizeof(a));
}

static bool tcp6(char **w)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6,
				 .sin6_port = htons((uint16_t)atoi(w[0])),
				 .sin6_addr = IN6ADDR_LOOPBACK_INIT};

	return connects(AF_INET6, SOCK_STREAM, &a, sizeof(a));
}

/* Whether it arrives is for the one outside to see. */
static bool udp(char **w)
{
	struct sockaddr_in a = inet(w[0]);

	connects(AF_INET, SOCK_DGRAM, &a, sizeof(a));
	return false;
}

static bool path_socket(char **w)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", w[0]);
	return connects(AF_UNIX, SOCK_STREAM, &a, sizeof(a));
}

static bool abstract(char **w)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	snprintf(a.sun_path + 1, sizeof(a.sun_path) - 1, "%s", w[0]);
	return connects(AF_UNIX, SOCK_STREAM, &a,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(w[0])));
}

static bool vsock(char **w)
{
	(void)w;
	return opens(socket(VSOCK, SOCK_STREAM, 0));
}

static bool packet(char **w)
{
	(void)w;
	return opens(socket(PACKET, SOCK_RAW, 0));
}

/* With bits that the kernel does not look at. */
static bool high_family(char **w)
{
	(void)w;
	return opens((int)syscall(SYS_socket, 0x700000000ull | VSOCK, SOCK_STREAM, 0));
}

static bool audit(char **w)
{
	(void)w;
	return opens(socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT));
}

/* ---- the kernel ---- */

static bool io_uring(char **w)
{
	char params[256] = {0};

	(void)w;
	return opens((int)syscall(SYS_io_uring_setup, 4, params));
}

static bool keys(char **w)
{
	(void)w;
	return syscall(SYS_add_key, "user", "k", "v", 1, KEY_SPEC_USER_KEYRING) >= 0 ||
	       syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 0) >= 0;
}

static bool bpf(char **w)
{
	union bpf_attr a = {.map_type = BPF_MAP_TYPE_ARRAY,
			    .key_size = 4,
			    .value_size = 4,
			    .max_entries = 1};

	(void)w;
	return opens((int)syscall(SYS_bpf, BPF_MAP_CREATE, &a, sizeof(a)));
}

static bool faults(char **w)
{
	(void)w;
	return opens((int)syscall(SYS_userfaultfd, 1 | O_CLOEXEC)); /* UFFD_USER_MODE_ONLY */
}

static bool handles(char **w)
{
	struct {
		struct file_handle h;
		unsigned char more[128];
	} f = {.h.handle_bytes = 128};
	int id;

	(void)w;
	return name_to_handle_at(AT_FDCWD, "/", &f.h, &id, 0) == 0;
}

static bool mounts(char **w)
{
	(void)w;
	return mount("none", "/tmp", "tmpfs", 0, NULL) == 0 ||
	       mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL) == 0 ||
	       mount("/", "/tmp", NULL, MS_BIND, NULL) == 0 ||
	       opens((int)syscall(SYS_fsopen, "tmpfs", 0)) ||
	       opens((int)syscall(SYS_open_tree, AT_FDCWD, "/", 1));
}

static bool unmounts(char **w)
{
	return umount2(w[0], MNT_DETACH) == 0;
}

static bool child(long pid)
{
	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid((pid_t)pid, NULL, 0);
	return pid > 0;
}

static bool namespaces(char **w)
{
	struct {
		uint64_t flags, more[10];
	} a = {.flags = CLONE_NEWUSER, .more = {[3] = SIGCHLD}};

	(void)w;
	if (child(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)) ||
	    child(syscall(SYS_clone, 0x100000000ull | CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)) ||
	    child(syscall(SYS_clone3, &a, sizeof(a))))
		return true;
	return unshare(CLONE_NEWUSER) == 0 || unshare(CLONE_NEWNS) == 0;
}

/* A program of another kind: its calls have other numbers. */
static bool other_calls(char **w)
{
#ifdef __x86_64__
	long got;

	if (strcmp(w[0], "x32") == 0)
		return syscall(0x40000000 | SYS_getpid) > 0;
	__asm__ volatile("int $0x80" : "=a"(got) : "a"(20L) : "memory");
	return got > 0;
#else
	(void)w;
	return false;
#endif
}

/* Only the filter says EPERM to that of what is no terminal, and it must. */
static bool types(char **w)
{
	(void)w;
	return syscall(SYS_ioctl, 0, 0xdeadbeef00000000ull | TIOCSTI, "x") >= 0 ||
	       errno != EPERM || ioctl(0, TIOCSTI, "x") >= 0 || errno != EPERM;
}

/* ---- processes ---- */

static bool opens_of(const char *pid, const char *name, int how)
{
	char path[64], byte;
	int fd;
	bool got;

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
	fd = open(path, how | O_CLOEXEC);
	got = fd >= 0 && (how & O_DIRECTORY || read(fd, &byte, 1) > 0 || how == O_RDWR);
	opens(fd);
	return got;
}

/* Where /proc is another, the number is nobody's, or one's own: then there is its own text. */
static bool is_mine(const char *pid)
{
	return getpid() == atoi(pid) || getppid() == atoi(pid);
}

static bool leads_to(const char *pid, const char *name)
{
	char path[64], to[64];

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
	return readlink(path, to, sizeof(to)) > 0;
}

static bool looks_into(char **w)
{
	return !is_mine(w[0]) &&
	       (opens_of(w[0], "environ", O_RDONLY) || opens_of(w[0], "mem", O_RDWR) ||
		opens_of(w[0], "root/etc", O_RDONLY | O_DIRECTORY) ||
		opens_of(w[0], "cwd/", O_RDONLY | O_DIRECTORY) || leads_to(w[0], "fd/0") ||
		leads_to(w[0], "exe"));
}

static bool traces(char **w)
{
	char byte;
	struct iovec to = {&byte, 1}, from = {&byte, 1};
	pid_t pid = (pid_t)atoi(w[0]);

	if (is_mine(w[0]))
		return false;
	return ptrace(PTRACE_SEIZE, pid, 0, 0) == 0 ||
	       (process_vm_readv(pid, &to, 1, &from, 1, 0) < 0 && errno == EFAULT);
}

/* Nothing comes of it, but that it could. */
static bool kills(char **w)
{
	return !is_mine(w[0]) && kill((pid_t)atoi(w[0]), 0) == 0;
}

static bool descriptors(char **w)
{
	(void)w;
	for (int fd = 3; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			return true;
	return false;
}

/* As many as there can be; prints how many. */
static bool bomb(char **w)
{
	int most = atoi(w[0]), n = 0;

	for (; n < most; n++) {
		pid_t pid = fork();

		if (pid == 0) {
			pause();
			_exit(0);
		}
		if (pid < 0)
			break;
	}
	printf("%d processes\n", n);
	return n == most;
}

static bool shared_memory(char **w)
{
	int id = shmget((key_t)strtol(w[0], NULL, 0), 0, 0);

	return id >= 0 && shmat(id, NULL, SHM_RDONLY) != (void *)-1;
}

/* ---- files ---- */

static bool attributes(char **w)
{
	struct timeval times[2] = {{1, 0}, {1, 0}};

	return chmod(w[0], 0777) == 0 || setxattr(w[0], "user.x", "x", 1, 0) == 0 ||
	       utimes(w[0], times) == 0 || chown(w[0], getuid(), getgid()) == 0 ||
	       truncate(w[0], 0) == 0 ||
	       syscall(452, AT_FDCWD, w[0], 0777, 0) == 0; /* fchmodat2 */
}

static bool setuid_file(char **w)
{
	int fd = open(w[0], O_WRONLY | O_CREAT, 04755);
	struct stat st;

	opens(fd);
	fd = open(w[0], O_WRONLY | O_CREAT, 0755);
	fchmod(fd, 04755);
	chmod(w[0], 04755);
	syscall(452, AT_FDCWD, w[0], 04755, 0);
	opens(fd);
	return stat(w[0], &st) == 0 && st.st_mode & (S_ISUID | S_ISGID);
}

/* ---- what is attacked ---- */

static int bound(int family, int type, void *a, socklen_t n, unsigned *port)
{
	int fd = socket(family, type, 0);
	struct sockaddr_in6 got = {0};
	socklen_t n_got = sizeof(got);

	if (fd < 0 || bind(fd, a, n) != 0 || (type == SOCK_STREAM && listen(fd, 16) != 0))
		return -1;
	if (port && getsockname(fd, (struct sockaddr *)&got, &n_got) == 0)
		*port = ntohs(got.sin6_port); /* where the other family has it, too */
	return fd;
}

static void note(const char *folder, const char *name, const char *text)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "a");
	if (f) {
		fprintf(f, "%s\n", text);
		fclose(f);
	}
}

/* FOLDER SOCKET: ports, a name and a key go to FOLDER/served, who came to FOLDER/heard. */
static int serve(char **w)
{
	static const char *const kinds[] = {"tcp", "udp", "tcp6", "abstract", "path"};
	struct sockaddr_in in = inet("0"), in2 = inet("0");
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_un un = {.sun_family = AF_UNIX}, path = {.sun_family = AF_UNIX};
	unsigned ports[3] = {0};
	struct pollfd p[5] = {0};
	char name[64], line[200];
	int key = 0x64735634 + getpid(), id = shmget(key, 4096, IPC_CREAT | 0600);

	snprintf(name, sizeof(name), "dsv4chat-hostile-%d", (int)getpid());
	snprintf(un.sun_path + 1, sizeof(un.sun_path) - 1, "%s", name);
	snprintf(path.sun_path, sizeof(path.sun_path), "%s", w[1]);
	p[0].fd = bound(AF_INET, SOCK_STREAM, &in, sizeof(in), &ports[0]);
	p[1].fd = bound(AF_INET, SOCK_DGRAM, &in2, sizeof(in2), &ports[1]);
	p[2].fd = bound(AF_INET6, SOCK_STREAM, &in6, sizeof(in6), &ports[2]);
	p[3].fd = bound(AF_UNIX, SOCK_STREAM, &un,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name)),
			NULL);
	p[4].fd = bound(AF_UNIX, SOCK_STREAM, &path, sizeof(path), NULL);
	snprintf(line, sizeof(line), "TCP=%u UDP=%u TCP6=%u ABSTRACT=%s KEY=%d SERVER=%d",
		 ports[0], ports[1], ports[2], name, key, (int)getpid());
	note(w[0], "served", line);
	for (int i = 0; i < 5; i++)
		p[i].events = POLLIN;
	while (poll(p, 5, 60000) > 0) {
		for (int i = 0; i < 5; i++) {
			char byte;

			if (!p[i].revents)
				continue;
			note(w[0], "heard", kinds[i]);
			if (i == 1)
				recv(p[i].fd, &byte, 1, MSG_DONTWAIT);
			else
				opens(accept(p[i].fd, NULL, NULL));
		}
	}
	shmctl(id, IPC_RMID, NULL);
	return 0;
}

static const struct {
	const char *name;
	bool (*got)(char **words);
	int n_words;
} attacks[] = {
	{"tcp", tcp, 1},
	{"tcp6", tcp6, 1},
	{"udp", udp, 1},
	{"path", path_socket, 1},
	{"abstract", abstract, 1},
	{"vsock", vsock, 0},
	{"packet", packet, 0},
	{"high-family", high_family, 0},
	{"audit", audit, 0},
	{"io_uring", io_uring, 0},
	{"keys", keys, 0},
	{"bpf", bpf, 0},
	{"faults", faults, 0},
	{"handles", handles, 0},
	{"mounts", mounts, 0},
	{"unmounts", unmounts, 1},
	{"namespaces", namespaces, 0},
	{"calls", other_calls, 1},
	{"types", types, 0},
	{"looks-into", looks_into, 1},
	{"traces", traces, 1},
	{"kills", kills, 1},
	{"descriptors", descriptors, 0},
	{"bomb", bomb, 1},
	{"shared-memory", shared_memory, 1},
	{"attributes", attributes, 1},
	{"setuid", setuid_file, 1},
};

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "serve") == 0)
		return serve(argv + 2);
	for (size_t i = 0; i < sizeof(attacks) / sizeof(*attacks); i++)
		if (argc == attacks[i].n_words + 2 && strcmp(argv[1], attacks[i].name) == 0)
			return attacks[i].got(argv + 2) ? 0 : 1;
	fprintf(stderr, "attack: no such attack\n");
	return 2;
}
