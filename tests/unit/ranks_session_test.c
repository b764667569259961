/*
 * A turn over several ranks in which one of them fails: the turn ends with an error that names
 * the rank, and the next one says what it would have said.
 */
#include "tests/support/shared_files.h"

#include <string.h>

#include "engine/pass/model_internal.h"
#include "engine/session/session.h"
#include "tests/support/ready_engine.h"

#define NANO   "share/nano"
#define LENGTH 24 /* tokens of the answer */
#define PLACES 12 /* of a turn at which a rank fails */
#define RANKS  2

/* ------------------------------------------------------------ a rank that can fail */

static struct comm_ops faulty[RANKS];
static const struct comm_ops *sound;
static int calls_left[RANKS]; /* until it fails; 0: it does not */
static int n_calls[RANKS];

static int all_reduce(struct comm *c, dbuf x, size_t n, struct err *err)
{
	n_calls[c->rank]++;
	if (calls_left[c->rank] && --calls_left[c->rank] == 0)
		return err_set(err, ERR_MODEL, "its time has come");
	return sound->all_reduce(c, x, n, err);
}

static struct session *session_of(struct engine *e)
{
	return (struct session *)e;
}

/* Its thread waits for a turn. */
static struct engine *open_engine(void)
{
	const struct engine_config config = {
		.model_dir = NANO,
		.backend = "cpu",
		.n_threads = 1,
		.n_ranks = RANKS,
		.ctx_tokens = 512,
		.prefill_chunk = 16,
	};
	struct engine *e = ready_engine_open(&config);

	for (int i = 0; i < RANKS; i++) {
		struct comm *c = team_rank(session_of(e)->model, i)->comm;

		sound = c->ops;
		faulty[i] = *sound;
		faulty[i].all_reduce = all_reduce;
		c->ops = &faulty[i];
		calls_left[i] = n_calls[i] = 0;
	}
	return e;
}

/* -------------------------------------------------------------------------- turns */

struct answer {
	token_id ids[2 * LENGTH];
	size_t n;
	struct err err; /* what ended it, or code 0 */
};

static struct event next_event(struct engine *e)
{
	struct event ev;

	assert_int_equal(event_queue_pop(e->events, &ev, 60000), 1);
	return ev;
}

static void hear(struct engine *e, struct answer *a)
{
	for (;;) {
		struct event ev = next_event(e);
		enum event_kind kind = ev.kind;

		if (kind == EV_TOKENS) {
			assert_true(a->n + ev.n_ids <= 2 * LENGTH);
			memcpy(a->ids + a->n, ev.ids, ev.n_ids * sizeof(*ev.ids));
			a->n += ev.n_ids;
		}
		if (kind == EV_ERROR)
			a->err = ev.err;
		event_release(&ev);
		if (kind == EV_DONE || kind == EV_ERROR)
			return;
	}
}

static void ask(struct engine *e, struct answer *a)
{
	const struct chat_message question = {
		.role = CHAT_USER, .content = STR_LIT("How do I list the files of a folder?")};
	const struct turn_request req = {
		.chat = {.messages = &question, .n_messages = 1, .effort = EFFORT_LOW},
		.conversation = STR_LIT("one"),
		.sampling = {.temperature = 0, .top_p = 1, .max_tokens = LENGTH},
	};
	struct err err = {0};
	uint64_t turn, number;
	struct event ev;

	*a = (struct answer){0};
	if (e->ops->submit(e, &req, &turn, &err))
		fail_msg("%s", err.text);
	hear(e, a);
	/* An event behind a turn's last comes when its thread is done with that turn. */
	if (e->ops->glance(e, &req, false, &number, &err))
		fail_msg("%s", err.text);
	ev = next_event(e);
	assert_int_equal(ev.kind, EV_PRICE);
	event_release(&ev);
}

static void a_turn_ends_with_the_rank_that_failed_and_the_next_works(void **state)
{
	struct engine *e = open_engine();
	struct answer want, got;
	int all, n_failed = 0;

	(void)state;
	ask(e, &want);
	assert_int_equal(want.err.code, 0);
	assert_true(want.n >= LENGTH / 2);
	all = n_calls[0];
	assert_int_equal(n_calls[1], all);
	e->ops->close(e);
	e = open_engine(); /* which has kept nothing yet */
	for (int i = 0; i < PLACES; i++) {
		char says[80];
		int rank = i % RANKS;

		snprintf(says, sizeof(says), "rank %d of %d: its time has come", rank, RANKS);
		calls_left[rank] = 1 + i * all / (2 * PLACES);
		ask(e, &got);
		calls_left[rank] = 0;
		/* What was kept shortens a turn, so that one may not come so far. */
		if (got.err.code) {
			assert_int_equal(got.err.code, ERR_MODEL);
			assert_non_null(strstr(got.err.text, says));
			n_failed++;
		}
		ask(e, &got);
		if (got.err.code)
			fail_msg("behind a failure at %d: %s", i, got.err.text);
		assert_int_equal(got.n, want.n);
		assert_memory_equal(got.ids, want.ids, want.n * sizeof(want.ids[0]));
	}
	assert_true(n_failed > PLACES / 2);
	e->ops->close(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_turn_ends_with_the_rank_that_failed_and_the_next_works),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
