/*
 * The operations of a DeepSeek V4 forward pass, in model order: one argument
 * struct each.  What they compute is the arithmetic published with the model;
 * shapes stand beside the fields, row-major.
 *
 *   act    an activation: float32 on the CPU, bf16 on CUDA (backend_caps.act_bytes).
 *          The residual streams and what a sublayer adds to them are float32 everywhere
 *   n_tok  rows of this call; row t is the token at position step->pos0 + t
 *   4      hc_mult, the number of residual streams
 *   slot   step->slot: which sequence.  Rings and page tables hold one of each for
 *          every slot; max_pages bounds a sequence's pages, so that loops over the
 *          context have a bound that no step changes
 *
 * One row, one result: the bits of an output row depend neither on n_tok nor on
 * how earlier rows came in.  Inputs and outputs do not overlap unless said.
 */
#ifndef KERNELS_OPS_H
#define KERNELS_OPS_H

#include <stdint.h>

#include "kernels/backend.h"

/* What a call is about; in device memory, read by the operation when it runs. */
struct step {
	int64_t pos0; /* position of row 0 */
	int32_t n_tok;
	int32_t slot; /* of the rings and page tables */
};

enum weight_type {
	WEIGHT_F32,
	WEIGHT_BF16,
	WEIGHT_F8,  /* e4m3, one E8M0 scale for each 128 × 128 block               */
	WEIGHT_FP4, /* e2m1, low nibble first, one E8M0 scale for each 32 columns  */
};

enum weight_home { WEIGHT_MAPPED, WEIGHT_DEVICE };

/* y = W x with W [out, in]; `in` a multiple of 32.  Never NULL unless said. */
struct weight {
	enum weight_type type;
	int out, in;
	dbuf w;     /* packed as the checkpoint has it: out·in·{4, 2, 1, ½} bytes            */
	dbuf scale; /* F8: [⌈out/128⌉, ⌈in/128⌉]; FP4: [out, in/32]; otherwise NULL          */
	enum weight_home home;
	int layout; /* 0: as said above; else the backend's own, given by place()            */
};

/* Cache rows as stored. */
#define KV_ROW_BYTES    584 /* 448 e4m3, 7 E8M0 (one for 64 values), 1 unused, 64 bf16 */
#define INDEX_ROW_BYTES 68  /* 64 bytes of FP4 pairs, 4 E8M0 (one for 32 values)       */
#define HEAD_DIM        512
#define ROPE_DIM        64
#define INDEX_DIM       128
#define HC_MULT         4
#define PAGE_TOKENS     128 /* lcm(4, 128): on this border no compressor holds a half block */

/* Past inputs (or states) that a compressor keeps, so that a roll-back is a change of length. */
#define COMPRESS_RING 16

/* ------------------------------------------------------------------ start */

/* streams[t, j, :] = table[ids[t] - first] for each of n_copy j; 0 for an id that is not in it */
struct embed_args {
	int n_tok, d, n_copy;
	int first, n_row; /* the ids that the table has: first … first + n_row - 1 */
	dbuf ids;   /* i32 [n_tok] */
	dbuf table; /* bf16 [n_row, d] */
	int out_f32; /* 1: out is float32 (streams) */
	dbuf out;   /* act or f32 [n_tok, n_copy, d] */
};

/* cos and sin of (position · frequency), the product in double. */
struct rope_args {
	int n_tok;
	dbuf step;
	dbuf freq; /* f64 [32] radians per position */
	dbuf out;  /* f32 [n_tok, 32, 2]: cos, sin */
};

/* ------------------------------------------- hyper-connections around a sublayer */

/* What post and comb of a token are made of: the numbers σ is taken of, and the balanced 16. */
#define MHC_RAW 20

