/*
 * The published models: the values that differ between them, and all values of each.
 */
#include <strings.h>

#include "engine/checkpoint/config.h"

struct variant {
	const char *name, *short_name;
	int n_layers, dim, n_heads, q_lora_rank, o_groups, n_experts, moe_inter, index_topk;
	float route_scale;
	enum expert_dtype expert_dtype;
	uint8_t ratio_first[2]; /* of the first two layers; from then on 4 and 128 take turns */
	int n_stages;           /* of a block drafter in place of the one-token draft head */
};

static const struct variant variants[] = {
	{"DeepSeek-V4-Flash", "flash", 43, 4096, 64, 1024, 8, 256, 2048, 512, 1.5f, EXPERT_FP4,
	 {0, 0}, 0},
	{"DeepSeek-V4-Flash", "flash-dspark", 43, 4096, 64, 1024, 8, 256, 2048, 512, 1.5f,
	 EXPERT_FP4, {0, 0}, 3},
	{"DeepSeek-V4-Flash-Base", "flash-base", 43, 4096, 64, 1024, 8, 256, 2048, 512, 1.5f,
	 EXPERT_FP8, {0, 0}, 0},
	{"DeepSeek-V4-Pro", "pro", 61, 7168, 128, 1536, 16, 384, 3072, 1024, 2.5f, EXPERT_FP4,
	 {128, 128}, 0},
	{"DeepSeek-V4-Pro-Base", "pro-base", 61, 7168, 128, 1536, 16, 384, 3072, 1024, 2.5f,
	 EXPERT_FP8, {128, 128}, 0},
};

#define N_VARIANTS (sizeof(variants) / sizeof(variants[0]))

/* Layers 2, 4, … compress by 4 and layers 3, 5, … by 128, in every published model. */
static int variant_ratio(const struct variant *v, int layer)
{
	if (layer < 2)
		return v->ratio_first[layer];
	return layer % 2 ? 128 : 4;
}

/* As the published ones are: the last layers are read, one for each stage. */
static struct spark_config spark_of(const struct variant *v)
{
	struct spark_config s = {
		.present = true,
		.block_size = 5,
		.markov_rank = 256,
		.noise_token = 128799,
		.n_targets = v->n_stages,
	};

	for (int i = 0; i < s.n_targets; i++)
		s.target_layer[i] = v->n_layers - s.n_targets + i;
	return s;
}

bool model_config_published(const char *name, struct model_config *cfg)
{
	const struct variant *v = NULL;

	for (size_t i = 0; i < N_VARIANTS && !v; i++)
		if (!strcasecmp(name, variants[i].name) || !strcasecmp(name, variants[i].short_name))
			v = &variants[i];
	if (!v)
		return false;
	*cfg = (struct model_config){
		.n_layers = v->n_layers,
		.n_draft_layers = v->n_stages ? v->n_stages : 1,
		.dim = v->dim,
		.n_heads = v->n_heads,
		.head_dim = 512,
		.rope_dim = 64,
		.q_lora_rank = v->q_lora_rank,
		.o_groups = v->o_groups,
		.o_lora_rank = 1024,
		.n_experts = v->n_experts,
		.n_experts_used = 6,
		.n_shared = 1,
		.moe_inter = v->moe_inter,
		.n_hash_layers = 3,
		.index_n_heads = 64,
		.index_head_dim = 128,
		.index_topk = v->index_topk,
		.window = 128,
		.vocab = 129280,
		.max_pos = 1048576,
		.hc_mult = 4,
		.hc_iters = 20,
		.rms_eps = 1e-6f,
		.hc_eps = 1e-6f,
		.swiglu_limit = 10,
		.route_scale = v->route_scale,
		.rope_theta = 10000,
		.compress_rope_theta = 160000,
		.yarn = {.factor = 16, .original = 65536, .beta_fast = 32, .beta_slow = 1},
		.expert_dtype = v->expert_dtype,
		.bos_id = 0,
		.eos_id = 1,
	};
	for (int i = 0; i < v->n_layers; i++)
		cfg->compress_ratio[i] = (uint8_t)variant_ratio(v, i);
	if (v->n_stages)
		cfg->spark = spark_of(v);
	return true;
}
