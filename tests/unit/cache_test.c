/*
 * Two processes that share a folder do random things to conversations, against a plain model of
 * the cache: flat lists of whole beginnings.  What is found in memory, what is read from disk,
 * what lies there afterwards and whose it is are what the model says; on samples, the last row
 * of a prompt and the answer have the bits of a model that has read nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <xxhash.h>

#include "engine/cache/disk.h"
#include "engine/session/session.h"
#include "engine/store/kvdir.h"
#include "tests/support/cache_worker.h"
#include "tests/support/tmpdir.h"

#define IDENTITY "v2-test"

enum {
	N_PROCESSES = 2,
	N_TALKS = 9,
	MOST = 560,        /* ids of a talk, but of the one that begins with */
	LONG = 2100,       /* … so many */
	ANSWER_ROOM = 250, /* what is kept free for an answer */
	SAMPLE = 6,        /* every so many prompts are compared with a model's own */
	FEW_TRIES = 8,     /* files that are of no use before a prompt is read instead */
};

/* -------------------------------------------------------------- the plain model */

/* A beginning that is kept: as a frontier in memory or on disk, or on disk as a run. */
struct kept {
	const token_id *ids; /* of a text that stays */
	int64_t len;
	struct kv_sum sum;
	bool run;
	uint64_t owner; /* in memory; on disk: which talk */
};

struct set {
	struct kept *v;
	int n, cap;
};

static void *must_have(void *p)
{
	assert_non_null(p);
	return p;
}

static void set_add(struct set *s, struct kept k)
{
	if (s->n == s->cap) {
		s->cap = 2 * s->cap + 64;
		s->v = must_have(realloc(s->v, (size_t)s->cap * sizeof(*s->v)));
	}
	s->v[s->n++] = k;
}

static void set_copy(struct set *to, const struct set *from)
{
	to->n = 0;
	for (int i = 0; i < from->n; i++)
		set_add(to, from->v[i]);
}

static void set_release(struct set *s)
{
	free(s->v);
	*s = (struct set){0};
}

static bool same_sum(struct kv_sum a, struct kv_sum b)
{
	return a.low == b.low && a.high == b.high;
}

static struct kept *set_find(const struct set *s, int64_t len, struct kv_sum sum)
{
	for (int i = 0; i < s->n; i++) {
		if (s->v[i].len == len && same_sum(s->v[i].sum, sum))
			return &s->v[i];
	}
	return NULL;
}

static struct kept *set_find_owned(const struct set *s, const struct kept *k)
{
	for (int i = 0; i < s->n; i++) {
		const struct kept *it = &s->v[i];

		if (it->len == k->len && it->run == k->run && it->owner == k->owner &&
		    same_sum(it->sum, k->sum))
			return &s->v[i];
	}
	return NULL;
}

static void set_add_once(struct set *s, struct kept k)
{
	if (!set_find_owned(s, &k))
		set_add(s, k);
}

static struct kv_sum sum_of(const token_id *ids, int64_t n)
{
	XXH128_hash_t sum = XXH3_128bits(ids, (size_t)n * sizeof(*ids));

	return (struct kv_sum){sum.low64, sum.high64};
}

static bool begins_with(const token_id *ids, int64_t n, const struct kept *k)
{
	return k->len <= n && memcmp(k->ids, ids, (size_t)k->len * sizeof(*ids)) == 0;
}

static int64_t n_common(const token_id *a, int64_t n_a, const token_id *b, int64_t n_b)
{
	int64_t i = 0;

	while (i < n_a && i < n_b && a[i] == b[i])
		i++;
	return i;
}

/* The longest frontier that ids[0..n) begin with. */
static int64_t longest(const struct set *s, const token_id *ids, int64_t n)
{
	int64_t best = 0;

	for (int i = 0; i < s->n; i++) {
		const struct kept *k = &s->v[i];

		if (!k->run && k->len > best && begins_with(ids, n, k))
			best = k->len;
	}
	return best;
}

/* ------------------------------------------------------------------- who is there */

struct talk {
	token_id ids[WORKER_CTX];
	int n;
};

struct text {
	token_id *ids;
	struct text *next;
};

