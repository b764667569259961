/*
 * history's subcommands that tell what is there: list, search, show.
 */
#include <time.h>
#include <unistd.h>

#include "app/output.h"
#include "app/verb/history_job.h"
#include "app/verb/io.h"
#include "engine/base/jsonw.h"

static int print(const struct history_job *r, const struct buf *out, struct err *err)
{
	return r->json ? verb_write_json(out, err) : verb_write(out, err);
}

/* -- list ---------------------------------------------------------------------- */

static void add_time(struct buf *out, int64_t ms)
{
	time_t at = (time_t)(ms / 1000);
	struct tm tm = {0};
	char text[32];

	localtime_r(&at, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M %z", &tm);
	buf_addz(out, text);
}

static void add_conversation_json(struct buf *out, const struct history_conversation *c)
{
	static const char *const title_from[] = {[HISTORY_TITLE_PROMPT] = "prompt",
						 [HISTORY_TITLE_MODEL] = "model",
						 [HISTORY_TITLE_USER] = "user"};
	struct jsonw w;

	jsonw_init(&w, out);
	jsonw_begin_object(&w);
	jsonw_kv_string(&w, "id", str_of(c->uid));
	jsonw_kv_string(&w, "title", str_of(c->title));
	jsonw_kv_bool(&w, "pinned", c->pinned);
	jsonw_kv_bool(&w, "archived", c->archived);
	jsonw_kv_int(&w, "messages", c->n_messages);
	jsonw_kv_int(&w, "created_ms", c->created_ms);
	jsonw_kv_int(&w, "updated_ms", c->updated_ms);
	jsonw_kv_string(&w, "title_from", str_of(title_from[c->title_from]));
	jsonw_end_object(&w);
	buf_addc(out, '\n');
}

int verb_history_list(struct history_job *r, struct err *err)
{
	enum history_which which = r->all        ? HISTORY_ALL
				   : r->archived ? HISTORY_ARCHIVED
						 : HISTORY_ACTIVE;
	struct history_list list = {0};
	struct buf out = {0};
	int rc = history_list(r->h, which, r->limit, &list, err);

	for (size_t i = 0; i < list.n; i++) {
		const struct history_conversation *c = &list.items[i];

		if (r->json) {
			add_conversation_json(&out, c);
			continue;
		}
		buf_addf(&out, "%s  ", c->uid);
		add_time(&out, c->updated_ms);
		buf_addf(&out, " %5lld  %s%s%s\n", (long long)c->n_messages,
			 c->pinned ? "* " : "", c->archived ? "(archived) " : "", c->title);
	}
	if (!rc)
		rc = print(r, &out, err);
	buf_release(&out);
	history_list_release(&list);
	return rc;
}

/* -- search -------------------------------------------------------------------- */

static void add_marked(struct buf *out, const char *snippet, const char *on, const char *off)
{
	for (; *snippet; snippet++) {
		if (*snippet == HISTORY_MARK_ON)
			buf_addz(out, on);
		else if (*snippet == HISTORY_MARK_OFF)
			buf_addz(out, off);
		else
			buf_addc(out, *snippet);
	}
}

static void add_hit_json(struct buf *out, const struct history_hit *hit)
{
	static const char *const roles[HISTORY_N_ROLES] = {"system", "user",      "assistant",
							   "tool",   "developer", "reminder"};
	static const char *const kinds[HISTORY_N_KINDS] = {
		"text", "thinking", "call", "result", "attachment", "notice", "tools"};
	struct buf snippet = {0};
	struct jsonw w;

	add_marked(&snippet, hit->snippet, "", "");
	jsonw_init(&w, out);
	jsonw_begin_object(&w);
	jsonw_kv_string(&w, "id", str_of(hit->uid));
	jsonw_kv_string(&w, "title", str_of(hit->title));
	jsonw_kv_int(&w, "message", hit->message);
	jsonw_kv_string(&w, "role", str_of(roles[hit->role]));
	jsonw_kv_string(&w, "kind", str_of(kinds[hit->kind]));
	jsonw_kv_int(&w, "created_ms", hit->created_ms);
	jsonw_kv_string(&w, "snippet", buf_str(&snippet));
	jsonw_end_object(&w);
	buf_addc(out, '\n');
	out->failed |= snippet.failed;
	buf_release(&snippet);
}

int verb_history_search(struct history_job *r, struct err *err)
{
	struct history_query q = {.scopes = r->scopes, .by_rank = r->best, .limit = r->limit};
	struct history_hits hits = {0};
	struct buf text = {0}, out = {0};
	int rc;

	history_job_words(r, 0, &text);
	q.text = buf_str(&text);
	rc = history_search(r->h, &q, &hits, err);
	for (size_t i = 0; i < hits.n; i++) {
		const struct history_hit *hit = &hits.items[i];

		if (r->json) {
			add_hit_json(&out, hit);
			continue;
		}
		buf_addf(&out, "%s  ", hit->uid);
		add_time(&out, hit->created_ms);
		buf_addf(&out, "  %s\n    ", hit->title);
		add_marked(&out, hit->snippet, "[", "]");
		buf_addc(&out, '\n');
	}
	if (!rc)
		rc = print(r, &out, err);
	if (!rc && !hits.n)
		rc = err_set(err, ERR_FAILED, "not found");
	buf_release(&text);
	buf_release(&out);
	history_hits_release(&hits);
	return rc;
}

/* One answer a line: its place, whose its ids are, and they. */
static void add_ids(struct buf *out, size_t place, const struct history_message *m)
{
	const int32_t *ids = m->foreign ? m->foreign->ids : m->ids;
	size_t n = m->foreign ? m->foreign->n_ids : m->n_ids;

	buf_addf(out, "%zu\t%s\t%zu\t", place,
		 m->damaged   ? "damaged"
		 : m->foreign ? "imported"
			      : "own",
		 n);
	for (size_t i = 0; i < n; i++)
		buf_addf(out, "%s%ld", i ? " " : "", (long)ids[i]);
	buf_addc(out, '\n');
}

static int show_ids(struct history_job *r, int64_t id, struct buf *out, struct err *err)
{
	const struct history_message *const *path;
	struct history_tree *t;
	int rc = history_tree_open(&t, r->h, id, err);
	size_t n;

	if (rc)
		return rc;
	path = history_tree_path(t, &n);
	for (size_t i = 0; i < n; i++) {
		if (path[i]->role == HISTORY_ASSISTANT)
			add_ids(out, i + 1, path[i]);
	}
	history_tree_free(t);
	return 0;
}

int verb_history_show(struct history_job *r, struct err *err)
{
	struct buf out = {0};
	int64_t id;
	int rc = history_job_find(r, 0, &id, err);

	if (!rc && r->ids)
		rc = show_ids(r, id, &out, err);
	else if (!rc)
		rc = history_export(r->h, id, r->json ? HISTORY_JSON : HISTORY_MARKDOWN, &out,
				    err);
	if (!rc)
		rc = print(r, &out, err);
	buf_release(&out);
	return rc;
}
