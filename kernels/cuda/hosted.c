/* The thread that answers the GPU's questions. */
#include "kernels/cuda/hosted.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/spin.h"
#include "engine/base/thread.h"
#include "kernels/ops.h"

/* Between two questions of a step lies what the GPU does in a layer; after so many pauses the
 * thread sleeps for a while between two looks. */
#define PAUSES   (50 * SPIN_PAUSES)
#define SLEEP_NS 50000

struct hosted {
	struct backend *cpu;
	struct hosted_mail *mail;
	pthread_t thread;
	int started;
	/* what was asked, for as long as it is computed */
	int32_t expert[HOSTED_ROWS * HOSTED_USED];
	float weight[HOSTED_ROWS * HOSTED_USED];
	float *x;             /* [HOSTED_ROWS, HOSTED_COLUMNS] */
	uint32_t seen;        /* the last question's number; the thread's alone */
	pthread_mutex_t lock; /* over what follows */
	pthread_cond_t wake;
	uint32_t due; /* the last question that is going to be asked */
	int quit;
	struct err err;            /* the first failure that nobody has been told of */
	struct experts_args *jobs; /* which experts, and their sizes; the rest a question has */
	uint32_t n_jobs, cap;
};

/* ---------------------------------------------------------------- the thread */

static int is_quit(struct hosted *h)
{
	int quit;

	pthread_mutex_lock(&h->lock);
	quit = h->quit;
	pthread_mutex_unlock(&h->lock);
	return quit;
}

/* Sleeps until there is something to wait for; 0: there never will be. */
static int await_due(struct hosted *h)
{
	int quit;

	pthread_mutex_lock(&h->lock);
	while (!h->quit && (int32_t)(h->due - h->seen) <= 0)
		pthread_cond_wait(&h->wake, &h->lock);
	quit = h->quit;
	pthread_mutex_unlock(&h->lock);
	return !quit;
}

/* The next question; 0: there will be none. */
static int await_asked(struct hosted *h, uint64_t *asked)
{
	const struct timespec a_while = {0, SLEEP_NS};

	for (int i = 0;; i++) {
		*asked = __atomic_load_n(&h->mail->asked, __ATOMIC_ACQUIRE);
		if ((uint32_t)(*asked >> 32) != h->seen)
			return 1;
		if (i < PAUSES) {
			spin_pause();
			continue;
		}
		if (is_quit(h))
			return 0;
		nanosleep(&a_while, NULL);
	}
}

static int find_job(struct hosted *h, uint32_t number, struct experts_args *out)
{
	int found;

	pthread_mutex_lock(&h->lock);
	found = number < h->n_jobs;
	if (found)
		*out = h->jobs[number];
	pthread_mutex_unlock(&h->lock);
	return found;
}

static int compute(struct hosted *h, uint32_t job, int rows, struct err *err)
{
	struct hosted_mail *mail = h->mail;
	struct experts_args a;
	size_t n_choice;

	if (!find_job(h, job, &a) || rows > HOSTED_ROWS)
		return err_set(err, ERR_FAILED, "BUG: job %u, %d rows", job, rows);
	n_choice = (size_t)rows * (size_t)a.n_used;
	memcpy(h->expert, mail->expert, n_choice * sizeof(*h->expert));
	memcpy(h->weight, mail->weight, n_choice * sizeof(*h->weight));
	memcpy(h->x, mail->x, (size_t)rows * (size_t)a.d * sizeof(*h->x));
	a.n_tok = rows;
	a.x = (dbuf)(void *)h->x;
	a.expert = (dbuf)(void *)h->expert;
	a.weight = (dbuf)(void *)h->weight;
	a.y = (dbuf)(void *)mail->y;
	return h->cpu->ops->experts(h->cpu, &a, err);
}

static void keep_error(struct hosted *h, const struct err *err)
{
	pthread_mutex_lock(&h->lock);
	if (!h->err.code)
		h->err = *err;
	pthread_mutex_unlock(&h->lock);
}

