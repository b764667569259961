#include "app/screen.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "app/app.h"
#include "app/exit.h"
#include "app/paths.h"
#include "engine/base/file.h"

#define SCRIPT_MAX_BYTES ((size_t)16 << 20)

static int exit_of(int rc, int signo, const struct err *err)
{
	if (rc < 0)
		fprintf(stderr, "dsv4chat: %s\n", err->text);
	if (signo == SIGINT)
		return EXIT_INTERRUPTED;
	return signo != 0 ? EXIT_TERMINATED : exit_code_of(rc);
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
		rc = app_open_engine(app, &err);
	if (!rc) {
		config.engine = app->engine;
		rc = screen_run(&config, &signo, &err);
	}
	rc = exit_of(rc, signo, &err);
	buf_release(&inputs);
	buf_release(&script);
	return rc;
}
