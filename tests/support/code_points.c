/* The lines of code points, and FNV over their ids or lengths. */
#include "tests/support/code_points.h"

#include "engine/base/utf8.h"

static void add_lines(struct buf *out, uint32_t c)
{
	static const char *const around[] = {"",    "\na", "b\n ", "!\n-",
					     "\n1", "2\n", " ",    "\n"};
	char utf8[4];
	size_t n = utf8_encode(c, utf8);

	for (size_t i = 0; i < sizeof(around) / sizeof(*around); i++) {
		buf_addz(out, around[i]);
		if (i + 1 < sizeof(around) / sizeof(*around))
			buf_add(out, utf8, n);
	}
}

void code_points_add(struct buf *out, uint32_t first)
{
	for (uint32_t c = first; c < first + CODE_POINTS; c++)
		if (c < 0xd800 || c > 0xdfff)
			add_lines(out, c);
}

uint64_t code_points_hash(uint64_t hash, size_t number)
{
	for (int i = 0; i < 4; i++)
		hash = (hash ^ (number >> 8 * i & 0xff)) * 0x100000001b3u;
	return hash;
}
