/* The name of this process: machine, boot, process and the time of its start. */
#include "history/owner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

bool owner_gone(const char *owner, long long age_ms)
{
	unsigned long long then = 0, now = 0;
	char place[160], boot[40];
	const char *rest;
	size_t n;
	long pid;

	here(place, sizeof(place));
	n = strlen(place);
	if (strncmp(owner, place, n) != 0 || owner[n] != ' ') {
		/* The same machine, booted again: nothing of before is left. */
		const char *own_space = strrchr(place, ' ');
		const char *host_end = strchr(place, ' ');

		read_word("/proc/sys/kernel/random/boot_id", boot, sizeof(boot));
		if (own_space && host_end && strcmp(boot, "-") != 0 &&
		    strncmp(owner, place, (size_t)(host_end - place) + 1) == 0 &&
		    !strstr(owner, boot))
			return true;
		return age_ms > STRANGERS_MS;
	}
	rest = owner + n + 1;
	if (sscanf(rest, "%ld %llu", &pid, &then) != 2)
		return true;
	return !start_time(pid, &now) || now != then;
}
