/* The same questions again and again, each time with another --draft. */
#include "app/verb/bench_draft.h"

#include <stdio.h>

#include "engine/base/clock.h"
#include "engine/engine.h"

#define MOST_TOKENS 96
/* So many questions are asked, and more, again if need be, until so many tokens came without
 * drafts, or so long. */
#define AT_LEAST 6
#define ENOUGH	 2000
#define SECONDS	 20

/* What people ask a small model, of every kind that it answers. */
static const char *const questions[] = {
	"What is 347 + 285?",
	"How do I list the largest files of a folder?",
	"Who are you, and what can you do?",
	"How many metres are 12 kilometres and 30 metres?",
	"What is the capital of Italy?",
	"What is 23 * 17?",
	"What does grep -r do?",
	"How do I copy a folder with all that is in it?",
	"Hello! How are you today?",
	"What day comes after Tuesday?",
	"How many minutes are three hours?",
	"What is the capital of Norway, and of Peru?",
	"How do I see which processes use most memory?",
	"What is 912 - 458?",
	"Which command shows the last lines of a file?",
	"Thank you, that helped me a lot.",
	"How do I count the lines of a file?",
	"Can you write a poem?",
	"How do I make a script executable?",
	"How many grams are two kilograms?",
	"What is the difference between rm and rmdir?",
	"What is 15 * 12 + 7?",
	"How do I find out how much space is left on a disk?",
	"What do you know about Debian?",
};

#define N_QUESTIONS (int)(sizeof(questions) / sizeof(questions[0]))

/* DRAFT_AUTO, DRAFT_OFF and every depth. */
#define N_WAYS (DRAFT_OFF + USAGE_PLACES + 1)

static void add_usage(struct turn_usage *sum, const struct turn_usage *u)
{
	sum->output_tokens += u->output_tokens;
	sum->decode_ns += u->decode_ns;
	sum->steps += u->steps;
	sum->drafted += u->drafted;
	sum->accepted += u->accepted;
	for (int i = 0; i < USAGE_PLACES; i++) {
		sum->drafted_at[i] += u->drafted_at[i];
		sum->accepted_at[i] += u->accepted_at[i];
	}
}

static int ask(struct engine *e, const char *text, int draft, struct turn_usage *sum,
	       struct err *err)
{
	const struct chat_message question = {.role = CHAT_USER, .content = str_of(text)};
	struct turn_request req = {
		.chat = {.messages = &question, .n_messages = 1, .effort = EFFORT_LOW},
		.sampling = {.top_p = 1, .max_tokens = MOST_TOKENS, .draft = draft},
	};
	uint64_t number;
	int rc = e->ops->submit(e, &req, &number, err);
	bool over = rc != 0;

	while (!over) {
		struct event ev = {0};

		event_queue_pop(e->events, &ev, -1);
		over = ev.kind == EV_DONE || ev.kind == EV_ERROR;
		if (ev.kind == EV_ERROR) {
			*err = ev.err;
			rc = ev.err.code;
		} else if (ev.kind == EV_DONE) {
			add_usage(sum, &ev.usage);
		}
		event_release(&ev);
	}
	return rc;
}

/* How deep anything was drafted: what the draft head can. */
static int most_drafted(const struct turn_usage *all)
{
	int most = 0;

	while (most < USAGE_PLACES && all->drafted_at[most])
		most++;
	return most;
}

static double rate(const struct turn_usage *u)
{
	return u->decode_ns ? 1e9 * (double)u->output_tokens / (double)u->decode_ns : 0;
}

static void show_way(const char *name, const struct turn_usage *u, const struct turn_usage *off,
		     struct buf *out)
{
	buf_addf(out, "  %5s %9.1f %9.2f %9.2f  ", name, rate(u),
		 rate(off) > 0 ? rate(u) / rate(off) : 0,
		 u->steps ? (double)u->output_tokens / (double)u->steps : 0);
	for (int i = 0; i < USAGE_PLACES && u->drafted_at[i]; i++)
		buf_addf(out, " %3.0f",
			 100 * (double)u->accepted_at[i] / (double)u->drafted_at[i]);
	buf_addc(out, '\n');
}

static void show(const struct turn_usage ways[N_WAYS], int n_answers, struct buf *out)
{
	const struct turn_usage *off = &ways[DRAFT_OFF];
	int most = most_drafted(&ways[N_WAYS - 1]);
	char name[12];

	buf_addf(out,
		 "%d answers, greedy, %lld tokens, with every --draft: the same text\n"
		 "  %5s %9s %9s %9s   accepted at each place, %%\n",
		 n_answers, (long long)off->output_tokens, "draft", "tokens/s", "of off",
		 "a step");
	show_way("off", off, off, out);
	for (int depth = 1; depth <= most; depth++) {
		snprintf(name, sizeof(name), "%d", depth);
		show_way(name, &ways[DRAFT_OFF + depth], off, out);
	}
	show_way("auto", &ways[DRAFT_AUTO], off, out);
	if (!ways[DRAFT_AUTO].drafted)
		buf_addz(out, "  auto drafts nothing here: it would not pay\n");
	buf_addc(out, '\n');
}

/* One question, with every way in turn, so that all see the same machine. */
static int ask_all(struct engine *e, const char *text, struct turn_usage *ways, struct err *err)
{
	int rc = 0;

	for (int way = 0; !rc && way < N_WAYS; way++)
		rc = ask(e, text, way, &ways[way], err);
	return rc;
}

int verb_bench_draft(const struct engine_config *config, struct buf *out, struct err *err)
{
	struct turn_usage ways[N_WAYS] = {0}, first = {0};
	struct engine *e = NULL;
	struct err why = {0};
	double until = clock_s() + SECONDS;
	int n = 0, rc = engine_open(&e, config, err);

	if (rc)
		return rc;
	while (!rc && !why.code &&
	       (n < AT_LEAST ||
		(ways[DRAFT_OFF].output_tokens < ENOUGH && clock_s() < until))) {
		/*
		 * Each is asked once more, before: that reads it, touches the memory of its
		 * answer, the first of all waits for the load, and finds what can't be asked.
		 */
		const char *text = questions[n % N_QUESTIONS];

		if (n < N_QUESTIONS && ask(e, text, DRAFT_AUTO, &first, &why))
			buf_addf(out, "no answers with drafts: %s\n", why.text);
		else
			rc = ask_all(e, text, ways, err);
		n++;
	}
	e->ops->close(e);
	if (!rc && !why.code)
		show(ways, n, out);
	return rc;
}
