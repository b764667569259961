/* What a script's turn expects of its request. */
#include <string.h>

#include "engine/scripted/play.h"

static bool contains(struct str hay, struct str needle)
{
	return needle.n == 0 || (hay.n && memmem(hay.p, hay.n, needle.p, needle.n));
}

static struct str last_content(const struct turn_request *req, enum chat_role role)
{
	if (req->is_raw && role == CHAT_USER)
		return req->raw;
	for (size_t i = req->chat.n_messages; i-- > 0;) {
		if (req->chat.messages[i].role == role)
			return req->chat.messages[i].content;
	}
	return (struct str){0};
}

static bool check_text(struct play *p, bool asked, const struct buf *want, enum chat_role role,
		       const char *who)
{
	struct str found = last_content(p->req, role);
	struct err why;

	if (!asked || contains(found, buf_str(want)))
		return true;
	err_set(&why, ERR_USAGE,
		"script line %d: the last %s message is \"%.*s\", expected it "
		"to contain \"%.*s\"",
		p->turn->line, who, (int)(found.n < 150 ? found.n : 150),
		found.p ? found.p : "", (int)(want->len < 150 ? want->len : 150), buf_z(want));
	play_fail(p, &why);
	return false;
}

/* Fails the turn: what was found is not what the script expects. */
static bool found_otherwise(struct play *p, const char *what, struct str found, struct str want)
{
	struct err why;

	err_set(&why, ERR_USAGE, "script line %d: %s: found \"%.*s\", expected \"%.*s\"",
		p->turn->line, what, (int)(found.n < 150 ? found.n : 150),
		found.p ? found.p : "", (int)(want.n < 150 ? want.n : 150),
		want.p ? want.p : "");
	play_fail(p, &why);
	return false;
}

static bool check_tools(struct play *p)
{
	const struct chat *c = &p->req->chat;
	struct str want = buf_str(&p->turn->expect_tools);
	struct str found = c->n_messages ? c->messages[0].tools_json : (struct str){0};

	if (!p->turn->has_expect_tools || (want.n ? contains(found, want) : !found.n))
		return true;
	return found_otherwise(p, "tools", found, want);
}

/* The ids of the last answer's calls, or (`results`) of those that were answered, with blanks.
 */
static void add_ids_of(const struct chat *c, bool results, struct buf *out)
{
	size_t i = c->n_messages;

	while (i > 0 && !c->messages[i - 1].n_calls)
		i--;
	if (!i)
		return;
	for (size_t k = 0; !results && k < c->messages[i - 1].n_calls; k++) {
		buf_addz(out, out->len ? " " : "");
		buf_adds(out, c->messages[i - 1].calls[k].id);
	}
	for (; results && i < c->n_messages; i++) {
		if (c->messages[i].role != CHAT_TOOL)
			continue;
		buf_addz(out, out->len ? " " : "");
		buf_adds(out, c->messages[i].tool_call_id);
	}
}

static bool check_ids(struct play *p, const char *what, bool asked, const struct buf *want,
		      bool results)
{
	struct buf found = {0};
	bool same;

	if (!asked)
		return true;
	add_ids_of(&p->req->chat, results, &found);
	same = str_eq(buf_str(&found), buf_str(want));
	if (!same)
		found_otherwise(p, what, buf_str(&found), buf_str(want));
	buf_release(&found);
	return same;
}

static bool check_count(struct play *p, const char *what, int64_t want, int64_t found)
{
	struct err why;

	if (want < 0 || want == found)
		return true;
	err_set(&why, ERR_USAGE, "script line %d: %s: found %lld, expected %lld", p->turn->line,
		what, (long long)found, (long long)want);
	play_fail(p, &why);
	return false;
}

bool play_expected(struct play *p)
{
	const struct script_turn *t = p->turn;
	const struct turn_request *req = p->req;

	return check_text(p, t->has_expect, &t->expect, CHAT_USER, "user") &&
	       check_text(p, t->has_expect_tool, &t->expect_tool, CHAT_TOOL, "tool") &&
	       check_text(p, t->has_expect_system, &t->expect_system, CHAT_SYSTEM, "system") &&
	       check_tools(p) &&
	       check_ids(p, "calls", t->has_expect_calls, &t->expect_calls, false) &&
	       check_ids(p, "results", t->has_expect_results, &t->expect_results, true) &&
	       check_count(p, "messages", t->expect_messages, (int64_t)req->chat.n_messages) &&
	       check_count(p, "effort", t->expect_effort, (int64_t)req->chat.effort) &&
	       check_count(p, "resume ids", t->expect_resume, (int64_t)req->n_resume_ids);
}
