/*
 * A model that goes in circles: the same call with the same result again and again, alone or in
 * turn with others, while nothing that it looks at changes.
 */
#ifndef APP_AGENT_LIMITS_H
#define APP_AGENT_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/buf.h"

#define LIMITS_KEPT    12 /* calls that are looked back on: three times a circle of four */
#define LIMITS_CALLS   16 /* of an answer */
#define LIMITS_WRONG   3  /* rounds in a row with nothing but wrong calls */

struct limits {
	struct {
		uint64_t call, result;
	} kept[LIMITS_KEPT];
	size_t n;      /* ever kept */
	int n_blocked; /* repetitions that did not run, since the last call that did */
};

enum limits_say {
	LIMITS_GO,
	LIMITS_REPEATS, /* the third time, with the same result twice: it is not to run */
	LIMITS_ENDS,    /* the fifth time: the turn is to end */
};

enum limits_say limits_ask(struct limits *l, struct str tool, struct str arguments);
/* It ran; `changes`: what other calls have seen may differ from now on. */
void limits_note(struct limits *l, struct str tool, struct str arguments, struct str result,
		 bool changes);

/*
 * How many bytes a result may have, of a context with so many tokens used: a fifth of what is
 * left, and with the `given` bytes of the round's other results two fifths, but never less than
 * 2 KiB. 0: ctx_tokens is 0, nothing is known.
 */
size_t limits_result(int64_t ctx_tokens, int64_t used_tokens, size_t given);

#endif
