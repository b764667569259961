#include "app/screen/private.h"

#include <stdlib.h>
#include <string.h>

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

	for (row = option_rows; row->name != NULL; row++)
		n += is_live(row);
	rows = calloc(n + 1, sizeof(*rows));
	values = calloc(n + 1, sizeof(*values));
	for (row = option_rows; rows != NULL && values != NULL && row->name != NULL; row++) {
		if (!is_live(row))
			continue;
		option_get(s->opt, row, &values[i]);
		rows[i] = (struct tui_option){row->name, buf_z(&values[i]), row->help,
					      choices_of(row)};
		i++;
	}
	if (i > 0)
		tui_show_options(s->tui, rows, i);
	for (size_t k = 0; values != NULL && k < n; k++)
		buf_release(&values[k]);
	free(values);
	free(rows);
}

struct str screen_system(const struct screen *s)
{
	const struct talk_message *m = s->talk->leaf;

	if (m == NULL || s->talk->asks_system)
		return m == NULL ? str_of(s->opt->system) : buf_str(&s->talk->system);
	/* What was said last holds. */
	while (m != NULL && m->role != CHAT_SYSTEM)
		m = m->parent;
	return m != NULL ? buf_str(&m->text) : (struct str){0};
}

/* It holds for this conversation, from the next question on, and for new ones. */
static int set_system(struct screen *s, const struct option_row *row, const char *text,
		      struct err *err)
{
	int rc = option_set(s->opt, row, strcmp(text, "-") == 0 ? "" : text, err);

	if (rc < 0)
		return rc;
	buf_reset(&s->talk->system);
	buf_addz(&s->talk->system, s->opt->system);
	s->talk->asks_system = true;
	return buf_failed(&s->talk->system) ? err_nomem(err, "system prompt", strlen(text)) : 0;
}

int screen_set_option(struct screen *s, const char *name, const char *value, struct err *err)
{
	const struct option_row *row = option_find(name);
	struct buf now = {0};
	int rc = 0;

	if (row == NULL || !is_live(row))
		return err_set(err, ERR_USAGE, "%s: cannot be set here; F2 shows what can",
			       name);
	if (value != NULL)
		rc = strcmp(name, "system") == 0 ? set_system(s, row, value, err)
						 : option_set(s->opt, row, value, err);
	if (rc < 0)
		return rc;
	option_get(s->opt, row, &now);
	tui_say(s->tui, STYLE_FAINT, "%s: %s", row->name, buf_z(&now));
	tui_set_vi(s->tui, s->opt->keys == INPUT_VI);
	if (s->terminal != NULL)
		terminal_set_mouse(s->terminal, s->opt->mouse);
	buf_release(&now);
	return 0;
}
