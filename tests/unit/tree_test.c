/* Going back to what is kept, by bits, in any slot; what is kept, where, and what is shared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/checkpoint/safetensors.h"
#include "engine/cache/places.h"
#include "engine/cache/policy.h"
#include "engine/cache/tree.h"
#include "engine/pass/model_internal.h"
#include "tests/support/sanitized.h"

#define MODEL   "tests/golden/pro-micro"
#define PROBE   24  /* tokens compared after each return */
#define N_MARKS 16  /* that there is room for */
#define AWAY    300 /* tokens read before it: past the window's and every ring's wrap */

/* Of neighbouring lengths, one of so many. */
#define EACH (SANITIZED ? 3 : 1)

static struct safetensors *golden;
static const token_id *ids;
static int n_ids;
static struct model *model;
static size_t vocab;
static float *want, *want_draft; /* [n_ids, vocab], of one uninterrupted run */

static void run(struct seq *s, const token_id *v, int n, float *logits, float *draft)
{
	struct err err = {0};

	for (int at = 0; at < n; at += 100) {
		int rows = n - at < 100 ? n - at : 100;

		if (seq_forward(s, v + at, rows, logits ? WANT_ALL : WANT_NONE,
				logits ? logits + (size_t)at * vocab : NULL, draft, &err))
			fail_msg("%s", err.text);
		if (draft)
			draft += (size_t)(seq_len(s) == rows ? rows - 1 : rows) * vocab;
	}
}

static struct seq *new_seq(void)
{
	struct err err = {0};
	struct seq *s;

	if (seq_new(&s, model, &err))
		fail_msg("%s", err.text);
	return s;
}

static int open_all(void **state)
{
	struct model_options opt = {.dir = MODEL,
				    .n_threads = 2,
				    .prefill_chunk = 100,
				    .ctx_tokens = 4096,
				    .n_slots = 2,
				    .keeps = true,
				    .kept_bytes = 1};
	struct err err = {0};
	const struct tensor *t;
	struct seq *s;

	(void)state;
	if (safetensors_open_file(&golden, MODEL "/golden.safetensors", &err) ||
	    model_open(&model, &opt, &err))
		fail_msg("%s", err.text);
	t = safetensors_find(golden, "ids");
	ids = t->data;
	n_ids = (int)t->shape[0];
	vocab = (size_t)model_config(model)->vocab;
	want = malloc((size_t)n_ids * vocab * sizeof(float));
	want_draft = malloc((size_t)n_ids * vocab * sizeof(float));
	assert_true(want && want_draft);
	s = new_seq();
	run(s, ids, n_ids, want, want_draft);
	seq_free(s);
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	free(want);
	free(want_draft);
	model_close(model);
	safetensors_close(golden);
	return 0;
}

static void new_tree(struct tree *t)
{
	struct err err = {0};

	if (tree_init(t, model, &err))
		fail_msg("%s", err.text);
}

/* Nobody holds a page any more. */
static void nothing_is_left(struct tree *t)
{
	tree_release(t);
	assert_int_equal(model->pool.n_free, model->pool.n);
}

static void keep(struct tree *t, struct seq *s, int64_t len)
{
	struct err err = {0};

	if (tree_keep(t, s, ids, len, &err))
		fail_msg("%s", err.text);
}

/* To the golden ids' mark at `len`. */
static void restore(struct tree *t, struct seq *s, int64_t len)
{
	struct mark *mark = tree_find(t, ids, len);
	struct err err = {0};

	assert_non_null(mark);
	assert_int_equal(mark->len, len);
	assert_int_equal(tree_restore(t, mark, s, &err), 0);
}

/* Other ids than the golden ones, for going astray with. */
static void stray(struct seq *s, int64_t len, int n)
{
	token_id wrong[AWAY];

	for (int i = 0; i < n; i++)
		wrong[i] = (token_id)((ids[(len + i) % n_ids] + 7 * (i + 1)) % (int)vocab);
	run(s, wrong, n, NULL, NULL);
}

