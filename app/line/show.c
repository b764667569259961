/* Events as text and as JSON. */
#include "app/line/show.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "app/exit.h"
#include "app/output.h"
#include "app/signals.h"
#include "app/usage.h"
#include "engine/base/clock.h"
#include "engine/base/jsonw.h"

#define DIM "\033[2m"
#define OFF "\033[0m"

void show_init(struct show *s, const struct app *app)
{
	*s = (struct show){
		.app = app,
		.json = app->opt.json || app->opt.input_format == INPUT_JSONL,
		.hide_thinking = app->opt.hide_thinking,
		.is_terminal = isatty(STDOUT_FILENO),
		.color_err = app_color(app, STDERR_FILENO),
		.tools = app->tools != NULL,
	};
	s->holds = s->tools && !s->json && !s->is_terminal;
}

void show_lose(struct show *s, int why)
{
	if (!s->lost)
		s->lost_errno = why;
	s->lost = true;
}

void show_put(struct show *s, struct str text)
{
	if (text.n && !output_text(STDOUT_FILENO, text))
		show_lose(s, errno);
}

/* Our own words; what stderr does not take is nothing to end a turn for. */
static void tell(const char *text)
{
	output_own(STDERR_FILENO, text);
}

static void clear_bar(struct show *s)
{
	if (s->bar)
		tell("\r\033[K");
	s->bar = false;
}

static void end_thinking(struct show *s)
{
	if (s->in_thinking)
		tell(s->color_err ? OFF "\n" : "\n");
	s->in_thinking = false;
}

bool show_begin_bar(struct show *s)
{
	int64_t now = clock_ms();

	if (!isatty(STDERR_FILENO) || !s->color_err || s->json || now - s->bar_ms < 100)
		return false;
	s->bar = true;
	s->bar_ms = now;
	tell("\r\033[K");
	return true;
}

static void draw_bar(struct show *s, const char *what, uint64_t done, uint64_t all,
		     uint64_t unit, const char *units)
{
	if (!all || !show_begin_bar(s))
		return;
	output_format(STDERR_FILENO, "%s %llu of %llu %s (%llu %%)", what,
		      (unsigned long long)(done / unit), (unsigned long long)(all / unit),
		      units, (unsigned long long)(done * 100 / all));
}

static void tell_price(struct show *s, const struct event *ev)
{
	struct buf line = {0};

	if (!s->tells_price)
		return;
	s->tells_price = false;
	buf_addc(&line, '(');
	usage_add_price(&line, (int64_t)ev->progress_all,
			(int64_t)(ev->progress_all + ev->cached));
	buf_addz(&line, ")\n");
	clear_bar(s);
	output_text(STDERR_FILENO, buf_str(&line));
	buf_release(&line);
}

void show_make_way(struct show *s)
{
	clear_bar(s);
	end_thinking(s);
	if (s->midline && isatty(STDERR_FILENO) && s->is_terminal) {
		show_put(s, STR_LIT("\n"));
		s->midline = false;
	}
}

static void show_text(struct show *s, const struct event *ev)
{
	struct str t = buf_str(&ev->text);

	switch (ev->kind) {
	case EV_LOAD:
		draw_bar(s, "loading", ev->progress, ev->progress_all, 1000000, "MB");
		return;
	case EV_PREFILL:
		tell_price(s, ev);
		draw_bar(s, "reading", ev->progress, ev->progress_all, 1, "tokens");
		return;
	case EV_THINKING:
		if (s->hide_thinking)
			return;
		clear_bar(s);
		if (!s->in_thinking && s->color_err)
			tell(DIM);
		s->in_thinking = true;
		output_text(STDERR_FILENO, t);
		return;
	case EV_TEXT:
		clear_bar(s);
		end_thinking(s);
		if (s->holds) {
			buf_adds(&s->held, t);
			return;
		}
		show_put(s, t);
		s->midline = t.n && t.p[t.n - 1] != '\n';
		return;
	case EV_CALL_TEXT:
		show_writing(s, ev);
		return;
	case EV_CALL_BEGIN:
	case EV_CALL_PARAM:
	case EV_CALL_END:
	case EV_CALL_BAD:
	case EV_CALL_CUT:
	case EV_NOTICE:
		show_writing(s, ev);
		clear_bar(s);
		end_thinking(s);
		/* In an agent session a call is told with its result. */
		if (ev->kind == EV_CALL_PARAM || (s->tools && ev->kind != EV_NOTICE))
			return;
		show_make_way(s);
		tell(ev->kind == EV_CALL_BEGIN ? "call: "
		      : ev->kind == EV_CALL_END ? "with: "
		      : ev->kind == EV_CALL_BAD ? "malformed call: "
		      : ev->kind == EV_CALL_CUT ? "cut: "
						: "note: ");
		output_safe(STDERR_FILENO, t);
		tell("\n");
		return;
	case EV_READY:
	case EV_TOKENS:
	case EV_PRICE:
		return;
	case EV_DONE:
	case EV_ERROR:
		clear_bar(s);
		end_thinking(s);
		return;
	}
}

