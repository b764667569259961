/* Life of the screen, and its loop. */
#include "app/screen/private.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/binding.h"
#include "app/locale.h"
#include "app/pulse.h"
#include "app/signals.h"
#include "engine/base/clock.h"

/* What the engine says is drawn so often at most; keys are drawn at once. */
#define FRAME_MS 33

/* ---- signals ---- */

void screen_resize(struct screen *s)
{
	struct err err;
	int w, h;

	if (!s->terminal)
		return;
	terminal_size(s->terminal, &w, &h);
	if (surface_resize(&s->surface, w, h, &err) < 0)
		s->failed = err;
	s->dirty = true;
}

static void take_signals(struct screen *s)
{
	unsigned char sigs[64];
	size_t n = signals_read(sigs, sizeof(sigs));

	for (size_t i = 0; i < n; i++) {
		switch (sigs[i]) {
		case SIGWINCH:
			screen_resize(s);
			break;
		case SIGCONT:
			/* After SIGSTOP nothing is known about modes or contents. */
			if (s->terminal) {
				terminal_release(s->terminal);
				terminal_resume(s->terminal, &s->failed);
			}
			screen_resize(s);
			break;
		case SIGTSTP:
			if (s->terminal)
				terminal_suspend(s->terminal, &s->failed);
			screen_resize(s);
			break;
		case SIGCHLD:
			break;
		default:
			s->signo = sigs[i];
			s->quit = true;
			break;
		}
	}
}

/* ---- the loop ---- */

/* A terminal that is gone ends the screen as SIGHUP does, whichever of the two is heard of. */
static void hear_terminal(struct screen *s, int rc, const struct err *err)
{
	if (rc == ERR_IO)
		signals_hang_up();
	else if (rc < 0)
		s->failed = *err;
}

static void draw(struct screen *s)
{
	int64_t now = clock_ms();

	s->status.turn = screen_busy(s);
	tui_set_status(s->tui, &s->status);
	tui_draw(s->tui, &s->surface, now);
	screen_note_seen(s);
	s->drawn_ms = now;
	s->dirty = false;
	if (s->terminal && s->failed.code == 0) {
		bool waits = terminal_waits(s->terminal);
		struct err err;

		hear_terminal(s, terminal_show(s->terminal, &s->surface, &err), &err);
		/* It may have shown nothing of this. */
		s->dirty = waits;
	}
}

/* A terminal that takes no more is drawn on when it has taken what it was given. */
static bool stuck(const struct screen *s)
{
	return s->terminal && terminal_waits(s->terminal);
}

static void go_on_writing(struct screen *s)
{
	struct err err;

	hear_terminal(s, terminal_flush(s->terminal, &err), &err);
}

static void handle(struct screen *s, const struct key_event *ev)
{
	title_cancel(&s->title, s->engine);
	s->status.turn = screen_busy(s);
	tui_set_status(s->tui, &s->status);
	tui_key(s->tui, ev);
	screen_intents(s);
	/* Keys are answered at once. */
	s->drawn_ms = 0;
	s->dirty = true;
	screen_price_after_key(s);
	if (s->tidy_ms)
		screen_tidy_later(s);
}

static void read_keys(struct screen *s)
{
	char bytes[65536];
	struct key_event ev;
	struct err err;
	int n;

	while ((n = terminal_read(s->terminal, bytes, sizeof(bytes), &err)) > 0) {
		s->keys_ms = clock_ms();
		keyparse_push(&s->keys, bytes, (size_t)n, s->keys_ms);
		while (!s->quit && s->terminal && keyparse_next(&s->keys, &ev, false))
			handle(s, &ev);
		if (s->quit || (size_t)n < sizeof(bytes))
			break;
	}
	hear_terminal(s, n < 0 ? n : 0, &err);
}

/* Where the keys that wait are to be flushed: when. */
static int64_t keys_due_ms(const struct screen *s)
{
	return s->keys_ms + keyparse_wait_ms(&s->keys) - clock_ms();
}

/* What was typed while the store worked. */
static void take_heard(struct screen *s)
{
	struct key_event ev;

	while (!s->quit && s->terminal && keyparse_next(&s->keys, &ev, false))
		handle(s, &ev);
}

static void flush_keys(struct screen *s)
{
	struct key_event ev;

	/* What comes while one is handled waits for its own time. */
	while (!s->quit && keyparse_wait_ms(&s->keys) >= 0 && keys_due_ms(s) <= 0 &&
	       keyparse_next(&s->keys, &ev, true))
		handle(s, &ev);
}

/* Plays the script up to where it waits; returns for how long, -1 = not at all. */
static int play(struct screen *s)
{
	while (!s->quit) {
		struct script_out out;
		bool idle = !screen_busy(s) && !s->queue && !title_busy(&s->title) &&
			    (s->ready || s->engine_failed);

		if (s->dirty)
			draw(s);
		out = script_player_next(s->script, &s->surface, idle, clock_ms(),
					 &s->failed);
		switch (out.step) {
		case SCRIPT_KEY:
			handle(s, &out.ev);
			break;
		case SCRIPT_SIZE:
			if (!s->terminal)
				surface_resize(&s->surface, out.w, out.h, &s->failed);
			s->dirty = true;
			break;
		case SCRIPT_WAIT:
			return out.wait_ms;
		case SCRIPT_END:
		case SCRIPT_FAILED:
			s->quit = true;
			break;
		}
	}
	return -1;
}

