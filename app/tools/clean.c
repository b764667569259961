/* A small terminal that keeps nothing but the text of the line it is on. */
#include "app/tools/clean.h"

#include <string.h>

#include "engine/base/err.h"
#include "engine/base/utf8.h"

#define BELL   0x07
#define CANCEL 0x18
#define SUBST  0x1A
#define ESCAPE 0x1B

void clean_init(struct clean *c, void (*put)(void *ctx, struct str text), void *ctx)
{
	c->put = put;
	c->ctx = ctx;
	c->state = CLEAN_TEXT;
	c->keeps = c->returned = false;
	c->n_bad = c->n_part = c->n_line = c->n = 0;
}

/* Puts the first n bytes and forgets them. */
static void put(struct clean *c, size_t n)
{
	if (n == 0)
		return;
	c->put(c->ctx, (struct str){c->text, n});
	memmove(c->text, c->text + n, c->n - n);
	c->n -= n;
	c->n_line = 0;
}

/* Makes room: lines that are whole go first, then the beginning of the one that is not. */
static void make_room(struct clean *c)
{
	put(c, c->n_line ? c->n_line : c->n);
}

/* One character. */
static void add(struct clean *c, const char *p, size_t n)
{
	while (n > sizeof(c->text) - c->n)
		make_room(c);
	memcpy(c->text + c->n, p, n);
	c->n += n;
}

/* The line goes on; after \r it begins anew. */
static void begin_text(struct clean *c)
{
	if (c->returned)
		c->n = c->n_line;
	c->returned = false;
}

/* Plain ASCII. */
static void add_plain(struct clean *c, const char *p, size_t n)
{
	begin_text(c);
	while (n) {
		size_t room = sizeof(c->text) - c->n, part = n < room ? n : room;

		memcpy(c->text + c->n, p, part);
		c->n += part;
		p += part;
		n -= part;
		if (n)
			make_room(c);
	}
}

static void add_text(struct clean *c, const char *p, size_t n)
{
	begin_text(c);
	add(c, p, n);
}

static void add_replacement(struct clean *c)
{
	c->n_part = 0;
	c->n_bad++;
	add_text(c, "\xEF\xBF\xBD", 3);
}

/* A byte of a character that is not ASCII. */
static void take_part(struct clean *c, char byte)
{
	uint32_t cp = 0;
	int n;

	c->part[c->n_part++] = byte;
	n = utf8_decode(c->part, c->n_part, &cp);
	if (n > 0) {
		size_t len = c->n_part;

		c->n_part = 0;
		if (cp >= 0xA0)
			add_text(c, c->part, len);
	} else if (n < 0) {
		bool again = c->n_part > 1;

		add_replacement(c);
		if (again) /* it did not go on with what was there: it begins another */
			take_part(c, byte);
	}
}

static void take_control(struct clean *c, unsigned char byte)
{
	if (byte == ESCAPE) {
		c->state = CLEAN_ESCAPE;
	} else if (byte == '\r') {
		c->returned = !c->keeps;
	} else if (byte == '\n') {
		c->returned = false;
		add(c, "\n", 1);
		c->n_line = c->n;
	} else if (byte == '\t') {
		add_text(c, "\t", 1);
	}
}

static bool is_plain(char byte)
{
	return byte >= 0x20 && byte < 0x7F;
}

/* Text up to what is none; returns the bytes taken, at least one. */
static size_t take_text(struct clean *c, struct str s)
{
	size_t n = 0;

	while (n < s.n && is_plain(s.p[n]))
		n++;
	if (c->n_part && (n || (unsigned char)s.p[0] < 0x80))
		add_replacement(c);
	if (n) {
		add_plain(c, s.p, n);
		return n;
	}
	if ((unsigned char)s.p[0] >= 0x80)
		take_part(c, s.p[0]);
	else
		take_control(c, (unsigned char)s.p[0]);
	return 1;
}

/* One byte of a sequence.  False: it ends the sequence and is none of it. */
static bool take_escape(struct clean *c, unsigned char byte)
{
	bool middle = byte >= 0x20 && byte < 0x30;

	if (c->state == CLEAN_ESCAPE && byte == '[')
		c->state = CLEAN_CONTROL;
	else if (c->state == CLEAN_ESCAPE && byte && strchr("]PX^_", byte))
		c->state = CLEAN_STRING;
	else if (middle)
		c->state = CLEAN_ESCAPE_REST;
	else
		c->state = CLEAN_TEXT;
	return byte >= 0x20 && byte < 0x7F;
}

static bool take_sequence(struct clean *c, unsigned char byte)
{
	if (byte >= 0x20 && byte < 0x40)
		return true;
	c->state = CLEAN_TEXT;
	if (byte == 'K' && c->returned) /* back at its beginning, the line was wiped */
		c->n = c->n_line;
	return byte >= 0x40 && byte < 0x7F;
}

static bool take_string(struct clean *c, unsigned char byte)
{
	if (byte == ESCAPE)
		c->state = CLEAN_STRING_END;
	else if (byte == BELL || byte == CANCEL || byte == SUBST || byte == '\n')
		c->state = CLEAN_TEXT;
	return byte != '\n';
}

static bool take_string_end(struct clean *c, unsigned char byte)
{
	c->state = byte == '\\' ? CLEAN_TEXT : CLEAN_ESCAPE;
	return byte == '\\';
}

static size_t take(struct clean *c, struct str s)
{
	unsigned char byte = (unsigned char)s.p[0];

	switch (c->state) {
	case CLEAN_TEXT:
		return take_text(c, s);
	case CLEAN_ESCAPE:
	case CLEAN_ESCAPE_REST:
		return take_escape(c, byte);
	case CLEAN_CONTROL:
		return take_sequence(c, byte);
	case CLEAN_STRING:
		return take_string(c, byte);
	case CLEAN_STRING_END:
		return take_string_end(c, byte);
	}
	BUG("a state of cleaning that is none");
}

void clean_feed(struct clean *c, struct str raw)
{
	while (raw.n) {
		size_t n = take(c, raw);

		raw.p += n;
		raw.n -= n;
	}
	put(c, c->n_line);
}

void clean_end(struct clean *c)
{
	if (c->n_part)
		add_replacement(c);
	put(c, c->n);
}

static void put_buf(void *ctx, struct str text)
{
	buf_adds(ctx, text);
}

void clean_add(struct buf *out, struct str raw)
{
	struct clean c;

	clean_init(&c, put_buf, out);
	clean_feed(&c, raw);
	clean_end(&c);
}
