/* The table of verbs. */
#include "app/verb/verb.h"

#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "app/app.h"
#include "app/exit.h"
#include "app/output.h"
#include "app/verb/io.h"

const struct verb verbs[] = {
	{"bench", verb_bench, "measure the engine beside this machine's memory",
	 "[--model DIR | --dummy SHAPE [--layers N]] [--ctx N] [ENGINE]"},
	{"complete", verb_complete, "answer conversations for programs, one JSON a line",
	 "[--model DIR] [--raw] [--ctx N] [ENGINE]"},
	{"doctor", verb_doctor, "say what is found on this machine, and what is missing",
	 "[--model DIR] [--ctx N] [ENGINE]"},
	{"help", verb_help, "this list", ""},
	{"history", verb_history, "list, search, export, remove stored conversations",
	 "[list|search|show|export|import|rename|pin|archive|rm|gc|verify|backup|path] …"},
	{"logits", verb_logits, "compute the logits of token ids, into a file",
	 "[--model DIR] --prefill N [--chunk C] [--mtp] [ENGINE] -o FILE < ids.json"},
	{"parse", verb_parse, "read a completion of the model as a message",
	 "--thinking|--chat [--jsonl]"},
	{"paths", verb_paths, "say where files are kept", ""},
	{"prompt", verb_prompt, "write conversations as the model reads them", "[--model DIR]"},
	{"score", verb_score, "compute the perplexity of a text",
	 "[--model DIR] [--ctx N] [--chunk C] [ENGINE] FILE"},
	{"tokens", verb_tokens, "turn text into token ids, and back",
	 "[--model DIR] [--special] [--decode] [--json]"},
	{0},
};

const struct verb *verb_find(const char *name)
{
	for (const struct verb *v = verbs; v->name; v++) {
		if (strcmp(v->name, name) == 0)
			return v;
	}
	return NULL;
}

int verb_usage(const char *name)
{
	const struct verb *v = verb_find(name);

	output_format(STDERR_FILENO, "usage: dsv4chat %s %s\n", name, v ? v->usage : "");
	return EXIT_USAGE;
}

const char *verb_unknown(char **argv)
{
	const char *next = argv[optind];

	/* Of letters in one word the last alone counts as taken. */
	if (optopt && next && next[0] == '-' && next[1] != '-' && strchr(next, optopt))
		return next;
	return argv[optind - 1];
}

int verb_refuse(char **argv)
{
	struct buf text = {0};

	buf_addf(&text, "%s: option %s: not known, or without its value", argv[0],
		 verb_unknown(argv));
	app_tell(buf_z(&text));
	buf_release(&text);
	return verb_usage(argv[0]);
}

int verb_status(const char *name, int rc, const struct err *err)
{
	struct err said = *err;

	if (rc) {
		err_prefix(&said, "%s", name);
		app_tell(said.text);
	}
	return exit_code_of(rc);
}

int verb_help(int argc, char **argv)
{
	struct buf out = {0};
	struct err err = {0};
	int rc;

	(void)argc;
	(void)argv;
	for (const struct verb *v = verbs; v->name; v++)
		buf_addf(&out, "dsv4chat %-9s %s\n", v->name, v->help);
	buf_addz(&out, "dsv4chat --help lists the options, dsv4chat(1) tells all.\n");
	rc = verb_write(&out, &err);
	buf_release(&out);
	return verb_status("help", rc, &err);
}
