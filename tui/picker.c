/* Filtering, walking and drawing a box of rows. */
#include "tui/picker.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/base/fold.h"
#include "engine/base/utf8.h"
#include "tui/glyph.h"

static void drop_rows(struct picker *p)
{
	for (size_t i = 0; i < p->n; i++) {
		buf_release(&p->rows[i].label);
		buf_release(&p->rows[i].detail);
		buf_release(&p->rows[i].right);
	}
	p->n = p->n_shown = p->chosen = p->top = 0;
}

void picker_release(struct picker *p)
{
	drop_rows(p);
	free(p->rows);
	free(p->shown);
	editbuf_release(&p->filter);
	*p = (struct picker){0};
}

void picker_open(struct picker *p, const char *title)
{
	drop_rows(p);
	snprintf(p->title, sizeof(p->title), "%s", title);
	editbuf_set(&p->filter, (struct str){0});
	p->open = true;
}

void picker_close(struct picker *p)
{
	drop_rows(p);
	p->open = false;
}

void picker_add(struct picker *p, struct str label, struct str detail, struct str right,
		int64_t value)
{
	if (p->n == p->cap) {
		size_t cap = p->cap > 0 ? p->cap * 2 : 32;
		struct picker_row *rows = realloc(p->rows, cap * sizeof(*rows));
		size_t *shown;

		if (!rows)
			return;
		p->rows = rows;
		shown = realloc(p->shown, cap * sizeof(*shown));
		if (!shown)
			return;
		p->shown = shown;
		p->cap = cap;
	}
	p->rows[p->n] = (struct picker_row){.value = value};
	buf_adds(&p->rows[p->n].label, label);
	buf_adds(&p->rows[p->n].detail, detail);
	buf_adds(&p->rows[p->n].right, right);
	p->n++;
}

/* Every word of the filter stands somewhere in the row. */
static bool matches(const struct picker *p, const struct picker_row *r)
{
	struct buf all = {0};
	bool found;

	if (p->filter.text.len == 0)
		return true;
	buf_adds(&all, buf_str(&r->label));
	buf_addc(&all, '\n');
	buf_adds(&all, buf_str(&r->detail));
	found = fold_has_words(buf_str(&all), buf_str(&p->filter.text));
	buf_release(&all);
	return found;
}

void picker_refresh(struct picker *p)
{
	p->n_shown = 0;
	for (size_t i = 0; i < p->n; i++) {
		if (matches(p, &p->rows[i]))
			p->shown[p->n_shown++] = i;
	}
	if (p->chosen >= p->n_shown)
		p->chosen = p->n_shown > 0 ? p->n_shown - 1 : 0;
}

const struct picker_row *picker_chosen(const struct picker *p)
{
	return p->chosen < p->n_shown ? &p->rows[p->shown[p->chosen]] : NULL;
}

static void step(struct picker *p, long by)
{
	long to = (long)p->chosen + by;

	if (to >= (long)p->n_shown)
		to = (long)p->n_shown - 1;
	p->chosen = to < 0 ? 0 : (size_t)to;
}

enum picker_result picker_key(struct picker *p, const struct key_event *ev)
{
	struct key k = ev->key;
	char bytes[4];

	if (ev->kind == KEY_EVENT_MOUSE) {
		if (ev->button == MOUSE_WHEEL_UP || ev->button == MOUSE_WHEEL_DOWN)
			step(p, ev->button == MOUSE_WHEEL_UP ? -1 : 1);
		return PICKER_STAYS;
	}
	if (ev->kind == KEY_EVENT_PASTE) {
		if (ev->text.n < PICKER_FILTER_MAX)
			editbuf_insert(&p->filter, ev->text);
		picker_refresh(p);
		return PICKER_STAYS;
	}
	if (k.code == KEY_ESC || (k.mods == KEY_CTRL && (k.code == 'c' || k.code == 'g')))
		return PICKER_CLOSED;
	if (k.code == KEY_ENTER || k.code == KEY_TAB)
		return picker_chosen(p) ? PICKER_CHOSEN : PICKER_STAYS;
	if (k.code == KEY_UP || (k.mods == KEY_CTRL && k.code == 'p'))
		step(p, -1);
	else if (k.code == KEY_DOWN || (k.mods == KEY_CTRL && (k.code == 'n' || k.code == 'r')))
		step(p, 1);
	else if (k.code == KEY_PGUP)
		step(p, -10);
	else if (k.code == KEY_PGDN)
		step(p, 10);
	else if (k.code == KEY_BACKSPACE)
		editbuf_delete(&p->filter, EDIT_LEFT, false);
	else if (k.mods == KEY_CTRL && (k.code == 'u' || k.code == 'w'))
		editbuf_delete(&p->filter, k.code == 'u' ? EDIT_LINE_START : EDIT_WORD_LEFT,
			       false);
	else if (key_is_char(k) && p->filter.text.len < 200)
		editbuf_insert(&p->filter, (struct str){bytes, utf8_encode(k.code, bytes)});
	picker_refresh(p);
	return PICKER_STAYS;
}

void picker_draw(struct picker *p, struct view screen)
{
	int w = screen.w > 84 ? 80 : screen.w - 4;
	int want = (int)(p->n < 200 ? p->n : 200) + 3;
	int h = want < screen.h - 2 ? want : screen.h - 2;
	struct view box, in;
	int rows, x;

	if (w < 12 || h < 4) { /* no room for a box: the whole screen */
		w = screen.w;
		h = screen.h;
	}
	box = view_sub(screen, (screen.w - w) / 2, (screen.h - h) / 3, w, h);
	in = view_box(box, p->title, STYLE_BORDER);
	x = view_putz(in, 0, 0, "› ", STYLE_USER);
	x = view_put(in, x, 0, buf_str(&p->filter.text), STYLE_TEXT);
	view_cursor(in, x < in.w ? x : in.w - 1, 0);
	if (p->filter.text.len == 0)
		view_put_cut(in, x + 1, 0, in.w - x - 1,
			     STR_LIT("type to find, Enter chooses, Esc closes"), STYLE_FAINT);
	rows = in.h - 1;
	if (p->chosen < p->top)
		p->top = p->chosen;
	if (rows > 0 && p->chosen >= p->top + (size_t)rows)
		p->top = p->chosen - (size_t)rows + 1;
	if (p->n_shown == 0 && rows > 0)
		view_putz(in, 2, 1, "nothing matches", STYLE_FAINT);
	for (int y = 0; y < rows && p->top + (size_t)y < p->n_shown; y++) {
		const struct picker_row *r = &p->rows[p->shown[p->top + (size_t)y]];
		bool here = p->top + (size_t)y == p->chosen;
		int right = glyph_columns(buf_z(&r->right), r->right.len);
		int room = in.w - 3 - (right > 0 ? right + 1 : 0);

		x = view_put_cut(in, 2, y + 1, room, buf_str(&r->label), STYLE_TEXT);
		if (room - x > 6)
			view_put_cut(in, x + 2, y + 1, room - x, buf_str(&r->detail),
				     STYLE_FAINT);
		view_put(in, in.w - right - 1, y + 1, buf_str(&r->right), STYLE_KEY);
		if (here)
			view_restyle(in, 0, y + 1, in.w, STYLE_SELECTED);
	}
}
