/* What a line of JSON says. */
#include "app/line/said.h"

#include <stdlib.h>
#include <string.h>

#include "app/cmd/host.h"
#include "engine/base/jsonr.h"
#include "engine/base/utf8.h"

void said_free(struct said *m)
{
	if (!m)
		return;
	buf_release(&m->text);
	buf_release(&m->prefill);
	buf_release(&m->id);
	free(m);
}

/* ---- what is said to the model ---- */

static int take_when(const json_t *root, struct said *m, struct err *err)
{
	const json_t *when = json_object_get(root, "when");
	struct str word = json_str(when);

	/* What begins an answer cannot join one. */
	m->after = str_is(word, "after") || m->has_prefill;
	if (!when ||
	    (m->kind == SAID_TEXT && (str_is(word, "after") || str_is(word, "now"))))
		return 0;
	return err_set(err, ERR_USAGE,
		       "when: expected \"now\" or \"after\", with a user's message");
}

static int take_message(const json_t *root, struct said *m, struct err *err)
{
	const json_t *role = json_object_get(root, "role");
	struct str name = json_str(role);
	const json_t *content =
		json_object_get(root, json_object_get(root, "text") ? "text" : "content");
	const json_t *prefill = json_object_get(root, "prefill");

	if (!json_is_object(root) || !json_is_string(content))
		return err_set(
			err, ERR_USAGE,
			"an object with \"text\", or \"role\" and \"content\", expected");
	if (role && !str_is(name, "user") && !str_is(name, "system"))
		return err_set(err, ERR_USAGE, "role: '%.40s', expected user or system",
			       name.n ? name.p : "");
	m->kind = str_is(name, "system") ? SAID_SYSTEM : SAID_TEXT;
	if (prefill && (!json_is_string(prefill) || m->kind == SAID_SYSTEM))
		return err_set(err, ERR_USAGE,
			       "prefill: expected a string, with a user's message");
	utf8_add_clean(&m->text, json_str(content));
	m->has_prefill = prefill != NULL;
	if (prefill)
		utf8_add_clean(&m->prefill, json_str(prefill));
	return take_when(root, m, err);
}

/* ---- what is said of edits ---- */

static int take_undo(const struct json_doc *doc, struct said *m, struct err *err)
{
	const json_t *undo = json_object_get(doc->root, "undo");
	const json_t *redo = json_object_get(doc->root, "redo");
	struct str number = json_doc_number(doc, undo ? undo : redo);
	size_t n = 0;

	for (size_t i = 0; i < number.n && n <= CMD_UNDO_TURNS; i++)
		n = number.p[i] >= '0' && number.p[i] <= '9' ? n * 10 + (size_t)(number.p[i] - '0')
							     : CMD_UNDO_TURNS + 1;
	m->kind = undo ? SAID_UNDO : SAID_REDO;
	m->turns = n;
	if (json_object_size(doc->root) == 1 && n >= 1 && n <= CMD_UNDO_TURNS)
		return 0;
	return err_set(err, ERR_USAGE, "%s: expected a number of questions, 1 to %d, alone",
		       undo ? "undo" : "redo", CMD_UNDO_TURNS);
}

/* ---- what is said to a call ---- */

static int check_keys(const json_t *root, struct err *err)
{
	static const char *const known[] = {"tool_answer", "decision", "reason", "with"};
	const char *key;
	json_t *v;

	json_object_foreach ((json_t *)(uintptr_t)root, key, v) {
		bool found = false;

		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			found = found || strcmp(key, known[i]) == 0;
		if (!found)
			return err_set(err, ERR_USAGE,
				       "tool_answer: \"%.40s\" found beside it, expected decision, "
				       "reason or with",
				       key);
	}
	return 0;
}

static int take_decision(const json_t *root, struct said *m, struct err *err)
{
	static const struct {
		const char *name;
		enum decision d;
	} rows[] = {{"once", DECIDE_YES},
		    {"session", DECIDE_SESSION},
		    {"always", DECIDE_ALWAYS},
		    {"no", DECIDE_NO},
		    {"stop", DECIDE_STOP}};
	struct str word = json_str(json_object_get(root, "decision"));

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!str_is(word, rows[i].name))
			continue;
		m->decision = rows[i].d;
		return 0;
	}
	return err_set(err, ERR_USAGE,
		       "decision: '%.40s', expected once, session, always, no or stop",
		       word.n ? word.p : "");
}

static int take_grade(const json_t *root, struct said *m, struct err *err)
{
	const json_t *with = json_object_get(root, "with"), *v;
	size_t i;

	if (with && !json_is_array(with))
		return err_set(err, ERR_USAGE, "with: %s, expected an array", json_kind(with));
	json_array_foreach (with, i, v) {
		struct str word = json_str(v);
		unsigned grade = agent_grade(word);

		if (!grade)
			return err_set(err, ERR_USAGE,
				       "with: '%.40s', expected network, git or outside",
				       word.n ? word.p : "");
		m->grade |= grade;
	}
	if (m->grade && m->decision != DECIDE_YES)
		return err_set(err, ERR_USAGE, "with: found without \"decision\": \"once\"");
	return 0;
}

static int take_answer(const json_t *root, struct said *m, struct err *err)
{
	const json_t *id = json_object_get(root, "tool_answer");
	const json_t *reason = json_object_get(root, "reason");
	int rc = check_keys(root, err);

	m->kind = SAID_ANSWER;
	if (!rc && !json_is_string(id))
		rc = err_set(err, ERR_USAGE, "tool_answer: %s, expected the id of a request",
			     json_kind(id));
	if (!rc && reason && !json_is_string(reason))
		rc = err_set(err, ERR_USAGE, "reason: %s, expected a string", json_kind(reason));
	if (!rc)
		rc = take_decision(root, m, err);
	if (!rc)
		rc = take_grade(root, m, err);
	utf8_add_clean(&m->id, json_str(id));
	utf8_add_clean(&m->text, json_str(reason));
	return rc;
}

/* ---- a line ---- */

static int take(const struct json_doc *doc, struct said *m, struct err *err)
{
	const json_t *root = doc->root;
	int rc;

	if (json_object_get(root, "undo") || json_object_get(root, "redo"))
		rc = take_undo(doc, m, err);
	else if (json_object_get(root, "tool_answer"))
		rc = take_answer(root, m, err);
	else
		rc = take_message(root, m, err);
	if (!rc && (buf_failed(&m->text) || buf_failed(&m->prefill) || buf_failed(&m->id)))
		rc = err_nomem(err, "message", m->text.len);
	return rc;
}

int said_read(struct said **out, struct str line, struct err *err)
{
	struct said *m = calloc(1, sizeof(*m));
	struct json_doc doc = {0};
	int rc;

	if (!m)
		return err_nomem(err, "message", sizeof(*m));
	rc = json_doc_parse_unique(&doc, line, err);
	if (rc == ERR_FAILED) /* whoever wrote the line can mend it */
		rc = err->code = ERR_USAGE;
	if (!rc)
		rc = take(&doc, m, err);
	json_doc_release(&doc);
	if (rc) {
		said_free(m);
		return rc;
	}
	*out = m;
	return 0;
}
