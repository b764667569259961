/* What the last row says, and what of it goes first where it is too narrow. */
#include "tui/status.h"

#include <stdio.h>
#include <string.h>

#include "tui/glyph.h"

#define MAX_PARTS   14
#define BAR_COLUMNS 12

struct part {
	char text[160];
	int weight;   /* what is lightest goes first where room is short */
	double share; /* done, for a bar behind the text; < 0: no bar */
};

static void amount(char out[32], double n, const char *unit)
{
	static const char *const steps[] = {"", "k", "M", "G", "T"};
	size_t i = 0;

	/* Counts stay exact to four digits; bytes are read by their prefix. */
	while (n >= (unit[0] == 'B' ? 999.5 : 9999.5) &&
	       i + 1 < sizeof(steps) / sizeof(steps[0])) {
		n /= 1000;
		i++;
	}
	snprintf(out, 32, i > 0 && n < 99.95 ? "%.1f%s%s%s" : "%.0f%s%s%s", n,
		 unit[0] != '\0' ? " "
		 : i > 0         ? " "
				 : "",
		 steps[i], unit);
}

static struct part *add(struct part *parts, int *n, int weight)
{
	struct part *p = &parts[(*n)++];

	*p = (struct part){.weight = weight, .share = -1};
	return p;
}

static void progress(struct part *p, const struct status *s, const char *what, const char *unit)
{
	char rate[32] = "", left[48] = "";

	p->share = s->all > 0 ? (double)s->done / (double)s->all : 0;
	if (p->share > 1)
		p->share = 1;
	if (s->rate > 0) {
		double seconds = s->all > s->done ? (double)(s->all - s->done) / s->rate : 0;
		char n[32];

		amount(n, s->rate, unit);
		snprintf(rate, sizeof(rate), " %.20s/s", n);
		snprintf(left, sizeof(left), " %.0f s left", seconds < 1e6 ? seconds : 1e6);
	}
	snprintf(p->text, sizeof(p->text), "%s %.0f %%%s%s", what, p->share * 100, rate, left);
}

/* It comes once, after a start or another conversation, and says what made the difference. */
static void restored(struct part *p, const struct status *s)
{
	struct buf tokens = {0};

	buf_add_count(&tokens, s->from_disk);
	snprintf(p->text, sizeof(p->text), "restored %s tokens from disk in %lld ms", buf_z(&tokens),
		 (long long)s->disk_ms);
	buf_release(&tokens);
}

static int collect(const struct status *s, struct part *parts)
{
	static const char *const names[] = {
		[STATUS_LOADING] = "loading",     [STATUS_IDLE] = "ready",
		[STATUS_PREFILL] = "reading",     [STATUS_THINKING] = "thinking",
		[STATUS_ANSWERING] = "answering", [STATUS_STOPPING] = "stopping",
		[STATUS_RUNNING] = "running",     [STATUS_ASKING] = "asks you",
		[STATUS_NO_ENGINE] = "no model",
	};
	char a[32], b[32];
	struct part *p;
	int n = 0;

	p = add(parts, &n, 100);
	if (s->phase == STATUS_LOADING)
		progress(p, s, names[s->phase], "B");
	else if (s->phase == STATUS_PREFILL && s->all > 0)
		progress(p, s, names[s->phase], "tok");
	else
		snprintf(p->text, sizeof(p->text), "%s", names[s->phase]);
	if (s->mode)
		snprintf(add(parts, &n, 92)->text, sizeof(p->text), "%s", s->mode);
	if (s->queued > 0)
		snprintf(add(parts, &n, 95)->text, sizeof(p->text), "%d queued", s->queued);
	if (s->reads_of > 0) {
		amount(a, (double)s->reads, "");
		amount(b, (double)s->reads_of, "");
		p = add(parts, &n, 90);
		if (s->reads_s > 0)
			snprintf(p->text, sizeof(p->text), "reads %s of %s, %.1f s", a, b,
				 s->reads_s);
		else
			snprintf(p->text, sizeof(p->text), "reads %s of %s", a, b);
	}
	if (s->tokens_per_s > 0)
		snprintf(add(parts, &n, 80)->text, sizeof(p->text), "%.1f tok/s",
			 s->tokens_per_s);
	if (s->per_step > 0)
		snprintf(add(parts, &n, 40)->text, sizeof(p->text), "%.2f tok/step",
			 s->per_step);
	if (s->on_gpu > 0)
		snprintf(add(parts, &n, 35)->text, sizeof(p->text), "%.0f %% experts on GPU",
			 100 * s->on_gpu);
	if (s->context_all > 0) {
		amount(a, (double)s->context_used, "");
		amount(b, (double)s->context_all, "");
		snprintf(add(parts, &n, 70)->text, sizeof(p->text), "context %s of %s", a, b);
	}
	if (s->from_disk > 0)
		restored(add(parts, &n, 85), s);
	if (s->cached >= 0) {
		amount(a, (double)s->cached, "");
		snprintf(add(parts, &n, 50)->text, sizeof(p->text), "cached %s", a);
	}
	if (s->memory > 0) {
		amount(a, (double)s->memory, "B");
		snprintf(add(parts, &n, 30)->text, sizeof(p->text), "memory %s", a);
	}
	if (s->model[0] != '\0')
		snprintf(add(parts, &n, 60)->text, sizeof(p->text), "%s", s->model);
	if (s->backend[0] != '\0')
		snprintf(add(parts, &n, 20)->text, sizeof(p->text), "%s", s->backend);
	return n;
}

static int columns(const struct part *p)
{
	return glyph_columns(p->text, strlen(p->text)) + (p->share >= 0 ? BAR_COLUMNS + 1 : 0);
}

void status_draw(const struct status *s, const char *hint, struct view v)
{
	struct part parts[MAX_PARTS];
	int n = collect(s, parts), x = 1;
	int hint_columns = glyph_columns(hint, strlen(hint));

	view_fill(v, 0, 0, v.w, 1, ' ', STYLE_STATUS);
	for (;;) {
		int total = 1 + hint_columns + 2, lightest = 0;

		for (int i = 0; i < n; i++) {
			total += columns(&parts[i]) + 3;
			if (parts[i].weight < parts[lightest].weight)
				lightest = i;
		}
		if (total <= v.w || n <= 1)
			break;
		memmove(&parts[lightest], &parts[lightest + 1],
			(size_t)(--n - lightest) * sizeof(parts[0]));
	}
	for (int i = 0; i < n; i++) {
		if (i > 0)
			x = view_putz(v, x, 0, " · ", STYLE_STATUS);
		if (parts[i].share >= 0) {
			int done = (int)(parts[i].share * BAR_COLUMNS + 0.5);

			view_fill(v, x, 0, BAR_COLUMNS, 1, 0x2591, STYLE_STATUS);
			view_fill(v, x, 0, done, 1, ' ', STYLE_BAR);
			x += BAR_COLUMNS + 1;
		}
		x = view_put_cut(v, x, 0, v.w - x, str_of(parts[i].text), STYLE_STATUS);
	}
	if (x + hint_columns + 2 <= v.w)
		view_putz(v, v.w - hint_columns - 1, 0, hint, STYLE_STATUS);
}
