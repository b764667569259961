/*
 * libedit, and which lines are one message.
 *
 * libedit echoes whatever its locale calls printable, and of that much acts on a terminal. Such
 * characters are given to it above Unicode, where it shows them by their numbers, and go back
 * below when the line is taken: the text that is sent is the one that was given.
 */
#include "app/line/lineinput.h"

#include <errno.h>
#include <histedit.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

#include "app/app.h"
#include "app/cmd/cmd.h"
#include "app/inputs.h"
#include "app/output.h"
#include "app/signals.h"
#include "engine/base/clock.h"
#include "engine/base/termsafe.h"
#include "engine/base/utf8.h"
#include "tui/tui.h"

#define INPUTS_KEPT 1000
#define PASTE_MS    2000     /* a paste's next bytes are waited for so long */
#define SEQUENCE_MS 150      /* as long, the rest of a sequence, over a slow line too */
/* Nobody types two keys, and then one behind Enter, in so short a time. */
#define BURST_MS      15
#define BURST_NEXT_MS 40
#define HIDDEN      0x200000 /* added to what acts on a terminal */
#define KEY_TAB     0x80     /* a tab that was pasted: no terminal sends this */

struct lineinput {
	EditLine *el;
	HistoryW *history;
	char *inputs;
	char origin[HISTORY_UID_LEN + 1]; /* the conversation that it is typed in; "" = none */
	char bytes[4096];                 /* read from the terminal, not yet taken */
	size_t n, at;
	int64_t read_ms; /* when the last of them came */
	bool burst;      /* … at once with, or right behind, what came before */
	bool pasting;    /* between ESC[200~ and ESC[201~ */
	bool typed;      /* anything at all since the message began */
	bool vi;
	bool more; /* the line that ends here is not the message's last */
	struct lineinput_idle idle;
};

static const char paste_begin[] = "\033[200~", paste_end[] = "\033[201~";

/* ------------------------------------------------------------------ characters */

static bool waiting(int timeout_ms)
{
	struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&fd, 1, timeout_ms) > 0;
}

static void note_time(struct lineinput *in, size_t n)
{
	int64_t now = clock_ms();

	in->burst = n > 1 || now - in->read_ms < BURST_MS;
	in->read_ms = now;
}

/* 1: there are bytes; 0: end of input; -1: interrupted, or an error (errno). */
static int fill(struct lineinput *in)
{
	for (;;) {
		struct pollfd fds[3] = {{.fd = STDIN_FILENO, .events = POLLIN},
					{.fd = signals_fd(), .events = POLLIN},
					{.fd = in->idle.fd, .events = POLLIN}};
		ssize_t n;

		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			return -1;
		if (signals_seen() || fds[0].revents)
			in->idle.acts(in->idle.ctx);
		else if (fds[2].revents)
			in->idle.ready(in->idle.ctx);
		if (signals_seen()) {
			errno = EINTR;
			return -1;
		}
		if (!fds[0].revents)
			continue;
		memmove(in->bytes, in->bytes + in->at, in->n - in->at);
		in->n -= in->at;
		in->at = 0;
		n = read(STDIN_FILENO, in->bytes + in->n, sizeof(in->bytes) - in->n);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if ((n < 0 && errno == EIO) || (n == 0 && (fds[0].revents & POLLHUP))) {
			signals_hang_up();
			errno = EINTR;
			return -1;
		}
		if (n <= 0)
			return (int)n;
		note_time(in, (size_t)n);
		in->n += (size_t)n;
		return 1;
	}
}

/* Does the input go on with this?  Waits a moment for the rest of a sequence that began. */
static bool take_sequence(struct lineinput *in, const char *sequence)
{
	size_t len = strlen(sequence), have = in->n - in->at;

	while (have < len && memcmp(in->bytes + in->at, sequence, have) == 0) {
		if (!waiting(SEQUENCE_MS) || fill(in) <= 0)
			return false;
		have = in->n - in->at;
	}
	if (have < len || memcmp(in->bytes + in->at, sequence, len) != 0)
		return false;
	in->at += len;
	return true;
}

static wchar_t hide(uint32_t cp)
{
	bool layout = cp == '\n' || cp == '\t';
	/* Where the locale knows ASCII alone, libedit has commands in the place of letters. */
	bool command = cp >= 0xA0 && cp <= 0xFF && !iswprint((wint_t)cp);

	if (command || (!layout && (termsafe_map(cp) != cp || termsafe_drops(cp))))
		cp |= HIDDEN;
	return (wchar_t)cp;
}

static void add_shown(struct buf *out, wchar_t c)
{
	uint32_t cp = c == KEY_TAB ? '\t' : (uint32_t)c & ~(uint32_t)HIDDEN;
	char bytes[4];

	buf_add(out, bytes, utf8_encode(cp, bytes));
}

/* Pasted text is text: nothing in it edits, completes or leaves. */
static wchar_t pasted(uint32_t cp)
{
	if (cp == '\t')
		return KEY_TAB;
	return hide(cp == '\r' ? '\n' : cp);
}

