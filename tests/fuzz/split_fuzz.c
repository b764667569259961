/*
 * A split pattern, then (after its first NUL) a text for it.  Whatever is accepted
 * cuts every text into words that are that text.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/utf8.h"
#include "engine/text/tokenizer_split.h"
#include "tests/fuzz/fuzz.h"

static int take_word(void *ctx, struct str word, struct err *err)
{
	struct str *rest = ctx;

	(void)err;
	if (!word.n || word.n > rest->n || word.p != rest->p)
		abort();
	*rest = (struct str){rest->p + word.n, rest->n - word.n};
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
	struct str pattern = {(const char *)data, nul ? (size_t)(nul - data) : size};
	struct str text = nul ? (struct str){(const char *)nul + 1, size - pattern.n - 1}
			      : (struct str){"", 0};
	struct split s = {0};
	struct err err;

	if (!utf8_valid(pattern) || !utf8_valid(text))
		return 0;
	if (!split_add(&s, pattern, false, &err) && !split_compile(&s, &err)) {
		struct str rest = text;

		if (!split_run(&s, text, take_word, &rest, &err) && rest.n)
			abort();
	}
	split_release(&s);
	return 0;
}
