/*
 * completion: what a shell completes behind "dsv4chat", written for that shell out of the
 * tables of options, verbs and subcommands.
 */
#include <string.h>

#include "app/options.h"
#include "app/verb/flags.h"
#include "app/verb/io.h"
#include "app/verb/verb.h"

/* A text in single quotes, which end and begin again around one of its own: for all three. */
static void add_quoted(struct buf *out, struct str s)
{
	buf_addc(out, '\'');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\'')
			buf_addz(out, "'\\''");
		else
			buf_addc(out, s.p[i]);
	}
	buf_addc(out, '\'');
}

static void add_verbs(struct buf *out)
{
	for (const struct verb *v = verbs; v->name; v++)
		buf_addf(out, "%s%s", v == verbs ? "" : " ", v->name);
}

/* Each place that has flags, but for the program itself. */
static void each_place(void (*each)(struct buf *out, struct flag_place at), struct buf *out)
{
	struct verb sub;

	for (const struct verb *v = verbs; v->name; v++)
		each(out, (struct flag_place){v->name, NULL});
	for (size_t i = 0; verb_history_row(i, &sub); i++)
		each(out, (struct flag_place){"history", sub.name});
}

/* ---- bash ---- */

/* "-m|--model)": what stands before its value. */
static void add_bash_value(void *ctx, const struct flag *f)
{
	struct buf *out = ctx, head = {0};

	if (f->value == FLAG_BARE || f->value == FLAG_ANY)
		return;
	buf_addz(&head, "\t");
	if (f->letter)
		buf_addf(&head, "-%c%s", f->letter, f->name.n ? "|" : "");
	if (f->name.n)
		buf_addf(&head, "--%.*s", (int)f->name.n, f->name.p);
	buf_addz(&head, ")\n");
	/* The same flag is the same thing wherever it stands. */
	if (!strstr(buf_z(out), buf_z(&head))) {
		buf_adds(out, buf_str(&head));
		if (f->value == FLAG_CHOICE)
			buf_addf(out, "\t\tCOMPREPLY=($(compgen -W '%.*s' -- \"$cur\"))\n",
				 (int)f->choices.n, f->choices.p);
		else
			buf_addf(out, "\t\tCOMPREPLY=($(compgen -%c -- \"$cur\"))\n",
				 f->value == FLAG_DIR ? 'd' : 'f');
		buf_addz(out, "\t\treturn ;;\n");
	}
	buf_release(&head);
}

static void add_bash_values(struct buf *out, struct flag_place at)
{
	flags_each(at, add_bash_value, out);
}

static void add_bash_flag(void *ctx, const struct flag *f)
{
	struct buf *out = ctx;

	if (f->name.n)
		buf_addf(out, " --%.*s", (int)f->name.n, f->name.p);
	else
		buf_addf(out, " -%c", f->letter);
}

static void add_bash_flags(struct buf *out, struct flag_place at)
{
	buf_addf(out, "\t'%s %s') options='", at.verb, at.sub ? at.sub : "");
	flags_each(at, add_bash_flag, out);
	buf_addz(out, "' ;;\n");
}

static void add_bash_words(struct buf *out)
{
	for (const struct verb *v = verbs; v->name; v++) {
		struct buf words = {0};

		if (strcmp(v->name, "help") == 0)
			add_verbs(&words);
		else
			flags_add_words(v->name, &words);
		if (words.len)
			buf_addf(out, "\t%s) words='%s' ;;\n", v->name, buf_z(&words));
		buf_release(&words);
	}
}

static void write_bash(struct buf *out)
{
	buf_addz(out,
		 "# Completion of dsv4chat for bash.\n\n_dsv4chat()\n{\n"
		 "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
		 "\tlocal verb= sub= options words=\n\n\tCOMPREPLY=()\n\tcase $prev in\n");
	add_bash_values(out, (struct flag_place){0});
	each_place(add_bash_values, out);
	buf_addz(out, "\tesac\n\t((COMP_CWORD < 2)) || verb=${COMP_WORDS[1]}\n"
		      "\t[[ $verb != history ]] || ((COMP_CWORD < 3)) || sub=${COMP_WORDS[2]}\n"
		      "\tcase \"$verb $sub\" in\n");
	each_place(add_bash_flags, out);
	buf_addz(out, "\t*) options='");
	flags_each((struct flag_place){0}, add_bash_flag, out);
	buf_addz(out, "' ;;\n\tesac\n\tcase $verb in\n");
	add_bash_words(out);
	buf_addz(out, "\tesac\n\tif [[ $cur == -* ]]; then\n"
		      "\t\tCOMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n"
		      "\telif ((COMP_CWORD == 2)) && [[ $words ]]; then\n"
		      "\t\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
		      "\telif ((COMP_CWORD == 1)); then\n\t\tCOMPREPLY=($(compgen -W '");
	add_verbs(out);
	buf_addz(out, "' -- \"$cur\"))\n\tfi\n}\ncomplete -o default -F _dsv4chat dsv4chat\n");
}

