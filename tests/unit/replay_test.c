/*
 * A run recorded once serves every position and slot: replayed, it gives the bits of the direct
 * pass, in logits, choices and caches.  That is what a backend's graph will do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/cache/seq.h"
#include "engine/checkpoint/safetensors.h"
#include "engine/pass/model_internal.h"
#include "tests/support/recorder.h"

#define MODEL "tests/golden/pro-micro"
#define SLOTS 3

/* The same model twice, one of them on a backend that records; the same sequences in both. */
struct both {
	struct model *direct, *recorded;
	struct recorder *recorder;
	struct backend *inner; /* what it stands on, the model's own */
	struct seq *d[SLOTS], *r[SLOTS];
	size_t vocab;
	float *logits[2], *draft[2];
};

static struct safetensors *golden;
static const token_id *ids;
static int n_ids;

static int open_golden(void **state)
{
	struct err err = {0};
	const struct tensor *t;

	(void)state;
	if (safetensors_open_file(&golden, MODEL "/golden.safetensors", &err))
		fail_msg("%s", err.text);
	t = safetensors_find(golden, "long_ids");
	ids = t->data;
	n_ids = (int)t->shape[0];
	return 0;
}

static int close_golden(void **state)
{
	(void)state;
	safetensors_close(golden);
	return 0;
}

static struct model *open_model(int n_threads)
{
	const struct model_options opt = {
		.dir = MODEL,
		.n_threads = n_threads,
		.prefill_chunk = 100,
		.ctx_tokens = 2048,
		.n_slots = SLOTS,
	};
	struct err err = {0};
	struct model *m;

	if (model_open(&m, &opt, &err))
		fail_msg("%s", err.text);
	return m;
}

static void both_open(struct both *b, int joins, int marks)
{
	struct err err = {0};

	b->direct = open_model(2);
	b->recorded = open_model(1);
	b->inner = b->recorded->be;
	b->recorder = recorder_new(b->inner, joins, marks);
	b->recorded->be = recorder_backend(b->recorder);
	b->vocab = (size_t)model_config(b->direct)->vocab;
	for (int i = 0; i < SLOTS; i++) {
		assert_int_equal(seq_new(&b->d[i], b->direct, &err), 0);
		assert_int_equal(seq_new(&b->r[i], b->recorded, &err), 0);
	}
	for (int i = 0; i < 2; i++) {
		b->logits[i] = calloc(100 * b->vocab, sizeof(float));
		b->draft[i] = calloc(100 * b->vocab, sizeof(float));
		assert_true(b->logits[i] && b->draft[i]);
	}
}

static void both_close(struct both *b)
{
	for (int i = 0; i < SLOTS; i++) {
		seq_free(b->d[i]);
		seq_free(b->r[i]);
	}
	b->recorded->be = b->inner;
	recorder_free(b->recorder);
	model_close(b->direct);
	model_close(b->recorded);
	for (int i = 0; i < 2; i++) {
		free(b->logits[i]);
		free(b->draft[i]);
	}
}

/* ------------------------------------------------------------------ one call */

struct step_case {
	int slot, n;
	enum forward_want want;
	bool logits, draft, chooses;
	int n_top;
};

static void call(const struct both *b, int side, struct step_case c, const token_id *v,
		 struct choice *choices)
{
	const struct sample_how how = {
		.temperature = 0.8,
		.top_p = 0.9,
		.seed = 5,
		.n_choice = (int)b->vocab - 3,
	};
	const struct forward f = {
		.ids = v,
		.n = c.n,
		.want = c.want,
		.logits = c.logits ? b->logits[side] : NULL,
		.draft = c.draft ? b->draft[side] : NULL,
		.choices = c.chooses ? choices : NULL,
		.how = &how,
		.n_top = c.n_top,
	};
	struct err err = {0};

	if (seq_run(side ? b->r[c.slot] : b->d[c.slot], f, &err))
		fail_msg("%s", err.text);
}

static void same(const void *a, const void *b, size_t bytes, const char *what, int64_t pos)
{
	if (memcmp(a, b, bytes) != 0)
		fail_msg("position %lld: %s differ", (long long)pos, what);
}

