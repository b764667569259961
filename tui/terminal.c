/* The tty's modes, the terminal's capabilities, and putting both back however it ends. */
#include "tui/terminal.h"

#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

#include "engine/base/tty.h"
#include "tui/osc52.h"
#include "tui/terminal_crash.h"
#include "tui/theme.h"

#define LEAVE_MS  300   /* a terminal that takes nothing for so long is left as it is */
#define TRY_MS      20
#define PIECE_BYTES 256

struct terminal {
	int fd;
	struct termios saved, raw;
	struct paint_caps caps;
	struct surface shown;
	struct buf out; /* to be written, from `at` on */
	size_t at;
	bool own;   /* fd is a description of our own, that never waits */
	bool stuck; /* it took nothing when it was left */
	struct buf enter, leave;
	char *cup;
	int colors; /* 0, 8, 16, 256, or 1 << 24 */
	bool all;   /* nothing is known of what the terminal shows */
	bool mouse;
	bool active; /* in raw mode, on the alternate screen */
};

/* ---- writing ---- */

static bool has_room(const struct terminal *t, int ms)
{
	struct pollfd p = {.fd = t->fd, .events = POLLOUT};

	return poll(&p, 1, ms) > 0;
}

/* What the terminal takes now; the rest of `out` stays. */
static int write_some(struct terminal *t, struct err *err)
{
	while (t->at < t->out.len) {
		size_t left = t->out.len - t->at;
		ssize_t n;

		if (!t->own && !has_room(t, 0))
			return 0;
		/* Where there is room, there is as much. */
		if (!t->own && left > PIECE_BYTES)
			left = PIECE_BYTES;
		n = write(t->fd, t->out.data + t->at, left);
		if (n > 0)
			t->at += (size_t)n;
		else if (n < 0 && errno == EAGAIN)
			return 0;
		else if (n == 0 || errno != EINTR)
			return err_errno(err, "terminal", "write");
	}
	buf_reset(&t->out);
	t->at = 0;
	return 0;
}

/* Before the terminal is another's: as long as it takes anything, and a moment longer. */
static void write_rest(struct terminal *t)
{
	struct err ignored;
	int waited = 0;

	while (terminal_waits(t) && waited < LEAVE_MS) {
		size_t before = t->at;

		if (write_some(t, &ignored) < 0)
			break;
		waited = t->at > before ? 0 : waited + TRY_MS;
		/* Not every terminal wakes who waits for room: it is tried. */
		if (terminal_waits(t))
			has_room(t, TRY_MS);
	}
	t->stuck = terminal_waits(t);
	buf_reset(&t->out);
	t->at = 0;
}

bool terminal_waits(const struct terminal *t)
{
	return t->at < t->out.len;
}

int terminal_flush(struct terminal *t, struct err *err)
{
	return write_some(t, err);
}

/* ---- capabilities ---- */

static const char *cap(const char *name)
{
	const char *s = tigetstr(name);

	return !s || s == (const char *)-1 ? "" : s;
}

/* Terminal descriptions may hold delays ("$<5>"), which no terminal of today needs. */
static void add_cap(struct buf *out, const char *s)
{
	for (size_t i = 0; s[i] != '\0'; i++) {
		const char *end;

		if (s[i] == '$' && s[i + 1] == '<' && (end = strchr(s + i, '>'))) {
			i = (size_t)(end - s);
			continue;
		}
		buf_addc(out, s[i]);
	}
}

static void store_cap(char out[PAINT_SGR_MAX], const char *s)
{
	struct buf b = {0};

	add_cap(&b, s);
	snprintf(out, PAINT_SGR_MAX, "%s", b.len < PAINT_SGR_MAX ? buf_z(&b) : "");
	buf_release(&b);
}

static void move_cursor(void *ctx, int x, int y, struct buf *out)
{
	struct terminal *t = ctx;

	add_cap(out, tiparm(t->cup, y, x));
}

