/*
 * Messages become turns first: results of tools and texts of the user that
 * follow each other are one turn of the user.  Then each turn is written, and
 * after it what the next one needs.
 */
#include "engine/text/prompt.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/text/prompt_grammar.h"
#include "engine/text/prompt_parts.h"

#define NO_TURN SIZE_MAX

/* A run of messages that the prompt shows as one. */
struct turn {
	const struct chat_message *first;
	size_t n;            /* 1 but for joined user turns */
	enum chat_task task; /* of whichever of them has one: none joins behind a user's */
	const struct chat_message
		*calls; /* the answer whose calls its results answer, or NULL */
};

struct prompt {
	const struct chat *chat;
	enum prompt_flavour flavour;
	struct prompt_writer w;
	struct turn *turns;
	size_t n_turns;
	size_t last_user; /* index of the last user or developer turn, or NO_TURN */
	bool thinking;
	bool keep_thinking; /* of answers before the last user turn */
};

static enum chat_role turn_role(const struct turn *t)
{
	return t->first->role == CHAT_TOOL ? CHAT_USER : t->first->role;
}

static bool asks(const struct turn *t)
{
	enum chat_role role = turn_role(t);

	return role == CHAT_USER || role == CHAT_DEVELOPER;
}

static bool joins(const struct turn *last, const struct chat_message *m)
{
	if (turn_role(last) != CHAT_USER)
		return false;
	return m->role == CHAT_TOOL || (m->role == CHAT_USER && last->task == CHAT_TASK_NONE);
}

static void find_last_user(struct prompt *p)
{
	p->last_user = NO_TURN;
	for (size_t i = 0; i < p->n_turns; i++) {
		if (asks(&p->turns[i]))
			p->last_user = i;
	}
}

/* Where old thinking goes, developer messages of old go with it. */
static void drop_old_developers(struct prompt *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_turns; i++) {
		if (turn_role(&p->turns[i]) != CHAT_DEVELOPER || i >= p->last_user)
			p->turns[n++] = p->turns[i];
	}
	p->n_turns = n;
	find_last_user(p);
}

static int make_turns(struct prompt *p, struct err *err)
{
	const struct chat *chat = p->chat;
	const struct chat_message *calls = NULL;
	bool tools = false;

	if (!chat->n_messages)
		return err_set(err, ERR_USAGE, "no messages");
	p->turns = calloc(chat->n_messages, sizeof(*p->turns));
	if (!p->turns)
		return err_nomem(err, "turns", chat->n_messages);
	for (size_t i = 0; i < chat->n_messages; i++) {
		const struct chat_message *m = &chat->messages[i];
		struct turn *last = p->n_turns ? &p->turns[p->n_turns - 1] : NULL;

		tools = tools || m->tools_json.n;
		if (m->role == CHAT_ASSISTANT && m->n_calls)
			calls = m;
		if (!last || !joins(last, m)) {
			p->turns[p->n_turns++] = (struct turn){m, 1, m->task, calls};
			continue;
		}
		last->n++;
		if (m->task != CHAT_TASK_NONE)
			last->task = m->task;
	}
	p->thinking = chat->effort != EFFORT_NONE;
	p->keep_thinking = tools || !chat->drop_thinking;
	find_last_user(p);
	if (p->thinking && !p->keep_thinking)
		drop_old_developers(p);
	return 0;
}

/* What system and developer messages have in common. */
static int add_instructions(struct prompt *p, const struct chat_message *m, struct err *err)
{
	int rc = 0;

	prompt_add_text(&p->w, m->content);
	if (m->tools_json.n)
		rc = prompt_add_tools(&p->w, m->tools_json, err);
	if (!rc && m->response_format.n)
		rc = prompt_add_response_format(&p->w, m->response_format, err);
	return rc;
}

/* A result and the place of the call it answers; unknown calls have place 0. */
struct result {
	size_t place, at;
};

