/* What of a prompt is held already, and where a later one may part from it. */
#include "engine/cache/prefix.h"

#include "engine/base/log.h"

int prefix_open(struct prefix *p, struct tree *tree, token_id user, token_id assistant,
		struct err *err)
{
	*p = (struct prefix){.m = tree->m, .tree = tree, .user = user, .assistant = assistant};
	return seq_new(&p->seq, p->m, err);
}

void prefix_release(struct prefix *p)
{
	seq_free(p->seq);
	tokens_release(&p->held);
	*p = (struct prefix){0};
}

int64_t prefix_len(const struct prefix *p)
{
	return seq_len(p->seq);
}

/* Keeps the frontier at `len`; where there is no memory for it that costs time later, and
 * nothing else. */
static void keep(struct prefix *p, int64_t len)
{
	struct err err = {0};

	if (len <= p->kept)
		return;
	if (tree_keep(p->tree, p->seq, p->held.ids, len, &err))
		log_add(LOG_WARN, "no frontier at %lld: %s", (long long)len, err.text);
	else
		p->kept = len;
}

static int64_t common_prefix(const struct tokens *held, const token_id *ids, int64_t n)
{
	int64_t i = 0;

	while (i < (int64_t)held->n && i < n && held->ids[i] == ids[i])
		i++;
	return i;
}

/* The sequence is about to hold something else: what it holds may be asked for again. */
static void leave(struct prefix *p)
{
	if (seq_len(p->seq) - p->kept >= PLACE_GAP) {
		keep(p, seq_len(p->seq));
		tree_own(p->tree, p->owner, p->held.ids, (int64_t)p->held.n);
	}
	p->owner = 0;
}

static int go_back(struct prefix *p, struct mark *mark, const token_id *ids, struct err *err)
{
	int64_t len = mark->len;
	int rc;

	tokens_reset(&p->held);
	tokens_add_all(&p->held, ids, (size_t)len);
	if (tokens_failed(&p->held)) {
		tokens_reset(&p->held);
		(void)seq_truncate(p->seq, 0, err);
		return err_nomem(err, "token ids", (unsigned long long)len * sizeof(*ids));
	}
	rc = tree_restore(p->tree, mark, p->seq, err);
	p->held.n = (size_t)seq_len(p->seq);
	return rc;
}

/* Keeps the first `len` of the ids held. */
static int cut_to(struct prefix *p, int64_t len, struct err *err)
{
	int rc = seq_truncate(p->seq, len, err);

	p->held.n = (size_t)seq_len(p->seq);
	return rc;
}

void prefix_own(struct prefix *p, struct str conversation)
{
	p->owner = tree_owner(conversation);
	tree_own(p->tree, p->owner, p->held.ids, (int64_t)p->held.n);
}

void prefix_forget(struct prefix *p, struct str conversation)
{
	struct err err = {0};

	(void)cut_to(p, 0, &err);
	tokens_release(&p->held);
	p->kept = 0;
	p->owner = 0;
	tree_forget(p->tree, conversation);
}

int64_t prefix_found(const struct prefix *p, const token_id *ids, int64_t n)
{
	const struct mark *mark = tree_find(p->tree, ids, n - 1);
	int64_t common = common_prefix(&p->held, ids, n - 1);
	int64_t kept = mark ? mark->len : 0;

	return common >= seq_floor(p->seq) && common > kept ? common : kept;
}

/* Where a roll-back led to may be a place of the prompt at hand, too. */
static void keep_here(struct prefix *p)
{
	int64_t at = seq_len(p->seq);

	if (at > 0 && places_next(&p->places, at - 1, p->kept) == at)
		keep(p, at);
}

int64_t prefix_begin(struct prefix *p, const token_id *ids, int64_t n, struct err *err)
{
	int64_t common = common_prefix(&p->held, ids, n - 1);
	struct mark *mark = tree_find(p->tree, ids, n - 1);
	int rc;

	tree_tick(p->tree);
	if (mark)
		tree_spare(p->tree, mark);
	if (common < (int64_t)p->held.n)
		leave(p);
	p->kept = mark ? mark->len : 0;
	if (common >= seq_floor(p->seq) && common >= p->kept) {
		rc = cut_to(p, common, err);
		if (mark)
			tree_use(p->tree, mark);
	} else if (mark) {
		rc = go_back(p, mark, ids, err);
	} else {
		rc = cut_to(p, 0, err);
	}
	places_init(&p->places, ids, n, p->user, p->assistant);
	if (rc)
		return rc;
	keep_here(p);
	return seq_len(p->seq);
}

int64_t prefix_next(const struct prefix *p)
{
	int64_t at = seq_len(p->seq), n = p->places.n, chunk = model_prefill_chunk(p->m);
	int64_t end = n - at < chunk ? n : at + chunk;
	int64_t place = places_next(&p->places, at, p->kept);

	/* Nearer to the end than that, its frontier can be taken afterwards. */
	return end - place > SEQ_MAX_ROLLBACK ? place : end;
}

/* The frontiers that a call from `from` on has reached. */
static void keep_frontiers(struct prefix *p, int64_t from)
{
	int64_t at = seq_len(p->seq);
	int64_t place = from;

	if (from >= p->places.n)
		return;
	while ((place = places_next(&p->places, place, p->kept)) <= at && place < p->places.n)
		keep(p, place);
	if (at - p->kept >= PLACE_EVERY)
		keep(p, at);
}

int prefix_run(struct prefix *p, struct forward call, struct err *err)
{
	int64_t from = seq_len(p->seq);
	int rc;

	/* Room first, for what may be drafted as well: after the call there must be no way to
	 * fail. */
	tokens_add_all(&p->held, call.ids, (size_t)call.n);
	for (int i = call.n; i < forward_rows(&call); i++)
		tokens_add(&p->held, -1);
	if (tokens_failed(&p->held)) {
		p->held.n = (size_t)from;
		p->held.failed = false;
		return err_nomem(err, "token ids",
				 (unsigned long long)forward_rows(&call) * sizeof(*call.ids));
	}
	tree_make_room(p->tree, seq_pages_wanted(p->seq, forward_rows(&call)));
	rc = seq_run(p->seq, call, err);
	for (int i = 1; !rc && call.cycle && i <= call.cycle->n_accepted; i++)
		p->held.ids[from + i] = call.cycle->ids[i];
	/* Some failures leave the sequence empty. */
	p->held.n = (size_t)seq_len(p->seq);
	if (p->held.n == 0)
		p->kept = 0;
	if (!rc)
		keep_frontiers(p, from);
	return rc;
}

int prefix_roll_back(struct prefix *p, int64_t len, struct err *err)
{
	return cut_to(p, len, err);
}

void prefix_end(struct prefix *p)
{
	keep(p, seq_len(p->seq));
	places_init(&p->places, NULL, 0, p->user, p->assistant);
}
