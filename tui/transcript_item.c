/* One item of the transcript: its text as it grows, its rows, its head. */
#include "tui/transcript_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/termsafe.h"

/* Folded tool output and long pasted text show so many lines at their beginning and end. */
#define HEAD_LINES 6
#define TAIL_LINES 3
/* A message of the user's longer than this, in bytes or lines, folds when it comes. */
#define LONG_TEXT  65536
#define LONG_LINES 40
/* Longer rows are hard to read. */
#define TEXT_COLUMNS 120

struct kind_look {
	const char *mark;
	enum style_role mark_role, text_role;
	bool folds;
};

static const struct kind_look looks[] = {
	[ITEM_SYSTEM] = {"§", STYLE_FAINT, STYLE_FAINT, true},
	[ITEM_USER] = {"❯", STYLE_USER, STYLE_TEXT, true},
	[ITEM_THINKING] = {" ", STYLE_THINKING, STYLE_THINKING, true},
	[ITEM_ANSWER] = {" ", STYLE_MODEL, STYLE_TEXT, false},
	[ITEM_TOOL] = {"●", STYLE_TOOL, STYLE_FAINT, true},
	[ITEM_NOTICE] = {"·", STYLE_NOTICE, STYLE_NOTICE, false},
	[ITEM_ERROR] = {"✗", STYLE_ERROR, STYLE_ERROR, false},
};

void item_free(struct item *it)
{
	if (!it)
		return;
	mddoc_release(&it->doc);
	buf_release(&it->name);
	buf_release(&it->args);
	free(it->matches);
	free(it);
}

void item_forget(struct transcript *t, struct item *it)
{
	t->n_laid -= it->doc.width != 0;
	mddoc_forget(&it->doc);
	it->matched = 0;
}

bool item_can_fold(const struct item *it)
{
	return looks[it->kind].folds;
}

static enum style_role output_role(struct str line)
{
	if (line.n > 1 && line.p[0] == '+' && line.p[1] != '+')
		return STYLE_ADDED;
	if (line.n > 1 && line.p[0] == '-' && line.p[1] != '-')
		return STYLE_REMOVED;
	return STYLE_FAINT;
}

/* Text that is not Markdown, or bare: its own lines, wrapped. */
static void layout_plain(struct item *it, int width, bool bare)
{
	struct str s = buf_str(&it->doc.src), line;
	struct lines *l = &it->doc.lines;
	struct rich r = {0}, bar = {0};
	bool tool = it->kind == ITEM_TOOL && !bare;

	while (s.n > 0 && s.p[s.n - 1] == '\n')
		s.n--;
	if (tool)
		rich_addz(&bar, "│ ", STYLE_BORDER);
	lines_reset(l);
	while (str_line(&s, &line)) {
		rich_reset(&r);
		rich_add_code(&r, line,
			      (uint16_t)(bare   ? STYLE_TEXT
					 : tool ? output_role(line)
						: looks[it->kind].text_role));
		lines_wrap(l, &r, width, &bar, &bar, !tool && !bare);
	}
	rich_release(&r);
	rich_release(&bar);
	it->doc.width = width;
	it->doc.dirty = false;
}

struct item_rows item_layout(struct transcript *t, struct item *it)
{
	struct item_rows r = {0};
	int gutter = transcript_gutter(t),
	    width = t->width > gutter + 2 ? t->width - gutter : 2;
	bool hide_all = it->folded && (it->kind == ITEM_THINKING || it->kind == ITEM_SYSTEM);
	size_t n;

	if (width > TEXT_COLUMNS && !t->bare)
		width = TEXT_COLUMNS;
	r.head = it->kind == ITEM_THINKING || it->kind == ITEM_TOOL || it->kind == ITEM_SYSTEM;
	r.foot = it->state == ITEM_STOPPED || it->state == ITEM_CUT ||
		 it->state == ITEM_QUEUED || it->n_siblings > 1;
	if (!hide_all) {
		if (it->doc.width == 0)
			t->n_laid++;
		if (it->doc.width != width || it->doc.dirty)
			it->matched = 0;
		if (it->kind == ITEM_ANSWER && !t->bare)
			mddoc_layout(&it->doc, width);
		else if (it->doc.width != width || it->doc.dirty)
			layout_plain(it, width, t->bare);
		n = it->doc.lines.n;
		r.body = n;
		if (it->folded && n > HEAD_LINES + TAIL_LINES + 1) {
			r.body = HEAD_LINES;
			r.tail = TAIL_LINES;
			r.hidden = n - HEAD_LINES - TAIL_LINES;
		}
	}
	r.n = (size_t)r.head + r.body + (r.hidden > 0) + r.tail + (size_t)r.foot + 1;
	return r;
}

