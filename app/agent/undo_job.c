/* Looking at files and changing them: jobs of the runner, one after another, that are waited
 * for. */
#include "app/agent/machine.h"
#include "app/agent/undoing.h"

#define WAIT_MS   30000
#define JOB_FILES 1024       /* of one job */
#define JOB_BYTES (8u << 20) /* of what they are to hold, but for the last */

/* ---- one job ---- */

static int run(const struct undo *u, enum job_phase phase, const struct buf *plan,
	       struct job_news *n, struct err *err)
{
	const struct agent_config *c = &u->agent->config;
	const struct job j = {
		.tool = STR_LIT(UNDO_TOOL),
		.arguments = STR_LIT("{}"),
		.grade = phase == JOB_APPLY && !c->read_only ? GRADE_WRITE : GRADE_READ,
		.phase = phase,
		.plan = buf_str(plan),
	};
	struct err ignored;
	uint64_t id;
	int rc = buf_failed(plan) ? err_nomem(err, "files", plan->len)
				  : runner_run(c->runner, &j, &id, err);

	/* One that died since the last turn is started anew. */
	if (rc == ERR_FAILED && !runner_restart(c->runner, err))
		rc = runner_run(c->runner, &j, &id, err);
	if (!rc) {
		rc = runner_await(c->runner, id, WAIT_MS, n, err);
		/* What it does is of no more use, and another job may come. */
		if (rc == ERR_TIMEOUT)
			runner_restart(c->runner, &ignored);
	}
	if (!rc && n->state != TOOL_OK)
		rc = err_set(err, ERR_FAILED, "%.300s", buf_z(&n->text));
	return rc;
}

/* ---- looking ---- */

static int take_found(struct undoing_file *f, const struct undo_found *found, struct err *err)
{
	f->outcome = found->outcome;
	buf_reset(&f->why);
	buf_adds(&f->why, found->why);
	return buf_failed(&f->why) ? err_nomem(err, "files", found->why.n) : 0;
}

static int take_look(struct undoing_file *f, const struct undo_found *found, struct err *err)
{
	int rc = take_found(f, found, err);

	f->is = found->is;
	buf_adds(&f->bytes, found->bytes);
	return !rc && buf_failed(&f->bytes) ? err_nomem(err, "files", found->bytes.n) : rc;
}

static void add_file(struct buf *plan, const struct undoing_file *f, struct str content)
{
	const struct undo_file file = {.root = f->root,
				       .path = f->path,
				       .now = f->now,
				       .then = f->then,
				       .made_dirs = f->made_dirs,
				       .content = content};

	undo_add_file(plan, &file);
}

/* From `at` on, as far as one job goes; *at is behind them then. */
static int look_at_some(struct undo *u, size_t *at, struct err *err)
{
	size_t end = u->n_files - *at < JOB_FILES ? u->n_files : *at + JOB_FILES, from = *at;
	struct job_news n = {0};
	struct undo_found found;
	struct buf plan = {0};
	struct str rest;
	int rc;

	for (size_t i = from; i < end; i++)
		add_file(&plan, &u->files[i], (struct str){"", 0});
	rc = run(u, JOB_PREPARE, &plan, &n, err);
	rest = buf_str(&n.files);
	for (; !rc && *at < end && undo_take_found(&rest, &found); ++*at)
		rc = take_look(&u->files[*at], &found, err);
	if (!rc && *at == from)
		rc = err_set(err, ERR_FAILED, "the tools' process told nothing of the files");
	job_news_release(&n);
	buf_release(&plan);
	return rc;
}

int undoing_look(struct undo *u, struct err *err)
{
	size_t at = 0;
	int rc = 0;

	while (!rc && at < u->n_files)
		rc = look_at_some(u, &at, err);
	return rc;
}

/* ---- changing ---- */

static int add_content(const struct undo *u, const struct undoing_file *f, struct buf *out,
		       struct err *err)
{
	struct history *h = u->talks->store;
	int64_t id = u->edits.items[f->last].id;

	if (!f->then.exists)
		return 0;
	return u->way == UNDO_BACK ? history_edit_before(h, id, out, err)
				   : history_edit_after(h, id, out, err);
}

struct batch {
	struct buf plan;
	size_t v[JOB_FILES], n;
};

/* Those that fit, from `at` on, as many as one job takes. */
static int fill(const struct undo *u, size_t *at, struct batch *b, struct err *err)
{
	int rc = 0;

	for (; !rc && *at < u->n_files && b->n < JOB_FILES && b->plan.len < JOB_BYTES; ++*at) {
		const struct undoing_file *f = &u->files[*at];
		struct buf content = {0};

		if (f->outcome != UNDO_FITS || f->unkept)
			continue;
		rc = add_content(u, f, &content, err);
		if (!rc)
			add_file(&b->plan, f, (struct str){buf_z(&content), content.len});
		b->v[b->n++] = *at;
		buf_release(&content);
	}
	return rc;
}

static int apply_some(struct undo *u, size_t *at, struct batch *b, struct err *err)
{
	struct job_news n = {0};
	struct undo_found found;
	struct str rest;
	size_t i = 0;
	int rc = fill(u, at, b, err);

	if (!rc && b->n)
		rc = run(u, JOB_APPLY, &b->plan, &n, err);
	rest = buf_str(&n.files);
	while (!rc && i < b->n && undo_take_found(&rest, &found))
		rc = take_found(&u->files[b->v[i++]], &found, err);
	if (!rc && i < b->n)
		rc = err_set(err, ERR_FAILED, "the tools' process told nothing of the files");
	job_news_release(&n);
	return rc;
}

int undoing_apply(struct undo *u, struct err *err)
{
	size_t at = 0;
	int rc = 0;

	while (!rc && at < u->n_files) {
		struct batch b = {0};

		rc = apply_some(u, &at, &b, err);
		buf_release(&b.plan);
	}
	return rc;
}
