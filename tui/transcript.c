/* Laying out and drawing what is in sight; scrolling, folding, clicking. */
#include "tui/transcript_private.h"

#include <stdlib.h>

/* Items that keep their lines; more than that are forgotten where they are far away. */
#define LAID_MAX  400
#define LAID_NEAR 100

int transcript_new(struct transcript **out, struct err *err)
{
	struct transcript *t = calloc(1, sizeof(*t));

	if (!t)
		return err_nomem(err, "transcript", sizeof(*t));
	t->follow = true;
	t->chosen = TRANSCRIPT_NONE;
	t->width = 80;
	t->height = 24;
	*out = t;
	return 0;
}

void transcript_free(struct transcript *t)
{
	if (!t)
		return;
	transcript_clear(t);
	free(t->items);
	buf_release(&t->query);
	free(t);
}

void transcript_clear(struct transcript *t)
{
	while (t->n)
		item_free(t->items[--t->n]);
	t->n_laid = t->left_n = 0;
	t->top = t->top_row = 0;
	t->follow = true;
	t->chosen = TRANSCRIPT_NONE;
	t->hit = false;
}

static struct item_rows rows_of(struct transcript *t, size_t i)
{
	return item_layout(t, t->items[i]);
}

/* The place from which the last row of the last item is in the view's last row. */
static void end_place(struct transcript *t, size_t *item, size_t *row)
{
	size_t left = (size_t)t->height;

	*item = *row = 0;
	for (size_t i = t->n; i-- > 0;) {
		size_t n = rows_of(t, i).n;

		/* The blank row behind the last item is not shown. */
		if (i == t->n - 1)
			n--;
		if (n >= left) {
			*item = i;
			*row = n - left;
			return;
		}
		left -= n;
	}
}

static bool is_before(size_t item, size_t row, size_t item2, size_t row2)
{
	return item < item2 || (item == item2 && row < row2);
}

/* Keeps the place inside the text, and at its end while following. */
static void settle(struct transcript *t)
{
	size_t item, row, n;

	if (t->n == 0) {
		t->top = t->top_row = 0;
		return;
	}
	n = rows_of(t, t->top).n;
	if (t->top_row >= n)
		t->top_row = n - 1;
	end_place(t, &item, &row);
	if (t->follow || is_before(item, row, t->top, t->top_row)) {
		t->top = item;
		t->top_row = row;
	}
}

/* What comes from now on is new. */
static void leave_here(struct transcript *t)
{
	t->left_n = transcript_waiting(t);
	t->left_rows = t->left_n > 0 ? rows_of(t, t->left_n - 1).n : 0;
}

static void unfollow(struct transcript *t)
{
	if (!t->follow)
		return;
	t->follow = false;
	leave_here(t);
}

bool transcript_is_read(struct transcript *t, size_t i)
{
	size_t left = (size_t)t->height, hidden = t->top_row;

	if (t->follow || i < t->top)
		return false;
	for (size_t k = t->top; k < i; k++, hidden = 0) {
		size_t n = rows_of(t, k).n - hidden;

		if (n >= left)
			return false;
		left -= n;
	}
	return true;
}

static bool at_end(struct transcript *t)
{
	size_t item, row;

	end_place(t, &item, &row);
	return !is_before(t->top, t->top_row, item, row);
}

void transcript_scroll(struct transcript *t, int rows)
{
	if (t->n == 0)
		return;
	settle(t);
	if (rows < 0)
		unfollow(t);
	for (; rows < 0; rows++) {
		if (t->top_row > 0) {
			t->top_row--;
		} else if (t->top > 0) {
			t->top--;
			t->top_row = rows_of(t, t->top).n - 1;
		}
	}
	for (; rows > 0; rows--) {
		if (t->top_row + 1 < rows_of(t, t->top).n) {
			t->top_row++;
		} else if (t->top + 1 < t->n) {
			t->top++;
			t->top_row = 0;
		}
		if (at_end(t)) {
			t->follow = true;
			break;
		}
	}
	settle(t);
	/* All in sight: nothing to scroll, so nothing is left behind. */
	if (!t->follow && at_end(t))
		t->follow = true;
	t->chosen = TRANSCRIPT_NONE;
}

void transcript_page(struct transcript *t, int pages)
{
	int rows = t->height > 2 ? t->height - 2 : 1;

	transcript_scroll(t, pages * rows);
}

void transcript_top(struct transcript *t)
{
	settle(t);
	unfollow(t);
	t->top = t->top_row = 0;
	t->chosen = t->n > 0 ? 0 : TRANSCRIPT_NONE;
	if (at_end(t))
		t->follow = true;
}

