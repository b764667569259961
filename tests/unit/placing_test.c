/*
 * Weights that live elsewhere: a backend that takes every weight into memory of its own,
 * in a layout of its own, gives the logits of one that reads them where they are mapped.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/cache/seq.h"
#include "engine/checkpoint/dummy.h"
#include "engine/checkpoint/hostmem.h"
#include "engine/checkpoint/weights.h"
#include "engine/pass/hosting.h"
#include "kernels/ops.h"
#include "tests/support/tmpdir.h"

#define GOLDEN    "tests/golden/pro-micro"
#define SCRAMBLED 7 /* this backend's layout: bytes from the last to the first, flipped */
#define FLIP      0x5A

/* The CPU backend with placing added.  One at a time. */
static struct {
	const struct ops *cpu; /* its own operations */
	struct ops ops;
	struct hostmem mem;
	const struct weight_reader *from;
	uint64_t announced, taken; /* bytes */
	int n_begun, n_ended, n_linear, n_bytes, n_experts;
	int n_swaps;
	int n_hosted; /* of all that were placed */
	int n_groups; /* of the linear weights that have more than one, all told */
	void (*caps)(const struct backend *be, struct backend_caps *caps); /* its own */
	int fail_at;     /* the call that fails, counted from 1; 0: none */
	const char *cut; /* a file that is cut short at the call cut_at */
	int cut_at;
} it;

static void scramble(unsigned char *to, const unsigned char *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[n - 1 - i] = from[i] ^ FLIP;
}

static int take(dbuf *p, size_t n, bool scrambled, struct err *err)
{
	void *own;
	unsigned char *read = malloc(n);
	int rc = hostmem_take(&it.mem, n, "weights", &own, err);

	assert_non_null(read);
	assert_non_null(*p);
	if (!rc)
		rc = it.from->read(it.from->ctx, read, *p, n, err);
	if (!rc) {
		if (scrambled)
			scramble(own, read, n);
		else
			memcpy(own, read, n);
		*p = own;
		it.taken += n;
		rc = it.from->passed(it.from->ctx, n, err);
	}
	free(read);
	return rc;
}

static int take_weight(struct weight *w, struct err *err)
{
	size_t values, scales;
	int rc;

	assert_int_equal(w->home, WEIGHT_MAPPED);
	weight_sizes(w, &values, &scales);
	rc = take(&w->w, values, true, err);
	if (!rc && scales)
		rc = take(&w->scale, scales, true, err);
	w->home = WEIGHT_DEVICE;
	w->layout = SCRAMBLED;
	return rc;
}

/* The weight as the CPU's operations read it, in memory that the caller frees. */
static struct weight restored(const struct weight *w, void **memory)
{
	struct weight plain = *w;
	size_t values, scales;

	assert_int_equal(w->home, WEIGHT_DEVICE);
	assert_int_equal(w->layout, SCRAMBLED);
	weight_sizes(w, &values, &scales);
	assert_int_equal(posix_memalign(memory, 256, values + 256 + scales), 0);
	plain.w = *memory;
	scramble(plain.w, w->w, values);
	if (scales) {
		plain.scale = plain.w + (values + 255) / 256 * 256;
		scramble(plain.scale, w->scale, scales);
	}
	return plain;
}

static int fails(struct err *err)
{
	int n = it.n_linear + it.n_bytes + it.n_experts;

	if (it.cut && n == it.cut_at)
		assert_int_equal(truncate(it.cut, 8192), 0);
	return n == it.fail_at ? err_set(err, ERR_NOMEM, "the device is full") : 0;
}

static int place_begin(struct backend *be, uint64_t bytes, const struct weight_reader *from,
		       struct err *err)
{
	(void)be;
	(void)err;
	it.from = from;
	it.announced = bytes;
	it.n_begun++;
	return 0;
}

static int place(struct backend *be, struct weight *w, int n_group, struct err *err)
{
	(void)be;
	it.n_linear++;
	it.n_groups += n_group > 1 ? n_group : 0;
	return fails(err) ? err->code : take_weight(w, err);
}

static int place_bytes(struct backend *be, dbuf *p, size_t bytes, struct err *err)
{
	(void)be;
	it.n_bytes++;
	return fails(err) ? err->code : take(p, bytes, false, err);
}

