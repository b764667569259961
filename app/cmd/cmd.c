/* The table of slash commands. */
#include "app/cmd/cmd.h"

#include <string.h>

const struct cmd cmds[] = {
	{"help", "", "what can be done here", cmd_help},
	{"new", "", "begin a new conversation", cmd_new},
	{"list", "[N]", "the newest conversations", cmd_list},
	{"open", "ID", "go over to another conversation, by id or title", cmd_open},
	{"search", "WORDS", "find where something was said", cmd_search},
	{"fork", "", "go on in a branch of this conversation", cmd_fork},
	{"edit", "TEXT", "ask TEXT in place of the last question", cmd_edit},
	{"regen", "", "answer the last question anew", cmd_regen},
	{"continue", "", "go on with an answer that was cut", cmd_continue},
	{"undo", "[N]", "take back the file edits of the last question, or the last N",
	 cmd_undo},
	{"redo", "[N]", "make them again, until the next edit", cmd_redo},
	{"approve", "[MODE]", "what needs no question; rm N takes a rule back",
	 cmd_approve},
	{"plan", "", "only what reads runs, until it is said again: then go ahead", cmd_plan},
	{"title", "[TEXT]", "show or set the conversation's title", cmd_title},
	{"copy", "[N|code [N]]", "copy the last answer, the Nth last, or its code", cmd_copy},
	{"export", "FILE", "write it to FILE (.md, .json, .jsonl)", cmd_export},
	{"rm", "ID", "remove a conversation", cmd_rm},
	{"effort", "[none|low|high|max]", "how much the model thinks", cmd_effort},
	{"system", "[TEXT]", "show or set the system prompt; - removes it", cmd_system},
	{"set", "[OPTION [VALUE]]", "show or set an option, from the next turn on", cmd_set},
	{"quit", "", "end the program (so does Ctrl-D)", cmd_quit},
	{0},
};

/* Names that other programs have for the same; help and completion leave them out. */
static const struct {
	const char *name, *means;
} others[] = {{"exit", "quit"}, {"q", "quit"}, {"clear", "new"}};

/* The length of the name behind the slash; 0: none. */
static size_t name_length(struct str text)
{
	size_t n = 1;

	if (text.n < 2 || text.p[0] != '/')
		return 0;
	while (n < text.n && text.p[n] >= 'a' && text.p[n] <= 'z')
		n++;
	return n - 1;
}

bool cmd_meant(struct str text)
{
	size_t n = name_length(text);

	return n > 0 && (n + 1 == text.n || text.p[n + 1] == ' ' || text.p[n + 1] == '\t') &&
	       !memchr(text.p, '\n', text.n);
}

bool cmd_is_leaving(struct str text)
{
	return str_is(text, "exit") || str_is(text, "quit") || str_is(text, ":q");
}

static const struct cmd *find(struct str name)
{
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (str_is(name, others[i].name))
			name = str_of(others[i].means);
	for (const struct cmd *c = cmds; c->name; c++)
		if (str_is(name, c->name))
			return c;
	return NULL;
}

int cmd_run(struct cmd_host *h, const char *text, bool *known, struct err *err)
{
	size_t n = name_length(str_of(text));
	const char *arg = text + 1 + n;
	const struct cmd *c = find((struct str){text + 1, n});

	arg += strspn(arg, " \t");
	*known = c != NULL;
	if (c)
		return c->run(h, arg, err);
	return err_set(err, ERR_USAGE,
		       "/%.*s: no such command; /help lists them, a blank before / sends it",
		       (int)(n < 40 ? n : 40), text + 1);
}
