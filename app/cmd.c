/* The table of slash commands. */
#include <stdio.h>
#include <string.h>

#include "app/line.h"

const struct cmd cmds[] = {
	{"help", "", "this list", cmd_help},
	{"new", "", "begin a new conversation", cmd_new},
	{"list", "[N]", "the newest conversations", cmd_list},
	{"open", "ID", "go over to another conversation, by id or title", cmd_open},
	{"search", "WORDS", "find where something was said", cmd_search},
	{"fork", "", "go on in a branch of this conversation", cmd_fork},
	{"edit", "TEXT", "ask TEXT in place of the last question", cmd_edit},
	{"regen", "", "answer the last question anew", cmd_regen},
	{"continue", "", "go on with an answer that was cut", cmd_continue},
	{"title", "[TEXT]", "show or set the conversation's title", cmd_title},
	{"export", "FILE", "write it to FILE (.md, .json, .jsonl)", cmd_export},
	{"rm", "ID", "remove a conversation for good", cmd_rm},
	{"effort", "[none|low|high|max]", "how much the model thinks", cmd_effort},
	{"system", "[TEXT]", "show or set the system prompt; - removes it", cmd_system},
	{"set", "[OPTION [VALUE]]", "show or set an option, from the next turn on", cmd_set},
	{"quit", "", "end the program (so does Ctrl-D)", cmd_quit},
	{0},
};

int cmd_run(struct line *l, const char *text, struct err *err)
{
	size_t n = strcspn(text + 1, " \t\n");
	const char *arg = text + 1 + n;

	arg += strspn(arg, " \t\n");
	for (const struct cmd *c = cmds; c->name; c++) {
		if (strlen(c->name) == n && strncmp(c->name, text + 1, n) == 0)
			return c->run(l, arg, err);
	}
	return err_set(err, ERR_USAGE, "/%.*s: no such command; /help lists them",
		       (int)(n < 40 ? n : 40), text + 1);
}
