/*
 * The real engine on the small model: with drafting, at every depth, an answer is the one without
 * it, token for token and event for event: greedy or sampled, thinking or not, with calls, cut by
 * a length, a key or the user, resumed, and in a conversation that goes on.
 */
#include "tests/support/shared_files.h"

#include <string.h>
#include <unistd.h>

#include "engine/engine.h"
#include "kernels/ops.h"
#include "tests/support/ready_engine.h"
#include "tests/support/sanitized.h"
#include "tests/support/tmpdir.h"

#define NANO "share/nano"

/* What came of one turn: its ids, and all its events but ids and progress, as text. */
struct turn_log {
	token_id ids[4096];
	size_t n_ids;
	struct buf said;
	struct event last;
};

static struct buf tools;
static uint64_t random_state = 1;

static uint32_t draw(uint32_t below)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % below;
}

/* Questions, and of neighbouring lengths one of so many. */
#define FEW  (SANITIZED ? 12 : 18)
#define EACH (SANITIZED ? 3 : 1)

static bool slow(void)
{
	return getenv("DSV4CHAT_SLOW") != NULL;
}

static int read_tools(void **state)
{
	(void)state;
	assert_true(whole_file("share/tools/builtin.json", &tools));
	return 0;
}

static int drop_tools(void **state)
{
	(void)state;
	buf_release(&tools);
	return 0;
}

/* `cache`: a folder for what is kept on disk, or NULL. */
static struct engine *open_with(int64_t ctx, const char *cache)
{
	struct engine_config config = {
		.model_dir = NANO,
		.backend = "cpu",
		.n_threads = 1,
		.ctx_tokens = ctx,
		.prefill_chunk = 64,
		.cache_dir = cache,
		.cache_bytes = cache ? (int64_t)256 << 20 : 0,
	};

	return ready_engine_open(&config);
}

static struct engine *open_model(int64_t ctx)
{
	return open_with(ctx, NULL);
}

static void log_release(struct turn_log *log)
{
	buf_release(&log->said);
	event_release(&log->last);
	log->n_ids = 0;
}

/* Neighbours of one kind are one, however they were cut. */
static void log_text(struct turn_log *log, const struct event *ev, enum event_kind *before)
{
	if (ev->kind != *before || (ev->kind >= EV_CALL_BEGIN && ev->kind != EV_CALL_TEXT))
		buf_addf(&log->said, "\n%d %d ", (int)ev->kind, ev->call);
	buf_adds(&log->said, buf_str(&ev->text));
	*before = ev->kind;
}

/* Runs a turn; `at` ids from its beginning on, `when` is called once. */
static void play(struct engine *e, const struct turn_request *req, struct turn_log *log,
		 size_t at, void (*when)(struct engine *e, uint64_t turn))
{
	enum event_kind before = EV_LOAD;
	struct err err = {0};
	uint64_t turn = 0;

	log_release(log);
	if (e->ops->submit(e, req, &turn, &err))
		fail_msg("%s", err.text);
	for (;;) {
		struct event ev;

		assert_int_equal(event_queue_pop(e->events, &ev, 60000), 1);
		assert_int_equal(ev.turn, turn);
		if (ev.kind == EV_DONE || ev.kind == EV_ERROR) {
			log->last = ev;
			break;
		}
		if (ev.kind == EV_TOKENS) {
			assert_true(log->n_ids + ev.n_ids <= 4096);
			memcpy(log->ids + log->n_ids, ev.ids, ev.n_ids * sizeof(*ev.ids));
			log->n_ids += ev.n_ids;
			if (when && log->n_ids >= at) {
				when(e, turn);
				when = NULL;
			}
		} else if (ev.kind != EV_PREFILL) {
			log_text(log, &ev, &before);
		}
		event_release(&ev);
	}
	if (log->last.kind == EV_ERROR)
		fail_msg("%s", log->last.err.text);
	assert_false(buf_failed(&log->said));
}

static void same_ids(const struct turn_log *a, const struct turn_log *b, const char *what)
{
	for (size_t i = 0; i < a->n_ids || i < b->n_ids; i++) {
		if (i >= a->n_ids || i >= b->n_ids || a->ids[i] != b->ids[i])
			fail_msg("%s: id %zu differs, of %zu and %zu", what, i, a->n_ids,
				 b->n_ids);
	}
}

