/*
 * A cycle of drafting, around its passes: where its rows stand, and what is accepted of it.
 *
 * Mapping: one warp, a lane for each draft.  Floor: a launch; nothing here is larger than a few
 * cache lines.
 */
#include "kernels/cuda/device.cuh"

static __global__ void advance_kernel(const struct cycle *cycle, int n_draft, struct step *main,
				      struct step *keep, struct step *chain, int32_t *ids)
{
	kernel_begin();
	struct cycle c = *cycle;
	int i = (int)threadIdx.x;

	if (i == 0) {
		*main = {c.pos, 1 + n_draft, c.slot};
		*keep = {c.pos, n_draft, c.slot};
		*ids = c.next;
	}
	if (i < n_draft)
		chain[i] = {c.pos - 1 + i, 1, c.slot};
}

static __global__ void draft_take_kernel(const struct choice *choice, int32_t *id)
{
	kernel_begin();
	*id = choice->id < 0 ? 0 : choice->id;
}

static __global__ void accept_kernel(const int32_t *ids, const struct choice *choices,
				     int n_draft, struct cycle *cycle, struct accepted *out)
{
	kernel_begin();
	int i = (int)threadIdx.x, n;
	unsigned same;

	same = __ballot_sync(ALL_LANES, i < n_draft && choices[i].id == ids[1 + i]);
	n = __ffs((int)~same) - 1; /* n_draft < 32: some bit is 0 */
	if (i <= n_draft)
		out->ids[i] = ids[i];
	if (i == 0) {
		out->n = n;
		cycle->pos += 1 + n;
		cycle->next = choices[n].id;
	}
}

static int refuse_drafts(const char *op, int n_draft, struct err *err)
{
	if (n_draft < 1 || n_draft > DRAFT_MAX)
		return cuda_refuse(err, op, "%d drafts, expected 1 to %d", n_draft, DRAFT_MAX);
	return 0;
}

extern "C" int cuda_advance(struct backend *be, const struct advance_args *a, struct err *err)
{
	struct cuda *c = cuda_of(be);

	if (refuse_drafts("advance", a->n_draft, err))
		return err->code;
	launch_kernel(c, advance_kernel, 1, WARP, 0, (const struct cycle *)a->cycle, a->n_draft,
		      (struct step *)a->main, (struct step *)a->keep, (struct step *)a->chain,
		      (int32_t *)a->ids);
	return cuda_check_launch(c, "advance", err);
}

extern "C" int cuda_draft_take(struct backend *be, const struct draft_take_args *a,
			       struct err *err)
{
	struct cuda *c = cuda_of(be);

	launch_kernel(c, draft_take_kernel, 1, 1, 0, (const struct choice *)a->choice,
		      (int32_t *)a->id);
	return cuda_check_launch(c, "draft_take", err);
}

extern "C" int cuda_accept(struct backend *be, const struct accept_args *a, struct err *err)
{
	struct cuda *c = cuda_of(be);

	if (refuse_drafts("accept", a->n_draft, err))
		return err->code;
	launch_kernel(c, accept_kernel, 1, WARP, 0, (const int32_t *)a->ids,
		      (const struct choice *)a->choices, a->n_draft, (struct cycle *)a->cycle,
		      (struct accepted *)a->out);
	return cuda_check_launch(c, "accept", err);
}
