/* What slash commands ask for (app/cmd/host.h), in line mode. */
#include <stdio.h>
#include <unistd.h>

#include "app/help.h"
#include "app/line/line.h"
#include "app/output.h"
#include "tui/tui.h"

#define COMMANDS_AT 31 /* column of what they do */

static struct line_mode *line_of(const struct cmd_host *h)
{
	return (struct line_mode *)(uintptr_t)h;
}

static struct talk *host_talk(const struct cmd_host *h)
{
	return line_of(h)->talk;
}

static int64_t host_ctx_tokens(const struct cmd_host *h)
{
	struct engine *e = line_of(h)->app->engine;
	const struct engine_info *info = e->ops->info(e);

	return info ? info->ctx_tokens : 0;
}

static void host_say(struct cmd_host *h, const char *text)
{
	(void)h;
	line_say("%s", text);
}

static void host_tell(struct cmd_host *h, struct str text)
{
	(void)h;
	line_say("%.*s", (int)text.n, text.n ? text.p : "");
}

static void host_help(struct cmd_host *h)
{
	struct buf text = {0};

	(void)h;
	for (const struct cmd *c = cmds; c->name; c++) {
		char left[48];

		snprintf(left, sizeof(left), "  /%s %s", c->name, c->arg);
		help_add(&text, left, COMMANDS_AT, c->help);
	}
	help_add(&text, "", 0,
		 "A message is sent with Enter. Pasted lines, lines that were waiting and lines "
		 "that end with \\ become one message. A file that it names as @PATH goes along. "
		 "Ctrl-C interrupts an answer and keeps what was said.");
	output_text(STDOUT_FILENO, buf_str(&text));
	buf_release(&text);
}

static int host_copy(struct cmd_host *h, struct str text, struct err *err)
{
	struct buf out = {0};
	int rc;

	(void)h;
	if (!isatty(STDOUT_FILENO))
		return err_set(err, ERR_USAGE, "there is no terminal to copy with");
	rc = osc52_add_base64(&out, text, err);
	if (!rc) {
		output_own(STDOUT_FILENO, "\x1B]52;c;");
		output_safe(STDOUT_FILENO, buf_str(&out));
		output_own(STDOUT_FILENO, "\a");
	}
	buf_release(&out);
	return rc;
}

static void host_show_option(struct cmd_host *h, const struct option_row *row)
{
	struct buf value = {0};

	for (const struct option_row *r = row ? row : option_rows; r->name; r++) {
		buf_reset(&value);
		option_get(h->opt, r, &value);
		if (r->where & OPTION_LIVE)
			line_say("  %-14s %s", r->name, buf_z(&value));
		if (row)
			break;
	}
	buf_release(&value);
}

/* The others are asked for where they are needed. */
static void host_options_changed(struct cmd_host *h)
{
	struct agent *agent = line_of(h)->rounds.agent;

	if (agent)
		agent_set_mode(agent, (enum agent_mode)h->opt->approve);
}

/* Commands are read between answers. */
static bool host_is_writing(struct cmd_host *h)
{
	(void)h;
	return false;
}

static int host_open(struct cmd_host *h, struct talk *t, struct err *err)
{
	return line_open(line_of(h), t, err);
}

/* One that nothing was said in serves again. */
static int go_to_new(struct line_mode *l, struct err *err)
{
	for (size_t i = 0; i < l->talks.n; i++) {
		struct talk *t = l->talks.v[i];

		if (!t->first && !t->unread && !t->stored) {
			l->talk = t;
			return 0;
		}
	}
	return talks_add(&l->talks, &l->talk, err);
}

static int host_open_new(struct cmd_host *h, struct err *err)
{
	int rc = go_to_new(line_of(h), err);

	if (rc)
		return rc;
	history_list_release(&line_of(h)->offered);
	line_say("A new conversation.");
	return 0;
}

static int host_open_branch(struct cmd_host *h, struct talk *t, struct err *err)
{
	(void)err;
	line_of(h)->talk = t;
	line_say("A branch; what was said before stays as it is.");
	line_tell_price(line_of(h));
	return 0;
}

static int host_remove(struct cmd_host *h, struct talk *t, struct err *err)
{
	struct line_mode *l = line_of(h);
	struct err why = {0};
	int rc = talk_store_remove(&l->talks, t, l->turn.engine, !h->opt->ephemeral, NULL, err);

	if (rc)
		return rc;
	if (talks_tidy(&l->talks, &why))
		line_say("It is removed, but bytes of it may stand in the file until the program "
			 "starts again: %s",
			 why.text);
	talks_remove(&l->talks, t);
	talks_drop_removed(&l->talks);
	if (t == l->talk)
		rc = go_to_new(l, err);
	if (!rc)
		line_say("Removed.");
	return rc;
}

static void host_renamed(struct cmd_host *h)
{
	(void)h;
}

static int host_ask(struct cmd_host *h, struct str text, const struct talk_message *instead,
		    struct err *err)
{
	return line_ask(line_of(h), text, instead, err);
}

static int host_answer(struct cmd_host *h, struct err *err)
{
	return line_answer(line_of(h), NULL, err);
}

static int host_go_on(struct cmd_host *h, struct talk_message *m, struct err *err)
{
	return line_answer(line_of(h), m, err);
}

static int host_go_on_calls(struct cmd_host *h, bool *did, struct err *err)
{
	return line_go_on_calls(line_of(h), did, err);
}

static int host_undo(struct cmd_host *h, bool again, size_t turns, struct err *err)
{
	return line_undo(line_of(h), again, turns, err);
}

static int host_approve(struct cmd_host *h, const char *arg, struct err *err)
{
	struct buf out = {0};
	int rc = agent_approve(line_of(h)->rounds.agent, h->opt, arg, &out, err);

	if (!rc)
		output_safe(STDOUT_FILENO, buf_str(&out));
	buf_release(&out);
	return rc;
}

static int host_plan(struct cmd_host *h, struct err *err)
{
	return line_plan(line_of(h), err);
}

static void host_quit(struct cmd_host *h)
{
	line_of(h)->quit = true;
}

const struct cmd_host_ops line_host = {
	.talk = host_talk,
	.ctx_tokens = host_ctx_tokens,
	.say = host_say,
	.tell = host_tell,
	.help = host_help,
	.copy = host_copy,
	.show_option = host_show_option,
	.options_changed = host_options_changed,
	.is_writing = host_is_writing,
	.open = host_open,
	.open_new = host_open_new,
	.open_branch = host_open_branch,
	.remove = host_remove,
	.renamed = host_renamed,
	.ask = host_ask,
	.answer = host_answer,
	.go_on = host_go_on,
	.go_on_calls = host_go_on_calls,
	.undo = host_undo,
	.approve = host_approve,
	.plan = host_plan,
	.edit = NULL,
	.quit = host_quit,
};
