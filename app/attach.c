/* Text of files, blocks for them, and finding the files that a message names. */
#include "app/attach.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "app/paths.h"
#include "engine/base/termsafe.h"
#include "engine/base/utf8.h"

/* ---- what they hold ---- */

#define UTF16_LE "\xFF\xFE"
#define UTF16_BE "\xFE\xFF"

/* So many invalid sequences are a slip of the encoding, whatever share of the text they are. */
#define INVALID_FEW 16
/* … else text in another encoding, or no text, has more than one in so many bytes. */
#define INVALID_SHARE 8

/* Letters of what makes a word look like a file's name: .c, .jsonl */
#define EXTENSION_MAX 5

static bool begins(struct str s, struct str with)
{
	return s.n >= with.n && memcmp(s.p, with.p, with.n) == 0;
}

/* UTF-16 behind its mark; halves of surrogates and of units are replaced. */
static void add_utf16(struct buf *out, struct str s, bool big, size_t *n_replaced)
{
	uint32_t high = 0;

	for (size_t i = 0; i < s.n; i += 2) {
		unsigned a = (unsigned char)s.p[i];
		unsigned b = i + 1 < s.n ? (unsigned char)s.p[i + 1] : 0;
		uint32_t unit = big ? a << 8 | b : b << 8 | a;
		bool low = unit >= 0xDC00 && unit <= 0xDFFF;
		char c[4];

		if (high && !low) {
			buf_add(out, c, utf8_encode(0xFFFD, c));
			++*n_replaced;
		}
		if (unit >= 0xD800 && unit <= 0xDBFF && i + 1 < s.n) {
			high = unit;
			continue;
		}
		if (high && low)
			unit = 0x10000 + ((high - 0xD800) << 10) + (unit - 0xDC00);
		else if (low || i + 1 >= s.n)
			unit = 0xD800;
		high = 0;
		*n_replaced += unit == 0xD800;
		buf_add(out, c, utf8_encode(unit, c));
	}
	if (high) {
		char c[4];

		buf_add(out, c, utf8_encode(0xFFFD, c));
		++*n_replaced;
	}
}

int attach_decode(struct buf *out, struct str bytes, const char *name, size_t *n_replaced,
		  struct err *err)
{
	bool big = begins(bytes, STR_LIT(UTF16_BE));
	size_t from = out->len, n = 0;
	const char *nul;

	if (big || begins(bytes, STR_LIT(UTF16_LE))) {
		add_utf16(out, (struct str){bytes.p + 2, bytes.n - 2}, big, &n);
	} else {
		if (begins(bytes, STR_LIT(UTF8_BOM)))
			bytes = (struct str){bytes.p + 3, bytes.n - 3};
		n = utf8_add_clean(out, bytes);
	}
	nul = out->len > from ? memchr(out->data + from, '\0', out->len - from) : NULL;
	if (buf_failed(out))
		return err_nomem(err, name, bytes.n);
	if (nul)
		err_set(err, ERR_IO, "%s: no text: a NUL byte found, expected UTF-8", name);
	else if (n > INVALID_FEW && n > bytes.n / INVALID_SHARE)
		err_set(err, ERR_IO, "%s: no text: %zu invalid sequences in %zu bytes, expected UTF-8",
			name, n, bytes.n);
	else
		return (*n_replaced += n), 0;
	buf_truncate(out, from);
	return err->code;
}

void attach_add_name(struct buf *out, struct str name)
{
	size_t from = out->len;

	termsafe_add(out, name);
	for (size_t i = from; i < out->len; i++)
		if (out->data[i] == '\n' || out->data[i] == '\t')
			out->data[i] = ' ';
}

void attach_block(struct buf *out, const char *tag, struct str name, struct str text)
{
	buf_addf(out, "<%s", tag);
	if (name.n) {
		buf_addz(out, " name=\"");
		attach_add_name(out, name);
		buf_addc(out, '"');
	}
	buf_addz(out, ">\n");
	utf8_add_clean(out, text);
	if (text.n && text.p[text.n - 1] != '\n')
		buf_addc(out, '\n');
	buf_addf(out, "</%s>", tag);
}

