/*
 * The walk through a model's tensors, by name, type and shape.
 */
#include "engine/checkpoint/weights.h"

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
	const struct shard *shard;
	const struct weight_source *source;
	struct weights *w;
	char prefix[64]; /* "layers.7." */
	bool draft;      /* whatever kind a tensor has, it is the draft's */
	size_t bytes;    /* of the part that was asked for last */
	size_t cap_parts;
	int rc;
	struct err *err;
};

/* A dimension of a tensor: how long it is in all, and what it is cut by. */
struct side {
	int64_t n;
	enum shard_unit by;
};

static struct side all(int64_t n)
{
	return (struct side){n, SHARD_NONE};
}

static struct side cut(int64_t n, enum shard_unit by)
{
	return (struct side){n, by};
}

/* A tensor of one or two dimensions (columns.n 0: one), `by_rows` × `by_columns` values to an
 * element. */
static dbuf get(struct walk *k, const char *name, enum weight_kind kind, enum dtype dtype,
		struct side rows, int64_t by_rows, struct side columns, int64_t by_columns)
{
	struct tensor_spec spec = {
		.kind = k->draft ? WEIGHT_KIND_DRAFT : kind,
		.dtype = dtype,
		.n_dims = columns.n ? 2 : 1,
		.rows_by = rows.by,
		.rows = span_blocks(shard_span(k->shard, rows.by, rows.n), by_rows),
		.columns = {0, 1},
	};
	const void *data = NULL;
	char full[192];

	if (k->rc)
		return NULL;
	snprintf(full, sizeof(full), "%s%s", k->prefix, name);
	spec.name = full;
	spec.shape[0] = (rows.n + by_rows - 1) / by_rows;
	spec.n_bytes = dtype_bytes(dtype) * (size_t)spec.shape[0];
	if (columns.n) {
		spec.columns_by = columns.by;
		spec.columns = span_blocks(shard_span(k->shard, columns.by, columns.n), by_columns);
		spec.shape[1] = (columns.n + by_columns - 1) / by_columns;
		spec.n_bytes *= (size_t)spec.shape[1];
	}
	spec.part_bytes = dtype_bytes(dtype) * (size_t)(spec.rows.count * spec.columns.count);
	k->bytes = spec.part_bytes;
	k->rc = k->source->get(k->source->ctx, &spec, &data, k->err);
	/* Backends read weights where they are and never write them. */
	return k->rc ? NULL : (dbuf)(uintptr_t)data;
}

static void add_part(struct walk *k, struct weight_part part)
{
	struct weights *w = k->w;

	if (k->rc)
		return;
	if (w->n_parts == k->cap_parts) {
		size_t want = k->cap_parts ? 2 * k->cap_parts : 256;
		struct weight_part *grown = reallocarray(w->parts, want, sizeof(*grown));

		if (!grown) {
			k->rc = err_nomem(k->err, "table of weights", want * sizeof(*grown));
			return;
		}
		w->parts = grown;
		k->cap_parts = want;
	}
	w->parts[w->n_parts++] = part;
	w->bytes += part.bytes;
}

static void bare(struct walk *k, dbuf *at, const char *name, enum weight_kind kind,
		 enum dtype dtype, struct side rows, struct side columns)
{
	*at = get(k, name, kind, dtype, rows, 1, columns, 1);
	add_part(k, (struct weight_part){.kind = PART_BYTES, .bytes = k->bytes, .at = at});
}

static void vector(struct walk *k, dbuf *at, const char *name, enum weight_kind kind,
		   enum dtype dtype, int64_t n)
{
	bare(k, at, name, kind, dtype, all(n), all(0));
}

static void table(struct walk *k, dbuf *at, const char *name, enum weight_kind kind,
		  enum dtype dtype, int64_t rows, int64_t columns)
{
	bare(k, at, name, kind, dtype, all(rows), all(columns));
}

/* Type, size and data of a linear weight; its bytes. */
static size_t fill(struct walk *k, struct weight *w, const char *name, enum weight_kind kind,
		   enum weight_type type, struct side out, struct side in)
{
	static const struct {
		enum dtype dtype;
		int packed; /* values to an element */
		int block_rows, block_columns; /* values to a scale; 0: there are none */
	} types[] = {
		[WEIGHT_BF16] = {DTYPE_BF16, 1, 0, 0},
		[WEIGHT_F8] = {DTYPE_F8_E4M3, 1, 128, 128},
		[WEIGHT_FP4] = {DTYPE_I8, 2, 1, 32},
	};
	char full[96];
	size_t bytes;

