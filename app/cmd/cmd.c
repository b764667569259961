/* The table of slash commands. */
#include "app/cmd/cmd.h"

#include <string.h>

#define BOTH(name) cmd_##name, cmd_##name##_screen

const struct cmd cmds[] = {
	{"help", "", "what can be done here", BOTH(help)},
	{"new", "", "begin a new conversation", BOTH(new)},
	{"list", "[N]", "the newest conversations", BOTH(list)},
	{"open", "ID", "go over to another conversation, by id or title", BOTH(open)},
	{"search", "WORDS", "find where something was said", BOTH(search)},
	{"fork", "", "go on in a branch of this conversation", BOTH(fork)},
	{"edit", "TEXT", "ask TEXT in place of the last question", BOTH(edit)},
	{"regen", "", "answer the last question anew", BOTH(regen)},
	{"continue", "", "go on with an answer that was cut", BOTH(continue)},
	{"title", "[TEXT]", "show or set the conversation's title", BOTH(title)},
	{"export", "FILE", "write it to FILE (.md, .json, .jsonl)", BOTH(export)},
	{"rm", "ID", "remove a conversation for good", BOTH(rm)},
	{"effort", "[none|low|high|max]", "how much the model thinks", BOTH(effort)},
	{"system", "[TEXT]", "show or set the system prompt; - removes it", BOTH(system)},
	{"set", "[OPTION [VALUE]]", "show or set an option, from the next turn on", BOTH(set)},
	{"quit", "", "end the program (so does Ctrl-D)", BOTH(quit)},
	{0},
};

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

const struct cmd *cmd_find(const char *text, const char **arg, struct err *err)
{
	size_t n = name_length(str_of(text));

	*arg = text + 1 + n;
	*arg += strspn(*arg, " \t");
	for (const struct cmd *c = cmds; c->name; c++) {
		if (strlen(c->name) == n && strncmp(c->name, text + 1, n) == 0)
			return c;
	}
	err_set(err, ERR_USAGE,
		"/%.*s: no such command; /help lists them, a blank before / sends it",
		(int)(n < 40 ? n : 40), text + 1);
	return NULL;
}
