/*
 * Runs: issued once, recorded as a graph, replayed from then on; and what their phases took.
 * Of ranks that do not write to each other's memory (comm.c) they are issued each time instead.
 *
 * A mark is an event in the recording, so a replay writes it anew.  Events are read before the
 * recording runs again or another one does: only timing pays for that wait.
 */
#include "kernels/cuda/hosted.h"
#include "kernels/cuda/private.h"

#include <stdlib.h>
#include <string.h>

struct mark {
	cudaEvent_t event;
	int phase; /* of what was issued since the mark before; -1: the run's beginning */
};

struct recording {
	struct recording *next;
	uint64_t key;
	cudaGraphExec_t exec;
	struct mark *marks;
	int n_marks, cap;
	uint32_t asks; /* of the host, see hosted.h */
};

static void recording_free(struct recording *r)
{
	if (!r)
		return;
	if (r->exec)
		(void)cudaGraphExecDestroy(r->exec);
	for (int i = 0; i < r->n_marks; i++)
		(void)cudaEventDestroy(r->marks[i].event);
	free(r->marks);
	free(r);
}

void graph_forget(struct backend *be)
{
	struct cuda *c = cuda_of(be);

	(void)cudaStreamSynchronize(c->stream);
	while (c->recordings) {
		struct recording *next = c->recordings->next;

		recording_free(c->recordings);
		c->recordings = next;
	}
	c->unread = NULL;
	scratch_forget(c);
}

static int is_issued(const struct cuda *c)
{
	return c->comm && comm_issues_runs(c->comm);
}

/* -------------------------------------------------------------------- marks */

static int add_mark(struct cuda *c, struct recording *r, int phase, struct err *err)
{
	cudaEvent_t event = NULL;
	int rc;

	if (r->n_marks == r->cap) {
		int cap = r->cap ? 2 * r->cap : 64;
		struct mark *grown = realloc(r->marks, (size_t)cap * sizeof(*grown));

		if (!grown)
			return err_nomem(err, "marks", (size_t)cap * sizeof(*grown));
		r->marks = grown;
		r->cap = cap;
	}
	rc = cuda_fail(cudaEventCreate(&event), "mark", err);
	if (rc)
		return rc;
	r->marks[r->n_marks++] = (struct mark){event, phase};
	c->behind_other = 1;
	return cuda_fail(cudaEventRecordWithFlags(event, c->stream,
						  is_issued(c) ? cudaEventRecordDefault
								  : cudaEventRecordExternal),
			 "mark", err);
}

int graph_mark(struct backend *be, int phase, struct err *err)
{
	struct cuda *c = cuda_of(be);

	if (!c->timing || !c->recording)
		return 0;
	if (phase < 0 || phase >= CUDA_PHASES)
		return cuda_refuse(err, "mark", "phase %d, expected 0 to %d", phase,
				   CUDA_PHASES - 1);
	return add_mark(c, c->recording, phase, err);
}

/* Adds what the last run's phases took. */
static int read_marks(struct cuda *c, struct err *err)
{
	struct recording *r = c->unread;
	int rc;

	c->unread = NULL;
	if (!r || r->n_marks < 2)
		return 0;
	rc = cuda_fail(cudaEventSynchronize(r->marks[r->n_marks - 1].event), "marks", err);
	for (int i = 1; i < r->n_marks && !rc; i++) {
		float ms = 0;

		rc = cuda_fail(
			cudaEventElapsedTime(&ms, r->marks[i - 1].event, r->marks[i].event),
			"marks", err);
		c->phase[r->marks[i].phase] += (double)ms / 1e3;
	}
	return rc;
}

void graph_time_phases(struct backend *be, int on)
{
	struct cuda *c = cuda_of(be);

	c->timing = on;
	c->unread = NULL;
	memset(c->phase, 0, sizeof(c->phase));
}

int graph_phase_seconds(struct backend *be, double *sum, int n, struct err *err)
{
	struct cuda *c = cuda_of(be);
	int rc = read_marks(c, err);

	for (int i = 0; i < n && i < CUDA_PHASES; i++)
		sum[i] += c->phase[i];
	memset(c->phase, 0, sizeof(c->phase));
	return rc;
}

/* --------------------------------------------------------------------- runs */

