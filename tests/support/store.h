/*
 * A history file of its own for one test, and a few words to say in it.  Any trouble with it
 * fails the running cmocka test.
 */
#ifndef TESTS_SUPPORT_STORE_H
#define TESTS_SUPPORT_STORE_H

#include "history/history.h"
#include "tests/support/tmpdir.h"

struct store {
	struct tmpdir dir;
	char path[300];
	struct history *h;
};

void store_init(struct store *s); /* open, and empty */
void store_release(struct store *s);
void store_reopen(struct store *s);

/* The one of a test program: opened before a test, removed behind it. */
extern struct store test_store;
int store_set_up(void **state);
int store_tear_down(void **state);

/* One message of one part; borrowed from the tree. */
const struct history_message *store_say(struct history_tree *t, enum history_role role,
					enum history_kind kind, const char *text);
/* A conversation of a question and an answer with a thought; returns its id. */
int64_t store_talk(struct history *h, const char *question, const char *thought,
		   const char *answer);

size_t store_hits(struct history *h, const char *query);
/* Runs SQL on the file by another connection; the schema itself may be written. */
void store_sql(const struct store *s, const char *sql);
/* The first value that SQL gives of a file, read by another connection. */
int64_t store_number(const char *path, const char *sql);
void store_value_is(const char *path, const char *sql, const char *expected);
/* As history_verify(), appended. */
size_t store_problems(struct history *h, struct buf *problems);
void store_assert_sound(struct history *h);
/* Imports JSON Lines; n may be NULL. */
int store_import(struct history *h, struct str text, struct history_imported *n,
		 struct err *err);
/* From an export of imported answers, what it says of whose their ids are. */
void store_drop_foreign(struct buf *lines);

#endif
