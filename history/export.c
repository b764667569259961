/* Conversations as JSONL and Markdown. */
#include "history/export.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/jsonr.h"
#include "engine/base/utf8.h"
#include "history/base64.h"

#define AT(field) #field, offsetof(struct history_run, field)

const struct run_word export_run_words[] = {{AT(model)},  {AT(identity)}, {AT(build)},
					    {AT(device)}, {AT(effort)},   {AT(stop)},
					    {NULL, 0}};
const struct run_real export_run_reals[] = {
	{AT(temperature)}, {AT(top_p)}, {AT(min_p)}, {NULL, 0}};
const struct run_number export_run_numbers[] = {
	{AT(top_k)},           {AT(max_tokens)},    {AT(ctx_tokens)},    {AT(resumed_tokens)},
	{AT(started_ms)},      {AT(finished_ms)},   {AT(prompt_tokens)}, {AT(cached_tokens)},
	{AT(thinking_tokens)}, {AT(output_tokens)}, {AT(drafted)},       {AT(accepted)},
	{AT(prefill_ms)},      {AT(decode_ms)},     {AT(total_ms)},      {NULL, 0}};

/* -- JSON -------------------------------------------------------------------- */

/* Bytes that are no UTF-8 come as NAME_base64, so that nothing is lost. */
static void kv_bytes(struct jsonw *w, const char *name, struct str bytes)
{
	struct buf text = {0};

	if (utf8_valid(bytes)) {
		jsonw_kv_string(w, name, bytes);
		return;
	}
	buf_addf(&text, "%s_base64", name);
	jsonw_key(w, buf_z(&text));
	buf_reset(&text);
	base64_add(&text, bytes);
	jsonw_string(w, buf_str(&text));
	w->out->failed |= text.failed;
	buf_release(&text);
}

static void add_run(struct jsonw *w, const struct history_run *r, const char *identity)
{
	const char *base = (const char *)r;
	char seed[24];

	jsonw_key(w, "run");
	jsonw_begin_object(w);
	for (const struct run_word *f = export_run_words; f->name; f++) {
		const char *z;

		memcpy(&z, base + f->at, sizeof(z));
		if (f->at == offsetof(struct history_run, identity))
			z = identity;
		jsonw_kv_string(w, f->name, str_of(z));
	}
	for (const struct run_real *f = export_run_reals; f->name; f++) {
		double d;

		memcpy(&d, base + f->at, sizeof(d));
		jsonw_kv_double(w, f->name, d);
	}
	/* As text: JSON readers keep 53 bits of a number. */
	snprintf(seed, sizeof(seed), "%" PRIu64, r->seed);
	jsonw_kv_string(w, "seed", str_of(seed));
	for (const struct run_number *f = export_run_numbers; f->name; f++) {
		int64_t i;

		memcpy(&i, base + f->at, sizeof(i));
		jsonw_kv_int(w, f->name, i);
	}
	jsonw_end_object(w);
}

static void add_message(struct jsonw *w, const struct history_message *m, size_t number,
			size_t parent)
{
	const int32_t *ids = m->foreign ? m->foreign->ids : m->ids;
	size_t n_ids = m->foreign ? m->foreign->n_ids : m->n_ids;

	jsonw_begin_object(w);
	jsonw_kv_string(w, "type", STR_LIT("message"));
	jsonw_kv_int(w, "n", (int64_t)number);
	jsonw_kv_int(w, "parent", (int64_t)parent);
	jsonw_kv_string(w, "role", str_of(history_role_name(m->role)));
	jsonw_kv_int(w, "created_ms", m->created_ms);
	jsonw_key(w, "parts");
	jsonw_begin_array(w);
	for (size_t i = 0; i < m->n_parts; i++) {
		const struct history_part *p = &m->parts[i];

		jsonw_begin_object(w);
		jsonw_kv_string(w, "kind", str_of(history_kind_name(p->kind)));
		if (p->name.n)
			kv_bytes(w, "name", p->name);
		if (p->ref.n)
			kv_bytes(w, "ref", p->ref);
		kv_bytes(w, "text", p->text);
		if (p->info.n)
			kv_bytes(w, "info", p->info);
		jsonw_end_object(w);
	}
	jsonw_end_array(w);
	if (ids) {
		jsonw_key(w, "ids");
		jsonw_begin_array(w);
		for (size_t i = 0; i < n_ids; i++)
			jsonw_int(w, ids[i]);
		jsonw_end_array(w);
	}
	if (m->foreign && (ids || m->run))
		jsonw_kv_bool(w, "foreign", true);
	if (m->damaged)
		jsonw_kv_bool(w, "damaged", true);
	if (m->run)
		add_run(w, m->run, m->foreign ? m->foreign->identity : m->run->identity);
	jsonw_end_object(w);
}

