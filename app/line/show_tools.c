/* What an agent's turn tells beside the model's events. */
#include "app/line/show.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/output.h"
#include "app/usage.h"
#include "engine/base/utf8.h"

#define SUBJECT_MAX  120 /* bytes of a call that is written */
#define DIFF_COLUMNS 200 /* bytes of a line of a diff */
#define DIFF_HEAD    6   /* lines of a longer one that are shown … */
#define DIFF_TAIL    3

/* ---- text ---- */

static void add_outcome(struct buf *out, const struct agent_news *n)
{
	const char *between = "";

	buf_addz(out, "  (");
	if (n->state == TOOL_ERROR && (n->exit > 0 || n->signal)) {
		buf_addf(out, n->signal ? "signal %d" : "exit %d",
			 n->signal ? n->signal : n->exit);
		between = ", ";
	} else if (n->state != TOOL_OK) {
		buf_addz(out, tool_state_name(n->state));
		between = ", ";
	}
	if (n->ms >= 0)
		buf_addf(out, "%s%.1f s", between, (double)n->ms / 1000);
	buf_addz(out, ")\n");
}

static void add_call(struct buf *out, const struct agent_news *n)
{
	buf_addz(out, "→ ");
	buf_adds(out, n->tool);
	buf_addc(out, ' ');
	agent_add_subject(out, n->arguments);
	/* One that was cut may have none. */
	if (out->len && out->data[out->len - 1] == ' ')
		buf_truncate(out, out->len - 1);
}

/* Where it can be taken away again, what runs stands there. */
static void tell_start(struct show *s, const struct agent_news *n)
{
	struct buf line = {0};

	show_make_way(s);
	if (!s->color_err || !isatty(STDERR_FILENO))
		return;
	add_call(&line, n);
	buf_addz(&line, " …");
	output_safe(STDERR_FILENO, buf_str(&line));
	s->bar = true;
	buf_release(&line);
}

/* "→ write_file main.c, 312 lines …" */
static void draw_writing(struct show *s)
{
	struct buf line = {0};

	if (!show_begin_bar(s))
		return;
	buf_addz(&line, "→ ");
	buf_adds(&line, buf_str(&s->writes));
	buf_addf(&line, ", %llu line%s …", (unsigned long long)s->written + 1,
		 s->written ? "s" : "");
	output_safe(STDERR_FILENO, buf_str(&line));
	buf_release(&line);
}

/* `"path": "main.c"`, as it is said of a call: main.c */
static void note_subject(struct show *s, struct str parameter)
{
	struct buf object = {0};

	buf_addc(&object, '{');
	buf_adds(&object, parameter);
	buf_addc(&object, '}');
	buf_addc(&s->writes, ' ');
	agent_add_subject(&s->writes, buf_str(&object));
	buf_release(&object);
}

void show_writing(struct show *s, const struct event *ev)
{
	if (ev->kind == EV_CALL_TEXT) {
		for (size_t i = 0; i < ev->text.len; i++)
			s->written += ev->text.data[i] == '\n';
		draw_writing(s);
		return;
	}
	s->written = 0;
	if (ev->kind == EV_CALL_BEGIN) {
		buf_reset(&s->writes);
		buf_adds(&s->writes, buf_str(&ev->text));
	} else if (ev->kind == EV_CALL_PARAM && s->writes.len < SUBJECT_MAX) {
		note_subject(s, buf_str(&ev->text));
	}
}

/* As far as it is to be read at a glance: a file may have lines of any length. */
static void add_diff_line(struct buf *out, struct str line)
{
	size_t n = line.n < DIFF_COLUMNS ? line.n : DIFF_COLUMNS;

	n -= n < line.n ? utf8_partial_tail((struct str){line.p, n}) : 0;
	buf_addz(out, "  ");
	buf_add(out, line.p, n);
	buf_addz(out, n < line.n ? " …\n" : "\n");
}

/* What a call changed: folded, as on the screen. */
static void add_diff(struct buf *out, struct str diff)
{
	size_t n = 0, at = 0;
	struct str line;

	for (struct str rest = diff; str_line(&rest, &line);)
		n++;
	for (struct str rest = diff; str_line(&rest, &line); at++) {
		bool long_one = n > DIFF_HEAD + DIFF_TAIL + 1;

		if (!long_one || at < DIFF_HEAD || at >= n - DIFF_TAIL)
			add_diff_line(out, line);
		else if (at == DIFF_HEAD)
			buf_addf(out, "  … %zu more lines\n", n - DIFF_HEAD - DIFF_TAIL);
	}
}

