/*
 * What the files of this room share, and those that stand directly on it (engine/cache,
 * engine/measure).
 */
#ifndef ENGINE_PASS_MODEL_INTERNAL_H
#define ENGINE_PASS_MODEL_INTERNAL_H

#include "engine/checkpoint/dummy.h"
#include "engine/checkpoint/weights.h"
#include "engine/pass/hosting.h"
#include "engine/pass/layout.h"
#include "engine/pass/model.h"
#include "engine/pass/pages.h"
#include "engine/pass/phases.h"
#include "engine/pass/team.h"
#include "kernels/comm/comm.h"
#include "kernels/ops.h"

/* theta 10000 for window-only layers; YaRN for all of a layer that compresses. */
enum rope_kind { ROPE_PLAIN, ROPE_YARN, N_ROPE_KINDS };

/* What is put before a run, in one piece. */
struct inputs {
	struct step main, draft;
	struct step chain[DRAFT_MAX];
	struct cycle cycle; /* and where it stands: accept writes it, too */
	struct sample_how how;
	int32_t ids[]; /* [rows] */
};

/* What is fetched of a cycle, in one piece. */
struct record {
	struct accepted accepted;
	struct choice choices[LOGIT_ROWS];
};

/* What a run issues depends on this alone. */
struct run_shape {
	int n;              /* rows of the call; 0: none, only drafts are made     */
	int n_draft;        /* the last so many of them are the draft head's, too  */
	int n_logits;       /* of the last so many rows, at most LOGIT_ROWS        */
	int n_draft_logits; /* the same of the draft head's                        */
	int n_top;          /* alternatives of each choice                         */
	int n_chain;        /* tokens drafted before the rows                      */
	bool cycle;         /* the rows are a cycle's: drafts among them are accepted, or not */
	bool chooses;       /* a token for each row with logits                    */
	bool draft_whole;   /* somebody reads what the draft rows come to; else they only enter
			       the layer's window */
	bool marks;
};

struct run {
	struct model *m;
	struct run_shape shape;
};

/* One pass's rows: what the layers need to know of them. */
struct rows {
	int n;
	bool block;  /* drafts of the block drafter: they see each other, whatever their order */
	dbuf step; /* struct step */
	dbuf ids;  /* i32 [n]; of the draft head: the next token of each row */
	dbuf rope[N_ROPE_KINDS]; /* f32 [n, 32, 2] */
};

/* So many pages of the pool cross the bus at once. */
#define STAGING_PAGES 16

/* Activations of one forward call; sizes for max_rows rows.  act unless said. */
struct work {
	struct inputs *host_inputs; /* host memory: what goes to … */
	dbuf inputs;    /* struct inputs, whose fields the next ones are */
	dbuf how, cycle, chain; /* chain: a step for each draft */
	dbuf x;         /* f32 [1 + rows, 4, d]: row 0 is the position before this call's */
	dbuf dx, dh;    /* f32, act [rows, 4, d]: the draft head's streams, and its h_proj input */
	dbuf u, y;      /* act, f32 [rows, d]: a sublayer's input and output */
	dbuf post[2], comb[2]; /* f32 [rows, 4], [rows, 4, 4] */
	dbuf mix;       /* f32 [rows, MHC_RAW]: what they are made of, where the sublayer makes them */
	int side;       /* which of them belong to the sublayer at hand */
	dbuf qr;        /* [rows, q_lora] */
	dbuf q, o;      /* [rows, heads, 512] */
	dbuf kv;        /* [rows, 512] */
	dbuf oa;        /* [rows, groups · o_lora] */
	dbuf ca, cz;    /* f32 [rows, 1024]: the compressor's inputs */
	dbuf ia, iz;    /* f32 [rows, 256]: those of the indexer's */
	dbuf iq;        /* [rows, index heads, 128] */
	dbuf iq_packed; /* [rows, index heads, INDEX_ROW_BYTES] */
	dbuf iw;        /* f32 [rows, index heads] */
	dbuf sel, n_sel; /* i32 [rows, top_k], [rows] */
	dbuf scores;    /* f32 [INDEX_SCORE_ROWS, score_stride] */
	int64_t score_stride;
	dbuf route;     /* f32 [rows, experts] */
	dbuf expert, expert_weight; /* i32, f32 [rows, used] */
	dbuf logits, draft_logits;  /* f32 [LOGIT_ROWS, vocab] */
	dbuf part;      /* f32 [LOGIT_ROWS, the rank's vocab]; NULL where that is all */
	dbuf record;    /* struct record, MEMORY_RESULT, whose fields are: */
	dbuf accepted, choices;
	dbuf draft_choice; /* struct choice: of the draft head */
	dbuf means;     /* [rows, targets, d]: what the block drafter reads of the main layers */
	dbuf block_ids; /* i32 [block]: the next id, and noise */
	dbuf staging;   /* [STAGING_PAGES, page]: pages on their way to host memory or back; NULL
			   where the backend does not copy many at once */
	struct rows main, draft;
	bool in_cycle;  /* a cycle has run last, and `inputs` stands where host_inputs says */
};

