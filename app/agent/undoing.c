/* Edits → files. */
#include "app/agent/undoing.h"

#include <stdlib.h>
#include <string.h>

int undoing_open(struct undo *u, struct err *err)
{
	int rc = history_edits(u->talks->store, u->talk->stored, &u->edits, err);

	if (rc)
		return rc;
	u->files = calloc(u->edits.n + 1, sizeof(*u->files));
	u->file_of = calloc(u->edits.n + 1, sizeof(*u->file_of));
	if (!u->files || !u->file_of)
		return err_nomem(err, "edits", u->edits.n * sizeof(*u->files));
	for (size_t i = 0; i < u->edits.n; i++)
		u->file_of[i] = UNDOING_NONE;
	return 0;
}

void undoing_close(struct undo *u)
{
	for (size_t i = 0; i < u->n_files; i++) {
		buf_release(&u->files[i].why);
		buf_release(&u->files[i].bytes);
	}
	free(u->files);
	free(u->file_of);
	history_edits_release(&u->edits);
}

static struct file_side before(const struct history_edit *e)
{
	struct file_side s = {.exists = e->existed, .mode = (uint64_t)e->before_mode};

	memcpy(s.hash, e->before_hash, sizeof(s.hash));
	return s;
}

static struct file_side after(const struct history_edit *e)
{
	struct file_side s = {.exists = true, .mode = (uint64_t)e->after_mode};

	memcpy(s.hash, e->after_hash, sizeof(s.hash));
	return s;
}

/* Is it known what the file held on the far side of the edit? */
static bool knows(const struct undo *u, const struct history_edit *e)
{
	return u->way == UNDO_BACK ? !e->existed || e->kept : e->kept_after;
}

static size_t find(const struct undo *u, const struct history_edit *e)
{
	size_t i = 0;

	while (i < u->n_files &&
	       !(str_eq(u->files[i].path, e->path) && str_eq(u->files[i].root, e->root)))
		i++;
	return i;
}

static void reach(struct undo *u, size_t file, size_t edit)
{
	const struct history_edit *e = &u->edits.items[edit];
	struct undoing_file *f = &u->files[file];

	f->then = u->way == UNDO_BACK ? before(e) : after(e);
	f->made_dirs += (uint64_t)e->made_dirs;
	f->last = edit;
	u->file_of[edit] = file;
}

void undoing_add(struct undo *u, size_t edit)
{
	const struct history_edit *e = &u->edits.items[edit];
	struct file_side from = u->way == UNDO_BACK ? after(e) : before(e);
	size_t i = find(u, e);
	struct undoing_file *f = &u->files[i];

	if (i == u->n_files) {
		*f = (struct undoing_file){.root = e->root, .path = e->path, .now = from};
		f->unkept = !knows(u, e);
		u->n_files++;
		reach(u, i, edit);
	} else if (f->parted || f->unkept || !file_side_eq(&from, &f->then) || !knows(u, e)) {
		f->parted = true;
	} else {
		reach(u, i, edit);
	}
}
