/* What the next message would read, where one goes over to a conversation. */
#include "app/line/line.h"

#include "app/talk/price.h"
#include "app/usage.h"
#include "engine/base/clock.h"
#include "engine/base/log.h"

/* Where the engine has more to do, it is a figure less. */
#define PATIENCE_MS 500

/* One event, which a title that was cancelled may be the last of; false: none came in time. */
static bool hear(struct line_mode *l, int64_t until, struct event *ev)
{
	int64_t left = until - clock_ms();
	bool named;

	if (left <= 0 || !event_queue_pop(l->app->engine->events, ev, (int)left))
		return false;
	title_event(&l->title, l->app->engine, &l->talks, ev, &named);
	return true;
}

static void say(const struct event *ev)
{
	struct buf text = {0};

	usage_add_price(&text, (int64_t)ev->progress, (int64_t)ev->progress_all);
	line_say("(%s)", buf_z(&text));
	buf_release(&text);
}

void line_tell_price(struct line_mode *l)
{
	const struct price_of of = {.talk = l->talk, .leaf = l->talk->leaf};
	int64_t until = clock_ms() + PATIENCE_MS;
	uint64_t number = 0;
	struct err err = {0};
	struct event ev = {0};
	bool told = false;
	int rc;

	if (!l->talk->leaf)
		return;
	/* Behind a title that has not ended yet it is asked again. */
	while ((rc = price_ask(&l->turn, &of, true, NULL, &number, &err)) == ERR_USAGE &&
	       hear(l, until, &ev))
		event_release(&ev);
	if (rc)
		log_add(LOG_DEBUG, "price: %s", err.text);
	while (number && !told && hear(l, until, &ev)) {
		told = ev.kind == EV_PRICE && ev.turn == number;
		if (told)
			say(&ev);
		event_release(&ev);
	}
}
