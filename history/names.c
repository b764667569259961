/* Roles, kinds and origins of titles by name, as the file and exports have them. */
#include "history/tree.h"

static const char *const roles[HISTORY_N_ROLES] = {
	[HISTORY_SYSTEM] = "system",       [HISTORY_USER] = "user",
	[HISTORY_ASSISTANT] = "assistant", [HISTORY_TOOL] = "tool",
	[HISTORY_DEVELOPER] = "developer", [HISTORY_REMINDER] = "reminder",
};

static const char *const kinds[HISTORY_N_KINDS] = {
	[HISTORY_TEXT] = "text",
	[HISTORY_THINKING] = "thinking",
	[HISTORY_CALL] = "call",
	[HISTORY_RESULT] = "result",
	[HISTORY_ATTACHMENT] = "attachment",
	[HISTORY_NOTICE] = "notice",
	[HISTORY_TOOLS] = "tools",
};

static const char *const title_froms[] = {
	[HISTORY_TITLE_PROMPT] = "prompt",
	[HISTORY_TITLE_MODEL] = "model",
	[HISTORY_TITLE_USER] = "user",
};

static bool find(const char *const *names, size_t n, struct str name, size_t *at)
{
	for (size_t i = 0; i < n; i++) {
		if (str_is(name, names[i])) {
			*at = i;
			return true;
		}
	}
	return false;
}

const char *history_role_name(enum history_role role)
{
	return roles[role];
}

bool history_role_from_name(struct str name, enum history_role *role)
{
	size_t at;

	if (!find(roles, HISTORY_N_ROLES, name, &at))
		return false;
	*role = (enum history_role)at;
	return true;
}

const char *history_kind_name(enum history_kind kind)
{
	return kinds[kind];
}

bool history_kind_from_name(struct str name, enum history_kind *kind)
{
	size_t at;

	if (!find(kinds, HISTORY_N_KINDS, name, &at))
		return false;
	*kind = (enum history_kind)at;
	return true;
}

const char *history_title_origin_name(enum history_title_from from)
{
	return title_froms[from];
}

bool history_title_origin_from_name(struct str name, enum history_title_from *from)
{
	size_t at;

	if (!find(title_froms, sizeof(title_froms) / sizeof(title_froms[0]), name, &at))
		return false;
	*from = (enum history_title_from)at;
	return true;
}
