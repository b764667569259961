/* Bytes as base64 and back. */
#include "history/base64.h"

#include <stdint.h>
#include <string.h>

static const char signs[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_add(struct buf *out, struct str bytes)
{
	for (size_t i = 0; i < bytes.n; i += 3) {
		uint32_t v = 0;
		size_t n = bytes.n - i < 3 ? bytes.n - i : 3;

		for (size_t k = 0; k < 3; k++)
			v = v << 8 | (k < n ? (unsigned char)bytes.p[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			buf_addc(out, k <= n ? signs[v >> (18 - 6 * k) & 63] : '=');
	}
}

bool base64_read(struct buf *out, struct str text)
{
	if (text.n % 4)
		return false;
	for (size_t i = 0; i < text.n; i += 4) {
		size_t n = 4;
		uint32_t v = 0;

		while (n > 2 && i + 4 == text.n && text.p[i + n - 1] == '=')
			n--;
		for (size_t k = 0; k < 4; k++) {
			const char *at = k < n ? memchr(signs, text.p[i + k], 64) : signs;

			if (!at)
				return false;
			v = v << 6 | (uint32_t)(at - signs);
		}
		for (size_t k = 0; k + 1 < n; k++)
			buf_addc(out, (char)(v >> (16 - 8 * k) & 255));
	}
	return true;
}