/* ---- zsh ---- */

/* Of a text within an option's description. */
static void add_escaped(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (strchr("[]:\\", s.p[i]))
			buf_addc(out, '\\');
		buf_addc(out, s.p[i]);
	}
}

static void add_zsh_spec(struct buf *out, const char *dashes, struct str name,
			 const struct flag *f)
{
	struct buf spec = {0};

	buf_addf(&spec, "*%s%.*s", dashes, (int)name.n, name.p);
	buf_addz(&spec, "[");
	add_escaped(&spec, f->help);
	buf_addz(&spec, "]");
	if (f->value != FLAG_BARE) {
		buf_addz(&spec, ":");
		add_escaped(&spec, f->arg);
		buf_addz(&spec, ":");
	}
	if (f->value == FLAG_FILE)
		buf_addz(&spec, "_files");
	else if (f->value == FLAG_DIR)
		buf_addz(&spec, "_files -/");
	else if (f->value == FLAG_CHOICE)
		buf_addf(&spec, "(%.*s)", (int)f->choices.n, f->choices.p);
	buf_addz(out, " \\\n\t\t\t");
	add_quoted(out, buf_str(&spec));
	buf_release(&spec);
}

static void add_zsh_flag(void *ctx, const struct flag *f)
{
	if (f->letter)
		add_zsh_spec(ctx, "-", (struct str){&f->letter, 1}, f);
	if (f->name.n)
		add_zsh_spec(ctx, "--", f->name, f);
}

static void add_zsh_place(struct buf *out, struct flag_place at)
{
	struct buf words = {0};

	if (at.verb && strcmp(at.verb, "history") == 0 && !at.sub)
		return;
	if (at.verb && !at.sub && strcmp(at.verb, "help") == 0)
		add_verbs(&words);
	else if (at.verb && !at.sub)
		flags_add_words(at.verb, &words);
	if (at.verb)
		buf_addf(out, "\t'%s %s')", at.verb, at.sub ? at.sub : "");
	else
		buf_addz(out, "\t*)");
	buf_addz(out, "\n\t\t_arguments -S");
	flags_each(at, add_zsh_flag, out);
	if (words.len)
		buf_addf(out, " \\\n\t\t\t'1: :(%s)'", buf_z(&words));
	buf_addz(out, " \\\n\t\t\t'*:file:_files' ;;\n");
	buf_release(&words);
}

static void add_described(struct buf *out, const char *name, const char *help)
{
	struct buf row = {0};

	buf_addf(&row, "%s:%s", name, help);
	buf_addz(out, "\n\t\t");
	add_quoted(out, buf_str(&row));
	buf_release(&row);
}

static void write_zsh(struct buf *out)
{
	struct verb sub;

	buf_addz(out, "#compdef dsv4chat\n# Completion of dsv4chat for zsh.\n\n_dsv4chat()\n{\n"
		      "\tlocal sub= verb=\n\tlocal -a verbs subcommands\n\n\tverbs=(");
	for (const struct verb *v = verbs; v->name; v++)
		add_described(out, v->name, v->help);
	buf_addz(out, ")\n\tsubcommands=(");
	for (size_t i = 0; verb_history_row(i, &sub); i++)
		add_described(out, sub.name, sub.help);
	buf_addz(
		out,
		")\n\tif ((CURRENT == 2)) && [[ $words[2] != -* ]]; then\n"
		"\t\t_describe verb verbs\n\t\treturn\n\tfi\n"
		"\tif ((CURRENT == 3)) && [[ $words[2] == history && $words[3] != -* ]]; then\n"
		"\t\t_describe subcommand subcommands\n\t\treturn\n\tfi\n"
		"\tif ((CURRENT > 2)) && [[ ${verbs[(r)$words[2]:*]} ]]; then\n"
		"\t\tverb=$words[2]\n\t\tshift words\n\t\t((CURRENT--))\n\tfi\n"
		"\tif [[ $verb == history ]] && ((CURRENT > 2)); then\n"
		"\t\tsub=$words[2]\n\t\tshift words\n\t\t((CURRENT--))\n\tfi\n"
		"\tcase \"$verb $sub\" in\n");
	each_place(add_zsh_place, out);
	add_zsh_place(out, (struct flag_place){0});
	buf_addz(out, "\tesac\n}\n\n"
		      "if [[ $funcstack[1] == _dsv4chat ]]; then\n\t_dsv4chat \"$@\"\n"
		      "else\n\tcompdef _dsv4chat dsv4chat\nfi\n");
}

