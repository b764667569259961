/*
 * The loaded model, with the caches of its slots, and its forward pass.
 * Internal to engine/: sequences (engine/cache/seq.h) stand on this, and all else on those.
 * Engine thread only.
 */
#ifndef ENGINE_PASS_MODEL_H
#define ENGINE_PASS_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/chat.h"
#include "engine/checkpoint/config.h"
#include "kernels/ops.h"

/*
 * How many tokens a sequence can be rolled back by a mere change of length: all that a step has
 * drafted, and the one before, which a prompt that ends there computes anew.
 */
#define SEQ_MAX_ROLLBACK (1 + DRAFT_MAX)

/* How many sequences may exist at once. */
#define MODEL_MAX_SLOTS 256

/* Rows of logits made at once, and of choices. */
#define LOGIT_ROWS 16

/*
 * Frontiers (engine/cache/frontier.h) that a session keeps: so many at least, and at most.
 * Between the two, of the memory for what is kept one half is theirs; the other is for pages
 * beside those of the running sequences.
 */
#define FRONTIERS_MIN 16
#define FRONTIERS_MAX 1024

/* Of the memory that the model leaves free, it is this part where nobody says how much. */
#define KEPT_SHARE 8

struct model;
struct backend;     /* kernels/backend.h */
struct safetensors; /* engine/checkpoint/safetensors.h */
struct engine_config; /* engine/engine.h */
struct memory_plan; /* engine/checkpoint/plan.h */

struct model_options {
	const char *dir;
	const char *dummy;    /* instead: random weights of this shape, see engine/checkpoint/dummy.h */
	int dummy_layers;     /* so many layers of it; 0 = all */
	const char *backend;  /* as engine_config */
	int n_threads;
	const char *isa;      /* CPU: NULL for the best there is; see backend_open_cpu() */
	const char *kernels, *experts, *comm; /* GPU: as in backend_options; and which one: */
	int device;
	int64_t device_bytes; /* as backend_options' memory */
	struct backend *be;   /* instead of all these: an open one, the model's to close */
	const char *hosting;  /* of experts that are not there: as engine_config's `experts` */
	int gpu_experts;      /* of each layer's, how many the GPU's own memory holds; 0: what fits */
	int64_t ctx_tokens;   /* 0: the model's own */
	int prefill_chunk;    /* 0: the backend's choice */
	int n_slots;          /* sequences that can exist at once; 0 = 1 */
	bool keeps;           /* beginnings for later (engine/cache/tree.h); they count as cache */
	int64_t kept_bytes;   /* for these; 0: an eighth of what is free beside all else */
	int n_ranks;          /* as engine_config; with more than one `be` is NULL */
	bool no_draft;        /* the draft head is loaded and not run, whatever kind it is */
	/* Called between tensors while weights are mapped and touched; may be NULL.  Non-zero
	 * stops the load with ERR_CANCELLED. */
	int (*progress)(void *ctx, uint64_t done, uint64_t all);
	void *progress_ctx;
};

/* What of them an engine's user may say; the rest is 0. */
struct model_options model_options_of(const struct engine_config *config);

int model_open(struct model **out, const struct model_options *opt, struct err *err);
void model_close(struct model *m);

/*
 * What model_open() would need, and what there is; whether that fits is plan_check()'s to say.
 * Reads config.json alone, and opens the backend for as long as it takes.
 */
int model_plan(const struct model_options *opt, struct memory_plan *plan, struct err *err);
const struct model_config *model_config(const struct model *m);
const struct safetensors *model_files(const struct model *m); /* NULL with random weights */
const char *model_backend_name(const struct model *m); /* "cpu x86-64-v4, 2 threads" */
int model_n_ranks(const struct model *m);
int64_t model_ctx_tokens(const struct model *m);
int model_prefill_chunk(const struct model *m); /* rows of one prefill call */
int model_n_hosted(const struct model *m);      /* experts of each layer that lie on the host */
int model_n_frontiers(const struct model *m);   /* that may be kept at once */

/* Of all ranks together. */
struct model_memory {
	int64_t weight_bytes;  /* mapped */
	int64_t cache_bytes;   /* of all slots at full context, frontiers included */
	int64_t scratch_bytes;
};
struct model_memory model_memory(struct model *m);

/* Bringing the weights to where they are read: of files; bytes are 0 where they were made up. */
struct model_load {
	uint64_t bytes; /* of all ranks */
	double seconds;
	double readers; /* threads that read at a time, on average; 0: nobody counts them */
};
struct model_load model_load(struct model *m);

