/* Each star goes back to the last one alone, for names and for paths: that is enough. */
#include "app/tools/glob.h"

#include <stdint.h>
#include <string.h>

#include "engine/base/utf8.h"

static unsigned char lower(unsigned char c, bool fold)
{
	return fold && c >= 'A' && c <= 'Z' ? (unsigned char)(c | 0x20) : c;
}

/* The bytes of the character at s[at], and which it is. */
static size_t character(struct str s, size_t at, uint32_t *cp)
{
	int n = utf8_decode(s.p + at, s.n - at, cp);

	if (n > 0)
		return (size_t)n;
	*cp = (unsigned char)s.p[at];
	return 1;
}

static uint32_t folded(uint32_t cp, bool fold)
{
	return cp < 0x80 ? lower((unsigned char)cp, fold) : cp;
}

/*
 * Is cp in the list that begins at p[at] behind '['?  Sets *end behind its ']'; 0 there: it is
 * no list.
 */
static bool in_list(struct str p, size_t at, uint32_t cp, bool fold, size_t *end)
{
	bool inverse = at < p.n && (p.p[at] == '!' || p.p[at] == '^'), in = false;
	size_t first;

	*end = 0;
	at += inverse;
	for (first = at; at < p.n && (p.p[at] != ']' || at == first);) {
		uint32_t from, to;

		at += character(p, at, &from);
		to = from;
		if (at + 1 < p.n && p.p[at] == '-' && p.p[at + 1] != ']')
			at += 1 + character(p, at + 1, &to);
		in = in || (folded(cp, fold) >= folded(from, fold) &&
			    folded(cp, fold) <= folded(to, fold));
	}
	if (at >= p.n)
		return false;
	*end = at + 1;
	return in != inverse;
}

/* Where the pattern goes on when what stands at p[i] takes the character; 0: it does not. */
static size_t takes(struct str p, size_t i, uint32_t cp, bool fold)
{
	uint32_t own;
	size_t end;

	if (p.p[i] == '?')
		return i + 1;
	if (p.p[i] == '[') {
		bool in = in_list(p, i + 1, cp, fold, &end);

		if (end)
			return in ? end : 0;
	}
	if (p.p[i] == '\\' && i + 1 < p.n)
		i++;
	end = i + character(p, i, &own);
	return folded(own, fold) == folded(cp, fold) ? end : 0;
}

static bool match_name(struct str p, struct str s, bool fold)
{
	size_t i = 0, k = 0, star = SIZE_MAX, from = 0;

	while (k < s.n) {
		uint32_t cp;
		size_t n = character(s, k, &cp), next;

		if (i < p.n && p.p[i] == '*') {
			star = ++i;
			from = k;
			continue;
		}
		next = i < p.n ? takes(p, i, cp, fold) : 0;
		if (next) {
			i = next;
			k += n;
		} else if (star != SIZE_MAX) {
			from += character(s, from, &cp);
			k = from;
			i = star;
		} else {
			return false;
		}
	}
	while (i < p.n && p.p[i] == '*')
		i++;
	return i == p.n;
}

bool path_next(struct str *path, struct str *name)
{
	const char *end;

	while (path->n && path->p[0] == '/') {
		path->p++;
		path->n--;
	}
	if (!path->n)
		return false;
	end = memchr(path->p, '/', path->n);
	name->p = path->p;
	name->n = end ? (size_t)(end - path->p) : path->n;
	path->p += name->n;
	path->n -= name->n;
	return true;
}

bool path_climbs(struct str path)
{
	struct str name;

	while (path_next(&path, &name))
		if (str_is(name, ".."))
			return true;
	return false;
}

/* `above`: where the pattern ends the path may go on. */
static bool match_path(struct str pattern, struct str path, bool fold, bool above)
{
	struct str many = {NULL, 0},
		   from = {NULL, 0}; /* behind the last "**"; where it stands */
	struct str p, s;

	for (;;) {
		struct str rest = pattern, left = path;
		bool more = path_next(&left, &s), goes_on = path_next(&rest, &p);

		if (goes_on && str_is(p, "**")) {
			many = pattern = rest;
			from = path;
			if (!many.n) /* the last name: everything, but not nothing */
				return more;
		} else if (more && goes_on && match_name(p, s, fold)) {
			pattern = rest;
			path = left;
		} else if (!goes_on && (above || !more)) {
			return true;
		} else if (many.p && path_next(&from, &s)) {
			pattern = many;
			path = from;
		} else {
			return false;
		}
	}
}

bool glob_match(struct str pattern, struct str path, bool fold)
{
	return match_path(pattern, path, fold, false);
}

bool glob_covers(struct str pattern, struct str path, bool fold)
{
	struct str rest = pattern, name;

	if (!path.n)
		return false;
	if (path_next(&rest, &name))
		return match_path(pattern, path, fold, true);
	/* The root; a path goes on from it without another '/'. */
	return path.p[0] == '/' && (path.n == 1 || path.p[1] == '/');
}