bool attach_has_block(struct str text, struct str name)
{
	struct buf head = {0};
	bool found;

	buf_addz(&head, "<file name=\"");
	buf_adds(&head, name);
	buf_addz(&head, "\">\n");
	found = text.n && memmem(text.p, text.n, buf_z(&head), head.len);
	buf_release(&head);
	return found;
}

/* ---- which a message names ---- */

/* A name goes on over so many blanks at most. */
#define BLANKS_MAX 8

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/* What stands behind an @. */
struct named {
	struct buf path; /* as it was meant: without quotes and backslashes */
	size_t end;      /* of it in the text */
	bool quoted, escaped;
};

static bool is_a(struct str name, mode_t type)
{
	struct buf path = {0};
	struct stat st;
	bool is;

	/* Of what can't be a path none is made: there may be many, of a long text. */
	if (name.n >= PATH_MAX)
		return false;
	path_expand(&path, name);
	is = path.len && !buf_failed(&path) && strlen(path.data) == path.len &&
	     stat(path.data, &st) == 0 && (st.st_mode & S_IFMT) == type;
	buf_release(&path);
	return is;
}

/* May it be the sentence's? */
static bool is_sign(char c)
{
	return c && strchr(".,;:!?)]}\"'", c);
}

/* How much of it names a file: without the signs behind it that are the sentence's.  0: none. */
static size_t file_length(struct str name, bool quoted)
{
	while (name.n && !is_a(name, S_IFREG)) {
		if (quoted || !is_sign(name.p[name.n - 1]))
			return 0;
		name.n--;
	}
	return name.n;
}

/* From `at`, behind an @, to a blank or the closing quote; a quote that none closes is text. */
static void read_name(struct str text, size_t at, struct named *n)
{
	char quote = at < text.n && (text.p[at] == '"' || text.p[at] == '\'') ? text.p[at] : 0;
	size_t i = at + (quote != 0);

	buf_reset(&n->path);
	n->quoted = n->escaped = false;
	for (; i < text.n && text.p[i] != '\n'; i++) {
		char c = text.p[i];

		if (quote ? c == quote : is_blank(c))
			break;
		if (!quote && c == '\\' && i + 1 < text.n && text.p[i + 1] != '\n') {
			c = text.p[++i];
			n->escaped = true;
		}
		buf_addc(&n->path, c);
	}
	n->end = i;
	if (!quote)
		return;
	n->quoted = i < text.n && text.p[i] == quote;
	n->end = n->quoted ? i + 1 : at;
	if (!n->quoted)
		buf_reset(&n->path);
}

static void set_name(struct named *n, struct str path, size_t end)
{
	struct buf whole = {0};

	buf_adds(&whole, path);
	buf_release(&n->path);
	n->path = whole;
	n->end = end;
}

/* Words behind it may be the rest of its name. */
static bool extend_to_file(struct str text, struct named *n)
{
	size_t begin = n->end - n->path.len, end = n->end;

	for (int blanks = 0; blanks < BLANKS_MAX && end < text.n && text.p[end] != '\n'; blanks++) {
		struct str name;
		size_t len;

		for (end++; end < text.n && !is_blank(text.p[end]);)
			end++;
		name = (struct str){text.p + begin, end - begin};
		len = is_blank(text.p[end - 1]) ? 0 : file_length(name, false);
		if (len > n->path.len) {
			set_name(n, (struct str){name.p, len}, begin + len);
			return true;
		}
	}
	return false;
}