/* Caches of one layer, of all slots; what its ratio does not need is NULL. */
struct layer_cache {
	dbuf ring[N_LAYER_RINGS]; /* [slots, entries, entry bytes], see layout.h */
	dbuf rows[N_LAYER_ROWS];  /* [pages, 128 / tokens, row bytes] */
};

/* One rank of it; where there are several, the first is what everybody else knows. */
struct model {
	struct model_config cfg;
	struct shard shard;        /* of it, what this rank computes */
	struct team *team;         /* of the first rank: all of them; NULL: it is alone */
	struct comm *comm;         /* this rank's end; NULL: it is alone */
	struct safetensors *files; /* of the first rank; NULL with random weights */
	struct dummy *dummy;       /* those, or NULL */
	struct weights *weights;
	struct backend *be;
	struct backend *helper;    /* the CPU's, until it is lent to `be`; NULL: there is none */
	struct backend_caps caps;
	char name[64];  /* of what computes, all ranks */
	int64_t ctx;    /* tokens a sequence can hold */
	int chunk;      /* rows of a prefill call */
	int max_rows;   /* rows of any call: chunk, and room for verifying drafts */
	int ring_rows;  /* of every window ring */
	bool has_draft; /* the one-token draft head */
	const struct draft_head *head; /* of whatever kind; NULL: none */
	int n_hosted;   /* experts of each layer that lie in the host's memory, the last ones */
	int n_stages;   /* of the block drafter; 0: there is none, or it is not run */
	int n_slots;
	bool *slot_taken; /* [n_slots] */
	int n_frontiers; /* that may be kept */
	int64_t n_pages; /* of the pool: n_slots · max_pages, and what is kept beside them */
	struct pages pool;
	dbuf freq[N_ROPE_KINDS]; /* f64 [32] */
	struct layer_cache *caches; /* [n_layers + has_draft + n_stages]: the draft's last */
	dbuf streams;   /* f32 [slots, STREAM_RING, 4, d] */
	dbuf pages;     /* i32 [slots, max_pages] */
	struct work work;
	struct hosting hosting;
	dbuf *buffers;  /* every allocation of the work area, for freeing */
	int64_t work_bytes;
	double load_s; /* from the plan to all that opens */
	struct phase_clock clock;
	forward_tap tap;
	void *tap_ctx;
};

/* How much of it this rank has: heads, groups, inner size, rows of the vocabulary. */
static inline int model_part(const struct model *m, enum shard_unit unit)
{
	return m->shard.part[unit].count;
}

/* Results are fetched, and what follows of them is decided, by the first rank. */
static inline bool model_leads(const struct model *m)
{
	return m->shard.rank == 0;
}

/* One rank's pass; whoever wants one asks the team (team.h), which runs it on all. */
int model_forward(struct model *m, const struct forward *f, struct err *err);
int model_draft(struct model *m, struct drafts *d, struct err *err);

/* Frequencies in radians per position, double, as the model's published scaling has them. */
void rope_frequencies(const struct model_config *cfg, enum rope_kind kind, double out[32]);

/* The work area.  work_bytes(): what it needs, the backend's own scratch included. */
uint64_t work_bytes(struct model *m);
int work_new(struct model *m, struct err *err);
void work_release(struct model *m);

/* Caches.  caches_release() frees what caches_new() made, however far it came. */
int caches_new(struct model *m, struct err *err);
void caches_release(struct model *m);
int model_n_cached_layers(const struct model *m);
struct layer_layout model_layer_layout(const struct model *m, int layer);
int64_t model_max_pages(const struct model *m); /* of one sequence */

struct cache_bytes {
	int64_t slot;     /* rings and states of one sequence */
	int64_t page;     /* growing rows of PAGE_TOKENS tokens */
	int64_t frontier; /* what matters of a slot's rings */
};
struct cache_bytes model_cache_bytes(const struct model *m);

/* ERR_LIMIT where every slot is taken. */
int model_take_slot(struct model *m, int *slot, struct err *err);
void model_release_slot(struct model *m, int slot);

/* A sublayer's input: what mixes the streams and norms the result. */
struct sublayer {
	const struct hc_weights *hc; /* NULL: there is none */
	dbuf norm;
};

static inline struct sublayer sublayer_attn(const struct layer_weights *w)
{
	return (struct sublayer){&w->hc_attn, w->attn_norm};
}

/* What the joint has left to the sublayer: to be given to attention_rows or gate_route. */
struct mhc_mix_args mhc_rest(const struct model *m, const struct rows *r);

/*
 * Layers, one after another: layer_begin() for the first, then layer_run() for each, which takes
 * x → x and ends with the joint to the `next` one (NULL: it is the last).
 */
