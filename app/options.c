/* The table of options. */
#include "app/options_inside.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/binding.h"
#include "app/help.h"
#include "app/tools/rules.h"
#include "engine/base/log.h"

#define AT(field) offsetof(struct options, field)
#define EVERYWHERE (OPTION_FLAG | OPTION_FILE | OPTION_LIVE)
#define AT_START (OPTION_FLAG | OPTION_FILE)

static const char *const efforts[] = {"none", "low", "high", "max", NULL};
static const char *const colors[] = {"auto", "always", "never", NULL};
static const char *const log_levels[] = {"error", "warn", "info", "debug", NULL};
static const char *const key_styles[] = {"emacs", "vi", NULL};
const char *const option_switches[] = {"off", "on", NULL};
static const char *const sandboxes[] = {"workspace", "read-only", "off", NULL};
static const char *const approvals[] = {"ask", "edits", "auto", "never", "plan", NULL}; /* enum agent_mode */
/* As enum tui_ruler has it. */
static const char *const rulers[] = {"auto", "on", "off", NULL};
static const char *const formats[] = {"text", "jsonl", NULL};
/* The first of each leaves the choice to the engine. */
static const char *const backends[] = {"auto", "cpu", "cuda", NULL};
static const char *const gpu_kernels[] = {"auto", "general", NULL};
/* As struct sampling has it. */
static const char *const drafts[] = {"auto", "off", "1", "2", "3", "4", "5", "6", "7", "8", NULL};
static const char *const expert_homes[] = {"auto", "gpu", "host", "cpu", NULL};
static const char *const moe_backends[] = {"auto", "fused", "grouped", "reference", NULL};
static const char *const comms[] = {"auto", "peer", "nccl", NULL};

/* Read once more where they are used. */
static int check_rule(enum rule_says says, const char *value, struct err *err)
{
	struct rules *r = NULL;
	int rc = rules_new(&r, STR_LIT("/"), err);

	if (!rc)
		rc = rules_add(r, says, str_of(value), err);
	rules_free(r);
	return rc;
}

static int check_allow(const char *value, struct err *err)
{
	return check_rule(RULE_ALLOW, value, err);
}

static int check_ask(const char *value, struct err *err)
{
	return check_rule(RULE_ASK, value, err);
}

static int check_deny(const char *value, struct err *err)
{
	return check_rule(RULE_DENY, value, err);
}

