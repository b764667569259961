/* Clusters, rows and Markdown: text as lines of a screen. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tui/glyph.h"
#include "tui/markdown.h"
#include "tui/mdmask.h"
#include "tui/transcript.h"
#include "tui/wrap.h"

static const struct {
	const char *text;
	int columns;
	size_t first; /* bytes of the first cluster */
} clusters[] = {
	{"a", 1, 1},
	{"e\u0301x", 2, 3}, /* combining accent */
	{"日本", 4, 3},
	{"👩‍💻", 4, 11}, /* ncurses counts both people of a joined pair */
	{"🇩🇪🇫🇷", 4, 8},         /* flags pair up */
	{"❤️", 1, 6},
	{"\u1100\u1161\u11A8", 2, 9}, /* Hangul from its letters */
	{"\xFF\xFE", 2, 1},
	{"שלום", 4, 2},
};

static void a_cluster_is_what_a_person_takes_for_one_sign(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(clusters) / sizeof(clusters[0]); i++) {
		const char *p = clusters[i].text;
		size_t n = strlen(p), at = 0;
		int w;

		assert_int_equal(glyph_next(p, n, &w), clusters[i].first);
		assert_int_equal(glyph_columns(p, n), clusters[i].columns);
		/* Backwards the same borders are met. */
		while (at < n) {
			size_t len = glyph_next(p + at, n - at, &w);

			assert_int_equal(glyph_prev(p, at + len), at);
			at += len;
		}
	}
}

static const struct {
	const char *text;
	int width;
	bool words;
	const char *rows; /* joined by '|' */
} wraps[] = {
	{"one two three", 8, true, "one two|three"},
	{"one two three", 7, true, "one two|three"},
	{"one  two", 4, true, "one|two"},
	{"abcdefghij", 4, true, "abcd|efgh|ij"},
	{"abc defghijkl", 5, true, "abc|defgh|ijkl"},
	{"well-known thing", 6, true, "well-|known|thing"},
	{"日本語、文", 6, true, "日本|語、文"},
	{"日本語", 5, true, "日本|語"},
	{"「日本」", 5, true, "「日|本」"},
	{"one two", 4, false, "one |two"},
	{"👩‍💻", 2, true, "👩‍|💻"},
	{"", 4, true, ""},
	{"      deep", 4, true, "      |deep"},
};

static void rows_end_between_words_and_never_inside_a_sign(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wraps) / sizeof(wraps[0]); i++) {
		struct buf got = {0};
		const char *p = wraps[i].text;
		size_t n = strlen(p), shown;

		for (size_t at = 0; at < n;) {
			size_t used = wrap_row(p + at, n - at, wraps[i].width, wraps[i].words,
					       &shown);

			assert_true(used > 0);
			if (at > 0)
				buf_addc(&got, '|');
			buf_add(&got, p + at, shown);
			at += used;
		}
		assert_string_equal(buf_z(&got), wraps[i].rows);
		buf_release(&got);
	}
}

static const char sample[] =
	"# Title *x*\n\nPara with **bold** and `code`, [a link](http://x.org) and\nmore.\n\n"
	"- one\n- two\n  - deep\n\n1. first\n\n   again\n2. second\n\n> quote\n> more\n\n"
	"```python\ndef f():\n\t\"\"\"doc\n\tstring\"\"\"\n\n    return 'x'  # c\n```\nright "
	"behind\n\n"
	"| a | b |\n|---|--:|\n| 1 | 日本 |\n\nso\n\\[\na_1*b*\n\\]\nand $x_1*y*$\n\n~~~\nno end\n\n    - kept\n";

static void dump(const struct lines *l, struct buf *out)
{
	for (size_t i = 0; i < l->n; i++) {
		buf_adds(out, lines_text(l, i));
		for (uint32_t k = 0; k < l->v[i].n_runs; k++)
			buf_addf(out, " %u:%u", l->runs[l->v[i].run_at + k].end,
				 l->runs[l->v[i].run_at + k].style);
		buf_addc(out, '\n');
	}
}

static void a_text_that_arrives_in_pieces_looks_as_if_it_came_at_once(void **state)
{
	static const size_t steps[] = {1, 2, 3, 7, 40};

	(void)state;
	for (int width = 10; width < 90; width += 13) {
		struct mddoc whole = {0};
		struct buf want = {0};

		mddoc_append(&whole, str_of(sample));
		mddoc_layout(&whole, width);
		dump(&whole.lines, &want);
		for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
			struct mddoc d = {0};
			struct buf got = {0};

			for (size_t at = 0; at < sizeof(sample) - 1; at += steps[s]) {
				size_t n = sizeof(sample) - 1 - at;

				mddoc_append(&d, (struct str){sample + at,
							      n < steps[s] ? n : steps[s]});
				mddoc_layout(&d, at % 3 == 0 ? width : 33);
			}
			mddoc_layout(&d, width);
			dump(&d.lines, &got);
			assert_string_equal(buf_z(&got), buf_z(&want));
			buf_release(&got);
			mddoc_release(&d);
		}
		buf_release(&want);
		mddoc_release(&whole);
	}
}

