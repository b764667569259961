/* Folding by Unicode's tables, and what takes part in a comparison. */
#include "engine/base/fold.h"

#include <string.h>

#include <utf8proc.h>

#include "engine/base/utf8.h"

struct range {
	uint32_t from, to;
};

/* Scripts that put no spaces between words. */
static const struct range unspaced[] = {
	{0x0e00, 0x0eff},   /* Thai, Lao */
	{0x1000, 0x109f},   /* Myanmar */
	{0x1100, 0x11ff},   /* Hangul letters */
	{0x1780, 0x17ff},   /* Khmer */
	{0x2e80, 0x2fdf},   /* radicals */
	{0x3005, 0x3007},   /* iteration marks */
	{0x3021, 0x3035},   /* numerals, repeat marks */
	{0x3038, 0x30ff},   /* numerals, Hiragana, Katakana */
	{0x3100, 0x318f},   /* Bopomofo, Hangul letters */
	{0x31a0, 0x31ff},   /* Bopomofo, Katakana */
	{0x3400, 0x9fff},   /* Han */
	{0xa960, 0xa97f},   /* Hangul letters */
	{0xac00, 0xd7ff},   /* Hangul */
	{0xf900, 0xfaff},   /* Han */
	{0x1b000, 0x1b16f}, /* Kana */
	{0x20000, 0x3ffff}, /* Han */
};

static bool is_unspaced(uint32_t cp)
{
	size_t low = 0, high = sizeof(unspaced) / sizeof(unspaced[0]);

	if (cp < unspaced[0].from)
		return false;
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (cp > unspaced[mid].to)
			low = mid + 1;
		else
			high = mid;
	}
	return low < sizeof(unspaced) / sizeof(unspaced[0]) && cp >= unspaced[low].from;
}

enum fold_sign fold_sign(uint32_t cp)
{
	const utf8proc_property_t *p = utf8proc_get_property((utf8proc_int32_t)cp);

	switch ((utf8proc_category_t)p->category) {
	case UTF8PROC_CATEGORY_LU:
	case UTF8PROC_CATEGORY_LL:
	case UTF8PROC_CATEGORY_LT:
	case UTF8PROC_CATEGORY_LM:
	case UTF8PROC_CATEGORY_LO:
	case UTF8PROC_CATEGORY_ND:
	case UTF8PROC_CATEGORY_NL:
	case UTF8PROC_CATEGORY_NO:
		return is_unspaced(cp) ? FOLD_ALONE : FOLD_WORD;
	case UTF8PROC_CATEGORY_MN:
	case UTF8PROC_CATEGORY_MC:
	case UTF8PROC_CATEGORY_ME:
		/*
		 * Classes from 10 on are accents and points, which fold away; below are the
		 * signs that make another letter: viramas, nuktas, the Kana voicing marks.
		 */
		if (p->combining_class >= 10 || (cp >= 0xfe00 && cp <= 0xfe0f))
			return FOLD_NOTHING;
		return FOLD_ON;
	case UTF8PROC_CATEGORY_CF:
		return cp == 0x200b ? FOLD_BREAK : FOLD_NOTHING;
	case UTF8PROC_CATEGORY_SO:
		return FOLD_ALONE;
	case UTF8PROC_CATEGORY_CN:
	case UTF8PROC_CATEGORY_PC:
	case UTF8PROC_CATEGORY_PD:
	case UTF8PROC_CATEGORY_PS:
	case UTF8PROC_CATEGORY_PE:
	case UTF8PROC_CATEGORY_PI:
	case UTF8PROC_CATEGORY_PF:
	case UTF8PROC_CATEGORY_PO:
	case UTF8PROC_CATEGORY_SM:
	case UTF8PROC_CATEGORY_SC:
	case UTF8PROC_CATEGORY_SK:
	case UTF8PROC_CATEGORY_ZS:
	case UTF8PROC_CATEGORY_ZL:
	case UTF8PROC_CATEGORY_ZP:
	case UTF8PROC_CATEGORY_CC:
	case UTF8PROC_CATEGORY_CS:
	case UTF8PROC_CATEGORY_CO:
		return FOLD_BREAK;
	}
	return FOLD_BREAK;
}

bool fold_is_hangul_letter(uint32_t cp)
{
	return (cp >= 0x1100 && cp <= 0x11ff) || (cp >= 0xa960 && cp <= 0xa97f) ||
	       (cp >= 0xd7b0 && cp <= 0xd7ff);
}

bool fold_is_hangul_rest(uint32_t cp)
{
	return (cp >= 0x1160 && cp <= 0x11ff) || (cp >= 0xd7b0 && cp <= 0xd7ff);
}

size_t fold_char(uint32_t cp, uint32_t out[FOLD_MAX])
{
	utf8proc_int32_t folded[FOLD_MAX];
	utf8proc_ssize_t n;
	int boundary = 0;

	out[0] = cp >= 'A' && cp <= 'Z' ? cp | 32u : cp;
	if (cp < 0x80)
		return 1;
	n = utf8proc_decompose_char((utf8proc_int32_t)cp, folded, FOLD_MAX,
				    UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD,
				    &boundary);
	if (n <= 0 || n > FOLD_MAX)
		return 1;
	for (utf8proc_ssize_t i = 0; i < n; i++)
		out[i] = (uint32_t)folded[i];
	return (size_t)n;
}

void fold_add(struct buf *out, struct str text)
{
	uint32_t folded[FOLD_MAX];
	char bytes[4];

	for (size_t at = 0; at < text.n;) {
		uint32_t cp = 0xfffd;
		int len = utf8_decode(text.p + at, text.n - at, &cp);
		size_t n = fold_char(cp, folded);

		for (size_t i = 0; i < n; i++)
			if (folded[i] < 0x80 || fold_sign(folded[i]) != FOLD_NOTHING)
				buf_add(out, bytes, utf8_encode(folded[i], bytes));
		at += len > 0 ? (size_t)len : len < 0 ? (size_t)-len : text.n - at;
	}
}

/* Does folded text begin with what belongs to the character before it? */
static bool goes_on(const char *p, size_t n)
{
	uint32_t cp;

	return n > 0 && utf8_decode(p, n, &cp) > 0 && cp >= 0x80 &&
	       (fold_sign(cp) == FOLD_ON || fold_is_hangul_rest(cp));
}

const char *fold_find(struct str hay, struct str needle)
{
	const char *end = hay.p + hay.n, *hit = hay.p;

	while (hit && hit < end) {
		hit = memmem(hit, (size_t)(end - hit), needle.p, needle.n);
		if (!hit || !goes_on(hit + needle.n, (size_t)(end - hit) - needle.n))
			return hit;
		hit++;
	}
	return NULL;
}

bool fold_has_words(struct str text, struct str typed)
{
	struct buf hay = {0}, words = {0};
	bool all = true;

	fold_add(&hay, text);
	fold_add(&words, typed);
	all = !buf_failed(&hay) && !buf_failed(&words);
	for (const char *w = buf_z(&words); all && *w != '\0';) {
		size_t n = strcspn(w, " ");

		all = n == 0 || fold_find(buf_str(&hay), (struct str){w, n});
		w += n + strspn(w + n, " ");
	}
	buf_release(&hay);
	buf_release(&words);
	return all;
}
