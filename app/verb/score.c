/* score: the perplexity of a text. */
#include <getopt.h>
#include <limits.h>
#include <math.h>

#include "app/options.h"
#include "app/verb/io.h"
#include "app/verb/verb.h"
#include "engine/base/file.h"
#include "engine/engine.h"
#include "engine/measure/score.h"

#define TEXT_MAX_BYTES ((size_t)256 << 20)

static int read_options(struct engine_config *config, const char **model, int argc, char **argv,
			struct err *err)
{
	static const struct option options[] = {
		{"model", required_argument, NULL, 'm'}, {"ctx", required_argument, NULL, 'c'},
		{"chunk", required_argument, NULL, 'k'}, VERB_ENGINE_FLAGS,
		{0},
	};
	struct options how;
	long n = 0;
	int c, at, rc = 0;

	options_default(&how);
	optind = 0;
	opterr = 0;
	while (!rc && (c = getopt_long(argc, argv, "m:", options, &at)) != -1) {
		switch (c) {
		case 'm':
			*model = optarg;
			break;
		case 'c':
			rc = verb_number("--ctx", optarg, INT_MAX, &n, err);
			how.ctx = n;
			break;
		case 'k':
			rc = verb_number("--chunk", optarg, INT_MAX, &n, err);
			config->prefill_chunk = (int)n;
			break;
		case VERB_ENGINE:
			rc = option_set(&how, option_find(options[at].name), optarg, err);
			break;
		default:
			return verb_usage("score");
		}
	}
	n = config->prefill_chunk;
	options_engine(&how, config);
	config->prefill_chunk = (int)n;
	return rc || optind + 1 == argc ? rc : verb_usage("score");
}

int verb_score(int argc, char **argv)
{
	struct engine_config config = {0};
	struct buf dir = {0}, text = {0}, out = {0};
	struct err err = {0};
	const char *model = NULL;
	struct score score = {0};
	int rc = read_options(&config, &model, argc, argv, &err);

	if (rc > 0)
		return rc;
	if (!rc)
		rc = verb_model_dir(model, &dir, &err);
	config.model_dir = buf_z(&dir);
	if (!rc)
		rc = file_read_any(&text, argv[optind], TEXT_MAX_BYTES, &err);
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
