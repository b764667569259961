/*
 * What a checkpoint's config.json says of the model's shape.
 *
 * Every value comes from the file and none is assumed, so a pruned or a tiny
 * checkpoint is as good as the published ones.  What this engine cannot compute
 * (another head size, another scoring function) is refused here, naming the key,
 * so that nothing behind this file meets a shape it was not made for.
 */
#ifndef ENGINE_CHECKPOINT_CONFIG_H
#define ENGINE_CHECKPOINT_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"

#define CONFIG_MAX_LAYERS  512 /* draft layers included */
#define CONFIG_MAX_DRAFT   8
#define CONFIG_MAX_TARGETS 8
#define CONFIG_MAX_POS     1048576

enum expert_dtype { EXPERT_FP4, EXPERT_FP8 };

/* The block drafter of later checkpoints: stages in place of the one-token draft layer. */
struct spark_config {
	bool present;
	int block_size;    /* dspark_block_size: tokens drafted at once */
	int markov_rank;   /* dspark_markov_rank */
	int noise_token;   /* dspark_noise_token_id */
	int n_targets;     /* layers whose streams it reads … */
	int target_layer[CONFIG_MAX_TARGETS]; /* … ascending: dspark_target_layer_ids */
};

struct model_config {
	/* published key */
	int n_layers;        /* num_hidden_layers                                       */
	int n_draft_layers;  /* length of compress_ratios − num_hidden_layers; 0 = none */
	int dim;             /* hidden_size, a multiple of 128                          */
	int n_heads;         /* num_attention_heads                                     */
	int head_dim;        /* head_dim: 512                                           */
	int rope_dim;        /* qk_rope_head_dim: 64                                    */
	int q_lora_rank;     /* a multiple of 32                                        */
	int o_groups;        /* divides n_heads                                         */
	int o_lora_rank;     /* o_groups · o_lora_rank is a multiple of 32              */
	int n_experts;       /* n_routed_experts                                        */
	int n_experts_used;  /* num_experts_per_tok, at most n_experts                  */
	int n_shared;        /* n_shared_experts: 1                                     */
	int moe_inter;       /* moe_intermediate_size, a multiple of 32                 */
	int n_hash_layers;   /* num_hash_layers: the first so many route by token id    */
	int index_n_heads;
	int index_head_dim;  /* 128 */
	int index_topk;
	int window;          /* sliding_window: 128                                     */
	int vocab;           /* vocab_size                                              */
	int max_pos;         /* max_position_embeddings, at most CONFIG_MAX_POS         */
	int hc_mult;         /* 4 */
	int hc_iters;        /* hc_sinkhorn_iters                                       */
	float rms_eps;       /* rms_norm_eps */
	float hc_eps;
	float swiglu_limit;
	float route_scale;   /* routed_scaling_factor */
	double rope_theta;
	double compress_rope_theta;
	struct {
		double factor;
		int original; /* original_max_position_embeddings */
		double beta_fast, beta_slow;
	} yarn;              /* rope_scaling */
	enum expert_dtype expert_dtype;
	int bos_id, eos_id;  /* -1 where the file has none */
	struct spark_config spark;
	/* One for each layer, draft layers (0) last: 0 = window only, 4, or 128. */
	uint8_t compress_ratio[CONFIG_MAX_LAYERS];
};

/* Reads DIR/config.json.  ERR_MODEL names file, key, what was found, what was expected. */
int model_config_read(const char *dir, struct model_config *cfg, struct err *err);

/* The same from text; `name` stands for the file in messages. */
int model_config_parse(struct str json, const char *name, struct model_config *cfg,
		       struct err *err);

/*
 * The published shape of that name ("DeepSeek-V4-Flash", "…-Flash-Base", "…-Pro", "…-Pro-Base", or
 * just "flash", "pro"; "flash-dspark": with a block drafter), for measuring without a checkpoint.
 * false: no such name.
 */
bool model_config_published(const char *name, struct model_config *cfg);

#endif