size_t item_line_at(const struct item *it, const struct item_rows *r, size_t row)
{
	size_t at = row - (size_t)r->head;

	if (row < (size_t)r->head)
		return SIZE_MAX;
	if (at < r->body)
		return at;
	at -= r->body;
	if (r->hidden > 0) {
		if (at == 0)
			return SIZE_MAX;
		at--;
	}
	return at < r->tail ? it->doc.lines.n - r->tail + at : SIZE_MAX;
}

size_t item_row_of(const struct item_rows *r, size_t line, size_t n_lines)
{
	if (line < r->body)
		return (size_t)r->head + line;
	if (r->tail > 0 && line >= n_lines - r->tail)
		return (size_t)r->head + r->body + 1 + (line - (n_lines - r->tail));
	return SIZE_MAX;
}

static void duration(char out[32], int64_t ms)
{
	if (ms < 0)
		ms = 0;
	if (ms < 9950)
		snprintf(out, 32, "%.1f s", (double)ms / 1000);
	else if (ms < 120000)
		snprintf(out, 32, "%lld s", (long long)((ms + 500) / 1000));
	else
		snprintf(out, 32, "%lld min %lld s", (long long)(ms / 60000),
			 (long long)(ms / 1000 % 60));
}

static void head_thinking(const struct item *it, struct view v, int y, int64_t now_ms)
{
	char took[32];
	int x;

	x = view_putz(v, 0, y, it->folded ? "▸ " : "▾ ", STYLE_MARKER);
	if (it->state == ITEM_OPEN) {
		int64_t s = (now_ms - it->started_ms) / 1000;

		view_putf(v, x, y, STYLE_THINKING, "thinking %lld s",
			  (long long)(s < 0 ? 0 : s));
		return;
	}
	x = view_putz(v, x, y, "thought", STYLE_THINKING);
	if (it->ms >= 0) {
		duration(took, it->ms);
		x = view_putf(v, x, y, STYLE_THINKING, " %s", took);
	}
	if (it->number >= 0)
		x = view_putf(v, x, y, STYLE_THINKING, "%s %lld tokens", it->ms >= 0 ? "," : "",
			      (long long)it->number);
	if (it->state == ITEM_STOPPED || it->state == ITEM_CUT)
		view_putz(v, x, y, ", interrupted", STYLE_THINKING);
}

static void head_tool(const struct item *it, struct view v, int y, int64_t now_ms)
{
	static const struct {
		const char *text;
		enum style_role role;
	} states[] = {
		[ITEM_OPEN] = {"…", STYLE_TOOL},
		[ITEM_DONE] = {"✓", STYLE_GOOD},
		[ITEM_STOPPED] = {"stopped", STYLE_NOTICE},
		[ITEM_CUT] = {"stopped", STYLE_NOTICE},
		[ITEM_FAILED] = {"✗", STYLE_ERROR},
		[ITEM_QUEUED] = {"waiting", STYLE_FAINT},
	};
	char tail[96], took[32] = "", code[32] = "";
	int x, room;

	if (it->state == ITEM_OPEN && it->started_ms >= 0)
		snprintf(took, sizeof(took), " %lld s",
			 (long long)((now_ms - it->started_ms) / 1000));
	else if (it->ms >= 0)
		duration(took, it->ms);
	if (it->number > 0)
		snprintf(code, sizeof(code), " exit %lld", (long long)it->number);
	snprintf(tail, sizeof(tail), "%s%s%s", took, code, took[0] != '\0' ? " " : "");
	room = v.w - (int)strlen(tail) - 8;
	x = view_put_cut(v, GUTTER, y, room / 2 > 8 ? room / 2 : 8, buf_str(&it->name),
			 STYLE_TOOL | STYLE_BOLD);
	x = view_putz(v, x, y, " ", STYLE_TEXT);
	if (room - x > 4)
		x = view_put_cut(v, x, y, room - x, buf_str(&it->args), STYLE_FAINT);
	x = view_putz(v, x, y, "  ", STYLE_TEXT);
	x = view_putz(v, x, y, tail, STYLE_FAINT);
	view_putz(v, x, y, states[it->state].text, states[it->state].role);
}

