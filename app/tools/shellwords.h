/*
 * A command line as the shell would split it, where that is certain: a small subset in which
 * bash and dash agree on every word.  What lies outside is not guessed at.
 *
 * Understood are commands joined by ; && || | and newlines; words of ASCII letters, digits and
 * _-./:,+=@%^] and ~ (not at a word's beginning, nor behind : and =); '…'; "…" without $, `
 * and any \ but \\ and \"; \c for printable ASCII; unquoted * ? [ in arguments; and the
 * redirections < F, > F, >> F, 2> F, &> F (as the last of a list), 2>&1 and >&2.  In command
 * position neither a reserved word, an assignment nor a pattern.
 *
 * Pure, in time linear to the text.
 */
#ifndef APP_TOOLS_SHELLWORDS_H
#define APP_TOOLS_SHELLWORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"

#define SHELLWORDS_BYTES    (32u << 10)
#define SHELLWORDS_COMMANDS 64

struct shell_word {
	struct str text; /* without its quotes */
	bool glob;       /* holds an unquoted * ? or [: it may stand for any number of words */
};

enum shell_redirect_how { SHELL_FROM, SHELL_TO, SHELL_APPEND };

/* Of a file; 2>&1 and >&2, which lead to no other, are not kept. */
struct shell_redirect {
	enum shell_redirect_how how;
	struct str target;
};

enum shell_joint { SHELL_THEN, SHELL_AND, SHELL_OR, SHELL_PIPE };

struct shell_command {
	enum shell_joint joint;         /* to the command before */
	const struct shell_word *words; /* the first is the program */
	size_t n_words;                 /* 1 at least */
	const struct shell_redirect *redirects;
	size_t n_redirects;
};

enum shellwords { SHELL_NOT_UNDERSTOOD, SHELL_UNDERSTOOD };

struct shell_line {
	struct shell_command commands[SHELLWORDS_COMMANDS];
	size_t n;
	const char *why; /* NOT_UNDERSTOOD: what stands in the way, a constant … */
	size_t at;       /* … and at which byte */
	/* what the above borrows from */
	struct buf text;
	struct shell_word *words;
	struct shell_redirect *redirects;
};

/*
 * NOT_UNDERSTOOD: line->why.  Of a line that is split for certain, and is not understood since
 * a program of it does anything (eval, exec, source, …), the commands are there all the same;
 * else there are none.  Without memory nothing is understood.  To be released either way.
 */
enum shellwords shellwords_parse(struct str text, struct shell_line *line);
void shellwords_release(struct shell_line *line);

#endif
