/* Finding the end of a row. */
#include "tui/wrap.h"

#include <stdint.h>

#include "engine/base/utf8.h"
#include "tui/glyph.h"

/* Signs that may not begin a row, and those that may not end one (JIS X 4051's short list). */
static const uint32_t no_begin[] = {
	0x2019, 0x201D, 0x2025, 0x2026, 0x3001, 0x3002, 0x3005, 0x3009,
	0x300B, 0x300D, 0x300F, 0x3011, 0x3015, 0x3017, 0x30FC, 0xFF01,
	0xFF09, 0xFF0C, 0xFF0E, 0xFF1A, 0xFF1B, 0xFF1F, 0xFF3D, 0xFF5D,
};
static const uint32_t no_end[] = {
	0x2018, 0x201C, 0x3008, 0x300A, 0x300C, 0x300E,
	0x3010, 0x3014, 0x3016, 0xFF08, 0xFF3B, 0xFF5B,
};

static bool is_in(uint32_t cp, const uint32_t *set, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (set[i] == cp)
			return true;
	}
	return false;
}

#define IS_IN(cp, set) is_in((cp), (set), sizeof(set) / sizeof((set)[0]))

static uint32_t first_cp(const char *p, size_t n)
{
	uint32_t cp;

	return utf8_decode(p, n, &cp) > 0 ? cp : 0xFFFD;
}

/* Written without spaces: a row may end after any sign. */
static bool is_ideographic(uint32_t cp)
{
	return (cp >= 0x2E80 && cp < 0xA4D0) || (cp >= 0xAC00 && cp < 0xD7B0) ||
	       (cp >= 0xF900 && cp < 0xFB00) || (cp >= 0xFE30 && cp < 0xFE70) ||
	       (cp >= 0xFF00 && cp < 0xFFF0) || (cp >= 0x1F000 && cp < 0x40000) ||
	       (cp >= 0x0E00 && cp < 0x0F00);
}

static bool may_break(uint32_t before, uint32_t after)
{
	if (before == ' ' || before == '\t')
		return true;
	if (IS_IN(before, no_end) || IS_IN(after, no_begin))
		return false;
	if (is_ideographic(before) || is_ideographic(after))
		return true;
	return before == '-' || before == 0x2013 || before == 0x2014;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* How many bytes the row takes whose words fit up to `brk`; *shown without the blanks there. */
static size_t end_at(const char *p, size_t n, size_t brk, size_t *shown)
{
	size_t end = brk;

	while (end > 0 && is_blank(p[end - 1]))
		end--;
	while (brk < n && is_blank(p[brk]))
		brk++;
	/* A row of nothing but blanks shows them: indentation wider than the row. */
	*shown = end > 0 ? end : brk;
	return brk;
}

/* Of one cluster wider than the row: as many of its characters as fit, at least one. */
static size_t cut_cluster(const char *p, size_t n, int width)
{
	size_t at = 0;

	for (int w = 0; at < n;) {
		uint32_t cp;
		int len = utf8_decode(p + at, n - at, &cp);

		if (len <= 0) {
			len = 1;
			cp = 0xFFFD;
		}
		w += glyph_width(cp);
		if (at > 0 && w > width)
			break;
		at += (size_t)len;
	}
	return at;
}

size_t wrap_row(const char *p, size_t n, int width, bool words, size_t *shown)
{
	size_t at = 0, brk = 0; /* brk: last place a row may end; 0 = none */
	uint32_t before = 0;
	int used = 0;

	while (at < n) {
		int w;
		uint32_t cp = (unsigned char)p[at];
		size_t len = glyph_next(p + at, n - at, &w);

		if (cp >= 0x80)
			cp = first_cp(p + at, len);
		if (at > 0 && words && may_break(before, cp) && !is_blank(p[at]))
			brk = at;
		if (used + w > width) {
			if (words && is_blank(p[at]))
				brk = at;
			break;
		}
		used += w;
		at += len;
		before = cp;
	}
	if (at < n && words && brk > 0)
		return end_at(p, n, brk, shown);
	if (at == 0)
		at = cut_cluster(p, n, width);
	*shown = at;
	return at;
}
