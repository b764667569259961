/*
 * Checkpoints with a block drafter: every tensor where it belongs, and a draft head that is not
 * the one that the configuration tells of refused by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/checkpoint/dummy.h"
#include "engine/checkpoint/weights.h"
#include "engine/pass/model_internal.h"
#include "tests/support/checkpoint.h"

#define STAGES 3

static void make(struct checkpoint *c)
{
	checkpoint_make(c, (struct block_drafter){.stages = STAGES, .block = 4, .targets = "1, 2"});
}

struct loaded {
	struct tmpdir dir;
	struct model_config cfg;
	struct safetensors *st;
};

/* Writes and forgets it. */
static void load(struct loaded *l, struct checkpoint *c)
{
	struct err err = {0};

	tmpdir_init(&l->dir);
	checkpoint_write(c, &l->dir);
	checkpoint_release(c);
	if (model_config_read(l->dir.path, &l->cfg, &err) ||
	    safetensors_open(&l->st, l->dir.path, &err))
		fail_msg("%s", err.text);
}

static void unload(struct loaded *l)
{
	safetensors_close(l->st);
	tmpdir_release(&l->dir);
}

static const void *data_of(const struct loaded *l, const char *name)
{
	const struct tensor *t = safetensors_find(l->st, name);

	assert_non_null(t);
	return t->data;
}

/* Their names end alike: markov_w1 and w1, markov_w2 and w2. */
static void tensors_of_stages_stand_in_their_places(void **state)
{
	struct checkpoint c;
	struct loaded l;
	struct shard whole;
	struct weights *w;
	struct err err = {0};

	(void)state;
	make(&c);
	load(&l, &c);
	whole = shard_whole(&l.cfg);
	if (weights_open(&w, &l.cfg, &whole, l.st, &err))
		fail_msg("%s", err.text);
	assert_int_equal(w->n_draft, STAGES);
	assert_int_equal(w->n_extra, 0);
	assert_int_equal(w->bytes, safetensors_bytes(l.st));
	assert_ptr_equal(w->draft[2].markov_w1, data_of(&l, "mtp.2.markov_head.markov_w1.weight"));
	assert_ptr_equal(w->draft[2].markov_w2.w, data_of(&l, "mtp.2.markov_head.markov_w2.weight"));
	assert_int_equal(w->draft[2].markov_w2.in, 32);
	assert_ptr_equal(w->draft[2].confidence.w,
			 data_of(&l, "mtp.2.confidence_head.proj.weight"));
	assert_ptr_equal(w->draft[2].layer.shared.w1.w,
			 data_of(&l, "mtp.2.ffn.shared_experts.w1.weight"));
	assert_ptr_equal(w->draft[2].layer.shared.w2.w,
			 data_of(&l, "mtp.2.ffn.shared_experts.w2.weight"));
	assert_ptr_equal(w->draft[2].layer.experts[4].w1.w,
			 data_of(&l, "mtp.2.ffn.experts.4.w1.weight"));
	assert_ptr_equal(w->draft[1].layer.experts[0].w3.w,
			 data_of(&l, "mtp.1.ffn.experts.0.w3.weight"));
	assert_ptr_equal(w->draft[2].norm, data_of(&l, "mtp.2.norm.weight"));
	assert_ptr_equal(w->draft[2].hc_head.fn, data_of(&l, "mtp.2.hc_head_fn"));
	assert_ptr_equal(w->draft[0].main_norm, data_of(&l, "mtp.0.main_norm.weight"));
	assert_int_equal(w->draft[0].main_proj.in, 2 * l.cfg.dim);
	for (int i = 0; i < STAGES; i++) {
		assert_null(w->draft[i].e_proj.w);
		assert_null(i ? w->draft[i].main_proj.w : w->draft[i].markov_w1);
		assert_int_equal(w->draft[i].layer.ratio, 0);
		assert_non_null(w->draft[i].layer.bias);
	}
	assert_null(w->draft[1].markov_w2.w);
	weights_free(w);
	unload(&l);
}

