/*
 * A turn that drafts, stopped by the user or by an operation that fails, at every point of it:
 * the session is left where a turn that drafts nothing would leave it, with the same rows kept,
 * and what follows is the same.  With both kinds of draft head.
 */
#include "tests/support/shared_files.h"

#include <string.h>

#include "engine/pass/model_internal.h"
#include "engine/session/session.h"
#include "tests/support/checkpoint.h"
#include "tests/support/ready_engine.h"
#include "tests/support/recorder.h"
#include "tests/support/sanitized.h"

#define LENGTH 9 /* tokens of the answer */
#define BLOCK  5

static struct tmpdir blocks; /* a random model that drafts blocks */

static int make_model(void **state)
{
	(void)state;
	tmpdir_init(&blocks);
	checkpoint_put(&blocks,
		       (struct block_drafter){
			       .stages = 2, .block = BLOCK, .targets = "0, 2", .vocab = 4096});
	tmpdir_copy(&blocks, "share/nano/tokenizer.json");
	return 0;
}

static int remove_model(void **state)
{
	(void)state;
	tmpdir_release(&blocks);
	return 0;
}

/* ------------------------------------------------------------------- an engine */

/* The model that drafts so, and how. */
struct head {
	const char *dir;
	double temperature;
	int drafts[2]; /* taken in turn */
};

/* What came of one turn. */
struct answer {
	token_id ids[2 * LENGTH];
	size_t n;
	struct event last;
};

/* An engine whose operations can be made to fail, and what it is asked. */
struct rig {
	struct engine *e;
	struct backend *inner;
	struct recorder *r;
	struct turn_request req;
	struct chat_message question;
	uint64_t turn;
};

static struct session *session_of(const struct rig *g)
{
	return (struct session *)g->e;
}

static struct event next_event(struct engine *e)
{
	struct event ev;

	assert_int_equal(event_queue_pop(e->events, &ev, 60000), 1);
	return ev;
}

static void rig_open(struct rig *g, struct head head)
{
	const struct engine_config config = {
		.model_dir = head.dir,
		.backend = "cpu",
		.n_threads = 1,
		.ctx_tokens = 512,
		.prefill_chunk = 64,
	};

	g->e = ready_engine_open(&config);
	/* Its thread waits for a turn. */
	g->inner = session_of(g)->model->be;
	g->r = recorder_new(g->inner, 0, 0);
	session_of(g)->model->be = recorder_backend(g->r);
	g->question =
		(struct chat_message){.role = CHAT_USER, .content = STR_LIT("What is 12 + 7?")};
	g->req = (struct turn_request){
		.chat = {.messages = &g->question, .n_messages = 1, .effort = EFFORT_LOW},
		.conversation = STR_LIT("one"),
		.sampling = {.temperature = head.temperature, .top_p = 1, .seed = 3},
	};
}

/* Any event behind a turn's last comes when its thread is done with that turn. */
static void settle(struct rig *g)
{
	struct err err = {0};
	uint64_t number;
	struct event ev;

	if (g->e->ops->glance(g->e, &g->req, false, &number, &err))
		fail_msg("%s", err.text);
	ev = next_event(g->e);
	assert_int_equal(ev.kind, EV_PRICE);
	event_release(&ev);
}

static void rig_close(struct rig *g)
{
	settle(g);
	session_of(g)->model->be = g->inner;
	g->e->ops->close(g->e);
	recorder_free(g->r);
}

/* Goes on behind `had`, which may be NULL, up to `most` tokens of the whole answer. */
static void ask(struct rig *g, int draft, const struct answer *had, int64_t most,
		struct answer *a)
{
	struct turn_request req = g->req;
	struct err err = {0};

	*a = (struct answer){0};
	req.sampling.draft = draft;
	req.sampling.max_tokens = most;
	if (had && had->n) {
		req.resume_ids = had->ids;
		req.n_resume_ids = had->n;
		req.sampling.max_tokens -= had->last.usage.output_tokens;
	}
	g->turn = 0;
	if (g->e->ops->submit(g->e, &req, &g->turn, &err))
		fail_msg("%s", err.text);
	for (;;) {
		struct event ev = next_event(g->e);

		if (ev.kind == EV_DONE || ev.kind == EV_ERROR) {
			a->last = ev;
			break;
		}
		if (ev.kind == EV_TOKENS) {
			assert_true(a->n + ev.n_ids <= 2 * LENGTH);
			memcpy(a->ids + a->n, ev.ids, ev.n_ids * sizeof(*ev.ids));
			a->n += ev.n_ids;
		}
		event_release(&ev);
	}
	settle(g);
}

