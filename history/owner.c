/* The name of this process: machine, boot, process and the time of its start. */
#include "history/owner.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>

#include "engine/base/clock.h"

#define STRANGERS_MS (24LL * 60 * 60 * 1000)

/* First line of a small file, "-" where it can't be had. */
static void read_word(const char *path, char *out, size_t cap)
{
	FILE *f = fopen(path, "re");

	if (!f || !fgets(out, (int)cap, f))
		snprintf(out, cap, "-");
	if (f)
		fclose(f);
	out[strcspn(out, " \n")] = '\0';
}

/* When the process began, in ticks since boot; false where there is none. */
static bool start_time(long pid, unsigned long long *ticks)
{
	char path[64], line[1024];
	const char *p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	p = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	fclose(f);
	if (!p || p[1] == '\0')
		return false;
	/* After the name come the state (Z, X: dead already) and 18 numbers, then the start. */
	if (p[2] == 'Z' || p[2] == 'X')
		return false;
	for (int i = 0; i < 20 && p; i++)
		p = strchr(p + 1, ' ');
	if (!p)
		return false;
	*ticks = strtoull(p + 1, NULL, 10);
	return true;
}

/* Machine, boot and process namespace: where a process number means something. */
static void here(char *out, size_t cap)
{
	char host[65] = "-", boot[40], space[48];
	ssize_t n = readlink("/proc/self/ns/pid", space, sizeof(space) - 1);

	if (gethostname(host, sizeof(host) - 1) != 0)
		snprintf(host, sizeof(host), "-");
	space[n > 0 ? n : 0] = '\0';
	read_word("/proc/sys/kernel/random/boot_id", boot, sizeof(boot));
	snprintf(out, cap, "%s %s %s", host, boot, space);
}

void owner_self(char *out, size_t cap)
{
	unsigned long long ticks = 0;
	char place[160];

	here(place, sizeof(place));
	start_time(getpid(), &ticks);
	snprintf(out, cap, "%s %ld %llu", place, (long)getpid(), ticks);
}

/* Where there is no number of the machine, as in containers, its name alone has to do. */
void owner_machine(char out[OWNER_MACHINE])
{
	char words[128] = "", host[65] = "-", id[48];
	XXH128_hash_t hash;

	if (gethostname(host, sizeof(host) - 1) != 0)
		snprintf(host, sizeof(host), "-");
	read_word("/etc/machine-id", id, sizeof(id));
	snprintf(words, sizeof(words), "%s %s", id, host);
	hash = XXH3_128bits(words, strlen(words));
	snprintf(out, OWNER_MACHINE, "%016llx%016llx", (unsigned long long)hash.high64,
		 (unsigned long long)hash.low64);
}

/* A process of this place, by its number and when it began (0: nobody could say). */
static bool process_gone(long pid, unsigned long long began, long long age_ms)
{
	unsigned long long own = 0, now = 0;

	if (began && start_time(getpid(), &own))
		return !start_time(pid, &now) || now != began;
	/* Without /proc a number that nobody has says enough; one that is taken, nothing. */
	if (kill((pid_t)pid, 0) != 0 && errno == ESRCH)
		return true;
	return age_ms > STRANGERS_MS;
}

/* Whether it was written on this machine before it was booted. */
static bool before_boot(const char *owner, const char *place)
{
	size_t host = strcspn(place, " ") + 1;
	char boot[40];

	read_word("/proc/sys/kernel/random/boot_id", boot, sizeof(boot));
	/* "-": here, or where it was written, nobody could say. */
	return strncmp(owner, place, host) == 0 && boot[0] != '-' && owner[host] != '-' &&
	       !strstr(owner, boot);
}

static bool is_gone(const char *owner, long long age_ms)
{
	unsigned long long began = 0;
	char place[160];
	size_t n;
	long pid;

	here(place, sizeof(place));
	n = strlen(place);
	if (strncmp(owner, place, n) != 0 || owner[n] != ' ')
		return before_boot(owner, place) || age_ms > STRANGERS_MS;
	if (sscanf(owner + n + 1, "%ld %llu", &pid, &began) != 2 || pid <= 0)
		return true;
	return process_gone(pid, began, age_ms);
}

bool owner_gone(sqlite3_stmt *st, int column)
{
	const char *owner = (const char *)sqlite3_column_text(st, column);

	return is_gone(owner ? owner : "",
		       clock_wall_ms() - sqlite3_column_int64(st, column + 1));
}
