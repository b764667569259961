/* Opening a model for some ranks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/ranks.h"

struct model_options ranks_options(const char *dir, int n_ranks)
{
	return (struct model_options){
		.dir = dir,
		.backend = "cpu",
		.n_threads = 1,
		.ctx_tokens = 1024,
		.prefill_chunk = 64,
		.n_slots = 2,
		.keeps = true,
		.kept_bytes = 1,
		.n_ranks = n_ranks,
	};
}

struct model *ranks_open(const char *dir, int n_ranks)
{
	const struct model_options opt = ranks_options(dir, n_ranks);
	struct err err = {0};
	struct model *m;

	if (model_open(&m, &opt, &err))
		fail_msg("%s", err.text);
	return m;
}
