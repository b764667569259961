/* What the model is told before anything is asked, and offering it the tools. */
#include "app/agent/prompt.h"

#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>

#include "app/agent/instructions.h"
#include "engine/base/utf8.h"
#include "preamble.h"

bool agent_config_for(struct agent_config *c, const struct app *app)
{
	*c = (struct agent_config){
		.place = {.workspace = app->workspace,
			  .home = getenv("HOME"),
			  .config = app->config_dir.len ? app->config_dir.data : NULL,
			  .agents_md = !app->opt.no_agents_md},
		.runner = app->runner,
		.tools = app->tools,
		.rules = app->rules,
		.mode = (enum agent_mode)app->opt.approve,
		.read_only = app->opt.sandbox == SANDBOX_READ_ONLY,
		.rounds = app->opt.tool_rounds,
		.refused = app->opt.max_refused,
	};
	return app->tools != NULL;
}

void prompt_add_path(struct buf *out, struct str path)
{
	size_t from = out->len;

	utf8_add_clean(out, path);
	for (size_t i = from; i < out->len; i++) {
		if ((unsigned char)out->data[i] < ' ')
			out->data[i] = '?';
	}
}

/* The day alone, so that the prompt's beginning stays the same for one. */
static void add_date(struct buf *out, time_t now)
{
	char text[16] = "";
	struct tm tm;

	if (localtime_r(&now, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d", &tm);
	buf_addz(out, text);
}

static void add_block(struct buf *out, const struct agent_place *p)
{
	struct utsname system = {0};

	uname(&system);
	buf_addz(out, "\nWorkspace: ");
	prompt_add_path(out, str_of(p->workspace));
	buf_addz(out, "\nDate: ");
	add_date(out, p->now ? p->now : time(NULL));
	buf_addf(out, "\nSystem: %s %s\nGit repository: %s\n", system.sysname, system.machine,
		 instructions_in_git(p) ? "yes" : "no");
}

int prompt_add_system(struct buf *out, const struct agent_place *p, struct str instead,
		      int64_t ctx_tokens, struct buf *notices, struct err *err)
{
	int rc = 0;

	if (instead.n) {
		buf_adds(out, instead);
		buf_addz(out, "\n");
	} else {
		buf_addz(out, preamble);
	}
	add_block(out, p);
	if (p->agents_md)
		rc = instructions_add(out, p, ctx_tokens, notices, err);
	if (!rc && (buf_failed(out) || buf_failed(notices)))
		rc = err_nomem(err, "system prompt", out->len);
	return rc;
}
