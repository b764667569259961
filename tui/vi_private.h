/*
 * vi's insides, shared by vi.c (modes, operators, changes) and vi_motion.c (places in a text).
 * Places are bytes of the text, on borders of clusters.
 */
#ifndef TUI_VI_PRIVATE_H
#define TUI_VI_PRIVATE_H

#include "tui/vi.h"

/* A motion: where it ends, and what an operator takes of it. */
struct vi_span {
	size_t to;
	bool found;
	bool inclusive; /* the character at the end, too */
	bool lines;     /* all lines it touches */
};

/* Words are runs of letters and the like, or of signs. */
enum vi_kind { VI_BLANK, VI_SIGN, VI_LETTER };

size_t vi_text_end(const struct editbuf *e);
size_t vi_line_start(const struct editbuf *e, size_t at);
size_t vi_line_end(const struct editbuf *e, size_t at); /* its '\n', or the text's end */
size_t vi_after(const struct editbuf *e, size_t at);    /* the cluster behind `at` */
size_t vi_before(const struct editbuf *e, size_t at);
size_t vi_first_nonblank(const struct editbuf *e, size_t at); /* of the line */
enum vi_kind vi_kind_at(const struct editbuf *e, size_t at);  /* at < vi_text_end() */
size_t vi_line_down(const struct editbuf *e, size_t at, long n);

/* The character on this line, n times on; a till stops before it. */
struct vi_span vi_seek(const struct editbuf *e, enum action how, uint32_t cp, long n);
/* Where `a` goes to from the cursor; found = false: it is no motion, or goes nowhere. */
struct vi_span vi_motion(const struct vi *v, const struct editbuf *e, enum action a,
			 long count);

#endif