static int depth_of(const struct terminal_config *config)
{
	const char *no = getenv("NO_COLOR"), *more = getenv("COLORTERM");
	int n = tigetnum("colors");

	switch (config->colors) {
	case TERMINAL_COLORS_NONE:
		return 0;
	case TERMINAL_COLORS_16:
		return n > 0 && n < 16 ? n : 16;
	case TERMINAL_COLORS_256:
		return 256;
	case TERMINAL_COLORS_RGB:
		return 1 << 24;
	case TERMINAL_COLORS_AUTO:
		break;
	}
	if ((no && no[0] != '\0') || n < 8)
		return 0;
	if (more && (strcmp(more, "truecolor") == 0 || strcmp(more, "24bit") == 0))
		return 1 << 24;
	if (tigetflag("Tc") > 0 || tigetflag("RGB") > 0)
		return 1 << 24;
	return n >= 256 ? 256 : n >= 16 ? 16 : 8;
}

static void add_color(struct buf *b, const char *set, int color, int depth, bool bg)
{
	if (color == THEME_DEFAULT)
		return;
	if (depth >= 16) {
		add_cap(b, tiparm(set, color));
		return;
	}
	/* Eight colours: bright black is out of reach; the theme's 8 is shown dim. */
	if (color == 8 && !bg)
		add_cap(b, cap("dim"));
	else
		add_cap(b, tiparm(set, color % 8));
}

static void store_role(struct terminal *t, enum style_role role)
{
	const struct theme_role *r = theme_role(role);
	const char *setaf = cap("setaf"), *setab = cap("setab");
	uint16_t attrs = t->colors > 0 ? r->attrs : r->attrs_mono;
	struct buf b = {0};

	for (int i = 0; i < STYLE_N_ATTRS; i++) {
		if (attrs & (STYLE_BOLD << i))
			buf_addz(&b, t->caps.attr[i]);
	}
	if (t->colors >= 1 << 24) {
		if (r->fg_rgb != THEME_DEFAULT)
			buf_addf(&b, "\x1B[38;2;%d;%d;%dm", r->fg_rgb >> 16 & 255,
				 r->fg_rgb >> 8 & 255, r->fg_rgb & 255);
		if (r->bg_rgb != THEME_DEFAULT)
			buf_addf(&b, "\x1B[48;2;%d;%d;%dm", r->bg_rgb >> 16 & 255,
				 r->bg_rgb >> 8 & 255, r->bg_rgb & 255);
	} else if (t->colors >= 256) {
		add_color(&b, setaf, r->fg256, t->colors, false);
		add_color(&b, setab, r->bg256, t->colors, true);
	} else if (t->colors > 0) {
		add_color(&b, setaf, r->fg16, t->colors, false);
		add_color(&b, setab, r->bg16, t->colors, true);
	} else if (role == STYLE_FAINT || role == STYLE_THINKING || role == STYLE_COMMENT) {
		add_cap(&b, cap("dim"));
	}
	snprintf(t->caps.role[role], PAINT_SGR_MAX, "%s",
		 b.len < PAINT_SGR_MAX ? buf_z(&b) : "");
	buf_release(&b);
}

static void load_caps(struct terminal *t, const struct terminal_config *config)
{
	static const char *const attrs[STYLE_N_ATTRS] = {"bold", "sitm", "smul", "smxx", "rev"};
	const char *codeset = nl_langinfo(CODESET);
	bool xtermish = strstr(cap("cup"), "\x1B[") == cap("cup");

	t->colors = depth_of(config);
	t->caps.move = move_cursor;
	t->caps.move_ctx = t;
	store_cap(t->caps.reset, cap("sgr0"));
	for (int i = 0; i < STYLE_N_ATTRS; i++)
		store_cap(t->caps.attr[i], cap(attrs[i]));
	for (int i = 0; i < STYLE_N_ROLES; i++)
		store_role(t, (enum style_role)i);
	store_cap(t->caps.erase_line, cap("el"));
	store_cap(t->caps.cursor_on, cap("cnorm"));
	store_cap(t->caps.cursor_off, cap("civis"));
	t->caps.ascii = config->ascii || strcmp(codeset, "UTF-8") != 0;
	t->caps.wraps = tigetflag("am") > 0;
	t->caps.no_last_cell = tigetflag("am") > 0 && tigetflag("xenl") <= 0;

	add_cap(&t->enter, cap("smcup"));
	/* The wheel is none of the arrow keys; how it was comes back. */
	if (xtermish)
		buf_addz(&t->enter, "\x1B[?2004h\x1B[?1007s\x1B[?1007l");
	if (t->caps.reset[0] != '\0')
		buf_addz(&t->enter, t->caps.reset);
	add_cap(&t->enter, cap("clear"));

	if (xtermish)
		buf_addz(&t->leave, "\x1B[?1006l\x1B[?1000l\x1B[?2004l\x1B[?1007r");
	buf_addz(&t->leave, t->caps.reset);
	add_cap(&t->leave, cap("cnorm"));
	add_cap(&t->leave, tiparm(t->cup, 2000, 0));
	add_cap(&t->leave, cap("el"));
	add_cap(&t->leave, cap("rmcup"));
}

