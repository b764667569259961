/* Stop reasons as words. */
#include "app/talk/stop.h"

#include <string.h>

static const char context_full[] = "context";

static const struct {
	const char *stop, *why;
} rows[] = {
	{"length", "the limit of tokens was reached"},
	{context_full, "the context is full"},
	{"timeout", "the time was up"},
	{"crashed", "the program was stopped"},
	{"failed", "the turn failed"},
	{"interrupted", "interrupted"},
};

static bool stopped_by(const struct talk_message *m, const char *stop)
{
	return m->made.run.stop && strcmp(m->made.run.stop, stop) == 0;
}

/* It was cut, and its own tokens are not here: it was imported, or is damaged. */
static bool lacks_tokens(const struct talk_message *m)
{
	return m->role == CHAT_ASSISTANT && m->made.run.stop && !m->n_ids &&
	       talk_message_speaks(m) && !stopped_by(m, "stop") && !stopped_by(m, "tool_calls");
}

enum stop_way stop_way(const struct talk_message *m, int64_t ctx_tokens)
{
	if (m && lacks_tokens(m))
		return STOP_WAY_LOST;
	if (!m || m->role != CHAT_ASSISTANT || !m->unfinished || !m->n_ids)
		return STOP_WAY_WHOLE;
	if (ctx_tokens && m->context_tokens >= ctx_tokens)
		return STOP_WAY_FULL;
	if (stopped_by(m, context_full) && ctx_tokens <= m->made.run.ctx_tokens)
		return STOP_WAY_FULL;
	return STOP_WAY_OPEN;
}

const char *stop_why_not_resumed(const struct talk_message *m, int64_t ctx_tokens)
{
	switch (stop_way(m, ctx_tokens)) {
	case STOP_WAY_WHOLE:
		return "the last answer is whole: there is nothing to go on with";
	case STOP_WAY_OPEN:
		break;
	case STOP_WAY_LOST:
		return "cut, but without its own tokens, as imported ones are: /regen answers "
		       "anew";
	case STOP_WAY_FULL:
		return "the context is full: /new begins another conversation, an earlier "
		       "message "
		       "can be edited or forked from, --ctx N at the start gives more room";
	}
	return NULL;
}

const char *stop_why(const struct talk_message *m)
{
	if (m->role != CHAT_ASSISTANT || (!m->unfinished && !lacks_tokens(m)))
		return "";
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (stopped_by(m, rows[i].stop))
			return rows[i].why;
	return "cut";
}

void stop_add_words(const struct talk_message *m, int64_t ctx_tokens, struct buf *out)
{
	if (m->role != CHAT_ASSISTANT)
		return;
	if (stopped_by(m, "tool_calls"))
		buf_addz(out,
			 "the model asks for a tool; it has no result here, so the turn ends; "
			 "with --tools, /continue goes on with it");
	switch (stop_way(m, ctx_tokens)) {
	case STOP_WAY_WHOLE:
		break;
	case STOP_WAY_OPEN:
		buf_addf(out, "%s; /continue goes on with it", stop_why(m));
		break;
	case STOP_WAY_LOST:
	case STOP_WAY_FULL:
		buf_addz(out, stop_why_not_resumed(m, ctx_tokens));
		break;
	}
}
