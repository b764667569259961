/* The log file and its lines. */
#include "engine/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/termsafe.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1; /* under lock */
static enum log_level max_level;

int log_open(const char *path, enum log_level level, struct err *err)
{
	/* O_NONBLOCK: opening a FIFO that nobody reads must not wait. */
	int fd = open(path,
		      O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
	struct stat st;

	/* … and fails in this way. */
	if (fd < 0 && errno == ENXIO)
		return err_set(err, ERR_IO, "%s: not a regular file", path);
	if (fd < 0)
		return err_errno(err, path, "open");
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return err_set(err, ERR_IO, "%s: not a regular file", path);
	}
	pthread_mutex_lock(&lock);
	if (log_fd >= 0)
		close(log_fd);
	log_fd = fd;
	max_level = level;
	pthread_mutex_unlock(&lock);
	return 0;
}

void log_close(void)
{
	pthread_mutex_lock(&lock);
	if (log_fd >= 0)
		close(log_fd);
	log_fd = -1;
	pthread_mutex_unlock(&lock);
}

/* Adds text at line + used as far as `max` goes, such that a terminal can show it. */
static size_t add_safe(char *line, size_t used, size_t max, struct str text)
{
	while (text.n) {
		char bytes[TERMSAFE_MAX];
		bool control = (unsigned char)*text.p < 0x20 || *text.p == 0x7F;
		size_t n = termsafe_next(&text, bytes);

		if (control) {
			bytes[0] = ' ';
			n = 1;
		}
		if (used + n > max)
			break;
		memcpy(line + used, bytes, n);
		used += n;
	}
	return used;
}

void log_add(enum log_level level, const char *fmt, ...)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};
	char line[1000], text[1000];
	int64_t now;
	time_t now_s;
	struct tm tm;
	va_list ap;
	size_t used;
	int n;

	pthread_mutex_lock(&lock);
	if (log_fd < 0 || level > max_level)
		goto done;
	now = clock_wall_ms();
	now_s = (time_t)(now / 1000);
	if (!gmtime_r(&now_s, &tm))
		goto done;
	used = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &tm);
	n = snprintf(line + used, sizeof(line) - used, ".%03dZ %d %s ", (int)(now % 1000),
		     (int)getpid(), names[level]);
	used += (size_t)n;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0)
		goto done;
	used = add_safe(line, used, sizeof(line) - 1, str_of(text));
	line[used++] = '\n';
	if (write(log_fd, line, used) < 0) {
		/* A full disk must not stop a conversation: the entry is lost. */
	}
done:
	pthread_mutex_unlock(&lock);
}
