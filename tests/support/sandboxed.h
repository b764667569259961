/* Is there a sandbox for commands on this machine?  Without one none runs, and doctor says so. */
#ifndef TESTS_SUPPORT_SANDBOXED_H
#define TESTS_SUPPORT_SANDBOXED_H

#include <stdbool.h>

/* Asked once: a machine does not change while a test runs, and doctor tries ways out of one. */
bool has_sandbox(void);

#endif
