/* A GPU's memory, its recorded runs, and weights on their way to it. */
#include "tests/gpu/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define MIB      ((size_t)1 << 20)

static struct backend *gpu(void **state)
{
	return bench_backend(*state, GPU);
}

static void ok(int rc, const struct err *err)
{
	if (rc)
		fail_msg("%s", err->text);
}

static unsigned char *random_bytes(struct bench *b, size_t n)
{
	unsigned char *p = malloc(n + 8);

	assert_non_null(p);
	for (size_t i = 0; i < n; i += 8) {
		uint64_t u = bench_bits(b);

		memcpy(p + i, &u, 8);
	}
	return p;
}

static dbuf buffer(struct backend *be, size_t bytes, enum memory_kind kind)
{
	struct err err = {0};
	dbuf p = NULL;

	ok(be->alloc(be, bytes, kind, &p, &err), &err);
	assert_true((uintptr_t)p % 256 == 0);
	return p;
}

/* ------------------------------------------------------------------ memory */

static void memory_is_zero_and_what_is_put_comes_back(void **state)
{
	static const size_t sizes[] = {1,         4,         63,      4096,
				       64 * 1024, 65 * 1024, MIB + 1, 3 * MIB + 5};
	static const enum memory_kind kinds[] = {MEMORY_PLAIN, MEMORY_LAZY, MEMORY_RESULT};
	struct backend *be = gpu(state);
	struct err err = {0};

	for (size_t i = 0; i < COUNT(sizes) * COUNT(kinds); i++) {
		size_t n = sizes[i / COUNT(kinds)];
		dbuf p = buffer(be, n, kinds[i % COUNT(kinds)]),
		     q = buffer(be, n, MEMORY_PLAIN);
		unsigned char *in = random_bytes(*state, n), *out = malloc(n);

		ok(be->get(be, out, p, n, &err), &err);
		for (size_t j = 0; j < n; j++)
			assert_int_equal(out[j], 0);
		ok(be->put(be, p, in, n, &err), &err);
		ok(be->copy(be, q, p, n, &err), &err);
		ok(be->get(be, out, q, n, &err), &err);
		assert_memory_equal(in, out, n);
		ok(be->get(be, out, p, n, &err), &err);
		assert_memory_equal(in, out, n);
		be->free(be, p);
		be->free(be, q);
		free(in);
		free(out);
	}
	be->free(be, NULL);
}

static void what_was_put_may_change_at_once(void **state)
{
	struct backend *be = gpu(state);
	size_t n = 100 * 1000, rounds = 200; /* more than the way in holds at a time */
	dbuf p = buffer(be, n * rounds, MEMORY_PLAIN);
	unsigned char *bytes = malloc(n), *back = malloc(n * rounds);
	struct err err = {0};

	for (size_t i = 0; i < rounds; i++) {
		memset(bytes, (int)i, n);
		ok(be->put(be, p + i * n, bytes, n, &err), &err);
	}
	ok(be->get(be, back, p, n * rounds, &err), &err);
	for (size_t i = 0; i < n * rounds; i++) {
		if (back[i] != i / n % 256)
			fail_msg("byte %zu is %d", i, back[i]);
	}
	be->free(be, p);
	free(bytes);
	free(back);
}

/* What is put waits for its turn beside what is still on its way, whatever the sizes; what is
 * got in between sees all of it. */
static void large_and_small_ones_in_turn_come_back(void **state)
{
	static const size_t sizes[] = {1,       4000,        MIB - 1,     MIB,    64,
				       MIB + 1, 2 * MIB + 7, 5 * MIB / 2, 450000, 9 * MIB};
	struct backend *be = gpu(state);
	size_t all = 64 * MIB;
	unsigned char *in = random_bytes(*state, all), *out = malloc(all);
	dbuf p = buffer(be, all, MEMORY_PLAIN);
	struct err err = {0};
	size_t at = 0, n;

	for (int i = 0; at + 9 * MIB <= all; i++, at += n) {
		n = sizes[bench_below(*state, (int)COUNT(sizes))];
		ok(be->put(be, p + at, in + at, n, &err), &err);
		if (i % 3)
			continue;
		ok(be->get(be, out, p, at + n, &err), &err);
		assert_memory_equal(out, in, at + n);
	}
	ok(be->get(be, out, p, at, &err), &err);
	assert_memory_equal(out, in, at);
	be->free(be, p);
	free(in);
	free(out);
}