/* In both, with ids that depend on the slot; everything that comes of it is the same. */
static void step(const struct both *b, struct step_case c)
{
	struct choice choices[2][LOGIT_ROWS];
	int64_t pos = seq_len(b->d[c.slot]);
	const token_id *v = ids + (pos + 17 * c.slot) % (n_ids - c.n);
	size_t bytes = 100 * b->vocab * sizeof(float);

	memset(choices, 0, sizeof(choices));
	call(b, 0, c, v, choices[0]);
	call(b, 1, c, v, choices[1]);
	same(b->logits[0], b->logits[1], bytes, "logits", pos);
	same(b->draft[0], b->draft[1], bytes, "draft logits", pos);
	same(choices[0], choices[1], sizeof(choices[0]), "choices", pos);
}

static void grow_to(const struct both *b, int slot, int64_t len)
{
	while (seq_len(b->d[slot]) < len) {
		int64_t left = len - seq_len(b->d[slot]);

		step(b, (struct step_case){.slot = slot, .n = left < 100 ? (int)left : 100});
	}
}

/* ------------------------------------------------------------------ all caches */

static void same_bytes(const struct both *b, dbuf d, dbuf r, size_t bytes, const char *what,
		       int layer)
{
	unsigned char *host[2] = {malloc(bytes), malloc(bytes)};
	struct err err = {0};

	assert_true(host[0] && host[1]);
	assert_int_equal(b->direct->be->get(b->direct->be, host[0], d, bytes, &err), 0);
	assert_int_equal(b->recorded->be->get(b->recorded->be, host[1], r, bytes, &err), 0);
	if (memcmp(host[0], host[1], bytes) != 0)
		fail_msg("layer %d: %s differ", layer, what);
	free(host[0]);
	free(host[1]);
}

static void caches_are_the_same(const struct both *b)
{
	const struct model *d = b->direct, *r = b->recorded;
	size_t pages = SLOTS * (size_t)model_max_pages(d);

	same_bytes(b, d->streams, r->streams,
		   SLOTS * layout_ring_bytes(layout_streams(d->cfg.dim)), "streams", -1);
	for (int i = 0; i < model_n_cached_layers(d); i++) {
		struct layer_layout l = model_layer_layout(d, i);

		for (int k = 0; k < N_LAYER_RINGS; k++) {
			if (d->caches[i].ring[k])
				same_bytes(b, d->caches[i].ring[k], r->caches[i].ring[k],
					   SLOTS * layout_ring_bytes(l.ring[k]), "rings", i);
		}
		for (int k = 0; k < N_LAYER_ROWS; k++) {
			if (d->caches[i].rows[k])
				same_bytes(b, d->caches[i].rows[k], r->caches[i].rows[k],
					   pages * layout_page_bytes(l.rows[k]), "rows", i);
		}
	}
}

static void nothing_moved(const struct both *b, int at_least_replayed)
{
	struct recorder_counts n = recorder_counts(b->recorder);

	assert_int_equal(n.moved, 0);
	assert_int_equal(n.touched, 0);
	if (n.replayed < at_least_replayed)
		fail_msg("%d replays, %d recordings", n.replayed, n.recorded);
}

/* ----------------------------------------------------------------------- tests */

/*
 * Recorded next to the beginning of slot 0, replayed in every slot: before and beyond the
 * window (128), where blocks of 4 and of 128 end, and beyond the rows of the indexer's choice
 * (32 · 4).
 */
static void one_recording_serves_every_position_and_slot(void **state)
{
	static const struct step_case kinds[] = {
		{.n = 1, .want = WANT_LAST, .chooses = true},
		{.n = 1, .want = WANT_LAST, .logits = true, .draft = true},
		{.n = 1, .want = WANT_LAST, .chooses = true, .draft = true, .n_top = 5},
		{.n = 4, .want = WANT_ALL, .logits = true, .draft = true, .chooses = true},
		{.n = 8, .want = WANT_ALL, .logits = true, .draft = true},
		{.n = 1, .want = WANT_NONE},
	};
	static const struct {
		int slot;
		int64_t pos;
	} places[] = {{0, 5},   {1, 1},   {2, 126}, {0, 127}, {1, 125},       {2, 250},
		      {0, 379}, {1, 509}, {2, 600}, {0, 900}, {1, 124 + 512}, {2, 1900}};

	(void)state;
	for (int joins = 0; joins < 2; joins++) {
		struct both b;

		both_open(&b, joins, 0);
		for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i += joins ? 2 : 1) {
			grow_to(&b, places[i].slot, places[i].pos);
			for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
				struct step_case c = kinds[k];
				struct err err = {0};
				int slot = c.slot = places[i].slot;

				step(&b, c);
				/* what a rejected draft does */
				if (c.n == 8 && seq_len(b.d[slot]) > 16) {
					int64_t len = seq_len(b.d[slot]) - 3;

					assert_int_equal(seq_truncate(b.d[slot], len, &err), 0);
					assert_int_equal(seq_truncate(b.r[slot], len, &err), 0);
				}
			}
		}
		caches_are_the_same(&b);
		nothing_moved(&b, joins ? 5 * 6 : 11 * 6);
		assert_int_equal(recorder_counts(b.recorder).joined > 0, joins);
		both_close(&b);
	}
}

