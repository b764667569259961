/*
 * The history: every conversation with its branches, thinking, calls, exact
 * tokens and settings, in one SQLite file that survives a kill at any instant.
 *
 * A conversation is a pointer to the last message of one branch in a tree of
 * messages; messages never change.  To edit, regenerate or continue adds a
 * sibling, to fork adds a conversation that points into the same tree.  An
 * answer in progress is journalled; history_recover() makes a message of what a
 * crash left.
 *
 * Several processes may use one file at once.  One handle belongs to one thread.
 * Failures: 0 or a negative code with *err set, ERR_STORE where the file is
 * locked, full, damaged, read-only, newer than this program or not a history.
 * A call that fails has changed nothing, in the file or in memory.
 * Text may hold any bytes.  Ids > 0; 0 means none.  Times: ms since 1970, UTC.
 */
#ifndef HISTORY_HISTORY_H
#define HISTORY_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "engine/base/buf.h"
#include "engine/base/err.h"

/* -- the store ------------------------------------------------------------- */

struct history;

/*
 * Opens `path`, made with its folder where missing (0600, 0700), and brings its
 * schema up to date, with a backup PATH.v<N>.bak before.  NULL: in memory, gone at
 * close; everything below works on it.
 */
int history_open(struct history **out, const char *path, struct err *err);
/*
 * Opens what is there, for reading: nothing is made, mended or brought up to date, and whatever
 * would write fails.  For files, or folders, that may not be written.  ERR_USAGE: it is of an
 * older schema, and has to be opened to write first.
 */
int history_open_to_read(struct history **out, const char *path, struct err *err);
/* May it be written, or made, with what stands beside it while it is open? */
bool history_may_write(const char *path);
void history_close(struct history *h);             /* NULL is fine */
const char *history_path(const struct history *h); /* "" in memory */

/* How long calls wait for another process's write; 5000 unless told. */
void history_set_wait_ms(struct history *h, int ms);

/*
 * Called every 10 ms or so while a call works or waits, on its thread; it may not use h.  True
 * makes the call give up: ERR_CANCELLED, and as with any failure nothing has changed.  NULL:
 * nobody is asked.
 */
typedef bool history_pulse_fn(void *ctx);
void history_set_pulse(struct history *h, history_pulse_fn *pulse, void *ctx);
/* As history_open(), with the pulse from its first moment on. */
int history_open_watched(struct history **out, const char *path, history_pulse_fn *pulse,
			 void *ctx, struct err *err);

/* -- conversations --------------------------------------------------------- */

#define HISTORY_UID_LEN 10

enum history_title_from { HISTORY_TITLE_PROMPT, HISTORY_TITLE_MODEL, HISTORY_TITLE_USER };

struct history_conversation {
	int64_t id;
	char uid[HISTORY_UID_LEN + 1];
	char *title; /* one line of clean UTF-8, "" where nothing was said; never NULL */
	enum history_title_from title_from;
	bool pinned, archived;
	int64_t created_ms, updated_ms;
	int64_t n_messages;  /* on its branch */
	int64_t forked_from; /* the conversation that said forked_at; 0 = not a fork */
	int64_t forked_at;   /* message */
};

struct history_list {
	struct history_conversation *items;
	size_t n;
};

enum history_which { HISTORY_ACTIVE, HISTORY_ARCHIVED, HISTORY_ALL };

/*
 * Newest first, pinned on top, those that some clock dated in the future last.  `limit` 0 =
 * all. Empty conversations are left out.
 */
int history_list(struct history *h, enum history_which which, size_t limit,
		 struct history_list *out, struct err *err);
void history_list_release(struct history_list *list);

/* One conversation as a list of one, or of none where it is not there. */
int history_get(struct history *h, int64_t id, struct history_list *out, struct err *err);

/*
 * The conversation meant by `name`: a uid or the unique beginning of one, else a title
 * (whole, or a part that only one title has; case does not count).  ERR_USAGE where
 * none or several are meant, with what they are.
 */
int history_find(struct history *h, const char *name, int64_t *id, struct err *err);

/* The first of that list, pins and archived ones aside; *id = 0 where there is none. */
int history_last(struct history *h, int64_t *id, struct err *err);

