/* Filling and scrolling the help box. */
#include "tui/help.h"

#include <stdlib.h>

#define KEYS_COLUMNS 20 /* at most; a third of a narrow box */

void help_release(struct help *h)
{
	lines_release(&h->lines);
	free(h->commands);
	*h = (struct help){0};
}

void help_add_command(struct help *h, const char *name, const char *arg, const char *help)
{
	struct help_command *v =
		realloc(h->commands, (h->n_commands + 1) * sizeof(*h->commands));

	if (!v)
		return;
	h->commands = v;
	v[h->n_commands++] = (struct help_command){name, arg, help};
	h->width = 0;
}

void help_set_vi(struct help *h, bool on)
{
	h->vi = on;
	h->width = 0;
}

void help_open(struct help *h)
{
	h->open = true;
	h->top = 0;
	h->width = 0;
}

/* Lays one row out: what is pressed or typed, and behind it what that does. */
static void add_row(struct help *h, int width, struct str left, const char *help)
{
	size_t columns = width / 3 < KEYS_COLUMNS ? (size_t)width / 3 : KEYS_COLUMNS;
	struct rich r = {0}, first = {0}, rest = {0};

	rich_addz(&first, "  ", STYLE_TEXT);
	rich_add(&first, left, STYLE_KEY);
	while (first.text.len < columns)
		rich_addz(&first, " ", STYLE_TEXT);
	rich_addz(&first, " ", STYLE_TEXT);
	while (rest.text.len < columns + 1)
		rich_addz(&rest, " ", STYLE_TEXT);
	rich_addz(&r, help, STYLE_TEXT);
	lines_wrap(&h->lines, &r, width, &first, &rest, true);
	rich_release(&r);
	rich_release(&first);
	rich_release(&rest);
}

static void add_title(struct help *h, const char *title)
{
	struct rich r = {0};

	rich_addz(&r, title, STYLE_TITLE);
	lines_add(&h->lines, NULL, NULL, 0, 0, LINE_OWN);
	lines_add(&h->lines, NULL, &r, 0, r.text.len, LINE_OWN);
	rich_release(&r);
}

static void add_context(struct help *h, const struct keymap *km, int width, int context)
{
	struct buf keys = {0};

	add_title(h, key_context_name((enum key_context)context));
	for (int a = ACTION_NONE + 1; a < ACTION_N; a++) {
		const struct action_row *row = action_row((enum action)a);

		if ((int)row->context != context)
			continue;
		buf_reset(&keys);
		keymap_add_keys(km, (enum action)a, &keys);
		add_row(h, width, keys.len > 0 ? buf_str(&keys) : STR_LIT("—"), row->help);
	}
	buf_release(&keys);
}

static void add_commands(struct help *h, int width)
{
	struct buf left = {0};

	add_title(h, "Commands, typed into the input");
	for (size_t i = 0; i < h->n_commands; i++) {
		const struct help_command *c = &h->commands[i];

		buf_reset(&left);
		buf_addf(&left, "/%s%s%s", c->name, c->arg[0] != '\0' ? " " : "", c->arg);
		add_row(h, width, buf_str(&left), c->help);
	}
	buf_release(&left);
}

static void make(struct help *h, const struct keymap *km, int width)
{
	struct rich r = {0};

	lines_reset(&h->lines);
	rich_addz(&r,
		  "Write below, Enter sends. Alt with the arrows goes between the "
		  "conversations, the "
		  "transcript and the input. Nothing is ever lost: an edit or another answer "
		  "is a "
		  "branch beside the old one. C- is Ctrl, M- is Alt.",
		  STYLE_TEXT);
	lines_wrap(&h->lines, &r, width, NULL, NULL, true);
	rich_release(&r);
	for (int c = 0; c < KEYS_N_CONTEXTS; c++) {
		if (c != KEYS_VI || h->vi)
			add_context(h, km, width, c);
	}
	if (h->n_commands > 0)
		add_commands(h, width);
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