/* As if nothing had ever been asked. */
static void forget_all(struct rig *g)
{
	g->e->ops->forget(g->e, g->req.conversation);
	settle(g);
	assert_int_equal(session_of(g)->tree.n, 0);
	assert_int_equal(seq_len(session_of(g)->prefix.seq), 0);
}

/* ---------------------------------------------------------------- what is left */

/* What is kept at the end of what the session holds: ids, and every row beside the pages. */
struct end {
	size_t n_ids;
	unsigned char *rows;
};

/* A draft head that waits for the next token has no row of the last one, whatever lies there.
 */
static void drop_last_draft_row(const struct model *m, struct end *end)
{
	const struct layer_layout draft = model_layer_layout(m, model_n_cached_layers(m) - 1);
	const struct ring_layout window = draft.ring[RING_WINDOW];
	size_t draft_bytes = 0;

	for (int k = 0; k < N_LAYER_RINGS; k++)
		draft_bytes += layout_kept_bytes(draft.ring[k]);
	assert_in_range(end->n_ids, 1, window.kept);
	memset(end->rows + frontier_bytes(m) - draft_bytes +
		       (end->n_ids - 1) * window.entry_bytes,
	       0, window.entry_bytes);
}

static void take_end(struct rig *g, struct end *end)
{
	struct session *s = session_of(g);
	const struct tokens *held = &s->prefix.held;
	const struct mark *mark = tree_find(&s->tree, held->ids, (int64_t)held->n);
	struct err err = {0};

	assert_true(mark && mark->len == (int64_t)held->n);
	end->n_ids = held->n;
	end->rows = malloc((size_t)frontier_bytes(s->model));
	assert_non_null(end->rows);
	if (frontier_get(mark->frontier, end->rows, &err))
		fail_msg("%s", err.text);
	if (!model_drafts_blocks(s->model))
		drop_last_draft_row(s->model, end);
}

/* What an engine that drafts nothing says and leaves. */
struct plain {
	struct answer whole;
	struct end ends[1 + LENGTH]; /* of an answer of so many tokens, from 1 on */
	size_t n_row_bytes;
	int64_t found_after_failure; /* by the turn that goes on */
};

static void plain_run(struct plain *p, struct head head)
{
	struct answer cut, rest;
	struct rig g;

	rig_open(&g, head);
	for (int n = 1; n <= LENGTH; n++) {
		forget_all(&g);
		ask(&g, DRAFT_OFF, NULL, n, &p->whole);
		assert_int_equal(p->whole.last.usage.output_tokens, n);
		take_end(&g, &p->ends[n]);
	}
	p->n_row_bytes = (size_t)frontier_bytes(session_of(&g)->model);
	forget_all(&g);
	/* In the midst of the answer. */
	for (int at = 64;; at += 64) {
		recorder_fail_at(g.r, at);
		ask(&g, DRAFT_OFF, NULL, LENGTH, &cut);
		recorder_fail_at(g.r, 0);
		if (cut.last.kind == EV_ERROR && cut.n > 3)
			break;
		assert_true(at < 10000);
		forget_all(&g);
	}
	ask(&g, DRAFT_OFF, &cut, LENGTH, &rest);
	p->found_after_failure = rest.last.usage.cached_tokens;
	rig_close(&g);
}

static void plain_release(struct plain *p)
{
	for (int n = 1; n <= LENGTH; n++)
		free(p->ends[n].rows);
}

static void left_as(struct rig *g, const struct plain *p, int64_t n_tokens, int at)
{
	const struct end *want = &p->ends[n_tokens];
	struct end is;

	take_end(g, &is);
	if (is.n_ids != want->n_ids)
		fail_msg("operation %d: %zu ids are held, expected %zu", at, is.n_ids,
			 want->n_ids);
	if (memcmp(is.rows, want->rows, p->n_row_bytes) != 0)
		fail_msg("operation %d, %lld tokens: other rows are kept", at,
			 (long long)n_tokens);
	free(is.rows);
}

static void begins_as(const struct answer *a, const struct plain *p, int at)
{
	if (a->n > p->whole.n || memcmp(a->ids, p->whole.ids, a->n * sizeof(a->ids[0])) != 0)
		fail_msg("operation %d: another beginning", at);
}

