/*
 * What every mode and verb of the program shares.
 */
#ifndef APP_APP_H
#define APP_APP_H

#include "app/options.h"
#include "engine/engine.h"

struct app {
	struct options opt;    /* flags over environment over file over defaults */
	struct engine *engine; /* NULL until app_open_engine() */
};

/*
 * Opens the engine that the options name: the scripted one (--engine-script), or the real one
 * on --model, else on the small model that came with the program.  It loads in the background.
 */
int app_open_engine(struct app *app, struct err *err);

/*
 * The directory of the small model: $PREFIX/share/dsv4chat/nano beside the running binary,
 * else share/nano of the source tree it was built in.  NULL where there is none.
 */
const char *app_nano_dir(void);

#endif
