/*
 * The filter of system calls around a command, in every layer: what reaches the kernel beside
 * files, or undoes the layer around it, is refused.
 *
 * It is for the machine's own calls alone: a program that makes those of another kind (32 bits
 * on one of 64) is killed, since the same names are other numbers there.
 */
#ifndef APP_TOOLS_SANDBOX_SECCOMP_H
#define APP_TOOLS_SANDBOX_SECCOMP_H

#include <stdbool.h>

#include "engine/base/err.h"

enum seccomp_more {
	SECCOMP_ABSTRACT = 1, /* no sockets of this machine: their names are the host's */
	SECCOMP_BARE = 2,     /* no namespaces are around it: no internet, no looking into
				 processes, and nothing of files that Landlock does not see      */
	SECCOMP_TRUNCATE = 4, /* Landlock does not see files being emptied, either */
	SECCOMP_NET = 8, /* with SECCOMP_BARE: the internet may be used                    */
};

/*
 * The filter as the kernel takes it, in a memfd from its beginning; the descriptor, or
 * ERR_NOMEM, ERR_IO.  `more`: enum seccomp_more, bits.
 */
int seccomp_program(unsigned more, struct err *err);
/* From now on it holds for this process, which gains no privileges any more.  False: it does
 * not. */
bool seccomp_enforce(int program);

#endif
