/*
 * One file's content for another's, whole or not at all: written beside it without a name (or,
 * where the file system has no such files, under one of its own), then exchanged with it, and
 * what came out looked at.  A process that is killed meanwhile leaves both as they were, or, in
 * the moment of the exchange, one of them whole under a name of its own.
 *
 * Nothing follows a link.  One thread at a time.
 */
#ifndef APP_TOOLS_SWAP_H
#define APP_TOOLS_SWAP_H

#include <stdbool.h>
#include <sys/stat.h>

#include <xxhash.h>

#include "engine/base/buf.h"

struct swap {
	int dir; /* that the file is in; O_PATH */
	const char *name;
	struct str content;
	mode_t mode;
	/* What is there; -1: nothing, and then nothing may be. */
	int old;
	XXH128_hash_t hash; /* of its bytes */
};

enum swap_end {
	SWAP_DONE,
	SWAP_CHANGED, /* what is there is not what was; it stays */
	SWAP_FAILED,  /* errno says why; nothing has changed     */
};

/* Owner, group and extended attributes of the old file are kept; setuid and setgid are not. */
enum swap_end swap_file(const struct swap *s);

/*
 * The same in two steps, so that many can wait for the disk together: the new content is
 * written beside the file and on its way; then it has the name, once it is on the disk.  The
 * folder is the caller's to sync.  Where the first fails (errno) there is no second; what *s
 * borrows stays until then.
 */
struct swapping {
	struct swap s;
	struct stat old, st;
	char temp[24];
	int fd;
	bool nameless;  /* it has not been given `temp` yet */
	bool synced;    /* swap_sync() was tried: */
	int sync_errno; /* 0: it is on the disk */
};
bool swap_prepare(struct swapping *w, const struct swap *s);
/* Between the two, for many: they go to the disk at the same time.  Threads that end with it.
 */
void swap_sync(struct swapping *const *v, size_t n);
enum swap_end swap_finish(struct swapping *w);
void swap_sync_folder(int dir);

/*
 * The file that is there loses its name, as it would to another content; what has it meanwhile
 * keeps it.  Of *s content and mode are not looked at; the folder is the caller's to sync.
 */
enum swap_end swap_remove(const struct swap *s);

/* As it is kept, on every machine the same. */
void swap_put_hash(unsigned char out[sizeof(XXH128_canonical_t)], XXH128_hash_t hash);

#endif
