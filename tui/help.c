#include "tui/help.h"

#define KEYS_COLUMNS 20 /* at most; a third of a narrow box */

void help_release(struct help *h)
{
	lines_release(&h->lines);
	*h = (struct help){0};
}

void help_open(struct help *h)
{
	h->open = true;
	h->top = 0;
	h->width = 0;
}

static void make(struct help *h, const struct keymap *km, int width)
{
	struct rich r = {0}, first = {0}, rest = {0};
	size_t columns = width / 3 < KEYS_COLUMNS ? (size_t)width / 3 : KEYS_COLUMNS;

	lines_reset(&h->lines);
	rich_addz(&r,
		  "Write below, Enter sends. Alt with the arrows goes between the "
		  "conversations, the "
		  "transcript and the input. Nothing is ever lost: an edit or another answer "
		  "is a "
		  "branch beside the old one. C- is Ctrl, M- is Alt.",
		  STYLE_TEXT);
	lines_wrap(&h->lines, &r, width, NULL, NULL, true);
	for (int c = 0; c < KEYS_N_CONTEXTS; c++) {
		rich_reset(&r);
		rich_addz(&r, key_context_name((enum key_context)c), STYLE_TITLE);
		lines_add(&h->lines, NULL, NULL, 0, 0, LINE_OWN);
		lines_add(&h->lines, NULL, &r, 0, r.text.len, LINE_OWN);
		for (int a = ACTION_NONE + 1; a < ACTION_N; a++) {
			const struct action_row *row = action_row((enum action)a);
			struct buf keys = {0};

			if ((int)row->context != c)
				continue;
			keymap_add_keys(km, (enum action)a, &keys);
			rich_reset(&first);
			rich_reset(&rest);
			rich_reset(&r);
			rich_addz(&first, "  ", STYLE_TEXT);
			rich_add(&first, keys.len > 0 ? buf_str(&keys) : STR_LIT("—"),
				 STYLE_KEY);
			while (first.text.len < columns)
				rich_addz(&first, " ", STYLE_TEXT);
			rich_addz(&first, " ", STYLE_TEXT);
			while (rest.text.len < columns + 1)
				rich_addz(&rest, " ", STYLE_TEXT);
			rich_addz(&r, row->help, STYLE_TEXT);
			lines_wrap(&h->lines, &r, width, &first, &rest, true);
			buf_release(&keys);
		}
	}
	rich_release(&r);
	rich_release(&first);
	rich_release(&rest);
	h->width = width;
}

bool help_key(struct help *h, const struct key_event *ev)
{
	size_t page = h->rows > 1 ? (size_t)h->rows - 1 : 1;
	size_t last = h->lines.n > (size_t)h->rows ? h->lines.n - (size_t)h->rows : 0;
	long to = (long)h->top;

	if (ev->kind == KEY_EVENT_MOUSE) {
		to += ev->button == MOUSE_WHEEL_UP     ? -3
		      : ev->button == MOUSE_WHEEL_DOWN ? 3
						       : 0;
	} else if (ev->kind == KEY_EVENT_KEY) {
		switch (ev->key.code) {
		case KEY_ESC:
		case KEY_F1:
		case 'q':
		case 'c':
		case KEY_ENTER:
			h->open = false;
			return true;
		case KEY_UP:
		case 'k':
			to--;
			break;
		case KEY_DOWN:
		case 'j':
			to++;
			break;
		case KEY_PGUP:
			to -= (long)page;
			break;
		case KEY_PGDN:
		case ' ':
			to += (long)page;
			break;
		case KEY_HOME:
		case 'g':
			to = 0;
			break;
		case KEY_END:
		case 'G':
			to = (long)last;
			break;
		default:
			break;
		}
	}
	h->top = to < 0 ? 0 : (size_t)to > last ? last : (size_t)to;
	return false;
}

void help_draw(struct help *h, const struct keymap *km, struct view screen)
{
	int w = screen.w > 84 ? 80 : screen.w - 2;
	struct view box = view_sub(screen, (screen.w - w) / 2, 0, w, screen.h - 1), in;

	in = view_box(box, "Help: arrows scroll, Esc closes", STYLE_BORDER);
	in = view_sub(in, 1, 0, in.w - 2, in.h);
	if (h->width != in.w)
		make(h, km, in.w > 2 ? in.w : 2);
	h->rows = in.h;
	if (h->lines.n > 0 && h->top >= h->lines.n)
		h->top = h->lines.n - 1;
	for (int y = 0; y < in.h && h->top + (size_t)y < h->lines.n; y++)
		lines_draw(&h->lines, h->top + (size_t)y, in, 0, y);
	if (h->top + (size_t)in.h < h->lines.n)
		view_putz(box, box.w - 10, box.h - 1, " ↓ more ", STYLE_TITLE);
}