struct process {
	struct cache_worker worker;
	struct set kept;
	const token_id *held[WORKER_LANES];
	int64_t n_held[WORKER_LANES], floor[WORKER_LANES];
	uint64_t owner[WORKER_LANES]; /* of what is held */
	int n_free, lowest_fd;
};

/* What a turn is held against, and what came of it. */
struct turn {
	struct process *p;
	int talk;
	struct worker_request q;
	int64_t have;     /* found in memory before */
	struct set there; /* on disk, then */
	struct worker_reply r;
	const token_id *ids;   /* prompt and answer, */
	int64_t n, held;       /* so many, and held in the end */
	struct set begin, end; /* kept in memory when reading began, and in the end */
};

static struct model *model;
static struct seq *alone; /* what nobody has read anything to before */
static struct tmpdir dir;
static char root[300];
static struct talk talks[N_TALKS];
static token_id long_text[LONG];
static struct text *texts; /* all that was ever said */
static struct process processes[N_PROCESSES];
static struct set disk;
static uint64_t seed;
static int op; /* which one */
static struct {
	long tokens, found, recalled, drafted, accepted, compared, roomy, turns, thinned;
} count;

#define differs(...) differs_at(__LINE__, __VA_ARGS__)

static void differs_at(int line, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void differs_at(int line, const char *fmt, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fail_msg("operation %d, line %d: %s", op, line, text);
}

/* 0 … n - 1 */
static int pick(int n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (int)((seed >> 33) % (uint64_t)n);
}

static const token_id *keep_text(const token_id *ids, int64_t n)
{
	struct text *t = must_have(malloc(sizeof(*t)));

	t->ids = must_have(malloc((size_t)n * sizeof(*ids)));
	memcpy(t->ids, ids, (size_t)n * sizeof(*ids));
	t->next = texts;
	texts = t;
	return t->ids;
}

static void owner_name(int talk, char name[16])
{
	snprintf(name, 16, "talk%d", talk);
}

static uint64_t owner_sum(int talk)
{
	char name[16];

	owner_name(talk, name);
	return XXH3_64bits(name, strlen(name));
}

static void start(struct process *p)
{
	p->kept.n = 0;
	for (int i = 0; i < WORKER_LANES; i++)
		p->n_held[i] = p->floor[i] = 0;
	p->n_free = INT32_MAX;
	p->lowest_fd = 0;
	worker_start(&p->worker, root, IDENTITY);
}

/* ---------------------------------------------------------------------- the folder */

/* A file that is new is whole. */
static void check_file(const struct kv_entry *e, const token_id *ids)
{
	static unsigned char block[1 << 21];
	struct buf path = {0};
	struct kvfile f;
	struct err err = {0};

	kvdir_path(&path, root, e);
	if (kvfile_open(&f, buf_z(&path), NULL, &err))
		differs("%s", err.text);
	assert_true(f.head.page_bytes <= sizeof(block) &&
		    f.head.frontier_bytes <= sizeof(block));
	assert_int_equal((f.head.frontier_bytes != 0), e->name.frontier);
	assert_int_equal(f.head.first + f.head.n_ids, e->name.end);
	assert_memory_equal(f.ids, ids + f.head.first, f.head.n_ids * sizeof(*ids));
	for (uint32_t i = kv_n_pages(&f.head) + e->name.frontier; i > 0; i--) {
		if (kvfile_read(&f, block, &err))
			differs("%s", err.text);
	}
	kvfile_close(&f);
	buf_release(&path);
}

/* The ids that a file's name stands for: what the turns at hand were about, or was there. */
static const token_id *ids_of(const struct kv_entry *e, const struct kept *k,
			      const struct turn *t, int n_turns)
{
	const struct kept *known = set_find_owned(&disk, k);

	if (known)
		return known->ids;
	for (int i = 0; i < n_turns; i++) {
		bool its = t[i].talk == (int)k->owner && k->len <= t[i].n &&
			   same_sum(sum_of(t[i].ids, k->len), k->sum);

		if (!its)
			continue;
		check_file(e, t[i].ids);
		return t[i].ids;
	}
	differs("a file of %lld ids of talk %d, that nobody said", (long long)k->len,
		(int)k->owner);
	return NULL;
}

static void list_disk(struct set *out, const struct turn *t, int n_turns)
{
	struct kv_list list;
	struct err err = {0};

	out->n = 0;
	if (kvdir_list(root, IDENTITY "-a4-f1", &list, &err))
		fail_msg("%s", err.text);
	for (size_t i = 0; i < list.n; i++) {
		const struct kv_entry *e = &list.v[i];
		struct kept k = {.len = e->name.end,
				 .sum = e->name.sum,
				 .run = !e->name.frontier,
				 .owner = strtoul(e->owner + strlen("talk"), NULL, 10)};

		k.ids = ids_of(e, &k, t, n_turns);
		set_add(out, k);
	}
	kv_list_release(&list);
}

/* `must` is there, and all is in `may` (NULL: of the turns at hand); that is what there is now.
 */
static void check_disk(const struct set *must, const struct set *may, const struct turn *t,
		       int n_turns)
{
	static struct set now;

	list_disk(&now, t, n_turns);
	for (int i = 0; i < must->n; i++) {
		if (!set_find_owned(&now, &must->v[i]))
			differs("of talk %d, %lld ids are not on disk", (int)must->v[i].owner,
				(long long)must->v[i].len);
	}
	for (int i = 0; may && i < now.n; i++) {
		if (!set_find_owned(may, &now.v[i]))
			differs("of talk %d, %lld ids are on disk", (int)now.v[i].owner,
				(long long)now.v[i].len);
	}
	set_copy(&disk, &now);
}

static void disk_is(const struct set *want)
{
	check_disk(want, want, NULL, 0);
}

/* What storing a talk adds, by what memory keeps of ids[0..n) then and what was there. */
static void add_stored(struct set *out, const struct set *kept, const struct set *there,
		       const token_id *ids, int64_t n, int talk)
{
	int64_t last = longest(kept, ids, n);

	for (int i = 0; i < kept->n; i++) {
		struct kept k = kept->v[i];

		k.owner = (uint64_t)talk;
		if (begins_with(ids, last, &k))
			set_add_once(out, k);
	}
	for (int64_t at = KV_RUN_IDS; at <= last; at += KV_RUN_IDS)
		set_add_once(out,
			     (struct kept){ids, at, sum_of(ids, at), true, (uint64_t)talk});
	/* what others have of the way */
	for (int i = 0; i < there->n; i++) {
		struct kept k = there->v[i];

		k.owner = (uint64_t)talk;
		if (!k.run && begins_with(ids, last, &k))
			set_add_once(out, k);
	}
}

/* Whether all runs before its end are there, on disk or in memory. */
static bool has_runs(const struct process *p, const struct set *there, const struct kept *k)
{
	for (int64_t at = KV_RUN_IDS; at <= k->len; at += KV_RUN_IDS) {
		bool has = false;

		for (int i = 0; i < there->n && !has; i++)
			has = there->v[i].run && there->v[i].len == at &&
			      begins_with(k->ids, k->len, &there->v[i]);
		for (int i = 0; i < p->kept.n && !has; i++)
			has = n_common(p->kept.v[i].ids, p->kept.v[i].len, k->ids, k->len) >=
			      at;
		if (!has)
			return false;
	}
	return true;
}

/* What is read from disk of ids[0..n), of which memory has `have`; *in_vain: so many tries. */
static int64_t recalled(const struct process *p, const struct set *there, const token_id *ids,
			int64_t n, int64_t have, int *in_vain)
{
	*in_vain = 0;
	for (int64_t most = n; *in_vain < FEW_TRIES;) {
		struct kept k = {.ids = ids, .len = longest(there, ids, most)};

		if (k.len <= have)
			return 0;
		if (has_runs(p, there, &k))
			return k.len;
		most = k.len - 1;
		++*in_vain;
	}
	return 0;
}

/* --------------------------------------------------------------------- the memory */

static bool is_roomy(const struct process *p, const struct worker_reply *r)
{
	return p->n_free > 3 * r->n_wanted && r->n_free > 3 * r->n_wanted;
}

/* What is said to be kept: of what was, or of ids[0..n), or of the sequence that was left. */
static struct kept kept_of(const struct process *p, const struct worker_mark *m,
			   const token_id *ids, int64_t n, int lane)
{
	const struct kept *was = set_find(&p->kept, m->len, m->sum);
	struct kept k = {.len = m->len, .sum = m->sum, .owner = m->owner};

	if (was)
		k.ids = was->ids;
	else if (m->len <= n && same_sum(sum_of(ids, m->len), m->sum))
		k.ids = ids;
	else if (m->len == p->n_held[lane] && same_sum(sum_of(p->held[lane], m->len), m->sum))
		k.ids = p->held[lane];
	else
		differs("a frontier at %lld of what nobody said", (long long)m->len);
	return k;
}

static void note_kept(struct set *out, const struct process *p, const struct worker_mark *v,
		      int n_marks, const token_id *ids, int64_t n, int lane)
{
	out->n = 0;
	for (int i = 0; i < n_marks; i++) {
		if (set_find(out, v[i].len, v[i].sum))
			differs("a frontier is kept twice");
		set_add(out, kept_of(p, &v[i], ids, n, lane));
	}
}

/* Nothing went while there was room. */
static void nothing_went(const struct set *before, const struct set *after, int n_most)
{
	if (after->n < before->n)
		differs("%d frontiers of %d are left", after->n, before->n);
	for (int i = 0; after->n < n_most && i < before->n; i++) {
		if (!set_find(after, before->v[i].len, before->v[i].sum))
			differs("a frontier at %lld went though there was room",
				(long long)before->v[i].len);
	}
}

/* No other than these, and all of them, whose they were. */
static void memory_is(const struct process *p, const struct set *want,
		      const struct worker_reply *r)
{
	static struct set now;

	note_kept(&now, p, r->end, r->n_end, NULL, 0, 0);
	if (now.n != want->n)
		differs("%d frontiers are kept, expected %d", now.n, want->n);
	for (int i = 0; i < want->n; i++) {
		const struct kept *k = set_find(&now, want->v[i].len, want->v[i].sum);

		if (!k || k->owner != want->v[i].owner)
			differs("a frontier at %lld is gone, or another's",
				(long long)want->v[i].len);
	}
}

static void must_be_kept(const struct set *s, const token_id *ids, int64_t len,
			 const char *what)
{
	if (!set_find(s, len, sum_of(ids, len)))
		differs("%s is not kept, at %lld", what, (long long)len);
}

/* Whose each is, after a turn of `talk` that left ids[0..n) held. */
static void check_owners(const struct process *p, const struct set *after, const token_id *ids,
			 int64_t n, int lane, int talk, int n_most)
{
	uint64_t who = owner_sum(talk);

	for (int i = 0; i < after->n; i++) {
		const struct kept *k = &after->v[i], *was = set_find(&p->kept, k->len, k->sum);
		uint64_t want = was ? was->owner : WORKER_NOBODY;

		/* the end of the sequence that was left */
		if (!was && k->ids == p->held[lane] && k->ids != ids)
			want = p->owner[lane];
		if (begins_with(ids, n, k))
			want = want == WORKER_NOBODY || want == who ? who : WORKER_SEVERAL;
		/* One that went and came again is nobody else's. */
		if (k->owner != want &&
		    !(after->n == n_most && (k->owner == who || k->owner == p->owner[lane])))
			differs("a frontier at %lld is another's", (long long)k->len);
	}
}

/* ------------------------------------------------------------------- what is said */

/* Few different ids, so that others begin alike by chance, too. */
static void say(struct talk *t, int n)
{
	for (int i = 0; i < n && t->n < WORKER_CTX - ANSWER_ROOM; i++)
		t->ids[t->n++] = (token_id)(10 + pick(3));
}

static void say_control(struct talk *t, token_id id)
{
	if (t->n < WORKER_CTX - ANSWER_ROOM)
		t->ids[t->n++] = id;
}

/* A message, and what asks for an answer. */
static void ask(struct talk *t)
{
	say_control(t, WORKER_USER);
	say(t, 1 + pick(pick(4) ? 40 : 200));
	say_control(t, WORKER_ASSISTANT);
	say(t, pick(2));
}

static void begin_like(struct talk *t, const struct talk *other)
{
	int n = other->n ? pick(other->n) : 0;

	*t = *other;
	t->n = n > MOST ? n % MOST : n;
}

static void change(struct talk *t)
{
	switch (pick(7)) {
	case 0:
		begin_like(t, &talks[pick(N_TALKS)]);
		break;
	case 1: /* an earlier message anew */
		t->n = t->n ? pick(t->n) : 0;
		break;
	case 2: /* a word of it */
		if (t->n)
			t->ids[pick(t->n)] = (token_id)(10 + pick(3));
		return;
	case 3: /* the same again */
		return;
	case 4:
		if (pick(6) == 0) {
			memcpy(t->ids, long_text, sizeof(long_text));
			t->n = LONG - pick(3) * 40;
		}
		break;
	default:
		if (t->n > WORKER_CTX - 2 * ANSWER_ROOM || (t->n > MOST && t->n < KV_RUN_IDS))
			t->n = 0;
		break;
	}
	ask(t);
}

/* A turn of the talk as it then is. */
static void next_request(int talk, struct worker_request *q)
{
	struct talk *t = &talks[talk];

	change(t);
	if (t->n < 2)
		ask(t);
	*q = (struct worker_request){.op = WORKER_TURN,
				     .lane = pick(4) == 0,
				     .n = t->n,
				     .n_calls = pick(8) ? 1000 : pick(12),
				     .n_answer = pick(3) ? 1 + pick(pick(8) ? 12 : 150) : 0,
				     .depth = pick(5),
				     .n_back = pick(3) ? 0 : pick(SEQ_MAX_ROLLBACK)};
	owner_name(talk, q->owner);
	memcpy(q->ids, t->ids, (size_t)t->n * sizeof(*q->ids));
	for (int i = 0; i < q->n_answer; i++)
		q->ids[q->n + i] = (token_id)(10 + pick(3));
}

/* --------------------------------------------------------------------------- turns */

static int64_t expected_in_memory(const struct process *p, const struct worker_request *q)
{
	int64_t kept = longest(&p->kept, q->ids, q->n - 1);
	int64_t common = n_common(p->held[q->lane], p->n_held[q->lane], q->ids, q->n - 1);

	return common >= p->floor[q->lane] && common > kept ? common : kept;
}

static void tell_turn(struct turn *t, struct process *p, int talk, bool given)
{
	t->p = p;
	t->talk = talk;
	next_request(talk, &t->q);
	t->q.given = given;
	t->have = expected_in_memory(p, &t->q);
	set_copy(&t->there, &disk);
	worker_tell(&p->worker, &t->q);
}

/* Prompt and answer as they came to be, and what is kept of them. */
static void hear_turn(struct turn *t)
{
	const struct worker_request *q = &t->q;
	const struct worker_reply *r = &t->r;

	worker_hear(&t->p->worker, &t->r);
	memcpy(t->q.ids + q->n, r->answer, (size_t)r->n_answer * sizeof(token_id));
	t->n = q->n + r->n_answer;
	t->ids = keep_text(q->ids, t->n);
	t->held = r->held[q->lane];
	if (r->whole ? t->held != t->n - r->n_back : t->held >= q->n)
		differs("%lld ids are held of %lld", (long long)t->held, (long long)t->n);
	note_kept(&t->begin, t->p, r->begin, r->n_begin, t->ids, q->n, q->lane);
	note_kept(&t->end, t->p, r->end, r->n_end, t->ids, t->n, q->lane);
}

/* What it has found; `later`: what was on disk a little later. */
static int check_found(const struct turn *t, const struct set *later)
{
	int64_t n = t->q.n - 1, want = 0, found = t->r.recalled;
	int in_vain = 0;

	if (n - t->have >= WORTH_RECALLING)
		want = recalled(t->p, &t->there, t->q.ids, n, t->have, &in_vain);
	if (found != want && (found < want || longest(later, t->q.ids, found) != found))
		differs("%lld of %d ids come from disk, expected %lld", (long long)found,
			t->q.n, (long long)want);
	if (t->r.found != (found ? found : t->have))
		differs("%lld of %d ids are found, expected %lld, %lld from disk",
			(long long)t->r.found, t->q.n, (long long)(found ? found : t->have),
			(long long)found);
	return in_vain;
}

static bool same_bits(const void *a, const void *b)
{
	return memcmp(a, b, WORKER_VOCAB * sizeof(float)) == 0;
}

/* The prompt's last row, and what is chosen behind it a token at a time. */
static void compare(const struct turn *t)
{
	static float logits[WORKER_VOCAB], draft[WORKER_VOCAB];
	const struct sample_how how = worker_how();
	struct choice next = {0};
	struct err err = {0};
	int64_t n = t->q.given ? t->q.n : t->n;

	assert_int_equal(seq_truncate(alone, 0, &err), 0);
	while (seq_len(alone) < n) {
		int64_t at = seq_len(alone), left = t->q.n - at;
		struct forward f = {.ids = t->ids + at,
				    .n = left < WORKER_CHUNK ? (int)left : WORKER_CHUNK,
				    .want = WANT_LAST,
				    .logits = logits,
				    .draft = draft,
				    .choices = &next,
				    .how = &how};

		if (left <= 0)
			f.n = 1;
		if (left <= 0 && next.id != t->ids[at])
			differs("token %d of an answer is another", (int)-left);
		if (seq_run(alone, f, &err))
			fail_msg("%s", err.text);
		if (seq_len(alone) == t->q.n && !same_bits(t->r.logits, logits))
			differs("%d tokens: logits differ", t->q.n);
		if (seq_len(alone) == t->q.n && !same_bits(t->r.draft, draft))
			differs("%d tokens: draft logits differ", t->q.n);
	}
	count.compared++;
}

static void note_process(struct process *p, const struct worker_reply *r)
{
	for (int i = 0; i < WORKER_LANES; i++) {
		p->n_held[i] = r->held[i];
		p->floor[i] = r->floor[i];
	}
	p->n_free = r->n_free;
	if (p->lowest_fd && r->lowest_fd && p->lowest_fd != r->lowest_fd)
		differs("a file was left open");
	if (r->lowest_fd)
		p->lowest_fd = r->lowest_fd;
}

/* What is kept in memory. */
static void check_memory(const struct turn *t, bool roomy)
{
	const struct worker_reply *r = &t->r;

	if (roomy) {
		nothing_went(&t->p->kept, &t->begin, r->n_most);
		nothing_went(&t->begin, &t->end, r->n_most);
	}
	if (r->recalled)
		must_be_kept(&t->begin, t->ids, r->recalled, "what was read from disk");
	if (r->whole)
		must_be_kept(&t->end, t->ids, t->q.n - 1, "the prompt's end");
	if (r->n_answer)
		must_be_kept(&t->end, t->ids, t->held, "the answer's end");
	check_owners(t->p, &t->end, t->ids, t->held, t->q.lane, t->talk, r->n_most);
}

/* The process and the talk are as the turn left them. */
static void note_turn(const struct turn *t, bool roomy)
{
	struct process *p = t->p;
	struct talk *talk = &talks[t->talk];

	set_copy(&p->kept, &t->end);
	p->held[t->q.lane] = t->ids;
	p->owner[t->q.lane] = owner_sum(t->talk);
	note_process(p, &t->r);
	memcpy(talk->ids, t->ids, (size_t)t->n * sizeof(*talk->ids));
	talk->n = t->r.n_answer ? (int)t->held : t->q.n;
	if (t->r.n_answer) /* the last id, which was chosen and not fed */
		say(talk, 1);
	count.turns++;
	count.tokens += t->q.n;
	count.found += t->r.found;
	count.recalled += t->r.recalled;
	count.drafted += t->r.n_drafted;
	count.accepted += t->r.n_accepted;
	count.roomy += roomy;
}

static void check_turn(const struct turn *t, const struct set *later)
{
	bool in_vain = check_found(t, later);
	bool roomy = !in_vain && is_roomy(t->p, &t->r);

	check_memory(t, roomy);
	if (t->r.whole && pick(t->n > MOST ? 4 * SAMPLE : SAMPLE) == 0)
		compare(t);
	note_turn(t, roomy);
}

static void ask_worker(struct process *p, const struct worker_request *q,
		       struct worker_reply *r)
{
	worker_tell(&p->worker, q);
	worker_hear(&p->worker, r);
	if (q->op != WORKER_TURN)
		note_process(p, r);
}

static void flush(struct process *p)
{
	static const struct worker_request q = {.op = WORKER_FLUSH};
	static struct worker_reply r;

	ask_worker(p, &q, &r);
}

static struct turn turns[N_PROCESSES];

static void do_turn(void)
{
	static struct set want;
	struct turn *t = &turns[0];

	tell_turn(t, &processes[pick(N_PROCESSES)], pick(N_TALKS), pick(2));
	hear_turn(t);
	check_turn(t, &disk);
	flush(t->p);
	set_copy(&want, &disk);
	add_stored(&want, &t->end, &disk, t->ids, t->held, t->talk);
	check_disk(&want, &want, t, 1);
}

/* Each in its process, at one time, perhaps of one talk. */
static void do_two_turns(void)
{
	static struct set must, may;
	int talk = pick(N_TALKS);

	for (int i = 0; i < N_PROCESSES; i++)
		tell_turn(&turns[i], &processes[i], pick(3) ? pick(N_TALKS) : talk, pick(2));
	for (int i = 0; i < N_PROCESSES; i++)
		hear_turn(&turns[i]);
	for (int i = 0; i < N_PROCESSES; i++)
		flush(turns[i].p);
	set_copy(&must, &disk);
	for (int i = 0; i < N_PROCESSES; i++)
		add_stored(&must, &turns[i].end, &disk, turns[i].ids, turns[i].held,
			   turns[i].talk);
	set_copy(&may, &must);
	for (int i = 0; i < N_PROCESSES; i++)
		add_stored(&may, &turns[i].end, &must, turns[i].ids, turns[i].held,
			   turns[i].talk);
	check_disk(&must, &may, turns, N_PROCESSES);
	for (int i = 0; i < N_PROCESSES; i++)
		check_turn(&turns[i], &may);
}

/* ------------------------------------------------------------------ and what else */

static void do_price(void)
{
	static struct worker_request q;
	static struct worker_reply r;
	struct process *p = &processes[pick(N_PROCESSES)];
	int talk = pick(N_TALKS);
	struct talk was = talks[talk];
	int64_t have, there;

	next_request(talk, &q);
	talks[talk] = was;
	q.op = WORKER_PRICE;
	ask_worker(p, &q, &r);
	have = expected_in_memory(p, &q);
	there = longest(&disk, q.ids, q.n - 1);
	if (r.found != have || r.recalled != (there > have ? there : 0))
		differs("of %d ids memory has %lld and disk %lld, expected %lld and %lld", q.n,
			(long long)r.found, (long long)r.recalled, (long long)have,
			(long long)there);
	memory_is(p, &p->kept, &r);
}

static void do_evict(void)
{
	static struct worker_request q;
	static struct worker_reply r;
	static struct set left;
	struct process *p = &processes[pick(N_PROCESSES)];
	int n_free = p->n_free;

	q = (struct worker_request){.op = WORKER_EVICT, .n = pick(340)};
	ask_worker(p, &q, &r);
	if (n_free >= q.n)
		memory_is(p, &p->kept, &r);
	else if (r.n_end && r.n_free < q.n)
		differs("%d pages are free, wanted %d", r.n_free, q.n);
	note_kept(&left, p, r.end, r.n_end, NULL, 0, 0);
	set_copy(&p->kept, &left);
}

static void do_forget(void)
{
	static struct worker_request q;
	static struct worker_reply r;
	static struct set want;
	struct process *p = &processes[pick(N_PROCESSES)];
	int talk = pick(N_TALKS);

	q = (struct worker_request){.op = WORKER_FORGET};
	owner_name(talk, q.owner);
	ask_worker(p, &q, &r);
	want.n = 0;
	for (int i = 0; i < p->kept.n; i++) {
		if (p->kept.v[i].owner != owner_sum(talk))
			set_add(&want, p->kept.v[i]);
	}
	memory_is(p, &want, &r);
	set_copy(&p->kept, &want);
	want.n = 0;
	for (int i = 0; i < disk.n; i++) {
		if (disk.v[i].owner != (uint64_t)talk)
			set_add(&want, disk.v[i]);
	}
	disk_is(&want);
	talks[talk].n = 0;
}

static void do_restart(void)
{
	struct process *p = &processes[pick(N_PROCESSES)];

	worker_quit(&p->worker);
	start(p);
	disk_is(&disk);
}

/* At any moment of a turn and of the writing behind it. */
static void do_crash(void)
{
	struct turn *t = &turns[0];

	tell_turn(t, &processes[pick(N_PROCESSES)], pick(N_TALKS), true);
	if (worker_is_done(&t->p->worker, pick(40)))
		usleep((useconds_t)pick(4000));
	worker_kill(&t->p->worker);
	start(t->p);
	t->n = t->q.n + t->q.n_answer;
	t->ids = keep_text(t->q.ids, t->n);
	check_disk(&disk, NULL, t, 1);
}

static int64_t bytes_on_disk(void)
{
	struct kv_list list;
	struct err err = {0};
	int64_t bytes;
	size_t n;

	if (kvdir_list_all(root, &list, &err))
		fail_msg("%s", err.text);
	bytes = kv_list_bytes(&list, &n);
	kv_list_release(&list);
	return bytes;
}

static void do_thin_out(void)
{
	static const struct set nothing;
	int64_t bytes = bytes_on_disk(), budget = bytes / 8 * (1 + pick(9));
	int before = disk.n;

	disk_thin_out(root, budget);
	if (bytes_on_disk() > budget)
		differs("%lld bytes are left, expected %lld", (long long)bytes_on_disk(),
			(long long)budget);
	check_disk(bytes <= budget ? &disk : &nothing, NULL, NULL, 0);
	count.thinned += before - disk.n;
}

static const struct {
	void (*act)(void);
	int share;
} acts[] = {
	{do_turn, 60},  {do_two_turns, 10}, {do_price, 12}, {do_evict, 3},
	{do_forget, 6}, {do_restart, 3},    {do_crash, 3},  {do_thin_out, 3},
};

static void do_anything(void)
{
	int at = pick(100);

	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		at -= acts[i].share;
		if (at < 0) {
			acts[i].act();
			return;
		}
	}
}

