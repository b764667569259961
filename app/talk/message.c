/* One message: its parts, its ids, copies of it. */
#include <stdlib.h>
#include <string.h>

#include "app/talk/talk.h"
#include "engine/base/jsonr.h"

static int64_t last_message_id;

struct talk_message *talk_message_new(enum chat_role role, struct err *err)
{
	struct talk_message *m = calloc(1, sizeof(*m));

	if (!m) {
		err_nomem(err, "message", sizeof(*m));
		return NULL;
	}
	m->id = ++last_message_id;
	m->role = role;
	m->thinking_tokens = -1;
	return m;
}

struct talk_message *talk_message_say(enum chat_role role, struct str text, struct err *err)
{
	struct talk_message *m = talk_message_new(role, err);
	struct talk_part *p = m ? talk_message_add_part(m, HISTORY_TEXT, err) : NULL;

	if (p)
		buf_adds(&p->text, text);
	if (!p || buf_failed(&p->text)) {
		talk_message_free(m);
		err_nomem(err, "message", text.n);
		return NULL;
	}
	return m;
}

static void part_release(struct talk_part *p)
{
	buf_release(&p->name);
	buf_release(&p->ref);
	buf_release(&p->text);
	buf_release(&p->info);
	buf_release(&p->why);
	buf_release(&p->diff);
}

void talk_message_free(struct talk_message *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n_parts; i++)
		part_release(&m->parts[i]);
	history_answer_free(m->journal);
	buf_release(&m->prefill);
	free(m->parts);
	free(m->ids);
	free(m);
}

int talk_message_add_ids(struct talk_message *m, const token_id *ids, size_t n, struct err *err)
{
	token_id *v;

	if (!n)
		return 0;
	v = realloc(m->ids, (m->n_ids + n) * sizeof(*v));
	if (!v)
		return err_nomem(err, "token ids", (m->n_ids + n) * sizeof(*v));
	memcpy(v + m->n_ids, ids, n * sizeof(*v));
	m->ids = v;
	m->n_ids += n;
	return 0;
}

struct talk_part *talk_message_add_part(struct talk_message *m, enum history_kind kind,
					struct err *err)
{
	struct talk_part *v = realloc(m->parts, (m->n_parts + 1) * sizeof(*v));

	if (!v) {
		err_nomem(err, "message", (m->n_parts + 1) * sizeof(*v));
		return NULL;
	}
	m->parts = v;
	v[m->n_parts] = (struct talk_part){.kind = kind, .exit = -1, .took_ms = -1};
	return &v[m->n_parts++];
}

const struct talk_part *talk_message_call(const struct talk_message *m, struct str ref)
{
	for (size_t i = 0; i < m->n_parts; i++)
		if (m->parts[i].kind == HISTORY_CALL && str_eq(buf_str(&m->parts[i].ref), ref))
			return &m->parts[i];
	return NULL;
}

const struct talk_message *talk_message_answer(const struct talk_message *m)
{
	while (m && m->role == CHAT_TOOL)
		m = m->parent;
	return m && m->role == CHAT_ASSISTANT ? m : NULL;
}

bool talk_message_has_result(const struct talk_message *m, struct str ref)
{
	for (; m && m->role == CHAT_TOOL; m = m->parent) {
		for (size_t i = 0; i < m->n_parts; i++) {
			if (str_eq(buf_str(&m->parts[i].ref), ref))
				return true;
		}
	}
	return false;
}

static void drop_parts(struct talk_message *m, enum history_kind kind, bool errors_alone)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_parts; i++) {
		if (m->parts[i].kind == kind && (!errors_alone || m->parts[i].error))
			part_release(&m->parts[i]);
		else
			m->parts[n++] = m->parts[i];
	}
	m->n_parts = n;
}

void talk_message_drop_parts(struct talk_message *m, enum history_kind kind)
{
	drop_parts(m, kind, false);
}

void talk_message_drop_errors(struct talk_message *m)
{
	drop_parts(m, HISTORY_NOTICE, true);
}

void talk_part_note(struct talk_part *p)
{
	if (p->kind == HISTORY_THINKING && p->took_ms >= 0) {
		buf_reset(&p->info);
		buf_addf(&p->info, "{\"ms\": %lld}", (long long)p->took_ms);
	} else if (p->kind == HISTORY_NOTICE && p->error) {
		buf_reset(&p->info);
		buf_addz(&p->info, "{\"error\": true}");
	} else if (p->kind == HISTORY_CALL) {
		buf_reset(&p->info);
		if (p->call == CALL_BAD && p->why.len) {
			buf_addz(&p->info, "{\"bad\": ");
			json_add_quoted(&p->info, buf_str(&p->why));
			buf_addz(&p->info, "}");
		} else if (p->call == CALL_CUT) {
			buf_addz(&p->info, "{\"ended\": ");
			json_add_quoted(&p->info, buf_str(&p->why));
			buf_addf(&p->info, ", \"ids\": %lld}", (long long)p->n_closing);
		} else if (p->call != CALL_WHOLE) {
			buf_addz(&p->info, "{\"cut\": true}");
		}
	}
}

