/* Which edits, and what is kept of their way back. */
#include "app/agent/undo.h"

#include <stdlib.h>

#include "app/agent/calls.h"
#include "app/agent/machine.h"
#include "app/agent/undoing.h"

/* ---- which ---- */

static bool is_wanted(struct undo *u, const struct history_edit *e)
{
	enum history_edit_state state =
		u->way == UNDO_BACK ? HISTORY_EDIT_APPLIED : HISTORY_EDIT_UNDONE;

	u->abroad |= e->state == state && !e->here;
	return e->state == state && e->here;
}

/* Those of one answer; true: there are such. */
static bool add_answer(struct undo *u, const struct talk_message *m)
{
	bool any = false;

	for (size_t k = 0; m->stored && k < u->edits.n; k++) {
		size_t i = u->way == UNDO_BACK ? k : u->edits.n - 1 - k;

		if (u->edits.items[i].answer != m->stored || !is_wanted(u, &u->edits.items[i]))
			continue;
		undoing_add(u, i);
		any = true;
	}
	return any;
}

static bool ran_command(const struct talk_message *m)
{
	for (size_t i = 0; m->role == CHAT_TOOL && i < m->n_parts; i++) {
		const struct talk_part *p = &m->parts[i];

		if (p->kind == HISTORY_RESULT && p->took_ms >= 0 &&
		    call_class(buf_str(&p->name)) == TOOL_RUN)
			return true;
	}
	return false;
}

/* From one end of the branch, until so many questions with such edits were passed. */
static void choose(struct undo *u, const struct talk_message **path, size_t n, size_t turns)
{
	bool any = false, ran = false;

	for (size_t k = 0; turns && k < n; k++) {
		const struct talk_message *m = path[u->way == UNDO_BACK ? n - 1 - k : k];
		bool borders = m->role == CHAT_USER;

		if (!borders) {
			any |= m->role == CHAT_ASSISTANT && add_answer(u, m);
			ran |= ran_command(m);
			continue;
		}
		u->ran_command |= any && ran;
		turns -= any;
		any = ran = false;
	}
	u->ran_command |= any && ran;
}

static int choose_turns(struct undo *u, size_t turns, struct err *err)
{
	size_t n = talk_path(u->talk, NULL, 0);
	const struct talk_message **path = calloc(n + 1, sizeof(*path));
	const char *none = u->way == UNDO_BACK ? "no file edits here can be taken back"
					       : "there are no file edits here to make again";

	if (!path)
		return err_nomem(err, "edits", n * sizeof(*path));
	talk_path(u->talk, path, n);
	choose(u, path, n, turns);
	free(path);
	if (!u->n_files)
		return err_set(err, ERR_USAGE, "%s%s", none,
			       u->abroad ? ": they were made on another machine" : "");
	return 0;
}

static int check(const struct agent *a, const struct talks *talks, struct err *err)
{
	if (!a)
		return err_set(err, ERR_USAGE,
			       "this session has no tools, and no way to files: --tools");
	if (!talks->store)
		return err_set(err, ERR_USAGE, "nothing is kept here, and so no edits are");
	if (a->state != AGENT_IDLE)
		return err_set(err, ERR_USAGE, "tools are at work: Esc stops them");
	if (a->config.read_only)
		return err_set(err, ERR_USAGE, "no file is changed: --sandbox read-only");
	return 0;
}

static int choose_call(struct undo *u, const struct talk_message *answer, struct str ref,
		       struct err *err)
{
	for (size_t i = 0; answer->stored && i < u->edits.n; i++) {
		const struct history_edit *e = &u->edits.items[i];

		if (e->answer == answer->stored && str_eq(e->ref, ref) && is_wanted(u, e))
			undoing_add(u, i);
	}
	if (!u->n_files)
		return err_set(err, ERR_USAGE, "this call left no edit that can be taken back%s",
			       u->abroad ? ": it was made on another machine" : "");
	return 0;
}