static const struct {
	const char *src, *shown;
} pieces[] = {
	{"a\nb", "a b\n"},
	{"a  \nb", "a\nb\n"},
	{"- x\n- y", "• x\n• y\n"},
	{"3. x\n4. y", "3. x\n4. y\n"},
	{"- [ ] t\n- [x] u", "☐ t\n☑ u\n"},
	{"> a\n>\n> b", "▏ a\n▏\n▏ b\n"},
	{"<b>raw</b>", "<b>raw</b>\n"},
	{"&lt;&#65;&nope;", "<A&nope;\n"},
	{"[t](http://u)", "t (http://u)\n"},
	{"<http://u>", "http://u\n"},
	{"![alt](http://i)", "[image: alt] (http://i)\n"},
	{"```\nx\ty\n```", "│ x       y\n"},
	{"|a|b|\n|---|---|\n|1|2|\n", "a │ b\n──┼──\n1 │ 2\n"},
	{"*", "• \n"},

	/* Formulas stay as they are written, code stays code, prices stay prices. */
	{"\\( a_1=\\frac12 \\) \\[ \\{x\\} \\\\ y \\] $a*b*c$",
	 "\\( a_1=\\frac12 \\) \\[ \\{x\\} \\\\ y \\]\n$a*b*c$\n"},
	{"$$x_1 * y_1$$ and *x*", "$$x_1 * y_1$$ and x\n"},
	{"`$a*b*c$` `\\(a_1\\)`", "$a*b*c$ \\(a_1\\)\n"},
	{"```\n\\[\n$a*b*c$\n\\]\n```", "│ \\[\n│ $a*b*c$\n│ \\]\n"},
	{"`a $x` *b* `y$ c`", "a $x b y$ c\n"},
	{"*one* for $5, *two* for $6", "one for $5, two for $6\n"},
	{"$5 for *one* and 10$ for *two*", "$5 for one and 10$ for two\n"},
	{"$5-$6 *a*, US$5 *b*, CA$", "$5-$6 a, US$5 b, CA$\n"},
	{"set $HOME and *x* $PATH", "set $HOME and x $PATH\n"},
	{"\\$5 \\* \\\\(x)", "$5 * \\(x)\n"},
	{"\\(a*b*c", "(abc\n"},
	{"\\[\n- a_1 \\\\\n+ b_1\n=\n1. c\n\\]\nand *on*",
	 "\\[\n- a_1 \\\\\n+ b_1\n=\n1. c\n\\]\nand on\n"},
	{"so:\n\\[\na_1\n\\]\nwhere\n$$\nb_1\n$$", "so:\n\\[\na_1\n\\]\nwhere\n$$\nb_1\n$$\n"},
	{"# so\n\\[\na_1\n\\]\n\nwhere", "so\n\n\\[\na_1\n\\]\n\nwhere\n"},
	{"> \\[\n> a_1*b*\n> \\]", "▏ \\[\n▏ a_1*b*\n▏ \\]\n"},
	{"- a \\( b\n- c \\)", "• a ( b\n• c )\n"},
	{"**$x_1$**", "$x_1$\n"},

	/* What a cell can't hold it has written otherwise. */
	{"|a|\n|---|\n|`ps \\| grep x`|\n|\\| `\\\\|`|",
	 "a\n───────────\nps | grep x\n| \\|\n"},
	{"|a|b|\n|---|---|\n|x<br>yy<BR />z|1|\n", "a  │ b\n───┼──\nx  │ 1\nyy │ \nz  │ \n"},
	{"|a|\n|---|\n|`<br>` a < b|", "a\n──────────\n<br> a < b\n"},
	{"|a|b|\n|---|---|\n|costs $5|*x* 6$|\n|$x_1*y*z$|2|",
	 "a         │ b\n──────────┼─────\ncosts $5  │ x 6$\n$x_1*y*z$ │ 2\n"},
	{"a<br>b", "a<br>b\n"},
	{"so&#173;ft &#x200B;zero", "soft zero\n"},

	/* Nothing that was said vanishes. */
	{"Text.[^1]\n\n[^1]: word", "Text.[^1]\n\n[^1]: word\n"},
	{"[1]: http://u *t*\n[a b]: c\n> [2]: d", "[1]: http://u t [a b]: c\n\n▏ [2]: d\n"},
};

static void markdown_becomes_lines(void **state)
{
	int wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct lines l = {0};
		struct buf got = {0}, masked = {0}, clear = {0};

		markdown_render(&l, str_of(pieces[i].src), 40);
		for (size_t k = 0; k < l.n; k++) {
			buf_adds(&got, lines_text(&l, k));
			buf_addc(&got, '\n');
		}
		mdmask_add(&masked, str_of(pieces[i].src));
		mdmask_undo(&clear, buf_str(&masked), false);
		assert_string_equal(buf_z(&clear), pieces[i].src);
		if (!str_is(buf_str(&got), pieces[i].shown)) {
			print_error("%s\n\nis shown as\n\n%s\n", pieces[i].src, buf_z(&got));
			wrong++;
		}
		buf_release(&masked);
		buf_release(&clear);
		buf_release(&got);
		lines_release(&l);
	}
	assert_int_equal(wrong, 0);
}

