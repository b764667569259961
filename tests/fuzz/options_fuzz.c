/* Any bytes as the words of a command line, and as the value of every option. */
#include <string.h>

#include "app/options.h"
#include "tests/fuzz/fuzz.h"

#define WORDS_MAX 32

/* The input's lines are the words of a command line; each is also a value for every option. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[4096], *argv[WORDS_MAX + 2];
	struct options o;
	struct err err = {0};
	int argc = 1;

	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	argv[0] = (char[]){"dsv4chat"};
	options_default(&o);
	for (char *save = NULL, *w = strtok_r(text, "\n", &save); w && argc <= WORDS_MAX;
	     w = strtok_r(NULL, "\n", &save)) {
		argv[argc++] = w;
		for (const struct option_row *row = option_rows; row->name; row++) {
			struct buf shown = {0};

			if (option_set(&o, row, w, &err))
				BUG_ON(err.code != ERR_USAGE && err.code != ERR_NOMEM);
			option_get(&o, row, &shown);
			buf_release(&shown);
		}
		option_near(w);
	}
	argv[argc] = NULL;
	options_release(&o);
	options_default(&o);
	if (options_read_flags(&o, argc, argv, &err))
		BUG_ON(err.text[0] == '\0');
	options_release(&o);
	return 0;
}