static int open_all(void **state)
{
	const struct model_options opt = {.dir = WORKER_MODEL,
					  .n_threads = 1,
					  .prefill_chunk = WORKER_CHUNK,
					  .ctx_tokens = WORKER_CTX};
	struct err err = {0};

	(void)state;
	tmpdir_init(&dir);
	snprintf(root, sizeof(root), "%s", tmpdir_file(&dir, "kv"));
	if (model_open(&model, &opt, &err) || seq_new(&alone, model, &err))
		fail_msg("%s", err.text);
	seed = 15;
	for (int i = 0; i < LONG; i++)
		long_text[i] = (token_id)(10 + pick(3));
	for (int i = 0; i < N_PROCESSES; i++)
		start(&processes[i]);
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	for (int i = 0; i < N_PROCESSES; i++) {
		if (processes[i].worker.pid)
			worker_kill(&processes[i].worker);
		set_release(&processes[i].kept);
	}
	while (texts) {
		struct text *next = texts->next;

		free(texts->ids);
		free(texts);
		texts = next;
	}
	set_release(&disk);
	seq_free(alone);
	model_close(model);
	tmpdir_release(&dir);
	return 0;
}

static void whatever_happens_the_cache_is_what_a_list_of_beginnings_is(void **state)
{
	int n = getenv("DSV4CHAT_SLOW") ? 2500 : 150;

	(void)state;
	for (op = 0; op < n; op++)
		do_anything();
	print_message("%d operations, %ld turns of %ld ids: %ld found, %ld of them on disk; "
		      "%ld of %ld drafts accepted; %ld turns compared; %ld files thinned out\n",
		      n, count.turns, count.tokens, count.found, count.recalled, count.accepted,
		      count.drafted, count.compared, count.thinned);
	/* They do find each other, and there mostly was room. */
	assert_true(count.found > count.tokens / 3);
	assert_true(count.recalled > count.tokens / 50);
	assert_true(count.accepted > count.drafted / 10);
	assert_true(count.compared > count.turns / 10);
	assert_true(count.roomy > count.turns / 2);
	for (int i = 0; i < N_PROCESSES; i++)
		worker_quit(&processes[i].worker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_happens_the_cache_is_what_a_list_of_beginnings_is),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
