/*
 * Bytes that came at once, as nobody types them: what a terminal pastes without saying so, and
 * the turns of a wheel that it makes arrow keys of.  Pure functions over borrowed bytes.
 */
#ifndef TUI_KEYBURST_H
#define TUI_KEYBURST_H

#include <stdbool.h>
#include <stddef.h>

/* Is it Enter, Tab or Ctrl-J: a key where it ends a burst, text where more text follows? */
bool keyburst_is_break(char c);

struct keyburst {
	size_t text; /* bytes at the beginning that are pasted text; 0 = what follows is keys */
	size_t keys; /* bytes at the beginning that are typed characters, for certain */
	bool open;   /* there is nothing but breaks: what comes next decides */
};

struct keyburst keyburst_look(const char *p, size_t n);

#define KEYBURST_ARROW_BYTES 3
/* How often the arrow key up or down at p stands there, one right behind the other. */
size_t keyburst_arrows(const char *p, size_t n);

#endif
