/*
 * Each layer of a GPU's model by itself: it begins with the CPU's streams and caches, so an
 * error is that layer's own, and does not grow from layer to layer.
 */
#include "tests/gpu/harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/cache/seq.h"
#include "engine/checkpoint/safetensors.h"
#include "engine/pass/model_internal.h"

#define MEDIAN_ERROR 0.005
#define HIGH_ERROR   0.02 /* of 95 % of the rows */

#define CHUNK  96
#define CTX    2048
#define ROWS   420 /* tokens of a model */
#define SINGLE 120 /* of them, the last so many one at a time */
#define LAYERS 64

struct errors {
	double *e;
	size_t n;
};

struct lock {
	struct model *m[2];
	struct seq *seq;      /* the CPU's */
	size_t width;         /* floats of a row of streams */
	float *after[LAYERS]; /* the CPU's streams behind each layer, of this call */
	int n_tapped;
	struct errors errors[LAYERS];
};

static void tap(void *ctx, int layer, int n, const float *streams)
{
	struct lock *k = ctx;

	assert_true(layer < LAYERS);
	memcpy(k->after[layer], streams, (size_t)n * k->width * sizeof(float));
	k->n_tapped += n;
}

static struct model *open_model(const char *dir, int side)
{
	struct model_options opt = {
		.dir = dir,
		.prefill_chunk = CHUNK,
		.ctx_tokens = CTX,
		.no_draft = true, /* the main layers are looked at, and they know nothing of it */
	};
	struct err err = {0};
	struct model *m;

	bench_ok(bench_open(&opt.be, side, &err), &err);
	bench_ok(model_open(&m, &opt, &err), &err);
	return m;
}

static void copy_buffer(struct lock *k, dbuf to, dbuf from, size_t bytes)
{
	struct backend *cpu = k->m[CPU]->be, *gpu = k->m[GPU]->be;
	struct err err = {0};
	void *host = malloc(bytes ? bytes : 1);

	assert_non_null(host);
	bench_ok(cpu->get(cpu, host, from, bytes, &err), &err);
	bench_ok(gpu->put(gpu, to, host, bytes, &err), &err);
	free(host);
}

static void copy_caches(struct lock *k)
{
	struct model *cpu = k->m[CPU], *gpu = k->m[GPU];
	size_t pages = (size_t)model_max_pages(cpu);

	assert_int_equal(cpu->ring_rows, gpu->ring_rows);
	assert_int_equal(pages, model_max_pages(gpu));
	for (int i = 0; i < cpu->cfg.n_layers; i++) {
		struct layer_layout l = model_layer_layout(cpu, i);

		for (int j = 0; j < N_LAYER_RINGS; j++)
			copy_buffer(k, gpu->caches[i].ring[j], cpu->caches[i].ring[j],
				    layout_ring_bytes(l.ring[j]));
		for (int j = 0; j < N_LAYER_ROWS; j++)
			copy_buffer(k, gpu->caches[i].rows[j], cpu->caches[i].rows[j],
				    pages * layout_page_bytes(l.rows[j]));
	}
}

/* What a call begins with: step, ids, angles, embedding.  Returns the streams. */
static dbuf begin_call(struct lock *k, const token_id *ids, int n, int64_t pos)
{
	struct model *m = k->m[GPU];
	struct inputs *in = m->work.host_inputs;
	struct rows *r = &m->work.main;
	dbuf x = m->work.x + k->width * sizeof(float);
	struct err err = {0};

	r->n = n;
	in->main = (struct step){pos, n, 0};
	memcpy(in->ids, ids, (size_t)n * sizeof(*ids));
	bench_ok(m->be->put(m->be, m->work.inputs, in,
			    sizeof(*in) + (size_t)n * sizeof(*in->ids), &err),
		 &err);
	for (int kind = 0; kind < N_ROPE_KINDS; kind++) {
		struct rope_args rope = {n, r->step, m->freq[kind], r->rope[kind]};

		bench_ok(m->be->ops->rope(m->be, &rope, &err), &err);
	}
	bench_ok(m->be->ops->embed(m->be,
				   &(struct embed_args){
					   .n_tok = n,
					   .d = m->cfg.dim,
					   .n_copy = HC_MULT,
					   .n_row = m->cfg.vocab,
					   .ids = r->ids,
					   .table = m->weights->embed,
					   .out_f32 = 1,
					   .out = x,
				   },
				   &err),
		 &err);
	return x;
}

static double row_error(const float *ours, const float *theirs, size_t n)
{
	double off = 0, all = 0;

	for (size_t i = 0; i < n; i++) {
		double d = (double)ours[i] - (double)theirs[i];

		off += d * d;
		all += (double)theirs[i] * (double)theirs[i];
	}
	return isfinite(off) && all > 0 ? sqrt(off / all) : HUGE_VAL;
}

static void compare_rows(struct lock *k, int layer, int n, const float *ours)
{
	struct errors *e = &k->errors[layer];

	assert_true(e->n + (size_t)n <= ROWS);
	for (int t = 0; t < n; t++)
		e->e[e->n++] = row_error(ours + (size_t)t * k->width,
					 k->after[layer] + (size_t)t * k->width, k->width);
}

