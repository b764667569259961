/* The process, and the wire to it: requests and replies as they lie in memory. */
#include "tests/support/cache_worker.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <xxhash.h>

#include "engine/cache/disk.h"
#include "engine/cache/prefix.h"
#include "engine/pass/model_internal.h"
#include "engine/session/session.h"

#define NO_BUDGET   INT64_MAX
#define N_FRONTIERS 20
#define PATIENCE_MS 120000

/* ------------------------------------------------------------------------ wire */

/* False: the other end is gone. */
static bool move_all(int fd, void *data, size_t n, bool out)
{
	char *p = data;

	while (n > 0) {
		ssize_t k = out ? send(fd, p, n, MSG_NOSIGNAL) : recv(fd, p, n, 0);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return false;
		p += k;
		n -= (size_t)k;
	}
	return true;
}

/* ------------------------------------------------------------------ the process */

static struct {
	struct model *model;
	struct tree tree;
	struct prefix lanes[WORKER_LANES];
	struct disk *disk;
	struct worker_request req;
	struct worker_reply reply;
	struct choice next[1 + DRAFT_MAX]; /* behind the rows of the last call */
} self;

static _Noreturn void die(const char *what, const char *why)
{
	fprintf(stderr, "cache worker: %s: %s\n", what, why);
	_exit(1);
}

static void must(int64_t rc, const char *what, const struct err *err)
{
	if (rc < 0)
		die(what, err->text);
}

struct sample_how worker_how(void)
{
	return (struct sample_how){
		.temperature = 30, .top_p = 1, .seed = 5, .n_choice = WORKER_WORDS};
}

static void open_self(const char *root, const char *identity)
{
	struct model_options opt = {.dir = WORKER_MODEL,
				    .n_threads = 1,
				    .prefill_chunk = WORKER_CHUNK,
				    .ctx_tokens = WORKER_CTX,
				    .n_slots = WORKER_LANES,
				    .keeps = true,
				    .kept_bytes = 1};
	struct err err = {0};

	must(model_open(&self.model, &opt, &err), "model", &err);
	opt.kept_bytes = 2 * N_FRONTIERS * model_cache_bytes(self.model).frontier;
	model_close(self.model);
	must(model_open(&self.model, &opt, &err), "model", &err);
	must(tree_init(&self.tree, self.model, &err), "tree", &err);
	for (int i = 0; i < WORKER_LANES; i++)
		must(prefix_open(&self.lanes[i], &self.tree, WORKER_USER, WORKER_ASSISTANT,
				 &err),
		     "sequence", &err);
	must(disk_open(&self.disk, self.model, root, identity, NO_BUDGET, &err), "disk", &err);
	if (model_n_frontiers(self.model) != N_FRONTIERS ||
	    model_config(self.model)->vocab != WORKER_VOCAB)
		die("model", "other sizes than it should have");
}

static void close_self(void)
{
	disk_close(self.disk);
	for (int i = 0; i < WORKER_LANES; i++)
		prefix_release(&self.lanes[i]);
	tree_release(&self.tree);
	if (self.model->pool.n_free != self.model->pool.n)
		die("end", "pages are held that nobody has");
	model_close(self.model);
}

static int n_nodes(const struct node *node)
{
	int n = 0;

	for (const struct node *c = node->child; c; c = c->next) {
		if (!c->child && !c->marks)
			die("tree", "a node leads nowhere");
		n += 1 + n_nodes(c);
	}
	return n;
}

/* Each node has a page of its own; what else is held is the sequences'. */
static void check_pages(void)
{
	const struct pages *pool = &self.model->pool;
	int refs = 0, own = n_nodes(&self.tree.root);

	for (int i = 0; i < WORKER_LANES; i++)
		own += (int)(prefix_len(&self.lanes[i]) + PAGE_TOKENS - 1) / PAGE_TOKENS;
	for (int i = 0; i < pool->n; i++)
		refs += pool->v[i].refs;
	if (refs != own || pool->n - pool->n_free > own)
		die("pool", "pages are held by others than there are");
}

