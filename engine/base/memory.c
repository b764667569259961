/*
 * How much memory there is: the system's word for it, and the control group's.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/memory.h"

/* The number behind `key` in /proc/meminfo, in bytes; UINT64_MAX where it cannot be had. */
static uint64_t meminfo(const char *key)
{
	FILE *f = fopen("/proc/meminfo", "re");
	uint64_t bytes = UINT64_MAX, kb;
	char line[256];
	size_t n = strlen(key);

	if (!f)
		return bytes;
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, key, n) && sscanf(line + n, ": %" SCNu64 " kB", &kb) == 1)
			bytes = kb * 1024;
	fclose(f);
	return bytes;
}

static uint64_t number_in(const char *path)
{
	FILE *f = fopen(path, "re");
	uint64_t n = UINT64_MAX;

	if (!f)
		return n;
	/* "max", the word for no limit, leaves n as it is. */
	if (fscanf(f, "%" SCNu64, &n) != 1)
		n = UINT64_MAX;
	fclose(f);
	return n;
}

/* The limit of this process's control group, under either version of the interface. */
static uint64_t group_limit(void)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	uint64_t limit = number_in("/sys/fs/cgroup/memory/memory.limit_in_bytes");
	char line[512], path[640];

	if (!f)
		return limit;
	while (fgets(line, sizeof(line), f)) {
		uint64_t own;

		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "0::", 3) != 0)
			continue;
		snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.max", line + 3);
		own = number_in(path);
		if (own < limit)
			limit = own;
	}
	fclose(f);
	return limit;
}

uint64_t memory_available(void)
{
	uint64_t system = meminfo("MemAvailable"), group = group_limit();

	return group < system ? group : system;
}
