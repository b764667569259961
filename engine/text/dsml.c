/*
 * An answer's parser is fed and asked.  What it makes of the bytes is read in dsml_steps.c; here
 * is what comes before: the end token, behind which nothing is read, and control tokens.
 */
#include "engine/text/dsml_private.h"

#include <stdlib.h>
#include <string.h>

#include "engine/text/dsml_tag.h"

static const struct str end_token = STR_LIT(TOKEN_EOS);

int dsml_init(struct dsml *d, enum dsml_mode mode, dsml_event_fn fn, void *ctx, struct err *err)
{
	d->p = calloc(1, sizeof(*d->p));
	if (!d->p)
		return err_nomem(err, "an answer's parser", sizeof(*d->p));
	d->p->mode = mode;
	d->p->fn = fn;
	d->p->ctx = ctx;
	d->p->state = mode == DSML_THINKING ? STATE_THINKING : STATE_TEXT;
	return 0;
}

void dsml_release(struct dsml *d)
{
	if (!d->p)
		return;
	buf_release(&d->p->input);
	buf_release(&d->p->pending);
	buf_release(&d->p->raw);
	buf_release(&d->p->parameter);
	dsml_calls_release(&d->p->calls);
	free(d->p);
	d->p = NULL;
}

static void feed(struct dsml_private *p, struct str text)
{
	if (!text.n)
		return;
	p->any = true;
	buf_adds(&p->raw, text);
	buf_adds(&p->pending, text);
	dsml_run(p);
}

/* How many bytes at the end of `text` begin the end token. */
static size_t end_begun(struct str text)
{
	size_t n = text.n < end_token.n ? text.n : end_token.n - 1;

	while (n && memcmp(text.p + text.n - n, end_token.p, n) != 0)
		n--;
	return n;
}

void dsml_push(struct dsml *d, struct str text)
{
	struct dsml_private *p = d->p;
	size_t at, n;
	struct str all;

	if (p->ended || !text.n)
		return;
	buf_adds(&p->input, text);
	all = buf_str(&p->input);
	at = str_find(all, 0, end_token);
	p->ended = at < all.n;
	n = p->ended ? at : all.n - end_begun(all);
	feed(p, (struct str){all.p, n});
	if (p->ended)
		buf_reset(&p->input);
	else
		buf_remove(&p->input, 0, n);
}

/* Is what waits just "<" or "</", so that a tag may begin here? */
static bool tag_begun(const struct dsml_private *p)
{
	struct str text = buf_str(&p->pending);

	if (text.n && text.p[text.n - 1] == '/')
		text.n--;
	return text.n && text.p[text.n - 1] == '<';
}

/* Would this control token, as text, be read as the grammar means it (or be part of a value)?
 */
static bool belongs(const struct dsml_private *p, struct str token)
{
	if (p->state == STATE_VALUE || dsml_in_head(p))
		return true;
	if (str_is(token, TOKEN_THINK_END))
		return dsml_thinks(p);
	return str_is(token, TOKEN_DSML) && tag_begun(p);
}

/* An answer may repeat the token its prompt ended with. */
static bool repeats_prompt(const struct dsml_private *p, struct str token)
{
	return !p->any &&
	       str_is(token, p->mode == DSML_THINKING ? TOKEN_THINK : TOKEN_THINK_END);
}

void dsml_push_id(struct dsml *d, struct detok *detok, token_id id)
{
	struct dsml_private *p = d->p;
	struct str token = tokenizer_bytes(detok->tok, id);
	struct buf text = {0};

	if (p->ended)
		return;
	detok_push(detok, id, &text);
	feed(p, buf_str(&text));
	p->calls.failed = p->calls.failed || buf_failed(&text);
	buf_release(&text);
	if (!tokenizer_is_control(detok->tok, id) || repeats_prompt(p, token))
		return;
	if (str_eq(token, end_token)) {
		p->ended = true;
	} else if (belongs(p, token)) {
		feed(p, token);
		p->tag_control = p->tag_control || p->state == STATE_TAG;
	} else {
		/* Left out for people, but the official grammar shall see it. */
		buf_adds(&p->raw, token);
		dsml_notice_control(p);
	}
}

/* What was to have a call, and has none, is one of which nothing could be read. */
static void look_for_calls(struct dsml_private *p)
{
	struct dsml_message m = {0};
	struct err err = {0};
	int rc = dsml_message_parse(buf_str(&p->raw), p->mode, &m, &err);

	dsml_message_release(&m);
	if (rc == ERR_NOMEM)
		p->calls.failed = true;
	else if (rc)
		dsml_calls_begin(&p->calls, STR_LIT(""));
}

int dsml_finish(struct dsml *d, enum dsml_end end, struct err *err)
{
	struct dsml_private *p = d->p;
	bool cut = end == DSML_END_CUT && !p->ended;

	p->finishing = true;
	if (p->input.len && !p->ended)
		feed(p, buf_str(&p->input));
	dsml_run(p);
	if (!cut)
		buf_adds(&p->raw, end_token);
	if (!cut && p->asked && !p->calls.n)
		look_for_calls(p);
	p->calls.failed = p->calls.failed || buf_failed(&p->raw) || buf_failed(&p->pending) ||
			  buf_failed(&p->input);
	dsml_calls_end(&p->calls, buf_str(&p->raw), p->mode, cut, p->fn, p->ctx);
	return p->calls.failed ? err_nomem(err, "an answer", p->raw.len) : 0;
}

bool dsml_in_thinking(const struct dsml *d)
{
	return dsml_thinks(d->p);
}

int dsml_n_good_calls(const struct dsml *d)
{
	return (int)d->p->calls.n_good;
}
