/* What terminals send for a key, or for the mouse, as an event: keyparse.c cuts it out.  Pure. */
#ifndef TUI_KEYCODE_H
#define TUI_KEYCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tui/key.h"

/* A control sequence: "ESC [ …". */
struct csi {
	unsigned param[4];
	int n;
	char lead; /* '<', '?', … or 0 */
	char final;
};

/* *ev becomes that key. */
void keycode_key(struct key_event *ev, uint32_t code, unsigned mods);
/* Byte as a key, where it is one; Alt comes on top. */
void keycode_plain(struct key_event *ev, uint32_t cp, unsigned mods);
/* The key of "ESC O x", and of sequences that end with x; false: it is none. */
bool keycode_final(struct key_event *ev, char final, unsigned mods);

/* Parses the sequence at p; returns its bytes, 0 when unfinished. */
size_t keycode_read(const char *p, size_t n, struct csi *c);
/* True: *ev is its key, or its press of the mouse.  False: it means nothing to us. */
bool keycode_csi(struct key_event *ev, const struct csi *c);
bool keycode_begins_paste(const struct csi *c);

#endif
