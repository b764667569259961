/* Clean text is clipped line by line, and its beginning and its end are kept. */
#include "app/tools/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/base/utf8.h"

static void keep(struct output *o, const char *p, size_t n)
{
	size_t quarter = o->limit / 4;

	if (o->head.len < quarter)
		buf_add(&o->head, p, n < quarter - o->head.len ? n : quarter - o->head.len);
	while (n) {
		size_t at = (size_t)(o->bytes % o->limit);
		size_t part = n < o->limit - at ? n : o->limit - at;

		memcpy(o->ring + at, p, part);
		o->bytes += part;
		p += part;
		n -= part;
	}
}

/* The bytes of p[0..n) that fit into `room`, whole characters. */
static size_t whole(const char *p, size_t n, size_t room)
{
	return n <= room ? n : room - utf8_partial_tail((struct str){p, room});
}

static void end_clipped(struct output *o)
{
	char note[48];

	if (o->left_out) {
		int n = snprintf(note, sizeof(note), " [\xE2\x80\xA6 %llu bytes]",
				 (unsigned long long)o->left_out);

		keep(o, note, (size_t)n);
		o->clipped = true;
	}
	o->line_bytes = 0;
	o->left_out = 0;
}

/* Bytes of one line, without its end. */
static void keep_line(struct output *o, const char *p, size_t n)
{
	size_t room = o->left_out ? 0 : OUTPUT_CLIP_BYTES - o->line_bytes;
	size_t fits = whole(p, n, room);

	keep(o, p, fits);
	o->line_bytes += fits;
	o->left_out += n - fits;
}

static void spill(struct output *o, struct str text)
{
	uint64_t room = OUTPUT_SPILL_BYTES - o->spilled;

	if (o->spill < 0)
		return;
	if (text.n > room) {
		text.n = whole(text.p, text.n, (size_t)room);
		o->spill_short = true;
	}
	if (file_write_all(o->spill, text) != 0) {
		o->spill_short = true;
		o->spill = -1;
		return;
	}
	o->spilled += text.n;
	if (o->spill_short)
		o->spill = -1;
}

static void take_clean(void *ctx, struct str text)
{
	struct output *o = ctx;

	spill(o, text);
	while (text.n) {
		const char *end = memchr(text.p, '\n', text.n);
		size_t n = end ? (size_t)(end - text.p) : text.n;

		keep_line(o, text.p, n);
		if (end) {
			end_clipped(o);
			keep(o, "\n", 1);
			o->lines++;
			n++;
		}
		text.p += n;
		text.n -= n;
	}
}

int output_init(struct output *o, size_t limit, int spill_fd, struct err *err)
{
	if (limit < OUTPUT_LEAST_BYTES)
		limit = OUTPUT_LEAST_BYTES;
	memset(o, 0, sizeof(*o));
	o->limit = limit;
	o->spill = spill_fd;
	clean_init(&o->clean, take_clean, o);
	o->ring = malloc(limit);
	if (!o->ring || !buf_reserve(&o->head, limit / 4))
		return err_nomem(err, "output of a tool", limit);
	return 0;
}

void output_release(struct output *o)
{
	buf_release(&o->head);
	free(o->ring);
	o->ring = NULL;
}

void output_feed(struct output *o, struct str raw)
{
	o->raw_bytes += raw.n;
	clean_feed(&o->clean, raw);
}

void output_end(struct output *o)
{
	clean_end(&o->clean);
	end_clipped(o);
}

bool output_is_cut(const struct output *o)
{
	return o->bytes > o->limit || o->clipped;
}

/* The last n bytes of the text. */
static void add_last(const struct output *o, size_t n, struct buf *text)
{
	size_t at = (size_t)((o->bytes - n) % o->limit);
	size_t part = n < o->limit - at ? n : o->limit - at;

	buf_add(text, o->ring + at, part);
	buf_add(text, o->ring, n - part);
}

