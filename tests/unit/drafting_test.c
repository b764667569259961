/*
 * The policy of drafting against machines with made-up costs: it comes to the depth that is best
 * there, follows changes, and asks for no more than is wanted.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "engine/session/drafting.h"

/* A machine, and a draft head. */
struct machine {
	double step, row;   /* seconds: of a step without drafts, and more for each */
	double chance[DRAFT_MAX]; /* of each place */
	double noise;       /* of the seconds, relative */
	int most;
	int best;           /* depth that gives most tokens a second */
};

static uint64_t random_state;

static double draw(void)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (double)(random_state >> 11) * 0x1p-53;
}

/* So long is what takes so many seconds where the processor is taken away half of the time. */
static double beside_others(double seconds)
{
	double all = 0;

	for (;;) {
		double until = -2 * log(1 - draw());

		if (until >= seconds)
			return all + seconds;
		seconds -= until;
		all += until - 2 * log(1 - draw());
	}
}

/* One step; its tokens, and the seconds it takes are added. */
static int step(struct drafting *d, const struct machine *m, int depth, double *seconds)
{
	double s = (m->step + depth * m->row) * (1 + m->noise * (draw() - 0.5));
	int n = 0;

	while (n < depth && draw() < m->chance[n])
		n++;
	drafting_note(d, depth, n, s);
	*seconds += s;
	return 1 + n;
}

static double rate_at(const struct machine *m, int depth)
{
	double tokens = 1, all = 1;

	for (int i = 0; i < depth; i++) {
		all *= m->chance[i];
		tokens += all;
	}
	return tokens / (m->step + depth * m->row);
}

#define ALL(p) {p, p, p, p, p, p, p, p}

static const struct machine machines[] = {
	{1, 0.05, ALL(0.99), 0.1, 8, 8},  /* rows cost little, drafts are good */
	{1, 0.9, ALL(0.6), 0.1, 8, 0},    /* rows cost nearly a step */
	{1, 0.5, ALL(0.99), 0.1, 8, 8},   /* half a step, and pay all the same */
	{1, 0.05, ALL(0), 0.1, 8, 0},     /* nothing is ever accepted */
	{1, 0.2, {0.8, 0.65, 0.4, 0.3, 0.2, 0.1, 0, 0}, 0.1, 8, 2},
	{1, 0.1, ALL(0.9), 0.4, 5, 5},    /* a loud machine; a head with five */
	{0.001, 0.00001, ALL(0.7), 0.1, 8, 8},
	{1, 0.3, ALL(0.9), 0.1, 1, 1},
};

static void auto_comes_to_the_best_depth(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
		const struct machine *m = &machines[i];
		struct drafting d;
		double seconds = 0, tokens = 0, best = rate_at(m, m->best);

		for (int k = 0; k <= m->most; k++)
			assert_true(rate_at(m, k) <= best);
		random_state = i;
		drafting_init(&d, m->most);
		for (int n = 0; n < 2000; n++) {
			int depth = drafting_depth(&d, DRAFT_AUTO, 1000);

			assert_in_range(depth, 0, m->most);
			if (n == 400)
				seconds = tokens = 0;
			tokens += step(&d, m, depth, &seconds);
		}
		if (tokens / seconds < 0.94 * best)
			fail_msg("machine %zu: %g tokens/s, the best depth gives %g", i,
				 tokens / seconds, best);
	}
}

static void auto_finds_its_way_within_some_steps(void **state)
{
	struct drafting d;
	double seconds = 0;
	int tokens = 0;

	(void)state;
	random_state = 1;
	drafting_init(&d, 8);
	for (int n = 0; n < 40; n++)
		tokens += step(&d, &machines[0], drafting_depth(&d, DRAFT_AUTO, 1000), &seconds);
	assert_true(tokens / seconds > 0.6 * rate_at(&machines[0], 8));
}

/* What becomes of a step's seconds, the n-th. */
typedef double trouble(double seconds, int n);

static double others(double seconds, int n)
{
	(void)n;
	return beside_others(seconds);
}

/* Slow now and then, for a while, at every depth alike … */
static double phases(double seconds, int n)
{
	return n / 150 % 2 ? 2.2 * seconds : seconds;
}

/* … or ever slower, as a context grows. */
static double growth(double seconds, int n)
{
	return seconds * (1 + n / 500.0);
}

/* By what steps would take without trouble, which is not its doing. */
static double auto_to_off(const struct machine *m, trouble *t)
{
	struct drafting d;
	double tokens = 0, seconds = 0;

	drafting_init(&d, m->most);
	for (int i = 0; tokens < 800; i++) {
		int depth = drafting_depth(&d, DRAFT_AUTO, 1000), n = 0;
		double alone = m->step + depth * m->row;

		while (n < depth && draw() < m->chance[n])
			n++;
		drafting_note(&d, depth, n, t(alone * (1 + m->noise * (draw() - 0.5)), i));
		tokens += 1 + n;
		seconds += alone;
	}
	return tokens / seconds * m->step;
}

