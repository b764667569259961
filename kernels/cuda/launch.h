/*
 * The operations of the .cu files here, for the tables of targets.
 *
 * A kernel file is compiled once for each target, with CUDA_TARGET=NAME: "sm90a" for that
 * capability alone, "general" for everything from 8.0 up (nothing newer is used there; as code
 * for 8.0 and PTX).  So each of these names stands for one function a target.
 */
#ifndef KERNELS_CUDA_LAUNCH_H
#define KERNELS_CUDA_LAUNCH_H

#include "kernels/comm/comm.h"
#include "kernels/cuda/cuda.h"

#define CUDA_NAME_3(name, target) name##_##target
#define CUDA_NAME_2(name, target) CUDA_NAME_3(name, target)
#define CUDA_NAME(name)           CUDA_NAME_2(name, CUDA_TARGET)

#ifdef __cplusplus
extern "C" {
#endif

/* Experts whose weights lie as the checkpoint has them; sizes in 32s.  Tables are in device
 * memory. */
struct pack_experts {
	const struct cuda_expert *table; /* [n] */
	const struct cuda_expert *to;    /* [n]: where they are to lie; may be table */
	int n, type, d, inner;           /* enum weight_type, of all three matrices */
	int back;                        /* to the checkpoint's order from that of packed.h */
	const int32_t *only;             /* [n]: those where it is not negative; NULL: all … */
	const int32_t *named;            /* [n_named]: … that are named here; NULL: all */
	int n_named;
};

/* What a kernel knows of the ranks: kernels/cuda/peer.cu. */
#define PEER_MAX    8         /* ranks on GPUs */
#define PEER_VALUES (1 << 18) /* float32 of one call that goes through inboxes, at most */
#define PEER_BLOCKS 256       /* blocks of a rank, at most */
struct peer_view {
	int rank, n_ranks;
	int n_blocks;              /* of a rank, at most: as many as run at once on each GPU */
	uint64_t *inbox[PEER_MAX]; /* of each rank, on its own GPU: [2, n_ranks, PEER_VALUES] */
	uint32_t *flags[PEER_MAX]; /* likewise: [2, PEER_MAX, PEER_BLOCKS] */
	uint32_t *turn;            /* calls so far; on this GPU */
	uint32_t *done;            /* blocks of this call that have ended; 0 between calls */
	const uint32_t *poisoned;  /* host memory: nobody waits any more */
	uint32_t *missing;         /* host memory: 1 + the rank that did not come */
	uint64_t patience_ns;
};

/* Where each rank has the values of a call, aligned to 16 bytes. */
struct peer_rows {
	float *x[PEER_MAX];
};

/* What each rank has brought: kernels/cuda/mail.cu. */
struct mail_view {
	int rank, n_ranks;
	const float *box[PEER_MAX];
};

/* Values of the longest part: every rank takes as many calls. */
static inline size_t longest_part(const struct gather_args *a, int n_ranks)
{
	return (size_t)a->n_row * (size_t)((a->total + n_ranks - 1) / n_ranks);
}

struct cuda_target {
	const char *name;
	const struct ops *ops;
	/* Scratch that an operation of this pass takes, at most; of all operations. */
	size_t (*scratch)(const struct cuda *c, const struct pass_shape *shape);
	int (*copy_many)(struct backend *be, const struct copy_part *part, int n,
			 struct err *err);
	int (*read)(struct backend *be, dbuf p, size_t bytes, struct err *err);
	int (*multiply)(struct backend *be, double *n_op, struct err *err);
	/* Puts them into the order of packed.h. */
	int (*pack)(struct cuda *c, const struct pack_experts *p, struct err *err);
	/* x = the sum over the ranks of n float32, at most PEER_VALUES. */
	int (*peer_sum)(struct cuda *c, const struct peer_view *v, float *x, size_t n,
			struct err *err);
	/* The same, x being rows->x[rank]: any multiple of 4. */
	int (*peer_sum_slices)(struct cuda *c, const struct peer_view *v,
			       const struct peer_rows *rows, size_t n, struct err *err);
	int (*peer_gather)(struct cuda *c, const struct peer_view *v, const struct gather_args *a,
			   struct err *err);
	int (*mail_sum)(struct cuda *c, const struct mail_view *v, float *x, size_t n,
			struct err *err);
	/* Of each rank's values the n from `at` on are what its box has. */
	int (*mail_gather)(struct cuda *c, const struct mail_view *v,
			   const struct gather_args *a, size_t at, size_t n, struct err *err);
};

extern const struct cuda_target cuda_target_general, cuda_target_sm90a;

#ifdef CUDA_TARGET

/* Whether this target is that of 9.0 alone. */
#define CUDA_HOPPER_sm90a   1
#define CUDA_HOPPER_general 0
#define CUDA_HOPPER         CUDA_NAME_2(CUDA_HOPPER, CUDA_TARGET)

#define cuda_embed             CUDA_NAME(cuda_embed)
#define cuda_rope              CUDA_NAME(cuda_rope)
#define cuda_mhc_pre           CUDA_NAME(cuda_mhc_pre)
#define cuda_mhc_post          CUDA_NAME(cuda_mhc_post)
#define cuda_mhc_join          CUDA_NAME(cuda_mhc_join)
#define cuda_mhc_mix           CUDA_NAME(cuda_mhc_mix)
#define cuda_mhc_head          CUDA_NAME(cuda_mhc_head)
#define cuda_linear            CUDA_NAME(cuda_linear)
#define cuda_linear_batch      CUDA_NAME(cuda_linear_batch)
#define cuda_rms_norm          CUDA_NAME(cuda_rms_norm)
#define cuda_linear_normed     CUDA_NAME(cuda_linear_normed)
#define cuda_query             CUDA_NAME(cuda_query)
#define cuda_window_row        CUDA_NAME(cuda_window_row)
#define cuda_compress          CUDA_NAME(cuda_compress)
#define cuda_index_query       CUDA_NAME(cuda_index_query)
#define cuda_attention_rows    CUDA_NAME(cuda_attention_rows)
#define cuda_index_select      CUDA_NAME(cuda_index_select)
#define cuda_attention         CUDA_NAME(cuda_attention)
#define cuda_route             CUDA_NAME(cuda_route)
#define cuda_gate_route        CUDA_NAME(cuda_gate_route)
#define cuda_experts           CUDA_NAME(cuda_experts)
#define cuda_stream_recall     CUDA_NAME(cuda_stream_recall)
#define cuda_stream_keep       CUDA_NAME(cuda_stream_keep)
#define cuda_draft_join        CUDA_NAME(cuda_draft_join)
#define cuda_stream_mean       CUDA_NAME(cuda_stream_mean)
#define cuda_block_attention   CUDA_NAME(cuda_block_attention)
#define cuda_mhc_head_sum      CUDA_NAME(cuda_mhc_head_sum)
#define cuda_markov            CUDA_NAME(cuda_markov)
#define cuda_sample            CUDA_NAME(cuda_sample)
#define cuda_advance           CUDA_NAME(cuda_advance)
#define cuda_draft_take        CUDA_NAME(cuda_draft_take)
#define cuda_accept            CUDA_NAME(cuda_accept)
#define cuda_copy_many         CUDA_NAME(cuda_copy_many)
#define cuda_read              CUDA_NAME(cuda_read)
#define cuda_multiply          CUDA_NAME(cuda_multiply)
#define cuda_pack              CUDA_NAME(cuda_pack)
#define cuda_peer_sum          CUDA_NAME(cuda_peer_sum)
#define cuda_peer_sum_slices   CUDA_NAME(cuda_peer_sum_slices)
#define cuda_peer_gather       CUDA_NAME(cuda_peer_gather)
#define cuda_mail_sum          CUDA_NAME(cuda_mail_sum)
#define cuda_mail_gather       CUDA_NAME(cuda_mail_gather)
#define cuda_mhc_scratch       CUDA_NAME(cuda_mhc_scratch)
#define cuda_linear_stage      CUDA_NAME(cuda_linear_stage)
#define cuda_linear_scratch    CUDA_NAME(cuda_linear_scratch)
#define cuda_index_scratch     CUDA_NAME(cuda_index_scratch)
#define cuda_attention_scratch CUDA_NAME(cuda_attention_scratch)
#define cuda_route_scratch     CUDA_NAME(cuda_route_scratch)
#define cuda_experts_scratch   CUDA_NAME(cuda_experts_scratch)
#define cuda_spark_scratch     CUDA_NAME(cuda_spark_scratch)
#define cuda_sample_scratch    CUDA_NAME(cuda_sample_scratch)

int cuda_embed(struct backend *, const struct embed_args *, struct err *);
int cuda_rope(struct backend *, const struct rope_args *, struct err *);
int cuda_mhc_pre(struct backend *, const struct mhc_pre_args *, struct err *);
int cuda_mhc_post(struct backend *, const struct mhc_post_args *, struct err *);
int cuda_mhc_join(struct backend *, const struct mhc_join_args *, struct err *);
int cuda_mhc_mix(struct backend *, const struct mhc_mix_args *, struct err *);
int cuda_mhc_head(struct backend *, const struct mhc_head_args *, struct err *);
int cuda_linear(struct backend *, const struct linear_args *, struct err *);
int cuda_linear_batch(struct backend *, const struct linear_batch_args *, struct err *);
int cuda_rms_norm(struct backend *, const struct rms_norm_args *, struct err *);
int cuda_linear_normed(struct backend *, const struct linear_normed_args *, struct err *);
int cuda_query(struct backend *, const struct query_args *, struct err *);
int cuda_window_row(struct backend *, const struct window_row_args *, struct err *);
int cuda_compress(struct backend *, const struct compress_args *, struct err *);
int cuda_index_query(struct backend *, const struct index_query_args *, struct err *);
int cuda_attention_rows(struct backend *, const struct attention_rows_args *, struct err *);
int cuda_index_select(struct backend *, const struct index_select_args *, struct err *);
int cuda_attention(struct backend *, const struct attention_args *, struct err *);
int cuda_route(struct backend *, const struct route_args *, struct err *);
int cuda_gate_route(struct backend *, const struct gate_route_args *, struct err *);
int cuda_experts(struct backend *, const struct experts_args *, struct err *);
int cuda_stream_recall(struct backend *, const struct stream_ring_args *, struct err *);
int cuda_stream_keep(struct backend *, const struct stream_ring_args *, struct err *);
int cuda_draft_join(struct backend *, const struct draft_join_args *, struct err *);
int cuda_stream_mean(struct backend *, const struct stream_mean_args *, struct err *);
int cuda_block_attention(struct backend *, const struct attention_args *, struct err *);
int cuda_mhc_head_sum(struct backend *, const struct mhc_head_args *, struct err *);
int cuda_markov(struct backend *, const struct markov_args *, struct err *);
int cuda_sample(struct backend *, const struct sample_args *, struct err *);
int cuda_advance(struct backend *, const struct advance_args *, struct err *);
int cuda_draft_take(struct backend *, const struct draft_take_args *, struct err *);
int cuda_accept(struct backend *, const struct accept_args *, struct err *);
int cuda_copy_many(struct backend *, const struct copy_part *, int n, struct err *);
int cuda_read(struct backend *, dbuf p, size_t bytes, struct err *);
int cuda_multiply(struct backend *, double *n_op, struct err *);
int cuda_pack(struct cuda *, const struct pack_experts *, struct err *);
int cuda_peer_sum(struct cuda *, const struct peer_view *, float *x, size_t n, struct err *);
int cuda_peer_sum_slices(struct cuda *, const struct peer_view *, const struct peer_rows *,
			 size_t n, struct err *);
int cuda_peer_gather(struct cuda *, const struct peer_view *, const struct gather_args *,
		     struct err *);
int cuda_mail_sum(struct cuda *, const struct mail_view *, float *x, size_t n, struct err *);
int cuda_mail_gather(struct cuda *, const struct mail_view *, const struct gather_args *,
		     size_t at, size_t n, struct err *);

/* One launch of products and what is made along; bytes: of shared memory (linear_stage.cuh). */
struct tiles_stage;
int cuda_linear_stage(struct cuda *, const struct tiles_stage *, size_t bytes, const char *op,
		      struct err *);

/* Bytes that the largest call of a pass of this shape asks of cuda_scratch(). */
size_t cuda_mhc_scratch(const struct cuda *, const struct pass_shape *);
size_t cuda_linear_scratch(const struct cuda *, const struct pass_shape *);
size_t cuda_index_scratch(const struct cuda *, const struct pass_shape *);
size_t cuda_attention_scratch(const struct cuda *, const struct pass_shape *);
size_t cuda_route_scratch(const struct cuda *, const struct pass_shape *);
size_t cuda_experts_scratch(const struct cuda *, const struct pass_shape *);
size_t cuda_spark_scratch(const struct cuda *, const struct pass_shape *);
size_t cuda_sample_scratch(const struct cuda *, const struct pass_shape *);

#endif

#ifdef __cplusplus
}
#endif

#endif
