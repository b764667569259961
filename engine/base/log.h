/*
 * The program's log: one line an entry, to a file, never to the terminal.
 *
 * It never carries conversation text, prompts or token ids: callers log names,
 * counts, sizes and times.  Any thread; before log_open() and after log_close()
 * entries are dropped.  A failing disk never fails the program.
 */
#ifndef ENGINE_BASE_LOG_H
#define ENGINE_BASE_LOG_H

#include "engine/base/err.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/*
 * Appends to `path` (mode 0600, created), which is a regular file or a link to one; entries above
 * `level` are dropped.  ERR_IO.
 */
int log_open(const char *path, enum log_level level, struct err *err);
void log_close(void);
/* What is longer than a line of 1,000 bytes is cut; controls in it become blanks,
 * and what else would act on a terminal that shows the file what stands for it (termsafe.h). */
void log_add(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
