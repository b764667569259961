/* The request that a turn would make, and the engine's glance at it. */
#include "app/talk/price.h"

#include <stdlib.h>
#include <string.h>

#include "app/talk/request.h"

/* The branch that ends with another leaf; the talk stays as it is. */
static int build(struct request *r, const struct turn *t, const struct price_of *of,
		 struct err *err)
{
	struct talk_message *leaf = of->talk->leaf;
	int rc;

	of->talk->leaf = of->leaf;
	rc = request_build(r, of->talk, (enum chat_effort)t->opt->effort, err);
	of->talk->leaf = leaf;
	return rc;
}

static bool asks_itself(const struct price_of *of)
{
	return !of->draft.n && of->leaf && of->leaf->role == CHAT_USER;
}

static int glance(const struct turn *t, const struct price_of *of, const struct request *r,
		  bool ahead, uint64_t *number, struct err *err)
{
	struct chat_message *messages = malloc((r->n + 2) * sizeof(*messages));
	struct turn_request req = {.sampling = sampling_default(), .chat = r->chat};
	size_t n = 0;
	int rc;

	if (!messages)
		return err_nomem(err, "request", (r->n + 2) * sizeof(*messages));
	/* It comes with the first question. */
	if (r->n == 0 && t->opt->system)
		messages[n++] = (struct chat_message){.role = CHAT_SYSTEM,
						      .content = str_of(t->opt->system)};
	if (r->n)
		memcpy(messages + n, r->messages, r->n * sizeof(*messages));
	n += r->n;
	if (!asks_itself(of))
		messages[n++] =
			(struct chat_message){.role = CHAT_USER, .content = of->draft};
	req.chat.messages = messages;
	req.chat.n_messages = n;
	req.conversation = str_of(talk_store_uid(t->talks, of->talk));
	rc = t->engine->ops->glance(t->engine, &req, ahead, number, err);
	free(messages);
	return rc;
}

void price_said_release(struct price_said *said)
{
	free(said->ids);
	*said = (struct price_said){0};
}

int price_ask(const struct turn *t, const struct price_of *of, bool ahead,
	      struct price_said *said, uint64_t *number, struct err *err)
{
	struct request r = {0};
	int rc = build(&r, t, of, err);

	if (!rc)
		rc = glance(t, of, &r, ahead, number, err);
	if (!rc && said) {
		*said = (struct price_said){r.ids, r.n};
		r.ids = NULL;
	}
	request_release(&r);
	return rc;
}
