/* Is there a sandbox for commands on this machine?  Without one none runs, and doctor says so. */
#ifndef TESTS_SUPPORT_SANDBOXED_H
#define TESTS_SUPPORT_SANDBOXED_H

#include <stdbool.h>
#include <string.h>

#include "engine/base/buf.h"
#include "tests/support/program.h"

static inline bool has_sandbox(void)
{
	struct buf line = {0}, out = {0};
	bool has;

	buf_addf(&line, "'%s' doctor --model /nowhere", program_path());
	program_shell(buf_z(&line), &out);
	buf_release(&line);
	has = strstr(buf_z(&out), "ways out refused") != NULL;
	buf_release(&out);
	return has;
}

#endif
