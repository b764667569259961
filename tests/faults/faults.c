/*
 * A shared object that is loaded before a program's libraries (LD_PRELOAD) and lets one call
 * of the system or of the allocator fail, counted from main() on, over all threads and over
 * all libraries.
 *
 * $FAULTS is "KIND:N" or "KIND:N+": call number N, or every call from N on.  KIND is
 *   alloc  malloc, calloc, realloc, aligned_alloc, posix_memalign: no memory
 *   io     open, read, write, mmap, fstat, fsync …: the error that fits the call
 *   eof    read and pread: the file ends here
 *   short  read, pread, write, pwrite: half of what was asked for, which is no error
 * $FAULTS_REPORT is a file of sizeof(struct faults_report), where the counts are found
 * afterwards, however the program ended.  Without $FAULTS calls are only counted; with "stacks"
 * it is noted which of them come from somewhere new.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/faults/faults.h"

/* Headers may have these as macros, or declare what is defined here with attributes. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

static struct faults_report none, *report = &none;
static enum faults_kind fail_kind = FAULTS_N_KINDS;
static unsigned long fail_at;
static bool fail_on;
static atomic_bool counting;

static const char *const kind_names[FAULTS_N_KINDS] = {
	[FAULTS_ALLOC] = "alloc",
	[FAULTS_IO] = "io",
	[FAULTS_EOF] = "eof",
	[FAULTS_SHORT] = "short",
};

/* ---------------------------------------------------------------------- stacks */

#define N_STACKS     65536
#define STACK_FRAMES 48

/* By hash, of the stack and the kind; found from the hash's place on. */
static struct {
	atomic_ulong hash; /* 0: free */
	atomic_uint n;
} stacks[N_STACKS];
static bool tells_stacks;

static unsigned long hash_stack(enum faults_kind kind)
{
	void *frames[STACK_FRAMES];
	int n = backtrace(frames, STACK_FRAMES);
	unsigned long hash = 14695981039346656037u + kind;

	for (int i = 0; i < n; i++) {
		hash ^= (unsigned long)frames[i];
		hash *= 1099511628211u;
		hash ^= hash >> 29;
	}
	return hash ? hash : 1;
}

static bool is_fresh(enum faults_kind kind)
{
	unsigned long hash = hash_stack(kind);

	for (size_t i = 0, at = hash; i < N_STACKS; i++, at++) {
		unsigned long there = 0;

		if (atomic_compare_exchange_strong(&stacks[at % N_STACKS].hash, &there, hash) ||
		    there == hash)
			return atomic_fetch_add(&stacks[at % N_STACKS].n, 1) < FAULTS_REPEATS;
	}
	return true;
}

/* What unwinds the stack may call what is counted here. */
static void note_stack(enum faults_kind kind, unsigned long n)
{
	static _Thread_local bool inside;

	if (inside || n >= FAULTS_MARKED)
		return;
	inside = true;
	if (is_fresh(kind))
		atomic_fetch_or(&report->fresh[kind][n / 8], (unsigned char)(1 << n % 8));
	inside = false;
}

/* ---------------------------------------------------------------------- counting */

/* Counts a call that could fail so; whether it is to. */
static bool fails(enum faults_kind kind)
{
	unsigned long n;

	if (!atomic_load(&counting))
		return false;
	n = atomic_fetch_add(&report->calls[kind], 1) + 1;
	if (tells_stacks)
		note_stack(kind, n);
	if (kind != fail_kind || !(n == fail_at || (fail_on && n > fail_at)))
		return false;
	atomic_fetch_add(&report->failed, 1);
	return true;
}

static bool fails_with(int error)
{
	if (!fails(FAULTS_IO))
		return false;
	errno = error;
	return true;
}

/* Pipes and eventfds of the program's own do not fail while it lives; and on stderr it tells of
 * the failure. */
static bool outside(int fd)
{
	struct stat st;

	return fd <= STDOUT_FILENO || (syscall(SYS_fstat, fd, &st) == 0 && S_ISREG(st.st_mode));
}

