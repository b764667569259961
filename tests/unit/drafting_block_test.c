/*
 * The policy of drafting with a head that drafts blocks and says how sure it is, against machines
 * with made-up costs: blocks where they pay, cut where a row more does not, none where they do not.
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

#define BLOCK 5

struct machine {
	double plain, block, row; /* seconds: of a step, of drafting, of each row more */
	double good;              /* so much of the text is foreseen: 0.97 a draft, the rest 0.2 */
	double noise;
	double (*pace)(int n); /* of the n-th step; NULL: always 1 */
};

static uint64_t random_state;

static double draw(void)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (double)(random_state >> 11) * 0x1p-53;
}

/* What the head says of a block, and what it comes to; a draft holds as often as it says. */
struct block {
	float sure[BLOCK];
	int holds;
};

static struct block next_block(const struct machine *m)
{
	struct block b = {.holds = 0};
	int broken = 0;

	for (int i = 0; i < BLOCK; i++) {
		double p = draw() < m->good ? 0.97 : 0.2;

		b.sure[i] = (float)log(p / (1 - p));
		broken |= draw() >= p;
		b.holds += !broken;
	}
	return b;
}

static double cost(const struct machine *m, int depth)
{
	return m->plain + m->block + depth * m->row;
}

/* Slow now and then, for a while … */
static double phases(int n)
{
	return n / 150 % 2 ? 2.2 : 1;
}

/* … or ever slower, as a context grows. */
static double growth(int n)
{
	return 1 + n / 500.0;
}

/* One step as the session takes it; its tokens. */
static int step(struct drafting *d, const struct machine *m, int asked, double *seconds,
		int *n_blocks)
{
	struct block b = next_block(m);
	double loud =
		(1 + m->noise * (draw() - 0.5)) * (m->pace ? m->pace((int)d->n_steps) : 1);
	int depth = drafting_depth(d, asked, 1000), n = 0;

	if (!depth) {
		drafting_note(d, 0, 0, m->plain * loud);
		*seconds += m->pace ? m->plain : m->plain * loud;
		return 1;
	}
	assert_int_equal(depth, BLOCK);
	++*n_blocks;
	depth = asked == DRAFT_AUTO ? drafting_cut(d, b.sure, depth) : depth;
	n = b.holds < depth ? b.holds : depth;
	drafting_note_block(d, depth, n, cost(m, depth) * loud);
	*seconds += m->pace ? cost(m, depth) : cost(m, depth) * loud;
	return 1 + n;
}

/* Tokens a second of blocks that are always run to the same depth. */
static double rate_at(const struct machine *m, int depth)
{
	double tokens = 0;

	if (depth < 0)
		return 1 / m->plain;
	for (int n = 0; n < 20000; n++) {
		struct block b = next_block(m);

		tokens += 1 + (b.holds < depth ? b.holds : depth);
	}
	return tokens / 20000 / cost(m, depth);
}

static const struct machine machines[] = {
	{1, 0.1, 0.05, 0.95, 0.1, NULL}, /* good drafts, cheap rows */
	{1, 0.1, 0.5, 0.8, 0.1, NULL},   /* dear rows: only the sure ones */
	{1, 0.1, 0.9, 0.3, 0.1, NULL},   /* hardly ever worth it */
	{1, 6, 0.1, 0.9, 0.1, NULL},     /* blocks that cost six steps */
	{1, 0.2, 0.2, 0, 0.1, NULL},     /* a head that foresees nothing */
	{0.002, 0.0002, 0.0004, 0.9, 0.5, NULL},
};

static void auto_gives_at_least_what_the_best_fixed_depth_gives(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
		const struct machine *m = &machines[i];
		double seconds = 0, tokens = 0, best = 0;
		struct drafting d;
		int n_blocks = 0;

		random_state = i;
		for (int depth = -1; depth <= BLOCK; depth++)
			best = fmax(best, rate_at(m, depth));
		drafting_init(&d, BLOCK);
		d.is_sure = true;
		for (int n = 0; n < 6000; n++) {
			if (n == 500)
				seconds = tokens = 0;
			tokens += step(&d, m, DRAFT_AUTO, &seconds, &n_blocks);
		}
		if (tokens / seconds < 0.96 * best)
			fail_msg("machine %zu: %g tokens/s in %d blocks, the best depth gives %g", i,
				 tokens / seconds, n_blocks, best);
	}
}