/* What follows `len` tokens are the rows of the uninterrupted run, of both heads. */
static void goes_on_from(struct seq *s, int64_t len)
{
	static float logits[PROBE * 512], draft[PROBE * 512];
	size_t bytes = PROBE * vocab * sizeof(float);

	assert_in_range(vocab, 1, 512);
	assert_int_equal(seq_len(s), len);
	run(s, ids + len, PROBE, logits, draft);
	if (memcmp(logits, want + (size_t)len * vocab, bytes) != 0)
		fail_msg("length %lld: logits differ", (long long)len);
	/* the draft head is a position behind */
	if (memcmp(draft, want_draft + (size_t)(len - 1) * vocab, bytes) != 0)
		fail_msg("length %lld: draft logits differ", (long long)len);
}

/* Kept when `late` more tokens were read, gone back to twice from far away, and elsewhere. */
static void go_back_to(int len, int late)
{
	struct seq *s = new_seq(), *other = new_seq();
	struct tree t;

	new_tree(&t);
	run(s, ids, len, NULL, NULL);
	if (late)
		stray(s, len, late);
	keep(&t, s, len);
	stray(s, len, AWAY);
	restore(&t, s, len);
	goes_on_from(s, len);
	restore(&t, other, len);
	restore(&t, s, len);
	stray(s, len, 5);
	goes_on_from(other, len);
	restore(&t, s, len);
	goes_on_from(s, len);
	seq_free(s);
	seq_free(other);
	nothing_is_left(&t);
}

static void going_back_leaves_no_trace(void **state)
{
	(void)state;
	/* around the borders of blocks of 4 and 128 and the window's wrap */
	for (int len = 124; len <= 133; len += EACH)
		go_back_to(len, len % 9);
	for (int len = 254; len <= 258; len += EACH)
		go_back_to(len, (len * 5) % 9);
	for (int len = 1; len <= 9; len += 2)
		go_back_to(len, 9 - len);
	/* around the wrap of a ring of window + 100 + roll-back rows */
	for (int len = 234; len <= 238; len += EACH)
		go_back_to(len, 8);
}

static void a_roll_back_reaches_a_frontier_and_no_further(void **state)
{
	struct seq *s = new_seq();
	struct err err = {0};
	struct tree t;

	(void)state;
	new_tree(&t);
	run(s, ids, 200, NULL, NULL);
	keep(&t, s, 200);
	stray(s, 200, 50);
	restore(&t, s, 200);
	assert_int_equal(seq_truncate(s, 199, &err), ERR_LIMIT);
	stray(s, 200, 5);
	assert_int_equal(seq_truncate(s, 199, &err), ERR_LIMIT);
	assert_int_equal(seq_truncate(s, 200, &err), 0);
	goes_on_from(s, 200);
	assert_int_equal(seq_floor(s), 200 + PROBE - SEQ_MAX_ROLLBACK);
	seq_free(s);
	nothing_is_left(&t);
}

/* A sequence rolls back into what is kept of it, and goes on otherwise. */
static void a_roll_back_behind_what_is_kept_changes_nothing_of_it(void **state)
{
	(void)state;
	for (int len = 127; len <= 135; len += 4) {
		struct seq *s = new_seq();
		struct err err = {0};
		struct tree t;

		new_tree(&t);
		run(s, ids, len, NULL, NULL);
		keep(&t, s, len);
		assert_int_equal(seq_truncate(s, len - 7, &err), 0);
		stray(s, len - 7, 20);
		restore(&t, s, len);
		goes_on_from(s, len);
		seq_free(s);
		nothing_is_left(&t);
	}
}

