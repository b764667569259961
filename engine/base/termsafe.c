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

void termsafe_add(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n;) {
		size_t from = i;
		uint32_t cp = REPLACEMENT;
		char bytes[4];
		int n;

		while (i < s.n && (unsigned char)s.p[i] >= 0x20 && (unsigned char)s.p[i] < 0x7F)
			i++;
		buf_add(out, s.p + from, i - from);
		if (i == s.n)
			break;
		n = utf8_decode(s.p + i, s.n - i, &cp);
		if (n <= 0) {
			/* An unfinished character at the end counts as one replacement. */
			i += n < 0 ? (size_t)-n : s.n - i;
			n = (int)utf8_encode(REPLACEMENT, bytes);
			buf_add(out, bytes, (size_t)n);
			continue;
		}
		i += (size_t)n;
		if (cp == '\r' && i < s.n && s.p[i] == '\n')
			continue;
		if (!termsafe_drops(cp))
			buf_add(out, bytes, utf8_encode(termsafe_map(cp), bytes));
	}
}
