/*
 * Keys, and what else a terminal sends.
 *
 * A key is a character or a named key, with modifiers.  Its name ("C-t", "M-Left",
 * "F1", "Enter", "x") is what configuration, help and scripts write.
 */
#ifndef TUI_KEY_H
#define TUI_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/buf.h"

#define KEY_CTRL  1u
#define KEY_ALT   2u
#define KEY_SHIFT 4u

/* Above every character. */
enum key_named {
	KEY_ENTER = 0x200000,
	KEY_TAB,
	KEY_ESC,
	KEY_BACKSPACE,
	KEY_DELETE,
	KEY_INSERT,
	KEY_UP,
	KEY_DOWN,
	KEY_LEFT,
	KEY_RIGHT,
	KEY_HOME,
	KEY_END,
	KEY_PGUP,
	KEY_PGDN,
	KEY_F1, /* … KEY_F1 + 11 */
	KEY_F12 = KEY_F1 + 11,
};

struct key {
	uint32_t code; /* a character or an enum key_named */
	uint8_t mods;  /* KEY_CTRL…; shift only with named keys */
};

enum key_event_kind {
	KEY_EVENT_KEY,
	KEY_EVENT_PASTE, /* text */
	KEY_EVENT_MOUSE, /* button at x, y */
};

enum mouse_button { MOUSE_LEFT, MOUSE_MIDDLE, MOUSE_RIGHT, MOUSE_WHEEL_UP, MOUSE_WHEEL_DOWN };

struct key_event {
	enum key_event_kind kind;
	struct key key;
	/* KEY_EVENT_PASTE: UTF-8, lines end in '\n'; borrowed from the parser */
	struct str text;
	bool cut; /* it was too long: more of it is gone */
	enum mouse_button button;
	int x, y; /* from 0; -1: not known where */
};

#define KEY_NAME_MAX 32

bool key_equal(struct key a, struct key b);
bool key_is_char(struct key k); /* types a character: no Ctrl, no Alt */
/* Writes the name, with its NUL, and returns `out`. */
const char *key_name(struct key k, char out[KEY_NAME_MAX]);
/* False where `name` names no key. */
bool key_parse(struct str name, struct key *k);

#endif
