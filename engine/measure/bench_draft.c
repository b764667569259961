/* Timing cycles of drafting, every depth in turn so that all see the same machine. */
#include "engine/measure/bench_draft.h"

#include <stdlib.h>

#include "engine/base/clock.h"
#include "engine/engine.h"
#include "engine/measure/bench_internal.h"

/* Rounds of every depth: so many where they take no longer than these seconds, and a few. */
#define ROUNDS     24
#define FEW_ROUNDS 5
#define SECONDS    60

/*
 * Tokens a step gives of the published models, by depth, 1 … 3: reasoning, and plain text.
 * Published measurements; deeper ones are not known.
 */
static const struct {
	double thinking, text;
} gives[] = {{1, 1}, {1.8, 1.9}, {2.3, 2.6}, {2.5, 3.0}};

#define N_GIVES (int)(sizeof(gives) / sizeof(gives[0]))

struct timing {
	struct model *m;
	struct seq *s;
	int64_t at; /* every cycle begins here */
	uint64_t seed;
	int n_rounds;
	double t[1 + DRAFT_MAX][ROUNDS];
};

static int time_cycle(struct timing *k, int depth, double *t, struct err *err)
{
	const struct sample_how how = {.top_p = 1, .n_choice = k->m->cfg.vocab};
	struct choice choices[1 + DRAFT_MAX];
	struct forward_cycle cycle = {.depth = depth};
	token_id id = bench_draw_id(k->m, &k->seed);
	const struct forward f = {
		.ids = &id,
		.n = 1,
		.want = depth ? WANT_ALL : WANT_LAST,
		.choices = choices,
		.how = &how,
		.cycle = depth ? &cycle : NULL,
	};
	double began = clock_s();
	int rc = seq_run(k->s, f, err);

	*t = clock_s() - began;
	return rc ? rc : seq_truncate(k->s, k->at, err);
}

static int time_depths(struct timing *k, int most, struct err *err)
{
	double none, until;
	int rc = seq_pretend(k->s, k->at, err);

	/* The first of a kind may have to prepare something. */
	for (int depth = 0; !rc && depth <= most; depth++)
		rc = time_cycle(k, depth, &none, err);
	until = clock_s() + SECONDS;
	while (!rc && k->n_rounds < ROUNDS && (k->n_rounds < FEW_ROUNDS || clock_s() < until)) {
		for (int depth = 0; !rc && depth <= most; depth++)
			rc = time_cycle(k, depth, &k->t[depth][k->n_rounds], err);
		k->n_rounds++;
	}
	return rc;
}

static void show(struct timing *k, int most, struct buf *out)
{
	double first = 0;

	buf_addf(out,
		 "a step at context %lld, by how many tokens it drafts (medians of %d); "
		 "tokens/s are\n"
		 "derived: from what a step gives of published models, reasoning and plain "
		 "text\n"
		 "  %5s %9s %10s %16s %16s\n",
		 (long long)k->at, k->n_rounds, "draft", "ms", "of no draft", "tokens a step",
		 "tokens/s");
	for (int depth = 0; depth <= most; depth++) {
		double t = bench_median(k->t[depth], k->n_rounds);

		first = depth ? first : t;
		buf_addf(out, "  %5d %9.2f %10.2f", depth, 1e3 * t, t / first);
		if (depth < N_GIVES)
			buf_addf(out, " %8.1f %7.1f %8.1f %7.1f", gives[depth].thinking,
				 gives[depth].text, gives[depth].thinking / t,
				 gives[depth].text / t);
		buf_addc(out, '\n');
	}
	buf_addc(out, '\n');
}

int bench_draft(const struct bench_request *req, struct buf *out, struct err *err)
{
	struct model_options opt = model_options_of(req->config);
	struct timing *k = calloc(1, sizeof(*k));
	int most = 0, rc;

	if (!k)
		return err_nomem(err, "bench", sizeof(*k));
	opt.dummy = req->dummy;
	opt.dummy_layers = req->layers;
	k->seed = 11;
	rc = model_open(&k->m, &opt, err);
	if (!rc)
		rc = seq_new(&k->s, k->m, err);
	if (!rc) {
		k->at = k->m->ctx < 1100 ? k->m->ctx / 2 : 1000;
		most = model_draft_most(k->m);
		if (!most)
			buf_addz(out, "the model has no draft head: nothing is drafted\n");
	}
	if (!rc && most) {
		rc = time_depths(k, most, err);
		if (!rc)
			show(k, most, out);
	}
	if (!rc && buf_failed(out))
		rc = err_nomem(err, "report", out->len);
	seq_free(k->s);
	model_close(k->m);
	free(k);
	return rc;
}
