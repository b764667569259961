/*
 * config.json: one table of keys serves reading, range checks and messages; what
 * ties two keys together is checked after it.
 */
#include "engine/checkpoint/config.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/base/file.h"
#include "engine/base/jsontree.h"

#define CONFIG_MAX_BYTES ((size_t)4 << 20)

/* Wider than any model that fits a machine, and small enough that products of three fit 64
 * bits. */
#define MAX_WIDTH 65536

struct int_key {
	const char *key;
	size_t at;
	int min, max, multiple;
};

struct real_key {
	const char *key;
	size_t at;
	double min, max;
	bool is_double;
};

#define AT(field) offsetof(struct model_config, field)

static const struct int_key int_keys[] = {
	{"num_hidden_layers", AT(n_layers), 1, CONFIG_MAX_LAYERS - CONFIG_MAX_DRAFT, 1},
	{"hidden_size", AT(dim), 128, MAX_WIDTH, 128},
	{"num_attention_heads", AT(n_heads), 1, 1024, 1},
	{"head_dim", AT(head_dim), 512, 512, 1},
	{"qk_rope_head_dim", AT(rope_dim), 64, 64, 1},
	{"q_lora_rank", AT(q_lora_rank), 32, MAX_WIDTH, 32},
	{"o_groups", AT(o_groups), 1, 1024, 1},
	{"o_lora_rank", AT(o_lora_rank), 1, MAX_WIDTH, 1},
	{"n_routed_experts", AT(n_experts), 1, 4096, 1},
	{"num_experts_per_tok", AT(n_experts_used), 1, 64, 1},
	{"n_shared_experts", AT(n_shared), 1, 1, 1},
	{"moe_intermediate_size", AT(moe_inter), 32, MAX_WIDTH, 32},
	{"num_hash_layers", AT(n_hash_layers), 0, CONFIG_MAX_LAYERS, 1},
	{"index_n_heads", AT(index_n_heads), 1, 1024, 1},
	{"index_head_dim", AT(index_head_dim), 128, 128, 1},
	{"index_topk", AT(index_topk), 1, 16384, 1},
	{"sliding_window", AT(window), 128, 128, 1},
	{"vocab_size", AT(vocab), 1, 1 << 24, 1},
	{"max_position_embeddings", AT(max_pos), 1, CONFIG_MAX_POS, 1},
	{"hc_mult", AT(hc_mult), 4, 4, 1},
	{"hc_sinkhorn_iters", AT(hc_iters), 1, 1000, 1},
};

static const struct real_key real_keys[] = {
	{"rms_norm_eps", AT(rms_eps), 1e-30, 1, false},
	{"hc_eps", AT(hc_eps), 1e-30, 1, false},
	{"swiglu_limit", AT(swiglu_limit), 1e-30, 1e6, false},
	{"routed_scaling_factor", AT(route_scale), 1e-30, 1e6, false},
	{"rope_theta", AT(rope_theta), 1, 1e12, true},
	{"compress_rope_theta", AT(compress_rope_theta), 1, 1e12, true},
};

static const struct int_key yarn_int_keys[] = {
	{"original_max_position_embeddings", AT(yarn.original), 1, CONFIG_MAX_POS, 1},
};

static const struct real_key yarn_real_keys[] = {
	{"factor", AT(yarn.factor), 1, 1e6, true},
	{"beta_fast", AT(yarn.beta_fast), 1e-3, 1e6, true},
	{"beta_slow", AT(yarn.beta_slow), 1e-3, 1e6, true},
};

static const struct int_key spark_keys[] = {
	{"dspark_block_size", AT(spark.block_size), 1, 16, 1},
	{"dspark_markov_rank", AT(spark.markov_rank), 32, MAX_WIDTH, 32},
	{"dspark_noise_token_id", AT(spark.noise_token), 0, 1 << 24, 1},
};

/* Keys that name a choice the engine has made: absent is fine, another value is not. */
struct fixed_key {
	const char *section; /* NULL: top level */
	const char *key;
	const char *value; /* as JSON text */
	bool required;
};

