/* What a command came to, in the words of the model. */
#include "app/tools/watch.h"

#include <poll.h>

#include "app/tools/audit.h"
#include "app/tools/clean.h"
#include "app/tools/file_tool.h"
#include "app/tools/parcel.h"
#include "app/tools/secrets.h"
#include "app/tools/wire.h"
#include "engine/base/clock.h"

#define SEALED 5 /* folders that are named */

bool warden_keeps(const struct warden *w)
{
	return sandbox_layer_for(w->sandbox, w->grade) != SANDBOX_OFF;
}

bool warden_is_for_git(const struct warden *w)
{
	return warden_keeps(w) && w->grade & GRADE_GIT;
}

void watch_tell(struct watch *v, bool done, struct job_news *n)
{
	struct pollfd room = {.fd = v->w->sock, .events = POLLOUT};
	struct buf body = {0};
	struct err err;
	int rc;

	n->bytes = v->out.raw_bytes;
	n->lines = v->out.lines;
	parcel_add_news(&body, n);
	if (!buf_failed(&body)) {
		do {
			rc = wire_send(v->w->sock, done ? WIRE_DONE : WIRE_OUTPUT, 0,
				       buf_str(&body), &err);
		} while (rc == 1 && done && poll(&room, 1, -1) >= 0);
		v->runner_gone = v->runner_gone || rc < 0;
	}
	buf_release(&body);
}

static void add_end(const struct watch *v, struct job_news *n)
{
	if (v->why == TOOL_STOPPED) {
		output_begin_line(&n->text);
		buf_addz(&n->text, "[stopped by the user]");
	} else if (v->broke.len) {
		output_begin_line(&n->text);
		buf_addz(&n->text, "[killed: it made ");
		file_add_name(&n->text, buf_str(&v->broke));
		buf_addz(&n->text, ", which is not a command's to make]");
	} else if (v->why == TOOL_OK) {
		output_add_ending(n->exit, n->signal, &n->text);
	}
}

static void add_left(const struct watch *v, struct buf *text)
{
	if (!v->left)
		return;
	output_begin_line(text);
	if (v->left == 1)
		buf_addz(text,
			 "[1 background process was stopped; it cannot outlive a command]");
	else
		buf_addf(text,
			 "[%zu background processes were stopped; they cannot outlive a "
			 "command]",
			 v->left);
}

/* What it could not write in, since nobody knows what all of that is. */
static void add_sealed(const struct watch *v, struct buf *lines)
{
	const struct workspace *w = v->w->workspace;
	size_t n = 0;

	for (size_t i = 0; i < v->cover.n; i++) {
		struct str rel = str_of(v->cover.v[i].path);

		if (v->cover.v[i].kind != COVER_SEALED || ++n > SEALED)
			continue;
		if (path_is_within(rel, str_of(w->roots[0].path)))
			rel = path_below(rel, str_of(w->roots[0].path));
		buf_addz(lines, "[");
		file_add_name(lines, rel.n ? rel : STR_LIT("the workspace"));
		buf_addz(lines, " was read-only: there is too much in it to look through]\n");
	}
	if (n > SEALED)
		buf_addf(lines, "[and %zu more]\n", n - SEALED);
}

/* What is left of it in the workspace; the last newline is the text's. */
static void add_audit(const struct watch *v, struct buf *text)
{
	const struct warden *w = v->w;
	struct buf lines = {0};

	if (!warden_keeps(w) || !(w->grade & GRADE_WRITE))
		return;
	audit_command(w->workspace, &v->cover, warden_is_for_git(w) ? &v->cover_git : NULL,
		      &lines);
	add_sealed(v, &lines);
	if (lines.len) {
		output_begin_line(text);
		buf_add(text, lines.data, lines.len - 1);
	}
	text->failed |= buf_failed(&lines);
	buf_release(&lines);
}

static enum tool_state state_of(const struct watch *v)
{
	if (v->why != TOOL_OK)
		return v->why;
	if (v->broke.len)
		return TOOL_ERROR;
	return v->exit == 0 ? TOOL_OK : TOOL_ERROR;
}

void result_tell_not_run(struct watch *v, const char *why, struct str more)
{
	struct job_news n = {.state = TOOL_ERROR, .exit = -1};

	buf_addf(&n.text, "error: not run: %s", why);
	clean_add(&n.text, more);
	n.ms = clock_ms() - v->began_ms;
	watch_tell(v, true, &n);
	job_news_release(&n);
}

bool watch_is_unmade(const struct watch *v)
{
	return launch_has_above(&v->launch) && !v->begun && v->why == TOOL_OK;
}

static void tell_unmade(struct watch *v)
{
	struct buf said = {0};

	output_add_text(&v->out, 0, &said);
	result_tell_not_run(v, "the sandbox could not be made: ", buf_str(&said));
	buf_release(&said);
}

static void tell_end(struct watch *v)
{
	struct job_news n = {.state = state_of(v), .exit = v->exit, .signal = v->signal};
	bool kept;

	n.cut = output_is_cut(&v->out);
	kept = n.cut && v->w->spill >= 0;
	if (v->why == TOOL_TIMEOUT)
		buf_addf(&n.text, "error: timed out after %lld seconds%s",
			 (long long)(v->w->timeout_ms / 1000), v->out.bytes ? "\n" : "");
	output_add_text(&v->out, kept ? v->w->n_spill : 0, &n.text);
	add_end(v, &n);
	add_left(v, &n.text);
	if (v->w->clamped) {
		output_begin_line(&n.text);
		buf_addf(&n.text, "[the timeout was %d seconds, the longest there is]",
			 WARDEN_MOST_MS / 1000);
	}
	add_audit(v, &n.text);
	if (kept)
		buf_addf(&n.spill, "OUT:%u", v->w->n_spill);
	n.ms = clock_ms() - v->began_ms;
	if (buf_failed(&n.text) || buf_failed(&n.spill)) {
		job_news_release(&n);
		n = (struct job_news){.state = TOOL_ERROR, .exit = -1};
	}
	watch_tell(v, true, &n);
	job_news_release(&n);
}

void result_tell(struct watch *v)
{
	if (watch_is_unmade(v))
		tell_unmade(v);
	else
		tell_end(v);
}
