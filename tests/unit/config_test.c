/* config.json: what is read, and each value that is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "engine/checkpoint/config.h"
#include "tests/support/tmpdir.h"

#define GOLDEN "tests/golden/pro-micro"

static int parse(const char *text, struct model_config *cfg, struct err *err)
{
	*err = (struct err){0};
	return model_config_parse(str_of(text), "config.json", cfg, err);
}

static json_t *golden_json(void)
{
	json_t *root = json_load_file(GOLDEN "/config.json", 0, NULL);

	assert_non_null(root);
	return root;
}

static void set(json_t *in, const char *key, const char *value)
{
	assert_int_equal(json_object_set_new(in, key, json_loads(value, JSON_DECODE_ANY, NULL)), 0);
}

static char *text_of(json_t *root)
{
	char *text = json_dumps(root, 0);

	json_decref(root);
	assert_non_null(text);
	return text;
}

/* The golden config with one key set to `value` (JSON text), or removed where that is NULL. */
static char *changed(const char *section, const char *key, const char *value)
{
	json_t *root = golden_json();
	json_t *in = *section ? json_object_get(root, section) : root;

	assert_non_null(in);
	if (value)
		set(in, key, value);
	else
		json_object_del(in, key);
	return text_of(root);
}

static void golden_config_is_read_whole(void **state)
{
	struct model_config cfg;
	struct err err = {0};

	(void)state;
	assert_int_equal(model_config_read(GOLDEN, &cfg, &err), 0);
	assert_int_equal(cfg.n_layers, 4);
	assert_int_equal(cfg.n_draft_layers, 1);
	assert_int_equal(cfg.dim, 128);
	assert_int_equal(cfg.n_heads, 4);
	assert_int_equal(cfg.o_groups, 4);
	assert_int_equal(cfg.o_lora_rank, 64);
	assert_int_equal(cfg.n_experts, 10);
	assert_int_equal(cfg.n_experts_used, 6);
	assert_int_equal(cfg.n_hash_layers, 1);
	assert_int_equal(cfg.index_topk, 32);
	assert_int_equal(cfg.vocab, 320);
	assert_int_equal(cfg.max_pos, 1048576);
	assert_int_equal(cfg.hc_iters, 20);
	assert_true(cfg.route_scale == 2.5f);
	assert_true(cfg.swiglu_limit == 10.0f);
	assert_true(cfg.compress_rope_theta == 160000.0);
	assert_true(cfg.yarn.factor == 16.0 && cfg.yarn.original == 65536);
	assert_int_equal(cfg.expert_dtype, EXPERT_FP4);
	assert_int_equal(cfg.compress_ratio[0], 128);
	assert_int_equal(cfg.compress_ratio[3], 4);
	assert_int_equal(cfg.compress_ratio[4], 0);
	assert_int_equal(cfg.bos_id, 0);
	assert_int_equal(cfg.eos_id, 1);
	assert_false(cfg.spark.present);
}

struct bad_value {
	const char *section, *key;
	const char *value;  /* NULL: the key is absent */
	const char *expect; /* stands in the message */
};

