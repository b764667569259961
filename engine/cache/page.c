/* A page of the pool as one piece of host memory. */
#include <string.h>

#include "engine/cache/tree_internal.h"
#include "engine/pass/model_internal.h"

int page_get(struct model *m, int32_t page, int tokens, unsigned char *out, struct err *err)
{
	for (int i = 0; i < model_n_cached_layers(m); i++) {
		struct layer_layout l = model_layer_layout(m, i);

		for (int k = 0; k < N_LAYER_ROWS; k++) {
			size_t all = layout_page_bytes(l.rows[k]), n;
			int rc;

			if (!all)
				continue;
			/* Rows behind these may be another continuation's. */
			n = (size_t)(tokens / l.rows[k].tokens) * l.rows[k].row_bytes;
			rc = n ? m->be->get(m->be, out,
					    m->caches[i].rows[k] + (size_t)page * all, n, err)
			       : 0;
			if (rc)
				return rc;
			memset(out + n, 0, all - n);
			out += all;
		}
	}
	return 0;
}

struct put_job {
	int32_t page;
	const unsigned char *in;
};

static int put_page(struct model *m, void *ctx, struct err *err)
{
	const struct put_job *j = ctx;
	const unsigned char *in = j->in;

	for (int i = 0; i < model_n_cached_layers(m); i++) {
		struct layer_layout l = model_layer_layout(m, i);

		for (int k = 0; k < N_LAYER_ROWS; k++) {
			size_t all = layout_page_bytes(l.rows[k]);
			int rc = all ? m->be->put(m->be,
						  m->caches[i].rows[k] + (size_t)j->page * all,
						  in, all, err)
				     : 0;

			if (rc)
				return rc;
			in += all;
		}
	}
	return 0;
}

int page_put(struct model *m, int32_t page, const unsigned char *in, struct err *err)
{
	struct put_job j = {page, in};

	return team_run(m, put_page, &j, err);
}
