/*
 * The full screen in a child process, in a pseudo-terminal whose other end is a
 * libvterm: what a person would see, and keys that a person would press.  Any
 * trouble fails the running cmocka test.
 */
#ifndef TESTS_SUPPORT_STAGE_H
#define TESTS_SUPPORT_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <termios.h>

#include <vterm.h>

#include "engine/base/buf.h"

#define STAGE_PATIENCE_MS 20000 /* a loaded machine is slow */

/* A model that greets, takes for ever when asked to go slowly, and else has another answer. */
extern const char stage_talk[];

struct stage_setup {
	const char *engine_script;
	/*
	 * The program itself with these arguments (the last is NULL) and `engine_script`, its
	 * files below `home`, instead of a screen of this process.  NULL = not so.
	 */
	const char *const *args;
	const char *home;
	const char *folder;     /* … and started there; NULL = where the test is */
	const char *const *env; /* … and NAME=VALUE beside; the last is NULL; NULL = none */
	const char *term; /* NULL = xterm-256color */
	const char *inputs_path;
	const char *history_path; /* NULL = nothing is kept */
	bool last;                /* opens the last conversation */
	int w, h;                 /* 0 = 80 by 24 */
	rlim_t file_limit; /* no file grows beyond, so that the store is full; 0 = none */
	bool crash;        /* the child raises SIGSEGV when it hears SIGUSR1 */
	bool job; /* as a shell starts it: a group of its own, which alone can be stopped */
};

/* A screen in a child process, and the terminal it runs on. */
struct stage {
	pid_t child;
	int fd;
	VTerm *vt;
	int w, h;
	struct termios before;
	size_t bytes; /* that the child wrote */
	struct buf raw;
	size_t answered; /* of raw, what was there at stage_answer() */
};

/* Starts the child; `vt` shows what it writes. */
void stage_open(struct stage *st, const struct stage_setup *su);
/* So, and until it is ready for a question. */
void stage_begin(struct stage *st, const struct stage_setup *su);
/* … of a program that is plain (--plain): a line at a time. */
void stage_begin_lines(struct stage *st, const struct stage_setup *su);
/* Waits for the child's end, and frees; returns its wait status. */
int stage_close(struct stage *st);
/* By Ctrl-Q, which is no failure. */
void stage_quit(struct stage *st);
/* … by Ctrl-D at the prompt of lines. */
void stage_quit_lines(struct stage *st);

/* Takes what comes within `ms`; false at the end of the child. */
bool stage_read(struct stage *st, int ms);
/* Types bytes as a terminal sends them, and waits as long as a person would after a key. */
void stage_type(struct stage *st, const char *bytes);
/*
 * Types an answer once `prompt` has been written, and nothing more comes: behind what was there at
 * the answer before, whose prompt may be in sight still.
 */
void stage_answer(struct stage *st, const char *prompt, const char *bytes);

/* What is shown, a line a row, without blanks at their ends. */
void stage_text(const struct stage *st, struct buf *out);
bool stage_shows(struct stage *st, const char *text);
void stage_wait_for(struct stage *st, const char *text);
void stage_wait_gone(struct stage *st, const char *text);
void stage_pause(struct stage *st, int ms); /* takes what comes meanwhile */
/* From typing `keys` to when the terminal has been sent `shown`. */
double stage_answer_ms(struct stage *st, const char *keys, const char *shown);
void stage_settle(struct stage *st); /* until nothing comes any more */
/* Everything on the terminal is as a complete repaint has it. */
void stage_assert_clean(struct stage *st);

#endif
