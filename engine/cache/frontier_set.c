/* Keeping, finding and giving up frontiers. */
#include "engine/cache/frontier_set.h"

#include "engine/base/log.h"

void frontier_set_init(struct frontier_set *set, struct model *m)
{
	*set = (struct frontier_set){.m = m};
}

void frontier_set_release(struct frontier_set *set)
{
	for (int i = 0; i < set->n_made; i++)
		frontier_free(set->v[i]);
	*set = (struct frontier_set){0};
}

static int64_t len_at(const struct frontier_set *set, int i)
{
	return i < 0 ? 0 : frontier_len(set->v[i]);
}

/* Which of them, all but the last, is least missed where `end` is the sequence's end. */
static int least_missed(const struct frontier_set *set, int64_t end)
{
	int least = 0;

	for (int i = 1; i < set->n - 1; i++) {
		int64_t gap = len_at(set, i) - len_at(set, i - 1);
		int64_t least_gap = len_at(set, least) - len_at(set, least - 1);

		/* Positions are below 2^31, so that products hold. */
		if (gap * (end - len_at(set, least)) < least_gap * (end - len_at(set, i)))
			least = i;
	}
	return least;
}

/* Takes the i-th out of those in use. */
static void set_aside(struct frontier_set *set, int i)
{
	struct frontier *f = set->v[i];

	set->n--;
	for (; i < set->n; i++)
		set->v[i] = set->v[i + 1];
	set->v[set->n] = f;
}

void frontier_set_keep(struct frontier_set *set, struct seq *s, int64_t len)
{
	struct err err = {0};
	int rc = 0;

	if (len <= len_at(set, set->n - 1))
		return;
	if (set->n >= model_n_frontiers(set->m))
		set_aside(set, least_missed(set, len));
	if (set->n == set->n_made) {
		rc = frontier_new(&set->v[set->n], set->m, &err);
		set->n_made += !rc;
	}
	if (!rc)
		rc = seq_save(s, len, set->v[set->n], &err);
	if (rc)
		log_add(LOG_WARN, "no frontier at %lld: %s", (long long)len, err.text);
	else
		set->n++;
}

void frontier_set_cut(struct frontier_set *set, int64_t len)
{
	while (set->n > 0 && len_at(set, set->n - 1) > len)
		set->n--;
}

const struct frontier *frontier_set_last(const struct frontier_set *set)
{
	return set->n ? set->v[set->n - 1] : NULL;
}

const struct frontier *frontier_set_find(const struct frontier_set *set, int64_t len)
{
	for (int i = set->n - 1; i >= 0; i--) {
		if (len_at(set, i) <= len)
			return set->v[i];
	}
	return NULL;
}
