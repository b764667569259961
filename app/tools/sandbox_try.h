/*
 * A layer tried from inside: what the program does when it is executed there with these words.
 * It attacks what its user has, harmlessly, and tells what it got.
 */
#ifndef APP_TOOLS_SANDBOX_TRY_H
#define APP_TOOLS_SANDBOX_TRY_H

#include <stdint.h>

#include "app/tools/tools.h"

#define TRY_NAME "dsv4chat-try" /* the first word */

/* What each bit of what is got stands for; for people. */
extern const char *const try_names[SANDBOX_ATTACKS];

/* What it needs to know of the process outside; the words that follow, in this order. */
enum try_word {
	TRY_FILE = 2, /* to be made, outside of the workspace                          */
	TRY_TCP,      /* a port of this machine that somebody listens at               */
	TRY_UDP,      /* and another                                                   */
	TRY_ABSTRACT, /* a socket by a name of no file                                 */
	TRY_PID,      /* a process of the user's                                       */
	TRY_ADDRESS,  /* where in its memory there is, in hexadecimal:                 */
	TRY_MARK,     /* this text                                                     */
	TRY_CWD,      /* the folder that it is in                                      */
	TRY_WORDS,
};

/* In the workspace: a file that is hidden, and what it has in it; a socket somebody listens at;
 * a folder with nothing in it. */
#define TRY_HIDDEN ".env"
#define TRY_SECRET "secret"
#define TRY_SOCKET "socket"
#define TRY_FOLDER "folder"

/* Its whole life, in the workspace: prints "GOT WORKS", GOT in hexadecimal, WORKS 0 or 1. */
int try_main(char **argv);

#endif
