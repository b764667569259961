/*
 * Another process that exchanges two names again and again, for who looks at a file while it
 * becomes a link.  Trouble with it fails the running cmocka test.
 */
#ifndef TESTS_SUPPORT_SWAPPER_H
#define TESTS_SUPPORT_SWAPPER_H

#include <sys/types.h>

/* Both are there.  It ends with this process, if nobody ends it before. */
pid_t swapper_begin(const char *a, const char *b);
void swapper_end(pid_t pid);

#endif
