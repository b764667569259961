/* A command: its warden, and what that one tells. */
#include "app/tools/server.h"

#include <unistd.h>

#include "app/tools/parcel.h"
#include "app/tools/warden.h"
#include "app/tools/wire.h"
#include "engine/base/clock.h"
#include "engine/base/jsonr.h"

void command_begin(struct server *s, const struct job *j)
{
	struct json_doc args = {0};
	struct task *t = &s->task;
	struct warden w = {
		.sandbox = &s->sandbox,
		.workspace = &s->w,
		.grade = j->grade,
		.limit = j->limit,
		.timeout_ms = j->timeout_ms,
	};
	struct err err;
	int ends[2];

	t->command = true;
	if (json_doc_parse_unique(&args, j->arguments, &err) != 0 ||
	    wire_pair(ends, &err) != 0) {
		task_finish_with(s, TOOL_ERROR, "error: not run: no process could be started");
		json_doc_release(&args);
		return;
	}
	w.command = json_str(json_object_get(args.root, "command"));
	if (w.timeout_ms == 0)
		w.timeout_ms = WARDEN_TIMEOUT_MS;
	t->due_ms = t->began_ms + w.timeout_ms + WARDEN_TERM_MS + WARDEN_GRACE_MS;
	task_open_spill(s);
	w.spill = t->spill;
	w.n_spill = t->n_spill;
	w.sock = ends[1];
	t->sock = ends[0];
	t->pid = fork();
	if (t->pid == 0) {
		close(s->sock);
		close(s->signals);
		close(ends[0]);
		_exit(warden_run(&w));
	}
	close(ends[1]);
	json_doc_release(&args);
	if (t->pid < 0) {
		task_finish_with(s, TOOL_ERROR, "error: not run: no process could be started");
	}
}

void command_hear(struct server *s)
{
	struct task *t = &s->task;
	struct wire_message m;
	struct err err;

	while (t->sock >= 0 && wire_receive(t->sock, &m, &err) == 1) {
		struct job_news n;
		bool fits = parcel_take_news(&m, &n);

		if (fits && m.kind == WIRE_OUTPUT)
			s->gone = s->gone || wire_send(s->sock, WIRE_OUTPUT, t->id,
						       buf_str(&m.body), &err) < 0;
		if (fits && m.kind == WIRE_DONE && !t->done.len) {
			buf_adds(&t->done, buf_str(&m.body));
			if (n.spill.len)
				t->n_spill = 0; /* it is kept */
		}
		job_news_release(&n);
		buf_release(&m.body);
	}
}

void command_end(struct server *s)
{
	struct buf done;

	command_hear(s);
	done = s->task.done;
	s->task.done = (struct buf){0};
	if (done.len && !buf_failed(&done))
		task_finish(s, buf_str(&done), false);
	else
		task_finish_with(
			s, TOOL_LOST,
			"error: what watched over the command ended; what it did is not known. "
			"Look before you repeat it.");
	buf_release(&done);
}