/* A question that fails is answered, too: whoever waits goes on, and is told at the end. */
static void *serve(void *ctx)
{
	struct hosted *h = ctx;
	uint64_t asked;
	struct err err;

	while (await_due(h) && await_asked(h, &asked)) {
		int rows = (int)(asked & 255);

		if (rows && compute(h, (uint32_t)asked >> 8, rows, &err))
			keep_error(h, &err);
		h->seen = (uint32_t)(asked >> 32);
		if (rows)
			__atomic_store_n(&h->mail->answered, h->seen, __ATOMIC_RELEASE);
	}
	return NULL;
}

/* ------------------------------------------------------------------ its owner */

int hosted_new(struct hosted **out, struct backend *cpu, struct hosted_mail *mail,
	       struct err *err)
{
	struct hosted *h = calloc(1, sizeof(*h));
	float *x = malloc(sizeof(mail->x));
	int rc = 0;

	*out = NULL;
	if (!h || !x) {
		free(h);
		free(x);
		cpu->close(cpu);
		return err_nomem(err, "experts on the host", sizeof(mail->x));
	}
	h->cpu = cpu;
	h->mail = mail;
	h->x = x;
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->wake, NULL);
	rc = thread_start(&h->thread, serve, h, "thread of the host's experts", err);
	h->started = !rc;
	if (rc)
		hosted_free(h);
	else
		*out = h;
	return rc;
}

void hosted_free(struct hosted *h)
{
	if (!h)
		return;
	pthread_mutex_lock(&h->lock);
	h->quit = 1;
	pthread_cond_signal(&h->wake);
	pthread_mutex_unlock(&h->lock);
	if (h->started)
		pthread_join(h->thread, NULL);
	pthread_mutex_destroy(&h->lock);
	pthread_cond_destroy(&h->wake);
	h->cpu->close(h->cpu);
	free(h->jobs);
	free(h->x);
	free(h);
}

static int same_job(const struct experts_args *a, const struct experts_args *b)
{
	return a->experts == b->experts && a->d == b->d && a->inner == b->inner &&
	       a->n_expert == b->n_expert && a->n_used == b->n_used &&
	       memcmp(&a->limit, &b->limit, sizeof(a->limit)) == 0;
}

static int add_job(struct hosted *h, const struct experts_args *a, struct err *err)
{
	if (h->n_jobs == h->cap) {
		uint32_t cap = h->cap ? 2 * h->cap : 64;
		struct experts_args *grown = realloc(h->jobs, cap * sizeof(*grown));

		if (!grown)
			return err_nomem(err, "experts on the host", cap * sizeof(*grown));
		h->jobs = grown;
		h->cap = cap;
	}
	h->jobs[h->n_jobs++] = (struct experts_args){
		.d = a->d,
		.inner = a->inner,
		.n_expert = a->n_expert,
		.n_used = a->n_used,
		.limit = a->limit,
		.experts = a->experts,
	};
	return 0;
}

int hosted_job(struct hosted *h, const struct experts_args *a, uint32_t *job, struct err *err)
{
	int rc = 0;

	if (a->d > HOSTED_COLUMNS || a->n_used > HOSTED_USED)
		return err_set(err, ERR_MODEL,
			       "experts on the host: %d columns, %d used, expected at most %d "
			       "and %d",
			       a->d, a->n_used, HOSTED_COLUMNS, HOSTED_USED);
	pthread_mutex_lock(&h->lock);
	for (*job = 0; *job < h->n_jobs && !same_job(&h->jobs[*job], a);)
		++*job;
	if (*job == h->n_jobs)
		rc = add_job(h, a, err);
	pthread_mutex_unlock(&h->lock);
	return rc;
}

void hosted_due(struct hosted *h, uint32_t n)
{
	pthread_mutex_lock(&h->lock);
	h->due += n;
	pthread_cond_signal(&h->wake);
	pthread_mutex_unlock(&h->lock);
}

int hosted_told(struct hosted *h, struct err *err)
{
	uint32_t late = __atomic_exchange_n(&h->mail->late, 0, __ATOMIC_ACQ_REL);
	int rc;

	pthread_mutex_lock(&h->lock);
	rc = h->err.code;
	if (rc)
		err_set(err, rc, "experts on the host: %s", h->err.text);
	else if (late)
		rc = err_set(
			err, ERR_MODEL,
			"experts on the host: its processors have not answered question %u "
			"in time",
			late);
	h->err = (struct err){0};
	pthread_mutex_unlock(&h->lock);
	return rc;
}
