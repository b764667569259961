/* score: the perplexity of a text. */
#include <getopt.h>
#include <math.h>
#include <stdlib.h>

#include "app/question.h"
#include "app/verb/verb.h"
#include "app/verb/io.h"
#include "engine/base/file.h"
#include "engine/engine.h"

int verb_score(int argc, char **argv)
{
	static const struct option options[] = {
		{"model", required_argument, NULL, 'm'}, {"ctx", required_argument, NULL, 'c'},
		{"chunk", required_argument, NULL, 'k'}, {"threads", required_argument, NULL, 't'},
		{0},
	};
	struct engine_config config = {0};
	struct buf dir = {0}, text = {0}, out = {0};
	struct err err = {0};
	const char *model = NULL;
	struct score score;
	int c, rc;

	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "m:", options, NULL)) != -1) {
		switch (c) {
		case 'm':
			model = optarg;
			break;
		case 'c':
			config.ctx_tokens = strtol(optarg, NULL, 10);
			break;
		case 'k':
			config.prefill_chunk = (int)strtol(optarg, NULL, 10);
			break;
		case 't':
			config.n_threads = (int)strtol(optarg, NULL, 10);
			break;
		default:
			return verb_usage("score");
		}
	}
	if (optind + 1 != argc)
		return verb_usage("score");
	rc = verb_model_dir(model, &dir, &err);
	config.model_dir = buf_z(&dir);
	if (!rc)
		rc = file_read(&text, argv[optind], QUESTION_MAX_BYTES, &err);
	if (!rc)
		rc = score_text(&config, buf_str(&text), &score, &err);
	if (!rc) {
		double mean = score.nats / (double)score.n_tokens;

		buf_addf(&out, "tokens %lld, perplexity %.4f, %.4f nats a token, %.4f bits a byte\n",
			 (long long)score.n_tokens, exp(mean), mean,
			 score.nats / log(2) / (double)text.len);
		rc = verb_write(&out, &err);
	}
	buf_release(&dir);
	buf_release(&text);
	buf_release(&out);
	return verb_status("score", rc, &err);
}