/* ---- entering and leaving ---- */

static int enter(struct terminal *t, struct err *err)
{
	if (tcsetattr(t->fd, t->stuck ? TCSANOW : TCSADRAIN, &t->raw) < 0)
		return err_errno(err, "terminal", "set raw mode");
	t->active = true;
	t->all = true;
	terminal_crash_arm(t->fd, &t->saved, buf_str(&t->leave));
	buf_adds(&t->out, buf_str(&t->enter));
	if (t->mouse)
		buf_addz(&t->out, "\x1B[?1000h\x1B[?1006h");
	return write_some(t, err);
}

void terminal_release(struct terminal *t)
{
	if (!t->active)
		return;
	t->active = false;
	buf_adds(&t->out, buf_str(&t->leave));
	write_rest(t);
	tcsetattr(t->fd, t->stuck ? TCSANOW : TCSADRAIN, &t->saved);
	terminal_crash_disarm();
}

int terminal_resume(struct terminal *t, struct err *err)
{
	return t->active ? 0 : enter(t, err);
}

int terminal_suspend(struct terminal *t, struct err *err)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL}, old;
	sigset_t one, before;

	terminal_release(t);
	sigemptyset(&dfl.sa_mask);
	sigaction(SIGTSTP, &dfl, &old);
	sigemptyset(&one);
	sigaddset(&one, SIGTSTP);
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &one, &before); /* stops here where it was blocked */
	sigprocmask(SIG_SETMASK, &before, NULL);
	sigaction(SIGTSTP, &old, NULL);
	/* The shell, or whoever had the terminal, may have changed its modes. */
	tcgetattr(t->fd, &t->saved);
	return enter(t, err);
}

/* Its description becomes the current one. */
static int look_up(const char *name, int fd, struct err *err)
{
	int found;

	if (setupterm(name, fd, &found) != OK)
		return err_set(err, ERR_FAILED, "terminal \"%.60s\" is unknown here", name);
	if (cap("cup")[0] != '\0')
		return 0;
	del_curterm(cur_term);
	return err_set(err, ERR_FAILED, "terminal \"%.60s\" can't move its cursor", name);
}

int terminal_check(const char *name, struct err *err)
{
	int rc = look_up(name, STDOUT_FILENO, err);

	if (!rc)
		del_curterm(cur_term);
	return rc;
}

int terminal_open(struct terminal **out, const struct terminal_config *config, struct err *err)
{
	const char *name = config->name ? config->name : getenv("TERM");
	struct terminal *t = NULL;
	int again, rc;

	if (!name || name[0] == '\0')
		return err_set(err, ERR_FAILED, "TERM is not set: use --plain");
	rc = look_up(name, config->fd, err);
	if (rc)
		return err_set(err, rc, "%s: set TERM, or use --plain", err->text);
	t = calloc(1, sizeof(*t));
	if (!t)
		return err_nomem(err, "terminal", sizeof(*t));
	t->fd = config->fd;
	again = tty_open_again(t->fd);
	t->own = again >= 0;
	t->fd = t->own ? again : t->fd;
	t->mouse = config->mouse;
	t->cup = strdup(cap("cup"));
	if (!t->cup) {
		rc = err_nomem(err, "terminal", 0);
		goto done;
	}
	if (tcgetattr(t->fd, &t->saved) < 0) {
		rc = err_errno(err, "terminal", "read its modes");
		goto done;
	}
	t->raw = t->saved;
	cfmakeraw(&t->raw);
	t->raw.c_cc[VMIN] = 0;
	t->raw.c_cc[VTIME] = 0;
	load_caps(t, config);
	if (buf_failed(&t->enter) || buf_failed(&t->leave)) {
		rc = err_nomem(err, "terminal", 0);
		goto done;
	}
	rc = surface_init(&t->shown, 1, 1, err);
	if (rc == 0)
		rc = enter(t, err);
	if (rc == 0) {
		*out = t;
		t = NULL;
	}
done:
	terminal_close(t);
	return rc;
}

