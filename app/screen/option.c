/* Options that change while the screen runs. */
#include "app/screen/private.h"

#include <stdlib.h>

static const char *const switches[] = {"off", "on", NULL};

static bool is_live(const struct option_row *row)
{
	return (row->where & OPTION_LIVE) != 0;
}

/* The choices of a row as the menu takes them; NULL = any text. */
static const char *const *choices_of(const struct option_row *row)
{
	return row->type == OPTION_SWITCH ? switches : row->choices;
}

void screen_show_options(struct screen *s)
{
	size_t n = 0, i = 0;
	const struct option_row *row;
	struct tui_option *rows;
	struct buf *values;

	for (row = option_rows; row->name; row++)
		n += is_live(row);
	rows = calloc(n + 1, sizeof(*rows));
	values = calloc(n + 1, sizeof(*values));
	for (row = option_rows; rows && values && row->name; row++) {
		if (!is_live(row))
			continue;
		option_get(s->opt, row, &values[i]);
		rows[i] = (struct tui_option){row->name, buf_z(&values[i]), row->help,
					      choices_of(row)};
		i++;
	}
	if (i > 0)
		tui_show_options(s->tui, rows, i);
	for (size_t k = 0; values && k < n; k++)
		buf_release(&values[k]);
	free(values);
	free(rows);
}

void screen_apply_options(struct screen *s)
{
	if (s->acts.agent)
		agent_set_mode(s->acts.agent, (enum agent_mode)s->opt->approve);
	screen_show_mode(s);
	tui_set_vi(s->tui, s->opt->keys == INPUT_VI);
	tui_set_ruler(s->tui, (enum tui_ruler)s->opt->ruler);
	if (s->terminal)
		terminal_set_mouse(s->terminal, s->opt->mouse);
}
