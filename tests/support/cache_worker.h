/*
 * A process with caches of its own, model, tree and disk tier, that does one thing after
 * another as it is told and says what came of it: one of those that tests/unit/cache_test.c
 * drives, restarts and kills.
 *
 * What the process finds wrong by itself (a call that fails, a page that nobody accounts for)
 * ends it with a line on stderr and status 1; its memory is looked through for leaks at its
 * end, where a sanitizer does so.  Trouble with it fails the running cmocka test.
 */
#ifndef TESTS_SUPPORT_CACHE_WORKER_H
#define TESTS_SUPPORT_CACHE_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/chat.h"
#include "engine/store/kvfile.h"
#include "kernels/ops.h"

#define WORKER_MODEL "tests/golden/pro-micro"

enum {
	WORKER_USER = 3,
	WORKER_ASSISTANT = 4,
	WORKER_LANES = 2, /* sequences before its one tree */
	WORKER_CTX = 2560,
	WORKER_CHUNK = 64,
	WORKER_MARKS = 64, /* it keeps fewer */
	WORKER_ANSWER = 256,
	WORKER_VOCAB = 320,
	WORKER_WORDS = 13, /* ids below it are chosen */
};

/* See struct mark. */
enum { WORKER_NOBODY, WORKER_SEVERAL };

enum worker_op {
	WORKER_TURN,  /* a prompt is read, answered and stored */
	WORKER_PRICE, /* what is there of a prompt; nothing is read */
	WORKER_EVICT, /* room for n pages */
	WORKER_FORGET,
	WORKER_FLUSH, /* all is written */
	WORKER_QUIT,
};

struct worker_request {
	enum worker_op op;
	int lane;
	char owner[16];
	int n;        /* ids of the prompt, or pages */
	int n_calls;  /* of reading it, before it is left in the middle */
	int n_answer; /* ids, */
	bool given;   /* ids[n …]; else chosen, with drafts: */
	int depth;
	int n_back; /* of the answer's ids that are rolled back again, as far as that reaches */
	token_id ids[WORKER_CTX];
};

/* How an answer's ids are chosen: nearly at random, so that drafts are often right. */
struct sample_how worker_how(void);

/* Of each frontier that is kept. */
struct worker_mark {
	int64_t len;
	struct kv_sum sum; /* of its ids, as the names of files have it */
	uint64_t owner;    /* WORKER_NOBODY, WORKER_SEVERAL, or the sum of a name */
};

struct worker_reply {
	int64_t found;    /* held when reading began; WORKER_PRICE: in memory */
	int64_t recalled; /* read from disk before that; WORKER_PRICE: there */
	bool whole;       /* the prompt was read to its end */
	float logits[WORKER_VOCAB], draft[WORKER_VOCAB]; /* then, of its last row */
	int n_answer;                                    /* before the roll-back, */
	int n_back;                                      /* of so many */
	token_id answer[WORKER_ANSWER];
	int n_drafted, n_accepted;
	int64_t held[WORKER_LANES], floor[WORKER_LANES];
	int n_begin, n_end; /* when reading began, and in the end: */
	struct worker_mark begin[WORKER_MARKS], end[WORKER_MARKS];
	int n_most;                    /* that may be kept */
	int n_pages, n_free, n_wanted; /* of the pool; that a call could want at most */
	int lowest_fd;                 /* WORKER_FLUSH: that is not in use */
};

struct cache_worker {
	pid_t pid;
	int fd;
};

void worker_start(struct cache_worker *w, const char *root, const char *identity);
void worker_tell(const struct cache_worker *w, const struct worker_request *req);
void worker_hear(const struct cache_worker *w, struct worker_reply *reply);
bool worker_is_done(const struct cache_worker *w, int ms); /* it has replied within that time */
void worker_quit(struct cache_worker *w);                  /* it holds nothing any more */
void worker_kill(struct cache_worker *w);                  /* at once */

#endif