void transcript_follow(struct transcript *t)
{
	t->follow = true;
	t->chosen = TRANSCRIPT_NONE;
}

bool transcript_saw_first(const struct transcript *t, size_t i)
{
	return i < t->n && t->items[i]->saw_first;
}

bool transcript_saw_last(const struct transcript *t, size_t i)
{
	return i < t->n && t->items[i]->saw_last;
}

/* Without a choice: the last item while following, else the first one in sight. */
size_t transcript_chosen(const struct transcript *t)
{
	if (t->n == 0)
		return TRANSCRIPT_NONE;
	if (t->chosen != TRANSCRIPT_NONE)
		return t->chosen;
	return t->follow ? t->n - 1 : t->top;
}

void transcript_show(struct transcript *t, size_t i, size_t row)
{
	size_t item, at, down = 0;

	settle(t);
	/* In sight already? */
	item = t->top;
	at = t->top_row;
	while (down < (size_t)t->height && item < t->n) {
		size_t n = rows_of(t, item).n - at;

		if (item == i && row >= at && row - at < (size_t)t->height - down)
			return;
		down += n;
		at = 0;
		item++;
	}
	unfollow(t);
	t->top = i;
	t->top_row = row;
	for (int k = t->height / 3; k > 0 && (t->top > 0 || t->top_row > 0); k--) {
		if (t->top_row > 0) {
			t->top_row--;
		} else {
			t->top--;
			t->top_row = rows_of(t, t->top).n - 1;
		}
	}
	if (at_end(t))
		t->follow = true;
	settle(t);
}

void transcript_jump(struct transcript *t, int step)
{
	size_t i = transcript_chosen(t);

	if (i == TRANSCRIPT_NONE)
		return;
	if (t->chosen == TRANSCRIPT_NONE && step < 0 && !t->follow && t->top_row > 0)
		i++; /* the item whose middle is on top comes first */
	for (;;) {
		if (step < 0 ? i == 0 : i + 1 >= t->n)
			break;
		i = step < 0 ? i - 1 : i + 1;
		if (t->items[i]->kind == ITEM_USER || t->items[i]->kind == ITEM_ANSWER)
			break;
	}
	if (i >= t->n)
		i = t->n - 1;
	transcript_show(t, i, 0);
	t->chosen = i;
}

void transcript_choose(struct transcript *t, int64_t id)
{
	size_t i = t->n;

	while (i > 0 && t->items[i - 1]->id != id)
		i--;
	if (i == 0)
		return;
	transcript_show(t, i - 1, 0);
	t->chosen = i - 1;
}

bool transcript_click(struct transcript *t, int y)
{
	size_t item = t->top, row = t->top_row;

	settle(t);
	for (; item < t->n; item++, row = 0) {
		size_t n = rows_of(t, item).n - row;

		if ((size_t)y < n) {
			struct item_rows r = rows_of(t, item);
			size_t at = row + (size_t)y;

			t->chosen = item;
			return item_can_fold(t->items[item]) &&
			       (at < (size_t)r.head ||
				(r.hidden > 0 && at == (size_t)r.head + r.body));
		}
		y -= (int)n;
	}
	return false;
}

void transcript_toggle_fold(struct transcript *t, size_t i)
{
	if (i >= t->n || !item_can_fold(t->items[i]))
		return;
	t->items[i]->folded = !t->items[i]->folded;
	t->chosen = i;
	settle(t);
}

static void fold_all(struct transcript *t, enum item_kind kind, bool fold)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->items[i]->kind == kind)
			t->items[i]->folded = fold;
	}
	if (t->n > 0)
		settle(t);
}

void transcript_fold_thinking(struct transcript *t)
{
	t->thinking_open = !t->thinking_open;
	fold_all(t, ITEM_THINKING, !t->thinking_open);
}

void transcript_unfold_tools(struct transcript *t)
{
	t->tools_open = !t->tools_open;
	fold_all(t, ITEM_TOOL, !t->tools_open);
}

bool transcript_ticks(const struct transcript *t)
{
	for (size_t i = t->n; i-- > 0 && t->n - i < 64;) {
		if (t->items[i]->state == ITEM_OPEN &&
		    (t->items[i]->kind == ITEM_THINKING || t->items[i]->kind == ITEM_TOOL))
			return true;
	}
	return false;
}

/* Lines that came below since following ended. */
static size_t new_rows(struct transcript *t)
{
	size_t n = 0;

	if (t->left_n == 0)
		return 0;
	for (size_t i = t->left_n - 1; i < transcript_waiting(t); i++)
		n += rows_of(t, i).n;
	return n > t->left_rows ? n - t->left_rows : 0;
}