static const struct bad_value bad_values[] = {
	{"", "hidden_size", "-128", "hidden_size: found -128"},
	{"", "hidden_size", "0", "found 0"},
	{"", "hidden_size", "100", "multiple of 128"},
	{"", "hidden_size", "128.0", "found 128.0"},
	{"", "hidden_size", "\"128\"", "found \"128\""},
	{"", "hidden_size", "true", "found true"},
	{"", "hidden_size", "null", "found null"},
	{"", "hidden_size", "[128]", "found [128]"},
	{"", "hidden_size", "9223372036854775807", "found 9223372036854775807"},
	{"", "num_hidden_layers", "0", "found 0"},
	{"", "num_hidden_layers", "6", "compress_ratios"},
	{"", "num_hidden_layers", "100000", "found 100000"},
	{"", "head_dim", "128", "expected 512"},
	{"", "qk_rope_head_dim", "32", "expected 64"},
	{"", "index_head_dim", "64", "expected 128"},
	{"", "sliding_window", "256", "expected 128"},
	{"", "hc_mult", "2", "expected 4"},
	{"", "n_shared_experts", "2", "expected 1"},
	{"", "o_groups", "3", "divisor of num_attention_heads"},
	{"", "o_lora_rank", "7", "multiple of 32"},
	{"", "q_lora_rank", "33", "multiple of 32"},
	{"", "moe_intermediate_size", "48", "multiple of 32"},
	{"", "num_experts_per_tok", "11", "n_routed_experts"},
	{"", "num_hash_layers", "5", "num_hidden_layers"},
	{"", "num_hash_layers", "-1", "found -1"},
	{"", "index_topk", "0", "found 0"},
	{"", "vocab_size", "0", "found 0"},
	{"", "vocab_size", "1e3", "found 1000.0"},
	{"", "max_position_embeddings", "2000000", "found 2000000"},
	{"", "hc_sinkhorn_iters", "0", "found 0"},
	{"", "rms_norm_eps", "0", "found 0"},
	{"", "rms_norm_eps", "-1e-6", "found -"},
	{"", "hc_eps", "\"small\"", "found \"small\""},
	{"", "routed_scaling_factor", "1e300", "found 1"},
	{"", "rope_theta", "0", "found 0"},
	{"", "scoring_func", "\"softmax\"", "sqrtsoftplus"},
	{"", "model_type", "\"llama\"", "deepseek_v4"},
	{"", "num_key_value_heads", "4", "expected 1"},
	{"", "tie_word_embeddings", "true", "expected false"},
	{"", "expert_dtype", "4", "found 4"},
	{"", "bos_token_id", "320", "vocab_size"},
	{"", "eos_token_id", "-1", "vocab_size"},
	{"", "num_nextn_predict_layers", "2", "found 2"},
	{"", "num_nextn_predict_layers", "0", "found 0"},
	{"", "compress_ratios", "[]", "found 0 entries"},
	{"", "compress_ratios", "[128,4,128]", "found 3 entries"},
	{"", "compress_ratios", "[128,4,128,64,0]", "compress_ratios[3]: found 64"},
	{"", "compress_ratios", "[128,4,128,4,4]", "compress_ratios[4]: found 4"},
	{"", "compress_ratios", "[128,4,128,\"4\",0]", "found \"4\""},
	{"", "rope_scaling", "null", "found null"},
	{"", "rope_scaling", "{}", "rope_scaling.original_max_position_embeddings"},
	{"rope_scaling", "factor", "0", "rope_scaling.factor: found 0"},
	{"rope_scaling", "beta_slow", "32", "more than beta_slow"},
	{"rope_scaling", "type", "\"linear\"", "\"yarn\""},
	{"quantization_config", "weight_block_size", "[64,64]", "[128,128]"},
	{"quantization_config", "scale_fmt", "\"float\"", "ue8m0"},
	{"", "dspark_block_size", "5", "dspark_markov_rank: found nothing"},
	{"", "num_hidden_layers", NULL, "found nothing"},
	{"", "hidden_size", NULL, "found nothing"},
	{"", "num_attention_heads", NULL, "found nothing"},
	{"", "head_dim", NULL, "found nothing"},
	{"", "qk_rope_head_dim", NULL, "found nothing"},
	{"", "q_lora_rank", NULL, "found nothing"},
	{"", "o_groups", NULL, "found nothing"},
	{"", "o_lora_rank", NULL, "found nothing"},
	{"", "n_routed_experts", NULL, "found nothing"},
	{"", "num_experts_per_tok", NULL, "found nothing"},
	{"", "n_shared_experts", NULL, "found nothing"},
	{"", "moe_intermediate_size", NULL, "found nothing"},
	{"", "num_hash_layers", NULL, "found nothing"},
	{"", "compress_ratios", NULL, "found nothing"},
	{"", "index_n_heads", NULL, "found nothing"},
	{"", "index_head_dim", NULL, "found nothing"},
	{"", "index_topk", NULL, "found nothing"},
	{"", "sliding_window", NULL, "found nothing"},
	{"", "vocab_size", NULL, "found nothing"},
	{"", "rms_norm_eps", NULL, "found nothing"},
	{"", "max_position_embeddings", NULL, "found nothing"},
	{"", "hc_mult", NULL, "found nothing"},
	{"", "hc_sinkhorn_iters", NULL, "found nothing"},
	{"", "hc_eps", NULL, "found nothing"},
	{"", "swiglu_limit", NULL, "found nothing"},
	{"", "scoring_func", NULL, "found nothing"},
	{"", "rope_theta", NULL, "found nothing"},
	{"", "rope_scaling", NULL, "found nothing"},
	{"", "routed_scaling_factor", NULL, "found nothing"},
	{"", "compress_rope_theta", NULL, "found nothing"},
	{"", "num_nextn_predict_layers", NULL, "found nothing"},
};

