/* The tables of exit codes and of the names of errors. */
#include "app/exit.h"

#include <signal.h>
#include <stddef.h>

#include "engine/base/err.h"

int exit_code_of(int rc)
{
	if (!rc)
		return EXIT_DONE;
	switch ((enum err_code)rc) {
	case ERR_FAILED:
	case ERR_NOMEM:
	case ERR_IO:
		return EXIT_FAILED;
	case ERR_USAGE:
		return EXIT_USAGE;
	case ERR_MODEL:
		return EXIT_MODEL;
	case ERR_LIMIT:
		return EXIT_LIMIT;
	case ERR_REFUSED:
		return EXIT_TOOL_REFUSED;
	case ERR_STORE:
		return EXIT_STORE;
	case ERR_CANCELLED:
		return EXIT_INTERRUPTED;
	case ERR_TIMEOUT:
		return EXIT_TIMED_OUT;
	}
	return EXIT_FAILED;
}

int exit_code_of_signal(int signo)
{
	return signo == SIGINT ? EXIT_INTERRUPTED : EXIT_TERMINATED;
}

int exit_code_after(int rc, int signo)
{
	return rc == ERR_CANCELLED && signo ? exit_code_of_signal(signo) : exit_code_of(rc);
}

const char *error_name(int rc)
{
	static const struct {
		enum err_code code;
		const char *name;
	} names[] = {
		{ERR_USAGE, "usage"},     {ERR_MODEL, "model"},
		{ERR_LIMIT, "limit"},     {ERR_REFUSED, "refused"},
		{ERR_STORE, "store"},     {ERR_NOMEM, "memory"},
		{ERR_IO, "io"},           {ERR_CANCELLED, "interrupted"},
		{ERR_TIMEOUT, "timeout"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if ((int)names[i].code == rc)
			return names[i].name;
	return "failed";
}