static const struct fixed_key fixed_keys[] = {
	{NULL, "scoring_func", "\"sqrtsoftplus\"", true},
	{NULL, "model_type", "\"deepseek_v4\"", false},
	{NULL, "hidden_act", "\"silu\"", false},
	{NULL, "topk_method", "\"noaux_tc\"", false},
	{NULL, "norm_topk_prob", "true", false},
	{NULL, "attention_bias", "false", false},
	{NULL, "tie_word_embeddings", "false", false},
	{NULL, "num_key_value_heads", "1", false},
	{"quantization_config", "quant_method", "\"fp8\"", false},
	{"quantization_config", "fmt", "\"e4m3\"", false},
	{"quantization_config", "scale_fmt", "\"ue8m0\"", false},
	{"quantization_config", "weight_block_size", "[128,128]", false},
	{"rope_scaling", "type", "\"yarn\"", false},
	{"rope_scaling", "rope_type", "\"yarn\"", false},
};

struct reader {
	const char *name;    /* of the file, for messages */
	const char *section; /* "" or "rope_scaling.": where the keys being read stand */
	struct model_config *cfg;
	struct err *err;
};

/* What stands in the file, short enough for a message.  `text` holds at least 64 bytes. */
static const char *found(const json_t *v, char text[64])
{
	char *dump =
		v ? json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII) : NULL;

	if (!dump)
		return v ? "something else" : "nothing";
	snprintf(text, 64, strlen(dump) < 60 ? "%.60s" : "%.56s...", dump);
	free(dump);
	return text;
}

static int refuse(struct reader *r, const char *key, const json_t *v, const char *expected)
{
	char text[64];

	return err_set(r->err, ERR_MODEL, "%s: %s%s: found %s, expected %s", r->name,
		       r->section, key, found(v, text), expected);
}

static void *field(const struct reader *r, size_t at)
{
	return (char *)r->cfg + at;
}

static int read_int(struct reader *r, const json_t *object, const struct int_key *k)
{
	const json_t *v = json_object_get(object, k->key);
	char expected[96];
	json_int_t n;

	if (k->min == k->max)
		snprintf(expected, sizeof(expected), "%d, the only value this engine computes",
			 k->min);
	else if (k->multiple > 1)
		snprintf(expected, sizeof(expected), "a multiple of %d from %d to %d",
			 k->multiple, k->min, k->max);
	else
		snprintf(expected, sizeof(expected), "an integer from %d to %d", k->min,
			 k->max);
	if (!json_is_integer(v))
		return refuse(r, k->key, v, expected);
	n = json_integer_value(v);
	if (n < k->min || n > k->max || n % k->multiple)
		return refuse(r, k->key, v, expected);
	*(int *)field(r, k->at) = (int)n;
	return 0;
}

static int read_real(struct reader *r, const json_t *object, const struct real_key *k)
{
	const json_t *v = json_object_get(object, k->key);
	double x = json_number_value(v);
	char expected[96];

	if (!json_is_number(v) || !isfinite(x) || x < k->min || x > k->max) {
		snprintf(expected, sizeof(expected), "a number from %g to %g", k->min, k->max);
		return refuse(r, k->key, v, expected);
	}
	if (k->is_double)
		*(double *)field(r, k->at) = x;
	else
		*(float *)field(r, k->at) = (float)x;
	return 0;
}

static int read_ints(struct reader *r, const json_t *object, const struct int_key *keys,
		     size_t n)
{
	int rc = 0;

	for (size_t i = 0; i < n && !rc; i++)
		rc = read_int(r, object, &keys[i]);
	return rc;
}

