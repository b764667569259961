#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/session/rng.h"
#include "engine/session/sampler.h"

#define VOCAB 129280

static token_id choose(const struct sampling *how, const float *logits, int64_t vocab,
		       int64_t position)
{
	struct sampler s;
	struct err err = {0};
	token_id id = -1;

	assert_int_equal(sampler_init(&s, how, vocab, &err), 0);
	if (sampler_choose(&s, logits, position, &id, &err))
		fail_msg("%s", err.text);
	sampler_release(&s);
	return id;
}

/* Logits that look like a model's: a few high ones over a wide field. */
static float *made_logits(int64_t n, uint64_t seed)
{
	float *l = malloc((size_t)n * sizeof(*l));

	assert_non_null(l);
	for (int64_t i = 0; i < n; i++)
		l[i] = (float)(2.5 * rng_gumbel(rng_uniform(seed, 1, (uint32_t)i)) - 5);
	return l;
}

static void the_generator_gives_the_published_words(void **state)
{
	static const struct {
		uint32_t counter[4], key[2], want[4];
	} cases[] = {
		{{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
		 {0xffffffff, 0xffffffff},
		 {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
		 {0xa4093822, 0x299f31d0},
		 {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rng_block c;

		memcpy(c.word, cases[i].counter, sizeof(c.word));
		c = rng_philox(c, cases[i].key);
		assert_memory_equal(c.word, cases[i].want, sizeof(c.word));
	}
}

static void uniform_numbers_stay_inside_and_are_uniform(void **state)
{
	double sum = 0, square = 0;
	const int n = 200000;
	int bin[64] = {0};
	double chi = 0;

	(void)state;
	for (int i = 0; i < n; i++) {
		double u = rng_uniform(7, (uint64_t)i / 1000, (uint32_t)i % 1000);

		assert_true(u > 0 && u < 1);
		sum += u;
		square += u * u;
		bin[(int)(u * 64)]++;
	}
	for (int i = 0; i < 64; i++)
		chi += (bin[i] - n / 64.0) * (bin[i] - n / 64.0) / (n / 64.0);
	assert_true(fabs(sum / n - 0.5) < 0.004);
	assert_true(fabs(square / n - 1.0 / 3) < 0.004);
	assert_true(chi < 120); /* 63 degrees of freedom: 1 in 50,000 */
}

static void neighbouring_tokens_positions_and_seeds_draw_apart(void **state)
{
	(void)state;
	for (uint32_t t = 0; t < 1000; t++) {
		double u = rng_uniform(1, 5, t);

		assert_true(u != rng_uniform(1, 5, t + 1));
		assert_true(u != rng_uniform(1, 6, t));
		assert_true(u != rng_uniform(2, 5, t));
		assert_true(u != rng_uniform(1 + (1ull << 32), 5, t));
		assert_true(u != rng_uniform(1, 5 + (1ull << 32), t));
		assert_true(u == rng_uniform(1, 5, t));
	}
}

/* Chi-square of n choices against wanted probabilities. */
static double chi_square(const struct sampling *how, const float *logits, int vocab,
			 const double *want, int n)
{
	struct sampler s;
	struct err err = {0};
	double chi = 0;
	int *count = calloc((size_t)vocab, sizeof(*count));

	assert_non_null(count);
	assert_int_equal(sampler_init(&s, how, vocab, &err), 0);
	for (int i = 0; i < n; i++) {
		token_id id;

		assert_int_equal(sampler_choose(&s, logits, i, &id, &err), 0);
		count[id]++;
	}
	for (int i = 0; i < vocab; i++) {
		if (want[i] > 0)
			chi += (count[i] - n * want[i]) * (count[i] - n * want[i]) /
			       (n * want[i]);
		else
			assert_int_equal(count[i], 0);
	}
	sampler_release(&s);
	free(count);
	return chi;
}

static const float ten[10] = {1.5f, -0.5f, 0.0f, 2.0f, 0.25f, -1.0f, 1.5f, 0.75f, -3.0f, 1.0f};

static void choices_follow_the_softmax_at_every_temperature(void **state)
{
	static const double temperatures[] = {0.3, 0.7, 1.0, 2.0};

	(void)state;
	for (size_t k = 0; k < sizeof(temperatures) / sizeof(temperatures[0]); k++) {
		struct sampling how = {
			.temperature = temperatures[k], .top_p = 1, .seed = 11 + k};
		double p[10], all = 0;

		for (int i = 0; i < 10; i++)
			all += p[i] = exp((double)ten[i] / how.temperature);
		for (int i = 0; i < 10; i++)
			p[i] /= all;
		/* 9 degrees of freedom: beyond 33.7 once in 10,000. */
		assert_true(chi_square(&how, ten, 10, p, 100000) < 33.7);
	}
}

static void kept_tokens_keep_their_proportions_and_no_other_appears(void **state)
{
	/* In order: 3 (2.0), 0 and 6 (1.5), 9 (1.0), 7 (.75), 4 (.25), 2, 1, 5, 8. */
	static const struct {
		struct sampling how;
		int kept[10], n_kept;
	} cases[] = {
		{{.temperature = 1, .top_p = 1, .top_k = 1}, {3}, 1},
		{{.temperature = 1, .top_p = 1, .top_k = 2}, {3, 0}, 2},
		{{.temperature = 1, .top_p = 1, .top_k = 3}, {3, 0, 6}, 3},
		{{.temperature = 1, .top_p = 1, .top_k = 10},
		 {0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
		 10},
		{{.temperature = 1, .top_p = 0}, {3}, 1},
		{{.temperature = 1, .top_p = 0.30}, {3}, 1},
		{{.temperature = 1, .top_p = 0.45}, {3, 0}, 2},
		{{.temperature = 1, .top_p = 0.60}, {3, 0, 6}, 3},
		{{.temperature = 1, .top_p = 1, .min_p = 0.6}, {3, 0, 6}, 3},
		{{.temperature = 1, .top_p = 1, .min_p = 1}, {3}, 1},
		{{.temperature = 1, .top_p = 1, .min_p = 0.36}, {3, 0, 6, 9}, 4},
		/* top_p counts among what top_k kept: e^2 is 45 % of e^2 + 2e^1.5. */
		{{.temperature = 1, .top_p = 0.44, .top_k = 3}, {3}, 1},
		{{.temperature = 1, .top_p = 0.46, .top_k = 3}, {3, 0}, 2},
		{{.temperature = 1, .top_p = 0.9, .top_k = 4, .min_p = 0.7}, {3}, 1},
		{{.temperature = 2, .top_p = 1, .min_p = 0.7}, {3, 0, 6}, 3},
	};

	(void)state;
	for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
		double p[10] = {0}, all = 0;

		for (int i = 0; i < cases[k].n_kept; i++) {
			int id = cases[k].kept[i];

			all += p[id] = exp((double)ten[id] / cases[k].how.temperature);
		}
		for (int i = 0; i < 10; i++)
			p[i] /= all;
		assert_true(chi_square(&cases[k].how, ten, 10, p, 20000) < 33.7);
	}
}

/* The definition, read aloud: sort, keep, add noise, take the best. */
struct ranked {
	double x;
	token_id id;
};

static int by_rank(const void *a, const void *b)
{
	const struct ranked *p = a, *q = b;

	if (p->x != q->x)
		return p->x > q->x ? -1 : 1;
	return p->id < q->id ? -1 : p->id > q->id;
}

static token_id choose_plainly(const struct sampling *how, const float *logits, int vocab,
			       int64_t position)
{
	struct ranked *r = malloc((size_t)vocab * sizeof(*r));
	double all = 0, sum = 0, best = -INFINITY;
	int n = how->top_k > 0 && how->top_k < vocab ? how->top_k : vocab;
	token_id id = -1;

	assert_non_null(r);
	for (int i = 0; i < vocab; i++)
		r[i] = (struct ranked){(double)logits[i], i};
	qsort(r, (size_t)vocab, sizeof(*r), by_rank);
	for (int i = vocab; i-- > 0;)
		r[i].x = (r[i].x - r[0].x) / how->temperature;
	for (int i = 0; i < n; i++)
		all += exp(r[i].x);
	for (int i = 0; i < n; i++) {
		double noisy;

		if (i > 0 && (how->top_p < 1 && sum >= how->top_p * all))
			break;
		if (how->min_p > 0 && r[i].x < log(how->min_p))
			break;
		sum += exp(r[i].x);
		noisy = r[i].x + rng_gumbel(rng_uniform(how->seed, (uint64_t)position,
							(uint32_t)r[i].id));
		if (noisy > best || (noisy == best && r[i].id < id)) {
			best = noisy;
			id = r[i].id;
		}
	}
	free(r);
	return id;
}

static void shortcuts_choose_what_the_plain_definition_chooses(void **state)
{
	static const struct sampling hows[] = {
		{.temperature = 1, .top_p = 1},
		{.temperature = 0.2, .top_p = 1},
		{.temperature = 5, .top_p = 1},
		{.temperature = 1, .top_p = 0.95},
		{.temperature = 1.5, .top_p = 0.5},
		{.temperature = 1, .top_p = 1, .top_k = 40},
		{.temperature = 1, .top_p = 0.9, .top_k = 50, .min_p = 0.02},
		{.temperature = 1, .top_p = 1, .min_p = 0.05},
	};
	const int vocab = 3000;

	(void)state;
	for (uint64_t k = 0; k < sizeof(hows) / sizeof(hows[0]); k++) {
		struct sampling how = hows[k];
		float *l = made_logits(vocab, k);

		for (int i = 0; i < vocab; i += 7)
			l[i] = (float)(int)l[i]; /* ties */
		how.seed = 99 + k;
		for (int64_t p = 0; p < 100; p++)
			assert_int_equal(choose(&how, l, vocab, p),
					 choose_plainly(&how, l, vocab, p));
		free(l);
	}
}

static void temperature_zero_takes_the_lowest_of_the_best(void **state)
{
	static const float tied[6] = {-1, 4, 3, 4, 4, 0};
	struct sampling how = {.temperature = 0, .top_p = 0.5, .top_k = 2, .seed = 5};

	(void)state;
	assert_int_equal(choose(&how, tied, 6, 0), 1);
	how.seed = 6;
	assert_int_equal(choose(&how, tied, 6, 9), 1);
}

static void a_temperature_next_to_zero_does_not_overflow(void **state)
{
	static const float l[4] = {1e30f, -1e30f, 3e30f, 2e30f};
	struct sampling how = {.temperature = 1e-300, .top_p = 0.9, .seed = 5};

	(void)state;
	assert_int_equal(choose(&how, l, 4, 0), 2);
	how.top_p = 1;
	assert_int_equal(choose(&how, l, 4, 0), 2);
}

static void a_seed_reproduces_and_another_seed_differs(void **state)
{
	struct sampling how = {.temperature = 1, .top_p = 1, .seed = 1234};
	float *l = made_logits(VOCAB, 3);
	int same = 0;

	(void)state;
	for (int64_t p = 0; p < 30; p++) {
		struct sampling other = how;
		token_id id = choose(&how, l, VOCAB, p);

		other.seed = 4321;
		assert_int_equal(choose(&how, l, VOCAB, p), id);
		same += choose(&other, l, VOCAB, p) == id;
	}
	assert_true(same < 30);
	free(l);
}

static void a_draft_near_the_main_model_mostly_chooses_as_it_does(void **state)
{
	struct sampling how = {.temperature = 1, .top_p = 1, .seed = 8};
	int64_t vocab = 4096;
	float *main_l = made_logits(vocab, 3);
	float *draft = malloc((size_t)vocab * sizeof(*draft));
	struct sampling own = how;
	int same = 0, same_by_chance = 0;

	(void)state;
	own.seed = 9;
	assert_non_null(draft);
	for (int64_t i = 0; i < vocab; i++) {
		main_l[i] *= 0.5f; /* flat, so that noise of its own hardly ever agrees */
		draft[i] = main_l[i] + 0.05f * (float)(i % 3 - 1);
	}
	for (int64_t p = 0; p < 400; p++) {
		same += choose(&how, main_l, vocab, p) == choose(&how, draft, vocab, p);
		same_by_chance +=
			choose(&how, main_l, vocab, p) == choose(&own, draft, vocab, p);
	}
	assert_true(same > 380 && same < 400);
	assert_true(same_by_chance < 100);
	free(main_l);
	free(draft);
}

static void logits_that_are_no_numbers_are_an_error(void **state)
{
	static const float bad[] = {NAN, INFINITY, -INFINITY};
	static const double temperatures[] = {0, 1};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		for (size_t t = 0; t < 2; t++) {
			struct sampling how = {.temperature = temperatures[t], .top_p = 1};
			float l[5] = {1, 2, 3, 4, 5};
			struct sampler s;
			struct err err = {0};
			token_id id;

			l[i + 1] = bad[i];
			assert_int_equal(sampler_init(&s, &how, 5, &err), 0);
			assert_int_equal(sampler_choose(&s, l, 17, &id, &err), ERR_MODEL);
			assert_non_null(strstr(err.text, "position 17: the logit of token"));
			sampler_release(&s);
		}
	}
}

static void settings_that_make_no_sense_are_named(void **state)
{
	static const struct {
		struct sampling how;
		const char *text;
	} cases[] = {
		{{.temperature = -1, .top_p = 1}, "temperature: found -1, expected 0 to 1000"},
		{{.temperature = NAN, .top_p = 1},
		 "temperature: found nan, expected 0 to 1000"},
		{{.temperature = 1, .top_p = 1.5}, "top_p: found 1.5, expected 0 to 1"},
		{{.temperature = 1, .top_p = 1, .min_p = -0.1},
		 "min_p: found -0.1, expected 0 to 1"},
		{{.temperature = 1, .top_p = 1, .top_k = -3},
		 "top_k: found -3, expected 0 or more"},
		{{.temperature = 1, .top_p = 1, .max_tokens = -3},
		 "max_tokens: found -3, expected 0 or more"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sampler s;
		struct err err = {0};

		assert_int_equal(sampler_init(&s, &cases[i].how, 10, &err), ERR_USAGE);
		assert_string_equal(err.text, cases[i].text);
		sampler_release(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_generator_gives_the_published_words),
		cmocka_unit_test(uniform_numbers_stay_inside_and_are_uniform),
		cmocka_unit_test(neighbouring_tokens_positions_and_seeds_draw_apart),
		cmocka_unit_test(choices_follow_the_softmax_at_every_temperature),
		cmocka_unit_test(kept_tokens_keep_their_proportions_and_no_other_appears),
		cmocka_unit_test(shortcuts_choose_what_the_plain_definition_chooses),
		cmocka_unit_test(temperature_zero_takes_the_lowest_of_the_best),
		cmocka_unit_test(a_temperature_next_to_zero_does_not_overflow),
		cmocka_unit_test(a_seed_reproduces_and_another_seed_differs),
		cmocka_unit_test(a_draft_near_the_main_model_mostly_chooses_as_it_does),
		cmocka_unit_test(logits_that_are_no_numbers_are_an_error),
		cmocka_unit_test(settings_that_make_no_sense_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
