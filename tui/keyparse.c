/* Escape sequences, UTF-8, pastes and mouse reports, taken apart byte by byte. */
#include "tui/keyparse.h"

#include <string.h>

#include "engine/base/utf8.h"
#include "tui/keyburst.h"

/* A control sequence longer than this is noise, not a key. */
#define CSI_MAX 64

/* The fewest arrow keys at once that a terminal makes of a turn of the wheel. */
#define ARROWS_A_TURN ((size_t)3)

static const char paste_end[] = "\x1B[201~";
#define PASTE_END_N (sizeof(paste_end) - 1)
/* Ctrl-C and again: both are keys then. */
static const char paste_way_out[] = "\x03\x03";
#define PASTE_WAY_OUT_N (sizeof(paste_way_out) - 1)

void keyparse_release(struct keyparse *kp)
{
	buf_release(&kp->in);
	buf_release(&kp->paste);
	buf_release(&kp->text);
	buf_release(&kp->pieces);
	*kp = (struct keyparse){0};
}

/* "[A" and its like, and nothing else. */
static bool is_tail(const char *p, size_t n)
{
	size_t i = 1;

	if (n < 2 || (p[0] != '[' && p[0] != 'O'))
		return false;
	while (p[0] == '[' && i < n && p[i] >= '0' && p[i] <= ';')
		i++;
	return i + 1 == n && p[i] >= 0x40 && p[i] <= 0x7E;
}

void keyparse_push(struct keyparse *kp, const void *bytes, size_t n, int64_t now_ms)
{
	int64_t since_ms = now_ms - kp->pushed_ms;

	if (kp->at == kp->in.len) {
		buf_reset(&kp->in);
		buf_reset(&kp->pieces);
		kp->at = kp->keys_to = kp->wheel_to = 0;
	}
	if (since_ms >= KEYPARSE_BREAK_MS)
		buf_add(&kp->pieces, &kp->in.len, sizeof(kp->in.len));
	/* The line was slow, and Esc has been a key since. */
	if (kp->esc_at_ms && kp->at == kp->in.len &&
	    now_ms - kp->esc_at_ms < KEYPARSE_ESC_LATE_MS && is_tail(bytes, n))
		buf_addc(&kp->in, 0x1B);
	kp->burst = since_ms < KEYPARSE_BURST_MS || n > 1;
	kp->pushed_ms = now_ms;
	kp->esc_at_ms = 0;
	buf_add(&kp->in, bytes, n);
}

/* Where the piece of the byte at `at` ends. */
static size_t piece_end(const struct keyparse *kp, size_t at)
{
	size_t begin;

	for (size_t i = 0; i + sizeof(begin) <= kp->pieces.len; i += sizeof(begin)) {
		memcpy(&begin, kp->pieces.data + i, sizeof(begin));
		if (begin > at)
			return begin;
	}
	return kp->in.len;
}

int keyparse_wait_ms(const struct keyparse *kp)
{
	if (kp->pasting)
		return KEYPARSE_PASTE_MS;
	if (kp->at == kp->in.len)
		return -1;
	if (keyburst_is_break(kp->in.data[kp->at]))
		return KEYPARSE_BREAK_MS;
	return kp->esc_ms > 0 ? kp->esc_ms : KEYPARSE_ESC_MS;
}

static void key(struct key_event *ev, uint32_t code, unsigned mods)
{
	*ev = (struct key_event){.kind = KEY_EVENT_KEY};
	ev->key.code = code;
	ev->key.mods = (uint8_t)mods;
}

/* Byte as a key, where it is one; Alt comes on top. */
static void plain(struct key_event *ev, uint32_t cp, unsigned mods)
{
	switch (cp) {
	case 0x00:
		key(ev, ' ', mods | KEY_CTRL);
		return;
	case '\t':
		key(ev, KEY_TAB, mods);
		return;
	case '\r':
		key(ev, KEY_ENTER, mods);
		return;
	case 0x1B:
		key(ev, KEY_ESC, mods);
		return;
	case 0x08:
	case 0x7F:
		key(ev, KEY_BACKSPACE, mods);
		return;
	default:
		break;
	}
	if (cp < 0x1B)
		key(ev, cp + 'a' - 1, mods | KEY_CTRL);
	else if (cp < 0x20)
		key(ev, cp + '@', mods | KEY_CTRL);
	else
		key(ev, cp, mods);
}

struct csi {
	unsigned param[4];
	int n;
	char lead; /* '<', '?', … or 0 */
	char final;
};

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

static bool final_key(struct key_event *ev, char final, unsigned mods)
{
	for (size_t i = 0; i < sizeof(finals) / sizeof(finals[0]); i++) {
		if (finals[i].final == final) {
			key(ev, finals[i].code, mods);
			return true;
		}
	}
	return false;
}