/* Without bracketed paste: a tab that more text comes right behind was not typed. */
static bool is_text_behind(struct lineinput *in)
{
	unsigned char next;

	if (in->at == in->n && (!in->burst || !waiting(BURST_NEXT_MS) || fill(in) <= 0))
		return false;
	next = (unsigned char)in->bytes[in->at];
	return next == '\t' || (next >= 0x20 && next != 0x7F);
}

/* Keys are keys; of other characters none acts. */
static wchar_t typed(struct lineinput *in, uint32_t cp)
{
	if (cp == '\t' && is_text_behind(in))
		return KEY_TAB;
	return cp < 0x80 ? (wchar_t)cp : hide(cp);
}

static int next_char(EditLine *el, wchar_t *out)
{
	struct lineinput *in;
	uint32_t cp = 0;
	int n;

	el_get(el, EL_CLIENTDATA, &in);
	for (;;) {
		if (in->at == in->n) {
			/* A paste without its end is over when nothing comes any more. */
			if (in->pasting && !waiting(PASTE_MS))
				in->pasting = false;
			n = fill(in);
			if (n <= 0)
				return n;
		}
		if (in->bytes[in->at] != '\033')
			break;
		if (take_sequence(in, in->pasting ? paste_end : paste_begin)) {
			in->pasting = !in->pasting;
			continue;
		}
		break;
	}
	while ((n = utf8_decode(in->bytes + in->at, in->n - in->at, &cp)) == 0) {
		int more = fill(in);

		if (more <= 0)
			return more;
	}
	in->at += (size_t)(n > 0 ? n : -n);
	if (n < 0)
		cp = 0xFFFD;
	if (cp == '\n' || cp == '\r')
		in->more =
			in->pasting || in->at < in->n || waiting(in->burst ? BURST_NEXT_MS : 0);
	in->typed = true;
	*out = in->pasting ? pasted(cp) : typed(in, cp);
	return 1;
}

/* -------------------------------------------------------------------- completion */

/* What stands before the cursor, where it is the beginning of a command without an argument. */
static bool command_begun(EditLine *el, char *out, size_t size)
{
	const LineInfoW *li = el_wline(el);
	size_t n = (size_t)(li->cursor - li->buffer);

	if (n < 1 || n >= size || li->buffer[0] != L'/')
		return false;
	for (size_t i = 0; i < n; i++) {
		if (li->buffer[i] <= L' ' || li->buffer[i] >= 0x7F)
			return false;
		out[i] = (char)li->buffer[i];
	}
	out[n] = '\0';
	return true;
}

static unsigned char insert_tab(EditLine *el, int key)
{
	(void)key;
	return el_winsertstr(el, L"\t") == 0 ? CC_REFRESH : CC_ERROR;
}

static bool begins_with_slash(EditLine *el)
{
	const LineInfoW *li = el_wline(el);

	return li->lastchar > li->buffer && li->buffer[0] == L'/';
}

/* A tab is one where there is no command to complete. */
static unsigned char complete(EditLine *el, int key)
{
	char line[64];
	const char *found = NULL;
	size_t n, common = 0;

	if (!command_begun(el, line, sizeof(line)))
		return begins_with_slash(el) ? CC_ERROR : insert_tab(el, key);
	n = strlen(line);
	for (const struct cmd *c = cmds; c->name; c++) {
		if (strncmp(c->name, line + 1, n - 1) != 0)
			continue;
		if (!found) {
			common = strlen(c->name);
		} else {
			size_t same = 0;

			while (same < common && c->name[same] == found[same])
				same++;
			common = same;
		}
		found = c->name;
	}
	if (!found || common < n)
		return CC_ERROR;
	char rest[64];

	snprintf(rest, sizeof(rest), "%.*s", (int)(common - (n - 1)), found + n - 1);
	if (el_insertstr(el, rest) != 0)
		return CC_ERROR;
	return CC_REFRESH;
}

/* ------------------------------------------------------------------ open and close */

static wchar_t *prompt(EditLine *el)
{
	static wchar_t first[] = L"> ", next[] = L"… ", next_ascii[] = L". ";
	struct lineinput *in;

	el_get(el, EL_CLIENTDATA, &in);
	return !in->more ? first : MB_CUR_MAX > 1 ? next : next_ascii;
}

/* For the arrow keys. */
static void remember(void *ctx, struct str text)
{
	struct lineinput *in = ctx;
	wchar_t *line = calloc(text.n + 1, sizeof(*line));
	HistEventW ev;

	if (!line)
		return;
	for (size_t at = 0, to = 0; at < text.n; to++) {
		uint32_t cp = 0;
		int n = utf8_decode(text.p + at, text.n - at, &cp);

		line[to] = hide(n > 0 ? cp : 0xFFFD);
		at += n > 0 ? (size_t)n : n < 0 ? (size_t)-n : text.n - at;
	}
	history_w(in->history, &ev, H_ENTER, line);
	free(line);
}

