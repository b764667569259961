/* Widths by wcwidth(), clusters by utf8proc. */
#include "tui/glyph.h"

#include <stdbool.h>
#include <wchar.h>

#include <utf8proc.h>

#include "engine/base/termsafe.h"
#include "engine/base/utf8.h"

/* No cluster is longer; hostile text may chain combining marks without end. */
#define CLUSTER_MAX_BYTES 128

static bool is_ascii(char c)
{
	return (unsigned char)c >= 0x20 && (unsigned char)c < 0x7F;
}

int glyph_width(uint32_t cp)
{
	int w;

	if (cp < 0x7F)
		return 1;
	w = wcwidth((wchar_t)cp);
	if (w < 0) {
		/* A locale without UTF-8, or a character younger than the C library. */
		w = utf8proc_charwidth((utf8proc_int32_t)cp);
		if (w == 0 && utf8proc_category((utf8proc_int32_t)cp) == UTF8PROC_CATEGORY_CN)
			w = 1;
	}
	return w < 0 ? 1 : w > 2 ? 2 : w;
}

static size_t decode(const char *p, size_t n, uint32_t *cp)
{
	int len = utf8_decode(p, n, cp);

	if (len > 0) {
		*cp = termsafe_map(*cp);
		return (size_t)len;
	}
	*cp = 0xFFFD;
	return 1;
}

size_t glyph_next(const char *p, size_t n, int *width)
{
	utf8proc_int32_t state = 0;
	uint32_t cp, next;
	size_t len;
	int w;

	if (is_ascii(p[0]) && (n == 1 || (unsigned char)p[1] < 0x80)) {
		*width = 1;
		return 1;
	}
	len = decode(p, n, &cp);
	w = glyph_width(cp);
	while (len < n && len < CLUSTER_MAX_BYTES) {
		size_t more = decode(p + len, n - len, &next);

		if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)cp,
						     (utf8proc_int32_t)next, &state))
			break;
		w += glyph_width(next);
		cp = next;
		len += more;
	}
	*width = w;
	return len;
}

size_t glyph_prev(const char *p, size_t at)
{
	size_t from, prev;
	int w;

	if (at == 0)
		return 0;
	if (is_ascii(p[at - 1]))
		return at - 1;
	/*
	 * Clusters are found forwards only.  ASCII always begins one, so walking from
	 * the last ASCII character, or from CLUSTER_MAX_BYTES back, meets every border.
	 */
	from = at > 2 * CLUSTER_MAX_BYTES ? at - 2 * CLUSTER_MAX_BYTES : 0;
	for (size_t i = at - 1; i > from; i--) {
		if ((unsigned char)p[i - 1] < 0x80) {
			from = i - 1;
			break;
		}
	}
	while (from > 0 && from < at && ((unsigned char)p[from] & 0xC0) == 0x80)
		from++;
	for (prev = from; from < at; from += glyph_next(p + from, at - from, &w))
		prev = from;
	return prev;
}

int glyph_columns(const char *p, size_t n)
{
	int total = 0;

	for (size_t i = 0; i < n;) {
		int w;

		i += glyph_next(p + i, n - i, &w);
		total += w;
	}
	return total;
}