static void every_bad_value_is_refused_with_key_found_and_expected(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad_values) / sizeof(bad_values[0]); i++) {
		const struct bad_value *b = &bad_values[i];
		const char *value = b->value ? b->value : "(none)";
		char *text = changed(b->section, b->key, b->value);
		struct model_config cfg;
		struct err err;

		if (parse(text, &cfg, &err) != ERR_MODEL)
			fail_msg("%s = %s was taken", b->key, value);
		if (strncmp(err.text, "config.json: ", 13) != 0 || !strstr(err.text, b->expect) ||
		    !strstr(err.text, "expected"))
			fail_msg("%s = %s: message is \"%s\", expected in it \"%s\"", b->key, value,
				 err.text, b->expect);
		free(text);
	}
}

static void text_that_is_no_json_object_is_refused(void **state)
{
	static const char *const texts[] = {
		"", "{", "[]", "null", "{\"a\":1,\"a\":2}", "{\"hidden_size\": 1e999}",
		"{\"hidden_size\": 99999999999999999999999}", "\xff\xfe", "{\"\\u0000\": 1}",
	};
	struct model_config cfg;
	struct err err;
	char *deep = malloc(200001);

	(void)state;
	assert_non_null(deep);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(parse(texts[i], &cfg, &err), ERR_MODEL);
		assert_non_null(strstr(err.text, "config.json: "));
	}
	memset(deep, '[', 200000);
	deep[200000] = '\0';
	assert_int_equal(parse(deep, &cfg, &err), ERR_MODEL);
	free(deep);
}

static void expert_dtype_other_than_fp4_means_fp8(void **state)
{
	static const char *const values[] = {NULL, "null", "\"fp8\"", "\"float8_e4m3fn\""};

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		char *text = changed("", "expert_dtype", values[i]);
		struct model_config cfg;
		struct err err;

		assert_int_equal(parse(text, &cfg, &err), 0);
		assert_int_equal(cfg.expert_dtype, EXPERT_FP8);
		free(text);
	}
}

