/*
 * The program begins: options, then one of its modes.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/app.h"
#include "app/exit.h"
#include "app/line/line.h"
#include "app/line/oneshot.h"
#include "app/locale.h"
#include "app/mapfault.h"
#include "app/output.h"
#include "app/paths.h"
#include "app/screen/screen.h"
#include "app/signals.h"
#include "app/tools/tools.h"
#include "app/verb/verb.h"
#include "app/verb/io.h"
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "tui/tui.h"

/* Help is had whatever is wrong with the configuration. */
static int read_options(struct app *app, int argc, char **argv, struct err *err)
{
	struct err settings = {0};
	int wrong = app_read_settings(&app->opt, &settings);
	int rc = options_read_flags(&app->opt, argc, argv, err);

	if (!wrong || (!rc && (app->opt.help || app->opt.version)))
		return rc;
	*err = settings;
	return wrong;
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

/* A terminal that is known for nothing is for lines, without a word; others are told. */
static bool can_show_screen(void)
{
	const char *term = app_terminal();
	struct err err = {0};

	if (!term)
		return false;
	if (!terminal_check(term, &err))
		return true;
	err_prefix(&err, "a line at a time");
	app_tell(err.text);
	return false;
}

/* The full screen is for a person, at a terminal that can show it, who asks nothing special. */
static bool wants_screen(const struct options *o)
{
	if (o->script)
		return true;
	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && !o->prompt && !o->n_files &&
	       !o->json && !o->plain && o->input_format == INPUT_TEXT && can_show_screen();
}

/* A person types line after line. */
static bool wants_lines(const struct options *o)
{
	return isatty(STDIN_FILENO) && !o->prompt && !o->n_files && !o->json &&
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
	if (app->opt.pick && !wants_lines(&app->opt)) {
		app_tell("--resume: a value is missing (only a chat on a terminal asks for it)");
		return exit_code_of(ERR_USAGE);
	}
	if (app->opt.input_format == INPUT_JSONL)
		return oneshot_session(app);
	if (wants_lines(&app->opt))
		return line_run(app);
	return oneshot_run(app, !isatty(STDIN_FILENO));
}

static int open_tools(struct app *app, struct err *err)
{
	const struct options *o = &app->opt;

	if (o->approve_host && (!o->tools || o->input_format != INPUT_JSONL))
		return err_set(err, ERR_USAGE,
			       "--approve-host: expected beside --tools and --input-format jsonl");
	return app_open_tools(app, err);
}

/* Help and version need none. */
static int run_with_tools(struct app *app)
{
	struct err err = {0};
	int rc = app->opt.help || app->opt.version ? 0 : open_tools(app, &err);

	if (rc)
		app_tell(err.text);
	rc = rc ? exit_code_of(rc) : run_mode(app);
	app_close_tools(app);
	return rc;
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

/* A person is asked what a word that is nearly a verb was: the verb, NULL: a question. */
static const struct verb *ask_meant(int argc, char **argv, bool *leave)
{
	const struct verb *verb = isatty(STDIN_FILENO) && isatty(STDERR_FILENO)
					  ? verb_meant(argc, argv)
					  : NULL;
	struct buf text = {0};
	char answer[16] = "";

	if (!verb)
		return NULL;
	buf_addf(&text, "%.40s is no verb.  y: dsv4chat %s, m: ask the model, else: quit? ",
		 argv[0], verb->name);
	output_safe(STDERR_FILENO, buf_str(&text));
	buf_release(&text);
	*leave = !fgets(answer, sizeof(answer), stdin) || !answer[0] || !strchr("yYmM", answer[0]);
	return answer[0] == 'y' || answer[0] == 'Y' ? verb : NULL;
}

/* "help", "help history", "help history list"; "help me …" is a question. */
static bool is_for_help(int argc, char **argv)
{
	return argc == 1 || (verb_find(argv[1]) &&
			     (argc == 2 || (argc == 3 && strcmp(argv[1], "history") == 0 &&
					    verb_is_subcommand(argv[2]))));
}

/*
 * The verb, if the first word is one; it goes before the options, which then are its own.
 * *leave: there is nothing to do.
 */
static const struct verb *take_verb(int argc, char **argv, bool *leave)
{
	int at = options_first_word(argc, argv);
	const struct verb *verb = at ? verb_find(argv[at]) : NULL;
	const char *word;

	if (verb && strcmp(verb->name, "help") == 0 && !is_for_help(argc - at, argv + at))
		return NULL;
	if (at && !verb)
		verb = ask_meant(argc - at, argv + at, leave);
	if (!verb)
		return NULL;
	word = verb->name;
	memmove(argv + 2, argv + 1, (size_t)(at - 1) * sizeof(*argv));
	argv[1] = (char *)(uintptr_t)word;
	return verb;
}

int main(int argc, char **argv)
{
	bool leave = false;
	const struct verb *verb;
	struct app app = {.start_ms = clock_ms()};
	struct err err = {0};
	int rc;

	if (runner_is_called(argv))
		return runner_main(argv);
	hold_standard_files();
	locale_open();
	mapfault_install();
	signals_ignore_limits();
	verb = take_verb(argc, argv, &leave);
	if (leave)
		return EXIT_USAGE;
	if (verb)
		return verb_helped(argc - 1, argv + 1, &rc) ? rc : verb->run(argc - 1, argv + 1);
	rc = read_options(&app, argc, argv, &err);
	if (!rc)
		rc = signals_open(&err);
	if (rc) {
		app_tell(err.text);
		rc = exit_code_of(rc);
	} else {
		open_log(&app);
		rc = run_with_tools(&app);
		app_close_engine(&app);
		log_close();
		signals_close();
	}
	options_release(&app.opt);
	return rc;
}