	*w = (struct weight){.type = type,
			     .out = (int)shard_span(k->shard, out.by, out.n).count,
			     .in = (int)shard_span(k->shard, in.by, in.n).count};
	snprintf(full, sizeof(full), "%s.weight", name);
	w->w = get(k, full, kind, types[type].dtype, out, 1, in, types[type].packed);
	bytes = k->bytes;
	if (!types[type].block_rows)
		return bytes;
	snprintf(full, sizeof(full), "%s.scale", name);
	w->scale = get(k, full, kind, DTYPE_F8_E8M0, out, types[type].block_rows, in,
		       types[type].block_columns);
	return bytes + k->bytes;
}

static void linear(struct walk *k, struct weight *w, const char *name, enum weight_kind kind,
		   enum weight_type type, struct side out, struct side in)
{
	size_t bytes = fill(k, w, name, kind, type, out, in);

	add_part(k, (struct weight_part){.kind = PART_LINEAR, .n = 1, .bytes = bytes, .linear = w});
}

static void bf16_weight(struct walk *k, struct weight *w, const char *name, enum weight_kind kind,
			int out, int in)
{
	linear(k, w, name, kind, WEIGHT_BF16, all(out), all(in));
}

static void f8_weight(struct walk *k, struct weight *w, const char *name, enum weight_kind kind,
		      int out, int in)
{
	linear(k, w, name, kind, WEIGHT_F8, all(out), all(in));
}

static void hc(struct walk *k, struct hc_weights *w, const char *name, int n, int n_scale)
{
	char full[64];

	snprintf(full, sizeof(full), "%s_fn", name);
	table(k, &w->fn, full, WEIGHT_KIND_MHC, DTYPE_F32, n,
		      (int64_t)k->cfg->hc_mult * k->cfg->dim);
	snprintf(full, sizeof(full), "%s_base", name);
	vector(k, &w->base, full, WEIGHT_KIND_MHC, DTYPE_F32, n);
	snprintf(full, sizeof(full), "%s_scale", name);
	vector(k, &w->scale, full, WEIGHT_KIND_MHC, DTYPE_F32, n_scale);
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
	table(k, &w->ape, full, kind, DTYPE_F32, ratio, width);
	snprintf(full, sizeof(full), "%s.norm.weight", name);
	vector(k, &w->norm, full, kind, DTYPE_BF16, row);
}

/* Rows in groups, each of which multiplies columns of its own: see linear_args. */
static void grouped(struct walk *k, struct weight *w, const char *name, enum weight_kind kind,
		    struct side out, struct side in)
{
	size_t bytes = fill(k, w, name, kind, WEIGHT_F8, out, in);

	add_part(k, (struct weight_part){.kind = PART_LINEAR,
					 .n = k->shard->part[SHARD_GROUPS].count,
					 .bytes = bytes,
					 .linear = w});
}

static void attention(struct walk *k, struct layer_weights *l)
{
	const struct model_config *cfg = k->cfg;
	const enum weight_kind kind = WEIGHT_KIND_ATTENTION;
	int heads = cfg->n_heads * cfg->head_dim, low = cfg->o_groups * cfg->o_lora_rank;
	struct side groups = cut(low, SHARD_GROUPS);

	f8_weight(k, &l->wq_a, "attn.wq_a", kind, cfg->q_lora_rank, cfg->dim);
	vector(k, &l->q_norm, "attn.q_norm.weight", kind, DTYPE_BF16, cfg->q_lora_rank);
	linear(k, &l->wq_b, "attn.wq_b", kind, WEIGHT_F8, cut(heads, SHARD_HEADS),
	       all(cfg->q_lora_rank));
	f8_weight(k, &l->wkv, "attn.wkv", kind, cfg->head_dim, cfg->dim);
	vector(k, &l->kv_norm, "attn.kv_norm.weight", kind, DTYPE_BF16, cfg->head_dim);
	bare(k, &l->sink, "attn.attn_sink", kind, DTYPE_F32, cut(cfg->n_heads, SHARD_HEADS), all(0));
	grouped(k, &l->wo_a, "attn.wo_a", kind, groups,
		cut(heads / cfg->o_groups, SHARD_GROUP_HEADS));
	linear(k, &l->wo_b, "attn.wo_b", kind, WEIGHT_F8, all(cfg->dim), groups);
	if (l->ratio)
		compressor(k, &l->compressor, "attn.compressor", l->ratio, cfg->head_dim);
	if (l->ratio == 4) {
		struct indexer_weights *x = &l->indexer;

		f8_weight(k, &x->wq_b, "attn.indexer.wq_b", WEIGHT_KIND_COMPRESSOR,
			  cfg->index_n_heads * cfg->index_head_dim, cfg->q_lora_rank);
		bf16_weight(k, &x->weights_proj, "attn.indexer.weights_proj", WEIGHT_KIND_COMPRESSOR,
			    cfg->index_n_heads, cfg->dim);
		compressor(k, &x->compressor, "attn.indexer.compressor", l->ratio,
			   cfg->index_head_dim);
	}
}

