/* What is heard while the store works, and the store's upkeep, which gives way to everything. */
#include "app/screen/private.h"

#include <poll.h>
#include <string.h>

#include "app/pulse.h"
#include "engine/base/clock.h"

/* So long nobody has typed, and nothing is answered. */
#define TIDY_AFTER_MS 500

/* Esc, which alone is all that was read, or Ctrl-C. */
static bool says_stop(const char *bytes, size_t n)
{
	return (n == 1 && bytes[0] == '\x1b') || memchr(bytes, '\x03', n);
}

static bool is_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

bool screen_hear(void *ctx)
{
	struct screen *s = ctx;
	struct err ignored;
	bool wanted = s->tidying && is_readable(event_queue_fd(s->engine->events));
	char bytes[4096];
	int n;

	/* One that vanished stays readable: the loop finds out. */
	while (s->terminal && !s->lent &&
	       (n = terminal_read(s->terminal, bytes, sizeof(bytes), &ignored)) != 0) {
		if (n < 0)
			return true;
		wanted |= s->tidying || says_stop(bytes, (size_t)n);
		/* What gives something up is no key, too: that would clear what is said of it. */
		if (n == 1 && wanted && !s->tidying && pulse_is_optional())
			break;
		s->keys_ms = clock_ms();
		keyparse_push(&s->keys, bytes, (size_t)n, s->keys_ms);
		if ((size_t)n < sizeof(bytes))
			break;
	}
	return wanted;
}

void screen_tidy_later(struct screen *s)
{
	s->tidy_ms = clock_ms() + TIDY_AFTER_MS;
}

int screen_tidy_due_ms(const struct screen *s)
{
	return screen_busy(s) || title_busy(&s->title) ? -1 : clock_left_ms(s->tidy_ms);
}

void screen_tidy(struct screen *s)
{
	struct err err = {0};
	int rc;

	s->tidying = true;
	rc = talks_tidy(s->talks, &err);
	s->tidying = false;
	/* What another process keeps from being done is tried at the end, and noted in the file. */
	if (rc == ERR_CANCELLED)
		screen_tidy_later(s);
	else if (!rc)
		s->tidy_ms = 0;
	else
		s->tidy_ms = clock_ms() + 100 * TIDY_AFTER_MS;
}
