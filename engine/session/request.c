/*
 * One walk over the request serves twice: first it measures, with a block that
 * has no memory, then it copies.
 */
#include "engine/session/request.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

struct block {
	char *mem; /* NULL: only measure */
	size_t used;
	bool overflow;
};

/* Copies n bytes into the block, aligned; NULL while measuring or for n == 0. */
static void *put(struct block *b, const void *p, size_t n)
{
	size_t pad =
		(alignof(max_align_t) - b->used % alignof(max_align_t)) % alignof(max_align_t);
	char *to;

	if (n == 0)
		return NULL;
	if (b->used > SIZE_MAX - pad || b->used + pad > SIZE_MAX - n) {
		b->overflow = true;
		return NULL;
	}
	to = b->mem ? b->mem + b->used + pad : NULL;
	if (to)
		memcpy(to, p, n);
	b->used += pad + n;
	return to;
}

static void *put_array(struct block *b, const void *p, size_t n, size_t each)
{
	if (n > SIZE_MAX / each) {
		b->overflow = true;
		return NULL;
	}
	return put(b, p, n * each);
}

static struct str put_str(struct block *b, struct str s)
{
	return (struct str){put(b, s.p, s.n), s.n};
}

static const struct chat_call *put_calls(struct block *b, const struct chat_call *calls,
					 size_t n)
{
	struct chat_call *to = put_array(b, calls, n, sizeof(*calls));

	for (size_t i = 0; i < n; i++) {
		struct chat_call c = {
			.id = put_str(b, calls[i].id),
			.name = put_str(b, calls[i].name),
			.arguments = put_str(b, calls[i].arguments),
		};

		if (to)
			to[i] = c;
	}
	return to;
}

static const struct chat_message *put_messages(struct block *b, const struct chat *chat)
{
	struct chat_message *to =
		put_array(b, chat->messages, chat->n_messages, sizeof(*chat->messages));

	for (size_t i = 0; i < chat->n_messages; i++) {
		struct chat_message m = chat->messages[i];

		m.content = put_str(b, m.content);
		m.reasoning = put_str(b, m.reasoning);
		m.tools_json = put_str(b, m.tools_json);
		m.response_format = put_str(b, m.response_format);
		m.tool_call_id = put_str(b, m.tool_call_id);
		m.calls = put_calls(b, m.calls, m.n_calls);
		m.ids = put_array(b, m.ids, m.n_ids, sizeof(token_id));
		if (to)
			to[i] = m;
	}
	return to;
}

static struct turn_request *put_request(struct block *b, const struct turn_request *req)
{
	struct turn_request *to = put(b, req, sizeof(*req));
	struct turn_request r = *req;

	r.raw = put_str(b, req->raw);
	r.prefill = put_str(b, req->prefill);
	r.conversation = put_str(b, req->conversation);
	r.resume_why = put_str(b, req->resume_why);
	r.resume_ids = put_array(b, req->resume_ids, req->n_resume_ids, sizeof(token_id));
	r.chat.messages = put_messages(b, &req->chat);
	if (to)
		*to = r;
	return to;
}

int request_copy(struct turn_request **out, const struct turn_request *req, struct err *err)
{
	struct block b = {0};

	*out = NULL;
	put_request(&b, req);
	if (!b.overflow)
		b.mem = malloc(b.used);
	if (!b.mem)
		return err_nomem(err, "turn request", b.used);
	b.used = 0;
	/* The request is the block's first piece, so freeing it frees all. */
	*out = put_request(&b, req);
	return 0;
}