#define HISTORY_TITLE_CHARS        120
#define HISTORY_PROMPT_TITLE_CHARS 60 /* of one that is what was asked first */

/*
 * Appends s as a title: clean UTF-8 on one line, white space and controls as one space, without
 * what else acts on a terminal, at most max_chars characters.
 */
void history_clean_title(struct buf *out, struct str s, size_t max_chars);

/*
 * A title from the model (or a prompt) never replaces one that a user gave, and does not wait
 * for another process: it comes while somebody may be typing.
 */
int history_set_title(struct history *h, int64_t id, struct str title,
		      enum history_title_from from, struct err *err);
int history_set_pinned(struct history *h, int64_t id, bool on, struct err *err);
int history_set_archived(struct history *h, int64_t id, bool on, struct err *err);

/*
 * Removes a conversation and everything said in it, but for what another one was
 * forked from.  Nothing of it stays in the file, its log or the migration backups.
 * ERR_STORE with "removed, but …" where other processes kept the log from being
 * emptied for the whole wait: history_gc() finishes it.
 */
int history_remove(struct history *h, int64_t id, struct err *err);

/* The same, but the text may stand in the file until history_tidy(), which may take long. */
int history_forget(struct history *h, int64_t id, struct err *err);
/*
 * Finishes what removals left, where they left something.  Where it fails, or is given up, the
 * file remembers: it is done the next time, or by whoever opens the file next.
 */
int history_tidy(struct history *h, struct err *err);

/* -- messages -------------------------------------------------------------- */

enum history_role {
	HISTORY_SYSTEM,
	HISTORY_USER,
	HISTORY_ASSISTANT,
	HISTORY_TOOL,
	HISTORY_DEVELOPER,
	HISTORY_REMINDER,
};
#define HISTORY_N_ROLES 6

enum history_kind {
	HISTORY_TEXT,
	HISTORY_THINKING,
	HISTORY_CALL,       /* text: the arguments, a JSON object; of a bad one what there is */
	HISTORY_RESULT,     /* text: what the tool said */
	HISTORY_ATTACHMENT, /* text: the file's bytes */
	HISTORY_NOTICE,     /* shown, never sent to the model */
	HISTORY_TOOLS,      /* text: the functions a system message offers, a JSON array */
};
#define HISTORY_N_KINDS 7

struct history_part {
	enum history_kind kind;
	struct str name; /* call, result: the tool; attachment: the file */
	struct str ref;  /* call: its id; result: the id of the call it answers */
	struct str text;
	/*
	 * "" or a JSON object.  Calls: {"cut": true}: it never ended, {"bad": WHY}: malformed,
	 * {"ended": WHY, "ids": N}: ended before it was whole, by the last N ids of its answer;
	 * thinking: {"ms": N} it took; notices: {"error": true}: the answer failed with it.
	 */
	struct str info;
};

/* How an answer was made.  Strings may be NULL when given, never when read. */
struct history_run {
	const char *model, *identity, *build, *device, *effort;
	const char *prefill; /* the text that it was told to begin with */
	double temperature, top_p, min_p;
	int64_t top_k;
	uint64_t seed;
	int64_t max_tokens, ctx_tokens;
	int64_t resumed_tokens;
	int64_t thinking_ended; /* 1: the user asked for its end, 0 */
	int64_t started_ms, finished_ms;
	const char *stop; /* "stop", "tool_calls", "length", "context", "interrupted", "failed",
			   * "timeout"; "crashed": recovered from the journal */
	int64_t prompt_tokens, cached_tokens, disk_tokens, thinking_tokens, output_tokens;
	int64_t steps, drafted, accepted;
	const char *drafts; /* by place, accepted/drafted: "30/31 22/30"; "": none */
	int64_t prefill_ms, disk_ms, decode_ms, total_ms;
};

/*
 * What came with an answer by an import: whoever wrote the file may have claimed anything, so
 * that no request is built from these ids, and no model is told by this identity.
 */
struct history_foreign {
	const int32_t *ids; /* NULL: none */
	size_t n_ids;
	const char *identity; /* never NULL */
};

