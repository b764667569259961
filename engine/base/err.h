/*
 * Errors: a code, and one line that names the thing, what was found and what
 * was expected.
 *
 * A function that can fail returns 0 (or a count) or one of the negative codes
 * below, and fills the caller's struct err, which is there: only where a header
 * says so it may be NULL.  The code decides the program's exit status (app/exit.c);
 * the text is for people.  A struct err is plain memory: no release, any thread.
 */
#ifndef ENGINE_BASE_ERR_H
#define ENGINE_BASE_ERR_H

#include <stdarg.h>

enum err_code {
	ERR_FAILED = -1,    /* anything without a code of its own             */
	ERR_USAGE = -2,     /* what the user asked for makes no sense         */
	ERR_MODEL = -3,     /* checkpoint, tokenizer, backend, device         */
	ERR_LIMIT = -4,     /* a token, turn or context limit was reached     */
	ERR_REFUSED = -5,   /* a tool was refused and nobody could be asked   */
	ERR_STORE = -6,     /* history store locked, full or damaged          */
	ERR_NOMEM = -7,     /* the allocator said no                          */
	ERR_IO = -8,        /* read, write, open; the text carries errno's    */
	ERR_CANCELLED = -9, /* the user interrupted                           */
	ERR_TIMEOUT = -10,  /* --timeout ran out                              */
};

#define ERR_TEXT_BYTES 500

struct err {
	int code;       /* 0, or an enum err_code                               */
	char text[ERR_TEXT_BYTES]; /* one line without a newline; "" while code is 0       */
};

/* Sets code and text (what does not fit loses its middle, at character borders) and returns
 * `code`.  `err` may be NULL, and the arguments may point into it. */
int err_set(struct err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before the text that is there; returns err->code (ERR_FAILED for NULL). */
int err_prefix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* As err_set, NULL and all, with ERR_NOMEM: "out of memory: WHAT (N bytes)". */
int err_nomem(struct err *err, const char *what, unsigned long long n_bytes);

/* As err_set, NULL and all, with ERR_IO: "PATH: WHAT: strerror(errno)". */
int err_errno(struct err *err, const char *path, const char *what);

#ifdef __clang_analyzer__
/* The analyser sees one file at a time: here it learns that these never return 0. */
#define err_set(err, code, ...) (err_set(err, code, __VA_ARGS__), (int)(code))
#define err_nomem(...)          (err_nomem(__VA_ARGS__), (int)ERR_NOMEM)
#define err_errno(...)          (err_errno(__VA_ARGS__), (int)ERR_IO)
#endif

/* A broken invariant of the program itself: says where, and aborts. */
_Noreturn void bug_at(const char *file, int line, const char *what);
#define BUG(what) bug_at(__FILE__, __LINE__, (what))
#define BUG_ON(cond)                                                                          \
	do {                                                                                  \
		if (cond)                                                                     \
			bug_at(__FILE__, __LINE__, #cond);                                    \
	} while (0)

#endif
