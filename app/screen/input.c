/* Earlier inputs. */
#include "app/screen/private.h"

#include "app/inputs.h"

static void add_input(void *ctx, struct str text)
{
	struct screen *s = ctx;

	tui_add_input(s->tui, text);
}

/* Earlier inputs that can't be read are told, and none. */
void screen_load_inputs(struct screen *s)
{
	struct err err;

	if (s->config->inputs_path &&
	    inputs_read(s->config->inputs_path, add_input, s, &err) < 0)
		tui_say(s->tui, STYLE_NOTICE, "%s", err.text);
}

void screen_keep_input(struct screen *s, struct str text)
{
	struct err err;

	if (text.n == 0)
		return;
	tui_add_input(s->tui, text);
	if (s->config->inputs_path &&
	    inputs_append(s->config->inputs_path, text, talk_store_uid(s->talks, s->talk),
			  &err) < 0)
		tui_say(s->tui, STYLE_NOTICE, "this input was not kept: %s", err.text);
}
