/*
 * A terminal's bytes as key events.
 *
 * It is fed and asked, in any split: keyparse_push() takes what was read,
 * keyparse_next() gives events while there are whole ones.  A lone ESC may be
 * the key or the beginning of a sequence; only time tells, so the caller waits
 * KEYPARSE_ESC_MS and then asks with `flush`.  A paste that does not end in KEYPARSE_PASTE_MS,
 * or in which Ctrl-C comes twice in a row, ends there: nothing makes it deaf.  Of a paste beyond
 * `paste_max` the rest is dropped, and its event says so.  One thread.
 */
#ifndef TUI_KEYPARSE_H
#define TUI_KEYPARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/buf.h"
#include "tui/key.h"

#define KEYPARSE_ESC_MS    40
#define KEYPARSE_PASTE_MS  2000 /* a paste's next bytes are waited for so long */
#define KEYPARSE_PASTE_MAX ((size_t)64 << 20)

struct keyparse {
	struct buf in;
	size_t at; /* of `in`, already parsed */
	struct buf paste;
	struct buf text; /* the last event's paste, cleaned */
	bool pasting;
	size_t paste_max; /* bytes; 0 = KEYPARSE_PASTE_MAX */
	bool paste_cut;   /* the paste is longer */
};

void keyparse_release(struct keyparse *kp);
void keyparse_push(struct keyparse *kp, const void *bytes, size_t n);
/* True: *ev is the next event.  False: more bytes, or a flush, are needed. */
bool keyparse_next(struct keyparse *kp, struct key_event *ev, bool flush);
/*
 * Bytes wait whose meaning only time will tell: a flush is due so long (ms) after the last ones
 * came; -1: nothing waits.
 */
int keyparse_wait_ms(const struct keyparse *kp);

#endif
