/* What an agent session has beside a chat: a workspace, a runner, and the tools that are
 * offered. */
#include "app/app.h"

#include <stdlib.h>
#include <string.h>

#include "app/allowed.h"
#include "app/kept.h"
#include "app/paths.h"
#include "engine/base/file.h"

#define SCRIPT_MAX_BYTES ((size_t)256 << 20)

/*
 * The tools; what changes files needs a kernel that confines it, commands a sandbox.  Without
 * commands write_file is not offered, either: the small model, offered all but shell, finds
 * that no tool fits where it has one.
 */
#define MOST_OFFERED 6

#define HIDDEN_MOST 256 /* patterns */

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

/* A workspace, and what its configuration borrows. */
struct place {
	struct workspace_config c;
	struct buf folders[N_PATHS];
	struct str own[N_PATHS];
	struct buf patterns; /* of what rules hide, one behind the other */
	struct str hide[HIDDEN_MOST];
};

/* As a pattern of a whole path: what is special in the workspace's own is not. */
static void add_pattern(struct buf *out, const char *workspace, struct str pattern)
{
	for (const char *c = workspace; pattern.p[0] != '/' && *c; c++) {
		if (strchr("*?[\\", *c))
			buf_addc(out, '\\');
		buf_addc(out, *c);
	}
	if (pattern.p[0] != '/')
		buf_addc(out, '/');
	buf_adds(out, pattern);
}

/* What may not be read is not there. */
static int hide_denied(struct place *p, const struct rules *rules, const char *workspace,
		       struct err *err)
{
	size_t ends[HIDDEN_MOST], from = 0;
	struct str pattern;

	for (size_t i = 0; rules_hidden(rules, i, &pattern); i++) {
		if (i == HIDDEN_MOST)
			return err_set(err, ERR_USAGE, "more than %d rules that deny reading",
				       HIDDEN_MOST);
		add_pattern(&p->patterns, workspace, pattern);
		ends[p->c.n_hide++] = p->patterns.len;
	}
	if (buf_failed(&p->patterns))
		return err_nomem(err, "rules", p->patterns.len);
	for (size_t i = 0; i < p->c.n_hide; from = ends[i++])
		p->hide[i] = (struct str){p->patterns.data + from, ends[i] - from};
	return 0;
}

/* Nothing of the program's own is shown to a tool, wherever it is kept.  To be released. */
static int make_place(struct place *p, const struct rules *rules, const char *workspace,
		      struct err *err)
{
	int rc;

	*p = (struct place){.c = {.dir = str_of(workspace), .own = p->own, .hide = p->hide}};
	rc = hide_denied(p, rules, workspace, err);
	p->c.home = str_of(getenv("HOME"));
	for (int kind = 0; kind < N_PATHS; kind++) {
		struct buf *folder = &p->folders[kind];

		path_folder((enum path_kind)kind, folder, NULL);
		if (buf_failed(folder))
			rc = err_nomem(err, "path", 0);
		if (folder->len)
			p->own[p->c.n_own++] = buf_str(folder);
	}
	return rc;
}

static void release_place(struct place *p)
{
	for (int kind = 0; kind < N_PATHS; kind++)
		buf_release(&p->folders[kind]);
	buf_release(&p->patterns);
}

static int start_runner(struct app *app, struct err *err)
{
	struct buf cache = {0}, outputs = {0};
	struct err ignored;
	struct place place;
	struct runner_config c = {
		.sandbox = app->opt.sandbox == SANDBOX_UNWANTED ? SANDBOX_OFF : SANDBOX_BWRAP};
	int rc = make_place(&place, app->rules, app->workspace, err);

	c.workspace = place.c;
	/* Where nothing of a conversation is kept, neither is what its tools print. */
	if (!app->opt.ephemeral && path_to_write(PATH_CACHE, &cache, &ignored) == 0 &&
	    kept_outputs(&outputs, &ignored) == 0)
		c.spill_root = buf_str(&outputs);
	if (!rc)
		rc = runner_start(&app->runner, &c, err);
	if (rc)
		err_prefix(err, "tools");
	release_place(&place);
	buf_release(&cache);
	buf_release(&outputs);
	return rc;
}

int app_reads(struct reads **out, const struct rules *rules, const char *workspace,
	      struct err *err)
{
	struct place place;
	int rc = make_place(&place, rules, workspace, err);

	/* Whether tools may work there is the runner's to say. */
	place.c.named = true;
	if (!rc)
		rc = reads_new(out, &place.c, err);
	release_place(&place);
	return rc;
}

