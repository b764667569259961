/*
 * The real engine on a random model that drafts blocks, with the small model's tokenizer: its
 * answers are the same without drafts, at every depth, and where confidence cuts the block; and
 * what comes back from disk drafts as what never left.
 */
#include "tests/support/shared_files.h"

#include <string.h>

#include "engine/engine.h"
#include "tests/support/checkpoint.h"
#include "tests/support/ready_engine.h"

#define BLOCK 5
#define MOST  100 /* tokens of an answer */

static struct tmpdir dir;

static int make_model(void **state)
{
	(void)state;
	tmpdir_init(&dir);
	checkpoint_put(&dir,
		       (struct block_drafter){
			       .stages = 3, .block = BLOCK, .targets = "0, 2", .vocab = 4096});
	tmpdir_copy(&dir, "share/nano/tokenizer.json");
	return 0;
}

static int remove_model(void **state)
{
	(void)state;
	tmpdir_release(&dir);
	return 0;
}

static void wait_for(struct engine *e, struct event *ev)
{
	event_release(ev);
	assert_int_equal(event_queue_pop(e->events, ev, 60000), 1);
	if (ev->kind == EV_ERROR)
		fail_msg("%s", ev->err.text);
}

/* `cache`: a folder for what is kept on disk, or NULL. */
static struct engine *open_engine(const char *cache)
{
	struct engine_config config = {
		.model_dir = dir.path,
		.backend = "cpu",
		.n_threads = 1,
		.ctx_tokens = 1024,
		.prefill_chunk = 64,
		.cache_dir = cache,
		.cache_bytes = cache ? (int64_t)256 << 20 : 0,
	};

	return ready_engine_open(&config);
}

struct answer {
	token_id ids[2 * MOST];
	size_t n;
	struct turn_usage usage;
	enum stop_reason stop;
};

/* `had`: what it goes on from, or NULL. */
static void ask(struct engine *e, struct sampling how, const struct answer *had, struct answer *a)
{
	struct chat_message m = {.role = CHAT_USER, .content = STR_LIT("What is 12 + 7?")};
	struct turn_request req = {
		.chat = {.messages = &m, .n_messages = 1, .drop_thinking = true},
		.conversation = STR_LIT("one"),
		.sampling = how,
		.resume_ids = had ? had->ids : NULL,
		.n_resume_ids = had ? had->n : 0,
	};
	struct event ev = {0};
	struct err err = {0};
	uint64_t turn;

	a->n = 0;
	if (e->ops->submit(e, &req, &turn, &err))
		fail_msg("%s", err.text);
	do {
		wait_for(e, &ev);
		if (ev.kind == EV_TOKENS) {
			assert_true(a->n + ev.n_ids <= 2 * MOST);
			memcpy(a->ids + a->n, ev.ids, ev.n_ids * sizeof(*ev.ids));
			a->n += ev.n_ids;
		}
	} while (ev.kind != EV_DONE);
	a->usage = ev.usage;
	a->stop = ev.stop;
	event_release(&ev);
}

/* The last two: logits hardly count, and nearly all that is drafted is accepted. */
static const struct sampling hows[] = {
	{.temperature = 0, .top_p = 1},
	{.temperature = 1, .top_p = 0.9, .seed = 1},
	{.temperature = 1000, .top_p = 1, .seed = 2},
	{.temperature = 1000, .top_p = 1, .seed = 3},
};

static void an_answer_is_the_same_with_drafts(void **state)
{
	static const int drafts[] = {DRAFT_OFF + 1, DRAFT_OFF + 2, DRAFT_OFF + BLOCK,
				     DRAFT_OFF + 8, DRAFT_AUTO,    DRAFT_AUTO};
	static struct answer off, on;
	struct engine *e = open_engine(NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(hows) / sizeof(hows[0]); i++) {
		struct sampling how = hows[i];

		how.max_tokens = MOST - (int)i;
		how.draft = DRAFT_OFF;
		ask(e, how, NULL, &off);
		assert_int_equal(off.usage.drafted, 0);
		for (size_t k = 0; k < sizeof(drafts) / sizeof(drafts[0]); k++) {
			how.draft = drafts[k];
			ask(e, how, NULL, &on);
			if (on.n != off.n || memcmp(on.ids, off.ids, on.n * sizeof(on.ids[0])) != 0)
				fail_msg("how %zu, draft %d: another answer", i, drafts[k]);
			assert_int_equal(on.stop, off.stop);
			if (drafts[k] != DRAFT_AUTO)
				assert_true(on.usage.drafted > 0);
			if (drafts[k] == DRAFT_OFF + 8) /* a block has no more */
				assert_int_equal(on.usage.drafted_at[BLOCK], 0);
			if (how.temperature > 10 && drafts[k] == DRAFT_OFF + BLOCK)
				assert_true(on.usage.steps < (int64_t)off.n / 3);
		}
	}
	e->ops->close(e);
}

static void a_block_after_a_restart_is_the_block_that_was_to_come(void **state)
{
	static struct answer cut, here, back;

	(void)state;
	for (int n = 10; n < 50; n += 13) {
		struct sampling how = hows[1];
		struct engine *e = open_engine(tmpdir_file(&dir, "kv"));

		/* Where what the stages see still decides what is drafted, and noise what is kept. */
		how.temperature = 5;
		how.draft = DRAFT_OFF + BLOCK;
		how.max_tokens = n;
		ask(e, how, NULL, &cut);
		how.max_tokens = MOST - n;
		ask(e, how, &cut, &here);
		e->ops->close(e);
		e = open_engine(tmpdir_file(&dir, "kv"));
		ask(e, how, &cut, &back);
		e->ops->close(e);
		assert_int_equal(here.usage.disk_tokens, 0);
		assert_int_equal(back.usage.disk_tokens, back.usage.prompt_tokens - 1);
		assert_int_equal(back.n, here.n);
		assert_memory_equal(back.ids, here.ids, back.n * sizeof(back.ids[0]));
		assert_true(back.usage.accepted > 0);
		assert_memory_equal(back.usage.drafted_at, here.usage.drafted_at,
				    sizeof(back.usage.drafted_at));
		assert_memory_equal(back.usage.accepted_at, here.usage.accepted_at,
				    sizeof(back.usage.accepted_at));
		tmpdir_clear(&dir, "kv");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_the_same_with_drafts),
		cmocka_unit_test(a_block_after_a_restart_is_the_block_that_was_to_come),
	};

	return cmocka_run_group_tests(tests, make_model, remove_model);
}