static int sooner(int a, int64_t b)
{
	if (b < 0)
		b = 0;
	return a < 0 || b < a ? (int)b : a;
}

static void loop(struct screen *s)
{
	while (!s->quit && s->failed.code == 0) {
		struct pollfd fds[4] = {
			{.fd = signals_fd(), .events = POLLIN},
			{.fd = event_queue_fd(s->engine->events), .events = POLLIN},
			{.fd = s->terminal ? terminal_fd(s->terminal) : -1,
			 .events = (short)(POLLIN | (stuck(s) ? POLLOUT : 0))},
		};
		int timeout = s->script ? play(s) : -1, wake, due;
		int64_t now = clock_ms(), wake_at = -1;
		size_t n_fds = 3;

		take_heard(s);
		if (s->quit)
			break;
		if (s->dirty && !stuck(s) && now - s->drawn_ms >= FRAME_MS)
			draw(s);
		if (s->dirty && !stuck(s))
			timeout = sooner(timeout, s->drawn_ms + FRAME_MS - now);
		/* Not every terminal wakes who waits for room: it is tried. */
		if (stuck(s))
			timeout = sooner(timeout, FRAME_MS);
		wake = tui_wake_ms(s->tui, now);
		if (wake >= 0) {
			wake_at = now + wake;
			timeout = sooner(timeout, wake);
		}
		due = turn_pause_ms(&s->turn);
		if (due >= 0)
			timeout = sooner(timeout, due);
		if (keyparse_wait_ms(&s->keys) >= 0)
			timeout = sooner(timeout, keys_due_ms(s));
		due = screen_tidy_due_ms(s);
		if (due >= 0 && !s->dirty)
			timeout = sooner(timeout, due);
		due = screen_price_due_ms(s);
		if (due >= 0)
			timeout = sooner(timeout, due);
		if (s->acts.agent)
			n_fds += agent_fds(s->acts.agent, fds + n_fds, 1);
		if (poll(fds, n_fds, timeout) < 0 && errno != EINTR)
			err_errno(&s->failed, "screen", "poll");
		if (fds[0].revents & POLLIN)
			take_signals(s);
		if (stuck(s))
			go_on_writing(s);
		if (fds[2].revents & (POLLIN | POLLHUP | POLLERR))
			read_keys(s);
		else if (keyparse_wait_ms(&s->keys) >= 0 && keys_due_ms(s) <= 0)
			flush_keys(s);
		if ((fds[1].revents & POLLIN) || turn_due_ms(&s->turn) == 0)
			screen_take_events(s);
		if (n_fds > 3 && fds[3].revents)
			screen_poll_tools(s);
		if (wake_at >= 0 && clock_ms() >= wake_at)
			s->dirty = true;
		if (!s->quit && screen_price_due_ms(s) == 0)
			screen_price(s);
		if (!s->quit && !s->dirty && screen_tidy_due_ms(s) == 0)
			screen_tidy(s);
	}
}

/* ---- life ---- */

static int bind_keys(struct screen *s, struct err *err)
{
	for (size_t i = 0; i < s->opt->n_bindings; i++) {
		if (binding_apply(tui_keymap(s->tui), s->opt->bindings[i], err) < 0)
			return err_prefix(err, "bind");
	}
	return 0;
}

static enum terminal_colors colors_of(const struct options *opt)
{
	switch ((enum color_when)opt->color) {
	case COLOR_NEVER:
		return TERMINAL_COLORS_NONE;
	case COLOR_ALWAYS:
		return TERMINAL_COLORS_16;
	case COLOR_AUTO:
		break;
	}
	return TERMINAL_COLORS_AUTO;
}

/* What a crash cut, and how to go on with it. */
static void tell_recovered(struct screen *s)
{
	const struct history_list *cut = &s->talks->recovered;
	struct buf text = {0};

	for (size_t i = 0; i < cut->n; i++) {
		buf_reset(&text);
		if (cut->items[i].id == s->talk->stored)
			buf_addz(&text, "The program was stopped during this answer: /continue "
					"goes on with it.");
		else
			buf_addf(&text,
				 "The program was stopped during an answer in \"%s\": /open %s "
				 "shows what was said%s.",
				 cut->items[i].title, cut->items[i].uid,
				 i == 0 && !s->talk->leaf ? ", /continue goes on with it"
								 : "");
		screen_notice(s, buf_str(&text));
	}
	buf_release(&text);
}

static void tell_locale(struct screen *s)
{
	struct buf text = {0};

	if (s->terminal && locale_warning(&text))
		screen_notice(s, buf_str(&text));
	buf_release(&text);
}

