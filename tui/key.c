/* Keys to names and names to keys. */
#include "tui/key.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "engine/base/utf8.h"

static const struct {
	const char *name;
	uint32_t code;
} names[] = {
	{"Enter", KEY_ENTER},   {"Tab", KEY_TAB},
	{"Esc", KEY_ESC},       {"Backspace", KEY_BACKSPACE},
	{"Delete", KEY_DELETE}, {"Insert", KEY_INSERT},
	{"Up", KEY_UP},         {"Down", KEY_DOWN},
	{"Left", KEY_LEFT},     {"Right", KEY_RIGHT},
	{"Home", KEY_HOME},     {"End", KEY_END},
	{"PgUp", KEY_PGUP},     {"PgDn", KEY_PGDN},
	{"Space", ' '},
};

#define N_NAMES (sizeof(names) / sizeof(names[0]))

bool key_equal(struct key a, struct key b)
{
	return a.code == b.code && a.mods == b.mods;
}

bool key_is_char(struct key k)
{
	return k.code < KEY_ENTER && (k.mods & (KEY_CTRL | KEY_ALT)) == 0;
}

const char *key_name(struct key k, char out[KEY_NAME_MAX])
{
	char bytes[4];
	int n = snprintf(out, KEY_NAME_MAX, "%s%s%s", k.mods & KEY_CTRL ? "C-" : "",
			 k.mods & KEY_ALT ? "M-" : "", k.mods & KEY_SHIFT ? "S-" : "");
	size_t at = (size_t)n;

	if (k.code >= KEY_F1 && k.code <= KEY_F12) {
		snprintf(out + at, KEY_NAME_MAX - at, "F%u", (unsigned)(k.code - KEY_F1 + 1));
		return out;
	}
	for (size_t i = 0; i < N_NAMES; i++) {
		if (names[i].code == k.code) {
			snprintf(out + at, KEY_NAME_MAX - at, "%s", names[i].name);
			return out;
		}
	}
	n = (int)utf8_encode(k.code, bytes);
	snprintf(out + at, KEY_NAME_MAX - at, "%.*s", n, bytes);
	return out;
}

static bool starts(struct str s, const char *with)
{
	size_t n = strlen(with);

	return s.n > n && strncasecmp(s.p, with, n) == 0;
}

bool key_parse(struct str name, struct key *k)
{
	static const struct {
		const char *prefix;
		uint8_t mod;
	} prefixes[] = {
		{"C-", KEY_CTRL},  {"Ctrl-", KEY_CTRL}, {"M-", KEY_ALT},
		{"Alt-", KEY_ALT}, {"S-", KEY_SHIFT},   {"Shift-", KEY_SHIFT},
	};
	uint32_t cp;

	*k = (struct key){0};
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]);) {
		size_t n = strlen(prefixes[i].prefix);

		if (!starts(name, prefixes[i].prefix)) {
			i++;
			continue;
		}
		k->mods |= prefixes[i].mod;
		name = (struct str){name.p + n, name.n - n};
		i = 0;
	}
	for (size_t i = 0; i < N_NAMES; i++) {
		if (name.n == strlen(names[i].name) &&
		    strncasecmp(name.p, names[i].name, name.n) == 0) {
			k->code = names[i].code;
			return true;
		}
	}
	if (name.n >= 2 && name.n <= 3 && (name.p[0] == 'F' || name.p[0] == 'f')) {
		unsigned f = 0;

		for (size_t i = 1; i < name.n; i++) {
			if (name.p[i] < '0' || name.p[i] > '9')
				return false;
			f = f * 10 + (unsigned)(name.p[i] - '0');
		}
		k->code = KEY_F1 + f - 1;
		return f >= 1 && f <= 12;
	}
	if (name.n == 0 || utf8_decode(name.p, name.n, &cp) != (int)name.n || cp < 0x20 ||
	    (k->mods & KEY_SHIFT))
		return false;
	if ((k->mods & KEY_CTRL) && cp >= 'A' && cp <= 'Z')
		cp += 'a' - 'A';
	k->code = cp;
	return true;
}
