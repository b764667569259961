/*
 * The names in a folder, one after the other.
 *
 * One thread for each stream.
 */
#ifndef APP_TOOLS_FOLDER_H
#define APP_TOOLS_FOLDER_H

#include <dirent.h>

/* The folder of that name in `at`, which is no link; NULL, and errno.  For closedir(). */
DIR *folder_open(int at, const char *name);
/* The next but for "." and ".."; NULL: there is none.  A stream that is NULL has none. */
struct dirent *folder_next(DIR *dir);

#endif
