/* A tool of files: a function in a child that is confined, and gives its result in a memfd. */
#include "app/tools/server.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/tools/confine.h"
#include "app/tools/file_tool.h"
#include "app/tools/parcel.h"
#include "app/tools/wire.h"
#include "engine/base/clock.h"
#include "engine/base/file.h"

/* With all that is said. */
#define RESULT_BYTES (FILE_CHANGE_BYTES + FILE_WRITE_BYTES + (1u << 20))

/* In the child: its result, as news, goes to the memfd. */
static _Noreturn void be_file_tool(struct server *s, const struct job *j, pid_t parent)
{
	struct file_job f = {.w = &s->w,
			     .outside = j->outside,
			     .limit = j->limit,
			     .spills = s->spills,
			     .spill = s->task.spill,
			     .n_spill = s->task.n_spill,
			     .phase = j->phase,
			     .shown = j->shown,
			     .plan = j->plan};
	struct job_news n = {.exit = -1};
	struct buf body = {0};

	/* What it reads is hostile: it has no way to the program but its result. */
	close(s->sock);
	close(s->signals);
	confine_file_tool(parent);
	if (s->sandbox.landlock &&
	    !(j->phase == JOB_APPLY ? confine_to_writing(&s->w)
				    : confine_to_reading(&s->w, s->spills, j->outside)))
		_exit(3);
	n.state = file_tool_run(&f, j->tool, j->arguments);
	n.text = f.text;
	n.info = f.info;
	n.plan = f.new_plan;
	n.diff = f.diff;
	n.before = f.before;
	n.files = f.files;
	n.bytes = f.text.len;
	n.ms = clock_ms() - s->task.began_ms;
	n.cut = f.cut;
	if (f.cut && f.n_spill)
		buf_addf(&n.spill, "OUT:%u", f.n_spill);
	parcel_add_news(&body, &n);
	_exit(buf_failed(&body) || file_write_all(s->task.result, buf_str(&body)) != 0 ? 4 : 0);
}

void file_begin(struct server *s, const struct job *j)
{
	struct task *t = &s->task;
	pid_t self = getpid();

	t->timeout_ms = j->timeout_ms ? j->timeout_ms : FILE_TOOL_MS;
	t->due_ms = t->began_ms + t->timeout_ms;
	t->applies = j->phase == JOB_APPLY;
	t->result = memfd_create("result", MFD_CLOEXEC);
	if (j->phase == JOB_WHOLE && !str_is(j->tool, "read_file"))
		task_open_spill(s);
	t->pid = t->result < 0 ? -1 : fork();
	if (t->pid == 0)
		be_file_tool(s, j, self);
	if (t->pid < 0) {
		task_finish_with(s, TOOL_ERROR, "error: not run: no process could be started");
	}
}

/* What the child wrote; as much as a result may be. */
static bool read_result(int fd, struct wire_message *m)
{
	struct stat st;

	*m = (struct wire_message){.kind = WIRE_DONE};
	if (fstat(fd, &st) != 0 || st.st_size > (off_t)RESULT_BYTES ||
	    !buf_reserve(&m->body, (size_t)st.st_size))
		return false;
	if (pread(fd, m->body.data, (size_t)st.st_size, 0) != st.st_size)
		return false;
	m->body.len = (size_t)st.st_size;
	return true;
}

void file_end(struct server *s, int status)
{
	struct task *t = &s->task;
	struct job_news n = {0};
	struct wire_message m = {0};
	char late[64];

	if (t->stopped) {
		task_finish_with(s, TOOL_STOPPED, "[stopped by the user]");
	} else if (t->applies && status != 0) {
		task_finish_with(
			s, TOOL_LOST,
			"error: the change ended early; whether it was made is not known. "
			"Look before you repeat it.");
	} else if (t->timed_out) {
		snprintf(late, sizeof(late), "error: timed out after %lld seconds",
			 (long long)(t->timeout_ms / 1000));
		task_finish_with(s, TOOL_TIMEOUT, late);
	} else if (status == 0 && read_result(t->result, &m) && parcel_take_news(&m, &n)) {
		task_finish(s, buf_str(&m.body), n.spill.len > 0);
	} else {
		task_finish_with(s, TOOL_ERROR, "error: the tool failed on this file");
	}
	job_news_release(&n);
	buf_release(&m.body);
}
