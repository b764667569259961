/*
 * Writing to stdout and stderr where nobody may be reading: a pipe that is full must not keep
 * the program from ending.  A write waits until there is room, a signal is seen (app/signals.h)
 * or the time is up; after either of these it takes only what can be had at once.
 */
#ifndef APP_OUTPUT_H
#define APP_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/buf.h"

/* When the time is up for all writes: CLOCK_MONOTONIC, ms; 0, the default: never. */
void output_until(int64_t deadline_ms);

/* All of it, behind what stdio holds for stdout; false: not all, errno tells why (EINTR: as
 * above). */
bool output_write(int fd, struct str text);

#endif
