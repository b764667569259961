/* The languages, and colouring a line of one. */
#include "tui/highlight.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define MAX_NAMES 6

struct language {
	const char *names[MAX_NAMES];
	const char *keywords; /* each between blanks */
	const char *line_comment, *line_comment2;
	const char *block_open, *block_close;
	const char *quotes; /* characters that open and close strings */
	bool triple;        /* a quote three times spans lines */
	bool fold;          /* keywords in any case */
};

static const struct language languages[] = {
	{{"c", "h", "cpp", "c++", "cc", "cuda"},
	 " alignas auto bool break case catch char class const constexpr continue default "
	 "delete do "
	 "double else enum extern false float for goto if inline int int16_t int32_t int64_t "
	 "long "
	 "namespace new nullptr NULL operator private public register restrict return short "
	 "signed "
	 "size_t sizeof static static_assert struct switch template this throw true try "
	 "typedef "
	 "typename uint16_t uint32_t uint64_t uint8_t union unsigned using virtual void "
	 "volatile "
	 "while #define #include #if #ifdef #ifndef #else #elif #endif #pragma ",
	 "//",
	 NULL,
	 "/*",
	 "*/",
	 "\"'",
	 false,
	 false},
	{{"python", "py", "python3"},
	 " and as assert async await break class continue def del elif else except False "
	 "finally for "
	 "from global if import in is lambda match None nonlocal not or pass raise return self "
	 "True "
	 "try while with yield ",
	 "#",
	 NULL,
	 NULL,
	 NULL,
	 "\"'",
	 true,
	 false},
	{{"sh", "bash", "shell", "zsh", "console"},
	 " case do done echo elif else esac exec exit export fi for function if in local read "
	 "return "
	 "set shift then trap until unset while cd sudo ",
	 "#",
	 NULL,
	 NULL,
	 NULL,
	 "\"'",
	 false,
	 false},
	{{"javascript", "js", "typescript", "ts", "jsx", "tsx"},
	 " abstract any as async await boolean break case catch class const continue default "
	 "delete "
	 "do else enum export extends false finally for from function if implements import in "
	 "instanceof interface let new null number of private public readonly return static "
	 "string "
	 "super switch this throw true try type typeof undefined var void while yield ",
	 "//",
	 NULL,
	 "/*",
	 "*/",
	 "\"'`",
	 false,
	 false},
	{{"json", "jsonc", "json5"},
	 " true false null ",
	 "//",
	 NULL,
	 NULL,
	 NULL,
	 "\"",
	 false,
	 false},
	{{"rust", "rs"},
	 " as async await bool box break const continue crate dyn else enum extern false fn "
	 "for i32 "
	 "i64 if impl in let loop match mod move mut None Ok Err Option pub ref return Result "
	 "self "
	 "Self Some static str String struct super trait true type u32 u64 u8 unsafe use usize "
	 "Vec "
	 "where while ",
	 "//",
	 NULL,
	 "/*",
	 "*/",
	 "\"",
	 false,
	 false},
	{{"go", "golang"},
	 " break case chan const continue default defer else error fallthrough false for func "
	 "go "
	 "goto if import int interface map nil package range return select string struct "
	 "switch true "
	 "type var ",
	 "//",
	 NULL,
	 "/*",
	 "*/",
	 "\"'`",
	 false,
	 false},
	{{"java", "kotlin", "scala", "csharp", "cs", "swift"},
	 " abstract boolean break case catch class const continue default do double else enum "
	 "extends "
	 "false final finally float for fun func guard if implements import in instanceof int "
	 "interface internal let long namespace new null object override package private "
	 "protected "
	 "public return short static string String struct super switch this throw throws true "
	 "try "
	 "using val var void volatile when while ",
	 "//",
	 NULL,
	 "/*",
	 "*/",
	 "\"'",
	 false,
	 false},
	{{"sql", "sqlite", "postgresql", "mysql"},
	 " add alter and as asc begin between by case commit create default delete desc "
	 "distinct drop "
	 "else end exists foreign from group having if in index insert integer into is join "
	 "key left "
	 "like limit not null on or order outer primary references right rollback select set "
	 "table "
	 "text then union unique update values view when where with ",
	 "--",
	 NULL,
	 "/*",
	 "*/",
	 "'\"",
	 false,
	 true},
	{{"ruby", "rb"},
	 " and begin break case class def do else elsif end ensure false for if in module nil "
	 "not or "
	 "raise require rescue return self super then true unless until when while yield ",
	 "#",
	 NULL,
	 NULL,
	 NULL,
	 "\"'",
	 false,
	 false},
	{{"lua"},
	 " and break do else elseif end false for function goto if in local nil not or repeat "
	 "return "
	 "then true until while ",
	 "--",
	 NULL,
	 "--[[",
	 "]]",
	 "\"'",
	 false,
	 false},
	{{"toml", "ini", "conf", "yaml", "yml"},
	 " true false null yes no on off ",
	 "#",
	 ";",
	 NULL,
	 NULL,
	 "\"'",
	 false,
	 false},
	{{"make", "makefile", "dockerfile", "cmake"},
	 " include ifdef ifndef ifeq ifneq else endif define export FROM RUN COPY CMD "
	 "ENTRYPOINT ENV "
	 "ARG WORKDIR EXPOSE if endif set ",
	 "#",
	 NULL,
	 NULL,
	 NULL,
	 "\"'",
	 false,
	 false},
	{{"diff", "patch"}, NULL, NULL, NULL, NULL, NULL, NULL, false, false},
};

