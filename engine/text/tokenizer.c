/* Encoding: control tokens first, then pieces, then merges. */
#include "engine/text/tokenizer.h"

#include <stdlib.h>

#include <xxhash.h>

#include "engine/base/utf8.h"
#include "engine/text/tokenizer_private.h"

int token_index_init(struct token_index *x, size_t n, struct err *err)
{
	size_t n_slots = 16;

	while (n_slots < 2 * n)
		n_slots *= 2;
	x->slots = malloc(n_slots * sizeof(*x->slots));
	if (!x->slots)
		return err_nomem(err, "a token index", n_slots * sizeof(*x->slots));
	for (size_t i = 0; i < n_slots; i++)
		x->slots[i] = -1;
	x->n_slots = n_slots;
	return 0;
}

void token_index_release(struct token_index *x)
{
	free(x->slots);
	*x = (struct token_index){0};
}

token_id *token_index_find(const struct token_index *x, const struct tokenizer *t,
			   struct str key)
{
	size_t i = (size_t)XXH3_64bits(key.p, key.n) & (x->n_slots - 1);

	while (x->slots[i] >= 0 && !str_eq(tokenizer_bytes(t, x->slots[i]), key))
		i = (i + 1) & (x->n_slots - 1);
	return &x->slots[i];
}

void tokenizer_close(struct tokenizer *t)
{
	if (!t)
		return;
	buf_release(&t->text);
	free(t->entries);
	bpe_release(&t->bpe);
	split_release(&t->split);
	token_index_release(&t->controls);
	free(t->control_lengths);
	free(t);
}

static bool is_control(enum token_kind kind)
{
	return kind == TOKEN_CONTROL || kind == TOKEN_CONTROL_NORMALIZED;
}

static bool known(const struct tokenizer *t, token_id id)
{
	return id >= 0 && (size_t)id < t->n_entries;
}

struct str tokenizer_bytes(const struct tokenizer *t, token_id id)
{
	if (!known(t, id) || !t->entries[id].n)
		return (struct str){"", 0};
	return (struct str){t->text.data + t->entries[id].at, t->entries[id].n};
}

bool tokenizer_is_control(const struct tokenizer *t, token_id id)
{
	return known(t, id) && is_control(t->entries[id].kind);
}

token_id tokenizer_control(const struct tokenizer *t, const char *text)
{
	return *token_index_find(&t->controls, t, str_of(text));
}

int64_t tokenizer_n_ids(const struct tokenizer *t)
{
	return (int64_t)t->n_entries;
}

/* One call of an encode function. */
struct encoding {
	const struct tokenizer *t;
	struct bpe_scratch scratch;
	struct tokens *out;
};

static int add_word(void *ctx, struct str word, struct err *err)
{
	struct encoding *e = ctx;

	return bpe_encode(&e->t->bpe, &e->scratch, word.p, word.n, e->out, err);
}

static int add_text(struct encoding *e, struct str text, struct err *err)
{
	return split_run(&e->t->split, text, add_word, e, err);
}

/* The longest control token of this kind at the beginning of `text`, or -1. */
static token_id control_at(const struct tokenizer *t, struct str text, enum token_kind kind)
{
	if (!t->starts_control[(unsigned char)text.p[0]])
		return -1;
	for (size_t i = 0; i < t->n_control_lengths; i++) {
		size_t n = t->control_lengths[i];
		token_id id;

		if (n > text.n)
			continue;
		id = *token_index_find(&t->controls, t, (struct str){text.p, n});
		if (id >= 0 && t->entries[id].kind == kind)
			return id;
	}
	return -1;
}

/*
 * Control tokens are taken from left to right, the longest first; those matched after
 * normalization only in what the others left between them.
 */
static int add_special(struct encoding *e, struct str text, enum token_kind kind,
		       struct err *err)
{
	size_t from = 0, at = 0;
	int rc = 0;

	while (!rc && at < text.n) {
		token_id id = control_at(e->t, (struct str){text.p + at, text.n - at}, kind);
		struct str gap = {text.p + from, at - from};

		if (id < 0) {
			at++;
			continue;
		}
		rc = kind == TOKEN_CONTROL ? add_special(e, gap, TOKEN_CONTROL_NORMALIZED, err)
					   : add_text(e, gap, err);
		tokens_add(e->out, id);
		at += tokenizer_bytes(e->t, id).n;
		from = at;
	}
	if (rc || from == text.n)
		return rc;
	text = (struct str){text.p + from, text.n - from};
	return kind == TOKEN_CONTROL ? add_special(e, text, TOKEN_CONTROL_NORMALIZED, err)
				     : add_text(e, text, err);
}

static int encode(const struct tokenizer *t, struct str text, bool special, struct tokens *out,
		  size_t *n_replaced, struct err *err)
{
	struct encoding e = {.t = t, .out = out};
	struct buf clean = {0};
	int rc = 0;

	if (!utf8_valid(text)) {
		size_t n = utf8_add_clean(&clean, text);

		if (n_replaced)
			*n_replaced += n;
		text = buf_str(&clean);
		if (buf_failed(&clean)) {
			rc = err_nomem(err, "text to encode", text.n);
			goto done;
		}
	}
	rc = special ? add_special(&e, text, TOKEN_CONTROL, err) : add_text(&e, text, err);
	if (!rc && tokens_failed(out))
		rc = err_nomem(err, "token ids", out->n * sizeof(*out->ids));
done:
	bpe_scratch_release(&e.scratch);
	buf_release(&clean);
	return rc;
}

int tokenizer_encode(const struct tokenizer *t, struct str text, struct tokens *out,
		     size_t *n_replaced, struct err *err)
{
	return encode(t, text, false, out, n_replaced, err);
}

int tokenizer_encode_special(const struct tokenizer *t, struct str text, struct tokens *out,
			     size_t *n_replaced, struct err *err)
{
	return encode(t, text, true, out, n_replaced, err);
}
