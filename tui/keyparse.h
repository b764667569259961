/*
 * A terminal's bytes as key events.
 *
 * It is fed and asked, in any split: keyparse_push() takes what was read,
 * keyparse_next() gives events while there are whole ones.  A lone ESC may be
 * the key or the beginning of a sequence; only time tells, so the caller waits as
 * keyparse_wait_ms() says and then asks with `flush`.  A sequence that comes later still is a
 * key behind Esc, not what it would type.  A paste that does not end in KEYPARSE_PASTE_MS, or
 * in which Ctrl-C comes twice in a row, ends there: nothing makes it deaf.  Of a paste beyond
 * `paste_max` the rest is dropped, and its event says so.
 *
 * Not every terminal tells of a paste: lines that come at once (keyburst.h) are one, and so
 * Enter waits a moment where it came right behind another key.  Arrow keys in a burst are the
 * wheel, as some terminals have it, and come as such, at no place (-1, -1).  One thread.
 */
#ifndef TUI_KEYPARSE_H
#define TUI_KEYPARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/buf.h"
#include "tui/key.h"

#define KEYPARSE_ESC_MS      150 /* over a slow line, too */
#define KEYPARSE_ESC_LATE_MS 1000
#define KEYPARSE_BURST_MS    15   /* nobody types faster than a burst comes */
#define KEYPARSE_BREAK_MS    30   /* … and nobody types on behind Enter so soon */
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
	int esc_ms;       /* how long a lone ESC waits; 0 = KEYPARSE_ESC_MS */

	/* keyparse.c alone: */
	int64_t pushed_ms; /* when the last bytes came */
	int64_t esc_at_ms; /* when an ESC came that was a key for lack of more; 0 = none */
	struct buf pieces; /* size_t: where in `in` those begin that came apart from others */
	bool burst;        /* the last piece came faster than anybody types */
	size_t keys_to;    /* of `in`: what is known to be typed */
	size_t wheel_to;   /* … to be the wheel's */
};

void keyparse_release(struct keyparse *kp);
/* now_ms: of a clock that does not go back. */
void keyparse_push(struct keyparse *kp, const void *bytes, size_t n, int64_t now_ms);
/* True: *ev is the next event.  False: more bytes, or a flush, are needed. */
bool keyparse_next(struct keyparse *kp, struct key_event *ev, bool flush);
/*
 * Bytes wait whose meaning only time will tell: a flush is due so long (ms) after the last ones
 * came; -1: nothing waits.
 */
int keyparse_wait_ms(const struct keyparse *kp);

#endif
