/*
 * The kernels' own parts of a sum (kernels/cuda/peer.cuh), a rank being some of the blocks of a
 * cooperative launch: all are there at once, so they may wait for each other as GPUs do.
 *
 * What a launch's end is to GPUs, a turn's end is here: a rank's blocks go on when all of them
 * have ended the round.  Blocks sleep at random, so that ranks and blocks come apart.
 */
#include "tests/gpu/peer_rounds.h"

#include <stdio.h>

#include "kernels/cuda/peer.cuh"

#define THREADS     256
#define PATIENCE_NS 5000000000ull

struct played {
	struct peer_view view[ROUNDS_RANKS];
	struct peer_rows rows;
	unsigned *arrived; /* [n_ranks]: blocks that have filled their part, over all rounds */
	struct rounds_result *result;
	struct rounds r;
};

static __device__ __forceinline__ uint32_t mixed(uint32_t u)
{
	u = (u ^ u >> 16) * 0x7feb352du;
	u = (u ^ u >> 15) * 0x846ca68bu;
	return u ^ u >> 16;
}

static __device__ __forceinline__ float value(int rank, size_t i, int round)
{
	uint32_t u = mixed((uint32_t)rank * 7919u + (uint32_t)i * 104729u +
			   mixed((uint32_t)round));

	return ((float)(u >> 8) - 8388608.0f) * (float)(1 << (u & 7));
}

static __device__ __forceinline__ size_t size_of(const struct rounds &r, int round)
{
	size_t n = r.least + mixed(0x5bd1e995u + (uint32_t)round) % (r.most - r.least + 1);

	return r.slices ? n / 4 * 4 : n;
}

static __device__ __forceinline__ void sleep_sometimes(int rank, unsigned block, int round)
{
	uint32_t u = mixed((uint32_t)round * 31u + (uint32_t)rank * 1009u + block * 10007u);

	if (u % 16 == 0)
		__nanosleep(u >> 8 & 2047);
}

/* Until *at is that; false: it took too long. */
static __device__ bool reach(const struct peer_view &v, const unsigned *at, unsigned target)
{
	const uint64_t since = now_ns();
	bool there = true;

	if (threadIdx.x == 0)
		for (unsigned n = 1; *(const volatile unsigned *)at != target && there; n++)
			there = n % PEER_TRIES != 0 || peer_may_wait(v, v.rank, since);
	__threadfence();
	return __syncthreads_and(there);
}

/* Every block of the rank has filled its part. */
static __device__ bool fill_together(const struct played &p, int rank, struct peer_block b,
				     int round, size_t n)
{
	float *x = p.rows.x[rank];

	for (size_t i = (size_t)b.i * THREADS + threadIdx.x; i < n; i += (size_t)b.n * THREADS) {
		float v = value(rank, i, round);

		__stcg(x + i, round == p.r.spoilt && rank == 1 && i == n / 2 ? v + 65536.0f : v);
	}
	__threadfence();
	__syncthreads();
	if (threadIdx.x == 0)
		atomicAdd(&p.arrived[rank], 1);
	return reach(p.view[rank], &p.arrived[rank], b.n * (unsigned)(round + 1));
}

static __device__ void tell(struct rounds_result *r, int round, int rank, size_t i, float got,
			    float want)
{
	if (atomicAdd(&r->n_bad, 1ull))
		return;
	r->round = round;
	r->rank = rank;
	r->i = i;
	r->got = got;
	r->want = want;
}

static __device__ void compare(const struct played &p, int rank, struct peer_block b, int round,
			       size_t n)
{
	for (size_t i = (size_t)b.i * THREADS + threadIdx.x; i < n; i += (size_t)b.n * THREADS) {
		float want = value(0, i, round), got = __ldcg(p.rows.x[rank] + i);

		for (int q = 1; q < p.r.n_ranks; q++)
			want += value(q, i, round);
		if (__float_as_uint(got) != __float_as_uint(want))
			tell(p.result, round, rank, i, got, want);
	}
}

/* Of the rank's blocks as many make a sum as would be launched for its size. */
static __global__ void __launch_bounds__(THREADS) play(const __grid_constant__ struct played p)
{
	const int rank = (int)blockIdx.x % p.r.n_ranks;
	const struct peer_block b = {blockIdx.x / (unsigned)p.r.n_ranks,
				     gridDim.x / (unsigned)p.r.n_ranks};
	const struct peer_view &v = p.view[rank];

	for (int round = 0; round < p.r.n_rounds; round++) {
		const uint32_t turn = (uint32_t)round + 1;
		const size_t n = size_of(p.r, round);
		const unsigned wanted = (unsigned)((n + THREADS - 1) / THREADS);
		const struct peer_block used = {b.i, wanted < b.n ? wanted : b.n};

		if (!fill_together(p, rank, b, round, n))
			return;
		sleep_sometimes(rank, b.i, round);
		if (used.i < used.n) {
			if (p.r.slices)
				peer_sum_slices(v, used, turn, p.rows, n);
			else
				peer_sum(v, used, turn, p.rows.x[rank], n);
			peer_end_turn(v, turn, used.n);
		}
		if (!reach(v, v.turn, turn))
			return;
		compare(p, rank, b, round, n);
	}
}

