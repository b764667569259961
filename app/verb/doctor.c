/*
 * doctor: what the program finds on this machine, line by line, and what to do
 * about what is missing.  Exits 0 unless something is wrong that stops it, else with what the
 * first such thing is: the options, the history, or what computes.
 */
#include <getopt.h>
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
#include "app/locale.h"
#include "app/paths.h"
#include "app/verb/verb.h"
#include "app/verb/io.h"
#include "engine/base/clock.h"
#include "engine/engine.h"
#include "history/history.h"
#include "engine/measure/survey.h"

struct doctor {
	struct buf out;
	int status; /* the exit code: of the first that failed */
};

/* NONE: is not there, and need not be. */
enum finding { GOOD, NONE, WARN, FAIL };

static void tell(struct doctor *d, enum finding f, const char *what, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Only the first failure decides. */
static void fail_as(struct doctor *d, int status)
{
	if (d->status == EXIT_DONE)
		d->status = status;
}

static void tell(struct doctor *d, enum finding f, const char *what, const char *fmt, ...)
{
	static const char *const names[] = {"ok  ", "no  ", "warn", "FAIL"};
	char text[700];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_addf(&d->out, "%s  %-9s %s\n", names[f], what, text);
	if (f == FAIL)
		fail_as(d, EXIT_MODEL);
}

/* A line for each line of a text, which is not longer than one can be. */
static void tell_lines(struct doctor *d, enum finding f, const char *what,
		       const struct buf *text)
{
	struct str rest = buf_str(text), line;

	while (str_line(&rest, &line))
		tell(d, f, what, "%.*s", (int)line.n, line.p);
}

static void check_backends(struct doctor *d)
{
	struct buf out = {0};
	struct str rest, line;
	int n_ready = 0;

	if (survey_backends(&out, &n_ready))
		buf_reset(&out);
	rest = buf_str(&out);
	while (str_line(&rest, &line)) {
		bool ok = line.n > 3 && !strncmp(line.p, "ok ", 3);
		size_t skip = line.n > 3 ? 3 : 0;

		tell(d, ok ? GOOD : NONE, "backend", "%.*s", (int)(line.n - skip),
		     line.p + skip);
	}
	if (!n_ready)
		tell(d, FAIL, "backend", "none works on this machine");
	buf_release(&out);
}

static void tell_loaded(struct doctor *d, double seconds, const struct engine_info *info)
{
	char rate[48] = "";

	if (info->load_s > 0)
		snprintf(rate, sizeof(rate), ", weights at %.1f GB/s",
			 (double)info->weight_bytes / info->load_s / 1e9);
	tell(d, GOOD, "engine", "loaded in %.1f s%s, on %s", seconds, rate, info->backend);
}

/* Loads the model as a chat would. */
static void check_engine(struct doctor *d, const struct engine_config *config)
{
	struct engine *e = NULL;
	struct err err = {0};
	struct event ev = {0};
	int64_t began = clock_ms();
	bool ended = false;
	int rc = engine_open(&e, config, &err);

	while (!rc && !ended) {
		event_queue_pop(e->events, &ev, -1);
		ended = ev.kind == EV_READY || ev.kind == EV_ERROR;
		if (ev.kind == EV_ERROR)
			rc = err_set(&err, ev.err.code, "%s", ev.err.text);
		event_release(&ev);
	}
	if (rc)
		tell(d, FAIL, "engine", "%s", err.text);
	else
		tell_loaded(d, (double)(clock_ms() - began) / 1000, e->ops->info(e));
	if (e)
		e->ops->close(e);
}

/* First what it consists of and needs; true: it is there, it fits, and may be loaded. */
static bool check_model(struct doctor *d, const struct engine_config *config)
{
	struct buf files = {0}, table = {0};
	struct err err = {0};
	int rc = survey_model(config, &files, &table, &err);

	if (files.len)
		tell(d, GOOD, "model", "%s: %s", config->model_dir, buf_z(&files));
	tell_lines(d, rc ? WARN : GOOD, "memory", &table);
	if (rc)
		tell(d, FAIL, files.len ? "memory" : "model", "%s", err.text);
	buf_release(&files);
	buf_release(&table);
	return !rc;
}

static void check_terminal(struct doctor *d)
{
	const char *term = getenv("TERM");

	if (!isatty(STDOUT_FILENO))
		tell(d, GOOD, "terminal", "stdout is none");
	else if (!app_terminal())
		tell(d, WARN, "terminal", "TERM is %s: line mode without colour",
		     term && *term ? term : "not set");
	else
		tell(d, GOOD, "terminal", "TERM is %s", term);
}

/* What --tools would have. */
static void check_tools(struct doctor *d)
{
	int version = tools_landlock();

	if (version)
		tell(d, GOOD, "tools",
		     "3 that read, 2 that change files; Landlock %d confines them", version);
	else
		tell(d, WARN, "tools",
		     "3 that read; this kernel has no Landlock: they are held by their own "
		     "checks "
		     "alone");
}

static void tell_sandbox(struct doctor *d, const struct sandbox_found *f)
{
	char held[80];

	snprintf(held, sizeof(held), "%d of %d ways out refused, %lld ms a command",
		 SANDBOX_ATTACKS, SANDBOX_ATTACKS, (long long)f->ms);
	switch (f->layer) {
	case SANDBOX_BWRAP:
		tell(d, GOOD, "sandbox", "bubblewrap, with a /proc of its own; %s", held);
		break;
	case SANDBOX_BWRAP_PROC:
		tell(d, GOOD, "sandbox",
		     "bubblewrap, with this machine's /proc: commands see which processes "
		     "there "
		     "are; %s",
		     held);
		break;
	case SANDBOX_LANDLOCK:
		tell(d, WARN, "sandbox",
		     "Landlock %d and a filter of system calls; commands change no modes or "
		     "times of files, and make nothing new beside .git; %s",
		     tools_landlock(), held);
		break;
	case SANDBOX_OFF:
	case SANDBOX_NONE:
		tell(d, WARN, "sandbox",
		     "none holds here: no command can run; Debian, Ubuntu: apt-get install "
		     "bubblewrap");
	}
	tell_lines(d, WARN, "sandbox", &f->why);
	if (f->layer != SANDBOX_BWRAP && f->layer != SANDBOX_BWRAP_PROC)
		tell(d, WARN, "sandbox",
		     "where bubblewrap is not let make namespaces: Ubuntu has a profile for "
		     "it, "
		     "bwrap-userns-restrict, in apparmor-profiles; a container forbids them by "
		     "its own seccomp profile");
}

/* What commands of tools would run in, tried now. */
static void check_sandbox(struct doctor *d)
{
	struct sandbox_found f = {0};
	struct err err = {0};

	if (tools_try_sandbox(&f, &err))
		tell(d, WARN, "sandbox", "could not be tried: %s", err.text);
	else
		tell_sandbox(d, &f);
	sandbox_found_release(&f);
}

/* Of the configuration, in this folder. */
static void check_rules(struct doctor *d, const struct options *o)
{
	struct rules *r = NULL;
	struct err err = {0};
	enum rule_says says;
	struct str rule;
	size_t n = 0, wide = 0;

	if (app_rules(&r, o, "/", &err)) {
		tell(d, FAIL, "rules", "%s", err.text);
		return;
	}
	for (; (rule = rules_at(r, n, &says)).n; n++) {
		const char *why = rules_wide(r, n);

		if (why)
			tell(d, WARN, "rules", "%.*s: %s", (int)rule.n, rule.p, why);
		wide += why != NULL;
	}
	if (n && !wide)
		tell(d, GOOD, "rules", "%zu", n);
	rules_free(r);
}

static void check_locale(struct doctor *d)
{
	struct buf why = {0};

	switch (locale_state(&why)) {
	case LOCALE_ASKED:
		tell(d, GOOD, "locale", "%s", buf_z(&why));
		break;
	case LOCALE_OWN:
		tell(d, GOOD, "locale", "%s: C.UTF-8 serves in its place", buf_z(&why));
		break;
	case LOCALE_OTHER:
		tell(d, WARN, "locale",
		     "%s: UTF-8 is spoken all the same; set LANG to a UTF-8 locale",
		     buf_z(&why));
		break;
	case LOCALE_NO_UTF8:
		tell(d, WARN, "locale",
		     "%s, and C.UTF-8 isn't either: other than English letters will not show",
		     buf_z(&why));
		break;
	}
	buf_release(&why);
}

/* A file that is not there yet: whether it, and the folders before it, could be made. */
static bool could_be_made(const char *path)
{
	struct buf folder = {0};
	bool could;

	buf_addz(&folder, path);
	do {
		char *slash = folder.len ? strrchr(folder.data, '/') : NULL;

		buf_truncate(&folder, slash ? (size_t)(slash - folder.data) : 0);
	} while (folder.len && access(buf_z(&folder), F_OK) != 0);
	could = access(folder.len ? buf_z(&folder) : "/", W_OK | X_OK) == 0;
	buf_release(&folder);
	return could;
}

/* Without it there is no chat but an ephemeral one. */
static void fail_history(struct doctor *d, const char *path, const char *why)
{
	fail_as(d, EXIT_STORE);
	tell(d, FAIL, path_name(PATH_HISTORY), "%s%s (--ephemeral keeps nothing)", path, why);
}

/* The history is opened, as `dsv4chat history list` would. */
static void open_history(struct doctor *d, const char *path)
{
	struct history *h = NULL;
	struct err err = {0};
	int rc = history_open_to_read(&h, path, &err);

	history_close(h);
	if (rc && rc != ERR_USAGE)
		fail_history(d, "", err.text);
	else if (!history_may_write(path))
		fail_history(d, path, " can be read, not written: no permission");
	else
		tell(d, GOOD, path_name(PATH_HISTORY), "%s%s", path,
		     rc ? " (of an older version)" : "");
}

static void check_path(struct doctor *d, enum path_kind kind, const char *path)
{
	struct stat st;
	bool there = stat(path, &st) == 0;

	if (there && kind == PATH_HISTORY)
		open_history(d, path);
	else if (!there && kind == PATH_HISTORY && !could_be_made(path))
		fail_history(d, path, " can't be made: no permission");
	else if (!there && kind != PATH_CONFIG && !could_be_made(path))
		tell(d, WARN, path_name(kind), "%s can't be made: no permission", path);
	else if (!there)
		tell(d, GOOD, path_name(kind), "%s (not there yet)", path);
	else if (access(path, kind == PATH_CONFIG ? R_OK : R_OK | W_OK) != 0)
		tell(d, WARN, path_name(kind), "%s: no permission", path);
	else
		tell(d, GOOD, path_name(kind), "%s", path);
}

static void check_paths(struct doctor *d)
{
	for (int kind = 0; kind < N_PATHS; kind++) {
		struct buf path = {0};
		struct err err = {0};

		if (path_of((enum path_kind)kind, &path, &err) == 0)
			check_path(d, (enum path_kind)kind, path.data);
		else if (kind == PATH_HISTORY)
			fail_history(d, "", err.text);
		else
			tell(d, WARN, path_name((enum path_kind)kind), "%s", err.text);
		buf_release(&path);
	}
}

static void check_config(struct doctor *d, struct options *o)
{
	struct err err = {0};

	int rc = app_read_settings(o, &err);

	if (rc) {
		fail_as(d, exit_code_of(rc));
		tell(d, FAIL, "options", "%s", err.text);
	}
}

/* What is known so far goes out before what may take long. */
static int write_out(struct doctor *d, struct err *err)
{
	int rc = verb_write(&d->out, err);

	buf_reset(&d->out);
	return rc;
}

static int check_all(struct doctor *d, struct options *o, struct err *err)
{
	struct engine_config config = {0};
	struct buf dir = {0};
	struct err why = {0};
	bool loads = false;
	int rc;

	tell(d, GOOD, "program", "dsv4chat " DSV4CHAT_VERSION ", %s, SQLite %s, jansson %s",
	     curses_version(), sqlite3_libversion(), JANSSON_VERSION);
	check_terminal(d);
	check_locale(d);
	check_paths(d);
	check_tools(d);
	check_sandbox(d);
	check_rules(d, o);
	check_backends(d);
	options_engine(o, &config);
	if (app_model_dir(o, &dir, &why)) {
		tell(d, FAIL, "model", "%s", why.text);
	} else {
		config.model_dir = buf_z(&dir);
		loads = check_model(d, &config);
	}
	rc = write_out(d, err);
	if (!rc && loads) {
		check_engine(d, &config);
		rc = write_out(d, err);
	}
	buf_release(&dir);
	return rc;
}

int verb_doctor(int argc, char **argv)
{
	static const struct option options[] = {
		{"model", required_argument, NULL, 'm'},
		{"ctx", required_argument, NULL, VERB_ENGINE},
		VERB_ENGINE_FLAGS,
		{0},
	};
	struct doctor d = {0};
	struct options o;
	struct err err = {0};
	int c, at = 0, rc = 0;

	check_config(&d, &o);
	optind = 0;
	opterr = 0;
	while (!rc && (c = getopt_long(argc, argv, "m:", options, &at)) != -1) {
		if (c == '?') {
			options_release(&o);
			return verb_usage("doctor");
		}
		rc = option_set(&o, option_find(c == 'm' ? "model" : options[at].name), optarg,
				&err);
	}
	if (!rc && optind < argc) {
		options_release(&o);
		return verb_usage("doctor");
	}
	if (!rc)
		rc = check_all(&d, &o, &err);
	buf_release(&d.out);
	options_release(&o);
	if (rc)
		return verb_status("doctor", rc, &err);
	return d.status;
}
