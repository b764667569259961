/*
 * The model's weights as the forward pass takes them: every tensor of a
 * checkpoint by its place in the model, checked for type and shape, and cut to what
 * one rank holds of it.
 *
 * Pointers lead into whatever the source gave (the mapped files, as a rule), which
 * must outlive the struct, until weights_place() moves them to where a backend reads
 * them.  But for that, constant after opening; any thread.  Vectors are bare addresses;
 * their types and shapes stand beside them, heads, groups, vocab and inner being what
 * the rank has.
 */
#ifndef ENGINE_CHECKPOINT_WEIGHTS_H
#define ENGINE_CHECKPOINT_WEIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/checkpoint/config.h"
#include "engine/checkpoint/hostmem.h"
#include "engine/checkpoint/safetensors.h"
#include "engine/checkpoint/shard.h"
#include "kernels/ops.h"

/* Of one hyper-connection: n = 24 around a sublayer, 4 before the head. */
struct hc_weights {
	dbuf fn;    /* f32 [n, 4 dim] */
	dbuf base;  /* f32 [n] */
	dbuf scale; /* f32 [3], before the head [1] */
};

/* c = 2 for ratio 4, else 1; `row` = 512, of the indexer 128. */
struct compressor_weights {
	struct weight wkv, wgate; /* bf16 [c row, dim] */
	dbuf ape;                 /* f32 [ratio, c row] */
	dbuf norm;                /* bf16 [row] */
};

struct indexer_weights {
	struct weight wq_b;         /* f8 [index heads · 128, q_lora_rank] */
	struct weight weights_proj; /* bf16 [index heads, dim] */
	struct compressor_weights compressor;
};

struct layer_weights {
	int ratio;              /* 0, 4 or 128 */
	struct hc_weights hc_attn, hc_ffn;
	dbuf attn_norm, ffn_norm; /* bf16 [dim] */
	struct weight wq_a;     /* f8 [q_lora_rank, dim] */
	dbuf q_norm;            /* bf16 [q_lora_rank] */
	struct weight wq_b;     /* f8 [heads · 512, q_lora_rank] */
	struct weight wkv;      /* f8 [512, dim] */
	dbuf kv_norm;           /* bf16 [512] */
	dbuf sink;              /* f32 [heads] */
	struct weight wo_a;     /* f8 [groups · o_lora_rank, heads · 512 / groups] */
	struct weight wo_b;     /* f8 [dim, groups · o_lora_rank] */
	struct compressor_weights compressor; /* where ratio is not 0 */
	struct indexer_weights indexer;       /* where ratio is 4 */
	struct weight gate;     /* bf16 [experts, dim] */
	dbuf bias;              /* f32 [experts]; NULL on hash-routed layers */
	dbuf tid2eid;           /* i64 [vocab, used], every id checked; NULL on scored layers */
	struct expert_weights *experts; /* [n_experts] */
	dbuf expert_table;      /* what a backend made of them when they were placed, or NULL */
	struct expert_weights shared;   /* f8 */
};

/*
 * A draft layer.  Without the block drafter there is one, with e_proj, h_proj, enorm, hnorm;
 * with it the first stage has main_proj and main_norm.  The last one has the head's own
 * weights (norm, hc_head) and, with the block drafter, markov_* and confidence.  What a layer
 * does not have is NULL (of a struct weight: its w).
 */
struct draft_weights {
	struct layer_weights layer;
	struct weight e_proj, h_proj; /* f8 [dim, dim] */
	dbuf enorm, hnorm;            /* bf16 [dim] */
	dbuf norm;                    /* bf16 [dim] */
	struct hc_weights hc_head;
	struct weight main_proj;      /* f8 [dim, targets · dim] */
	dbuf main_norm;               /* bf16 [dim] */
	dbuf markov_w1;               /* bf16 [vocab, rank]: a row for each token */
	struct weight markov_w2;      /* bf16 [vocab, rank] */
	struct weight confidence;     /* bf16 [1, dim + rank] */
};

/* One thing of the weights that can be moved: n is what it is used with, see struct backend. */
struct weight_part {
	enum { PART_BYTES, PART_LINEAR, PART_EXPERTS } kind;
	int n;        /* groups of a linear weight; experts */
	size_t bytes; /* scales and all */
	union {
		dbuf *at;
		struct weight *linear;
		struct expert_weights *experts;
	};
	dbuf *table;  /* of the routed experts; else NULL */
	bool is_main; /* of the routed experts of the model's own layers */
};