static void set_keys(struct lineinput *in)
{
	el_set(in->el, EL_EDITOR, in->vi ? "vi" : "emacs");
	el_set(in->el, EL_BIND, "^I", "complete-command", NULL);
	el_source(in->el, NULL); /* ~/.editrc: the user's own keys */
	el_set(in->el, EL_BIND, "\\200", "insert-tab", NULL);
}

void lineinput_set_vi(struct lineinput *in, bool on)
{
	if (in->vi == on)
		return;
	in->vi = on;
	set_keys(in);
}

void lineinput_set_origin(struct lineinput *in, const char *uid)
{
	snprintf(in->origin, sizeof(in->origin), "%s", uid ? uid : "");
}

bool lineinput_typed(const struct lineinput *in)
{
	return in->typed;
}

bool lineinput_waiting(const struct lineinput *in)
{
	return in->at < in->n || waiting(0);
}

/* libedit names a terminal that it does not know, control characters and all. */
static void know_terminal(void)
{
	const char *term = app_terminal();
	struct err ignored = {0};

	if (!term || terminal_check(term, &ignored))
		setenv("TERM", "dumb", 1);
}

int lineinput_open(struct lineinput **out, const char *inputs,
		   const struct lineinput_idle *idle, struct err *err)
{
	struct lineinput *in = calloc(1, sizeof(*in));
	struct err ignored;
	HistEventW ev;

	*out = NULL;
	if (!in)
		return err_nomem(err, "line input", sizeof(*in));
	in->idle = *idle;
	in->inputs = inputs ? strdup(inputs) : NULL;
	in->history = history_winit();
	know_terminal();
	in->el = el_init("dsv4chat", stdin, stdout, stderr);
	if (!in->history || !in->el || (inputs && !in->inputs)) {
		lineinput_close(in);
		return err_nomem(err, "line input", sizeof(*in));
	}
	el_set(in->el, EL_CLIENTDATA, in);
	el_wset(in->el, EL_PROMPT, prompt);
	el_set(in->el, EL_SIGNAL, 0);
	el_set(in->el, EL_GETCFN, next_char);
	/* wide, because el_set() would copy the two texts and never free them */
	el_wset(in->el, EL_ADDFN, L"complete-command", L"complete a / command", complete);
	el_wset(in->el, EL_ADDFN, L"insert-tab", L"insert a tab", insert_tab);
	set_keys(in);
	history_w(in->history, &ev, H_SETSIZE, INPUTS_KEPT);
	history_w(in->history, &ev, H_SETUNIQUE, 1);
	el_wset(in->el, EL_HIST, history_w, in->history);
	/* Earlier inputs that can't be read are none. */
	if (in->inputs)
		inputs_read(in->inputs, remember, in, &ignored);
	*out = in;
	return 0;
}

void lineinput_close(struct lineinput *in)
{
	if (!in)
		return;
	if (in->el)
		el_end(in->el);
	if (in->history)
		history_wend(in->history);
	free(in->inputs);
	free(in);
}

/* --------------------------------------------------------------------------- reading */

static void bracketed_paste(bool on)
{
	if (app_terminal())
		output_own(STDOUT_FILENO, on ? "\033[?2004h" : "\033[?2004l");
}

/* One line of the message.  1 with *last, 0, or an error. */
static int read_line(struct lineinput *in, struct buf *out, bool *last, struct err *err)
{
	int n = 0;
	const wchar_t *line;

	errno = 0;
	line = el_wgets(in->el, &n);
	if (!line || n < 0) {
		if (signals_seen())
			return err_set(err, ERR_CANCELLED, "interrupted");
		return errno && errno != EINTR ? err_errno(err, "terminal", "read") : 0;
	}
	while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
		n--;
	*last = !in->more;
	if (*last && n > 0 && line[n - 1] == '\\') {
		n--;
		*last = false;
	}
	for (int i = 0; i < n; i++)
		add_shown(out, line[i]);
	if (!*last)
		buf_addc(out, '\n');
	in->more = !*last;
	return 1;
}

/* A file that can't be written is told once. */
static void keep(struct lineinput *in, struct str text)
{
	struct err err;

	remember(in, text);
	if (!in->inputs ||
	    inputs_append(in->inputs, text, in->origin[0] ? in->origin : NULL, &err) == 0)
		return;
	err_prefix(&err, "inputs are not kept");
	app_tell(err.text);
	free(in->inputs);
	in->inputs = NULL;
}

int lineinput_read(struct lineinput *in, struct buf *out, struct err *err)
{
	bool last = false;
	int rc = 1;

	in->more = false;
	in->pasting = in->typed = false;
	bracketed_paste(true);
	while (rc == 1 && !last)
		rc = read_line(in, out, &last, err);
	bracketed_paste(false);
	in->more = false;
	if (rc == 0 && out->len)
		rc = 1; /* the end of input ends the message */
	if (rc < 0) {
		el_reset(in->el);
		in->n = in->at = 0;
	}
	if (rc == 1 && buf_failed(out))
		rc = err_nomem(err, "message", out->len);
	if (rc == 1 && out->len)
		keep(in, buf_str(out));
	return rc;
}
