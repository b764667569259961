/*
 * Messages as JSON to a struct chat, and an answer back to JSON: the shapes that
 * `prompt`, `complete`, import and export speak.
 */
#ifndef ENGINE_TEXT_PROMPT_JSON_H
#define ENGINE_TEXT_PROMPT_JSON_H

#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/chat.h"

/* A struct chat and all the memory it borrows. */
struct chat_doc;

/*
 * Invalid UTF-8 becomes U+FFFD; chat_doc_replaced() says how often.
 *
 * Takes an array of messages, or an object with `messages` and any of
 *   tools             joined to the first system message (made if there is none)
 *   thinking_mode     "thinking" (default) or "chat"
 *   drop_thinking     default true
 *   reasoning_effort  null, "low", "high" or "max"; counts only when thinking
 *   effort            "none", "low", "high", "max": in place of the two above
 * Other keys are left to the caller.  A message has `role` and any of content,
 * reasoning_content, tool_calls, tool_call_id, tools, response_format, task, wo_eos
 * (true: an answer that the model is to go on with).  The content of a tool's message
 * may be a list of parts: their texts are joined by blank lines.
 * Numbers inside tools, response_format and arguments keep their source text here.
 * ERR_USAGE names the message and the key.
 */
int chat_doc_parse(struct chat_doc **out, struct str json, struct err *err);
void chat_doc_free(struct chat_doc *doc);                     /* NULL is fine */
const struct chat *chat_doc_chat(const struct chat_doc *doc); /* borrowed */
size_t chat_doc_replaced(const struct chat_doc *doc);

#endif