struct weights {
	dbuf embed;         /* bf16 [vocab, dim] */
	struct weight head; /* bf16 [vocab, dim] */
	dbuf norm;          /* bf16 [dim] */
	struct hc_weights hc_head;
	struct layer_weights *layers; /* [n_layers] */
	int n_layers;
	struct draft_weights *draft;  /* [n_draft] */
	int n_draft;
	size_t n_extra; /* tensors of the checkpoint that the model does not use; the log has them */
	struct weight_part *parts; /* all of the above, in the order of a published checkpoint */
	size_t n_parts;
	uint64_t bytes;            /* of all parts */
	double read_s;             /* how long weights_place()'s reads took, of all threads */
	struct hostmem copies;     /* of what could not stay where it was: columns */
};

/* What a tensor is for: the rows of a memory plan, and of bytes read in a step. */
enum weight_kind {
	WEIGHT_KIND_EMBED,
	WEIGHT_KIND_HEAD,
	WEIGHT_KIND_ATTENTION,  /* q, kv and output projections, norms, sinks */
	WEIGHT_KIND_COMPRESSOR, /* compressors and indexers                   */
	WEIGHT_KIND_MHC,
	WEIGHT_KIND_ROUTER,     /* gate and its bias; hash tables too         */
	WEIGHT_KIND_SHARED,
	WEIGHT_KIND_EXPERTS,    /* routed                                     */
	WEIGHT_KIND_DRAFT,      /* all of the draft layers                    */
	N_WEIGHT_KINDS,
};

const char *weight_kind_name(enum weight_kind kind);

/*
 * What the model wants: a tensor's name, the only type and shape it may have, and what of it is
 * this rank's.
 */
struct tensor_spec {
	const char *name; /* valid during the call */
	enum weight_kind kind;
	enum dtype dtype;
	int n_dims; /* 1 or 2 */
	int64_t shape[TENSOR_MAX_DIMS]; /* of the whole tensor */
	size_t n_bytes;                 /* of all of it */
	enum shard_unit rows_by, columns_by; /* SHARD_NONE: not cut along that dimension */
	struct span rows, columns; /* of shape[0] and shape[1]; of a vector columns are {0, 1} */
	size_t part_bytes;         /* of these rows and columns */
};

/* Where tensors come from. */
struct weight_source {
	/*
	 * Sets *data to the part's bytes, packed, that outlive the weights, aligned as the element
	 * needs; or to NULL, where only the specs are of interest.  Non-zero stops.
	 */
	int (*get)(void *ctx, const struct tensor_spec *spec, const void **data, struct err *err);
	void *ctx;
};

/* The part's bytes lie together in the whole tensor: from where?  SIZE_MAX: they do not. */
size_t spec_offset(const struct tensor_spec *spec);

/* Copies the part's rows and columns, packed, out of the whole tensor. */
void spec_copy(const struct tensor_spec *spec, const void *whole, void *part);

/* Asks the source for every tensor of the model, in file order of a published checkpoint. */
int weights_new(struct weights **out, const struct model_config *cfg, const struct shard *shard,
		const struct weight_source *source, struct err *err);
void weights_free(struct weights *w); /* NULL is fine */

/*
 * The weights of an opened checkpoint, which must outlive them.  ERR_MODEL names a tensor of
 * another type or shape, the missing ones (the first few by name, and how many), a draft layer
 * too many or too few, stages that the configuration does not tell of, or an entry of a hash table
 * beyond the experts.  Tensors too many are no error: they are counted and logged.
 * Types and shapes are checked before data is touched.  A rank's rows stay where they are mapped;
 * its columns are copied, which reads them.
 */
int weights_open(struct weights **out, const struct model_config *cfg,
		 const struct shard *shard, const struct safetensors *st, struct err *err);

/*
 * Names, types and shapes alone: as weights_open() has them, and no data is touched.  *n_extra:
 * tensors that the model does not use.
 */
int weights_check(const struct model_config *cfg, const struct safetensors *st, size_t *n_extra,
		  struct err *err);

/*
 * Moves all weights to where `be` reads them; does nothing where it reads them where they are.
 * st: the files they are mapped from, which are read on the way (no safetensors_load() before it),
 * each byte once, and not through the mapping; NULL where they lie in memory.  n_hosted: of the
 * experts of each of the model's layers, see struct backend.  `progress` (may
 * be NULL) is called with the bytes done and in all; non-zero stops with ERR_CANCELLED.
 * After success files and source may go.  After a failure the weights can only be freed.
 */
int weights_place(struct weights *w, struct backend *be, const struct safetensors *st, int n_hosted,
		  int (*progress)(void *ctx, uint64_t done, uint64_t all), void *ctx,
		  struct err *err);

/* Bytes of a linear weight's values, and of its scales. */
void weight_sizes(const struct weight *w, size_t *values, size_t *scales);

/* Bytes by kind of what the rank holds, from the shape alone.  ERR_NOMEM at worst. */
int weights_measure(const struct model_config *cfg, const struct shard *shard,
		    uint64_t bytes[N_WEIGHT_KINDS], struct err *err);

#endif
