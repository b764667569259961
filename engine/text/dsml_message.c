/*
 * The official grammar over a whole completion.  Each part runs up to the first
 * of the words that may follow it, whatever it holds; only then it is looked at.
 */
#include <stdlib.h>

#include "engine/text/dsml.h"
#include "engine/text/dsml_tag.h"

enum word {
	WORD_END,
	WORD_THINK_END,
	WORD_CALLS,
	WORD_CALLS_END,
	WORD_INVOKE,
	WORD_INVOKE_END,
	WORD_PARAMETER,
	WORD_PARAMETER_END,
	N_WORDS,
	WORD_NONE = N_WORDS,
};

static const struct str words[N_WORDS] = {
	[WORD_END] = {TOKEN_EOS, sizeof(TOKEN_EOS) - 1},
	[WORD_THINK_END] = {TOKEN_THINK_END, sizeof(TOKEN_THINK_END) - 1},
	[WORD_CALLS] = {"\n\n" DSML_OPEN DSML_WRAPPER,
			sizeof("\n\n" DSML_OPEN DSML_WRAPPER) - 1},
	[WORD_CALLS_END] = {DSML_CLOSE DSML_WRAPPER ">",
			    sizeof(DSML_CLOSE DSML_WRAPPER ">") - 1},
	[WORD_INVOKE] = {DSML_OPEN DSML_INVOKE, sizeof(DSML_OPEN DSML_INVOKE) - 1},
	[WORD_INVOKE_END] = {DSML_CLOSE DSML_INVOKE, sizeof(DSML_CLOSE DSML_INVOKE) - 1},
	[WORD_PARAMETER] = {DSML_OPEN DSML_PARAMETER, sizeof(DSML_OPEN DSML_PARAMETER) - 1},
	/* Without its "<", which the parameter's own pattern wants. */
	[WORD_PARAMETER_END] = {"/" TOKEN_DSML DSML_PARAMETER,
				sizeof("/" TOKEN_DSML DSML_PARAMETER) - 1},
};

struct reader {
	struct str text;
	size_t at;
	struct err *err;
};

static int reject(struct reader *r, const char *what)
{
	return err_set(r->err, ERR_FAILED, "at byte %zu: %s", r->at, what);
}

/* Everything up to the first of two words; steps over it.  WORD_NONE: up to the end. */
static struct str read_until(struct reader *r, enum word a, enum word b, enum word *found)
{
	size_t from = r->at;
	struct str part;

	for (size_t i = from; i < r->text.n; i++) {
		struct str rest = str_from(r->text, i);

		*found = str_starts(rest, words[a])   ? a
			 : str_starts(rest, words[b]) ? b
						      : WORD_NONE;
		if (*found == WORD_NONE)
			continue;
		r->at = i + words[*found].n;
		return (struct str){r->text.p + from, i - from};
	}
	part = str_from(r->text, from);
	*found = WORD_NONE;
	r->at = r->text.n;
	return part;
}

/* A call's head: up to `">` and a line's end, perhaps a second one. */
static bool read_name(struct str text, struct str *name)
{
	size_t at, end = text.n;

	if (!dsml_invoke_head(text, &at))
		return false;
	if (end >= at + 4 && text.p[end - 1] == '\n' && text.p[end - 2] == '\n')
		end--;
	if (end < at + 3 || !str_is((struct str){text.p + end - 3, 3}, "\">\n"))
		return false;
	*name = (struct str){text.p + at, end - 3 - at};
	return true;
}

/* A parameter and its value, up to the "<" of its end, perhaps with a line's end. */
static bool read_parameter(struct str text, struct str *name, bool *string, struct str *value)
{
	size_t at, end = text.n;

	if (!dsml_parameter_head(text, name, string, &at))
		return false;
	if (end >= at + 2 && text.p[end - 1] == '\n' && text.p[end - 2] == '<')
		end--;
	if (end < at + 1 || text.p[end - 1] != '<')
		return false;
	*value = (struct str){text.p + at, end - 1 - at};
	return true;
}

/* Was there a parameter of this name before?  Names lie quoted, one after another. */
static bool seen(struct buf *names, struct str name)
{
	struct buf quoted = {0};
	bool found;

	buf_addc(&quoted, '\n');
	json_add_quoted(&quoted, name);
	names->failed = names->failed || buf_failed(&quoted);
	found = !names->failed && str_find(buf_str(names), 0, buf_str(&quoted)) < names->len;
	if (!found)
		buf_adds(names, buf_str(&quoted));
	buf_release(&quoted);
	return found;
}

