/* Inside readonly*.c: a program's row. */
#ifndef APP_TOOLS_READONLY_ROW_H
#define APP_TOOLS_READONLY_ROW_H

#include "app/tools/readonly.h"

/* What its words are that are no options. */
enum readonly_operands {
	ARE_PATHS,
	ARE_FILES, /* paths of no folders */
	ARE_TEXT,
	ARE_PATTERN, /* and paths: the first is text, unless -e or --regexp said another */
	ARE_ONE,     /* a path; the second would be written */
	ARE_NONE,
};

/*
 * `letters`: as getopt has them: "n:" takes a value, "C::" one in its own word, '#' stands for
 * digits.  `longs`: whole names; "lines=" takes a value, "color?" one in its own word.
 */
struct readonly_row {
	const char *name;
	const char *letters, *longs;
	enum readonly_operands operands;
	bool (*check)(const struct shell_command *c, const struct readonly_look *look);
};

/* The words from `at` on, options and operands. */
bool readonly_take_words(const struct readonly_row *row, const struct shell_command *c,
			 size_t at, const struct readonly_look *look);

/* readonly_git.c */
bool readonly_check_git(const struct shell_command *c, const struct readonly_look *look);

#endif
