/* Which characters act on a terminal, and what stands for them. */
#include "engine/base/termsafe.h"

#include "engine/base/utf8.h"

#define REPLACEMENT 0xFFFDu

/* Characters that act instead of being seen, in ascending order. */
static const struct {
	uint32_t first, last;
} acting[] = {
	{0x0080, 0x009F},    /* C1 controls                                 */
	{0x00AD, 0x00AD},    /* soft hyphen: terminals disagree on its width */
	{0x061C, 0x061C},    /* Arabic letter mark                          */
	{0x180E, 0x180E},    /* Mongolian vowel separator                   */
	{0x200B, 0x200B},    /* zero width space                            */
	{0x200E, 0x200F},    /* direction marks                             */
	{0x2028, 0x202E},    /* separators, embeddings, overrides           */
	{0x2060, 0x206F},    /* invisible operators, isolates, old controls */
	{0xFEFF, 0xFEFF},    /* zero width no-break space                   */
	{0xFFF0, 0xFFFB},    /* interlinear annotation                      */
	{0xFFFE, 0xFFFF},    /* noncharacters                               */
	{0x1BCA0, 0x1BCA3},  /* shorthand format controls                   */
	{0x1D173, 0x1D17A},  /* musical format controls                     */
	{0xE0000, 0xE0FFF},  /* tags, supplementary variation selectors     */
	{0xF0000, 0x10FFFF}, /* private planes: whatever a font makes of them */
};

bool termsafe_drops(uint32_t cp)
{
	return cp == 0x00AD || cp == 0x061C || cp == 0x180E || cp == 0x200B || cp == 0x200E ||
	       cp == 0x200F || (cp >= 0x2060 && cp <= 0x2064) || cp == 0xFEFF;
}

uint32_t termsafe_map(uint32_t cp)
{
	size_t lo = 0, hi = sizeof(acting) / sizeof(acting[0]);

	if (cp < 0x20)
		return cp == '\n' || cp == '\t' ? cp : 0x2400u + cp;
	if (cp < 0x7F)
		return cp;
	if (cp == 0x7F)
		return 0x2421;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (cp > acting[mid].last)
			lo = mid + 1;
		else if (cp < acting[mid].first)
			hi = mid;
		else
			return REPLACEMENT;
	}
	return cp;
}

/* Takes one character off; what is none counts as U+FFFD, and so does one cut short. */
static uint32_t take(struct str *s)
{
	uint32_t cp = REPLACEMENT;
	int n = utf8_decode(s->p, s->n, &cp);
	size_t used = n > 0 ? (size_t)n : n < 0 ? (size_t)-n : s->n;

	s->p += used;
	s->n -= used;
	return n > 0 ? cp : REPLACEMENT;
}

size_t termsafe_next(struct str *s, char out[TERMSAFE_MAX])
{
	uint32_t cp = take(s);

	if (termsafe_drops(cp) || (cp == '\r' && s->n && *s->p == '\n'))
		return 0;
	return utf8_encode(termsafe_map(cp), out);
}

static size_t add_escape(uint32_t unit, char *out)
{
	static const char hex[] = "0123456789abcdef";

	out[0] = '\\';
	out[1] = 'u';
	for (int i = 0; i < 4; i++)
		out[2 + i] = hex[unit >> (12 - 4 * i) & 15];
	return 6;
}

size_t termsafe_next_json(struct str *s, char out[TERMSAFE_MAX])
{
	uint32_t cp = take(s);

	/* Between the values a blank like any other. */
	if (cp == '\r')
		cp = ' ';
	/* Other controls are no JSON, wherever they stand. */
	if (cp < 0x20 || (termsafe_map(cp) == cp && !termsafe_drops(cp)))
		return utf8_encode(termsafe_map(cp), out);
	if (cp < 0x10000)
		return add_escape(cp, out);
	add_escape(0xD800 + ((cp - 0x10000) >> 10), out);
	return 6 + add_escape(0xDC00 + (cp & 0x3FF), out + 6);
}

void termsafe_add(struct buf *out, struct str s)
{
	while (s.n) {
		char bytes[TERMSAFE_MAX];
		size_t n = 0;

		while (n < s.n && (unsigned char)s.p[n] >= 0x20 && (unsigned char)s.p[n] < 0x7F)
			n++;
		buf_add(out, s.p, n);
		s.p += n;
		s.n -= n;
		if (s.n)
			buf_add(out, bytes, termsafe_next(&s, bytes));
	}
}
