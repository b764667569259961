/* Each attempt to find a text is a way to read what the model wrote; the first that finds it
 * is the one. */
#include "app/tools/replace.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "app/tools/nearest.h"
#include "engine/base/err.h"
#include "engine/base/utf8.h"

#define MOST_FOUND  1000 /* occurrences that are counted */
#define LINES_NAMED 20

enum reading {
	AS_IT_IS = 0,
	LINE_ENDS = 1,
	TAGS = 2,
	NO_MARK = 4,
};

enum line_ends {
	LINE_ENDS_NONE, /* there is no line end */
	LINE_ENDS_LF,
	LINE_ENDS_CRLF, /* all of them */
	LINE_ENDS_MIXED,
};

static enum line_ends line_ends_of(struct str text)
{
	size_t lf = 0, crlf = 0;

	for (size_t i = 0; i < text.n; i++) {
		bool cr = i > 0 && text.p[i - 1] == '\r';

		lf += text.p[i] == '\n' && !cr;
		crlf += text.p[i] == '\n' && cr;
	}
	if (lf && crlf)
		return LINE_ENDS_MIXED;
	return lf ? LINE_ENDS_LF : crlf ? LINE_ENDS_CRLF : LINE_ENDS_NONE;
}

/* ---- what the model wrote, read in another way ---- */

static void add_with_ends(struct buf *out, struct str s, bool crlf)
{
	for (size_t i = 0; i < s.n; i++) {
		bool ends = s.p[i] == '\r' && i + 1 < s.n && s.p[i + 1] == '\n';

		if (s.p[i] == '\n')
			buf_addz(out, crlf ? "\r\n" : "\n");
		else if (!ends)
			buf_addc(out, s.p[i]);
	}
}

/* What the model is shown for a tag of a result has a backslash behind its '<'. */
static bool is_shown_tag(struct str s)
{
	static const char *const shown[] = {"<\\/tool_result", "<\\tool_result"};

	for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++) {
		size_t n = strlen(shown[i]);

		if (s.n >= n && strncasecmp(s.p, shown[i], n) == 0)
			return true;
	}
	return false;
}

static void add_with_tags(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		buf_addc(out, s.p[i]);
		i += s.p[i] == '<' && is_shown_tag((struct str){s.p + i, s.n - i});
	}
}

static struct str without_mark(struct str s)
{
	if (s.n >= 3 && memcmp(s.p, UTF8_BOM, 3) == 0)
		s = (struct str){s.p + 3, s.n - 3};
	return s;
}

static void add_read(struct buf *out, struct str s, unsigned how, enum line_ends ends)
{
	struct buf tags = {0};

	if (how & NO_MARK)
		s = without_mark(s);
	if (how & TAGS) {
		add_with_tags(&tags, s);
		s = buf_str(&tags);
	}
	if (how & LINE_ENDS && (ends == LINE_ENDS_LF || ends == LINE_ENDS_CRLF))
		add_with_ends(out, s, ends == LINE_ENDS_CRLF);
	else
		buf_adds(out, s);
	out->failed |= buf_failed(&tags);
	buf_release(&tags);
}

/* ---- finding ---- */

/* How often it is there, MOST_FOUND + 1 at most; where they begin. */
static size_t find_all(struct str file, struct str old, size_t at[MOST_FOUND + 1])
{
	size_t n = 0, from = 0;

	while (n <= MOST_FOUND && old.n && from < file.n) {
		const char *p = memmem(file.p + from, file.n - from, old.p, old.n);

		if (!p)
			break;
		at[n] = (size_t)(p - file.p);
		from = at[n++] + 1;
	}
	return n;
}

static int refuse_several(struct str name, struct str file, const size_t *at, size_t n,
			  struct buf *why)
{
	size_t line = 1, i = 0;

