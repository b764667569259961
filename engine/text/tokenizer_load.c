/*
 * tokenizer.json to a struct tokenizer.
 *
 * A byte-level vocabulary spells each byte as one character: printable Latin-1
 * stands for itself, the 68 other bytes for U+0100 on, in order.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/base/jsontree.h"
#include "engine/base/utf8.h"
#include "engine/text/tokenizer_private.h"

#define MAX_FILE_BYTES (256u << 20)
#define N_BYTE_CHARS   324 /* the highest character that spells a byte is U+0143 */

struct loader {
	struct tokenizer *t;
	struct token_index words; /* all vocabulary words by their bytes */
	int16_t byte_of[N_BYTE_CHARS];
	struct buf scratch;
	struct err *err;
};

static int bad(struct loader *l, const char *what, const char *found, const char *expected)
{
	return err_set(l->err, ERR_MODEL, "%s: %s, expected %s", what, found, expected);
}

static void map_bytes(struct loader *l)
{
	int next = 0x100;

	memset(l->byte_of, -1, sizeof(l->byte_of));
	for (int b = 0; b < 256; b++) {
		bool plain = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b != 0xad);

		l->byte_of[plain ? b : next++] = (int16_t)b;
	}
}

/* Appends the bytes that `word` spells; false (and nothing) if it has other characters. */
static bool add_spelled(const struct loader *l, struct str word, struct buf *out)
{
	size_t before = out->len;
	uint32_t cp;
	int n;

	for (size_t i = 0; i < word.n; i += (size_t)n) {
		n = utf8_decode(word.p + i, word.n - i, &cp);
		if (n <= 0 || cp >= N_BYTE_CHARS || l->byte_of[cp] < 0) {
			buf_truncate(out, before);
			return false;
		}
		buf_addc(out, (char)l->byte_of[cp]);
	}
	return true;
}

/* Puts `text` (already at t->text's end) down as the token `id`. */
static int set_entry(struct loader *l, token_id id, size_t at, enum token_kind kind)
{
	struct tokenizer *t = l->t;

	if (buf_failed(&t->text) || t->text.len > UINT32_MAX)
		return err_nomem(l->err, "the vocabulary", t->text.len);
	t->entries[id] = (struct token_entry){(uint32_t)at, (uint32_t)(t->text.len - at), kind};
	return 0;
}

static int check_id(struct loader *l, const char *what, const json_t *v, token_id *id)
{
	json_int_t n = json_integer_value(v);

	if (!json_is_integer(v))
		return bad(l, what, json_kind(v), "an id");
	if (n < 0 || n >= TOKENIZER_MAX_IDS)
		return err_set(l->err, ERR_MODEL,
			       "%.60s: id %" JSON_INTEGER_FORMAT ", expected 0 to %d", what, n,
			       TOKENIZER_MAX_IDS - 1);
	*id = (token_id)n;
	return 0;
}

/* Room for every id of both lists. */
static int size_entries(struct loader *l, json_t *vocab, json_t *added)
{
	token_id id = 0, top = -1;
	const char *key;
	json_t *v;
	size_t i;
	int rc;

	json_object_foreach (vocab, key, v) {
		rc = check_id(l, key, v, &id);
		if (rc)
			return rc;
		top = id > top ? id : top;
	}
	json_array_foreach (added, i, v) {
		rc = check_id(l, "added_tokens: id", json_object_get(v, "id"), &id);
		if (rc)
			return rc;
		top = id > top ? id : top;
	}
	l->t->n_entries = (size_t)top + 1;
	l->t->entries = calloc(l->t->n_entries + 1, sizeof(*l->t->entries));
	if (!l->t->entries)
		return err_nomem(l->err, "the vocabulary", l->t->n_entries);
	return 0;
}

