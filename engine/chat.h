/*
 * A conversation as the engine takes it: messages in order, with everything
 * that prompt encoding needs.  Borrowed memory throughout: whoever fills these
 * structs keeps the bytes alive for the call; engine_ops.submit copies what it
 * needs before it returns.
 */
#ifndef ENGINE_CHAT_H
#define ENGINE_CHAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/buf.h"

typedef int32_t token_id;

enum chat_role {
	CHAT_SYSTEM,
	CHAT_USER,
	CHAT_ASSISTANT,
	CHAT_TOOL,
	CHAT_DEVELOPER,
	CHAT_REMINDER, /* "latest_reminder" */
};

/* Tasks the model answers after a control token of its own; CHAT_TASK_NONE is a plain turn. */
enum chat_task {
	CHAT_TASK_NONE,
	CHAT_TASK_ACTION,
	CHAT_TASK_QUERY,
	CHAT_TASK_AUTHORITY,
	CHAT_TASK_DOMAIN,
	CHAT_TASK_TITLE,
	CHAT_TASK_READ_URL,
};

/* none = chat mode; the others think.  What text each adds depends on the checkpoint. */
enum chat_effort { EFFORT_NONE, EFFORT_LOW, EFFORT_HIGH, EFFORT_MAX };

struct chat_call {
	struct str id;        /* "" where there is none */
	struct str name;
	struct str arguments; /* JSON text of an object */
};

struct chat_message {
	enum chat_role role;
	enum chat_task task;
	struct str content;
	struct str reasoning;       /* assistant only */
	struct str tools_json;      /* system, developer: JSON array of functions; "" = none */
	struct str response_format; /* system, developer: JSON; "" = none */
	struct str tool_call_id;    /* tool only: which call this answers */
	const struct chat_call *calls; /* assistant only */
	size_t n_calls;
	bool goes_on; /* assistant only: without its end token, for the model to go on with */
	/*
	 * Assistant only: the exact ids the model produced after <｜Assistant｜>, from
	 * <think> or </think> through the end token, in a turn whose thinking is kept.
	 * They stand in for the text where the prompt keeps that thinking, so that the
	 * cached prefix is met.  NULL: encode the text.
	 */
	const token_id *ids;
	size_t n_ids;
};

struct chat {
	const struct chat_message *messages;
	size_t n_messages;
	enum chat_effort effort;
	bool drop_thinking; /* of answers before the last user message, unless there are tools */
};

#endif
