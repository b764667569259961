/*
 * Reading, step by step.
 *
 * What was pushed waits in `pending` until it is decided.  Outside of values
 * that is never more than the beginning of a word of the grammar; a value waits
 * whole for its end.  Each state consumes from the front of `pending` or asks
 * for more; what it does depends on the bytes alone, not on where they were cut.
 *
 *   THINKING ⇄ BLOCK ⇄ CALL ⇄ VALUE      <tag> = TAG, entered from all of them
 *   TEXT     ⇄
 *
 * A tag in an unexpected place does what its name says (an invoke opens a call
 * with or without a block around it) and leaves a note of what was wrong.  What
 * begins like a tag and does not read on as one is text.
 */
#include "engine/text/dsml_private.h"

#include <string.h>

#include "engine/text/dsml_tag.h"

/* Words that end a run of text, and what they lead to. */
struct stop {
	struct str word;
	bool closes_thinking;
	bool tag_closes;
};

enum { STOP_BLOCK, STOP_OPEN, STOP_CLOSE, STOP_THINK_END };
static const struct stop stops[] = {
	[STOP_BLOCK] = {STR_LIT("\n\n" DSML_OPEN), false, false},
	[STOP_OPEN] = {STR_LIT(DSML_OPEN), false, false},
	[STOP_CLOSE] = {STR_LIT(DSML_CLOSE), false, true},
	[STOP_THINK_END] = {STR_LIT(TOKEN_THINK_END), true, false},
};
const struct stop *const dsml_stop_close = &stops[STOP_CLOSE];
static const struct str tag_open = STR_LIT(DSML_OPEN), tag_close = STR_LIT(DSML_CLOSE);
static const struct str tag_invoke = STR_LIT(DSML_INVOKE);
static const struct str tag_parameter = STR_LIT(DSML_PARAMETER);
static const struct str tag_name = STR_LIT("name=\""), tag_dsml = STR_LIT(TOKEN_DSML);

/* Names whose tags are known without their ">", the last of them often mistaken for the first. */
static const struct str tag_names[] = {STR_LIT(DSML_WRAPPER), STR_LIT(DSML_INVOKE),
				       STR_LIT(DSML_PARAMETER), STR_LIT("function_calls")};

/* More blanks than this between a tag's name and its attribute are no tag's. */
#define TAG_BLANKS_MAX 16

void dsml_notice(struct dsml_private *p, const char *text)
{
	p->fn(p->ctx, EV_NOTICE, -1, str_of(text));
}

void dsml_notice_control(struct dsml_private *p)
{
	if (!p->told_control)
		dsml_notice(p, "a control token in an unexpected place was left out");
	p->told_control = true;
}

bool dsml_thinks(const struct dsml_private *p)
{
	return p->state == STATE_THINKING || (p->state != STATE_TEXT && p->in_thinking);
}

void dsml_say(struct dsml_private *p, struct str text)
{
	if (text.n)
		p->fn(p->ctx, dsml_thinks(p) ? EV_THINKING : EV_TEXT, -1, text);
}

struct str dsml_rest(const struct dsml_private *p)
{
	return str_from(buf_str(&p->pending), p->front);
}

void dsml_consume(struct dsml_private *p, size_t n)
{
	p->front += n;
	p->scanned = 0;
}

/*
 * The first stop in `text`: NULL if there is none.  *at is where it begins, or where one may
 * begin that is not complete, or the text's end.
 */
static const struct stop *find_stop(struct str text, bool think_end, size_t *at)
{
	for (size_t i = 0; i < text.n; i++) {
		struct str here = str_from(text, i);

		if (here.p[0] != '<' && here.p[0] != '\n')
			continue;
		for (size_t k = 0; k < sizeof(stops) / sizeof(*stops); k++) {
			struct str word = stops[k].word;
			size_t n = word.n < here.n ? word.n : here.n;

			if ((stops[k].closes_thinking && !think_end) ||
			    memcmp(here.p, word.p, n) != 0)
				continue;
			*at = i;
			return n == word.n ? &stops[k] : NULL;
		}
	}
	*at = text.n;
	return NULL;
}

void dsml_begin_tag(struct dsml_private *p, const struct stop *word)
{
	p->state = STATE_TAG;
	p->tag_word = word;
	p->tag_control = false;
	p->value_end = false;
}

void dsml_enter_block(struct dsml_private *p)
{
	p->in_block = true;
	p->asked = p->asked || !p->in_thinking;
	p->stray = false;
	p->state = STATE_BLOCK;
}

static void leave_block(struct dsml_private *p)
{
	p->in_call = false;
	p->in_block = false;
	p->state = p->in_thinking ? STATE_THINKING : STATE_TEXT;
}

/* Each step returns whether it got anywhere; false asks for more bytes. */