int layer_begin(struct model *m, const struct layer_weights *w, const struct rows *r, dbuf x,
		struct err *err);
int layer_run(struct model *m, const struct layer_weights *w, const struct layer_cache *c,
	      const struct rows *r, dbuf x, const struct layer_weights *next, struct err *err);

/* work.u → work.y, each sublayer's own part; of attention y is what *last gives, which is left
 * to the joint, or, with its w.w NULL, has been made. */
int layer_attention(struct model *m, const struct layer_weights *w, const struct layer_cache *c,
		    const struct rows *r, struct linear_args *last, struct err *err);
int layer_experts(struct model *m, const struct layer_weights *w, const struct rows *r,
		  struct err *err);

/* Of that, behind the routing: the experts that work.expert chooses for each of n rows. */
int run_experts(struct model *m, const struct layer_weights *w, int n, struct err *err);

/* Of a layer of ratio 0, only what later rows see of these: work.u's window rows. */
int layer_window(struct model *m, const struct layer_weights *w, const struct layer_cache *c,
		 const struct rows *r, struct err *err);

/*
 * The block drafter (spark.c): how many ids are in a block; refused by name where the backend
 * lacks an operation; its noise, put once; what it keeps of a main layer's streams, n rows.
 */
int spark_block(const struct model *m);
int spark_check(const struct model *m, struct err *err);
int spark_put_noise(struct model *m, struct err *err);
int spark_gather(struct model *m, int layer, int n, struct err *err);

/*
 * What ranks add up or bring together (ranks.c); each does nothing where the rank is alone.
 * x = the sum over the ranks of n float32, what ran before being of phase `after`; out = their
 * parts of n rows of logits; *p = what the first has decided.
 */
int ranks_sum(struct model *m, enum phase after, dbuf x, size_t n, struct err *err);
int ranks_gather(struct model *m, int n, dbuf part, dbuf out, struct err *err);
int ranks_follow(struct model *m, void *p, size_t bytes, struct err *err);
/* Behind a pass: fails where some rank was missing, so that nothing is made of what came. */
int ranks_settle(struct model *m, struct err *err);

/* What is cut by vocabulary (vocabulary.c): rows of the embedding, float32, each n_copy times. */
int run_embed(struct model *m, dbuf ids, int n, int n_copy, dbuf out, struct err *err);
/* The head over n rows of work.u: this rank's part of the logits, to part_of(logits); */
int head_part(struct model *m, int n, dbuf logits, struct err *err);
/* … and all of them. */
int run_logits(struct model *m, int n, dbuf logits, struct err *err);

static inline dbuf part_of(const struct model *m, dbuf logits)
{
	return m->comm ? m->work.part : logits;
}

/* y = W x over n_tok rows, act to act; or to float32.  Its arguments, and run. */
struct linear_args linear_over(const struct weight *w, int n_tok, dbuf x, dbuf y, int out_f32);
int run_linear(struct model *m, const struct weight *w, int n_tok, dbuf x, dbuf y, int out_f32,
	       struct err *err);

/* The same for several matrices over the same rows: b->n is 0 at first and counts them. */
void batch_linear(struct linear_batch_args *b, const struct weight *w, int n_tok, dbuf x, dbuf y,
		  int out_f32);
int run_batch(struct model *m, const struct linear_batch_args *b, struct err *err);

/* Where row i of [rows, 4, d] streams begins. */
static inline dbuf streams_at(const struct model *m, dbuf x, int i)
{
	return x + (size_t)i * HC_MULT * (size_t)m->cfg.dim * sizeof(float);
}

/* Pieces of a run (forward.c): rotary tables of these rows; logits of n rows of streams, at
 * most LOGIT_ROWS, and of the draft head's. */
int rope_tables(struct model *m, const struct rows *r, struct err *err);
int run_head(struct model *m, const struct hc_weights *hc, dbuf norm, dbuf x, int n, dbuf logits,
	     struct err *err);
int draft_block_logits(struct model *m, int from, int n, struct err *err);

/* Issues a run, recorded where it is likely to come again. */
int run_issue(struct run *run, struct err *err);
/* Logits of n rows to the caller's memory: n_made are made, else they are here. */
int fetch_logits(struct model *m, int n, int n_made, dbuf from, float *logits,
		 int (*make)(struct model *, int, int, struct err *), struct err *err);

/* A call that drafts (cycle.c), and its pieces of a run: before the rows, and behind them. */
int cycle_forward(struct model *m, const struct forward *f, struct err *err);
int cycle_draft(struct model *m, const struct run_shape *s, struct err *err);
int cycle_accept(struct model *m, const struct run_shape *s, struct err *err);

/* What ran since the last mark was phase p. */
int phase_mark_slow(struct model *m, enum phase p, struct err *err);

static inline int phase_mark(struct model *m, enum phase p, struct err *err)
{
	return m->clock.on ? phase_mark_slow(m, p, err) : 0;
}

#endif