/* The plan has all of it: the stages' weights as the draft's, and a window ring for each. */
static void stages_count_as_memory(void **state)
{
	uint64_t bytes[N_WEIGHT_KINDS], sum = 0, of_draft = 0;
	struct model_memory with, without;
	struct model_options opt = {.prefill_chunk = 16, .ctx_tokens = 256};
	struct checkpoint c;
	struct loaded l;
	struct shard whole;
	struct err err = {0};
	struct model *m;
	int64_t ring;

	(void)state;
	make(&c);
	load(&l, &c);
	whole = shard_whole(&l.cfg);
	assert_int_equal(weights_measure(&l.cfg, &whole, bytes, &err), 0);
	for (int i = 0; i < N_WEIGHT_KINDS; i++)
		sum += bytes[i];
	for (size_t i = 0; i < safetensors_count(l.st); i++)
		if (strncmp(safetensors_at(l.st, i)->name, "mtp.", 4) == 0)
			of_draft += safetensors_at(l.st, i)->n_bytes;
	assert_int_equal(sum, safetensors_bytes(l.st));
	assert_int_equal(bytes[WEIGHT_KIND_DRAFT], of_draft);
	opt.dir = l.dir.path;
	assert_int_equal(model_open(&m, &opt, &err), 0);
	with = model_memory(m);
	ring = (int64_t)m->ring_rows * KV_ROW_BYTES;
	assert_int_equal(model_draft_most(m), 4);
	model_close(m);
	opt.no_draft = true;
	assert_int_equal(model_open(&m, &opt, &err), 0);
	without = model_memory(m);
	assert_int_equal(model_draft_most(m), 0);
	model_close(m);
	assert_int_equal(with.weight_bytes, without.weight_bytes);
	assert_int_equal(with.cache_bytes, without.cache_bytes + STAGES * ring);
	assert_true(with.scratch_bytes > without.scratch_bytes);
	unload(&l);
}

/* ------------------------------------------------------------------- refusals */

/* What is done to a checkpoint: names that begin so get another beginning, or go; then, config. */
struct broken {
	const char *prefix, *to;
	bool copies;
	const char *was, *is; /* in config.json, or NULL */
	const char *expect;   /* NULL: it opens */
};

static const struct broken cases[] = {
	{"mtp.2.", NULL, false, NULL, NULL,
	 "checkpoint: no mtp.2.*, expected 3 draft layers, as compress_ratios in config.json has"},
	{"mtp.0.", NULL, false, NULL, NULL, "checkpoint: no mtp.0.*, expected 3 draft layers"},
	{"mtp.", NULL, false, NULL, NULL, "checkpoint: no mtp.0.*, expected 3 draft layers"},
	{"mtp.2.", "mtp.3.", true, NULL, NULL,
	 "a draft layer too many, expected 3, as compress_ratios in config.json has them"},
	{"mtp.1.hc_ffn_base", "mtp.3.hc_ffn_base", true, NULL, NULL,
	 "model.safetensors: mtp.3.hc_ffn_base: a draft layer too many"},
	{"mtp.1.hc_ffn_base", "mtp.99999999999999999999.hc_ffn_base", true, NULL, NULL,
	 "mtp.99999999999999999999.hc_ffn_base: a draft layer too many"},
	{"none", NULL, false, "128, 0, 0, 0]", "128, 0, 0]", "a draft layer too many, expected 2"},
	{"none", NULL, false, "128, 0, 0, 0]", "128, 0, 0, 0, 0]", "checkpoint: no mtp.3.*"},
	/* mtp.1 has become mtp.2, which is not the last one. */
	{"mtp.2.markov_head.", "mtp.1.markov_head.", false, NULL, NULL,
	 "checkpoint: missing mtp.2.markov_head.markov_w1.weight, "
	 "mtp.2.markov_head.markov_w2.weight"},
	{"mtp.0.main_proj.", "mtp.1.main_proj.", false, NULL, NULL,
	 "checkpoint: missing mtp.0.main_proj.weight, mtp.0.main_proj.scale"},
	/* Without its keys it is no block drafter, with whatever count. */
	{"none", NULL, false, "\"dspark_", "\"spark_", "config.json: dspark_block_size: found nothing"},
	{"mtp.1.", "other.", false, NULL, NULL, "checkpoint: no mtp.1.*"},
	{"none", NULL, false, NULL, NULL, NULL},
};

static int open_broken(const struct broken *b, struct err *err)
{
	struct model_options opt = {.ctx_tokens = 256};
	struct checkpoint c;
	struct tmpdir dir;
	struct model *m;
	int rc;

	make(&c);
	if (b->copies)
		checkpoint_copy(&c, b->prefix, b->to);
	else
		checkpoint_rename(&c, b->prefix, b->to);
	if (b->was)
		checkpoint_config(&c, b->was, b->is);
	tmpdir_init(&dir);
	checkpoint_write(&c, &dir);
	checkpoint_release(&c);
	opt.dir = dir.path;
	rc = model_open(&m, &opt, err);
	model_close(m);
	tmpdir_release(&dir);
	return rc;
}

static void another_number_of_stages_is_refused_by_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = {0};
		int rc = open_broken(&cases[i], &err);

		if (!cases[i].expect) {
			if (rc)
				fail_msg("%s", err.text);
			continue;
		}
		if (rc != ERR_MODEL || !strstr(err.text, cases[i].expect))
			fail_msg("case %zu: %d, \"%s\" lacks \"%s\"", i, rc, err.text,
				 cases[i].expect);
	}
}