/* ------------------------------------------------------------- many copies */

#define MOST_COPIES 700 /* more than one launch takes */

/* Copies of all sizes between all alignments, one behind the other in dst with gaps between. */
static int some_copies(struct bench *b, dbuf dst, dbuf src, size_t bytes, struct copy_part *p)
{
	static const size_t sizes[] = {0, 1, 15, 16, 17, 584, 2176, 4099, 18688, 74752, 300001};
	size_t at = 0;
	int n = 0;

	while (n < MOST_COPIES) {
		size_t size = sizes[bench_below(b, (int)COUNT(sizes))];
		/* every other one at multiples of 16 */
		size_t step = n % 2 ? 1 : 16;
		size_t from = (size_t)bench_below(b, (int)(bytes - size)) / step * step;

		at = (at + step - 1) / step * step;
		if (at + size > bytes)
			break;
		p[n++] = (struct copy_part){dst + at, src + from, size};
		at += size + (size_t)bench_below(b, 40);
	}
	return n;
}

struct copy_run {
	struct backend *be;
	struct copy_part part[MOST_COPIES];
	int n;
};

static int issue_copies(void *ctx, struct err *err)
{
	struct copy_run *r = ctx;

	return r->be->copy_many(r->be, r->part, r->n, err);
}

static void fill(struct backend *be, dbuf p, int byte, size_t n)
{
	unsigned char *bytes = malloc(n);
	struct err err = {0};

	assert_non_null(bytes);
	memset(bytes, byte, n);
	ok(be->put(be, p, bytes, n, &err), &err);
	free(bytes);
}

static void expect_bytes(struct backend *be, dbuf p, const unsigned char *want, size_t n)
{
	unsigned char *got = malloc(n);
	struct err err = {0};

	assert_non_null(got);
	ok(be->get(be, got, p, n, &err), &err);
	for (size_t i = 0; i < n; i++) {
		if (got[i] != want[i])
			fail_msg("byte %zu is %d, expected %d", i, got[i], want[i]);
	}
	free(got);
}

static void many_copies_are_each_whole_and_touch_nothing_beside(void **state)
{
	size_t bytes = 48 * MIB;
	struct copy_run r = {.be = gpu(state)};
	struct backend *be = r.be;
	unsigned char *in = random_bytes(*state, bytes), *want = malloc(bytes);
	dbuf src = buffer(be, bytes, MEMORY_PLAIN), dst = buffer(be, bytes, MEMORY_PLAIN);
	struct err err = {0};

	assert_non_null(be->copy_many);
	memset(want, 0xee, bytes);
	r.n = some_copies(*state, dst, src, bytes, r.part);
	assert_in_range(r.n, 300, MOST_COPIES);
	for (int i = 0; i < r.n; i++)
		memcpy(want + (r.part[i].dst - dst), in + (r.part[i].src - src),
		       r.part[i].bytes);
	/* Issued, recorded, replayed: in order with what is put before and behind. */
	for (int round = 0; round < 3; round++) {
		ok(be->put(be, src, in, bytes, &err), &err);
		fill(be, dst, 0xee, bytes);
		ok(round ? be->run(be, 1, issue_copies, &r, &err) : issue_copies(&r, &err),
		   &err);
		/* a replay does not ask for the list again */
		r.n = round ? 0 : r.n;
		fill(be, src, 0x55, bytes);
		expect_bytes(be, dst, want, bytes);
	}
	ok(be->copy_many(be, r.part, 0, &err), &err);
	be->forget(be);
	be->free(be, src);
	be->free(be, dst);
	free(in);
	free(want);
}

static void more_than_there_is_is_no_memory(void **state)
{
	struct backend *be = gpu(state);
	struct err err = {0};
	dbuf p = NULL;

	assert_int_equal(be->alloc(be, (size_t)1 << 46, MEMORY_PLAIN, &p, &err), ERR_NOMEM);
	assert_null(p);
	/* and what comes next works */
	p = buffer(be, MIB, MEMORY_PLAIN);
	be->free(be, p);
	assert_int_equal(be->place_begin(be, UINT64_C(1) << 46, NULL, &err), ERR_NOMEM);
}

