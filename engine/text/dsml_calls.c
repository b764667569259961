/* Gathering the calls of an answer, and judging them at its end. */
#include "engine/text/dsml_calls.h"

#include <stdlib.h>

#include "engine/base/jsonr.h"
#include "engine/text/dsml_tag.h"

void dsml_calls_release(struct dsml_calls *c)
{
	for (size_t i = 0; i < c->n; i++) {
		buf_release(&c->calls[i].name);
		buf_release(&c->calls[i].arguments);
		buf_release(&c->calls[i].trouble);
		buf_release(&c->calls[i].cut);
	}
	free(c->calls);
	*c = (struct dsml_calls){0};
}

void dsml_calls_begin(struct dsml_calls *c, struct str name)
{
	if (c->n == c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 4;
		struct dsml_open_call *calls = realloc(c->calls, cap * sizeof(*calls));

		if (!calls) {
			c->failed = true;
			return;
		}
		c->calls = calls;
		c->cap = cap;
	}
	c->calls[c->n] = (struct dsml_open_call){0};
	buf_adds(&c->calls[c->n++].name, name);
}

static bool is_json(struct str value, bool *failed)
{
	struct json_doc doc = {0};
	int rc = json_doc_parse(&doc, value, NULL);

	json_doc_release(&doc);
	*failed = *failed || rc == ERR_NOMEM;
	return rc == 0;
}

bool dsml_calls_argument(struct dsml_calls *c, struct str name, bool string, struct str value,
			 struct buf *shown)
{
	struct buf *arguments = c->n ? &c->calls[c->n - 1].arguments : NULL;
	bool as_said = string || is_json(value, &c->failed);
	size_t from = shown->len;

	dsml_add_argument(shown, name, string || !as_said, value);
	if (c->n && !as_said)
		c->calls[c->n - 1].kept_string = true;
	if (arguments && !buf_failed(shown)) {
		if (arguments->len)
			buf_addz(arguments, ", ");
		buf_adds(arguments, str_from(buf_str(shown), from));
	}
	return as_said;
}

void dsml_calls_trouble(struct dsml_calls *c, const char *what)
{
	if (c->n && !c->calls[c->n - 1].trouble.len)
		buf_addz(&c->calls[c->n - 1].trouble, what);
}

/* The same name and arguments?  (Those that claim to be JSON and are none differ on purpose.)
 */
static bool same_call(const struct dsml_open_call *ours, const struct dsml_call *official)
{
	struct str text = buf_str(&official->arguments); /* in braces, which ours are not */

	if (ours->trouble.len || !str_eq(buf_str(&ours->name), buf_str(&official->name)))
		return false;
	return ours->kept_string ||
	       str_eq(buf_str(&ours->arguments), (struct str){text.p + 1, text.n - 2});
}

static bool agrees(const struct dsml_calls *c, const struct dsml_message *m)
{
	if (c->n != m->n_calls)
		return false;
	for (size_t i = 0; i < c->n; i++) {
		if (!same_call(&c->calls[i], &m->calls[i]))
			return false;
	}
	return true;
}

/* How it ends, and with what text. */
static enum event_kind end_of(const struct dsml_calls *c, const struct dsml_open_call *call,
			      const char *why, struct buf *text)
{
	if (c->failed)
		buf_addz(text, "out of memory");
	else if (call->trouble.len)
		buf_adds(text, buf_str(&call->trouble));
	else if (why)
		buf_addz(text, why);
	else if (call->cut.len)
		buf_adds(text, buf_str(&call->cut));
	else
		buf_addf(text, "{%s}", buf_z(&call->arguments));
	if (c->failed || buf_failed(text) || call->trouble.len || why)
		return EV_CALL_BAD;
	return call->cut.len ? EV_CALL_CUT : EV_CALL_END;
}

void dsml_calls_end(struct dsml_calls *c, struct str completion, enum dsml_mode mode, bool cut,
		    dsml_event_fn fn, void *ctx)
{
	struct dsml_message official = {0};
	struct err err = {0};
	struct buf text = {0};
	const char *why = cut ? "the answer was cut off before its calls were complete" : NULL;

	if (!c->n)
		return;
	if (!why && dsml_message_parse(completion, mode, &official, &err)) {
		why = err.text;
		c->failed = c->failed || err.code == ERR_NOMEM;
	} else if (!why && !agrees(c, &official)) {
		why = "a tag reads in more than one way";
	}
	for (size_t i = 0; i < c->n; i++) {
		struct dsml_open_call *call = &c->calls[i];

		c->failed = c->failed || buf_failed(&call->name) ||
			    buf_failed(&call->arguments) || buf_failed(&call->cut);
	}
	for (size_t i = 0; i < c->n; i++) {
		enum event_kind kind;

		buf_reset(&text);
		kind = end_of(c, &c->calls[i], why, &text);
		c->failed = c->failed || buf_failed(&text);
		c->n_good += kind != EV_CALL_BAD;
		fn(ctx, kind, (int)i, buf_str(&text));
	}
	if (c->failed)
		c->n_good = 0;
	buf_release(&text);
	dsml_message_release(&official);
}
