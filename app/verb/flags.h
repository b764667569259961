/*
 * Which flags stand behind which words, as the tables of options, verbs and subcommands have
 * them: for whoever writes of all of them.
 */
#ifndef APP_VERB_FLAGS_H
#define APP_VERB_FLAGS_H

#include <stdbool.h>

#include "engine/base/buf.h"

/* `verb` NULL: the program itself; `sub`: a subcommand of history, NULL = none. */
struct flag_place {
	const char *verb, *sub;
};

enum flag_value {
	FLAG_BARE, /* it takes none */
	FLAG_ANY,
	FLAG_FILE,
	FLAG_DIR,
	FLAG_CHOICE, /* one of `choices` */
};

/* All borrowed from the walk. */
struct flag {
	char letter;     /* 0 = none */
	struct str name; /* without its dashes; "" = a letter alone */
	enum flag_value value;
	struct str arg;     /* what the value is called */
	struct str choices; /* with blanks between */
	struct str help;
};

typedef void (*flag_fn)(void *ctx, const struct flag *f);

/* Calls `each` for every flag that may stand there, in the tables' order. */
void flags_each(struct flag_place at, flag_fn each, void *ctx);

/* Appends the words that a verb takes first, with blanks between: subcommands and such. */
void flags_add_words(const char *verb, struct buf *out);

#endif