/* In a tree all fields are read-only and live as long as the tree. */
struct history_message {
	int64_t id;
	enum history_role role;
	int64_t created_ms;
	const struct history_part *parts;
	size_t n_parts;
	const int32_t *ids; /* answers: what the model produced, exactly; NULL = unknown */
	size_t n_ids;
	const struct history_run *run; /* answers; may be NULL */
	/* Imported: NULL ids and an empty identity in `run` stand for these; else NULL. */
	const struct history_foreign *foreign;
	/* It is not what was written: told by a notice at its end; it has no ids. */
	bool damaged;

	int64_t conversation; /* the one it was said in */
	size_t depth;         /* messages before it on its branch */
	struct history_message *parent, *first_child, *last_child, *next; /* next: sibling */
};

/* The text parts joined: what was said, without thinking, calls and the like. */
void history_message_add_text(const struct history_message *m, enum history_kind kind,
			      struct buf *out);
bool history_message_unfinished(const struct history_message *m); /* may be continued */

/* -- one conversation, open ------------------------------------------------- */

struct history_tree;

/* A new conversation; it reaches the file with its first message. */
int history_tree_new(struct history_tree **out, struct history *h, struct err *err);
int history_tree_open(struct history_tree **out, struct history *h, int64_t conversation,
		      struct err *err);
/*
 * A new conversation that goes on after `at`, a message of `from` (NULL: after all of it).
 * It reaches the file with its first message, or before that with history_tree_keep().  `from`
 * stays as it is.
 */
int history_tree_fork(struct history_tree **out, struct history_tree *from,
		      const struct history_message *at, struct err *err);
/* Writes a fork that nothing was said in yet, with that title; nothing where it is there. */
int history_tree_keep(struct history_tree *t, struct str title, enum history_title_from from,
		      struct err *err);
/* Has somebody else said something in this conversation since it was opened? */
int history_tree_behind(struct history_tree *t, bool *behind, struct err *err);
void history_tree_free(struct history_tree *t); /* NULL is fine */

int64_t
history_tree_conversation(const struct history_tree *t);    /* 0 before the first message */
const char *history_tree_uid(const struct history_tree *t); /* given from the start */

const struct history_message *history_tree_leaf(const struct history_tree *t); /* NULL: empty */
const struct history_message *history_tree_find(const struct history_tree *t, int64_t id);

/* Every message, parents before their children: the one after m (NULL: the first); NULL at the
 * end. */
const struct history_message *history_tree_each(const struct history_tree *t,
						const struct history_message *m);

/* The branch, first message first; borrowed until the next call that changes the tree.  Needs
 * no memory. */
const struct history_message *const *history_tree_path(struct history_tree *t, size_t *n);

/* Where m stands among its siblings, from 0, and how many they are. */
void history_tree_siblings(const struct history_tree *t, const struct history_message *m,
			   size_t *pos, size_t *n);
/* The sibling `step` places further, NULL past the ends. */
const struct history_message *history_tree_sibling(const struct history_tree *t,
						   const struct history_message *m, int step);

/* Shows the branch through m: the leaf becomes m's newest descendant.  Kept in the file. */
int history_tree_go(struct history_tree *t, const struct history_message *m, struct err *err);
/* The leaf becomes m itself (NULL: before the first message), to say something else there. */
void history_tree_rewind(struct history_tree *t, const struct history_message *m);

/*
 * Commits one message after the leaf, which it becomes.  Of *m, role, parts, ids,
 * created_ms (0 = now) and run (NULL = none) are read.  *out (may be NULL) is in the tree.
 */
int history_tree_say(struct history_tree *t, const struct history_message *m,
		     const struct history_message **out, struct err *err);

/* -- an answer in progress -------------------------------------------------- */

/*
 * Gathers what the engine says and journals it.  The ids run ahead of the text that they
 * say, never behind: flush when every event that waited was handed over.  Where a crash cut
 * the answer, the engine says the rest from the ids (turn_request.resume_counted).
 */
struct history_answer;

#define HISTORY_JOURNAL_MS 250

