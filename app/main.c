#include <stdio.h>

#include "app/exit.h"
#include "app/verb.h"

int main(int argc, char **argv)
{
	const struct verb *verb = argc > 1 ? verb_find(argv[1]) : NULL;

	if (verb)
		return verb->run(NULL, argc - 1, argv + 1);
	puts("dsv4chat " DSV4CHAT_VERSION);
	return EXIT_DONE;
}