/* It does not take for the cost of a depth what others do, or what holds for every depth. */
static void auto_is_not_slower_than_off_on_a_machine_in_trouble(void **state)
{
	static const struct {
		struct machine m;
		double least; /* times off */
	} cases[] = {
		{{1, 0.7, ALL(0.7), 0.06, 8, 0}, 0.96},
		{{1, 0.5, ALL(0.3), 0.06, 8, 0}, 0.96},
		{{1, 0.33, {0.97, 0.85, 0.7, 0.6, 0.5, 0.4, 0.3, 0.3}, 0.06, 8, 2}, 1.5},
		{{1, 0.2, ALL(0.95), 0.06, 8, 8}, 2.2},
	};

	static trouble *const troubles[] = {others, phases, growth};
	const size_t n_cases = sizeof(cases) / sizeof(cases[0]);

	(void)state;
	for (size_t i = 0; i < 3 * n_cases; i++) {
		int n_slower = 0;

		random_state = i;
		for (int n = 0; n < 200; n++)
			n_slower += auto_to_off(&cases[i % n_cases].m, troubles[i / n_cases]) <
				    cases[i % n_cases].least;
		if (n_slower > 12)
			fail_msg("trouble %zu, machine %zu: %d of 200 answers are slower than %g of off",
				 i / n_cases, i % n_cases, n_slower, cases[i % n_cases].least);
	}
}

/* Another text, and another length of it. */
static void auto_follows_what_changes(void **state)
{
	struct machine m = machines[0];
	struct drafting d;
	double seconds = 0;
	int n_deep = 0;

	(void)state;
	random_state = 2;
	drafting_init(&d, 8);
	for (int n = 0; n < 500; n++)
		step(&d, &m, drafting_depth(&d, DRAFT_AUTO, 1000), &seconds);
	for (int i = 0; i < DRAFT_MAX; i++)
		m.chance[i] = 0.02;
	m.row = 0.3;
	for (int n = 0; n < 2000; n++) {
		int depth = drafting_depth(&d, DRAFT_AUTO, 1000);

		n_deep += n >= 1000 && depth > 1;
		step(&d, &m, depth, &seconds);
	}
	assert_in_range(n_deep, 0, 60);
	n_deep = 0;
	for (int n = 0; n < 4000; n++) {
		int depth = drafting_depth(&d, DRAFT_AUTO, 1000);

		n_deep += n >= 3000 && depth >= 7;
		step(&d, &machines[0], depth, &seconds);
	}
	assert_in_range(n_deep, 850, 1000);
}

static void no_more_is_drafted_than_is_wanted(void **state)
{
	struct drafting d, none;
	double seconds = 0;

	(void)state;
	random_state = 3;
	drafting_init(&d, 8);
	drafting_init(&none, 0);
	for (int n = 0; n < 300; n++)
		step(&d, &machines[0], drafting_depth(&d, DRAFT_AUTO, 1000), &seconds);
	for (int room = 1; room <= 12; room++) {
		for (int asked = DRAFT_AUTO; asked <= DRAFT_OFF + DRAFT_MAX; asked++) {
			int depth = drafting_depth(&d, asked, room);
			int wish = asked == DRAFT_AUTO ? 8 : asked - DRAFT_OFF;

			assert_in_range(depth, 0, room - 1);
			assert_in_range(depth, 0, wish);
			if (asked != DRAFT_AUTO)
				assert_int_equal(depth, wish < room ? wish : room - 1);
			assert_int_equal(drafting_depth(&none, asked, room), 0);
		}
	}
}

/* So many drafts of a head that is so sure of each, where a row costs so much of a step. */
static void a_block_is_cut_where_it_stops_to_pay(void **state)
{
	static const struct {
		double row;
		float sure[5];
		int cut;
	} cases[] = {
		{0.1, {9, 9, 9, 9}, 5},   {0.1, {-9, 9, 9, 9}, 0},
		{0.1, {9, 9, -9, 9, 9}, 2},  {0.1, {9, 9, 9, 9, -4}, 4},
		{0.9, {0, 0, 0, 0}, 0},   {0.3, {9, 0, -2, 0, 0}, 2},
		{0.1, {NAN, 9, 9, 9}, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct machine m = {.step = 1, .row = cases[i].row, .most = 5};
		struct drafting d;
		double seconds = 0;

		drafting_init(&d, 5);
		for (int n = 0; n < 60; n++)
			step(&d, &m, n % 6, &seconds);
		assert_int_equal(drafting_cut(&d, cases[i].sure, 5), cases[i].cut);
	}
}

static void what_is_shown_is_what_was_measured(void **state)
{
	struct machine m = {.step = 2, .row = 0.5, .chance = ALL(0.75), .most = 8};
	struct drafting d;
	double seconds = 0;

	(void)state;
	random_state = 4;
	drafting_init(&d, 8);
	assert_true(drafting_seconds(&d, 0) == 0);
	for (int n = 0; n < 3000; n++)
		step(&d, &m, 3, &seconds);
	assert_true(fabs(drafting_seconds(&d, 3) - 3.5) < 1e-6);
	assert_true(drafting_seconds(&d, 2) == 0);
	assert_true(fabs(drafting_chance(&d, 0) - 0.75) < 0.2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(auto_comes_to_the_best_depth),
		cmocka_unit_test(auto_finds_its_way_within_some_steps),
		cmocka_unit_test(auto_is_not_slower_than_off_on_a_machine_in_trouble),
		cmocka_unit_test(auto_follows_what_changes),
		cmocka_unit_test(no_more_is_drafted_than_is_wanted),
		cmocka_unit_test(a_block_is_cut_where_it_stops_to_pay),
		cmocka_unit_test(what_is_shown_is_what_was_measured),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
