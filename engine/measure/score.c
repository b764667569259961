/* Summing the surprise over a text. */
#include "engine/measure/score.h"

#include <math.h>
#include <stdlib.h>

#include "engine/engine.h"
#include "engine/text/prompt.h"
#include "engine/text/tokenizer.h"
#include "engine/text/tokens.h"
#include "engine/cache/seq.h"

/* -log p(id), by log-sum-exp in double */
static double surprise(const float *logits, size_t vocab, token_id id)
{
	double max = (double)logits[0], sum;

	for (size_t i = 1; i < vocab; i++)
		max = fmax(max, (double)logits[i]);
	sum = exp((double)logits[0] - max);
	for (size_t i = 1; i < vocab; i++)
		sum += exp((double)logits[i] - max);
	return max + log(sum) - (double)logits[id];
}

/* One context: ids[0] is given, each of the others is predicted. */
static int score_context(struct seq *s, const token_id *ids, int64_t n, size_t vocab, int chunk,
			 float *logits, struct score *out, struct err *err)
{
	int rc = seq_truncate(s, 0, err);

	for (int64_t at = 0; !rc && at < n - 1; at += chunk) {
		int rows = n - 1 - at < chunk ? (int)(n - 1 - at) : chunk;

		rc = seq_forward(s, ids + at, rows, WANT_ALL, logits, NULL, err);
		for (int i = 0; !rc && i < rows; i++) {
			double nats = surprise(logits + (size_t)i * vocab, vocab, ids[at + i + 1]);

			if (!isfinite(nats))
				return err_set(err, ERR_MODEL,
					       "logits at token %lld are not finite numbers",
					       (long long)(at + i));
			out->nats += nats;
			out->n_tokens++;
		}
	}
	return rc;
}

int score_text(const struct engine_config *config, struct str text, struct score *out,
	       struct err *err)
{
	struct model_options opt = model_options_of(config);
	struct tokenizer *tok = NULL;
	struct tokens ids = {0};
	struct model *m = NULL;
	struct seq *s = NULL;
	float *logits = NULL;
	size_t vocab = 0;
	int rc;

	*out = (struct score){0};
	opt.no_draft = true;
	rc = tokenizer_open(&tok, config->model_dir, err);
	if (!rc)
		rc = prompt_encode_raw(text, tok, &ids, NULL, err);
	if (!rc && ids.n < 2)
		rc = err_set(err, ERR_USAGE, "nothing to score: the text has no tokens");
	if (!rc)
		rc = model_open(&m, &opt, err);
	if (!rc) {
		vocab = (size_t)model_config(m)->vocab;
		logits = malloc((size_t)model_prefill_chunk(m) * vocab * sizeof(float));
		if (!logits)
			rc = err_nomem(err, "logits", vocab * sizeof(float));
	}
	if (!rc)
		rc = seq_new(&s, m, err);
	/* Contexts overlap by one token: the last of one is what the next begins with. */
	for (size_t at = 0; !rc && at + 1 < ids.n;) {
		size_t n = ids.n - at, ctx = (size_t)model_ctx_tokens(m);

		n = n < ctx ? n : ctx;
		rc = score_context(s, ids.ids + at, (int64_t)n, vocab, model_prefill_chunk(m), logits,
				   out, err);
		at += n > 1 ? n - 1 : 1;
	}
	seq_free(s);
	free(logits);
	model_close(m);
	tokens_release(&ids);
	tokenizer_close(tok);
	return rc;
}
