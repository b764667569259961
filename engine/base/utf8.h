/*
 * UTF-8 as RFC 3629 has it: no surrogates, nothing above U+10FFFF, no
 * over-long forms.  Pure functions over borrowed bytes.
 */
#ifndef ENGINE_BASE_UTF8_H
#define ENGINE_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/buf.h"

/*
 * Decodes the character at p[0..n).  Returns its bytes (1–4) and sets *cp.
 * Returns 0 when the n bytes are a proper beginning that more bytes could
 * complete, and the negated count of bytes to replace by one U+FFFD (1–3: the
 * longest proper beginning, at least 1) when they are invalid.  n > 0.
 */
int utf8_decode(const char *p, size_t n, uint32_t *cp);

/* Writes cp (a valid scalar value, else U+FFFD) to out; returns 1–4. */
size_t utf8_encode(uint32_t cp, char out[4]);

/* What some editors put before a text. */
#define UTF8_BOM "\xEF\xBB\xBF"

bool utf8_valid(struct str s);

/* Appends s with every invalid sequence as U+FFFD; returns how many there were. */
size_t utf8_add_clean(struct buf *out, struct str s);

/* How many bytes at the end of s are the beginning of an unfinished character (0–3). */
size_t utf8_partial_tail(struct str s);

#endif
