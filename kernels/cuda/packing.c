/* Experts that are to be packed when all their bytes have arrived: a list. */
#include "kernels/cuda/private.h"

#include <stdlib.h>

struct packing {
	struct packing *next;
	struct pack_experts what;
};

int packing_add(struct packing **list, const struct pack_experts *what, struct err *err)
{
	struct packing *k = malloc(sizeof(*k));

	if (!k)
		return err_nomem(err, "packing experts", sizeof(*k));
	*k = (struct packing){*list, *what};
	*list = k;
	return 0;
}

int packing_run(const struct packing *list, struct cuda *c, struct err *err)
{
	int rc = 0;

	for (; list && !rc; list = list->next)
		rc = c->target->pack(c, &list->what, err);
	return rc ? rc : cuda_fail(cudaStreamSynchronize(c->stream), "packing experts", err);
}

void packing_drop(struct packing **list)
{
	while (*list) {
		struct packing *next = (*list)->next;

		free(*list);
		*list = next;
	}
}
