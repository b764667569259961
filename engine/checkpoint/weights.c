/*
 * The walk through a model's tensors, by name, type and shape.
 */
#include "engine/checkpoint/weights.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[N_WEIGHT_KINDS] = {
	[WEIGHT_KIND_EMBED] = "embedding",
	[WEIGHT_KIND_HEAD] = "head",
	[WEIGHT_KIND_ATTENTION] = "attention",
	[WEIGHT_KIND_COMPRESSOR] = "compressor, indexer",
	[WEIGHT_KIND_MHC] = "hyper-connections",
	[WEIGHT_KIND_ROUTER] = "router",
	[WEIGHT_KIND_SHARED] = "shared expert",
	[WEIGHT_KIND_EXPERTS] = "routed experts",
	[WEIGHT_KIND_DRAFT] = "draft layers",
};

const char *weight_kind_name(enum weight_kind kind)
{
	return kind_names[kind];
}

/* The walk.  After a failure (rc) nothing more is asked for, so callers check once, at the end. */
struct walk {
	const struct model_config *cfg;
	const struct weight_source *source;
	char prefix[64]; /* "layers.7." */
	bool draft;      /* whatever kind a tensor has, it is the draft's */
	int rc;
	struct err *err;
};

static dbuf get(struct walk *k, const char *name, enum weight_kind kind, enum dtype dtype,
		int n_dims, const int64_t *shape)
{
	struct tensor_spec spec = {.kind = k->draft ? WEIGHT_KIND_DRAFT : kind,
				   .dtype = dtype,
				   .n_dims = n_dims,
				   .n_bytes = dtype_bytes(dtype)};
	const void *data = NULL;
	char full[192];

	if (k->rc)
		return NULL;
	snprintf(full, sizeof(full), "%s%s", k->prefix, name);
	spec.name = full;
	for (int i = 0; i < n_dims; i++) {
		spec.shape[i] = shape[i];
		spec.n_bytes *= (size_t)shape[i];
	}
	k->rc = k->source->get(k->source->ctx, &spec, &data, k->err);
	/* Backends read weights where they are and never write them. */
	return k->rc ? NULL : (dbuf)(uintptr_t)data;
}

static dbuf vector(struct walk *k, const char *name, enum weight_kind kind, enum dtype dtype,
		   int64_t n)
{
	return get(k, name, kind, dtype, 1, &n);
}

static dbuf table(struct walk *k, const char *name, enum weight_kind kind, enum dtype dtype,
		  int64_t rows, int64_t columns)
{
	return get(k, name, kind, dtype, 2, (const int64_t[]){rows, columns});
}

static dbuf part(struct walk *k, const char *name, const char *suffix, enum weight_kind kind,
		 enum dtype dtype, int64_t rows, int64_t columns)
{
	char full[96];

	snprintf(full, sizeof(full), "%s.%s", name, suffix);
	return table(k, full, kind, dtype, rows, columns);
}

static void bf16_weight(struct walk *k, struct weight *w, const char *name, enum weight_kind kind,
			int out, int in)
{
	*w = (struct weight){.type = WEIGHT_BF16, .out = out, .in = in};
	w->w = part(k, name, "weight", kind, DTYPE_BF16, out, in);
}

static void f8_weight(struct walk *k, struct weight *w, const char *name, enum weight_kind kind,
		      int out, int in)
{
	*w = (struct weight){.type = WEIGHT_F8, .out = out, .in = in};
	w->w = part(k, name, "weight", kind, DTYPE_F8_E4M3, out, in);
	w->scale = part(k, name, "scale", kind, DTYPE_F8_E8M0, (out + 127) / 128, (in + 127) / 128);
}

static void expert_weight(struct walk *k, struct weight *w, const char *name, int out, int in)
{
	if (k->cfg->expert_dtype == EXPERT_FP8) {
		f8_weight(k, w, name, WEIGHT_KIND_EXPERTS, out, in);
		return;
	}
	*w = (struct weight){.type = WEIGHT_FP4, .out = out, .in = in};
	w->w = part(k, name, "weight", WEIGHT_KIND_EXPERTS, DTYPE_I8, out, in / 2);
	w->scale = part(k, name, "scale", WEIGHT_KIND_EXPERTS, DTYPE_F8_E8M0, out, in / 32);
}

static void hc(struct walk *k, struct hc_weights *w, const char *name, int n, int n_scale)
{
	char full[64];

	snprintf(full, sizeof(full), "%s_fn", name);
	w->fn = table(k, full, WEIGHT_KIND_MHC, DTYPE_F32, n,
		      (int64_t)k->cfg->hc_mult * k->cfg->dim);
	snprintf(full, sizeof(full), "%s_base", name);
	w->base = vector(k, full, WEIGHT_KIND_MHC, DTYPE_F32, n);
	snprintf(full, sizeof(full), "%s_scale", name);
	w->scale = vector(k, full, WEIGHT_KIND_MHC, DTYPE_F32, n_scale);
}