/* Each goes back in its own slot, while the other has gone on in between. */
static void two_sequences_go_back_beside_each_other(void **state)
{
	struct seq *s[2] = {new_seq(), new_seq()};
	const int64_t len[2] = {131, 250};
	struct tree t;

	(void)state;
	new_tree(&t);
	for (int i = 0; i < 2; i++)
		run(s[i], ids, (int)len[i], NULL, NULL);
	for (int i = 0; i < 2; i++)
		keep(&t, s[i], len[i]);
	for (int i = 0; i < 2; i++)
		stray(s[i], len[i], AWAY);
	for (int i = 0; i < 2; i++)
		restore(&t, s[i], len[i]);
	for (int i = 0; i < 2; i++)
		goes_on_from(s[i], len[i]);
	for (int i = 0; i < 2; i++)
		seq_free(s[i]);
	nothing_is_left(&t);
}

static void a_frontier_is_as_small_as_what_matters_later(void **state)
{
	const struct model_config *c = model_config(model);
	struct layer_layout plain = layout_layer(0, c->window, c->window);
	/* window rows, the streams of one token, and less than the former for everything else
	 */
	int64_t windows =
		(c->n_layers + 1) * (int64_t)layout_kept_bytes(plain.ring[RING_WINDOW]);
	int64_t streams = (int64_t)layout_kept_bytes(layout_streams(c->dim));

	(void)state;
	assert_in_range(frontier_bytes(model), windows + streams, 2 * windows + streams);
	assert_int_equal(model_n_frontiers(model), N_MARKS);
}

/* -- which are kept ---------------------------------------------------------- */

static int by_len(const void *a, const void *b)
{
	const struct mark *const *x = a, *const *y = b;

	return (int)((*x)->len - (*y)->len);
}

static void the_last_is_kept_and_the_others_are_spread(void **state)
{
	struct seq *s = new_seq();
	struct mark *v[N_MARKS];
	struct tree t;
	int64_t before = 0;

	(void)state;
	new_tree(&t);
	for (int i = 1; i <= 100; i++) {
		run(s, ids + 4 * (i - 1), 4, NULL, NULL);
		tree_tick(&t);
		keep(&t, s, 4 * i);
		assert_int_equal(tree_find(&t, ids, n_ids)->len, 4 * i);
		assert_int_equal(t.n, i < N_MARKS ? i : N_MARKS);
	}
	memcpy(v, t.marks, sizeof(v));
	qsort(v, N_MARKS, sizeof(v[0]), by_len);
	/* Dense at the end, yet never further apart than it is far to the end. */
	for (int i = 0; i < N_MARKS; i++) {
		assert_true(v[i]->len - before <= 400 - before);
		if (v[i]->len > 370)
			assert_in_range(v[i]->len - before, 4, 16);
		before = v[i]->len;
	}
	seq_free(s);
	nothing_is_left(&t);
}

static void what_is_worth_most_stays(void **state)
{
	const struct worth usual = {.saved = 100, .to_end = 50, .uses = 2, .bytes = 9};
	struct worth w = usual;

	(void)state;
	assert_true(policy_worth(&w) == policy_worth(&usual));
	w.saved++;
	assert_true(policy_worth(&w) > policy_worth(&usual));
	w = usual;
	w.to_end++;
	assert_true(policy_worth(&w) < policy_worth(&usual));
	w = usual;
	w.uses += 0.5;
	assert_true(policy_worth(&w) > policy_worth(&usual));
	w = usual;
	w.bytes++;
	assert_true(policy_worth(&w) < policy_worth(&usual));
}