static void forget_far(struct transcript *t)
{
	for (size_t i = 0; i < t->n && t->n_laid > LAID_MAX; i++) {
		struct item *it = t->items[i];

		if (it->doc.width == 0 || (i + LAID_NEAR > t->top && i < t->top + LAID_NEAR) ||
		    i + LAID_NEAR > t->n)
			continue;
		item_forget(t, it);
	}
}

/* The place after a change of width, or of bareness: the same share of the same item. */
static void rescale(struct transcript *t, int width, bool bare)
{
	size_t old, now;

	if (t->width == width && t->bare == bare)
		return;
	old = t->top < t->n ? rows_of(t, t->top).n : 0;
	for (size_t i = 0; i < t->n && t->bare != bare; i++)
		item_forget(t, t->items[i]);
	t->width = width;
	t->bare = bare;
	if (old == 0)
		return;
	now = rows_of(t, t->top).n;
	t->top_row = t->top_row * now / old;
	if (!t->follow)
		leave_here(t);
}

void transcript_set_bare(struct transcript *t, bool on)
{
	rescale(t, t->width, on);
}

/* Row y shows that line, and the next row the next one. */
static void join_rows(const struct transcript *t, const struct lines *l, size_t line,
		      struct view v, int y)
{
	if (t->bare && line + 1 < l->n && l->v[line + 1].join != LINE_OWN)
		view_join(v, y, lines_columns(l, line) < v.w ? ROW_SHORT : ROW_FULL);
}

/* ---- the ruler ---- */

#define RULER_COLUMNS 2 /* a blank, and the mark */
#define RULER_LEAST   40

void transcript_set_ruler(struct transcript *t, bool on)
{
	t->ruler = on;
}

void transcript_set_place(struct transcript *t, size_t i, enum item_place place)
{
	if (i < t->n)
		t->items[i]->place = place;
}

static bool has_ruler(const struct transcript *t, struct view v)
{
	return t->ruler && !t->bare && v.w >= RULER_LEAST;
}

static void draw_place(const struct item *it, struct view v, int y)
{
	static const struct {
		const char *mark;
		enum style_role role;
	} looks[] = {
		[PLACE_UNKNOWN] = {" ", STYLE_TEXT},
		[PLACE_MEMORY] = {"┃", STYLE_GOOD},
		[PLACE_DISK] = {"┆", STYLE_NOTICE},
		[PLACE_COLD] = {"·", STYLE_FAINT},
	};

	view_putz(v, v.w - 1, y, looks[it->place].mark, looks[it->place].role);
}

/* ---- drawing ---- */

void transcript_draw(struct transcript *t, struct view v, bool focused, int64_t now_ms)
{
	size_t item, row, chosen = transcript_chosen(t);
	struct view whole = v;
	bool ruler = has_ruler(t, v);
	int y = 0;

	if (v.w <= 0 || v.h <= 0)
		return;
	view_fill(v, 0, 0, v.w, v.h, ' ', STYLE_TEXT);
	if (ruler)
		v = view_sub(v, 0, 0, v.w - RULER_COLUMNS, v.h);
	rescale(t, v.w, t->bare);
	t->height = v.h;
	settle(t);
	row = t->top_row;
	for (item = t->top; item < t->n && y < v.h; item++, row = 0) {
		struct item *it = t->items[item];
		struct item_rows r = item_layout(t, it);

		for (; row < r.n && y < v.h; row++, y++) {
			size_t line = item_line_at(it, &r, row);

			item_draw_row(t, it, &r, row, v, y, now_ms);
			it->saw_first = it->saw_first || row == 0;
			it->saw_last = it->saw_last || row + 2 >= r.n;
			if (line != SIZE_MAX && t->query.len > 0) {
				item_match(t, it);
				item_draw_matches(t, item, line, v, y);
			}
			if (line != SIZE_MAX && item_line_at(it, &r, row + 1) == line + 1)
				join_rows(t, &it->doc.lines, line, v, y);
			if (focused && !t->bare && item == chosen && row + 1 < r.n)
				view_restyle(v, 0, y, 1, STYLE_SELECTED);
			if (ruler && row + 1 < r.n)
				draw_place(it, whole, y);
		}
	}
	if (!t->follow && !t->bare) {
		size_t n = new_rows(t);
		int x;

		if (n > 0 && v.w > 12) {
			x = v.w - 14 > 0 ? v.w - 14 : 0;
			view_putf(v, x, v.h - 1, STYLE_SELECTED, " ↓ %zu new ", n);
		}
	}
	forget_far(t);
}
