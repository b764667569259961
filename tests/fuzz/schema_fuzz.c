/* Any schema, a NUL, any arguments. */
#include "app/tools/schema.h"

#include <string.h>

#include "engine/base/err.h"
#include "tests/fuzz/fuzz.h"

/* What fits is JSON that fits again, and is the same then. */
static void check(const struct schema *s, struct str args)
{
	struct buf fit = {0}, again = {0}, why = {0};

	if (schema_check(s, STR_LIT("tool"), args, &fit, &why) == 0) {
		BUG_ON(schema_check(s, STR_LIT("tool"), buf_str(&fit), &again, &why) != 0);
		BUG_ON(!str_eq(buf_str(&fit), buf_str(&again)));
	} else {
		BUG_ON(why.len == 0);
	}
	buf_release(&fit);
	buf_release(&again);
	buf_release(&why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *end = size ? memchr(text, '\0', size) : NULL;
	struct json_doc doc;

	if (!end)
		return 0;
	if (json_doc_parse(&doc, (struct str){text, (size_t)(end - text)}, NULL) == 0) {
		struct schema s = {&doc, doc.root};

		check(&s, (struct str){end + 1, size - (size_t)(end + 1 - text)});
	}
	json_doc_release(&doc);
	return 0;
}