static void a_use_counts_half_after_a_while(void **state)
{
	const int64_t now = 1800000000000, half = WORTH_HALF_LIFE_MS;
	int64_t uses = now;

	(void)state;
	assert_true(policy_uses(3, 4) == 2 * policy_uses(3, 4 + WORTH_HALF_LIFE));
	assert_true(policy_uses(3, 4) == 2 * policy_uses(1, 4));
	/* a file that was used eight times today, and once more two half-lives later */
	for (int i = 0; i < 7; i++)
		uses = policy_used(uses, now);
	assert_in_range((int64_t)(100 * policy_uses_at(uses, now)), 799, 801);
	uses = policy_used(uses, now + 2 * half);
	assert_in_range((int64_t)(100 * policy_uses_at(uses, now + 2 * half)), 299, 301);
	/* one that nobody used for years, and one of a wrong clock */
	assert_true(policy_uses_at(0, now) >= 0);
	assert_int_equal(policy_used(0, now), now);
	assert_true(policy_uses_at(now + 1000 * half, now) == 1);
	assert_int_equal(policy_used(now + 1000 * half, now), now + half);
}

/* -- what is shared ------------------------------------------------------------ */

static int n_held(void)
{
	return model->pool.n - model->pool.n_free;
}

/* Reads `beginning` golden ids and then others, those of one `seed` alike, in a fresh sequence.
 */
static void another(struct tree *t, int beginning, int n, int seed)
{
	token_id *v = malloc((size_t)n * sizeof(*v));
	struct seq *s = new_seq();
	struct err err = {0};

	assert_non_null(v);
	for (int i = 0; i < n; i++)
		v[i] = i < beginning ? ids[i] : (token_id)((i * 7 + seed * 31) % (int)vocab);
	run(s, v, n, NULL, NULL);
	assert_int_equal(tree_keep(t, s, v, n, &err), 0);
	free(v);
	seq_free(s);
}

static void what_begins_alike_is_held_once(void **state)
{
	struct tree t;

	(void)state;
	new_tree(&t);
	another(&t, 300, 400, 1);
	assert_int_equal(n_held(), 4);
	/* 256 of the 300 ids fill pages; of the others each has its own. */
	another(&t, 300, 400, 2);
	assert_int_equal(n_held(), 4 + 2);
	another(&t, 300, 300, 0);
	assert_int_equal(n_held(), 4 + 2 + 1);
	another(&t, 256, 256, 0);
	assert_int_equal(n_held(), 4 + 2 + 1);
	assert_int_equal(t.n, 4);
	/* the same again */
	another(&t, 300, 400, 1);
	assert_int_equal(n_held(), 4 + 2 + 1);
	assert_int_equal(t.n, 4);
	assert_int_equal(tree_find(&t, ids, 299)->len, 256);
	assert_int_equal(tree_find(&t, ids, 310)->len, 300);
	assert_null(tree_find(&t, ids, 255));
	assert_null(tree_find(&t, ids + 1, 400));
	nothing_is_left(&t);
}

static void the_way_back_leads_over_all_that_the_ids_begin_with(void **state)
{
	const struct mark *m;
	struct tree t;

	(void)state;
	new_tree(&t);
	another(&t, 300, 400, 1);
	another(&t, 280, 290, 2);
	another(&t, 300, 300, 0);
	another(&t, 128, 128, 0);
	another(&t, 100, 100, 0);
	another(&t, 390, 390, 0);
	/* That at 300 lies in a page of its own beside the way, as do those of other ids. */
	m = tree_find(&t, ids, 400);
	assert_int_equal(m->len, 390);
	for (int len = 389; len > 0; len--) {
		const struct mark *furthest = tree_find(&t, ids, len);

		if (furthest && furthest->len == len)
			assert_ptr_equal(m = tree_before(m, ids), furthest);
	}
	assert_int_equal(m->len, 100);
	assert_null(tree_before(m, ids));
	nothing_is_left(&t);
}

