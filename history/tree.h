/* Inside an open conversation: its messages in memory, and how they come and go. */
#ifndef HISTORY_TREE_H
#define HISTORY_TREE_H

#include "history/pool.h"
#include "history/store.h"

/* A time that is further ahead than this was told by a clock that is wrong, then or now. */
#define AHEAD_MS 60000

struct history_tree {
	struct history *h;
	int64_t conversation; /* 0 until the first message reached the file */
	int64_t tree_id;      /* 0 likewise, unless forked */
	int64_t forked_at;    /* message; 0 = not a fork */
	char uid[HISTORY_UID_LEN + 1];
	bool titled;

	struct pool pool;
	struct history_message **messages; /* by id */
	size_t n, cap;
	struct history_message *first; /* the first of those without a parent, linked by next */
	struct history_message *last;
	struct history_message *leaf; /* NULL: before the first message */

	const struct history_message *
		*path; /* of the leaf, when `path_of` is it; room for cap */
	size_t n_path;
	const struct history_message *path_of;
};

/* Copies what *m says into the tree's memory, linked nowhere; NULL: no memory. */
struct history_message *tree_copy(struct history_tree *t, const struct history_message *m);
/* Makes room, so that tree_link() and history_tree_path() can't fail. */
int tree_reserve(struct history_tree *t, struct err *err);
/* Hangs m, whose id is set and the highest, under `parent` (NULL: at the top). */
void tree_link(struct history_tree *t, struct history_message *m,
	       struct history_message *parent);

/* Reads every message of t->tree_id into the tree. */
int tree_load(struct history_tree *t, struct err *err);

/*
 * Inside a write transaction: the conversation's row where it has none yet (its id and tree
 * are set in *conversation and *tree_id, not in t), the message under `parent` (0: none)
 * with its parts.  Sets *id.
 */
int tree_write(struct history_tree *t, const struct history_message *m, int64_t parent,
	       size_t depth, int64_t *conversation, int64_t *tree_id, int64_t *id,
	       struct err *err);
/* The first part of that: the conversation's row alone. */
int tree_write_conversation(struct history_tree *t, int64_t *conversation, int64_t *tree_id,
			    int64_t created_ms, struct err *err);
/* After the commit: m, as written, joins the tree in memory and becomes its leaf. */
void tree_adopt(struct history_tree *t, struct history_message *m,
		struct history_message *parent, int64_t conversation, int64_t tree_id,
		int64_t id);
/* Inside a write transaction: the conversation shows `leaf`, and was used now. */
int tree_write_leaf(struct history *h, int64_t conversation, int64_t leaf, struct err *err);

int tree_write_run(struct history *h, int64_t conversation, int64_t message,
		   const struct history_run *run, int64_t *id, struct err *err);
/* The end of a run: message, finished_ms, stop and counts. */
int tree_finish_run(struct history *h, int64_t id, int64_t message,
		    const struct history_run *run, struct err *err);

/* Its row, with strings in the tree's memory. */
int tree_read_run(struct history_tree *t, int64_t id, struct history_run *run, struct err *err);

/* The words of the schema. */
const char *history_role_name(enum history_role role);
bool history_role_from_name(struct str name, enum history_role *role);
const char *history_kind_name(enum history_kind kind);
bool history_kind_from_name(struct str name, enum history_kind *kind);
const char *history_title_origin_name(enum history_title_from from);
bool history_title_origin_from_name(struct str name, enum history_title_from *from);

#endif
