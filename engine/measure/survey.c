/*
 * A look at the machine and at a checkpoint's headers.
 */
#include "engine/measure/survey.h"

#include "engine/checkpoint/plan.h"
#include "engine/checkpoint/weights.h"
#include "engine/engine.h"
#include "engine/pass/model.h"
#include "kernels/backend.h"

int survey_backends(struct buf *out, int *n_ready)
{
	return backend_describe(out, n_ready);
}

static int survey_files(const char *dir, struct buf *out, struct err *err)
{
	struct model_config cfg;
	struct safetensors *st = NULL;
	size_t n_extra = 0;
	char bytes[32];
	int rc = model_config_read(dir, &cfg, err);

	if (!rc)
		rc = safetensors_open(&st, dir, err);
	if (!rc)
		rc = weights_check(&cfg, st, &n_extra, err);
	if (!rc) {
		buf_addf(out, "%zu tensors in %zu %s, %s", safetensors_count(st),
			 safetensors_n_shards(st),
			 safetensors_n_shards(st) == 1 ? "shard" : "shards",
			 bytes_text(bytes, safetensors_bytes(st)));
		if (n_extra)
			buf_addf(out, "; %zu tensors are not used", n_extra);
	}
	safetensors_close(st);
	return rc;
}

int survey_model(const struct engine_config *config, struct buf *files, struct buf *table,
		 struct err *err)
{
	struct model_options opt = model_options_of(config);
	struct memory_plan plan;
	int rc = survey_files(config->model_dir, files, err);

	opt.keeps = true;
	if (!rc)
		rc = model_plan(&opt, &plan, err);
	if (rc)
		return rc;
	plan_add_table(&plan, table);
	return plan_check(&plan, err);
}
