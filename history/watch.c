/* What takes long asks now and then whether it is to go on. */
#include <time.h>

#include "engine/base/clock.h"
#include "history/store.h"

#define PULSE_MS     10
#define STEPS_BEFORE 100 /* of SQLite's machine, between two questions; each may read the disk */

bool store_stops(struct history *h)
{
	int64_t now = clock_ms();

	if (h->search_until && now >= h->search_until) {
		h->timed_out = true;
		h->stopped = true;
		return true;
	}
	if (!h->pulse || h->stopped || now < h->pulsed_at + PULSE_MS)
		return h->stopped;
	h->pulsed_at = now;
	h->stopped = h->pulse(h->pulse_ctx);
	return h->stopped;
}

bool watch_wait_till(struct history *h, int64_t until)
{
	struct timespec pause = {0, 5000000};

	if (clock_ms() >= until || store_stops(h))
		return false;
	nanosleep(&pause, NULL);
	return true;
}

void watch_end_copy(struct history *h)
{
	sqlite3_stmt *st = NULL;

	if (!h->copying)
		return;
	while ((st = sqlite3_next_stmt(h->db, st)) != NULL) {
		if (sqlite3_stmt_busy(st))
			return;
	}
	sqlite3_interrupt(h->db);
}

static int on_steps(void *ctx)
{
	struct history *h = ctx;

	return !h->settling && store_stops(h);
}

static int on_busy(void *ctx, int n)
{
	struct history *h = ctx;

	if (n == 0)
		h->busy_until = clock_ms() + h->wait_ms;
	return watch_wait_till(h, h->busy_until);
}

void store_watch(struct history *h)
{
	sqlite3_progress_handler(h->db, STEPS_BEFORE, on_steps, h);
	sqlite3_busy_handler(h->db, on_busy, h);
}

void history_set_pulse(struct history *h, history_pulse_fn *pulse, void *ctx)
{
	h->pulse = pulse;
	h->pulse_ctx = ctx;
}

void history_set_wait_ms(struct history *h, int ms)
{
	h->wait_ms = ms;
}
