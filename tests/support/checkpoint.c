/* Random tensors for a configuration, and what a test does to them before they are written. */
#include "tests/support/checkpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/checkpoint/weights.h"

static const char config[] =
	"{\"model_type\": \"deepseek_v4\", \"vocab_size\": %d, \"hidden_size\": 128,\n"
	"\"num_hidden_layers\": 3, \"compress_ratios\": [0, 4, 128%s], \"num_attention_heads\": 2,\n"
	"\"num_nextn_predict_layers\": 1, \"head_dim\": 512, \"qk_rope_head_dim\": 64,\n"
	"\"q_lora_rank\": 64, \"o_groups\": 2, \"o_lora_rank\": 32, \"n_routed_experts\": 5,\n"
	"\"num_experts_per_tok\": 2, \"n_shared_experts\": 1, \"moe_intermediate_size\": 64,\n"
	"\"num_hash_layers\": 1, \"index_n_heads\": 2, \"index_head_dim\": 128, \"index_topk\": 9,\n"
	"\"sliding_window\": 128, \"max_position_embeddings\": 4096, \"hc_mult\": 4,\n"
	"\"hc_sinkhorn_iters\": 20, \"hc_eps\": 1e-6, \"rms_norm_eps\": 1e-6, \"swiglu_limit\": 10,\n"
	"\"routed_scaling_factor\": 1.5, \"rope_theta\": 10000, \"compress_rope_theta\": 160000,\n"
	"\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 16, \"beta_fast\": 32, \"beta_slow\": 1,\n"
	"\"original_max_position_embeddings\": 1024}, \"scoring_func\": \"sqrtsoftplus\",\n"
	"\"expert_dtype\": \"fp4\",\n"
	"\"dspark_block_size\": %d, \"dspark_markov_rank\": 32, \"dspark_noise_token_id\": %d,\n"
	"\"dspark_target_layer_ids\": [%s]}\n";

/* ------------------------------------------------------------------- numbers */

/* splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014) */
static uint64_t draw(uint64_t *seed)
{
	uint64_t z = *seed += 0x9E3779B97F4A7C15u;

	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
	z = (z ^ z >> 27) * 0x94D049BB133111EBu;
	return z ^ z >> 31;
}

static float uniform(uint64_t *seed, float low, float high)
{
	return low + (high - low) * (float)(draw(seed) >> 40) / (float)(1 << 24);
}

static uint16_t bf16_of(float x)
{
	uint32_t u;

	memcpy(&u, &x, sizeof(u));
	return (uint16_t)(u >> 16);
}

static bool ends(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n >= m && strcmp(name + n - m, end) == 0;
}

/* How far from 0 a tensor's numbers go, where products over its columns shall stay near 1. */
static float width_of(const char *name, int64_t columns)
{
	if (ends(name, "embed.weight") || ends(name, "_base") || ends(name, "_scale") ||
	    ends(name, "markov_w1.weight"))
		return 1;
	if (ends(name, "attn_sink") || ends(name, "gate.bias") || ends(name, "ape"))
		return 0.3f;
	return 2.0f / (float)(columns > 128 ? 16 : 8);
}

static void fill(const struct tensor_spec *spec, unsigned char *p, uint64_t *seed)
{
	size_t n = spec->n_bytes / dtype_bytes(spec->dtype);
	float width = width_of(spec->name, spec->shape[spec->n_dims - 1]);
	bool norm = ends(spec->name, "norm.weight");
	bool of_fp4 = strstr(spec->name, "ffn.experts.") != NULL;

	for (size_t i = 0; i < n; i++) {
		float x = norm ? uniform(seed, 0.5f, 1.5f) : uniform(seed, -width, width);
		uint16_t half = bf16_of(x);
		int64_t expert = (int64_t)(draw(seed) % 2 + 2 * (i % 2)); /* two of five */

		if (spec->dtype == DTYPE_BF16)
			memcpy(p + 2 * i, &half, 2);
		else if (spec->dtype == DTYPE_F32)
			memcpy(p + 4 * i, &x, 4);
		else if (spec->dtype == DTYPE_I64)
			memcpy(p + 8 * i, &expert, 8);
		else if (spec->dtype == DTYPE_F8_E8M0) /* a quarter or an eighth, … */
			p[i] = (unsigned char)((of_fp4 ? 122 : 124) + draw(seed) % 2);
		else if (spec->dtype == DTYPE_F8_E4M3) /* … of 2^-4 to 1.875, */
			p[i] = (unsigned char)((draw(seed) & 0x87) + ((3 + draw(seed) % 5) << 3));
		else /* or of two FP4 numbers */
			p[i] = (unsigned char)draw(seed);
	}
}

/* ------------------------------------------------------------------- tensors */

static struct tensor *add(struct checkpoint *c, const char *name)
{
	struct tensor *grown = realloc(c->tensors, (c->n + 1) * sizeof(*grown));

