/*
 * What the screen costs, without an engine: opening a long conversation,
 * scrolling it, and a stream of 200 tokens a second.
 *
 * Times are of the processor, so that other programs do not count.  Prints one line a figure;
 * the goals stand beside it.  Exits 1 where one is missed.
 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tui/paint.h"
#include "tui/tui.h"

static double cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void move(void *ctx, int x, int y, struct buf *out)
{
	(void)ctx;
	buf_addf(out, "\x1B[%d;%dH", y + 1, x + 1);
}

static int missed;

static void figure(const char *what, double got, double goal, const char *unit)
{
	printf("%-44s %9.3f %s (goal: under %g)\n", what, got, unit, goal);
	missed |= got >= goal;
}

static const char paragraph[] =
	"An answer of *usual* length has a few sentences, some `code` in them, and a list:\n\n"
	"- one thing that takes a line\n- another that takes a little more than one line "
	"does\n\n"
	"```c\nint main(void)\n{\n\treturn 0;\n}\n```\n\nAnd something at its end.\n";

static void add(struct tui *t, enum item_kind kind, int64_t id, const char *text)
{
	size_t i = transcript_add(tui_transcript(t), kind, id, -1);

	if (i == TRANSCRIPT_NONE)
		abort();
	transcript_append(tui_transcript(t), i, str_of(text));
	transcript_finish(tui_transcript(t), i, ITEM_DONE, -1, -1, -1);
}

static void bench_long(struct surface *s)
{
	struct tui *t;
	struct err err;
	double start = cpu_ms(), worst = 0, one;
	const int pages = 200;

	if (tui_new(&t, NULL, &err) < 0)
		abort();
	for (int i = 0; i < 10000; i++)
		add(t, i % 2 == 0 ? ITEM_USER : ITEM_ANSWER, i + 1,
		    i % 2 == 0 ? "And what about the next of these questions?" : paragraph);
	tui_draw(t, s, 0);
	figure("open 10,000 messages", cpu_ms() - start, 100, "ms");
	for (int i = 0; i < pages; i++) {
		start = cpu_ms();
		transcript_page(tui_transcript(t), -1);
		tui_draw(t, s, 0);
		one = cpu_ms() - start;
		if (one > worst)
			worst = one;
	}
	figure("scroll a page, slowest of 200", worst, 5, "ms");
	start = cpu_ms();
	if (transcript_search(tui_transcript(t), STR_LIT("nowhere to be found"), -1))
		abort();
	figure("search 10,000 messages for nothing", cpu_ms() - start, 1000, "ms");
	tui_free(t);
}

/* Ten seconds of it: tokens of five bytes, drawn thirty times a second. */
static void bench_stream(struct surface *s)
{
	struct paint_caps caps = {.reset = "\x1B(B\x1B[m",
				  .erase_line = "\x1B[K",
				  .cursor_on = "\x1B[34h\x1B[?25h",
				  .cursor_off = "\x1B[?25l",
				  .move = move};
	struct paint_stats total = {0};
	struct status st = {.phase = STATUS_ANSWERING, .context_all = 65536, .cached = 0};
	struct surface shown;
	struct buf out = {0};
	struct tui *t;
	struct err err;
	struct paint_stats one;
	double start;
	size_t at = 0, item;

	if (tui_new(&t, NULL, &err) < 0 || surface_init(&shown, s->w, s->h, &err) < 0)
		abort();
	for (int i = 0; i < STYLE_N_ROLES; i++)
		snprintf(caps.role[i], sizeof(caps.role[i]), "\x1B[38;5;%dm", i + 1);
	add(t, ITEM_USER, 1, "Tell me much.");
	item = transcript_add(tui_transcript(t), ITEM_ANSWER, 2, 0);
	start = cpu_ms();
	for (int frame = 0; frame < 300; frame++) {
		for (int token = 0; token < 200 / 30 + (frame % 3 != 0); token++) {
			size_t n =
				sizeof(paragraph) - 1 - at < 5 ? sizeof(paragraph) - 1 - at : 5;

			transcript_append(tui_transcript(t), item,
					  (struct str){paragraph + at, n});
			at = (at + n) % (sizeof(paragraph) - 1);
		}
		st.tokens_per_s = 200 + frame % 7 * 0.1;
		st.context_used = 100 + frame * 7;
		tui_set_status(t, &st);
		tui_draw(t, s, frame * 33);
		buf_reset(&out);
		one = paint(&caps, &shown, s, false, &out);
		total.cells += one.cells;
		total.bytes += one.bytes;
	}
	figure("stream of 200 tokens/s: share of a core", (cpu_ms() - start) / 10000 * 100, 5,
	       "%");
	figure("stream: bytes for each changed cell", (double)total.bytes / (double)total.cells,
	       20, "B");
	buf_release(&out);
	surface_release(&shown);
	tui_free(t);
}

/* From a key to the bytes of the next screen, in a conversation of 10,000 messages. */
static void bench_key(struct surface *s)
{
	struct tui *t;
	struct err err;
	double worst = 0;

	if (tui_new(&t, NULL, &err) < 0)
		abort();
	for (int i = 0; i < 10000; i++)
		add(t, i % 2 == 0 ? ITEM_USER : ITEM_ANSWER, i + 1, paragraph);
	tui_draw(t, s, 0);
	for (int i = 0; i < 500; i++) {
		struct key_event ev = {.kind = KEY_EVENT_KEY,
				       .key = {'a' + (uint32_t)i % 26, 0}};
		double start = cpu_ms(), one;

		tui_key(t, &ev);
		tui_draw(t, s, 0);
		one = cpu_ms() - start;
		if (one > worst)
			worst = one;
	}
	figure("a key to the screen, slowest of 500", worst, 20, "ms");
	tui_free(t);
}

int main(void)
{
	static const int sizes[][2] = {{80, 24}, {200, 60}};

	setlocale(LC_ALL, "C.UTF-8");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct surface s;
		struct err err;

		if (surface_init(&s, sizes[i][0], sizes[i][1], &err) < 0)
			return 1;
		printf("%dx%d\n", s.w, s.h);
		bench_long(&s);
		bench_stream(&s);
		bench_key(&s);
		surface_release(&s);
	}
	return missed;
}
