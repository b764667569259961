/*
 * The descendants of this process: all that a command started, whatever sessions and parents it
 * gave them.  This process is a child subreaper, so that each of them ends below it.
 */
#ifndef APP_TOOLS_KIDS_H
#define APP_TOOLS_KIDS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Makes this process the one that orphans come to.  Returns a descriptor that is readable after
 * a child has ended, until kids_heard(); -1.  SIGCHLD is blocked from here on, and nothing
 * else.
 */
int kids_watch(void);
void kids_heard(int fd);

/* Is there any?  One that has ended and was not waited for counts. */
bool kids_any(void);

/* Sends the signal to all that live, but for those that are spared; returns how many there are.
 */
size_t kids_signal(int sig);
/* Those that live now are around a command, and none of its own: they are spared. */
void kids_spare(void);

/*
 * Stops all in their tracks, those that are spared, too, so that none escapes by another fork,
 * kills and reaps them; gives up after max_ms, on what this process may not kill.  Other
 * children of its are among them.
 */
void kids_end(int max_ms);

#endif
