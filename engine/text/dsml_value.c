/* The value of a parameter: from its head to its end, told as it comes. */
#include "engine/text/dsml_private.h"

#include "engine/base/utf8.h"
#include "engine/text/dsml_tag.h"

static const struct str tag_open = STR_LIT(DSML_OPEN), tag_close = STR_LIT(DSML_CLOSE);
static const struct str tag_parameter = STR_LIT(DSML_PARAMETER);
static const struct str value_end = STR_LIT("/" TOKEN_DSML DSML_PARAMETER);

/* A head that is not as it should be: what stands between the first two quotes is its name. */
static struct str guess_name(struct str tag)
{
	size_t from = str_find(tag, 0, STR_LIT("\"")), to;

	if (from == tag.n)
		return (struct str){"", 0};
	to = str_find(tag, from + 1, STR_LIT("\""));
	return (struct str){tag.p + from + 1, to - from - 1};
}

void dsml_begin_value(struct dsml_private *p, struct str tag, bool whole)
{
	struct str name;
	struct str head = str_from(tag, tag_parameter.n);
	size_t at = 0;

	head.n += whole; /* the ">" lies behind it */
	if (!dsml_parameter_head(head, &name, &p->parameter_string, &at) || at != head.n) {
		name = guess_name(tag);
		p->parameter_string = str_find(tag, 0, STR_LIT("string=\"false")) == tag.n;
		dsml_calls_trouble(&p->calls,
				   "a parameter's tag is not name=\"…\" string=\"true|false\"");
	}
	if (!p->in_call)
		dsml_calls_trouble(&p->calls, "a parameter outside of a call");
	dsml_enter_block(p);
	p->state = STATE_VALUE;
	p->told = 0;
	buf_reset(&p->parameter);
	buf_adds(&p->parameter, name);
}

/* `value` is surely of the value that is read, and more than what was told of it. */
static void tell_value(struct dsml_private *p, struct str value)
{
	if (value.n > p->told)
		p->fn(p->ctx, EV_CALL_TEXT, (int)p->calls.n - 1, str_from(value, p->told));
	p->told = value.n;
}

static void end_value(struct dsml_private *p, struct str value)
{
	struct buf shown = {0}, text = {0};

	if (!p->in_call) {
		dsml_say(p, value);
		return;
	}
	tell_value(p, value);
	if (!dsml_calls_argument(&p->calls, buf_str(&p->parameter), p->parameter_string, value,
				 &shown)) {
		buf_addf(&text, "argument \"%s\" is not JSON and is kept as a string",
			 buf_z(&p->parameter));
		dsml_notice(p, buf_z(&text));
	}
	p->calls.failed = p->calls.failed || buf_failed(&shown) || buf_failed(&p->parameter);
	p->early = dsml_accepts(p, p->raw.len - dsml_rest(p).n + value.n, dsml_close_value);
	p->fn(p->ctx, EV_CALL_PARAM, (int)p->calls.n - 1, buf_str(&shown));
	buf_release(&shown);
	buf_release(&text);
}

static size_t find_tag(struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		struct str here = str_from(text, i);

		if (str_starts(here, tag_open) || str_starts(here, tag_close))
			return i;
	}
	return text.n;
}

/* Of a value that goes on, what cannot be the beginning of its end, nor of a tag that ends it. */
static void tell_more(struct dsml_private *p, struct str text)
{
	size_t held = value_end.n + 1, n, tag;

	if (!p->in_call || text.n < p->told + held)
		return;
	n = text.n - held;
	tag = p->told + find_tag(str_from(text, p->told));
	n = tag < n ? tag : n;
	n -= utf8_partial_tail((struct str){text.p, n});
	if (n > p->told)
		tell_value(p, (struct str){text.p, n});
}

/* A value is whatever stands before the end of its parameter, tags included. */
bool dsml_step_value(struct dsml_private *p)
{
	struct str text = dsml_rest(p), value;
	size_t at = p->no_value_end ? text.n : str_find(text, p->scanned, value_end), n;

	if (at < text.n) {
		value = (struct str){text.p, at};
		n = at > 1 && text.p[at - 1] == '\n' ? at - 1 : at;
		if (n && text.p[n - 1] == '<')
			value.n = n - 1;
		else
			dsml_calls_trouble(&p->calls, "a parameter's end without its <");
		end_value(p, value);
		dsml_consume(p, at + value_end.n - tag_parameter.n);
		dsml_begin_tag(p, dsml_stop_close);
		p->value_end = true;
		return true;
	}
	if (!p->finishing) {
		p->scanned = text.n >= value_end.n ? text.n - value_end.n + 1 : 0;
		tell_more(p, text);
		return false;
	}
	/* It never ends: then the first tag within it ends it. */
	p->no_value_end = true;
	n = find_tag(text);
	dsml_calls_trouble(&p->calls, "a parameter is not closed");
	end_value(p, (struct str){text.p, n});
	dsml_consume(p, n);
	dsml_enter_block(p);
	return true;
}
