/* Where text begins and ends among keys. */
#include "tui/keyburst.h"

#include <string.h>

#include "engine/base/utf8.h"

bool keyburst_is_break(char c)
{
	return c == '\r' || c == '\n' || c == '\t';
}

/* Bytes of the character at p, where it is text of some length; 0: a key, or not all there. */
static size_t text_at(const char *p, size_t n)
{
	uint32_t cp;
	int len = utf8_decode(p, n, &cp);

	return len > 0 && cp >= 0x20 && cp != 0x7F ? (size_t)len : 0;
}

struct keyburst keyburst_look(const char *p, size_t n)
{
	size_t at = 0, end = 0, broken = n;

	while (at < n) {
		size_t len = text_at(p + at, n - at);

		if (!len && !keyburst_is_break(p[at]))
			break;
		if (!len && broken == n)
			broken = at;
		at += len ? len : 1;
		end = len ? at : end;
	}
	return (struct keyburst){
		.text = broken < end ? end : 0,
		.keys = broken < end ? 0 : end,
		.open = !end && at == n,
	};
}

size_t keyburst_arrows(const char *p, size_t n)
{
	size_t k = 0;

	if (n < KEYBURST_ARROW_BYTES || p[0] != 0x1B || (p[1] != '[' && p[1] != 'O') ||
	    (p[2] != 'A' && p[2] != 'B'))
		return 0;
	while ((k + 1) * KEYBURST_ARROW_BYTES <= n &&
	       memcmp(p, p + k * KEYBURST_ARROW_BYTES, KEYBURST_ARROW_BYTES) == 0)
		k++;
	return k;
}
