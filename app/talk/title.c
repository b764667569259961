/* Asking for a title, and making one line of what came. */
#include "app/talk/title.h"

#include <string.h>
#include <wchar.h>

#include "app/talk/request.h"
#include "app/talk/store.h"
#include "engine/base/log.h"
#include "engine/base/termsafe.h"
#include "engine/base/utf8.h"

#define TITLE_TOKENS 32
/* What is said beyond is no title. */
#define TITLE_MAX_BYTES 4096

void title_release(struct title *t)
{
	buf_release(&t->said);
	*t = (struct title){0};
}

bool title_busy(const struct title *t)
{
	return t->turn && !t->given_up;
}

static bool wants_title(const struct title *t, struct engine *e, const struct options *o,
			const struct talk *talk)
{
	const struct engine_info *info = e->ops->info(e);
	const struct talk_message *m = talk->leaf;

	return o->titles && !title_busy(t) && info && info->has_title_task &&
	       talk->title_from == HISTORY_TITLE_PROMPT && m && m->role == CHAT_ASSISTANT &&
	       !m->unfinished && talk_message_speaks(m);
}

void title_ask(struct title *t, struct engine *e, const struct options *o, struct talks *talks,
	       struct talk *talk)
{
	struct turn_request req = {.sampling = sampling_default()};
	struct request r;
	struct err err = {0};
	int rc;

	if (!wants_title(t, e, o, talk))
		return;
	rc = request_build(&r, talk, (enum chat_effort)o->effort, &err);
	if (!rc) {
		r.messages[r.n - 1].task = CHAT_TASK_TITLE;
		req.chat = r.chat;
		req.conversation = str_of(talk_store_uid(talks, talk));
		req.sampling.temperature = 0;
		req.sampling.max_tokens = TITLE_TOKENS;
		buf_reset(&t->said);
		t->given_up = false;
		t->talk = talk;
		rc = e->ops->submit(e, &req, &t->turn, &err);
	}
	if (rc) {
		t->turn = 0;
		log_add(LOG_WARN, "title: %s", err.text);
	}
	request_release(&r);
}

void title_cancel(struct title *t, struct engine *e)
{
	if (!title_busy(t))
		return;
	t->given_up = true;
	e->ops->cancel(e, t->turn);
}

/* Between the asking and the end somebody may have named it. */
static bool name(struct title *t, struct talks *talks)
{
	struct talk *talk = t->talk;
	struct buf title = {0};
	struct err err = {0};
	bool named;

	title_of(&title, buf_str(&t->said));
	named = title.len && !buf_failed(&title) && talk->title_from == HISTORY_TITLE_PROMPT;
	if (named) {
		buf_reset(&talk->title);
		buf_adds(&talk->title, buf_str(&title));
		talk->title_from = HISTORY_TITLE_MODEL;
		if (talk_store_rename(talks, talk, &err))
			log_add(LOG_WARN, "title: %s", err.text);
	}
	buf_release(&title);
	return named;
}

bool title_event(struct title *t, struct engine *e, struct talks *talks, const struct event *ev,
		 bool *named)
{
	*named = false;
	if (!t->turn || ev->turn != t->turn)
		return false;
	if (ev->kind == EV_TEXT) {
		buf_adds(&t->said, buf_str(&ev->text));
		if (t->said.len > TITLE_MAX_BYTES)
			title_cancel(t, e);
	}
	if (ev->kind == EV_ERROR)
		log_add(LOG_WARN, "title: %s", ev->err.text);
	if (ev->kind == EV_DONE && !t->given_up && !buf_failed(&t->said))
		*named = name(t, talks);
	if (ev->kind == EV_DONE || ev->kind == EV_ERROR)
		t->turn = 0;
	return true;
}

/* ------------------------------------------------------------------ cleaning */

/* What may stand around a title, opening and closing. */
static const char *const around[][2] = {
	{"\"", "\""}, {"'", "'"},   {"`", "`"},   {"“", "”"}, {"‘", "’"}, {"«", "»"},
	{"「", "」"}, {"『", "』"}, {"**", "**"}, {"*", "*"}, {"_", "_"}, {"# ", ""},
};

/* Takes one pair of marks off, if the text stands in one. */
static bool unwrap(struct str *s)
{
	for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++) {
		size_t open = strlen(around[i][0]), close = strlen(around[i][1]);

		if (s->n <= open + close || memcmp(s->p, around[i][0], open) != 0 ||
		    memcmp(s->p + s->n - close, around[i][1], close) != 0)
			continue;
		*s = (struct str){s->p + open, s->n - open - close};
		return true;
	}
	return false;
}

static bool is_blank(uint32_t cp)
{
	return cp == ' ' || cp == '\t' || cp == 0xA0 || cp == 0x3000;
}

/* One line, safe and without double blanks, whatever the bytes were. */
static void add_plain(struct buf *out, struct str line)
{
	bool blank = false;

	for (size_t at = 0; at < line.n;) {
		uint32_t cp;
		int n = utf8_decode(line.p + at, line.n - at, &cp);
		char c[4];

		if (n <= 0) {
			at += n ? (size_t)-n : line.n - at;
			continue;
		}
		at += (size_t)n;
		if (is_blank(cp)) {
			blank = out->len > 0;
			continue;
		}
		if (termsafe_map(cp) != cp)
			continue;
		if (blank)
			buf_addc(out, ' ');
		blank = false;
		buf_add(out, c, utf8_encode(cp, c));
	}
}

/* Where the locale does not know it, a terminal shows something in its place. */
static int columns_of(uint32_t cp)
{
	int n = wcwidth((wchar_t)cp);

	return n < 0 ? 1 : n;
}

/* How many bytes of s fit: marks go with the character that they stand on. */
static size_t fitting(struct str s)
{
	int columns = 0;
	size_t at = 0;

	while (at < s.n) {
		uint32_t cp;
		int n = utf8_decode(s.p + at, s.n - at, &cp);

		if (n <= 0)
			return at;
		columns += columns_of(cp);
		if (columns > TITLE_COLUMNS)
			return at;
		at += (size_t)n;
	}
	return at;
}

static bool visible(struct str s)
{
	for (size_t at = 0; at < s.n;) {
		uint32_t cp;
		int n = utf8_decode(s.p + at, s.n - at, &cp);

		if (n <= 0)
			return false;
		if (columns_of(cp) > 0)
			return true;
		at += (size_t)n;
	}
	return false;
}

void title_of(struct buf *out, struct str said)
{
	struct buf plain = {0};
	struct str title = {0}, line;

	while (!visible(title) && str_line(&said, &line)) {
		buf_reset(&plain);
		add_plain(&plain, line);
		title = buf_str(&plain);
		while (unwrap(&title))
			;
	}
	if (visible(title))
		buf_add(out, title.p, fitting(title));
	buf_release(&plain);
}
