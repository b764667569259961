/* A branch as messages of the engine, and the seed of a turn. */
#include "app/talk/request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "app/talk/question.h"
#include "engine/base/clock.h"
#include "engine/base/jsontree.h"

/* How many there will be at most. */
static void count(const struct talk_message *m, size_t *messages, size_t *calls, size_t *texts)
{
	*messages += m->role == CHAT_TOOL ? m->n_parts : 1;
	*calls += m->role == CHAT_ASSISTANT ? m->n_parts : 0;
	*texts += m->role == CHAT_TOOL ? m->n_parts : 2;
}

static int reserve(struct request *r, const struct talk *t, struct err *err)
{
	size_t messages = 1, calls = 1, texts = 1;

	for (const struct talk_message *m = t->leaf; m; m = m->parent)
		count(m, &messages, &calls, &texts);
	r->messages = calloc(messages, sizeof(*r->messages));
	r->ids = calloc(messages, sizeof(*r->ids));
	r->calls = calloc(calls, sizeof(*r->calls));
	r->texts = calloc(texts, sizeof(*r->texts));
	if (!r->messages || !r->ids || !r->calls || !r->texts)
		return err_nomem(err, "request", messages * sizeof(*r->messages));
	return 0;
}

/* The parts of that kind as one text: borrowed where it is one, else joined here. */
static struct str text_of(struct request *r, const struct talk_message *m,
			  enum history_kind kind)
{
	const struct talk_part *only = NULL;
	struct buf *joined;
	size_t n = 0;

	for (size_t i = 0; i < m->n_parts; i++) {
		if (m->parts[i].kind == kind) {
			only = &m->parts[i];
			n++;
		}
	}
	if (n <= 1)
		return only ? buf_str(&only->text) : (struct str){0};
	joined = &r->texts[r->n_texts++];
	talk_message_add_text(m, kind, joined);
	return buf_str(joined);
}

/* A branch, and where in it. */
struct place {
	const struct talk_message **path;
	size_t n, i;
};

static bool has_result(const struct place *at, struct str ref)
{
	for (size_t i = at->i + 1; i < at->n && at->path[i]->role == CHAT_TOOL; i++) {
		const struct talk_message *m = at->path[i];

		for (size_t k = 0; k < m->n_parts; k++) {
			if (m->parts[k].kind == HISTORY_RESULT &&
			    str_eq(buf_str(&m->parts[k].ref), ref))
				return true;
		}
	}
	return false;
}

/* A malformed call of which the model was told. */
static bool is_answered_slip(const struct place *at, const struct talk_part *p)
{
	return p->kind == HISTORY_CALL && p->call == CALL_BAD && has_result(at, buf_str(&p->ref));
}

static bool has_answered_slip(const struct place *at)
{
	const struct talk_message *m = at->path[at->i];

	for (size_t i = 0; i < m->n_parts; i++) {
		if (is_answered_slip(at, &m->parts[i]))
			return true;
	}
	return false;
}

/* Its name, and arguments that are an object. */
static bool is_readable(const struct talk_part *p)
{
	struct json_tree tree = {0};
	bool readable = p->name.len && p->text.len &&
			!json_tree_parse(&tree, buf_str(&p->text), 0, NULL) &&
			json_is_object(tree.root);

	json_tree_release(&tree);
	return readable;
}

static void add(struct request *r, const struct talk_message *m, const struct chat_message *to)
{
	r->messages[r->n] = *to;
	r->ids[r->n++] = m->id;
}

static void add_answer(struct request *r, const struct place *at)
{
	const struct talk_message *m = at->path[at->i];
	struct chat_message to = {
		.role = CHAT_ASSISTANT,
		.content = text_of(r, m, HISTORY_TEXT),
		.reasoning = text_of(r, m, HISTORY_THINKING),
		.calls = &r->calls[r->n_calls],
	};

	/* What was cut lacks its end token; a model that sees its own slip repeats it. */
	if (!m->unfinished && !has_answered_slip(at)) {
		to.ids = m->ids;
		to.n_ids = m->n_ids;
	}
	if (!talk_message_speaks(m) && !to.n_ids)
		return;
	for (size_t i = 0; i < m->n_parts; i++) {
		const struct talk_part *p = &m->parts[i];

		if (p->kind != HISTORY_CALL ||
		    (p->call != CALL_WHOLE && p->call != CALL_CUT &&
		     !(is_answered_slip(at, p) && is_readable(p))))
			continue;
		r->calls[r->n_calls++] = (struct chat_call){
			buf_str(&p->ref), buf_str(&p->name), buf_str(&p->text)};
		to.n_calls++;
	}
	add(r, m, &to);
}

/* "</tool_result" and "<tool_result", in any case, get a backslash behind their "<". */
static void add_escaped(struct buf *out, struct str s)
{
	static const char *const tags[] = {"</tool_result", "<tool_result"};
	size_t from = 0;

	for (size_t i = 0; i < s.n; i++) {
		for (size_t k = 0; k < 2 && s.p[i] == '<'; k++) {
			size_t n = strlen(tags[k]);

			if (s.n - i < n || strncasecmp(s.p + i, tags[k], n) != 0)
				continue;
			buf_add(out, s.p + from, i + 1 - from);
			buf_addc(out, '\\');
			from = i + 1;
		}
	}
	buf_add(out, s.p + from, s.n - from);
}

