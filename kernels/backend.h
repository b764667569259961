/*
 * A backend: device memory, and the table of operations (kernels/ops.h) on it.
 *
 * The forward pass is written once against this table, as put, run, fetch:
 * everything that changes from step to step (positions, slot, ids, page tables)
 * is put into device memory, a run issues operations only, and the results are
 * fetched once behind it.  An operation reads what changes when it runs, never in
 * its arguments.  So a backend may record a run once for each key and replay it,
 * at any length, for any sequence.
 *
 * One thread per backend.  Every function that can fail returns 0 or a negative
 * code with a line in *err; an operation refuses shapes that its kernel cannot do.
 * "May be NULL" says what the caller does without.
 */
#ifndef KERNELS_BACKEND_H
#define KERNELS_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#include "backend_abi.h"
#include "engine/base/buf.h"
#include "engine/base/err.h"

/* A device address.  Only the backend dereferences it; host code may add to it. */
typedef unsigned char *dbuf;

struct backend;
struct ops;            /* kernels/ops.h */
struct weight;         /* kernels/ops.h */
struct expert_weights; /* kernels/ops.h */
struct comm;           /* kernels/comm/comm.h */

struct backend_caps {
	char name[64];    /* "cpu x86-64-v4, 2 threads"                               */
	int act_bytes;    /* size of one activation: 4 = float32, 2 = bf16            */
	int max_rows;     /* most rows of one call that this backend is made for      */
	int prefill_rows; /* rows of one prefill chunk that it likes best             */
	int hosts_experts; /* place_experts() takes n_hosted > 0                      */
	int n_devices;    /* that could each be a rank of one model, from this one on */
};

/* How memory is used. */
enum memory_kind {
	MEMORY_PLAIN,
	MEMORY_LAZY,   /* may be address space that is filled on first touch            */
	MEMORY_RESULT, /* written by operations, read by get: lies where get is quick   */
	MEMORY_HOSTED, /* lies where hosted experts do                                  */
};

/* One copy of several, on the device. */
struct copy_part {
	dbuf dst, src;
	size_t bytes;
};

/* The sizes of a pass, for asking what a backend keeps for itself while it runs. */
struct pass_shape {
	int rows;             /* most rows of one call */
	int d, inner, n_expert, n_used, n_head, n_group, group_rank, q_rank;
	int index_heads, top_k, vocab;
	int64_t ctx;          /* most tokens of a sequence */
	int n_ranks;          /* this one included: what they hand over counts, too */
};

/* Where the bytes of weights that are placed come from. */
struct weight_reader {
	/* n bytes from where `src` points, into dst, perhaps from a file that is mapped there, which
	 * is not touched then.  Any thread, several at once. */
	int (*read)(void *ctx, void *dst, const unsigned char *src, size_t n, struct err *err);
	/* So many bytes more were handed over.  The thread that places; what is not 0 ends that. */
	int (*passed)(void *ctx, size_t n, struct err *err);
	void *ctx;
};

#define RUN_ONCE UINT64_C(0)

struct backend {
	const struct ops *ops;
	/* Fills *caps.  Never fails. */
	void (*caps)(const struct backend *be, struct backend_caps *caps);
	/* Bytes that may be allocated now, the backend's own scratch not yet taken off. */
	uint64_t (*memory_free)(const struct backend *be);
	/* Bytes of its own that runs of this shape need beside the caller's buffers.  A backend may
	 * take what was last asked for as what it is going to need. */
	uint64_t (*scratch_bytes)(struct backend *be, const struct pass_shape *shape);

	/* Zeroed memory, aligned to 256 bytes at least. */
	int (*alloc)(struct backend *be, size_t bytes, enum memory_kind kind, dbuf *out,
		     struct err *err);
	void (*free)(struct backend *be, dbuf p); /* NULL is fine */
	/*
	 * Host to device and back, in order with the operations.  *src may change as soon as put
	 * returns; get waits for what was issued before it.  Neither stands inside a run.
	 */
	int (*put)(struct backend *be, dbuf dst, const void *src, size_t bytes, struct err *err);
	int (*get)(struct backend *be, void *dst, dbuf src, size_t bytes, struct err *err);
	int (*copy)(struct backend *be, dbuf dst, dbuf src, size_t bytes, struct err *err);
	/*
	 * n copies at once, in order with the operations and in no order among themselves: none
	 * writes what another one, or itself, reads or writes.  Any sizes, and any alignment;
	 * those at multiples of 16 bytes are quickest.
	 *
	 * May be NULL, where a copy costs little beside its bytes: the caller copies one by one,
	 * and puts and gets rows where they lie instead of gathering them first.
	 */
	int (*copy_many)(struct backend *be, const struct copy_part *part, int n,
			 struct err *err);

	/*
	 * Issues what `body` issues: operations and copies whose arguments are the same each time
	 * it is called with this key.  A recording backend calls it the first time and replays the
	 * recording from then on; a body that fails is not recorded.  The buffers that a recording
	 * names must outlive it: forget drops all recordings.  Operations may also be issued
	 * outside of a run.  May be NULL, both: the caller calls the body itself.
	 * The key RUN_ONCE: issued as any run is, and not kept for another time.
	 */
	int (*run)(struct backend *be, uint64_t key, int (*body)(void *ctx, struct err *err),
		   void *ctx, struct err *err);
	void (*forget)(struct backend *be);

	/*
	 * Where a run's time goes.  time_phases(1) begins anew, 0 ends it; mark, inside a run (outside
	 * of one it need do nothing), says that what was issued since the last mark was phase p
	 * (< n of phase_seconds), and costs nothing while timing is off (a recording made while it is
	 * off has no marks: the caller uses other keys); phase_seconds waits, then adds the seconds of
	 * each phase to sum[0 … n).
	 * May be NULL, all three: operations have run when they return, so the host's clock tells.
	 */
	void (*time_phases)(struct backend *be, int on);
	int (*mark)(struct backend *be, int phase, struct err *err);
	int (*phase_seconds)(struct backend *be, double *sum, int n, struct err *err);

