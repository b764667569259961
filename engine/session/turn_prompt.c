/* What a turn begins with, as ids. */
#include "engine/session/turn.h"

void session_tell(struct turn *t, struct event *ev)
{
	ev->turn = t->number;
	event_queue_push(t->s->base.events, ev);
}

static void notice_replaced(struct turn *t, size_t n_replaced)
{
	struct event ev = {.kind = EV_NOTICE};

	if (n_replaced == 0)
		return;
	buf_addf(&ev.text, "%zu byte sequence%s of the prompt %s not UTF-8 and became U+FFFD",
		 n_replaced, n_replaced == 1 ? "" : "s", n_replaced == 1 ? "was" : "were");
	session_tell(t, &ev);
}

/* Whether the end token is the last of them; elsewhere it has no place. */
static int find_end(struct turn *t)
{
	const struct turn_request *req = t->req;

	for (size_t i = 0; i < req->n_resume_ids; i++) {
		if (!is_stop_id(t->s, req->resume_ids[i]))
			continue;
		t->ended = i && i + 1 == req->n_resume_ids;
		if (!t->ended)
			return err_set(&t->err, ERR_USAGE,
				       "resumed answer: id %zu of %zu ends it", i,
				       req->n_resume_ids);
	}
	return 0;
}

/* The ids of an unfinished answer, in place of the opening one the prompt ends with. */
static int add_resumed(struct turn *t)
{
	const struct turn_request *req = t->req;
	int rc;

	if (req->n_resume_ids == 0)
		return 0;
	if (t->opening >= 0) {
		if (!is_opening(t->s, req->resume_ids[0]))
			return err_set(&t->err, ERR_USAGE,
				       "resumed answer: its first id is %d, "
				       "expected <think> or </think>",
				       (int)req->resume_ids[0]);
		t->opening = req->resume_ids[0];
		t->prompt.n--;
	}
	rc = find_end(t);
	if (rc)
		return rc;
	t->resume_at = t->prompt.n + (t->opening >= 0);
	tokens_add_all(&t->prompt, req->resume_ids, req->n_resume_ids - t->ended);
	return 0;
}

/* The text a fresh answer begins with, behind thinking that is empty. */
static int add_prefill(struct turn *t, size_t *n_replaced)
{
	const struct turn_request *req = t->req;

	t->prefill_at = t->prompt.n;
	if (!req->prefill.n || req->is_raw || req->n_resume_ids)
		return 0;
	if (t->opening >= 0 && t->opening == t->s->think) {
		if (t->s->think_end < 0)
			return err_set(&t->err, ERR_MODEL,
				       "the tokenizer has no control token " TOKEN_THINK_END);
		tokens_add(&t->prompt, t->s->think_end);
	}
	return tokenizer_encode(t->s->tok, req->prefill, &t->prompt, n_replaced, &t->err);
}

int session_encode(struct turn *t)
{
	const struct turn_request *req = t->req;
	struct session *s = t->s;
	int64_t ctx = model_ctx_tokens(s->model);
	size_t n_replaced = 0;
	int rc;

	if (req->is_raw)
		rc = prompt_encode_raw(req->raw, s->tok, &t->prompt, &n_replaced, &t->err);
	else
		rc = prompt_encode(&req->chat, s->flavour, s->tok, &t->prompt, &n_replaced,
				   &t->err);
	if (rc)
		return rc;
	if (t->prompt.n == 0)
		return err_set(&t->err, ERR_USAGE, "prompt: no tokens");
	if (!req->is_raw && is_opening(s, t->prompt.ids[t->prompt.n - 1]))
		t->opening = t->prompt.ids[t->prompt.n - 1];
	if (!req->is_raw && is_stop_id(s, t->prompt.ids[t->prompt.n - 1]))
		return err_set(&t->err, ERR_USAGE,
			       "the last message is an answer: nothing asks for another");
	t->resume_at = t->prompt.n;
	rc = add_resumed(t);
	if (!rc)
		rc = add_prefill(t, &n_replaced);
	if (rc)
		return rc;
	if (tokens_failed(&t->prompt))
		return err_nomem(&t->err, "prompt", t->prompt.n * sizeof(token_id));
	t->usage.prompt_tokens = (int64_t)t->prompt.n;
	if (t->usage.prompt_tokens >= ctx)
		return err_set(&t->err, ERR_LIMIT,
			       "the conversation has %lld tokens, the context "
			       "holds %lld",
			       (long long)t->usage.prompt_tokens, (long long)ctx);
	notice_replaced(t, n_replaced);
	return 0;
}