static void add_results(struct request *r, const struct talk_message *m)
{
	for (size_t i = 0; i < m->n_parts; i++) {
		struct buf *text = &r->texts[r->n_texts];

		if (m->parts[i].kind != HISTORY_RESULT && m->parts[i].kind != HISTORY_TEXT)
			continue;
		r->n_texts++;
		add_escaped(text, buf_str(&m->parts[i].text));
		add(r, m,
		    &(struct chat_message){
			    .role = CHAT_TOOL,
			    .content = buf_str(text),
			    .tool_call_id = buf_str(&m->parts[i].ref),
		    });
	}
}

/* A message of one part is borrowed as it is. */
static struct str question_of(struct request *r, const struct talk_message *m)
{
	struct buf *joined;

	if (m->n_parts == 1 && m->parts[0].kind == HISTORY_TEXT)
		return buf_str(&m->parts[0].text);
	joined = &r->texts[r->n_texts++];
	question_add_text(m, joined);
	return buf_str(joined);
}

static void add_said(struct request *r, const struct talk_message *m)
{
	add(r, m,
	    &(struct chat_message){
		    .role = m->role,
		    .content = m->role == CHAT_USER ? question_of(r, m)
						    : text_of(r, m, HISTORY_TEXT),
		    .tools_json = text_of(r, m, HISTORY_TOOLS),
	    });
}

static void add_message(struct request *r, const struct place *at)
{
	const struct talk_message *m = at->path[at->i];

	switch (m->role) {
	case CHAT_ASSISTANT:
		add_answer(r, at);
		break;
	case CHAT_TOOL:
		add_results(r, m);
		break;
	case CHAT_USER:
	case CHAT_DEVELOPER:
	case CHAT_REMINDER:
		add_said(r, m);
		break;
	case CHAT_SYSTEM:
		break; /* stands first already */
	}
}

static void add_system(struct request *r, const struct talk_message *m)
{
	if (talk_message_bytes(m, HISTORY_TEXT) || talk_message_bytes(m, HISTORY_TOOLS))
		add_said(r, m);
}

int request_build(struct request *r, const struct talk *t, enum chat_effort effort,
		  struct err *err)
{
	size_t n = talk_path(t, NULL, 0);
	const struct talk_message **path = malloc((n + 1) * sizeof(*path));
	const struct talk_message *system = talk_last(t, CHAT_SYSTEM);
	bool failed = false;
	int rc;

	*r = (struct request){0};
	if (!path)
		return err_nomem(err, "request", (n + 1) * sizeof(*path));
	rc = reserve(r, t, err);
	if (!rc) {
		talk_path(t, path, n);
		if (system)
			add_system(r, system);
		for (size_t i = 0; i < n; i++)
			add_message(r, &(struct place){path, n, i});
	}
	for (size_t i = 0; i < r->n_texts; i++)
		failed |= buf_failed(&r->texts[i]);
	if (!rc && failed)
		rc = err_nomem(err, "request", r->n_texts);
	r->chat = (struct chat){.messages = r->messages,
				.n_messages = r->n,
				.effort = effort,
				.drop_thinking = true};
	free(path);
	return rc;
}

void request_release(struct request *r)
{
	for (size_t i = 0; i < r->n_texts; i++)
		buf_release(&r->texts[i]);
	free(r->texts);
	free(r->messages);
	free(r->ids);
	free(r->calls);
	*r = (struct request){0};
}

/* Of its last call, whether that was ended while it was written. */
static void note_closing(struct turn_request *req, const struct talk_message *m)
{
	const struct talk_part *last = NULL;

	for (size_t i = 0; i < m->n_parts; i++)
		if (m->parts[i].kind == HISTORY_CALL)
			last = &m->parts[i];
	if (!last || last->call != CALL_CUT || last->n_closing <= 0)
		return;
	req->n_resume_closing = (size_t)last->n_closing;
	req->resume_why = buf_str(&last->why);
}

void request_resume(struct turn_request *req, const struct talk_message *m)
{
	req->resume_ids = m->ids;
	req->n_resume_ids = m->n_ids;
	req->resume_counted = true;
	req->resume_text_bytes = talk_message_bytes(m, HISTORY_TEXT);
	req->resume_thinking_bytes = talk_message_bytes(m, HISTORY_THINKING);
	note_closing(req, m);
	if (m->made.known)
		req->sampling.seed = m->made.run.seed;
}

uint64_t request_seed(void)
{
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		seed = (uint64_t)clock_ns() * 0x9E3779B97F4A7C15u;
	return seed >> 11;
}

struct sampling request_sampling(const struct options *o)
{
	struct sampling s = o->sampling;

	if (!o->seed_given)
		s.seed = request_seed();
	return s;
}