/* The table is a copy of the experts, which alone are true: the array's addresses go. */
static int place_experts(struct backend *be, struct expert_weights *e, int n, int n_hosted,
			 dbuf *table, struct err *err)
{
	size_t bytes = (size_t)n * sizeof(*e);
	void *copy;
	int rc = 0;

	(void)be;
	it.n_experts++;
	it.n_hosted += n_hosted;
	if (fails(err))
		return err->code;
	for (int i = 0; i < n && !rc; i++) {
		rc = take_weight(&e[i].w1, err);
		if (!rc)
			rc = take_weight(&e[i].w2, err);
		if (!rc)
			rc = take_weight(&e[i].w3, err);
	}
	if (rc || !table)
		return rc;
	rc = hostmem_take(&it.mem, bytes, "table", &copy, err);
	if (rc)
		return rc;
	memcpy(copy, e, bytes);
	for (int i = 0; i < n; i++)
		e[i].w1.w = e[i].w2.w = e[i].w3.w = NULL;
	*table = copy;
	return 0;
}

/* The bytes of both change places, and their addresses. */
static void exchange(struct weight *a, struct weight *b)
{
	size_t values, scales;
	struct weight w = *a;

	weight_sizes(a, &values, &scales);
	for (size_t i = 0; i < values; i++) {
		unsigned char c = a->w[i];

		a->w[i] = b->w[i];
		b->w[i] = c;
	}
	for (size_t i = 0; i < scales; i++) {
		unsigned char c = a->scale[i];

		a->scale[i] = b->scale[i];
		b->scale[i] = c;
	}
	*a = *b;
	*b = w;
}

static int swap_experts(struct backend *be, struct expert_weights *e, int n, int a, int b,
			dbuf table, struct err *err)
{
	struct expert_weights *t = (struct expert_weights *)(void *)table;

	(void)be;
	(void)e; /* its addresses went when they were placed */
	(void)err;
	assert_int_not_equal(a, b);
	assert_in_range(a, 0, n - 1);
	assert_in_range(b, 0, n - 1);
	exchange(&t[a].w1, &t[b].w1);
	exchange(&t[a].w2, &t[b].w2);
	exchange(&t[a].w3, &t[b].w3);
	it.n_swaps++;
	return 0;
}

static int place_end(struct backend *be, struct err *err)
{
	(void)be;
	(void)err;
	it.n_ended++;
	return 0;
}

static int linear(struct backend *be, const struct linear_args *a, struct err *err)
{
	struct linear_args plain = *a;
	void *memory;
	int rc;

	plain.w = restored(&a->w, &memory);
	rc = it.cpu->linear(be, &plain, err);
	free(memory);
	return rc;
}

static int experts(struct backend *be, const struct experts_args *a, struct err *err)
{
	const struct expert_weights *table =
		(const struct expert_weights *)(const void *)a->table;
	struct expert_weights *plain = calloc((size_t)a->n_expert + 1, sizeof(*plain));
	void **memory = calloc(3 * ((size_t)a->n_expert + 1), sizeof(*memory));
	struct experts_args args = *a;
	int rc;

	assert_non_null(table);
	assert_true(plain && memory);
	for (int i = 0; i <= a->n_expert; i++) {
		const struct expert_weights *e = i < a->n_expert ? &table[i] : a->shared;

		plain[i].w1 = restored(&e->w1, &memory[3 * i]);
		plain[i].w2 = restored(&e->w2, &memory[3 * i + 1]);
		plain[i].w3 = restored(&e->w3, &memory[3 * i + 2]);
	}
	args.experts = plain;
	args.shared = &plain[a->n_expert];
	rc = it.cpu->experts(be, &args, err);
	for (int i = 0; i < 3 * (a->n_expert + 1); i++)
		free(memory[i]);
	free(memory);
	free(plain);
	return rc;
}

static struct backend *placing_backend(int fail_at)
{
	const struct backend_options o = {.name = "cpu", .n_threads = 1};
	struct backend *be;
	struct err err = {0};