static void draw_head(const struct item *it, struct view v, int y, int64_t now_ms)
{
	if (it->kind == ITEM_THINKING)
		head_thinking(it, v, y, now_ms);
	else if (it->kind == ITEM_TOOL)
		head_tool(it, v, y, now_ms);
	else
		view_putz(v, GUTTER, y, it->folded ? "system prompt ▸" : "system prompt ▾",
			  STYLE_FAINT);
}

static void draw_foot(const struct item *it, struct view v, int y)
{
	int x = GUTTER;

	if (it->n_siblings > 1) {
		x = view_putf(v, x, y, STYLE_FAINT, "‹%d/%d›", it->sibling + 1, it->n_siblings);
		x = view_putz(v, x, y, "  ", STYLE_TEXT);
	}
	if ((it->state == ITEM_STOPPED || it->state == ITEM_CUT) && it->kind != ITEM_THINKING)
		x = view_putz(v, x, y, it->why ? it->why : "interrupted", STYLE_NOTICE);
	if (it->state == ITEM_STOPPED && it->kind != ITEM_THINKING)
		view_putz(v, x, y, "; /continue goes on with it", STYLE_NOTICE);
	else if (it->state == ITEM_QUEUED)
		view_putz(v, x, y, it->why ? it->why : "waits for its turn", STYLE_FAINT);
}

void item_draw_row(struct transcript *t, struct item *it, const struct item_rows *r, size_t row,
		   struct view v, int y, int64_t now_ms)
{
	const struct kind_look *look = &looks[it->kind];
	size_t line = item_line_at(it, r, row);

	if (row == 0 && it->kind != ITEM_THINKING && !t->bare)
		view_putz(v, 0, y, look->mark, look->mark_role);
	if (line != SIZE_MAX)
		lines_draw(&it->doc.lines, line, v, transcript_gutter(t), y);
	else if (row < (size_t)r->head)
		draw_head(it, v, y, now_ms);
	else if (r->hidden > 0 && row == (size_t)r->head + r->body)
		view_putf(v, GUTTER, y, STYLE_MARKER, "▸ %zu more lines", r->hidden);
	else if (r->foot && row == r->n - 2)
		draw_foot(it, v, y);
}

/* ---- the items of a transcript ---- */

size_t transcript_waiting(const struct transcript *t)
{
	size_t i = t->n;

	while (i > 0 && t->items[i - 1]->kind == ITEM_USER &&
	       t->items[i - 1]->state == ITEM_QUEUED)
		i--;
	return i;
}

/* An index of an item, after another one came to stand at `at`. */
static void move_index(size_t *i, size_t at)
{
	if (*i != TRANSCRIPT_NONE && *i >= at)
		++*i;
}

static size_t insert(struct transcript *t, size_t at, enum item_kind kind, int64_t id,
		     int64_t now_ms)
{
	struct item *it = calloc(1, sizeof(*it));

	if (!it)
		return TRANSCRIPT_NONE;
	if (t->n == t->cap) {
		size_t cap = t->cap > 0 ? t->cap * 2 : 64;
		struct item **items = realloc(t->items, cap * sizeof(struct item *));

		if (!items) {
			free(it);
			return TRANSCRIPT_NONE;
		}
		t->items = items;
		t->cap = cap;
	}
	it->kind = kind;
	it->id = id;
	it->state = kind == ITEM_THINKING || kind == ITEM_ANSWER || kind == ITEM_TOOL
			    ? ITEM_OPEN
			    : ITEM_DONE;
	it->started_ms = now_ms;
	it->ms = it->number = -1;
	it->folded = kind == ITEM_SYSTEM || (kind == ITEM_TOOL && !t->tools_open);
	if (at < t->n) {
		move_index(&t->top, at);
		move_index(&t->chosen, at);
		move_index(&t->hit_item, at);
	}
	memmove(t->items + at + 1, t->items + at, (t->n - at) * sizeof(struct item *));
	t->items[at] = it;
	t->n++;
	return at;
}

