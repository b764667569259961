/*
 * What cycles of drafting choose is distributed as plain sampling from the model's probabilities:
 * chi-square of the first token and of the first two, over as many seeds.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/cache/seq.h"
#include "engine/pass/model.h"
#include "engine/text/tokenizer.h"

#define TEMPERATURE 2.0
#define LEAST       8.0 /* expected in a bin of its own; all the rest is one bin */
#define MOST_FIRST  24  /* first tokens whose followers are looked at */

struct sampled {
	struct model *m;
	struct seq *s;
	int vocab;
	struct tokens prompt;
	int64_t at; /* the prompt but for its last id */
	int n;      /* samples */
	int accepted;
	double *first, *pairs; /* how often: [vocab], [MOST_FIRST, vocab] */
	int place[4096];       /* of a first token among those looked at; -1 */
};

static void read_prompt(struct sampled *k)
{
	struct tokenizer *tok;
	struct err err = {0};
	size_t n_replaced = 0;

	if (tokenizer_open(&tok, "share/nano", &err))
		fail_msg("%s", err.text);
	assert_int_equal(tokenizer_encode(tok, STR_LIT("What is the capital of"), &k->prompt,
					  &n_replaced, &err),
			 0);
	tokenizer_close(tok);
}

static void sampled_open(struct sampled *k)
{
	const struct model_options opt = {
		.dir = "share/nano", .n_threads = 1, .ctx_tokens = 256, .prefill_chunk = 64};
	struct err err = {0};

	*k = (struct sampled){.n = getenv("DSV4CHAT_SLOW") ? 20000 : 2000};
	read_prompt(k);
	if (model_open(&k->m, &opt, &err))
		fail_msg("%s", err.text);
	assert_int_equal(seq_new(&k->s, k->m, &err), 0);
	k->vocab = model_config(k->m)->vocab;
	assert_int_equal(k->vocab, 4096);
	k->first = calloc((size_t)k->vocab * (1 + MOST_FIRST), sizeof(*k->first));
	assert_non_null(k->first);
	k->pairs = k->first + k->vocab;
	k->at = (int64_t)k->prompt.n - 1;
	if (seq_forward(k->s, k->prompt.ids, (int)k->at, WANT_NONE, NULL, NULL, &err))
		fail_msg("%s", err.text);
}

static void sampled_close(struct sampled *k)
{
	seq_free(k->s);
	model_close(k->m);
	tokens_release(&k->prompt);
	free(k->first);
}

/* The probabilities of what follows the prompt and, if there is one, `id`. */
static void probabilities(struct sampled *k, token_id id, double *p)
{
	token_id ids[2] = {k->prompt.ids[k->at], id};
	float *logits = malloc((size_t)k->vocab * sizeof(float));
	struct err err = {0};
	double best = -INFINITY, sum = 0;

	assert_non_null(logits);
	if (seq_forward(k->s, ids, id < 0 ? 1 : 2, WANT_LAST, logits, NULL, &err))
		fail_msg("%s", err.text);
	assert_int_equal(seq_truncate(k->s, k->at, &err), 0);
	for (int i = 0; i < k->vocab; i++)
		best = fmax(best, (double)logits[i]);
	for (int i = 0; i < k->vocab; i++) {
		p[i] = exp(((double)logits[i] - best) / TEMPERATURE);
		sum += p[i];
	}
	for (int i = 0; i < k->vocab; i++)
		p[i] /= sum;
	free(logits);
}

/* One cycle from `id` on; what it chose is appended. */
static void cycle(struct sampled *k, token_id id, int depth, uint64_t seed, token_id *out, int *n)
{
	const struct sample_how how = {
		.temperature = TEMPERATURE, .top_p = 1, .seed = seed, .n_choice = k->vocab};
	struct forward_cycle c = {.depth = depth};
	struct choice choices[1 + DRAFT_MAX];
	struct err err = {0};
	const struct forward f = {
		.ids = &id,
		.n = 1,
		.want = WANT_ALL,
		.choices = choices,
		.how = &how,
		.cycle = &c,
	};

	if (seq_run(k->s, f, &err))
		fail_msg("%s", err.text);
	k->accepted += *n == 0 && c.n_accepted > 0;
	for (int i = 0; i <= c.n_accepted; i++)
		out[(*n)++] = choices[i].id;
}

