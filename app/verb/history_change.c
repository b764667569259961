/*
 * history's subcommands that change the store: rename, pin, archive, rm; and its upkeep.
 */
#include <stdio.h>
#include <unistd.h>

#include "app/inputs.h"
#include "app/kept.h"
#include "app/output.h"
#include "app/verb/history_job.h"
#include "app/verb/io.h"

int verb_history_rename(struct history_job *r, struct err *err)
{
	struct buf title = {0};
	int64_t id;
	int rc = history_job_find(r, 0, &id, err);

	history_job_words(r, 1, &title);
	if (!rc)
		rc = history_set_title(r->h, id, buf_str(&title), HISTORY_TITLE_USER, err);
	buf_release(&title);
	return rc;
}

int verb_history_pin(struct history_job *r, struct err *err)
{
	int64_t id;
	int rc = history_job_find(r, 0, &id, err);

	return rc ? rc : history_set_pinned(r->h, id, !r->off, err);
}

int verb_history_archive(struct history_job *r, struct err *err)
{
	int64_t id;
	int rc = history_job_find(r, 0, &id, err);

	return rc ? rc : history_set_archived(r->h, id, !r->off, err);
}

/* -- upkeep ------------------------------------------------------------------------- */

/* Asks on the terminal; without one --yes has to say it. */
static int confirmed(const char *uid, const char *title, struct err *err)
{
	char answer[16];
	int rc = 0;

	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return err_set(err, ERR_USAGE, "removal cannot be undone: confirm with --yes");
	output_format(STDERR_FILENO, "Remove %s \"%s\" for good? [y/N] ", uid, title);
	if (!fgets(answer, sizeof(answer), stdin) || (answer[0] != 'y' && answer[0] != 'Y'))
		rc = err_set(err, ERR_CANCELLED, "not removed");
	return rc;
}

static int remove_one(struct history_job *r, int word, struct err *err)
{
	struct history_list list = {0};
	struct inputs typed = {0};
	int64_t id;
	int rc = history_job_find(r, word, &id, err);

	if (!rc)
		rc = history_get(r->h, id, &list, err);
	if (!rc && !r->yes && list.n)
		rc = confirmed(list.items[0].uid, list.items[0].title, err);
	/* What was typed also stands in the input line's memory. */
	if (!rc)
		rc = inputs_gather(&typed, r->h, id, err);
	if (!rc && list.n)
		rc = kept_remove_outputs(list.items[0].uid, err);
	if (!rc)
		rc = history_remove(r->h, id, err);
	if (!rc && list.n)
		kept_remove(NULL, list.items[0].uid);
	if (!rc)
		rc = inputs_forget(&typed, NULL, err);
	inputs_release(&typed);
	history_list_release(&list);
	return rc;
}

int verb_history_rm(struct history_job *r, struct err *err)
{
	int rc = 0;

	for (int i = 0; i < r->n_words && !rc; i++)
		rc = remove_one(r, i, err);
	return rc;
}

int verb_history_gc(struct history_job *r, struct err *err)
{
	return history_gc(r->h, err);
}

static int verify(struct history_job *r, size_t *n, struct err *err)
{
	struct buf problems = {0};
	int rc = history_verify(r->h, &problems, n, err);

	if (!rc && *n == 0)
		buf_addz(&problems, "ok\n");
	if (!rc)
		rc = verb_write(&problems, err);
	buf_release(&problems);
	return rc;
}

int verb_history_verify(struct history_job *r, struct err *err)
{
	size_t n = 0;
	int rc = verify(r, &n, err);

	if (!rc && n && r->repair) {
		rc = history_repair(r->h, err);
		if (!rc)
			output_own(STDERR_FILENO, "the search was made anew; what is left:\n");
		if (!rc)
			rc = verify(r, &n, err);
	}
	if (!rc && n)
		rc = err_set(err, ERR_STORE, "%s: %zu problem%s", r->path, n,
			     n == 1 ? "" : "s");
	return rc;
}