const struct option_row option_rows[] = {
	{"Asking", "prompt", 'p', OPTION_TEXT, AT(prompt), OPTION_FLAG, "TEXT",
	 "answer TEXT and exit (words after the options do the same)", .most = 0},
	{NULL, "file", 'f', OPTION_LIST, AT(files), OPTION_FLAG, "FILE",
	 "put a file before the question, - is stdin; may be given again", .most = 0},
	{NULL, "system", 's', OPTION_TEXT, AT(system), EVERYWHERE, "TEXT", "system prompt",
	 .most = 0},
	{NULL, "prefill", 0, OPTION_TEXT, AT(prefill), OPTION_FLAG | OPTION_LIVE, "TEXT",
	 "let the answer begin with TEXT; the model does not think before it", .most = 0},
	{NULL, "effort", 0, OPTION_CHOICE, AT(effort), EVERYWHERE, "LEVEL",
	 "how much the model thinks: none, low (default), high, max", .choices = efforts},
	{NULL, "think", 0, OPTION_ALIAS, AT(effort), OPTION_FLAG, NULL, "the same as --effort low",
	 .fixed = EFFORT_LOW},
	{NULL, "nothink", 0, OPTION_ALIAS, AT(effort), OPTION_FLAG, NULL,
	 "the same as --effort none", .fixed = EFFORT_NONE},
	{NULL, "hide-thinking", 0, OPTION_SWITCH, AT(hide_thinking), EVERYWHERE, NULL,
	 "do not show what the model thinks", .most = 0},

	{"Conversations", "continue", 'c', OPTION_SWITCH, AT(go_on), OPTION_FLAG, NULL,
	 "go on with the conversation used last", .most = 0},
	{NULL, "resume", 'r', OPTION_TEXT, AT(resume), OPTION_FLAG | OPTION_ASKED, "ID",
	 "go on with the one whose id begins with ID, or whose title says it; without ID, ask",
	 .most = 0},
	{NULL, "fork", 0, OPTION_SWITCH, AT(fork), OPTION_FLAG, NULL,
	 "with either (or by itself, as with -c): go on in a branch of it", .most = 0},
	{NULL, "ephemeral", 0, OPTION_SWITCH, AT(ephemeral), AT_START, NULL,
	 "keep nothing of the conversation", .most = 0},
	{NULL, "titles", 0, OPTION_CHOICE, AT(titles), EVERYWHERE, "WHEN",
	 "let the model name conversations when it is idle: on (default) or off",
	 .choices = option_switches},

	{"Sampling", "temp", 0, OPTION_REAL, AT(sampling.temperature), EVERYWHERE, "T",
	 "temperature (default 1; 0 = always the likeliest token)", .most = 100},
	{NULL, "top-p", 0, OPTION_REAL, AT(sampling.top_p), EVERYWHERE, "P",
	 "choose among the likeliest that make up this share (default 1)", .most = 1},
	{NULL, "top-k", 0, OPTION_SMALL, AT(sampling.top_k), EVERYWHERE, "K",
	 "choose among the K likeliest (default 0 = all)", .most = 1e6},
	{NULL, "min-p", 0, OPTION_REAL, AT(sampling.min_p), EVERYWHERE, "P",
	 "leave out what is less likely than P times the best (default 0)", .most = 1},
	{NULL, "seed", 0, OPTION_SEED, AT(sampling.seed), EVERYWHERE, "N",
	 "the same seed gives the same answer (default: a new one each turn)", .most = 0},
	{NULL, "max-tokens", 'n', OPTION_COUNT, AT(sampling.max_tokens), EVERYWHERE, "N",
	 "most tokens of an answer (default 0 = until the context is full)", .most = 1e9},

	{"Model", "model", 'm', OPTION_TEXT, AT(model), AT_START, "DIR",
	 "checkpoint directory as published (default: the small model that comes along)",
	 .most = 0},
	{NULL, "ctx", 0, OPTION_COUNT, AT(ctx), AT_START, "N",
	 "context in tokens (default 0 = the model's)", .most = 1048576},
	{NULL, "cache-memory", 0, OPTION_REAL, AT(cache_memory), AT_START, "GB",
	 "memory to keep other conversations in (default 0 = 1/8 of what is free)",
	 .most = 1e6},
	{NULL, "cache-disk", 0, OPTION_REAL, AT(cache_disk), AT_START, "GB",
	 "disk to keep what was read for the next time (default 8; 0 = none)", .most = 1e6},
	{NULL, "backend", 0, OPTION_CHOICE, AT(backend), AT_START, "NAME",
	 "what computes: auto (default, a GPU where one is), cpu, cuda", .choices = backends},
	{NULL, "threads", 0, OPTION_COUNT, AT(threads), AT_START, "N",
	 "CPU threads (default 0 = one for each physical core)", .most = 1024},
	{NULL, "gpu", 0, OPTION_SMALL, AT(gpu), AT_START, "N",
	 "which GPU, of those that are visible (default 0)", .most = 1023},
	{NULL, "gpu-memory", 0, OPTION_REAL, AT(gpu_memory), AT_START, "GB",
	 "use a GPU as if it had so much memory in all (default 0 = what it has)", .most = 1e6},
	{NULL, "ranks", 0, OPTION_SMALL, AT(ranks), AT_START, "N",
	 "cut the model into N parts that compute together (default 1; auto = one for each GPU)",
	 .least = 1, .most = 64, .zero = "auto"},
	{NULL, "comm", 0, OPTION_CHOICE, AT(comm), AT_START, "HOW",
	 "how GPUs that are ranks add up: auto (default), peer, nccl", .choices = comms},
	{NULL, "kernels", 0, OPTION_CHOICE, AT(kernels), AT_START, "WHICH",
	 "a GPU's code: auto (default, made for its chip), general", .choices = gpu_kernels},
	{NULL, "moe-backend", 0, OPTION_CHOICE, AT(moe_backend), AT_START, "HOW",
	 "how a GPU computes experts: auto (default), fused, grouped, reference",
	 .choices = moe_backends},

	{NULL, "gpu-experts", 0, OPTION_SMALL, AT(gpu_experts), AT_START, "N",
	 "of each layer's experts the GPU's memory holds N, the host's the rest (default auto: what "
	 "fits)",
	 .least = 1, .most = 65536, .zero = "auto"},
	{NULL, "experts", 0, OPTION_CHOICE, AT(experts), AT_START, "WHERE",
	 "that rest: auto (default, the faster), gpu (there is none), host (the GPU reads it there), "
	 "cpu (computes it)",
	 .choices = expert_homes},

	{NULL, "draft", 0, OPTION_CHOICE, AT(sampling.draft), EVERYWHERE, "N",
	 "tokens drafted a step: auto (default), off, 1 to 8; the text is the same",
	 .choices = drafts},

	{"Tools", "tools", 0, OPTION_SWITCH, AT(tools), OPTION_FLAG, NULL,
	 "let the model read the files of this folder and, asked each time, change them and run "
	 "commands",
	 .most = 0},
	{NULL, "sandbox", 0, OPTION_CHOICE, AT(sandbox), AT_START | OPTION_NO_ENV, "HOW",
	 "around commands: workspace (default: they write there alone), read-only, off",
	 .choices = sandboxes},
	{NULL, "approve", 0, OPTION_CHOICE, AT(approve), EVERYWHERE | OPTION_NO_ENV, "MODE",
	 "tools that need no question: ask (default: those that read), edits, auto (commands in the "
	 "sandbox, too), never (and nothing else runs), plan (so, and the model is told to plan)",
	 .choices = approvals},
	{NULL, "approve-host", 0, OPTION_SWITCH, AT(approve_host), OPTION_FLAG, NULL,
	 "with --input-format jsonl: events ask, and lines answer, what you would be asked",
	 .most = 0},
	{NULL, "approve-timeout", 0, OPTION_REAL, AT(approve_timeout_s), OPTION_FLAG, "S",
	 "… and what has no answer after S seconds is refused (default 600; 0 = never)",
	 .most = 1e9},
	{NULL, "allow", 0, OPTION_LIST, AT(allow), AT_START | OPTION_NO_ENV, "RULE",
	 "what needs no question: 'shell make', 'edit src/**'; may be given again",
	 .check = check_allow},
	{NULL, "ask", 0, OPTION_LIST, AT(ask), AT_START | OPTION_NO_ENV, "RULE",
	 "what always needs one: 'shell rm'; may be given again", .check = check_ask},
	{NULL, "deny", 0, OPTION_LIST, AT(deny), AT_START | OPTION_NO_ENV, "RULE",
	 "what is never done: 'shell git push'; may be given again", .check = check_deny},
	{NULL, "tool-rounds", 0, OPTION_COUNT, AT(tool_rounds), OPTION_FLAG, "N",
	 "rounds of tools for one question (default 25)", .least = 1, .most = 1000},
	{NULL, "max-refused", 0, OPTION_COUNT, AT(max_refused), OPTION_FLAG, "N",
	 "end a turn when so many calls were refused, with nobody to ask (default 3)",
	 .least = 1, .most = 1000},
	{NULL, "no-agents-md", 0, OPTION_SWITCH, AT(no_agents_md), OPTION_FLAG, NULL,
	 "do not tell the model what AGENTS.md files say", .most = 0},

	{"In and out", "json", 0, OPTION_SWITCH, AT(json), OPTION_FLAG, NULL,
	 "one JSON event a line on stdout", .most = 0},
	{NULL, "partial", 0, OPTION_SWITCH, AT(partial), OPTION_FLAG, NULL,
	 "with --json: also the pieces of a call while the model writes it", .most = 0},
	{NULL, "input-format", 0, OPTION_CHOICE, AT(input_format), OPTION_FLAG, "FORMAT",
	 "of stdin: text, or jsonl: a message a line, events out", .choices = formats},
	{NULL, "plain", 0, OPTION_SWITCH, AT(plain), AT_START, NULL,
	 "chat a line at a time", .most = 0},
	{NULL, "mouse", 0, OPTION_SWITCH, AT(mouse), EVERYWHERE, NULL,
	 "use the mouse on the full screen (else selecting stays the terminal's)", .most = 0},
	{NULL, "ruler", 0, OPTION_CHOICE, AT(ruler), EVERYWHERE, "WHEN",
	 "where each message's cache lies, on the screen's right: auto (if it is wide), on, off",
	 .choices = rulers},
	{NULL, "keys", 0, OPTION_CHOICE, AT(keys), EVERYWHERE, "STYLE",
	 "of the input: emacs (default) or vi", .choices = key_styles},
	{NULL, "bind", 0, OPTION_LIST, AT(bindings), AT_START, "ACTION=KEYS",
	 "other keys on the full screen, like send=M-Enter; F1 there names all",
	 .check = binding_check},
	{NULL, "script", 0, OPTION_TEXT, AT(script), OPTION_FLAG, "FILE",
	 "drive the full screen by keys and waits from FILE", .most = 0},
	{NULL, "color", 0, OPTION_CHOICE, AT(color), AT_START, "WHEN", "auto, always or never",
	 .choices = colors},
	{NULL, "timeout", 0, OPTION_REAL, AT(timeout_s), AT_START, "S",
	 "give up after S seconds (default 0 = never)", .most = 1e9},
	{NULL, "log-level", 0, OPTION_CHOICE, AT(log_level), AT_START, "LEVEL",
	 "error, warn, info (default) or debug", .choices = log_levels},
	{NULL, "engine-script", 0, OPTION_TEXT, AT(engine_script), OPTION_FLAG | OPTION_HIDDEN,
	 "FILE", "answer from a script instead of a model", .most = 0},
	{NULL, "runner-script", 0, OPTION_TEXT, AT(runner_script), OPTION_FLAG | OPTION_HIDDEN,
	 "FILE", "results of tools from a script instead of running them", .most = 0},
	{NULL, "help", 'h', OPTION_SWITCH, AT(help), OPTION_FLAG, NULL, "show this", .most = 0},
	{NULL, "version", 0, OPTION_SWITCH, AT(version), OPTION_FLAG, NULL, "show the version",
	 .most = 0},
	{0},
};