static void draw_all(struct sampled *k)
{
	for (int i = 0; i < k->n; i++) {
		token_id ids[3 + 2 * DRAFT_MAX] = {0};
		uint64_t seed = 0x9E3779B97F4A7C15u * (uint64_t)(i + 1);
		struct err err = {0};
		int n = 0;

		cycle(k, k->prompt.ids[k->at], 1 + i % 3, seed, ids, &n);
		if (n < 2)
			cycle(k, ids[0], 1, seed, ids, &n);
		k->first[ids[0]]++;
		if (k->place[ids[0]] >= 0)
			k->pairs[(size_t)k->place[ids[0]] * (size_t)k->vocab + (size_t)ids[1]]++;
		assert_int_equal(seq_truncate(k->s, k->at, &err), 0);
	}
}

/* Chi-square of counts whose chances are known; all rare ones together are a bin. */
struct fit {
	double chi, n_bins, seen, expected; /* the last two: of the rare */
};

static void fit_add(struct fit *f, double seen, double expected)
{
	if (expected < LEAST) {
		f->seen += seen;
		f->expected += expected;
		return;
	}
	f->chi += (seen - expected) * (seen - expected) / expected;
	f->n_bins++;
}

/* By Wilson and Hilferty, how many standard deviations it lies above what chance gives. */
static double fit_end(struct fit *f)
{
	double df;

	if (f->expected >= LEAST) {
		f->chi += (f->seen - f->expected) * (f->seen - f->expected) / f->expected;
		f->n_bins++;
	}
	df = f->n_bins - 1;
	assert_true(df >= 3);
	return (cbrt(f->chi / df) - (1 - 2 / (9 * df))) / sqrt(2 / (9 * df));
}

/* The likeliest first tokens have a place. */
static int choose_places(struct sampled *k, const double *p, token_id *ids)
{
	int n = 0;

	for (int i = 0; i < k->vocab; i++)
		k->place[i] = -1;
	while (n < MOST_FIRST) {
		int best = -1;

		for (int i = 0; i < k->vocab; i++) {
			if (k->place[i] < 0 && (best < 0 || p[i] > p[best]))
				best = i;
		}
		if (p[best] * k->n < 4 * LEAST)
			break;
		ids[n] = best;
		k->place[best] = n++;
	}
	return n;
}

static void what_is_drafted_is_distributed_as_what_is_not(void **state)
{
	struct sampled k;
	struct fit first = {0}, pairs = {0};
	token_id ids[MOST_FIRST];
	double *p, *follows, left = 1, z[2];
	int n;

	(void)state;
	sampled_open(&k);
	p = calloc(2 * (size_t)k.vocab, sizeof(*p));
	assert_non_null(p);
	follows = p + k.vocab;
	probabilities(&k, -1, p);
	n = choose_places(&k, p, ids);
	assert_true(n >= 3);
	draw_all(&k);
	for (int i = 0; i < k.vocab; i++)
		fit_add(&first, k.first[i], p[i] * k.n);
	for (int j = 0; j < n; j++) {
		probabilities(&k, ids[j], follows);
		left -= p[ids[j]];
		for (int i = 0; i < k.vocab; i++)
			fit_add(&pairs, k.pairs[(size_t)j * (size_t)k.vocab + (size_t)i],
				p[ids[j]] * follows[i] * k.n);
	}
	z[0] = fit_end(&first);
	z[1] = fit_end(&pairs);
	if (!(z[0] < 3.5 && z[1] < 3.5))
		fail_msg("%.0f bins: %.2f, %.0f bins of pairs: %.2f standard deviations",
			 first.n_bins, z[0], pairs.n_bins, z[1]);
	/* Drafts are accepted, and refused, and pairs are looked at: else it says nothing. */
	assert_in_range(k.accepted, k.n / 20, k.n - k.n / 20);
	assert_true(left < 0.7);
	free(p);
	sampled_close(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_drafted_is_distributed_as_what_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
