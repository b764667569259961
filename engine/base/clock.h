/*
 * What time it is.  The monotonic clock measures how long something takes and when a wait ends;
 * it goes on while the wall's clock is set, and begins at no particular moment.  The wall's clock
 * is for what is shown and stored: milliseconds since 1970, UTC.  Any thread; none can fail.
 */
#ifndef ENGINE_BASE_CLOCK_H
#define ENGINE_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

int64_t clock_ns(void);
int64_t clock_ms(void);
/* Seconds, for rates. */
double clock_s(void);
int64_t clock_wall_ms(void);

/* The moment of CLOCK_MONOTONIC at which `ms` (0 or more) from now will have passed. */
struct timespec clock_after_ms(int ms);

/* How long until that moment of clock_ms(), as poll() takes it: 0 = it has come, -1 = `ms` is 0,
 * and so there is none. */
int clock_left_ms(int64_t ms);

#endif