static int read_reals(struct reader *r, const json_t *object, const struct real_key *keys,
		      size_t n)
{
	int rc = 0;

	for (size_t i = 0; i < n && !rc; i++)
		rc = read_real(r, object, &keys[i]);
	return rc;
}

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static int check_fixed(struct reader *r, const json_t *root)
{
	for (size_t i = 0; i < COUNT(fixed_keys); i++) {
		const struct fixed_key *k = &fixed_keys[i];
		const json_t *in = k->section ? json_object_get(root, k->section) : root;
		const json_t *v = json_object_get(in, k->key);
		struct json_tree want = {0};
		bool same;
		int rc;

		if (!v && !k->required)
			continue;
		rc = json_tree_parse(&want, str_of(k->value), JSON_DECODE_ANY, r->err);
		if (rc)
			return rc;
		same = v && json_equal(v, want.root);
		json_tree_release(&want);
		if (!same) {
			char key[96], expected[96];

			snprintf(key, sizeof(key), "%s%s%s", k->section ? k->section : "",
				 k->section ? "." : "", k->key);
			snprintf(expected, sizeof(expected),
				 "%s, the only one this engine computes", k->value);
			return refuse(r, key, v, expected);
		}
	}
	return 0;
}

static int read_yarn(struct reader *r, const json_t *root)
{
	const json_t *yarn = json_object_get(root, "rope_scaling");
	const struct model_config *cfg = r->cfg;
	int rc;

	if (!json_is_object(yarn))
		return refuse(r, "rope_scaling", yarn, "an object of YaRN parameters");
	r->section = "rope_scaling.";
	rc = read_ints(r, yarn, yarn_int_keys, COUNT(yarn_int_keys));
	if (!rc)
		rc = read_reals(r, yarn, yarn_real_keys, COUNT(yarn_real_keys));
	r->section = "";
	if (rc)
		return rc;
	if (cfg->yarn.beta_fast <= cfg->yarn.beta_slow)
		return err_set(r->err, ERR_MODEL,
			       "%s: rope_scaling.beta_fast: found %g, expected more than "
			       "beta_slow (%g)",
			       r->name, cfg->yarn.beta_fast, cfg->yarn.beta_slow);
	return 0;
}

static int read_ratios(struct reader *r, const json_t *root)
{
	const json_t *list = json_object_get(root, "compress_ratios");
	struct model_config *cfg = r->cfg;
	size_t n = json_array_size(list), n_layers = (size_t)cfg->n_layers;
	char key[64];

	if (!json_is_array(list))
		return refuse(r, "compress_ratios", list, "an array");
	if (n < n_layers || n > n_layers + CONFIG_MAX_DRAFT)
		return err_set(
			r->err, ERR_MODEL,
			"%s: compress_ratios: found %zu entries, expected num_hidden_layers "
			"(%d) and up to %d more for draft layers",
			r->name, n, cfg->n_layers, CONFIG_MAX_DRAFT);
	for (size_t i = 0; i < n; i++) {
		const json_t *v = json_array_get(list, i);
		json_int_t ratio = json_is_integer(v) ? json_integer_value(v) : -1;
		bool draft = i >= n_layers;

		if (ratio == 0 || (!draft && (ratio == 4 || ratio == 128))) {
			cfg->compress_ratio[i] = (uint8_t)ratio;
			continue;
		}
		snprintf(key, sizeof(key), "compress_ratios[%zu]", i);
		return refuse(r, key, v, draft ? "0, as for every draft layer" : "0, 4 or 128");
	}
	cfg->n_draft_layers = (int)(n - n_layers);
	return 0;
}