/* By what steps would take at the first one's pace. */
static double auto_to_off(const struct machine *m)
{
	struct drafting d;
	double seconds = 0, tokens = 0;
	int n_blocks = 0;

	drafting_init(&d, BLOCK);
	d.is_sure = true;
	while (tokens < 1500)
		tokens += step(&d, m, DRAFT_AUTO, &seconds, &n_blocks);
	return tokens / seconds * m->plain;
}

/* Neither a bad beginning nor another pace keeps it from blocks that pay, or at others. */
static void auto_takes_blocks_where_they_pay_whatever_the_pace(void **state)
{
	static const struct {
		struct machine m;
		double least; /* times off */
	} cases[] = {
		{{1, 0.35, 0.2, 0.6, 0.06, NULL}, 1.25},
		{{1, 0.35, 0.2, 0.6, 0.06, phases}, 1.25},
		{{1, 0.35, 0.2, 0.6, 0.06, growth}, 1.25},
		{{1, 0.9, 0.7, 0.4, 0.06, NULL}, 0.95},
		{{1, 0.9, 0.7, 0.4, 0.06, phases}, 0.95},
		{{1, 0.9, 0.7, 0.4, 0.06, growth}, 0.95},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int n_slower = 0;

		random_state = i;
		for (int n = 0; n < 100; n++)
			n_slower += auto_to_off(&cases[i].m) < cases[i].least;
		if (n_slower > 10)
			fail_msg("machine %zu: %d of 100 answers are slower than %g of off", i,
				 n_slower, cases[i].least);
	}
}

static void blocks_that_do_not_pay_are_not_drafted(void **state)
{
	struct drafting d;
	double seconds = 0;
	int n_blocks = 0;

	(void)state;
	random_state = 1;
	drafting_init(&d, BLOCK);
	d.is_sure = true;
	for (int n = 0; n < 3000; n++)
		step(&d, &machines[3], DRAFT_AUTO, &seconds, &n_blocks);
	assert_in_range(n_blocks, 10, 60); /* looked at, now and then */
	/* And the machine is another one: they are again. */
	n_blocks = 0;
	for (int n = 0; n < 6000; n++) {
		n_blocks = n < 4000 ? 0 : n_blocks;
		step(&d, &machines[0], DRAFT_AUTO, &seconds, &n_blocks);
	}
	assert_in_range(n_blocks, 1900, 2000);
}

/* What was asked for is drafted and run, and what is measured of it serves auto later. */
static void a_depth_that_is_asked_for_is_taken(void **state)
{
	struct drafting d;
	double seconds = 0;
	int n_blocks = 0;

	(void)state;
	random_state = 2;
	drafting_init(&d, BLOCK);
	d.is_sure = true;
	for (int n = 0; n < 20; n++)
		step(&d, &machines[0], DRAFT_OFF + BLOCK, &seconds, &n_blocks);
	assert_int_equal(n_blocks, 20);
	assert_int_equal(drafting_depth(&d, DRAFT_OFF + 2, 1000), 2);
	assert_int_equal(drafting_depth(&d, DRAFT_OFF, 1000), 0);
	assert_int_equal(drafting_depth(&d, DRAFT_AUTO, 4), 0); /* what it is without is not known */
	for (int n = 0; n < 5; n++)
		step(&d, &machines[0], DRAFT_OFF, &seconds, &n_blocks);
	assert_int_equal(drafting_depth(&d, DRAFT_AUTO, 4), 3);
	assert_int_equal(drafting_depth(&d, DRAFT_AUTO, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(auto_gives_at_least_what_the_best_fixed_depth_gives),
		cmocka_unit_test(auto_takes_blocks_where_they_pay_whatever_the_pace),
		cmocka_unit_test(blocks_that_do_not_pay_are_not_drafted),
		cmocka_unit_test(a_depth_that_is_asked_for_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