const struct language *language_find(struct str info)
{
	size_t n = 0;

	while (n < info.n && info.p[n] != ' ' && info.p[n] != '{' && info.p[n] != ',')
		n++;
	for (size_t i = 0; i < sizeof(languages) / sizeof(languages[0]); i++) {
		for (int k = 0; k < MAX_NAMES && languages[i].names[k]; k++) {
			if (strlen(languages[i].names[k]) == n && n > 0 &&
			    strncasecmp(languages[i].names[k], info.p, n) == 0)
				return &languages[i];
		}
	}
	return NULL;
}

static bool at(struct str s, size_t i, const char *z)
{
	size_t n = z ? strlen(z) : 0;

	return n > 0 && s.n - i >= n && memcmp(s.p + i, z, n) == 0;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_keyword(const struct language *lang, struct str word)
{
	const char *p = lang->keywords;

	if (!p || word.n == 0 || word.n > 24)
		return false;
	while (*p != '\0') {
		const char *end = strchr(++p, ' ');

		if (!end)
			return false;
		if ((size_t)(end - p) == word.n &&
		    (lang->fold ? strncasecmp(p, word.p, word.n) : memcmp(p, word.p, word.n)) ==
			    0)
			return true;
		p = end;
	}
	return false;
}

static void diff_line(struct str line, struct rich *out)
{
	char c = line.n > 0 ? line.p[0] : ' ';

	rich_add_code(out, line,
		      c == '+'   ? STYLE_ADDED
		      : c == '-' ? STYLE_REMOVED
		      : c == '@' ? STYLE_KEYWORD
				 : STYLE_CODE);
}

/* The end of a string that opens at i with a single quote character. */
static size_t string_end(struct str s, size_t i)
{
	char q = s.p[i++];

	for (; i < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == q)
			return i + 1;
	}
	return s.n;
}

static size_t find(struct str s, size_t i, const char *z)
{
	const char *hit = i < s.n ? memmem(s.p + i, s.n - i, z, strlen(z)) : NULL;

	return hit ? (size_t)(hit - s.p) + strlen(z) : s.n;
}

static bool ends_with(struct str s, size_t to, const char *z)
{
	size_t n = strlen(z);

	return to >= n && memcmp(s.p + to - n, z, n) == 0;
}

/* The end of what the line before left open. */
static size_t end_open(const struct language *lang, struct highlight_state *st, struct str s,
		       size_t i, enum style_role *role)
{
	char three[4] = {st->quote, st->quote, st->quote, '\0'};

	if (st->in_comment) {
		i = find(s, i, lang->block_close);
		st->in_comment = !ends_with(s, i, lang->block_close);
		*role = STYLE_COMMENT;
		return i;
	}
	i = find(s, i, three);
	if (ends_with(s, i, three))
		st->quote = 0;
	*role = STYLE_STRING;
	return i;
}

/* Behind a string that begins at i; of one in triple quotes, behind these. */
static size_t begin_string(const struct language *lang, struct highlight_state *st,
			   struct str s, size_t i)
{
	if (lang->triple && s.n - i >= 3 && s.p[i + 1] == s.p[i] && s.p[i + 2] == s.p[i]) {
		st->quote = s.p[i];
		return i + 3;
	}
	return string_end(s, i);
}

static bool begins_line_comment(const struct language *lang, struct str s, size_t i)
{
	if (!at(s, i, lang->line_comment) && !at(s, i, lang->line_comment2))
		return false;
	return lang->line_comment[0] != '#' || i == 0 || isspace((unsigned char)s.p[i - 1]);
}

/* Behind the piece of one role that begins at i. */
static size_t next_piece(const struct language *lang, struct highlight_state *st, struct str s,
			 size_t i, enum style_role *role)
{
	size_t from = i;

	*role = STYLE_CODE;
	if (st->in_comment || st->quote != 0)
		return end_open(lang, st, s, i, role);
	if (at(s, i, lang->block_open)) {
		st->in_comment = true;
		*role = STYLE_COMMENT;
		return i + strlen(lang->block_open);
	}
	if (begins_line_comment(lang, s, i)) {
		*role = STYLE_COMMENT;
		return s.n;
	}
	if (strchr(lang->quotes, s.p[i]) && s.p[i] != '\0') {
		*role = STYLE_STRING;
		return begin_string(lang, st, s, i);
	}
	if (isdigit((unsigned char)s.p[i])) {
		while (i < s.n && (is_word(s.p[i]) || s.p[i] == '.'))
			i++;
		*role = STYLE_NUMBER;
		return i;
	}
	if (!is_word(s.p[i]) && s.p[i] != '#')
		return i + 1;
	do
		i++;
	while (i < s.n && is_word(s.p[i]));
	if (is_keyword(lang, (struct str){s.p + from, i - from}))
		*role = STYLE_KEYWORD;
	return i;
}

void highlight_line(const struct language *lang, struct highlight_state *st, struct str s,
		    struct rich *out)
{
	if (!lang) {
		rich_add_code(out, s, STYLE_CODE);
		return;
	}
	if (strcmp(lang->names[0], "diff") == 0) {
		diff_line(s, out);
		return;
	}
	for (size_t i = 0; i < s.n;) {
		enum style_role role;
		size_t end = next_piece(lang, st, s, i, &role);

		rich_add_code(out, (struct str){s.p + i, end - i}, role);
		i = end;
	}
}
