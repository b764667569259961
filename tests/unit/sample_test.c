/* The choice of a token, as the CPU backend makes it: what is kept, and by whose noise. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/noise.h"
#include "kernels/ops.h"

#define VOCAB 129280

static struct backend *be;

static int open_backend(void **state)
{
	const struct backend_options o = {.n_threads = 2};
	struct err err = {0};

	(void)state;
	if (backend_open_cpu(&be, &o, &err))
		fail_msg("%s", err.text);
	return 0;
}

static int close_backend(void **state)
{
	(void)state;
	be->close(be);
	return 0;
}

/* n rows of logits [n, vocab], the first of which chooses the token at `position`. */
static void choose_rows(struct sample_how how, const float *logits, int vocab, int64_t position,
			int n, int n_top, struct choice *out)
{
	struct step step = {.pos0 = position - 1 - 3, .n_tok = n + 3};
	struct sample_args args = {
		.n_tok = n,
		.vocab = vocab,
		.first = 3,
		.n_top = n_top,
		.step = (dbuf)&step,
		.how = (dbuf)&how,
		.logits = (dbuf)(uintptr_t)logits,
		.out = (dbuf)out,
	};
	struct err err = {0};

	if (!how.n_choice)
		how.n_choice = vocab;
	if (be->ops->sample(be, &args, &err))
		fail_msg("%s", err.text);
}

static int32_t choose(const struct sample_how *how, const float *logits, int vocab,
		      int64_t position)
{
	struct choice c;

	memset(&c, 0xEE, sizeof(c));
	choose_rows(*how, logits, vocab, position, 1, 0, &c);
	assert_in_range(c.id, 0, vocab - 1);
	assert_int_equal(c.bad, -1);
	assert_true(c.logit == logits[c.id]);
	assert_int_equal(c.n_top, 0);
	return c.id;
}

/* Logits that look like a model's: a few high ones over a wide field. */
static float *made_logits(int64_t n, uint64_t seed)
{
	float *l = malloc((size_t)n * sizeof(*l));

	assert_non_null(l);
	for (int64_t i = 0; i < n; i++)
		l[i] = (float)(2.5 * noise_gumbel(noise_uniform(seed, 1, (uint32_t)i)) - 5);
	return l;
}

/* Chi-square of n choices against wanted probabilities. */
static double chi_square(const struct sample_how *how, const float *logits, int vocab,
			 const double *want, int n)
{
	double chi = 0;
	int *count = calloc((size_t)vocab, sizeof(*count));

	assert_non_null(count);
	for (int i = 0; i < n; i++)
		count[choose(how, logits, vocab, i)]++;
	for (int i = 0; i < vocab; i++) {
		if (want[i] > 0)
			chi += (count[i] - n * want[i]) * (count[i] - n * want[i]) /
			       (n * want[i]);
		else
			assert_int_equal(count[i], 0);
	}
	free(count);
	return chi;
}

static const float ten[10] = {1.5f, -0.5f, 0.0f, 2.0f, 0.25f, -1.0f, 1.5f, 0.75f, -3.0f, 1.0f};

