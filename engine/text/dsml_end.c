/* Where an answer can end, and by what: asked of the official grammar. */
#include "engine/text/dsml_private.h"

#include "engine/text/dsml_tag.h"

#define END_BLOCK "\n" DSML_CLOSE DSML_WRAPPER ">"
#define END_CALL  "\n" DSML_CLOSE DSML_INVOKE ">" END_BLOCK
#define END_VALUE DSML_CLOSE DSML_PARAMETER ">" END_CALL

const struct str dsml_close_block = STR_LIT(END_BLOCK);
const struct str dsml_close_call = STR_LIT(END_CALL);
const struct str dsml_close_value = STR_LIT(END_VALUE);

bool dsml_accepts(const struct dsml_private *p, size_t n, struct str closing)
{
	struct dsml_message m = {0};
	struct buf text = {0};
	struct err ignored;
	bool good = true;

	for (size_t i = 0; i < p->calls.n; i++)
		good = good && !p->calls.calls[i].trouble.len;
	if (!good || dsml_thinks(p))
		return false;
	buf_add(&text, p->raw.data, n);
	buf_adds(&text, closing);
	buf_addz(&text, TOKEN_EOS);
	good = !buf_failed(&text) && !buf_failed(&p->raw) &&
	       !dsml_message_parse(buf_str(&text), p->mode, &m, &ignored) &&
	       m.n_calls == p->calls.n;
	dsml_message_release(&m);
	buf_release(&text);
	return good;
}

bool dsml_early(const struct dsml *d)
{
	return d->p->early;
}

bool dsml_in_block(const struct dsml *d)
{
	return d->p->in_block;
}

size_t dsml_value_bytes(const struct dsml *d)
{
	return d->p->state == STATE_VALUE ? dsml_rest(d->p).n : 0;
}

/* All that is missing, from where the answer stands; false: within a tag. */
static bool missing(const struct dsml_private *p, struct str *closing)
{
	static const struct str nothing = STR_LIT("");

	switch (p->state) {
	case STATE_TAG:
		return false;
	case STATE_VALUE:
		*closing = dsml_close_value;
		break;
	case STATE_BLOCK:
		*closing = p->in_call ? dsml_close_call : dsml_close_block;
		break;
	case STATE_THINKING:
	case STATE_TEXT:
		*closing = nothing;
		break;
	}
	return true;
}

/* How much of it the model has written already. */
static size_t written(struct str raw, struct str closing)
{
	size_t n = closing.n < raw.n ? closing.n : raw.n;

	while (n && !str_eq((struct str){raw.p + raw.n - n, n}, (struct str){closing.p, n}))
		n--;
	return n;
}

/* What waits between tags, and is not decided, may be the beginning of one. */
static bool tag_may_begin(const struct dsml_private *p)
{
	struct str text = dsml_rest(p);

	return p->state != STATE_VALUE && str_find(text, 0, STR_LIT("<")) < text.n;
}

enum dsml_closing dsml_closing(const struct dsml *d, struct buf *out)
{
	const struct dsml_private *p = d->p;
	struct str raw = buf_str(&p->raw), closing;

	if (!p->calls.n || p->input.len || !missing(p, &closing))
		return DSML_CLOSES_LATER;
	closing = str_from(closing, written(raw, closing));
	if (!dsml_accepts(p, raw.n, closing))
		return tag_may_begin(p) ? DSML_CLOSES_LATER : DSML_CLOSES_NEVER;
	buf_adds(out, closing);
	return buf_failed(out) ? DSML_CLOSES_NEVER : DSML_CLOSES;
}

void dsml_cut_call(struct dsml *d, struct str why)
{
	struct dsml_calls *c = &d->p->calls;

	if (d->p->in_call && c->n && !c->calls[c->n - 1].cut.len)
		buf_adds(&c->calls[c->n - 1].cut, why);
}
