/*
 * One call of a tool, for scripts: prints what the model is told.
 *
 *   run LAYER GRADE WORKSPACE TOOL ARGUMENTS
 *
 * LAYER: bubblewrap, bubblewrap-proc, landlock: no other one; off.  GRADE: bits, as enum
 * tool_grade.  ARGUMENTS: a JSON object, or of the shell the command as it is.  A file is
 * changed as if the user had agreed; with $BEFORE_APPLY, after that command was run.  Exits 0:
 * the tool says it is well; 1: not; 77: the layer does not work on this machine; 2: something
 * else.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/tools/tools.h"
#include "engine/base/jsonw.h"

#define BROKEN  2
#define SKIPPED 77

static enum sandbox_layer layer_of(const char *name)
{
	for (int l = 0; l < SANDBOX_NONE; l++)
		if (strcmp(name, sandbox_layer_name((enum sandbox_layer)l)) == 0)
			return (enum sandbox_layer)l;
	fprintf(stderr, "%s: no such layer\n", name);
	exit(BROKEN);
}

static struct runner *start(enum sandbox_layer layer, const char *dir)
{
	const struct str own = str_of(getenv("OWN_FOLDER"));
	struct runner_config c = {.workspace = {.dir = str_of(dir),
						.named = true,
						.home = str_of(getenv("HOME")),
						.own = &own,
						.n_own = own.n ? 1 : 0},
				  .spill_root = str_of(getenv("SPILL_ROOT")),
				  .sandbox = layer};
	struct runner *r = NULL;
	struct err err = {0};
	struct str why;

	if (runner_start(&r, &c, &err)) {
		fprintf(stderr, "%s\n", err.text);
		exit(BROKEN);
	}
	if (runner_sandbox(r, &why) == layer)
		return r;
	fprintf(stderr, "%.*s", (int)why.n, why.p);
	runner_close(r);
	exit(SKIPPED);
}

static enum tool_state run(struct runner *r, const struct job *j, struct buf *plan)
{
	struct job_news n = {0};
	struct err err = {0};
	enum tool_state state;
	uint64_t id;
	int rc = runner_run(r, j, &id, &err);

	if (rc) {
		fprintf(stderr, "%s\n", err.text);
		exit(BROKEN);
	}
	do {
		struct pollfd p = {.fd = runner_fd(r), .events = POLLIN};

		job_news_release(&n);
		poll(&p, 1, -1);
		rc = runner_next(r, &n);
	} while (rc >= 0 && (rc == 0 || n.kind != JOB_DONE));
	if (rc < 0) {
		fprintf(stderr, "the runner is gone\n");
		exit(BROKEN);
	}
	state = n.state;
	if (j->phase != JOB_PREPARE || state != TOOL_OK)
		printf("%.*s\n", (int)n.text.len, buf_z(&n.text));
	buf_adds(plan, buf_str(&n.plan));
	job_news_release(&n);
	return state;
}

int main(int argc, char **argv)
{
	struct job j = {.timeout_ms = 20000, .spill_folder = STR_LIT("talk")};
	struct buf args = {0}, plan = {0}, none = {0};
	enum tool_state state;
	struct runner *r;

	if (runner_is_called(argv))
		return runner_main(argv);
	if (argc != 6)
		return BROKEN;
	r = start(layer_of(argv[1]), argv[3]);
	j.grade = (unsigned)atoi(argv[2]);
	j.tool = str_of(argv[4]);
	j.arguments = str_of(argv[5]);
	if (str_is(j.tool, "shell")) {
		buf_addz(&args, "{\"command\": ");
		json_add_quoted(&args, str_of(argv[5]));
		buf_addz(&args, "}");
		j.arguments = buf_str(&args);
		if (getenv("TIMEOUT_MS"))
			j.timeout_ms = atoi(getenv("TIMEOUT_MS"));
	}
	if (str_is(j.tool, "edit_file") || str_is(j.tool, "write_file"))
		j.phase = JOB_PREPARE;
	state = run(r, &j, &plan);
	if (j.phase == JOB_PREPARE && state == TOOL_OK) {
		if (getenv("BEFORE_APPLY") && system(getenv("BEFORE_APPLY")) != 0)
			return BROKEN;
		j.phase = JOB_APPLY;
		j.plan = buf_str(&plan);
		state = run(r, &j, &none);
	}
	runner_close(r);
	buf_release(&args);
	buf_release(&plan);
	buf_release(&none);
	return state == TOOL_OK ? 0 : 1;
}