static struct worker_mark mark_of(const struct mark *m)
{
	static token_id ids[WORKER_CTX];
	XXH128_hash_t sum;

	for (const struct node *node = m->node; node->parent; node = node->parent) {
		int64_t left = m->len - node->first;

		memcpy(ids + node->first, node->ids,
		       (size_t)(left < PAGE_TOKENS ? left : PAGE_TOKENS) * sizeof(*ids));
	}
	sum = XXH3_128bits(ids, (size_t)m->len * sizeof(*ids));
	return (struct worker_mark){m->len, {sum.low64, sum.high64}, m->owner};
}

static int note_marks(struct worker_mark *out)
{
	for (int i = 0; i < self.tree.n; i++)
		out[i] = mark_of(self.tree.marks[i]);
	return self.tree.n;
}

/* ------------------------------------------------------------------------ turns */

static void feed(struct prefix *p, struct forward call)
{
	const struct sample_how how = worker_how();
	struct err err = {0};

	call.how = &how;
	call.choices = self.next;
	must(prefix_run(p, call, &err), "a call", &err);
}

/* False: it was left in the middle. */
static bool read_prompt(struct prefix *p, int64_t at)
{
	int patience = self.req.n_calls;

	while (at < self.req.n) {
		int64_t end = prefix_next(p);

		if (patience-- == 0)
			return false;
		feed(p, (struct forward){.ids = self.req.ids + at,
					 .n = (int)(end - at),
					 .want = WANT_LAST,
					 .logits = self.reply.logits,
					 .draft = self.reply.draft});
		at = end;
	}
	return true;
}

static void say_given(struct prefix *p)
{
	for (int i = 0; i < self.req.n_answer; i++) {
		const token_id *id = &self.req.ids[self.req.n + i];

		feed(p, (struct forward){.ids = id, .n = 1, .want = WANT_LAST});
		self.reply.answer[self.reply.n_answer++] = *id;
	}
}

static void say_chosen(struct prefix *p)
{
	struct worker_reply *r = &self.reply;
	token_id id = self.next[0].id;

	while (r->n_answer < self.req.n_answer) {
		struct forward_cycle cycle = {.depth = self.req.depth};
		struct forward call = {.ids = &id, .n = 1, .want = WANT_ALL};

		if (self.req.depth)
			call.cycle = &cycle;
		feed(p, call);
		r->answer[r->n_answer++] = id;
		for (int i = 1; i <= cycle.n_accepted; i++)
			r->answer[r->n_answer++] = cycle.ids[i];
		r->n_drafted += cycle.depth;
		r->n_accepted += cycle.n_accepted;
		id = self.next[cycle.n_accepted].id;
	}
}

static void answer(struct prefix *p)
{
	struct err err = {0};
	int64_t back = self.req.n_back, most;

	if (self.req.given)
		say_given(p);
	else
		say_chosen(p);
	if (self.reply.n_answer == 0)
		return;
	most = prefix_len(p) - seq_floor(p->seq);
	if (most > self.reply.n_answer)
		most = self.reply.n_answer;
	if (back > most)
		back = most;
	self.reply.n_back = (int)back;
	must(prefix_roll_back(p, prefix_len(p) - back, &err), "roll-back", &err);
	prefix_end(p);
}

static void turn(void)
{
	struct worker_request *q = &self.req;
	struct worker_reply *r = &self.reply;
	struct prefix *p = &self.lanes[q->lane];
	struct err err = {0};
	int64_t have = prefix_found(p, q->ids, q->n);

	if (q->n - 1 - have >= WORTH_RECALLING)
		r->recalled = disk_recall(self.disk, &self.tree, q->ids, q->n - 1, have);
	r->found = prefix_begin(p, q->ids, q->n, &err);
	must(r->found, "beginning", &err);
	r->n_begin = note_marks(r->begin);
	r->whole = read_prompt(p, r->found);
	if (r->whole)
		answer(p);
	prefix_own(p, str_of(q->owner));
	disk_store(self.disk, &self.tree, str_of(q->owner), p->held.ids, (int64_t)p->held.n);
}

