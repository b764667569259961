/* A branch made ready for the next question. */
#include "app/agent/prepare.h"

#include "app/agent/calls.h"
#include "app/agent/prompt.h"

/* ---- calls without a result ---- */

static int find_begun(const struct prepare *a, const struct talk_message *m, struct str ref,
		      enum history_call_begun *begun, struct err *err)
{
	*begun = HISTORY_NOT_BEGUN;
	return a->ops->find ? a->ops->find(a->ctx, m, ref, begun, err) : 0;
}

/* What had begun is lost; what had not is told as not run. */
static void judge(const struct talk_message *m, enum history_call_begun begun,
		  struct agent_news *n)
{
	n->state = begun == HISTORY_BEGUN ? TOOL_LOST : TOOL_SKIPPED;
	if (begun == HISTORY_BEGUN)
		n->text = STR_LIT("error: the program ended while this ran; " CALL_LOST);
	else if (m->unfinished)
		n->text = STR_LIT("error: not run: the answer was cut");
	else
		n->text = STR_LIT("error: not run: the user went on");
}

/* `lost`: only what had begun. */
static int settle(const struct prepare *a, const struct talk_message *m,
		  const struct talk_part *p, bool lost, struct err *err)
{
	struct agent_news n = {.kind = AGENT_RESULT,
			       .ref = buf_str(&p->ref),
			       .tool = buf_str(&p->name),
			       .exit = -1,
			       .ms = -1};
	enum history_call_begun begun;
	struct buf info = {0};
	struct talk_result result;
	int rc = find_begun(a, m, n.ref, &begun, err);

	if (rc || (lost && begun == HISTORY_NOT_BEGUN))
		return rc;
	if (begun == HISTORY_RUNS_ELSEWHERE)
		return err_set(err, ERR_USAGE, "another dsv4chat runs a tool in this conversation: "
					       "wait for it there, or /fork");
	judge(m, begun, &n);
	call_add_info(&info, &n, "policy");
	if (buf_failed(&info))
		rc = err_nomem(err, "result", info.len);
	result = (struct talk_result){
		.ref = n.ref, .name = n.tool, .text = n.text, .info = buf_str(&info)};
	if (!rc)
		rc = a->ops->keep(a->ctx, &result, err);
	if (!rc)
		a->ops->show(a->ctx, &n);
	buf_release(&info);
	return rc;
}

static int settle_all(const struct prepare *a, const struct talk *t, bool lost,
		      struct err *err)
{
	const struct talk_message *m = talk_message_answer(t->leaf);
	int rc = 0;

	for (size_t i = 0; !rc && m && i < m->n_parts; i++) {
		const struct talk_part *p = &m->parts[i];

		if (p->kind == HISTORY_CALL && (p->call == CALL_WHOLE || p->call == CALL_CUT) &&
		    !talk_message_has_result(t->leaf, buf_str(&p->ref)))
			rc = settle(a, m, p, lost, err);
	}
	return rc;
}

int prepare_lost(const struct prepare *a, const struct talk *t, struct err *err)
{
	return settle_all(a, t, true, err);
}

/* ---- what the model is offered ---- */

static void tell_lines(const struct prepare *a, struct str lines)
{
	struct str line;

	while (str_line(&lines, &line)) {
		const struct agent_news news = {
			.kind = AGENT_NOTICE, .text = line, .exit = -1, .ms = -1};

		a->ops->show(a->ctx, &news);
	}
}

/* What it was offered stays, byte for byte, unless it is told something else. */
static bool is_offered(const struct talk *t)
{
	const struct talk_message *m = talk_last(t, CHAT_SYSTEM);

	return t->asks_tools || (!t->asks_system && m && talk_message_bytes(m, HISTORY_TOOLS));
}

static int add_system(const struct prepare *a, const struct talk *t, struct buf *text,
		      struct buf *notices, struct err *err)
{
	struct buf hold = {0};
	struct str said = talk_system(t, a->fresh, &hold);
	int rc = prompt_add_system(text, &a->config->place, said, a->ctx_tokens, notices, err);

	buf_release(&hold);
	return rc;
}

static int offer(const struct prepare *a, struct talk *t, struct err *err)
{
	struct buf text = {0}, notices = {0};
	int rc = add_system(a, t, &text, &notices, err);

	if (!rc)
		rc = talk_set_system(t, buf_str(&text), err);
	if (!rc)
		rc = talk_set_tools(t, tool_set_json(a->config->tools), err);
	if (!rc)
		tell_lines(a, buf_str(&notices));
	buf_release(&text);
	buf_release(&notices);
	return rc;
}

int prepare_look(const struct prepare *a, const struct talk *t, struct buf *text,
		 struct str *tools, struct err *err)
{
	struct buf notices = {0};
	int rc;

	*tools = (struct str){"", 0};
	if (is_offered(t))
		return 0;
	rc = add_system(a, t, text, &notices, err);
	*tools = tool_set_json(a->config->tools);
	buf_release(&notices);
	return rc;
}

int prepare_branch(const struct prepare *a, struct talk *t, struct err *err)
{
	int rc = settle_all(a, t, false, err);

	return rc || is_offered(t) ? rc : offer(a, t, err);
}