/* out = RMSNorm(sum_j pre[j] X[j]); post and comb for mhc_post. */
struct mhc_pre_args {
	int n_tok, d;
	int n_iter; /* hc_sinkhorn_iters */
	float eps, rms_eps;
	dbuf x;     /* f32 [n_tok, 4, d] */
	dbuf fn;    /* f32 [24, 4d] */
	dbuf base;  /* f32 [24] */
	dbuf scale; /* f32 [3] */
	dbuf norm;  /* bf16 [d] */
	dbuf out;   /* act [n_tok, d] */
	dbuf post;  /* f32 [n_tok, 4] */
	dbuf comb;  /* f32 [n_tok, 4, 4], sums over the first index */
	dbuf raw;   /* f32 [n_tok, MHC_RAW] or NULL.  Where it is given, post and comb are not made
		       but what they are made of: for the mhc_mix_args of what runs next.  Only
		       for backends that have attention_rows and gate_route */
};

/* post and comb from `raw`: along with something else, for it takes long and is needed late. */
struct mhc_mix_args {
	int n_tok, n_iter; /* as in mhc_pre_args */
	float eps;
	dbuf raw; /* NULL: nothing is to be done */
	dbuf post, comb;
};

/* X'[k] = post[k] y + sum_j comb[j][k] X[j], in place */
struct mhc_post_args {
	int n_tok, d;
	dbuf y;    /* f32 [n_tok, d] */
	dbuf post; /* f32 [n_tok, 4] */
	dbuf comb; /* f32 [n_tok, 4, 4] */
	dbuf x;    /* f32 [n_tok, 4, d], in and out */
};

/*
 * mhc_head:     out = RMSNorm(sum_j w[j] X[j]), w from fn [4, 4d]
 * mhc_head_sum: the same without the norm
 */
struct mhc_head_args {
	int n_tok, d;
	float eps, rms_eps;
	dbuf x;     /* f32 [n_tok, 4, d] */
	dbuf fn;    /* f32 [4, 4d] */
	dbuf base;  /* f32 [4] */
	dbuf scale; /* f32 [1] */
	dbuf norm;  /* bf16 [d]; not read by the sum */
	dbuf out;   /* act [n_tok, d]; of the sum f32 */
};

/* ------------------------------------------------------------------ linear */

/*
 * y[t, :] = W x[t, :].  With n_group > 1 the rows of W are cut in n_group equal
 * runs and run g multiplies x[t, g·in … ), so x has n_group·in columns.
 * out_f32: y is float32 whatever act is (router, compressor, logits, a sublayer's end).
 * exact: sums so precise that what is rounded next rounds as the exact sum would
 * (float32 backends: in double; elsewhere as a float32 sum).
 */
struct linear_args {
	int n_tok, n_group, out_f32, exact;
	int rows_per_token; /* n_tok counts so many rows of one token each; 0 = 1 */
	struct weight w; /* [out, in] */
	dbuf x;          /* act [n_tok, n_group·in] */
	dbuf y;          /* act or f32 [n_tok, out] */
};

/*
 * Several of them that read the same rows, in one: each y as linear() gives it, bit for bit.
 * Optional: the caller runs linear for each where the entry is NULL.
 */
#define LINEAR_BATCH 8
struct linear_batch_args {
	int n; /* 1 … LINEAR_BATCH */
	struct linear_args part[LINEAR_BATCH]; /* n_tok and x alike in all */
};

/* out[t] = x[t] rsqrt(mean(x[t]²) + eps) norm; may be in place */
struct rms_norm_args {
	int n_tok, d, x_f32; /* x_f32: x is float32 whatever act is, and out is not x */
	float eps;
	dbuf x;    /* act or f32 [n_tok, d] */
	dbuf norm; /* bf16 [d] */
	dbuf out;  /* act [n_tok, d] */
};

/*
 * A norm and what reads it, in one: the batch's x is the norm's out, which nobody else may read
 * afterwards, nor its x where that is out: they may or may not have been written.
 * Optional: the caller runs rms_norm and the batch where the entry is NULL.
 */
struct linear_normed_args {
	struct rms_norm_args norm; /* x_f32 is 0 */
	struct linear_batch_args batch;
};

/*
 * What stands between two sublayers, in one: the product that ends the first, where the caller
 * gives it, then post, then pre on the streams that it leaves.
 * Optional: the caller runs linear, mhc_post and mhc_pre where the entry is NULL.
 */
