/* vi's operators, changes and modes on a text. */
#include "tui/vi_private.h"

#include "engine/base/utf8.h"

#define MOST_TIMES 9999

static void keep(struct vi *v, struct editbuf *e, size_t from, size_t to, bool lines)
{
	buf_reset(&e->kill);
	buf_add(&e->kill, buf_z(&e->text) + from, to - from);
	if (buf_failed(&e->kill))
		buf_reset(&e->kill);
	v->lines = lines;
}

void vi_insert(struct vi *v)
{
	v->normal = false;
	v->count = v->op_count = 0;
	v->op = v->waits = ACTION_NONE;
}

void vi_settle(const struct vi *v, struct editbuf *e)
{
	if (v->normal && e->at == vi_line_end(e, e->at) && e->at > vi_line_start(e, e->at))
		editbuf_move_to(e, vi_before(e, e->at));
}

static void operate_on_lines(struct vi *v, struct editbuf *e, enum action op, size_t to)
{
	size_t from = vi_line_start(e, to < e->at ? to : e->at);
	size_t end = vi_line_end(e, to < e->at ? e->at : to);
	bool last = end == vi_text_end(e);

	keep(v, e, from, end, true);
	if (op == ACTION_VI_COPY) {
		if (to < e->at)
			editbuf_move_to(e, from);
		return;
	}
	if (op == ACTION_VI_CHANGE) {
		editbuf_replace(e, from, end, (struct str){0});
		vi_insert(v);
		return;
	}
	/* The line break behind them goes along; behind the last line, the one before. */
	if (!last)
		end++;
	else if (from > 0)
		from--;
	editbuf_replace(e, from, end, (struct str){0});
	editbuf_move_to(e,
			vi_first_nonblank(e, e->at < vi_text_end(e) ? e->at : vi_text_end(e)));
}

static void operate(struct vi *v, struct editbuf *e, enum action op, struct vi_span s)
{
	size_t from = s.to < e->at ? s.to : e->at, to = s.to < e->at ? e->at : s.to;

	if (s.lines) {
		operate_on_lines(v, e, op, s.to);
		return;
	}
	if (s.inclusive)
		to = vi_after(e, to);
	keep(v, e, from, to, false);
	if (op == ACTION_VI_COPY) {
		editbuf_move_to(e, from);
		return;
	}
	if (to > from)
		editbuf_replace(e, from, to, (struct str){0});
	if (op == ACTION_VI_CHANGE)
		vi_insert(v);
}

static void put(struct vi *v, struct editbuf *e, bool behind, long n)
{
	struct buf text = {0};
	size_t at = e->at;

	if (e->kill.len == 0 && !v->lines)
		return;
	if (v->lines)
		at = behind ? vi_line_end(e, at) : vi_line_start(e, at);
	else if (behind && at < vi_line_end(e, at))
		at = vi_after(e, at);
	for (; n > 0 && text.len < EDITBUF_MAX; n--) {
		if (v->lines && behind)
			buf_addc(&text, '\n');
		buf_adds(&text, buf_str(&e->kill));
		if (v->lines && !behind)
			buf_addc(&text, '\n');
	}
	if (!buf_failed(&text) && editbuf_replace(e, at, at, buf_str(&text))) {
		if (v->lines)
			editbuf_move_to(e, vi_first_nonblank(e, behind ? at + 1 : at));
		else
			editbuf_move_to(e, vi_before(e, e->at));
	}
	buf_release(&text);
}