static void add_head(struct jsonw *w, const struct history_conversation *c, size_t leaf)
{
	jsonw_kv_string(w, "type", STR_LIT("conversation"));
	jsonw_kv_int(w, "format", EXPORT_FORMAT);
	jsonw_kv_string(w, "id", str_of(c->uid));
	jsonw_kv_string(w, "title", str_of(c->title));
	jsonw_kv_string(w, "title_from", str_of(history_title_origin_name(c->title_from)));
	jsonw_kv_bool(w, "pinned", c->pinned);
	jsonw_kv_bool(w, "archived", c->archived);
	jsonw_kv_int(w, "created_ms", c->created_ms);
	jsonw_kv_int(w, "updated_ms", c->updated_ms);
	jsonw_kv_int(w, "leaf", (int64_t)leaf);
}

/*
 * The messages that make up this conversation, numbered from 1 in the order of their ids:
 * those said in it, and those that they and its branch stand on.  0: another's.
 */
static size_t *number_messages(const struct history_tree *t)
{
	size_t *numbers = calloc(t->n + 1, sizeof(*numbers));
	size_t n = 0;

	if (!numbers)
		return NULL;
	for (size_t i = t->n; i-- > 0;) {
		const struct history_message *m = t->messages[i];
		size_t lo = 0, hi = i;

		if (!numbers[i] && m->conversation != t->conversation && m != t->leaf)
			continue;
		numbers[i] = 1;
		if (!m->parent)
			continue;
		while (lo < hi) {
			size_t mid = lo + (hi - lo) / 2;

			if (t->messages[mid]->id < m->parent->id)
				lo = mid + 1;
			else
				hi = mid;
		}
		numbers[lo] = 1;
	}
	for (size_t i = 0; i < t->n; i++) {
		if (numbers[i])
			numbers[i] = ++n;
	}
	return numbers;
}

