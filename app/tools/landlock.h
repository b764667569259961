/*
 * The kernel's Landlock: rules on which files a process may use, which hold from when they are
 * enforced, for it and for all it starts.
 *
 * Its system calls by number, with constants of our own: Debian's header knows only the second
 * version.  A process that makes rules has one thread.
 */
#ifndef APP_TOOLS_LANDLOCK_H
#define APP_TOOLS_LANDLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* What may be done to a file, or to all below a folder. */
#define LANDLOCK_EXECUTE     (1ull << 0)
#define LANDLOCK_WRITE_FILE  (1ull << 1)
#define LANDLOCK_READ_FILE   (1ull << 2)
#define LANDLOCK_READ_FOLDER (1ull << 3)
#define LANDLOCK_REMOVE_DIR  (1ull << 4)
#define LANDLOCK_REMOVE_FILE (1ull << 5)
#define LANDLOCK_MAKE_CHAR   (1ull << 6)
#define LANDLOCK_MAKE_DIR    (1ull << 7)
#define LANDLOCK_MAKE_FILE   (1ull << 8)
#define LANDLOCK_MAKE_SOCK   (1ull << 9)
#define LANDLOCK_MAKE_FIFO   (1ull << 10)
#define LANDLOCK_MAKE_BLOCK  (1ull << 11)
#define LANDLOCK_MAKE_SYM    (1ull << 12)
#define LANDLOCK_REFER       (1ull << 13) /* version 2: renaming from folder to folder */
#define LANDLOCK_TRUNCATE    (1ull << 14) /* version 3 */
#define LANDLOCK_IOCTL_DEV   (1ull << 15) /* version 5 */

#define LANDLOCK_TO_READ (LANDLOCK_READ_FILE | LANDLOCK_READ_FOLDER)

struct landlock {
	int fd;           /* of the rules; -1: there are none */
	uint64_t handled; /* what is refused where no rule allows it */
	bool failed;      /* a rule could not be made: they are not to be enforced */
};

/* What of all files a kernel of that version can refuse. */
uint64_t landlock_files(int version);

/*
 * Rules that allow nothing of `files` yet, all else being allowed; `isolated`: also no TCP
 * (version 4), and no signals and abstract sockets to processes outside (6), as far as the
 * version has it.
 */
struct landlock landlock_begin(int version, uint64_t files, bool isolated);
/* Of a file, what a file can have of it. */
void landlock_allow(struct landlock *l, int fd, uint64_t what);
/* What is not there needs no rule. */
void landlock_allow_path(struct landlock *l, const char *path, uint64_t what);
/* From now on they hold.  False: they do not.  The rules are closed either way. */
bool landlock_enforce(struct landlock *l);

#endif
