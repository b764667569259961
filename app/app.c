/* Settings, the engine they name, and words on stderr. */
#include "app/app.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/output.h"
#include "app/paths.h"
#include "engine/base/file.h"

#define SCRIPT_MAX_BYTES ((size_t)256 << 20)

static int open_scripted(struct app *app, struct err *err)
{
	struct buf script = {0};
	int rc = file_read(&script, app->opt.engine_script, SCRIPT_MAX_BYTES, err);

	if (!rc)
		rc = engine_open_scripted(&app->engine, buf_str(&script), err);
	buf_release(&script);
	return rc;
}

int app_read_settings(struct options *o, struct err *err)
{
	struct buf path = {0};
	int rc = 0;

	options_default(o);
	/* Without a home there is no file to read, and that is no error. */
	if (path_of(PATH_CONFIG, &path, NULL) == 0)
		rc = options_read_file(o, buf_z(&path), err);
	buf_release(&path);
	return rc ? rc : options_read_env(o, err);
}

int app_model_dir(const struct options *o, struct buf *out, struct err *err)
{
	if (!o->model)
		return path_nano(out, err);
	if (!*o->model)
		return err_set(err, ERR_USAGE,
			       "model: empty, expected a checkpoint's directory");
	path_expand(out, str_of(o->model));
	return buf_failed(out) ? err_nomem(err, "path", strlen(o->model)) : 0;
}

int app_open_engine(struct app *app, struct err *err)
{
	struct buf dir = {0}, cache = {0};
	struct engine_config config = {0};
	int rc;

	if (app->opt.engine_script)
		return open_scripted(app, err);
	rc = app_model_dir(&app->opt, &dir, err);
	options_engine(&app->opt, &config);
	config.model_dir = buf_z(&dir);
	/* Where it cannot be, nothing is kept, and that is no error. */
	if (config.cache_bytes && path_to_write(PATH_CACHE, &cache, NULL) == 0)
		config.cache_dir = buf_z(&cache);
	if (!rc)
		rc = engine_open(&app->engine, &config, err);
	buf_release(&dir);
	buf_release(&cache);
	return rc;
}

void app_close_engine(struct app *app)
{
	if (app->engine)
		app->engine->ops->close(app->engine);
	app->engine = NULL;
}

void app_tell(const char *text)
{
	struct buf line = {0};

	buf_addz(&line, "dsv4chat: ");
	buf_addz(&line, text);
	buf_addc(&line, '\n');
	if (!buf_failed(&line)) {
		output_safe(STDERR_FILENO, buf_str(&line));
	} else {
		/* Without memory it comes in pieces. */
		output_own(STDERR_FILENO, "dsv4chat: ");
		output_safe(STDERR_FILENO, str_of(text));
		output_own(STDERR_FILENO, "\n");
	}
	buf_release(&line);
}

bool app_inputs_path(const struct options *o, struct buf *out)
{
	size_t before = out->len;

	if (o->ephemeral)
		return false;
	if (path_to_write(PATH_INPUTS, out, NULL) == 0 && !buf_failed(out))
		return true;
	buf_truncate(out, before);
	return false;
}

const char *app_terminal(void)
{
	const char *term = getenv("TERM");

	return term && *term && strcmp(term, "dumb") != 0 ? term : NULL;
}

bool app_color(const struct app *app, int fd)
{
	const char *no_color = getenv("NO_COLOR");

	switch ((enum color_when)app->opt.color) {
	case COLOR_ALWAYS:
		return true;
	case COLOR_NEVER:
		return false;
	case COLOR_AUTO:
		break;
	}
	return isatty(fd) && !(no_color && *no_color) && app_terminal();
}

int64_t app_deadline_ms(const struct app *app)
{
	return app->opt.timeout_s > 0 ? app->start_ms + (int64_t)(app->opt.timeout_s * 1000)
				      : 0;
}