static void same_turn(struct turn_log *a, struct turn_log *b, const char *what)
{
	const struct turn_usage *u = &a->last.usage, *v = &b->last.usage;

	same_ids(a, b, what);
	if (strcmp(buf_z(&a->said), buf_z(&b->said)) != 0)
		fail_msg("%s: found\n%s\nexpected\n%s", what, buf_z(&b->said), buf_z(&a->said));
	assert_int_equal(a->last.stop, b->last.stop);
	assert_int_equal(u->prompt_tokens, v->prompt_tokens);
	assert_int_equal(u->cached_tokens, v->cached_tokens);
	assert_int_equal(u->thinking_tokens, v->thinking_tokens);
	assert_int_equal(u->output_tokens, v->output_tokens);
}

/* Each id but the first comes of a step or of a draft that was accepted, and only the last step may
 * have given one that is not wanted. */
static void counts_agree(const struct turn_usage *u)
{
	int64_t drafted = 0, accepted = 0;

	for (int i = 0; i < USAGE_PLACES; i++) {
		drafted += u->drafted_at[i];
		accepted += u->accepted_at[i];
		assert_true(u->accepted_at[i] <= u->drafted_at[i]);
		assert_true(i == 0 || u->drafted_at[i] <= u->drafted_at[i - 1]);
	}
	assert_int_equal(drafted, u->drafted);
	assert_int_equal(accepted, u->accepted);
	assert_in_range(u->output_tokens - u->steps - u->accepted, 0, 1);
}

/* ---------------------------------------------------------------- questions */

struct question {
	char text[200];
	struct chat_message messages[2];
	struct turn_request req;
};

#define N_HOWS  6
#define N_SEEDS 20

/* The i-th of them: its subject, effort and sampling.  The first 120 have each way of sampling
 * with each seed, any six in a row every subject, and each subject every way of sampling. */
static void ask(struct question *q, int i)
{
	static const char *const subjects[][3] = {
		{"What is ", " + ", "?"},
		{"What is ", " * ", "?"},
		{"How do I show the last ", " lines of a file? I have ", " files."},
		{"Read the file notes", ".txt, lines 1 to ", "."},
		{"Who are you, and what is the capital of France? I ask ", " times, or ", "."},
		{"How many metres are ", " kilometres and ", " metres?"},
	};
	static const struct sampling hows[N_HOWS] = {
		{.temperature = 0, .top_p = 1},   {.temperature = 0.7, .top_p = 1},
		{.temperature = 1, .top_p = 1},   {.temperature = 1, .top_p = 0.9},
		{.temperature = 1.3, .min_p = 0.05, .top_p = 1},
		{.temperature = 1, .top_p = 1, .top_k = 10},
	};
	int pair = i * 7 % (N_HOWS * N_SEEDS);
	size_t n = 0;

	*q = (struct question){0};
	snprintf(q->text, sizeof(q->text), "%s%d%s%d%s", subjects[i % 6][0], i * 37 % 90,
		 subjects[i % 6][1], i * 61 % 80, subjects[i % 6][2]);
	if (i % 6 == 3)
		q->messages[n++] = (struct chat_message){
			.role = CHAT_SYSTEM,
			.content = STR_LIT("You help with files."),
			.tools_json = buf_str(&tools),
		};
	q->messages[n++] = (struct chat_message){.role = CHAT_USER, .content = str_of(q->text)};
	q->req = (struct turn_request){
		.chat = {.messages = q->messages,
			 .n_messages = n,
			 .effort = i / 6 % 2 ? EFFORT_LOW : EFFORT_NONE,
			 .drop_thinking = true},
		.sampling = hows[pair / N_SEEDS],
	};
	q->req.sampling.seed = (uint64_t)pair % N_SEEDS;
	q->req.sampling.max_tokens = 120;
}

/* ---------------------------------------------------------------------- tests */