static int load_vocab(struct loader *l, json_t *vocab)
{
	struct tokenizer *t = l->t;
	const char *key;
	json_t *v;
	int rc = token_index_init(&l->words, json_object_size(vocab), l->err);

	if (rc)
		return rc;
	json_object_foreach (vocab, key, v) {
		token_id id = (token_id)json_integer_value(v);
		size_t at = t->text.len;
		token_id *slot;
		bool spelled;

		if (t->entries[id].kind != TOKEN_UNUSED)
			return err_set(l->err, ERR_MODEL, "model.vocab: two tokens have id %d",
				       id);
		spelled = add_spelled(l, str_of(key), &t->text);
		if (!spelled)
			buf_addz(&t->text, key);
		rc = set_entry(l, id, at, TOKEN_TEXT);
		if (rc)
			return rc;
		/* What spells no bytes takes no part in merges: it can only be an added token.
		 */
		if (!spelled)
			continue;
		slot = token_index_find(&l->words, t, tokenizer_bytes(t, id));
		if (*slot >= 0)
			return err_set(l->err, ERR_MODEL,
				       "model.vocab: ids %d and %d spell the same", *slot, id);
		*slot = id;
	}
	for (int b = 0; b < 256; b++) {
		char c = (char)b;

		t->bpe.byte_ids[b] = *token_index_find(&l->words, t, (struct str){&c, 1});
		if (t->bpe.byte_ids[b] < 0)
			return err_set(l->err, ERR_MODEL,
				       "model.vocab: no token for byte 0x%02x", b);
	}
	return 0;
}

/* A merge is "left right" or ["left", "right"]. */
static bool merge_parts(const json_t *v, struct str *left, struct str *right)
{
	struct str s = json_str(v);
	const char *gap;

	if (json_is_array(v) && json_array_size(v) == 2) {
		*left = json_str(json_array_get(v, 0));
		*right = json_str(json_array_get(v, 1));
		return left->p && right->p;
	}
	gap = s.p ? memchr(s.p, ' ', s.n) : NULL;
	if (!gap)
		return false;
	*left = (struct str){s.p, (size_t)(gap - s.p)};
	*right = (struct str){gap + 1, s.n - left->n - 1};
	return true;
}

/* As much of a word as a message takes. */
static int shown(struct str s)
{
	return s.n < 60 ? (int)s.n : 60;
}

static int load_merges(struct loader *l, json_t *merges)
{
	struct tokenizer *t = l->t;
	json_t *v;
	size_t i;

	json_array_foreach (merges, i, v) {
		struct str left, right, both;
		token_id a = -1, b = -1, ab = -1;
		size_t n_left;

		if (!merge_parts(v, &left, &right))
			return err_set(l->err, ERR_MODEL,
				       "model.merges[%zu]: %s, expected two tokens", i,
				       json_kind(v));
		buf_reset(&l->scratch);
		if (add_spelled(l, left, &l->scratch)) {
			n_left = l->scratch.len;
			if (add_spelled(l, right, &l->scratch)) {
				both = buf_str(&l->scratch);
				a = *token_index_find(&l->words, t,
						      (struct str){both.p, n_left});
				b = *token_index_find(
					&l->words, t,
					(struct str){both.p + n_left, both.n - n_left});
				ab = *token_index_find(&l->words, t, both);
			}
		}
		if (buf_failed(&l->scratch))
			return err_nomem(l->err, "a merge", left.n + right.n);
		if (a < 0 || b < 0 || ab < 0)
			return err_set(l->err, ERR_MODEL,
				       "model.merges[%zu]: \"%.*s\" + \"%.*s\" "
				       "is not made of the vocabulary",
				       i, shown(left), left.p, shown(right), right.p);
		bpe_add_merge(&t->bpe, a, b, (uint32_t)i, ab);
	}
	return 0;
}

static int by_length(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return (x < y) - (x > y);
}

static void note_length(struct tokenizer *t, size_t n)
{
	for (size_t i = 0; i < t->n_control_lengths; i++) {
		if (t->control_lengths[i] == n)
			return;
	}
	t->control_lengths[t->n_control_lengths++] = n;
}

