/* The table of verbs. */
#include "app/verb/verb.h"

#include <stdio.h>
#include <string.h>

#include "app/exit.h"
#include "engine/base/termsafe.h"

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

	fprintf(stderr, "usage: dsv4chat %s %s\n", name, v ? v->usage : "");
	return EXIT_USAGE;
}

int verb_status(const char *name, int rc, const struct err *err)
{
	struct buf text = {0};

	/* Messages quote files: nothing in them may act on a terminal. */
	termsafe_add(&text, str_of(err->text));
	if (rc)
		fprintf(stderr, "dsv4chat: %s: %s\n", name, buf_z(&text));
	buf_release(&text);
	return exit_code_of(rc);
}

int verb_help(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	for (const struct verb *v = verbs; v->name; v++)
		printf("dsv4chat %-9s %s\n", v->name, v->help);
	puts("dsv4chat --help lists the options, dsv4chat(1) tells all.");
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}
