/*
 * Putting the terminal back from a signal handler, where the program crashes.
 *
 * Between arming and disarming SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT and SIGSYS write bytes
 * prepared in advance, restore the tty's modes, and go on to whatever was set for them before.
 * One terminal a process, or it is a BUG(); UI thread, but the handler runs in whichever thread
 * crashes.
 */
#ifndef TUI_TERMINAL_CRASH_H
#define TUI_TERMINAL_CRASH_H

#include <termios.h>

#include "engine/base/buf.h"

/* `leave`: what is written, copied; left out where it is longer than 512 bytes. */
void terminal_crash_arm(int fd, const struct termios *saved, struct str leave);
void terminal_crash_disarm(void); /* nothing where it is not armed */

#endif