static void *next(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

#define REAL(result, name, ...)                                                                \
	static result (*real)(__VA_ARGS__);                                                    \
	if (!real)                                                                             \
	*(void **)&real = next(name)

/* ---------------------------------------------------------------------- memory */

static void *got(void *p)
{
	if (p)
		atomic_fetch_add(&report->live, 1);
	return p;
}

static bool no_memory(void)
{
	if (!fails(FAULTS_ALLOC))
		return false;
	errno = ENOMEM;
	return true;
}

/* A sanitizer's allocator has names of its own, and does not bear being looked up early. */
#define ALLOCATOR(result, name, types)                                                         \
	extern result __interceptor_##name types __attribute__((weak));                        \
	static result(*real_##name(void)) types                                                \
	{                                                                                      \
		static result(*real) types;                                                    \
                                                                                               \
		if (__interceptor_##name)                                                      \
			return __interceptor_##name;                                           \
		if (!real)                                                                     \
			*(void **)&real = next(#name);                                         \
		return real;                                                                   \
	}

ALLOCATOR(void *, malloc, (size_t n))
ALLOCATOR(void *, calloc, (size_t n, size_t size))
ALLOCATOR(void *, realloc, (void *old, size_t n))
ALLOCATOR(void *, aligned_alloc, (size_t align, size_t n))
ALLOCATOR(int, posix_memalign, (void **out, size_t align, size_t n))
ALLOCATOR(void, free, (void *p))

void *malloc(size_t n)
{
	return no_memory() ? NULL : got(real_malloc()(n));
}

void *calloc(size_t n, size_t size)
{
	return no_memory() ? NULL : got(real_calloc()(n, size));
}

void *realloc(void *old, size_t n)
{
	void *p = no_memory() ? NULL : real_realloc()(old, n);

	return old ? p : got(p);
}

void *aligned_alloc(size_t align, size_t n)
{
	return no_memory() ? NULL : got(real_aligned_alloc()(align, n));
}

int posix_memalign(void **out, size_t align, size_t n)
{
	int rc = no_memory() ? ENOMEM : real_posix_memalign()(out, align, n);

	if (!rc)
		got(*out);
	return rc;
}

void free(void *p)
{
	if (p)
		atomic_fetch_sub(&report->live, 1);
	real_free()(p);
}

/* What the C library has read of locales it keeps, and after a failure more of them. */
char *setlocale(int category, const char *name)
{
	long live = atomic_load(&report->live);
	char *set;

	REAL(char *, "setlocale", int, const char *);
	set = real(category, name);
	atomic_store(&report->live, live);
	return set;
}

/* ----------------------------------------------------------------------- files */

#define OPEN(name)                                                                             \
	int name(const char *path, int flags, ...)                                             \
	{                                                                                      \
		va_list ap;                                                                    \
		mode_t mode;                                                                   \
                                                                                               \
		va_start(ap, flags);                                                           \
		mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;                               \
		va_end(ap);                                                                    \
		REAL(int, #name, const char *, int, ...);                                      \
		return fails_with(EMFILE) ? -1 : real(path, flags, mode);                      \
	}
OPEN(open)
OPEN(open64)

FILE *fopen(const char *path, const char *mode)
{
	REAL(FILE *, "fopen", const char *, const char *);
	return fails_with(EMFILE) ? NULL : real(path, mode);
}

#define CALL(result, bad, error, name, types, names)                                           \
	result name types                                                                      \
	{                                                                                      \
		static result(*real) types;                                                    \
		if (!real)                                                                     \
			*(void **)&real = next(#name);                                         \
		if (fails_with(error))                                                         \
			return bad;                                                            \
		return real names;                                                             \
	}

CALL(int, -1, EIO, fstat, (int fd, struct stat *st), (fd, st))
CALL(int, -1, EIO, fstat64, (int fd, struct stat64 *st), (fd, st))
CALL(int, -1, EACCES, stat, (const char *restrict path, struct stat *restrict st), (path, st))
CALL(int, -1, EACCES, lstat, (const char *restrict path, struct stat *restrict st), (path, st))
CALL(int, -1, EACCES, stat64, (const char *restrict path, struct stat64 *restrict st),
     (path, st))
CALL(int, -1, EACCES, access, (const char *path, int how), (path, how))
CALL(int, -1, EACCES, mkdir, (const char *path, mode_t mode), (path, mode))
CALL(int, -1, EACCES, unlink, (const char *path), (path))
CALL(int, -1, EIO, fsync, (int fd), (fd))
CALL(int, -1, EIO, fdatasync, (int fd), (fd))
CALL(int, -1, EIO, ftruncate64, (int fd, off64_t n), (fd, n))
CALL(int, -1, EMFILE, eventfd, (unsigned n, int flags), (n, flags))
CALL(int, -1, EMFILE, pipe2, (int fds[2], int flags), (fds, flags))
CALL(int, -1, ENOMEM, poll, (struct pollfd * fds, nfds_t n, int ms), (fds, n, ms))
CALL(ssize_t, -1, EAGAIN, getrandom, (void *to, size_t n, unsigned flags), (to, n, flags))
CALL(void *, MAP_FAILED, ENOMEM, mmap,
     (void *at, size_t n, int prot, int flags, int fd, off_t from),
     (at, n, prot, flags, fd, from))
CALL(void *, MAP_FAILED, ENOMEM, mmap64,
     (void *at, size_t n, int prot, int flags, int fd, off64_t from),
     (at, n, prot, flags, fd, from))
CALL(size_t, 0, ENOSPC, fwrite,
     (const void *restrict from, size_t size, size_t n, FILE *restrict f), (from, size, n, f))
CALL(ssize_t, -1, EIO, getline, (char **restrict line, size_t *restrict cap, FILE *restrict f),
     (line, cap, f))

int fflush(FILE *f)
{
	REAL(int, "fflush", FILE *);
	/* without anything to write there is nothing to fail */
	return f && __fpending(f) && fails_with(EIO) ? EOF : real(f);
}

int pthread_create(pthread_t *restrict t, const pthread_attr_t *restrict attr,
		   void *(*run)(void *), void *restrict arg)
{
	REAL(int, "pthread_create", pthread_t *, const pthread_attr_t *, void *(*)(void *),
	     void *);
	return fails(FAULTS_IO) ? EAGAIN : real(t, attr, run, arg);
}

/* What is left of n bytes: all, or half where the call is to be short. */
static size_t cut(size_t n)
{
	return fails(FAULTS_SHORT) && n > 1 ? n / 2 : n;
}

#define TRANSFER(name, error, may_end, types, fd, n, names)                                    \
	ssize_t name types                                                                     \
	{                                                                                      \
		static ssize_t(*real) types;                                                   \
		if (!real)                                                                     \
			*(void **)&real = next(#name);                                         \
		if (outside(fd)) {                                                             \
			if (fails_with(error))                                                 \
				return -1;                                                     \
			if (may_end && fails(FAULTS_EOF))                                      \
				return 0;                                                      \
			n = cut(n);                                                            \
		}                                                                              \
		return real names;                                                             \
	}

TRANSFER(read, EIO, true, (int fd, void *to, size_t n), fd, n, (fd, to, n))
TRANSFER(pread, EIO, true, (int fd, void *to, size_t n, off_t at), fd, n, (fd, to, n, at))
TRANSFER(pread64, EIO, true, (int fd, void *to, size_t n, off64_t at), fd, n, (fd, to, n, at))
TRANSFER(write, ENOSPC, false, (int fd, const void *from, size_t n), fd, n, (fd, from, n))
TRANSFER(pwrite, ENOSPC, false, (int fd, const void *from, size_t n, off_t at), fd, n,
	 (fd, from, n, at))
TRANSFER(pwrite64, ENOSPC, false, (int fd, const void *from, size_t n, off64_t at), fd, n,
	 (fd, from, n, at))

/* ------------------------------------------------------------------------ main */

static int (*real_main)(int argc, char **argv, char **env);

static int counted_main(int argc, char **argv, char **env)
{
	int status;

	atomic_store(&counting, true);
	status = real_main(argc, argv, env);
	atomic_store(&counting, false);
	/* what stdio holds is no concern of main's */
	report->live_at_end = atomic_load(&report->live);
	return status;
}

static void read_wish(void)
{
	const char *wish = getenv("FAULTS"), *path = getenv("FAULTS_REPORT");
	int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;

	if (fd >= 0) {
		struct faults_report *shared = (struct faults_report *)syscall(
			SYS_mmap, NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			0L);

		syscall(SYS_close, fd);
		if (shared != MAP_FAILED) {
			atomic_store(&shared->live, atomic_load(&none.live));
			report = shared;
		}
	}
	if (wish && strcmp(wish, "stacks") == 0) {
		tells_stacks = true;
		hash_stack(FAULTS_ALLOC); /* the first one loads what unwinds */
	}
	for (int kind = 0; wish && kind < FAULTS_N_KINDS; kind++) {
		size_t n = strlen(kind_names[kind]);
		char *end;

		if (strncmp(wish, kind_names[kind], n) != 0 || wish[n] != ':')
			continue;
		fail_at = strtoul(wish + n + 1, &end, 10);
		fail_on = *end == '+';
		fail_kind = (enum faults_kind)kind;
	}
}

int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv,
		      void (*init)(void), void (*fini)(void), void (*rtld_fini)(void),
		      void *stack_end)
{
	REAL(int, "__libc_start_main", int (*)(int, char **, char **), int, char **,
	     void (*)(void), void (*)(void), void (*)(void), void *);
	real_main = main;
	read_wish();
	return real(counted_main, argc, argv, init, fini, rtld_fini, stack_end);
}