struct mhc_join_args {
	struct linear_args product; /* its y is post's, and means nothing afterwards; w.w NULL:
				       y is there already */
	struct mhc_post_args post;
	struct mhc_pre_args pre; /* its x is post's; its post and comb are not post's */
};

/* ---------------------------------------------------------------- attention */

/* Each head of q: rsqrt(mean(q²) + eps), then rotary on its last 64; in place. */
struct query_args {
	int n_tok, n_head;
	float eps;
	dbuf rope; /* f32 [n_tok, 32, 2] */
	dbuf q;    /* act [n_tok, n_head, 512] */
};

/* RMSNorm, rotary, FP8 rounding of the first 448, stored in the window ring. */
struct window_row_args {
	int n_tok, ring_rows; /* position p lives in slot p mod ring_rows */
	float eps;
	dbuf step;
	dbuf kv;   /* act [n_tok, 512], wkv's output */
	dbuf norm; /* bf16 [512] */
	dbuf rope; /* f32 [n_tok, 32, 2] */
	dbuf ring; /* [slots, ring_rows, KV_ROW_BYTES] */
};

/*
 * Pools the compressor's inputs and stores the rows of the blocks that this call
 * completes: norm, rotary at the block's first position, then FP8 (dim 512) or
 * Hadamard and FP4 (dim 128).
 *
 * ratio 4: channels in two halves, a block pools the first halves of the block
 * before it and the second halves of its own; `ring` holds raw (a, z) by
 * position mod COMPRESS_RING, f32 [slots, COMPRESS_RING, 2, 2·dim].
 * ratio 128: one half; `ring` holds after each position the running maximum, sum
 * and weighted sum by position mod COMPRESS_RING, f32 [slots, COMPRESS_RING, 3, dim].
 */
struct compress_args {
	int n_tok, ratio, dim; /* 4 or 128; 512 or 128 */
	int64_t max_pages;
	float eps;
	dbuf step;
	dbuf a;       /* f32 [n_tok, c·dim]: wkv u, c = 2 for ratio 4, else 1 */
	dbuf z;       /* f32 [n_tok, c·dim]: wgate u, without ape */
	dbuf ape;     /* f32 [ratio, c·dim] */
	dbuf norm;    /* bf16 [dim] */
	dbuf freq;    /* f64 [32] */
	dbuf ring;    /* see above */
	dbuf pages;   /* i32 [slots, max_pages]: physical page of each logical one */
	dbuf rows;    /* [pages, 128/ratio, row bytes] */
};

/* Each indexer head: rotary on its last 64, Hadamard, FP4 rounding. */
struct index_query_args {
	int n_tok, n_head;
	dbuf rope; /* f32 [n_tok, 32, 2] */
	dbuf q;    /* act [n_tok, n_head, 128]; read */
	dbuf out;  /* [n_tok, n_head, INDEX_ROW_BYTES] */
};

/*
 * What stands between the first products and attention, in one: the products of the queries,
 * then query, window_row, the compressors and index_query, each as its own operation has it, bit
 * for bit, and what mhc_pre has left.  Of these only query and index_query read what another
 * writes: the products.
 * Optional: the caller runs them one by one where the entry is NULL.
 */
struct attention_rows_args {
	struct linear_normed_args queries; /* batch.n 0: they have been made */
	struct query_args query;           /* n_tok alike in all */
	struct window_row_args window;
	struct index_query_args index; /* n_head 0: there is none */
	struct mhc_mix_args mix;
	int n_compress; /* 0 … 2 */
	struct compress_args compress[2];
};

/*
 * score(b) = sum_h w[h] scale max(0, q[h] · row[b]) over the rows complete at the
 * token's position; sel = the top_k best in ascending order, of equal scores the
 * lower row; all of them while they are no more than top_k.
 */
