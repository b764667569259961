/* bench: how fast the engine is here, beside what this machine's memory allows. */
#include <getopt.h>
#include <stdlib.h>

#include "app/options.h"
#include "app/verb/bench_draft.h"
#include "app/verb/io.h"
#include "app/verb/verb.h"
#include "engine/base/clock.h"
#include "engine/engine.h"
#include "engine/measure/bench.h"

/*
 * Appends how long a short question waits for its first token, the engine's load included.  A
 * checkpoint without a tokenizer takes no question; the report then says so.
 */
static int time_first_token(const struct engine_config *config, struct buf *out, struct err *err)
{
	const struct chat_message hello = {.role = CHAT_USER, .content = STR_LIT("hello")};
	struct turn_request turn = {.chat = {.messages = &hello, .n_messages = 1},
				    .sampling = sampling_default()};
	struct engine *e = NULL;
	struct err why = {0};
	int64_t start = clock_ms();
	uint64_t number;
	bool over = false;
	int rc = engine_open(&e, config, err);

	turn.sampling.max_tokens = 1;
	if (!rc)
		rc = e->ops->submit(e, &turn, &number, err);
	while (!rc && !over) {
		struct event ev = {0};

		event_queue_pop(e->events, &ev, -1);
		over = ev.kind == EV_TEXT || ev.kind == EV_DONE || ev.kind == EV_ERROR;
		if (ev.kind == EV_ERROR)
			why = ev.err;
		event_release(&ev);
	}
	if (!rc && why.code)
		buf_addf(out, "from start to the first token: %s\n", why.text);
	else if (!rc)
		buf_addf(out, "from start to the first token of an answer: %lld ms\n",
			 (long long)(clock_ms() - start));
	if (e)
		e->ops->close(e);
	return rc;
}

int verb_bench(int argc, char **argv)
{
	static const struct option options[] = {
		{"model", required_argument, NULL, 'm'},   {"dummy", required_argument, NULL, 'd'},
		{"layers", required_argument, NULL, 'l'},  {"ctx", required_argument, NULL, 'c'},
		{"draft", no_argument, NULL, 'D'},         {"cache", no_argument, NULL, 'k'},
		{"load", no_argument, NULL, 'L'},
		VERB_ENGINE_FLAGS,
		{0},
	};
	struct engine_config config = {0};
	struct bench_request req = {.config = &config};
	int (*measure)(const struct bench_request *, struct buf *, struct err *) = bench_run;
	struct options how;
	struct buf out = {0}, dir = {0};
	struct err err = {0};
	const char *model = NULL;
	int c, at, rc = 0;

	options_default(&how);
	optind = 0;
	opterr = 0;
	while (!rc && (c = getopt_long(argc, argv, "m:", options, &at)) != -1) {
		long n = optarg ? strtol(optarg, NULL, 10) : 0;

		switch (c) {
		case 'm':
			model = optarg;
			break;
		case 'd':
			req.dummy = optarg;
			break;
		case 'l':
			req.layers = (int)n;
			break;
		case 'k':
			measure = bench_cache_run;
			break;
		case 'L':
			measure = bench_load_run;
			break;
		case 'c':
			how.ctx = n;
			break;
		case 'D':
			req.draft = true;
			break;
		case VERB_ENGINE:
			rc = option_set(&how, option_find(options[at].name), optarg, &err);
			break;
		default:
			return verb_usage("bench");
		}
	}
	if (!rc && (optind < argc || (model && req.dummy)))
		return verb_usage("bench");
	options_engine(&how, &config);
	if (!rc && !req.dummy) {
		rc = verb_model_dir(model, &dir, &err);
		config.model_dir = buf_z(&dir);
	}
	if (!rc && !req.dummy && measure == bench_run)
		rc = req.draft ? verb_bench_draft(&config, &out, &err)
			       : time_first_token(&config, &out, &err);
	if (!rc)
		rc = measure(&req, &out, &err);
	/* what was measured before something failed is worth seeing */
	if (out.len && verb_write(&out, rc ? NULL : &err) != 0 && !rc)
		rc = err.code;
	buf_release(&out);
	buf_release(&dir);
	return verb_status("bench", rc, &err);
}