static void one_call(struct lock *k, const token_id *ids, int n)
{
	struct model *m = k->m[GPU];
	size_t bytes = (size_t)n * k->width * sizeof(float);
	float *ours = malloc(bytes);
	struct err err = {0};
	int64_t pos = seq_len(k->seq);
	int tapped = k->n_tapped;
	dbuf x;

	assert_non_null(ours);
	copy_caches(k);
	bench_ok(seq_forward(k->seq, ids, n, WANT_NONE, NULL, NULL, &err), &err);
	if (k->n_tapped != tapped + n * m->cfg.n_layers)
		fail_msg("the CPU's tap saw %d rows", k->n_tapped - tapped);
	x = begin_call(k, ids, n, pos);
	for (int i = 0; i < m->cfg.n_layers; i++) {
		const struct layer_weights *w = &m->weights->layers[i];

		if (i)
			bench_ok(m->be->put(m->be, x, k->after[i - 1], bytes, &err), &err);
		bench_ok(layer_begin(m, w, &m->work.main, x, &err), &err);
		bench_ok(layer_run(m, w, &m->caches[i], &m->work.main, x, NULL, &err), &err);
		bench_ok(m->be->get(m->be, ours, x, bytes, &err), &err);
		compare_rows(k, i, n, ours);
	}
	free(ours);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void judge(const char *what, struct errors e, bool strict)
{
	double median, high;

	assert_int_equal(e.n % ROWS, 0);
	assert_true(e.n > 0);
	qsort(e.e, e.n, sizeof(*e.e), by_size);
	median = e.e[e.n / 2];
	high = e.e[e.n * 95 / 100];
	printf("%s: %zu rows, median %.5f, 95 %% %.5f, most %.5f\n", what, e.n, median, high,
	       e.e[e.n - 1]);
	if (strict && !(median <= MEDIAN_ERROR && high <= HIGH_ERROR))
		fail_msg("%s: median %.5f, 95 %% %.5f", what, median, high);
}

static void judge_all(const struct lock *k, const char *name)
{
	struct errors all = {0};
	int n_layers = k->m[CPU]->cfg.n_layers;
	char what[100];

	all.e = calloc((size_t)n_layers * ROWS, sizeof(*all.e));
	assert_non_null(all.e);
	for (int i = 0; i < n_layers; i++) {
		memcpy(all.e + all.n, k->errors[i].e, k->errors[i].n * sizeof(*all.e));
		all.n += k->errors[i].n;
		snprintf(what, sizeof(what), "%s, layer %d (ratio %d)", name, i,
			 k->m[CPU]->cfg.compress_ratio[i]);
		judge(what, k->errors[i], false);
	}
	judge(name, all, true);
	free(all.e);
}

/* The golden ids of a model; without them (the small model has none) random ones. */
static void choose_ids(const char *dir, const struct model *m, token_id ids[ROWS])
{
	struct safetensors *st = NULL;
	struct err err = {0};
	uint64_t seed = 1;
	char path[600];

	snprintf(path, sizeof(path), "%s/golden.safetensors", dir);
	for (int i = 0; i < ROWS; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		ids[i] = (token_id)((seed >> 33) % (uint64_t)m->cfg.vocab);
	}
	if (safetensors_open_file(&st, path, &err) == 0) {
		const struct tensor *t = safetensors_find(st, "ids");
		size_t n = t->shape[0] < ROWS ? (size_t)t->shape[0] : ROWS;

		memcpy(ids, t->data, n * sizeof(*ids));
		safetensors_close(st);
	}
}

static void lock_layers(const char *name)
{
	struct lock k = {0};
	struct err err = {0};
	token_id ids[ROWS];
	char dir[500];
	int at = 0;

	if (!bench_model(name, dir, sizeof(dir))) {
		print_message("skipped: no model %s\n", name);
		skip();
	}
	for (int side = 0; side < 2; side++)
		k.m[side] = open_model(dir, side);
	k.width = HC_MULT * (size_t)k.m[CPU]->cfg.dim;
	for (int i = 0; i < k.m[CPU]->cfg.n_layers; i++) {
		k.after[i] = malloc(CHUNK * k.width * sizeof(float));
		k.errors[i].e = calloc(ROWS, sizeof(double));
		assert_true(k.after[i] && k.errors[i].e);
	}
	choose_ids(dir, k.m[CPU], ids);
	model_set_tap(k.m[CPU], tap, &k);
	bench_ok(seq_new(&k.seq, k.m[CPU], &err), &err);
	while (at < ROWS) {
		int left = ROWS - SINGLE - at, n = left <= 0 ? 1 : left < CHUNK ? left : CHUNK;

		one_call(&k, ids + at, n);
		at += n;
	}
	judge_all(&k, name);
	seq_free(k.seq);
	for (int i = 0; i < k.m[CPU]->cfg.n_layers; i++) {
		free(k.after[i]);
		free(k.errors[i].e);
	}
	for (int side = 0; side < 2; side++)
		model_close(k.m[side]);
}

static void layers_of_flash_tiny_are_the_cpus(void **state)
{
	(void)state;
	lock_layers("flash-tiny");
}

static void layers_of_pro_micro_are_the_cpus(void **state)
{
	(void)state;
	lock_layers("pro-micro");
}

static void layers_of_spark_micro_are_the_cpus(void **state)
{
	(void)state;
	lock_layers("spark-micro");
}

static void layers_of_the_small_model_are_the_cpus(void **state)
{
	(void)state;
	lock_layers("nano");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layers_of_flash_tiny_are_the_cpus),
		cmocka_unit_test(layers_of_pro_micro_are_the_cpus),
		cmocka_unit_test(layers_of_spark_micro_are_the_cpus),
		cmocka_unit_test(layers_of_the_small_model_are_the_cpus),
	};

	return BENCH_MAIN(argc, argv, tests);
}
