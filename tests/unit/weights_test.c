/* Weights in their places, and how large they are. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/checkpoint/weights.h"

#define GOLDEN "tests/golden/pro-micro"

static void golden_weights_stand_in_their_places(void **state)
{
	struct safetensors *st;
	struct model_config cfg;
	struct shard whole;
	struct weights *w;
	struct err err = {0};
	const struct tensor *t;

	(void)state;
	assert_int_equal(model_config_read(GOLDEN, &cfg, &err), 0);
	assert_int_equal(safetensors_open(&st, GOLDEN, &err), 0);
	assert_int_equal(safetensors_load(st, NULL, NULL, &err), 0);
	whole = shard_whole(&cfg);
	assert_int_equal(weights_open(&w, &cfg, &whole, st, &err), 0);
	assert_int_equal(w->bytes, safetensors_bytes(st));
	assert_int_equal(w->n_extra, 0);
	assert_int_equal(w->n_layers, 4);
	assert_int_equal(w->n_draft, 1);
	t = safetensors_find(st, "layers.1.attn.indexer.compressor.ape");
	assert_ptr_equal(w->layers[1].indexer.compressor.ape, t->data);
	t = safetensors_find(st, "layers.3.ffn.experts.9.w2.scale");
	assert_ptr_equal(w->layers[3].experts[9].w2.scale, t->data);
	assert_int_equal(w->layers[3].experts[9].w2.type, WEIGHT_FP4);
	assert_int_equal(w->layers[3].experts[9].w2.in, cfg.moe_inter);
	t = safetensors_find(st, "mtp.0.h_proj.weight");
	assert_ptr_equal(w->draft[0].h_proj.w, t->data);
	assert_null(w->draft[0].main_proj.w);
	assert_non_null(w->layers[0].tid2eid);
	assert_null(w->layers[0].bias);
	assert_null(w->layers[1].tid2eid);
	assert_null(w->layers[0].indexer.wq_b.w);
	assert_int_equal(w->layers[0].wo_a.out, 256);
	assert_int_equal(w->layers[0].wo_a.in, 512);
	weights_free(w);
	safetensors_close(st);
}

static void measured_bytes_are_the_bytes_of_the_checkpoint(void **state)
{
	uint64_t bytes[N_WEIGHT_KINDS], sum = 0;
	struct safetensors *st;
	struct model_config cfg;
	struct shard whole;
	struct err err = {0};

	(void)state;
	assert_int_equal(model_config_read(GOLDEN, &cfg, &err), 0);
	assert_int_equal(safetensors_open(&st, GOLDEN, &err), 0);
	whole = shard_whole(&cfg);
	assert_int_equal(weights_measure(&cfg, &whole, bytes, &err), 0);
	for (int i = 0; i < N_WEIGHT_KINDS; i++) {
		assert_true(bytes[i] > 0);
		sum += bytes[i];
	}
	assert_int_equal(sum, safetensors_bytes(st));
	safetensors_close(st);
}

static uint64_t published_bytes(const char *name)
{
	uint64_t bytes[N_WEIGHT_KINDS], sum = 0;
	struct model_config cfg;
	struct shard whole;
	struct err err = {0};

	assert_true(model_config_published(name, &cfg));
	whole = shard_whole(&cfg);
	assert_int_equal(weights_measure(&cfg, &whole, bytes, &err), 0);
	for (int i = 0; i < N_WEIGHT_KINDS; i++)
		sum += bytes[i];
	return sum;
}

static void published_models_have_their_published_size(void **state)
{
	(void)state;
	assert_in_range(published_bytes("flash"), 155000000000, 165000000000);
	assert_in_range(published_bytes("pro"), 855000000000, 875000000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_weights_stand_in_their_places),
		cmocka_unit_test(measured_bytes_are_the_bytes_of_the_checkpoint),
		cmocka_unit_test(published_models_have_their_published_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