static void compressor(struct walk *k, struct compressor_weights *w, const char *name, int ratio,
		       int row)
{
	const enum weight_kind kind = WEIGHT_KIND_COMPRESSOR;
	int width = ratio == 4 ? 2 * row : row;
	char full[64];

	snprintf(full, sizeof(full), "%s.wkv", name);
	bf16_weight(k, &w->wkv, full, kind, width, k->cfg->dim);
	snprintf(full, sizeof(full), "%s.wgate", name);
	bf16_weight(k, &w->wgate, full, kind, width, k->cfg->dim);
	snprintf(full, sizeof(full), "%s.ape", name);
	w->ape = table(k, full, kind, DTYPE_F32, ratio, width);
	snprintf(full, sizeof(full), "%s.norm.weight", name);
	w->norm = vector(k, full, kind, DTYPE_BF16, row);
}

static void attention(struct walk *k, struct layer_weights *l)
{
	const struct model_config *cfg = k->cfg;
	const enum weight_kind kind = WEIGHT_KIND_ATTENTION;
	int heads = cfg->n_heads * cfg->head_dim, low = cfg->o_groups * cfg->o_lora_rank;

	f8_weight(k, &l->wq_a, "attn.wq_a", kind, cfg->q_lora_rank, cfg->dim);
	l->q_norm = vector(k, "attn.q_norm.weight", kind, DTYPE_BF16, cfg->q_lora_rank);
	f8_weight(k, &l->wq_b, "attn.wq_b", kind, heads, cfg->q_lora_rank);
	f8_weight(k, &l->wkv, "attn.wkv", kind, cfg->head_dim, cfg->dim);
	l->kv_norm = vector(k, "attn.kv_norm.weight", kind, DTYPE_BF16, cfg->head_dim);
	l->sink = vector(k, "attn.attn_sink", kind, DTYPE_F32, cfg->n_heads);
	f8_weight(k, &l->wo_a, "attn.wo_a", kind, low, heads / cfg->o_groups);
	f8_weight(k, &l->wo_b, "attn.wo_b", kind, cfg->dim, low);
	if (l->ratio)
		compressor(k, &l->compressor, "attn.compressor", l->ratio, cfg->head_dim);
	if (l->ratio == 4) {
		struct indexer_weights *x = &l->indexer;

		f8_weight(k, &x->wq_b, "attn.indexer.wq_b", WEIGHT_KIND_COMPRESSOR,
			  cfg->index_n_heads * cfg->index_head_dim, cfg->q_lora_rank);
		bf16_weight(k, &x->weights_proj, "attn.indexer.weights_proj",
			    WEIGHT_KIND_COMPRESSOR, cfg->index_n_heads, cfg->dim);
		compressor(k, &x->compressor, "attn.indexer.compressor", l->ratio,
			   cfg->index_head_dim);
	}
}

static void experts(struct walk *k, struct layer_weights *l, bool hashed)
{
	const struct model_config *cfg = k->cfg;
	const enum weight_kind shared = WEIGHT_KIND_SHARED;
	char name[64];

	bf16_weight(k, &l->gate, "ffn.gate", WEIGHT_KIND_ROUTER, cfg->n_experts, cfg->dim);
	if (hashed)
		l->tid2eid = table(k, "ffn.gate.tid2eid", WEIGHT_KIND_ROUTER, DTYPE_I64, cfg->vocab,
				   cfg->n_experts_used);
	else
		l->bias = vector(k, "ffn.gate.bias", WEIGHT_KIND_ROUTER, DTYPE_F32, cfg->n_experts);
	f8_weight(k, &l->shared.w1, "ffn.shared_experts.w1", shared, cfg->moe_inter, cfg->dim);
	f8_weight(k, &l->shared.w2, "ffn.shared_experts.w2", shared, cfg->dim, cfg->moe_inter);
	f8_weight(k, &l->shared.w3, "ffn.shared_experts.w3", shared, cfg->moe_inter, cfg->dim);
	for (int e = 0; e < cfg->n_experts && !k->rc; e++) {
		snprintf(name, sizeof(name), "ffn.experts.%d.w1", e);
		expert_weight(k, &l->experts[e].w1, name, cfg->moe_inter, cfg->dim);
		snprintf(name, sizeof(name), "ffn.experts.%d.w2", e);
		expert_weight(k, &l->experts[e].w2, name, cfg->dim, cfg->moe_inter);
		snprintf(name, sizeof(name), "ffn.experts.%d.w3", e);
		expert_weight(k, &l->experts[e].w3, name, cfg->moe_inter, cfg->dim);
	}
}

static void layer(struct walk *k, struct layer_weights *l, int ratio, bool hashed)
{
	const struct model_config *cfg = k->cfg;

	if (k->rc)
		return;
	l->ratio = ratio;
	l->experts = calloc((size_t)cfg->n_experts, sizeof(*l->experts));
	if (!l->experts) {
		k->rc = err_nomem(k->err, "experts", (size_t)cfg->n_experts * sizeof(*l->experts));
		return;
	}
	hc(k, &l->hc_attn, "hc_attn", 24, 3);
	hc(k, &l->hc_ffn, "hc_ffn", 24, 3);
	l->attn_norm = vector(k, "attn_norm.weight", WEIGHT_KIND_ATTENTION, DTYPE_BF16, cfg->dim);
	l->ffn_norm = vector(k, "ffn_norm.weight", WEIGHT_KIND_ATTENTION, DTYPE_BF16, cfg->dim);
	attention(k, l);
	experts(k, l, hashed);
}