/* ------------------------------------------------------------------------ the host's */

#define FAIL_UNLESS_OK(call)                                                                   \
	do {                                                                                   \
		cudaError_t rc_ = (call);                                                      \
		if (rc_ != cudaSuccess) {                                                      \
			snprintf(why, size, "%s: %s", #call, cudaGetErrorString(rc_));         \
			return -1;                                                             \
		}                                                                              \
	} while (0)

/* What the plug-in's files call of each other, here for the messages of what is not called. */
extern "C" int cuda_refuse(struct err *err, const char *op, const char *fmt, ...)
{
	(void)err;
	(void)op;
	(void)fmt;
	return -1;
}

int peer_rounds_here(char *why, size_t size)
{
	int n = 0, together = 0;

	FAIL_UNLESS_OK(cudaGetDeviceCount(&n));
	FAIL_UNLESS_OK(cudaDeviceGetAttribute(&together, cudaDevAttrCooperativeLaunch, 0));
	if (!together)
		snprintf(why, size, "no cooperative launch");
	return together ? 0 : -1;
}

/* Zeroed memory, freed with all the rest. */
static int take(void **out, size_t bytes, char *why, size_t size)
{
	FAIL_UNLESS_OK(cudaMalloc(out, bytes));
	FAIL_UNLESS_OK(cudaMemset(*out, 0, bytes));
	return 0;
}

struct memory_of_ranks {
	void *block; /* all of it but the host's */
	uint32_t *words;
};

static int lay_out(struct played *p, struct memory_of_ranks *m, char *why, size_t size)
{
	const size_t n = (size_t)p->r.n_ranks, values = (p->r.most + 3) / 4 * 4;
	const size_t inbox = 2 * n * PEER_VALUES * sizeof(uint64_t);
	const size_t flags = (size_t)2 * PEER_MAX * PEER_BLOCKS * sizeof(uint32_t);
	const size_t each = inbox + flags + values * sizeof(float);
	unsigned char *at;

	FAIL_UNLESS_OK(cudaHostAlloc((void **)&m->words, (1 + n) * sizeof(uint32_t),
				     cudaHostAllocMapped));
	for (size_t i = 0; i <= n; i++)
		m->words[i] = 0;
	if (take(&m->block, n * each + 4096, why, size))
		return -1;
	at = (unsigned char *)m->block + 4096;
	p->result = (struct rounds_result *)m->block;
	p->arrived = (unsigned *)m->block + 256;
	for (size_t r = 0; r < n; r++, at += each) {
		struct peer_view *v = &p->view[r];

		for (size_t q = 0; q < n; q++) {
			p->view[q].inbox[r] = (uint64_t *)at;
			p->view[q].flags[r] = (uint32_t *)(at + inbox);
		}
		p->rows.x[r] = (float *)(at + inbox + flags);
		v->rank = (int)r;
		v->n_ranks = (int)n;
		v->n_blocks = PEER_BLOCKS;
		v->turn = (uint32_t *)m->block + 512 + 2 * r;
		v->done = v->turn + 1;
		v->poisoned = m->words;
		v->missing = m->words + 1 + r;
		v->patience_ns = PATIENCE_NS;
	}
	return 0;
}

static int launch(struct played *p, const struct memory_of_ranks *m, struct rounds_result *out,
		  char *why, size_t size)
{
	int n_sm = 0;
	unsigned blocks;
	void *args[] = {p};

	FAIL_UNLESS_OK(cudaDeviceGetAttribute(&n_sm, cudaDevAttrMultiProcessorCount, 0));
	blocks = (unsigned)(n_sm / p->r.n_ranks * p->r.n_ranks);
	FAIL_UNLESS_OK(cudaLaunchCooperativeKernel((const void *)play, dim3(blocks),
						   dim3(THREADS), args, 0, NULL));
	FAIL_UNLESS_OK(cudaDeviceSynchronize());
	FAIL_UNLESS_OK(cudaMemcpy(out, p->result, sizeof(*out), cudaMemcpyDefault));
	for (int r = 0; r < p->r.n_ranks; r++)
		if (m->words[1 + r] && !out->missing)
			out->missing = (int)m->words[1 + r];
	return 0;
}

int peer_rounds_play(const struct rounds *r, struct rounds_result *out, char *why, size_t size)
{
	struct played p = {};
	struct memory_of_ranks m = {};
	int rc;

	p.r = *r;
	rc = lay_out(&p, &m, why, size);
	if (!rc)
		rc = launch(&p, &m, out, why, size);
	(void)cudaFree(m.block);
	(void)cudaFreeHost(m.words);
	return rc;
}
