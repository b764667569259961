/* One job at a time: what is kept of it, and its end, which is told once. */
#include "app/tools/server.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/tools/kids.h"
#include "app/tools/output.h"
#include "app/tools/parcel.h"
#include "app/tools/spill.h"
#include "app/tools/wire.h"
#include "engine/base/clock.h"
#include "engine/base/file.h"

/* ---- telling ---- */

static void send_done(struct server *s, uint64_t id, struct str body)
{
	struct err err;
	int rc = wire_send(s->sock, WIRE_DONE, id, body, &err);

	if (rc == 1) {
		buf_reset(&s->waiting);
		buf_adds(&s->waiting, body);
		s->waiting_id = id;
		s->has_waiting = true;
		rc = buf_failed(&s->waiting) ? ERR_NOMEM : 0;
	}
	s->gone = s->gone || rc < 0;
}

void task_send_waiting(struct server *s)
{
	struct err err;
	int rc = wire_send(s->sock, WIRE_DONE, s->waiting_id, buf_str(&s->waiting), &err);

	s->has_waiting = rc == 1;
	s->gone = s->gone || rc < 0;
}

/* ---- a job's life ---- */

static void open_spills(struct server *s)
{
	s->spills = openat(s->spill_root, s->spill_folder,
			   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

void task_find_spills(struct server *s, struct str name)
{
	if (s->spill_root < 0 || !name.n)
		return;
	snprintf(s->spill_folder, sizeof(s->spill_folder), "%.*s", (int)name.n, name.p);
	open_spills(s);
}

/* … and one is made for what is kept. */
static void make_spills(struct server *s)
{
	if (s->spills >= 0 || !s->spill_folder[0])
		return;
	mkdirat(s->spill_root, s->spill_folder, 0700);
	open_spills(s);
}

/* A folder in which nothing is kept does not stay. */
static void close_spills(struct server *s)
{
	file_close(&s->spills);
	if (s->spill_folder[0])
		unlinkat(s->spill_root, s->spill_folder, AT_REMOVEDIR);
	s->spill_folder[0] = '\0';
}

void task_none(struct server *s)
{
	s->task = (struct task){.sock = -1, .result = -1, .spill = -1};
}

void task_end(struct server *s, bool keeps_spill)
{
	struct task *t = &s->task;

	kids_end(SERVER_KILL_MS);
	file_close(&t->sock);
	file_close(&t->result);
	file_close(&t->spill);
	buf_release(&t->done);
	if (t->n_spill && !keeps_spill)
		spill_remove(s->spills, t->n_spill);
	close_spills(s);
	task_none(s);
}

void task_finish(struct server *s, struct str body, bool keeps_spill)
{
	uint64_t id = s->task.id;

	task_end(s, keeps_spill);
	send_done(s, id, body);
}

void task_finish_with(struct server *s, enum tool_state state, const char *text)
{
	struct job_news n = {.state = state, .exit = -1};
	struct buf body = {0};

	n.ms = clock_ms() - s->task.began_ms;
	buf_addz(&n.text, text);
	parcel_add_news(&body, &n);
	/* Who cannot be told of an end must not wait for it. */
	s->gone = s->gone || buf_failed(&body) || buf_failed(&n.text);
	task_finish(s, buf_str(&body), false);
	job_news_release(&n);
	buf_release(&body);
}

void task_open_spill(struct server *s)
{
	struct err err;

	make_spills(s);
	if (s->spills < 0)
		return;
	spill_trim(s->spill_root, SPILL_ALL_BYTES - OUTPUT_SPILL_BYTES);
	s->task.spill = spill_create(s->spills, &s->task.n_spill, &err);
	if (s->task.spill < 0)
		s->task.n_spill = 0;
}