static int read_call(struct reader *r, struct dsml_call *call)
{
	struct buf names = {0};
	enum word next;
	struct str part = read_until(r, WORD_PARAMETER, WORD_INVOKE_END, &next), name, value;
	bool string;
	int rc = 0;

	if (!read_name(part, &name))
		return reject(r, "expected a call's name=\"…\"> and a new line");
	buf_adds(&call->name, name);
	buf_addc(&call->arguments, '{');
	while (!rc && next == WORD_PARAMETER) {
		part = read_until(r, WORD_PARAMETER_END, WORD_PARAMETER_END, &next);
		if (!read_parameter(part, &name, &string, &value)) {
			rc = reject(r,
				    "expected a parameter name=\"…\" string=\"true|false\">…<");
			break;
		}
		if (seen(&names, name)) {
			rc = reject(r, "a parameter stands twice");
			break;
		}
		if (call->arguments.len > 1)
			buf_addz(&call->arguments, ", ");
		dsml_add_argument(&call->arguments, name, string, value);
		part = read_until(r, WORD_PARAMETER, WORD_INVOKE_END, &next);
		if (!str_is(part, ">\n"))
			rc = reject(r, "expected > and a new line after a parameter");
	}
	buf_addc(&call->arguments, '}');
	if (!rc &&
	    (buf_failed(&names) || buf_failed(&call->name) || buf_failed(&call->arguments)))
		rc = err_nomem(r->err, "a call", call->arguments.len);
	buf_release(&names);
	return rc;
}

static int read_calls(struct reader *r, struct dsml_message *out)
{
	size_t cap = 0;
	enum word next;
	int rc;

	for (;;) {
		struct str part = read_until(r, WORD_INVOKE, WORD_CALLS_END, &next);

		if (!str_is(part, ">\n"))
			return reject(r, "expected > and a new line before a call");
		if (next == WORD_CALLS_END)
			return 0;
		if (next == WORD_NONE)
			return reject(r, "the call block does not end");
		if (out->n_calls == cap) {
			struct dsml_call *calls;

			cap = cap ? 2 * cap : 4;
			calls = realloc(out->calls, cap * sizeof(*calls));
			if (!calls)
				return err_nomem(r->err, "calls", cap * sizeof(*calls));
			out->calls = calls;
		}
		out->calls[out->n_calls] = (struct dsml_call){0};
		rc = read_call(r, &out->calls[out->n_calls++]);
		if (rc)
			return rc;
	}
}

static int check_plain(struct reader *r, struct str text)
{
	static const struct str never[] = {STR_LIT(TOKEN_BOS), STR_LIT(TOKEN_EOS),
					   STR_LIT(TOKEN_THINK), STR_LIT(TOKEN_THINK_END),
					   STR_LIT(TOKEN_DSML)};

	for (size_t i = 0; i < sizeof(never) / sizeof(*never); i++) {
		if (str_find(text, 0, never[i]) < text.n)
			return err_set(r->err, ERR_FAILED, "a control token within text: %s",
				       never[i].p);
	}
	return 0;
}

int dsml_message_parse(struct str completion, enum dsml_mode mode, struct dsml_message *out,
		       struct err *err)
{
	struct reader r = {.text = completion, .err = err};
	struct str reasoning = {"", 0}, content;
	enum word next;
	int rc = 0;

	*out = (struct dsml_message){0};
	if (mode == DSML_THINKING) {
		reasoning = read_until(&r, WORD_THINK_END, WORD_CALLS, &next);
		if (next != WORD_THINK_END)
			return reject(&r, "the thinking does not end");
	}
	content = read_until(&r, WORD_END, WORD_CALLS, &next);
	if (next == WORD_NONE)
		return reject(&r, "the answer does not end");
	if (next == WORD_CALLS) {
		rc = read_calls(&r, out);
		if (rc)
			return rc;
		if (read_until(&r, WORD_END, WORD_END, &next).n)
			return reject(&r, "text after the call block");
	}
	if (r.at != completion.n)
		return reject(&r, "text after the end of the answer");
	rc = check_plain(&r, reasoning);
	if (!rc)
		rc = check_plain(&r, content);
	buf_adds(&out->reasoning, reasoning);
	buf_adds(&out->content, content);
	if (!rc && (buf_failed(&out->reasoning) || buf_failed(&out->content)))
		rc = err_nomem(err, "an answer", completion.n);
	return rc;
}

void dsml_message_release(struct dsml_message *m)
{
	for (size_t i = 0; i < m->n_calls; i++) {
		buf_release(&m->calls[i].name);
		buf_release(&m->calls[i].arguments);
	}
	free(m->calls);
	buf_release(&m->reasoning);
	buf_release(&m->content);
	*m = (struct dsml_message){0};
}

void dsml_message_write(const struct dsml_message *m, struct jsonw *w)
{
	jsonw_begin_object(w);
	jsonw_kv_string(w, "role", STR_LIT("assistant"));
	jsonw_kv_string(w, "content", buf_str(&m->content));
	jsonw_kv_string(w, "reasoning_content", buf_str(&m->reasoning));
	jsonw_key(w, "tool_calls");
	jsonw_begin_array(w);
	for (size_t i = 0; i < m->n_calls; i++) {
		jsonw_begin_object(w);
		jsonw_kv_string(w, "type", STR_LIT("function"));
		jsonw_key(w, "function");
		jsonw_begin_object(w);
		jsonw_kv_string(w, "name", buf_str(&m->calls[i].name));
		jsonw_kv_string(w, "arguments", buf_str(&m->calls[i].arguments));
		jsonw_end_object(w);
		jsonw_end_object(w);
	}
	jsonw_end_array(w);
	jsonw_end_object(w);
}