/*
 * An answer to the leaf, which must be there.  `settings` is what is known before the
 * first token.  `resume`: a message to continue instead, of which the answer starts as a
 * copy, but for its calls, which a resumed turn tells again, and the error that it failed
 * with; else NULL.
 */
int history_answer_begin(struct history_answer **out, struct history_tree *t,
			 const struct history_run *settings,
			 const struct history_message *resume, struct err *err);

/* Memory only; failures of memory come out of the next flush or commit. */
void history_answer_say(struct history_answer *a, enum history_kind kind, struct str text);
/* Of the part that was said last: its `info`. */
void history_answer_info(struct history_answer *a, struct str info);
/* `call`: which of the answer's calls, from 0; one that never began has no name. */
void history_answer_call_begin(struct history_answer *a, struct str name, struct str ref);
void history_answer_call_end(struct history_answer *a, size_t call, struct str arguments);
void history_answer_call_bad(struct history_answer *a, size_t call, struct str arguments,
			     struct str why);
void history_answer_call_ended(struct history_answer *a, size_t call, struct str arguments,
			       struct str why, int64_t n_ids);
void history_answer_tokens(struct history_answer *a, const int32_t *ids, size_t n);

/* How many ms until a flush is due: 0 = now, -1 = nothing is waiting. */
int history_answer_due_ms(const struct history_answer *a);

/*
 * Writes what is new.  Where another process is writing it returns 0 and leaves the
 * work for the next flush: it never waits longer than 20 ms.  Other failures are
 * reported; the answer stays as it is and both flush and commit may be tried again.
 */
int history_answer_flush(struct history_answer *a, struct err *err);

/*
 * Makes the answer a message, which becomes the tree's leaf, and frees it; the journal goes
 * in the same transaction.  Of `result` finished_ms, stop, drafts and the counts are read.  On
 * failure the answer is still there.  An answer without parts and ids leaves no message
 * (*out = NULL) and no error.
 */
int history_answer_commit(struct history_answer *a, const struct history_run *result,
			  const struct history_message **out, struct err *err);

/* Frees without a message, and the file forgets it. */
int history_answer_drop(struct history_answer *a, struct err *err);

/* Frees without a message.  What was journalled stays for history_recover(). */
void history_answer_free(struct history_answer *a);

/*
 * Makes messages ("crashed") of the journals whose process is gone, and points their
 * conversations there.  out: those conversations, newest first.  Calls that ran in such a process
 * are lost.
 */
int history_recover(struct history *h, struct history_list *out, struct err *err);

/* -- what was done of calls --------------------------------------------------- */

enum history_call_state {
	HISTORY_CALL_ASKED,
	HISTORY_CALL_RUNNING,
	HISTORY_CALL_OK,
	HISTORY_CALL_ERROR,
	HISTORY_CALL_DENIED,
	HISTORY_CALL_REFUSED,
	HISTORY_CALL_STOPPED,
	HISTORY_CALL_TIMEOUT,
	HISTORY_CALL_LOST,
	HISTORY_CALL_SKIPPED,
};
#define HISTORY_N_CALL_STATES 10

/* One call of a stored answer, and what became of it.  Borrowed. */
struct history_call {
	int64_t answer; /* the message that calls */
	struct str ref, tool;
	struct str cls, grade, layer; /* what it could do, and within what */
	/* What is none of these is kept as "". */
	struct str decided; /* "", "mode", "rule", "once", "session", "always", "user", "nobody" or
			     * "policy" */
	struct str rule, reason;
	enum history_call_state state;
	int exit, signal; /* -1, 0: none */
	int64_t output_bytes;
	struct str spill; /* "OUT:3", or "" */
};

const char *history_call_state_name(enum history_call_state state);
bool history_call_state_from_name(struct str name, enum history_call_state *state);

/*
 * Before a call is run: from here on it has begun, whatever happens to this program, and it is on
 * the disk when this returns.  Of *c all but state, exit and what follows are read.  *id names it
 * for history_edit_plan().  ERR_USAGE: it was begun before; nothing is run twice.
 */
int history_call_begin(struct history_tree *t, const struct history_call *c, int64_t *id,
		       struct err *err);

