/* What the files of the disk tier share: the tier, and its writer's thread. */
#ifndef ENGINE_CACHE_DISK_INTERNAL_H
#define ENGINE_CACHE_DISK_INTERNAL_H

#include <pthread.h>

#include "engine/cache/disk.h"
#include "engine/store/kvdir.h"

/* A file to be written; all of it is its own. */
struct job {
	struct job *next;
	struct kv_entry entry;
	struct kv_head head;
	token_id *ids;
	unsigned char *data;
};

/* More than this is not held in memory to be written: it is left for a later turn. */
#define JOBS_MAX_BYTES ((size_t)512 << 20)

struct writer {
	const char *root; /* borrowed */
	int64_t budget;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Under the lock: */
	struct job *first, *last;
	size_t bytes;        /* of those that wait */
	struct job *at_hand; /* what the thread writes now; owned, it stays as it is */
	bool closing;
	struct err trouble; /* code != 0: the first file that could not be written */
};

int writer_start(struct writer *w, const char *root, int64_t budget, struct err *err);
void writer_stop(struct writer *w); /* once all is written */
/*
 * Whether there is room for it, and that file is not among those that wait.  What was true so
 * stays true until the caller, who alone adds, adds something.
 */
bool writer_wants(struct writer *w, const struct job *like);
void writer_add(struct writer *w, struct job *job); /* one that it wants, which it owns then */
/* Nothing of that owner waits any more, or is being written. */
void writer_drop(struct writer *w, const char *owner);
bool writer_is_busy(struct writer *w);
void writer_wait(struct writer *w); /* until nothing is left to write */
void job_free(struct job *job);

struct disk {
	struct model *m;
	char *root;
	struct kv_head like; /* identity and sizes of every file */
	bool told;           /* of trouble */
	struct writer writer;
};

/* The sum of ids[0 … ends[i]) for each of n ends in ascending order. */
void sum_prefixes(const token_id *ids, const int64_t *ends, size_t n, struct kv_sum *out);

/* It was of use now: gone back to, or, if not `again`, part of what is said. */
void disk_note_use(const struct disk *d, const struct kv_entry *e, bool again);

/*
 * The names of the frontiers on the list that ids[0..n) begin with, of more than `have` ids, in
 * ascending order; the caller's to free().  Returns how many; none where memory is short.
 */
size_t frontiers_of(const struct kv_list *list, const token_id *ids, int64_t n, int64_t have,
		    struct kv_name **out);

#endif
