/* Two texts, any bytes, the second behind the first \xff: what differs, applied to the first,
 * makes the second. */
#include "app/tools/diff.h"

#include <string.h>

#include "engine/base/err.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/patch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *cut = size ? memchr(data, 0xFF, size) : NULL;
	struct buf hunks = {0}, made = {0};
	struct str before, after;
	size_t changed;

	if (!cut)
		return 0;
	before = (struct str){(const char *)data, (size_t)(cut - data)};
	after = (struct str){(const char *)cut + 1, size - before.n - 1};
	BUG_ON(diff_add(&hunks, before, after) != 0);
	if (hunks.len && hunks.data[0] == '@') {
		BUG_ON(!patch_apply(before, buf_str(&hunks), &made, &changed));
		BUG_ON(!str_eq(buf_str(&made), after));
	} else {
		BUG_ON(hunks.len == 0 && !str_eq(before, after));
		BUG_ON(hunks.len && size < DIFF_MOST);
	}
	buf_release(&hunks);
	buf_release(&made);
	return 0;
}