/* xterm's modifyOtherKeys and "CSI u": a character with modifiers, as plain() would give it. */
static bool character_key(struct key_event *ev, unsigned cp, unsigned mods)
{
	if (cp == 0 || cp > 0x10FFFF || (cp >= 57344 && cp <= 63743))
		return false;
	if (cp < 0x20 || cp == 0x7F) {
		plain(ev, cp, mods);
		return true;
	}
	if ((mods & KEY_CTRL) && cp >= 'A' && cp <= 'Z')
		cp += 'a' - 'A';
	key(ev, cp, mods & ~KEY_SHIFT);
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

/* True: *ev is a key.  False: the sequence means nothing to us, or began a paste. */
static bool csi_event(struct keyparse *kp, const struct csi *c, struct key_event *ev)
{
	unsigned mods = c->n > 1 ? mods_of(c->param[1]) : 0;

	if (c->lead == '<')
		return mouse_event(ev, c);
	if (c->lead != 0)
		return false;
	switch (c->final) {
	case 'Z':
		key(ev, KEY_TAB, KEY_SHIFT);
		return true;
	case 'u':
		return character_key(ev, c->param[0], mods);
	case '~':
		if (c->param[0] == 200) {
			kp->pasting = true;
			return false;
		}
		if (c->param[0] == 27 && c->n > 2)
			return character_key(ev, c->param[2], mods);
		for (size_t i = 0; i < sizeof(tildes) / sizeof(tildes[0]); i++) {
			if (tildes[i].n == c->param[0]) {
				key(ev, tildes[i].code, mods);
				return true;
			}
		}
		return false;
	default:
		return c->final != 'M' && final_key(ev, c->final, mods);
	}
}

/* Parses "ESC [ …" at p; returns its bytes, 0 when unfinished. */
static size_t read_csi(const char *p, size_t n, struct csi *c)
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

/* Ends a paste: clean text with '\n' for every line end. */
static void finish_paste(struct keyparse *kp, struct key_event *ev)
{
	bool cut = kp->paste_cut || buf_failed(&kp->in) || buf_failed(&kp->paste);

	buf_reset(&kp->text);
	utf8_add_clean(&kp->text, buf_str(&kp->paste));
	cut |= buf_failed(&kp->text);
	buf_reset(&kp->paste);
	if (!buf_failed(&kp->text)) {
		char *p = kp->text.data;
		size_t to = 0;

		for (size_t i = 0; i < kp->text.len; i++) {
			if (p[i] == '\r') {
				p[to++] = '\n';
				if (i + 1 < kp->text.len && p[i + 1] == '\n')
					i++;
			} else if (p[i] != '\0') {
				p[to++] = p[i];
			}
		}
		buf_truncate(&kp->text, to);
	}
	*ev = (struct key_event){.kind = KEY_EVENT_PASTE, .text = buf_str(&kp->text), .cut = cut};
	kp->pasting = false;
	kp->paste_cut = false;
}

/* Bytes at the end of p that may be the beginning of `mark`. */
static size_t begun(const char *p, size_t n, const char *mark, size_t mark_n)
{
	size_t keep = mark_n - 1 < n ? mark_n - 1 : n;

	while (keep > 0 && memcmp(p + n - keep, mark, keep) != 0)
		keep--;
	return keep;
}

static bool paste_event(struct keyparse *kp, bool flush, struct key_event *ev)
{
	const char *from = kp->in.data + kp->at, *end, *way_out;
	size_t n = kp->in.len - kp->at, take, room;

	end = n > 0 ? memmem(from, n, paste_end, PASTE_END_N) : NULL;
	take = end ? (size_t)(end - from) : n;
	way_out = take > 0 ? memmem(from, take, paste_way_out, PASTE_WAY_OUT_N) : NULL;
	if (way_out) {
		end = NULL;
		take = (size_t)(way_out - from);
	} else if (!end && !flush) {
		size_t a = begun(from, n, paste_end, PASTE_END_N);
		size_t b = begun(from, n, paste_way_out, PASTE_WAY_OUT_N);

		take = n - (a > b ? a : b);
	}
	room = (kp->paste_max ? kp->paste_max : KEYPARSE_PASTE_MAX) - kp->paste.len;
	kp->paste_cut |= take > room;
	buf_add(&kp->paste, from, take < room ? take : room);
	kp->at += take;
	if (!end && !way_out && !flush)
		return false;
	kp->at += end ? PASTE_END_N : 0;
	finish_paste(kp, ev);
	return true;
}

enum belongs { BELONGS, BELONGS_NOT, BELONGS_WAITS };

/* Does what follows an ESC belong to it?  Behind a pause it does where nobody types that. */
static enum belongs follows(const struct keyparse *kp, const char *p, size_t n, bool flush)
{
	size_t end;

	if (n == 1)
		return flush ? BELONGS_NOT : BELONGS_WAITS;
	if (piece_end(kp, kp->at) > kp->at + 1)
		return BELONGS;
	end = piece_end(kp, kp->at + 1);
	if (p[1] != '[' && p[1] != 'O')
		return BELONGS_NOT;
	if (end > kp->at + 2)
		return BELONGS;
	return end == kp->in.len && !flush ? BELONGS_WAITS : BELONGS_NOT;
}

/* What follows an ESC.  Returns bytes used, 0 when more are needed; *is_key tells whether *ev
 * is set. */
static size_t escape_event(struct keyparse *kp, const char *p, size_t n, bool flush,
			   struct key_event *ev, bool *is_key)
{
	uint32_t cp;
	int len;

	*is_key = true;
	switch (follows(kp, p, n, flush)) {
	case BELONGS:
		break;
	case BELONGS_WAITS:
		return 0;
	case BELONGS_NOT:
		kp->esc_at_ms = n == 1 ? kp->pushed_ms : 0;
		key(ev, KEY_ESC, 0);
		return 1;
	}
	if (p[1] == '[' && !(n == 2 && flush)) {
		struct csi c;
		size_t used = read_csi(p, n, &c);

		if (used == 0 && !flush)
			return 0;
		if (used == 0) { /* never finished: dropped */
			*is_key = false;
			return n;
		}
		kp->at += used;
		*is_key = csi_event(kp, &c, ev);
		kp->at -= used;
		return used;
	}
	if (p[1] == 'O' && !(n == 2 && flush)) {
		if (n < 3)
			return 0;
		if (final_key(ev, p[2], 0))
			return 3;
	}
	if (p[1] == 0x1B) { /* Esc, then something else */
		key(ev, KEY_ESC, 0);
		return 1;
	}
	len = utf8_decode(p + 1, n - 1, &cp);
	if (len == 0 && !flush)
		return 0;
	if (len <= 0) {
		key(ev, KEY_ESC, 0);
		return 1;
	}
	plain(ev, cp, KEY_ALT);
	return 1 + (size_t)len;
}

/* The wheel, as arrow keys: some of a burst of them are one turn. */
static bool wheel_event(struct keyparse *kp, struct key_event *ev)
{
	const char *p = kp->in.data + kp->at;
	size_t n = keyburst_arrows(p, piece_end(kp, kp->at) - kp->at);

	if (n >= ARROWS_A_TURN)
		kp->wheel_to = kp->at + n * KEYBURST_ARROW_BYTES;
	if (!n || kp->at >= kp->wheel_to)
		return false;
	*ev = (struct key_event){.kind = KEY_EVENT_MOUSE,
				 .button = p[2] == 'A' ? MOUSE_WHEEL_UP : MOUSE_WHEEL_DOWN,
				 .x = -1,
				 .y = -1};
	kp->at += (n < ARROWS_A_TURN ? n : ARROWS_A_TURN) * KEYBURST_ARROW_BYTES;
	return true;
}

enum found { FOUND_KEYS, FOUND_PASTE, FOUND_WAITS };

/* Lines that came at once. */
static enum found burst_event(struct keyparse *kp, bool flush, struct key_event *ev)
{
	size_t end = piece_end(kp, kp->at);
	struct keyburst look;

	if (kp->at < kp->keys_to)
		return FOUND_KEYS;
	look = keyburst_look(kp->in.data + kp->at, end - kp->at);
	kp->keys_to = kp->at + look.keys;
	if (look.text) {
		buf_add(&kp->paste, kp->in.data + kp->at, look.text);
		kp->at += look.text;
		finish_paste(kp, ev);
		return FOUND_PASTE;
	}
	return look.open && kp->burst && end == kp->in.len && !flush ? FOUND_WAITS : FOUND_KEYS;
}

/* A character, or a key that is one byte; false: it means nothing, or (*waits) isn't whole. */
static bool plain_event(struct keyparse *kp, bool flush, struct key_event *ev, bool *waits)
{
	const char *p = kp->in.data + kp->at;
	size_t n = kp->in.len - kp->at;
	uint32_t cp;
	int len = utf8_decode(p, n, &cp);

	*waits = len == 0 && !flush;
	if (*waits)
		return false;
	if (len <= 0) {
		kp->at += len < 0 ? (size_t)-len : n;
		return false;
	}
	kp->at += (size_t)len;
	if (cp >= 0x80 && cp < 0xA0)
		return false;
	/* A bare '\n' is Ctrl-J: Enter is '\r' in raw mode. */
	plain(ev, cp, 0);
	return true;
}

bool keyparse_next(struct keyparse *kp, struct key_event *ev, bool flush)
{
	while (kp->at < kp->in.len || kp->pasting) {
		const char *p = kp->in.data + kp->at;
		size_t n = kp->in.len - kp->at;
		enum found found;
		bool is_key, waits;
		size_t used;

		if (kp->pasting)
			return (n > 0 || flush) && paste_event(kp, flush, ev);
		if (p[0] == 0x1B) {
			if (wheel_event(kp, ev))
				return true;
			used = escape_event(kp, p, n, flush, ev, &is_key);
			if (used == 0)
				return false;
			kp->at += used;
			if (is_key)
				return true;
			continue;
		}
		found = burst_event(kp, flush, ev);
		if (found != FOUND_KEYS)
			return found == FOUND_PASTE;
		if (plain_event(kp, flush, ev, &waits))
			return true;
		if (waits)
			return false;
	}
	return false;
}
