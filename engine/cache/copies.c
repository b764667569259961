/* Gathering copies until they are worth a call. */
#include "engine/cache/copies.h"

void copies_init(struct copies *c, struct backend *be)
{
	c->be = be;
	c->n = 0;
}

int copies_add(struct copies *c, dbuf dst, dbuf src, size_t bytes, struct err *err)
{
	int rc = c->n == COPIES_AT_ONCE ? copies_issue(c, err) : 0;

	if (!rc)
		c->v[c->n++] = (struct copy_part){dst, src, bytes};
	return rc;
}

int copies_issue(struct copies *c, struct err *err)
{
	int n = c->n, rc = 0;

	c->n = 0;
	if (c->be->copy_many)
		return n ? c->be->copy_many(c->be, c->v, n, err) : 0;
	for (int i = 0; i < n && !rc; i++)
		rc = c->be->copy(c->be, c->v[i].dst, c->v[i].src, c->v[i].bytes, err);
	return rc;
}