/* -------------------------------------------------------------------- runs */

struct rope_run {
	struct backend *be;
	struct rope_args a;
	int calls, fails, mark;
};

static int issue_rope(void *ctx, struct err *err)
{
	struct rope_run *r = ctx;
	int rc = r->be->ops->rope(r->be, &r->a, err);

	r->calls++;
	if (!rc && r->mark)
		rc = r->be->mark(r->be, 3, err);
	if (!rc && r->fails)
		return err_set(err, ERR_LIMIT, "as ordered");
	return rc;
}

static struct rope_run rope_run(struct backend *be)
{
	struct rope_run r = {.be = be};
	double freq[ROPE_DIM / 2];
	struct err err = {0};

	for (int i = 0; i < ROPE_DIM / 2; i++)
		freq[i] = 1.0 / (i + 1);
	r.a = (struct rope_args){
		.n_tok = 4,
		.step = buffer(be, sizeof(struct step), MEMORY_PLAIN),
		.freq = buffer(be, sizeof(freq), MEMORY_PLAIN),
		.out = buffer(be, 4 * ROPE_DIM * sizeof(float), MEMORY_RESULT),
	};
	ok(be->put(be, r.a.freq, freq, sizeof(freq), &err), &err);
	return r;
}

static void rope_run_free(struct rope_run *r)
{
	r->be->free(r->be, r->a.step);
	r->be->free(r->be, r->a.freq);
	r->be->free(r->be, r->a.out);
}

static void run_at(struct rope_run *r, uint64_t key, int64_t pos, float out[4 * ROPE_DIM])
{
	struct step step = {.pos0 = pos, .n_tok = 4};
	struct err err = {0};

	ok(r->be->put(r->be, r->a.step, &step, sizeof(step), &err), &err);
	ok(r->be->run(r->be, key, issue_rope, r, &err), &err);
	ok(r->be->get(r->be, out, r->a.out, 4 * ROPE_DIM * sizeof(float), &err), &err);
}

static void a_replay_reads_the_step_when_it_runs(void **state)
{
	static const int64_t positions[] = {0, 5, 129, 70000, 1048000, 5};
	struct rope_run r = rope_run(gpu(state));
	float replayed[4 * ROPE_DIM], direct[4 * ROPE_DIM];

	for (size_t i = 0; i < COUNT(positions); i++) {
		run_at(&r, 1, positions[i], replayed);
		assert_int_equal(r.calls, 1);
	}
	for (size_t i = 0; i < COUNT(positions); i++) {
		struct step step = {.pos0 = positions[i], .n_tok = 4};
		struct err err = {0};

		run_at(&r, 1, positions[i], replayed);
		ok(r.be->put(r.be, r.a.step, &step, sizeof(step), &err), &err);
		ok(r.be->ops->rope(r.be, &r.a, &err), &err);
		ok(r.be->get(r.be, direct, r.a.out, sizeof(direct), &err), &err);
		assert_memory_equal(direct, replayed, sizeof(direct));
	}
	r.calls = 0;
	r.be->forget(r.be);
	run_at(&r, 1, 7, replayed);
	run_at(&r, 2, 7, replayed);
	assert_int_equal(r.calls, 2);
	rope_run_free(&r);
}

static void a_body_that_fails_is_not_recorded(void **state)
{
	struct rope_run r = rope_run(gpu(state));
	float out[4 * ROPE_DIM];
	struct err err = {0};

	r.fails = 1;
	assert_int_equal(r.be->run(r.be, 9, issue_rope, &r, &err), ERR_LIMIT);
	assert_string_equal(err.text, "as ordered");
	r.fails = 0;
	run_at(&r, 9, 3, out);
	assert_int_equal(r.calls, 2);
	run_at(&r, 9, 3, out);
	assert_int_equal(r.calls, 2);
	rope_run_free(&r);
}

