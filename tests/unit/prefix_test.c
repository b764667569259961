/* What is kept of a prompt, where the next one parts from it, and what a failure leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/cache/prefix.h"

#define MODEL "tests/golden/pro-micro"

enum { USER = 3, ASSISTANT = 4, CHUNK = 100, MOST = 1500 };

static struct model *model;
static size_t vocab;

static int open_all(void **state)
{
	const struct model_options opt = {.dir = MODEL,
					  .n_threads = 2,
					  .prefill_chunk = CHUNK,
					  .ctx_tokens = 2048,
					  .n_slots = 2,
					  .keeps = true};
	struct err err = {0};

	(void)state;
	if (model_open(&model, &opt, &err))
		fail_msg("%s", err.text);
	vocab = (size_t)model_config(model)->vocab;
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	model_close(model);
	return 0;
}

/* n ids that are no control tokens, those of one seed alike. */
static void fill(token_id *ids, int n, unsigned seed)
{
	for (int i = 0; i < n; i++) {
		seed = seed * 1664525u + 1013904223u;
		ids[i] = (token_id)(10 + (seed >> 8) % 300);
	}
}

/* Before a tree of its own. */
static void open_prefix(struct prefix *p, struct tree *tree)
{
	struct err err = {0};

	if (tree_init(tree, model, &err) || prefix_open(p, tree, USER, ASSISTANT, &err))
		fail_msg("%s", err.text);
}

static void close_prefix(struct prefix *p)
{
	struct tree *tree = p->tree;

	prefix_release(p);
	tree_release(tree);
}

/* A prompt and, if asked for, an answer; returns how many ids were held. */
static int64_t read_prompt(struct prefix *p, const token_id *ids, int64_t n,
			   const token_id *answer, int n_answer, float *logits)
{
	struct err err = {0};
	int64_t held = prefix_begin(p, ids, n, &err), at = held;

	assert_in_range(held, 0, n - 1);
	while (at < n) {
		int64_t end = prefix_next(p);
		struct forward f = {.ids = ids + at, .n = (int)(end - at)};

		assert_in_range(end - at, 1, CHUNK);
		if (end == n) {
			f.want = WANT_LAST;
			f.logits = logits;
		}
		if (prefix_run(p, f, &err))
			fail_msg("%s", err.text);
		at = end;
		assert_int_equal(prefix_len(p), at);
	}
	for (int i = 0; i < n_answer; i++) {
		const struct forward f = {.ids = answer + i, .n = 1};

		assert_int_equal(prefix_run(p, f, &err), 0);
	}
	if (n_answer)
		prefix_end(p);
	return held;
}

/* Reading it after others gives the logits that reading it alone gives. */
static void reads_alike(struct prefix *p, const token_id *ids, int64_t n, int64_t want_held)
{
	float *after = malloc(vocab * sizeof(float)), *alone = malloc(vocab * sizeof(float));
	struct prefix fresh;
	struct tree nothing;
	int64_t held;

	assert_true(after && alone);
	open_prefix(&fresh, &nothing);
	read_prompt(&fresh, ids, n, NULL, 0, alone);
	held = read_prompt(p, ids, n, NULL, 0, after);
	if (held != want_held)
		fail_msg("%lld ids of %lld held, expected %lld", (long long)held, (long long)n,
			 (long long)want_held);
	assert_memory_equal(after, alone, vocab * sizeof(float));
	close_prefix(&fresh);
	free(after);
	free(alone);
}

/* System prompt of 300 ids, a question, an answer, another question. */
static void a_conversation_goes_on_from_what_is_held(void **state)
{
	token_id ids[MOST], answer[40];
	struct prefix p;
	struct tree tree;

	(void)state;
	fill(ids, MOST, 1);
	fill(answer, 40, 2);
	ids[300] = ids[420] = USER;
	ids[378] = ASSISTANT; /* an opening id stands behind it, as prompts have */
	memcpy(ids + 380, answer, sizeof(answer));
	ids[469] = ASSISTANT;
	open_prefix(&p, &tree);
	assert_int_equal(read_prompt(&p, ids, 380, answer, 40, NULL), 0);
	reads_alike(&p, ids, 471, 420);
	/* the same prompt again: its last id is computed anew */
	reads_alike(&p, ids, 471, 470);
	/* the second question changed: back to the first answer's end */
	ids[440]++;
	reads_alike(&p, ids, 471, 420);
	/* the first answer changed: back to where it was asked for */
	ids[400]++;
	reads_alike(&p, ids, 471, 379);
	/* the first question changed: back to the end of the system prompt */
	ids[350]++;
	reads_alike(&p, ids, 471, 300);
	/* all changed */
	ids[0]++;
	reads_alike(&p, ids, 471, 0);
	close_prefix(&p);
}

static void a_chunk_ends_at_a_place_that_cannot_be_reached_from_its_end(void **state)
{
	token_id ids[MOST];
	struct prefix p;
	struct tree tree;
	struct err err = {0};

	(void)state;
	fill(ids, MOST, 3);
	ids[349] = ASSISTANT; /* so place 350 is 50 from the end of its chunk */
	open_prefix(&p, &tree);
	assert_int_equal(prefix_begin(&p, ids, 1000, &err), 0);
	for (int64_t want[] = {100, 200, 300, 350, 450, 0}, i = 0; want[i]; i++) {
		struct forward f = {.ids = ids + prefix_len(&p)};

		assert_int_equal(prefix_next(&p), want[i]);
		f.n = (int)(want[i] - prefix_len(&p));
		assert_int_equal(prefix_run(&p, f, &err), 0);
	}
	close_prefix(&p);
}

static void what_is_refused_changes_nothing(void **state)
{
	token_id ids[MOST], bad = 320;
	struct forward f = {.ids = &bad, .n = 1};
	struct prefix p;
	struct tree tree;
	struct err err = {0};

	(void)state;
	fill(ids, MOST, 4);
	open_prefix(&p, &tree);
	read_prompt(&p, ids, 50, NULL, 0, NULL);
	assert_int_equal(prefix_run(&p, f, &err), ERR_USAGE);
	assert_int_equal(prefix_len(&p), 50);
	assert_int_equal(p.held.n, 50);
	reads_alike(&p, ids, 60, 50);
	close_prefix(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_conversation_goes_on_from_what_is_held),
		cmocka_unit_test(a_chunk_ends_at_a_place_that_cannot_be_reached_from_its_end),
		cmocka_unit_test(what_is_refused_changes_nothing),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