	buf_addz(why, "the text occurs ");
	if (n > MOST_FOUND)
		buf_addf(why, "more than %d times in ", MOST_FOUND);
	else
		buf_addf(why, "%zu times in ", n);
	buf_adds(why, name);
	buf_addz(why, " (lines ");
	for (size_t k = 0; k < n && k < LINES_NAMED; k++) {
		for (; i < at[k]; i++)
			line += file.p[i] == '\n';
		buf_addf(why, "%s%zu", k ? ", " : "", line);
	}
	if (n > LINES_NAMED)
		buf_addz(why, ", \xE2\x80\xA6");
	buf_addz(why, "); include more of the lines around it");
	return buf_failed(why) ? ERR_NOMEM : ERR_USAGE;
}

static int refuse(struct str name, const char *before, const char *after, struct buf *why)
{
	buf_addz(why, before);
	buf_adds(why, name);
	buf_addz(why, after);
	return buf_failed(why) ? ERR_NOMEM : ERR_USAGE;
}

static void put_in(struct buf *made, struct str file, size_t at, size_t n, struct str new)
{
	buf_add(made, file.p, at);
	buf_adds(made, new);
	buf_add(made, file.p + at + n, file.n - at - n);
}

struct replacement {
	struct str name, file, old, new;
	enum line_ends ends; /* the file's */
	struct buf *made, *why;
};

/* One way to read it: *found, whether the text is there so. */
static int attempt(const struct replacement *r, unsigned how, bool *found)
{
	struct buf was = {0}, is = {0};
	size_t at[MOST_FOUND + 1], n;
	int rc = 0;

	add_read(&was, r->old, how, r->ends);
	add_read(&is, r->new, r->ends == LINE_ENDS_CRLF ? how | LINE_ENDS : how, r->ends);
	n = find_all(r->file, buf_str(&was), at);
	*found = n > 0;
	if (buf_failed(&was) || buf_failed(&is))
		rc = ERR_NOMEM;
	else if (n > 1)
		rc = refuse_several(r->name, r->file, at, n, r->why);
	else if (n && str_eq(buf_str(&was), buf_str(&is)))
		rc = refuse((struct str){"", 0}, "old and new are the same", "", r->why);
	else if (n)
		put_in(r->made, r->file, at[0], was.len, buf_str(&is));
	buf_release(&was);
	buf_release(&is);
	return rc ? rc : buf_failed(r->made) ? ERR_NOMEM : 0;
}

int replace_once(struct str name, struct str file, struct str old, struct str new,
		 struct buf *made, struct buf *why)
{
	static const unsigned ways[] = {
		AS_IT_IS, LINE_ENDS,           TAGS,           LINE_ENDS | TAGS,
		NO_MARK,  NO_MARK | LINE_ENDS, NO_MARK | TAGS, NO_MARK | LINE_ENDS | TAGS,
	};
	struct replacement r = {name, file, old, new, LINE_ENDS_NONE, made, why};
	bool found = false;
	int rc = 0;

	if (!old.n)
		return refuse((struct str){"", 0}, "old is empty; use write_file", "", why);
	if (str_eq(old, new))
		return refuse((struct str){"", 0}, "old and new are the same", "", why);
	r.ends = line_ends_of(file);
	for (size_t i = 0; !rc && !found && i < sizeof(ways) / sizeof(*ways); i++)
		rc = attempt(&r, ways[i], &found);
	if (rc || found)
		return rc;
	rc = refuse(name, "the text was not found in ", "", why);
	return nearest_add(why, file, old) ? ERR_NOMEM : rc;
}

int replace_whole(struct str name, struct str file, struct str content, struct buf *made,
		  struct buf *why)
{
	size_t before = made->len;

	if (without_mark(file).n < file.n && without_mark(content).n == content.n)
		buf_addz(made, UTF8_BOM);
	if (line_ends_of(file) == LINE_ENDS_CRLF)
		add_with_ends(made, content, true);
	else
		buf_adds(made, content);
	if (buf_failed(made))
		return ERR_NOMEM;
	if (str_eq((struct str){buf_z(made) + before, made->len - before}, file))
		return refuse(name, "", " already has this content", why);
	return 0;
}