static int read_spark_targets(struct reader *r, const json_t *root)
{
	const json_t *list = json_object_get(root, "dspark_target_layer_ids");
	struct spark_config *spark = &r->cfg->spark;
	size_t n = json_array_size(list);
	char key[64], expected[96];
	int last = -1;

	if (!json_is_array(list) || n < 1 || n > CONFIG_MAX_TARGETS) {
		snprintf(expected, sizeof(expected), "an array of 1 to %d layers",
			 CONFIG_MAX_TARGETS);
		return refuse(r, "dspark_target_layer_ids", list, expected);
	}
	for (size_t i = 0; i < n; i++) {
		const json_t *v = json_array_get(list, i);
		json_int_t layer = json_is_integer(v) ? json_integer_value(v) : -1;

		if (layer <= last || layer >= r->cfg->n_layers) {
			snprintf(key, sizeof(key), "dspark_target_layer_ids[%zu]", i);
			snprintf(expected, sizeof(expected),
				 "a layer from %d to %d, in ascending order", last + 1,
				 r->cfg->n_layers - 1);
			return refuse(r, key, v, expected);
		}
		last = (int)layer;
		spark->target_layer[i] = last;
	}
	spark->n_targets = (int)n;
	return 0;
}

static int read_spark(struct reader *r, const json_t *root)
{
	struct model_config *cfg = r->cfg;
	int rc;

	for (size_t i = 0; i < COUNT(spark_keys); i++)
		if (json_object_get(root, spark_keys[i].key))
			cfg->spark.present = true;
	if (json_object_get(root, "dspark_target_layer_ids"))
		cfg->spark.present = true;
	if (!cfg->spark.present)
		return 0;
	rc = read_ints(r, root, spark_keys, COUNT(spark_keys));
	if (!rc)
		rc = read_spark_targets(r, root);
	if (!rc && cfg->spark.noise_token >= cfg->vocab)
		rc = err_set(
			r->err, ERR_MODEL,
			"%s: dspark_noise_token_id: found %d, expected less than vocab_size "
			"(%d)",
			r->name, cfg->spark.noise_token, cfg->vocab);
	if (!rc && cfg->n_draft_layers < 1)
		rc = err_set(
			r->err, ERR_MODEL,
			"%s: compress_ratios: found %d entries, expected one more for each "
			"stage of the dspark_* drafter",
			r->name, cfg->n_layers);
	return rc;
}

/* Without the block drafter, num_nextn_predict_layers and compress_ratios count the same
 * layers. */
static int check_draft_count(struct reader *r, const json_t *root)
{
	static const char key[] = "num_nextn_predict_layers";
	const json_t *v = json_object_get(root, key);
	const struct model_config *cfg = r->cfg;
	char expected[96];

	if (!json_is_integer(v) || json_integer_value(v) < 0 ||
	    json_integer_value(v) > CONFIG_MAX_DRAFT) {
		snprintf(expected, sizeof(expected), "an integer from 0 to %d",
			 CONFIG_MAX_DRAFT);
		return refuse(r, key, v, expected);
	}
	if (cfg->spark.present)
		return 0;
	if (json_integer_value(v) != cfg->n_draft_layers) {
		snprintf(expected, sizeof(expected),
			 "%d, as compress_ratios has entries beyond num_hidden_layers",
			 cfg->n_draft_layers);
		return refuse(r, key, v, expected);
	}
	if (cfg->n_draft_layers > 1)
		return refuse(r, key, v, "0 or 1, or the dspark_* keys of a block drafter");
	return 0;
}

static int read_token(struct reader *r, const json_t *root, const char *key, int *id)
{
	const json_t *v = json_object_get(root, key);
	char expected[96];

	*id = -1;
	if (!v || json_is_null(v))
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) < 0 ||
	    json_integer_value(v) >= r->cfg->vocab) {
		snprintf(expected, sizeof(expected), "a token id below vocab_size (%d)",
			 r->cfg->vocab);
		return refuse(r, key, v, expected);
	}
	*id = (int)json_integer_value(v);
	return 0;
}

static int read_expert_dtype(struct reader *r, const json_t *root)
{
	const json_t *v = json_object_get(root, "expert_dtype");

	/* Base checkpoints have FP8 experts and say so by leaving the key out, or by its value.
	 */
	r->cfg->expert_dtype = EXPERT_FP8;
	if (!v || json_is_null(v))
		return 0;
	if (!json_is_string(v))
		return refuse(r, "expert_dtype", v, "a string such as \"fp4\" or \"fp8\"");
	if (!strcmp(json_string_value(v), "fp4"))
		r->cfg->expert_dtype = EXPERT_FP4;
	return 0;
}