void *option_field(const struct options *o, const struct option_row *row)
{
	return (char *)(uintptr_t)o + row->at;
}

size_t *option_list_length(const struct options *o, const struct option_row *row)
{
	return (size_t *)(uintptr_t)((char ***)option_field(o, row) + 1);
}

_Static_assert(AT(n_files) == AT(files) + sizeof(char **), "files: its length stands behind it");
_Static_assert(AT(n_bindings) == AT(bindings) + sizeof(char **),
	       "bindings: its length stands behind it");
_Static_assert(AT(n_allow) == AT(allow) + sizeof(char **), "allow: its length stands behind it");
_Static_assert(AT(n_ask) == AT(ask) + sizeof(char **), "ask: its length stands behind it");
_Static_assert(AT(n_deny) == AT(deny) + sizeof(char **), "deny: its length stands behind it");

void options_default(struct options *o)
{
	*o = (struct options){.effort = EFFORT_LOW,
			      .titles = 1,
			      .cache_disk = 8,
			      .tool_rounds = 25,
			      .max_refused = 3,
			      .approve_timeout_s = 600,
			      .ranks = 1,
			      .sampling = sampling_default(),
			      .log_level = LOG_INFO};
}

void options_release(struct options *o)
{
	for (const struct option_row *row = option_rows; row->name; row++) {
		char **list;

		if (row->type == OPTION_TEXT)
			free(*(char **)option_field(o, row));
		if (row->type != OPTION_LIST)
			continue;
		list = *(char ***)option_field(o, row);
		for (size_t i = 0; i < *option_list_length(o, row); i++)
			free(list[i]);
		free(list);
	}
	*o = (struct options){0};
}

