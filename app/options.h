/*
 * The options: one table serves flags, file, environment, /set, --help and the
 * man page's check.
 */
#ifndef APP_OPTIONS_H
#define APP_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"

enum color_when { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

/* Strings are owned.  NULL: not given. */
struct options {
	char *model;            /* -m, --model */
	char *backend;          /* --backend */
	int threads;            /* --threads; 0 = one for each physical core */
	int64_t ctx;            /* --ctx; 0 = the model's */
	char *system;           /* -s, --system */
	enum chat_effort effort; /* --effort, --think, --nothink; default low */
	bool hide_thinking;
	struct sampling sampling; /* --temp --top-p --top-k --min-p --seed -n */
	bool seed_given;        /* else a new seed for each turn */
	char *prompt;           /* -p, --prompt, or the words after the options */
	char **files;           /* -f, --file */
	int n_files;
	bool json;
	bool input_jsonl;       /* --input-format jsonl */
	bool plain;
	bool ephemeral;
	enum color_when color;
	double timeout_s;       /* 0 = none */
	char *engine_script;    /* --engine-script: a scripted engine, for tests and demos */
	char *log_level;
};

void options_release(struct options *o);

#endif