#define INDEX_SCORE_ROWS 16
struct index_select_args {
	int n_tok, n_head, top_k;
	int64_t max_pages;
	float scale; /* 128^-½ · heads^-½ */
	dbuf step;
	dbuf q;      /* [n_tok, n_head, INDEX_ROW_BYTES] */
	dbuf w;      /* f32 [n_tok, n_head] */
	dbuf pages;  /* i32 [slots, max_pages] */
	dbuf rows;   /* [pages, 32, INDEX_ROW_BYTES] */
	dbuf sel;    /* i32 [n_tok, top_k]; unused slots -1 */
	dbuf n_sel;  /* i32 [n_tok] */
	dbuf scores; /* f32 [INDEX_SCORE_ROWS, scores_stride], scratch */
	int64_t scores_stride; /* at least the rows complete at the last token, in 16s */
};

/*
 * out[t, h, :] = softmax over the window rows and the compressed rows; sink[h]
 * joins the denominator only.  Then the inverse rotary on the last 64.
 *
 * `attention`: a token sees the window that ends with it.  `block_attention`, with ratio 0: the
 * tokens see each other whatever their order, and all of them the `window` positions before the
 * first; their own rows stand in the ring already.
 */
struct attention_args {
	int n_tok, n_head, ring_rows, window;
	int ratio;   /* 0: window only; 4: the rows sel picks; 128: all complete rows */
	int top_k;   /* row length of sel */
	int64_t max_pages;
	float scale; /* 512^-½ */
	dbuf step;
	dbuf q;     /* act [n_tok, n_head, 512] */
	dbuf rope;  /* f32 [n_tok, 32, 2] */
	dbuf sink;  /* f32 [n_head] */
	dbuf ring;  /* [slots, ring_rows, KV_ROW_BYTES] */
	dbuf pages; /* i32 [slots, max_pages] */
	dbuf rows;  /* [pages, 128/ratio, KV_ROW_BYTES]; unused with ratio 0 */
	dbuf sel;   /* i32 [n_tok, top_k]; ratio 4 only */
	dbuf n_sel; /* i32 [n_tok];        ratio 4 only */
	dbuf out;   /* act [n_tok, n_head, 512] */
};

/* ------------------------------------------------------------------ experts */

/* Chooses experts, in ascending order of their number, and weighs them. */
struct route_args {
	int n_tok, n_expert, n_used;
	float scale;  /* routed_scaling_factor */
	dbuf logits;  /* f32 [n_tok, n_expert]: gate u */
	dbuf bias;    /* f32 [n_expert]; NULL on hash-routed layers */
	dbuf table;   /* i64 [vocab, n_used], checked by the loader; NULL on scored layers */
	dbuf ids;     /* i32 [n_tok]; read with `table` */
	dbuf expert;  /* i32 [n_tok, n_used] */
	dbuf weight;  /* f32 [n_tok, n_used] */
	dbuf uses;    /* i32 [n_expert]: each grows by the tokens that chose it; NULL: not counted */
};

/*
 * The router in one: linear and route, and what mhc_pre has left.  What stands in route.logits
 * afterwards means nothing.
 * Optional: the caller runs both where the entry is NULL.
 */
struct gate_route_args {
	struct linear_args gate; /* its y is route.logits */
	struct route_args route;
	struct mhc_mix_args mix;
};

struct expert_weights {
	struct weight w1, w2, w3; /* gate [inner, d], down [d, inner], up [inner, d] */
};

/*
 * y = sum over the chosen experts, in their order, plus the shared one with weight 1.
 *
 * On the CPU a part of it can be asked for, too: a choice that is -1 adds nothing, nor does a
 * shared expert that is NULL.
 */
struct experts_args {
	int n_tok, d, inner, n_expert, n_used;
	float limit;                           /* swiglu_limit */
	const struct expert_weights *experts;  /* [n_expert], host memory, lives as long as the model */
	const struct expert_weights *shared;   /* one */
	dbuf table;  /* what place_experts() made of `experts`; NULL where it made nothing */
	dbuf x;      /* act [n_tok, d] */
	dbuf expert; /* i32 [n_tok, n_used] */
	dbuf weight; /* f32 [n_tok, n_used] */
	dbuf y;      /* f32 [n_tok, d] */
};

/* --------------------------------------------------------------- draft head */

/* The final streams of past positions, by position mod STREAM_RING. */
#define STREAM_RING 16

/*
 * recall: x[0] = the ring's streams of position pos0 - 1 (nothing at position 0).
 * keep:   the ring takes this call's last rows, from x[1 + t].
 */