/* "→ shell make  (exit 2, 3.1 s)" */
static void tell_result(struct show *s, const struct agent_news *n)
{
	struct buf line = {0};

	add_call(&line, n);
	add_outcome(&line, n);
	if (s->tells_edits && !n->asked)
		add_diff(&line, n->diff);
	show_make_way(s);
	output_safe(STDERR_FILENO, buf_str(&line));
	buf_release(&line);
}

static void tell_notice(struct show *s, const struct agent_news *n)
{
	show_make_way(s);
	output_own(STDERR_FILENO, "note: ");
	output_safe(STDERR_FILENO, n->text);
	output_own(STDERR_FILENO, "\n");
}

/* What was said before calls is no answer: it is for who watches. */
static void release_held(struct show *s, bool is_answer)
{
	struct str text = buf_str(&s->held);

	if (buf_failed(&s->held))
		show_lose(s, ENOMEM);
	if (text.n && is_answer) {
		show_put(s, text);
		s->midline = text.p[text.n - 1] != '\n';
	} else if (text.n) {
		output_text(STDERR_FILENO, text);
		if (text.p[text.n - 1] != '\n')
			output_own(STDERR_FILENO, "\n");
	}
	buf_reset(&s->held);
}

void show_answer_end(struct show *s, const struct event *ev)
{
	s->last = (struct event){.kind = ev->kind, .stop = ev->stop, .usage = ev->usage};
	if (s->holds)
		release_held(s, ev->kind != EV_DONE || !s->n_calls);
}

/* ---- JSON ---- */

void show_name_call(const struct show *s, int index, char id[SHOW_ID_BYTES])
{
	snprintf(id, SHOW_ID_BYTES, "c%d", s->calls_before + index + 1);
}

void show_call_id(const struct show *s, int index, struct jsonw *w)
{
	char id[SHOW_ID_BYTES];

	show_name_call(s, index, id);
	jsonw_kv_string(w, "id", str_of(id));
}

static void begin_of_call(const struct show *s, struct jsonw *w, struct buf *line,
			  const char *type, const struct agent_news *n)
{
	char ref[16] = "";

	for (size_t i = 0; i < n->ref.n && i < sizeof(ref) - 1; i++)
		ref[i] = n->ref.p[i];
	show_begin(w, line, type);
	show_call_id(s, atoi(ref), w);
	jsonw_kv_string(w, "tool", n->tool);
}

static void send_start(struct show *s, const struct agent_news *n)
{
	struct buf line = {0}, grade = {0};
	struct jsonw w;

	begin_of_call(s, &w, &line, "tool_start", n);
	tool_grade_add(&grade, n->grade);
	jsonw_kv_string(&w, "grade", buf_str(&grade));
	if (n->layer.n)
		jsonw_kv_string(&w, "layer", n->layer);
	line.failed |= buf_failed(&grade);
	buf_release(&grade);
	show_send(s, &w);
}

static void send_output(struct show *s, const struct agent_news *n)
{
	struct buf line = {0};
	struct jsonw w;

	begin_of_call(s, &w, &line, "tool_output", n);
	jsonw_kv_string(&w, "text", n->text);
	jsonw_kv_int(&w, "bytes", (int64_t)n->bytes);
	show_send(s, &w);
}

static void send_result(struct show *s, const struct agent_news *n)
{
	struct buf line = {0};
	struct jsonw w;

	begin_of_call(s, &w, &line, "tool_result", n);
	jsonw_kv_string(&w, "state", str_of(tool_state_name(n->state)));
	if (n->exit >= 0)
		jsonw_kv_int(&w, "exit", n->exit);
	if (n->signal)
		jsonw_kv_int(&w, "signal", n->signal);
	if (n->ms >= 0)
		jsonw_kv_int(&w, "ms", n->ms);
	jsonw_kv_string(&w, "text", n->text);
	jsonw_kv_bool(&w, "cut", n->cut);
	if (n->spill.n)
		jsonw_kv_string(&w, "spill", n->spill);
	show_send(s, &w);
}

static int64_t count_lines(struct str diff, char sign)
{
	int64_t n = 0;

	for (size_t i = 0; i < diff.n; i++)
		n += diff.p[i] == sign && (!i || diff.p[i - 1] == '\n');
	return n;
}

/* A file that was changed more than once is one. */
static void count_file(struct show *s, struct str path)
{
	struct buf line = {0};

	buf_addc(&line, '\n');
	buf_adds(&line, path);
	buf_addc(&line, '\n');
	s->changed.failed |= buf_failed(&line);
	if (!buf_failed(&line) && !strstr(buf_z(&s->changed), line.data)) {
		buf_adds(&s->changed, buf_str(&line));
		s->n_changed++;
	}
	buf_release(&line);
}

