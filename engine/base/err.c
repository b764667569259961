/* Errors made one tidy line that fits; the end of a program whose invariants are broken. */
#include "engine/base/err.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* defined below, whatever err.h makes of the names for the analyser */
#undef err_set
#undef err_nomem
#undef err_errno

/* Cuts a half UTF-8 sequence that truncation left at the end, and newlines anywhere. */
static void tidy(char *text)
{
	size_t n = strlen(text);
	size_t back = 0;

	while (back < 3 && back < n && ((unsigned char)text[n - 1 - back] & 0xC0u) == 0x80u)
		back++;
	if (back < n) {
		unsigned char lead = (unsigned char)text[n - 1 - back];
		size_t want = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;

		if (want > back)
			text[n - 1 - back] = '\0';
	}
	for (char *p = text; *p; p++) {
		if (*p == '\n' || *p == '\r')
			*p = ' ';
	}
}

/* Longer than a path may be, and what is said of it. */
#define WHOLE_BYTES 6000
#define HEAD_BYTES  200

/* Is this byte within a character of UTF-8? */
static bool is_inside(char c)
{
	return ((unsigned char)c & 0xC0u) == 0x80u;
}

/* What is too long loses its middle: what happened stands at the end. */
static void fit(char out[ERR_TEXT_BYTES], const char *text)
{
	static const char gap[] = "…";
	size_t n = strlen(text), head = HEAD_BYTES;
	const char *rest;

	if (n < ERR_TEXT_BYTES) {
		memcpy(out, text, n + 1);
	} else {
		rest = text + n - (ERR_TEXT_BYTES - 1 - HEAD_BYTES - strlen(gap));
		while (head && is_inside(text[head]))
			head--;
		while (is_inside(*rest))
			rest++;
		memcpy(out, text, head);
		memcpy(out + head, gap, strlen(gap));
		memcpy(out + head + strlen(gap), rest, strlen(rest) + 1);
	}
	tidy(out);
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
	char text[WHOLE_BYTES];
	va_list ap;

	if (!err)
		return code;
	/* The arguments may lie in err->text itself. */
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fit(err->text, text);
	err->code = code;
	return code;
}

int err_prefix(struct err *err, const char *fmt, ...)
{
	char old[ERR_TEXT_BYTES], head[WHOLE_BYTES];
	va_list ap;

	if (!err)
		return ERR_FAILED;
	memcpy(old, err->text, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(head, sizeof(head), fmt, ap);
	va_end(ap);
	return err_set(err, err->code, "%s: %s", head, old);
}

int err_nomem(struct err *err, const char *what, unsigned long long n_bytes)
{
	return err_set(err, ERR_NOMEM, "out of memory: %s (%llu bytes)", what, n_bytes);
}

int err_errno(struct err *err, const char *path, const char *what)
{
	int saved = errno;

	return err_set(err, ERR_IO, "%s: %s: %s", path, what, strerror(saved));
}

_Noreturn void bug_at(const char *file, int line, const char *what)
{
	fprintf(stderr, "dsv4chat: bug at %s:%d: %s\n", file, line, what);
	abort();
}
