/*
 * Two bytes an id of a vocabulary of all bytes, a long token and a control one.
 * What comes out is valid UTF-8 at every stage and equals all bytes cleaned.
 */
#include <stdlib.h>

#include "engine/base/jsonw.h"
#include "engine/base/utf8.h"
#include "engine/text/detok.h"
#include "tests/fuzz/fuzz.h"

static struct tokenizer *make_tokenizer(void)
{
	struct tokenizer *t = NULL;
	struct buf json = {0};
	struct err err;
	int next = 0x100;

	buf_addz(&json, "{\"model\": {\"merges\": [], \"vocab\": {");
	for (int b = 0; b < 256; b++) {
		bool plain = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b != 0xad);
		char utf8[4];
		size_t n = utf8_encode((uint32_t)(plain ? b : next++), utf8);

		json_add_quoted(&json, (struct str){utf8, n});
		buf_addf(&json, ": %d, ", b);
	}
	buf_addz(&json, "\"abc\": 256}}, \"pre_tokenizer\": {\"type\": \"ByteLevel\"}, "
			"\"added_tokens\": [{\"id\": 258, \"content\": \"<x>\"}]}");
	if (tokenizer_parse(&t, buf_str(&json), "fuzz", &err))
		abort();
	buf_release(&json);
	return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tokenizer *t;
	struct buf bytes = {0}, out = {0}, want = {0};
	struct detok d;

	if (!t)
		t = make_tokenizer();
	detok_init(&d, t);
	for (size_t i = 0; i + 1 < size; i += 2) {
		token_id id = (token_id)(data[i] | (data[i + 1] & 3) << 8);

		detok_push(&d, id, &out);
		if (!utf8_valid(buf_str(&out)))
			abort();
		if (tokenizer_is_control(t, id)) { /* ends an unfinished character */
			utf8_add_clean(&want, buf_str(&bytes));
			buf_reset(&bytes);
		} else {
			buf_adds(&bytes, tokenizer_bytes(t, id));
		}
	}
	detok_flush(&d, &out);
	utf8_add_clean(&want, buf_str(&bytes));
	if (!str_eq(buf_str(&out), buf_str(&want)))
		abort();
	buf_release(&bytes);
	buf_release(&out);
	buf_release(&want);
	return 0;
}
