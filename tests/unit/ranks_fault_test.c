/*
 * Where one rank of several fails, in what it does alone or with the others, the call ends,
 * says which it was, and leaves nothing behind; the next one gives what it would have given.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/cache/seq.h"
#include "engine/pass/model_internal.h"
#include "tests/support/checkpoint.h"
#include "tests/support/ranks.h"
#include "tests/support/sanitized.h"

#define NANO "share/nano"

/* One rank's end of the ranks' talk, or its operations, that can be made to fail at the n-th.
 */
struct faulty {
	struct model *m;
	struct comm_ops comm_ops;
	const struct comm_ops *comm;
	struct ops ops;
	const struct ops *inner;
	int left; /* calls until one fails; 0: none does */
	int n_calls;
};

#define MOST_RANKS 4

static struct faulty faulty[MOST_RANKS];

static bool fails(int rank, struct err *err)
{
	struct faulty *f = &faulty[rank];

	f->n_calls++;
	if (f->left == 0 || --f->left > 0)
		return false;
	err_set(err, ERR_FAILED, "its time has come");
	return true;
}

static int all_reduce(struct comm *c, dbuf x, size_t n, struct err *err)
{
	return fails(c->rank, err) ? err->code : faulty[c->rank].comm->all_reduce(c, x, n, err);
}

static int gather(struct comm *c, const struct gather_args *a, struct err *err)
{
	return fails(c->rank, err) ? err->code : faulty[c->rank].comm->gather(c, a, err);
}

static int broadcast(struct comm *c, void *p, size_t bytes, struct err *err)
{
	return fails(c->rank, err) ? err->code
				   : faulty[c->rank].comm->broadcast(c, p, bytes, err);
}

/* Of which rank a backend is. */
static int rank_of(const struct backend *be)
{
	for (int i = 0; i < MOST_RANKS; i++)
		if (faulty[i].m && faulty[i].m->be == be)
			return i;
	fail_msg("a backend of no rank");
	return -1;
}

static int experts(struct backend *be, const struct experts_args *a, struct err *err)
{
	int rank = rank_of(be);

	return fails(rank, err) ? err->code : faulty[rank].inner->experts(be, a, err);
}

static int window_row(struct backend *be, const struct window_row_args *a, struct err *err)
{
	int rank = rank_of(be);

	return fails(rank, err) ? err->code : faulty[rank].inner->window_row(be, a, err);
}

static int sample(struct backend *be, const struct sample_args *a, struct err *err)
{
	int rank = rank_of(be);

	return fails(rank, err) ? err->code : faulty[rank].inner->sample(be, a, err);
}

/* Every rank of m can fail, at what they do together or alone. */
static void make_faulty(struct model *m)
{
	memset(faulty, 0, sizeof(faulty));
	for (int i = 0; i < model_n_ranks(m); i++) {
		struct faulty *f = &faulty[i];

		f->m = team_rank(m, i);
		f->comm = f->m->comm->ops;
		f->comm_ops = *f->comm;
		f->comm_ops.all_reduce = all_reduce;
		f->comm_ops.gather = gather;
		f->comm_ops.broadcast = broadcast;
		f->m->comm->ops = &f->comm_ops;
		f->inner = f->m->be->ops;
		f->ops = *f->inner;
		f->ops.experts = experts;
		f->ops.window_row = window_row;
		f->ops.sample = sample;
		f->m->be->ops = &f->ops;
	}
}

/* A prompt and what is said after it, in single steps and in a cycle. */
struct talk {
	struct model *m;
	struct seq *s;
	struct choice last[LOGIT_ROWS];
	token_id said[8 * LOGIT_ROWS];
	int n_said;
};

static const struct sample_how best = {.top_p = 1, .n_choice = 200};

static int at_most_two(void *ctx, const float *sure, int depth)
{
	(void)ctx;
	(void)sure;
	return depth < 2 ? depth : 2;
}

static int step(struct talk *t, const token_id *ids, int n, struct err *err)
{
	const struct forward f = {
		.ids = ids, .n = n, .want = WANT_LAST, .choices = t->last, .how = &best};
	int rc = seq_run(t->s, f, err);

	if (!rc)
		t->said[t->n_said++] = t->last[0].id;
	return rc;
}

