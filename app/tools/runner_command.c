/* A command: its warden, and what that one tells. */
#include "app/tools/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/tools/parcel.h"
#include "app/tools/warden.h"
#include "app/tools/wire.h"
#include "engine/base/jsonr.h"

/* The seconds that the model asked for, as far as they go; 0: it did not. */
static int64_t asked_ms(const struct json_doc *args, bool *clamped)
{
	struct str number = json_doc_number(args, json_object_get(args->root, "timeout"));
	char z[32];
	long long s;

	if (!number.n)
		return 0;
	snprintf(z, sizeof(z), "%.*s", (int)(number.n < 31 ? number.n : 31), number.p);
	s = strtoll(z, NULL, 10);
	*clamped = s > WARDEN_MOST_MS / 1000;
	return *clamped ? WARDEN_MOST_MS : s < 1 ? 1000 : s * 1000;
}

/* True: there is a command that can be run. */
static bool take_arguments(struct server *s, struct json_doc *args, const struct job *j,
			   struct warden *w)
{
	struct err err;
	char why[100];

	if (json_doc_parse_unique(args, j->arguments, &err) != 0) {
		task_finish_with(s, TOOL_ERROR, "error: not run: there is no command");
		return false;
	}
	w->command = json_str(json_object_get(args->root, "command"));
	if (w->command.n > WARDEN_COMMAND) {
		snprintf(why, sizeof(why),
			 "error: not run: the command has %zu bytes; %d is the most",
			 w->command.n, WARDEN_COMMAND);
		task_finish_with(s, TOOL_ERROR, why);
		return false;
	}
	if (w->timeout_ms == 0)
		w->timeout_ms = asked_ms(args, &w->clamped);
	if (w->timeout_ms == 0)
		w->timeout_ms = WARDEN_TIMEOUT_MS;
	return true;
}

static void start(struct server *s, struct warden *w)
{
	struct task *t = &s->task;
	struct err err;
	int ends[2];

	t->due_ms = t->began_ms + w->timeout_ms + WARDEN_TERM_MS + WARDEN_GRACE_MS;
	if (wire_pair(ends, &err) != 0) {
		task_finish_with(s, TOOL_ERROR, "error: not run: no process could be started");
		return;
	}
	task_open_spill(s);
	w->spill = t->spill;
	w->n_spill = t->n_spill;
	w->sock = ends[1];
	t->sock = ends[0];
	t->pid = fork();
	if (t->pid == 0) {
		close(s->sock);
		close(s->signals);
		close(ends[0]);
		_exit(warden_run(w));
	}
	close(ends[1]);
	if (t->pid < 0)
		task_finish_with(s, TOOL_ERROR, "error: not run: no process could be started");
}

void command_begin(struct server *s, const struct job *j)
{
	struct json_doc args = {0};
	struct warden w = {
		.sandbox = &s->sandbox,
		.workspace = &s->w,
		.grade = j->grade,
		.limit = j->limit,
		.timeout_ms = j->timeout_ms,
	};

	s->task.command = true;
	if (take_arguments(s, &args, j, &w))
		start(s, &w);
	json_doc_release(&args);
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
