/* The handler of SIGBUS. */
#include "app/mapfault.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "app/exit.h"
#include "app/output.h"
#include "engine/base/mapped.h"

/* Only async-signal-safe calls from here. */
static void on_bus_error(int sig, siginfo_t *info, void *context)
{
	const char *path = mapped_find(info->si_addr);

	(void)context;
	if (path) {
		output_own(STDERR_FILENO, "dsv4chat: ");
		output_safe(STDERR_FILENO, str_of(path));
		output_own(STDERR_FILENO,
			   ": found cut short while in use, expected to stay as it "
			   "was when opened\n");
		_exit(EXIT_MODEL);
	}
	/* Not ours: the default, at the same instruction again. */
	signal(sig, SIG_DFL);
}

void mapfault_install(void)
{
	struct sigaction sa = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};

	sigemptyset(&sa.sa_mask);
	sigaction(SIGBUS, &sa, NULL);
}