static size_t number_of(const struct history_tree *t, const size_t *numbers,
			const struct history_message *m)
{
	size_t lo = 0, hi = t->n;

	if (!m)
		return 0;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (t->messages[mid]->id < m->id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return numbers[lo];
}

static int add_json(const struct history_tree *t, const struct history_conversation *c,
		    bool lines, struct buf *out, struct err *err)
{
	size_t *numbers = number_messages(t);
	struct jsonw w;

	if (!numbers)
		return err_nomem(err, "messages", t->n * sizeof(*numbers));
	jsonw_init(&w, out);
	jsonw_begin_object(&w);
	add_head(&w, c, number_of(t, numbers, t->leaf));
	if (lines) {
		jsonw_end_object(&w);
		buf_addc(out, '\n');
	} else {
		jsonw_key(&w, "messages");
		jsonw_begin_array(&w);
	}
	for (size_t i = 0; i < t->n; i++) {
		const struct history_message *m = t->messages[i];

		if (!numbers[i])
			continue;
		if (lines)
			jsonw_init(&w, out);
		add_message(&w, m, numbers[i], number_of(t, numbers, m->parent));
		if (lines)
			buf_addc(out, '\n');
	}
	if (!lines) {
		jsonw_end_array(&w);
		jsonw_end_object(&w);
		buf_addc(out, '\n');
	}
	free(numbers);
	return 0;
}

/* -- Markdown, of the branch that is shown -------------------------------------- */

static const char *const speakers[HISTORY_N_ROLES] = {
	[HISTORY_SYSTEM] = "System",       [HISTORY_USER] = "You",
	[HISTORY_ASSISTANT] = "Assistant", [HISTORY_TOOL] = "Tool",
	[HISTORY_DEVELOPER] = "Developer", [HISTORY_REMINDER] = "Reminder",
};

static void add_quoted(struct buf *out, struct str s)
{
	bool at_start = true;

	for (size_t i = 0; i < s.n; i++) {
		if (at_start)
			buf_addz(out, "> ");
		buf_addc(out, s.p[i]);
		at_start = s.p[i] == '\n';
	}
	buf_addz(out, at_start ? "\n" : "\n\n");
}

/* A fence longer than any run of backquotes in the text. */
static void add_fenced(struct buf *out, struct str name, struct str s)
{
	size_t longest = 2, run = 0;

	for (size_t i = 0; i < s.n; i++) {
		run = s.p[i] == '`' ? run + 1 : 0;
		longest = run > longest ? run : longest;
	}
	if (name.n) {
		buf_addz(out, "**");
		buf_adds(out, name);
		buf_addz(out, "**\n\n");
	}
	for (size_t i = 0; i <= longest; i++)
		buf_addc(out, '`');
	buf_addc(out, '\n');
	buf_adds(out, s);
	if (!s.n || s.p[s.n - 1] != '\n')
		buf_addc(out, '\n');
	for (size_t i = 0; i <= longest; i++)
		buf_addc(out, '`');
	buf_addz(out, "\n\n");
}

/* What became of a call that did not end well. */
static void add_call_end(struct buf *out, struct str info)
{
	struct json_doc doc = {0};
	struct buf said = {0};
	struct err ignored;
	const json_t *bad;

	if (info.n && json_doc_parse(&doc, info, &ignored) == 0) {
		bad = json_object_get(doc.root, "bad");
		if (json_is_string(bad))
			buf_addf(&said, "malformed call: %s", json_string_value(bad));
		else if (json_object_get(doc.root, "cut"))
			buf_addz(&said, "the call was cut");
		if (said.len)
			add_quoted(out, buf_str(&said));
	}
	out->failed |= said.failed;
	buf_release(&said);
	json_doc_release(&doc);
}

static void add_part_md(struct buf *out, const struct history_part *p)
{
	switch (p->kind) {
	case HISTORY_TEXT:
		buf_adds(out, p->text);
		buf_addz(out, "\n\n");
		break;
	case HISTORY_THINKING:
	case HISTORY_NOTICE:
		if (p->text.n)
			add_quoted(out, p->text);
		break;
	case HISTORY_CALL:
		add_fenced(out, p->name, p->text);
		add_call_end(out, p->info);
		break;
	case HISTORY_RESULT:
	case HISTORY_ATTACHMENT:
		add_fenced(out, p->name, p->text);
		break;
	case HISTORY_TOOLS:
		break;
	}
}

static int add_markdown(struct history_tree *t, const struct history_conversation *c,
			struct buf *out)
{
	const struct history_message *const *path;
	time_t at = (time_t)(c->created_ms / 1000);
	struct tm tm = {0};
	char when[40];
	size_t n;

	gmtime_r(&at, &tm);
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M UTC", &tm);
	buf_addf(out, "# %s\n\n%s, %s\n\n", c->title, c->uid, when);
	path = history_tree_path(t, &n);
	for (size_t i = 0; i < n; i++) {
		buf_addf(out, "## %s\n\n", speakers[path[i]->role]);
		for (size_t k = 0; k < path[i]->n_parts; k++)
			add_part_md(out, &path[i]->parts[k]);
	}
	return 0;
}

int history_export(struct history *h, int64_t conversation, enum history_format format,
		   struct buf *out, struct err *err)
{
	struct history_list list = {0};
	struct history_tree *t = NULL;
	int rc = history_get(h, conversation, &list, err);

	if (!rc && list.n == 0)
		rc = err_set(err, ERR_USAGE, "conversation %lld is not in the history",
			     (long long)conversation);
	if (!rc)
		rc = history_tree_open(&t, h, conversation, err);
	if (!rc && format == HISTORY_MARKDOWN)
		rc = add_markdown(t, &list.items[0], out);
	else if (!rc)
		rc = add_json(t, &list.items[0], format == HISTORY_JSONL, out, err);
	if (!rc && buf_failed(out))
		rc = err_nomem(err, "export", out->len);
	history_tree_free(t);
	history_list_release(&list);
	return rc;
}