void terminal_close(struct terminal *t)
{
	if (!t)
		return;
	terminal_release(t);
	del_curterm(cur_term);
	if (t->own)
		close(t->fd);
	surface_release(&t->shown);
	buf_release(&t->out);
	buf_release(&t->enter);
	buf_release(&t->leave);
	free(t->cup);
	free(t);
}

/* ---- use ---- */

void terminal_size(const struct terminal *t, int *w, int *h)
{
	struct winsize ws;
	int cols = tigetnum("cols"), rows = tigetnum("lines");

	*w = cols > 0 ? cols : 80;
	*h = rows > 0 ? rows : 24;
	if (ioctl(t->fd, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 0 && ws.ws_row > 0) {
		*w = ws.ws_col;
		*h = ws.ws_row;
	}
	if (*w > SURFACE_MAX_SIDE)
		*w = SURFACE_MAX_SIDE;
	if (*h > SURFACE_MAX_SIDE)
		*h = SURFACE_MAX_SIDE;
}

int terminal_fd(const struct terminal *t)
{
	return t->fd;
}

void terminal_repaint(struct terminal *t)
{
	t->all = true;
}

int terminal_show(struct terminal *t, const struct surface *next, struct err *err)
{
	int rc;

	if (!t->active)
		return 0;
	/* Half a sequence must not be followed by another. */
	rc = write_some(t, err);
	if (rc < 0 || terminal_waits(t))
		return rc;
	if (t->shown.w != next->w || t->shown.h != next->h) {
		rc = surface_resize(&t->shown, next->w, next->h, err);
		if (rc < 0)
			return rc;
		t->all = true;
	}
	if (t->all || paint_parts(&t->shown, next)) {
		buf_addz(&t->out, t->caps.reset);
		add_cap(&t->out, cap("clear"));
		/* After the erasure every cell is a plain blank. */
		surface_clear(&t->shown);
		t->shown.cursor_on = true;
	}
	paint(&t->caps, &t->shown, next, false, &t->out);
	if (buf_failed(&t->out)) {
		t->all = true;
		buf_reset(&t->out);
		return err_nomem(err, "screen output", 0);
	}
	t->all = false;
	return write_some(t, err);
}

int terminal_read(struct terminal *t, void *bytes, size_t n, struct err *err)
{
	struct pollfd p = {.fd = t->fd, .events = POLLIN};
	ssize_t got;

	if (poll(&p, 1, 0) <= 0)
		return 0;
	got = read(t->fd, bytes, n < 1 << 20 ? n : 1 << 20);
	if (got > 0)
		return (int)got;
	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (got < 0)
		return err_errno(err, "terminal", "read");
	return err_set(err, ERR_IO, "terminal: it is gone");
}

void terminal_set_mouse(struct terminal *t, bool on)
{
	struct err ignored;

	if (t->mouse == on)
		return;
	t->mouse = on;
	if (!t->active)
		return;
	buf_addz(&t->out, on ? "\x1B[?1000h\x1B[?1006h" : "\x1B[?1006l\x1B[?1000l");
	write_some(t, &ignored);
}

int terminal_copy(struct terminal *t, struct str text, struct err *err)
{
	int rc;

	if (terminal_waits(t))
		return err_set(err, ERR_IO, "the terminal takes nothing at the moment");
	rc = osc52_add(&t->out, text, err);
	if (rc < 0) {
		buf_reset(&t->out);
		return rc;
	}
	return write_some(t, err);
}
