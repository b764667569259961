/* Opening a terminal by the number that its descriptor has. */
#include "engine/base/tty.h"

#include <fcntl.h>
#include <unistd.h>

int tty_open_again(int fd)
{
	/* Its name may mean nothing here, or something else. */
	char link[] = "/proc/self/fd/???";
	char *digit = link + sizeof(link) - 4;

	if (fd < 0 || fd > 999 || !isatty(fd))
		return -1;
	if (fd >= 100)
		*digit++ = (char)('0' + fd / 100);
	if (fd >= 10)
		*digit++ = (char)('0' + fd / 10 % 10);
	*digit++ = (char)('0' + fd % 10);
	*digit = '\0';
	return open(link, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
}
