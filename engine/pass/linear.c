/* One matrix over the rows of a call, or several over the same rows. */
#include "engine/pass/model_internal.h"

struct linear_args linear_over(const struct weight *w, int n_tok, dbuf x, dbuf y, int out_f32)
{
	return (struct linear_args){
		.n_tok = n_tok,
		.n_group = 1,
		.out_f32 = out_f32,
		.w = *w,
		.x = x,
		.y = y,
	};
}

int run_linear(struct model *m, const struct weight *w, int n_tok, dbuf x, dbuf y, int out_f32,
	       struct err *err)
{
	struct linear_args args = linear_over(w, n_tok, x, y, out_f32);

	return m->be->ops->linear(m->be, &args, err);
}

void batch_linear(struct linear_batch_args *b, const struct weight *w, int n_tok, dbuf x,
		  dbuf y, int out_f32)
{
	b->part[b->n++] = linear_over(w, n_tok, x, y, out_f32);
}

int run_batch(struct model *m, const struct linear_batch_args *b, struct err *err)
{
	int rc = 0;

	if (m->be->ops->linear_batch)
		return m->be->ops->linear_batch(m->be, b, err);
	for (int i = 0; i < b->n && !rc; i++)
		rc = m->be->ops->linear(m->be, &b->part[i], err);
	return rc;
}
