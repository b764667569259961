/* The script of runner_start_scripted(), read and checked.  Plain data once opened. */
#ifndef APP_TOOLS_RUNNER_SCRIPT_H
#define APP_TOOLS_RUNNER_SCRIPT_H

#include <stdbool.h>

#include "app/tools/tools.h"

struct runner_step {
	int line;
	bool has_tool, has_command, has_arguments, has_grade, has_state, die;
	struct buf tool, command, arguments, grade; /* what the job has to be */
	struct buf output, state, spill, diff;
	int64_t chunk, delay_ms, exit, signal, stubborn_ms;
};

struct runner_script {
	struct runner_step *steps;
	size_t n;
};

/* ERR_USAGE names the line; ERR_NOMEM.  To be closed either way. */
int runner_script_open(struct runner_script *s, struct str text, struct err *err);
void runner_script_close(struct runner_script *s);

#endif
