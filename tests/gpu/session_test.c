/*
 * Whole turns on a GPU, through the engine's seam: a turn that is cancelled ends at once, in
 * the middle of its prompt and in the middle of its answer, and the next one is as if it had
 * not been.
 */
#include "tests/gpu/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/engine.h"

#define CHUNK    64
#define WAIT_MS  60000
#define N_BEFORE 64 /* tokens of an answer, or chunks of a prompt, before it is cancelled */
/* What a busy machine may need to wake the threads on both sides of a queue. */
#define SLACK_S 0.1

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The next event; false where it is the turn's last. */
static bool next(struct engine *e, struct event *ev)
{
	if (event_queue_pop(e->events, ev, WAIT_MS) != 1)
		fail_msg("no event within %d ms", WAIT_MS);
	if (ev->kind == EV_ERROR)
		fail_msg("%s", ev->err.text);
	return ev->kind != EV_DONE;
}

/* NULL where there is no small model. */
static struct engine *open_engine(void)
{
	struct backend_options gpu = bench_options(GPU);
	struct engine_config config = {
		.backend = gpu.name,
		.kernels = gpu.kernels,
		.moe_backend = gpu.experts,
		.prefill_chunk = CHUNK,
	};
	struct err err = {0};
	struct event ev;
	struct engine *e;
	char dir[500];
	bool ready = false;

	if (!bench_model("nano", dir, sizeof(dir))) {
		print_message("no model nano\n");
		return NULL;
	}
	config.model_dir = dir;
	if (engine_open(&e, &config, &err))
		fail_msg("%s", err.text);
	while (!ready) {
		next(e, &ev);
		ready = ev.kind == EV_READY;
		event_release(&ev);
	}
	return e;
}

static uint64_t submit(struct engine *e, const struct turn_request *req)
{
	struct err err = {0};
	uint64_t turn = 0;

	if (e->ops->submit(e, req, &turn, &err))
		fail_msg("%s", err.text);
	return turn;
}

/* How often the kind of work that is to be cancelled has been done, by this event. */
static int64_t done_by(const struct event *ev, enum event_kind kind)
{
	if (ev->kind != kind)
		return 0;
	return kind == EV_TOKENS ? (int64_t)ev->n_ids : (int64_t)(ev->progress / CHUNK);
}

/*
 * Plays a turn until N_BEFORE tokens (EV_TOKENS) or chunks (EV_PREFILL) are done, cancels it,
 * and holds the time to its end against what one of them took.
 */
static void cancel_within(struct engine *e, const struct turn_request *req,
			  enum event_kind kind)
{
	uint64_t turn = submit(e, req);
	double start = 0, step, end;
	int64_t first = 0, n = 0;
	struct event ev;

	while (n < N_BEFORE) {
		if (!next(e, &ev))
			fail_msg("the turn was over before it could be cancelled");
		if (done_by(&ev, kind)) {
			n = kind == EV_TOKENS ? n + done_by(&ev, kind) : done_by(&ev, kind);
			first = first ? first : n;
			start = start != 0 ? start : now_s();
		}
		event_release(&ev);
	}
	assert_true(n > first);
	step = (now_s() - start) / (double)(n - first);
	start = now_s();
	e->ops->cancel(e, turn);
	while (next(e, &ev))
		event_release(&ev);
	end = now_s() - start;
	print_message("%.2f ms a step, the end after %.2f ms\n", step * 1e3, end * 1e3);
	assert_int_equal(ev.turn, turn);
	assert_int_equal(ev.stop, STOP_INTERRUPTED);
	event_release(&ev);
	if (end > 2 * step + SLACK_S)
		fail_msg("cancelled, it ran on for %.0f ms; a step is %.2f ms", end * 1e3,
			 step * 1e3);
}

static void it_answers(struct engine *e)
{
	static const struct chat_message asked = {
		.role = CHAT_USER,
		.content = {"what is 17 + 25?", 16},
	};
	struct turn_request req = {
		.chat = {.messages = &asked, .n_messages = 1, .effort = EFFORT_LOW},
		.sampling = sampling_default(),
	};
	struct buf text = {0};
	struct event ev;

	req.sampling.temperature = 0;
	submit(e, &req);
	while (next(e, &ev)) {
		if (ev.kind == EV_TEXT)
			buf_adds(&text, buf_str(&ev.text));
		event_release(&ev);
	}
	assert_int_equal(ev.stop, STOP_END);
	event_release(&ev);
	if (!strstr(buf_z(&text), "42"))
		fail_msg("the next turn says \"%s\"", buf_z(&text));
	buf_release(&text);
}

/* So hot that every token is as likely as any other, also the one that ends the answer. */
static void a_cancelled_answer_ends_within_a_step_and_the_next_turn_works(void **state)
{
	struct engine *e = open_engine();
	struct turn_request req = {
		.raw = {"The quick brown fox", 19},
		.is_raw = true,
		.sampling = sampling_default(),
	};

	(void)state;
	if (!e)
		return;
	req.sampling.temperature = 1000;
	req.sampling.seed = 1;
	cancel_within(e, &req, EV_TOKENS);
	it_answers(e);
	e->ops->close(e);
}

static void a_cancelled_prompt_ends_within_a_chunk_and_the_next_turn_works(void **state)
{
	static const char sentence[] = "The quick brown fox jumps over the lazy dog. ";
	struct engine *e = open_engine();
	struct turn_request req = {.is_raw = true, .sampling = sampling_default()};
	struct buf text = {0};

	(void)state;
	if (!e)
		return;
	for (int i = 0; i < 2500; i++)
		buf_addz(&text, sentence);
	req.raw = buf_str(&text);
	req.sampling.seed = 1;
	cancel_within(e, &req, EV_PREFILL);
	it_answers(e);
	e->ops->close(e);
	buf_release(&text);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cancelled_answer_ends_within_a_step_and_the_next_turn_works),
		cmocka_unit_test(
			a_cancelled_prompt_ends_within_a_chunk_and_the_next_turn_works),
	};

	return BENCH_MAIN(argc, argv, tests);
}
