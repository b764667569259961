/*
 * What keeps a process within bounds, set in the process itself before it does its work.
 */
#ifndef APP_TOOLS_CONFINE_H
#define APP_TOOLS_CONFINE_H

#include <stdbool.h>

#include "app/tools/workspace.h"

/*
 * From now on this process reads below the roots, the system's own folders, `more` (a folder,
 * or -1) and, where `outside`, anywhere; it writes and makes nothing.  What is open stays so.
 * False: the kernel cannot, or would not.
 */
bool confine_to_reading(const struct workspace *w, int more, bool outside);
/* From now on it reads, writes, makes and removes files and folders below the roots, but only
 * reads below those that are read-only and lie in no other; and nothing elsewhere. */
bool confine_to_writing(const struct workspace *w);

/* At most so much address space, so large files; no core; ends with its parent, `parent`. */
void confine_file_tool(pid_t parent);
/* Of a command: core, files, descriptors, processes, who is killed first without memory. */
void confine_command(void);

#endif