/* Gate, down and up of one expert, cut along the inner size; its bytes. */
static size_t expert(struct walk *k, struct expert_weights *e, const char *name,
		     enum weight_kind kind, enum weight_type type)
{
	struct side dim = all(k->cfg->dim), inner = cut(k->cfg->moe_inter, SHARD_INNER);
	char full[80];
	size_t bytes;

	snprintf(full, sizeof(full), "%s.w1", name);
	bytes = fill(k, &e->w1, full, kind, type, inner, dim);
	snprintf(full, sizeof(full), "%s.w2", name);
	bytes += fill(k, &e->w2, full, kind, type, dim, inner);
	snprintf(full, sizeof(full), "%s.w3", name);
	return bytes + fill(k, &e->w3, full, kind, type, inner, dim);
}

static void router(struct walk *k, struct layer_weights *l, bool hashed)
{
	const struct model_config *cfg = k->cfg;
	const enum weight_kind kind = WEIGHT_KIND_ROUTER;

	bf16_weight(k, &l->gate, "ffn.gate", kind, cfg->n_experts, cfg->dim);
	if (hashed)
		table(k, &l->tid2eid, "ffn.gate.tid2eid", kind, DTYPE_I64, cfg->vocab,
		      cfg->n_experts_used);
	else
		vector(k, &l->bias, "ffn.gate.bias", kind, DTYPE_F32, cfg->n_experts);
}

static void experts(struct walk *k, struct layer_weights *l)
{
	const struct model_config *cfg = k->cfg;
	enum weight_type type = cfg->expert_dtype == EXPERT_FP8 ? WEIGHT_F8 : WEIGHT_FP4;
	struct weight_part part = {.kind = PART_EXPERTS, .n = 1, .experts = &l->shared};
	char name[64];

	part.bytes = expert(k, &l->shared, "ffn.shared_experts", WEIGHT_KIND_SHARED, WEIGHT_F8);
	add_part(k, part);
	part = (struct weight_part){.kind = PART_EXPERTS,
				    .n = cfg->n_experts,
				    .experts = l->experts,
				    .table = &l->expert_table,
				    .is_main = !k->draft};
	for (int e = 0; e < cfg->n_experts && !k->rc; e++) {
		snprintf(name, sizeof(name), "ffn.experts.%d", e);
		part.bytes += expert(k, &l->experts[e], name, WEIGHT_KIND_EXPERTS, type);
	}
	add_part(k, part);
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
	vector(k, &l->attn_norm, "attn_norm.weight", WEIGHT_KIND_ATTENTION, DTYPE_BF16, cfg->dim);
	vector(k, &l->ffn_norm, "ffn_norm.weight", WEIGHT_KIND_ATTENTION, DTYPE_BF16, cfg->dim);
	attention(k, l);
	router(k, l, hashed);
	experts(k, l);
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
		vector(k, &d->enorm, "enorm.weight", kind, DTYPE_BF16, cfg->dim);
		vector(k, &d->hnorm, "hnorm.weight", kind, DTYPE_BF16, cfg->dim);
	} else if (first) {
		f8_weight(k, &d->main_proj, "main_proj", kind, cfg->dim,
			  cfg->spark.n_targets * cfg->dim);
		vector(k, &d->main_norm, "main_norm.weight", kind, DTYPE_BF16, cfg->dim);
	}
	if (!last)
		return;
	vector(k, &d->norm, "norm.weight", kind, DTYPE_BF16, cfg->dim);
	hc(k, &d->hc_head, "hc_head", 4, 1);
	if (!cfg->spark.present)
		return;
	table(k, &d->markov_w1, "markov_head.markov_w1.weight", kind, DTYPE_BF16, cfg->vocab, rank);
	linear(k, &d->markov_w2, "markov_head.markov_w2", kind, WEIGHT_BF16,
	       cut(cfg->vocab, SHARD_VOCAB), all(rank));
	bf16_weight(k, &d->confidence, "confidence_head.proj", kind, 1, cfg->dim + rank);
}