static void marks_tell_what_their_phase_took(void **state)
{
	struct rope_run r = rope_run(gpu(state));
	double sum[5] = {0}, once;
	float out[4 * ROPE_DIM];
	struct err err = {0};

	r.mark = 1;
	r.be->time_phases(r.be, 1);
	run_at(&r, 1, 3, out);
	ok(r.be->phase_seconds(r.be, sum, 5, &err), &err);
	once = sum[3];
	assert_true(once > 0 && once < 0.1);
	assert_true(sum[0] + sum[1] + sum[2] + sum[4] == 0);
	for (int i = 0; i < 100; i++)
		run_at(&r, 1, 3, out);
	ok(r.be->phase_seconds(r.be, sum, 5, &err), &err);
	assert_true(sum[3] > once + 100 * 5e-7 && sum[3] < 1.0);
	r.be->time_phases(r.be, 0);
	r.mark = 0;
	run_at(&r, 2, 3, out);
	once = sum[3];
	ok(r.be->phase_seconds(r.be, sum, 5, &err), &err);
	assert_true(sum[3] == once);
	rope_run_free(&r);
}

static void many_runs_leave_no_memory_behind(void **state)
{
	struct rope_run r = rope_run(gpu(state));
	float out[4 * ROPE_DIM];
	uint64_t before, after;

	for (int i = 0; i < 100; i++)
		run_at(&r, 1, i, out);
	before = r.be->memory_free(r.be);
	for (int i = 0; i < 20000; i++)
		run_at(&r, 1, i, out);
	for (int i = 0; i < 100; i++) {
		run_at(&r, (uint64_t)i, i, out);
		r.be->forget(r.be);
	}
	after = r.be->memory_free(r.be);
	if (after + 4 * MIB < before)
		fail_msg("%llu bytes less than before", (unsigned long long)(before - after));
	rope_run_free(&r);
}

/* ------------------------------------------------------------------ placing */

static void placed_bytes_arrive_whole_whatever_their_size(void **state)
{
	static const size_t sizes[] = {1,        16,      255,         256,          4096,
				       100003,   4 * MIB, 4 * MIB + 1, 33 * MIB + 7, 300 * MIB,
				       70 * MIB, 5};
	enum { N = 100 };
	struct backend *be = gpu(state);
	size_t most = 301 * MIB;
	unsigned char *bytes = random_bytes(*state, most), *back = malloc(most);
	size_t n[N];
	dbuf at[N];
	struct err err = {0};

	/* The large ones once each, the rest again and again. */
	for (size_t i = 0; i < N; i++)
		n[i] = sizes[i < COUNT(sizes) ? i : i % 8];

	for (int round = 0; round < 2; round++) {
		ok(be->place_begin(be, 0, NULL, &err), &err);
		for (size_t i = 0; i < N; i++) {
			at[i] = bytes + i;
			ok(be->place_bytes(be, &at[i], n[i], &err), &err);
		}
		ok(be->place_end(be, &err), &err);
		for (size_t i = 0; i < N; i++) {
			assert_true((uintptr_t)at[i] % 16 == 0);
			ok(be->get(be, back, at[i], n[i], &err), &err);
			if (memcmp(back, bytes + i, n[i]) != 0)
				fail_msg("piece %zu of %zu bytes", i, n[i]);
		}
	}
	free(bytes);
	free(back);
}

static void the_probes_say_what_a_gpu_can(void **state)
{
	struct backend *be = gpu(state);
	size_t n = 1024 * MIB;
	dbuf p = buffer(be, n, MEMORY_PLAIN);
	struct err err = {0};
	double n_op = 0;

	ok(be->read(be, p, n, &err), &err);
	ok(be->multiply(be, &n_op, &err), &err);
	assert_true(n_op > 1e9);
	be->free(be, p);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(memory_is_zero_and_what_is_put_comes_back),
		BENCH_TEST(what_was_put_may_change_at_once),
		BENCH_TEST(many_copies_are_each_whole_and_touch_nothing_beside),
		BENCH_TEST(large_and_small_ones_in_turn_come_back),
		BENCH_TEST(more_than_there_is_is_no_memory),
		BENCH_TEST(a_replay_reads_the_step_when_it_runs),
		BENCH_TEST(a_body_that_fails_is_not_recorded),
		BENCH_TEST(marks_tell_what_their_phase_took),
		BENCH_TEST(many_runs_leave_no_memory_behind),
		BENCH_TEST(placed_bytes_arrive_whole_whatever_their_size),
		BENCH_TEST(the_probes_say_what_a_gpu_can),
	};

	return BENCH_MAIN(argc, argv, tests);
}
