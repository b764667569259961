/*
 * A growing run of bytes, always followed by a NUL that does not count.
 *
 * Failure is sticky: when memory runs out the buffer keeps what it had, drops
 * what did not fit and every later addition, and buf_failed() stays true until
 * buf_reset().  So a writer adds freely and asks once, at the end.
 * A zeroed struct is an empty buffer.  One thread at a time.
 */
#ifndef ENGINE_BASE_BUF_H
#define ENGINE_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Borrowed bytes: not terminated, not owned, NULL only with n == 0. */
struct str {
	const char *p;
	size_t n;
};

#define STR_LIT(s) ((struct str){(s), sizeof(s) - 1})

struct str str_of(const char *z); /* of a NUL-terminated string; NULL gives an empty one */
bool str_eq(struct str a, struct str b);
bool str_is(struct str a, const char *z);
/* Without the blanks before and behind it: what isspace() says in the C locale. */
struct str str_trimmed(struct str s);
/* Takes the next line off *rest, without its newline; false where nothing is left. */
bool str_line(struct str *rest, struct str *line);

struct buf {
	char *data; /* NULL while nothing was ever added; else data[len] == 0 */
	size_t len;
	size_t cap;
	bool failed;
};

void buf_release(struct buf *b); /* frees; the struct is an empty buffer again */
void buf_reset(struct buf *b);   /* empties, keeps the memory, clears `failed` */
bool buf_failed(const struct buf *b);
bool buf_reserve(struct buf *b, size_t more); /* false: no memory, failed is set */

void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_addz(struct buf *b, const char *z);
void buf_adds(struct buf *b, struct str s);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_add_count(struct buf *b, int64_t n); /* for people: "29,056" */

/* Removes n bytes at offset `at`; out-of-range parts are ignored. */
void buf_remove(struct buf *b, size_t at, size_t n);
void buf_truncate(struct buf *b, size_t len);

struct str buf_str(const struct buf *b);
const char *buf_z(const struct buf *b); /* never NULL */

/* Hands the memory to the caller (free()); the buffer is empty again.  NULL where it failed. */
char *buf_detach(struct buf *b);

#endif