	assert_non_null(grown);
	c->tensors = grown;
	grown[c->n] = (struct tensor){.name = strdup(name)};
	assert_non_null(grown[c->n].name);
	return &grown[c->n++];
}

static int get(void *ctx, const struct tensor_spec *spec, const void **data, struct err *err)
{
	struct checkpoint *c = ctx;
	struct tensor *t = add(c, spec->name);
	unsigned char *p = malloc(spec->n_bytes);

	(void)err;
	assert_non_null(p);
	t->dtype = spec->dtype;
	t->n_dims = spec->n_dims;
	memcpy(t->shape, spec->shape, sizeof(t->shape));
	t->n_bytes = spec->n_bytes;
	fill(spec, p, &c->seed);
	t->data = p;
	*data = p;
	return 0;
}

void checkpoint_make(struct checkpoint *c, struct block_drafter shape)
{
	struct weight_source source = {.get = get, .ctx = c};
	struct model_config cfg;
	struct shard whole;
	struct weights *w;
	struct err err = {0};
	char ratios[64] = "";
	int vocab = shape.vocab ? shape.vocab : 203;

	*c = (struct checkpoint){.seed = 1};
	for (int i = 0; i < shape.stages; i++)
		strcat(ratios, ", 0");
	c->config = malloc(4096);
	assert_non_null(c->config);
	snprintf(c->config, 4096, config, vocab, ratios, shape.block, vocab - 1,
		 shape.targets);
	if (model_config_parse(str_of(c->config), "config.json", &cfg, &err))
		fail_msg("%s", err.text);
	whole = shard_whole(&cfg);
	assert_int_equal(weights_new(&w, &cfg, &whole, &source, &err), 0);
	weights_free(w);
}

void checkpoint_release(struct checkpoint *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free((void *)(uintptr_t)c->tensors[i].name);
		free((void *)(uintptr_t)c->tensors[i].data);
	}
	free(c->tensors);
	free(c->config);
}

/* NULL: the name does not begin so. */
static char *renamed(const char *name, const char *prefix, const char *to)
{
	size_t n = strlen(prefix), room = strlen(name) + strlen(to) + 1;
	char *other;

	if (strncmp(name, prefix, n) != 0)
		return NULL;
	other = malloc(room);
	assert_non_null(other);
	snprintf(other, room, "%s%s", to, name + n);
	return other;
}

void checkpoint_rename(struct checkpoint *c, const char *prefix, const char *to)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->n; i++) {
		struct tensor t = c->tensors[i];
		char *other = renamed(t.name, prefix, to ? to : "");

		if (other && !to) {
			free(other);
			free((void *)(uintptr_t)t.name);
			free((void *)(uintptr_t)t.data);
			continue;
		}
		if (other) {
			free((void *)(uintptr_t)t.name);
			t.name = other;
		}
		c->tensors[kept++] = t;
	}
	c->n = kept;
}

void checkpoint_copy(struct checkpoint *c, const char *prefix, const char *to)
{
	for (size_t i = 0, n = c->n; i < n; i++) {
		char *other = renamed(c->tensors[i].name, prefix, to);
		struct tensor *t;
		void *data;

		if (!other)
			continue;
		t = add(c, other);
		free(other);
		other = (char *)(uintptr_t)t->name;
		*t = c->tensors[i];
		t->name = other;
		data = malloc(t->n_bytes);
		assert_non_null(data);
		memcpy(data, t->data, t->n_bytes);
		t->data = data;
	}
}

void checkpoint_config(struct checkpoint *c, const char *was, const char *is)
{
	char *at = strstr(c->config, was), *whole;
	size_t room = strlen(c->config) + strlen(is) + 1;

	assert_non_null(at);
	whole = malloc(room);
	assert_non_null(whole);
	snprintf(whole, room, "%.*s%s%s", (int)(at - c->config), c->config, is, at + strlen(was));
	free(c->config);
	c->config = whole;
}

static int widest_first(const void *a, const void *b)
{
	size_t x = dtype_bytes(((const struct tensor *)a)->dtype);
	size_t y = dtype_bytes(((const struct tensor *)b)->dtype);

	return (x < y) - (x > y);
}

void checkpoint_write(struct checkpoint *c, const struct tmpdir *dir)
{
	struct err err = {0};

	/* Data lies packed; so each begins where its elements may. */
	qsort(c->tensors, c->n, sizeof(*c->tensors), widest_first);
	tmpdir_write_text(dir, "config.json", c->config);
	if (safetensors_write(tmpdir_file(dir, "model.safetensors"), c->tensors, c->n, &err))
		fail_msg("%s", err.text);
}

void checkpoint_put(const struct tmpdir *dir, struct block_drafter shape)
{
	struct checkpoint c;

	checkpoint_make(&c, shape);
	checkpoint_write(&c, dir);
	checkpoint_release(&c);
}
