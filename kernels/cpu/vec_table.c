/* The table of this instruction set's leaves. */
#include "kernels/cpu/vec_leaf.h"

#define TEXT_OF2(x) #x
#define TEXT_OF(x)  TEXT_OF2(x)

const struct leaf LEAF(leaf) = {
	.name = TEXT_OF(CPU_TARGET),
	.matmul = LEAF(matmul),
	.matmul_exact = LEAF(matmul_exact),
	.fp4_order = LEAF(fp4_order),
	.rms_norm = LEAF(rms_norm),
	.inv_rms = LEAF(inv_rms),
	.scale = LEAF(scale),
	.mhc_mix = LEAF(mhc_mix),
	.mhc_head_mix = LEAF(mhc_head_mix),
	.mhc_post = LEAF(mhc_post),
	.kv_pack = LEAF(kv_pack),
	.kv_unpack = LEAF(kv_unpack),
	.index_pack = LEAF(index_pack),
	.index_unpack = LEAF(index_unpack),
	.pool4 = LEAF(pool4),
	.pool128 = LEAF(pool128),
	.index_turn = LEAF(index_turn),
	.index_scores = LEAF(index_scores),
	.dots = LEAF(dots),
	.softmax = LEAF(softmax),
	.mix = LEAF(mix),
	.swiglu = LEAF(swiglu),
	.add = LEAF(add),
	.read = LEAF(read),
	.multiply = LEAF(multiply),
};