	/*
	 * Weights that have been checked move to where this backend reads them: place_begin (with
	 * all bytes to come, and who reads them until place_end; NULL: they lie in memory), then each of the others as often as there is something, in any order,
	 * then place_end, which waits.  What is given points into host memory that stays as it is
	 * until place_end, and becomes the backend's (it may lie in a layout of its own); what the
	 * backend allocated for it lives until close.  A linear weight with n_group > 1 is used with
	 * that n_group.  place_experts may also set *table, which experts_args hands back; a shared
	 * expert comes alone, without a table (NULL).  Of the n experts the last n_hosted stay in the
	 * host's memory, where operations read them, slower; `bytes` are without these.  place_end
	 * follows after a failure, too.
	 * May be NULL, all five: weights are read where they are.
	 */
	int (*place_begin)(struct backend *be, uint64_t bytes, const struct weight_reader *from,
			   struct err *err);
	int (*place)(struct backend *be, struct weight *w, int n_group, struct err *err);
	int (*place_bytes)(struct backend *be, dbuf *p, size_t bytes, struct err *err);
	int (*place_experts)(struct backend *be, struct expert_weights *e, int n, int n_hosted,
			     dbuf *table, struct err *err);
	int (*place_end)(struct backend *be, struct err *err);
	/*
	 * Experts a and b of a layer's n change places, one of them being hosted: memory, their
	 * entries in `e`, and those in the table.  In order with operations; never inside a run.  May
	 * be NULL where no experts are hosted.
	 */
	int (*swap_experts)(struct backend *be, struct expert_weights *e, int n, int a, int b,
			    dbuf table, struct err *err);
	/*
	 * Hosted experts that are placed from now on are computed by `cpu`, the CPU's backend, while
	 * the device computes the others, in calls of few rows; for those of many they are read.  Of
	 * each layer one at least is not hosted then.  What such an expert adds is the CPU's
	 * arithmetic, so a row's bits depend on who lies where.  `cpu` is the backend's from then on,
	 * also after a failure; what goes wrong there is told by the next get.  Once at most.  May be
	 * NULL where no experts are hosted.
	 */
	int (*compute_hosted)(struct backend *be, struct backend *cpu, struct err *err);

	/* Reads every byte once, as fast as it can: measures the bandwidth that bounds a step. */
	int (*read)(struct backend *be, dbuf p, size_t bytes, struct err *err);
	/* Multiply-adds in registers, as fast as it can, *n_op operations in all (two each):
	 * measures the rate that bounds a product of many rows. */
	int (*multiply)(struct backend *be, double *n_op, struct err *err);

	/*
	 * These n backends of one kind, each with a thread of its own, talk to each other: out[i] is
	 * ranks[i]'s end (kernels/comm/comm.h).  May be NULL: it works alone.
	 */
	int (*comm_new)(struct backend *const *ranks, int n, struct comm **out, struct err *err);
	void (*close)(struct backend *be);
};

struct backend_options {
	const char *name;    /* "cpu", "cuda"; NULL: the best that works here */
	int n_threads;       /* CPU: 0 = one for each physical core that this process may run on */
	int n_left;          /* CPU: with n_threads 0, cores less; threads wait awake */
	int n_sharing;       /* so many ranks of one model, 0 = 1: CPUs share threads and memory */
	                     /* evenly, GPUs are dealt out from `device` on */
	int rank;            /* which of them */
	const char *isa;     /* CPU: "v2", "v3", "v4", "generic"; NULL: the best there is */
	const char *kernels; /* GPU: NULL or "auto": made for this chip; "general": for any */
	const char *experts; /* GPU: NULL or "auto", "fused", "grouped", "reference" */
	const char *comm;    /* GPU: how ranks add up: NULL or "auto", "peer", "nccl" */
	int device;          /* GPU: which of those that are visible; the first rank's */
	uint64_t memory;     /* GPU: as if each had so much in all, others' use included; 0 = has */
};

/* ERR_USAGE names what there is no backend of; ERR_MODEL why the one named does not work here. */
int backend_open(struct backend **out, const struct backend_options *o, struct err *err);

/*
 * What is known of every backend, for doctor: each line is "ok CPU …", "no CUDA …: why" and so
 * on; `ready` counts those that work here.
 */
int backend_describe(struct buf *out, int *n_ready);

/*
 * A plug-in (NAME.so: dsv4chat-cuda.so, in ../lib/dsv4chat from the program, or beside it) has
 * one symbol, DSV4CHAT_PLUGIN.  It carries its own copies of engine/base, takes nothing from
 * the program but what it is called with, and is opened only where abi and sizes agree.
 */
struct backend_plugin {
	int abi;                              /* BACKEND_ABI: the build's sum of this file, ops.h, comm.h */
	size_t backend_bytes, ops_bytes;      /* sizeof(struct backend), sizeof(struct ops) */
	const char *name;                     /* "cuda" */
	int (*open)(struct backend **out, const struct backend_options *o, struct err *err);
	/* Appends lines on devices, driver, libraries; returns how many devices can be used. */
	int (*describe)(struct buf *out);
};
#define BACKEND_PLUGIN_SYMBOL "dsv4chat_backend_plugin"

/* The reference backend (kernels/cpu/).  ERR_MODEL where the processor lacks o->isa. */
int backend_open_cpu(struct backend **out, const struct backend_options *o, struct err *err);

#endif
