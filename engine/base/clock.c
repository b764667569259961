/* The two clocks of the program, see clock.h. */
#include "engine/base/clock.h"

#include <limits.h>

#define NS_PER_S  INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

static int64_t read_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t clock_ns(void)
{
	return read_ns(CLOCK_MONOTONIC);
}

int64_t clock_ms(void)
{
	return clock_ns() / NS_PER_MS;
}

double clock_s(void)
{
	return (double)clock_ns() / (double)NS_PER_S;
}

int64_t clock_wall_ms(void)
{
	return read_ns(CLOCK_REALTIME) / NS_PER_MS;
}

struct timespec clock_after_ms(int ms)
{
	int64_t ns = clock_ns() + ms * NS_PER_MS;

	return (struct timespec){.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
}

int clock_left_ms(int64_t ms)
{
	int64_t left = ms - clock_ms();

	if (!ms)
		return -1;
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}