static void change_case(struct editbuf *e, long n)
{
	size_t from = e->at, end = vi_line_end(e, from), to = from;
	struct buf text = {0};

	for (; n > 0 && to < end; n--)
		to = vi_after(e, to);
	for (size_t i = from; i < to; i++) {
		char c = e->text.data[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		buf_addc(&text, letter ? (char)(c ^ 0x20) : c);
	}
	if (!buf_failed(&text) && to > from)
		editbuf_replace(e, from, to, buf_str(&text));
	buf_release(&text);
}

/* n characters of the line become cp each; fewer than n are there: nothing happens. */
static void replace(struct editbuf *e, uint32_t cp, long n)
{
	size_t end = vi_line_end(e, e->at), to = e->at;
	struct buf text = {0};
	char bytes[4];
	size_t len = utf8_encode(cp, bytes);

	for (; n > 0 && to < end; n--) {
		to = vi_after(e, to);
		buf_add(&text, bytes, len);
	}
	if (n == 0 && !buf_failed(&text) && editbuf_replace(e, e->at, to, buf_str(&text)))
		editbuf_move_to(e, vi_before(e, e->at));
	buf_release(&text);
}

static void open_line(struct vi *v, struct editbuf *e, bool above)
{
	size_t at = above ? vi_line_start(e, e->at) : vi_line_end(e, e->at);

	if (editbuf_replace(e, at, at, STR_LIT("\n")) && above)
		editbuf_move_to(e, at);
	vi_insert(v);
}

static bool is_operator(enum action a)
{
	return a == ACTION_VI_DELETE || a == ACTION_VI_CHANGE || a == ACTION_VI_COPY;
}

static bool is_seek(enum action a)
{
	return a == ACTION_VI_FIND || a == ACTION_VI_FIND_BACK || a == ACTION_VI_TILL ||
	       a == ACTION_VI_TILL_BACK;
}

/* The count of a command: what was typed before it and before its operator. */
static long take_count(struct vi *v)
{
	long a = v->count, b = v->op_count, n = a > 0 && b > 0 ? a * b : a > 0 ? a : b;

	v->count = v->op_count = 0;
	return n < MOST_TIMES ? n : MOST_TIMES;
}

/* Short ways to write an operator with a motion. */
static const struct {
	enum action a, op, motion;
} shorts[] = {
	{ACTION_VI_CUT_CHAR, ACTION_VI_DELETE, ACTION_VI_RIGHT},
	{ACTION_VI_RUBOUT, ACTION_VI_DELETE, ACTION_VI_LEFT},
	{ACTION_VI_DELETE_END, ACTION_VI_DELETE, ACTION_VI_LINE_END},
	{ACTION_VI_CHANGE_END, ACTION_VI_CHANGE, ACTION_VI_LINE_END},
};

/* Commands that are no motion and no operator. */
static void command(struct vi *v, struct editbuf *e, enum action a, long count)
{
	long n = count > 0 ? count : 1;

	for (size_t i = 0; i < sizeof(shorts) / sizeof(shorts[0]); i++) {
		if (shorts[i].a == a) {
			operate(v, e, shorts[i].op, vi_motion(v, e, shorts[i].motion, count));
			return;
		}
	}
	if (a == ACTION_VI_INSERT_START) {
		editbuf_move_to(e, vi_first_nonblank(e, e->at));
	} else if (a == ACTION_VI_APPEND && e->at < vi_line_end(e, e->at)) {
		editbuf_move_to(e, vi_after(e, e->at));
	} else if (a == ACTION_VI_APPEND_END) {
		editbuf_move_to(e, vi_line_end(e, e->at));
	} else if (a == ACTION_VI_PUT || a == ACTION_VI_PUT_BEFORE) {
		put(v, e, a == ACTION_VI_PUT, n);
	} else if (a == ACTION_VI_CASE) {
		change_case(e, n);
	} else if (a == ACTION_VI_UNDO) {
		while (n-- > 0 && editbuf_undo(e))
			;
	}
	if (a == ACTION_VI_OPEN || a == ACTION_VI_OPEN_ABOVE)
		open_line(v, e, a == ACTION_VI_OPEN_ABOVE);
	else if (a == ACTION_VI_INSERT || a == ACTION_VI_INSERT_START ||
		 a == ACTION_VI_APPEND || a == ACTION_VI_APPEND_END)
		vi_insert(v);
}

/* A motion by itself, or what an operator waits for. */
static void go(struct vi *v, struct editbuf *e, enum action a, struct vi_span s)
{
	enum action op = v->op;

	v->op = ACTION_NONE;
	if (!s.found)
		return;
	if (op == ACTION_NONE) {
		editbuf_move_to(e, s.lines ? vi_first_nonblank(e, s.to) : s.to);
		return;
	}
	/* A word's change spares the blanks behind it; no word takes the next line along. */
	if (a == ACTION_VI_WORD) {
		size_t end = vi_line_end(e, e->at), to = s.to;

		if (to > end && e->at < end)
			to = end;
		while (op == ACTION_VI_CHANGE && to > e->at &&
		       vi_kind_at(e, e->at) != VI_BLANK &&
		       vi_kind_at(e, vi_before(e, to)) == VI_BLANK)
			to = vi_before(e, to);
		s.to = to;
	}
	operate(v, e, op, s);
}

enum vi_result vi_action(struct vi *v, struct editbuf *e, enum action a, long *times)
{
	enum action waits = v->waits;
	long count;

	v->waits = ACTION_NONE;
	if (is_seek(a) || a == ACTION_VI_REPLACE || (a == ACTION_VI_TOP && waits != a)) {
		v->waits = a;
		return VI_DONE;
	}
	if (is_operator(a) && v->op != a) {
		v->op = v->op == ACTION_NONE ? a : ACTION_NONE;
		v->op_count = v->count;
		v->count = 0;
		return VI_DONE;
	}
	count = take_count(v);
	if (is_operator(a)) {
		/* Twice the same: this line, and those below it. */
		v->op = ACTION_NONE;
		operate_on_lines(v, e, a, vi_line_down(e, e->at, count > 0 ? count - 1 : 0));
	} else if ((a == ACTION_VI_UP || a == ACTION_VI_DOWN) && v->op == ACTION_NONE) {
		*times = count > 0 ? count : 1;
		return a == ACTION_VI_UP ? VI_UP : VI_DOWN;
	} else if (vi_motion(v, e, a, count).found || v->op != ACTION_NONE) {
		go(v, e, a, vi_motion(v, e, a, count));
	} else {
		command(v, e, a, count);
	}
	vi_settle(v, e);
	return VI_DONE;
}

bool vi_takes_char(const struct vi *v, uint32_t cp)
{
	if (!v->on || !v->normal)
		return false;
	if (is_seek(v->waits) || v->waits == ACTION_VI_REPLACE)
		return true;
	return (cp >= '1' && cp <= '9') || (cp == '0' && v->count > 0);
}

void vi_char(struct vi *v, struct editbuf *e, uint32_t cp)
{
	enum action waits = v->waits;
	long count;

	if (waits == ACTION_NONE || waits == ACTION_VI_TOP) {
		v->waits = ACTION_NONE;
		v->count = v->count * 10 + (long)(cp - '0');
		if (v->count > MOST_TIMES)
			v->count = MOST_TIMES;
		return;
	}
	v->waits = ACTION_NONE;
	count = take_count(v);
	if (waits == ACTION_VI_REPLACE) {
		v->op = ACTION_NONE;
		replace(e, cp, count > 0 ? count : 1);
	} else {
		v->sought = waits;
		v->sought_cp = cp;
		go(v, e, waits, vi_seek(e, waits, cp, count > 0 ? count : 1));
	}
	vi_settle(v, e);
}

bool vi_escape(struct vi *v, struct editbuf *e)
{
	bool begun = v->count > 0 || v->op != ACTION_NONE || v->waits != ACTION_NONE;
	bool typed = !v->normal;

	if (!v->on || (!typed && !begun))
		return false;
	vi_insert(v);
	v->normal = true;
	if (typed && e->at > vi_line_start(e, e->at))
		editbuf_move_to(e, vi_before(e, e->at));
	return true;
}

void vi_switch(struct vi *v, bool on)
{
	if (v->on == on)
		return;
	*v = (struct vi){.on = on};
}
