/* A Markdown text that grows: where it can no longer change, and what is laid out anew. */
#include "tui/markdown.h"

#include <string.h>

/* So much of a fence's first line is repeated before each piece of its code: marks, language.
 */
#define OPENING_MAX 256

void mddoc_release(struct mddoc *d)
{
	buf_release(&d->src);
	lines_release(&d->lines);
	buf_release(&d->fence.opening);
	buf_release(&d->closed_fence.opening);
	*d = (struct mddoc){0};
}

void mddoc_append(struct mddoc *d, struct str safe)
{
	buf_adds(&d->src, safe);
	d->dirty = true;
}

static void restart(struct mddoc *d)
{
	lines_reset(&d->lines);
	d->closed = d->scanned = 0;
	d->final = (struct lines_mark){0};
	d->after_blank = d->in_list = d->continues = false;
	d->fence.mark = d->closed_fence.mark = 0;
}

void mddoc_forget(struct mddoc *d)
{
	restart(d);
	lines_release(&d->lines);
	d->width = 0;
}

static size_t indent_of(struct str line)
{
	size_t i = 0;

	while (i < line.n && line.p[i] == ' ')
		i++;
	return i;
}

static bool is_blank_line(struct str line)
{
	for (size_t i = 0; i < line.n; i++) {
		if (line.p[i] != ' ' && line.p[i] != '\t' && line.p[i] != '\n')
			return false;
	}
	return true;
}

static bool is_list_item(struct str line)
{
	size_t i = 0;

	if (line.n == 0)
		return false;
	if (strchr("-*+", line.p[0]))
		return line.n == 1 || line.p[1] == ' ' || line.p[1] == '\t';
	while (i < line.n && i < 9 && line.p[i] >= '0' && line.p[i] <= '9')
		i++;
	return i > 0 && i < line.n && (line.p[i] == '.' || line.p[i] == ')') &&
	       (i + 1 == line.n || line.p[i + 1] == ' ');
}

/* Length of a run of fence marks at the line's beginning; 0 where it is no fence. */
static size_t fence_marks(struct str line, size_t indent, char *mark)
{
	size_t n = 0;

	if (indent >= line.n || (line.p[indent] != '`' && line.p[indent] != '~'))
		return 0;
	*mark = line.p[indent];
	while (indent + n < line.n && line.p[indent + n] == *mark)
		n++;
	if (n < 3)
		return 0;
	/* "```x```" is inline code. */
	if (*mark == '`' && memchr(line.p + indent + n, '`', line.n - indent - n))
		return 0;
	return n;
}

static void fence_copy(struct mdfence *to, const struct mdfence *from)
{
	to->mark = from->mark;
	to->n = from->n;
	buf_reset(&to->opening);
	buf_adds(&to->opening, buf_str(&from->opening));
}

/* Lays out src[closed..to) behind the final lines. */
static void render(struct mddoc *d, size_t to)
{
	struct str part = {buf_z(&d->src) + d->closed, to - d->closed};
	struct buf whole = {0};

	if (d->closed_fence.mark != 0) {
		buf_adds(&whole, buf_str(&d->closed_fence.opening));
		buf_adds(&whole, part);
		part = buf_str(&whole);
	}
	if (!is_blank_line(part)) {
		if (d->lines.n > 0 && !d->continues)
			lines_add(&d->lines, NULL, NULL, 0, 0, LINE_OWN);
		markdown_render(&d->lines, part, d->width);
	}
	buf_release(&whole);
}

/* What stands before `to` can no longer change. */
static void close_at(struct mddoc *d, size_t to, bool continues)
{
	size_t before = d->lines.n;

	if (to <= d->closed)
		return;
	render(d, to);
	/* A blank block adds nothing, and what it continued is still to be continued. */
	d->continues = continues || (d->continues && d->lines.n == before);
	d->closed = to;
	d->final = lines_mark(&d->lines);
	fence_copy(&d->closed_fence, &d->fence);
}

static size_t open_max(const struct mddoc *d)
{
	return d->open_max > 0 ? d->open_max : MDDOC_OPEN_MAX;
}

/* Takes one more complete line [from, next), its '\n' being the last byte. */
static void scan_line(struct mddoc *d, size_t from, size_t next)
{
	struct str line = {buf_z(&d->src) + from, next - from - 1};
	size_t indent = indent_of(line);
	char mark = 0;
	size_t n = fence_marks(line, indent, &mark);

	if (d->fence.mark != 0) {
		if (mark == d->fence.mark && n >= d->fence.n &&
		    is_blank_line((struct str){line.p + indent + n, line.n - indent - n})) {
			d->fence.mark = 0;
			if (!d->in_list)
				close_at(d, next, false);
		} else if (next - d->closed > open_max(d)) {
			close_at(d, next, true);
		}
		return;
	}
	if (is_blank_line(line)) {
		d->after_blank = true;
		if (next - d->closed > open_max(d))
			close_at(d, next, false);
		return;
	}
	if (d->after_blank && indent == 0 && !(d->in_list && is_list_item(line))) {
		close_at(d, from, false);
		d->in_list = false;
	}
	d->after_blank = false;
	d->in_list |= is_list_item(line);
	if (n > 0 && (indent < 4 || d->in_list)) {
		if (!d->in_list)
			close_at(d, from, false);
		d->fence.mark = mark;
		d->fence.n = n;
		buf_reset(&d->fence.opening);
		buf_add(&d->fence.opening, line.p + indent,
			line.n - indent < OPENING_MAX ? line.n - indent : OPENING_MAX);
		buf_addc(&d->fence.opening, '\n');
		return;
	}
	if (next - d->closed > open_max(d))
		close_at(d, next, true);
}

/* A single line that grows beyond open_max() is closed at its last blank, or anywhere. */
static void cut_long_line(struct mddoc *d)
{
	size_t max = open_max(d);

	while (d->src.len - d->closed > 2 * max) {
		const char *p = buf_z(&d->src) + d->closed;
		size_t to = max;
		const char *blank = memrchr(p + max / 2, ' ', max / 2);

		if (blank) {
			to = (size_t)(blank - p) + 1;
		} else {
			while (to > 0 && ((unsigned char)p[to] & 0xC0) == 0x80)
				to--;
		}
		close_at(d, d->closed + to, true);
		if (d->scanned < d->closed)
			d->scanned = d->closed;
	}
}

void mddoc_layout(struct mddoc *d, int width)
{
	if (width < 2)
		width = 2;
	if (d->width == width && !d->dirty)
		return;
	if (d->width != width) {
		restart(d);
		d->width = width;
	}
	lines_rewind(&d->lines, d->final);
	for (;;) {
		const char *from = buf_z(&d->src) + d->scanned;
		const char *nl = d->scanned < d->src.len
					 ? memchr(from, '\n', d->src.len - d->scanned)
					 : NULL;
		size_t next;

		if (!nl)
			break;
		next = (size_t)(nl - buf_z(&d->src)) + 1;
		scan_line(d, d->scanned, next);
		d->scanned = next;
	}
	cut_long_line(d);
	if (d->closed < d->src.len)
		render(d, d->src.len);
	d->dirty = false;
}