	hostmem_release(&it.mem);
	memset(&it, 0, sizeof(it));
	assert_int_equal(backend_open(&be, &o, &err), 0);
	it.fail_at = fail_at;
	it.cpu = be->ops;
	it.ops = *be->ops;
	it.ops.linear = linear;
	it.ops.experts = experts;
	be->ops = &it.ops;
	be->place_begin = place_begin;
	be->place = place;
	be->place_bytes = place_bytes;
	be->place_experts = place_experts;
	be->place_end = place_end;
	be->swap_experts = swap_experts;
	return be;
}

static int release(void **state)
{
	(void)state;
	hostmem_release(&it.mem);
	return 0;
}

/* --------------------------------------------------------------- whole models */

struct watch {
	uint64_t done, all;
	int n_calls, stop_at; /* 0: never */
};

static int watch(void *ctx, uint64_t done, uint64_t all)
{
	struct watch *w = ctx;

	assert_in_range(done, w->done, all);
	w->done = done;
	w->all = all;
	return ++w->n_calls == w->stop_at;
}

static int open_placed(struct model **m, const char *dir, struct backend *be, struct watch *w,
		       struct err *err)
{
	struct model_options opt = {.dir = dir,
				    .n_threads = 1,
				    .ctx_tokens = 1024,
				    .be = be,
				    .progress = watch,
				    .progress_ctx = w};

	*err = (struct err){0};
	return model_open(m, &opt, err);
}

#define N_IDS 150 /* past a window and a page */

/* Logits and draft logits of every row. */
static float *logits_of(struct model *m)
{
	size_t vocab = (size_t)model_config(m)->vocab;
	float *out = calloc(2 * N_IDS * vocab, sizeof(float));
	token_id ids[N_IDS];
	struct err err = {0};
	struct seq *s;

	assert_non_null(out);
	for (int i = 0; i < N_IDS; i++)
		ids[i] = (i * 37 + 11) % 300;
	assert_int_equal(seq_new(&s, m, &err), 0);
	for (int at = 0; at < N_IDS; at += 50)
		if (seq_forward(s, ids + at, 50, WANT_ALL, out + (size_t)at * vocab,
				out + (size_t)(N_IDS + at) * vocab, &err))
			fail_msg("%s", err.text);
	seq_free(s);
	return out;
}

static bool is_mapped(const char *name)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[1024];
	bool found = false;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		found |= strstr(line, name) != NULL;
	fclose(f);
	return found;
}

static void placed_weights_give_the_logits_of_mapped_ones(void **state)
{
	struct model *mapped, *placed;
	struct watch w = {0};
	struct err err;
	float *a, *b;

	(void)state;
	if (open_placed(&mapped, GOLDEN, NULL, &w, &err))
		fail_msg("%s", err.text);
	assert_true(is_mapped("model-00001-of-00003.safetensors"));
	a = logits_of(mapped);
	w = (struct watch){0};
	if (open_placed(&placed, GOLDEN, placing_backend(0), &w, &err))
		fail_msg("%s", err.text);
	/* everything was taken, once, and said so */
	assert_int_equal(it.n_begun, 1);
	assert_int_equal(it.n_ended, 1);
	assert_int_equal(it.announced, model_memory(mapped).weight_bytes);
	assert_int_equal(it.taken, it.announced);
	assert_int_equal(w.done, it.announced);
	assert_int_equal(w.all, it.announced);
	assert_int_equal(it.n_groups, 5 * 4); /* of each layer's output projection */
	assert_int_equal(it.n_experts,
			 2 * 5); /* of each layer: the routed, and the shared one */
	model_close(mapped);
	assert_false(is_mapped("model-0000"));
	b = logits_of(placed);
	assert_memory_equal(a, b,
			    2 * N_IDS * (size_t)model_config(placed)->vocab * sizeof(float));
	model_close(placed);
	free(a);
	free(b);
}

static void caps_with_hosting(const struct backend *be, struct backend_caps *caps)
{
	it.caps(be, caps);
	caps->hosts_experts = 1;
}

/* With three experts of each layer on the device, the rest on the host. */
static struct model *open_hosting(void)
{
	struct model_options opt = {
		.dir = GOLDEN, .n_threads = 1, .ctx_tokens = 1024, .gpu_experts = 3};
	struct err err = {0};
	struct model *m;

