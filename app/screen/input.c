/* Earlier inputs, and the external editor. */
#include "app/screen/private.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/inputs.h"
#include "engine/base/file.h"

#define EDITED_MAX ((size_t)64 << 20)

static void add_input(void *ctx, struct str text)
{
	struct screen *s = ctx;

	tui_add_input(s->tui, text);
}

/* Earlier inputs that can't be read are told, and none. */
void screen_load_inputs(struct screen *s)
{
	struct err err;

	if (s->config->inputs_path &&
	    inputs_read(s->config->inputs_path, add_input, s, &err) < 0)
		tui_say(s->tui, STYLE_NOTICE, "%s", err.text);
}

void screen_keep_input(struct screen *s, struct str text)
{
	struct err err;

	if (text.n == 0)
		return;
	tui_add_input(s->tui, text);
	if (s->config->inputs_path &&
	    inputs_append(s->config->inputs_path, text, talk_store_uid(s->talks, s->talk),
			  &err) < 0)
		tui_say(s->tui, STYLE_NOTICE, "this input was not kept: %s", err.text);
}

/* ---- the external editor ---- */

/* Runs $VISUAL or $EDITOR on the file, on the terminal; 0 where it ended well. */
static int run_editor(const char *path)
{
	const char *editor = getenv("VISUAL");
	int status;
	pid_t pid;

	if (!editor || editor[0] == '\0')
		editor = getenv("EDITOR");
	if (!editor || editor[0] == '\0')
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
	struct err err;
	bool ok;
	int fd;

	if (!s->terminal)
		return;
	snprintf(path, sizeof(path), "%.400s/dsv4chat-XXXXXX.md",
		 tmp && tmp[0] == '/' ? tmp : "/tmp");
	fd = mkstemps(path, 3);
	if (fd < 0) {
		tui_say(s->tui, STYLE_ERROR, "%s: %s", path, strerror(errno));
		return;
	}
	ok = write(fd, text.p ? text.p : "", text.n) == (ssize_t)text.n;
	close(fd);
	if (ok) {
		terminal_release(s->terminal);
		ok = run_editor(path) == 0;
		terminal_resume(s->terminal, &s->failed);
		ok = ok && file_read(&edited, path, EDITED_MAX, &err) == 0;
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