static void logits_of_many_rows_are_made_behind_the_run(void **state)
{
	struct both b;

	(void)state;
	both_open(&b, 1, 0);
	for (int i = 0; i < 4; i++) {
		step(&b, (struct step_case){.slot = i % SLOTS,
					    .n = 100,
					    .want = WANT_ALL,
					    .logits = true,
					    .draft = true});
		step(&b, (struct step_case){.slot = i % SLOTS,
					    .n = 17,
					    .want = WANT_ALL,
					    .logits = true,
					    .draft = true});
	}
	caches_are_the_same(&b);
	nothing_moved(&b, 2);
	both_close(&b);
}

static void calls_of_a_length_that_hardly_comes_again_are_not_recorded(void **state)
{
	struct both b;

	(void)state;
	both_open(&b, 1, 0);
	for (int n = 17; n < 100; n += 9)
		step(&b, (struct step_case){.n = n, .want = WANT_LAST, .logits = true});
	assert_int_equal(recorder_counts(b.recorder).recorded, 0);
	step(&b, (struct step_case){.n = 16, .want = WANT_LAST, .logits = true});
	step(&b, (struct step_case){.n = 100});
	assert_int_equal(recorder_counts(b.recorder).recorded, 2);
	caches_are_the_same(&b);
	both_close(&b);
}

static void tap_counts(void *ctx, int layer, int n, const float *streams)
{
	(void)layer;
	(void)streams;
	*(int *)ctx += n;
}

static void with_a_tap_a_run_is_issued_anew(void **state)
{
	struct recorder_counts before, after;
	struct both b;
	int n_tapped = 0;

	(void)state;
	both_open(&b, 0, 0);
	grow_to(&b, 0, 130);
	before = recorder_counts(b.recorder);
	model_set_tap(b.recorded, tap_counts, &n_tapped);
	step(&b, (struct step_case){.n = 3, .want = WANT_LAST, .logits = true});
	model_set_tap(b.recorded, NULL, NULL);
	after = recorder_counts(b.recorder);
	assert_int_equal(n_tapped, 3 * model_config(b.direct)->n_layers);
	assert_int_equal(after.recorded, before.recorded);
	assert_int_equal(after.replayed, before.replayed);
	both_close(&b);
}

/* A recording made without timing has no marks, so timing has recordings of its own. */
static void phases_are_timed_by_the_backend_that_can(void **state)
{
	struct err err = {0};
	struct both b;
	struct step_case c = {.n = 1, .want = WANT_LAST, .logits = true, .draft = true};

	(void)state;
	both_open(&b, 0, 1);
	grow_to(&b, 0, 10);
	step(&b, c);
	for (int i = 1; i <= 3; i++) {
		phases_start(b.recorded);
		step(&b, c);
		assert_int_equal(phases_stop(b.recorded, &err), 0);
		step(&b, c);
		assert_true(b.recorded->clock.sum[PHASE_EXPERTS] ==
			    i * model_config(b.direct)->n_layers);
		assert_true(b.recorded->clock.sum[PHASE_START] == i);
		assert_true(b.recorded->clock.sum[PHASE_HEAD] == i);
		assert_true(b.recorded->clock.sum[PHASE_DRAFT] > i);
	}
	nothing_moved(&b, 5);
	both_close(&b);
}