/*
 * model_memory() with one sequence of n_tokens (at least one prefill chunk of them, no
 * frontiers), which is what is resident: of the rest only addresses are reserved.  It leaves out
 * what does not depend on the model's size: the program, the tables of its names, its tokenizer.
 */
struct model_memory model_resident(struct model *m, int64_t n_tokens);

/* What a forward call returns beside its effect on the caches. */
enum forward_want {
	WANT_NONE,       /* only the caches (prefill) */
	WANT_LAST,       /* of the last row           */
	WANT_ALL,        /* of every row              */
};

/*
 * A call that drafts: behind its one id `depth` tokens more are drafted, and all are run at once.
 * choices[i] (WANT_ALL) is what follows row i, for i = 0 … n_accepted; rows behind these hold
 * ids that nobody chose, and the sequence is as if they had never been run.
 */
struct forward_cycle {
	int depth; /* 1 … model_draft_most() */
	/*
	 * Where the head says how sure it is of each draft (logits, depth of them): how many are
	 * worth a row, 0 … depth, which becomes the depth.  NULL: all.
	 */
	int (*cut)(void *ctx, const float *sure, int depth);
	void *cut_ctx;
	int n_accepted;              /* of the drafts, from the first on; and then: */
	token_id ids[1 + DRAFT_MAX]; /* the rows' ids: the call's, and depth drafts */
};

/* One call, which team_forward() runs: n tokens at positions pos0 … pos0 + n - 1 of the sequence in
 * a slot. */
struct forward {
	int slot;
	int64_t pos0;
	const token_id *ids;
	int n; /* 1 … the greater of model_prefill_chunk and SEQ_MAX_ROLLBACK */
	enum forward_want want;
	/* Each NULL where it is not wanted: */
	float *logits; /* [1 or n, vocab] as `want` says, caller's memory */
	/*
	 * Logits of the draft head, alike: for the row of position p it predicts the token at p+2,
	 * given the token at p+1.  The head runs one position behind: this call computes its rows
	 * for positions pos0-1 … pos0+n-2 (none before position 0), in that order; with WANT_LAST
	 * only the last of them is written, with WANT_ALL all of them.  The draft head's cache is
	 * kept up to date whether or not they are asked for.
	 */
	float *draft;
	struct choice *choices;       /* [1 or n], n ≤ LOGIT_ROWS with WANT_ALL; and then: */
	const struct sample_how *how; /* in range: engine/session/sampler.h sees to it */
	int n_top;                    /* of each choice */
	struct forward_cycle *cycle;  /* NULL: nothing is drafted.  Else n = 1, pos0 > 0, choices
					 and logits have 1 + depth rows, and `draft` is NULL */
};

/* How many rows a call may write, from pos0 on; and how many of them the sequence then holds. */
static inline int forward_rows(const struct forward *f)
{
	return f->n + (f->cycle ? f->cycle->depth : 0);
}

static inline int forward_held(const struct forward *f)
{
	return f->n + (f->cycle ? f->cycle->n_accepted : 0);
}

/* The most tokens that its draft head drafts at once; 0: it has none. */
int model_draft_most(const struct model *m);

/* Ids outside the vocabulary are ERR_USAGE, the context's end is ERR_LIMIT. */
int model_check(const struct model *m, const struct forward *f, struct err *err);

/* Whether it drafts a block at once, and says how sure it is of each. */
bool model_drafts_blocks(const struct model *m);

/* Drafts alone, by team_draft(): what a cycle would draft of these. */
struct drafts {
	int slot;
	int64_t pos0;  /* the slot's caches hold what is before it, one token at least */
	token_id next; /* the token at pos0 */
	const struct sample_how *how;
	int n;         /* 1 … model_draft_most() */
	token_id ids[DRAFT_MAX]; /* for the positions behind pos0; and of a drafted block, else 0: */
	float sure[DRAFT_MAX];   /* that each holds, before the sigmoid */
	float *logits;           /* [n, vocab], or NULL */
};

/*
 * Tests: called after each layer with its output streams, float32 [n, hc_mult, d].  With a tap
 * every run is issued anew, on a backend that records, too.
 */
typedef void (*forward_tap)(void *ctx, int layer, int n, const float *streams);
void model_set_tap(struct model *m, forward_tap tap, void *ctx);

#endif