/*
 * As history_tree_say(), of a message with the result of the call, and what became of it, both or
 * none.  Of one that was begun, class, layer and who decided stay what they were, and the grade
 * where c->grade is "": it may have run again with more.  A call that has its result elsewhere in
 * the tree keeps that.
 */
int history_call_say(struct history_tree *t, const struct history_message *m,
		     const struct history_call *c, const struct history_message **out,
		     struct err *err);

enum history_call_begun {
	HISTORY_NOT_BEGUN,
	HISTORY_RUNS_ELSEWHERE, /* in a process that lives, and is another one */
	HISTORY_BEGUN,
};

/* What is known of the call `ref` of the message `answer`. */
int history_call_find(struct history *h, int64_t answer, struct str ref,
		      enum history_call_begun *begun, struct err *err);

#define HISTORY_HASH_BYTES  16                   /* XXH128 */
#define HISTORY_BEFORE_MAX  ((size_t)8 << 20)    /* kept of a file */
#define HISTORY_BEFORE_ALL  ((int64_t)256 << 20) /* kept of a conversation */

enum history_edit_state {
	HISTORY_EDIT_PLANNED, /* it may have been done, or not */
	HISTORY_EDIT_APPLIED,
	HISTORY_EDIT_UNDONE,
	HISTORY_EDIT_LOST,    /* what became of the file is not known */
	HISTORY_EDIT_DROPPED, /* never done, or no longer to be undone */
};
#define HISTORY_N_EDIT_STATES 5

/* A change of one file by a call that was begun. */
struct history_edit {
	int64_t id, call;
	struct str root, path; /* path: any bytes, from the root on */
	bool existed;          /* before it, with: */
	/* What the file held.  p NULL: not kept, see HISTORY_BEFORE_MAX; in a list always, where
	 * `kept` says whether it is there. */
	struct str before;
	bool kept;
	int64_t before_mode;
	unsigned char before_hash[HISTORY_HASH_BYTES];
	unsigned char after_hash[HISTORY_HASH_BYTES];
	int64_t after_mode;
	int64_t made_dirs; /* how many folders it had to make */
	enum history_edit_state state;
	/* Of a list: */
	int64_t answer; /* the message that called for it */
	struct str ref; /* … by which of its calls */
	bool here;      /* the file is one of this machine */
	bool elsewhere; /* a process that lives, and is another one, is at it */
	bool untold;    /* it was taken back or made again, and the model does not know */
	bool kept_after; /* what the file held after it is there, see history_edit_after() */
};

struct history_edits {
	struct history_edit *items;
	size_t n;
};

/*
 * Before the file is changed: "planned", and on the disk when this returns.  id, kept and state are
 * not read.  What was taken back in the conversation cannot be made again any more.  Where it keeps
 * more than HISTORY_BEFORE_ALL, the bytes of its oldest edits go: *n_dropped of them.
 */
int history_edit_plan(struct history *h, const struct history_edit *e, int64_t *id,
		      size_t *n_dropped, struct err *err);
int history_edit_settle(struct history *h, int64_t id, enum history_edit_state state,
			struct err *err);
/* All edits of a conversation, newest first. */
int history_edits(struct history *h, int64_t conversation, struct history_edits *out,
		  struct err *err);
void history_edits_release(struct history_edits *edits);
/* Appends what the file held before.  ERR_USAGE: that is not kept, or nothing was there. */
int history_edit_before(struct history *h, int64_t id, struct buf *out, struct err *err);
/* What it held after the edit, where that was kept when the edit was taken back. */
int history_edit_after(struct history *h, int64_t id, struct buf *out, struct err *err);

/* What a call found in the file that it changed, and left there. */
struct history_edit_sides {
	bool existed;
	struct buf before; /* "" where it did not */
	unsigned char after_hash[HISTORY_HASH_BYTES];
};

/*
 * To be released, either way.  ERR_USAGE: the call changed no file, or what that held before is
 * not kept, or is more than `max` bytes.
 */
int history_edit_sides(struct history *h, int64_t answer, struct str ref, size_t max,
		       struct history_edit_sides *out, struct err *err);
void history_edit_sides_release(struct history_edit_sides *s);

