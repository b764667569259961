/* The table of verbs. */
#include "app/verb/verb.h"

#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "app/app.h"
#include "app/exit.h"
#include "app/help.h"
#include "app/output.h"
#include "app/verb/io.h"

#define USAGE_AT   7
#define OPTIONS_AT 18

#define MODEL_ROW                                                                             \
	"--model DIR\tthe checkpoint; else the configured one, else the small model\n"
#define CTX_ROW "--ctx N\tthe context in tokens\n"
#define ENGINE_ROWS                                                                           \
	"ENGINE\twhat computes: --backend, --threads, --gpu, --gpu-memory, --ranks, --comm, "    \
	"--kernels, --moe-backend, --gpu-experts, --experts; dsv4chat --help says what they are\n"
#define CHUNK_ROW                                                                             \
	"--chunk C\tread so many tokens at a time; as many as the backend likes best where it "  \
	"is not given\n"

const struct verb verbs[] = {
	{"bench", verb_bench, "measure the engine beside this machine's memory",
	 "[--model DIR | --dummy SHAPE [--layers N]] [--ctx N] [--draft | --cache | --load] [ENGINE]",
	 MODEL_ROW "--dummy SHAPE\trandom weights instead: flash, flash-dspark or pro\n"
		   "--layers N\tof these, N layers; as many as fit where it is not given\n" CTX_ROW
		   "--draft\twhat drafting brings, at each depth, instead\n"
		   "--cache\twhat going back to a conversation costs, instead\n"
		   "--load\thow fast the checkpoint is loaded, twice, instead\n" ENGINE_ROWS},
	{"cache", verb_cache, "what is kept on disk of what was read", "[list|verify|clear]",
	 "list\tconversations, and what is kept of each\n"
	 "verify\tread all of it; what is damaged is said and removed\n"
	 "clear\tremove all of it: the next time it is read again\n"},
	{"complete", verb_complete, "answer conversations for programs, one JSON a line",
	 "[--model DIR] [--raw] [--ctx N] [ENGINE]",
	 MODEL_ROW "--raw\tgo on with plain text, {\"prompt\": …}\n" CTX_ROW ENGINE_ROWS},
	{"completion", verb_completion, "write what a shell reads to complete words",
	 "bash|zsh|fish", ""},
	{"doctor", verb_doctor, "say what is found on this machine, and what is missing",
	 "[--model DIR] [--ctx N] [ENGINE]", MODEL_ROW CTX_ROW ENGINE_ROWS},
	{"help", verb_help, "this list, or what a verb does", "[VERB [SUBCOMMAND]]", ""},
	{"history", verb_history, "list, search, export, remove stored conversations",
	 "[list|search|show|export|import|rename|pin|archive|rm|gc|verify|backup|path] …", ""},
	{"logits", verb_logits, "compute the logits of token ids, into a file",
	 "[--model DIR] --prefill N [--chunk C] [--mtp] [ENGINE] -o FILE < ids.json",
	 MODEL_ROW "--prefill N\tread N ids at once, the others one by one\n" CHUNK_ROW
		   "--mtp\tthe draft head's logits, too\n"
		   "-o FILE\tthe safetensors file to write\n" ENGINE_ROWS},
	{"parse", verb_parse, "read a completion of the model as a message",
	 "--thinking|--chat [--jsonl]",
	 "--thinking\tit begins with thinking\n--chat\tit begins with the answer\n"
	 "--jsonl\ta completion a line, {\"completion\": …}\n"},
	{"paths", verb_paths, "say where files are kept", "", ""},
	{"prompt", verb_prompt, "write conversations as the model reads them", "[--model DIR]",
	 MODEL_ROW},
	{"replay", verb_replay, "give a stored answer again, and say whether it is the same",
	 "[--model DIR] [--ctx N] [--anyway] [ENGINE] [ID[:N]]",
	 MODEL_ROW CTX_ROW
	 "--anyway\tcompare also where model, build or backend are others: nothing is promised\n"
	 ENGINE_ROWS
	 "ID[:N]\ta conversation, else the last; its message N, as history show --ids counts, else "
	 "its last answer\n"},
	{"score", verb_score, "compute the perplexity of a text",
	 "[--model DIR] [--ctx N] [--chunk C] [ENGINE] FILE",
	 MODEL_ROW CTX_ROW CHUNK_ROW ENGINE_ROWS "FILE\tthe text; - is standard input\n"},
	{"tokens", verb_tokens, "turn text into token ids, and back",
	 "[--model DIR] [--special] [--decode] [--json]",
	 MODEL_ROW "--special\ttext that spells a control token is one\n"
		   "--decode\tids in, text out\n--json\ta line each, \"text\" and \"ids\"\n"},
	{"tools", verb_tools, "what of a model's calls needs a question", "[list | check COMMAND | test]",
	 "list\tthe tools and the configured rules\n"
	 "check\thow a command is split, and what the rules say of it, in this folder\n"
	 "test\teach tool is tried, in a folder made for it\n"},
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

static void add_usage(struct buf *out, const char *name, const char *usage)
{
	struct buf line = {0};

	buf_addf(&line, "dsv4chat %s %s", name, usage);
	help_add(out, "usage:", USAGE_AT, buf_z(&line));
	buf_release(&line);
}

int verb_usage(const char *name)
{
	const struct verb *v = verb_find(name);
	struct buf out = {0};

	add_usage(&out, name, v ? v->usage : "");
	output_safe(STDERR_FILENO, buf_str(&out));
	buf_release(&out);
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

/* ---- help ---- */

void verb_add_help(struct buf *out, const char *name, const char *usage, const char *help,
		   const char *options)
{
	struct buf left = {0}, text = {0};

	add_usage(out, name, usage);
	buf_addf(out, "\n  %s\n%s", help, *options ? "\n" : "");
	while (*options) {
		size_t n = strcspn(options, "\t"), end = strcspn(options, "\n");

		buf_reset(&left);
		buf_reset(&text);
		buf_addf(&left, "  %.*s", (int)n, options);
		buf_add(&text, options + n + 1, end - n - 1);
		help_add(out, buf_z(&left), OPTIONS_AT, buf_z(&text));
		options += end + 1;
	}
	buf_release(&left);
	buf_release(&text);
}

/* Of a verb, of one of its subcommands, or (NULL) the list. */
static bool add_help(struct buf *out, const char *name, const char *sub)
{
	const struct verb *v = name ? verb_find(name) : NULL;

	if (name && !v)
		return false;
	if (v && v->run == verb_history)
		return verb_history_help(out, sub);
	if (v) {
		verb_add_help(out, v->name, v->usage, v->help, v->options);
		return !sub;
	}
	for (v = verbs; v->name; v++) {
		struct buf left = {0};

		buf_addf(&left, "dsv4chat %s", v->name);
		help_add(out, buf_z(&left), OPTIONS_AT, v->help);
		buf_release(&left);
	}
	buf_addz(out, "dsv4chat help VERB tells of one, dsv4chat --help lists the options, "
		      "dsv4chat(1)\ntells all.\n");
	return true;
}

static bool wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

bool verb_helped(int argc, char **argv, int *code)
{
	bool by_verb = strcmp(argv[0], "help") == 0 && argc <= 3;
	const char *name = by_verb ? (argc > 1 ? argv[1] : NULL) : argv[0];
	const char *sub = by_verb ? (argc > 2 ? argv[2] : NULL)
				  : (argc > 1 && argv[1][0] != '-' ? argv[1] : NULL);
	struct buf out = {0};
	struct err err = {0};
	bool is = by_verb || wants_help(argc, argv);

	/* "VERB WORD --help": the word may be no subcommand. */
	if (is && !add_help(&out, name, sub)) {
		buf_reset(&out);
		is = !by_verb && add_help(&out, name, NULL);
	}
	if (is)
		*code = verb_status(argv[0], verb_write(&out, &err), &err);
	buf_release(&out);
	return is;
}

int verb_help(int argc, char **argv)
{
	int code;

	return verb_helped(argc, argv, &code) ? code : verb_usage(argv[0]);
}

const struct verb *verb_meant(int argc, char **argv)
{
	const char *next = argc > 1 ? argv[1] : NULL;
	const struct verb *best = NULL;
	int least = 3;

	/* More words are a sentence. */
	if (strlen(argv[0]) < 4 ||
	    (next && next[0] != '-' && !verb_is_subcommand(next) && !verb_find(next)))
		return NULL;
	for (const struct verb *v = verbs; v->name; v++) {
		int d = help_distance(v->name, argv[0]);

		if (d < least) {
			least = d;
			best = v;
		}
	}
	return best;
}
