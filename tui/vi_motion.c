/* Where motions lead: characters, words, lines, finds. */
#include "tui/vi_private.h"

#include <string.h>

#include "engine/base/utf8.h"
#include "tui/glyph.h"

size_t vi_text_end(const struct editbuf *e)
{
	return e->text.len;
}

size_t vi_line_start(const struct editbuf *e, size_t at)
{
	const char *p = buf_z(&e->text), *nl = at > 0 ? memrchr(p, '\n', at) : NULL;

	return nl ? (size_t)(nl - p) + 1 : 0;
}

size_t vi_line_end(const struct editbuf *e, size_t at)
{
	const char *p = buf_z(&e->text), *nl = memchr(p + at, '\n', vi_text_end(e) - at);

	return nl ? (size_t)(nl - p) : vi_text_end(e);
}

size_t vi_after(const struct editbuf *e, size_t at)
{
	int w;

	return at < vi_text_end(e)
		       ? at + glyph_next(buf_z(&e->text) + at, vi_text_end(e) - at, &w)
		       : at;
}

size_t vi_before(const struct editbuf *e, size_t at)
{
	return glyph_prev(buf_z(&e->text), at);
}

size_t vi_first_nonblank(const struct editbuf *e, size_t at)
{
	size_t end = vi_line_end(e, at), to = vi_line_start(e, at);

	while (to < end && (e->text.data[to] == ' ' || e->text.data[to] == '\t'))
		to++;
	return to;
}

enum vi_kind vi_kind_at(const struct editbuf *e, size_t at)
{
	char c = e->text.data[at];

	if (c == ' ' || c == '\t' || c == '\n')
		return VI_BLANK;
	if ((unsigned char)c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	    (c >= 'A' && c <= 'Z') || c == '_')
		return VI_LETTER;
	return VI_SIGN;
}

static size_t next_word(const struct editbuf *e, size_t at)
{
	size_t n = vi_text_end(e);
	enum vi_kind kind = at < n ? vi_kind_at(e, at) : VI_BLANK;

	while (at < n && kind != VI_BLANK && vi_kind_at(e, at) == kind)
		at = vi_after(e, at);
	while (at < n && vi_kind_at(e, at) == VI_BLANK)
		at = vi_after(e, at);
	return at;
}

static size_t word_end(const struct editbuf *e, size_t at)
{
	size_t n = vi_text_end(e);
	enum vi_kind kind;

	at = vi_after(e, at);
	while (at < n && vi_kind_at(e, at) == VI_BLANK)
		at = vi_after(e, at);
	kind = at < n ? vi_kind_at(e, at) : VI_BLANK;
	while (vi_after(e, at) < n && vi_kind_at(e, vi_after(e, at)) == kind)
		at = vi_after(e, at);
	return at;
}

static size_t word_back(const struct editbuf *e, size_t at)
{
	enum vi_kind kind;

	at = vi_before(e, at);
	while (at > 0 && vi_kind_at(e, at) == VI_BLANK)
		at = vi_before(e, at);
	kind = at < vi_text_end(e) ? vi_kind_at(e, at) : VI_BLANK;
	while (at > 0 && vi_kind_at(e, vi_before(e, at)) == kind)
		at = vi_before(e, at);
	return at;
}

struct vi_span vi_seek(const struct editbuf *e, enum action how, uint32_t cp, long n)
{
	bool back = how == ACTION_VI_FIND_BACK || how == ACTION_VI_TILL_BACK;
	bool till = how == ACTION_VI_TILL || how == ACTION_VI_TILL_BACK;
	size_t from = vi_line_start(e, e->at), end = vi_line_end(e, e->at), at = e->at;
	struct vi_span s = {.to = e->at, .inclusive = !back};
	char want[4];
	size_t len = utf8_encode(cp, want);

	/* Said again, a till that stands at its place goes on. */
	while (n > 0) {
		if (back ? at <= from : vi_after(e, at) >= end)
			return s;
		at = back ? vi_before(e, at) : vi_after(e, at);
		if (end - at >= len && memcmp(e->text.data + at, want, len) == 0)
			n--;
	}
	s.found = true;
	s.to = !till ? at : back ? vi_after(e, at) : vi_before(e, at);
	return s;
}

size_t vi_line_down(const struct editbuf *e, size_t at, long n)
{
	for (; n > 0; n--) {
		size_t end = vi_line_end(e, at);

		if (end == vi_text_end(e))
			break;
		at = end + 1;
	}
	return at;
}

static size_t line_up(const struct editbuf *e, size_t at, long n)
{
	for (; n > 0 && vi_line_start(e, at) > 0; n--)
		at = vi_line_start(e, at) - 1;
	return at;
}

static struct vi_span opposite_seek(const struct vi *v, const struct editbuf *e, bool turned,
				    long n)
{
	static const enum action turn[][2] = {
		{ACTION_VI_FIND, ACTION_VI_FIND_BACK},
		{ACTION_VI_TILL, ACTION_VI_TILL_BACK},
	};
	enum action how = v->sought;

	if (how == ACTION_NONE)
		return (struct vi_span){.to = e->at};
	for (int i = 0; turned && i < 2; i++) {
		for (int k = 0; k < 2; k++) {
			if (v->sought == turn[i][k])
				how = turn[i][1 - k];
		}
	}
	return vi_seek(e, how, v->sought_cp, n);
}

struct vi_span vi_motion(const struct vi *v, const struct editbuf *e, enum action a, long count)
{
	size_t at = e->at, from = vi_line_start(e, at), end = vi_line_end(e, at);
	long n = count > 0 ? count : 1;
	struct vi_span s = {.to = at, .found = true};

	if (a == ACTION_VI_LEFT) {
		for (; n > 0 && s.to > from; n--)
			s.to = vi_before(e, s.to);
	} else if (a == ACTION_VI_RIGHT) {
		for (; n > 0 && s.to < end; n--)
			s.to = vi_after(e, s.to);
	} else if (a == ACTION_VI_WORD) {
		for (; n > 0; n--)
			s.to = next_word(e, s.to);
	} else if (a == ACTION_VI_WORD_END) {
		for (; n > 0; n--)
			s.to = word_end(e, s.to);
		s.inclusive = true;
	} else if (a == ACTION_VI_WORD_BACK) {
		for (; n > 0; n--)
			s.to = word_back(e, s.to);
	} else if (a == ACTION_VI_LINE_START) {
		s.to = from;
	} else if (a == ACTION_VI_LINE_FIRST) {
		s.to = vi_first_nonblank(e, at);
	} else if (a == ACTION_VI_LINE_END) {
		s.to = vi_line_end(e, vi_line_down(e, at, n - 1));
	} else if (a == ACTION_VI_DOWN) {
		s = (struct vi_span){vi_line_down(e, at, n), end < vi_text_end(e), false, true};
	} else if (a == ACTION_VI_UP) {
		s = (struct vi_span){line_up(e, at, n), from > 0, false, true};
	} else if (a == ACTION_VI_BOTTOM) {
		s.to = count > 0 ? vi_line_down(e, 0, count - 1)
				 : vi_line_start(e, vi_text_end(e));
		s.lines = true;
	} else if (a == ACTION_VI_TOP) {
		s.to = vi_line_down(e, 0, n - 1);
		s.lines = true;
	} else if (a == ACTION_VI_FIND_NEXT || a == ACTION_VI_FIND_PREVIOUS) {
		s = opposite_seek(v, e, a == ACTION_VI_FIND_PREVIOUS, n);
	} else {
		s.found = false;
	}
	return s;
}