static bool step_prose(struct dsml_private *p)
{
	bool thinking = p->state == STATE_THINKING;
	size_t at;
	const struct stop *stop = find_stop(dsml_rest(p), thinking, &at);

	if (!stop && p->finishing)
		at = dsml_rest(p).n;
	dsml_say(p, (struct str){dsml_rest(p).p, at});
	dsml_consume(p, at + (stop ? stop->word.n : 0));
	if (!stop)
		return false;
	if (stop->closes_thinking) {
		p->state = STATE_TEXT;
		return true;
	}
	p->in_thinking = thinking;
	dsml_begin_tag(p, stop);
	return true;
}

static bool is_blank(struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (!memchr(" \t\r\n", text.p[i], 4))
			return false;
	}
	return true;
}

/* Between tags only white space belongs; anything else is said, and noted. */
static bool step_block(struct dsml_private *p)
{
	size_t at;
	const struct stop *stop = find_stop(dsml_rest(p), p->in_thinking, &at);
	struct str text;

	if (!stop && p->finishing)
		at = dsml_rest(p).n;
	text = (struct str){dsml_rest(p).p, at};
	if (!p->stray && !is_blank(text)) {
		p->stray = true;
		dsml_calls_trouble(&p->calls, "text between the tags of a call block");
	}
	if (!p->stray && !stop)
		return false; /* white space: it depends on what follows */
	if (p->stray)
		dsml_say(p, text);
	dsml_consume(p, at + (stop ? stop->word.n : 0));
	if (!stop)
		return false;
	p->stray = false;
	if (stop->closes_thinking) {
		leave_block(p);
		p->state = STATE_TEXT;
	} else {
		dsml_begin_tag(p, stop);
	}
	return true;
}

static bool may_become(struct str text, struct str word)
{
	return memcmp(text.p, word.p, text.n < word.n ? text.n : word.n) == 0;
}

static size_t name_length(struct str tag)
{
	size_t n = 0;

	while (n < tag.n && ((tag.p[n] >= 'a' && tag.p[n] <= 'z') ||
			     (tag.p[n] >= 'A' && tag.p[n] <= 'Z') ||
			     (tag.p[n] >= '0' && tag.p[n] <= '9') || tag.p[n] == '_'))
		n++;
	return n;
}

/* Behind a name: does `name="` follow, or may it still?  *sure: it does. */
static bool attribute_follows(struct str text, bool *sure)
{
	size_t blanks = dsml_space(text);

	text = str_from(text, blanks);
	*sure = str_starts(text, tag_name);
	return blanks <= TAG_BLANKS_MAX && may_become(text, tag_name);
}

/* Is `tag` the head of a call or of a parameter, or may it become one?  *sure: it is. */
static bool has_name(const struct dsml_private *p, struct str tag, bool *sure)
{
	*sure = false;
	if (p->tag_word->tag_closes)
		return false;
	if (str_starts(tag, tag_invoke))
		return attribute_follows(str_from(tag, tag_invoke.n), sure);
	if (str_starts(tag, tag_parameter))
		return attribute_follows(str_from(tag, tag_parameter.n), sure);
	return may_become(tag, tag_invoke) || may_become(tag, tag_parameter);
}

/*
 * Where the tag that `tag` begins with ends: its bytes without the last ">", or 0 for not yet.
 * *whole tells whether that ">" is there; else the next tag, or the line's end, is.
 *
 * Names may hold anything, so that the tags of calls and parameters end at `">`.
 */
static bool find_tag_end(struct dsml_private *p, struct str tag, size_t *end, bool *whole,
			 bool *named)
{
	bool sure;

	*named = has_name(p, tag, &sure);
	/* While that is not sure all of it is looked at again: it is short. */
	if (*named && !sure)
		p->scanned = 0;
	if (*named && !sure && !p->finishing)
		return false;

	for (size_t i = p->scanned; i < tag.n; i++) {
		struct str here = str_from(tag, i);
		bool quoted = *named && memchr(tag.p, '"', i);

		*end = i;
		*whole = here.p[0] == '>';
		if (*whole && (!quoted || tag.p[i - 1] == '"'))
			return true;
		*whole = false;
		if (str_starts(here, tag_open) || str_starts(here, tag_close))
			return true;
		if (!*named && (here.p[0] == '\n' || here.p[0] == '<'))
			return true;
	}
	*end = tag.n;
	*whole = false;
	/* An unfinished <｜DSML｜ at the end has to be seen whole. */
	p->scanned = tag.n > tag_close.n ? tag.n - tag_close.n : 0;
	return p->finishing;
}