/* ---- fish ---- */

struct fish {
	struct buf *out;
	struct flag_place at;
};

static void add_fish_where(struct buf *out, struct flag_place at)
{
	buf_addz(out, "complete -c dsv4chat -n ");
	if (!at.verb) {
		buf_addz(out, "'not __fish_seen_subcommand_from ");
		add_verbs(out);
		buf_addz(out, "'");
	} else if (!at.sub) {
		buf_addf(out, "'__fish_seen_subcommand_from %s'", at.verb);
	} else {
		buf_addf(out,
			 "'__fish_seen_subcommand_from %s; and __fish_seen_subcommand_from %s'",
			 at.verb, at.sub);
	}
}

static void add_fish_flag(void *ctx, const struct flag *f)
{
	const struct fish *fish = ctx;
	struct buf *out = fish->out;

	add_fish_where(out, fish->at);
	if (f->letter)
		buf_addf(out, " -s %c", f->letter);
	if (f->name.n)
		buf_addf(out, " -l %.*s", (int)f->name.n, f->name.p);
	if (f->value == FLAG_FILE)
		buf_addz(out, " -r -F");
	else if (f->value == FLAG_DIR)
		buf_addz(out, " -x -a '(__fish_complete_directories)'");
	else if (f->value == FLAG_CHOICE)
		buf_addf(out, " -x -a '%.*s'", (int)f->choices.n, f->choices.p);
	else if (f->value == FLAG_ANY)
		buf_addz(out, " -x");
	buf_addz(out, " -d ");
	add_quoted(out, f->help);
	buf_addc(out, '\n');
}

static void add_fish_place(struct buf *out, struct flag_place at)
{
	flags_each(at, add_fish_flag, &(struct fish){out, at});
}

/* What may stand first behind it. */
static void add_fish_words(struct buf *out, const char *verb, const char *words)
{
	buf_addf(out,
		 "complete -c dsv4chat -n '__fish_seen_subcommand_from %s; and not "
		 "__fish_seen_subcommand_from %s' -f -a '%s'\n",
		 verb, words, words);
}

static void write_fish(struct buf *out)
{
	struct buf words = {0}, help = {0};

	buf_addz(out, "# Completion of dsv4chat for fish.\n\n");
	for (const struct verb *v = verbs; v->name; v++) {
		buf_addf(out, "complete -c dsv4chat -n __fish_use_subcommand -a %s -d ",
			 v->name);
		add_quoted(out, str_of(v->help));
		buf_addc(out, '\n');
	}
	for (const struct verb *v = verbs; v->name; v++) {
		buf_reset(&words);
		flags_add_words(v->name, &words);
		if (words.len)
			add_fish_words(out, v->name, buf_z(&words));
	}
	add_verbs(&help);
	buf_addf(out, "complete -c dsv4chat -n '__fish_seen_subcommand_from help' -f -a '%s'\n",
		 buf_z(&help));
	add_fish_place(out, (struct flag_place){0});
	each_place(add_fish_place, out);
	buf_release(&words);
	buf_release(&help);
}

/* ---- the verb ---- */

static const struct {
	const char *shell;
	void (*write)(struct buf *out);
} shells[] = {{"bash", write_bash}, {"zsh", write_zsh}, {"fish", write_fish}};

bool verb_add_completion(const char *shell, struct buf *out)
{
	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
		if (strcmp(shell, shells[i].shell) == 0) {
			shells[i].write(out);
			return true;
		}
	}
	return false;
}

int verb_completion(int argc, char **argv)
{
	struct buf out = {0};
	struct err err = {0};
	int rc;

	if (argc != 2 || !verb_add_completion(argv[1], &out))
		return verb_usage(argv[0]);
	rc = buf_failed(&out) ? err_nomem(&err, "completion", out.len) : verb_write(&out, &err);
	buf_release(&out);
	return verb_status(argv[0], rc, &err);
}