size_t transcript_add(struct transcript *t, enum item_kind kind, int64_t id, int64_t now_ms)
{
	return insert(t, transcript_waiting(t), kind, id, now_ms);
}

bool transcript_add_waiting(struct transcript *t, struct str text)
{
	size_t i = insert(t, t->n, ITEM_USER, 0, -1);

	if (i == TRANSCRIPT_NONE)
		return false;
	transcript_append(t, i, text);
	transcript_finish(t, i, ITEM_QUEUED, -1, -1, -1);
	return true;
}

static struct item *get(const struct transcript *t, size_t i)
{
	BUG_ON(i >= t->n);
	return t->items[i];
}

static bool is_long(struct str text)
{
	size_t lines = 0;

	for (size_t i = 0; i < text.n && i < LONG_TEXT; i++)
		lines += text.p[i] == '\n';
	return text.n > LONG_TEXT || lines > LONG_LINES;
}

void transcript_append(struct transcript *t, size_t i, struct str text)
{
	struct item *it = get(t, i);

	if (text.n == 0)
		return;
	/* "\r\n" may come in two pieces. */
	if (it->held_cr && text.p[0] != '\n')
		termsafe_add(&it->doc.src, STR_LIT("\r"));
	it->held_cr = text.p[text.n - 1] == '\r';
	text.n -= it->held_cr;
	termsafe_add(&it->doc.src, text);
	it->doc.dirty = true;
	it->matched = 0;
	if (it->kind == ITEM_USER && is_long(buf_str(&it->doc.src)))
		it->folded = true;
}

void transcript_set_text(struct transcript *t, size_t i, struct str text)
{
	struct item *it = get(t, i);

	t->n_laid -= it->doc.width != 0;
	mddoc_forget(&it->doc);
	buf_reset(&it->doc.src);
	it->held_cr = false;
	transcript_append(t, i, text);
}

void transcript_set_id(struct transcript *t, size_t i, int64_t id)
{
	get(t, i)->id = id;
}

void transcript_set_call(struct transcript *t, size_t i, struct str name, struct str arguments)
{
	struct item *it = get(t, i);

	buf_reset(&it->name);
	buf_reset(&it->args);
	termsafe_add(&it->name, name);
	termsafe_add(&it->args, arguments);
	for (size_t k = 0; k < it->args.len; k++) {
		if (it->args.data[k] == '\n')
			it->args.data[k] = ' ';
	}
}

void transcript_finish(struct transcript *t, size_t i, enum item_state state, int64_t ms,
		       int64_t number, int64_t now_ms)
{
	struct item *it = get(t, i);

	if (it->held_cr) {
		it->held_cr = false;
		termsafe_add(&it->doc.src, STR_LIT("\r"));
		it->doc.dirty = true;
	}
	it->ms = ms >= 0                              ? ms
		 : now_ms >= 0 && it->started_ms >= 0 ? now_ms - it->started_ms
						      : -1;
	it->number = number;
	it->state = state;
	if (it->kind == ITEM_THINKING && state != ITEM_OPEN)
		it->folded = !t->thinking_open && !transcript_is_read(t, i);
}

void transcript_set_number(struct transcript *t, size_t i, int64_t number)
{
	get(t, i)->number = number;
}

void transcript_set_why(struct transcript *t, size_t i, const char *why)
{
	get(t, i)->why = why;
}

void transcript_set_siblings(struct transcript *t, size_t i, int pos, int n)
{
	get(t, i)->sibling = pos;
	get(t, i)->n_siblings = n;
}

int transcript_siblings(const struct transcript *t, size_t i)
{
	return get(t, i)->n_siblings > 1 ? get(t, i)->n_siblings : 0;
}

size_t transcript_n(const struct transcript *t)
{
	return t->n;
}

enum item_kind transcript_kind(const struct transcript *t, size_t i)
{
	return get(t, i)->kind;
}

enum item_state transcript_state(const struct transcript *t, size_t i)
{
	return get(t, i)->state;
}

int64_t transcript_id(const struct transcript *t, size_t i)
{
	return get(t, i)->id;
}

struct str transcript_text(const struct transcript *t, size_t i)
{
	return buf_str(&get(t, i)->doc.src);
}