static void an_answer_is_the_same_at_every_depth(void **state)
{
	static struct turn_log off, on;
	struct engine *e = open_model(2048), *drafts = open_model(2048);
	int64_t drafted = 0, accepted = 0, calls = 0, ends = 0;
	struct question q;

	(void)state;
	for (int i = 0; i < (slow() ? 200 : FEW); i++) {
		ask(&q, i);
		q.req.sampling.draft = DRAFT_OFF;
		play(e, &q.req, &off, 0, NULL);
		assert_int_equal(off.last.usage.drafted, 0);
		counts_agree(&off.last.usage);
		for (int depth = slow() ? 1 : 1 + i % 4; depth <= DRAFT_MAX + 1;
		     depth += slow() ? 1 : 4) {
			char what[260];

			/* the last one: auto */
			q.req.sampling.draft =
				depth > DRAFT_MAX ? DRAFT_AUTO : DRAFT_OFF + depth;
			/* as cold as the other, for what is cached is counted */
			snprintf(what, sizeof(what), "%s, draft %d", q.text, depth);
			play(drafts, &q.req, &on, 0, NULL);
			on.last.usage.cached_tokens = off.last.usage.cached_tokens;
			same_turn(&off, &on, what);
			counts_agree(&on.last.usage);
			drafted += on.last.usage.drafted;
			accepted += on.last.usage.accepted;
		}
		calls += off.last.stop == STOP_CALLS;
		ends += off.last.stop == STOP_END;
	}
	/* Both happen, or it says nothing. */
	assert_true(calls > 0 && ends > 5);
	assert_true(accepted > drafted / 5 && accepted < drafted);
	log_release(&off);
	log_release(&on);
	e->ops->close(e);
	drafts->ops->close(drafts);
}

static void no_length_is_overrun(void **state)
{
	static struct turn_log off, on;
	struct engine *e = open_model(2048);
	struct question q;

	(void)state;
	ask(&q, 6);
	q.req.sampling.draft = DRAFT_OFF;
	play(e, &q.req, &off, 0, NULL);
	assert_true(off.n_ids > 20);
	for (int n = 1; n < 20; n += EACH) {
		ask(&q, 6);
		q.req.sampling.max_tokens = n;
		q.req.sampling.draft = DRAFT_OFF + 1 + n % DRAFT_MAX;
		play(e, &q.req, &on, 0, NULL);
		assert_int_equal(on.last.stop, STOP_LENGTH);
		assert_int_equal(on.last.usage.output_tokens, n);
		assert_memory_equal(on.ids, off.ids, on.n_ids * sizeof(token_id));
		counts_agree(&on.last.usage);
	}
	e->ops->close(e);
	for (int more = 1; more < 12; more += EACH) {
		ask(&q, 6);
		e = open_model(off.last.usage.prompt_tokens + more);
		q.req.sampling.draft = DRAFT_OFF + DRAFT_MAX;
		play(e, &q.req, &on, 0, NULL);
		assert_int_equal(on.last.stop, STOP_CONTEXT);
		assert_int_equal(on.last.usage.output_tokens, more);
		assert_memory_equal(on.ids, off.ids, on.n_ids * sizeof(token_id));
		counts_agree(&on.last.usage);
		e->ops->close(e);
	}
	log_release(&off);
	log_release(&on);
}

static void a_conversation_is_the_same_turn_by_turn(void **state)
{
	static struct turn_log logs[2][3];
	struct chat_message messages[6];

	(void)state;
	for (int side = 0; side < 2; side++) {
		struct engine *e = open_model(2048);

		for (int turn = 0; turn < 3; turn++) {
			struct question q;
			struct turn_log *log = &logs[side][turn];

			ask(&q, 5 * turn);
			messages[2 * turn] = (struct chat_message){
				.role = CHAT_USER,
				.content = turn == 0   ? STR_LIT("What is 12 + 7?")
					   : turn == 1 ? STR_LIT("And 30 more?")
						       : STR_LIT("Thank you."),
			};
			q.req.chat.messages = messages;
			q.req.chat.n_messages = (size_t)(2 * turn + 1);
			q.req.sampling.draft = side ? DRAFT_OFF + 2 + 3 * turn : DRAFT_OFF;
			play(e, &q.req, log, 0, NULL);
			messages[2 * turn + 1] = (struct chat_message){
				.role = CHAT_ASSISTANT,
				.ids = log->ids,
				.n_ids = log->n_ids,
				.content = STR_LIT("said"),
			};
		}
		e->ops->close(e);
	}
	for (int turn = 0; turn < 3; turn++) {
		same_turn(&logs[0][turn], &logs[1][turn], "turn");
		assert_true(turn == 0 || logs[1][turn].last.usage.cached_tokens > 0);
		log_release(&logs[0][turn]);
		log_release(&logs[1][turn]);
	}
}