struct stream_ring_args {
	int n_tok, d;
	dbuf step;
	dbuf x;    /* f32 [1 + n_tok, 4, d] */
	dbuf ring; /* f32 [slots, STREAM_RING, 4, d] */
};

/* out[t, j, :] = e[t, :] + h[t, j, :] */
struct draft_join_args {
	int n_tok, d;
	dbuf e;   /* f32 [n_tok, d] */
	dbuf h;   /* f32 [n_tok, 4, d]; may be out */
	dbuf out; /* f32 [n_tok, 4, d] */
};

/* ------------------------------------------------------- the block drafter */

/*
 * Optional, all of this section: a model with a block drafter needs every one of them, and is
 * refused by the name of the first that a backend lacks.
 */

/* out[t, at, :] = mean_j x[t, j, :] */
struct stream_mean_args {
	int n_tok, d;
	int n_part, at; /* `at`: which of the n_part pieces of a row */
	dbuf x;         /* f32 [n_tok, 4, d] */
	dbuf out;       /* act [n_tok, n_part, d] */
};

/*
 * What the token before a row of a block says of it: e = w1[before],
 * logits += w2 e, confidence = proj · (x, e).
 */
struct markov_args {
	int vocab, d, rank;
	dbuf before;        /* i32 [1], inside the vocabulary */
	dbuf w1;            /* bf16 [all of the vocabulary, rank] */
	struct weight w2;   /* bf16 [vocab, rank] */
	struct weight proj; /* bf16 [1, d + rank] */
	dbuf x;             /* f32 [d] */
	dbuf logits;        /* f32 [vocab], in and out */
	dbuf confidence;    /* f32 [1] */
};

/* ------------------------------------------------------- choosing a token */

/* How tokens are chosen; in device memory, for it changes from turn to turn. */
struct sample_how {
	double temperature; /* 0: the best */
	double top_p;       /* 1 = all */
	double min_p;       /* 0 = all; relative to the best */
	uint64_t seed;
	int32_t top_k;      /* 0 = all */
	int32_t n_choice;   /* only tokens below this are chosen: the tokenizer's, ≤ vocab */
};

#define SAMPLE_TOP 20

/* What was chosen for one row. */
struct choice {
	int32_t id;    /* the token at the row's position + 1; -1: a logit is not finite */
	int32_t bad;   /* which one, the lowest; else -1 */
	float logit;   /* of the chosen one; of the bad one */
	int32_t n_top; /* how many stand in `top`, best first; the rest is 0 */
	struct {
		int32_t id;
		float logit;
	} top[SAMPLE_TOP];
};

/*
 * out[i] = argmax over the kept tokens of (logit - best) / T + G(seed, position, token), the
 * Gumbel variates and all that decides from kernels/noise.h, so that every backend chooses
 * alike from the same bits of logits; of equal ones the lower id.  Kept: of the top_k best
 * those that reach top_p (at least one: best first, until their masses are noise_share() of all
 * of the top_k's), of these what is min_p times as probable as the best.  Of equal logits (-0 is
 * 0) the lower id is the better one.  Only tokens below n_choice are looked at.
 */
struct sample_args {
	int n_tok, vocab;
	int first;   /* logits[i] and out[i] belong to row first + i of the pass */
	int n_top;   /* alternatives wanted, 0 … SAMPLE_TOP, before any token is dropped */
	dbuf step;
	dbuf how;    /* struct sample_how */
	dbuf logits; /* f32 [n_tok, vocab] */
	dbuf out;    /* struct choice [n_tok] */
};

/* ------------------------------------------------------- a cycle of drafting */

/* Most tokens that are drafted at once. */
#define DRAFT_MAX 8

/* Where a sequence stands when a cycle begins; in device memory. */
struct cycle {
	int64_t pos;  /* tokens it holds */
	int32_t slot;
	int32_t next; /* the id for position pos: chosen, not held yet */
};

/* What a cycle came to. */
struct accepted {
	int32_t n;                   /* drafts that are what the model chose, from the first on */
	int32_t ids[1 + DRAFT_MAX];  /* what the rows were: next, then the drafts */
	float confidence[DRAFT_MAX]; /* of a draft head that says how sure it is; else 0 */
};