/* An edit on its way back, or forth again. */
struct history_edit_step {
	int64_t id;
	enum history_edit_state state;
	/* What the file holds now, to be kept; p NULL: what is kept stays. */
	struct str after;
	bool tells; /* the model is to know; twice is as good as never */
};

/*
 * Makes all the steps or none, and they are on the disk when this returns: "planned" before files
 * are changed, then what became of them.  What was dropped meanwhile stays so.
 */
int history_edits_step(struct history *h, const struct history_edit_step *steps, size_t n,
		       struct err *err);
/* The model knows of all that was taken back or made again in the conversation. */
int history_edits_told(struct history *h, int64_t conversation, struct err *err);

/* -- search ------------------------------------------------------------------ */

/* Scopes, joined by |.  Said are questions, with their files, and answers. */
enum { HISTORY_IN_SAID = 1, HISTORY_IN_THINKING = 2, HISTORY_IN_TOOLS = 4 };

#define HISTORY_MARK_ON  '\002' /* around the words found, in a snippet */
#define HISTORY_MARK_OFF '\003'

struct history_query {
	/*
	 * Words that must all be there; "a phrase"; begin* for words that begin so; -word or
	 * -"phrase" for what must not be.  Case and accents do not count.
	 */
	struct str text;
	unsigned scopes;      /* 0 = HISTORY_IN_SAID */
	bool by_rank;         /* best first; else newest first, in the order of arrival here */
	size_t limit;         /* 0 = 50 */
	int64_t conversation; /* only in it; 0 = in all */
	bool bare;            /* no snippets: they are "" */
	int within_ms;        /* what was found by then; 0 = all of it */
};

struct history_hit {
	int64_t conversation, message;
	char uid[HISTORY_UID_LEN + 1];
	char *title;
	enum history_role role;
	enum history_kind kind;
	int64_t created_ms;
	char *snippet; /* clean UTF-8, one line, with the marks, from the first hit on */
};

struct history_hits {
	struct history_hit *items;
	size_t n;
	bool cut; /* within_ms ran out: there may be more */
};

/* ERR_USAGE where the query has no word that must be there, or more than 64 words. */
int history_search(struct history *h, const struct history_query *q, struct history_hits *out,
		   struct err *err);
void history_hits_release(struct history_hits *hits);

/* -- upkeep -------------------------------------------------------------------- */

/* Writes the file anew without its free pages, empties its log, drops migration backups. */
int history_gc(struct history *h, struct err *err);

/*
 * Checks the whole file.  What is wrong is appended to `problems`, a line each, *n in all;
 * a negative return means that the check itself could not be done.
 */
int history_verify(struct history *h, struct buf *problems, size_t *n, struct err *err);

/* Makes anew what can be: the search's indexes, from what was said. */
int history_repair(struct history *h, struct err *err);

/* A copy as one file (0600) of a state of all of it; ERR_USAGE where `path` exists. */
int history_backup(struct history *h, const char *path, struct err *err);

/* -- in and out ------------------------------------------------------------------ */

enum history_format {
	HISTORY_MARKDOWN, /* the branch that is shown, to read */
	HISTORY_JSON,     /* one object with everything */
	HISTORY_JSONL,    /* the same in lines, as history_import_line() takes them */
};

/* Appends the conversation: all its branches, but for HISTORY_MARKDOWN. */
int history_export(struct history *h, int64_t conversation, enum history_format format,
		   struct buf *out, struct err *err);

/*
 * Reads JSONL exports, one after another.  A conversation that is here already is known, and
 * what an export has more of it is added; another one keeps its uid where that is free.  Blank
 * lines, and a byte order mark before the first, are passed over.  After a failed line nothing
 * of that conversation is in the file; those before it are: end the import then with a NULL
 * err.
 */
struct history_import;
struct history_imported {
	size_t n_new, n_grown, n_known; /* conversations; known: nothing of them was new */
};
int history_import_begin(struct history_import **out, struct history *h, struct err *err);
int history_import_line(struct history_import *in, struct str line, struct err *err);
/* Commits the last conversation (err NULL: drops it) and frees; *done may be NULL. */
int history_import_end(struct history_import *in, struct history_imported *done,
		       struct err *err);

#endif