/* Without drafts, to the end. */
static void goes_on_as(struct rig *g, const struct plain *p, const struct answer *had,
		       int64_t found, int at)
{
	struct answer rest;

	ask(g, DRAFT_OFF, had, LENGTH, &rest);
	if (rest.last.kind != EV_DONE || had->n + rest.n != p->whole.n ||
	    memcmp(rest.ids, p->whole.ids + had->n, rest.n * sizeof(rest.ids[0])) != 0)
		fail_msg("operation %d: it goes on otherwise", at);
	if (had->last.usage.output_tokens)
		assert_int_equal(rest.last.usage.cached_tokens, found);
	left_as(g, p, LENGTH, at);
}

/* ----------------------------------------------------------------------- tests */

static struct head head_of(bool drafts_blocks)
{
	/* Logits hardly count at such a temperature, and nearly all that is drafted is
	 * accepted. */
	return drafts_blocks ? (struct head){blocks.path, 1000, {DRAFT_OFF + BLOCK, DRAFT_AUTO}}
			     : (struct head){"share/nano",
					     0.7,
					     {DRAFT_OFF + 3, DRAFT_OFF + DRAFT_MAX}};
}

/* Of the operations, one of so many. */
#define FEW (SANITIZED ? 29 : 9)

static int each(void)
{
	return getenv("DSV4CHAT_SLOW") ? 1 : FEW;
}

static void stop_it(void *ctx)
{
	struct rig *g = ctx;

	/* Any thread may; this is the engine's own, in the midst of a cycle. */
	desk_cancel(&session_of(g)->desk, session_of(g)->desk.last_turn);
}

static void stopped_anywhere(struct head head)
{
	struct plain p = {0};
	struct rig g;
	int n_cut = 0;

	plain_run(&p, head);
	rig_open(&g, head);
	for (int at = 1, waits = 0; !waits; at += each()) {
		struct answer a;
		int64_t n;

		forget_all(&g);
		recorder_call_at(g.r, at, stop_it, &g);
		ask(&g, head.drafts[at % 2], NULL, LENGTH, &a);
		waits = recorder_waits(g.r);
		recorder_call_at(g.r, 0, NULL, NULL);
		begins_as(&a, &p, at);
		n = a.last.usage.output_tokens;
		if (a.last.stop != STOP_INTERRUPTED) {
			assert_int_equal(n, LENGTH);
			left_as(&g, &p, n, at);
			continue;
		}
		/* What was said is held, all of it, where a length's last token was not fed. */
		if (n)
			left_as(&g, &p, n + 1, at);
		n_cut += n > 0;
		goes_on_as(&g, &p, &a, a.last.usage.prompt_tokens + n - 1, at);
	}
	assert_true(n_cut > 5);
	rig_close(&g);
	plain_release(&p);
}

static void a_turn_that_is_stopped_anywhere_is_left_as_without_drafts(void **state)
{
	(void)state;
	stopped_anywhere(head_of(false));
}

static void so_is_one_that_drafts_blocks(void **state)
{
	(void)state;
	stopped_anywhere(head_of(true));
}

static void failing_anywhere(struct head head)
{
	struct plain p = {0};
	struct rig g;
	int n_cut = 0;

	plain_run(&p, head);
	rig_open(&g, head);
	for (int at = 1, waits = 0; !waits; at += each()) {
		struct answer a;

		forget_all(&g);
		recorder_fail_at(g.r, at);
		ask(&g, head.drafts[at % 2], NULL, LENGTH, &a);
		waits = recorder_waits(g.r);
		recorder_fail_at(g.r, 0);
		begins_as(&a, &p, at);
		if (a.last.kind == EV_DONE) {
			/* None failed, or one that only would have kept something. */
			assert_int_equal(a.n, p.whole.n);
			continue;
		}
		assert_non_null(strstr(a.last.err.text, "fails"));
		assert_int_equal(seq_len(session_of(&g)->prefix.seq), 0);
		n_cut += a.n > 1;
		goes_on_as(&g, &p, &a, p.found_after_failure, at);
	}
	assert_true(n_cut > 5);
	rig_close(&g);
	plain_release(&p);
}

static void a_turn_that_fails_anywhere_is_left_as_without_drafts(void **state)
{
	(void)state;
	failing_anywhere(head_of(false));
}

static void and_so_is_one_that_drafts_blocks(void **state)
{
	(void)state;
	failing_anywhere(head_of(true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_turn_that_is_stopped_anywhere_is_left_as_without_drafts),
		cmocka_unit_test(so_is_one_that_drafts_blocks),
		cmocka_unit_test(a_turn_that_fails_anywhere_is_left_as_without_drafts),
		cmocka_unit_test(and_so_is_one_that_drafts_blocks),
	};

	return cmocka_run_group_tests(tests, make_model, remove_model);
}
