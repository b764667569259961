/* Each pair of functions adds and takes the same fields in the same order. */
#include "app/tools/parcel.h"

#include <limits.h>

#include "app/tools/output.h"
#include "app/tools/spill.h"
#include "app/tools/undo.h"
#include "engine/base/utf8.h"

#define TEXT_BYTES (OUTPUT_BYTES + (64u << 10)) /* of a result, with all that is said of it */

/* ---- configuration ---- */

static void add_list(struct buf *body, const struct str *v, size_t n)
{
	wire_add_number(body, n);
	for (size_t i = 0; i < n; i++)
		wire_add_text(body, v[i]);
}

static size_t take_list(struct wire_fields *f, struct str v[PARCEL_LIST])
{
	uint64_t n = wire_number(f);

	if (n > PARCEL_LIST) {
		f->failed = true;
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		v[i] = wire_text(f);
	return (size_t)n;
}

int parcel_add_config(struct buf *body, const struct runner_config *c, struct str scratch,
		      struct err *err)
{
	const struct workspace_config *w = &c->workspace;

	if (w->n_more > PARCEL_LIST || w->n_own > PARCEL_LIST || w->n_hide > PARCEL_LIST ||
	    w->n_show > PARCEL_LIST)
		return err_set(err, ERR_USAGE, "tools: a list of more than %d paths",
			       PARCEL_LIST);
	wire_add_text(body, w->dir);
	wire_add_number(body, w->named);
	wire_add_text(body, w->home);
	wire_add_number(body, w->n_more);
	for (size_t i = 0; i < w->n_more; i++) {
		wire_add_text(body, w->more[i].dir);
		wire_add_number(body, w->more[i].read_only);
	}
	add_list(body, w->own, w->n_own);
	add_list(body, w->hide, w->n_hide);
	add_list(body, w->show, w->n_show);
	wire_add_text(body, c->spill_root);
	wire_add_number(body, c->sandbox);
	wire_add_text(body, scratch);
	return buf_failed(body) ? err_nomem(err, "tools' configuration", body->len) : 0;
}

bool parcel_take_config(const struct wire_message *m, struct parcel_config *c)
{
	struct wire_fields f = wire_fields(m);
	struct workspace_config *w = &c->c.workspace;
	uint64_t n;

	*c = (struct parcel_config){0};
	w->dir = wire_text(&f);
	w->named = wire_number(&f) != 0;
	w->home = wire_text(&f);
	n = wire_number(&f);
	if (n > PARCEL_LIST)
		return false;
	for (size_t i = 0; i < n; i++) {
		c->more[i].dir = wire_text(&f);
		c->more[i].read_only = wire_number(&f) != 0;
	}
	w->more = c->more;
	w->n_more = (size_t)n;
	w->n_own = take_list(&f, c->own);
	w->own = c->own;
	w->n_hide = take_list(&f, c->hide);
	w->hide = c->hide;
	w->n_show = take_list(&f, c->show);
	w->show = c->show;
	c->c.spill_root = wire_text(&f);
	n = wire_number(&f);
	if (n > SANDBOX_NONE)
		return false;
	c->c.sandbox = (enum sandbox_layer)n;
	c->scratch = wire_text(&f);
	return wire_complete(&f);
}

/* ---- jobs ---- */

void parcel_add_job(struct buf *body, const struct job *j)
{
	wire_add_text(body, j->tool);
	wire_add_text(body, j->arguments);
	wire_add_number(body, j->grade);
	wire_add_number(body, (uint64_t)j->timeout_ms);
	wire_add_number(body, j->limit);
	wire_add_number(body, j->outside);
	wire_add_number(body, j->phase);
	wire_add_text(body, j->shown);
	wire_add_text(body, j->plan);
	wire_add_text(body, j->spill_folder);
}

bool parcel_take_job(const struct wire_message *m, struct job *j)
{
	struct wire_fields f = wire_fields(m);
	uint64_t grade, timeout, limit, phase;

	*j = (struct job){0};
	j->tool = wire_text(&f);
	j->arguments = wire_text(&f);
	grade = wire_number(&f);
	timeout = wire_number(&f);
	limit = wire_number(&f);
	j->outside = wire_number(&f) != 0;
	phase = wire_number(&f);
	j->shown = wire_text(&f);
	j->plan = wire_text(&f);
	j->spill_folder = wire_text(&f);
	if (grade > TOOL_GRADES_ALL || timeout > INT_MAX || limit > OUTPUT_BYTES ||
	    phase > JOB_APPLY || (j->spill_folder.n && !spill_folder_is(j->spill_folder)))
		return false;
	j->phase = (enum job_phase)phase;
	j->grade = (unsigned)grade;
	j->timeout_ms = (int64_t)timeout;
	j->limit = limit ? (size_t)limit : OUTPUT_BYTES;
	return wire_complete(&f);
}

/* ---- news ---- */

void parcel_add_news(struct buf *body, const struct job_news *n)
{
	wire_add_text(body, buf_str(&n->text));
	wire_add_number(body, n->bytes);
	wire_add_number(body, n->lines);
	wire_add_number(body, n->state);
	wire_add_number(body, (uint64_t)(n->exit + 1));
	wire_add_number(body, (uint64_t)n->signal);
	wire_add_number(body, (uint64_t)n->ms);
	wire_add_number(body, n->cut);
	wire_add_text(body, buf_str(&n->spill));
	wire_add_text(body, buf_str(&n->info));
	wire_add_text(body, buf_str(&n->plan));
	wire_add_text(body, buf_str(&n->diff));
	wire_add_text(body, buf_str(&n->before));
	wire_add_text(body, buf_str(&n->files));
}

/* What may be shown to the model, and by way of the program's filter to the user. */
static bool is_clean(struct str s)
{
	if (s.n > TEXT_BYTES || !utf8_valid(s))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7F)
			return false;
	}
	return true;
}

