/* Entries are read as read_file writes them; one that is not so says nothing. */
#include "app/tools/shown.h"

#include <stdio.h>

#include "engine/base/err.h"
#include "engine/base/jsontree.h"
#include "engine/base/jsonw.h"
#include "engine/base/utf8.h"

struct wanted {
	const json_t *entries;
	struct str path;
	char hash[33];
};

void shown_hash(char z[33], XXH128_hash_t hash)
{
	snprintf(z, 33, "%016llx%016llx", (unsigned long long)hash.high64,
		 (unsigned long long)hash.low64);
}

static bool is_of(const json_t *entry, struct str path)
{
	return str_eq(json_str(json_object_get(entry, "path")), path);
}

static bool is_same(const json_t *entry, const struct wanted *w)
{
	return is_of(entry, w->path) &&
	       str_is(json_str(json_object_get(entry, "hash")), w->hash);
}

static json_int_t number(const json_t *entry, const char *key)
{
	return json_integer_value(json_object_get(entry, key));
}

/* The line up to which all are shown, if those before `line` are. */
static json_int_t reaches(const struct wanted *w, json_int_t line, json_int_t *lines)
{
	const json_t *entry;
	size_t i;

	json_array_foreach (w->entries, i, entry) {
		if (!is_same(entry, w))
			continue;
		if (json_is_integer(json_object_get(entry, "lines")))
			*lines = number(entry, "lines");
		if (number(entry, "first") <= line && number(entry, "last") >= line)
			line = number(entry, "last") + 1;
	}
	return line;
}

static bool covers_all(const struct wanted *w)
{
	json_int_t lines = -1, line = 1, before;
	const json_t *entry;
	size_t i;

	json_array_foreach (w->entries, i, entry)
		if (is_same(entry, w) && json_is_true(json_object_get(entry, "all")))
			return true;
	do {
		before = line;
		line = reaches(w, line, &lines);
	} while (line > before);
	return lines >= 0 && line > lines;
}

static void look(const struct wanted *w, struct shown_file *f)
{
	const json_t *entry;
	size_t i;

	json_array_foreach (w->entries, i, entry) {
		if (!is_of(entry, w->path))
			continue;
		f->any = true;
		f->last_is_same = is_same(entry, w);
	}
	f->whole = f->any && covers_all(w);
}

int shown_find(struct str entries, struct str path, XXH128_hash_t hash, struct shown_file *f)
{
	struct json_tree tree = {0};
	struct buf clean = {0};
	struct wanted w;
	int rc = 0;

	*f = (struct shown_file){0};
	if (!entries.n)
		return 0;
	rc = json_tree_parse(&tree, entries, 0, NULL);
	utf8_add_clean(&clean, path);
	if (!rc && buf_failed(&clean))
		rc = ERR_NOMEM;
	else if (!rc && !json_is_array(tree.root))
		rc = ERR_USAGE;
	if (!rc) {
		w = (struct wanted){.entries = tree.root, .path = buf_str(&clean)};
		shown_hash(w.hash, hash);
		look(&w, f);
	}
	buf_release(&clean);
	json_tree_release(&tree);
	return rc == 0 || rc == ERR_NOMEM ? rc : ERR_USAGE;
}

void shown_add(struct buf *out, struct str path, XXH128_hash_t hash, bool whole)
{
	struct buf clean = {0};
	struct jsonw w;
	char z[33];

	shown_hash(z, hash);
	utf8_add_clean(&clean, path);
	jsonw_init(&w, out);
	jsonw_begin_object(&w);
	jsonw_kv_string(&w, "path", buf_str(&clean));
	jsonw_kv_string(&w, "hash", str_of(z));
	jsonw_kv_bool(&w, "all", whole);
	jsonw_end_object(&w);
	out->failed |= buf_failed(&clean);
	buf_release(&clean);
}