static void hostile_markdown_ends_soon_and_stays_in_its_columns(void **state)
{
	static const char *const units[] = {
		"> ",     "- ",    "`",        "*a ",      "[",    "|a",   "\t",   "日",
		"\u0301", "1. ",   "~~~\n",    "&#x202E;", "![](", "\n\n", "_",    "\\(",
		"\\[",    "\\[\n", "$1 a ",    "$",        "$$",   "$$\n", "$1",   "``a` ",
		"[a",     "[a\n",  "|\\(a|\n", ">\\[\n",   "1",    "<br",  "|<br>"};

	(void)state;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		struct mddoc d = {0};
		struct buf b = {0};
		clock_t start = clock();

		while (b.len < 100000)
			buf_addz(&b, units[i]);
		mddoc_append(&d, buf_str(&b));
		mddoc_layout(&d, 40);
		assert_false(lines_failed(&d.lines));
		for (size_t k = 0; k < d.lines.n; k++) {
			struct str s = lines_text(&d.lines, k);

			assert_true(glyph_columns(s.p, s.n) <= 40);
		}
		assert_true(clock() - start < 2 * CLOCKS_PER_SEC);
		buf_release(&b);
		mddoc_release(&d);
	}
}

/* The long line is cut at 32,768 bytes, inside the link and where each of its signs ends. */
static void a_cut_inside_a_link_is_survived(void **state)
{
	(void)state;
	for (size_t before = 32768 - 8; before <= 32768; before++) {
		struct mddoc d = {0};
		struct buf b = {0};

		for (size_t i = 0; i < before; i++)
			buf_addc(&b, 'x');
		buf_addz(&b, "[a](b)");
		for (size_t i = 0; i < 33000; i++)
			buf_addc(&b, 'x');
		mddoc_append(&d, buf_str(&b));
		mddoc_layout(&d, 80);
		assert_false(lines_failed(&d.lines));
		assert_true(d.lines.n >= b.len / 80);
		buf_release(&b);
		mddoc_release(&d);
	}
}

static void two_megabytes_stream_in_linear_time(void **state)
{
	static const char *const units[] = {"word and ", "x", "- item of a list\n", "日本語。"};

	(void)state;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		struct mddoc d = {0};
		struct buf piece = {0};
		clock_t start = clock();

		while (piece.len < 8192)
			buf_addz(&piece, units[i]);
		while (d.src.len < 2000000) {
			mddoc_append(&d, buf_str(&piece));
			mddoc_layout(&d, 80);
		}
		assert_true(clock() - start < 6 * CLOCKS_PER_SEC);
		assert_true(d.lines.n > 15000);
		buf_release(&piece);
		mddoc_release(&d);
	}
}

static void a_line_end_in_two_pieces_is_one_line_end(void **state)
{
	static const struct {
		const char *pieces[4];
		const char *text;
	} cases[] = {
		{{"a\r", "\nb"}, "a\nb"},         {{"a\r\n", "b"}, "a\nb"},
		{{"a", "\r", "\n", "b"}, "a\nb"}, {{"a\r", "b"}, "a␍b"},
		{{"a\r", "\r\n"}, "a␍\n"},        {{"a\r", ""}, "a␍"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct transcript *t;
		struct err err;
		size_t item;

		assert_int_equal(transcript_new(&t, &err), 0);
		item = transcript_add(t, ITEM_ANSWER, 1, 0);
		for (int k = 0; k < 4 && cases[i].pieces[k] != NULL; k++)
			transcript_append(t, item, str_of(cases[i].pieces[k]));
		transcript_finish(t, item, ITEM_DONE, -1, -1, 0);
		if (!str_is(transcript_text(t, item), cases[i].text))
			fail_msg("case %zu: \"%.*s\"", i, (int)transcript_text(t, item).n,
				 transcript_text(t, item).p);
		transcript_free(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cluster_is_what_a_person_takes_for_one_sign),
		cmocka_unit_test(rows_end_between_words_and_never_inside_a_sign),
		cmocka_unit_test(a_text_that_arrives_in_pieces_looks_as_if_it_came_at_once),
		cmocka_unit_test(markdown_becomes_lines),
		cmocka_unit_test(hostile_markdown_ends_soon_and_stays_in_its_columns),
		cmocka_unit_test(a_cut_inside_a_link_is_survived),
		cmocka_unit_test(a_line_end_in_two_pieces_is_one_line_end),
		cmocka_unit_test(two_megabytes_stream_in_linear_time),
	};

	setlocale(LC_ALL, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