static size_t choose_tools(const struct app *app, enum sandbox_layer layer,
			   const char *names[MOST_OFFERED])
{
	bool writes = tools_landlock() && app->opt.sandbox != SANDBOX_READ_ONLY;
	size_t n = 0;

	names[n++] = "read_file";
	names[n++] = "list_files";
	names[n++] = "search_files";
	if (layer != SANDBOX_NONE)
		names[n++] = "shell";
	if (writes)
		names[n++] = "edit_file";
	if (writes && layer != SANDBOX_NONE)
		names[n++] = "write_file";
	return n;
}

/* What is not as a user would have it. */
static void tell_limits(enum sandbox_layer layer)
{
	if (!tools_landlock())
		app_tell(
			"tools: this kernel has no Landlock: they are held by their own checks "
			"alone, and none that changes files is offered");
	if (layer == SANDBOX_OFF)
		app_tell("tools: commands run without a sandbox");
	if (layer == SANDBOX_LANDLOCK)
		app_tell("tools: commands run in a sandbox of Landlock alone, which lets them "
			 "change no modes and times of files; dsv4chat doctor says why");
	if (layer == SANDBOX_NONE)
		app_tell("tools: no sandbox works here, so no command can run; dsv4chat doctor "
			 "says why");
}

/* With those that this machine can hold. */
static int start_real(struct app *app, struct err *err)
{
	const char *names[MOST_OFFERED];
	struct tool_set_config chosen = {.names = names};
	int rc = start_runner(app, err);
	enum sandbox_layer layer;
	struct str why;

	if (rc)
		return rc;
	layer = runner_sandbox(app->runner, &why);
	chosen.n_names = choose_tools(app, layer, names);
	rc = tool_set_new(&app->tools, &chosen, err);
	if (!rc)
		tell_limits(layer);
	return rc;
}

/* With all of them. */
static int start_script(struct app *app, struct err *err)
{
	const struct tool_set_config all = {0};
	int rc = tool_set_new(&app->tools, &all, err);

	return rc ? rc : start_scripted(app, err);
}

static int add_rules(struct rules *r, enum rule_says says, char *const *v, size_t n,
		     struct err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < n; i++)
		rc = rules_add(r, says, str_of(v[i]), err);
	return rc;
}

int app_rules(struct rules **out, const struct options *o, const char *workspace,
	      struct err *err)
{
	struct rules *r = NULL;
	int rc = rules_new(&r, str_of(workspace), err);

	if (!rc)
		rc = add_rules(r, RULE_DENY, o->deny, o->n_deny, err);
	if (!rc)
		rc = add_rules(r, RULE_ASK, o->ask, o->n_ask, err);
	if (!rc)
		rc = add_rules(r, RULE_ALLOW, o->allow, o->n_allow, err);
	if (rc) {
		rules_free(r);
		return rc;
	}
	*out = r;
	return 0;
}

int app_rules_here(struct rules **out, const struct options *o, const char *workspace,
		   struct err *err)
{
	struct buf warnings = {0};
	int rc;

	*out = NULL;
	rc = app_rules(out, o, workspace, err);
	if (!rc)
		rc = allowed_load(*out, workspace, &warnings, err);
	if (warnings.len) {
		buf_truncate(&warnings, warnings.len - 1);
		app_tell(buf_z(&warnings));
	}
	buf_release(&warnings);
	return rc;
}

static int open_rules(struct app *app, struct err *err)
{
	int rc = app_rules_here(&app->rules, &app->opt, app->workspace, err);

	if (!rc && !app->opt.runner_script)
		rc = app_reads(&app->reads, app->rules, app->workspace, err);
	if (!rc)
		rules_set_reads(app->rules, app->reads);
	return rc;
}

int app_open_tools(struct app *app, struct err *err)
{
	int rc;

	if (!app->opt.tools)
		return 0;
	rc = find_workspace(app, err);
	if (!rc)
		rc = open_rules(app, err);
	if (rc)
		return rc;
	return app->opt.runner_script ? start_script(app, err) : start_real(app, err);
}

void app_close_tools(struct app *app)
{
	runner_close(app->runner);
	tool_set_free(app->tools);
	rules_free(app->rules);
	reads_free(app->reads);
	free(app->workspace);
	buf_release(&app->config_dir);
	app->workspace = NULL;
	app->runner = NULL;
	app->tools = NULL;
	app->rules = NULL;
	app->reads = NULL;
}
