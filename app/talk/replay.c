/* The answer in stretches: from ids that were given to the next that nobody chose. */
#include "app/talk/replay.h"

#include <string.h>

#include "app/options.h"
#include "app/talk/request.h"

/* ---- what there is ---- */

static const struct history_message *stored(const struct talk *t, const struct talk_message *m)
{
	return t->tree && m->stored ? history_tree_find(t->tree, m->stored) : NULL;
}

/* What was said before it is not what it was. */
static bool is_damaged(const struct talk *t, const struct talk_message *m)
{
	for (; m; m = m->parent) {
		const struct history_message *h = stored(t, m);

		if (h && h->damaged)
			return true;
	}
	return false;
}

static bool read_effort(const char *name, enum chat_effort *out)
{
	const char *const *efforts = option_find("effort")->choices;

	for (int i = 0; efforts[i]; i++) {
		*out = (enum chat_effort)i;
		if (strcmp(efforts[i], name) == 0)
			return true;
	}
	return false;
}

int replay_init(struct replay *r, struct talk *t, struct talk_message *m, struct err *err)
{
	const struct history_message *h = stored(t, m);

	*r = (struct replay){.talk = t, .answer = m, .run = h ? h->run : NULL};
	if (m->role != CHAT_ASSISTANT)
		return err_set(err, ERR_USAGE, "that message is no answer of the model");
	if (is_damaged(t, m))
		return err_set(err, ERR_STORE,
			       "it, or what was said before it, is damaged: dsv4chat history "
			       "verify says more");
	if (h && h->foreign)
		return err_set(err, ERR_USAGE,
			       "it was imported: how it was given is what a file says");
	if (!m->n_ids || !r->run || !read_effort(r->run->effort, &r->effort) ||
	    r->run->resumed_tokens < 0 || (uint64_t)r->run->resumed_tokens > m->n_ids)
		return err_set(err, ERR_USAGE, "how that answer was given is not known");
	return 0;
}

/* ---- what it was given by ---- */

/* Of a CPU neither the threads nor the instructions count. */
static bool same_device(const char *a, const char *b)
{
	return strcmp(a, b) == 0 || (strncmp(a, "cpu ", 4) == 0 && strncmp(b, "cpu ", 4) == 0);
}

static void add_difference(struct buf *out, const char *what, const char *now, const char *then)
{
	buf_addf(out, "%s%s %s, then %s", out->len ? "; " : "", what, now,
		 *then ? then : "not known");
}

void replay_add_differences(const struct replay *r, const struct engine_info *info,
			    struct buf *out)
{
	const struct history_run *run = r->run;
	struct buf now = {0}, then = {0};

	buf_addf(&now, "%s (%s)", info->model_name, info->identity);
	buf_addf(&then, "%s (%s)", run->model, *run->identity ? run->identity : "not known");
	if (strcmp(info->identity, run->identity) != 0)
		add_difference(out, "model", buf_z(&now), buf_z(&then));
	if (strcmp(DSV4CHAT_VERSION, run->build) != 0)
		add_difference(out, "build", DSV4CHAT_VERSION, run->build);
	if (!same_device(info->backend, run->device))
		add_difference(out, "backend", info->backend, run->device);
	out->failed |= now.failed || then.failed;
	buf_release(&now);
	buf_release(&then);
}

/* ---- giving it again ---- */

/* ids[from, to) are to come again; what is before them is given. */
struct stretch {
	size_t from, to;
};

static void take_ids(struct replay *r, const struct stretch *s, const token_id *ids, size_t n)
{
	for (size_t i = 0; i < n && r->at < s->to && !r->differs; i++) {
		r->differs = ids[i] != r->answer->ids[r->at];
		r->now = ids[i];
		r->at += !r->differs;
	}
	if (r->progress)
		r->progress(r->ctx, r->at);
}

/* Events up to the turn's last; once all is known it is cancelled. */
static int hear(struct replay *r, const struct stretch *s, struct engine *e, uint64_t turn,
		struct err *err)
{
	for (;;) {
		struct event ev;
		enum event_kind kind;
		bool mine;
		int rc = 0;

		if (!event_queue_pop(e->events, &ev, -1))
			return err_set(err, ERR_FAILED, "the engine went away");
		kind = ev.kind;
		mine = ev.turn == turn;
		if (mine && kind == EV_TOKENS)
			take_ids(r, s, ev.ids, ev.n_ids);
		if (kind == EV_ERROR && (mine || !ev.turn))
			rc = err_set(err, ev.err.code, "%s", ev.err.text);
		event_release(&ev);
		if (rc || (mine && kind == EV_DONE))
			return rc;
		if (r->differs || r->at == s->to)
			e->ops->cancel(e, turn);
	}
}

static int run_stretch(struct replay *r, const struct stretch *s, const struct request *asked,
		       struct engine *e, struct err *err)
{
	const struct history_run *run = r->run;
	struct turn_request req = {
		.chat = asked->chat,
		.sampling = {.temperature = run->temperature,
			     .top_p = run->top_p,
			     .min_p = run->min_p,
			     .top_k = (int)run->top_k,
			     .seed = run->seed,
			     .max_tokens = (int64_t)r->answer->n_ids,
			     .draft = r->draft},
		.prefill = str_of(run->prefill),
	};
	uint64_t turn;
	int rc;

	if (s->from) {
		req.resume_ids = r->answer->ids;
		req.n_resume_ids = s->from;
	}
	r->at = s->from;
	rc = e->ops->submit(e, &req, &turn, err);
	if (!rc)
		rc = hear(r, s, e, turn, err);
	if (!rc && !r->differs && r->at < s->to)
		r->differs = r->ended = true;
	return rc;
}

/* The first id from the one on that ends the thinking, where the user asked for it; else n. */
static size_t asked_end(const struct replay *r, size_t from, token_id ends_thinking)
{
	const struct talk_message *m = r->answer;

	/* The first of all is what the answer opens with. */
	for (size_t i = from ? from : 1; r->run->thinking_ended && i < m->n_ids; i++)
		if (m->ids[i] == ends_thinking)
			return i;
	return m->n_ids;
}

/* How many of its ids were chosen: not those that closed a call that was ended. */
static size_t n_chosen(const struct talk_message *m)
{
	for (size_t i = 0; i < m->n_parts; i++) {
		const struct talk_part *p = &m->parts[i];

		if (p->kind == HISTORY_CALL && p->call == CALL_CUT && p->n_closing > 0 &&
		    (uint64_t)p->n_closing <= m->n_ids)
			return m->n_ids - (size_t)p->n_closing;
	}
	return m->n_ids;
}

int replay_run(struct replay *r, struct engine *e, token_id ends_thinking, struct err *err)
{
	size_t n = n_chosen(r->answer), from = (size_t)r->run->resumed_tokens;
	size_t asked_at = asked_end(r, from, ends_thinking), end = asked_at < n ? asked_at : n;
	struct talk_message *leaf = r->talk->leaf;
	const struct stretch stretches[] = {{from, end}, {end + 1, n}};
	struct request asked;
	int rc;

	r->talk->leaf = r->answer->parent;
	rc = request_build(&asked, r->talk, r->effort, err);
	r->talk->leaf = leaf;
	r->at = from;
	r->differs = r->ended = false;
	for (size_t i = 0; i < 2 && !rc && !r->differs; i++)
		if (stretches[i].from < stretches[i].to)
			rc = run_stretch(r, &stretches[i], &asked, e, err);
	if (!rc && !r->differs)
		r->at = r->answer->n_ids;
	request_release(&asked);
	return rc;
}
