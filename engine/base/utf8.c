/* Decoding, encoding and cleaning UTF-8, a character at a time. */
#include "engine/base/utf8.h"

int utf8_decode(const char *p, size_t n, uint32_t *cp)
{
	const unsigned char *s = (const unsigned char *)p;
	unsigned char lo = 0x80, hi = 0xBF; /* bounds of the second byte */
	uint32_t v;
	int len;

	if (s[0] < 0x80) {
		*cp = s[0];
		return 1;
	}
	if (s[0] >= 0xC2 && s[0] <= 0xDF) {
		len = 2;
		v = s[0] & 0x1Fu;
	} else if (s[0] >= 0xE0 && s[0] <= 0xEF) {
		len = 3;
		v = s[0] & 0x0Fu;
		if (s[0] == 0xE0)
			lo = 0xA0;
		else if (s[0] == 0xED)
			hi = 0x9F;
	} else if (s[0] >= 0xF0 && s[0] <= 0xF4) {
		len = 4;
		v = s[0] & 0x07u;
		if (s[0] == 0xF0)
			lo = 0x90;
		else if (s[0] == 0xF4)
			hi = 0x8F;
	} else {
		return -1;
	}
	for (int i = 1; i < len; i++) {
		if ((size_t)i >= n)
			return 0;
		if (s[i] < lo || s[i] > hi)
			return -i;
		lo = 0x80;
		hi = 0xBF;
		v = v << 6 | (s[i] & 0x3Fu);
	}
	*cp = v;
	return len;
}

size_t utf8_encode(uint32_t cp, char out[4])
{
	if (cp > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF))
		cp = 0xFFFD;
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xC0u | cp >> 6);
		out[1] = (char)(0x80u | (cp & 0x3Fu));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (char)(0xE0u | cp >> 12);
		out[1] = (char)(0x80u | (cp >> 6 & 0x3Fu));
		out[2] = (char)(0x80u | (cp & 0x3Fu));
		return 3;
	}
	out[0] = (char)(0xF0u | cp >> 18);
	out[1] = (char)(0x80u | (cp >> 12 & 0x3Fu));
	out[2] = (char)(0x80u | (cp >> 6 & 0x3Fu));
	out[3] = (char)(0x80u | (cp & 0x3Fu));
	return 4;
}

bool utf8_valid(struct str s)
{
	uint32_t cp;

	for (size_t i = 0; i < s.n;) {
		int n = utf8_decode(s.p + i, s.n - i, &cp);

		if (n <= 0)
			return false;
		i += (size_t)n;
	}
	return true;
}

size_t utf8_add_clean(struct buf *out, struct str s)
{
	size_t bad = 0, from = 0, i = 0;
	uint32_t cp;

	while (i < s.n) {
		int n = utf8_decode(s.p + i, s.n - i, &cp);

		if (n > 0) {
			i += (size_t)n;
			continue;
		}
		buf_add(out, s.p + from, i - from);
		buf_addz(out, "\xEF\xBF\xBD");
		bad++;
		i = n == 0 ? s.n : i + (size_t)-n;
		from = i;
	}
	if (i > from)
		buf_add(out, s.p + from, i - from);
	return bad;
}

size_t utf8_partial_tail(struct str s)
{
	uint32_t cp;

	for (size_t back = 1; back <= 3 && back <= s.n; back++) {
		unsigned char c = (unsigned char)s.p[s.n - back];

		if ((c & 0xC0u) == 0x80u)
			continue;
		return utf8_decode(s.p + s.n - back, back, &cp) == 0 ? back : 0;
	}
	return 0;
}