/* A configuration that knows nothing of stages, of a checkpoint that has them. */
static void stages_without_their_keys_are_refused(void **state)
{
	static const struct {
		const char *ratios, *count;
	} as[] = {{"128]", "0"}, {"128, 0]", "1"}};

	(void)state;
	for (size_t i = 0; i < sizeof(as) / sizeof(as[0]); i++) {
		struct model_options opt = {.ctx_tokens = 256};
		struct checkpoint c;
		struct tmpdir dir;
		struct err err = {0};
		struct model *m;
		char count[64];
		char *keys;

		make(&c);
		checkpoint_rename(&c, "mtp.1.", NULL);
		checkpoint_rename(&c, "mtp.2.", NULL);
		checkpoint_config(&c, "128, 0, 0, 0]", as[i].ratios);
		snprintf(count, sizeof(count), "\"num_nextn_predict_layers\": %s", as[i].count);
		checkpoint_config(&c, "\"num_nextn_predict_layers\": 1", count);
		keys = strstr(c.config, ",\n\"dspark_block_size");
		assert_non_null(keys);
		strcpy(keys, "}\n");
		tmpdir_init(&dir);
		checkpoint_write(&c, &dir);
		checkpoint_release(&c);
		opt.dir = dir.path;
		assert_int_equal(model_open(&m, &opt, &err), ERR_MODEL);
		if (!strstr(err.text, ": of a block drafter, expected its dspark_* keys in "
				      "config.json"))
			fail_msg("\"%s\"", err.text);
		tmpdir_release(&dir);
	}
}

/* -------------------------------------------------------------------- backends */

static void a_backend_that_lacks_an_operation_is_named(void **state)
{
	static const struct {
		const char *name;
		size_t at;
	} ops[] = {
		{"stream_mean", offsetof(struct ops, stream_mean)},
		{"block_attention", offsetof(struct ops, block_attention)},
		{"mhc_head_sum", offsetof(struct ops, mhc_head_sum)},
		{"markov", offsetof(struct ops, markov)},
	};
	struct checkpoint c;
	struct loaded l;

	(void)state;
	make(&c);
	load(&l, &c);
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		for (int no_draft = 0; no_draft < 2; no_draft++) {
			const struct backend_options cpu = {.n_threads = 1};
			struct model_options opt = {.dir = l.dir.path,
						    .ctx_tokens = 256,
						    .no_draft = no_draft};
			char expect[80];
			struct err err = {0};
			struct ops fewer;
			struct model *m;

			assert_int_equal(backend_open_cpu(&opt.be, &cpu, &err), 0);
			fewer = *opt.be->ops;
			memset((char *)&fewer + ops[i].at, 0, sizeof(fewer.markov));
			opt.be->ops = &fewer;
			snprintf(expect, sizeof(expect), "cannot compute them: no operation %s",
				 ops[i].name);
			assert_int_equal(model_open(&m, &opt, &err), no_draft ? 0 : ERR_MODEL);
			if (!no_draft && !strstr(err.text, expect))
				fail_msg("\"%s\" lacks \"%s\"", err.text, expect);
			model_close(m);
		}
	}
	unload(&l);
}

static void a_shape_cut_to_few_layers_reads_the_last_ones(void **state)
{
	struct model_config cfg;
	struct err err = {0};

	(void)state;
	assert_int_equal(dummy_config("flash-dspark", 0, &cfg, &err), 0);
	assert_int_equal(cfg.spark.target_layer[0], 40);
	assert_int_equal(dummy_config("flash-dspark", 7, &cfg, &err), 0);
	assert_int_equal(cfg.spark.n_targets, 3);
	assert_int_equal(cfg.spark.target_layer[0], 4);
	assert_int_equal(cfg.spark.target_layer[2], 6);
	assert_int_equal(cfg.n_draft_layers, 3);
	assert_int_equal(cfg.compress_ratio[7] + cfg.compress_ratio[9], 0);
	assert_int_equal(dummy_config("flash-dspark", 2, &cfg, &err), 0);
	assert_int_equal(cfg.spark.n_targets, 2);
	assert_int_equal(cfg.spark.target_layer[0], 0);
	assert_int_equal(cfg.spark.target_layer[1], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tensors_of_stages_stand_in_their_places),
		cmocka_unit_test(stages_count_as_memory),
		cmocka_unit_test(another_number_of_stages_is_refused_by_name),
		cmocka_unit_test(stages_without_their_keys_are_refused),
		cmocka_unit_test(a_backend_that_lacks_an_operation_is_named),
		cmocka_unit_test(a_shape_cut_to_few_layers_reads_the_last_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
