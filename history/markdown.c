/* Messages as Markdown: fences, quotes, marks. */
#include "history/markdown.h"

#include <string.h>
#include <time.h>

#include "engine/base/jsonr.h"

static const char *const speakers[HISTORY_N_ROLES] = {
	[HISTORY_SYSTEM] = "System",       [HISTORY_USER] = "You",
	[HISTORY_ASSISTANT] = "Assistant", [HISTORY_TOOL] = "Tool",
	[HISTORY_DEVELOPER] = "Developer", [HISTORY_REMINDER] = "Reminder",
};

/* How an answer ended that did not end by itself. */
static const struct {
	const char *stop, *text;
} cuts[] = {
	{"length", "cut: so many tokens were allowed"},
	{"context", "cut: the context was full"},
	{"interrupted", "cut: interrupted"},
	{"timeout", "cut: time ran out"},
	{"failed", "cut: it failed"},
	{"crashed", "cut: the program was killed"},
};

/* The line at `at`, with its end; empty at the end of all. */
static struct str line_at(struct str s, size_t at)
{
	const char *nl = at < s.n ? memchr(s.p + at, '\n', s.n - at) : NULL;
	size_t end = nl ? (size_t)(nl - s.p) + 1 : s.n;

	return (struct str){s.p + at, end - at};
}

/* -- fences ------------------------------------------------------------------------ */

static void add_quoted(struct buf *out, struct str s)
{
	bool at_start = true;

	for (size_t i = 0; i < s.n; i++) {
		if (at_start)
			buf_addz(out, "> ");
		buf_addc(out, s.p[i]);
		at_start = s.p[i] == '\n';
	}
	buf_addz(out, at_start ? "\n" : "\n\n");
}

static void add_signs(struct buf *out, char sign, size_t n)
{
	while (n--)
		buf_addc(out, sign);
}

/* A fence longer than any run of backquotes in the text. */
static void add_fenced(struct buf *out, struct str name, struct str s)
{
	size_t longest = 2, run = 0;

	for (size_t i = 0; i < s.n; i++) {
		run = s.p[i] == '`' ? run + 1 : 0;
		longest = run > longest ? run : longest;
	}
	if (name.n) {
		buf_addz(out, "**");
		buf_adds(out, name);
		buf_addz(out, "**\n\n");
	}
	add_signs(out, '`', longest + 1);
	buf_addc(out, '\n');
	buf_adds(out, s);
	if (!s.n || s.p[s.n - 1] != '\n')
		buf_addc(out, '\n');
	add_signs(out, '`', longest + 1);
	buf_addz(out, "\n\n");
}

struct fence {
	char sign; /* 0: none is open */
	size_t n;
};

/* What a line makes of it: opens one, closes it, or neither. */
static void see_line(struct fence *f, struct str line)
{
	size_t at = 0, n = 0;
	bool blank = true;
	char sign;

	while (at < line.n && (line.p[at] == ' ' || line.p[at] == '\t'))
		at++;
	sign = at < line.n ? line.p[at] : '\0';
	while (at < line.n && line.p[at] == sign)
		at++, n++;
	for (size_t i = at; i < line.n; i++)
		blank &= line.p[i] == ' ' || line.p[i] == '\n' || line.p[i] == '\r';
	if ((sign != '`' && sign != '~') || n < 3)
		return;
	if (f->sign) {
		if (sign == f->sign && n >= f->n && blank)
			f->sign = '\0';
		return;
	}
	/* `` ```a``` `` within a line is no fence. */
	if (sign == '~' || !memchr(line.p + at, '`', line.n - at))
		*f = (struct fence){sign, n};
}

/* Text as it was said, with an end to the fence that it left open. */
static void add_said(struct buf *out, struct str s)
{
	struct fence f = {0};

	for (size_t at = 0; at < s.n;) {
		struct str line = line_at(s, at);

		see_line(&f, line);
		at += line.n;
	}
	buf_adds(out, s);
	if (f.sign) {
		if (s.p[s.n - 1] != '\n')
			buf_addc(out, '\n');
		add_signs(out, f.sign, f.n);
	}
	buf_addz(out, "\n\n");
}

/* What became of a call that did not end well. */
static void add_call_end(struct buf *out, struct str info)
{
	struct json_doc doc = {0};
	struct buf said = {0};
	struct err ignored;
	const json_t *bad, *ended;

	if (info.n && json_doc_parse(&doc, info, &ignored) == 0) {
		bad = json_object_get(doc.root, "bad");
		ended = json_object_get(doc.root, "ended");
		if (json_is_string(bad))
			buf_addf(&said, "malformed call: %s", json_string_value(bad));
		else if (json_is_string(ended))
			buf_addz(&said, json_string_value(ended));
		else if (json_object_get(doc.root, "cut"))
			buf_addz(&said, "the call was cut");
		if (said.len)
			add_quoted(out, buf_str(&said));
	}
	out->failed |= said.failed;
	buf_release(&said);
	json_doc_release(&doc);
}

