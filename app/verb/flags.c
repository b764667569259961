/* The options' table, and what usage lines say. */
#include "app/verb/flags.h"

#include <getopt.h>
#include <string.h>

#include "app/options.h"
#include "app/verb/verb.h"

static struct str str_to(const char *from, const char *to)
{
	return (struct str){from, (size_t)(to - from)};
}

static enum flag_value kind_of(struct str arg)
{
	if (!arg.n)
		return FLAG_BARE;
	if (memchr(arg.p, '|', arg.n))
		return FLAG_CHOICE;
	return str_is(arg, "FILE") ? FLAG_FILE : str_is(arg, "DIR") ? FLAG_DIR : FLAG_ANY;
}

/* The row of help that begins with the flag: "--chunk C\tread so many …\n". */
static struct str help_of(const char *options, const char *flag, size_t n)
{
	while (*options) {
		const char *tab = strchr(options, '\t'), *end = strchr(options, '\n');

		if (strncmp(options, flag, n) == 0 && (options[n] == ' ' || options[n] == '\t'))
			return str_to(tab + 1, end);
		options = end + 1;
	}
	return (struct str){0};
}

/* ---- of the options' table ---- */

static void tell_row(const struct option_row *row, flag_fn each, void *ctx)
{
	struct buf choices = {0};
	struct flag f = {.letter = row->letter,
			 .name = str_of(row->name),
			 .arg = str_of(row->arg),
			 .help = str_of(row->help)};

	f.value = kind_of(f.arg);
	for (int i = 0; row->choices && row->choices[i]; i++) {
		f.value = FLAG_CHOICE;
		buf_addf(&choices, "%s%s", i ? " " : "", row->choices[i]);
	}
	f.choices = buf_str(&choices);
	each(ctx, &f);
	buf_release(&choices);
}

static void tell_options(flag_fn each, void *ctx)
{
	for (const struct option_row *row = option_rows; row->name; row++)
		if ((row->where & OPTION_FLAG) && !(row->where & OPTION_HIDDEN))
			tell_row(row, each, ctx);
}

static void tell_engine(flag_fn each, void *ctx)
{
	static const struct option flags[] = {VERB_ENGINE_FLAGS};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		tell_row(option_find(flags[i].name), each, ctx);
}

/* ---- of usage lines ---- */

/* The flag at p, "-o FILE" or "--all|…"; returns where it ends. */
static const char *tell_flag(const char *p, const char *options, flag_fn each, void *ctx)
{
	const char *end = p + strcspn(p, " ]|");
	bool is_long = p[1] == '-';
	struct flag f = {.letter = is_long ? 0 : p[1],
			 .name = is_long ? str_to(p + 2, end) : (struct str){0},
			 .help = help_of(options, p, (size_t)(end - p))};
	struct buf choices = {0};

	if (*end == ' ' && end[1] != '[' && end[1] != '-' && end[1] != '|') {
		const char *arg = end + 1;

		end = arg + strcspn(arg, " ]");
		f.arg = str_to(arg, end);
	}
	f.value = kind_of(f.arg);
	buf_adds(&choices, f.arg);
	for (char *c = choices.data; c && *c; c++)
		*c = *c == '|' ? ' ' : *c;
	if (f.value == FLAG_CHOICE)
		f.choices = buf_str(&choices);
	each(ctx, &f);
	buf_release(&choices);
	return end;
}

static void tell_usage(const struct verb *v, flag_fn each, void *ctx)
{
	for (const char *p = v->usage; *p;) {
		if (*p == '-' && p[1] && p[1] != ' ')
			p = tell_flag(p, v->options, each, ctx);
		else if (strncmp(p, "ENGINE", 6) == 0)
			tell_engine(each, ctx), p += 6;
		else
			p++;
	}
}

void flags_each(struct flag_place at, flag_fn each, void *ctx)
{
	struct verb sub;

	if (!at.verb) {
		tell_options(each, ctx);
	} else if (!at.sub) {
		tell_usage(verb_find(at.verb), each, ctx);
	} else {
		for (size_t i = 0; verb_history_row(i, &sub); i++)
			if (strcmp(sub.name, at.sub) == 0)
				tell_usage(&sub, each, ctx);
	}
}

void flags_add_words(const char *verb, struct buf *out)
{
	const char *usage = verb_find(verb)->usage + strspn(verb_find(verb)->usage, "[");
	size_t n = strcspn(usage, " ]");

	if (usage[0] == '-' || !memchr(usage, '|', n))
		return;
	for (size_t i = 0; i < n; i++)
		buf_addc(out, usage[i] == '|' ? ' ' : usage[i]);
}