	opt.be = placing_backend(0);
	it.caps = opt.be->caps;
	opt.be->caps = caps_with_hosting;
	if (model_open(&m, &opt, &err))
		fail_msg("%s", err.text);
	return m;
}

/* Of the model's own layers; the draft layer's are read in every step. */
static void experts_that_the_gpu_is_not_to_hold_stay_on_the_host(void **state)
{
	struct model *m = open_hosting();
	const struct model_config *cfg = model_config(m);
	uint64_t moved;

	(void)state;
	assert_int_equal(model_n_hosted(m), cfg->n_experts - 3);
	assert_int_equal(it.n_hosted, cfg->n_layers * (cfg->n_experts - 3));
	moved = it.taken - it.announced;
	assert_int_equal(moved % (uint64_t)it.n_hosted, 0);
	assert_true(moved > 0 && moved < it.taken);
	model_close(m);
}

/* Random tokens, of which few experts are chosen often enough: hence the same ones again. */
static void hosted_experts_that_are_chosen_often_change_places(void **state)
{
	struct hosting_count first, second;
	const struct model_config *cfg;
	float *mapped, *hosted;
	struct err err = {0};
	struct watch w = {0};
	struct model *m;

	(void)state;
	assert_int_equal(open_placed(&m, GOLDEN, NULL, &w, &err), 0);
	assert_int_equal(hosting_take(m, &first, &err), 0);
	assert_int_equal(first.chosen, 0);
	mapped = logits_of(m);
	model_close(m);
	m = open_hosting();
	cfg = model_config(m);
	free(logits_of(m));
	assert_int_equal(hosting_take(m, &first, &err), 0);
	assert_int_equal(first.chosen, N_IDS * cfg->n_experts_used * cfg->n_layers);
	assert_in_range(first.hosted, 1, first.chosen - 1);
	assert_int_equal(hosting_settle(m, &err), 0);
	assert_true(it.n_swaps > 0);
	hosted = logits_of(m);
	assert_memory_equal(mapped, hosted, 2 * N_IDS * (size_t)cfg->vocab * sizeof(float));
	assert_int_equal(hosting_take(m, &second, &err), 0);
	assert_int_equal(second.chosen, first.chosen);
	assert_true(second.hosted < first.hosted);
	model_close(m);
	free(mapped);
	free(hosted);
}

static void any_failure_while_placing_ends_it_and_is_told(void **state)
{
	struct watch w = {0};
	struct model *m;
	struct err err;
	int n_calls;

	(void)state;
	assert_int_equal(open_placed(&m, GOLDEN, placing_backend(0), &w, &err), 0);
	n_calls = it.n_linear + it.n_bytes + it.n_experts;
	model_close(m);
	assert_true(n_calls > 100);
	for (int i = 1; i <= n_calls; i++) {
		w = (struct watch){0};
		assert_int_equal(open_placed(&m, GOLDEN, placing_backend(i), &w, &err),
				 ERR_NOMEM);
		assert_null(m);
		assert_string_equal(err.text, "the device is full");
		assert_int_equal(it.n_ended, 1);
		assert_false(is_mapped("model-0000"));
	}
}

static void placing_can_be_stopped(void **state)
{
	struct watch w = {.stop_at = 1};
	struct model *m;
	struct err err;

	(void)state;
	assert_int_equal(open_placed(&m, GOLDEN, placing_backend(0), &w, &err), ERR_CANCELLED);
	assert_int_equal(w.n_calls, 1);
	assert_int_equal(it.n_ended, 1);
}