static int check_together(struct reader *r)
{
	const struct model_config *cfg = r->cfg;

	if (cfg->n_heads % cfg->o_groups)
		return err_set(
			r->err, ERR_MODEL,
			"%s: o_groups: found %d, expected a divisor of num_attention_heads "
			"(%d)",
			r->name, cfg->o_groups, cfg->n_heads);
	if ((int64_t)cfg->o_groups * cfg->o_lora_rank % 32 ||
	    (int64_t)cfg->o_groups * cfg->o_lora_rank > (int64_t)MAX_WIDTH * 16)
		return err_set(
			r->err, ERR_MODEL,
			"%s: o_lora_rank: found %d, expected o_groups (%d) times it to be a "
			"multiple of 32, at most %d",
			r->name, cfg->o_lora_rank, cfg->o_groups, MAX_WIDTH * 16);
	if (cfg->n_experts_used > cfg->n_experts)
		return err_set(r->err, ERR_MODEL,
			       "%s: num_experts_per_tok: found %d, expected at most "
			       "n_routed_experts (%d)",
			       r->name, cfg->n_experts_used, cfg->n_experts);
	if (cfg->n_hash_layers > cfg->n_layers)
		return err_set(
			r->err, ERR_MODEL,
			"%s: num_hash_layers: found %d, expected at most num_hidden_layers "
			"(%d)",
			r->name, cfg->n_hash_layers, cfg->n_layers);
	return 0;
}

static int read_root(struct reader *r, const json_t *root)
{
	int rc;

	if (!json_is_object(root))
		return err_set(r->err, ERR_MODEL,
			       "%s: found no object at the top, expected one", r->name);
	/* First what kind of model it is: the best message for another family's file. */
	if ((rc = check_fixed(r, root)) ||
	    (rc = read_ints(r, root, int_keys, COUNT(int_keys))) ||
	    (rc = read_reals(r, root, real_keys, COUNT(real_keys))) ||
	    (rc = check_together(r)) || (rc = read_yarn(r, root)) ||
	    (rc = read_ratios(r, root)) || (rc = read_spark(r, root)) ||
	    (rc = check_draft_count(r, root)) || (rc = read_expert_dtype(r, root)) ||
	    (rc = read_token(r, root, "bos_token_id", &r->cfg->bos_id)))
		return rc;
	return read_token(r, root, "eos_token_id", &r->cfg->eos_id);
}

int model_config_parse(struct str json, const char *name, struct model_config *cfg,
		       struct err *err)
{
	struct reader r = {.name = name, .section = "", .cfg = cfg, .err = err};
	struct json_tree tree;
	struct err why;
	int rc;

	memset(cfg, 0, sizeof(*cfg));
	rc = json_tree_parse(&tree, json, JSON_REJECT_DUPLICATES, &why);
	if (rc == ERR_FAILED)
		return err_set(err, ERR_MODEL, "%s: %s, expected a JSON object", name,
			       why.text);
	if (rc)
		return err_set(err, rc, "%s: %s", name, why.text);
	rc = read_root(&r, tree.root);
	json_tree_release(&tree);
	return rc;
}

int model_config_read(const char *dir, struct model_config *cfg, struct err *err)
{
	struct buf path = {0}, text = {0};
	int rc;

	buf_addf(&path, "%s/config.json", dir);
	if (buf_failed(&path))
		rc = err_nomem(err, "path", path.len);
	else if (!(rc = file_read(&text, buf_z(&path), CONFIG_MAX_BYTES, err)))
		rc = model_config_parse(buf_str(&text), buf_z(&path), cfg, err);
	/* A file that cannot be read is a broken model to whoever opens a checkpoint. */
	if (rc == ERR_IO) {
		rc = ERR_MODEL;
		if (err)
			err->code = rc;
	}
	buf_release(&path);
	buf_release(&text);
	return rc;
}
