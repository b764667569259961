/*
 * The folder of the disk tier, .../kv:
 *
 *   kv/IDENTITY/OWNER/NAME
 *
 * A model's identity, a conversation, a file (engine/store/kvfile.h).  NAME says what the file
 * is: whether it ends in a frontier, at which position, and the sum of all ids up to there.
 * What several conversations have in common is one file with a link in each one's folder: so a
 * conversation is removed by removing its folder, and what others use stays.
 *
 * Several processes share it: files never change but for their times (last of use: atime; their
 * uses: mtime), and who thins out holds a lock.  Knows no
 * model and no tokens.  Any thread.
 */
#ifndef ENGINE_STORE_KVDIR_H
#define ENGINE_STORE_KVDIR_H

#include <stdbool.h>

#include "engine/base/buf.h"
#include "engine/store/kvfile.h"

struct kv_name {
	bool frontier;
	int64_t end; /* ids up to there */
	struct kv_sum sum;
};

#define KV_NAME_BYTES  56
#define KV_OWNER_BYTES 64

bool kv_name_same(const struct kv_name *a, const struct kv_name *b);

/* Whether it may name a folder: letters, digits, and - within, fewer than KV_OWNER_BYTES. */
bool kv_owner_valid(struct str owner);

struct kv_entry {
	struct kv_name name;
	char identity[KV_IDENTITY], owner[KV_OWNER_BYTES];
	int64_t bytes;   /* by kvdir_list_all(), as all that follows */
	int64_t used_ms; /* when it was last of use, since the epoch */
	int64_t uses_ms; /* its uses as one time: engine/cache/policy.h */
	uint64_t file;   /* the same for links of one file */
};

struct kv_list {
	struct kv_entry *v;
	size_t n, cap;
};
void kv_list_release(struct kv_list *list);

/* One entry of that name; NULL: there is none. */
const struct kv_entry *kv_list_find(const struct kv_list *list, const struct kv_name *name);

/* What is there of one model, names alone; a folder that is not there has nothing. */
int kvdir_list(const char *root, const char *identity, struct kv_list *out, struct err *err);
/* Of all models, with sizes. */
int kvdir_list_all(const char *root, struct kv_list *out, struct err *err);

/* The path of an entry. */
void kvdir_path(struct buf *out, const char *root, const struct kv_entry *e);

/* root/identity/owner is there afterwards, 0700. */
int kvdir_make(const char *root, const char *identity, const char *owner, struct err *err);

/* Another owner gets a link to it.  False: it could not be made. */
bool kvdir_link(const char *root, const struct kv_entry *e, const char *owner);

/* Size and times of an entry, as by kvdir_list_all().  False: it is gone. */
bool kvdir_measure(const char *root, struct kv_entry *e);

/* It was of use now, and its uses are that time from now on. */
void kvdir_touch(const char *root, const struct kv_entry *e, int64_t uses_ms);

/* Removes a file that is no good, whoever has a link to it. */
void kvdir_drop(const char *root, const char *identity, const struct kv_name *name);

/* What was computed of a conversation, but for what others use, too.  Returns how many links.
 */
int kvdir_remove_owner(const char *root, const char *owner);
int kvdir_clear(const char *root, struct err *err); /* all; returns how many files, or a code */

/* Removes an entry, and its folder where that was the last of it. */
void kvdir_remove(const char *root, const struct kv_entry *e);

/* The right to thin out, until it is closed.  -1: another process has it. */
int kvdir_lock(const char *root);

/* Bytes of a list, those of one file once; *n_files: how many. */
int64_t kv_list_bytes(const struct kv_list *list, size_t *n_files);

#endif
