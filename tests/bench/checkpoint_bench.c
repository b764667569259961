/*
 * checkpoint_bench DIR SHAPE LAYERS: writes a checkpoint of a published shape's size into DIR,
 * that loading one can be timed where no published one is (make bench-load).  Its numbers are
 * random and come again and again; it has no tokenizer.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/checkpoint/dummy.h"
#include "engine/checkpoint/safetensors.h"
#include "engine/checkpoint/weights.h"

struct list {
	struct weight_source from;
	struct tensor *tensors;
	size_t n, cap;
};

static void die(const struct err *err)
{
	fprintf(stderr, "%s\n", err->text);
	exit(1);
}

/* What the random source gives, with its name. */
static int note(void *ctx, const struct tensor_spec *spec, const void **data, struct err *err)
{
	struct list *l = ctx;
	int rc = l->from.get(l->from.ctx, spec, data, err);
	struct tensor *t;

	if (rc)
		return rc;
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 1024;
		l->tensors = realloc(l->tensors, l->cap * sizeof(*l->tensors));
		if (!l->tensors)
			return err_nomem(err, "tensors", l->cap * sizeof(*l->tensors));
	}
	t = &l->tensors[l->n++];
	*t = (struct tensor){.name = strdup(spec->name),
			     .dtype = spec->dtype,
			     .n_dims = spec->n_dims,
			     .data = *data,
			     .n_bytes = spec->n_bytes};
	memcpy(t->shape, spec->shape, sizeof(t->shape));
	return t->name ? 0 : err_nomem(err, "tensors", strlen(spec->name));
}

static void add_real(struct buf *out, const char *key, double value)
{
	buf_addf(out, ", \"%s\": %.9g", key, value);
}

static void add_config(struct buf *out, const struct model_config *c)
{
	const struct {
		const char *key;
		int value;
	} whole[] = {
		{"num_hidden_layers", c->n_layers},
		{"num_nextn_predict_layers", c->n_draft_layers},
		{"hidden_size", c->dim},
		{"num_attention_heads", c->n_heads},
		{"head_dim", c->head_dim},
		{"qk_rope_head_dim", c->rope_dim},
		{"q_lora_rank", c->q_lora_rank},
		{"o_groups", c->o_groups},
		{"o_lora_rank", c->o_lora_rank},
		{"n_routed_experts", c->n_experts},
		{"num_experts_per_tok", c->n_experts_used},
		{"n_shared_experts", c->n_shared},
		{"moe_intermediate_size", c->moe_inter},
		{"num_hash_layers", c->n_hash_layers},
		{"index_n_heads", c->index_n_heads},
		{"index_head_dim", c->index_head_dim},
		{"index_topk", c->index_topk},
		{"sliding_window", c->window},
		{"vocab_size", c->vocab},
		{"max_position_embeddings", c->max_pos},
		{"hc_mult", c->hc_mult},
		{"hc_sinkhorn_iters", c->hc_iters},
	};

	buf_addf(out, "{\"model_type\": \"deepseek_v4\", \"scoring_func\": \"sqrtsoftplus\"");
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
		buf_addf(out, ", \"%s\": %d", whole[i].key, whole[i].value);
	add_real(out, "rms_norm_eps", (double)c->rms_eps);
	add_real(out, "hc_eps", (double)c->hc_eps);
	add_real(out, "swiglu_limit", (double)c->swiglu_limit);
	add_real(out, "routed_scaling_factor", (double)c->route_scale);
	add_real(out, "rope_theta", c->rope_theta);
	add_real(out, "compress_rope_theta", c->compress_rope_theta);
	buf_addf(out, ", \"expert_dtype\": \"%s\"",
		 c->expert_dtype == EXPERT_FP4 ? "fp4" : "fp8");
	buf_addf(out,
		 ", \"rope_scaling\": {\"type\": \"yarn\", \"factor\": %.9g, \"beta_fast\": "
		 "%.9g, "
		 "\"beta_slow\": %.9g, \"original_max_position_embeddings\": %d}",
		 c->yarn.factor, c->yarn.beta_fast, c->yarn.beta_slow, c->yarn.original);
	buf_addz(out, ", \"compress_ratios\": [");
	for (int i = 0; i < c->n_layers + c->n_draft_layers; i++)
		buf_addf(out, "%s%d", i ? ", " : "", c->compress_ratio[i]);
	buf_addz(out, "]}\n");
}

static int write_config(const char *dir, const struct model_config *cfg, struct err *err)
{
	struct buf path = {0}, text = {0};
	FILE *f;
	int rc = 0;

	buf_addf(&path, "%s/config.json", dir);
	add_config(&text, cfg);
	f = fopen(buf_z(&path), "we");
	if (!f || fwrite(text.data, 1, text.len, f) != text.len)
		rc = err_errno(err, buf_z(&path), "cannot write");
	if (f && fclose(f) && !rc)
		rc = err_errno(err, buf_z(&path), "cannot write");
	buf_release(&path);
	buf_release(&text);
	return rc;
}

static int write_weights(const char *dir, const struct model_config *cfg, struct err *err)
{
	struct list l = {0};
	struct weight_source source = {note, &l};
	struct shard whole = shard_whole(cfg);
	struct buf path = {0};
	struct weights *w = NULL;
	struct dummy *d;
	int rc = dummy_new(&d, true, err);

	if (!rc) {
		l.from = dummy_source(d);
		rc = weights_new(&w, cfg, &whole, &source, err);
	}
	buf_addf(&path, "%s/model.safetensors", dir);
	if (!rc)
		rc = safetensors_write(buf_z(&path), l.tensors, l.n, err);
	if (!rc)
		printf("%s: %zu tensors, %.1f GB\n", dir, l.n, (double)w->bytes / 1e9);
	for (size_t i = 0; i < l.n; i++)
		free((char *)l.tensors[i].name);
	free(l.tensors);
	buf_release(&path);
	weights_free(w);
	dummy_free(d);
	return rc;
}

int main(int argc, char **argv)
{
	struct model_config cfg;
	struct err err = {0};

	if (argc != 4) {
		fprintf(stderr, "usage: checkpoint_bench DIR SHAPE LAYERS\n");
		return 2;
	}
	if (mkdir(argv[1], 0777) && errno != EEXIST) {
		perror(argv[1]);
		return 1;
	}
	if (dummy_config(argv[2], atoi(argv[3]), &cfg, &err) ||
	    write_config(argv[1], &cfg, &err) || write_weights(argv[1], &cfg, &err))
		die(&err);
	return 0;
}
