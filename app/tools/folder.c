/* A stream of a descriptor that was opened through no link. */
#include "app/tools/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

DIR *folder_open(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int number = errno;

	if (!dir && fd >= 0)
		close(fd);
	errno = number;
	return dir;
}

struct dirent *folder_next(DIR *dir)
{
	struct dirent *e = NULL;

	while (dir && (e = readdir(dir)) &&
	       (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0))
		;
	return e;
}
