/* Roles, kinds, states and the like by name, as the file and exports have them. */
#include "history/tool_run.h"
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

static const char *const call_states[HISTORY_N_CALL_STATES] = {
	[HISTORY_CALL_ASKED] = "asked",     [HISTORY_CALL_RUNNING] = "running",
	[HISTORY_CALL_OK] = "ok",           [HISTORY_CALL_ERROR] = "error",
	[HISTORY_CALL_DENIED] = "denied",   [HISTORY_CALL_REFUSED] = "refused",
	[HISTORY_CALL_STOPPED] = "stopped", [HISTORY_CALL_TIMEOUT] = "timeout",
	[HISTORY_CALL_LOST] = "lost",       [HISTORY_CALL_SKIPPED] = "skipped",
};

static const char *const edit_states[HISTORY_N_EDIT_STATES] = {
	[HISTORY_EDIT_PLANNED] = "planned", [HISTORY_EDIT_APPLIED] = "applied",
	[HISTORY_EDIT_UNDONE] = "undone",   [HISTORY_EDIT_LOST] = "lost",
	[HISTORY_EDIT_DROPPED] = "dropped",
};

static const char *const deciders[] = {"",       "mode", "rule",   "once",  "session",
				       "always", "user", "nobody", "policy"};

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

const char *history_call_state_name(enum history_call_state state)
{
	return call_states[state];
}

bool history_call_state_from_name(struct str name, enum history_call_state *state)
{
	size_t at;

	if (!find(call_states, HISTORY_N_CALL_STATES, name, &at))
		return false;
	*state = (enum history_call_state)at;
	return true;
}

bool tool_run_decided_is(struct str word)
{
	size_t at;

	return find(deciders, sizeof(deciders) / sizeof(deciders[0]), word, &at);
}

const char *file_edit_state_name(enum history_edit_state state)
{
	return edit_states[state];
}

bool file_edit_state_from_name(struct str name, enum history_edit_state *state)
{
	size_t at;

	if (!find(edit_states, HISTORY_N_EDIT_STATES, name, &at))
		return false;
	*state = (enum history_edit_state)at;
	return true;
}
