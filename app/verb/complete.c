/*
 * complete: answers for programs.  One JSON object a line in, one a line out, in
 * order, by one engine that is loaded once.
 *
 *   {"messages": […], "tools": […], "effort": "none|low|high|max", "drop_thinking": true,
 *    "task": "title", "sampling": {"temperature", "top_p", "top_k", "min_p", "seed",
 *    "max_tokens"}, "id": …}
 *   → {"id": …, "message": {"role", "content", "reasoning_content", "tool_calls"},
 *      "malformed_calls": [{"name", "why"}], "stop_reason", "seed", "usage"}
 *
 * With --raw: {"prompt": TEXT, "sampling", "id"} → {"id", "text", "stop_reason", "seed",
 * "usage"}.  A line that cannot be answered gives {"id", "error": {"code", "message"}} and the
 * next one is read.  All but messages, or prompt, may be left out; a seed that is not given is
 * drawn and told.
 */
#include <getopt.h>

#include "app/app.h"
#include "app/exit.h"
#include "app/linereader.h"
#include "app/talk/answer.h"
#include "app/usage.h"
#include "app/verb/complete_job.h"
#include "app/verb/io.h"
#include "app/verb/verb.h"
#include "engine/base/clock.h"

/* What came of it. */
struct result {
	struct talk_message *said; /* NULL: no memory, see nomem */
	struct event last;         /* EV_DONE or EV_ERROR */
	struct err nomem;
};

static void result_release(struct result *r)
{
	talk_message_free(r->said);
	event_release(&r->last);
	*r = (struct result){0};
}

/* Takes one event in; true: it was the turn's last.  An error of the engine itself is *err. */
static bool take(struct result *r, struct event *ev, struct err *err)
{
	struct buf notice = {0};
	size_t part;

	if (ev->kind == EV_NOTICE) {
		buf_addf(&notice, "complete: %s", buf_z(&ev->text));
		app_tell(buf_z(&notice));
		buf_release(&notice);
	}
	if (ev->kind == EV_ERROR && ev->turn == 0)
		*err = ev->err;
	if (ev->kind == EV_DONE || ev->kind == EV_ERROR) {
		r->last = *ev;
		*ev = (struct event){0};
		return true;
	}
	if (ev->kind != EV_TOKENS && !r->nomem.code)
		answer_take(r->said, ev, clock_ms(), &part, &r->nomem);
	return false;
}

/* Pops until the turn, or with turn 0 the load, is over.  Negative: the engine failed. */
static int wait_for(struct engine *e, struct result *r, struct err *err)
{
	bool over = false;

	while (!over) {
		struct event ev;

		if (!event_queue_pop(e->events, &ev, -1))
			return err_set(err, ERR_FAILED, "the engine went away");
		over = take(r, &ev, err);
		event_release(&ev);
	}
	return err->code;
}

static int wait_until_ready(struct engine *e, struct err *err)
{
	while (!e->ops->info(e)) {
		struct event ev;

		if (!event_queue_pop(e->events, &ev, -1))
			return err_set(err, ERR_FAILED, "the engine went away");
		if (ev.kind == EV_ERROR)
			*err = ev.err;
		event_release(&ev);
		if (err->code)
			return err->code;
	}
	return 0;
}

/* Writing the answer. */

static void write_error(struct jsonw *w, const struct err *why)
{
	jsonw_key(w, "error");
	jsonw_begin_object(w);
	jsonw_kv_string(w, "code", str_of(error_name(why->code)));
	jsonw_kv_string(w, "message", str_of(why->text));
	jsonw_end_object(w);
}

/* Opens the array before the first of its elements. */
static void begin_once(struct jsonw *w, const char *key, bool *open)
{
	if (!*open) {
		jsonw_key(w, key);
		jsonw_begin_array(w);
	}
	*open = true;
}

static void write_malformed(struct jsonw *w, const struct talk_message *m)
{
	bool open = false;

	for (size_t i = 0; i < m->n_parts; i++) {
		const struct talk_part *p = &m->parts[i];

		if (p->kind != HISTORY_CALL || p->call == CALL_WHOLE)
			continue;
		begin_once(w, "malformed_calls", &open);
		jsonw_begin_object(w);
		jsonw_kv_string(w, "name", buf_str(&p->name));
		jsonw_kv_string(w, "why", buf_str(&p->why));
		jsonw_end_object(w);
	}
	if (open)
		jsonw_end_array(w);
}

