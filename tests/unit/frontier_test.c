/* Going back to a frontier, by bits; which frontiers are kept, and where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/cache/frontier_set.h"
#include "engine/checkpoint/safetensors.h"
#include "engine/cache/places.h"
#include "engine/pass/layout.h"

#define MODEL "tests/golden/pro-micro"
#define PROBE 24  /* tokens compared after each return */
#define AWAY  300 /* tokens read before it: past the window's and every ring's wrap */

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
				    .keeps_frontiers = true};
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

static struct frontier *new_frontier(void)
{
	struct err err = {0};
	struct frontier *f;

	if (frontier_new(&f, model, &err))
		fail_msg("%s", err.text);
	return f;
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

/* Saved when `late` more tokens were read, gone back to twice from far away. */
static void go_back_to(int len, int late)
{
	struct frontier *f = new_frontier();
	struct seq *s = new_seq();
	struct err err = {0};

	run(s, ids, len, NULL, NULL);
	if (late)
		stray(s, len, late);
	assert_int_equal(seq_save(s, len, f, &err), 0);
	assert_int_equal(frontier_len(f), len);
	stray(s, len, AWAY);
	assert_int_equal(seq_restore(s, f, &err), 0);
	goes_on_from(s, len);
	assert_int_equal(seq_restore(s, f, &err), 0);
	stray(s, len, 5);
	assert_int_equal(seq_restore(s, f, &err), 0);
	goes_on_from(s, len);
	seq_free(s);
	frontier_free(f);
}

static void going_back_leaves_no_trace(void **state)
{
	(void)state;
	/* around the borders of blocks of 4 and 128 and the window's wrap */
	for (int len = 120; len <= 136; len++)
		go_back_to(len, len % 9);
	for (int len = 251; len <= 260; len++)
		go_back_to(len, (len * 5) % 9);
	for (int len = 1; len <= 9; len++)
		go_back_to(len, 9 - len);
	/* around the wrap of a ring of window + 100 + roll-back rows */
	for (int len = 234; len <= 238; len++)
		go_back_to(len, 8);
}

static void a_roll_back_reaches_a_frontier_and_no_further(void **state)
{
	struct frontier *f = new_frontier();
	struct seq *s = new_seq();
	struct err err = {0};

	(void)state;
	run(s, ids, 200, NULL, NULL);
	assert_int_equal(seq_save(s, 200, f, &err), 0);
	stray(s, 200, 50);
	assert_int_equal(seq_restore(s, f, &err), 0);
	assert_int_equal(seq_truncate(s, 199, &err), ERR_LIMIT);
	stray(s, 200, 5);
	assert_int_equal(seq_truncate(s, 199, &err), ERR_LIMIT);
	assert_int_equal(seq_truncate(s, 200, &err), 0);
	goes_on_from(s, 200);
	assert_int_equal(seq_floor(s), 200 + PROBE - SEQ_MAX_ROLLBACK);
	seq_free(s);
	frontier_free(f);
}

/* Each goes back in its own slot, while the other has gone on in between. */
static void two_sequences_go_back_beside_each_other(void **state)
{
	struct frontier *f[2] = {new_frontier(), new_frontier()};
	struct seq *s[2] = {new_seq(), new_seq()};
	const int64_t len[2] = {131, 250};
	struct err err = {0};

	(void)state;
	for (int i = 0; i < 2; i++)
		run(s[i], ids, (int)len[i], NULL, NULL);
	for (int i = 0; i < 2; i++)
		assert_int_equal(seq_save(s[i], len[i], f[i], &err), 0);
	for (int i = 0; i < 2; i++)
		stray(s[i], len[i], AWAY);
	for (int i = 0; i < 2; i++)
		assert_int_equal(seq_restore(s[i], f[i], &err), 0);
	for (int i = 0; i < 2; i++)
		goes_on_from(s[i], len[i]);
	for (int i = 0; i < 2; i++) {
		seq_free(s[i]);
		frontier_free(f[i]);
	}
}

static void a_frontier_is_as_small_as_what_matters_later(void **state)
{
	const struct model_config *c = model_config(model);
	struct layer_layout plain = layout_layer(0, c->window, c->window);
	/* window rows, the streams of one token, and less than the former for everything else
	 */
	int64_t windows = (c->n_layers + 1) * (int64_t)layout_kept_bytes(plain.ring[RING_WINDOW]);
	int64_t streams = (int64_t)layout_kept_bytes(layout_streams(c->dim));

	(void)state;
	assert_in_range(frontier_bytes(model), windows + streams, 2 * windows + streams);
	assert_int_equal(model_n_frontiers(model), FRONTIERS_MIN);
}

/* -- which are kept ---------------------------------------------------------- */

static void the_set_keeps_the_last_and_spreads_the_others(void **state)
{
	struct frontier_set set;
	struct seq *s = new_seq();
	int max = model_n_frontiers(model);
	int64_t before = 0, widest_late = 0;

	(void)state;
	frontier_set_init(&set, model);
	for (int i = 1; i <= 100; i++) {
		stray(s, 4 * i, 4);
		frontier_set_keep(&set, s, 4 * i);
		assert_int_equal(frontier_len(frontier_set_last(&set)), 4 * i);
		assert_int_equal(set.n, i < max ? i : max);
	}
	for (int i = 0; i < set.n; i++) {
		int64_t len = frontier_len(set.v[i]);

		assert_true(len > before);
		if (len > 360 && len - before > widest_late)
			widest_late = len - before;
		before = len;
	}
	/* Dense at the end, yet never further apart than it is far to the end. */
	assert_in_range(widest_late, 4, 8);
	for (int64_t at = 200; at < 400; at += 20)
		assert_in_range(frontier_len(frontier_set_find(&set, at)), at - (400 - at), at);
	frontier_set_release(&set);
	seq_free(s);
}

static void what_lies_beyond_a_cut_is_gone(void **state)
{
	struct frontier_set set;
	struct seq *s = new_seq();
	struct err err = {0};

	(void)state;
	frontier_set_init(&set, model);
	assert_null(frontier_set_last(&set));
	assert_null(frontier_set_find(&set, 1000));
	for (int len = 10; len <= 50; len += 10) {
		run(s, ids + len - 10, 10, NULL, NULL);
		frontier_set_keep(&set, s, len);
	}
	frontier_set_keep(&set, s, 50); /* is there */
	assert_int_equal(set.n, 5);
	assert_null(frontier_set_find(&set, 9));
	assert_int_equal(frontier_len(frontier_set_find(&set, 10)), 10);
	assert_int_equal(frontier_len(frontier_set_find(&set, 39)), 30);
	frontier_set_cut(&set, 30);
	assert_int_equal(frontier_len(frontier_set_last(&set)), 30);
	assert_int_equal(frontier_len(frontier_set_find(&set, 1000)), 30);
	/* What was kept before the cut still serves, the memory of the rest is used again. */
	assert_int_equal(seq_restore(s, frontier_set_find(&set, 20), &err), 0);
	frontier_set_cut(&set, 20);
	stray(s, 20, 40);
	frontier_set_keep(&set, s, 60);
	assert_int_equal(set.n_made, 5);
	assert_int_equal(seq_restore(s, frontier_set_find(&set, 20), &err), 0);
	goes_on_from(s, 20);
	frontier_set_cut(&set, 0);
	assert_null(frontier_set_last(&set));
	frontier_set_release(&set);
	seq_free(s);
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
	assert_int_equal(places_next(&p, 921, 921), 3000);
	/* Without the one before, the next counts. */
	assert_int_equal(places_next(&p, 300, 0), 311);
	places_init(&p, prompt, 300, USER, ASSISTANT);
	assert_int_equal(places_next(&p, 0, 0), 300);
	places_init(&p, prompt, 3000, -1, -1);
	assert_int_equal(places_next(&p, 0, 0), 3000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(going_back_leaves_no_trace),
		cmocka_unit_test(a_roll_back_reaches_a_frontier_and_no_further),
		cmocka_unit_test(two_sequences_go_back_beside_each_other),
		cmocka_unit_test(a_frontier_is_as_small_as_what_matters_later),
		cmocka_unit_test(the_set_keeps_the_last_and_spreads_the_others),
		cmocka_unit_test(what_lies_beyond_a_cut_is_gone),
		cmocka_unit_test(places_are_where_prompts_part),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