/* Of that call, or (answer NULL) of so many turns. */
static int look(struct undo *u, size_t turns, const struct talk_message *answer, struct str ref,
		struct err *err)
{
	int rc = check(u->agent, u->talks, err);

	if (rc)
		return rc;
	undo_settle(u->agent, u->talks, u->talk);
	rc = undoing_open(u, err);
	if (!rc)
		rc = answer ? choose_call(u, answer, ref, err) : choose_turns(u, turns, err);
	return rc ? rc : undoing_look(u, err);
}

static int look_for(struct undo **out, const struct undo *what, size_t turns,
		    const struct talk_message *answer, struct str ref, struct err *err)
{
	struct undo *u = malloc(sizeof(*u));
	int rc;

	*out = NULL;
	if (!u)
		return err_nomem(err, "edits", sizeof(*u));
	*u = *what;
	rc = look(u, turns, answer, ref, err);
	if (rc)
		undo_free(u);
	else
		*out = u;
	return rc;
}

int undo_look(struct undo **out, struct agent *a, struct talks *talks, struct talk *talk,
	      enum undo_way way, size_t turns, struct err *err)
{
	const struct undo what = {.agent = a, .talks = talks, .talk = talk, .way = way};

	return look_for(out, &what, turns, NULL, (struct str){0}, err);
}

int undo_look_call(struct undo **out, struct agent *a, struct talks *talks, struct talk *talk,
		   const struct talk_message *answer, struct str ref, struct err *err)
{
	const struct undo what = {.agent = a, .talks = talks, .talk = talk, .way = UNDO_BACK};

	return look_for(out, &what, 0, answer, ref, err);
}

void undo_free(struct undo *u)
{
	if (!u)
		return;
	undoing_close(u);
	free(u);
}

/* ---- doing it ---- */

struct steps {
	struct history_edit_step *v;
	size_t n;
	struct buf *held; /* by step: what `after` borrows */
};

static int steps_open(struct steps *s, const struct undo *u, struct err *err)
{
	*s = (struct steps){.v = calloc(u->edits.n + 1, sizeof(*s->v)),
			    .held = calloc(u->edits.n + 1, sizeof(*s->held))};
	return s->v && s->held ? 0 : err_nomem(err, "edits", u->edits.n * sizeof(*s->v));
}

static void steps_close(struct steps *s)
{
	for (size_t i = 0; s->held && i < s->n; i++)
		buf_release(&s->held[i]);
	free(s->held);
	free(s->v);
}

static struct history_edit_step *add_step(struct steps *s, const struct undo *u, size_t edit,
					  enum history_edit_state state, bool tells)
{
	s->v[s->n] = (struct history_edit_step){
		.id = u->edits.items[edit].id, .state = state, .tells = tells};
	return &s->v[s->n++];
}

/*
 * A planned edit counts as made, for what the model is told: so it does to whoever finds it
 * after a crash.  What each edit left: the newest, what the file holds; an earlier one, what
 * the file held before the next.
 */
static int keep_after(struct steps *s, const struct undo *u, size_t edit, size_t newer,
		      struct err *err)
{
	struct history_edit_step *step =
		add_step(s, u, edit, HISTORY_EDIT_PLANNED, u->way == UNDO_AGAIN);
	struct buf *held = &s->held[s->n - 1];
	const struct undoing_file *f = &u->files[u->file_of[edit]];
	int rc = 0;

	if (u->way == UNDO_AGAIN)
		return 0;
	if (newer == UNDOING_NONE) {
		step->after = (struct str){buf_z(&f->bytes), f->bytes.len};
		return 0;
	}
	rc = history_edit_before(u->talks->store, u->edits.items[newer].id, held, err);
	step->after = (struct str){buf_z(held), held->len};
	return rc;
}