static int load_added(struct loader *l, json_t *added)
{
	static const char *const unsupported[] = {"single_word", "lstrip", "rstrip"};
	struct tokenizer *t = l->t;
	json_t *v;
	size_t i;
	int rc = token_index_init(&t->controls, json_array_size(added), l->err);

	if (rc)
		return rc;
	t->control_lengths = calloc(json_array_size(added) + 1, sizeof(*t->control_lengths));
	if (!t->control_lengths)
		return err_nomem(l->err, "the added tokens", json_array_size(added));
	json_array_foreach (added, i, v) {
		struct str content = json_str(json_object_get(v, "content"));
		token_id id = (token_id)json_integer_value(json_object_get(v, "id"));
		enum token_kind kind = json_is_true(json_object_get(v, "normalized"))
					       ? TOKEN_CONTROL_NORMALIZED
					       : TOKEN_CONTROL;
		struct token_entry *e = &t->entries[id];
		size_t at = t->text.len;
		token_id *slot;

		if (!content.n)
			return err_set(l->err, ERR_MODEL,
				       "added_tokens[%zu].content: %s, expected "
				       "text",
				       i, json_kind(json_object_get(v, "content")));
		for (size_t k = 0; k < sizeof(unsupported) / sizeof(*unsupported); k++) {
			if (json_is_true(json_object_get(v, unsupported[k])))
				return err_set(l->err, ERR_MODEL,
					       "added_tokens[%zu].%s: true is not "
					       "supported",
					       i, unsupported[k]);
		}
		if (e->kind != TOKEN_UNUSED && !str_eq(tokenizer_bytes(t, id), content))
			return err_set(l->err, ERR_MODEL,
				       "added_tokens[%zu]: id %d is taken by "
				       "another token",
				       i, id);
		if (e->kind == TOKEN_UNUSED) {
			buf_adds(&t->text, content);
			rc = set_entry(l, id, at, kind);
			if (rc)
				return rc;
		}
		e->kind = kind;
		slot = token_index_find(&t->controls, t, content);
		if (*slot >= 0 && *slot != id)
			return err_set(l->err, ERR_MODEL,
				       "added_tokens[%zu]: ids %d and %d have the "
				       "same text",
				       i, *slot, id);
		*slot = id;
		note_length(t, content.n);
		t->starts_control[(unsigned char)content.p[0]] = true;
	}
	qsort(t->control_lengths, t->n_control_lengths, sizeof(size_t), by_length);
	return 0;
}

/* False or absent is what this program does; anything else it doesn't. */
static int must_be_off(struct loader *l, const json_t *of, const char *where, const char *key)
{
	const json_t *v = json_object_get(of, key);

	if (!v || json_is_null(v) || json_is_false(v) || (json_is_string(v) && !json_str(v).n))
		return 0;
	return err_set(l->err, ERR_MODEL, "%s.%s: %s is not supported", where, key,
		       json_kind(v));
}

static bool type_is(const json_t *v, const char *type)
{
	const char *found = json_string_value(json_object_get(v, "type"));

	return found && strcmp(found, type) == 0;
}

static int load_split_step(struct loader *l, const json_t *step)
{
	const json_t *pattern = json_object_get(step, "pattern");
	const json_t *regex = json_object_get(pattern, "Regex");
	const json_t *literal = json_object_get(pattern, "String");
	const char *behaviour = json_string_value(json_object_get(step, "behavior"));
	const json_t *text = regex ? regex : literal;
	int rc;

	if (type_is(step, "ByteLevel")) {
		rc = must_be_off(l, step, "pre_tokenizer: ByteLevel", "add_prefix_space");
		return rc ? rc : must_be_off(l, step, "pre_tokenizer: ByteLevel", "use_regex");
	}
	if (!type_is(step, "Split"))
		return bad(l, "pre_tokenizer", "a step of another type", "Split or ByteLevel");
	if (!behaviour || strcmp(behaviour, "Isolated") != 0)
		return bad(l, "pre_tokenizer: behavior", behaviour ? "another" : "none",
			   "Isolated");
	rc = must_be_off(l, step, "pre_tokenizer: Split", "invert");
	if (rc)
		return rc;
	if (!json_is_string(text))
		return bad(l, "pre_tokenizer: pattern", json_kind(text), "Regex or String");
	return split_add(&l->t->split, json_str(text), text == literal, l->err);
}

static int load_steps(struct loader *l, const json_t *pre)
{
	const json_t *steps = json_object_get(pre, "pretokenizers");
	bool bytes = false;
	int rc = 0;

	if (!type_is(pre, "Sequence")) {
		if (!type_is(pre, "ByteLevel"))
			return bad(l, "pre_tokenizer", json_kind(pre),
				   "a Sequence or ByteLevel");
		return load_split_step(l, pre);
	}
	if (!json_is_array(steps))
		return bad(l, "pre_tokenizer.pretokenizers", json_kind(steps), "an array");
	for (size_t i = 0; !rc && i < json_array_size(steps); i++) {
		const json_t *step = json_array_get(steps, i);

		if (bytes)
			return bad(l, "pre_tokenizer", "a step after ByteLevel", "none");
		bytes = type_is(step, "ByteLevel");
		rc = load_split_step(l, step);
	}
	if (!rc && !bytes)
		return bad(l, "pre_tokenizer", "no ByteLevel step", "one at the end");
	return rc;
}

