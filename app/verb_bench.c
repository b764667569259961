/* bench: how fast the engine is here, beside what this machine's memory allows. */
#include <getopt.h>
#include <stdlib.h>

#include "app/verb.h"
#include "app/verb_io.h"
#include "engine/engine.h"

int verb_bench(struct app *app, int argc, char **argv)
{
	static const struct option options[] = {
		{"model", required_argument, NULL, 'm'},   {"dummy", required_argument, NULL, 'd'},
		{"layers", required_argument, NULL, 'l'},  {"ctx", required_argument, NULL, 'c'},
		{"threads", required_argument, NULL, 't'}, {0},
	};
	struct bench_request req = {0};
	struct buf out = {0}, dir = {0};
	struct err err = {0};
	int c, rc = 0;

	(void)app;
	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "m:", options, NULL)) != -1) {
		long n = optarg ? strtol(optarg, NULL, 10) : 0;

		switch (c) {
		case 'm':
			req.model_dir = optarg;
			break;
		case 'd':
			req.dummy = optarg;
			break;
		case 'l':
			req.layers = (int)n;
			break;
		case 'c':
			req.max_ctx = n;
			break;
		case 't':
			req.n_threads = (int)n;
			break;
		default:
			return verb_usage("bench");
		}
	}
	if (optind < argc || (req.model_dir && req.dummy))
		return verb_usage("bench");
	if (!req.dummy) {
		rc = verb_model_dir(req.model_dir, &dir, &err);
		req.model_dir = buf_z(&dir);
	}
	if (!rc)
		rc = bench_run(&req, &out, &err);
	/* what was measured before something failed is worth seeing */
	if (out.len && verb_write(&out, rc ? NULL : &err) != 0 && !rc)
		rc = err.code;
	buf_release(&out);
	buf_release(&dir);
	return verb_status("bench", rc, &err);
}
