/*
 * The table of one target's operations.  Compiled once for each target, as the kernels are
 * (CUDA_TARGET, see launch.h).
 */
#include "kernels/cuda/launch.h"

static const struct ops operations = {
	.embed = cuda_embed,
	.rope = cuda_rope,
	.mhc_pre = cuda_mhc_pre,
	.mhc_post = cuda_mhc_post,
	.mhc_join = cuda_mhc_join,
	.mhc_head = cuda_mhc_head,
	.linear = cuda_linear,
	.linear_batch = cuda_linear_batch,
	.rms_norm = cuda_rms_norm,
	.linear_normed = cuda_linear_normed,
	.query = cuda_query,
	.window_row = cuda_window_row,
	.compress = cuda_compress,
	.index_query = cuda_index_query,
	.attention_rows = cuda_attention_rows,
	.index_select = cuda_index_select,
	.attention = cuda_attention,
	.route = cuda_route,
	.gate_route = cuda_gate_route,
	.experts = cuda_experts,
	.stream_recall = cuda_stream_recall,
	.stream_keep = cuda_stream_keep,
	.draft_join = cuda_draft_join,
	.stream_mean = cuda_stream_mean,
	.block_attention = cuda_block_attention,
	.mhc_head_sum = cuda_mhc_head_sum,
	.markov = cuda_markov,
	.sample = cuda_sample,
	.advance = cuda_advance,
	.draft_take = cuda_draft_take,
	.accept = cuda_accept,
};

/* One area serves all operations, so it is as large as the largest asks for. */
static size_t scratch(const struct cuda *c, const struct pass_shape *shape)
{
	size_t (*const of[])(const struct cuda *, const struct pass_shape *) = {
		cuda_mhc_scratch,       cuda_linear_scratch, cuda_index_scratch,
		cuda_attention_scratch, cuda_route_scratch,  cuda_experts_scratch,
		cuda_spark_scratch,     cuda_sample_scratch,
	};
	size_t most = 0;

	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		size_t n = of[i](c, shape);

		most = n > most ? n : most;
	}
	return most;
}

#define TEXT_2(s) #s
#define TEXT(s)   TEXT_2(s)

const struct cuda_target CUDA_NAME(cuda_target) = {
	.name = TEXT(CUDA_TARGET),
	.ops = &operations,
	.scratch = scratch,
	.copy_many = cuda_copy_many,
	.read = cuda_read,
	.multiply = cuda_multiply,
	.pack = cuda_pack,
	.peer_sum = cuda_peer_sum,
	.peer_sum_slices = cuda_peer_sum_slices,
	.peer_gather = cuda_peer_gather,
	.mail_sum = cuda_mail_sum,
	.mail_gather = cuda_mail_gather,
};