static void begin_call(struct dsml_private *p, struct str tag)
{
	struct str name = {"", 0};
	bool good = false;
	size_t at;

	if (p->in_call)
		dsml_calls_trouble(&p->calls, "the call is not closed before the next one");
	if (dsml_invoke_head(str_from(tag, tag_invoke.n), &at)) {
		name = str_from(tag, tag_invoke.n + at);
		good = name.n && name.p[name.n - 1] == '"';
		name.n -= good;
	}
	dsml_enter_block(p);
	dsml_calls_begin(&p->calls, name);
	p->in_call = !p->calls.failed;
	if (!p->in_call)
		return;
	if (!good)
		dsml_calls_trouble(&p->calls, "the call's tag does not give a name=\"…\"");
	p->early = good && dsml_accepts(p, p->raw.len - dsml_rest(p).n, dsml_close_call);
	p->fn(p->ctx, EV_CALL_BEGIN, (int)p->calls.n - 1, name);
}

static bool is_tag_name(struct str name, bool whole_name)
{
	for (size_t i = 0; i < sizeof(tag_names) / sizeof(*tag_names); i++) {
		if (whole_name ? str_eq(name, tag_names[i]) : may_become(name, tag_names[i]))
			return name.n > 0;
	}
	return false;
}

/*
 * Does it read on as a tag, up to *end?  A name and its attribute; a name alone, known or with
 * its ">".  Behind a known name the tag may end without one.
 */
static bool is_tag(const struct dsml_private *p, struct str tag, bool named, size_t *end,
		   bool *whole)
{
	size_t n = name_length(tag);
	struct str name = {tag.p, n}, after = {tag.p + n, *end - n};
	bool cut = p->finishing && *end == tag.n && !*whole;
	/* `<｜DSML｜invoke me later` is what somebody says, not a call. */
	bool alone = p->tag_word->tag_closes ||
		     (!str_eq(name, tag_invoke) && !str_eq(name, tag_parameter));

	if (p->value_end)
		return true;
	if (!n)
		return false;
	if (named)
		return true;
	if (is_blank(after))
		return *whole || (alone && is_tag_name(name, !cut || after.n));
	if (!alone || !is_tag_name(name, true))
		return false;
	*end = n;
	*whole = false;
	return true;
}

/* It was no tag: what it began with is said, and the rest read again. */
static bool say_no_tag(struct dsml_private *p)
{
	struct str word = p->tag_word->word;

	if (p->in_block) {
		p->stray = true;
		dsml_calls_trouble(&p->calls, "text between the tags of a call block");
	}
	if (p->tag_control) { /* which is never shown */
		dsml_notice_control(p);
		word.n -= tag_dsml.n;
	}
	dsml_say(p, word);
	p->scanned = 0;
	p->state = p->in_block ? STATE_BLOCK : p->in_thinking ? STATE_THINKING : STATE_TEXT;
	return true;
}

static bool step_tag(struct dsml_private *p)
{
	struct str tag = dsml_rest(p);
	bool whole, named, opens = !p->tag_word->tag_closes;
	size_t end;

	if (!find_tag_end(p, tag, &end, &whole, &named))
		return false;
	if (!is_tag(p, tag, named, &end, &whole))
		return say_no_tag(p);
	tag.n = end;
	if (!whole)
		dsml_calls_trouble(&p->calls, "a tag without its >");
	if (!whole && p->finishing && end == dsml_rest(p).n) {
		dsml_notice(p, "the answer ends within a tag");
		dsml_consume(p, end);
		if (p->in_block)
			dsml_enter_block(p);
		else
			leave_block(p);
		return true;
	}
	dsml_consume(p, end + whole);
	if (opens && str_starts(tag, tag_invoke)) {
		begin_call(p, tag);
	} else if (opens && str_starts(tag, tag_parameter)) {
		dsml_begin_value(p, tag, whole);
	} else if (opens) {
		if (p->in_call)
			dsml_calls_trouble(&p->calls,
					   "the call is not closed before the next block");
		p->in_call = false;
		dsml_enter_block(p);
	} else if (!p->in_block) {
		leave_block(p);
	} else if (str_starts(tag, tag_parameter)) {
		if (!p->value_end)
			dsml_calls_trouble(&p->calls,
					   "a parameter is closed that was not open");
		dsml_enter_block(p);
	} else if (str_starts(tag, tag_invoke)) {
		p->in_call = false;
		dsml_enter_block(p);
	} else {
		leave_block(p);
	}
	return true;
}

void dsml_run(struct dsml_private *p)
{
	bool more = true;

	while (more) {
		switch (p->state) {
		case STATE_THINKING:
		case STATE_TEXT:
			more = step_prose(p);
			break;
		case STATE_BLOCK:
			more = step_block(p);
			break;
		case STATE_TAG:
			more = step_tag(p);
			break;
		case STATE_VALUE:
			more = dsml_step_value(p);
			break;
		}
	}
	buf_remove(&p->pending, 0, p->front);
	p->front = 0;
}

bool dsml_in_head(const struct dsml_private *p)
{
	bool sure;

	return p->state == STATE_TAG && has_name(p, buf_str(&p->pending), &sure) && sure;
}