/* Before the first call, and between two. */
static void a_file_cut_short_meanwhile_is_an_error_that_names_it(void **state)
{
	static const char *const files[] = {
		"config.json",
		"model.safetensors.index.json",
		"model-00001-of-00003.safetensors",
		"model-00002-of-00003.safetensors",
		"model-00003-of-00003.safetensors",
	};
	char from[128], cut[256];

	(void)state;
	for (int at = 0; at <= 2; at += 2) {
		struct safetensors *st;
		struct model_config cfg;
		struct weights *weights;
		struct backend *be;
		struct shard whole;
		struct tmpdir d;
		struct err err = {0};

		tmpdir_init(&d);
		for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
			snprintf(from, sizeof(from), GOLDEN "/%s", files[i]);
			tmpdir_copy(&d, from);
		}
		snprintf(cut, sizeof(cut), "%s", tmpdir_file(&d, files[3]));
		assert_int_equal(model_config_read(d.path, &cfg, &err), 0);
		assert_int_equal(safetensors_open(&st, d.path, &err), 0);
		whole = shard_whole(&cfg);
		assert_int_equal(weights_open(&weights, &cfg, &whole, st, &err), 0);
		be = placing_backend(0);
		it.cut = cut;
		it.cut_at = at;
		if (!at)
			assert_int_equal(truncate(cut, 8192), 0);
		assert_int_equal(weights_place(weights, be, st, 0, NULL, NULL, &err),
				 ERR_MODEL);
		assert_non_null(strstr(err.text, files[3]));
		assert_int_equal(it.n_begun, at ? 1 : 0);
		assert_int_equal(it.n_ended, it.n_begun);
		weights_free(weights);
		safetensors_close(st);
		be->close(be);
		tmpdir_release(&d);
	}
}

/* --------------------------------------------------------------- random weights */

static uint64_t sum_of(uint64_t sum, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum = sum * 31 + p[i];
	return sum;
}

static uint64_t sum_of_weight(uint64_t sum, const struct weight *w)
{
	size_t values, scales;
	void *memory = NULL;
	struct weight plain = w->layout ? restored(w, &memory) : *w;

	weight_sizes(w, &values, &scales);
	sum = sum_of(sum, plain.w, values);
	sum = sum_of(sum, plain.scale, scales);
	free(memory);
	return sum;
}

static uint64_t sum_of_all(const struct weights *w)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < w->n_parts; i++) {
		const struct weight_part *part = &w->parts[i];
		const struct expert_weights *e = part->experts;

		if (part->kind == PART_BYTES)
			sum = sum_of(sum, *part->at, part->bytes);
		else if (part->kind == PART_LINEAR)
			sum = sum_of_weight(sum, part->linear);
		if (part->kind != PART_EXPERTS)
			continue;
		if (part->table && *part->table)
			e = (const struct expert_weights *)(const void *)*part->table;
		for (int j = 0; j < part->n; j++) {
			sum = sum_of_weight(sum, &e[j].w1);
			sum = sum_of_weight(sum, &e[j].w2);
			sum = sum_of_weight(sum, &e[j].w3);
		}
	}
	return sum;
}

static void random_weights_are_placed_the_same_way(void **state)
{
	struct weight_source source;
	struct model_config cfg;
	struct shard second;
	struct weights *w;
	struct dummy *d;
	struct backend *be;
	struct err err = {0};
	uint64_t before;

	(void)state;
	/* a rank's part of a checkpoint's shape: rows, and copied columns */
	assert_int_equal(model_config_read(GOLDEN, &cfg, &err), 0);
	assert_int_equal(shard_init(&second, &cfg, 1, 2, &err), 0);
	assert_int_equal(dummy_new(&d, false, &err), 0);
	source = dummy_source(d);
	assert_int_equal(weights_new(&w, &cfg, &second, &source, &err), 0);
	before = sum_of_all(w);
	be = placing_backend(0);
	assert_int_equal(weights_place(w, be, NULL, 0, NULL, NULL, &err), 0);
	dummy_free(d);
	assert_int_equal(it.taken, w->bytes);
	assert_int_equal(it.n_groups, 5 * 2);
	assert_true(sum_of_all(w) == before);
	weights_free(w);
	be->close(be);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(placed_weights_give_the_logits_of_mapped_ones),
		cmocka_unit_test(experts_that_the_gpu_is_not_to_hold_stay_on_the_host),
		cmocka_unit_test(hosted_experts_that_are_chosen_often_change_places),
		cmocka_unit_test(any_failure_while_placing_ends_it_and_is_told),
		cmocka_unit_test(placing_can_be_stopped),
		cmocka_unit_test(a_file_cut_short_meanwhile_is_an_error_that_names_it),
		cmocka_unit_test(random_weights_are_placed_the_same_way),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
