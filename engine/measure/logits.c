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
	/* Of the block drafter, a row after each single step whose next id is known; or NULL: */
	size_t block;
	int64_t n_blocks;
	int32_t *draft_ids;  /* [rows, 1 + block]: the next id first */
	float *draft_logits; /* [rows, block, vocab] */
	float *confidence;   /* [rows, block] */
};

static int forward(struct run *r, int64_t at, int n, struct err *err)
{
	/* The head is one position behind: the first call has a row less. */
	int rc = seq_forward(r->s, r->req->ids + at, n, WANT_ALL, r->logits + (size_t)at * r->vocab,
			       r->mtp ? r->mtp + (size_t)r->mtp_rows * r->vocab : NULL, err);

	r->mtp_rows = at + n - 1;
	return rc;
}

/* Greedily, after the ids before `next`. */
static int draft(struct run *r, token_id next, struct err *err)
{
	const struct sample_how best = {.top_p = 1, .n_choice = (int32_t)r->vocab};
	size_t row = (size_t)r->n_blocks++;
	int32_t *ids = r->draft_ids + row * (1 + r->block);
	struct drafts d = {
		.next = next,
		.how = &best,
		.n = (int)r->block,
		.logits = r->draft_logits + row * r->block * r->vocab,
	};
	int rc = seq_draft(r->s, &d, err);

	ids[0] = next;
	memcpy(ids + 1, d.ids, r->block * sizeof(*ids));
	memcpy(r->confidence + row * r->block, d.sure, r->block * sizeof(float));
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
	for (; !rc && at < r->req->n_ids; at++) {
		rc = forward(r, at, 1, err);
		if (!rc && r->draft_ids && at + 1 < r->req->n_ids)
			rc = draft(r, r->req->ids[at + 1], err);
	}
	return rc;
}

/* A tensor of `rows` rows, each of `by` pieces of `width`; by 0: of width elements. */
static struct tensor tensor_of(const char *name, enum dtype dtype, const void *data, int64_t rows,
			       size_t by, size_t width)
{
	struct tensor t = {.name = name, .dtype = dtype, .n_dims = by ? 3 : 2, .data = data};

	t.shape[0] = rows;
	t.shape[1] = (int64_t)(by ? by : width);
	t.shape[2] = by ? (int64_t)width : 0;
	t.n_bytes = (size_t)rows * (by ? by : 1) * width * dtype_bytes(dtype);
	return t;
}

static int write_out(const struct run *r, struct err *err)
{
	int64_t n = r->req->n_ids, rows = r->n_blocks;
	struct tensor t[5] = {tensor_of("logits", DTYPE_F32, r->logits, n, 0, r->vocab)};
	size_t n_tensors = 1;

	if (r->mtp)
		t[n_tensors++] = tensor_of("mtp_logits", DTYPE_F32, r->mtp, n - 1, 0, r->vocab);
	if (r->draft_ids) {
		t[n_tensors++] = tensor_of("draft_ids", DTYPE_I32, r->draft_ids, rows, 0, 1 + r->block);
		t[n_tensors++] = tensor_of("draft_logits", DTYPE_F32, r->draft_logits, rows, r->block,
					   r->vocab);
		t[n_tensors++] =
			tensor_of("confidence", DTYPE_F32, r->confidence, rows, 0, r->block);
	}
	return safetensors_write(r->req->out, t, n_tensors, err);
}

/* Room for what the draft head makes, whichever it is. */
static int want_drafts(struct run *r, struct err *err)
{
	const struct logits_request *req = r->req;
	size_t rows = (size_t)(req->n_ids - req->n_prefill), logits;

	r->block = model_drafts_blocks(r->m) ? (size_t)model_draft_most(r->m) : 0;
	if (!r->block) {
		if (!model_draft_most(r->m))
			return err_set(err, ERR_MODEL, "--mtp: the model has no draft head");
		logits = (size_t)req->n_ids * r->vocab * sizeof(float);
		r->mtp = malloc(logits);
		return r->mtp ? 0 : err_nomem(err, "draft logits", logits);
	}
	if (rows < 2)
		return err_set(err, ERR_USAGE,
			       "--mtp: %lld ids with a prefill of %lld: this model drafts after single "
			       "steps, expected two ids behind the prefill at least",
			       (long long)req->n_ids, (long long)req->n_prefill);
	logits = rows * r->block * r->vocab * sizeof(float);
	r->draft_ids = malloc(rows * (1 + r->block) * sizeof(*r->draft_ids));
	r->draft_logits = malloc(logits);
	r->confidence = malloc(rows * r->block * sizeof(*r->confidence));
	if (!r->draft_ids || !r->draft_logits || !r->confidence)
		return err_nomem(err, "draft logits", logits);
	return 0;
}

/* What comes after opening the model. */
static int run_model(struct run *r, struct err *err)
{
	size_t bytes;
	int rc;

	r->vocab = (size_t)model_config(r->m)->vocab;
	if (r->req->n_ids > model_ctx_tokens(r->m))
		return err_set(err, ERR_LIMIT, "logits: %lld ids, the context holds %lld",
			       (long long)r->req->n_ids, (long long)model_ctx_tokens(r->m));
	bytes = (size_t)r->req->n_ids * r->vocab * sizeof(float);
	r->logits = malloc(bytes);
	if (!r->logits)
		return err_nomem(err, "logits", bytes);
	rc = r->req->mtp ? want_drafts(r, err) : 0;
	if (!rc)
		rc = seq_new(&r->s, r->m, err);
	if (!rc)
		rc = run_all(r, err);
	return rc ? rc : write_out(r, err);
}

int logits_run(const struct engine_config *config, const struct logits_request *req,
	       struct err *err)
{
	struct model_options opt = model_options_of(config);
	struct run r = {.req = req};
	int rc;

	if (req->n_ids < 1 || req->n_prefill < 0 || req->n_prefill > req->n_ids)
		return err_set(err, ERR_USAGE, "logits: %lld ids with a prefill of %lld",
			       (long long)req->n_ids, (long long)req->n_prefill);
	opt.no_draft = !req->mtp;
	rc = model_open(&r.m, &opt, err);
	if (!rc)
		rc = run_model(&r, err);
	seq_free(r.s);
	free(r.logits);
	free(r.mtp);
	free(r.draft_ids);
	free(r.draft_logits);
	free(r.confidence);
	model_close(r.m);
	return rc;
}