/* The file named from `at` on, behind an @; false: n is what seems to be meant. */
static bool find_file(struct str text, size_t at, struct named *n)
{
	size_t len;

	read_name(text, at, n);
	len = file_length(buf_str(&n->path), n->quoted);
	if (len) {
		n->end -= n->path.len - len;
		buf_truncate(&n->path, len);
		return true;
	}
	return n->path.len && !n->quoted && !n->escaped && extend_to_file(text, n);
}

/* The next @ that may begin a name, or the end. */
static size_t next_at(struct str text, size_t i)
{
	while (i < text.n && (text.p[i] != '@' || (i > 0 && !is_blank(text.p[i - 1]))))
		i++;
	return i;
}

bool attach_next(struct str text, size_t *at, struct buf *path)
{
	struct named n = {0};
	bool found = false;

	buf_reset(path);
	for (size_t i = next_at(text, *at); !found && i < text.n; i = next_at(text, *at)) {
		found = find_file(text, i + 1, &n);
		*at = n.end > i ? n.end : i + 1;
	}
	if (found)
		path_expand(path, buf_str(&n.path));
	buf_release(&n.path);
	return found;
}

/* ---- which it seems to name ---- */

/* "name.ext" */
static bool has_extension(struct str name)
{
	const char *dot = memrchr(name.p, '.', name.n);
	size_t n = dot ? (size_t)(name.p + name.n - dot - 1) : 0;

	if (!dot || dot == name.p || n < 1 || n > EXTENSION_MAX)
		return false;
	for (const char *p = dot + 1; p < name.p + name.n; p++)
		if (!isalnum((unsigned char)*p))
			return false;
	return true;
}

/* `alone`: it begins one of several lines, as a decorator does in code. */
static bool looks_like_file(struct str name, bool alone)
{
	static const char *const begin[] = {"/", "./", "../", "~/"};
	const char *slash = name.n ? memrchr(name.p, '/', name.n) : NULL;

	if (!name.n)
		return false;
	for (size_t i = 0; i < sizeof(begin) / sizeof(begin[0]); i++)
		if (name.n > strlen(begin[i]) && begins(name, str_of(begin[i])))
			return true;
	/* "types/node" names a package, unless such a folder is here. */
	if (slash)
		return is_a((struct str){name.p, (size_t)(slash - name.p)}, S_IFDIR);
	return !alone && has_extension(name);
}

static bool begins_line(struct str text, size_t at)
{
	while (at > 0 && text.p[at - 1] != '\n')
		if (!is_blank(text.p[--at]))
			return false;
	return memchr(text.p, '\n', text.n) != NULL;
}

bool attach_mistyped(struct str text, struct buf *word)
{
	struct named n = {0};
	bool found = false;

	for (size_t i = next_at(text, 0); !found && i < text.n;) {
		bool is = find_file(text, i + 1, &n);
		struct str name = buf_str(&n.path);

		while (!n.quoted && name.n && is_sign(name.p[name.n - 1]))
			name.n--;
		found = !is && (n.quoted || n.escaped || looks_like_file(name, begins_line(text, i)));
		if (found)
			buf_adds(word, name);
		i = next_at(text, n.end > i ? n.end : i + 1);
	}
	buf_release(&n.path);
	return found;
}

void attach_quote(struct buf *out, struct str path)
{
	buf_addc(out, '@');
	for (size_t i = 0; i < path.n; i++) {
		if (is_blank(path.p[i]) || path.p[i] == '\\' ||
		    (i == 0 && (path.p[i] == '"' || path.p[i] == '\'')))
			buf_addc(out, '\\');
		buf_addc(out, path.p[i]);
	}
}

void attach_unquote(struct buf *out, struct str word)
{
	size_t i = word.n && word.p[0] == '@';
	char quote = i < word.n && (word.p[i] == '"' || word.p[i] == '\'') ? word.p[i] : 0;

	for (i += quote != 0; i < word.n; i++) {
		if (quote && word.p[i] == quote)
			break;
		if (!quote && word.p[i] == '\\' && i + 1 < word.n)
			i++;
		buf_addc(out, word.p[i]);
	}
}
