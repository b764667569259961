/* Opens an engine and hears of its loading. */
#include "tests/support/shared_files.h"

#include "tests/support/ready_engine.h"

struct engine *ready_engine_open(const struct engine_config *config)
{
	struct engine *e;
	struct err err = {0};

	if (engine_open(&e, config, &err))
		fail_msg("%s", err.text);
	for (;;) {
		struct event ev;
		enum event_kind kind;

		assert_int_equal(event_queue_pop(e->events, &ev, 60000), 1);
		kind = ev.kind;
		if (kind == EV_ERROR)
			fail_msg("%s", ev.err.text);
		event_release(&ev);
		if (kind == EV_READY)
			return e;
		assert_int_equal(kind, EV_LOAD);
	}
}
