/* Where one key, paste or turn of the wheel ends and the next begins, byte by byte. */
#include "tui/keyparse.h"

#include <string.h>

#include "engine/base/utf8.h"
#include "tui/keyburst.h"
#include "tui/keycode.h"

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
		keycode_key(ev, KEY_ESC, 0);
		return 1;
	}
	if (p[1] == '[' && !(n == 2 && flush)) {
		struct csi c;
		size_t used = keycode_read(p, n, &c);

		if (used == 0 && !flush)
			return 0;
		if (used == 0) { /* never finished: dropped */
			*is_key = false;
			return n;
		}
		kp->pasting = keycode_begins_paste(&c);
		*is_key = keycode_csi(ev, &c);
		return used;
	}
	if (p[1] == 'O' && !(n == 2 && flush)) {
		if (n < 3)
			return 0;
		if (keycode_final(ev, p[2], 0))
			return 3;
	}
	if (p[1] == 0x1B) { /* Esc, then something else */
		keycode_key(ev, KEY_ESC, 0);
		return 1;
	}
	len = utf8_decode(p + 1, n - 1, &cp);
	if (len == 0 && !flush)
		return 0;
	if (len <= 0) {
		keycode_key(ev, KEY_ESC, 0);
		return 1;
	}
	keycode_plain(ev, cp, KEY_ALT);
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
	keycode_plain(ev, cp, 0);
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
