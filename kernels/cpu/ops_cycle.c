/* A cycle of drafting, around its passes: where its rows stand, and what is accepted of it. */
#include "kernels/cpu/cpu.h"

int cpu_advance(struct backend *be, const struct advance_args *a, struct err *err)
{
	const struct cycle *c = (const struct cycle *)(const void *)a->cycle;
	struct step *chain = (struct step *)(void *)a->chain;

	(void)be;
	(void)err;
	*(struct step *)(void *)a->main = (struct step){c->pos, 1 + a->n_draft, c->slot};
	*(struct step *)(void *)a->keep = (struct step){c->pos, a->n_draft, c->slot};
	for (int i = 0; i < a->n_draft; i++)
		chain[i] = (struct step){c->pos - 1 + i, 1, c->slot};
	*(int32_t *)(void *)a->ids = c->next;
	return 0;
}

int cpu_draft_take(struct backend *be, const struct draft_take_args *a, struct err *err)
{
	const struct choice *c = (const struct choice *)(const void *)a->choice;

	(void)be;
	(void)err;
	*(int32_t *)(void *)a->id = c->id < 0 ? 0 : c->id;
	return 0;
}

int cpu_accept(struct backend *be, const struct accept_args *a, struct err *err)
{
	const int32_t *ids = (const int32_t *)(const void *)a->ids;
	const struct choice *choices = (const struct choice *)(const void *)a->choices;
	struct cycle *c = (struct cycle *)(void *)a->cycle;
	struct accepted *out = (struct accepted *)(void *)a->out;
	int n = 0;

	(void)be;
	(void)err;
	while (n < a->n_draft && choices[n].id == ids[1 + n])
		n++;
	out->n = n;
	for (int i = 0; i <= a->n_draft; i++)
		out->ids[i] = ids[i];
	c->pos += 1 + n;
	c->next = choices[n].id;
	return 0;
}
