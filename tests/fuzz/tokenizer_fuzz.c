/*
 * A tokenizer file, then (after its first NUL) a text for it.  Whatever is
 * accepted encodes every text to ids whose bytes are that text.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/utf8.h"
#include "engine/text/tokenizer.h"
#include "tests/fuzz/fuzz.h"

static void check_text(const struct tokenizer *t, struct str text, const struct tokens *ids)
{
	struct buf clean = {0}, bytes = {0};

	utf8_add_clean(&clean, text);
	for (size_t i = 0; i < ids->n; i++)
		buf_adds(&bytes, tokenizer_bytes(t, ids->ids[i]));
	if (!str_eq(buf_str(&clean), buf_str(&bytes)))
		abort();
	buf_release(&clean);
	buf_release(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
	struct str json = {(const char *)data, nul ? (size_t)(nul - data) : size};
	struct str text = nul ? (struct str){(const char *)nul + 1, size - json.n - 1}
			      : (struct str){"", 0};
	struct tokenizer *t = NULL;
	struct tokens ids = {0};
	struct err err;

	if (tokenizer_parse(&t, json, "fuzz", &err))
		return 0;
	if (tokenizer_encode(t, text, &ids, NULL, &err) == 0) {
		check_text(t, text, &ids);
		for (size_t i = 0; i < ids.n; i++) {
			if (tokenizer_is_control(t, ids.ids[i]))
				abort();
		}
	}
	tokens_reset(&ids);
	if (tokenizer_encode_special(t, text, &ids, NULL, &err) == 0)
		check_text(t, text, &ids);
	tokens_release(&ids);
	tokenizer_close(t);
	return 0;
}
