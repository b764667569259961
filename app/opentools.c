/* What an agent session has beside a chat: a workspace, a runner, and the tools that are
 * offered. */
#include "app/app.h"

#include <stdlib.h>
#include <string.h>

#include "app/kept.h"
#include "app/paths.h"
#include "engine/base/file.h"

#define SCRIPT_MAX_BYTES ((size_t)256 << 20)

/*
 * The tools that this program can run by itself; the last one changes files, and is offered where
 * the kernel confines it.  write_file could be, but the small model, offered all but shell, finds
 * that no tool fits where it has one.
 */
static const char *const offered[] = {"read_file", "list_files", "search_files", "edit_file"};
#define N_OFFERED (sizeof(offered) / sizeof(*offered))
#define N_READING 3

/* Where the program was started; without a home there is no configuration. */
static int find_workspace(struct app *app, struct err *err)
{
	app->workspace = realpath(".", NULL);
	if (!app->workspace)
		return err_errno(err, "workspace",
				 "the folder that the program was started in");
	path_folder(PATH_CONFIG, &app->config_dir, NULL);
	return buf_failed(&app->config_dir) ? err_nomem(err, "path", 0) : 0;
}

static int start_scripted(struct app *app, struct err *err)
{
	struct buf script = {0};
	int rc = file_read(&script, app->opt.runner_script, SCRIPT_MAX_BYTES, err);

	if (!rc)
		rc = runner_start_scripted(&app->runner, buf_str(&script), err);
	if (rc)
		err_prefix(err, "runner-script");
	buf_release(&script);
	return rc;
}

/* Nothing of the program's own is shown to a tool, wherever it is kept. */
static int start_runner(struct app *app, struct err *err)
{
	struct buf folders[N_PATHS] = {0}, cache = {0}, outputs = {0};
	struct str own[N_PATHS];
	struct err ignored;
	struct runner_config c = {.workspace = {.dir = str_of(app->workspace), .own = own},
				  .sandbox = SANDBOX_NONE};
	int rc = 0;

	c.workspace.home = str_of(getenv("HOME"));
	/* Where nothing of a conversation is kept, neither is what its tools print. */
	if (!app->opt.ephemeral && path_to_write(PATH_CACHE, &cache, &ignored) == 0 &&
	    kept_outputs(&outputs, &ignored) == 0)
		c.spill_root = buf_str(&outputs);
	for (int kind = 0; kind < N_PATHS; kind++) {
		path_folder((enum path_kind)kind, &folders[kind], NULL);
		if (buf_failed(&folders[kind]))
			rc = err_nomem(err, "path", 0);
		if (folders[kind].len)
			own[c.workspace.n_own++] = buf_str(&folders[kind]);
	}
	if (!rc)
		rc = runner_start(&app->runner, &c, err);
	if (rc)
		err_prefix(err, "tools");
	for (int kind = 0; kind < N_PATHS; kind++)
		buf_release(&folders[kind]);
	buf_release(&cache);
	buf_release(&outputs);
	return rc;
}

int app_open_tools(struct app *app, struct err *err)
{
	struct tool_set_config c = {0};
	int rc;

	if (!app->opt.tools)
		return 0;
	if (!app->opt.runner_script)
		c = (struct tool_set_config){offered, tools_landlock() ? N_OFFERED : N_READING};
	rc = find_workspace(app, err);
	if (!rc)
		rc = tool_set_new(&app->tools, &c, err);
	if (!rc)
		rc = app->opt.runner_script ? start_scripted(app, err) : start_runner(app, err);
	if (!rc && !app->opt.runner_script && !tools_landlock())
		app_tell(
			"tools: this kernel has no Landlock: they are held by their own checks "
			"alone, and none that changes files is offered");
	return rc;
}

void app_close_tools(struct app *app)
{
	runner_close(app->runner);
	tool_set_free(app->tools);
	free(app->workspace);
	buf_release(&app->config_dir);
	app->workspace = NULL;
	app->runner = NULL;
	app->tools = NULL;
}
