/*
 * doctor: what the program finds on this machine, line by line, and what to do
 * about what is missing.  Exits 0 unless something is wrong that stops it.
 */
#include <getopt.h>
#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>
#include <ncurses.h>
#include <sqlite3.h>

#include "app/app.h"
#include "app/exit.h"
#include "app/paths.h"
#include "app/verb/verb.h"
#include "app/verb/io.h"
#include "engine/engine.h"

struct doctor {
	struct buf out;
	int n_failed;
};

enum finding { GOOD, WARN, FAIL };

static void tell(struct doctor *d, enum finding f, const char *what, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void tell(struct doctor *d, enum finding f, const char *what, const char *fmt, ...)
{
	static const char *const names[] = {"ok  ", "warn", "FAIL"};
	char text[700];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_addf(&d->out, "%s  %-9s %s\n", names[f], what, text);
	d->n_failed += f == FAIL;
}

static void check_model(struct doctor *d, const char *given)
{
	struct engine_config config = {.model_dir = given};
	const struct engine_info *info;
	struct engine *e = NULL;
	struct buf nano = {0};
	struct err err = {0};
	struct event ev = {0};
	bool ended = false;
	int rc = 0;

	if (!given) {
		rc = path_nano(&nano, &err);
		config.model_dir = buf_z(&nano);
	}
	if (!rc)
		rc = engine_open(&e, &config, &err);
	while (!rc && !ended) {
		event_queue_pop(e->events, &ev, -1);
		ended = ev.kind == EV_READY || ev.kind == EV_ERROR;
		if (ev.kind == EV_ERROR)
			rc = err_set(&err, ev.err.code, "%s", ev.err.text);
		event_release(&ev);
	}
	if (rc) {
		tell(d, FAIL, "model", "%s", err.text);
	} else {
		info = e->ops->info(e);
		tell(d, GOOD, "model", "%s: %s", info->model_name, info->model_path);
		tell(d, GOOD, "memory",
		     "weights %.1f MB, cache %.1f MB at %lld tokens of context, scratch %.1f "
		     "MB",
		     (double)info->weight_bytes / 1e6, (double)info->cache_bytes / 1e6,
		     (long long)info->ctx_tokens, (double)info->scratch_bytes / 1e6);
		tell(d, GOOD, "backend", "%s", info->backend);
	}
	if (e)
		e->ops->close(e);
	buf_release(&nano);
}

static void check_terminal(struct doctor *d)
{
	const char *term = getenv("TERM"), *codeset = nl_langinfo(CODESET);

	if (!isatty(STDOUT_FILENO))
		tell(d, GOOD, "terminal", "stdout is none");
	else if (!term || !*term || strcmp(term, "dumb") == 0)
		tell(d, WARN, "terminal", "TERM is %s: line mode without colour",
		     term && *term ? term : "not set");
	else
		tell(d, GOOD, "terminal", "TERM is %s", term);
	if (strcmp(codeset, "UTF-8") == 0)
		tell(d, GOOD, "locale", "UTF-8");
	else
		tell(d, WARN, "locale",
		     "%s: other than English letters will not show; set LANG to a UTF-8 locale",
		     codeset);
}

static void check_paths(struct doctor *d)
{
	for (int kind = 0; kind < N_PATHS; kind++) {
		struct buf path = {0};
		struct err err = {0};
		struct stat st;

		if (path_of((enum path_kind)kind, &path, &err) != 0)
			tell(d, WARN, path_name((enum path_kind)kind), "%s", err.text);
		else if (stat(path.data, &st) != 0)
			tell(d, GOOD, path_name((enum path_kind)kind), "%s (not there yet)",
			     path.data);
		else if (access(path.data, kind == PATH_CONFIG ? R_OK : R_OK | W_OK) != 0)
			tell(d, WARN, path_name((enum path_kind)kind), "%s: no permission",
			     path.data);
		else
			tell(d, GOOD, path_name((enum path_kind)kind), "%s", path.data);
		buf_release(&path);
	}
}

static void check_config(struct doctor *d, struct options *o)
{
	struct err err = {0};

	if (app_read_settings(o, &err) != 0)
		tell(d, FAIL, "options", "%s", err.text);
}

int verb_doctor(int argc, char **argv)
{
	static const struct option options[] = {{"model", required_argument, NULL, 'm'}, {0}};
	struct doctor d = {0};
	struct options o;
	struct err err = {0};
	const char *model = NULL;
	int c, rc;

	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "m:", options, NULL)) != -1) {
		if (c != 'm')
			return verb_usage("doctor");
		model = optarg;
	}
	if (optind < argc)
		return verb_usage("doctor");
	tell(&d, GOOD, "program", "dsv4chat " DSV4CHAT_VERSION ", %s, SQLite %s, jansson %s",
	     curses_version(), sqlite3_libversion(), JANSSON_VERSION);
	check_config(&d, &o);
	check_model(&d, model ? model : o.model);
	check_terminal(&d);
	check_paths(&d);
	rc = verb_write(&d.out, &err);
	buf_release(&d.out);
	options_release(&o);
	if (rc)
		return verb_status("doctor", rc, &err);
	return d.n_failed ? EXIT_MODEL : EXIT_DONE;
}
