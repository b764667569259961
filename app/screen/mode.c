#include "app/screen/screen.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "app/app.h"
#include "app/exit.h"
#include "app/paths.h"
#include "engine/base/file.h"

#define SCRIPT_MAX_BYTES ((size_t)16 << 20)
#define STORE_WAIT_MS    300

static int exit_of(int rc, int signo, const struct err *err)
{
	if (rc < 0)
		fprintf(stderr, "dsv4chat: %s\n", err->text);
	if (signo == SIGINT)
		return EXIT_INTERRUPTED;
	return signo != 0 ? EXIT_TERMINATED : exit_code_of(rc);
}

/* Opens the store and finds the conversation that the options ask for. */
static int open_history(const struct options *o, struct screen_config *config, struct err *err)
{
	struct buf path = {0};
	int rc = o->ephemeral ? 0 : path_to_write(PATH_HISTORY, &path, err);

	if (!rc)
		rc = history_open(&config->history, o->ephemeral ? NULL : buf_z(&path), err);
	if (!rc)
		rc = history_recover(config->history, &config->recovered, err);
	/* The screen stands still for so long at most: what can't be written is tried again. */
	if (!rc)
		history_set_wait_ms(config->history, STORE_WAIT_MS);
	config->fork = o->fork;
	if (!rc && o->resume)
		rc = history_find(config->history, o->resume, &config->conversation, err);
	else if (!rc && (o->go_on || o->fork))
		rc = history_last(config->history, &config->conversation, err);
	if (!rc && (o->go_on || o->fork) && !config->conversation)
		rc = err_set(err, ERR_USAGE, "there is no conversation to go on with yet");
	buf_release(&path);
	return rc;
}

int screen_mode(struct app *app)
{
	struct buf inputs = {0}, script = {0};
	struct screen_config config = {.opt = &app->opt, .tty = -1};
	struct err err = {0};
	int signo = 0, rc = 0;

	if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		config.tty = STDIN_FILENO;
	/* Without a home nothing is kept, and that is no error. */
	if (path_to_write(PATH_INPUTS, &inputs, NULL) == 0)
		config.inputs_path = buf_z(&inputs);
	if (app->opt.script != NULL) {
		rc = file_read(&script, app->opt.script, SCRIPT_MAX_BYTES, &err);
		config.script = buf_z(&script);
		config.inputs_path = NULL;
	}
	if (!rc)
		rc = open_history(&app->opt, &config, &err);
	if (!rc)
		rc = app_open_engine(app, &err);
	if (!rc) {
		config.engine = app->engine;
		rc = screen_run(&config, &signo, &err);
	}
	history_list_release(&config.recovered);
	history_close(config.history);
	rc = exit_of(rc, signo, &err);
	buf_release(&inputs);
	buf_release(&script);
	return rc;
}