void output_add_since(const struct output *o, uint64_t *from, size_t most, struct buf *text)
{
	size_t at = text->len, skip = 0, n;

	if (most > o->limit)
		most = o->limit;
	n = o->bytes - *from < most ? (size_t)(o->bytes - *from) : most;
	add_last(o, n, text);
	while (at + skip < text->len && ((unsigned char)text->data[at + skip] & 0xC0u) == 0x80u)
		skip++;
	buf_remove(text, at, skip);
	*from = o->bytes;
}

static uint64_t count_lines(struct str text)
{
	uint64_t n = 0;
	const char *p = text.p;

	while (text.n && (p = memchr(p, '\n', text.n - (size_t)(p - text.p)))) {
		n++;
		if (++p == text.p + text.n)
			break;
	}
	return n;
}

/* What of the head is whole lines, or whole characters where it has no line. */
static size_t head_end(struct str head)
{
	const char *end = head.n ? memrchr(head.p, '\n', head.n) : NULL;

	if (end)
		return (size_t)(end - head.p) + 1;
	while (head.n && ((unsigned char)head.p[head.n - 1] & 0xC0u) == 0x80u)
		head.n--;
	return head.n && (unsigned char)head.p[head.n - 1] >= 0xC0 ? head.n - 1 : head.n;
}

/* Where the first line begins in the tail; where it has none but one, its first character. */
static size_t tail_begin(struct str tail)
{
	const char *end = memchr(tail.p, '\n', tail.n - 1);
	size_t at = 0;

	if (end)
		return (size_t)(end - tail.p) + 1;
	while (at < tail.n && ((unsigned char)tail.p[at] & 0xC0u) == 0x80u)
		at++;
	return at;
}

static void add_where(const struct output *o, unsigned n, struct buf *text)
{
	if (n && o->spill_short)
		buf_addf(text, "; read_file OUT:%u has the first %llu MiB", n,
			 (unsigned long long)(o->spilled >> 20));
	else if (n)
		buf_addf(text, "; whole output: read_file OUT:%u", n);
}

void output_begin_line(struct buf *text)
{
	if (text->len && text->data[text->len - 1] != '\n')
		buf_addc(text, '\n');
}

static void add_both_ends(const struct output *o, unsigned n, struct buf *text)
{
	struct buf tail = {0};
	struct str head = {o->head.data, head_end(buf_str(&o->head))}, rest;
	uint64_t lines, bytes;

	/* One byte more than there is room for, to see whether a line ends before it. */
	add_last(o, o->limit - o->limit / 4 + 1, &tail);
	if (buf_failed(&tail)) {
		text->failed = true;
		buf_release(&tail);
		return;
	}
	rest = buf_str(&tail);
	rest.p += tail_begin(buf_str(&tail));
	rest.n -= (size_t)(rest.p - tail.data);
	lines = o->lines - count_lines(head) - count_lines(rest);
	bytes = o->bytes - head.n - rest.n;
	buf_adds(text, head);
	output_begin_line(text);
	buf_addf(text, "[\xE2\x80\xA6 %llu lines, %llu KiB left out", (unsigned long long)lines,
		 (unsigned long long)((bytes + 1023) >> 10));
	add_where(o, n, text);
	buf_addz(text, "]\n");
	buf_adds(text, rest);
	buf_release(&tail);
}

void output_add_text(const struct output *o, unsigned n, struct buf *text)
{
	if (o->bytes > o->limit) {
		add_both_ends(o, n, text);
		return;
	}
	add_last(o, (size_t)o->bytes, text);
	if (!o->clipped || !n)
		return;
	output_begin_line(text);
	buf_addz(text, "[long lines are cut");
	add_where(o, n, text);
	buf_addz(text, "]");
}

void output_add_ending(int exit, int signal, struct buf *text)
{
	const char *name = signal ? sigabbrev_np(signal) : NULL;

	if (signal) {
		output_begin_line(text);
		buf_addf(text, "[killed by SIG%s]", name ? name : "?");
	} else if (exit > 0) {
		output_begin_line(text);
		buf_addf(text, "[exit code %d]", exit);
	} else if (!text->len) {
		buf_addz(text, "(no output)");
	}
}
