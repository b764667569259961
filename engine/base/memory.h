/*
 * How much memory this machine has for this process.
 */
#ifndef ENGINE_BASE_MEMORY_H
#define ENGINE_BASE_MEMORY_H

#include <stdint.h>

/*
 * Bytes this process may come to use: what the system can free, within its control group;
 * UINT64_MAX where neither says.  Reads /proc and /sys anew each time.  Any thread.
 */
uint64_t memory_available(void);

#endif