static int cycle(struct talk *t, struct err *err)
{
	struct forward_cycle c = {.depth = 3, .cut = at_most_two};
	const struct forward f = {.ids = &t->said[t->n_said - 1],
				  .n = 1,
				  .want = WANT_ALL,
				  .choices = t->last,
				  .how = &best,
				  .cycle = &c};
	int rc = seq_run(t->s, f, err);

	for (int i = 0; !rc && i <= c.n_accepted; i++)
		t->said[t->n_said++] = t->last[i].id;
	return rc;
}

static int say(struct talk *t, struct err *err)
{
	token_id ids[70];
	int rc;

	for (int i = 0; i < 70; i++)
		ids[i] = (token_id)(3 + i * 7 % 190);
	t->n_said = 0;
	rc = seq_truncate(t->s, 0, err);
	if (!rc)
		rc = step(t, ids, 64, err);
	if (!rc)
		rc = step(t, ids + 64, 6, err);
	if (!rc)
		rc = step(t, &t->said[t->n_said - 1], 1, err);
	for (int i = 0; i < 3 && !rc; i++)
		rc = cycle(t, err);
	return rc;
}

/* Of the calls that fail, one of so many. */
#define EACH (SANITIZED ? 2 : 1)

static bool slow(void)
{
	return getenv("DSV4CHAT_SLOW") != NULL;
}

/* Rank `rank` fails at its call `at`; the same said again is what was said before. */
static void fail_once(struct talk *t, const struct talk *before, int rank, int at)
{
	char expected[64];
	struct err err = {0};

	snprintf(expected, sizeof(expected), "rank %d of %d: its time has come", rank,
		 model_n_ranks(t->m));
	faulty[rank].left = at;
	assert_int_equal(say(t, &err), ERR_FAILED);
	assert_string_equal(err.text, expected);
	assert_int_equal(seq_len(t->s), 0);
	assert_int_equal(t->m->pool.n_free, t->m->n_pages);
	if (say(t, &err))
		fail_msg("after rank %d failed at %d: %s", rank, at, err.text);
	assert_int_equal(t->n_said, before->n_said);
	assert_memory_equal(t->said, before->said, (size_t)t->n_said * sizeof(t->said[0]));
}

/* At so many of the calls of every rank, spread over all of them. */
static void fail_everywhere(const char *dir, int n_ranks, int n_runs)
{
	struct talk t = {.m = ranks_open(dir, n_ranks)}, before;
	struct err err = {0};
	int n_calls;

	make_faulty(t.m);
	assert_int_equal(seq_new(&t.s, t.m, &err), 0);
	if (say(&t, &err))
		fail_msg("%s", err.text);
	before = t;
	n_calls = faulty[0].n_calls;
	for (int i = 1; i < n_ranks; i++)
		assert_int_equal(faulty[i].n_calls, n_calls);
	for (int i = 0; i < n_runs; i++)
		fail_once(&t, &before, i % n_ranks, 1 + (int)((int64_t)i * n_calls / n_runs));
	seq_free(t.s);
	model_close(t.m);
}

static void a_rank_that_fails_anywhere_ends_the_call_and_the_next_works(void **state)
{
	(void)state;
	fail_everywhere(NANO, 2, slow() ? 500 : 40 / EACH);
	fail_everywhere(NANO, 4, slow() ? 500 : 24 / EACH);
}

static struct tmpdir blocks; /* a random model that drafts blocks */

static int make_blocks(void **state)
{
	(void)state;
	tmpdir_init(&blocks);
	checkpoint_put(&blocks,
		       (struct block_drafter){.stages = 2, .block = 4, .targets = "1, 2"});
	return 0;
}

static int remove_blocks(void **state)
{
	(void)state;
	tmpdir_release(&blocks);
	return 0;
}

static void so_does_one_that_drafts_blocks(void **state)
{
	(void)state;
	fail_everywhere(blocks.path, 2, slow() ? 500 : 30 / EACH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rank_that_fails_anywhere_ends_the_call_and_the_next_works),
		cmocka_unit_test(so_does_one_that_drafts_blocks),
	};

	return cmocka_run_group_tests(tests, make_blocks, remove_blocks);
}