static int compare_results(const void *a, const void *b)
{
	const struct result *x = a, *y = b;

	if (x->place != y->place)
		return x->place < y->place ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

static int compare_bytes(struct str a, struct str b)
{
	int order = memcmp(a.p ? a.p : "", b.p ? b.p : "", a.n < b.n ? a.n : b.n);

	return order ? order : (a.n > b.n) - (a.n < b.n);
}

/* By id; of equal ids the last call comes first. */
static int compare_calls(const void *a, const void *b)
{
	const struct chat_call *x = *(const struct chat_call *const *)a;
	const struct chat_call *y = *(const struct chat_call *const *)b;
	int order = compare_bytes(x->id, y->id);

	return order ? order : (x < y) - (x > y);
}

static size_t call_place(const struct chat_message *calls, const struct chat_call **by_id,
			 struct str id)
{
	size_t from = 0, to = calls ? calls->n_calls : 0;

	if (!id.n)
		return 0;
	while (from < to) {
		size_t mid = from + (to - from) / 2;

		if (compare_bytes(by_id[mid]->id, id) < 0)
			from = mid + 1;
		else
			to = mid;
	}
	if (!calls || from == calls->n_calls || !str_eq(by_id[from]->id, id))
		return 0;
	return (size_t)(by_id[from] - calls->calls);
}

/* The turn's results in the order of the calls: *out, *n of them, the caller's to free. */
static int sort_results(const struct turn *t, struct result **out, size_t *n, struct err *err)
{
	size_t n_calls = t->calls ? t->calls->n_calls : 0;
	const struct chat_call **by_id = malloc((n_calls + 1) * sizeof(*by_id));

	*n = 0;
	*out = malloc(t->n * sizeof(**out));
	if (!by_id || !*out) {
		free((void *)by_id);
		return err_nomem(err, "tool results", t->n * sizeof(**out));
	}
	for (size_t i = 0; i < n_calls; i++)
		by_id[i] = &t->calls->calls[i];
	if (n_calls)
		qsort((void *)by_id, n_calls, sizeof(*by_id), compare_calls);
	for (size_t i = 0; i < t->n; i++) {
		const struct chat_message *m = &t->first[i];

		if (m->role == CHAT_TOOL)
			(*out)[(*n)++] = (struct result){
				call_place(t->calls, by_id, m->tool_call_id), i};
	}
	qsort(*out, *n, sizeof(**out), compare_results);
	free((void *)by_id);
	return 0;
}

static int add_user(struct prompt *p, const struct turn *t, struct err *err)
{
	struct result *results = NULL;
	size_t n_results = 0, next = 0;
	int rc = sort_results(t, &results, &n_results, err);

	for (size_t i = 0; !rc && i < t->n; i++) {
		const struct chat_message *m = &t->first[i];

		if (i)
			prompt_add_grammar(&p->w, "\n\n");
		if (m->role != CHAT_TOOL || next == n_results) {
			prompt_add_text(&p->w, m->content);
			continue;
		}
		/* Where a result stands, the next one in order goes. */
		prompt_add_grammar(&p->w, "<tool_result>");
		prompt_add_text(&p->w, t->first[results[next++].at].content);
		prompt_add_grammar(&p->w, "</tool_result>");
	}
	free(results);
	return rc;
}

/* Does the prompt open the answer `i` with <think>? */
static bool shows_thinking(const struct prompt *p, size_t i)
{
	if (!p->thinking)
		return false;
	return p->keep_thinking || p->last_user == NO_TURN || i > p->last_user;
}

/* Can the answer's own ids stand here?  They start as the prompt would. */
static bool has_ids(const struct prompt *p, size_t i)
{
	const struct chat_message *m = p->turns[i].first;
	const char *start = shows_thinking(p, i) ? TOKEN_THINK : TOKEN_THINK_END;

	if (!p->w.tok || !m->ids || !m->n_ids || i == 0 || !asks(&p->turns[i - 1]))
		return false;
	if (p->turns[i - 1].task != CHAT_TASK_NONE)
		return false;
	for (size_t k = 0; k < m->n_ids; k++) {
		if (m->ids[k] < 0 || m->ids[k] >= tokenizer_n_ids(p->w.tok))
			return false;
	}
	return m->ids[0] == tokenizer_control(p->w.tok, start);
}

static void add_end(struct prompt *p, const struct chat_message *m)
{
	if (!m->goes_on)
		prompt_add_control(&p->w, TOKEN_EOS);
}

static int add_answer(struct prompt *p, size_t i, struct err *err)
{
	const struct chat_message *m = p->turns[i].first;
	int rc;

	if (has_ids(p, i)) {
		size_t n = m->n_ids;

		/* An answer that was cut off has no end of its own. */
		n -= m->ids[n - 1] == tokenizer_control(p->w.tok, TOKEN_EOS);
		prompt_add_ids(&p->w, m->ids, n);
		add_end(p, m);
		return 0;
	}
	if (shows_thinking(p, i) && (i == 0 || p->turns[i - 1].task == CHAT_TASK_NONE)) {
		prompt_add_text(&p->w, m->reasoning);
		prompt_add_control(&p->w, TOKEN_THINK_END);
	}
	prompt_add_text(&p->w, m->content);
	rc = prompt_add_calls(&p->w, m, err);
	add_end(p, m);
	return rc;
}

static int add_turn(struct prompt *p, size_t i, struct err *err)
{
	const struct turn *t = &p->turns[i];

	switch (turn_role(t)) {
	case CHAT_SYSTEM:
		return add_instructions(p, t->first, err);
	case CHAT_REMINDER:
		prompt_add_control(&p->w, "<｜latest_reminder｜>");
		prompt_add_text(&p->w, t->first->content);
		return 0;
	case CHAT_DEVELOPER:
		prompt_add_control(&p->w, TOKEN_USER);
		return add_instructions(p, t->first, err);
	case CHAT_USER:
	case CHAT_TOOL:
		prompt_add_control(&p->w, TOKEN_USER);
		return add_user(p, t, err);
	case CHAT_ASSISTANT:
		return add_answer(p, i, err);
	}
	return 0;
}

/* What stands between turn i and the answer that follows, or is wanted. */
static void add_opening(struct prompt *p, size_t i)
{
	const struct turn *t = &p->turns[i];
	enum chat_task task = t->task;
	bool last = i + 1 == p->n_turns;

	if (!last && turn_role(&p->turns[i + 1]) != CHAT_ASSISTANT &&
	    turn_role(&p->turns[i + 1]) != CHAT_REMINDER)
		return;
	if (task != CHAT_TASK_NONE && task != CHAT_TASK_ACTION) {
		prompt_add_control(&p->w, prompt_task_token(task));
		return;
	}
	if (task == CHAT_TASK_ACTION) {
		prompt_add_control(&p->w, TOKEN_ASSISTANT);
		prompt_add_control(&p->w, p->thinking ? TOKEN_THINK : TOKEN_THINK_END);
		prompt_add_control(&p->w, prompt_task_token(task));
		return;
	}
	if (!asks(t))
		return;
	prompt_add_control(&p->w, TOKEN_ASSISTANT);
	if (!last && turn_role(&p->turns[i + 1]) == CHAT_ASSISTANT && has_ids(p, i + 1))
		return;
	prompt_add_control(&p->w, shows_thinking(p, i + 1) ? TOKEN_THINK : TOKEN_THINK_END);
}

static const char *effort_text(const struct prompt *p)
{
	switch (p->chat->effort) {
	case EFFORT_NONE:
	case EFFORT_LOW:
		return "";
	case EFFORT_HIGH:
		return p->flavour == PROMPT_DSPARK ? prompt_effort_absolute : "";
	case EFFORT_MAX:
		return p->flavour == PROMPT_DSPARK ? prompt_effort_beyond
						   : prompt_effort_absolute;
	}
	return "";
}

/* How many of the chat's messages are written behind turn i. */
static size_t turn_end(const struct prompt *p, size_t i)
{
	const struct turn *t = &p->turns[i];

	return (size_t)(t->first - p->chat->messages) + t->n;
}

static int run(struct prompt *p, struct err *err)
{
	int rc = make_turns(p, err);

	if (!rc) {
		prompt_add_control(&p->w, TOKEN_BOS);
		prompt_add_grammar(&p->w, effort_text(p));
	}
	for (size_t i = 0; !rc && i < p->n_turns; i++) {
		rc = add_turn(p, i, err);
		if (rc)
			break;
		prompt_end_messages(&p->w, turn_end(p, i));
		add_opening(p, i);
	}
	free(p->turns);
	if (!rc)
		return prompt_writer_finish(&p->w);
	buf_release(&p->w.pending);
	return rc;
}

int prompt_encode(const struct chat *chat, enum prompt_flavour flavour,
		  const struct tokenizer *tok, struct tokens *out, size_t *n_replaced,
		  struct err *err)
{
	struct prompt p = {
		.chat = chat,
		.flavour = flavour,
		.w = {.tok = tok, .ids = out, .n_replaced = n_replaced, .err = err},
	};

	return run(&p, err);
}

int prompt_encode_ends(const struct chat *chat, enum prompt_flavour flavour,
		       const struct tokenizer *tok, struct tokens *out, size_t *ends,
		       struct err *err)
{
	struct prompt p = {
		.chat = chat,
		.flavour = flavour,
		.w = {.tok = tok, .ids = out, .ends = ends, .err = err},
	};

	return run(&p, err);
}

int prompt_text(const struct chat *chat, enum prompt_flavour flavour, struct buf *out,
		struct err *err)
{
	struct prompt p = {.chat = chat, .flavour = flavour, .w = {.text = out, .err = err}};

	return run(&p, err);
}

int prompt_encode_raw(struct str text, const struct tokenizer *tok, struct tokens *out,
		      size_t *n_replaced, struct err *err)
{
	struct prompt_writer w = {.tok = tok, .ids = out, .n_replaced = n_replaced, .err = err};

	prompt_add_control(&w, TOKEN_BOS);
	prompt_add_text(&w, text);
	return prompt_writer_finish(&w);
}

bool prompt_has_task(const struct tokenizer *tok, enum chat_task task)
{
	const char *token = prompt_task_token(task);

	return token && tokenizer_control(tok, token) >= 0;
}