static void tell_trouble(void *ctx, const char *text)
{
	struct screen *s = ctx;

	tui_say(s->tui, STYLE_ERROR, "%s", text);
	s->dirty = true;
}

/* The chat goes on, and it is tried again later. */
static int tell_unkept(void *ctx, const struct err *why)
{
	struct screen *s = ctx;

	screen_tell_unsaved(s, s->turn.talk, why);
	return 0;
}

/* As other programs on terminals take it; 0: not told. */
static int escdelay_ms(void)
{
	const char *told = getenv("ESCDELAY");
	char *end;
	long ms = told ? strtol(told, &end, 10) : 0;

	return told && *told && !*end && ms >= 0 && ms <= 10000 ? (int)ms + (ms == 0) : 0;
}

static int open_screen(struct screen *s, const struct screen_config *config, struct err *err)
{
	struct tui_config tc = {.complete = screen_complete, .ctx = s};
	struct terminal_config term = {.fd = config->tty,
				       .colors = colors_of(config->opt),
				       .mouse = config->opt->mouse};
	int rc;

	s->config = config;
	s->engine = config->engine;
	s->opt = config->opt;
	s->talks = config->talks;
	s->talk = config->talk;
	s->host = (struct cmd_host){&screen_host, s->opt, s->talks};
	s->turn = (struct turn){.engine = s->engine,
				.opt = s->opt,
				.talks = s->talks,
				.trouble = tell_trouble,
				.unkept = tell_unkept,
				.ctx = s};
	s->keys.esc_ms = escdelay_ms();
	s->status = (struct status){.phase = STATUS_LOADING, .cached = -1};
	s->load_ms = clock_ms();
	s->dirty = true;
	rc = tui_new(&s->tui, &tc, err);
	if (rc < 0)
		return rc;
	for (const struct cmd *c = cmds; c->name; c++)
		tui_add_command(s->tui, c->name, c->arg, c->help);
	screen_apply_options(s);
	s->said = tui_transcript(s->tui);
	rc = bind_keys(s, err);
	if (rc == 0 && config->script)
		rc = script_player_new(&s->script, config->script, err);
	if (rc == 0)
		rc = surface_init(&s->surface, 80, 24, err);
	if (rc == 0)
		rc = talks_list(s->talks, err);
	if (rc == 0 && config->tty >= 0)
		rc = terminal_open(&s->terminal, &term, err);
	if (rc == 0 && !s->terminal && !s->script)
		rc = err_set(err, ERR_USAGE, "the screen needs a terminal, or a script");
	if (rc < 0)
		return rc;
	rc = screen_open_tools(s, err);
	if (rc < 0)
		return rc;
	if (s->talk)
		screen_settle_edits(s);
	if (s->engine->ops->info(s->engine))
		s->ready = true;
	screen_load_inputs(s);
	screen_show_list(s);
	return 0;
}

/* What could not be written or removed so far is tried once more. */
static int save_all(struct screen *s, struct err *err)
{
	struct err why = {0}, ignored;
	int rc = screen_forget(s, &why), lost = talks_save(s->talks, err);

	if (s->tidy_ms && !s->signo)
		talks_tidy(s->talks, &ignored);
	return lost ? lost : rc ? err_set(err, rc, "%s", why.text) : 0;
}

static void close_screen(struct screen *s)
{
	terminal_close(s->terminal);
	/* What was written and not sent comes back by Up. */
	if (s->tui)
		screen_keep_input(s, tui_draft(s->tui));
	screen_close_tools(s);
	turn_release(&s->turn);
	screen_live_release(s);
	title_release(&s->title);
	screen_drop_queue(s);
	buf_release(&s->doubted);
	buf_release(&s->priced);
	price_said_release(&s->priced_said);
	script_player_free(s->script);
	keyparse_release(&s->keys);
	surface_release(&s->surface);
	tui_free(s->tui);
}

int screen_run(struct screen_config *config, int *signo, struct err *err)
{
	struct screen s = {0};
	struct err ignored;
	int rc, lost;

	*signo = 0;
	rc = signals_open(err);
	if (rc < 0)
		return rc;
	signals_catch_terminal(true);
	pulse_set_hear(screen_hear, &s);
	rc = open_screen(&s, config, err);
	if (rc == 0) {
		screen_resize(&s);
		screen_show_talk(&s);
		tell_locale(&s);
		tell_recovered(&s);
		if (config->opt->fork && s.talk->leaf)
			tui_say(s.tui, STYLE_FAINT, "a conversation of its own, from here on");
		if (config->opt->pick)
			screen_ask_resume(&s);
		loop(&s);
		if (s.failed.code != 0) {
			*err = s.failed;
			rc = s.failed.code;
		}
		*signo = s.signo;
		screen_leave_turn(&s);
		terminal_close(s.terminal);
		s.terminal = NULL;
		lost = save_all(&s, rc == 0 ? err : &ignored);
		if (rc == 0)
			rc = lost;
	}
	config->talk = s.talk;
	pulse_set_hear(NULL, NULL);
	close_screen(&s);
	signals_catch_terminal(false);
	signals_take();
	signals_close();
	return rc;
}
