/*
 * Unified hunks, applied: what a diff says is held against the texts it was made of.
 */
#ifndef TESTS_SUPPORT_PATCH_H
#define TESTS_SUPPORT_PATCH_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/buf.h"

/* The next line with its newline; false at the end. */
static inline bool patch_line(struct str *rest, struct str *line)
{
	const char *end = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;

	*line = (struct str){rest->p, end ? (size_t)(end - rest->p) + 1 : rest->n};
	rest->p += line->n;
	rest->n -= line->n;
	return line->n > 0;
}

/* A range of a hunk's head: "12,3", "12", "11,0". */
static inline const char *patch_range(const char *p, size_t *from, size_t *n)
{
	int used = 0;

	*n = 1;
	if (sscanf(p, "%zu%n", from, &used) != 1)
		return "";
	p += used;
	if (*p == ',' && sscanf(p, ",%zu%n", n, &used) == 1)
		p += used;
	return p;
}

/* One line of a hunk, applied: false where the text is not as it says. */
static inline bool patch_apply_line(struct str *text, struct str *hunks, struct str line,
				    struct buf *out)
{
	struct str body = {line.p + 1, line.n - 1}, old = {0};

	if (hunks->n && hunks->p[0] == '\\') {
		struct str note;

		patch_line(hunks, &note);
		body.n--;
	}
	if (line.p[0] != '+' && (!patch_line(text, &old) || !str_eq(old, body)))
		return false;
	if (line.p[0] != '-')
		buf_adds(out, body);
	return true;
}

/*
 * Makes what the hunks make of the text.  False where they do not fit it: their lines are not
 * where they say, or not as many.  *changed: lines taken out and put in.
 */
static inline bool patch_apply(struct str text, struct str hunks, struct buf *out,
			       size_t *changed)
{
	size_t at = 1, made = 1;
	struct str line;

	*changed = 0;
	while (patch_line(&hunks, &line)) {
		size_t from, n, to, m;
		const char *p;

		if (line.n < 4 || memcmp(line.p, "@@ -", 4) != 0)
			return false;
		p = patch_range(line.p + 4, &from, &n);
		if (p[0] != ' ' || p[1] != '+')
			return false;
		p = patch_range(p + 2, &to, &m);
		if (memcmp(p, " @@\n", 4) != 0)
			return false;
		for (; at < from + (n == 0); at++, made++) {
			if (!patch_line(&text, &line))
				return false;
			buf_adds(out, line);
		}
		if (made != to + (m == 0))
			return false;
		while (n || m) {
			if (!patch_line(&hunks, &line) ||
			    !patch_apply_line(&text, &hunks, line, out))
				return false;
			*changed += line.p[0] != ' ';
			at += line.p[0] != '+';
			made += line.p[0] != '-';
			n -= line.p[0] != '+';
			m -= line.p[0] != '-';
		}
	}
	buf_adds(out, text);
	return true;
}

#endif
