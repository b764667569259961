/* What the user and the model are told of edits that are taken back or made again. */
#include "app/agent/machine.h"
#include "app/agent/prompt.h"
#include "app/agent/undoing.h"
#include "app/talk/question.h"

/* ---- the user ---- */

size_t undo_count(const struct undo *u)
{
	size_t n = 0;

	for (size_t i = 0; i < u->n_files; i++)
		n += undoing_fits(&u->files[i]);
	return n;
}

static const char *what_of(const struct undoing_file *f)
{
	switch (f->outcome) {
	case UNDO_FITS:
		if (f->unkept)
			return "unkept";
		if (!f->then.exists)
			return "removed";
		return f->now.exists ? "restored" : "made";
	case UNDO_CHANGED:
		return "changed";
	case UNDO_ABROAD:
		return "abroad";
	case UNDO_REFUSED:
		break;
	}
	return "refused";
}

/* From the workspace on; of another root, whole. */
static void add_path(const struct agent *a, struct str root, struct str path, struct buf *out)
{
	if (!str_is(root, a->config.place.workspace)) {
		prompt_add_path(out, root);
		buf_addc(out, '/');
	}
	prompt_add_path(out, path);
}

bool undo_line(const struct undo *u, size_t i, struct undo_line *out)
{
	*out = (struct undo_line){0};
	if (i >= u->n_files)
		return false;
	out->what = what_of(&u->files[i]);
	add_path(u->agent, u->files[i].root, u->files[i].path, &out->path);
	buf_adds(&out->why, buf_str(&u->files[i].why));
	return true;
}

void undo_line_release(struct undo_line *l)
{
	buf_release(&l->path);
	buf_release(&l->why);
}

static const char *words_of(const struct undo *u, const struct undoing_file *f)
{
	bool back = u->way == UNDO_BACK;

	switch (f->outcome) {
	case UNDO_FITS:
		if (f->unkept)
			return ": what it held is not kept: it stays";
		if (!f->then.exists)
			return u->done ? ": removed" : ": goes, since an edit made it";
		if (!f->now.exists)
			return u->done ? ": made again" : ": comes again";
		if (u->done)
			return back ? ": as it was before" : ": as the edits left it";
		return back ? ": back to what it was before" : ": to what the edits made of it";
	case UNDO_CHANGED:
		return " changed since: kept";
	case UNDO_ABROAD:
		return " is of another workspace: kept";
	case UNDO_REFUSED:
		break;
	}
	return ": kept: ";
}

void undo_add_text(const struct undo *u, struct buf *out)
{
	for (size_t i = 0; i < u->n_files; i++) {
		const struct undoing_file *f = &u->files[i];

		buf_addz(out, "  ");
		add_path(u->agent, f->root, f->path, out);
		buf_addz(out, words_of(u, f));
		if (f->outcome == UNDO_REFUSED)
			buf_adds(out, buf_str(&f->why));
		if (f->parted && undoing_fits(f))
			buf_addz(out, " (earlier edits of it stay: it changed between them)");
		buf_addc(out, '\n');
	}
	if (u->ran_command && u->way == UNDO_BACK)
		buf_addz(out,
			 "Commands ran in the same turns: what they changed is not covered.\n");
}

/* ---- the model ---- */

#define TOLD_FILES 50

/* Is an edit of that file before it in the list? */
static bool is_named(const struct history_edits *edits, size_t i, bool back)
{
	const struct history_edit *e = &edits->items[i];

	for (size_t k = 0; k < i; k++) {
		const struct history_edit *o = &edits->items[k];

		if (o->untold && (o->state != HISTORY_EDIT_APPLIED) == back &&
		    str_eq(o->path, e->path) && str_eq(o->root, e->root))
			return true;
	}
	return false;
}

static void add_news(const struct agent *a, const struct history_edits *edits, bool back,
		     struct buf *out)
{
	size_t n = 0;

	for (size_t i = 0; i < edits->n; i++) {
		const struct history_edit *e = &edits->items[i];

		if (!e->untold || (e->state != HISTORY_EDIT_APPLIED) != back ||
		    is_named(edits, i, back) || n++ >= TOLD_FILES)
			continue;
		if (n > 1)
			buf_addz(out, ", ");
		else
			buf_addf(out, "%s[the user %s the edits of ", out->len ? "\n" : "",
				 back ? "took back" : "made again");
		add_path(a, e->root, e->path, out);
	}
	if (n > TOLD_FILES)
		buf_addf(out, " and %zu more files", n - TOLD_FILES);
	if (n)
		buf_addc(out, ']');
}

int undo_tell(struct agent *a, struct talks *talks, struct talk *talk,
	      struct talk_message *question, struct err *err)
{
	struct history_edits edits = {0};
	struct buf news = {0};
	int rc;

	if (!a || !talks->store || !talk->stored)
		return 0;
	rc = history_edits(talks->store, talk->stored, &edits, err);
	if (!rc) {
		add_news(a, &edits, true, &news);
		add_news(a, &edits, false, &news);
		if (news.len)
			rc = question_add_note(question, buf_str(&news), err);
	}
	if (!rc && buf_failed(&news))
		rc = err_nomem(err, "question", news.len);
	buf_release(&news);
	history_edits_release(&edits);
	return rc;
}
