/* Which keys the bytes of terminals are. */
#include "tui/keycode.h"

/* A control sequence longer than this is noise, not a key. */
#define CSI_MAX 64

void keycode_key(struct key_event *ev, uint32_t code, unsigned mods)
{
	*ev = (struct key_event){.kind = KEY_EVENT_KEY};
	ev->key.code = code;
	ev->key.mods = (uint8_t)mods;
}

void keycode_plain(struct key_event *ev, uint32_t cp, unsigned mods)
{
	switch (cp) {
	case 0x00:
		keycode_key(ev, ' ', mods | KEY_CTRL);
		return;
	case '\t':
		keycode_key(ev, KEY_TAB, mods);
		return;
	case '\r':
		keycode_key(ev, KEY_ENTER, mods);
		return;
	case 0x1B:
		keycode_key(ev, KEY_ESC, mods);
		return;
	case 0x08:
	case 0x7F:
		keycode_key(ev, KEY_BACKSPACE, mods);
		return;
	default:
		break;
	}
	if (cp < 0x1B)
		keycode_key(ev, cp + 'a' - 1, mods | KEY_CTRL);
	else if (cp < 0x20)
		keycode_key(ev, cp + '@', mods | KEY_CTRL);
	else
		keycode_key(ev, cp, mods);
}

static unsigned mods_of(unsigned param)
{
	unsigned bits = param > 0 ? param - 1 : 0;

	return (bits & 1 ? KEY_SHIFT : 0) | (bits & (2 | 8) ? KEY_ALT : 0) |
	       (bits & 4 ? KEY_CTRL : 0);
}

static const struct {
	char final;
	uint32_t code;
} finals[] = {
	{'A', KEY_UP},     {'B', KEY_DOWN},   {'C', KEY_RIGHT}, {'D', KEY_LEFT},
	{'H', KEY_HOME},   {'F', KEY_END},    {'P', KEY_F1},    {'Q', KEY_F1 + 1},
	{'R', KEY_F1 + 2}, {'S', KEY_F1 + 3}, {'M', KEY_ENTER}, /* SS3 M: keypad Enter */
};

static const struct {
	unsigned n;
	uint32_t code;
} tildes[] = {
	{1, KEY_HOME},    {2, KEY_INSERT},  {3, KEY_DELETE},   {4, KEY_END},
	{5, KEY_PGUP},    {6, KEY_PGDN},    {7, KEY_HOME},     {8, KEY_END},
	{11, KEY_F1},     {12, KEY_F1 + 1}, {13, KEY_F1 + 2},  {14, KEY_F1 + 3},
	{15, KEY_F1 + 4}, {17, KEY_F1 + 5}, {18, KEY_F1 + 6},  {19, KEY_F1 + 7},
	{20, KEY_F1 + 8}, {21, KEY_F1 + 9}, {23, KEY_F1 + 10}, {24, KEY_F1 + 11},
};

bool keycode_final(struct key_event *ev, char final, unsigned mods)
{
	for (size_t i = 0; i < sizeof(finals) / sizeof(finals[0]); i++) {
		if (finals[i].final == final) {
			keycode_key(ev, finals[i].code, mods);
			return true;
		}
	}
	return false;
}

/* xterm's modifyOtherKeys and "CSI u": a character with modifiers, as keycode_plain() would give it. */
static bool character_key(struct key_event *ev, unsigned cp, unsigned mods)
{
	if (cp == 0 || cp > 0x10FFFF || (cp >= 57344 && cp <= 63743))
		return false;
	if (cp < 0x20 || cp == 0x7F) {
		keycode_plain(ev, cp, mods);
		return true;
	}
	if ((mods & KEY_CTRL) && cp >= 'A' && cp <= 'Z')
		cp += 'a' - 'A';
	keycode_key(ev, cp, mods & ~KEY_SHIFT);
	return true;
}

static bool mouse_event(struct key_event *ev, const struct csi *c)
{
	static const enum mouse_button buttons[] = {MOUSE_LEFT, MOUSE_MIDDLE, MOUSE_RIGHT};
	unsigned b = c->param[0];

	/* Presses only: no releases ('m'), no movement (32). */
	if (c->n < 3 || c->final != 'M' || (b & 32) || c->param[1] < 1 || c->param[2] < 1)
		return false;
	*ev = (struct key_event){.kind = KEY_EVENT_MOUSE};
	if (b & 64)
		ev->button = b & 1 ? MOUSE_WHEEL_DOWN : MOUSE_WHEEL_UP;
	else if ((b & 3) < 3)
		ev->button = buttons[b & 3];
	else
		return false;
	ev->x = (int)(c->param[1] > 10000 ? 10000 : c->param[1]) - 1;
	ev->y = (int)(c->param[2] > 10000 ? 10000 : c->param[2]) - 1;
	return true;
}

bool keycode_begins_paste(const struct csi *c)
{
	return !c->lead && c->final == '~' && c->param[0] == 200;
}

bool keycode_csi(struct key_event *ev, const struct csi *c)
{
	unsigned mods = c->n > 1 ? mods_of(c->param[1]) : 0;

	if (c->lead == '<')
		return mouse_event(ev, c);
	if (c->lead != 0)
		return false;
	switch (c->final) {
	case 'Z':
		keycode_key(ev, KEY_TAB, KEY_SHIFT);
		return true;
	case 'u':
		return character_key(ev, c->param[0], mods);
	case '~':
		if (c->param[0] == 27 && c->n > 2)
			return character_key(ev, c->param[2], mods);
		for (size_t i = 0; i < sizeof(tildes) / sizeof(tildes[0]); i++) {
			if (tildes[i].n == c->param[0]) {
				keycode_key(ev, tildes[i].code, mods);
				return true;
			}
		}
		return false;
	default:
		return c->final != 'M' && keycode_final(ev, c->final, mods);
	}
}

size_t keycode_read(const char *p, size_t n, struct csi *c)
{
	size_t i = 2;

	*c = (struct csi){.n = 1};
	if (i < n && p[i] == '[') { /* the Linux console's F1–F5: ESC [ [ A */
		if (n < 4)
			return 0;
		if (p[3] >= 'A' && p[3] <= 'E') {
			c->param[0] = 11 + (unsigned)(p[3] - 'A');
			c->final = '~';
		}
		return 4;
	}
	if (i < n && p[i] >= '<' && p[i] <= '?')
		c->lead = p[i++];
	for (; i < n && i < CSI_MAX; i++) {
		unsigned char ch = (unsigned char)p[i];

		if (ch >= '0' && ch <= '9') {
			unsigned *v = &c->param[c->n - 1];

			*v = *v > 100000 ? *v : *v * 10 + (unsigned)(ch - '0');
		} else if (ch == ';' && c->n < 4) {
			c->n++;
		} else if (ch >= 0x40 && ch <= 0x7E) {
			c->final = (char)ch;
			return i + 1;
		} else if (ch < 0x20 || ch > 0x7E) {
			c->lead = '!';
			return i; /* broken off by something else, which stays */
		}
	}
	c->lead = '!';
	return i == CSI_MAX ? i : 0;
}
