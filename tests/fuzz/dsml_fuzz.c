/*
 * The first byte chooses mode, end and the size of pieces; the rest is an
 * answer.  Pieces and whole give the same events; each call ends once; it ends
 * well only where the official grammar finds the same.
 */
#include <stdlib.h>

#include "engine/text/dsml.h"
#include "engine/text/prompt.h"
#include "tests/fuzz/fuzz.h"

struct record {
	struct buf events;
	enum event_kind last;
	int n_begun, n_good, n_bad;
};

static void on_event(void *ctx, enum event_kind kind, int call, struct str text)
{
	struct record *r = ctx;
	bool run = kind == EV_TEXT || kind == EV_THINKING || kind == EV_CALL_TEXT;

	if (!run || kind != r->last)
		buf_addf(&r->events, "\n%d %d ", (int)kind, call);
	buf_adds(&r->events, text);
	r->last = kind;
	r->n_begun += kind == EV_CALL_BEGIN;
	r->n_good += kind == EV_CALL_END;
	r->n_bad += kind == EV_CALL_BAD;
	/* A block without a call. */
	r->n_begun += kind == EV_CALL_BAD && !call && !r->n_begun;
	if (call >= r->n_begun)
		abort();
}

static struct record read_in(struct str text, enum dsml_mode mode, size_t step,
			     enum dsml_end end)
{
	struct record r = {.last = EV_LOAD};
	struct dsml d;

	if (dsml_init(&d, mode, on_event, &r, NULL))
		abort();
	while (text.n) {
		size_t n = step < text.n ? step : text.n;

		dsml_push(&d, (struct str){text.p, n});
		text.p += n;
		text.n -= n;
	}
	if (dsml_finish(&d, end, NULL))
		abort();
	if (r.n_good + r.n_bad != r.n_begun || dsml_n_good_calls(&d) != r.n_good)
		abort();
	dsml_release(&d);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text;
	enum dsml_mode mode;
	enum dsml_end end;
	struct dsml_message m = {0};
	struct record whole, parts;
	struct buf ended = {0};

	if (!size)
		return 0;
	text = (struct str){(const char *)data + 1, size - 1};
	mode = data[0] & 1 ? DSML_THINKING : DSML_CHAT;
	end = data[0] & 2 ? DSML_END_CUT : DSML_END_STOP;
	whole = read_in(text, mode, text.n + 1, end);
	parts = read_in(text, mode, 1 + data[0] / 4, end);
	if (!str_eq(buf_str(&whole.events), buf_str(&parts.events)))
		abort();
	for (size_t i = 0; i + sizeof(TOKEN_EOS) - 1 <= text.n; i++) {
		if (str_is((struct str){text.p + i, sizeof(TOKEN_EOS) - 1}, TOKEN_EOS))
			text.n = i;
	}
	buf_adds(&ended, text);
	buf_addz(&ended, TOKEN_EOS);
	if (dsml_message_parse(buf_str(&ended), mode, &m, NULL) == 0 && whole.n_good) {
		if ((size_t)whole.n_good != m.n_calls)
			abort();
	} else if (whole.n_good) {
		abort();
	}
	dsml_message_release(&m);
	buf_release(&ended);
	buf_release(&whole.events);
	buf_release(&parts.events);
	return 0;
}
