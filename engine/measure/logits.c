/* Running a sequence and writing its logits. */
#include "engine/measure/logits.h"

#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/cache/seq.h"
#include "engine/checkpoint/safetensors.h"

struct run {
	struct model *m;
	struct seq *s;
	const struct logits_request *req;
	size_t vocab;
	float *logits;      /* [n, vocab] */
	float *mtp;         /* [n - 1, vocab], or NULL */
	int64_t mtp_rows;   /* written so far */
};

static int forward(struct run *r, int64_t at, int n, struct err *err)
{
	/* The head is one position behind: the first call has a row less. */
	int rc = seq_forward(r->s, r->req->ids + at, n, WANT_ALL, r->logits + (size_t)at * r->vocab,
			       r->mtp ? r->mtp + (size_t)r->mtp_rows * r->vocab : NULL, err);

	r->mtp_rows = at + n - 1;
	return rc;
}

static int run_all(struct run *r, struct err *err)
{
	int64_t at = 0;
	int rc = 0;

	while (!rc && at < r->req->n_prefill) {
		int64_t left = r->req->n_prefill - at;
		int n = left < model_prefill_chunk(r->m) ? (int)left : model_prefill_chunk(r->m);

		rc = forward(r, at, n, err);
		at += n;
	}
	for (; !rc && at < r->req->n_ids; at++)
		rc = forward(r, at, 1, err);
	return rc;
}

static int write_out(const struct run *r, struct err *err)
{
	int64_t n = r->req->n_ids;
	struct tensor t[2] = {
		{.name = "logits", .dtype = DTYPE_F32, .n_dims = 2, .data = r->logits},
		{.name = "mtp_logits", .dtype = DTYPE_F32, .n_dims = 2, .data = r->mtp},
	};

	for (int i = 0; i < 2; i++) {
		t[i].shape[0] = n - i;
		t[i].shape[1] = (int64_t)r->vocab;
		t[i].n_bytes = (size_t)(n - i) * r->vocab * sizeof(float);
	}
	return safetensors_write(r->req->out, t, r->mtp ? 2 : 1, err);
}

int logits_run(const struct engine_config *config, const struct logits_request *req,
	       struct err *err)
{
	struct model_options opt = model_options_of(config);
	struct run r = {.req = req};
	size_t bytes;
	int rc;

	if (req->n_ids < 1 || req->n_prefill < 0 || req->n_prefill > req->n_ids)
		return err_set(err, ERR_USAGE, "logits: %lld ids with a prefill of %lld",
			       (long long)req->n_ids, (long long)req->n_prefill);
	rc = model_open(&r.m, &opt, err);
	if (rc)
		return rc;
	r.vocab = (size_t)model_config(r.m)->vocab;
	if (req->n_ids > model_ctx_tokens(r.m)) {
		rc = err_set(err, ERR_LIMIT, "logits: %lld ids, the context holds %lld",
			     (long long)req->n_ids, (long long)model_ctx_tokens(r.m));
		goto done;
	}
	bytes = (size_t)req->n_ids * r.vocab * sizeof(float);
	if (req->mtp && model_config(r.m)->n_draft_layers != 1) {
		rc = err_set(err, ERR_MODEL, "%s: no one-token draft head, which --mtp needs",
			     config->model_dir);
		goto done;
	}
	r.logits = malloc(bytes);
	r.mtp = req->mtp ? malloc(bytes) : NULL;
	if (!r.logits || (req->mtp && !r.mtp)) {
		rc = err_nomem(err, "logits", bytes);
		goto done;
	}
	rc = seq_new(&r.s, r.m, err);
	if (!rc)
		rc = run_all(&r, err);
	if (!rc)
		rc = write_out(&r, err);
done:
	seq_free(r.s);
	free(r.logits);
	free(r.mtp);
	model_close(r.m);
	return rc;
}
