/* The choice, by capability and memory. */
#include "kernels/cuda/tile_policy.h"

/* General kernels exist as code for 8.0, which every 8.x runs, and as PTX for the rest. */
static int runs_general_code(int sm)
{
	return sm / 10 == 8;
}

/* Tested on these; a line is added when somebody has run the tests there. */
static const struct {
	int sm;
	enum cuda_variant variant;
} has_run[] = {
	{90, VARIANT_SM90A},
	{90, VARIANT_GENERAL},
};

#define GIB (UINT64_C(1) << 30)

/* A chunk costs about half a megabyte a row, and weights are read once a chunk. */
static int prefill_rows(uint64_t memory_bytes)
{
	if (memory_bytes >= 100 * GIB)
		return 4096;
	return memory_bytes >= 40 * GIB ? 2048 : memory_bytes >= 15 * GIB ? 1024 : 512;
}

struct tile_policy tile_policy(int sm, uint64_t memory_bytes, int general)
{
	struct tile_policy p = {.variant = VARIANT_NONE};

	if (sm < 80)
		return p;
	p.variant = sm == 90 && !general ? VARIANT_SM90A : VARIANT_GENERAL;
	p.has_code = p.variant == VARIANT_SM90A || runs_general_code(sm);
	for (unsigned i = 0; i < sizeof(has_run) / sizeof(has_run[0]); i++)
		p.has_run |= has_run[i].sm == sm && has_run[i].variant == p.variant;
	p.prefill_rows = prefill_rows(memory_bytes);
	p.max_rows = 2 * p.prefill_rows;
	return p;
}

uint64_t tile_policy_free(uint64_t left, uint64_t all, uint64_t most)
{
	uint64_t used = all > left ? all - left : 0;

	if (!most || most >= all)
		return left;
	return most > used ? most - used : 0;
}