static void model(struct walk *k, struct weights *w)
{
	const struct model_config *cfg = k->cfg;
	struct side vocab = cut(cfg->vocab, SHARD_VOCAB);

	bare(k, &w->embed, "embed.weight", WEIGHT_KIND_EMBED, DTYPE_BF16, vocab, all(cfg->dim));
	for (int i = 0; i < w->n_layers; i++) {
		snprintf(k->prefix, sizeof(k->prefix), "layers.%d.", i);
		layer(k, &w->layers[i], cfg->compress_ratio[i], i < cfg->n_hash_layers);
	}
	k->prefix[0] = '\0';
	vector(k, &w->norm, "norm.weight", WEIGHT_KIND_HEAD, DTYPE_BF16, cfg->dim);
	hc(k, &w->hc_head, "hc_head", 4, 1);
	linear(k, &w->head, "head", WEIGHT_KIND_HEAD, WEIGHT_BF16, vocab, all(cfg->dim));
	k->draft = true;
	for (int i = 0; i < w->n_draft; i++) {
		snprintf(k->prefix, sizeof(k->prefix), "mtp.%d.", i);
		draft_layer(k, &w->draft[i], i == 0, i == w->n_draft - 1);
	}
}

int weights_new(struct weights **out, const struct model_config *cfg, const struct shard *shard,
		const struct weight_source *source, struct err *err)
{
	struct weights *w = calloc(1, sizeof(*w));
	struct walk k = {.cfg = cfg, .shard = shard, .source = source, .w = w, .err = err};

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
	free(w->parts);
	hostmem_release(&w->copies);
	free(w);
}

void weight_sizes(const struct weight *w, size_t *values, size_t *scales)
{
	size_t out = (size_t)w->out, in = (size_t)w->in;

	*scales = 0;
	switch (w->type) {
	case WEIGHT_F32:
		*values = out * in * 4;
		return;
	case WEIGHT_BF16:
		*values = out * in * 2;
		return;
	case WEIGHT_F8:
		*values = out * in;
		*scales = (out + 127) / 128 * ((in + 127) / 128);
		return;
	case WEIGHT_FP4:
		*values = out * in / 2;
		*scales = out * (in / 32);
		return;
	}
	BUG("a weight of no type");
}

size_t spec_offset(const struct tensor_spec *spec)
{
	bool all_columns = spec->n_dims == 1 || spec->columns.count == spec->shape[1];

	if (!all_columns)
		return SIZE_MAX;
	return spec->n_bytes / (size_t)spec->shape[0] * (size_t)spec->rows.first;
}

void spec_copy(const struct tensor_spec *spec, const void *whole, void *part)
{
	size_t each = dtype_bytes(spec->dtype);
	size_t stride = spec->n_bytes / (size_t)spec->shape[0];
	size_t n = each * (size_t)spec->columns.count;
	const unsigned char *from = whole;
	unsigned char *to = part;

	from += stride * (size_t)spec->rows.first + each * (size_t)spec->columns.first;
	for (int64_t i = 0; i < spec->rows.count; i++, from += stride, to += n)
		memcpy(to, from, n);
}

static int measure(void *ctx, const struct tensor_spec *spec, const void **data, struct err *err)
{
	uint64_t *bytes = ctx;

	(void)err;
	*data = NULL;
	bytes[spec->kind] += spec->part_bytes;
	return 0;
}

int weights_measure(const struct model_config *cfg, const struct shard *shard,
		    uint64_t bytes[N_WEIGHT_KINDS], struct err *err)
{
	struct weight_source source = {.get = measure, .ctx = bytes};
	struct weights *w;
	int rc;

	memset(bytes, 0, N_WEIGHT_KINDS * sizeof(*bytes));
	rc = weights_new(&w, cfg, shard, &source, err);
	weights_free(w);
	return rc;
}