/* ---------------------------------------------------------------------- JSON */

void show_begin(struct jsonw *w, struct buf *line, const char *type)
{
	jsonw_init(w, line);
	jsonw_begin_object(w);
	jsonw_kv_string(w, "type", str_of(type));
}

void show_send(struct show *s, struct jsonw *w)
{
	jsonw_end_object(w);
	buf_addc(w->out, '\n');
	if (buf_failed(w->out))
		show_lose(s, ENOMEM);
	if (!output_json(STDOUT_FILENO, buf_str(w->out)))
		show_lose(s, errno);
	buf_release(w->out);
}

static void add_call(const struct show *s, const struct event *ev, struct jsonw *w)
{
	jsonw_kv_int(w, "index", ev->call);
	if (s->tools)
		show_call_id(s, ev->call, w);
}

static void show_json(struct show *s, const struct event *ev)
{
	/* NULL: not told, or told by somebody else */
	static const char *const types[] = {
		[EV_PREFILL] = "prefill",
		[EV_THINKING] = "thinking",
		[EV_TEXT] = "text",
		[EV_CALL_BEGIN] = "tool_call_begin",
		[EV_CALL_PARAM] = NULL,
		[EV_CALL_END] = "tool_call",
		[EV_CALL_BAD] = "tool_call_error",
		[EV_CALL_CUT] = "tool_call_error",
		[EV_CALL_TEXT] = "tool_call_text",
		[EV_NOTICE] = "notice",
		[EV_DONE] = "done",
		[EV_ERROR] = NULL,
	};
	struct buf line = {0};
	struct jsonw w;

	if (!types[ev->kind] || (ev->kind == EV_THINKING && s->hide_thinking) ||
	    (ev->kind == EV_CALL_TEXT && !s->app->opt.partial))
		return;
	show_begin(&w, &line, types[ev->kind]);
	if (ev->kind == EV_PREFILL) {
		jsonw_kv_int(&w, "tokens", (int64_t)ev->progress);
		jsonw_kv_int(&w, "total", (int64_t)ev->progress_all);
		jsonw_kv_int(&w, "cached", (int64_t)ev->cached);
		jsonw_kv_int(&w, "disk", (int64_t)ev->disk);
		jsonw_kv_int(&w, "disk_ms", (int64_t)ev->disk_ms);
	} else if (ev->kind == EV_DONE) {
		jsonw_kv_string(&w, "stop_reason", str_of(stop_reason_name(ev->stop)));
		usage_write(&w, &ev->usage);
	} else {
		if (ev->kind == EV_CALL_BEGIN || ev->kind == EV_CALL_TEXT ||
		    ev->kind == EV_CALL_END || ev->kind == EV_CALL_BAD ||
		    ev->kind == EV_CALL_CUT)
			add_call(s, ev, &w);
		if (ev->kind == EV_CALL_END) {
			jsonw_key(&w, "arguments");
			jsonw_raw(&w, buf_str(&ev->text));
		} else {
			jsonw_kv_string(&w, ev->kind == EV_CALL_BEGIN ? "name" : "text",
					buf_str(&ev->text));
		}
	}
	show_send(s, &w);
}