static void cancel(struct engine *e, uint64_t turn)
{
	usleep(draw(2500));
	e->ops->cancel(e, turn);
}

/*
 * Wherever a cycle is when the user stops it: what was said is a beginning of the whole answer,
 * it goes on as the rest of it, and nothing else of the cycle is left in the sequence.
 */
static void an_answer_that_is_stopped_goes_on_as_if_it_had_not_been(void **state)
{
	static struct turn_log whole, first, rest;
	struct engine *e = open_model(2048);
	int cut = 0;

	(void)state;
	for (int i = 0; i < (slow() ? 400 : 32); i++) {
		struct question q;
		size_t n;

		ask(&q, 6 + 12 * (i / 8 % 3));
		if (i % 8 == 0) {
			q.req.sampling.draft = DRAFT_OFF;
			play(e, &q.req, &whole, 0, NULL);
		}
		q.req.sampling.draft = DRAFT_OFF + 1 + (int)draw(DRAFT_MAX);
		play(e, &q.req, &first, 2 + draw(30), cancel);
		n = first.n_ids;
		assert_true(n <= whole.n_ids);
		assert_memory_equal(first.ids, whole.ids, n * sizeof(token_id));
		if (first.last.stop != STOP_INTERRUPTED)
			continue;
		cut++;
		counts_agree(&first.last.usage);
		q.req.resume_ids = first.ids;
		q.req.n_resume_ids = n;
		q.req.sampling.max_tokens -= first.last.usage.output_tokens;
		play(e, &q.req, &rest, 0, NULL);
		/* All but the last id, which was chosen and not fed. */
		assert_int_equal(rest.last.usage.cached_tokens,
				 rest.last.usage.prompt_tokens - 1);
		assert_int_equal(n + rest.n_ids, whole.n_ids);
		assert_memory_equal(rest.ids, whole.ids + n, rest.n_ids * sizeof(token_id));
	}
	assert_true(cut > 10);
	log_release(&whole);
	log_release(&first);
	log_release(&rest);
	e->ops->close(e);
}

static void end_thinking(struct engine *e, uint64_t turn)
{
	usleep(draw(2500));
	e->ops->end_thinking(e, turn);
}

/* Thinking that was ended by a key: an undrafted answer that goes on from there is the same. */
static void thinking_that_is_ended_leaves_no_draft_behind(void **state)
{
	static struct turn_log whole, ended, rest;
	struct engine *e = open_model(2048), *other = open_model(2048);
	int n_ended = 0;

	(void)state;
	for (int i = 0; i < (slow() ? 300 : 24); i++) {
		struct question q;
		size_t n = 0;

		ask(&q, 6 + 12 * (i / 6 % 3));
		if (i % 6 == 0) {
			q.req.sampling.draft = DRAFT_OFF;
			play(other, &q.req, &whole, 0, NULL);
		}
		q.req.sampling.draft = DRAFT_OFF + 1 + (int)draw(DRAFT_MAX);
		play(e, &q.req, &ended, 2 + draw(20), end_thinking);
		counts_agree(&ended.last.usage);
		while (n < ended.n_ids && n < whole.n_ids && ended.ids[n] == whole.ids[n])
			n++;
		if (n == ended.n_ids)
			continue; /* it came too late */
		n_ended++;
		q.req.sampling.draft = DRAFT_OFF;
		q.req.resume_ids = ended.ids;
		q.req.n_resume_ids = n + 1; /* </think> is the first that differs */
		q.req.sampling.max_tokens -= (int64_t)n;
		play(other, &q.req, &rest, 0, NULL);
		assert_int_equal(n + 1 + rest.n_ids, ended.n_ids);
		assert_memory_equal(rest.ids, ended.ids + n + 1, rest.n_ids * sizeof(token_id));
	}
	assert_true(n_ended > 5);
	log_release(&whole);
	log_release(&ended);
	log_release(&rest);
	e->ops->close(e);
	other->ops->close(other);
}

