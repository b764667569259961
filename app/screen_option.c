#include "app/screen_private.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_MAX 48

static const char *const efforts[] = {"none", "low", "high", "max", NULL};
static const char *const switches[] = {"off", "on", NULL};

enum value { VALUE_EFFORT, VALUE_REAL, VALUE_COUNT, VALUE_SEED, VALUE_MOUSE };

/* What changes while it runs; all holds from the next turn on. */
static const struct option {
	const char *name, *help;
	enum value value;
	size_t at; /* in struct sampling */
	double least, most;
	const char *const *choices;
} options[] = {
	{"effort", "how long the model thinks", VALUE_EFFORT, 0, 0, 0, efforts},
	{"temperature", "how freely it chooses; 0 = always the likeliest", VALUE_REAL,
	 offsetof(struct sampling, temperature), 0, 10, NULL},
	{"top-p", "choose among the likeliest that make up this share", VALUE_REAL,
	 offsetof(struct sampling, top_p), 0, 1, NULL},
	{"min-p", "leave out what is less likely than this, against the best", VALUE_REAL,
	 offsetof(struct sampling, min_p), 0, 1, NULL},
	{"max-tokens", "of one answer; 0 = as many as there is room for", VALUE_COUNT,
	 offsetof(struct sampling, max_tokens), 0, 1e9, NULL},
	{"seed", "the same seed gives the same answer; random = another each time", VALUE_SEED,
	 0, 0, 0, NULL},
	{"mouse", "wheel and clicks; off leaves selecting to the terminal", VALUE_MOUSE, 0, 0,
	 0, switches},
};
#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

static void *field(struct screen *s, const struct option *o)
{
	return (char *)&s->sampling + o->at;
}

static void get(struct screen *s, const struct option *o, char out[VALUE_MAX])
{
	switch (o->value) {
	case VALUE_EFFORT:
		snprintf(out, VALUE_MAX, "%s", efforts[s->effort]);
		break;
	case VALUE_REAL:
		snprintf(out, VALUE_MAX, "%g", *(const double *)field(s, o));
		break;
	case VALUE_COUNT:
		snprintf(out, VALUE_MAX, "%lld", (long long)*(const int64_t *)field(s, o));
		break;
	case VALUE_SEED:
		if (s->seed_given)
			snprintf(out, VALUE_MAX, "%llu", (unsigned long long)s->sampling.seed);
		else
			snprintf(out, VALUE_MAX, "random");
		break;
	case VALUE_MOUSE:
		snprintf(out, VALUE_MAX, "%s", switches[s->mouse]);
		break;
	}
}

static int choice(const char *const *choices, const char *value)
{
	for (int i = 0; choices[i] != NULL; i++)
		if (strcmp(choices[i], value) == 0)
			return i;
	return -1;
}

/* False where the value is none for it. */
static bool set(struct screen *s, const struct option *o, const char *value)
{
	char *end;
	int i;

	switch (o->value) {
	case VALUE_EFFORT:
		i = choice(efforts, value);
		if (i >= 0)
			s->effort = (enum chat_effort)i;
		return i >= 0;
	case VALUE_MOUSE:
		i = choice(switches, value);
		if (i >= 0)
			s->mouse = i == 1;
		if (i >= 0 && s->terminal != NULL)
			terminal_set_mouse(s->terminal, s->mouse);
		return i >= 0;
	case VALUE_SEED:
		if (strcmp(value, "random") == 0) {
			s->seed_given = false;
			return true;
		}
		if (value[0] < '0' || value[0] > '9')
			return false;
		s->sampling.seed = strtoull(value, &end, 10);
		s->seed_given = *end == '\0';
		return s->seed_given;
	case VALUE_REAL:
	case VALUE_COUNT: {
		double v = strtod(value, &end);

		if (end == value || *end != '\0' || !isfinite(v) || v < o->least || v > o->most)
			return false;
		if (o->value == VALUE_REAL)
			*(double *)field(s, o) = v;
		else if (v == floor(v))
			*(int64_t *)field(s, o) = (int64_t)v;
		else
			return false;
		return true;
	}
	}
	return false;
}

void screen_show_options(struct screen *s)
{
	struct tui_option rows[N_OPTIONS];
	char values[N_OPTIONS][VALUE_MAX];

	for (size_t i = 0; i < N_OPTIONS; i++) {
		get(s, &options[i], values[i]);
		rows[i] = (struct tui_option){options[i].name, values[i], options[i].help,
					      options[i].choices};
	}
	tui_show_options(s->tui, rows, N_OPTIONS);
}

void screen_set_option(struct screen *s, struct str name, struct str value)
{
	char text[VALUE_MAX], now[VALUE_MAX];

	for (size_t i = 0; i < N_OPTIONS; i++) {
		if (!str_is(name, options[i].name))
			continue;
		snprintf(text, sizeof(text), "%.*s", (int)(value.n < VALUE_MAX ? value.n : 0),
			 value.p);
		if (!set(s, &options[i], text)) {
			if (options[i].value == VALUE_REAL || options[i].value == VALUE_COUNT)
				tui_say(s->tui, STYLE_ERROR,
					"%s: expected a number from %g to %g", options[i].name,
					options[i].least, options[i].most);
			else
				tui_say(s->tui, STYLE_ERROR, "%s: no such value: %s",
					options[i].name, text);
			return;
		}
		get(s, &options[i], now);
		tui_say(s->tui, STYLE_FAINT, "%s is %s", options[i].name, now);
		return;
	}
	tui_say(s->tui, STYLE_ERROR, "no such option: F2 shows them");
}