static int load_split(struct loader *l, const json_t *pre)
{
	int rc = load_steps(l, pre);

	return rc ? rc : split_compile(&l->t->split, l->err);
}

static int check_normalizer(struct loader *l, const json_t *v)
{
	if (!v || json_is_null(v))
		return 0;
	if (type_is(v, "Sequence") && json_array_size(json_object_get(v, "normalizers")) == 0)
		return 0;
	return bad(l, "normalizer", json_kind(v), "none");
}

static int load_root(struct loader *l, const json_t *root)
{
	static const char *const off[] = {"continuing_subword_prefix", "end_of_word_suffix",
					  "ignore_merges", "byte_fallback", "dropout"};
	json_t *model = json_object_get(root, "model");
	json_t *added = json_object_get(root, "added_tokens");
	json_t *vocab = json_object_get(model, "vocab");
	json_t *merges = json_object_get(model, "merges");
	const json_t *type = json_object_get(model, "type");
	int rc = 0;

	if (!json_is_object(model))
		return bad(l, "model", json_kind(model), "an object");
	if (type && !type_is(model, "BPE"))
		return bad(l, "model.type", "another", "\"BPE\"");
	if (!json_is_object(vocab))
		return bad(l, "model.vocab", json_kind(vocab), "an object");
	if (!json_is_array(merges))
		return bad(l, "model.merges", json_kind(merges), "an array");
	if (added && !json_is_array(added))
		return bad(l, "added_tokens", json_kind(added), "an array");
	for (size_t i = 0; !rc && i < sizeof(off) / sizeof(*off); i++)
		rc = must_be_off(l, model, "model", off[i]);
	if (!rc)
		rc = check_normalizer(l, json_object_get(root, "normalizer"));
	if (!rc)
		rc = load_split(l, json_object_get(root, "pre_tokenizer"));
	if (!rc)
		rc = size_entries(l, vocab, added);
	if (!rc)
		rc = bpe_init(&l->t->bpe, json_array_size(merges), l->err);
	if (!rc)
		rc = load_vocab(l, vocab);
	if (!rc)
		rc = load_merges(l, merges);
	return rc ? rc : load_added(l, added);
}

int tokenizer_parse(struct tokenizer **out, struct str json, const char *name, struct err *err)
{
	struct loader l = {.err = err};
	struct json_tree tree = {0};
	struct err why = {0};
	int rc;

	*out = NULL;
	rc = json_tree_parse(&tree, json, 0, &why);
	if (rc)
		return err_set(err, rc == ERR_NOMEM ? rc : ERR_MODEL, "%s: %s", name, why.text);
	l.t = calloc(1, sizeof(*l.t));
	if (!l.t) {
		rc = err_nomem(err, name, sizeof(*l.t));
		goto done;
	}
	map_bytes(&l);
	rc = load_root(&l, tree.root);
	if (rc) {
		err_prefix(err, "%s", name);
		goto done;
	}
	*out = l.t;
	l.t = NULL;
done:
	tokenizer_close(l.t);
	token_index_release(&l.words);
	buf_release(&l.scratch);
	json_tree_release(&tree);
	return rc;
}

int tokenizer_open(struct tokenizer **out, const char *model_dir, struct err *err)
{
	struct buf path = {0}, text = {0};
	int rc;

	*out = NULL;
	buf_addf(&path, "%s/tokenizer.json", model_dir);
	if (buf_failed(&path)) {
		rc = err_nomem(err, "a path", strlen(model_dir));
		goto done;
	}
	rc = file_read(&text, buf_z(&path), MAX_FILE_BYTES, err);
	if (rc == ERR_IO)
		err->code = rc = ERR_MODEL;
	if (!rc)
		rc = tokenizer_parse(out, buf_str(&text), buf_z(&path), err);
done:
	buf_release(&path);
	buf_release(&text);
	return rc;
}
