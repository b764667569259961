/*
 * Conversations in random order against a plain model of the cache, which is none: whatever was
 * read before, left in the middle, forked, changed, dropped or thinned out, the last row of a
 * prompt has the bits of one that was read alone, from both heads; and no page is lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/cache/prefix.h"
#include "engine/pass/model_internal.h"

#define MODEL "tests/golden/pro-micro"

enum { USER = 3, ASSISTANT = 4, CHUNK = 48, N_TALKS = 9, N_PREFIXES = 2, MOST = 560 };

struct talk {
	token_id ids[MOST];
	int n;
};

static struct model *model;
static size_t vocab;
static struct tree tree;
static struct prefix prefixes[N_PREFIXES];
static struct seq *alone; /* the plain model */
static struct talk talks[N_TALKS];
static uint64_t seed;
static int64_t n_read, n_found;

/* 0 … n - 1 */
static int pick(int n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (int)((seed >> 33) % (uint64_t)n);
}

static void open_caches(void)
{
	struct err err = {0};

	if (tree_init(&tree, model, &err))
		fail_msg("%s", err.text);
	for (int i = 0; i < N_PREFIXES; i++) {
		if (prefix_open(&prefixes[i], &tree, USER, ASSISTANT, &err))
			fail_msg("%s", err.text);
	}
}

/* Nobody holds a page then. */
static void close_caches(void)
{
	for (int i = 0; i < N_PREFIXES; i++)
		prefix_release(&prefixes[i]);
	tree_release(&tree);
	assert_int_equal(seq_truncate(alone, 0, &(struct err){0}), 0);
	assert_int_equal(model->pool.n_free, model->pool.n);
}

static int open_all(void **state)
{
	const struct model_options opt = {.dir = MODEL,
					  .n_threads = 2,
					  .prefill_chunk = CHUNK,
					  .ctx_tokens = 1024,
					  .n_slots = N_PREFIXES + 1,
					  .keeps = true,
					  .kept_bytes = 1};
	struct err err = {0};

	(void)state;
	if (model_open(&model, &opt, &err) || seq_new(&alone, model, &err))
		fail_msg("%s", err.text);
	vocab = (size_t)model_config(model)->vocab;
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	seq_free(alone);
	model_close(model);
	return 0;
}

/* ------------------------------------------------------------- what is said */

/* Few different ids, so that others begin alike by chance, too. */
static void say(struct talk *t, int n)
{
	for (int i = 0; i < n && t->n < MOST - 40; i++)
		t->ids[t->n++] = (token_id)(10 + pick(3));
}

static void say_control(struct talk *t, token_id id)
{
	if (t->n < MOST - 40)
		t->ids[t->n++] = id;
}

/* A message, and what asks for an answer. */
static void ask(struct talk *t)
{
	say_control(t, USER);
	say(t, 1 + pick(pick(4) ? 40 : 200));
	say_control(t, ASSISTANT);
	say(t, pick(2));
}

static void change(struct talk *t)
{
	switch (pick(6)) {
	case 0: /* another one's beginning */
		*t = talks[pick(N_TALKS)];
		t->n = t->n ? pick(t->n) : 0;
		break;
	case 1: /* an earlier message anew */
		t->n = t->n ? pick(t->n) : 0;
		break;
	case 2: /* a word of it */
		if (t->n)
			t->ids[pick(t->n)] = (token_id)(10 + pick(3));
		return;
	case 3: /* the same again */
		return;
	default:
		if (t->n > MOST - 300)
			t->n = 0;
		break;
	}
	ask(t);
}

/* ------------------------------------------------------------------- reading */

struct last_row {
	float logits[1024], draft[1024];
};

static void read_alone(const struct talk *t, struct last_row *out)
{
	struct err err = {0};

	assert_int_equal(seq_truncate(alone, 0, &err), 0);
	tree_make_room(&tree, (t->n + PAGE_TOKENS - 1) / PAGE_TOKENS);
	for (int at = 0; at < t->n; at += CHUNK) {
		int n = t->n - at < CHUNK ? t->n - at : CHUNK;

		if (seq_forward(alone, t->ids + at, n, WANT_LAST, out->logits, out->draft,
				&err))
			fail_msg("%s", err.text);
	}
	assert_int_equal(seq_truncate(alone, 0, &err), 0);
}