static void price(void)
{
	const struct worker_request *q = &self.req;

	self.reply.found = prefix_found(&self.lanes[q->lane], q->ids, q->n);
	self.reply.recalled = disk_look(self.disk, q->ids, q->n - 1, self.reply.found);
}

static void forget(void)
{
	for (int i = 0; i < WORKER_LANES; i++)
		prefix_forget(&self.lanes[i], str_of(self.req.owner));
	disk_forget(self.disk, str_of(self.req.owner));
}

static void note_all(void)
{
	struct worker_reply *r = &self.reply;

	check_pages();
	r->n_end = note_marks(r->end);
	r->n_most = N_FRONTIERS;
	r->n_pages = self.model->pool.n;
	r->n_free = self.model->pool.n_free;
	r->n_wanted = WORKER_CTX / PAGE_TOKENS + 1;
	for (int i = 0; i < WORKER_LANES; i++) {
		r->held[i] = prefix_len(&self.lanes[i]);
		r->floor[i] = seq_floor(self.lanes[i].seq);
	}
}

static _Noreturn void run(int fd, const char *root, const char *identity)
{
	open_self(root, identity);
	do {
		if (!move_all(fd, &self.req, sizeof(self.req), false))
			die("request", "nobody is there any more");
		memset(&self.reply, 0, sizeof(self.reply));
		switch (self.req.op) {
		case WORKER_TURN:
			turn();
			break;
		case WORKER_PRICE:
			price();
			break;
		case WORKER_EVICT:
			tree_make_room(&self.tree, self.req.n);
			break;
		case WORKER_FORGET:
			forget();
			break;
		case WORKER_FLUSH:
			disk_flush(self.disk);
			self.reply.lowest_fd = dup(0);
			close(self.reply.lowest_fd);
			break;
		case WORKER_QUIT:
			break;
		}
		note_all();
		move_all(fd, &self.reply, sizeof(self.reply), true);
	} while (self.req.op != WORKER_QUIT);
	close_self();
	exit(0);
}

/* ------------------------------------------------------------------ its master */

void worker_start(struct cache_worker *w, const char *root, const char *identity)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	/* Or what stands in the buffers would be said twice. */
	fflush(NULL);
	w->pid = fork();
	assert_true(w->pid >= 0);
	if (w->pid == 0) {
		/* cmocka's handlers came along. */
		signal(SIGSEGV, SIG_DFL);
		signal(SIGABRT, SIG_DFL);
		close(fds[0]);
		run(fds[1], root, identity);
	}
	close(fds[1]);
	w->fd = fds[0];
}

void worker_tell(const struct cache_worker *w, const struct worker_request *req)
{
	struct worker_request copy = *req;

	assert_true(move_all(w->fd, &copy, sizeof(copy), true));
}

bool worker_is_done(const struct cache_worker *w, int ms)
{
	struct pollfd p = {.fd = w->fd, .events = POLLIN};

	return poll(&p, 1, ms) > 0;
}

void worker_hear(const struct cache_worker *w, struct worker_reply *reply)
{
	if (!worker_is_done(w, PATIENCE_MS))
		fail_msg("a process does not answer");
	if (!move_all(w->fd, reply, sizeof(*reply), false))
		fail_msg("a process ended by itself");
}

/* Its status. */
static int await_end(struct cache_worker *w)
{
	int status;

	close(w->fd);
	assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
	*w = (struct cache_worker){.fd = -1};
	return status;
}

void worker_quit(struct cache_worker *w)
{
	static const struct worker_request quit = {.op = WORKER_QUIT};
	static struct worker_reply reply;

	worker_tell(w, &quit);
	worker_hear(w, &reply);
	assert_int_equal(await_end(w), 0);
}

void worker_kill(struct cache_worker *w)
{
	assert_int_equal(kill(w->pid, SIGKILL), 0);
	await_end(w);
}
