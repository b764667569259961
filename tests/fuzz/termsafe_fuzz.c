/* Any bytes through the terminal's filter. */
#include "engine/base/err.h"
#include "engine/base/termsafe.h"
#include "engine/base/utf8.h"
#include "tests/fuzz/fuzz.h"

/* Whatever comes in, what goes out is clean UTF-8 in which every character maps to itself. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf out = {0}, again = {0};

	termsafe_add(&out, (struct str){(const char *)data, size});
	for (size_t i = 0; i < out.len;) {
		uint32_t cp = 0;
		int n = utf8_decode(out.data + i, out.len - i, &cp);

		BUG_ON(n <= 0);
		BUG_ON(cp < 0x20 && cp != '\n' && cp != '\t');
		BUG_ON(cp >= 0x7F && cp < 0xA0);
		BUG_ON(termsafe_map(cp) != cp);
		i += (size_t)n;
	}
	/* Filtering twice changes nothing. */
	termsafe_add(&again, buf_str(&out));
	BUG_ON(!str_eq(buf_str(&out), buf_str(&again)));
	/* As JSON: nothing that acts, and that twice changes nothing either. */
	buf_reset(&out);
	for (struct str rest = {(const char *)data, size}; rest.n;) {
		char shown[TERMSAFE_MAX];
		size_t n = termsafe_next_json(&rest, shown);

		BUG_ON(n == 0 || n > sizeof(shown));
		buf_add(&out, shown, n);
	}
	buf_reset(&again);
	termsafe_add(&again, buf_str(&out));
	BUG_ON(!str_eq(buf_str(&out), buf_str(&again)));
	buf_release(&out);
	buf_release(&again);
	return 0;
}
