/* Drawing on cells, and painting them on a terminal. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <vterm.h>

#include "tui/paint.h"
#include "tui/surface.h"

static void ansi_move(void *ctx, int x, int y, struct buf *out)
{
	(void)ctx;
	buf_addf(out, "\x1B[%d;%dH", y + 1, x + 1);
}

static struct paint_caps ansi_caps(void)
{
	struct paint_caps caps = {
		.reset = "\x1B[m",
		.attr = {"\x1B[1m", "\x1B[3m", "\x1B[4m", "\x1B[9m", "\x1B[7m"},
		.erase_line = "\x1B[K",
		.cursor_on = "\x1B[?25h",
		.cursor_off = "\x1B[?25l",
		.move = ansi_move,
	};

	return caps;
}

static void row_text(const struct surface *s, int y, struct buf *out)
{
	struct buf all = {0};
	const char *p;

	surface_dump(s, &all);
	p = strchr(buf_z(&all), '\n') + 1;
	while (y-- > 0)
		p = strchr(p, '\n') + 1;
	buf_reset(out);
	buf_add(out, p, (size_t)(strchr(p, '\n') - p));
	buf_release(&all);
}

static const struct {
	int x;
	const char *text, *row; /* on a view of 10 columns */
} puts_[] = {
	{0, "hello", "hello"},
	{-2, "hello", "llo"},
	{8, "hello", "        he"},
	{0, "日本", "日本"},
	{9, "日", ""}, /* half of it would be outside */
	{-1, "日x", " x"},
	{0, "e\u0301", "e\u0301"},
	{0, "\u0301x", "x"}, /* nothing to combine with */
	{0, "a\x1B[31m", "a␛[31m"},
	{0,
	 "a\u202E"
	 "b",
	 "a\uFFFD"
	 "b"},
	{0, "\t\n|", " ␊|"},
	{0, "e\u0301\u0302\u0303\u0304\u0305\u0306",
	 "e\u0301\u0302\u0303\u0304"}, /* a cell holds five */
};

static void drawing_is_clipped_and_filtered(void **state)
{
	struct surface s;
	struct buf row = {0};
	struct err err;

	(void)state;
	assert_int_equal(surface_init(&s, 10, 1, &err), 0);
	for (size_t i = 0; i < sizeof(puts_) / sizeof(puts_[0]); i++) {
		surface_clear(&s);
		view_putz(surface_view(&s), puts_[i].x, 0, puts_[i].text, STYLE_TEXT);
		row_text(&s, 0, &row);
		assert_string_equal(buf_z(&row), puts_[i].row);
	}
	buf_release(&row);
	surface_release(&s);
}

static void half_a_wide_character_is_never_left(void **state)
{
	struct surface s;
	struct buf row = {0};
	struct err err;

	(void)state;
	assert_int_equal(surface_init(&s, 10, 1, &err), 0);
	for (int x = 0; x < 6; x++) {
		surface_clear(&s);
		view_putz(surface_view(&s), 0, 0, "日本語", STYLE_TEXT);
		view_putz(surface_view(&s), x, 0, "a", STYLE_TEXT);
		for (int i = 0; i < 10; i++) {
			if (s.cells[i].width == 2)
				assert_int_equal(s.cells[i + 1].width, 0);
			if (s.cells[i].width == 0)
				assert_int_equal(s.cells[i - 1].width, 2);
		}
		row_text(&s, 0, &row);
		assert_non_null(strchr(buf_z(&row), 'a'));
	}
	view_putz(surface_view(&s), 1, 0, "日", STYLE_TEXT);
	assert_int_equal(s.cells[1].width, 2);
	assert_int_equal(s.cells[0].width, 1);
	buf_release(&row);
	surface_release(&s);
}

static void text_too_long_ends_in_an_ellipsis(void **state)
{
	static const struct {
		const char *text, *row;
	} cuts[] = {{"abcde", "abcde"}, {"abcdef", "abcd…"}, {"日本語", "日本…"}, {"", ""}};
	struct surface s;
	struct buf row = {0};
	struct err err;

	(void)state;
	assert_int_equal(surface_init(&s, 10, 1, &err), 0);
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		surface_clear(&s);
		view_put_cut(surface_view(&s), 0, 0, 5, str_of(cuts[i].text), STYLE_TEXT);
		row_text(&s, 0, &row);
		assert_string_equal(buf_z(&row), cuts[i].row);
	}
	buf_release(&row);
	surface_release(&s);
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 16;
}

