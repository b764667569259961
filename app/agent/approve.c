/* What the user is asked, as text in which nothing hides. */
#include "app/agent/calls.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/jsontree.h"
#include "engine/base/termsafe.h"
#include "engine/base/utf8.h"

#define BLANKS_MAX  40  /* a longer run of them is counted */
#define SUBJECT_MAX 120 /* bytes */

/* What a terminal would act on or hide, and blanks that are none. */
static bool hides(uint32_t cp)
{
	return (cp != '\n' && cp != '\t' && termsafe_map(cp) != cp) || termsafe_drops(cp) ||
	       cp == 0xA0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200F) || cp == 0x202F ||
	       cp == 0x205F || (cp >= 0x2060 && cp <= 0x206F) || cp == 0x3000 || cp == 0x3164 ||
	       (cp >= 0xFE00 && cp <= 0xFE0F) || (cp >= 0xE0000 && cp <= 0xE0FFF);
}

static size_t blanks_at(struct str s)
{
	size_t n = 0;

	while (n < s.n && (s.p[n] == ' ' || s.p[n] == '\t'))
		n++;
	return n;
}

/* Each line of it begins with `indent`. */
static void add_visible(struct buf *out, struct str s, const char *indent)
{
	buf_addz(out, indent);
	while (s.n) {
		size_t blanks = blanks_at(s);
		uint32_t cp = 0xFFFD;
		int n = blanks > BLANKS_MAX ? (int)blanks : utf8_decode(s.p, s.n, &cp);
		size_t taken = n > 0 ? (size_t)n : n < 0 ? (size_t)-n : s.n;

		if (blanks > BLANKS_MAX)
			buf_addf(out, "␣×%zu", blanks);
		else if (n <= 0)
			buf_addz(out, "<bad UTF-8>");
		else if (hides(cp))
			buf_addf(out, "<U+%04X>", (unsigned)cp);
		else
			buf_add(out, s.p, taken);
		if (cp == '\n' && blanks <= BLANKS_MAX)
			buf_addz(out, indent);
		s = (struct str){s.p + taken, s.n - taken};
	}
	buf_addc(out, '\n');
}

static bool is_command(const struct approval *p)
{
	return call_class(p->tool) == TOOL_RUN;
}

static const char *question_of(const struct approval *p)
{
	switch (call_class(p->tool)) {
	case TOOL_RUN:
		return "Run this command?";
	case TOOL_EDIT:
		return "Change this file?";
	case TOOL_READ:
	case TOOL_READ_OUTSIDE:
		return "Read this?";
	case TOOL_LEAVE:
	case TOOL_FORBIDDEN:
		break;
	}
	return "Run this tool?";
}

/* What would change stands for the arguments behind the path. */
static bool is_in_diff(const struct approval *p, const char *key)
{
	return p->diff.n && strcmp(key, "path") != 0;
}

/* A command stands alone; of other calls each argument is named. */
static void add_arguments(struct buf *out, const struct approval *p)
{
	struct json_tree tree = {0};
	const char *key;
	json_t *v;

	if (json_tree_parse(&tree, p->arguments, 0, NULL)) {
		add_visible(out, p->arguments, "  ");
		return;
	}
	json_object_foreach (tree.root, key, v) {
		char *text = json_is_string(v) ? NULL : json_dumps(v, JSON_ENCODE_ANY);
		struct str s = json_is_string(v) ? json_str(v) : str_of(text);
		bool bare = is_command(p) && str_is(str_of(key), "command");

		if (!bare && !is_in_diff(p, key))
			add_visible(out, str_of(key), "  ");
		if (!is_in_diff(p, key))
			add_visible(out, s, bare ? "  " : "    ");
		free(text);
	}
	if (p->diff.n && p->diff.p[p->diff.n - 1] == '\n')
		add_visible(out, (struct str){p->diff.p, p->diff.n - 1}, "  ");
	json_tree_release(&tree);
}

/* Of a command, what holds it. */
static const char *around(const struct approval *p)
{
	if (!is_command(p))
		return "";
	if (p->layer == SANDBOX_OFF)
		return "; without a sandbox";
	return p->grade & GRADE_NET ? "; in the sandbox, with the network"
				    : "; in the sandbox, no network";
}

void approval_add_text(struct buf *out, const struct approval *p)
{
	struct buf grade = {0};

	if (p->question == AGENT_ASKS_ROUNDS) {
		buf_addf(out, "%lld rounds of tools: go on?\n", (long long)p->rounds);
		return;
	}
	if (p->question == AGENT_ASKS_WIDER)
		buf_addz(out, "It failed without the network.  Run it again with it?");
	else
		buf_addz(out, question_of(p));
	buf_addf(out, "  %.*s", (int)p->tool.n, p->tool.p);
	if (p->n > 1)
		buf_addf(out, ", %zu of %zu", p->place, p->n);
	buf_addc(out, '\n');
	add_arguments(out, p);
	tool_grade_add(&grade, p->grade);
	if (p->suggest.n) {
		buf_addz(out, "  s and a allow from now on");
		add_visible(out, p->suggest, ": ");
	}
	buf_addf(out, "  (%s%s%s%s%s%.*s)\n", buf_z(&grade), around(p),
		 p->cls == TOOL_READ_OUTSIDE ? "; looks outside of the workspace" : "",
		 p->always ? "; " APPROVAL_ALWAYS : "",
		 p->rule.n ? "; as you want it: " : "", (int)p->rule.n,
		 p->rule.n ? p->rule.p : "");
	out->failed |= buf_failed(&grade);
	buf_release(&grade);
}

void agent_add_subject(struct buf *out, struct str arguments)
{
	struct json_tree tree = {0};
	struct str s = {0};
	const char *key;
	json_t *v;
	size_t n = 0;

	if (!json_tree_parse(&tree, arguments, 0, NULL) && json_is_object(tree.root)) {
		json_object_foreach (tree.root, key, v) {
			if (!s.n)
				s = json_str(v);
		}
	}
	while (n < s.n && n < SUBJECT_MAX && s.p[n] != '\n')
		n++;
	if (n < s.n)
		n -= utf8_partial_tail((struct str){s.p, n});
	buf_add(out, s.p ? s.p : "", n);
	if (n < s.n)
		buf_addz(out, " …");
	json_tree_release(&tree);
}
