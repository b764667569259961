/*
 * Exit codes, and the names of errors, in one place.
 */
#ifndef APP_EXIT_H
#define APP_EXIT_H

enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_MODEL = 3, /* model, backend or GPU */
	EXIT_LIMIT = 4, /* of tokens or turns */
	EXIT_TOOL_REFUSED = 5,
	EXIT_STORE = 6,
	EXIT_TIMED_OUT = 124,
	EXIT_INTERRUPTED = 130,
	EXIT_TERMINATED = 143,
};

/* The exit code of 0 or an enum err_code. */
int exit_code_of(int rc);

/* … where a signal, or the loss of the terminal (as SIGHUP), ended the program. */
int exit_code_of_signal(int signo);
/* … of 0 or an enum err_code where such a signal may have come (0: none). */
int exit_code_after(int rc, int signo);

/* What programs are told of such a code: "usage", "model", …, "failed" for what has no name. */
const char *error_name(int rc);

#endif