static const char *chosen(const char *const *choices, int i)
{
	return i ? choices[i] : NULL;
}

void options_engine(const struct options *o, struct engine_config *config)
{
	config->backend = chosen(backends, o->backend);
	config->kernels = chosen(gpu_kernels, o->kernels);
	config->gpu_experts = o->gpu_experts;
	config->experts = chosen(expert_homes, o->experts);
	config->moe_backend = chosen(moe_backends, o->moe_backend);
	config->comm = chosen(comms, o->comm);
	config->gpu = o->gpu;
	config->gpu_memory_bytes = (int64_t)(o->gpu_memory * 1e9);
	config->n_threads = (int)o->threads;
	config->n_ranks = o->ranks ? o->ranks : RANKS_AUTO;
	config->ctx_tokens = o->ctx;
	config->kept_bytes = (int64_t)(o->cache_memory * 1e9);
	config->cache_bytes = o->ephemeral ? 0 : (int64_t)(o->cache_disk * 1e9);
}

const struct option_row *option_find(const char *name)
{
	for (const struct option_row *row = option_rows; row->name; row++) {
		if (strcmp(row->name, name) == 0)
			return row;
	}
	return NULL;
}

const char *option_near(const char *name)
{
	const char *best = NULL;
	int least = 3;

	for (const struct option_row *row = option_rows; row->name; row++) {
		int d = row->where & OPTION_HIDDEN ? least : help_distance(name, row->name);

		if (d < least) {
			least = d;
			best = row->name;
		}
	}
	return best;
}

void options_add_help(struct buf *out)
{
	buf_addz(out, "usage: dsv4chat [options] [question]\n"
		      "       dsv4chat VERB …        (dsv4chat help lists the verbs)\n");
	for (const struct option_row *row = option_rows; row->name; row++) {
		char left[40];

		if (row->group)
			buf_addf(out, "\n%s:\n", row->group);
		if (row->where & OPTION_HIDDEN)
			continue;
		snprintf(left, sizeof(left), "  %c%c%s --%s%s%s", row->letter ? '-' : ' ',
			 row->letter ? row->letter : ' ', row->letter ? "," : " ", row->name,
			 row->arg ? " " : "", row->arg ? row->arg : "");
		help_add(out, left, 27, row->help);
	}
}
