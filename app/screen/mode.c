/* The mode of the program that is the full screen. */
#include "app/screen/screen.h"

#include <unistd.h>

#include "app/app.h"
#include "app/exit.h"
#include "app/signals.h"
#include "app/talk/store.h"
#include "engine/base/file.h"

#define SCRIPT_MAX_BYTES ((size_t)16 << 20)
#define STORE_WAIT_MS    300

static int exit_of(int rc, int signo, const struct err *err)
{
	if (rc < 0)
		app_tell(err->text);
	return signo ? exit_code_of_signal(signo) : exit_code_after(rc, signals_seen());
}

static int open_talks(const struct options *o, struct talks *talks, struct screen_config *config,
		      struct err *err)
{
	int rc = talks_open_for(talks, o, err);

	/* The screen stands still for so long at most: what can't be written is tried again. */
	if (!rc)
		history_set_wait_ms(talks->store, STORE_WAIT_MS);
	config->talks = talks;
	return rc ? rc : talks_choose(talks, o, &config->talk, err);
}

int screen_mode(struct app *app)
{
	struct buf inputs = {0}, script = {0};
	struct screen_config config = {.opt = &app->opt, .tty = -1};
	struct agent_config agent;
	struct talks talks = {0};
	struct err err = {0};
	int signo = 0, rc = 0;

	if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		config.tty = STDIN_FILENO;
	if (!app->opt.script && app_inputs_path(&app->opt, &inputs))
		config.inputs_path = buf_z(&inputs);
	if (app->opt.script) {
		rc = file_read(&script, app->opt.script, SCRIPT_MAX_BYTES, &err);
		config.script = buf_z(&script);
	}
	if (!rc)
		rc = open_talks(&app->opt, &talks, &config, &err);
	if (!rc)
		rc = app_open_engine(app, &err);
	if (!rc) {
		config.engine = app->engine;
		config.agent = agent_config_for(&agent, app) ? &agent : NULL;
		rc = screen_run(&config, &signo, &err);
	}
	/* Who was ended may have nobody left to read it. */
	if (!rc && !signo)
		talk_store_tell_resume(&talks, config.talk);
	talks_release(&talks);
	rc = exit_of(rc, signo, &err);
	buf_release(&inputs);
	buf_release(&script);
	return rc;
}
