/* Runs of ids that double as they grow. */
#include "engine/text/tokens.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void tokens_release(struct tokens *t)
{
	free(t->ids);
	*t = (struct tokens){0};
}

void tokens_reset(struct tokens *t)
{
	t->n = 0;
	t->failed = false;
}

bool tokens_failed(const struct tokens *t)
{
	return t->failed;
}

static bool reserve(struct tokens *t, size_t more)
{
	size_t cap = t->cap ? t->cap : 64;
	token_id *ids;

	if (t->failed)
		return false;
	if (more <= t->cap - t->n)
		return true;
	if (more > SIZE_MAX / sizeof(*ids) / 2 - t->n) {
		t->failed = true;
		return false;
	}
	while (cap < t->n + more)
		cap *= 2;
	ids = realloc(t->ids, cap * sizeof(*ids));
	if (!ids) {
		t->failed = true;
		return false;
	}
	t->ids = ids;
	t->cap = cap;
	return true;
}

void tokens_add(struct tokens *t, token_id id)
{
	if (reserve(t, 1))
		t->ids[t->n++] = id;
}

void tokens_add_all(struct tokens *t, const token_id *ids, size_t n)
{
	if (!n || !reserve(t, n))
		return;
	memcpy(t->ids + t->n, ids, n * sizeof(*ids));
	t->n += n;
}