/* A run that fails empties its sequence, no other, and is not recorded. */
static void a_failure_empties_the_sequence_and_the_next_call_works(void **state)
{
	static const int places[] = {1, 2, 7, 20, 40, 50};
	struct both b;

	(void)state;
	both_open(&b, 1, 0);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct step_case c = {.slot = 1, .n = 1 + (int)i / 2, .want = WANT_LAST};
		struct err err = {0};
		struct recorder_counts before;

		grow_to(&b, 0, 20 * (int64_t)(i + 1));
		grow_to(&b, 1, 130);
		before = recorder_counts(b.recorder);
		recorder_fail_at(b.recorder, places[i]);
		assert_int_equal(
			seq_forward(b.r[1], ids, c.n, WANT_LAST, b.logits[1], NULL, &err),
			ERR_MODEL);
		assert_non_null(strstr(err.text, "fails"));
		assert_int_equal(seq_len(b.r[1]), 0);
		assert_int_equal(recorder_counts(b.recorder).recorded, before.recorded);
		assert_int_equal(seq_truncate(b.d[1], 0, &err), 0);
		step(&b,
		     (struct step_case){.slot = 0, .n = 1, .want = WANT_LAST, .logits = true});
		grow_to(&b, 1, 130);
		c.logits = true;
		step(&b, c);
	}
	nothing_moved(&b, 12);
	both_close(&b);
}

/* ------------------------------------------------------- that the recorder can fail */

struct moving {
	struct backend *be;
	struct embed_args args;
	int n_calls, n_issued;
	bool puts;
};

static int moving_body(void *ctx, struct err *err)
{
	struct moving *m = ctx;
	int rc = 0;

	for (int i = 0; !rc && i < m->n_issued; i++)
		rc = m->be->ops->embed(m->be, &m->args, err);
	if (!rc && m->puts)
		rc = m->be->put(m->be, m->args.ids, "\0\0\0", 4, err);
	return rc;
}

static void an_argument_that_moves_between_calls_of_a_key_is_seen(void **state)
{
	static const int32_t id = 1;
	static uint16_t table[4][32];
	static float out[2][32];
	int32_t ids_now = id;
	const struct backend_options o = {.n_threads = 1};
	struct moving m = {.args = {.n_tok = 1, .d = 32, .n_copy = 1, .n_row = 4}, .n_issued = 2};
	struct backend *inner;
	struct recorder *r;
	struct err err = {0};

	(void)state;
	assert_int_equal(backend_open_cpu(&inner, &o, &err), 0);
	r = recorder_new(inner, 0, 0);
	m.be = recorder_backend(r);
	m.args.ids = (dbuf)&ids_now;
	m.args.table = (dbuf)table;
	m.args.out = (dbuf)out[0];
	assert_int_equal(m.be->run(m.be, 9, moving_body, &m, &err), 0);
	assert_int_equal(m.be->run(m.be, 9, moving_body, &m, &err), 0);
	assert_int_equal(recorder_counts(r).moved, 0);
	m.args.out = (dbuf)out[1];
	assert_int_equal(m.be->run(m.be, 9, moving_body, &m, &err), 0);
	assert_int_equal(recorder_counts(r).moved, 2);
	m.args.out = (dbuf)out[0];
	m.n_issued = 1; /* less than the list has */
	assert_int_equal(m.be->run(m.be, 9, moving_body, &m, &err), 0);
	assert_int_equal(recorder_counts(r).moved, 3);
	assert_int_equal(recorder_counts(r).touched, 0);
	m.puts = true;
	assert_int_equal(m.be->run(m.be, 9, moving_body, &m, &err), 0);
	assert_int_equal(recorder_counts(r).touched, 1);
	recorder_free(r);
	inner->close(inner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_recording_serves_every_position_and_slot),
		cmocka_unit_test(logits_of_many_rows_are_made_behind_the_run),
		cmocka_unit_test(calls_of_a_length_that_hardly_comes_again_are_not_recorded),
		cmocka_unit_test(with_a_tap_a_run_is_issued_anew),
		cmocka_unit_test(phases_are_timed_by_the_backend_that_can),
		cmocka_unit_test(a_failure_empties_the_sequence_and_the_next_call_works),
		cmocka_unit_test(an_argument_that_moves_between_calls_of_a_key_is_seen),
	};

	return cmocka_run_group_tests(tests, open_golden, close_golden);
}
