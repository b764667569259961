/*
 * history: the stored conversations, for people and scripts.
 *
 * One row of the table below for each subcommand; what they share is in history_job.h.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/exit.h"
#include "app/help.h"
#include "app/output.h"
#include "app/paths.h"
#include "app/verb/history_job.h"
#include "app/verb/io.h"
#include "app/verb/verb.h"

struct subcommand {
	const char *name;
	int (*run)(struct history_job *r, struct err *err);
	int least, most; /* words; most -1: any number */
	const char *usage, *help;
	const char *options; /* as verb.options */
	enum { WRITES, READS, WITHOUT } store; /* what it does with the file */
};

int history_job_find(struct history_job *r, int word, int64_t *id, struct err *err)
{
	return history_find(r->h, r->words[word], id, err);
}

void history_job_words(struct history_job *r, int from, struct buf *out)
{
	for (int i = from; i < r->n_words; i++) {
		if (i > from)
			buf_addc(out, ' ');
		buf_addz(out, r->words[i]);
	}
}

static int run_path(struct history_job *r, struct err *err)
{
	struct buf out = {0};
	int rc;

	buf_addf(&out, "%s\n", r->path);
	rc = verb_write(&out, err);
	buf_release(&out);
	return rc;
}

/* -- the table ------------------------------------------------------------------------ */

#define ID_ROW   "ID\tthe beginning of an id, or a title\n"
#define JSON_ROW "--json\tan object a line\n"
#define MOST_ROW "-n N\tat most N of them\n"

static const struct subcommand subcommands[] = {
	{"list", verb_history_list, 0, 0, "[--json] [--all|--archived] [-n N]",
	 "the conversations, newest first, pinned on top",
	 JSON_ROW "--all\tthe archived ones, too\n--archived\tthese alone\n" MOST_ROW, READS},
	{"search", verb_history_search, 1, -1,
	 "[--json] [--in said|thinking|tools|all] [--best] [-n N] WORD…",
	 "find where something was said",
	 JSON_ROW "--in WHAT\twhat was said, in questions' files, too (default), what the model "
		  "thought, what tools were asked and gave, or all\n"
		  "--best\tbest first, else newest first\n" MOST_ROW
		  "WORD…\tall of them; \"a phrase\", begin* and -without are understood\n",
	 READS},
	{"show", verb_history_show, 1, 1, "[--json|--ids] ID", "a conversation, to be read",
	 "--json\tall of it, as JSON\n--ids\tthe token ids of its answers\n" ID_ROW, READS},
	{"export", verb_history_export, 0, -1, "[--format md|json|jsonl] [-o FILE] [ID…]",
	 "write conversations, all where none is named",
	 "--format FORMAT\tmd (the branch that is shown), json or jsonl (default): all branches\n"
	 "-o FILE\twhere to; it must not be there yet\n" ID_ROW,
	 READS},
	{"import", verb_history_import, 0, 1, "[FILE]", "take in what export wrote as JSON Lines",
	 "FILE\tstandard input where none is given\n", WRITES},
	{"rename", verb_history_rename, 2, -1, "ID TITLE…", "give it a title, which stays",
	 ID_ROW, WRITES},
	{"pin", verb_history_pin, 1, 1, "[--off] ID", "keep it on top of the list",
	 "--off\tno longer\n" ID_ROW, WRITES},
	{"archive", verb_history_archive, 1, 1, "[--off] ID", "leave it out of the list",
	 "--off\tno longer\n" ID_ROW, WRITES},
	{"rm", verb_history_rm, 1, -1, "[--yes] ID…", "remove conversations for good",
	 "--yes\tdo not ask\n" ID_ROW, WRITES},
	{"gc", verb_history_gc, 0, 0, "", "write the file anew without free pages", "", WRITES},
	{"verify", verb_history_verify, 0, 0, "[--repair]", "check the whole file",
	 "--repair\tmake the search anew where anything is wrong\n", WRITES},
	{"backup", verb_history_backup, 1, 1, "FILE", "copy the file, while others use it", "",
	 WRITES},
	{"path", run_path, 0, 0, "", "say where the file is", "", WITHOUT},
};

#define N_SUBCOMMANDS (sizeof(subcommands) / sizeof(subcommands[0]))

bool verb_history_row(size_t row, struct verb *as)
{
	const struct subcommand *s = &subcommands[row];

	if (row >= N_SUBCOMMANDS)
		return false;
	*as = (struct verb){
		.name = s->name, .help = s->help, .usage = s->usage, .options = s->options};
	return true;
}

/* Without a subcommand there are many: each has its line. */
static void add_usage(struct buf *out, const struct subcommand *s)
{
	for (size_t i = 0; i < N_SUBCOMMANDS; i++) {
		struct buf line = {0};

		buf_addf(&line, "dsv4chat history %s %s", subcommands[i].name,
			 subcommands[i].usage);
		if (!s || s == &subcommands[i])
			help_add(out, "usage:", 7, buf_z(&line));
		buf_release(&line);
	}
}

