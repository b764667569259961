/* The request that a turn would make, and the engine's glance at it. */
#include "app/talk/price.h"

#include <stdlib.h>

#include "app/talk/question.h"
#include "app/talk/request.h"

/* The request, with what would be said now. */
struct asked {
	struct chat_message *messages;
	int64_t *ids; /* of the talk's messages; 0: it has none such */
	size_t n;
	struct buf system; /* its text, where it is the branch's */
	struct buf question;
};

static void asked_release(struct asked *a)
{
	free(a->messages);
	free(a->ids);
	buf_release(&a->system);
	buf_release(&a->question);
}

static void add(struct asked *a, int64_t id, const struct chat_message *m)
{
	a->messages[a->n] = *m;
	a->ids[a->n++] = id;
}

/* The system prompt that would come with the question; returns how many messages it replaces.
 */
static size_t add_system(struct asked *a, const struct turn *t, const struct price_of *of,
			 const struct request *r)
{
	bool has = r->n && r->messages[0].role == CHAT_SYSTEM;
	struct chat_message m = {.role = CHAT_SYSTEM};
	int64_t id = 0;

	if (has)
		m = r->messages[0];
	m.content = talk_system(of->talk, t->opt->system, &a->system);
	if (of->tools.n) {
		m.content = of->system;
		m.tools_json = of->tools;
	} else if (has && str_eq(m.content, r->messages[0].content)) {
		id = r->ids[0];
	}
	if (m.content.n || m.tools_json.n)
		add(a, id, &m);
	return has;
}

static bool asks_itself(const struct price_of *of)
{
	return !of->draft.n && of->leaf && of->leaf->role == CHAT_USER;
}

/* As it would be asked; what stands against that is said when it is. */
static void add_question(struct asked *a, const struct price_of *of)
{
	struct chat_message m = {.role = CHAT_USER, .content = of->draft};
	struct talk_message *question;
	struct question_typed told;
	struct err unsaid;

	if (of->draft.n && !question_type(&question, of->draft, of->instead, &told, &unsaid)) {
		question_add_text(question, &a->question);
		talk_message_free(question);
		m.content = buf_str(&a->question);
	}
	add(a, 0, &m);
}

/* talk->leaf is the leaf that is asked after. */
static int build(struct asked *a, const struct turn *t, const struct price_of *of,
		 const struct request *r, struct err *err)
{
	size_t from = 0;

	a->messages = malloc((r->n + 2) * sizeof(*a->messages));
	a->ids = malloc((r->n + 2) * sizeof(*a->ids));
	if (!a->messages || !a->ids)
		return err_nomem(err, "request", (r->n + 2) * sizeof(*a->messages));
	if (!asks_itself(of))
		from = add_system(a, t, of, r);
	for (size_t i = from; i < r->n; i++)
		add(a, r->ids[i], &r->messages[i]);
	if (!asks_itself(of))
		add_question(a, of);
	return buf_failed(&a->system) || buf_failed(&a->question)
		       ? err_nomem(err, "request", a->question.len)
		       : 0;
}

static int glance(const struct turn *t, const struct price_of *of, const struct request *r,
		  const struct asked *a, bool ahead, uint64_t *number, struct err *err)
{
	struct turn_request req = {.sampling = sampling_default(), .chat = r->chat};

	req.chat.messages = a->messages;
	req.chat.n_messages = a->n;
	req.conversation = str_of(talk_store_uid(t->talks, of->talk));
	return t->engine->ops->glance(t->engine, &req, ahead, number, err);
}

void price_said_release(struct price_said *said)
{
	free(said->ids);
	*said = (struct price_said){0};
}

int price_ask(const struct turn *t, const struct price_of *of, bool ahead,
	      struct price_said *said, uint64_t *number, struct err *err)
{
	struct talk_message *leaf = of->talk->leaf;
	struct request r = {0};
	struct asked a = {0};
	int rc;

	of->talk->leaf = of->leaf;
	rc = request_build(&r, of->talk, (enum chat_effort)t->opt->effort, err);
	if (!rc)
		rc = build(&a, t, of, &r, err);
	of->talk->leaf = leaf;
	if (!rc)
		rc = glance(t, of, &r, &a, ahead, number, err);
	if (!rc && said) {
		*said = (struct price_said){a.ids, a.n};
		a.ids = NULL;
	}
	asked_release(&a);
	request_release(&r);
	return rc;
}
