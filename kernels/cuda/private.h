/* The host side's own parts of struct cuda: its files call each other through these. */
#ifndef KERNELS_CUDA_PRIVATE_H
#define KERNELS_CUDA_PRIVATE_H

#include "kernels/cuda/cuda.h"
#include "kernels/cuda/launch.h"

/* memory.c: the entries of struct backend, and their state's beginning and end */
int memory_open(struct cuda *c, struct err *err);
void memory_close(struct cuda *c);
void scratch_forget(struct cuda *c); /* frees what only recordings could still name */
int memory_alloc(struct backend *be, size_t bytes, enum memory_kind kind, dbuf *out,
		 struct err *err);
void memory_release(struct backend *be, dbuf p);
uint64_t memory_free_bytes(const struct backend *be);
int memory_put(struct backend *be, dbuf dst, const void *src, size_t bytes, struct err *err);
int memory_get(struct backend *be, void *dst, dbuf src, size_t bytes, struct err *err);
int memory_copy(struct backend *be, dbuf dst, dbuf src, size_t bytes, struct err *err);

/* graph.c: recordings and marks */
int graph_run(struct backend *be, uint64_t key, int (*body)(void *ctx, struct err *err),
	      void *ctx, struct err *err);
void graph_forget(struct backend *be);
void graph_time_phases(struct backend *be, int on);
int graph_mark(struct backend *be, int phase, struct err *err);
int graph_phase_seconds(struct backend *be, double *sum, int n, struct err *err);

/* comm.c: ranks; the hosts' meeting around each run (graph.c); whether runs are issued each time
 * instead of recorded; a wait for what was issued, which ends where some rank will not come */
int comm_new(struct backend *const *ranks, int n, struct comm **out, struct err *err);
int comm_meet(struct cuda_comm *k, struct err *err);
int comm_issues_runs(const struct cuda_comm *k);
int comm_wait(struct cuda_comm *k, const char *what, struct err *err);
size_t comm_bytes(int n_ranks); /* on each GPU */

/* place.c: weights on their way into device memory */
int place_begin(struct backend *be, uint64_t bytes, const struct weight_reader *from,
		struct err *err);
int place_weight(struct backend *be, struct weight *w, int n_group, struct err *err);
int place_bytes(struct backend *be, dbuf *p, size_t bytes, struct err *err);
int place_experts(struct backend *be, struct expert_weights *e, int n, int n_hosted,
		  dbuf *table, struct err *err);
int place_end(struct backend *be, struct err *err);
void place_sizes(const struct weight *w, size_t *values, size_t *scales); /* bytes; adds none */
void place_close(struct cuda *c); /* also ends a placing that was given up */

/* packing.c */
struct packing; /* a list; NULL is an empty one */
int packing_add(struct packing **list, const struct pack_experts *what, struct err *err);
int packing_run(const struct packing *list, struct cuda *c, struct err *err); /* and waits */
void packing_drop(struct packing **list);

/* swap.c */
int swap_experts(struct backend *be, struct expert_weights *e, int n, int a, int b, dbuf table,
		 struct err *err);

/* arena.h, packing.h's: what hosted_place.c takes memory from */
struct arena;

/*
 * hosted_place.c: experts that the host computes.  hosted_compute() is the backend's entry.
 * hosted_table() makes what device memory is told of a layer, taken from `own`; hosted_swap()
 * is what swap_experts() is then.
 */
int hosted_compute(struct backend *be, struct backend *cpu, struct err *err);
void hosted_close(struct cuda *c);
int hosted_settle(struct cuda *c, struct err *err); /* behind a wait for the stream */
int hosted_table(struct cuda *c, struct arena *own, const struct expert_weights *e, int n,
		 int n_hosted, dbuf *table, struct err *err);
int hosted_swap(struct cuda *c, struct expert_weights *e, int n, int a, int b, dbuf table,
		struct err *err);
int swap_bytes(struct cuda *c, struct expert_weights *a, struct expert_weights *b,
	       struct err *err); /* of w1, w2, w3, and the entries */

/* plugin.c: what is there */
struct device_facts {
	char name[64];
	int sm, n_sm, block_shared; /* as in struct cuda */
	uint64_t memory;
};
/* ERR_MODEL says why there is none. */
int device_count(int *n, struct err *err);
int device_facts(int device, struct device_facts *f, struct err *err);

/* the entries of the plug-in */
int cuda_open(struct backend **out, const struct backend_options *o, struct err *err);
int cuda_describe(struct buf *out);

#endif
