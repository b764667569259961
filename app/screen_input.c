#include "app/screen_private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/log.h"

/* Inputs longer than this aren't kept in the file. */
#define INPUT_MAX  65536
#define FILE_MAX   ((size_t)8 << 20)
#define EDITED_MAX ((size_t)64 << 20)

/*
 * The file of inputs is libedit's, so that line mode has them too: a first line
 * that names the format, then one input a line, oldest first, with blanks,
 * controls and backslashes as \ooo.  It is appended to, by several programs at
 * once if need be, and cut to its newer half when it grows beyond FILE_MAX.
 */
static const char first_line[] = "_HiStOrY_V2_\n";

static int read_whole(const char *path, size_t max, struct buf *out)
{
	char part[65536];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	while ((n = read(fd, part, sizeof(part))) > 0 && out->len <= max)
		buf_add(out, part, (size_t)n);
	close(fd);
	return n < 0 || out->len > max || buf_failed(out) ? -1 : 0;
}

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* Appends the character that the escape at p[0..n) stands for; returns its bytes. */
static size_t unescape(struct buf *out, const char *p, size_t n)
{
	if (n >= 4 && is_octal(p[1]) && is_octal(p[2]) && is_octal(p[3])) {
		buf_addc(out, (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0')));
		return 4;
	}
	if (n >= 3 && p[1] == '^') {
		buf_addc(out, (char)(p[2] & 0x1F));
		return 3;
	}
	if (n >= 2) {
		buf_addc(out, p[1] == 'n'   ? '\n'
			      : p[1] == 't' ? '\t'
			      : p[1] == 's' ? ' '
					    : p[1]);
		return 2;
	}
	buf_addc(out, p[0]);
	return 1;
}

void screen_load_inputs(struct screen *s)
{
	struct buf all = {0}, one = {0};
	size_t at = 0;

	if (s->config->inputs_path == NULL ||
	    read_whole(s->config->inputs_path, 2 * FILE_MAX, &all) < 0)
		goto done;
	if (all.len >= sizeof(first_line) - 1 &&
	    memcmp(all.data, first_line, sizeof(first_line) - 1) == 0)
		at = sizeof(first_line) - 1;
	while (at < all.len) {
		const char *nl = memchr(all.data + at, '\n', all.len - at);
		size_t end = nl != NULL ? (size_t)(nl - all.data) : all.len;

		buf_reset(&one);
		while (at < end) {
			if (all.data[at] == '\\')
				at += unescape(&one, all.data + at, end - at);
			else
				buf_addc(&one, all.data[at++]);
		}
		tui_add_input(s->tui, buf_str(&one));
		at = end + 1;
	}
done:
	buf_release(&all);
	buf_release(&one);
}

static void halve(const char *path, int fd)
{
	struct buf all = {0};
	const char *nl;

	if (read_whole(path, 2 * FILE_MAX, &all) == 0 && all.len > FILE_MAX &&
	    (nl = memchr(all.data + all.len / 2, '\n', all.len - all.len / 2)) != NULL) {
		size_t from = (size_t)(nl - all.data) + 1;

		if (ftruncate(fd, 0) < 0 || write(fd, first_line, sizeof(first_line) - 1) < 0 ||
		    write(fd, all.data + from, all.len - from) < 0)
			log_add(LOG_WARN, "inputs: %s", strerror(errno));
	}
	buf_release(&all);
}

void screen_keep_input(struct screen *s, struct str text)
{
	const char *path = s->config->inputs_path;
	struct buf line = {0};
	int fd;

	if (text.n == 0)
		return;
	tui_add_input(s->tui, text);
	if (path == NULL || text.n > INPUT_MAX)
		return;
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0 && lseek(fd, 0, SEEK_END) == 0)
		buf_addz(&line, first_line);
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c <= ' ' || c == '\\' || c == 0x7F)
			buf_addf(&line, "\\%03o", c);
		else
			buf_addc(&line, (char)c);
	}
	buf_addc(&line, '\n');
	if (fd < 0 || buf_failed(&line) ||
	    write(fd, line.data, line.len) != (ssize_t)line.len) {
		tui_say(s->tui, STYLE_NOTICE, "%s: not kept: %s", path, strerror(errno));
	} else if (lseek(fd, 0, SEEK_END) > (off_t)FILE_MAX) {
		halve(path, fd);
	}
	if (fd >= 0)
		close(fd);
	buf_release(&line);
}

/* ---- the external editor ---- */

/* Runs $VISUAL or $EDITOR on the file, on the terminal; 0 where it ended well. */
static int run_editor(const char *path)
{
	const char *editor = getenv("VISUAL");
	int status;
	pid_t pid;

	if (editor == NULL || editor[0] == '\0')
		editor = getenv("EDITOR");
	if (editor == NULL || editor[0] == '\0')
		editor = "vi";
	pid = fork();
	if (pid < 0)
		return -1;
	if (pid == 0) {
		/* The shell takes an editor with arguments apart; the file is one of them. */
		signal(SIGPIPE, SIG_DFL);
		execl("/bin/sh", "sh", "-c", "exec $0 \"$1\"", editor, path, (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

void screen_editor(struct screen *s, int64_t editing, struct str text)
{
	const char *tmp = getenv("TMPDIR");
	char path[512];
	struct buf edited = {0};
	bool ok;
	int fd;

	if (s->terminal == NULL)
		return;
	snprintf(path, sizeof(path), "%.400s/dsv4chat-XXXXXX.md",
		 tmp != NULL && tmp[0] == '/' ? tmp : "/tmp");
	fd = mkstemps(path, 3);
	if (fd < 0) {
		tui_say(s->tui, STYLE_ERROR, "%s: %s", path, strerror(errno));
		return;
	}
	ok = write(fd, text.p != NULL ? text.p : "", text.n) == (ssize_t)text.n;
	close(fd);
	if (ok) {
		terminal_release(s->terminal);
		ok = run_editor(path) == 0;
		terminal_resume(s->terminal, &s->failed);
		ok = ok && read_whole(path, EDITED_MAX, &edited) == 0;
	}
	unlink(path);
	while (edited.len > 0 && edited.data[edited.len - 1] == '\n')
		buf_truncate(&edited, edited.len - 1);
	if (ok)
		tui_edit(s->tui, editing, buf_str(&edited));
	else
		tui_say(s->tui, STYLE_ERROR, "the editor failed: the text is as it was");
	buf_release(&edited);
}
