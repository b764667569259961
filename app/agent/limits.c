/* Calls that repeat themselves. */
#include "app/agent/limits.h"

#include <xxhash.h>

#define BYTES_A_TOKEN    3 /* at least, of what tools say */
#define RESULT_MIN_BYTES ((size_t)2 << 10)
#define RESULT_MAX_BYTES ((size_t)32 << 10)

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

size_t limits_result(int64_t ctx_tokens, int64_t used_tokens, size_t given)
{
	int64_t left = ctx_tokens - used_tokens;
	size_t fifth = left > 0 ? (size_t)left * BYTES_A_TOKEN / 5 : 0;
	size_t n = 2 * fifth > given ? 2 * fifth - given : 0;

	if (ctx_tokens <= 0)
		return 0;
	n = n < fifth ? n : fifth;
	n = n < RESULT_MAX_BYTES ? n : RESULT_MAX_BYTES;
	return n > RESULT_MIN_BYTES ? n : RESULT_MIN_BYTES;
}
