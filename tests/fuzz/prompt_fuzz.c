/*
 * Messages as JSON.  Whatever is accepted encodes to ids that spell the prompt's
 * text, with the control tokens of that text and no others.
 */
#include <stdlib.h>

#include "engine/text/prompt.h"
#include "engine/text/prompt_json.h"
#include "tests/fuzz/fuzz.h"

static void check(const struct chat *chat, enum prompt_flavour flavour,
		  const struct tokenizer *tok)
{
	struct buf text = {0}, bytes = {0};
	struct tokens ids = {0};
	struct err err;
	int rc_text = prompt_text(chat, flavour, &text, &err);
	int rc_ids = prompt_encode(chat, flavour, tok, &ids, NULL, &err);

	/* The tokenizer may lack a control token; that is the only difference. */
	if (rc_text != rc_ids && rc_ids != ERR_MODEL)
		abort();
	for (size_t i = 0; i < ids.n; i++)
		buf_adds(&bytes, tokenizer_bytes(tok, ids.ids[i]));
	if (!rc_ids && !str_eq(buf_str(&text), buf_str(&bytes)))
		abort();
	buf_release(&text);
	buf_release(&bytes);
	tokens_release(&ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tokenizer *tok;
	struct chat_doc *doc = NULL;
	struct err err;

	if (!tok && tokenizer_open(&tok, "share/nano", &err))
		abort();
	if (chat_doc_parse(&doc, (struct str){(const char *)data, size}, &err))
		return 0;
	check(chat_doc_chat(doc), PROMPT_APRIL, tok);
	check(chat_doc_chat(doc), PROMPT_DSPARK, tok);
	chat_doc_free(doc);
	return 0;
}
