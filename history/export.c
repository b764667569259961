/* Conversations as JSON, whole or in lines. */
#include "history/export.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/utf8.h"
#include "history/base64.h"
#include "history/markdown.h"

#define AT(field) #field, offsetof(struct history_run, field)

const struct run_word export_run_words[] = {{AT(model)},   {AT(identity)}, {AT(build)},
					    {AT(device)},  {AT(effort)},   {AT(prefill)},
					    {AT(drafts)},  {AT(stop)},     {NULL, 0}};
const struct run_real export_run_reals[] = {
	{AT(temperature)}, {AT(top_p)}, {AT(min_p)}, {NULL, 0}};
const struct run_number export_run_numbers[] = {
	{AT(top_k), false},
	{AT(max_tokens), false},
	{AT(ctx_tokens), false},
	{AT(resumed_tokens), false},
	{AT(thinking_ended), true},
	{AT(started_ms), false},
	{AT(finished_ms), false},
	{AT(prompt_tokens), false},
	{AT(cached_tokens), false},
	{AT(disk_tokens), true},
	{AT(thinking_tokens), false},
	{AT(output_tokens), false},
	{AT(steps), true},
	{AT(drafted), false},
	{AT(accepted), false},
	{AT(prefill_ms), false},
	{AT(disk_ms), true},
	{AT(decode_ms), false},
	{AT(total_ms), false},
	{NULL, 0, false}};

/* -- JSON -------------------------------------------------------------------- */

void export_bytes(struct jsonw *w, const char *name, struct str bytes)
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

static void add_parts(struct jsonw *w, const struct history_message *m)
{
	jsonw_key(w, "parts");
	jsonw_begin_array(w);
	for (size_t i = 0; i < m->n_parts; i++) {
		const struct history_part *p = &m->parts[i];

		jsonw_begin_object(w);
		jsonw_kv_string(w, "kind", str_of(history_kind_name(p->kind)));
		if (p->name.n)
			export_bytes(w, "name", p->name);
		if (p->ref.n)
			export_bytes(w, "ref", p->ref);
		export_bytes(w, "text", p->text);
		if (p->info.n)
			export_bytes(w, "info", p->info);
		jsonw_end_object(w);
	}
	jsonw_end_array(w);
}

static int add_message(struct history *h, struct jsonw *w, const struct history_message *m,
		       size_t number, size_t parent, struct err *err)
{
	const int32_t *ids = m->foreign ? m->foreign->ids : m->ids;
	size_t n_ids = m->foreign ? m->foreign->n_ids : m->n_ids;
	int rc = 0;

	jsonw_begin_object(w);
	jsonw_kv_string(w, "type", STR_LIT("message"));
	jsonw_kv_int(w, "n", (int64_t)number);
	jsonw_kv_int(w, "parent", (int64_t)parent);
	jsonw_kv_string(w, "role", str_of(history_role_name(m->role)));
	jsonw_kv_int(w, "created_ms", m->created_ms);
	add_parts(w, m);
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
	if (m->role == HISTORY_ASSISTANT)
		rc = export_tool_runs(h, w, m->id, err);
	jsonw_end_object(w);
	return rc;
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
	int rc = 0;

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
	for (size_t i = 0; i < t->n && !rc && !store_stops(t->h); i++) {
		const struct history_message *m = t->messages[i];

		if (!numbers[i])
			continue;
		if (lines)
			jsonw_init(&w, out);
		rc = add_message(t->h, &w, m, numbers[i], number_of(t, numbers, m->parent), err);
		if (lines)
			buf_addc(out, '\n');
	}
	if (!lines) {
		jsonw_end_array(&w);
		jsonw_end_object(&w);
		buf_addc(out, '\n');
	}
	free(numbers);
	return rc;
}

int history_export(struct history *h, int64_t conversation, enum history_format format,
		   struct buf *out, struct err *err)
{
	struct history_list list = {0};
	struct history_tree *t = NULL;
	size_t before = out->len;
	int rc = history_get(h, conversation, &list, err);

	if (!rc && list.n == 0)
		rc = err_set(err, ERR_USAGE, "conversation %lld is not in the history",
			     (long long)conversation);
	if (!rc)
		rc = history_tree_open(&t, h, conversation, err);
	if (!rc && format == HISTORY_MARKDOWN)
		markdown_add(t, &list.items[0], out);
	else if (!rc)
		rc = add_json(t, &list.items[0], format == HISTORY_JSONL, out, err);
	if (!rc && buf_failed(out))
		rc = err_nomem(err, "export", out->len);
	if (!rc && h->stopped)
		rc = err_set(err, ERR_CANCELLED, "export: given up");
	if (rc)
		buf_truncate(out, before);
	history_tree_free(t);
	history_list_release(&list);
	return rc;
}