void show_session(struct show *s, uint64_t seed, const char *uid)
{
	const struct engine_info *info = s->app->engine->ops->info(s->app->engine);
	struct buf line = {0};
	struct jsonw w;

	clear_bar(s);
	if (!s->json || !info)
		return;
	show_begin(&w, &line, "session");
	jsonw_kv_string(&w, "version", str_of(DSV4CHAT_VERSION));
	jsonw_kv_string(&w, "model", str_of(info->model_name));
	jsonw_kv_string(&w, "identity", str_of(info->identity));
	jsonw_kv_string(&w, "backend", str_of(info->backend));
	jsonw_kv_int(&w, "context", info->ctx_tokens);
	if (uid)
		jsonw_kv_string(&w, "conversation", str_of(uid));
	jsonw_key(&w, "seed");
	buf_addf(&line, "%llu", (unsigned long long)seed);
	w.more = true;
	show_send(s, &w);
}

/* Writes one event; ERR_IO once stdout is gone. */
static int show_event(void *ctx, const struct event *ev)
{
	struct show *s = ctx;
	bool last = ev->kind == EV_DONE || ev->kind == EV_ERROR;

	if (ev->kind == EV_CALL_BEGIN && ev->call >= s->n_calls)
		s->n_calls = ev->call + 1;
	/* Of several answers in a row the end of all of them is told. */
	if (s->json && !(s->tools && last))
		show_json(s, ev);
	else if (!s->json)
		show_text(s, ev);
	if (s->tools && last)
		show_answer_end(s, ev);
	if (!s->lost)
		return 0;
	/* Given up, since whoever waits wants it ended. */
	if (s->lost_errno == EINTR)
		return signals_seen() ? ERR_CANCELLED : ERR_TIMEOUT;
	return ERR_IO;
}

void show_error(struct show *s, const struct err *err)
{
	struct buf line = {0};
	struct jsonw w;

	clear_bar(s);
	end_thinking(s);
	if (s->midline && s->is_terminal) {
		show_put(s, STR_LIT("\n"));
		s->midline = false;
	}
	app_tell(err->text);
	if (!s->json)
		return;
	show_begin(&w, &line, "error");
	jsonw_kv_string(&w, "code", str_of(error_name(err->code)));
	jsonw_kv_string(&w, "message", str_of(err->text));
	show_send(s, &w);
}

static int stopped(void *ctx)
{
	(void)ctx;
	return signals_seen() ? ERR_CANCELLED : 0;
}

struct turn_watch show_watch(struct show *s, int64_t deadline_ms)
{
	return (struct turn_watch){
		.event = show_event,
		.ctx = s,
		.wake_fd = signals_fd(),
		.stopped = stopped,
		.deadline_ms = deadline_ms,
	};
}

/* ---- the journal, where nobody reads ---- */

static int journal_pause_ms(void *ctx)
{
	return turn_pause_ms(ctx);
}

static void keep_journal(void *ctx)
{
	turn_drained(ctx);
}

int show_turn(struct turn *t, const struct turn_watch *watch, struct turn_outcome *out,
	      struct err *err)
{
	struct output_chore keep = {journal_pause_ms, keep_journal, t};
	int rc;

	output_meanwhile(&keep);
	rc = turn_run(t, watch, out, err);
	output_meanwhile(NULL);
	return rc;
}

int show_finish(struct show *s, struct err *err)
{
	clear_bar(s);
	end_thinking(s);
	buf_release(&s->held);
	buf_release(&s->writes);
	buf_release(&s->changed);
	if (s->midline && !s->json)
		show_put(s, STR_LIT("\n"));
	s->midline = false;
	if (!s->lost)
		return 0;
	return err_set(err, ERR_IO, "stdout: the answer could not be written: %s",
		       s->lost_errno == EINTR ? "it is full and nobody reads it"
		       : s->lost_errno	      ? strerror(s->lost_errno)
					      : "why is not known");
}