/* False: it was left in the middle. */
static bool read_prompt(struct prefix *p, const struct talk *t, struct last_row *out)
{
	struct err err = {0};
	int64_t at = prefix_begin(p, t->ids, t->n, &err);
	int patience = pick(8) ? 1000 : pick(4);

	assert_in_range(at, 0, t->n - 1);
	n_found += at;
	n_read += t->n;
	while (at < t->n) {
		int64_t end = prefix_next(p);
		struct forward f = {.ids = t->ids + at,
				    .n = (int)(end - at),
				    .want = WANT_LAST,
				    .logits = out->logits,
				    .draft = out->draft};

		if (patience-- == 0)
			return false;
		if (prefix_run(p, f, &err))
			fail_msg("%s", err.text);
		at = end;
	}
	return true;
}

static void answer(struct prefix *p, struct talk *t)
{
	struct err err = {0};
	int from = t->n;

	say(t, 1 + pick(pick(4) ? 12 : 150));
	for (int i = from; i < t->n; i++) {
		const struct forward f = {.ids = t->ids + i, .n = 1};

		if (prefix_run(p, f, &err))
			fail_msg("%s", err.text);
	}
	prefix_end(p);
	/* its last id is chosen and not fed */
	say(t, 1);
}

static void turn(int i)
{
	static struct last_row found, want;
	struct prefix *p = &prefixes[pick(4) == 0];
	struct talk *t = &talks[pick(N_TALKS)];

	change(t);
	if (t->n < 2)
		ask(t);
	if (!read_prompt(p, t, &found))
		return;
	read_alone(t, &want);
	if (memcmp(found.logits, want.logits, vocab * sizeof(float)) != 0)
		fail_msg("turn %d, %d tokens: logits differ", i, t->n);
	if (memcmp(found.draft, want.draft, vocab * sizeof(float)) != 0)
		fail_msg("turn %d, %d tokens: draft logits differ", i, t->n);
	if (pick(3))
		answer(p, t);
}

static int n_nodes(const struct node *node)
{
	int n = 0;

	for (const struct node *c = node->child; c; c = c->next) {
		assert_true(c->child || c->marks);
		n += 1 + n_nodes(c);
	}
	return n;
}

/* Each node has a page of its own; what else is held is the sequences'. */
static void pages_are_accounted_for(void)
{
	int held = model->pool.n - model->pool.n_free, refs = 0, own = n_nodes(&tree.root);

	for (int i = 0; i < N_PREFIXES; i++)
		own += (int)(prefix_len(&prefixes[i]) + PAGE_TOKENS - 1) / PAGE_TOKENS;
	for (int i = 0; i < model->pool.n; i++)
		refs += model->pool.v[i].refs > 0 ? model->pool.v[i].refs : 0;
	assert_int_equal(refs, own);
	assert_true(held <= own);
}

static void whatever_came_before_a_prompt_is_read_alike(void **state)
{
	int n = getenv("DSV4CHAT_SLOW") ? 5000 : 60;

	(void)state;
	assert_in_range(vocab, 1, 1024);
	seed = 15;
	open_caches();
	for (int i = 0; i < n; i++) {
		switch (pick(40)) {
		case 0: /* as after a restart */
			close_caches();
			open_caches();
			break;
		case 1:
			tree_make_room(&tree, pick(model->pool.n));
			break;
		default:
			turn(i);
		}
		pages_are_accounted_for();
	}
	print_message("%d turns: %lld tokens, %lld of them found\n", n, (long long)n_read,
		      (long long)n_found);
	/* They do find each other. */
	assert_true(n_found > n_read / 3);
	close_caches();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_came_before_a_prompt_is_read_alike),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
