/* Any bytes as a command line. */
#include "app/tools/shellwords.h"


#include "engine/base/err.h"
#include "tests/fuzz/fuzz.h"

/* A word as any shell reads it. */
static void add_quoted(struct buf *out, struct str word)
{
	buf_addc(out, '\'');
	for (size_t i = 0; i < word.n; i++) {
		if (word.p[i] == '\'')
			buf_addz(out, "'\\''");
		else
			buf_addc(out, word.p[i]);
	}
	buf_addc(out, '\'');
}

/* Its words, quoted, are the same command again. */
static void check_command(const struct shell_command *c)
{
	struct shell_line again;
	struct buf text = {0};

	BUG_ON(!c->n_words);
	for (size_t i = 0; i < c->n_words; i++) {
		buf_addc(&text, ' ');
		add_quoted(&text, c->words[i].text);
	}
	if (text.len <= SHELLWORDS_BYTES) {
		shellwords_parse(buf_str(&text), &again);
		BUG_ON(again.n != 1 || again.commands[0].n_words != c->n_words);
		for (size_t i = 0; i < c->n_words; i++)
			BUG_ON(!str_eq(again.commands[0].words[i].text, c->words[i].text));
		shellwords_release(&again);
	}
	buf_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = {(const char *)data, size};
	struct shell_line line;
	enum shellwords understood = shellwords_parse(text, &line);

	BUG_ON((understood == SHELL_UNDERSTOOD) != (line.why == NULL));
	BUG_ON(understood == SHELL_UNDERSTOOD && !line.n);
	BUG_ON(line.n > SHELLWORDS_COMMANDS || line.at > size);
	for (size_t i = 0; i < line.n; i++)
		check_command(&line.commands[i]);
	shellwords_release(&line);
	return 0;
}
