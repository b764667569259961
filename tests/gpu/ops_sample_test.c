/* Choices: the same ones from the same logits, whatever filters, ties and odd values there are.
 */
#include "tests/gpu/harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct sample_case {
	int vocab, n_top;
	struct pair step, how, logits, out;
};

static int sample(struct backend *be, int side, int t0, int n, void *ctx, struct err *err)
{
	const struct sample_case *k = ctx;
	struct sample_args a = {
		.n_tok = n,
		.vocab = k->vocab,
		.n_top = k->n_top,
		.step = k->step.p[side],
		.how = k->how.p[side],
		.logits = bench_at(&k->logits, side, (size_t)t0 * (size_t)k->vocab),
		.out = bench_at(&k->out, side, (size_t)t0 * sizeof(struct choice)),
	};

	return be->ops->sample(be, &a, err);
}

enum kind {
	SMOOTH,  /* normal, as random weights give them          */
	PEAKED,  /* a few far above the rest                     */
	TIED,    /* few distinct values, some of them -0 and +0  */
	ALL_ONE, /* every logit the same                         */
	ODD,     /* some rows with an infinity or no number      */
	N_KIND
};

static void fill(struct bench *b, enum kind kind, float *v, int rows, int vocab)
{
	for (int i = 0; i < rows * vocab; i++) {
		float g = (float)bench_gauss(b) * 3.0f;

		switch (kind) {
		case SMOOTH:
		case ODD:
		case N_KIND:
			v[i] = g;
			break;
		case PEAKED:
			v[i] = bench_below(b, 500) == 0 ? 20.0f + g : g;
			break;
		case TIED:
			v[i] = bench_below(b, 2) ? floorf(g) : -0.0f;
			break;
		case ALL_ONE:
			v[i] = -2.5f;
			break;
		}
	}
	for (int t = 0; kind == ODD && t < rows; t += 2) {
		v[t * vocab + bench_below(b, vocab)] = t % 4 ? INFINITY : NAN;
		v[t * vocab + bench_below(b, vocab)] = -INFINITY;
	}
}

static const struct sample_how hows[] = {
	{.temperature = 0, .top_p = 1},
	{.temperature = 1, .top_p = 1},
	{.temperature = 6, .top_p = 1},
	{.temperature = 0.7, .top_p = 0.95},
	{.temperature = 1, .top_p = 0.5, .top_k = 40},
	{.temperature = 1.3, .top_p = 1, .top_k = 1},
	{.temperature = 1.3, .top_p = 1, .top_k = 7},
	{.temperature = 1, .top_p = 1, .min_p = 0.1},
	{.temperature = 2, .top_p = 0.999, .min_p = 0.01, .top_k = 2000},
	{.temperature = 1, .top_p = 0},
	{.temperature = 1000, .top_p = 0.9, .min_p = 1},
	{.temperature = 0.01, .top_p = 0.9},
};

static void compare(struct bench *b, int rows, int vocab, int n_choice, int n_top,
		    enum kind kind, const struct sample_how *base)
{
	struct sample_how how = *base;
	struct sample_case k = {.vocab = vocab, .n_top = n_top};
	size_t n = (size_t)rows * (size_t)vocab;
	float *v = malloc(n * sizeof(*v));

	assert_non_null(v);
	bench_case(b,
		   "sample, %d rows of %d, %d chosen among, kind %d, T %g, top_p %g, top_k %d, "
		   "min_p %g, %d alternatives",
		   rows, vocab, n_choice, (int)kind, how.temperature, how.top_p, (int)how.top_k,
		   how.min_p, n_top);
	how.seed = bench_bits(b);
	how.n_choice = n_choice;
	fill(b, kind, v, rows, vocab);
	k.step = bench_step(b, (int64_t)bench_below(b, 1 << 20), 0);
	k.how = bench_bytes(b, &how, sizeof(how));
	k.logits = bench_given(b, PAIR_F32, v, n);
	k.out = bench_out(b, PAIR_BYTES, (size_t)rows * sizeof(struct choice));
	bench_run(b, rows, sample, &k);
	bench_same_bytes(b, "choices", &k.out, 0);
	free(v);
}

static void small_vocabularies_choose_as_the_reference(void **state)
{
	static const int vocabs[] = {1, 2, 3, 64, 320, 4096};

	for (size_t i = 0; i < COUNT(vocabs); i++) {
		for (size_t h = 0; h < COUNT(hows); h++) {
			for (int kind = 0; kind < N_KIND; kind++)
				compare(*state, kind % 2 ? 5 : 16, vocabs[i],
					vocabs[i] - (int)h % 2 * (vocabs[i] / 7),
					(int)h % 3 * 10, (enum kind)kind, &hows[h]);
		}
	}
}

static void the_whole_vocabulary_chooses_as_the_reference(void **state)
{
	for (size_t h = 0; h < COUNT(hows); h++) {
		for (int kind = 0; kind < N_KIND; kind++)
			compare(*state, 3, 129280, h % 2 ? 129280 : 128815, (int)h % 2 * 20,
				(enum kind)kind, &hows[h]);
	}
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		BENCH_TEST(small_vocabularies_choose_as_the_reference),
		BENCH_TEST(the_whole_vocabulary_chooses_as_the_reference),
	};

	return BENCH_MAIN(argc, argv, tests);
}
