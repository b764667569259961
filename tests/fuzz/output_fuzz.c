/* What a tool puts out, any bytes, in pieces, cut at any limit. */
#include "app/tools/output.h"

#include "engine/base/err.h"
#include "engine/base/utf8.h"
#include "tests/fuzz/fuzz.h"

static void check_plain(struct str s)
{
	BUG_ON(!utf8_valid(s));
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		BUG_ON(c < 0x20 && c != '\n' && c != '\t');
		BUG_ON(c == 0x7F);
		BUG_ON(c == 0xC2 && (unsigned char)s.p[i + 1] < 0xA0);
	}
}

static void check_cleaning(struct str raw)
{
	struct buf once = {0}, twice = {0};

	clean_add(&once, raw);
	check_plain(buf_str(&once));
	clean_add(&twice, buf_str(&once));
	BUG_ON(!str_eq(buf_str(&once), buf_str(&twice)));
	buf_release(&once);
	buf_release(&twice);
}

static void add(struct buf *out, struct str raw, size_t limit, size_t piece)
{
	struct output o;
	struct err err;

	if (output_init(&o, limit, -1, &err) != 0)
		BUG("no memory");
	for (size_t i = 0; i < raw.n; i += piece)
		output_feed(&o, (struct str){raw.p + i, raw.n - i < piece ? raw.n - i : piece});
	output_end(&o);
	output_add_text(&o, 1, out);
	output_release(&o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf pieces = {0}, whole = {0};
	size_t limit, piece;

	if (size < 2)
		return 0;
	limit = OUTPUT_LEAST_BYTES + data[0];
	piece = 1 + data[1];
	data += 2;
	size -= 2;
	check_cleaning((struct str){(const char *)data, size});
	add(&pieces, (struct str){(const char *)data, size}, limit, piece);
	add(&whole, (struct str){(const char *)data, size}, limit, size + 1);
	BUG_ON(!str_eq(buf_str(&pieces), buf_str(&whole)));
	check_plain(buf_str(&whole));
	BUG_ON(whole.len > limit + 200);
	buf_release(&pieces);
	buf_release(&whole);
	return 0;
}
