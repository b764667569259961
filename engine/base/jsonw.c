/* JSON as Python writes it: separators, escapes, shortest floats. */
#include "engine/base/jsonw.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void json_add_quoted(struct buf *out, struct str s)
{
	size_t from = 0;

	buf_addc(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		char esc[7];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		buf_add(out, s.p + from, i - from);
		from = i + 1;
		switch (c) {
		case '"':
			buf_addz(out, "\\\"");
			break;
		case '\\':
			buf_addz(out, "\\\\");
			break;
		case '\n':
			buf_addz(out, "\\n");
			break;
		case '\r':
			buf_addz(out, "\\r");
			break;
		case '\t':
			buf_addz(out, "\\t");
			break;
		case '\f':
			buf_addz(out, "\\f");
			break;
		case '\b':
			buf_addz(out, "\\b");
			break;
		default:
			snprintf(esc, sizeof(esc), "\\u%04x", c);
			buf_addz(out, esc);
		}
	}
	if (s.n > from)
		buf_add(out, s.p + from, s.n - from);
	buf_addc(out, '"');
}

static void separate(struct jsonw *w)
{
	if (w->more)
		buf_addz(w->out, ", ");
	w->more = true;
}

void jsonw_init(struct jsonw *w, struct buf *out)
{
	w->out = out;
	w->more = false;
}

void jsonw_begin_object(struct jsonw *w)
{
	separate(w);
	buf_addc(w->out, '{');
	w->more = false;
}

void jsonw_end_object(struct jsonw *w)
{
	buf_addc(w->out, '}');
	w->more = true;
}

void jsonw_begin_array(struct jsonw *w)
{
	separate(w);
	buf_addc(w->out, '[');
	w->more = false;
}

void jsonw_end_array(struct jsonw *w)
{
	buf_addc(w->out, ']');
	w->more = true;
}

void jsonw_key_str(struct jsonw *w, struct str key)
{
	separate(w);
	json_add_quoted(w->out, key);
	buf_addz(w->out, ": ");
	w->more = false;
}

void jsonw_key(struct jsonw *w, const char *key)
{
	jsonw_key_str(w, str_of(key));
}

void jsonw_string(struct jsonw *w, struct str s)
{
	separate(w);
	json_add_quoted(w->out, s);
}

void jsonw_int(struct jsonw *w, int64_t v)
{
	separate(w);
	buf_addf(w->out, "%" PRId64, v);
}

/* The shortest digits that read back as v, laid out as Python's repr() does. */
void jsonw_double(struct jsonw *w, double v)
{
	char text[40], digits[32] = "0";
	const char *e;
	int exp10, n = 0;

	separate(w);
	if (!isfinite(v)) {
		buf_addz(w->out, isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity");
		return;
	}
	for (int prec = 0; prec <= 16; prec++) {
		snprintf(text, sizeof(text), "%.*e", prec, v);
		if (strtod(text, NULL) == v)
			break;
	}
	e = strchr(text, 'e');
	exp10 = (int)strtol(e + 1, NULL, 10);
	for (const char *p = text; p < e; p++) {
		if (*p >= '0' && *p <= '9')
			digits[n++] = *p;
	}
	while (n > 1 && digits[n - 1] == '0')
		n--;
	if (signbit(v))
		buf_addc(w->out, '-');
	if (exp10 < -4 || exp10 >= 16) {
		buf_addc(w->out, digits[0]);
		if (n > 1) {
			buf_addc(w->out, '.');
			buf_add(w->out, digits + 1, (size_t)n - 1);
		}
		buf_addf(w->out, "e%c%02d", exp10 < 0 ? '-' : '+', abs(exp10));
		return;
	}
	if (exp10 < 0) {
		buf_addz(w->out, "0.");
		for (int i = -1; i > exp10; i--)
			buf_addc(w->out, '0');
		buf_add(w->out, digits, (size_t)n);
		return;
	}
	for (int i = 0; i <= exp10 || i < n; i++) {
		if (i == exp10 + 1)
			buf_addc(w->out, '.');
		buf_addc(w->out, i < n ? digits[i] : '0');
	}
	if (n <= exp10 + 1)
		buf_addz(w->out, ".0");
}

void jsonw_bool(struct jsonw *w, bool v)
{
	separate(w);
	buf_addz(w->out, v ? "true" : "false");
}

void jsonw_null(struct jsonw *w)
{
	separate(w);
	buf_addz(w->out, "null");
}

void jsonw_raw(struct jsonw *w, struct str json)
{
	separate(w);
	buf_adds(w->out, json);
}

void jsonw_kv_string(struct jsonw *w, const char *key, struct str s)
{
	jsonw_key(w, key);
	jsonw_string(w, s);
}

void jsonw_kv_int(struct jsonw *w, const char *key, int64_t v)
{
	jsonw_key(w, key);
	jsonw_int(w, v);
}

void jsonw_kv_double(struct jsonw *w, const char *key, double v)
{
	jsonw_key(w, key);
	jsonw_double(w, v);
}

void jsonw_kv_bool(struct jsonw *w, const char *key, bool v)
{
	jsonw_key(w, key);
	jsonw_bool(w, v);
}
