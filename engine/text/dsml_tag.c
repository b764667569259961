/* Reading tags, attributes and arguments. */
#include "engine/text/dsml_tag.h"

#include <string.h>

#include "engine/base/jsonw.h"
#include "engine/base/utf8.h"

size_t str_find(struct str text, size_t from, struct str needle)
{
	const char *found =
		from < text.n ? memmem(text.p + from, text.n - from, needle.p, needle.n) : NULL;

	return found ? (size_t)(found - text.p) : text.n;
}

bool str_starts(struct str text, struct str with)
{
	return text.n >= with.n && str_eq((struct str){text.p, with.n}, with);
}

struct str str_from(struct str text, size_t at)
{
	return (struct str){text.p ? text.p + at : NULL, text.n - at};
}

static bool is_space(uint32_t c)
{
	return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 ||
	       c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
	       c == 0x202f || c == 0x205f || c == 0x3000;
}

size_t dsml_space(struct str text)
{
	size_t i = 0;
	uint32_t cp;
	int n;

	while (i < text.n) {
		n = utf8_decode(text.p + i, text.n - i, &cp);
		if (n <= 0 || !is_space(cp))
			break;
		i += (size_t)n;
	}
	return i;
}

bool dsml_invoke_head(struct str text, size_t *at)
{
	struct str name = STR_LIT("name=\"");
	size_t i = dsml_space(text);

	if (!str_starts(str_from(text, i), name))
		return false;
	*at = i + name.n;
	return true;
}

bool dsml_parameter_head(struct str text, struct str *name, bool *string, size_t *at)
{
	struct str head = STR_LIT(" name=\""), kind = STR_LIT("\" string=\"");
	struct str yes = STR_LIT("true\">"), no = STR_LIT("false\">");
	size_t i;

	if (!str_starts(text, head))
		return false;
	for (i = head.n; (i = str_find(text, i, kind)) < text.n; i++) {
		struct str rest = str_from(text, i + kind.n);

		*string = str_starts(rest, yes);
		if (!*string && !str_starts(rest, no))
			continue;
		*name = (struct str){text.p + head.n, i - head.n};
		*at = i + kind.n + (*string ? yes.n : no.n);
		return true;
	}
	return false;
}

void dsml_add_argument(struct buf *out, struct str name, bool string, struct str value)
{
	json_add_quoted(out, name);
	buf_addz(out, ": ");
	if (string)
		json_add_quoted(out, value);
	else
		buf_adds(out, value);
}