static int usage(const struct subcommand *s)
{
	struct buf out = {0};

	add_usage(&out, s);
	output_safe(STDERR_FILENO, buf_str(&out));
	buf_release(&out);
	return exit_code_of(ERR_USAGE);
}

static const struct subcommand *subcommand_find(const char *name)
{
	for (size_t i = 0; i < N_SUBCOMMANDS; i++)
		if (strcmp(subcommands[i].name, name) == 0)
			return &subcommands[i];
	return NULL;
}

bool verb_is_subcommand(const char *word)
{
	return subcommand_find(word) != NULL;
}

bool verb_history_help(struct buf *out, const char *name)
{
	const struct subcommand *s = name ? subcommand_find(name) : NULL;
	struct buf whole = {0};

	if (name && !s)
		return false;
	buf_addf(&whole, "history %s", s ? s->name : "");
	if (s)
		verb_add_help(out, buf_z(&whole), s->usage, s->help, s->options);
	for (size_t i = 0; !s && i < N_SUBCOMMANDS; i++) {
		buf_reset(&whole);
		buf_addf(&whole, "dsv4chat history %s", subcommands[i].name);
		help_add(out, buf_z(&whole), 26, subcommands[i].help);
	}
	if (!s)
		buf_addz(out, "Without a word behind it, it lists.  dsv4chat help history NAME "
			      "tells of one.\n");
	buf_release(&whole);
	return true;
}

static int scopes_of(const char *name, unsigned *scopes)
{
	static const struct {
		const char *name;
		unsigned scopes;
	} rows[] = {{"said", HISTORY_IN_SAID},
		    {"thinking", HISTORY_IN_THINKING},
		    {"tools", HISTORY_IN_TOOLS},
		    {"all", HISTORY_IN_SAID | HISTORY_IN_THINKING | HISTORY_IN_TOOLS}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].name, name) == 0) {
			*scopes = rows[i].scopes;
			return 0;
		}
	}
	return ERR_USAGE;
}

static int read_options(struct history_job *r, int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"all", no_argument, NULL, 'a'},
		{"archived", no_argument, NULL, 'A'},
		{"best", no_argument, NULL, 'b'},
		{"yes", no_argument, NULL, 'y'},
		{"off", no_argument, NULL, 'x'},
		{"repair", no_argument, NULL, 'R'},
		{"ids", no_argument, NULL, 'I'},
		{"format", required_argument, NULL, 'f'},
		{"in", required_argument, NULL, 'i'},
		{0},
	};
	bool *const switches[] = {
		['j'] = &r->json, ['a'] = &r->all, ['A'] = &r->archived, ['b'] = &r->best,
		['y'] = &r->yes,  ['x'] = &r->off, ['R'] = &r->repair,   ['I'] = &r->ids};
	char *end;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "n:o:", options, NULL)) != -1) {
		switch (c) {
		case 'n':
			r->limit = strtoul(optarg, &end, 10);
			if (*end || end == optarg || *optarg == '-')
				return ERR_USAGE;
			break;
		case 'o':
			r->to = optarg;
			break;
		case 'f':
			r->format = optarg;
			break;
		case 'i':
			if (scopes_of(optarg, &r->scopes))
				return ERR_USAGE;
			break;
		case '?':
			output_format(STDERR_FILENO,
				      "dsv4chat: history: option %s: not known, or without "
				      "its value\n",
				      verb_unknown(argv));
			return ERR_USAGE;
		default:
			*switches[c] = true;
		}
	}
	r->words = argv + optind;
	r->n_words = argc - optind;
	return 0;
}

/* What is there and may not be written can be read all the same. */
static int open_store(const struct subcommand *s, struct history_job *r, struct err *err)
{
	int rc;

	if (s->store != READS || access(r->path, F_OK) != 0 || history_may_write(r->path))
		return history_open(&r->h, r->path, err);
	rc = history_open_to_read(&r->h, r->path, err);
	return rc == ERR_USAGE ? err_set(err, ERR_STORE, "%s", err->text) : rc;
}

static int run_subcommand(const struct subcommand *s, struct history_job *r)
{
	struct buf path = {0};
	struct err err = {0};
	int rc = path_of(PATH_HISTORY, &path, &err);

	r->path = buf_z(&path);
	if (!rc && s->store != WITHOUT)
		rc = open_store(s, r, &err);
	if (!rc)
		rc = s->run(r, &err);
	history_close(r->h);
	buf_release(&path);
	return verb_status("history", rc, &err);
}

int verb_history(int argc, char **argv)
{
	const struct subcommand *s = subcommand_find(argc > 1 ? argv[1] : "list");
	struct history_job r = {0};

	if (!s)
		return usage(NULL);
	if (argc > 1)
		argc--, argv++;
	if (read_options(&r, argc, argv) || r.n_words < s->least ||
	    (s->most >= 0 && r.n_words > s->most))
		return usage(s);
	return run_subcommand(s, &r);
}