static int64_t whole_number(const struct json_doc *doc, const char *key)
{
	struct str s = json_doc_number(doc, json_object_get(doc->root, key));
	char text[24] = "";

	if (!s.n || s.n >= sizeof(text))
		return -1;
	memcpy(text, s.p, s.n);
	return strtoll(text, NULL, 10);
}

int talk_part_read_info(struct talk_part *p, struct err *err)
{
	struct json_doc doc = {0};
	const json_t *bad, *ended, *state;
	int rc;

	p->call = CALL_WHOLE;
	if (!p->info.len)
		return 0;
	rc = json_doc_parse(&doc, buf_str(&p->info), err);
	bad = json_object_get(doc.root, "bad");
	ended = json_object_get(doc.root, "ended");
	state = json_object_get(doc.root, "state");
	/* What cannot be read is not run. */
	if (rc || bad || json_object_get(doc.root, "cut"))
		p->call = CALL_BAD;
	else if (ended)
		p->call = CALL_CUT;
	buf_adds(&p->why, json_str(bad ? bad : ended));
	p->error = json_is_true(json_object_get(doc.root, "error")) ||
		   (json_is_string(state) && strcmp(json_string_value(state), "ok") != 0);
	if (!rc) {
		p->took_ms = whole_number(&doc, "ms");
		p->exit = whole_number(&doc, "exit");
		p->n_closing = ended ? whole_number(&doc, "ids") : 0;
	}
	json_doc_release(&doc);
	return rc == ERR_NOMEM ? rc : 0;
}

struct talk_message *talk_message_result(const struct talk_result *r, struct err *err)
{
	struct talk_message *m = talk_message_new(CHAT_TOOL, err);
	struct talk_part *p = m ? talk_message_add_part(m, HISTORY_RESULT, err) : NULL;

	if (p) {
		buf_adds(&p->ref, r->ref);
		buf_adds(&p->name, r->name);
		buf_adds(&p->text, r->text);
		buf_adds(&p->info, r->info);
		buf_adds(&p->diff, r->diff);
	}
	if (!p || talk_message_failed(m) || talk_part_read_info(p, err)) {
		talk_message_free(m);
		err_nomem(err, "result", r->text.n);
		return NULL;
	}
	return m;
}

static int copy_part(struct talk_message *to, const struct talk_part *from, struct err *err)
{
	struct talk_part *p = talk_message_add_part(to, from->kind, err);

	if (!p)
		return ERR_NOMEM;
	buf_adds(&p->name, buf_str(&from->name));
	buf_adds(&p->ref, buf_str(&from->ref));
	buf_adds(&p->text, buf_str(&from->text));
	buf_adds(&p->info, buf_str(&from->info));
	buf_adds(&p->why, buf_str(&from->why));
	buf_adds(&p->diff, buf_str(&from->diff));
	p->sought = from->sought;
	p->call = from->call;
	p->n_closing = from->n_closing;
	p->error = from->error;
	p->exit = from->exit;
	p->took_ms = from->took_ms;
	return 0;
}

int talk_message_copy(struct talk_message **out, const struct talk_message *m, struct err *err)
{
	struct talk_message *c = talk_message_new(m->role, err);
	int rc = c ? 0 : ERR_NOMEM;

	for (size_t i = 0; !rc && i < m->n_parts; i++)
		rc = copy_part(c, &m->parts[i], err);
	if (!rc)
		rc = talk_message_add_ids(c, m->ids, m->n_ids, err);
	if (!rc && talk_message_failed(c))
		rc = err_nomem(err, "message", talk_message_bytes(m, HISTORY_TEXT));
	if (rc) {
		talk_message_free(c);
		return rc;
	}
	c->unfinished = m->unfinished;
	c->thinking_tokens = m->thinking_tokens;
	c->context_tokens = m->context_tokens;
	c->made = m->made;
	*out = c;
	return 0;
}

void talk_message_add_text(const struct talk_message *m, enum history_kind kind,
			   struct buf *out)
{
	for (size_t i = 0; i < m->n_parts; i++)
		if (m->parts[i].kind == kind)
			buf_adds(out, buf_str(&m->parts[i].text));
}

size_t talk_message_bytes(const struct talk_message *m, enum history_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_parts; i++)
		n += m->parts[i].kind == kind ? m->parts[i].text.len : 0;
	return n;
}

bool talk_message_speaks(const struct talk_message *m)
{
	for (size_t i = 0; i < m->n_parts; i++)
		if (m->parts[i].kind == HISTORY_CALL ||
		    ((m->parts[i].kind == HISTORY_TEXT ||
		      m->parts[i].kind == HISTORY_THINKING) &&
		     m->parts[i].text.len))
			return true;
	return false;
}

bool talk_message_failed(const struct talk_message *m)
{
	bool failed = buf_failed(&m->prefill);

	for (size_t i = 0; i < m->n_parts; i++) {
		const struct talk_part *p = &m->parts[i];

		failed |= buf_failed(&p->name) || buf_failed(&p->ref) || buf_failed(&p->text) ||
			  buf_failed(&p->info) || buf_failed(&p->why) || buf_failed(&p->diff);
	}
	return failed;
}