/* What body issues, with its marks. */
static int issue(struct cuda *c, struct recording *r, int (*body)(void *, struct err *),
		 void *ctx, struct err *err)
{
	int rc = 0;

	c->recording = r;
	c->behind_other = 1;
	if (c->timing)
		rc = add_mark(c, r, -1, err);
	if (!rc)
		rc = body(ctx, err);
	c->recording = NULL;
	return rc;
}

/*
 * Records what body issues.  The capture is relaxed, so that it may load a kernel or let
 * scratch grow; what body returns counts before what became of the capture.
 */
static int record(struct cuda *c, struct recording *r, int (*body)(void *, struct err *),
		  void *ctx, struct err *err)
{
	cudaGraph_t graph = NULL;
	cudaError_t ended;
	int rc = cuda_fail(cudaStreamBeginCapture(c->stream, cudaStreamCaptureModeRelaxed),
			   "recording a run", err);

	if (rc)
		return rc;
	c->hosted.records = 1;
	c->hosted.asks = 0;
	rc = issue(c, r, body, ctx, err);
	c->hosted.records = 0;
	r->asks = c->hosted.asks;
	ended = cudaStreamEndCapture(c->stream, &graph);
	if (!rc)
		rc = cuda_fail(ended, "recording a run", err);
	if (!rc)
		rc = cuda_fail(cudaGraphInstantiate(&r->exec, graph, 0), "recorded run", err);
	if (graph)
		(void)cudaGraphDestroy(graph);
	(void)cudaGetLastError();
	return rc;
}

/*
 * One that runs once stays until the next of its kind, or until all are forgotten.  What was
 * issued has left nothing but marks, which may go while they are under way; and a wait for it
 * would not end where another rank does not come to one of NCCL's sums (comm_wait()).
 */
static void keep(struct cuda *c, struct recording *r)
{
	struct recording **at = &c->recordings, *old;

	while (r->key == RUN_ONCE && *at && (*at)->key != RUN_ONCE)
		at = &(*at)->next;
	old = r->key == RUN_ONCE ? *at : NULL;
	if (old) {
		*at = old->next;
		if (old->exec)
			(void)cudaStreamSynchronize(c->stream); /* it may still run */
		recording_free(old);
	}
	r->next = c->recordings;
	c->recordings = r;
}

/*
 * Ranks launch when all have issued, and go on when all have launched: so none allocates or
 * loads code while another's kernel waits for what it has not launched.
 */
static int launch(struct cuda *c, const struct recording *r, struct err *err)
{
	int rc;

	if (!r->exec) /* it was issued, and not recorded */
		return 0;
	rc = c->comm ? comm_meet(c->comm, err) : 0;
	c->behind_other = 1;
	if (!rc)
		rc = cuda_fail(cudaGraphLaunch(r->exec, c->stream), "run", err);
	if (!rc && r->asks)
		hosted_due(c->hosted.host, r->asks);
	return rc || !c->comm ? rc : comm_meet(c->comm, err);
}

static struct recording *find(struct cuda *c, uint64_t key)
{
	struct recording **at = &c->recordings, *r;

	while (*at && (*at)->key != key)
		at = &(*at)->next;
	r = *at;
	if (r && at != &c->recordings) { /* to the front: the next step asks for it again */
		*at = r->next;
		r->next = c->recordings;
		c->recordings = r;
	}
	return r;
}

int graph_run(struct backend *be, uint64_t key, int (*body)(void *ctx, struct err *err),
	      void *ctx, struct err *err)
{
	struct cuda *c = cuda_of(be);
	int direct = is_issued(c);
	struct recording *r = direct || key == RUN_ONCE ? NULL : find(c, key);
	int rc = 0;

	if (c->recording)
		return cuda_refuse(err, "run", "BUG: a run within a run");
	if (c->timing)
		rc = read_marks(c, err);
	if (rc)
		return rc;
	if (!r) {
		r = calloc(1, sizeof(*r));
		if (!r)
			return err_nomem(err, "recording", sizeof(*r));
		r->key = direct ? RUN_ONCE : key;
		rc = direct ? issue(c, r, body, ctx, err) : record(c, r, body, ctx, err);
		if (rc) {
			recording_free(r);
			return rc;
		}
		keep(c, r);
	}
	rc = launch(c, r, err);
	if (!rc && c->timing)
		c->unread = r;
	return rc;
}