static void block_drafter_keys_are_read_together(void **state)
{
	static const struct {
		const char *rank, *noise, *targets, *ratios;
		const char *expect; /* NULL: it is fine */
	} cases[] = {
		{"64", "317", "[1, 2, 3]", "[0, 4, 128, 4, 0, 0, 0]", NULL},
		{"64", "320", "[1, 2, 3]", "[0, 4, 128, 4, 0, 0, 0]", "dspark_noise_token_id"},
		{"63", "317", "[1, 2, 3]", "[0, 4, 128, 4, 0, 0, 0]", "dspark_markov_rank"},
		{"64", "317", "[1, 2, 4]", "[0, 4, 128, 4, 0, 0, 0]", "layer_ids[2]: found 4"},
		{"64", "317", "[1, 1, 3]", "[0, 4, 128, 4, 0, 0, 0]", "layer_ids[1]: found 1"},
		{"64", "317", "[]", "[0, 4, 128, 4, 0, 0, 0]", "dspark_target_layer_ids"},
		{"64", "317", "[1, 2, 3]", "[0, 4, 128, 4]", "compress_ratios: found 4"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *root = golden_json();
		struct model_config cfg;
		struct err err;
		char *text;
		int rc;

		set(root, "dspark_block_size", "5");
		set(root, "dspark_markov_rank", cases[i].rank);
		set(root, "dspark_noise_token_id", cases[i].noise);
		set(root, "dspark_target_layer_ids", cases[i].targets);
		set(root, "compress_ratios", cases[i].ratios);
		text = text_of(root);
		rc = parse(text, &cfg, &err);
		free(text);
		if (!cases[i].expect) {
			assert_int_equal(rc, 0);
			assert_true(cfg.spark.present);
			assert_int_equal(cfg.n_draft_layers, 3);
			assert_int_equal(cfg.spark.n_targets, 3);
			assert_int_equal(cfg.spark.target_layer[2], 3);
			assert_int_equal(cfg.spark.noise_token, 317);
			continue;
		}
		assert_int_equal(rc, ERR_MODEL);
		if (!strstr(err.text, cases[i].expect))
			fail_msg("\"%s\" lacks \"%s\"", err.text, cases[i].expect);
	}
}

static void published_models_are_known_by_name(void **state)
{
	static const struct {
		const char *name;
		int n_layers;
		enum expert_dtype experts;
	} models[] = {
		{"flash", 43, EXPERT_FP4},
		{"DeepSeek-V4-Flash-Base", 43, EXPERT_FP8},
		{"pro", 61, EXPERT_FP4},
		{"deepseek-v4-pro-base", 61, EXPERT_FP8},
	};
	struct model_config cfg;

	(void)state;
	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
		assert_true(model_config_published(models[i].name, &cfg));
		assert_int_equal(cfg.n_layers, models[i].n_layers);
		assert_int_equal(cfg.expert_dtype, models[i].experts);
	}
	assert_int_equal(cfg.compress_ratio[0], 128);
	assert_int_equal(cfg.compress_ratio[60], 4);
	assert_false(model_config_published("llama", &cfg));
	assert_true(model_config_published("flash", &cfg));
	assert_int_equal(cfg.compress_ratio[1], 0);
	assert_int_equal(cfg.compress_ratio[3], 128);
	assert_false(cfg.spark.present);
	assert_true(model_config_published("flash-dspark", &cfg));
	assert_int_equal(cfg.n_layers, 43);
	assert_int_equal(cfg.n_draft_layers, 3);
	assert_int_equal(cfg.spark.n_targets, 3);
	assert_int_equal(cfg.spark.target_layer[0], 40);
	assert_int_equal(cfg.spark.target_layer[2], 42);
}

static void files_that_cannot_be_read_are_model_errors(void **state)
{
	struct model_config cfg;
	struct err err = {0};
	struct tmpdir d;

	(void)state;
	tmpdir_init(&d);
	assert_int_equal(model_config_read(d.path, &cfg, &err), ERR_MODEL);
	assert_non_null(strstr(err.text, "config.json: cannot open: No such file"));
	assert_int_equal(model_config_read("/dev/null", &cfg, &err), ERR_MODEL);
	tmpdir_write_text(&d, "config.json", "");
	assert_int_equal(model_config_read(d.path, &cfg, &err), ERR_MODEL);
	tmpdir_release(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_config_is_read_whole),
		cmocka_unit_test(every_bad_value_is_refused_with_key_found_and_expected),
		cmocka_unit_test(text_that_is_no_json_object_is_refused),
		cmocka_unit_test(expert_dtype_other_than_fp4_means_fp8),
		cmocka_unit_test(block_drafter_keys_are_read_together),
		cmocka_unit_test(published_models_are_known_by_name),
		cmocka_unit_test(files_that_cannot_be_read_are_model_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
