/*
 * What GPUs add up by writing to each other, played by one: two, four and eight ranks, blocks of
 * one launch, a hundred thousand sums of random sizes, each value of each compared on each
 * rank.  Where no GPU is, it is skipped.
 */
#include "tests/gpu/harness.h"

#include "tests/gpu/peer_rounds.h"

static void skip_without_gpu(void)
{
	char why[200];

	if (peer_rounds_here(why, sizeof(why))) {
		print_message("skipped: %s\n", why);
		skip();
	}
}

static struct rounds_result play(const struct rounds *r)
{
	struct rounds_result out = {0};
	char why[200];

	if (peer_rounds_play(r, &out, why, sizeof(why)))
		fail_msg("%d ranks: %s", r->n_ranks, why);
	if (out.missing)
		fail_msg("%d ranks: rank %d did not come in time", r->n_ranks, out.missing - 1);
	return out;
}

static void all_are_right(struct rounds r)
{
	for (r.n_ranks = 2; r.n_ranks <= ROUNDS_RANKS; r.n_ranks *= 2) {
		struct rounds_result out = play(&r);

		if (out.n_bad)
			fail_msg("%d ranks: %llu values are not the sum; one is [%llu] of round "
				 "%d on rank %d: %g, expected %g",
				 r.n_ranks, out.n_bad, out.i, out.round, out.rank,
				 (double)out.got, (double)out.want);
	}
}

/* 1 to 64 KB, with any number of values. */
static void a_hundred_thousand_sums_in_one_shot_are_right(void **state)
{
	(void)state;
	skip_without_gpu();
	all_are_right(
		(struct rounds){.n_rounds = 100000, .least = 256, .most = 16384, .spoilt = -1});
}

/* Up to 1 MB. */
static void so_are_those_of_slices(void **state)
{
	(void)state;
	skip_without_gpu();
	all_are_right((struct rounds){
		.n_rounds = 20000, .slices = 1, .least = 4, .most = 1 << 18, .spoilt = -1});
}

static void one_value_that_is_another_is_seen_on_every_rank(void **state)
{
	struct rounds r = {.n_ranks = 4, .n_rounds = 100, .least = 256, .most = 16384, .spoilt = 77};

	(void)state;
	skip_without_gpu();
	for (r.slices = 0; r.slices < 2; r.slices++) {
		struct rounds_result out = play(&r);

		assert_int_equal(out.n_bad, 4);
		assert_int_equal(out.round, 77);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hundred_thousand_sums_in_one_shot_are_right),
		cmocka_unit_test(so_are_those_of_slices),
		cmocka_unit_test(one_value_that_is_another_is_seen_on_every_rank),
	};

	return BENCH_MAIN(argc, argv, tests);
}
