/*
 * The program begins: options, then one of its modes.
 */
#include <fcntl.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/app.h"
#include "app/exit.h"
#include "app/line/line.h"
#include "app/mapfault.h"
#include "app/line/oneshot.h"
#include "app/paths.h"
#include "app/screen/screen.h"
#include "app/signals.h"
#include "app/verb/verb.h"
#include "app/verb/io.h"
#include "engine/base/clock.h"
#include "engine/base/log.h"

static int read_options(struct app *app, int argc, char **argv, struct err *err)
{
	int rc = app_read_settings(&app->opt, err);

	return rc ? rc : options_read_flags(&app->opt, argc, argv, err);
}

/* A log that cannot be kept is no reason not to talk. */
static void open_log(const struct app *app)
{
	enum log_level level = (enum log_level)app->opt.log_level;
	struct buf path = {0};
	struct err err = {0};

	if (path_to_write(PATH_LOG, &path, &err) == 0 &&
	    log_open(buf_z(&path), level, &err) != 0) {
		err_prefix(&err, "no log");
		app_tell(err.text);
	}
	buf_release(&path);
}

static int print(struct buf *text)
{
	struct err err = {0};
	int rc = verb_write(text, &err);

	buf_release(text);
	if (rc)
		app_tell(err.text);
	return exit_code_of(rc);
}

/* The full screen is for a person, at a terminal that can show it, who asks nothing special. */
static bool wants_screen(const struct options *o)
{
	const char *term = getenv("TERM");

	if (o->script)
		return true;
	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term && *term &&
	       strcmp(term, "dumb") != 0 && !o->prompt && !o->n_files && !o->json && !o->plain &&
	       o->input_format == INPUT_TEXT;
}

static int run_mode(struct app *app)
{
	struct buf text = {0};

	if (app->opt.help) {
		options_add_help(&text);
		return print(&text);
	}
	if (app->opt.version) {
		buf_addz(&text, "dsv4chat " DSV4CHAT_VERSION "\n");
		return print(&text);
	}
	if (wants_screen(&app->opt))
		return screen_mode(app);
	if (app->opt.input_format == INPUT_JSONL)
		return oneshot_session(app);
	if (isatty(STDIN_FILENO) && !app->opt.prompt && !app->opt.n_files && !app->opt.json)
		return line_run(app);
	return oneshot_run(app, !isatty(STDIN_FILENO));
}

/*
 * A closed stdin, stdout or stderr would be the number of the next file that is opened, the
 * history's say.  What stands there instead can be neither read nor written.
 */
static void hold_standard_files(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		/* The lowest free number is this one. */
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
			return;
	}
}

/* The verb, if the first word is one; it goes before the options, which then are its own. */
static const struct verb *take_verb(int argc, char **argv)
{
	int at = options_first_word(argc, argv);
	const struct verb *verb = at ? verb_find(argv[at]) : NULL;
	char *word = verb ? argv[at] : NULL;

	/* "help" alone asks for the verbs; "help me …" is a question */
	if (!verb || (at + 1 < argc && strcmp(verb->name, "help") == 0))
		return NULL;
	memmove(argv + 2, argv + 1, (size_t)(at - 1) * sizeof(*argv));
	argv[1] = word;
	return verb;
}

int main(int argc, char **argv)
{
	const struct verb *verb = take_verb(argc, argv);
	struct app app = {.start_ms = clock_ms()};
	struct err err = {0};
	int rc;

	hold_standard_files();
	setlocale(LC_ALL, "");
	/* Numbers of options, of JSON and of what programs read have a point, whatever the locale's. */
	setlocale(LC_NUMERIC, "C");
	mapfault_install();
	signals_ignore_limits();
	if (verb)
		return verb->run(argc - 1, argv + 1);
	rc = read_options(&app, argc, argv, &err);
	if (!rc)
		rc = signals_open(&err);
	if (rc) {
		app_tell(err.text);
		rc = exit_code_of(rc);
	} else {
		open_log(&app);
		rc = run_mode(&app);
		app_close_engine(&app);
		log_close();
		signals_close();
	}
	options_release(&app.opt);
	return rc;
}