/* A sequence that goes on where it was kept adds to its own last page. */
static void going_on_takes_no_copy_and_parting_takes_one(void **state)
{
	struct seq *s = new_seq(), *other = new_seq();
	struct tree t;

	(void)state;
	new_tree(&t);
	run(s, ids, 150, NULL, NULL);
	keep(&t, s, 150);
	assert_int_equal(n_held(), 2);
	run(s, ids + 150, 50, NULL, NULL);
	keep(&t, s, 200);
	assert_int_equal(n_held(), 2);
	restore(&t, other, 150);
	assert_int_equal(n_held(), 2);
	stray(other, 150, 10);
	assert_int_equal(n_held(), 3);
	restore(&t, s, 150);
	stray(s, 150, 10);
	assert_int_equal(n_held(), 4);
	seq_free(s);
	seq_free(other);
	assert_int_equal(n_held(), 2);
	/* where it ended, whoever comes first goes on in place */
	s = new_seq();
	restore(&t, s, 200);
	goes_on_from(s, 200);
	assert_int_equal(n_held(), 2);
	seq_free(s);
	nothing_is_left(&t);
}

static void room_is_made_until_there_is_enough(void **state)
{
	struct tree t;

	(void)state;
	new_tree(&t);
	for (int i = 0; i < 5; i++) {
		tree_tick(&t);
		another(&t, 128, 500, i);
	}
	assert_int_equal(n_held(), 1 + 5 * 3);
	tree_make_room(&t, model->pool.n - 9);
	/* The oldest go, whole, and the page that all begin with stays. */
	assert_int_equal(n_held(), 1 + 2 * 3);
	assert_int_equal(t.n, 2);
	tree_make_room(&t, model->pool.n);
	assert_int_equal(n_held(), 0);
	assert_int_equal(t.n, 0);
	tree_make_room(&t, model->pool.n + 1);
	nothing_is_left(&t);
}

/* -- where they are ------------------------------------------------------------ */

enum { USER = 3, ASSISTANT = 4, WORD = 9 };

static void places_are_where_prompts_part(void **state)
{
	token_id prompt[3000];
	struct places p;

	(void)state;
	for (int i = 0; i < 3000; i++)
		prompt[i] = WORD;
	prompt[300] = USER;
	prompt[310] = ASSISTANT; /* too near to the end of the system prompt */
	prompt[330] = USER;
	prompt[700] = ASSISTANT;
	prompt[900] = USER;
	prompt[920] = ASSISTANT; /* near, but the last: the prompt asks here */
	places_init(&p, prompt, 3000, USER, ASSISTANT);
	assert_int_equal(places_next(&p, 0, 0), 300);
	assert_int_equal(places_next(&p, 300, 300), 701);
	assert_int_equal(places_next(&p, 701, 701), 921);
	assert_int_equal(places_next(&p, 921, 921), 2999);
	assert_int_equal(places_next(&p, 2999, 2999), 3000);
	/* Without the one before, the next counts. */
	assert_int_equal(places_next(&p, 300, 0), 311);
	places_init(&p, prompt, 300, USER, ASSISTANT);
	assert_int_equal(places_next(&p, 0, 0), 299);
	places_init(&p, prompt, 3000, -1, -1);
	assert_int_equal(places_next(&p, 0, 0), 2999);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(going_back_leaves_no_trace),
		cmocka_unit_test(a_roll_back_reaches_a_frontier_and_no_further),
		cmocka_unit_test(a_roll_back_behind_what_is_kept_changes_nothing_of_it),
		cmocka_unit_test(two_sequences_go_back_beside_each_other),
		cmocka_unit_test(a_frontier_is_as_small_as_what_matters_later),
		cmocka_unit_test(the_last_is_kept_and_the_others_are_spread),
		cmocka_unit_test(what_is_worth_most_stays),
		cmocka_unit_test(a_use_counts_half_after_a_while),
		cmocka_unit_test(what_begins_alike_is_held_once),
		cmocka_unit_test(the_way_back_leads_over_all_that_the_ids_begin_with),
		cmocka_unit_test(going_on_takes_no_copy_and_parting_takes_one),
		cmocka_unit_test(room_is_made_until_there_is_enough),
		cmocka_unit_test(places_are_where_prompts_part),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
