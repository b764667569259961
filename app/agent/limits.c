/* Calls that repeat themselves. */
#include "app/agent/limits.h"

#include <xxhash.h>

static uint64_t hash_call(struct str tool, struct str arguments)
{
	uint64_t name = XXH64(tool.n ? tool.p : "", tool.n, 0);

	return XXH64(arguments.n ? arguments.p : "", arguments.n, name);
}

enum limits_say limits_ask(struct limits *l, struct str tool, struct str arguments)
{
	uint64_t call = hash_call(tool, arguments), result = 0;
	size_t from = l->n > LIMITS_KEPT ? l->n - LIMITS_KEPT : 0;
	int same = 0;

	for (size_t i = l->n; i-- > from;) {
		if (l->kept[i % LIMITS_KEPT].call != call)
			continue;
		if (same && l->kept[i % LIMITS_KEPT].result != result)
			break;
		result = l->kept[i % LIMITS_KEPT].result;
		same++;
	}
	if (same < 2)
		return LIMITS_GO;
	return ++l->n_blocked < 3 ? LIMITS_REPEATS : LIMITS_ENDS;
}

/* What others have seen may be different now. */
static void forget_others(struct limits *l, uint64_t call)
{
	for (size_t i = 0; i < LIMITS_KEPT; i++) {
		if (l->kept[i].call != call)
			l->kept[i].call = 0;
	}
}

void limits_note(struct limits *l, struct str tool, struct str arguments, struct str result,
		 bool changes)
{
	uint64_t call = hash_call(tool, arguments);
	size_t at = l->n++ % LIMITS_KEPT;

	l->n_blocked = 0;
	if (changes)
		forget_others(l, call);
	l->kept[at].call = call;
	l->kept[at].result = XXH64(result.n ? result.p : "", result.n, 0);
}
