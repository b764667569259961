/* Which conversations are shown in what order, and drawing them. */
#include "tui/convlist.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/fold.h"
#include "engine/base/termsafe.h"
#include "tui/glyph.h"

#define HEAD 2 /* rows above the conversations: title or filter, a rule */

static void drop(struct convlist *l)
{
	for (size_t i = 0; i < l->n; i++)
		buf_release(&l->text[i]);
	free(l->rows);
	free(l->text);
	free(l->shown);
	l->rows = NULL;
	l->text = NULL;
	l->shown = NULL;
	l->n = l->n_shown = 0;
}

void convlist_release(struct convlist *l)
{
	drop(l);
	free(l->found);
	editbuf_release(&l->filter);
	*l = (struct convlist){0};
}

const struct convlist_row *convlist_chosen(const struct convlist *l)
{
	return l->chosen < l->n_shown ? &l->rows[l->shown[l->chosen]] : NULL;
}

void convlist_choose(struct convlist *l, int64_t id)
{
	for (size_t i = 0; i < l->n_shown; i++) {
		if (l->rows[l->shown[i]].id == id)
			l->chosen = i;
	}
}

void convlist_choose_current(struct convlist *l)
{
	for (size_t i = 0; i < l->n_shown; i++) {
		if (l->rows[l->shown[i]].current)
			l->chosen = i;
	}
}

static bool is_found(const struct convlist *l, int64_t id)
{
	for (size_t i = 0; i < l->n_found; i++) {
		if (l->found[i] == id)
			return true;
	}
	return false;
}

/* Every word of the filter stands in the title. */
static bool matches(const struct convlist *l, const struct convlist_row *r)
{
	return fold_has_words(r->title, buf_str(&l->filter.text));
}

static void refresh(struct convlist *l)
{
	bool all = l->filter.text.len > 0;

	l->n_shown = 0;
	for (size_t i = 0; i < l->n; i++) {
		const struct convlist_row *r = &l->rows[i];

		if ((all || !r->archived || r->current) &&
		    (matches(l, r) || is_found(l, r->id)))
			l->shown[l->n_shown++] = i;
	}
	if (l->chosen >= l->n_shown)
		l->chosen = l->n_shown > 0 ? l->n_shown - 1 : 0;
}

void convlist_set(struct convlist *l, const struct convlist_row *rows, size_t n)
{
	const struct convlist_row *was = convlist_chosen(l);
	int64_t id = was ? was->id : -1;

	drop(l);
	if (n > 0) {
		l->rows = calloc(n, sizeof(*l->rows));
		l->text = calloc(n, sizeof(*l->text));
		l->shown = calloc(n, sizeof(*l->shown));
		if (!l->rows || !l->text || !l->shown) {
			drop(l);
			return;
		}
	}
	l->n = n;
	for (size_t i = 0; i < n; i++) {
		struct buf *b = &l->text[i];
		size_t title;

		termsafe_add(b, rows[i].title);
		title = b->len;
		termsafe_add(b, rows[i].when);
		l->rows[i] = rows[i];
		if (buf_failed(b))
			title = b->len;
		l->rows[i].title = (struct str){buf_z(b), title};
		l->rows[i].when = (struct str){buf_z(b) + title, b->len - title};
	}
	refresh(l);
	convlist_choose(l, id);
}

void convlist_set_found(struct convlist *l, const int64_t *ids, size_t n)
{
	int64_t *found = n > 0 ? malloc(n * sizeof(*found)) : NULL;

	free(l->found);
	l->found = found;
	l->n_found = found ? n : 0;
	if (found)
		memcpy(found, ids, n * sizeof(*found));
	refresh(l);
}

void convlist_step(struct convlist *l, int by)
{
	long to = (long)l->chosen + by;

	if (to >= (long)l->n_shown)
		to = (long)l->n_shown - 1;
	l->chosen = to < 0 ? 0 : (size_t)to;
}

bool convlist_click(struct convlist *l, int y)
{
	size_t i = l->top + (size_t)(y - HEAD);

	if (y < HEAD || i >= l->n_shown)
		return false;
	l->chosen = i;
	return true;
}

static void draw_row(const struct convlist_row *r, struct view v, int y, bool chosen,
		     bool focused)
{
	int when = glyph_columns(r->when.p, r->when.n);
	int room = v.w - 3 - (when > 0 ? when + 1 : 0);
	struct str title = r->title.n > 0 ? r->title : STR_LIT("(nothing said yet)");
	uint16_t style = r->archived ? STYLE_FAINT : STYLE_TEXT;

	if (r->current)
		style = STYLE_TEXT | STYLE_BOLD;
	if (r->pinned)
		view_putz(v, 0, y, "★", STYLE_MARKER);
	else if (r->current)
		view_putz(v, 0, y, "●", STYLE_MODEL);
	view_put_cut(v, 2, y, room, title, style);
	if (room > 6)
		view_put(v, v.w - when - 1, y, r->when, STYLE_FAINT);
	/* The one that is shown stands out by itself. */
	if (chosen && (focused || !r->current))
		view_restyle(v, 0, y, v.w, focused ? STYLE_SELECTED : STYLE_SELECTED_OFF);
}

void convlist_draw(struct convlist *l, struct view v, bool focused)
{
	int rows = v.h - HEAD;

	view_fill(v, 0, 0, v.w, v.h, ' ', STYLE_TEXT);
	if (l->filter.text.len > 0 || focused) {
		int x = view_putz(v, 0, 0, "› ", STYLE_USER);

		x = view_put(v, x, 0, buf_str(&l->filter.text), STYLE_TEXT);
		if (l->filter.text.len == 0)
			view_put_cut(v, x, 0, v.w - x, STR_LIT("type to find"), STYLE_FAINT);
		if (focused)
			view_cursor(v, x < v.w ? x : v.w - 1, 0);
	} else {
		view_put_cut(v, 1, 0, v.w - 1, STR_LIT("Conversations"), STYLE_TITLE);
	}
	view_fill(v, 0, 1, v.w, 1, 0x2500, STYLE_BORDER);
	if (rows < 1)
		return;
	if (l->chosen < l->top)
		l->top = l->chosen;
	if (l->chosen >= l->top + (size_t)rows)
		l->top = l->chosen - (size_t)rows + 1;
	if (l->n_shown == 0)
		view_put_cut(v, 1, HEAD, v.w - 1,
			     l->n == 0 ? STR_LIT("none yet") : STR_LIT("nothing matches"),
			     STYLE_FAINT);
	for (int y = 0; y < rows && l->top + (size_t)y < l->n_shown; y++)
		draw_row(&l->rows[l->shown[l->top + (size_t)y]], v, y + HEAD,
			 l->top + (size_t)y == l->chosen, focused);
}
