/* The CUDA backend's table, and its opening on one device. */
#include "kernels/cuda/private.h"
#include "kernels/cuda/blaslt.h"
#include "kernels/cuda/tile_policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void caps(const struct backend *be, struct backend_caps *out)
{
	const struct cuda *c = (const struct cuda *)be;
	struct err ignored;
	int n;

	*out = (struct backend_caps){
		.act_bytes = 2,
		.max_rows = c->max_rows,
		.prefill_rows = c->prefill_rows,
		.hosts_experts = 1,
		.n_devices = 1,
	};
	if (!device_count(&n, &ignored))
		out->n_devices = n - c->device;
	memcpy(out->name, c->name, sizeof(out->name));
}

/* One area of this size is made at its first use, so what grows on the way is the exception. */
static uint64_t scratch_bytes(struct backend *be, const struct pass_shape *shape)
{
	struct cuda *c = cuda_of(be);

	c->scratch.planned = c->target->scratch(c, shape);
	return c->scratch.planned + comm_bytes(shape->n_ranks);
}

static void close_cuda(struct backend *be)
{
	struct cuda *c = cuda_of(be);

	if (c->stream) {
		graph_forget(be);
		hosted_close(c);
		place_close(c);
		memory_close(c);
		blaslt_close(c->lt);
		(void)cudaStreamDestroy(c->stream);
	}
	free(c);
}

/* Probes are timed by the host, so they have ended when they return. */
static int wait_for(struct cuda *c, const char *what, struct err *err)
{
	return cuda_fail(cudaStreamSynchronize(c->stream), what, err);
}

static int probe_read(struct backend *be, dbuf p, size_t bytes, struct err *err)
{
	struct cuda *c = cuda_of(be);
	int rc = c->target->read(be, p, bytes, err);

	return rc ? rc : wait_for(c, "read", err);
}

static int probe_multiply(struct backend *be, double *n_op, struct err *err)
{
	struct cuda *c = cuda_of(be);
	int rc = c->target->multiply(be, n_op, err);

	return rc ? rc : wait_for(c, "multiply", err);
}

static const struct backend entries = {
	.caps = caps,
	.memory_free = memory_free_bytes,
	.scratch_bytes = scratch_bytes,
	.alloc = memory_alloc,
	.free = memory_release,
	.put = memory_put,
	.get = memory_get,
	.copy = memory_copy,
	.run = graph_run,
	.forget = graph_forget,
	.time_phases = graph_time_phases,
	.mark = graph_mark,
	.phase_seconds = graph_phase_seconds,
	.place_begin = place_begin,
	.place = place_weight,
	.place_bytes = place_bytes,
	.place_experts = place_experts,
	.place_end = place_end,
	.swap_experts = swap_experts,
	.compute_hosted = hosted_compute,
	.read = probe_read,
	.multiply = probe_multiply,
	.comm_new = comm_new,
	.close = close_cuda,
};

/* ------------------------------------------------------------------ opening */

static const char *const moe_names[] = {
	[CUDA_MOE_AUTO] = "auto",
	[CUDA_MOE_FUSED] = "fused",
	[CUDA_MOE_GROUPED] = "grouped",
	[CUDA_MOE_REFERENCE] = "reference",
};

static const char *const comm_names[] = {
	[CUDA_COMM_AUTO] = "auto",
	[CUDA_COMM_PEER] = "peer",
	[CUDA_COMM_NCCL] = "nccl",
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Which of these it is, NULL being the first; n: none. */
static size_t find_name(const char *const *names, size_t n, const char *name)
{
	size_t i = 0;

	while (name && i < n && strcmp(name, names[i]) != 0)
		i++;
	return i;
}

static int read_options(struct cuda *c, const struct backend_options *o, int *general,
			struct err *err)
{
	size_t moe = find_name(moe_names, COUNT(moe_names), o->experts);
	size_t comm = find_name(comm_names, COUNT(comm_names), o->comm);

	*general = o->kernels && strcmp(o->kernels, "general") == 0;
	if (o->kernels && !*general && strcmp(o->kernels, "auto") != 0)
		return err_set(err, ERR_USAGE, "kernels: \"%s\", expected auto or general",
			       o->kernels);
	if (moe == COUNT(moe_names))
		return err_set(err, ERR_USAGE,
			       "experts: \"%s\", expected auto, fused, grouped or reference",
			       o->experts);
	if (comm == COUNT(comm_names))
		return err_set(err, ERR_USAGE, "comm: \"%s\", expected auto, peer or nccl",
			       o->comm);
	c->most_memory = o->memory;
	c->moe = (enum cuda_moe)moe;
	c->comm_way = (enum cuda_comm_way)comm;
	return 0;
}

/* Ranks are dealt out over the GPUs from the first one's on. */
static int deal_device(struct cuda *c, const struct backend_options *o, struct err *err)
{
	int n = 0, left;

	if (device_count(&n, err))
		return err->code;
	if (o->device < 0 || o->device >= n)
		return err_set(err, ERR_USAGE, "gpu %d: there are %d, counted from 0",
			       o->device, n);
	left = n - o->device;
	c->device = o->device + o->rank % left;
	c->n_here = o->n_sharing > 1 ? (o->n_sharing - o->rank % left + left - 1) / left : 1;
	return 0;
}

static void name_device(struct cuda *c, const char *gpu)
{
	char shared[24] = "";

	if (c->n_here > 1)
		snprintf(shared, sizeof(shared), " shared by %d", c->n_here);
	snprintf(c->name, sizeof(c->name), "cuda %d%s: %.22s, %s kernels", c->device, shared, gpu,
		 c->target->name);
}

static int choose_kernels(struct cuda *c, int general, struct err *err)
{
	struct device_facts f;
	struct tile_policy policy;

	if (device_facts(c->device, &f, err))
		return err->code;
	if (c->most_memory && c->most_memory < f.memory)
		f.memory = c->most_memory;
	policy = tile_policy(f.sm, f.memory, general);
	if (policy.variant == VARIANT_NONE)
		return err_set(err, ERR_MODEL,
			       "cuda %d, %s: capability %d.%d, expected 8.0 or newer",
			       c->device, f.name, f.sm / 10, f.sm % 10);
	c->sm = f.sm;
	c->n_sm = f.n_sm;
	c->block_shared = f.block_shared;
	c->max_rows = policy.max_rows;
	c->prefill_rows = policy.prefill_rows;
	c->begins_early = policy.variant == VARIANT_SM90A;
	c->target = policy.variant == VARIANT_SM90A ? &cuda_target_sm90a : &cuda_target_general;
	name_device(c, f.name);
	return cuda_fail(cudaSetDevice(c->device), "device", err);
}

int cuda_open(struct backend **out, const struct backend_options *o, struct err *err)
{
	struct cuda *c = calloc(1, sizeof(*c));
	int general, rc;

	*out = NULL;
	if (!c)
		return err_nomem(err, "cuda backend", sizeof(*c));
	rc = read_options(c, o, &general, err);
	if (!rc)
		rc = deal_device(c, o, err);
	if (!rc)
		rc = choose_kernels(c, general, err);
	if (!rc)
		rc = cuda_fail(cudaStreamCreateWithFlags(&c->stream, cudaStreamNonBlocking),
			       "stream", err);
	if (rc) {
		free(c);
		return rc;
	}
	c->base = entries;
	c->behind_other = 1;
	c->base.ops = c->target->ops;
	c->base.copy_many = c->target->copy_many;
	rc = memory_open(c, err);
	if (rc) {
		close_cuda(&c->base);
		return rc;
	}
	*out = &c->base;
	return 0;
}