/* -- files that went with a message ---------------------------------------------------- */

/* A block as a message has one for each file: from here to there, and what is within. */
struct block {
	size_t from, to;
	struct str name, text;
};

static bool begins(struct str s, const char *z)
{
	return s.n >= strlen(z) && memcmp(s.p, z, strlen(z)) == 0;
}

/* <file name="NAME"> or <stdin> alone on its line; *end is what its last line says. */
static bool is_opening(struct str line, struct str *name, const char **end)
{
	static const char file[] = "<file name=\"", close[] = "\">\n";
	size_t n = sizeof(file) - 1, m = sizeof(close) - 1;

	if (begins(line, "<stdin>\n") && line.n == 8) {
		*name = STR_LIT("stdin");
		*end = "</stdin>";
		return true;
	}
	if (!begins(line, file) || line.n <= n + m ||
	    memcmp(line.p + line.n - m, close, m) != 0)
		return false;
	*name = (struct str){line.p + n, line.n - n - m};
	*end = "</file>";
	return true;
}

static bool is_end(struct str line, const char *end)
{
	size_t n = strlen(end);

	return begins(line, end) && (line.n == n || (line.n == n + 1 && line.p[n] == '\n'));
}

/*
 * The next block from `at` on.  It ends with the last line of its end that stands before
 * another one begins, since a file may have such lines as well.
 */
static bool next_block(struct str s, size_t at, struct block *b)
{
	const char *end = NULL, *other;
	struct str line, name;
	bool ended = false;

	for (; at < s.n; at += line.n) {
		line = line_at(s, at);
		if (is_opening(line, &b->name, &end))
			break;
	}
	b->from = at;
	for (at += end ? line.n : 0; end && at < s.n; at += line.n) {
		size_t text = b->from + line_at(s, b->from).n;

		line = line_at(s, at);
		if (ended && is_opening(line, &name, &other))
			break;
		if (!is_end(line, end))
			continue;
		ended = true;
		b->text = (struct str){s.p + text, at - text};
		b->to = at + line.n;
	}
	return ended;
}

/* What a person said: between the files, the words. */
static void add_sent(struct buf *out, struct str s)
{
	struct block b;
	size_t at = 0;

	while (next_block(s, at, &b)) {
		if (b.from > at)
			add_said(out, (struct str){s.p + at, b.from - at});
		add_fenced(out, b.name, b.text);
		at = b.to;
		while (at < s.n && s.p[at] == '\n')
			at++;
	}
	if (at < s.n)
		add_said(out, (struct str){s.p + at, s.n - at});
}

/* -- messages -------------------------------------------------------------------------- */

static void add_part(struct buf *out, enum history_role role, const struct history_part *p)
{
	switch (p->kind) {
	case HISTORY_TEXT:
		if (role == HISTORY_USER)
			add_sent(out, p->text);
		else
			add_said(out, p->text);
		break;
	case HISTORY_THINKING:
	case HISTORY_NOTICE:
		if (p->text.n)
			add_quoted(out, p->text);
		break;
	case HISTORY_CALL:
		add_fenced(out, p->name, p->text);
		add_call_end(out, p->info);
		break;
	case HISTORY_RESULT:
	case HISTORY_ATTACHMENT:
		add_fenced(out, p->name, p->text);
		break;
	case HISTORY_TOOLS:
		break;
	}
}

static void add_cut(struct buf *out, const struct history_message *m)
{
	for (size_t i = 0; m->run && i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		if (strcmp(m->run->stop, cuts[i].stop) == 0)
			buf_addf(out, "*[%s]*\n\n", cuts[i].text);
	}
}

void markdown_add(struct history_tree *t, const struct history_conversation *c, struct buf *out)
{
	const struct history_message *const *path;
	time_t at = (time_t)(c->created_ms / 1000);
	struct tm tm = {0};
	char when[40];
	size_t n;

	localtime_r(&at, &tm);
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M %z", &tm);
	buf_addf(out, "# %s\n\n%s, %s\n\n", c->title, c->uid, when);
	path = history_tree_path(t, &n);
	for (size_t i = 0; i < n && !store_stops(t->h); i++) {
		buf_addf(out, "## %s\n\n", speakers[path[i]->role]);
		for (size_t k = 0; k < path[i]->n_parts; k++)
			add_part(out, path[i]->role, &path[i]->parts[k]);
		add_cut(out, path[i]);
	}
}