static void choices_follow_the_softmax_at_every_temperature(void **state)
{
	static const double temperatures[] = {0.3, 0.7, 1.0, 2.0};

	(void)state;
	for (size_t k = 0; k < sizeof(temperatures) / sizeof(temperatures[0]); k++) {
		struct sample_how how = {
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
		struct sample_how how;
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
	int32_t id;
};

static int by_rank(const void *a, const void *b)
{
	const struct ranked *p = a, *q = b;

	if (p->x != q->x)
		return p->x > q->x ? -1 : 1;
	return p->id < q->id ? -1 : p->id > q->id;
}

static int32_t choose_plainly(const struct sample_how *how, const float *logits, int vocab,
			      int64_t position)
{
	struct ranked *r = malloc((size_t)vocab * sizeof(*r));
	double all = 0, sum = 0, best = -INFINITY;
	int n = how->top_k > 0 && how->top_k < vocab ? how->top_k : vocab;
	int32_t id = -1;

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
		noisy = r[i].x + noise_gumbel(noise_uniform(how->seed, (uint64_t)position,
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
	static const struct sample_how hows[] = {
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
		struct sample_how how = hows[k];
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
	struct sample_how how = {.temperature = 0, .top_p = 0.5, .top_k = 2, .seed = 5};

	(void)state;
	assert_int_equal(choose(&how, tied, 6, 0), 1);
	how.seed = 6;
	assert_int_equal(choose(&how, tied, 6, 9), 1);
}

static void a_temperature_next_to_zero_does_not_overflow(void **state)
{
	static const float l[4] = {1e30f, -1e30f, 3e30f, 2e30f};
	struct sample_how how = {.temperature = 1e-300, .top_p = 0.9, .seed = 5};

	(void)state;
	assert_int_equal(choose(&how, l, 4, 0), 2);
	how.top_p = 1;
	assert_int_equal(choose(&how, l, 4, 0), 2);
}

static void a_seed_reproduces_and_another_seed_differs(void **state)
{
	struct sample_how how = {.temperature = 1, .top_p = 1, .seed = 1234};
	float *l = made_logits(VOCAB, 3);
	int same = 0;

	(void)state;
	for (int64_t p = 0; p < 30; p++) {
		struct sample_how other = how;
		int32_t id = choose(&how, l, VOCAB, p);

		other.seed = 4321;
		assert_int_equal(choose(&how, l, VOCAB, p), id);
		same += choose(&other, l, VOCAB, p) == id;
	}
	assert_true(same < 30);
	free(l);
}

static void a_draft_near_the_main_model_mostly_chooses_as_it_does(void **state)
{
	struct sample_how how = {.temperature = 1, .top_p = 1, .seed = 8};
	int vocab = 4096;
	float *main_l = made_logits(vocab, 3);
	float *draft = malloc((size_t)vocab * sizeof(*draft));
	struct sample_how own = how;
	int same = 0, same_by_chance = 0;

	(void)state;
	own.seed = 9;
	assert_non_null(draft);
	for (int i = 0; i < vocab; i++) {
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

static void a_logit_that_is_no_number_is_named(void **state)
{
	static const float bad[] = {NAN, INFINITY, -INFINITY};
	static const double temperatures[] = {0, 1};

	(void)state;
	for (int i = 0; i < 3; i++) {
		for (int t = 0; t < 2; t++) {
			struct sample_how how = {.temperature = temperatures[t], .top_p = 1};
			float l[6] = {1, 2, 3, 4, 5, NAN};
			struct choice c;

			l[i + 1] = bad[i];
			how.n_choice = 5;
			choose_rows(how, l, 6, 17, 1, 3, &c);
			assert_int_equal(c.id, -1);
			assert_int_equal(c.bad, i + 1);
			assert_memory_equal(&c.logit, &bad[i], sizeof(float));
			assert_int_equal(c.n_top, 0);
		}
	}
}

static void tokens_beyond_the_tokenizers_are_not_looked_at(void **state)
{
	const float l[6] = {1, 2, 3, 2, NAN, 9};
	struct sample_how how = {.temperature = 0, .top_p = 1, .n_choice = 4};
	struct choice c;

	(void)state;
	choose_rows(how, l, 6, 5, 1, 6, &c);
	assert_int_equal(c.id, 2);
	assert_int_equal(c.n_top, 4);
	for (int64_t p = 1; p < 200; p++) {
		how.temperature = 100;
		assert_in_range(choose(&how, l, 6, p), 0, 3);
	}
}

static void every_row_is_chosen_as_if_alone(void **state)
{
	enum { ROWS = 16, V = 500 };
	const struct sample_how how = {
		.temperature = 0.9, .top_p = 0.8, .top_k = 50, .seed = 77};
	float *l = made_logits(ROWS * V, 12);
	struct choice all[ROWS];

	(void)state;
	choose_rows(how, l, V, 1000, ROWS, 5, all);
	for (int i = 0; i < ROWS; i++) {
		struct choice one;

		choose_rows(how, l + i * V, V, 1000 + i, 1, 5, &one);
		assert_memory_equal(&one, &all[i], sizeof(one));
	}
	free(l);
}

static void alternatives_are_the_best_before_any_is_dropped(void **state)
{
	const struct sample_how how = {.temperature = 1, .top_p = 0.1, .top_k = 2, .seed = 3};
	float *l = made_logits(3000, 4);
	struct ranked *r = malloc(3000 * sizeof(*r));

	(void)state;
	assert_non_null(r);
	for (int i = 0; i < 3000; i += 3)
		l[i] = (float)(int)l[i]; /* ties */
	for (int i = 0; i < 3000; i++)
		r[i] = (struct ranked){(double)l[i], i};
	qsort(r, 3000, sizeof(*r), by_rank);
	for (int n = 0; n <= SAMPLE_TOP; n++) {
		struct choice c;

		choose_rows(how, l, 3000, 9, 1, n, &c);
		assert_int_equal(c.n_top, n);
		for (int i = 0; i < n; i++) {
			assert_int_equal(c.top[i].id, r[i].id);
			assert_true(c.top[i].logit == l[r[i].id]);
		}
	}
	free(r);
	free(l);
}

static void what_cannot_be_asked_for_is_refused(void **state)
{
	static const struct {
		int n_choice, n_top;
	} cases[] = {{0, 0}, {7, 0}, {-1, 0}, {6, SAMPLE_TOP + 1}, {6, -1}};
	const float l[6] = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct step step = {.pos0 = 1, .n_tok = 1};
		struct sample_how how = {.n_choice = cases[i].n_choice};
		struct choice c;
		struct sample_args args = {
			.n_tok = 1,
			.vocab = 6,
			.n_top = cases[i].n_top,
			.step = (dbuf)&step,
			.how = (dbuf)&how,
			.logits = (dbuf)(uintptr_t)l,
			.out = (dbuf)&c,
		};
		struct err err = {0};

		assert_int_equal(be->ops->sample(be, &args, &err), ERR_MODEL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(choices_follow_the_softmax_at_every_temperature),
		cmocka_unit_test(kept_tokens_keep_their_proportions_and_no_other_appears),
		cmocka_unit_test(shortcuts_choose_what_the_plain_definition_chooses),
		cmocka_unit_test(temperature_zero_takes_the_lowest_of_the_best),
		cmocka_unit_test(a_temperature_next_to_zero_does_not_overflow),
		cmocka_unit_test(a_seed_reproduces_and_another_seed_differs),
		cmocka_unit_test(a_draft_near_the_main_model_mostly_chooses_as_it_does),
		cmocka_unit_test(a_logit_that_is_no_number_is_named),
		cmocka_unit_test(tokens_beyond_the_tokenizers_are_not_looked_at),
		cmocka_unit_test(every_row_is_chosen_as_if_alone),
		cmocka_unit_test(alternatives_are_the_best_before_any_is_dropped),
		cmocka_unit_test(what_cannot_be_asked_for_is_refused),
	};

	return cmocka_run_group_tests(tests, open_backend, close_backend);
}