static bool is_end(uint64_t state)
{
	return state == TOOL_OK || state == TOOL_ERROR || state == TOOL_STOPPED ||
	       state == TOOL_TIMEOUT || state == TOOL_LOST;
}

bool parcel_take_news(const struct wire_message *m, struct job_news *n)
{
	struct wire_fields f = wire_fields(m);
	struct str text = wire_text(&f), spill, info, plan, diff, before, files;
	struct file_plan p;
	uint64_t state, code, number, ms, cut;

	*n = (struct job_news){.kind = m->kind == WIRE_DONE ? JOB_DONE : JOB_OUTPUT,
			       .id = m->id};
	n->bytes = wire_number(&f);
	n->lines = wire_number(&f);
	state = wire_number(&f);
	code = wire_number(&f);
	number = wire_number(&f);
	ms = wire_number(&f);
	cut = wire_number(&f);
	spill = wire_text(&f);
	info = wire_text(&f);
	plan = wire_text(&f);
	diff = wire_text(&f);
	before = wire_text(&f);
	files = wire_text(&f);
	if (!wire_complete(&f) || !is_clean(text) || !is_clean(info) || !is_clean(diff) ||
	    !is_end(state) || code > 256 || number > 128 || ms > INT64_MAX || cut > 1 ||
	    (spill.n && !spill_number(spill)) || (plan.n && !file_plan_take(plan, &p)) ||
	    before.n > FILE_CHANGE_BYTES || !undo_found_is(files))
		return false;
	n->state = (enum tool_state)state;
	n->exit = (int)code - 1;
	n->signal = (int)number;
	n->ms = (int64_t)ms;
	n->cut = cut;
	buf_adds(&n->text, text);
	buf_adds(&n->spill, spill);
	buf_adds(&n->info, info);
	buf_adds(&n->plan, plan);
	buf_adds(&n->diff, diff);
	buf_adds(&n->before, before);
	buf_adds(&n->files, files);
	return !buf_failed(&n->text) && !buf_failed(&n->spill) && !buf_failed(&n->info) &&
	       !buf_failed(&n->plan) && !buf_failed(&n->diff) && !buf_failed(&n->before) &&
	       !buf_failed(&n->files);
}