/* On the disk before anything is changed. */
static int plan(const struct undo *u, struct err *err)
{
	struct steps s;
	int rc = steps_open(&s, u, err);

	for (size_t f = 0; !rc && f < u->n_files; f++) {
		size_t newer = UNDOING_NONE;

		for (size_t i = 0; !rc && undoing_fits(&u->files[f]) && i < u->edits.n; i++) {
			if (u->file_of[i] != f)
				continue;
			rc = keep_after(&s, u, i, newer, err);
			newer = i;
		}
	}
	if (!rc)
		rc = history_edits_step(u->talks->store, s.v, s.n, err);
	steps_close(&s);
	return rc;
}

/* `planned`: the files that were to be changed. */
static int settle(const struct undo *u, const bool *planned, struct err *err)
{
	struct steps s;
	int rc = steps_open(&s, u, err);

	for (size_t i = 0; !rc && i < u->edits.n; i++) {
		size_t f = u->file_of[i];
		bool back;

		if (f == UNDOING_NONE || !planned[f])
			continue;
		back = (u->way == UNDO_BACK) == (u->files[f].outcome == UNDO_FITS);
		add_step(&s, u, i, back ? HISTORY_EDIT_UNDONE : HISTORY_EDIT_APPLIED, back);
	}
	if (!rc)
		rc = history_edits_step(u->talks->store, s.v, s.n, err);
	steps_close(&s);
	return rc;
}

int undo_do(struct undo *u, struct err *err)
{
	bool *planned = calloc(u->n_files + 1, sizeof(*planned));
	int rc = check(u->agent, u->talks, err);

	if (!planned)
		return err_nomem(err, "files", u->n_files);
	for (size_t i = 0; i < u->n_files; i++)
		planned[i] = undoing_fits(&u->files[i]);
	if (!rc)
		rc = plan(u, err);
	if (!rc) {
		/* What the model has seen of files, it has to see again. */
		buf_reset(&u->agent->shown);
		rc = undoing_apply(u, err);
		if (rc)
			undo_settle(u->agent, u->talks, u->talk);
		else
			rc = settle(u, planned, err);
		u->done = true;
	}
	free(planned);
	return rc;
}

/* ---- after a crash ---- */

static enum history_edit_state found(const struct undoing_file *f, const struct history_edit *e)
{
	if (f->outcome == UNDO_FITS)
		return HISTORY_EDIT_APPLIED;
	if (f->outcome == UNDO_ABROAD)
		return HISTORY_EDIT_PLANNED;
	if (f->outcome == UNDO_CHANGED && file_side_eq(&f->is, &f->then))
		return e->kept_after ? HISTORY_EDIT_UNDONE : HISTORY_EDIT_DROPPED;
	return HISTORY_EDIT_LOST;
}

static int settle_found(const struct undo *u, struct err *err)
{
	struct steps s;
	int rc = steps_open(&s, u, err);

	for (size_t i = 0; !rc && i < u->edits.n; i++) {
		const struct history_edit *e = &u->edits.items[i];
		enum history_edit_state state;

		if (u->file_of[i] == UNDOING_NONE)
			continue;
		state = found(&u->files[u->file_of[i]], e);
		if (state != HISTORY_EDIT_PLANNED)
			add_step(&s, u, i, state, state == HISTORY_EDIT_UNDONE);
	}
	if (!rc)
		rc = history_edits_step(u->talks->store, s.v, s.n, err);
	steps_close(&s);
	return rc;
}

void undo_settle(struct agent *a, struct talks *talks, struct talk *talk)
{
	struct undo u = {.agent = a, .talks = talks, .talk = talk, .way = UNDO_BACK};
	struct err later;

	if (!a || a->state != AGENT_IDLE || !talks->store || !talk->stored)
		return;
	if (!undoing_open(&u, &later)) {
		for (size_t i = 0; i < u.edits.n; i++) {
			const struct history_edit *e = &u.edits.items[i];

			if (e->state == HISTORY_EDIT_PLANNED && e->here && !e->elsewhere)
				undoing_add(&u, i);
		}
		if (u.n_files && !undoing_look(&u, &later))
			settle_found(&u, &later);
	}
	undoing_close(&u);
}
