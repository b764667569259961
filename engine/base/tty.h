/*
 * A terminal that is written without waiting: the mode of the descriptor that a program is
 * given is shared with whoever started it, and poll() promises no room for more than a byte.
 */
#ifndef ENGINE_BASE_TTY_H
#define ENGINE_BASE_TTY_H

/*
 * Opens the terminal behind `fd` once more, O_NONBLOCK; the caller closes it.  -1: it is none, or
 * may not be opened (no /proc, another user's).  Any thread, also from a signal handler.
 */
int tty_open_again(int fd);

#endif
