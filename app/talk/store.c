/* The conversations into the history: see store_read.c for the way back. */
#include "app/talk/store.h"

#include <stdlib.h>
#include <unistd.h>

#include "app/inputs.h"
#include "app/kept.h"
#include "app/output.h"
#include "app/pulse.h"
#include "app/talk/forkname.h"
#include "app/talk/question.h"
#include "app/talk/store_call.h"
#include "engine/base/clock.h"

static enum history_role to_history(enum chat_role role)
{
	static const enum history_role roles[] = {
		[CHAT_SYSTEM] = HISTORY_SYSTEM,       [CHAT_USER] = HISTORY_USER,
		[CHAT_ASSISTANT] = HISTORY_ASSISTANT, [CHAT_TOOL] = HISTORY_TOOL,
		[CHAT_DEVELOPER] = HISTORY_DEVELOPER, [CHAT_REMINDER] = HISTORY_REMINDER,
	};

	return roles[role];
}

static int open_tree(struct talks *ts, struct talk *t, struct err *err)
{
	if (t->tree)
		return 0;
	return t->stored ? history_tree_open(&t->tree, ts->store, t->stored, err)
			 : history_tree_new(&t->tree, ts->store, err);
}

const char *talk_store_uid(struct talks *ts, struct talk *t)
{
	struct err ignored;

	if (!t || !ts->store || !*history_path(ts->store) || open_tree(ts, t, &ignored))
		return NULL;
	return history_tree_uid(t->tree);
}

void talk_store_tell_resume(struct talks *ts, struct talk *t)
{
	const char *uid = t && t->stored ? talk_store_uid(ts, t) : NULL;

	if (uid)
		output_format(STDERR_FILENO, "To go on with this conversation: dsv4chat -r %s\n",
			      uid);
}

static void name_run(const struct talk_message *m, struct history_run *run)
{
	const struct talk_run *from = &m->made;

	*run = from->run;
	run->model = from->model;
	run->identity = from->identity;
	run->device = from->device;
	run->build = DSV4CHAT_VERSION;
	run->drafts = from->drafts;
	run->prefill = m->prefill.data;
}

static int say_anew(struct talk *t, const struct talk_message *m,
		    const struct history_message **said, struct err *err)
{
	struct history_part *parts = calloc(m->n_parts + 1, sizeof(*parts));
	struct history_message h = {.role = to_history(m->role),
				    .parts = parts,
				    .n_parts = m->n_parts,
				    .ids = m->ids,
				    .n_ids = m->n_ids};
	struct history_run run;
	struct told_call told;
	int rc;

	if (!parts)
		return err_nomem(err, "message", m->n_parts * sizeof(*parts));
	for (size_t i = 0; i < m->n_parts; i++) {
		const struct talk_part *p = &m->parts[i];

		parts[i] = (struct history_part){p->kind, buf_str(&p->name), buf_str(&p->ref),
						 buf_str(&p->text), buf_str(&p->info)};
	}
	if (m->role == CHAT_ASSISTANT && m->made.known) {
		name_run(m, &run);
		h.run = &run;
	}
	history_tree_rewind(t->tree,
			    m->parent ? history_tree_find(t->tree, m->parent->stored) : NULL);
	if (told_call_read(&told, m))
		rc = history_call_say(t->tree, &h, &told.call, said, err);
	else
		rc = history_tree_say(t->tree, &h, said, err);
	json_tree_release(&told.info);
	free(parts);
	return rc;
}

/* What was journalled becomes the message, so that no crash finds it twice. */
static int say(struct talks *ts, struct talk *t, struct talk_message *m, struct err *err)
{
	const struct history_message *said = NULL;
	struct history_run run;
	int rc;

	if (m->journal) {
		name_run(m, &run);
		rc = history_answer_commit(m->journal, &run, &said, err);
	} else {
		rc = say_anew(t, m, &said, err);
	}
	if (rc)
		return rc;
	m->journal = NULL;
	if (said)
		m->stored = said->id;
	/* What it tells of edits is told from here on. */
	return m->role == CHAT_USER && question_has_note(m)
		       ? history_edits_told(ts->store, history_tree_conversation(t->tree), err)
		       : 0;
}

int talk_store_save(struct talks *ts, struct talk *t, struct err *err)
{
	/* A name that it had before it was there. */
	bool named = t->title_from != HISTORY_TITLE_PROMPT && !t->stored;
	struct talk_message *m;
	int rc;

	if (!ts->store || !t->leaf)
		return 0;
	rc = open_tree(ts, t, err);
	do {
		m = NULL;
		/* The first of the branch that is missing: its parent is there. */
		for (struct talk_message *p = t->leaf; p && !rc; p = p->parent)
			if (!p->stored)
				m = p;
		if (m)
			rc = say(ts, t, m, err);
	} while (m && !rc);
	if (!rc)
		t->stored = history_tree_conversation(t->tree);
	return !rc && named ? talk_store_rename(ts, t, err) : rc;
}

int talk_store_begin(struct talks *ts, struct talk *t, const struct talk_message *m,
		     int64_t resumed, struct history_answer **out, struct err *err)
{
	const struct history_message *leaf, *from = NULL;
	struct history_run run;

	*out = NULL;
	if (!ts->store || !t->tree || !t->leaf || !t->leaf->stored)
		return 0;
	leaf = history_tree_find(t->tree, t->leaf->stored);
	if (resumed)
		from = history_tree_find(t->tree, resumed);
	if (!leaf || (resumed && (!from || from->parent != leaf)))
		return 0;
	name_run(m, &run);
	history_tree_rewind(t->tree, leaf);
	return history_answer_begin(out, t->tree, &run, from, err);
}

