/* One question for all histories of the program. */
#include "app/pulse.h"

#include <stddef.h>

#include "app/signals.h"
#include "engine/base/clock.h"

static bool optional;
static pulse_hear_fn *asked;
static void *asked_ctx;
static int64_t signalled_ms; /* when the signal was first heard of; 0: none waits */

bool pulse_gives_up(void *ctx)
{
	bool wanted = asked && asked(asked_ctx);

	(void)ctx;
	if (!signals_seen()) {
		signalled_ms = 0;
		return optional && wanted;
	}
	if (!signalled_ms)
		signalled_ms = clock_ms();
	return optional || clock_ms() >= signalled_ms + PULSE_KEEP_MS;
}

bool pulse_optional(bool on)
{
	bool before = optional;

	optional = on;
	return before;
}

bool pulse_is_optional(void)
{
	return optional;
}

void pulse_set_hear(pulse_hear_fn *hear, void *ctx)
{
	asked = hear;
	asked_ctx = ctx;
}