static void draft_layer(struct walk *k, struct draft_weights *d, bool first, bool last)
{
	const struct model_config *cfg = k->cfg;
	const enum weight_kind kind = WEIGHT_KIND_DRAFT;
	int rank = cfg->spark.markov_rank;

	layer(k, &d->layer, 0, false);
	if (!cfg->spark.present) {
		f8_weight(k, &d->e_proj, "e_proj", kind, cfg->dim, cfg->dim);
		f8_weight(k, &d->h_proj, "h_proj", kind, cfg->dim, cfg->dim);
		d->enorm = vector(k, "enorm.weight", kind, DTYPE_BF16, cfg->dim);
		d->hnorm = vector(k, "hnorm.weight", kind, DTYPE_BF16, cfg->dim);
	} else if (first) {
		f8_weight(k, &d->main_proj, "main_proj", kind, cfg->dim,
			  cfg->spark.n_targets * cfg->dim);
		d->main_norm = vector(k, "main_norm.weight", kind, DTYPE_BF16, cfg->dim);
	}
	if (!last)
		return;
	d->norm = vector(k, "norm.weight", kind, DTYPE_BF16, cfg->dim);
	hc(k, &d->hc_head, "hc_head", 4, 1);
	if (!cfg->spark.present)
		return;
	d->markov_w1 = table(k, "markov_head.markov_w1.weight", kind, DTYPE_BF16, cfg->vocab, rank);
	bf16_weight(k, &d->markov_w2, "markov_head.markov_w2", kind, cfg->vocab, rank);
	bf16_weight(k, &d->confidence, "confidence_head.proj", kind, 1, cfg->dim + rank);
}

static void model(struct walk *k, struct weights *w)
{
	const struct model_config *cfg = k->cfg;

	w->embed = table(k, "embed.weight", WEIGHT_KIND_EMBED, DTYPE_BF16, cfg->vocab, cfg->dim);
	for (int i = 0; i < w->n_layers; i++) {
		snprintf(k->prefix, sizeof(k->prefix), "layers.%d.", i);
		layer(k, &w->layers[i], cfg->compress_ratio[i], i < cfg->n_hash_layers);
	}
	k->prefix[0] = '\0';
	w->norm = vector(k, "norm.weight", WEIGHT_KIND_HEAD, DTYPE_BF16, cfg->dim);
	hc(k, &w->hc_head, "hc_head", 4, 1);
	bf16_weight(k, &w->head, "head", WEIGHT_KIND_HEAD, cfg->vocab, cfg->dim);
	k->draft = true;
	for (int i = 0; i < w->n_draft; i++) {
		snprintf(k->prefix, sizeof(k->prefix), "mtp.%d.", i);
		draft_layer(k, &w->draft[i], i == 0, i == w->n_draft - 1);
	}
}

int weights_new(struct weights **out, const struct model_config *cfg,
		const struct weight_source *source, struct err *err)
{
	struct walk k = {.cfg = cfg, .source = source, .err = err};
	struct weights *w = calloc(1, sizeof(*w));

	*out = NULL;
	if (!w)
		return err_nomem(err, "weights", sizeof(*w));
	w->n_layers = cfg->n_layers;
	w->n_draft = cfg->n_draft_layers;
	w->layers = calloc((size_t)w->n_layers, sizeof(*w->layers));
	w->draft = calloc((size_t)w->n_draft + 1, sizeof(*w->draft));
	if (!w->layers || !w->draft)
		k.rc = err_nomem(err, "layers", (size_t)w->n_layers * sizeof(*w->layers));
	else
		model(&k, w);
	if (k.rc) {
		weights_free(w);
		return k.rc;
	}
	*out = w;
	return 0;
}

void weights_free(struct weights *w)
{
	if (!w)
		return;
	for (int i = 0; w->layers && i < w->n_layers; i++)
		free(w->layers[i].experts);
	for (int i = 0; w->draft && i < w->n_draft; i++)
		free(w->draft[i].layer.experts);
	free(w->layers);
	free(w->draft);
	free(w);
}

static int measure(void *ctx, const struct tensor_spec *spec, const void **data, struct err *err)
{
	uint64_t *bytes = ctx;

	(void)err;
	*data = NULL;
	bytes[spec->kind] += spec->n_bytes;
	return 0;
}

int weights_measure(const struct model_config *cfg, uint64_t bytes[N_WEIGHT_KINDS],
		    struct err *err)
{
	struct weight_source source = {.get = measure, .ctx = bytes};
	struct weights *w;
	int rc;

	memset(bytes, 0, N_WEIGHT_KINDS * sizeof(*bytes));
	rc = weights_new(&w, cfg, &source, err);
	weights_free(w);
	return rc;
}
