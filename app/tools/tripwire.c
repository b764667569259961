/* inotify of the roots alone; what is made deeper is found when the command has ended. */
#include "app/tools/tripwire.h"

#include <limits.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "app/tools/protect.h"

int tripwire_open(const struct workspace *w)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < w->n_roots; i++) {
		char path[32];

		snprintf(path, sizeof(path), "/proc/self/fd/%d", w->roots[i].fd);
		if (inotify_add_watch(fd, path, IN_CREATE | IN_MOVED_TO) < 0) {
			close(fd);
			fd = -1;
		}
	}
	return fd;
}

bool tripwire_hear(int fd, struct buf *name)
{
	char text[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)]
		__attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n;

	while ((n = read(fd, text, sizeof(text))) > 0) {
		for (char *at = text; at < text + n;) {
			const struct inotify_event *e = (const struct inotify_event *)at;

			if (e->len && protect_by_name(str_of(e->name))) {
				buf_reset(name);
				buf_addz(name, e->name);
				return true;
			}
			at += sizeof(*e) + e->len;
		}
	}
	return false;
}