/* As the model's own parser has it. */
static void write_message(struct jsonw *w, const struct talk_message *m)
{
	struct buf content = {0}, reasoning = {0};

	talk_message_add_text(m, HISTORY_TEXT, &content);
	talk_message_add_text(m, HISTORY_THINKING, &reasoning);
	w->out->failed |= content.failed || reasoning.failed;
	jsonw_key(w, "message");
	jsonw_begin_object(w);
	jsonw_kv_string(w, "role", STR_LIT("assistant"));
	jsonw_kv_string(w, "content", buf_str(&content));
	jsonw_kv_string(w, "reasoning_content", buf_str(&reasoning));
	jsonw_key(w, "tool_calls");
	jsonw_begin_array(w);
	for (size_t i = 0; i < m->n_parts; i++) {
		const struct talk_part *p = &m->parts[i];

		if (p->kind != HISTORY_CALL || p->call != CALL_WHOLE)
			continue;
		jsonw_begin_object(w);
		jsonw_kv_string(w, "type", STR_LIT("function"));
		jsonw_key(w, "function");
		jsonw_begin_object(w);
		jsonw_kv_string(w, "name", buf_str(&p->name));
		jsonw_kv_string(w, "arguments", buf_str(&p->text));
		jsonw_end_object(w);
		jsonw_end_object(w);
	}
	jsonw_end_array(w);
	jsonw_end_object(w);
	write_malformed(w, m);
	buf_release(&content);
	buf_release(&reasoning);
}

static void write_answer(struct jsonw *w, const struct complete_job *j, const struct result *r, bool raw)
{
	struct buf seed = {0}, text = {0};

	if (raw) {
		talk_message_add_text(r->said, HISTORY_TEXT, &text);
		w->out->failed |= text.failed;
		jsonw_kv_string(w, "text", buf_str(&text));
		buf_release(&text);
	} else {
		write_message(w, r->said);
	}
	jsonw_kv_string(w, "stop_reason", str_of(stop_reason_name(r->last.stop)));
	buf_addf(&seed, "%llu", (unsigned long long)j->req.sampling.seed);
	jsonw_key(w, "seed");
	jsonw_raw(w, buf_str(&seed));
	usage_write(w, &r->last.usage);
	buf_release(&seed);
}

/* Runs what the line asks for; what stands against it goes to *why, an engine's end to *err. */
static int run_job(struct engine *e, bool raw, struct str line, struct complete_job *j, struct result *r,
		   struct err *why, struct err *err)
{
	uint64_t turn;
	int rc;

	r->said = talk_message_new(CHAT_ASSISTANT, why);
	if (!r->said || complete_job_read(j, raw, line, why) || e->ops->submit(e, &j->req, &turn, why))
		return 0;
	rc = wait_for(e, r, err);
	if (rc)
		return rc;
	if (r->last.kind == EV_ERROR)
		*why = r->last.err;
	else if (r->nomem.code)
		*why = r->nomem;
	return 0;
}

static int run_line(struct engine *e, bool raw, struct str line, struct buf *out,
		    struct err *err)
{
	struct complete_job j = {0};
	struct result r = {0};
	struct err why = {0};
	const json_t *id;
	struct jsonw w;
	int rc = run_job(e, raw, line, &j, &r, &why, err);

	if (!rc) {
		buf_reset(out);
		jsonw_init(&w, out);
		jsonw_begin_object(&w);
		id = json_object_get(j.json.root, "id");
		if (id) {
			jsonw_key(&w, "id");
			json_doc_write(&j.json, id, &w);
		}
		if (why.code)
			write_error(&w, &why);
		else
			write_answer(&w, &j, &r, raw);
		jsonw_end_object(&w);
		buf_addc(out, '\n');
		rc = buf_failed(out) ? err_nomem(err, "answer", out->len)
				     : verb_write_json(out, err);
	}
	result_release(&r);
	complete_job_release(&j);
	return rc;
}

static int run_lines(struct engine *e, bool raw, struct err *err)
{
	struct linereader in = linereader_stdin();
	struct buf out = {0};
	struct str line;
	int rc = wait_until_ready(e, err);

	in.json = true;
	while (!rc && (rc = linereader_next(&in, &line, err)) > 0)
		rc = run_line(e, raw, line, &out, err);
	verb_say_replaced("complete", in.n_replaced);
	buf_release(&out);
	linereader_release(&in);
	return rc;
}

int verb_complete(int argc, char **argv)
{
	/* The names are those of the table of options, which knows how to read them. */
	static const struct option flags[] = {
		{"model", required_argument, NULL, 'm'},
		VERB_ENGINE_FLAGS,
		{"ctx", required_argument, NULL, 'o'},
		{"engine-script", required_argument, NULL, 'o'},
		{"raw", no_argument, NULL, 'r'},
		{0},
	};
	struct app own = {0};
	struct err err = {0};
	bool raw = false;
	int rc = app_read_settings(&own.opt, &err);
	int c, at = 0;

	opterr = 0;
	while (!rc && (c = getopt_long(argc, argv, "m:", flags, &at)) != -1) {
		const char *name = c == 'm' ? "model" : flags[at].name;

		if (c == 'r')
			raw = true;
		else if (c == '?')
			rc = ERR_USAGE;
		else
			rc = option_set(&own.opt, option_find(name), optarg, &err);
	}
	if (!err.code && (rc || optind < argc)) {
		options_release(&own.opt);
		return rc ? verb_refuse(argv) : verb_usage(argv[0]);
	}
	if (!rc)
		rc = app_open_engine(&own, &err);
	if (!rc)
		rc = run_lines(own.engine, raw, &err);
	app_close_engine(&own);
	options_release(&own.opt);
	return verb_status(argv[0], rc, &err);
}
