/*
 * A Markdown document as it is laid out while it streams.
 *
 * The first three bytes choose width, limit of an open block and size of pieces; the rest is
 * the text.  A masked text is that text again.  Lines stay in their columns.  What came in
 * pieces, what came at once, and what was forgotten and laid out again looks the same; where a
 * line is longer than the limit, pieces may be cut elsewhere.
 */
#include <locale.h>
#include <stdlib.h>

#include "engine/base/err.h"
#include "engine/base/termsafe.h"
#include "tests/fuzz/fuzz.h"
#include "tui/glyph.h"
#include "tui/markdown.h"
#include "tui/mdmask.h"

/* Bars and markers may take half of the width, a frame of code two columns more. */
#define LEAST_WIDTH 8

static size_t longest_line(struct str s)
{
	size_t longest = 0, n = 0;

	for (size_t i = 0; i < s.n; i++) {
		n = s.p[i] == '\n' ? 0 : n + 1;
		if (n > longest)
			longest = n;
	}
	return longest;
}

static void dump(const struct mddoc *d, int width, struct buf *out)
{
	BUG_ON(lines_failed(&d->lines));
	for (size_t i = 0; i < d->lines.n; i++) {
		const struct line *l = &d->lines.v[i];
		struct str s = lines_text(&d->lines, i);

		BUG_ON(glyph_columns(s.p, s.n) > width);
		buf_addf(out, "%d %u ", (int)l->join, l->lead);
		buf_adds(out, s);
		for (uint32_t k = 0; k < l->n_runs; k++) {
			const struct run *run = &d->lines.runs[l->run_at + k];

			BUG_ON(run->end > l->n);
			buf_addf(out, " %u:%u", run->end, run->style);
		}
		buf_addc(out, '\n');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool begun;
	struct mddoc whole = {0}, parts = {0};
	struct buf safe = {0}, masked = {0}, clear = {0};
	struct buf want = {0}, got = {0}, again = {0};
	int width;
	size_t step;

	if (size < 3)
		return 0;
	if (!begun)
		begun = setlocale(LC_CTYPE, "C.UTF-8");
	width = LEAST_WIDTH + data[0] % 120;
	whole.open_max = parts.open_max = 8 + (size_t)data[1];
	step = 1 + (size_t)data[2];
	termsafe_add(&safe, (struct str){(const char *)data + 3, size - 3});
	mdmask_add(&masked, buf_str(&safe));
	mdmask_undo(&clear, buf_str(&masked), false);
	BUG_ON(!str_eq(buf_str(&clear), buf_str(&safe)));
	mddoc_append(&whole, buf_str(&safe));
	mddoc_layout(&whole, width);
	dump(&whole, width, &want);
	for (size_t at = 0; at < safe.len; at += step) {
		size_t n = safe.len - at < step ? safe.len - at : step;

		mddoc_append(&parts, (struct str){safe.data + at, n});
		mddoc_layout(&parts, width);
	}
	dump(&parts, width, &got);
	if (longest_line(buf_str(&safe)) < whole.open_max)
		BUG_ON(!str_eq(buf_str(&got), buf_str(&want)));
	mddoc_forget(&parts);
	mddoc_layout(&parts, width);
	dump(&parts, width, &again);
	BUG_ON(!str_eq(buf_str(&again), buf_str(&want)));
	mddoc_release(&whole);
	mddoc_release(&parts);
	buf_release(&safe);
	buf_release(&masked);
	buf_release(&clear);
	buf_release(&want);
	buf_release(&got);
	buf_release(&again);
	return 0;
}
