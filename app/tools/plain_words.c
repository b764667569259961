/* A command that is nothing but its words. */
#include "app/tools/shellwords.h"
#include "app/tools/tools.h"
#include "engine/base/jsonw.h"

static bool is_plain(const struct shell_command *c)
{
	for (size_t i = 0; i < c->n_words; i++) {
		if (c->words[i].glob)
			return false;
	}
	return !c->n_redirects;
}

static void add(const struct shell_command *c, struct buf *out)
{
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_begin_array(&w);
	for (size_t i = 0; i < c->n_words; i++)
		jsonw_string(&w, c->words[i].text);
	jsonw_end_array(&w);
}

bool tools_plain_words(struct str command, struct buf *out)
{
	struct shell_line line = {0};
	bool plain = shellwords_parse(command, &line) == SHELL_UNDERSTOOD && line.n == 1 &&
		     is_plain(&line.commands[0]);

	if (plain)
		add(&line.commands[0], out);
	shellwords_release(&line);
	return plain && !buf_failed(out);
}
