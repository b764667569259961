/* One matrix over the rows of a call. */
#include "engine/pass/model_internal.h"

int run_linear(struct model *m, const struct weight *w, int n_tok, dbuf x, dbuf y, int out_f32,
	       struct err *err)
{
	struct linear_args args = {
		.n_tok = n_tok,
		.n_group = 1,
		.out_f32 = out_f32,
		.w = *w,
		.x = x,
		.y = y,
	};

	return m->be->ops->linear(m->be, &args, err);
}
