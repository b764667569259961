/* What doctor says of the sandbox, kept. */
#include "tests/support/sandboxed.h"

#include <string.h>

#include "engine/base/buf.h"
#include "tests/support/program.h"

bool has_sandbox(void)
{
	static enum { UNKNOWN, NONE, THERE } known;
	struct buf line = {0}, out = {0};

	if (!known) {
		buf_addf(&line, "'%s' doctor --model /nowhere", program_path());
		program_shell(buf_z(&line), &out);
		known = strstr(buf_z(&out), "ways out refused") ? THERE : NONE;
	}
	buf_release(&line);
	buf_release(&out);
	return known == THERE;
}