int talk_store_show(struct talks *ts, struct talk *t, struct err *err)
{
	const struct history_message *m;

	if (!ts->store || !t->tree || !t->leaf || !t->leaf->stored)
		return 0;
	m = history_tree_find(t->tree, t->leaf->stored);
	return m ? history_tree_go(t->tree, m, err) : 0;
}

int talk_store_rename(struct talks *ts, struct talk *t, struct err *err)
{
	if (!ts->store || !t->stored)
		return 0;
	return history_set_title(ts->store, t->stored, buf_str(&t->title), t->title_from, err);
}

int talk_store_mark(struct talks *ts, struct talk *t, struct err *err)
{
	int rc;

	if (!ts->store || !t->stored)
		return 0;
	rc = history_set_pinned(ts->store, t->stored, t->pinned, err);
	return rc ? rc : history_set_archived(ts->store, t->stored, t->archived, err);
}

/* What a fork is called is told apart from its source, and no model names it the same again. */
static int name_fork(struct talks *ts, const struct talk *from, struct talk *fork,
		     struct err *err)
{
	struct buf name = {0};
	int rc = fork_name(&name, ts, buf_str(&from->title), err);

	if (!rc && buf_failed(&name))
		rc = err_nomem(err, "title", name.len);
	if (!rc) {
		buf_reset(&fork->title);
		buf_adds(&fork->title, buf_str(&name));
		fork->title_from = from->title_from == HISTORY_TITLE_USER
					   ? HISTORY_TITLE_USER
					   : HISTORY_TITLE_MODEL;
	}
	buf_release(&name);
	return rc;
}

/* It is there from now on, whether anything is said in it or not. */
static int keep_fork(struct talk *from, struct talk *fork, const struct talk_message *at,
		     const struct history_message *h, struct err *err)
{
	const struct talk_message *m = at;
	int rc = history_tree_fork(&fork->tree, from->tree, h, err);

	/* The copies in memory are the same messages of the store. */
	for (struct talk_message *to = fork->leaf; !rc && m && to;
	     m = m->parent, to = to->parent)
		to->stored = m->stored;
	if (!rc)
		rc = history_tree_keep(fork->tree, buf_str(&fork->title), fork->title_from,
				       err);
	if (!rc) {
		fork->stored = history_tree_conversation(fork->tree);
		fork->updated_ms = clock_wall_ms();
	}
	return rc;
}

/*
 * Results that it stands on may name the whole outputs of tools.  One that cannot be had is told
 * to whoever reads it, as one that made room is.
 */
static void share_outputs(struct talks *ts, struct talk *from, struct talk *fork)
{
	for (const struct talk_message *m = fork->leaf; m; m = m->parent) {
		struct told_call told;
		struct err ignored;

		if (told_call_read(&told, m) && told.call.spill.n)
			kept_share_output(talk_store_uid(ts, from), talk_store_uid(ts, fork),
					  told.call.spill, &ignored);
		json_tree_release(&told.info);
	}
}

int talks_branch(struct talks *ts, struct talk *from, struct talk_message *at,
		 struct talk **out, struct err *err)
{
	const struct history_message *h = NULL;
	struct talk *fork;
	int rc = talks_fork(ts, from, at, &fork, err);

	if (rc)
		return rc;
	*out = fork;
	rc = name_fork(ts, from, fork, err);
	if (ts->store && from->tree && at->stored)
		h = history_tree_find(from->tree, at->stored);
	if (rc || !h)
		return rc;
	rc = keep_fork(from, fork, at, h, err);
	if (!rc)
		share_outputs(ts, from, fork);
	return rc;
}

static int remove_both(struct talks *ts, struct talk *t, const char *inputs_path,
		       struct inputs *typed, struct err *err)
{
	int rc = history_forget(ts->store, t->stored, err);

	return rc || !typed ? rc : inputs_forget(typed, inputs_path, err);
}

int talk_store_remove(struct talks *ts, struct talk *t, struct engine *e, bool inputs,
		      const char *inputs_path, struct err *err)
{
	struct inputs typed = {0};
	char uid[HISTORY_UID_LEN + 1];
	const char *name;
	int rc = 0;

	if (!ts->store || !t->stored)
		return 0;
	name = talk_store_uid(ts, t);
	snprintf(uid, sizeof(uid), "%s", name ? name : "");
	if (inputs)
		rc = inputs_gather(&typed, ts->store, t->stored, err);
	history_tree_free(t->tree);
	t->tree = NULL;
	if (!rc)
		rc = kept_remove_outputs(uid, err);
	if (!rc)
		rc = remove_both(ts, t, inputs_path, inputs ? &typed : NULL, err);
	if (!rc)
		kept_remove(e, uid);
	inputs_release(&typed);
	return rc;
}

int talks_tidy(struct talks *ts, struct err *err)
{
	bool before = pulse_optional(true);
	int rc = ts->store ? history_tidy(ts->store, err) : 0;

	pulse_optional(before);
	return rc;
}

/* Messages of all conversations that are not in the store. */
static size_t n_missing(const struct talks *ts)
{
	size_t n = 0;

	for (size_t i = 0; ts->store && i < ts->n; i++)
		n += talk_count_unstored(ts->v[i]);
	return n;
}

int talks_save(struct talks *ts, struct err *err)
{
	struct err why = {0};
	size_t n;

	for (size_t i = 0; i < ts->n; i++)
		if (talk_count_unstored(ts->v[i]))
			talk_store_save(ts, ts->v[i], &why);
	n = n_missing(ts);
	if (n)
		return err_set(err, ERR_STORE, "%zu messages could not be kept: %s", n,
			       why.text);
	return 0;
}
