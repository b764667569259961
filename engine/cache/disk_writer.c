/* The thread that writes files, one after another, and keeps the folder within its budget. */
#include "engine/cache/disk_internal.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/log.h"
#include "engine/base/thread.h"

void job_free(struct job *job)
{
	if (!job)
		return;
	free(job->ids);
	free(job->data);
	free(job);
}

static size_t job_bytes(const struct job *job)
{
	return sizeof(*job) + job->head.n_ids * sizeof(*job->ids) + kv_data_bytes(&job->head);
}

static int write_job(const struct writer *w, const struct job *job, struct err *err)
{
	struct buf path = {0};
	int rc = kvdir_make(w->root, job->entry.identity, job->entry.owner, err);

	kvdir_path(&path, w->root, &job->entry);
	if (!rc && buf_failed(&path))
		rc = err_nomem(err, "path", path.len);
	if (!rc)
		rc = kvfile_write(buf_z(&path), job->head, job->ids, job->data, err);
	buf_release(&path);
	return rc;
}

/* Done with the one at hand, waits for the next one; NULL: there will be none. */
static const struct job *take_job(struct writer *w)
{
	const struct job *job;

	pthread_mutex_lock(&w->lock);
	job_free(w->at_hand);
	w->at_hand = NULL;
	pthread_cond_broadcast(&w->changed);
	while (!w->first && !w->closing)
		pthread_cond_wait(&w->changed, &w->lock);
	job = w->at_hand = w->first;
	if (job) {
		w->first = job->next;
		w->bytes -= job_bytes(job);
	}
	pthread_mutex_unlock(&w->lock);
	return job;
}

static void note_trouble(struct writer *w, const struct err *err)
{
	pthread_mutex_lock(&w->lock);
	if (!w->trouble.code) {
		w->trouble = *err;
		log_add(LOG_WARN, "prefix cache: %s", err->text);
	}
	pthread_mutex_unlock(&w->lock);
}

static bool nothing_waits(struct writer *w)
{
	bool none;

	pthread_mutex_lock(&w->lock);
	none = !w->first;
	pthread_mutex_unlock(&w->lock);
	return none;
}

static void *run(void *arg)
{
	struct writer *w = arg;
	const struct job *job;

	while ((job = take_job(w))) {
		struct err err = {0};

		if (write_job(w, job, &err))
			note_trouble(w, &err);
		if (nothing_waits(w))
			disk_thin_out(w->root, w->budget);
	}
	return NULL;
}

int writer_start(struct writer *w, const char *root, int64_t budget, struct err *err)
{
	int rc;

	*w = (struct writer){.root = root, .budget = budget};
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	rc = thread_start(&w->thread, run, w, "thread of the prefix cache", err);
	if (rc) {
		pthread_mutex_destroy(&w->lock);
		pthread_cond_destroy(&w->changed);
	}
	return rc;
}

void writer_stop(struct writer *w)
{
	pthread_mutex_lock(&w->lock);
	w->closing = true;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->changed);
}

static bool is_same(const struct job *a, const struct job *b)
{
	return kv_name_same(&a->entry.name, &b->entry.name) &&
	       strcmp(a->entry.owner, b->entry.owner) == 0;
}

bool writer_wants(struct writer *w, const struct job *like)
{
	bool wants;

	pthread_mutex_lock(&w->lock);
	wants = w->bytes + job_bytes(like) <= JOBS_MAX_BYTES &&
		!(w->at_hand && is_same(w->at_hand, like));
	for (const struct job *job = w->first; job && wants; job = job->next)
		wants = !is_same(job, like);
	pthread_mutex_unlock(&w->lock);
	return wants;
}

void writer_add(struct writer *w, struct job *job)
{
	pthread_mutex_lock(&w->lock);
	job->next = NULL;
	if (w->first)
		w->last->next = job;
	else
		w->first = job;
	w->last = job;
	w->bytes += job_bytes(job);
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

static bool is_of(const struct job *job, const char *owner)
{
	return strcmp(job->entry.owner, owner) == 0;
}

void writer_drop(struct writer *w, const char *owner)
{
	struct job **at;

	pthread_mutex_lock(&w->lock);
	at = &w->first;
	w->last = NULL;
	while (*at) {
		struct job *job = *at;

		if (is_of(job, owner)) {
			*at = job->next;
			w->bytes -= job_bytes(job);
			job_free(job);
		} else {
			w->last = job;
			at = &job->next;
		}
	}
	while (w->at_hand && is_of(w->at_hand, owner))
		pthread_cond_wait(&w->changed, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

bool writer_is_busy(struct writer *w)
{
	bool busy;

	pthread_mutex_lock(&w->lock);
	busy = w->first || w->at_hand;
	pthread_mutex_unlock(&w->lock);
	return busy;
}

void writer_wait(struct writer *w)
{
	pthread_mutex_lock(&w->lock);
	while (w->first || w->at_hand)
		pthread_cond_wait(&w->changed, &w->lock);
	pthread_mutex_unlock(&w->lock);
}