static void scribble(struct surface *s, uint32_t *seed)
{
	static const char *const words[] = {"plain",  "日本", "e\u0301", "👩‍💻",
					    "🇩🇪",     "    ", "x",       "│──",
					    "❤️", "𝄞",    "שלום",    "ก็"};
	static const uint16_t styles[] = {STYLE_TEXT, STYLE_TEXT | STYLE_BOLD,
					  STYLE_HEADING | STYLE_UNDERLINE, STYLE_STATUS};

	for (uint32_t n = next_random(seed) % 12; n > 0; n--)
		view_putz(surface_view(s), (int)(next_random(seed) % (uint32_t)s->w) - 2,
			  (int)(next_random(seed) % (uint32_t)s->h),
			  words[next_random(seed) % (sizeof(words) / sizeof(words[0]))],
			  styles[next_random(seed) % 4]);
	if (next_random(seed) % 4 == 0)
		view_fill(surface_view(s), 3, 1, 9, 3, ' ', STYLE_TEXT);
	view_cursor(surface_view(s), (int)(next_random(seed) % (uint32_t)s->w), 0);
}

static void assert_shown(VTerm *vt, const struct surface *s)
{
	VTermScreen *screen = vterm_obtain_screen(vt);
	VTermPos cursor;

	for (int y = 0; y < s->h; y++) {
		for (int x = 0; x < s->w; x++) {
			const struct cell *c = &s->cells[y * s->w + x];
			VTermScreenCell got;

			if (c->width == 0)
				continue;
			assert_true(vterm_screen_get_cell(screen, (VTermPos){y, x}, &got));
			assert_int_equal(got.chars[0] == 0 ? ' ' : got.chars[0], c->cp[0]);
			assert_int_equal(got.width, c->width);
			for (int i = 1; i < c->n; i++)
				assert_int_equal(got.chars[i], c->cp[i]);
			assert_int_equal(got.attrs.bold, (c->style & STYLE_BOLD) != 0);
			assert_int_equal(got.attrs.underline != 0,
					 (c->style & STYLE_UNDERLINE) != 0);
		}
	}
	vterm_state_get_cursorpos(vterm_obtain_state(vt), &cursor);
	assert_int_equal(cursor.row, s->cursor_y);
	assert_int_equal(cursor.col, s->cursor_x);
}

static void a_terminal_shows_what_was_drawn_after_any_change(void **state)
{
	struct paint_caps caps = ansi_caps();
	struct surface shown, next;
	struct buf out = {0};
	struct err err;
	VTerm *vt = vterm_new(9, 31);
	uint32_t seed = 3;

	(void)state;
	vterm_set_utf8(vt, 1);
	vterm_screen_reset(vterm_obtain_screen(vt), 1);
	assert_int_equal(surface_init(&shown, 31, 9, &err), 0);
	assert_int_equal(surface_init(&next, 31, 9, &err), 0);
	for (int round = 0; round < 600; round++) {
		if (round % 50 == 0)
			surface_clear(&next);
		scribble(&next, &seed);
		buf_reset(&out);
		paint(&caps, &shown, &next, round % 97 == 0, &out);
		vterm_input_write(vt, buf_z(&out), out.len);
		assert_shown(vt, &next);
	}
	vterm_free(vt);
	buf_release(&out);
	surface_release(&shown);
	surface_release(&next);
}

static void what_did_not_change_is_not_written(void **state)
{
	struct paint_caps caps = ansi_caps();
	struct surface shown, next;
	struct buf out = {0};
	struct err err;
	struct paint_stats st;

	(void)state;
	assert_int_equal(surface_init(&shown, 80, 24, &err), 0);
	assert_int_equal(surface_init(&next, 80, 24, &err), 0);
	view_putz(surface_view(&next), 0, 3, "some words in a row", STYLE_TEXT);
	paint(&caps, &shown, &next, true, &out);
	buf_reset(&out);
	st = paint(&caps, &shown, &next, false, &out);
	assert_int_equal(st.bytes, 0);
	assert_int_equal(out.len, 0);
	view_putz(surface_view(&next), 5, 3, "W", STYLE_TEXT);
	st = paint(&caps, &shown, &next, false, &out);
	assert_int_equal(st.cells, 1);
	assert_true(out.len < 20);
	buf_release(&out);
	surface_release(&shown);
	surface_release(&next);
}

static void an_ascii_terminal_gets_ascii(void **state)
{
	struct paint_caps caps = ansi_caps();
	struct surface shown, next;
	struct buf out = {0};
	struct err err;

	(void)state;
	caps.ascii = true;
	assert_int_equal(surface_init(&shown, 20, 4, &err), 0);
	assert_int_equal(surface_init(&next, 20, 4, &err), 0);
	view_box(surface_view(&next), "日本 é", STYLE_BORDER);
	paint(&caps, &shown, &next, true, &out);
	for (size_t i = 0; i < out.len; i++)
		assert_true((unsigned char)out.data[i] < 0x80);
	assert_non_null(strstr(buf_z(&out), "+-"));
	buf_release(&out);
	surface_release(&shown);
	surface_release(&next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(drawing_is_clipped_and_filtered),
		cmocka_unit_test(half_a_wide_character_is_never_left),
		cmocka_unit_test(text_too_long_ends_in_an_ellipsis),
		cmocka_unit_test(a_terminal_shows_what_was_drawn_after_any_change),
		cmocka_unit_test(what_did_not_change_is_not_written),
		cmocka_unit_test(an_ascii_terminal_gets_ascii),
	};

	setlocale(LC_ALL, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