/* A path is bytes; JSON is text. */
static void send_edit(struct show *s, const struct agent_news *n)
{
	struct buf line = {0}, path = {0};
	struct jsonw w;

	utf8_add_clean(&path, n->edited);
	count_file(s, buf_str(&path));
	begin_of_call(s, &w, &line, "file_edit", n);
	jsonw_kv_string(&w, "path", buf_str(&path));
	jsonw_kv_string(&w, "action", str_of(n->made ? "made" : "changed"));
	jsonw_kv_string(&w, "diff", n->diff);
	jsonw_kv_int(&w, "added", count_lines(n->diff, '+'));
	jsonw_kv_int(&w, "removed", count_lines(n->diff, '-'));
	line.failed |= buf_failed(&path);
	buf_release(&path);
	show_send(s, &w);
}

static void send_notice(struct show *s, const struct agent_news *n)
{
	struct buf line = {0};
	struct jsonw w;

	show_begin(&w, &line, "notice");
	jsonw_kv_string(&w, "text", n->text);
	show_send(s, &w);
}

static void begin_end(const struct show *s, struct jsonw *w, struct buf *line, const char *type)
{
	show_begin(w, line, type);
	jsonw_kv_string(w, "stop_reason", str_of(stop_reason_name(s->last.stop)));
	usage_write(w, &s->last.usage);
}

static void send_round(struct show *s, const struct agent_news *n)
{
	struct buf line = {0};
	struct jsonw w;

	begin_end(s, &w, &line, "round");
	jsonw_kv_int(&w, "n", n->round);
	show_send(s, &w);
}

/* ---- both ---- */

static void end_answer(struct show *s)
{
	s->calls_before += s->n_calls;
	s->n_calls = 0;
}

void show_agent(struct show *s, const struct agent_news *n)
{
	switch (n->kind) {
	case AGENT_STARTS:
		if (s->json)
			send_start(s, n);
		else
			tell_start(s, n);
		break;
	case AGENT_PRINTS:
		if (s->json)
			send_output(s, n);
		break;
	case AGENT_RESULT:
		if (s->json && n->edited.n)
			send_edit(s, n);
		if (s->json)
			send_result(s, n);
		else
			tell_result(s, n);
		break;
	case AGENT_ROUND:
		if (s->json)
			send_round(s, n);
		end_answer(s);
		break;
	case AGENT_NOTICE:
		if (s->json)
			send_notice(s, n);
		else
			tell_notice(s, n);
		break;
	}
}

void show_agent_end(struct show *s, const struct agent_counts *counts)
{
	int64_t n_changed = s->n_changed;
	struct buf line = {0};
	struct jsonw w;

	end_answer(s);
	buf_reset(&s->changed);
	s->n_changed = 0;
	/* An error has an event of its own. */
	if (!s->json || s->last.kind != EV_DONE)
		return;
	begin_end(s, &w, &line, "done");
	jsonw_kv_int(&w, "rounds", counts->rounds);
	jsonw_kv_int(&w, "tool_calls", counts->calls);
	jsonw_kv_int(&w, "refused", counts->refused);
	jsonw_kv_int(&w, "failed_calls", counts->failed);
	jsonw_kv_int(&w, "files_changed", n_changed);
	show_send(s, &w);
}

static void send_undo(struct show *s, const struct undo *u, bool again)
{
	struct buf line = {0};
	struct undo_line f;
	struct jsonw w;

	show_begin(&w, &line, again ? "redo" : "undo");
	jsonw_key(&w, "files");
	jsonw_begin_array(&w);
	for (size_t i = 0; undo_line(u, i, &f); i++) {
		jsonw_begin_object(&w);
		jsonw_kv_string(&w, "path", buf_str(&f.path));
		jsonw_kv_string(&w, "state", str_of(f.what));
		if (f.why.len)
			jsonw_kv_string(&w, "reason", buf_str(&f.why));
		jsonw_end_object(&w);
		line.failed |= buf_failed(&f.path) || buf_failed(&f.why);
		undo_line_release(&f);
	}
	jsonw_end_array(&w);
	show_send(s, &w);
}

void show_undo(struct show *s, const struct undo *u, bool again)
{
	struct buf text = {0};

	if (s->json) {
		send_undo(s, u, again);
		return;
	}
	undo_add_text(u, &text);
	show_make_way(s);
	output_safe(STDERR_FILENO, buf_str(&text));
	buf_release(&text);
}