/* The steps of a cycle's parts, and the first of its ids. */
struct advance_args {
	int n_draft; /* 1 … DRAFT_MAX */
	dbuf cycle; /* struct cycle */
	dbuf main;  /* struct step: 1 + n_draft rows from pos on: next and the drafts */
	dbuf keep;  /* struct step: n_draft rows from pos on: those of the draft head that it has
		       when the main rows have run */
	dbuf chain; /* struct step [n_draft]: one row each, at pos - 1, pos … */
	dbuf ids;   /* i32 [1]: next */
};

/* *id = the choice's; 0 where it is none, for it is to be embedded. */
struct draft_take_args {
	dbuf choice; /* struct choice [1] */
	dbuf id;     /* i32 [1] */
};

/*
 * The drafts ids[1 …] are accepted from the first on for as long as each is what was chosen for
 * the row before it; the cycle moves on behind the last one, and what was chosen there is next.
 */
struct accept_args {
	int n_draft;
	dbuf ids;     /* i32 [1 + n_draft] */
	dbuf choices; /* struct choice [1 + n_draft] */
	dbuf cycle;   /* struct cycle, in and out; next is -1 where there is no choice */
	dbuf out;     /* struct accepted, but for `confidence` */
};

/* Entries are never NULL but for those called optional. */
struct ops {
	int (*embed)(struct backend *, const struct embed_args *, struct err *);
	int (*rope)(struct backend *, const struct rope_args *, struct err *);
	int (*mhc_pre)(struct backend *, const struct mhc_pre_args *, struct err *);
	int (*mhc_post)(struct backend *, const struct mhc_post_args *, struct err *);
	int (*mhc_join)(struct backend *, const struct mhc_join_args *, struct err *); /* optional */
	int (*mhc_head)(struct backend *, const struct mhc_head_args *, struct err *);
	int (*linear)(struct backend *, const struct linear_args *, struct err *);
	int (*linear_batch)(struct backend *, const struct linear_batch_args *,
			    struct err *); /* optional */
	int (*rms_norm)(struct backend *, const struct rms_norm_args *, struct err *);
	int (*linear_normed)(struct backend *, const struct linear_normed_args *,
			     struct err *); /* optional */
	int (*query)(struct backend *, const struct query_args *, struct err *);
	int (*window_row)(struct backend *, const struct window_row_args *, struct err *);
	int (*compress)(struct backend *, const struct compress_args *, struct err *);
	int (*index_query)(struct backend *, const struct index_query_args *, struct err *);
	int (*attention_rows)(struct backend *, const struct attention_rows_args *,
			      struct err *); /* optional */
	int (*index_select)(struct backend *, const struct index_select_args *, struct err *);
	int (*attention)(struct backend *, const struct attention_args *, struct err *);
	int (*route)(struct backend *, const struct route_args *, struct err *);
	int (*gate_route)(struct backend *, const struct gate_route_args *,
			  struct err *); /* optional */
	int (*experts)(struct backend *, const struct experts_args *, struct err *);
	int (*stream_recall)(struct backend *, const struct stream_ring_args *, struct err *);
	int (*stream_keep)(struct backend *, const struct stream_ring_args *, struct err *);
	int (*draft_join)(struct backend *, const struct draft_join_args *, struct err *);
	int (*stream_mean)(struct backend *, const struct stream_mean_args *,
			   struct err *); /* optional */
	int (*block_attention)(struct backend *, const struct attention_args *,
			       struct err *); /* optional */
	int (*mhc_head_sum)(struct backend *, const struct mhc_head_args *,
			    struct err *); /* optional */
	int (*markov)(struct backend *, const struct markov_args *, struct err *); /* optional */
	int (*sample)(struct backend *, const struct sample_args *, struct err *);
	int (*advance)(struct backend *, const struct advance_args *, struct err *);
	int (*draft_take)(struct backend *, const struct draft_take_args *, struct err *);
	int (*accept)(struct backend *, const struct accept_args *, struct err *);
};

#endif