/* From every offset, cut by a length: what goes on drafts as what never stopped. */
static void a_resumed_answer_drafts_as_one_that_never_stopped(void **state)
{
	static struct turn_log whole, a, b;
	struct engine *e = open_model(2048);
	struct question q;

	(void)state;
	ask(&q, 18);
	q.req.sampling.draft = DRAFT_OFF;
	play(e, &q.req, &whole, 0, NULL);
	assert_true(whole.last.usage.output_tokens > 30);
	for (int cut = 1; cut < 30; cut += slow() ? 1 : 3) {
		ask(&q, 18);
		q.req.sampling.draft = DRAFT_OFF + 1 + cut % DRAFT_MAX;
		q.req.sampling.max_tokens = cut;
		play(e, &q.req, &a, 0, NULL);
		q.req.sampling.max_tokens = 120 - cut;
		q.req.resume_ids = a.ids;
		q.req.n_resume_ids = a.n_ids;
		play(e, &q.req, &b, 0, NULL);
		assert_int_equal(a.n_ids + b.n_ids, whole.n_ids);
		assert_memory_equal(b.ids, whole.ids + a.n_ids, b.n_ids * sizeof(token_id));
		counts_agree(&b.last.usage);
	}
	log_release(&whole);
	log_release(&a);
	log_release(&b);
	e->ops->close(e);
}

/* Cut anywhere, gone on with in memory and, by another engine, from disk: it drafts the same. */
static void an_answer_restored_from_disk_drafts_as_one_that_never_left(void **state)
{
	static struct turn_log whole, cut, here, back;
	struct tmpdir dir;

	(void)state;
	tmpdir_init(&dir);
	/* From so many on they are looked for on disk. */
	for (int n = 4; n < 40; n += slow() ? 1 : 9) {
		struct question q;
		struct engine *e;
		const struct turn_usage *u = &here.last.usage, *v = &back.last.usage;
		int i = 6 + 12 * (n % 3);

		e = open_with(2048, tmpdir_file(&dir, "kv"));
		ask(&q, i);
		q.req.conversation = STR_LIT("one");
		q.req.sampling.draft = DRAFT_OFF + 1 + n % DRAFT_MAX;
		q.req.sampling.max_tokens = n;
		play(e, &q.req, &cut, 0, NULL);
		q.req.resume_ids = cut.ids;
		q.req.n_resume_ids = cut.n_ids;
		q.req.sampling.max_tokens = 120 - n;
		play(e, &q.req, &here, 0, NULL);
		e->ops->close(e);
		e = open_with(2048, tmpdir_file(&dir, "kv"));
		play(e, &q.req, &back, 0, NULL);
		same_turn(&here, &back, "from disk");
		assert_int_equal(u->disk_tokens, 0);
		assert_int_equal(v->disk_tokens, v->prompt_tokens - 1);
		assert_int_equal(u->steps, v->steps);
		assert_memory_equal(u->drafted_at, v->drafted_at, sizeof(u->drafted_at));
		assert_memory_equal(u->accepted_at, v->accepted_at, sizeof(u->accepted_at));
		ask(&q, i);
		q.req.sampling.draft = DRAFT_OFF;
		play(e, &q.req, &whole, 0, NULL);
		assert_int_equal(cut.n_ids + back.n_ids, whole.n_ids);
		assert_memory_equal(back.ids, whole.ids + cut.n_ids,
				    back.n_ids * sizeof(token_id));
		e->ops->close(e);
		tmpdir_clear(&dir, "kv");
	}
	log_release(&whole);
	log_release(&cut);
	log_release(&here);
	log_release(&back);
	tmpdir_release(&dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_the_same_at_every_depth),
		cmocka_unit_test(no_length_is_overrun),
		cmocka_unit_test(a_conversation_is_the_same_turn_by_turn),
		cmocka_unit_test(an_answer_that_is_stopped_goes_on_as_if_it_had_not_been),
		cmocka_unit_test(thinking_that_is_ended_leaves_no_draft_behind),
		cmocka_unit_test(a_resumed_answer_drafts_as_one_that_never_stopped),
		cmocka_unit_test(an_answer_restored_from_disk_drafts_as_one_that_never_left),
	};

	return cmocka_run_group_tests(tests, read_tools, drop_tools);
}
